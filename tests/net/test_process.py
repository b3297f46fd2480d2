"""What the process is in: proxies, and forks."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from astra_xr import catalogs, locks, warned
from astra_xr.catalogs import connect
from astra_xr.errors import UpstreamUnavailable
from astra_xr.net.failures import upstream_error
from astra_xr.net.memo import Memo
from astra_xr.net.proxies import Proxied
from astra_xr.reading.cache import tile_cache
from astra_xr.reading.ranges import traffic
from astra_xr.resolver.race import Gate
from astra_xr.settings import Settings
from astra_xr.warned import first_time


@pytest.mark.parametrize(
    ("direct", "reached"), [("", True), ("other.example", True), ("catalog.example", False)]
)
def test_requests_go_through_the_proxy_of_the_environment(direct: str, reached: bool) -> None:
    asked: list[str] = []

    class Proxy(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            asked.append(self.path)
            self.send_error(403)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    code = (
        "from astra_xr.net.client import fetch_json\n"
        "fetch_json('it', 'https://catalog.example/search', timeout=20)"
    )
    proxy = f"http://127.0.0.1:{server.server_port}"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "HTTPS_PROXY": proxy, "NO_PROXY": direct, "https_proxy": proxy},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    server.shutdown()
    server.server_close()
    assert "UpstreamUnavailable" in done.stderr
    assert bool(asked) is reached
    assert set(asked) <= {"catalog.example:443"}


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "gopher://127.0.0.1:9"])
def test_a_proxy_that_cannot_be_used_is_an_error_of_ours(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("ALL_PROXY", proxy.replace("//", "//user:SECRET@"))
    monkeypatch.setitem(sys.modules, "socksio", None)
    transport = httpx.Client(transport=Proxied())
    with pytest.raises(httpx.ProxyError) as caught:
        transport.get("https://catalog.example/search")
    ours = upstream_error("it", caught.value, "https://catalog.example/search")
    assert isinstance(ours, UpstreamUnavailable)
    assert "proxy" in str(ours)
    assert "SECRET" not in f"{ours} {caught.value.__context__!r}"


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
many_threads = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


def in_child(act: Callable[[], bool]) -> bool:
    """Fork, and return what the child returns; False if it does not end."""
    child = os.fork()
    if not child:
        signal.alarm(60)
        os._exit(0 if act() else 1)
    return os.waitpid(child, 0)[1] == 0


@forks
@many_threads
def test_a_forked_child_does_not_wait_for_its_parents_threads() -> None:
    memo: Memo[str, str] = Memo(size=4, life=60)
    going, ends = threading.Event(), threading.Event()

    def slow() -> str:
        going.set()
        ends.wait(60)
        return "parent's"

    thread = threading.Thread(target=memo.get, args=("key", slow))
    thread.start()
    assert going.wait(60)
    own = in_child(lambda: memo.get("key", lambda: "own") == "own")
    ends.set()
    thread.join()
    assert own
    assert memo.get("key", lambda: "new") == "parent's"


@forks
@many_threads
def test_no_lock_is_held_in_a_forked_child() -> None:
    gate = Gate(slots=1)
    held = [each for each in locks._all if isinstance(each, locks.Lock)]
    going, ends = threading.Event(), threading.Event()

    def hold() -> None:
        with contextlib.ExitStack() as stack:
            for each in held:
                stack.enter_context(each)
            going.set()
            ends.wait(60)

    def works() -> bool:
        tile_cache.put("a", memoryview(b"1"), 1)
        connect("earth-search", Settings())
        in_order = gate.pass_through(lambda: True) and traffic().requests >= 0
        return in_order and tile_cache.get("a") is not None and first_time("of this test")

    thread = threading.Thread(target=hold)
    thread.start()
    assert going.wait(60)
    worked = in_child(works)
    ends.set()
    thread.join()
    assert worked
    assert {tile_cache._lock, warned._lock, catalogs._lock, gate.slots} <= set(held)


def test_all_locks_of_a_process_are_renewed() -> None:
    root = Path(catalogs.__file__).parents[1]
    bare = re.compile(r"(?<!partial\()threading\.(R?Lock|\w*Semaphore|Condition)\(")
    plain = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if bare.search(path.read_text())
    }
    # Of objects that no forked child uses on: a server, a widget, reads, a file being fetched.
    widgets = {"widgets/background_work.py", "widgets/picker.py"}
    apart = {"testing.py", "service/keys.py"} | widgets
    assert plain <= apart | {"conversion/source.py"}
