"""The picker in marimo, with a real kernel."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.servers import answers, free_port, running, wait_until
from tests.widgets.conftest import SAMPLE

pytestmark = pytest.mark.skipif(
    find_spec("marimo") is None, reason="marimo is not here: pip install -e '.[browser]'"
)

APP = f"""
import marimo
app = marimo.App()

@app.cell
def _():
    import astra_xr
    bands = ["red", "green", "blue", "nir"]
    ds = astra_xr.open_scene({SAMPLE!r}, bands, catalog="sample", resolution=60)
    ds.astra.pick()
    return
"""


@pytest.fixture
def url(tmp_path: Path, cache_dir: Path) -> Iterator[str]:
    """The notebook as marimo runs it, on loopback."""
    path, port = tmp_path / "notebook.py", free_port()
    path.write_text(APP)
    command = [sys.executable, "-m", "marimo", "run", str(path), "--headless", "--no-token"]
    environ = os.environ | {
        "ASTRA_CACHE_DIR": str(cache_dir),
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "XDG_CONFIG_HOME": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path),
    }
    log, root = tmp_path / "log", f"http://127.0.0.1:{port}"
    command += ["--host=127.0.0.1", f"--port={port}"]
    with running(command, log, environ=environ) as process:
        wait_until(lambda: answers(f"{root}/health"), process, log, seconds=180)
        yield root


def test_pick_an_index_and_a_pixel(browser: Any, url: str) -> None:
    page = browser.new_page(viewport={"width": 1200, "height": 1000})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_default_timeout(180_000)
    page.goto(url)
    canvas = page.locator(".astra-canvas[data-rev]")
    canvas.wait_for()
    # Each needs an answer of the kernel: the index is computed there, and the pixel is read.
    page.locator(".astra-picker[data-busy=false]").wait_for()
    rev = canvas.get_attribute("data-rev")
    page.locator("input[value=index]").click()
    page.locator(f".astra-canvas:not([data-rev='{rev}'])").wait_for()
    page.locator(".astra-picker[data-busy=false]").wait_for()
    canvas.click(position={"x": 200, "y": 200})
    page.locator(".astra-spectra circle").nth(3).wait_for(state="attached")
    folder = os.environ.get("PICKER_SCREENSHOTS")
    if folder:
        page.screenshot(path=f"{folder}/marimo.png")
    page.close()
    assert errors == []
