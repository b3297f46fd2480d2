"""The options of the functions that open scenes: which grid, and what is read how."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from astra_xr.catalogs import catalog_name
from astra_xr.resolver.radiometry import RadiometryMode, read_mode

Size = float | str | None
"""Pixel size in units of the CRS, ``"finest"``, ``"coarsest"``, or None for the bands' own."""

Resampling = str | Mapping[str, str] | None
"""How to resample, for all bands or by their names; None: what suits each."""

Chunks = Mapping[str, Any] | int | str | None
"""Of dask arrays, as in :meth:`xarray.Dataset.chunk`, or ``"auto"``; None: lazy without dask."""


@dataclass(frozen=True, kw_only=True)
class TargetGrid:
    """Which grid was asked for, as it was written; all None: the scene's own."""

    crs: Any = None
    """What pyproj takes as a CRS, or ``"utm"``."""

    resolution: Size = None
    """Of pixels, in units of the CRS; None: that of the bands, the finest where they differ."""

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

    @property
    def has_region(self) -> bool:
        """True where a part of the earth was asked for."""
        return any(each is not None for each in (self.bbox, self.intersects, self.x, self.y))


@dataclass(frozen=True, kw_only=True)
class OpenOptions:
    """What is wanted of a scene, as it was written; see :func:`astra_xr.open_scene`."""

    bands: str | Iterable[str] | None = None
    """Names or roles of bands; None: all."""

    catalog: str | None = None
    """The one to ask; None: the mission's in turn."""

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
    ({}, 20)
    """

    def of(kind: type[OpenOptions | TargetGrid]) -> dict[str, Any]:
        return {each.name: given[each.name] for each in fields(kind) if each.name in given}

    options = OpenOptions(grid=TargetGrid(**of(TargetGrid)), **of(OpenOptions))
    options = replace(
        options,
        catalog=catalog_name(options.catalog),
        radiometry=read_mode(options.radiometry),
    )
    if isinstance(options.bands, Iterator):  # which several scenes would share
        options = replace(options, bands=tuple(options.bands))
    return options
