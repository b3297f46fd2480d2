"""What a read is going to cost, before it is made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from astra_xr.conversion.tags import Unsupported
from astra_xr.errors import redact
from astra_xr.reading.loop import in_thread
from astra_xr.reading.ranges import RangeFile
from astra_xr.reading.stream import jobs_of, plan
from astra_xr.reading.window import Window, find_layout


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What reading a window of one file takes."""

    label: str
    """Scene and band."""

    href: str
    """Where the file is; no query."""

    level: int
    """0: the full image; 1: its finest overview; and so on."""

    reader: str
    """``astra-xr``, or ``GDAL`` and why."""

    tiles: int | None
    """Tiles that hold the window; None where GDAL reads."""

    cached: int | None
    """How many of them are in memory, or are not stored in the file."""

    requests: int | None
    """Byte ranges that will be asked for."""

    bytes: int | None
    """Bytes that will come."""

    expires_at: datetime | None
    """UTC time until which the URL at hand works; None: it does not expire."""


async def plan_of(window: Window) -> Plan:
    """Work out what reading a window takes; reads the file's header where it is not known yet.

    Raises
    ------
    ReadError, SigningError, UpstreamError
        The header cannot be read.
    """
    signed = await in_thread(window.source)
    reader = "astra-xr"
    counts: dict[str, int | None] = dict.fromkeys(("tiles", "cached", "requests", "bytes"))
    file = RangeFile(window.source, signed, window.label)
    try:
        layout = await find_layout(file, window)
        jobs = jobs_of(file, window, layout)
        here, runs = plan(jobs)
        counts |= {
            "tiles": sum(len(job.tiles()) for job in jobs),
            "cached": sum(len(parts) for _, parts in here),
            "requests": len(runs),
            "bytes": sum(run.stop - run.start for _, run in runs),
        }
    except Unsupported as reason:
        reader = f"GDAL: {reason}"
    return Plan(
        label=window.label,
        href=redact(signed),
        level=window.level,
        reader=reader,
        expires_at=signed.expires_at,
        **counts,
    )
