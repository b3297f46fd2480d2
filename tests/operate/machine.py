"""A folder in place of the root of a machine, in which the commands of the page are run.

Paths, ports and the host name of the page are mapped to those that are free here. Three things are
stood in for: ``useradd`` and ``runuser`` by a numeric user, and systemd by `Units`.
"""

from __future__ import annotations

import configparser
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.operate import written
from tests.servers import free_port

USER = 10001
_PATHS = re.compile(r"(?<![\w.$-])/(opt|etc|var)/(astra-xr|lib|cache|log|nginx|systemd)\b")
_PORTS = re.compile(r"(?<=127\.0\.0\.1:)\d{4}\b|(?<=astra-xr@)\d{4}\b|(?<=listen )443\b")
_ROOT = os.geteuid() == 0


def can_mount() -> bool:
    """Return True if this user may make a read-only root for a process."""
    trial = "mount --make-rprivate / && mount -o remount,bind,ro /"
    if not _ROOT or not shutil.which("unshare"):
        return False
    command = ["unshare", "--mount", "sh", "-c", trial]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


class Machine:
    """Runs commands in a folder.

    Parameters
    ----------
    root : Path
        Stands for ``/``.
    checkout : Path
        Where commands are run: what the image is built from.
    """

    def __init__(self, root: Path, checkout: Path) -> None:
        self.root, self.checkout = root, checkout
        self._ports: dict[str, str] = {}
        self.read_only = can_mount()
        for folder in ("tmp", "run", "var/log/nginx", "etc/nginx/conf.d", "etc/systemd/system"):
            (root / folder).mkdir(parents=True)
        (root / "tmp").chmod(0o1777)

    def port(self, of_page: str) -> str:
        """Return the port that replaces one of the page."""
        return self._ports.setdefault(of_page, str(free_port()))

    @property
    def host(self) -> str:
        return f"localhost:{self.port('443')}"

    def here(self, text: str) -> str:
        """Return a text of the page as it is right on this machine."""
        text = text.replace("https://scenes.example.org", f"https://{self.host}")
        text = text.replace("scenes.example.org", "localhost")
        text = _PATHS.sub(lambda match: f"{self.root}{match[0]}", text)
        return _PORTS.sub(lambda match: self.port(match[0]), text)

    def path(self, of_page: str) -> Path:
        return self.root / of_page.lstrip("/")

    def write(self, file: str, text: str) -> None:
        """Append to a file of the page."""
        path = self.path(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as out:
            out.write(self.here(text))

    def sh(self, command: str, **more: str) -> str:
        """Run a command of the page, and return what it prints."""
        print(f"$ {command}", flush=True)
        if command.startswith("useradd "):
            self.owned(self.path("/var/lib/astra-xr"))
            return ""
        command = self.here(command)
        if command.startswith("nginx "):
            command = f"{nginx()} -c {self.path('/etc/nginx/nginx.conf')} {command[6:]}"
        as_user = command.partition("runuser -u astra-xr -- ")[2]
        if as_user:
            command = shlex.join(self.user(shlex.split(as_user)))
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self.checkout, env=self.environ(more), check=False, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"{command}\nended with {done.returncode}:\n{done.stdout[-3000:]}")
        return done.stdout

    def environ(self, more: Mapping[str, str]) -> dict[str, str]:
        """Return an environment without settings of the user who runs this."""
        kept = {n: os.environ[n] for n in ("PATH", "LANG", "PYENV_ROOT") if n in os.environ}
        home = {"HOME": os.environ.get("HOME", "/nonexistent")}
        return kept | home | {"TMPDIR": str(self.root / "tmp")} | dict(more)

    def user(self, command: Sequence[str]) -> list[str]:
        """Return a command as the service's user runs it."""
        if not _ROOT:
            return list(command)
        drop = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs"]
        if self._reaches_python():
            return [*drop, "--bounding-set=-all", "--", *command]
        # Such as pyenv's below /root: it may be read, and nothing more.
        kept = [f"--{which}=-all,+dac_read_search" for which in ("inh-caps", "ambient-caps")]
        return [*drop, *kept, "--bounding-set=-all,+dac_read_search", "--", *command]

    def _reaches_python(self) -> bool:
        python = self.path("/opt/astra-xr/bin/python").resolve()
        return all(folder.stat().st_mode & 0o001 for folder in python.parents)

    def confined(self, command: Sequence[str], writable: Sequence[Path]) -> list[str]:
        """Return a command as user, which writes only to ``writable`` and a new ``/tmp``."""
        plain = self.user(command)
        if not self.read_only:
            return plain
        steps = ["mount --make-rprivate /"]
        steps += [f"mount --bind {shlex.quote(str(w))} {shlex.quote(str(w))}" for w in writable]
        steps += [f"mount -t tmpfs tmpfs {shlex.quote(str(self.root / 'tmp'))}"]
        steps += ["mount -o remount,bind,ro /", f"exec {shlex.join(plain)}"]
        return ["unshare", "--mount", "sh", "-euc", "; ".join(steps)]

    def owned(self, path: Path) -> Path:
        """Make a folder of the service's user."""
        path.mkdir(parents=True, exist_ok=True)
        if _ROOT:
            os.chown(path, USER, USER)
        return path


class Units:
    """Starts and stops processes as ``systemctl`` would, from the unit of the page."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def systemctl(self, command: str) -> None:
        """Do what a command of the page says."""
        print(f"$ {command}", flush=True)
        _, verb, *rest = command.split()
        for name in (word for word in rest if not word.startswith("-")):
            if name == "nginx":
                self._nginx()
                continue
            if verb == "restart":
                self.stop(name)
            self._service(name)

    def _service(self, name: str) -> None:
        machine, instance = self._machine, name.partition("@")[2]
        unit = configparser.ConfigParser(interpolation=None, strict=False)
        unit.optionxform = str  # type: ignore[assignment,method-assign]
        text = machine.path("/etc/systemd/system/astra-xr@.service").read_text()
        unit.read_string(text.replace("%i", machine.port(instance)))
        told = unit["Service"]
        lines = Path(told["EnvironmentFile"]).read_text().splitlines()
        settings = dict(line.split("=", 1) for line in lines if line and line[0] != "#")
        folders = [
            machine.owned(machine.path(f"/var/{where}/{told[option]}"))
            for where, option in (("lib", "StateDirectory"), ("cache", "CacheDirectory"))
        ]
        self.start(name, shlex.split(told["ExecStart"]), settings, folders)

    def start(
        self,
        name: str,
        command: Sequence[str],
        settings: Mapping[str, str],
        writable: Sequence[Path],
    ) -> None:
        """Start a command as the service's user."""
        machine = self._machine
        with self.log(name).open("ab") as log:
            self._running[name] = subprocess.Popen(
                machine.confined(command, writable), stdout=log, stderr=log, cwd="/",
                env=machine.environ({"HOME": "/nonexistent", **settings}), start_new_session=True,
            )  # fmt: skip

    def log(self, name: str) -> Path:
        return self._machine.path(f"/var/log/{name.replace('@', '-')}.log")

    def last_lines(self) -> str:
        """Return the end of each log."""
        logs = sorted(self._machine.path("/var/log").rglob("*.log"))
        return "\n".join(f"{log.name}:\n{log.read_text()[-2000:]}" for log in logs)

    def _nginx(self) -> None:
        if "nginx" in self._running:
            self._running["nginx"].send_signal(signal.SIGHUP)
            return
        main = self._machine.path("/etc/nginx/nginx.conf")
        with self.log("nginx-start").open("ab") as log:
            self._running["nginx"] = subprocess.Popen([nginx(), "-c", main], stderr=log)

    def stop(self, name: str) -> None:
        """End a unit, and wait for it."""
        running = self._running.pop(name)
        running.terminate()
        running.wait(75)

    def kill(self, name: str) -> None:
        """End a unit and all that it started, with no warning."""
        running = self._running.pop(name)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()

    def close(self) -> None:
        """End all that runs."""
        for name in list(self._running):
            if name == "nginx":
                self.stop(name)
            else:
                self.kill(name)


def nginx() -> str:
    """Return the path of nginx, which Debian keeps off the PATH of users."""
    return shutil.which("nginx") or "/usr/sbin/nginx"


def nginx_main(machine: Machine) -> str:
    """Return what Debian's ``nginx.conf`` says around the page's file, in the folder."""
    root = machine.root
    temporary = "".join(
        f"{kind}_temp_path {root}/run/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"daemon off; pid {root}/run/nginx.pid; error_log {root}/var/log/nginx/error.log;\n"
        f"{'user root;' if _ROOT else ''} events {{}}\n"
        f"http {{ {temporary} access_log off; include {root}/etc/nginx/conf.d/*.conf; }}\n"
    )


def until(happens: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Wait until something is so; end with what is missing if it never is."""
    end = time.monotonic() + seconds
    while not happens():
        if time.monotonic() > end:
            raise SystemExit(f"not so after {seconds:g} s: {what}")
        time.sleep(0.05)


def checkout(folder: Path) -> Path:
    """Copy what the Dockerfile copies into the image that builds."""
    for rest in written.Dockerfile.read().all("COPY"):
        if rest.startswith("--from"):
            continue
        *names, target = rest.split()
        for name in names:
            source = written.ROOT / name
            to = folder / (name if target == "./" else target)
            to.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, to, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, to)
    return folder
