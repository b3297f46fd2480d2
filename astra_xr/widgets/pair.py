"""Two Datasets as the two steps of a picker, both on the grid of the first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from astra_xr.arguments import read_expression
from astra_xr.errors import InvalidDataset, InvalidParameter
from astra_xr.geometry import transformer
from astra_xr.reading.loop import in_own_thread
from astra_xr.widgets.code import literal
from astra_xr.widgets.picker_scene import MASK, Scene
from astra_xr.widgets.steps import date_of
from astra_xr.widgets.tile_codes import Box

_METHOD = "pick(compare=)"

_CLOSE = 1e-3
"""Part of a pixel by which equal grids may differ."""


def scene_of(
    ds: xr.Dataset, name: str, state: Mapping[str, Any]
) -> tuple[Scene, Mapping[str, Any]]:
    """Return the scene of a picker, and its state without Datasets.

    Parameters
    ----------
    ds : xarray.Dataset
        The Dataset on which the picker is opened.
    name : str
        Its name in Python.
    state : mapping
        ``compare`` may be another Dataset, or a dict with one as ``"other"``.

    Raises
    ------
    InvalidDataset
        The Datasets cannot be shown, or not be compared.
    """
    if not isinstance(ds, xr.Dataset):
        raise InvalidParameter(name="ds", value=ds, expected="a Dataset: ds.astra.pick() opens it")
    read_expression("code_name", name)
    compare = state.get("compare")
    kinds = (xr.Dataset, xr.DataArray)
    rest = {"other": compare} if isinstance(compare, kinds) else compare
    if not isinstance(rest, Mapping) or not isinstance(rest.get("other"), kinds):
        return Scene(ds), state
    rest = dict(rest)
    other = rest.pop("other")
    if isinstance(other, xr.DataArray):
        other = other.to_dataset(name=next(iter(ds.data_vars)))
    second = "ds" if name.partition(".")[0] == "other" else "other"
    pair = Pair(ds, other, (name, second))
    a, b = (step.label for step in pair.steps)
    return pair, {"time": a} | dict(state) | {"compare": {"time": b} | rest}


class Pair(Scene):
    """A Dataset, and another one to compare it with.

    If B has another grid, it is resampled to that of A: by the nearest pixel in full resolution,
    by means (from overviews, if there are any) in coarser ones.

    Parameters
    ----------
    ds, other : xarray.Dataset
        A and B, of one time each.
    names : (str, str)
        Their names in Python.

    Raises
    ------
    InvalidDataset
        B lacks bands of A, or has other units; the grids differ, and one has no CRS; the Datasets
        do not overlap; or one of them is a stack.
    """

    def __init__(self, ds: xr.Dataset, other: xr.Dataset, names: tuple[str, str]) -> None:
        super().__init__(ds)
        self.given, self.name = other, names[1]
        self._other = b = Scene(other)
        self._check_bands()
        self._onto = None if self._alike() else self._transformer()
        labels = [date_of(scene.ds) for scene in (self, b)]
        if None in labels or labels[0] == labels[1]:
            labels = list(names)
        own = f"{names[1]}.rename({literal(b.renamed)})" if b.renamed else names[1]
        source, matched = own + b.steps[0].code, self._onto is not None
        self.steps = [
            replace(self.steps[0], label=str(labels[0])),
            replace(b.steps[0], label=str(labels[1]), code="", source=source, matched=matched),
        ]

    def _check_bands(self) -> None:
        for scene in (self, self._other):
            if scene.dim is not None and len(scene.steps) > 1:
                hint = "Select a time of each, e.g. ds.isel(time=0), or compare dates of one stack."
                raise InvalidDataset(method=_METHOD, needs="Datasets of one time", hint=hint)
        missing = [name for name in self.bands if name not in self._other.bands]
        if missing:
            shared = [name for name in self.bands if name not in missing] or ["red", "nir"]
            raise InvalidDataset(
                method=_METHOD,
                needs=f"the bands {', '.join(missing)} in the other Dataset too",
                hint=f"Select bands of both, e.g. ds[{shared[:3]!r}].astra.pick(compare=other).",
            )
        for name, band in self.bands.items():
            own, others = band["units"], self._other.bands[name]["units"]
            if own != others:
                needs = f"the same units in both; {name} has {own!r} and {others!r}"
                hint = "Open both alike, e.g. both with mask_and_scale=True."
                raise InvalidDataset(method=_METHOD, needs=needs, hint=hint)

    def _alike(self) -> bool:
        """Return True if both have the same grid."""
        a, b = self.grid, self._other.grid
        if any(a[key] != b[key] for key in ("rows", "cols", "placed", "up")):
            return False
        if self.crs is not None and self._other.crs is not None and self.crs != self._other.crs:
            return False
        for axis, count in (("x", "cols"), ("y", "rows")):
            pixel = f"d{axis}"
            first, last = a[axis] - b[axis], (a[pixel] - b[pixel]) * a[count]
            if max(abs(first), abs(last)) >= _CLOSE * abs(a[pixel]):
                return False
        return True

    def _transformer(self) -> Any:
        if self.crs is None or self._other.crs is None:
            lacks = "The first" if self.crs is None else "The other"
            raise InvalidDataset(
                method=_METHOD,
                needs="a CRS of both, as they have different grids",
                hint=f"{lacks} has none; set it, e.g. by ds.rio.write_crs('EPSG:32610').",
            )
        found = transformer(str(self.crs), str(self._other.crs))
        if not self._positions(found, self.pyramid.whole, (64, 64))[2].any():
            hint = "Open both of one area, e.g. open_scene(…, like=ds)."
            raise InvalidDataset(method=_METHOD, needs="Datasets that overlap", hint=hint)
        return found

    def _positions(self, onto: Any, box: Box, shape: tuple[int, int]) -> tuple[Any, Any, Any]:
        """Return rows and columns of B, as floats, at pixels of A, and which are inside B."""
        center = self.centers(box, shape)
        x, y = onto.transform(*np.meshgrid(center["x"], center["y"]))
        grid = self._other.grid
        rows, cols = (y - grid["y"]) / grid["dy"], (x - grid["x"]) / grid["dx"]
        inside = (rows >= 0) & (rows < grid["rows"]) & (cols >= 0) & (cols < grid["cols"])
        return rows, cols, inside

    def _at(self, step: int) -> xr.Dataset:
        if step == 0:
            return super()._at(0)
        own = self._other.ds[list(self.bands)]
        # Coordinates that differ in the last digits would not align.
        known = [dim for dim in "yx" if dim in self.ds.coords]
        # As variables: DataArrays would bring the time and id of A.
        return own.assign_coords({dim: self.ds[dim].variable for dim in known})

    async def values(
        self, key: str, step: int, box: Box, shape: tuple[int, int]
    ) -> npt.NDArray[Any]:
        """Read a channel of A, or of B on the grid of A; see :meth:`Scene.values`."""
        if step and self._onto is not None and key == MASK:
            return await self._nearest(key, box, shape)
        return await super().values(key, step, box, shape)

    async def _band(
        self, name: str, step: int, box: Box, shape: tuple[int, int]
    ) -> npt.NDArray[Any]:
        if step and self._onto is not None:
            return await self._nearest(name, box, shape)
        return await super()._band(name, step, box, shape)

    async def _nearest(self, key: str, box: Box, shape: tuple[int, int]) -> npt.NDArray[Any]:
        rows, cols, inside = await in_own_thread(self._positions, self._onto, box, shape)
        # Pixels outside of B are without data: not masked, and NaN in a band.
        found = np.zeros(shape, bool) if key == MASK else np.full(shape, np.nan)
        if not inside.any():
            return found
        ends = [(each[inside].min(), each[inside].max()) for each in (rows, cols)]
        (top, bottom), (left, right) = ((int(low), int(high) + 1) for low, high in ends)
        # The nearest pixel in full resolution; else means of as many as there are in one of A.
        whole = shape == (box[2] - box[0], box[3] - box[1])
        pitch = [1.0 if whole else _pitch(each, n) for n, each in enumerate((rows, cols))]
        size = (
            max(1, math.ceil((bottom - top) / pitch[0])),
            max(1, math.ceil((right - left) / pitch[1])),
        )
        part = await self._other.values(key, 0, (top, left, bottom, right), size)
        i = ((rows[inside] - top) * size[0] / (bottom - top)).astype(int).clip(0, size[0] - 1)
        j = ((cols[inside] - left) * size[1] / (right - left)).astype(int).clip(0, size[1] - 1)
        found[inside] = part[i, j]
        return found

    def selection(self, keys: Iterable[str], step: int, box: Box) -> xr.Dataset:
        """Return bands of A, or of B; on another grid, B is resampled, which reads it."""
        if not step or self._onto is None:
            return super().selection(keys, step, box)
        import rioxarray  # noqa: F401

        part = self._part(keys, 0, box)
        return self._with_own_names(self._other.ds[list(part)].rio.reproject_match(part))


def _pitch(positions: npt.NDArray[Any], axis: int) -> float:
    """Return how many pixels of B there are in one of A along an axis, at least 1."""
    if positions.shape[axis] < 2:
        return 1.0
    return max(1.0, float(np.nanmedian(np.abs(np.diff(positions, axis=axis)))))
