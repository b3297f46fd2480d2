"""What the process is in: proxies, and forks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from astra_xr.errors import UpstreamUnavailable
from astra_xr.net.client import _Proxied, upstream_error
from astra_xr.net.memo import Memo


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
        "fetch_json('it', 'https://catalog.example/search', timeout=3)"
    )
    proxy = f"http://127.0.0.1:{server.server_port}"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "HTTPS_PROXY": proxy, "NO_PROXY": direct, "https_proxy": proxy},
        capture_output=True,
        text=True,
        timeout=60,
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
    transport = httpx.Client(transport=_Proxied())
    with pytest.raises(httpx.ProxyError) as caught:
        transport.get("https://catalog.example/search")
    ours = upstream_error("it", caught.value, "https://catalog.example/search")
    assert isinstance(ours, UpstreamUnavailable)
    assert "proxy" in str(ours)
    assert "SECRET" not in f"{ours} {caught.value.__context__!r}"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_does_not_wait_for_its_parents_threads() -> None:
    memo: Memo[str, str] = Memo(size=4, life=60)
    going, ends = threading.Event(), threading.Event()

    def slow() -> str:
        going.set()
        ends.wait(10)
        return "parent's"

    thread = threading.Thread(target=memo.get, args=("key", slow))
    thread.start()
    going.wait(5)
    child = os.fork()
    if not child:
        signal.alarm(10)
        os._exit(0 if memo.get("key", lambda: "own") == "own" else 1)
    status = os.waitpid(child, 0)[1]
    ends.set()
    thread.join()
    assert status == 0
    assert memo.get("key", lambda: "new") == "parent's"
