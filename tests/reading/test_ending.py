"""Reads that come when the process ends: an error of ours, and the process ends well."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from astra_xr.testing import write_cog

LATE = """
import atexit, os, sys, threading, warnings
warnings.simplefilter("ignore")
import astra_xr
from astra_xr.arrays.lazy import unwrap
from tests import items

item = items.planetary_computer(200)
item["assets"]["B04"]["href"] = sys.argv[1]
red = astra_xr.open_scene(item, ["B04"], mask_and_scale=False).B04
reads = [lambda: red.values, lambda: astra_xr.resolve(item, "B04", "png").to_dict()]

def told(read, AstraError=astra_xr.AstraError, write=os.write):
    try:
        read()
    except AstraError as error:
        write(1, f"{error}\\n".encode())

class Last:
    def __init__(self):
        # Of xarray so late there is not enough left to index with.
        self.told, self.array = told, unwrap(red.variable)[0]
    def __del__(self):
        self.told(self.array.__array__)

def after_the_main_thread():
    threading.main_thread().join()
    for read in reads:
        told(read)

last = Last()
if sys.argv[2] == "a read before":
    red[:5].load()
threading.Thread(target=after_the_main_thread).start()
for read in reads:
    atexit.register(told, read)
"""


@pytest.mark.parametrize("before", ["a read before", "none before"])
def test_a_read_while_the_process_ends_has_a_clear_error(tmp_path: Path, before: str) -> None:
    """In a thread that outlives the main one, in ``atexit``, and in ``__del__``."""
    path = tmp_path / "B04.tif"
    write_cog(path, np.ones((200, 200), np.uint16))
    out = subprocess.run(
        [sys.executable, "-c", LATE, str(path), before],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (out.returncode, out.stderr) == (0, "")
    told = out.stdout.splitlines()
    assert len(told) == 5
    assert all("the process is ending" in line for line in told)
