"""Convert in a separate process under limits, so that hostile files cannot harm the caller.

The process is a plain ``python -c``, not one of a pool: a file that crashes it fails only one
conversion, and scripts need no ``if __name__ == "__main__"``. :func:`convert_apart` may be called
in any thread.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, Any

from astra_xr.conversion.convert import Made, convert
from astra_xr.conversion.disk import NEW_FILE, disk_errors
from astra_xr.conversion.recipe import Limits, Progress, Recipe
from astra_xr.errors import ConversionFailed
from astra_xr.typed_json import from_json, to_json

_ENVIRON = ("PATH", "HOME", "TMPDIR", "TEMP", "SYSTEMROOT", "LD_LIBRARY_PATH", "LANG", "LC_ALL",
            "GDAL_DATA", "PROJ_DATA", "PROJ_LIB")  # fmt: skip
"""Environment variables of the process, without credentials."""

# Most of its start-up time would be spent on importing xarray, by `astra_xr/__init__`, and boto3,
# by rasterio. So the package is set up without its `__init__`, and boto3 is blocked.
_BOOT = """
import sys, types
sys.modules["boto3"] = None
package = sys.modules["astra_xr"] = types.ModuleType("astra_xr")
package.__path__ = [sys.argv[1]]
from astra_xr.conversion.worker import main
main()
"""

_HINT = "The file may be damaged; try another catalog with catalog=."
_KILLED = "the system killed its process twice, probably for lack of memory"
_FEWER = "Convert fewer at a time, or on a machine with more memory."


class _Killed(Exception):
    """The system killed the process."""


def convert_apart(
    source: Path,
    target: Path,
    recipe: Recipe,
    *,
    limits: Limits | None = None,
    progress: Progress | None = None,
    classes: Path | None = None,
    label: str | None = None,
) -> Made:
    """Convert a file in a separate process; see :func:`astra_xr.conversion.convert.convert`.

    Parameters
    ----------
    source, target, recipe, progress, classes
        As for `convert`.
    limits : Limits, optional
        Also limits of memory and time, for the process.
    label : str, optional
        Scene and band, for messages.

    Raises
    ------
    ConversionFailed
        As for `convert`, or the process exceeded its limits or died.
    """
    limits = limits or Limits()
    label = label or source.name
    job = {
        "source": str(source.absolute()),
        "recipe": to_json(recipe),
        "limits": asdict(limits),
        "classes": str(classes.absolute()) if classes else None,
    }
    report = progress or (lambda share: None)
    with disk_errors(label, NEW_FILE):
        for _ in range(2):  # other processes may have ended, and freed memory
            try:
                return replace(_into_place(job, target, limits, report, label), path=target)
            except _Killed:
                pass
    raise ConversionFailed(source=label, reason=_KILLED, hint=_FEWER)


def _into_place(
    job: Mapping[str, Any], target: Path, limits: Limits, progress: Progress, label: str
) -> Made:
    """Convert into a temporary folder beside the target, and move the files from there."""
    # Created here: this process deletes it even if the one that converts is killed.
    with tempfile.TemporaryDirectory(prefix=".making-", dir=target.parent) as folder:
        whole = {**job, "target": str(Path(folder, target.name).absolute())}
        made = _run(whole, limits, progress, label)
        for path in sorted(Path(folder).iterdir(), key=lambda path: path == made.path):
            path.replace(target.parent / path.name)
    return made


def _run(job: Mapping[str, Any], limits: Limits, progress: Progress, label: str) -> Made:
    start = time.monotonic()
    with _process() as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(job).encode() + b"\n")
        process.stdin.flush()
        clock = threading.Timer(limits.wall_seconds, process.kill)
        clock.start()
        try:
            answer = _listen(process.stdout, progress)
        finally:
            clock.cancel()
        process.kill() if answer is None else process.wait()
        status = process.wait()
    if answer is None:
        late = time.monotonic() - start >= limits.wall_seconds
        if status == -getattr(signal, "SIGKILL", 0) and not late:
            raise _Killed
        raise ConversionFailed(source=label, reason=_death(status, limits, late), hint=_HINT)
    if "failed" in answer:
        raise ConversionFailed(source=label, reason=str(answer["failed"]))
    made: Made = from_json(Made, answer["made"])
    return made


@contextlib.contextmanager
def _process() -> Iterator[subprocess.Popen[bytes]]:
    environ = {name: os.environ[name] for name in _ENVIRON if name in os.environ}
    # It finds the same modules as this process.
    environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    process = subprocess.Popen(  # noqa: S603  (this interpreter, with a fixed program)
        [sys.executable, "-P", "-S", "-c", _BOOT, str(Path(__file__).parents[1])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environ,
        # Ctrl-C goes to the caller only, which ends the process.
        start_new_session=True,
    )
    with process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise


def _listen(lines: IO[bytes], progress: Progress) -> dict[str, Any] | None:
    """Report the progress of the process, and return its answer; None if it died."""
    for line in lines:
        try:
            message = json.loads(line)
        except ValueError:
            continue  # printed by a library, or incomplete
        if not isinstance(message, dict):
            continue
        if "done" not in message:
            return dict(message)
        progress(float(message["done"]))
    return None


def _death(status: int, limits: Limits, late: bool) -> str:
    if late:
        return f"it took longer than {limits.wall_seconds:g} s"
    if status == -getattr(signal, "SIGXCPU", 0):
        return f"it took more than {limits.cpu_seconds:g} s of processor time"
    return f"the process that converts it died (status {status})"


def _restrict(limits: Limits) -> None:
    """Apply the limits of memory and time to this process."""
    if sys.platform == "win32":
        return
    import resource

    def lower(kind: int, most: int) -> None:
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (most, hard))

    used = resource.getrusage(resource.RUSAGE_SELF)
    lower(resource.RLIMIT_CPU, math.ceil(used.ru_utime + used.ru_stime + limits.cpu_seconds))
    lower(resource.RLIMIT_CORE, 0)
    lower(resource.RLIMIT_FSIZE, limits.output_bytes)
    with contextlib.suppress(OSError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        lower(resource.RLIMIT_AS, pages * os.sysconf("SC_PAGE_SIZE") + limits.memory)


def _leave_with_caller() -> None:
    """End this process when the caller's ends, which closes the pipe."""
    sys.stdin.buffer.read()
    os._exit(1)


def _answer(job: Mapping[str, Any], limits: Limits) -> dict[str, Any]:
    """Do a job under its limits, and return what was made, or why it failed."""
    reported = 0.0

    def progress(share: float) -> None:
        nonlocal reported
        if share == 1.0 or share - reported >= 0.01:
            reported = share
            _send({"done": share})

    try:
        _restrict(limits)
        threading.Thread(target=_leave_with_caller, daemon=True).start()
        made = convert(
            Path(job["source"]),
            Path(job["target"]),
            from_json(Recipe, job["recipe"]),
            limits=limits,
            progress=progress,
            classes=Path(job["classes"]) if job["classes"] else None,
        )
    except ConversionFailed as error:
        return {"failed": error.reason}
    except MemoryError:
        return {"failed": f"it needs more than {limits.memory} bytes of memory"}
    except Exception as error:  # noqa: BLE001  (whatever a damaged file makes libraries raise)
        return {"failed": f"{type(error).__name__}: {error}"}
    return {"made": to_json(made)}


def _send(message: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Do the job on the first line of the standard input."""
    job = json.loads(sys.stdin.buffer.readline())
    _send(_answer(job, Limits(**job["limits"])))
    # A normal exit would wait for standard input, which the other thread reads.
    os._exit(0)
