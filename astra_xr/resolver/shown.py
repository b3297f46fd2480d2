"""How a :class:`Resolution` shows itself: its files, without signatures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astra_xr.errors import redact
from astra_xr.tables import Table

if TYPE_CHECKING:
    from astra_xr.model import Asset
    from astra_xr.resolver.resolution import Resolution

_COLUMNS = ("name", "band", "m", "pixels", "MB", "radiometry", "served", "signed until", "file")


def table_of(answer: Resolution) -> Table:
    """Return one row an asset."""
    where = f" at {answer.catalog}" if answer.catalog else ""
    count = len(answer.assets)
    codes = sorted({a.grid.crs for a in answer.assets.values() if a.grid and "[" not in a.grid.crs})
    notes = [f"Passed over {name}: {why}" for name, why in answer.passed_over.items()]
    if answer.other_processings:
        notes.append(f"Other processings: {', '.join(answer.other_processings)}")
    return Table(
        title=redact(answer.full_id),
        facts=(
            f"{count} file{'' if count == 1 else 's'} as {answer.format}{where}",
            f"from {answer.provider}" if answer.provider != "unknown" else "",
            ", ".join(codes),
        ),
        columns=_COLUMNS,
        rows=tuple(_row(name, asset) for name, asset in answer.assets.items()),
        notes=tuple(redact(note) for note in notes),
        numbers={"m", "MB"},
        words={"radiometry"},
    )


def _row(name: str, asset: Asset) -> tuple[str, ...]:
    band, grid = asset.band, asset.grid
    other = band.common if name == band.native else band.native
    size = f"{asset.size / 1e6:.1f}" if asset.size else ""
    return (
        name,
        other or "",
        f"{band.gsd:g}" if band.gsd else "",
        f"{grid.shape[0]} × {grid.shape[1]}" if grid else "",
        size,
        asset.radiometry.reason if asset.radiometry else "",
        asset.routing,
        _until(asset),
        redact(asset.href).rsplit("/", 1)[-1],
    )


def _until(asset: Asset) -> str:
    if asset.signed is None:
        return "not signed"
    moment = asset.signed.expires_at
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "for good"
