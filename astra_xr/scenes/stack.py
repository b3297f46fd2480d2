"""Open several scenes on one grid, stacked along time."""

from __future__ import annotations

import itertools
import json
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox

from astra_xr.arguments import read_choice, read_flag
from astra_xr.arrays.lazy import wrap
from astra_xr.arrays.mask import ClassMask
from astra_xr.arrays.mosaic import Layer, MosaicArray
from astra_xr.catalogs import AnyCatalog
from astra_xr.errors import AstraError, InvalidDataset, InvalidParameter, UnknownBand
from astra_xr.missions import MISSIONS, Item
from astra_xr.missions.classes import MASKED
from astra_xr.net.retries import in_threads
from astra_xr.resolver.radiometry import RadiometryMode
from astra_xr.resolver.resolution import Resolver
from astra_xr.resolver.scene_input import HasItems, read_scenes
from astra_xr.scenes.call_record import keep_call
from astra_xr.scenes.chunks import Chunks
from astra_xr.scenes.dataset import attrs_of, band_variable, on_grid, origin_of, plane_coords
from astra_xr.scenes.grid import check_size
from astra_xr.scenes.open import chosen_resolver, resolve_unsigned
from astra_xr.scenes.options import (
    OpenOptions,
    Resampling,
    Size,
    TargetGrid,
    options_of,
)
from astra_xr.scenes.own_items import kept_item
from astra_xr.scenes.readable_asset import readable_assets
from astra_xr.scenes.stack_grid import Part, outside, part_of, stack_grid
from astra_xr.scenes.time_steps import (
    GROUPBY,
    Member,
    check_alike,
    grouped,
    scene_claim,
    scene_time,
    time_coords,
)

if TYPE_CHECKING:
    import pystac

    from astra_xr.resolver.search_rows import Row

_log = logging.getLogger(__name__)

_AT_ONCE = 16
"""Scenes that are looked up concurrently."""


def open_scenes(
    scenes: Iterable[str | Item | pystac.Item | Row] | HasItems,
    bands: str | Iterable[str] | None = None,
    *,
    groupby: str = "solar_day",
    fail_on_error: bool = True,
    catalog: AnyCatalog = None,
    resolver: Resolver | str | None = None,
    resolution: Size = None,
    resampling: Resampling = None,
    crs: Any = None,
    bbox: Any = None,
    intersects: Any = None,
    x: tuple[float, float] | None = None,
    y: tuple[float, float] | None = None,
    geobox: Any = None,
    like: Any = None,
    anchor: str | None = None,
    chunks: Chunks = None,
    mask_and_scale: bool = True,
    radiometry: RadiometryMode | None = "auto",
    allow_large: bool = False,
) -> xr.Dataset:
    """Open several scenes on one grid, stacked along time, lazily.

    Parameters
    ----------
    scenes : iterable of str, pystac.Item or dict, ItemSearch or FeatureCollection
        Scene ids and STAC items, as in :func:`open_scene`, also mixed: a list, the result of
        :func:`search` or rows of it, a ``pystac.ItemCollection``, a ``pystac_client.ItemSearch``
        (or any object with a method ``items()``), or a GeoJSON FeatureCollection of items; in any
        order, each once.
    bands : str or iterable of str, optional
        As in :func:`open_scene`. Scenes of different missions can be stacked if their bands share
        names and wavelengths, such as ``red``, ``nir`` or ``swir16``; the coordinates ``mission``
        and ``platform`` distinguish them.
    groupby : {"solar_day", "time", "id"}
        How scenes are merged along time: by solar day, by acquisition time, or not at all. Where
        scenes of a time step overlap, each pixel is from the least cloudy scene (by its item) in
        which it is clear, by SCL, QA_PIXEL or Fmask; if it is clear in none, from the first with
        data. Scenes of different missions are never merged.
    fail_on_error : bool
        False: scenes that cannot be opened are left out, and ``ds.astra.failures`` lists them
        with the reasons. An error while values are read is always raised; it names scene and band.
    catalog : str, optional
        As in :func:`open_scene`. By default ids from :func:`search` open from a catalog that has
        them, first from one that needs no account, and from the others if that fails.
    crs, resolution, bbox, intersects, x, y, geobox, like, anchor
        As in :func:`open_scene`. Without an area of interest the grid holds all scenes, with the
        pixels of the first. Scenes in several CRSs need ``crs`` (``"utm"``: the zone of the
        center), ``like`` or ``geobox``. Scenes outside the grid are left out; the log names them.
    resolver, resampling, mask_and_scale, radiometry, allow_large
        As in :func:`open_scene`.
    chunks : dict, int, "auto", bool or None
        As in :func:`open_scene`; one time step a chunk, unless the dict names ``time``.

    Returns
    -------
    xarray.Dataset
        One (time, y, x) variable per band. ``time`` is sorted, datetime64[ns], UTC: when the first
        scene of the time step was acquired. Coordinates along it are ``id``, ``mission``,
        ``platform``, ``catalog``, ``cloud_cover`` (percent, from the items) and, as in
        :func:`open_scene`, the angles that items report.

    Raises
    ------
    MixedGrids
        Scenes have several CRSs, and no target CRS is given.
    TooLarge
        As of :func:`open_scene`; scenes that are far apart make a large grid too.
    InvalidParameter
        There are no scenes, or one twice; their bands do not match; an option is invalid.
    SceneNotFound, UnknownBand, UpstreamError, …
        As of :func:`open_scene`, for any of the scenes unless ``fail_on_error=False``.

    Examples
    --------
    >>> import astra_xr
    >>> found = astra_xr.search(
    ...     "sentinel-2", datetime="2025-06/2025-09", cloud_cover=10, catalog="sample"
    ... )
    >>> ds = astra_xr.open_scenes(found, ["red", "nir"])
    >>> dict(ds.sizes), [str(day)[:10] for day in ds.time.values]
    ({'time': 3, 'y': 600, 'x': 600}, ['2025-06-14', '2025-08-18', '2025-09-17'])
    """
    options = options_of(locals())
    listed, chosen = read_scenes(scenes), chosen_resolver(resolver)
    ds = _stacked(listed, options, chosen, groupby=groupby, fail_on_error=fail_on_error)
    others: dict[str, Any] = {} if groupby == "solar_day" else {"groupby": groupby}
    others |= {} if fail_on_error else {"fail_on_error": False}
    return keep_call(ds, "open_scenes", listed, options, resolver=resolver, **others)


def open_again(
    names: Sequence[str], band: str, like: Any, catalogs: Sequence[str], groupby: str | None
) -> xr.Dataset:
    """Open another band of the scenes of time steps, also of scenes that were concatenated.

    Parameters
    ----------
    names : sequence of str
        The ids of each time step, as in the coordinate ``id`` of a stack.
    band : str
        Its native name.
    like : GeoBox or xarray object
        The grid.
    catalogs : sequence of str
        Those that the scenes were opened from; "" if it is not known.
    groupby : str, optional
        That of the stack.

    Returns
    -------
    xarray.Dataset
        With these time steps.

    Raises
    ------
    InvalidDataset
        The scenes form other time steps.
    """
    sources = set(catalogs)
    ids = dict.fromkeys(name for each in names for name in each.split(", "))
    catalog = (sources.pop() or None) if len(sources) == 1 else None
    groupby = groupby or ("solar_day" if any(", " in each for each in names) else "id")
    found = _stacked(
        [kept_item(name) or name for name in ids],
        options_of({"bands": (band,), "catalog": catalog, "like": like}),
        chosen_resolver(None),
        groupby=groupby,
        fail_on_error=True,
        drop=False,
    )
    numbers = {str(name): number for number, name in enumerate(found["id"].values)}
    strange = [each for each in names if each not in numbers]
    if strange:
        needs = f"the time steps that open_scenes makes, and {strange[0]!r} is not one"
        raise InvalidDataset(method="mask()", needs=needs, hint="Open the scenes again.")
    return found.isel(time=[numbers[each] for each in names])


def _stacked(
    scenes: Sequence[Any],
    options: OpenOptions,
    resolver: Resolver,
    *,
    groupby: str,
    fail_on_error: bool,
    drop: bool = True,
) -> xr.Dataset:
    read_choice("groupby", GROUPBY, groupby)
    read_flag("fail_on_error", fail_on_error)
    members, failures = _resolved(scenes, options, resolver, fail_on_error)
    check_alike(members, options)
    boxes = {m.id: {name: asset.geobox for name, asset in m.assets.items()} for m in members}
    target = stack_grid(boxes, options.grid)
    check_size(target, options)
    parts = {m.id: part_of(target, boxes[m.id].values()) for m in members}
    within = _within(members, parts, options.grid)
    members = within if drop else members
    groups = grouped(members, groupby)
    classes = _classes(
        groups, parts, target, resolver, OpenOptions(allow_large=options.allow_large)
    )
    variables = {
        name: _stack(name, groups, target=target, parts=parts, classes=classes, options=options)
        for name in members[0].assets
    }
    coords = time_coords(groups) | plane_coords(member.assets for member in members)
    origins = [origin_of(member.resolution) for member in members]
    claim = {"scene_id": scene_claim(coords["id"][1])}
    if all("resolved_at" in each for each in origins):
        claim["resolved_at"] = min(each["resolved_at"] for each in origins)
    for each in variables.values():
        each.attrs |= _shared(origins) | claim
    attrs = _shared([attrs_of(member.resolution) for member in members])
    attrs |= {"groupby": groupby} | ({"failures": json.dumps(failures)} if failures else {})
    return on_grid(target, variables, coords, attrs, options)


def _resolved(
    scenes: Sequence[Any], options: OpenOptions, resolver: Resolver, fail_on_error: bool
) -> tuple[list[Member], list[dict[str, str | None]]]:
    """Look up all scenes concurrently; return those found, and the failures of the others."""

    def member(scene: Any) -> Member | AstraError:
        try:
            found = resolve_unsigned(scene, options, resolver)
            assets = readable_assets(found, options)
            return Member(source=scene, resolution=found, assets=assets, time=scene_time(found))
        except AstraError as error:
            return error

    answers = in_threads(member, scenes, _AT_ONCE)
    members = [answer for answer in answers if isinstance(answer, Member)]
    pairs = zip(scenes, answers, strict=True)
    wrong = [(scene, answer) for scene, answer in pairs if isinstance(answer, AstraError)]
    if wrong and (fail_on_error or not members):
        raise wrong[0][1]
    counts = Counter(each.id for each in members)
    twice = sorted(name for name, count in counts.items() if count > 1)
    if twice:
        expected = "each scene once; list(dict.fromkeys(ids)) drops duplicates"
        raise InvalidParameter(name="scenes", value=", ".join(twice), expected=expected)
    failures = [
        {"scene": _name(scene), "band": getattr(error, "band", None), "reason": str(error)}
        for scene, error in wrong
    ]
    return members, failures


def _name(scene: Any) -> str:
    name = scene.get("id") if isinstance(scene, Mapping) else getattr(scene, "id", scene)
    return str(name)[:200]


def _within(
    members: Sequence[Member], parts: Mapping[str, Part | None], grid: TargetGrid
) -> list[Member]:
    """Return the scenes that overlap the grid, and log the others."""
    others = ", ".join(name for name, part in parts.items() if part is None)
    found = [member for member in members if parts[member.id] is not None]
    if not found:
        raise outside(grid, f"one of the scenes: {others[:500]}")
    if others:
        _log.info("left out, as they are outside of the grid: %s", others)
    return found


def _stack(
    name: str,
    groups: Sequence[Sequence[Member]],
    *,
    target: GeoBox,
    parts: Mapping[str, Part | None],
    classes: Mapping[str, tuple[xr.Variable, ClassMask]],
    options: OpenOptions,
) -> xr.Variable:
    """Return a band of all scenes as one lazy variable."""

    def layer(member: Member) -> Layer:
        rows, cols = parts[member.id] or ((0, 0), (0, 0))
        pixels = band_variable(member.assets[name], name, member.id, target, options)
        return Layer(pixels=pixels, rows=rows, cols=cols, classes=classes.get(member.id))

    steps = [[layer(member) for member in group] for group in groups]
    pixels = [each.pixels for each in itertools.chain(*steps)]
    array = MosaicArray(
        steps,
        np.result_type(*(each.dtype for each in pixels)),
        label=f"{name} of {len(groups)} time steps",
        allow_large=options.allow_large,
    )
    attrs = _shared([each.attrs for each in pixels])
    encoding = _shared([each.encoding for each in pixels])
    encoding["preferred_chunks"] = {"time": 1, **encoding.get("preferred_chunks", {})}
    return xr.Variable(("time", *pixels[0].dims), wrap(array), attrs, encoding)


def _classes(
    groups: Sequence[Sequence[Member]],
    parts: Mapping[str, Part | None],
    target: GeoBox,
    resolver: Resolver,
    options: OpenOptions,
) -> dict[str, tuple[xr.Variable, ClassMask]]:
    """Return the classification bands of scenes that overlap in a time step, by id."""
    rivals = [
        member
        for group in groups
        for member in group
        if any(_meet(parts[member.id], parts[other.id]) for other in group if other is not member)
    ]
    found = in_threads(lambda each: _class_band(each, target, resolver, options), rivals, _AT_ONCE)
    return {m.id: value for m, value in zip(rivals, found, strict=True) if value is not None}


def _class_band(
    member: Member, target: GeoBox, resolver: Resolver, options: OpenOptions
) -> tuple[xr.Variable, ClassMask] | None:
    """Return a scene's classification band and its mask; None if the scene has none."""
    mission = MISSIONS.get(str(member.resolution.mission))
    for native, kinds in (mission.masks if mission else {}).items():
        try:
            catalog = member.resolution.catalog
            found = resolve_unsigned(
                member.source, replace(options, bands=[native], catalog=catalog), resolver
            )
        except UnknownBand:
            continue
        (asset,) = readable_assets(found, options).values()
        names = {name for kind in MASKED for name in kinds.get(kind, ())}
        mask = ClassMask(
            classes=tuple(each for each in asset.band.classes if each.name in names),
            nodata=asset.band.nodata,
        )
        return band_variable(asset, native, member.id, target, options), mask
    return None


def _meet(a: Part | None, b: Part | None) -> bool:
    return (
        a is not None
        and b is not None
        and all(max(p[0], q[0]) < min(p[1], q[1]) for p, q in zip(a, b, strict=True))
    )


def _shared(mappings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the entries that are the same in all mappings."""
    first = mappings[0]
    return {
        name: value
        for name, value in first.items()
        if all(name in other and _same(other[name], value) for other in mappings[1:])
    }


def _same(a: Any, b: Any) -> bool:
    # NaN is nodata, and itself; NumPy is slow with texts, which most are.
    return a is b or (a == b if type(a) is type(b) is str else bool(np.array_equal(a, b)))
