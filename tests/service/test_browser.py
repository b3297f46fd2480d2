"""The JavaScript program from a page in a real browser: where it is allowed, and where not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.service.conftest import serving
from tests.service.test_contract import FETCH

PAGE = """<!doctype html><meta charset=utf-8><title>page</title><script type=module>
const told = [];
const console = { log: (...words) => told.push(words.join(" ")) };
const process = { argv: ["", "", "BASE", "KEY"] };
try {
PROGRAM
  const part = await fetch(assets.B04.href, { headers: { Range: "bytes=0-3" } });
  const bytes = new Uint8Array(await part.arrayBuffer());
  told.push(`${part.status} ${part.headers.get("Content-Range")} ${bytes}`);
} catch (error) { told.push(String(error)); }
document.title = "done";
document.body.textContent = told.join("\\n");
</script><body></body>
"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """The origin of the page, which is not the service's."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def shown(browser: Any, site: str, folder: Path, url: str, key: str) -> list[str]:
    page = PAGE.replace("PROGRAM", FETCH).replace('"BASE"', f'"{url}"').replace('"KEY"', f'"{key}"')
    (folder / "page.html").write_text(page)
    tab = browser.new_page()
    tab.set_default_timeout(120_000)
    tab.goto(f"{site}/page.html")
    tab.wait_for_function("document.title == 'done'")
    return str(tab.text_content("body")).splitlines()


def test_a_page_that_may(browser: Any, site: str, tmp_path: Path) -> None:
    with serving(cors_origins=(site,)) as served:
        served.ask()  # the sample is there, then
        lines = shown(browser, site, tmp_path, served.url, served.key)
        for line, band in zip(lines[:2], ("B04", "B08"), strict=True):
            assert line.startswith(f"{band} {served.url}/assets/sample/")
        status, unit, place, first = lines[2].split()
        assert (status, unit, first) == ("206", "bytes", "73,73,42,0")  # a TIFF begins so
        assert place.startswith("0-3/")


def test_a_page_that_may_not(browser: Any, site: str, tmp_path: Path) -> None:
    with serving(cors_origins=("https://maps.example",)) as served:
        assert shown(browser, site, tmp_path, served.url, served.key) == [
            "TypeError: Failed to fetch"
        ]
    with serving() as served:
        assert shown(browser, site, tmp_path, served.url, served.key) == [
            "TypeError: Failed to fetch"
        ]
        # The browser asked first, and was told no: no key was sent.
        assert not any('"status": 200' in line for line in served.lines)
