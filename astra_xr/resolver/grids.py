"""Grids: where an asset's pixels lie, as its item tells. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from astra_xr.errors import InvalidItem
from astra_xr.missions import Item
from astra_xr.model import Grid


def item_grid(item: Item, asset: Mapping[str, Any]) -> Grid | None:
    """Read the projection extension, of the asset first and of the item where that is silent.

    Returns
    -------
    Grid or None
        None where CRS, shape or transform are told nowhere, or contradict each other: the file
        has to be asked.

    Raises
    ------
    InvalidItem
        What is told cannot be a grid.
    """
    properties = item.get("properties", {})
    reason = ""
    try:
        crs = _crs(asset) or _crs(properties)
        # Shape and transform belong together: one of the asset never goes with one of the item.
        for told in (asset, properties):
            shape = _numbers(told, "proj:shape", (2,), _whole)
            transform = _numbers(told, "proj:transform", (6, 9), float)
            if crs and shape and transform:
                rows, cols = shape
                a, b, c, d, e, f = transform
                return Grid(crs=crs, shape=(rows, cols), transform=(a, b, c, d, e, f))
            if shape and list(shape) != properties.get("proj:shape"):
                return None
    except ValueError as error:
        reason = str(error)
    if reason:
        raise InvalidItem(item=str(item.get("id")), reason=reason)
    return None


def _numbers(
    told: Mapping[str, Any], name: str, counts: tuple[int, ...], read: Callable[[Any], Any]
) -> list[Any] | None:
    value = told.get(name)
    if not value:
        return None
    try:
        if isinstance(value, list | tuple) and len(value) in counts:
            return [read(number) for number in value[: counts[0]]]
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError(f"{name} is {value!r}, not {counts[0]} numbers")


def _whole(number: Any) -> int:
    if isinstance(number, str) or int(number) != number:
        raise ValueError
    return int(number)


def _crs(told: Mapping[str, Any]) -> str | None:
    if told.get("proj:code"):
        return str(told["proj:code"])
    epsg = told.get("proj:epsg")
    if epsg:
        (code,) = _numbers({"proj:epsg": [epsg]}, "proj:epsg", (1,), _whole) or (0,)
        return f"EPSG:{code}"
    wkt = told.get("proj:wkt2")
    return str(wkt) if wkt else None
