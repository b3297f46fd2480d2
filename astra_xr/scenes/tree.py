"""A scene as a DataTree: one node per resolution, each band with its own pixels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import xarray as xr

from astra_xr.catalogs import AnyCatalog
from astra_xr.missions import Item
from astra_xr.model import Grid
from astra_xr.resolver.radiometry import RadiometryMode
from astra_xr.resolver.resolution import Resolver
from astra_xr.scenes.call_record import keep_call
from astra_xr.scenes.chunks import Chunks
from astra_xr.scenes.dataset import attrs_of, dataset_of
from astra_xr.scenes.open import resolve_unsigned
from astra_xr.scenes.options import options_of
from astra_xr.scenes.readable_asset import ReadableAsset, readable_assets

if TYPE_CHECKING:
    import pystac


def open_scene_tree(
    scene_id: str | Item | pystac.Item,
    bands: str | Iterable[str] | None = None,
    *,
    catalog: AnyCatalog = None,
    resolver: Resolver | str | None = None,
    bbox: Any = None,
    intersects: Any = None,
    x: tuple[float, float] | None = None,
    y: tuple[float, float] | None = None,
    chunks: Chunks = None,
    mask_and_scale: bool = True,
    radiometry: RadiometryMode | None = "auto",
) -> xr.DataTree:
    """Open a satellite scene by its id, or a STAC item, each band at its own resolution, lazily.

    Parameters
    ----------
    scene_id, bands, catalog, resolver
        As in :func:`astra_xr.open_scene`.
    bbox, intersects, x, y
        The area to cover, as in :func:`astra_xr.open_scene`, at each resolution.
    chunks, mask_and_scale, radiometry
        As in :func:`astra_xr.open_scene`.

    Returns
    -------
    xarray.DataTree
        One node per pixel size, from fine to coarse, named after it: ``r10m``, ``r20m``, ``r60m``
        (in degrees ``r0.0001deg``). Each is a Dataset as from :func:`astra_xr.open_scene`, and
        nothing is resampled; ``tree["r20m"].to_dataset().astra`` has its methods, and
        ``tree.astra.to_dataset()`` has all bands on the finest grid.

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
    options = options_of(locals())
    found = resolve_unsigned(scene_id, options, resolver)
    groups: dict[Grid, dict[str, ReadableAsset]] = {}
    for name, asset in readable_assets(found, options).items():
        groups.setdefault(asset.grid, {})[name] = asset
    nodes: dict[str, xr.Dataset] = {}
    for grid in sorted(groups, key=lambda grid: grid.resolution):
        part = replace(found, assets=groups[grid])
        nodes[_named(next(iter(groups[grid].values())), nodes)] = dataset_of(part, options)
    for node, ds in nodes.items():
        keep_call(
            ds,
            "open_scene_tree",
            scene_id,
            options,
            resolver=resolver,
            nodes=list(nodes),
            node=node,
        )
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=attrs_of(found)), **nodes})


def _named(asset: ReadableAsset, taken: Iterable[str]) -> str:
    """Return the name of an asset's node, with a number if another grid has this pixel size."""
    unit = "deg" if asset.geobox.crs is not None and asset.geobox.crs.geographic else "m"
    name = f"r{asset.grid.resolution:.6g}{unit}"
    others = sum(each.split("_")[0] == name for each in taken)
    return f"{name}_{others + 1}" if others else name
