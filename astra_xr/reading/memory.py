"""Available memory, and refusal of results that do not fit."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from astra_xr.errors import TooLarge

_SMALL = 1 << 28
"""Bytes that are allocated without a check."""

_HINT = (
    "Read a window, use coarser pixels (resolution=) or dask (chunks=), or open the scene with "
    "allow_large=True."
)


def available(root: Path = Path("/")) -> int | None:
    """Return the bytes of memory available, within the limits of a container.

    Parameters
    ----------
    root : Path
        Parent of ``proc`` and ``sys``.

    Returns
    -------
    int or None
        None if the system does not report it.
    """
    reported = []
    with contextlib.suppress(OSError, ValueError, KeyError):
        lines = (root / "proc/meminfo").read_text().splitlines()
        free = dict(line.split(":") for line in lines)["MemAvailable"].split()[0]
        reported.append(1024 * int(free))
    with contextlib.suppress(OSError, ValueError, KeyError):
        group = root / "sys/fs/cgroup"
        limit = int((group / "memory.max").read_text())  # "max" where there is none
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        used = int((group / "memory.current").read_text()) - int(stat["inactive_file"])
        reported.append(max(0, limit - used))
    if not reported:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            reported.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(reported, default=None)


def check_memory(needed: int, what: str, hint: str = _HINT) -> None:
    """Refuse a result that needs more memory than is available.

    Parameters
    ----------
    needed : int
        Estimated bytes.
    what : str
        Name of the result, for the message.

    Raises
    ------
    TooLarge
        Less memory is available.
    """
    free = available() if needed > _SMALL else None
    if free is not None and needed > free:
        limit = f"{free / 1e9:.3g} GB of memory are free"
        raise TooLarge(what=what, size=f"{needed / 1e9:.3g} GB", limit=limit, hint=hint)
