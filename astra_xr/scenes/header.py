"""Headers of files that are read at opening, for what their items leave open."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from astra_xr.errors import ReadError
from astra_xr.missions import Item
from astra_xr.model import Asset
from astra_xr.reading.place import differing, warn_of_place
from astra_xr.resolver.grids import grid_problem, item_crs

if TYPE_CHECKING:
    from astra_xr.reading.gdal import Header


def asset_header(asset: Asset, label: str, item: Item) -> Header:
    """Read the header of a file, and hold its place against what the item says.

    Raises
    ------
    ReadError
        It cannot be read; where the item contradicts itself, both sides are named.
    """
    from astra_xr.reading.gdal import read_header

    raw = item.get("assets", {}).get(asset.key, {})
    try:
        header = read_header(asset.source, label, said=asset.grid, crs=item_crs(item, raw))
    except ReadError as error:
        problem = "" if asset.grid else grid_problem(item, raw)
        if not problem:
            raise
        unread = error
    else:
        said = asset.grid or header.grid
        elsewhere = differing(header.grid, said)
        if elsewhere:
            warn_of_place(elsewhere, said, label, "The file's own grid is taken")
        return replace(header, grid=elsewhere or said)
    raise ReadError(
        source=label,
        href=unread.href,
        reason=f"{unread.reason}. Its item does not say where it lies: {problem}",
        hint="Try another catalog, or mend proj:transform and proj:shape in the item.",
    )
