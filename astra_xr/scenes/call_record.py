"""The call that opened a Dataset, as a record in the encoding of its bands.

xarray keeps a variable's encoding while its values are selected, copied, read or pickled, and drops
it from what it computes. Attrs would stay even then, and keep Datasets from being combined.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import xarray as xr

from astra_xr.errors import redact
from astra_xr.geometry import plain_crs
from astra_xr.model import FoundId
from astra_xr.resolver.resolution import Resolver
from astra_xr.scenes.options import OpenOptions, TargetGrid

KEY = "opened"
"""Key in the encoding of a band; its value is a :class:`Record` as JSON."""

_LONGEST = 2000
"""Maximum characters of a geometry in a record; instead of a longer one it has the grid."""

_MOST = 200
"""Maximum number of scenes in a record."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """How a Dataset was opened, and what it contained then, as plain JSON."""

    function: str
    """``open_scene``, ``open_scenes`` or ``open_scene_tree``."""

    reason: str = ""
    """Why the call cannot be written, as the end of "it was opened …"; empty if it can."""

    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Those that were passed, as written in Python; ``geobox``, also for ``like``, is a dict of
    its shape, transform and CRS."""

    bands: Mapping[str, str] = field(default_factory=dict)
    """Variable → native name of its band."""

    dtypes: Mapping[str, str] = field(default_factory=dict)
    """Variable → type of its values."""

    spans: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """``y`` and ``x`` → first and last coordinate, and number of pixels."""

    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """``time`` → the ids of each time step, or of the one scene; ``band``, of images → names.
    Empty for a call that cannot be written, which may be of thousands."""

    stacked: bool = False
    """True if ``time`` is a dimension."""

    node: str = ""
    """Node of a DataTree; empty for all of its nodes on one grid."""

    nodes: Sequence[str] = ()
    """All nodes of the DataTree."""

    note: str = ""
    """How the arguments differ from those that were passed, as a sentence."""


def keep_call(
    ds: xr.Dataset,
    function: str,
    scenes: Any,
    options: OpenOptions,
    *,
    resolver: Resolver | str | None,
    nodes: Sequence[str] = (),
    node: str = "",
    **others: Any,
) -> xr.Dataset:
    """Put a record into a Dataset that a public function just opened, and return the Dataset.

    ``scenes`` is its first argument, ``others`` are those besides the options that are not their
    defaults; ``nodes`` are those of a DataTree, and ``node`` is this one.
    """
    reason = note = ""
    try:
        grid, note = _grid(options.grid, ds)
        catalog = options.catalog or _catalog(scenes, ds)
        arguments = _scenes(scenes) | _others(options, catalog, resolver, grid) | others
        if any(redact(text) != text for text in _texts(arguments)):
            raise _UnknownCall("by a URL with a query or a user, which may hold a secret")
    except _UnknownCall as error:
        arguments, reason = {}, str(error)
    bands = {name: ds.variables[name] for name in ds.data_vars}
    record = Record(
        function=function,
        reason=reason,
        note=note,
        arguments=arguments,
        bands={str(name): native_of(ds, name) for name in bands},
        dtypes={str(name): str(each.dtype) for name, each in bands.items()},
        spans={dim: _span(ds.variables[dim].values) for dim in ("y", "x") if dim in ds.coords},
        labels={} if reason else labels_of(ds),
        stacked="time" in ds.dims,
        nodes=list(nodes),
        node=node,
    )
    text = json.dumps(vars(record))
    for variable in bands.values():
        variable.encoding[KEY] = text
    return ds


def native_of(ds: xr.Dataset, name: Any) -> str:
    """Return the native name of a band, which stays the same when a variable is renamed."""
    return str(ds.variables[name].attrs.get("native_name", name))


def record_of(variable: xr.Variable) -> Record | None:
    """Return the record of a band; None if it has none, as after its values were changed."""
    text = variable.encoding.get(KEY)
    return Record(**json.loads(text)) if isinstance(text, str) else None


def joined_record(nodes: Mapping[str, xr.Dataset], finest: str) -> str | None:
    """Return the record of all bands of a DataTree on the grid of its node ``finest``, as JSON.

    It is None if a node is missing or no longer as it was opened.
    """
    found: list[Record] = []
    for name, ds in nodes.items():
        records = [record_of(each) for each in ds.variables.values() if "y" in each.dims[-2:]]
        known = [each for each in records if each is not None]
        if len(known) != len(ds.data_vars) or any(each != known[0] for each in known):
            return None
        own = {dim: _span(ds[dim].values) for dim in ("y", "x")}
        whole = known[0].spans == own and list(known[0].bands) == list(map(str, ds.data_vars))
        if known[0].node != name or not whole:
            return None
        found.append(known[0])
    if set(found[0].nodes) != set(nodes):
        return None
    bands = {name: native for each in found for name, native in each.bands.items()}
    dtypes = {name: dtype for each in found for name, dtype in each.dtypes.items()}
    shared = [replace(each, node="", bands=bands, dtypes=dtypes, spans={}) for each in found]
    if any(each != shared[0] for each in shared):
        return None
    spans = found[list(nodes).index(finest)].spans
    return json.dumps(vars(replace(shared[0], spans=spans)))


class _UnknownCall(Exception):
    """A call cannot be written as Python."""


def _scenes(scenes: Any) -> dict[str, Any]:
    listed = scenes if isinstance(scenes, list) else [scenes]
    if not all(isinstance(each, str | os.PathLike) for each in listed):
        raise _UnknownCall("from an item of your own, not by its id")
    if len(listed) > _MOST:
        raise _UnknownCall(f"from {len(listed)} scenes, which are too many for a script")
    texts = [str(os.fspath(each)) for each in listed]
    return {"scenes": texts} if isinstance(scenes, list) else {"scene_id": texts[0]}


def _catalog(scenes: Any, ds: xr.Dataset) -> str | None:
    """Return the one catalog of ids from a search; as text in a script, they no longer have it."""
    listed = scenes if isinstance(scenes, list) else [scenes]
    found = [each for each in listed if isinstance(each, FoundId)]
    searched = {each.only for each in found}
    if len(searched) == 1 and searched != {None}:
        return searched.pop()
    used = {str(each.attrs.get("catalog", "")) for each in ds.values()} if found else set()
    return (used.pop() or None) if len(used) == 1 else None


def _others(
    options: OpenOptions, catalog: str | None, resolver: Any, grid: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the arguments besides the scenes that are not the defaults."""
    if not isinstance(resolver, str | None):
        raise _UnknownCall("by a resolver object")
    bands, method = options.bands, options.resampling
    if isinstance(method, Mapping):
        method = {str(name): each for name, each in method.items() if each}
    found = {
        "bands": bands if isinstance(bands, str | None) else [str(each) for each in bands],
        "catalog": catalog,
        "resolver": resolver,
        **grid,
        "resampling": method or None,
        "mask_and_scale": None if options.mask_and_scale else False,
        "radiometry": None if options.radiometry == "auto" else str(options.radiometry),
        "allow_large": options.allow_large or None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _grid(grid: TargetGrid, ds: xr.Dataset) -> tuple[dict[str, Any], str]:
    """Return the options of a grid, and what was replaced in them, as a sentence."""
    if grid.geobox is not None or grid.like is not None:
        return {"geobox": _geobox(ds)}, ""
    if grid.intersects is not None and len(json.dumps(grid.intersects)) > _LONGEST:
        return {"geobox": _geobox(ds)}, "geobox= is the grid of intersects=, a long geometry."
    found = {
        "crs": None if grid.crs is None else str(grid.crs),
        "resolution": grid.resolution,
        "bbox": grid.bbox and list(grid.bbox),
        "intersects": grid.intersects,
        "x": grid.x and list(grid.x),
        "y": grid.y and list(grid.y),
        "anchor": grid.anchor,
    }
    return found, ""


def _geobox(ds: xr.Dataset) -> dict[str, Any]:
    """Return the exact grid of a Dataset, as its coordinates are rounded."""
    import odc.geo.xr  # noqa: F401  (registers ds.odc)

    numbers = [float(n) for n in str(ds["spatial_ref"].attrs["GeoTransform"]).split()]
    c, a, b, f, d, e = numbers
    shape = [ds.sizes["y"], ds.sizes["x"]]
    return {"shape": shape, "transform": [a, b, c, d, e, f], "crs": str(plain_crs(ds.odc.crs))}


def labels_of(ds: xr.Dataset) -> dict[str, list[str]]:
    """Return the labels of a Dataset as it is now; see :attr:`Record.labels`."""
    return {
        dim: [str(each) for each in np.atleast_1d(ds[name].values)]
        for dim, name in (("time", "id"), ("band", "band"))
        if name in ds.coords
    }


def _span(values: Any) -> list[float]:
    return [float(values[0]), float(values[-1]), len(values)]


def _texts(value: Any) -> list[str]:
    """Return all strings in a JSON value."""
    if isinstance(value, Mapping):
        return [text for each in value.items() for part in each for text in _texts(part)]
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    return [value] if isinstance(value, str) else []
