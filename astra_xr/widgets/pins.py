"""Pixels under the pins of a picker, read once: spectra of a step, and series over all steps."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from astra_xr.accessor.cloud_masks import mask
from astra_xr.accessor.evaluate import reflectance
from astra_xr.accessor.own_formulas import is_formula
from astra_xr.arrays.lazy import values_of
from astra_xr.errors import AstraError, redact
from astra_xr.reading.loop import in_own_thread, together
from astra_xr.widgets.picker_scene import MASK, Scene

if TYPE_CHECKING:
    import pandas as pd

Spectrum = dict[str, float | None]
"""Band → value; None without data."""

Series = list[float | None]
"""The value of each step; None where masked or without data."""

Start = Callable[[Coroutine[Any, Any, Any]], Future[Any]]
"""Starts a coroutine on the background loop."""

Send = Callable[[dict[str, Any]], None]
"""Sends a message to the browser."""

_MOST = 100
"""Points in a message, at most; others are left out."""


class Pins:
    """Values of single pixels, which are cached; coroutines run on the background loop.

    Points are (x, y) in coordinates of the grid.

    Parameters
    ----------
    scene : Scene
        The scene that is shown.
    start, send : callable
        See ``Start`` and ``Send``.
    """

    def __init__(self, scene: Scene, start: Start, send: Send) -> None:
        self._scene = scene
        self._start = start
        self._send = send
        self._latest: Any = None
        self._spectra: dict[tuple[int, float, float], Spectrum] = {}
        self._series: dict[tuple[str, float, float], Series] = {}
        self._clouds: xr.DataArray | None = None

    # Spectra.

    async def spectrum(self, step: int, x: float, y: float) -> Spectrum:
        """Read all bands of a step at a point.

        Raises
        ------
        AstraError
            They cannot be read.
        """
        at, scene = (step, x, y), self._scene
        if at not in self._spectra:
            pixel = scene.pixel(x, y)
            names = [n for n, band in scene.bands.items() if pixel and not band["classes"]]
            found = await together(self._value(name, step, pixel) for name in names if pixel)
            self._spectra[at] = {
                name: value if np.isfinite(value) else None
                for name, value in zip(names, found, strict=True)
            }
        return self._spectra[at]

    def spectra_table(self, state: Mapping[str, Any]) -> pd.DataFrame:
        """Return the spectra of a state, one row per pin; waits for them."""
        import pandas as pd

        scene, step = self._scene, self._scene.step(state["time"])
        reads = [self._start(self.spectrum(step, x, y)) for x, y in state["pins"]]
        several = scene.stacked or len(scene.steps) > 1
        time = {str(scene.dim or "time"): scene.times[step]} if several else {}
        found = zip(state["pins"], reads, strict=True)
        return pd.DataFrame({"x": x, "y": y} | time | read.result() for (x, y), read in found)

    def send_spectra(self, state: Mapping[str, Any]) -> None:
        """Read and send the spectra of a state, unless others are requested meanwhile."""
        step, points = self._scene.step(state["time"]), state["pins"]
        self._latest = latest = step, points

        async def answer() -> None:
            found = [
                _answer({"x": x, "y": y, "time": step}, self.spectrum(step, x, y), {})
                for x, y in points
            ]
            message = {"type": "spectra", "spectra": await together(found)}
            if latest is self._latest:
                self._send(message)

        self._start(answer())

    # Series.

    async def series(self, key: str, x: float, y: float) -> tuple[Series, str]:
        """Read a band or an index at a point, at all steps.

        Clouds are None if a classification band shows them. The list is empty outside of the grid,
        and for a Dataset that is no stack.

        Returns
        -------
        list of float or None
        str
            A message if clouds could not be masked, else empty.

        Raises
        ------
        AstraError
            They cannot be read, or there is no such band or index.
        """
        if (key, x, y) in self._series:
            return self._series[key, x, y], ""
        values, unmasked = await self._read_series(key, x, y)
        if unmasked:  # not cached, as it may work later
            return values, f"Not all clouds are masked: {unmasked}"
        self._series[key, x, y] = values
        return values, ""

    def series_table(self, state: Mapping[str, Any]) -> pd.DataFrame:
        """Return the series of a state, one row per pin and step; waits for them."""
        import pandas as pd

        scene, key = self._scene, _series_key(self._scene, state)
        steps = scene.times
        reads = [self._start(self.series(key, x, y)) for x, y in state["pins"]]
        found: list[Series] = []
        for read in reads:
            values, unmasked = read.result()
            found.append(values)
            if unmasked:
                warnings.warn(unmasked, stacklevel=3)
        return pd.DataFrame(
            {"pin": n, "x": x, "y": y, str(scene.dim or "time"): steps[step], key: value}
            for n, ((x, y), values) in enumerate(zip(state["pins"], found, strict=True), 1)
            for step, value in enumerate(values)
        )

    def send_series(self, content: Mapping[str, Any]) -> None:
        """Read and send the series that a message requests."""

        async def answer() -> None:
            series = await self.series_answers(content.get("key"), content.get("points"))
            self._send({"type": "series", "series": series})

        self._start(answer())

    async def series_answers(self, key: Any, points: Any) -> list[dict[str, Any]]:
        """Return the series at points of a message, as JSON; invalid points are left out."""
        if not isinstance(key, str) or not isinstance(points, list):
            return []

        async def answer(x: float, y: float) -> dict[str, Any]:
            point = {"x": x, "y": y, "key": key}
            found: dict[str, Any] = await _answer(point, self.series(key, x, y), ([], ""))
            values, unmasked = found["values"]
            return found | {"values": values} | ({"message": unmasked} if unmasked else {})

        return await together(answer(x, y) for x, y in filter(_is_point, points[:_MOST]))

    async def _read_series(self, key: str, x: float, y: float) -> tuple[Series, str]:
        """Read a series, and the reason if clouds could not be masked."""
        scene = self._scene
        pixel = scene.pixel(x, y)
        if pixel is None or not (scene.stacked or len(scene.steps) > 1):
            return [], ""
        if not scene.stacked:
            each = [await self._one(key, n, pixel) for n in range(len(scene.steps))]
            return [value for value, _ in each], next((why for _, why in each if why), "")
        row, col = pixel
        part = {"y": slice(row, row + 1), "x": slice(col, col + 1)}
        here = scene.stack.isel(part)
        names = [key] if key in scene.bands else scene.needs(key)
        work: list[Coroutine[Any, Any, Any]] = [self._hidden(part)]
        work += [values_of(here[name].variable) for name in names]
        (hidden, unmasked), *arrays = await together(work)
        found = xr.Dataset(
            {
                name: (here[name].dims, values, dict(here[name].attrs))
                for name, values in zip(names, arrays, strict=True)
            },
            attrs=scene.ds.attrs,
        )
        shown: xr.DataArray = (
            reflectance(found[key]) if key in scene.bands else found.astra.index(key)
        )
        values = np.abs(shown.values) if shown.dtype.kind == "c" else shown.values
        # A band without time has the same value at all steps.
        numbers = np.where(hidden, np.nan, np.broadcast_to(values.reshape(-1), len(scene.steps)))
        return [float(each) if np.isfinite(each) else None for each in numbers], unmasked

    async def _hidden(self, part: Mapping[str, slice]) -> tuple[Any, str]:
        """Return where clouds are at all steps, and the reason if that is unknown."""
        if not self._scene.masked:
            return False, ""
        try:
            clouds = await in_own_thread(self._mask)
            return (await values_of(clouds.isel(part).variable)).reshape(-1), ""
        except AstraError as error:
            return False, redact(error)

    async def _one(self, key: str, step: int, pixel: tuple[int, int]) -> tuple[float | None, str]:
        """Read a pixel of a step that is a Dataset of its own; None at clouds and without data.

        Also the reason if it is unknown whether it is a cloud.
        """
        value, hidden, unmasked = await self._value(key, step, pixel), False, ""
        if self._scene.masked:
            try:
                hidden = bool(await self._value(MASK, step, pixel))
            except AstraError as error:
                unmasked = redact(error)
        return None if hidden or not np.isfinite(value) else value, unmasked

    async def _value(self, key: str, step: int, pixel: tuple[int, int]) -> float:
        row, col = pixel
        box = (row, col, row + 1, col + 1)
        return float((await self._scene.values(key, step, box, (1, 1)))[0, 0])

    def _mask(self) -> xr.DataArray:
        """Return the cloud mask of all steps, lazily."""
        if self._clouds is None:
            self._clouds = mask(self._scene.stack)
        return self._clouds

    def clear(self) -> None:
        """Release all values."""
        self._spectra.clear()
        self._series.clear()
        self._clouds = None


async def _answer(point: dict[str, Any], read: Coroutine[Any, Any, Any], empty: Any) -> Any:
    """Return a point with its values; if they cannot be read, with ``empty`` and the message."""
    try:
        return point | {"values": await read}
    except Exception as error:  # noqa: BLE001  (any failure is shown in the widget)
        return point | {"values": empty, "message": redact(error)}


def _series_key(scene: Scene, state: Mapping[str, Any]) -> str:
    """Return the band or index whose series a state shows: the index, if it has three bands."""
    if state["mode"] == "single":
        return str(state["band"])
    index = str(state["index"])
    return str(index if index in scene.indices or is_formula(index) else state["bands"][0])


def _is_point(point: Any) -> bool:
    numbers = isinstance(point, list) and all(isinstance(n, int | float) for n in point)
    return numbers and len(point) == 2 and bool(np.isfinite(point).all())
