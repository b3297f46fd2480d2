"""One conversion of a key at a time, whatever processes do, and no files left of it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import filelock
import pytest

from astra_xr.conversion.stores import only_one

WORK = """
import sys, time
from pathlib import Path
from astra_xr.conversion.stores import only_one
root = Path(sys.argv[1])
for _ in range(int(sys.argv[2])):
    with only_one(root, "a/b"):
        mine = root / "mine"
        mine.touch(exist_ok=False)
        time.sleep(0.002)
        mine.unlink()
print("begun", flush=True)
if len(sys.argv) > 3:
    with only_one(root, "a/b"):
        print("held", flush=True)
        time.sleep(60)
"""


def test_one_at_a_time_in_threads_and_processes(tmp_path: Path) -> None:
    inside, most, failed = 0, 0, []

    def work() -> None:
        nonlocal inside, most
        for _ in range(8):
            with only_one(tmp_path, "a/b"):
                inside += 1
                most = max(most, inside)
                if (tmp_path / "mine").exists():
                    failed.append("another process is at work")
                time.sleep(0.002)
                inside -= 1

    command = [sys.executable, "-c", WORK, str(tmp_path), "8"]
    others = [subprocess.Popen(command) for _ in range(2)]
    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [other.wait() for other in others] == [0, 0]
    assert (most, failed) == (1, [])
    assert list((tmp_path / "locks").iterdir()) == []


def test_two_keys_do_not_wait_for_each_other(tmp_path: Path) -> None:
    with only_one(tmp_path, "a/b"), only_one(tmp_path, "a/c"):
        assert len(list((tmp_path / "locks").iterdir())) == 2
    assert list((tmp_path / "locks").iterdir()) == []


def test_lock_files_of_killed_processes_are_deleted_and_those_in_use_kept(tmp_path: Path) -> None:
    locks = tmp_path / "locks"
    locks.mkdir()
    for number in range(20):
        (locks / f"old-{number}.lock").touch()
    command = [sys.executable, "-c", WORK, str(tmp_path), "0", "hold"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert [other.stdout.readline().strip() for _ in range(2)] == ["begun", "held"]
        with only_one(tmp_path, "a/c"):
            pass
        assert [path.name for path in locks.iterdir()] == ["a_b.lock"]
        with pytest.raises(filelock.Timeout):
            filelock.FileLock(locks / "a_b.lock").acquire(timeout=0)
        other.send_signal(signal.SIGKILL)
    with only_one(tmp_path, "a/b"):
        assert [path.name for path in locks.iterdir()] == ["a_b.lock"]
    assert list(locks.iterdir()) == []
