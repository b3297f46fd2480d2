"""The options of the functions that open scenes: of the grid, and of how bands are read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, Literal, cast

import numpy as np
from odc.geo import Resolution

from astra_xr.arguments import read_choice, read_flag
from astra_xr.catalogs import catalog_name
from astra_xr.errors import InvalidParameter
from astra_xr.geometry import read_box, read_crs, read_geometry
from astra_xr.reading.resampling import RESAMPLINGS
from astra_xr.resolver.radiometry import RadiometryMode, read_mode
from astra_xr.scenes.chunks import Chunks, read_chunks

Size = float | Sequence[float] | Resolution | str | None
"""Pixel size in units of the CRS, also as a pair for x and y; ``"finest"``, ``"coarsest"``, or
None for the bands' own."""

Resampling = str | Mapping[str, str] | None
"""Resampling method for all bands, or by their names; None: what suits each band."""


@dataclass(frozen=True, kw_only=True)
class TargetGrid:
    """The options of the grid of a Dataset, valid one by one; all None: the grid of the scene."""

    crs: Any = None
    """A CRS in any form, kept as odc-geo's, or ``"utm"``."""

    resolution: Any = None
    """See :data:`Size`; kept as one number or a word. None: that of the bands, the finest if they
    differ."""

    bbox: Any = None
    """West, south, east, north in degrees."""

    intersects: Any = None
    """A geometry, kept as GeoJSON in longitude and latitude; only its bounds are used."""

    x: Any = None
    """Two x coordinates in the CRS, together with ``y``."""

    y: Any = None
    geobox: Any = None
    """A whole grid: a GeoBox, or an xarray object on it."""

    like: Any = None
    """The same as ``geobox``."""

    anchor: Any = None
    """Alignment of pixel edges; None: that of the file, else at multiples of the pixel size."""

    def __post_init__(self) -> None:
        _read_fields(self)

    @property
    def has_region(self) -> bool:
        """True if only a part of the earth is requested."""
        return any(each is not None for each in (self.bbox, self.intersects, self.x, self.y))


def read_resolution(value: Any) -> float | Literal["finest", "coarsest"] | None:
    """Return a pixel size as one positive number, or as a word; None stays None.

    It may be a pair for x and y, either of which may be negative, as in ``ds.rio.resolution()``
    and odc-geo's ``Resolution``; pixels must be square.

    Examples
    --------
    >>> read_resolution(20), read_resolution((10, -10)), read_resolution("finest")
    (20.0, 10.0, 'finest')
    """
    if value is None or (isinstance(value, str) and value in ("finest", "coarsest")):
        return cast("Literal['finest', 'coarsest'] | None", value)
    expected = "a size in units of the CRS, 'finest' or 'coarsest'"
    if isinstance(value, Resolution):
        value = (value.x, value.y)
    try:
        numbers = np.asarray(value)
    except (TypeError, ValueError):  # rows of several lengths
        numbers = np.empty(0)
    sizes = set(np.abs(numbers).ravel().tolist()) if numbers.dtype.kind in "iuf" else set()
    if numbers.size not in (1, 2) or not all(0 < each < math.inf for each in sizes or {0}):
        raise InvalidParameter(name="resolution", value=value, expected=expected)
    if len(sizes) > 1:
        reason, expected = "pixels are square", "one size for x and y"
        raise InvalidParameter(name="resolution", value=value, expected=expected, reason=reason)
    if (numbers < 0).all():
        raise InvalidParameter(name="resolution", value=value, expected=expected)
    return float(sizes.pop())


def _read_range(name: str, value: Any) -> tuple[float, float]:
    """Read two different coordinates, in either order."""
    try:
        first, last = (float(edge) for edge in value)
    except (TypeError, ValueError, OverflowError):
        first = last = math.nan
    if first == last or not math.isfinite(first + last):
        expected = "two different numbers in units of the CRS"
        raise InvalidParameter(name=name, value=value, expected=expected)
    return first, last


def _read_resampling(value: Any) -> Resampling:
    for method in value.values() if isinstance(value, Mapping) else [value]:
        if method is not None:
            read_choice("resampling", RESAMPLINGS, method)
    return cast("Resampling", value)


def _read_bands(value: Any) -> Any:
    # Several scenes would share an iterator.
    return tuple(value) if isinstance(value, Iterator) else value


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "crs": read_crs,
    "resolution": read_resolution,
    "bbox": read_box,
    "intersects": read_geometry,
    "x": partial(_read_range, "x"),
    "y": partial(_read_range, "y"),
    "anchor": partial(read_choice, "anchor", ("edge", "center", "floating")),
    "bands": _read_bands,
    "catalog": catalog_name,
    "resampling": _read_resampling,
    "chunks": read_chunks,
    "mask_and_scale": partial(read_flag, "mask_and_scale"),
    "radiometry": read_mode,
    "allow_large": partial(read_flag, "allow_large"),
}
"""Option → the function that reads it; the others are kept as they are."""


def _read_fields(options: TargetGrid | OpenOptions) -> None:
    for each in fields(options):
        value = getattr(options, each.name)
        if each.name in _READERS and value is not None:
            object.__setattr__(options, each.name, _READERS[each.name](value))


@dataclass(frozen=True, kw_only=True)
class OpenOptions:
    """The options of a function that opens scenes, valid one by one."""

    bands: str | Iterable[str] | None = None
    """Names or roles of bands; None: all bands."""

    catalog: str | None = None
    """Name of the only catalog to use; None: those of the mission, in turn."""

    grid: TargetGrid = field(default_factory=TargetGrid)

    resampling: Resampling = None
    """Method for all bands, or by name; None: what suits the band and the pixel size."""

    chunks: Chunks = None

    mask_and_scale: bool = True
    """True: values in their unit, nodata as NaN; False: stored numbers."""

    radiometry: RadiometryMode = "auto"
    """Which scale and offset apply: the correct ones, those of the file's tags, or none."""

    allow_large: bool = False
    """True: no grid and no read is too large."""

    def __post_init__(self) -> None:
        _read_fields(self)


def options_of(arguments: Mapping[str, Any]) -> OpenOptions:
    """Return the options among the arguments of a function that opens scenes, its ``locals()``.

    Examples
    --------
    >>> options = options_of({"scene_id": "…", "chunks": {}, "resolution": 20})
    >>> options.chunks, options.grid.resolution
    ({}, 20.0)
    """
    given = {name: value for name, value in arguments.items() if value is not None}

    def of(kind: type[OpenOptions | TargetGrid]) -> dict[str, Any]:
        return {each.name: given[each.name] for each in fields(kind) if each.name in given}

    return OpenOptions(grid=TargetGrid(**of(TargetGrid)), **of(OpenOptions))
