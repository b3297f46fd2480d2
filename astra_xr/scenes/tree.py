"""A scene with each band in its own pixels: one node of a DataTree a resolution."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import xarray as xr

from astra_xr.model import Asset, Grid
from astra_xr.resolver.resolution import Resolver
from astra_xr.scenes.coords import geobox_of
from astra_xr.scenes.dataset import Chunks, Wish, attrs_of, dataset_of, described
from astra_xr.scenes.grid import Place
from astra_xr.scenes.open import chosen_resolver


def open_scene_tree(
    scene_id: str,
    bands: str | Iterable[str] | None = None,
    *,
    catalog: str | None = None,
    resolver: Resolver | str | None = None,
    bbox: Any = None,
    intersects: Any = None,
    x: tuple[float, float] | None = None,
    y: tuple[float, float] | None = None,
    chunks: Chunks = None,
    mask_and_scale: bool = True,
    radiometry: str | None = None,
) -> xr.DataTree:
    """Open a satellite scene by its id, each band in its own pixels, lazily.

    Parameters
    ----------
    scene_id, bands, catalog, resolver
        As in :func:`astra_xr.open_scene`.
    bbox, intersects, x, y
        The part to cover, as in :func:`astra_xr.open_scene`, by the pixels of each resolution.
    chunks, mask_and_scale, radiometry
        As in :func:`astra_xr.open_scene`.

    Returns
    -------
    xarray.DataTree
        One node a pixel size, from fine to coarse, named by it: ``r10m``, ``r20m``, ``r60m`` (in
        degrees ``r0.0001deg``). Each is a Dataset as of :func:`astra_xr.open_scene`, and nothing
        is resampled; ``tree["r20m"].to_dataset().astra`` has its methods.

    Raises
    ------
    AstraError
        As of :func:`astra_xr.open_scene`.

    Examples
    --------
    >>> import astra_xr
    >>> tree = astra_xr.open_scene_tree(
    ...     "sentinel-2:S2B_MSIL2A_20250115T184929", bands=["red", "B11", "SCL"], catalog="sample"
    ... )
    >>> {name: list(node.data_vars) for name, node in tree.children.items()}
    {'r10m': ['red'], 'r20m': ['B11', 'SCL']}
    """
    place = Place(bbox=bbox, intersects=intersects, x=x, y=y)
    asked = chosen_resolver(resolver)
    found = asked.resolve(scene_id, bands, catalog=catalog, sign=False, radiometry=radiometry)
    wish = Wish(place=place, chunks=chunks, decode=mask_and_scale, radiometry=radiometry)
    assets = described(found, decode=mask_and_scale, radiometry=radiometry)
    groups: dict[Grid, dict[str, Asset]] = {}
    for name, asset in assets.items():
        assert asset.grid is not None
        groups.setdefault(asset.grid, {})[name] = asset
    nodes: dict[str, xr.Dataset] = {}
    for grid in sorted(groups, key=lambda grid: grid.resolution):
        part = replace(found, assets=groups[grid])
        ds = dataset_of(part, wish)
        nodes[_named(grid, found.full_id, nodes)] = ds
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=attrs_of(found)), **nodes})


def _named(grid: Grid, scene: str, taken: Iterable[str]) -> str:
    """Name a node; grids of the same pixels that lie otherwise are counted."""
    crs = geobox_of(grid, scene).crs
    unit = "deg" if crs is not None and crs.geographic else "m"
    name = f"r{grid.resolution:.6g}{unit}"
    others = sum(each.split("_")[0] == name for each in taken)
    return f"{name}_{others + 1}" if others else name
