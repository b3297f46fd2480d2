"""A link like a user's: TLS, a round-trip time and a bandwidth, in front of a file server.

nginx (``apt-get install nginx-light``) serves a folder over TLS; a process in front of it delays
the bytes of each connection by half a round trip each way, lets all connections share one
bandwidth downwards, and makes a new connection cost one more round trip, as TCP's handshake does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_PIECE = 16 << 10
_CONFIG = """
pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 4096; }}
http {{
  access_log off; sendfile on; tcp_nodelay on; keepalive_requests 100000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} {ssl} backlog=1024;
    ssl_certificate {folder}/leaf.pem; ssl_certificate_key {folder}/leaf.key;
    # Each date of a series has a path of its own: /s012/B04.tif is the folder's B04.tif.
    location ~ ^/s\\d+/(?<file>.*)$ {{ alias {files}/$file; }}
    location / {{ root {files}; }}
  }}
}}
"""


class Link(NamedTuple):
    """A running link."""

    url: str
    """Root of the files, without a slash at its end."""

    environ: dict[str, str]
    """Variables by which obstore and Python trust the server, and GDAL does not check it."""

    port: int

    def stats(self) -> dict[str, float]:
        """Return connections and bytes since the last call."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port + 1}/") as answer:
            told: dict[str, float] = json.load(answer)
            return told


@contextlib.contextmanager
def link(files: Path, rtt: float, mbit: float, *, tls: bool = True) -> Iterator[Link]:
    """Serve a folder over a link of ``rtt`` milliseconds and ``mbit`` Mbit/s."""
    port = _free_port()
    folder = Path(tempfile.mkdtemp(prefix="astra-xr-link-"))
    _certify(folder)
    config = folder / "nginx.conf"
    ssl = "ssl" if tls else ""
    config.write_text(_CONFIG.format(folder=folder, files=files, port=port + 2, ssl=ssl))
    nginx = subprocess.Popen(["nginx", "-c", str(config), "-g", "daemon off;"])
    command = [sys.executable, __file__, str(port), str(port + 2), str(rtt), str(mbit)]
    # Readers that cut a connection, and the end of the process, are no news.
    shaping = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    bundle = folder / "bundle.pem"
    environ = {
        "SSL_CERT_FILE": str(bundle),
        "GDAL_HTTP_UNSAFESSL": "YES",
        "XRSPATIAL_GEOTIFF_ALLOW_PRIVATE_HOSTS": "1",
    }
    running = Link(f"http{'s' if tls else ''}://localhost:{port}", environ, port)
    try:
        for _ in range(100):
            try:
                running.stats()
                break
            except OSError:
                time.sleep(0.05)
        yield running
    finally:
        for process in (shaping, nginx):
            process.terminate()
            process.wait()
        shutil.rmtree(folder)


def _free_port() -> int:
    """Return a port which is free, as the two after it are."""
    for port in range(18500, 18800, 3):
        with contextlib.suppress(OSError), contextlib.ExitStack() as taken:
            for number in range(3):
                sock = taken.enter_context(socket.socket())
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind(("127.0.0.1", port + number))
            return port
    raise OSError("no port is free")


def _certify(folder: Path) -> None:
    """Make an authority, and a certificate for localhost that it signed."""
    (folder / "names").write_text(
        "subjectAltName=DNS:localhost,IP:127.0.0.1\nauthorityKeyIdentifier=keyid\n"
    )
    key = "-newkey rsa:2048 -nodes -days 30"
    signed = "-CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile names"
    usage = "-addext keyUsage=critical,keyCertSign"
    steps = (
        f"req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=astra-xr {usage}",
        f"req {key} -keyout leaf.key -out leaf.csr -subj /CN=localhost",
        f"x509 -req -in leaf.csr {signed} -out leaf.pem",
    )
    for step in steps:
        command = ["openssl", *step.split()]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    (folder / "bundle.pem").write_bytes((folder / "ca.pem").read_bytes())


class _Shaping:
    """The process in front of nginx."""

    def __init__(self, port: int, target: int, rtt: float, mbit: float) -> None:
        self.port, self.target = port, target
        self.rtt, self.rate = rtt / 1e3, mbit * 1e6 / 8
        self.free_at = 0.0
        self.told = {"connections": 0, "bytes": 0}

    async def run(self) -> None:
        where = "127.0.0.1"
        lines = await asyncio.start_server(self.connect, where, self.port, backlog=1024)
        about = await asyncio.start_server(self.tell, where, self.port + 1)
        await asyncio.gather(lines.serve_forever(), about.serve_forever())

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.told["connections"] += 1
        inner, outer = await asyncio.open_connection("127.0.0.1", self.target)
        await asyncio.gather(
            self.pump(reader, outer, down=False),
            self.pump(inner, writer, down=True),
            return_exceptions=True,
        )
        for each in (writer, outer):
            each.close()

    async def pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, down: bool
    ) -> None:
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(64)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.send(queue, writer))
            # The handshake of TCP.
            extra = 0.0 if down else self.rtt
            while data := await reader.read(_PIECE):
                now = time.perf_counter()
                due = now + self.rtt / 2 + extra
                extra = 0
                if down:
                    self.told["bytes"] += len(data)
                    self.free_at = max(now, self.free_at) + len(data) / self.rate
                    due = self.free_at + self.rtt / 2
                    if self.free_at - now > 0.2:
                        await asyncio.sleep(self.free_at - now - 0.1)
                await queue.put((due, data))
            await queue.put((0, b""))

    @staticmethod
    async def send(queue: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        while True:
            due, data = await queue.get()
            if not data:
                break
            await asyncio.sleep(max(0, due - time.perf_counter()))
            writer.write(data)
            await writer.drain()
        writer.write_eof()

    async def tell(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = json.dumps(self.told).encode()
        self.told = {"connections": 0, "bytes": 0}
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()


if __name__ == "__main__":
    listen, target, rtt, mbit = sys.argv[1:]
    asyncio.run(_Shaping(int(listen), int(target), float(rtt), float(mbit)).run())
