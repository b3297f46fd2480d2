"""The options of the functions that open scenes: which grid, and what is read how."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, cast

import numpy as np
from odc.geo import Resolution

from astra_xr.catalogs import catalog_name
from astra_xr.errors import InvalidParameter
from astra_xr.geometry import read_box, read_crs, read_geometry
from astra_xr.resolver.radiometry import RadiometryMode, read_mode
from astra_xr.scenes.chunks import Chunks, read_chunks

Size = float | Sequence[float] | Resolution | str | None
"""Pixel size in units of the CRS, also as a pair for x and y; ``"finest"``, ``"coarsest"``, or
None for the bands' own."""

Resampling = str | Mapping[str, str] | None
"""How to resample, for all bands or by their names; None: what suits each."""


@dataclass(frozen=True, kw_only=True)
class TargetGrid:
    """Which grid was asked for; all None: the scene's own.

    Raises
    ------
    InvalidParameter
        A field has no form that can be read.
    """

    crs: Any = None
    """A CRS in any form, kept as odc-geo's, or ``"utm"``."""

    resolution: Any = None
    """See :data:`Size`; kept as one number or a word. None: that of the bands, the finest where
    they differ."""

    bbox: Any = None
    """West, south, east, north in degrees."""

    intersects: Any = None
    """A geometry in longitude and latitude; its bounds count."""

    x: Any = None
    """Two x of the CRS, with ``y``."""

    y: Any = None
    geobox: Any = None
    """A whole grid: a GeoBox, or an array on it."""

    like: Any = None
    """The same as ``geobox``."""

    anchor: str | None = None
    """Where pixel edges lie; None: where the file has them, else at multiples of their size."""

    def __post_init__(self) -> None:
        for name, read in _READERS.items():
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, read(value))

    @property
    def has_region(self) -> bool:
        """True where a part of the earth was asked for."""
        return any(each is not None for each in (self.bbox, self.intersects, self.x, self.y))


def read_resolution(value: Any) -> float | Literal["finest", "coarsest"] | None:
    """Return a pixel size as one positive number, or as a word; None stays None.

    Parameters
    ----------
    value : number, pair of numbers or str
        A pair is of x and y, either of which may be negative, as in ``ds.rio.resolution()`` and
        odc-geo's ``Resolution``.

    Raises
    ------
    InvalidParameter
        It is none of these, or pixels would not be square.

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
        expected = "one size for x and y: pixels are square"
        raise InvalidParameter(name="resolution", value=value, expected=expected)
    if (numbers < 0).all():
        raise InvalidParameter(name="resolution", value=value, expected=expected)
    return float(sizes.pop())


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "crs": read_crs,
    "resolution": read_resolution,
    "bbox": read_box,
    "intersects": read_geometry,
}
"""Field of :class:`TargetGrid` → what reads it."""


@dataclass(frozen=True, kw_only=True)
class OpenOptions:
    """What is wanted of a scene; see :func:`astra_xr.open_scene`."""

    bands: str | Iterable[str] | None = None
    """Names or roles of bands; None: all."""

    catalog: str | None = None
    """Name of the one to ask; None: the mission's in turn."""

    grid: TargetGrid = field(default_factory=TargetGrid)

    resampling: Resampling = None
    """How, for all bands or by name; None: by what the band is and which size it gets."""

    chunks: Chunks = None

    mask_and_scale: bool = True
    """True: values in their unit, nodata as NaN; False: stored numbers."""

    radiometry: RadiometryMode = "auto"
    """Which scale and offset apply: the correct ones, those of the file's tags, or none."""

    allow_large: bool = False
    """True: neither grids nor reads are refused for their size."""


def options_of(given: Mapping[str, Any]) -> OpenOptions:
    """Collect the options of a function that opens scenes.

    Parameters
    ----------
    given : mapping of str to object
        Its arguments by name, as ``locals()`` has them where it begins; what is no option is
        left out.

    Examples
    --------
    >>> options = options_of({"scene_id": "…", "chunks": {}, "resolution": 20})
    >>> options.chunks, options.grid.resolution
    ({}, 20.0)
    """

    def of(kind: type[OpenOptions | TargetGrid]) -> dict[str, Any]:
        return {each.name: given[each.name] for each in fields(kind) if each.name in given}

    options = OpenOptions(grid=TargetGrid(**of(TargetGrid)), **of(OpenOptions))
    options = replace(
        options,
        catalog=catalog_name(options.catalog),
        chunks=read_chunks(options.chunks),
        radiometry=read_mode(options.radiometry),
    )
    if isinstance(options.bands, Iterator):  # which several scenes would share
        options = replace(options, bands=tuple(options.bands))
    return options
