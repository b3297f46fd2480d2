"""The Dataset of a picker: its bands and indices, its grid, and its pixels."""

from __future__ import annotations

import functools
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from astra_xr.accessor.band_names import find_variable, mission_name
from astra_xr.accessor.cloud_masks import can_mask, mask
from astra_xr.accessor.default_colormaps import colormap_of_domain
from astra_xr.accessor.evaluate import reflectance, unpacked
from astra_xr.accessor.indices import available
from astra_xr.arrays.coarsening import Coarsening
from astra_xr.arrays.pixel_grid import pixel_grid
from astra_xr.arrays.thumbnail import coarse
from astra_xr.errors import AstraError, InvalidDataset
from astra_xr.missions import MISSIONS
from astra_xr.missions.base import OPTICAL_PRESETS
from astra_xr.model import CLASS_ROLES
from astra_xr.reading.loop import in_decode_thread, in_own_thread, together
from astra_xr.widgets.band_facts import facts_of, with_nodata
from astra_xr.widgets.georeference import axis_of, coordinate_of, crs_of, georeference
from astra_xr.widgets.steps import ONLY, steps_along
from astra_xr.widgets.tile_codes import Box, Scale, Tile, encode
from astra_xr.widgets.tile_pyramid import Pyramid

MASK = ":mask"
"""Key of the cloud mask, besides bands and indices."""

USUAL = ("NDVI", "EVI", "SAVI", "NDWI", "MNDWI", "NDMI", "NBR", "NDBI", "NDSI", "NDREI", "BI")
"""Indices that the menu lists first."""


class Scene:
    """A Dataset that a picker shows.

    Parameters
    ----------
    ds : xarray.Dataset
        Any Dataset with variables along y and x, and along time or one other dimension.

    Raises
    ------
    InvalidDataset
        It has nothing to show; the message has a hint.
    """

    def __init__(self, ds: xr.Dataset) -> None:
        flat, self.dim, self.renamed = _flat(ds)
        self.crs = crs_of(ds, self.renamed)
        grid = pixel_grid(flat, "pick()")
        flat = grid.filled(flat) if grid is not None and grid.kept else flat
        self._up = _climbs(flat)
        # North up, as images are.
        self.stack = flat.isel(y=slice(None, None, -1)) if self._up else flat
        self.steps = steps_along(self.stack, self.dim) if self.dim is not None else [ONLY]
        self.at = functools.lru_cache(maxsize=64)(self._at)
        """Returns the Dataset of a step, (y, x), by its number; as lazy as the picker's."""
        self.ds = self.at(0)
        first = next(iter(self.ds.data_vars.values()))
        self.shape = (first.sizes["y"], first.sizes["x"])

    def _at(self, step: int) -> xr.Dataset:
        if self.dim is None:
            return self.stack
        return self.stack.isel({self.dim: step}).transpose("y", "x")

    def step(self, label: str | None) -> int:
        """Return the number of a step by its label; 0 for None."""
        return 0 if label is None else [each.label for each in self.steps].index(label)

    @functools.cached_property
    def bands(self) -> dict[str, dict[str, Any]]:
        """Return variable name → description of the band, see ``band_facts``."""
        return {str(name): facts_of(band) for name, band in self.ds.data_vars.items()}

    @functools.cached_property
    def indices(self) -> dict[str, dict[str, str]]:
        """Return the spectral indices that can be computed from the bands, usual ones first."""
        rows = {str(name): row for name, row in available(self.ds).to_dict("index").items()}
        usual = {name: rows[name] for name in USUAL if name in rows}
        return {
            name: {
                "title": str(row["long_name"]),
                "domain": str(row["domain"]),
                "formula": str(row["formula"]),
                "cmap": colormap_of_domain(str(row["domain"])),
            }
            for name, row in (usual | rows).items()
            if name not in self.bands
        }

    @functools.cached_property
    def presets(self) -> dict[str, list[str]]:
        """Return the mission's band combinations of which all bands are there."""
        mission = MISSIONS.get(mission_name(self.ds))
        known = mission.presets if mission else OPTICAL_PRESETS
        found = {title: [self._named(name) for name in names] for title, names in known.items()}
        return {title: [*filter(None, bands)] for title, bands in found.items() if all(bands)}

    def _named(self, name: str) -> str | None:
        for each in (name, "nir08") if name == "nir" else (name,):
            try:
                return find_variable(self.ds, each)
            except AstraError:
                continue
        return None

    @functools.cached_property
    def masked(self) -> bool:
        """Return True if a classification band can mask clouds."""
        return can_mask(self.ds)

    @functools.cached_property
    def grid(self) -> dict[str, Any]:
        """Return size, corner and pixel size, and what :func:`georeference` returns.

        ``placed`` is True if y and x have coordinates, else corner and size are in pixels; ``up``
        is True if rows of the Dataset go from south to north.
        """
        rows, cols = self.shape
        x, dx = axis_of(self.ds, "x", cols)
        y, dy = axis_of(self.ds, "y", rows)
        grid = {"rows": rows, "cols": cols, "x": x, "y": y, "dx": dx, "dy": dy}
        placed = all(coordinate_of(self.ds, dim) is not None for dim in "yx")
        return grid | {"placed": placed, "up": self._up} | georeference(grid, self.crs)

    def centers(self, box: Box, shape: tuple[int, int]) -> dict[str, Any]:
        """Return coordinates of y and x, at pixel centers, of a box read in a shape."""
        top, left, bottom, right = box
        rows = top + (np.arange(shape[0]) + 0.5) * (bottom - top) / shape[0]
        cols = left + (np.arange(shape[1]) + 0.5) * (right - left) / shape[1]
        grid = self.grid
        return {"y": grid["y"] + grid["dy"] * rows, "x": grid["x"] + grid["dx"] * cols}

    def selection(self, keys: Iterable[str], step: int, box: Box) -> xr.Dataset:
        """Return bands, and those of indices, under the names of the Dataset; as lazy as it is."""
        return self._with_own_names(self._part(keys, step, box))

    def _part(self, keys: Iterable[str], step: int, box: Box) -> xr.Dataset:
        top, left, bottom, right = box
        names = [name for key in keys for name in ([key] if key in self.bands else self.needs(key))]
        part = self.at(step)[list(dict.fromkeys(names))]
        return part.isel(y=slice(top, bottom), x=slice(left, right))

    def _with_own_names(self, part: xr.Dataset) -> xr.Dataset:
        known = {*part.variables, *part.dims}
        return part.rename({ours: own for own, ours in self.renamed.items() if ours in known})

    @functools.cached_property
    def pyramid(self) -> Pyramid:
        """Return the levels and tiles of the scene."""
        return Pyramid(rows=self.shape[0], cols=self.shape[1])

    async def read(
        self, key: str, step: int, box: Box, shape: tuple[int, int], *, scale: Scale | None = None
    ) -> Tile:
        """Read a channel of a part of a step, as a tile; runs on the background loop.

        Parameters
        ----------
        key : str
            Band, index, formula or ``MASK``.
        step : int
        box : (int, int, int, int)
            Top, left, bottom and right, in pixels of the scene.
        shape : (int, int)
            Rows and columns of the tile, at most those of the box.
        scale : (float, float), optional
            Of the codes; by default one that fits the values.

        Raises
        ------
        AstraError
            The channel cannot be read, or there is no such band or index.
        """
        values = await self.values(key, step, box, shape)
        if key == MASK:
            return Tile(key=key, box=box, codes=values.astype(np.uint16), low=0.0, step=1.0)
        nodata = None
        if key in self.bands:
            if self.bands[key]["classes"]:
                nodata = self.ds[key].attrs.get("_FillValue")
            scale = scale or self._scale(key, values)
        coded = functools.partial(encode, nodata=nodata, scale=scale, margin=self._margin)
        return await in_decode_thread(coded, key, box, values)

    async def values(
        self, key: str, step: int, box: Box, shape: tuple[int, int]
    ) -> npt.NDArray[Any]:
        """Read the values that :meth:`read` encodes, with the same parameters.

        They are NaN without data; classes keep their nodata value. The mask is True at clouds.
        """
        if key == MASK:
            found = await in_own_thread(mask, self.at(step))
            return await _coarse(found, box, shape, average=False)
        if key in self.bands:
            return await self._band(key, step, box, shape)
        names = self.needs(key)
        arrays = await together([self._band(name, step, box, shape) for name in names])
        small = xr.Dataset(
            {
                name: (("y", "x"), values, unpacked(self.ds[name].attrs))
                for name, values in zip(names, arrays, strict=True)
            },
            attrs=self.ds.attrs,
        )
        index: npt.NDArray[Any] = await in_own_thread(lambda: small.astra.index(key).values)
        return index

    @property
    def _margin(self) -> float:
        """Return how far pixels may be beyond the range of the overview's means, as a share."""
        return 0.25 if self.pyramid.top else 0.0

    def _scale(self, key: str, values: npt.NDArray[Any]) -> Scale | None:
        """Return the scale that represents a band's stored numbers exactly; None if unknown."""
        band, dtype = self.ds[key], self.ds[key].dtype
        if self.bands[key]["classes"]:
            known = [each["value"] for each in self.bands[key]["classes"]]
            return float(min(0, *known)), 1.0
        if dtype.kind == "b" or (dtype.kind in "iu" and "scale_factor" not in band.attrs):
            low = 0 if dtype.kind in "bu" else int(np.iinfo(dtype).min)
            steps = {1: (float(low), 1 / 128), 2: (float(min(0, low + 1)), 1.0)}
            return steps.get(dtype.itemsize)
        reflective = self.bands[key]["role"] == "reflectance" and np.isfinite(values).any()
        if reflective and np.nanmin(values) >= -0.2 and np.nanmax(values) <= 6:
            return -0.2, 1e-4
        return None

    def needs(self, index: str) -> list[str]:
        """Return the variables that an index is computed from."""
        empty = self.ds.isel(x=slice(0), y=slice(0))
        used = str(empty.astra.index(index).attrs["bands"])
        return [each.partition("=")[2] for each in used.split(", ")]

    async def _band(
        self, name: str, step: int, box: Box, shape: tuple[int, int]
    ) -> npt.NDArray[Any]:
        band = self.at(step)[name]
        average = not (self.bands[name]["classes"] or band.attrs.get("role") in CLASS_ROLES)
        values = await _coarse(band, box, shape, average=average)
        if values.dtype.kind == "c":
            return np.asarray(np.abs(values))
        if self.bands[name]["classes"]:
            return values
        decoded: npt.NDArray[Any] = reflectance(
            xr.DataArray(values, dims=("y", "x"), attrs=dict(band.attrs))
        ).values
        return decoded

    @property
    def stacked(self) -> bool:
        """Return True if the steps are along ``dim`` of one Dataset."""
        return self.dim is not None and self.stack.sizes[self.dim] == len(self.steps)

    @property
    def times(self) -> list[Any]:
        """Return the steps as tables name them: by their coordinate, else by their labels."""
        if self.dim is not None and self.stacked:
            return list(self.stack[self.dim].values)
        return [step.label for step in self.steps]

    def pixel(self, x: float, y: float) -> tuple[int, int] | None:
        """Return row and column of a point, given in coordinates of the grid; None outside."""
        grid = self.grid
        row = int((y - grid["y"]) // grid["dy"])
        col = int((x - grid["x"]) // grid["dx"])
        return (row, col) if 0 <= row < grid["rows"] and 0 <= col < grid["cols"] else None


async def _coarse(
    da: xr.DataArray, box: Box, shape: tuple[int, int], *, average: bool
) -> npt.NDArray[Any]:
    top, left, bottom, right = box
    window = da.variable[top:bottom, left:right]
    return await coarse(window, Coarsening.of(window.shape, shape, average=average))


_ROWS = ("y", "yc", "latitude", "lat", "northing", "projection_y_coordinate")
_COLS = ("x", "xc", "longitude", "lon", "easting", "projection_x_coordinate")
"""Names of dimensions in use, and CF's standard names of their coordinates."""


def _dim(ds: xr.Dataset, names: Sequence[str], axis: str) -> Hashable | None:
    """Return the dimension of rows or of columns, by CF's attrs of its coordinate or its name."""
    if names[0] in ds.dims:
        return names[0]
    for dim in ds.dims:
        attrs = ds[dim].attrs if dim in ds.coords else {}
        if dim in names or attrs.get("axis") == axis or attrs.get("standard_name") in names:
            return dim
    return None


def _flat(ds: xr.Dataset) -> tuple[xr.Dataset, Hashable | None, dict[Hashable, str]]:
    """Return the numeric variables along y, x and at most one other dimension.

    Also the other dimension, or None; and what was renamed, old → new.
    """
    axes = ((_dim(ds, _ROWS, "Y"), "y"), (_dim(ds, _COLS, "X"), "x"))
    renamed = {old: new for old, new in axes if old is not None and old != new}
    if set(renamed.values()) & set(ds.variables):
        renamed = {}  # other variables have these names
    ds = ds.rename(renamed)
    dim = _steps_of(ds)
    ones = [d for d in ds.dims if d not in ("y", "x", dim) and ds.sizes[d] == 1]
    ds = ds.squeeze(ones, drop=True)
    fit = ({"y", "x"}, {"y", "x", dim})
    names = [name for name, each in ds.data_vars.items() if set(each.dims) in fit]
    numbers = [name for name in names if ds[name].dtype.kind in "iufcb"]
    if not numbers or 0 in ds[numbers].sizes.values():
        dims = ", ".join(f"{dim}={size}" for dim, size in ds.sizes.items()) or "none"
        needs = (
            "a numeric variable with pixels along the dimensions y and x, and at most one other; "
            f"the dimensions are {dims}"
        )
        hint = (
            "Rename dimensions, e.g. ds.rename(row='y', col='x'), and select along others, e.g. "
            "ds.isel(level=0)."
        )
        raise InvalidDataset(method="pick()", needs=needs, hint=hint)
    flat = ds[numbers].transpose(..., "y", "x")
    odd = {name: str(name) for name in numbers if not isinstance(name, str)}
    flat = flat.rename(odd)
    flat = flat.assign({name: with_nodata(band) for name, band in flat.items()})
    return flat, dim if dim in flat.dims else None, renamed | odd


def _steps_of(ds: xr.Dataset) -> Hashable | None:
    """Return the dimension of a stack of images: time, else the only one besides y and x."""
    others = [
        [dim for dim, size in each.sizes.items() if dim not in ("y", "x") and size != 1]
        for each in ds.data_vars.values()
        if {"y", "x"} <= set(each.dims)
    ]
    single = list(dict.fromkeys(dims[0] for dims in others if len(dims) == 1))
    if "time" in single or not single:
        return "time" if "time" in ds.dims and ds.sizes["time"] else None
    return single[0] if len(single) == 1 and [] not in others else None


def _climbs(ds: xr.Dataset) -> bool:
    """Return True if rows go from south to north."""
    y = coordinate_of(ds, "y")
    return y is not None and y.size > 1 and bool(y[0] < y[-1])
