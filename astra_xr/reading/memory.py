"""What fits into memory: an estimate before it is filled, and a refusal of what does not."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from astra_xr.errors import TooLarge

_SMALL = 1 << 28
"""Bytes that are asked for without looking."""

_HINT = (
    "Take a window of it, coarser pixels (resolution=) or dask (chunks=), or open the scene with "
    "allow_large=True."
)


def available(root: Path = Path("/")) -> int | None:
    """Return bytes of memory that can be filled, within the limits of a container.

    Parameters
    ----------
    root : Path
        Where ``proc`` and ``sys`` lie.

    Returns
    -------
    int or None
        None where the system does not tell.
    """
    told = []
    with contextlib.suppress(OSError, ValueError, KeyError):
        lines = (root / "proc/meminfo").read_text().splitlines()
        told.append(1024 * int(dict(line.split(":") for line in lines)["MemAvailable"].split()[0]))
    with contextlib.suppress(OSError, ValueError, KeyError):
        group = root / "sys/fs/cgroup"
        limit = int((group / "memory.max").read_text())  # "max" where there is none
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        used = int((group / "memory.current").read_text()) - int(stat["inactive_file"])
        told.append(max(0, limit - used))
    if not told:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            told.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(told, default=None)


def check_memory(needed: int, what: str, hint: str = _HINT) -> None:
    """Refuse what needs more memory than there is.

    Parameters
    ----------
    needed : int
        Bytes, by estimate.
    what : str
        What needs them, for the message.

    Raises
    ------
    TooLarge
        There is less.
    """
    there = available() if needed > _SMALL else None
    if there is not None and needed > there:
        limit = f"{there / 1e9:.3g} GB of memory are free"
        raise TooLarge(what=what, size=f"{needed / 1e9:.3g} GB", limit=limit, hint=hint)
