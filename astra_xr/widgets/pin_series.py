"""A band or an index over all steps of a stack, at single points."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from astra_xr.accessor.evaluate import reflectance
from astra_xr.accessor.own_formulas import is_formula
from astra_xr.arrays.lazy import values_of
from astra_xr.errors import AstraError, redact
from astra_xr.reading.loop import in_own_thread, together
from astra_xr.widgets.layers import MASK, Scene
from astra_xr.widgets.pins import Send, Start

if TYPE_CHECKING:
    import pandas as pd

_MOST = 100
"""Points that a message may ask for."""

Values = list[float | None]
"""One of each step; None where masked or without data."""


class Series:
    """Values over time, read once; its coroutines run on the engine's loop.

    Parameters
    ----------
    scene : Scene
        What is shown.
    start : callable
        Starts a coroutine on the engine's loop.
    send : callable
        Sends a message to the browser.
    """

    def __init__(self, scene: Scene, start: Start, send: Send) -> None:
        self._scene = scene
        self._start = start
        self._send = send
        self._known: dict[tuple[str, float, float], Values] = {}
        self._clouds: xr.DataArray | None = None

    async def at(self, key: str, x: float, y: float) -> Values:
        """Read a band or an index at a point, given in the coordinates of the grid.

        Clouds are masked where a classification band of all steps tells them. Outside of the
        grid, and of what is no stack, there is nothing.

        Raises
        ------
        AstraError
            They cannot be read, or there is no such band or index.
        """
        if (key, x, y) not in self._known:
            self._known[key, x, y] = await self._read(key, x, y)
        return self._known[key, x, y]

    def table(self, state: Mapping[str, Any]) -> pd.DataFrame:
        """Return what a state shows over time under its pins, one row per pin and step."""
        import pandas as pd

        scene, key = self._scene, over_time(self._scene, state)
        steps = scene.times
        reads = [self._start(self.at(key, x, y)) for x, y in state["pins"]]
        found: list[Values] = [read.result() for read in reads]
        return pd.DataFrame(
            {"pin": n, "x": x, "y": y, str(scene.dim or "time"): steps[step], key: value}
            for n, ((x, y), values) in enumerate(zip(state["pins"], found, strict=True), 1)
            for step, value in enumerate(values)
        )

    def follow(self, content: Mapping[str, Any]) -> None:
        """Send what a message of the browser asks for."""

        async def answer() -> None:
            series = await self.answers(content.get("key"), content.get("points"))
            self._send({"type": "series", "series": series})

        self._start(answer())

    async def answers(self, key: Any, points: Any) -> list[dict[str, Any]]:
        """Return what the browser is told of points that it named; of a failure, the message."""

        async def one(x: float, y: float) -> dict[str, Any]:
            point = {"x": x, "y": y, "key": key}
            try:
                return point | {"values": await self.at(key, x, y)}
            except Exception as error:  # noqa: BLE001  (any failure is shown in the widget)
                return point | {"values": [], "message": redact(error)}

        if not isinstance(key, str) or not isinstance(points, list):
            return []
        return await together([one(*point) for point in points[:_MOST] if _is_point(point)])

    async def _read(self, key: str, x: float, y: float) -> Values:
        scene = self._scene
        pixel = scene.pixel(x, y)
        if pixel is None or not (scene.stacked or len(scene.steps) > 1):
            return []
        row, col = pixel
        if not scene.stacked:
            return [await self._one(key, n, row, col) for n in range(len(scene.steps))]
        here = scene.stack.isel(y=slice(row, row + 1), x=slice(col, col + 1))
        names = [key] if key in scene.bands else scene.needs(key)
        work = [values_of(here[name].variable) for name in names]
        clouds = await in_own_thread(self._mask) if scene.masked else None
        if clouds is not None:
            work.append(
                values_of(clouds.isel(y=slice(row, row + 1), x=slice(col, col + 1)).variable)
            )
        arrays = await together(work)
        hidden = arrays.pop().reshape(-1) if clouds is not None else False
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
        # A band without time is the same at all steps.
        numbers = np.where(hidden, np.nan, np.broadcast_to(values.reshape(-1), len(scene.steps)))
        return [float(each) if np.isfinite(each) else None for each in numbers]

    async def _one(self, key: str, step: int, row: int, col: int) -> float | None:
        """Read a pixel of a step by itself."""
        box = (row, col, row + 1, col + 1)
        value = float((await self._scene.values(key, step, box, (1, 1)))[0, 0])
        hidden = False
        if self._scene.masked:
            with contextlib.suppress(AstraError):  # nothing is masked where that cannot be told
                hidden = bool((await self._scene.values(MASK, step, box, (1, 1)))[0, 0])
        return None if hidden or not np.isfinite(value) else value

    def _mask(self) -> xr.DataArray | None:
        """Return the cloud mask of all steps, lazily; None where that cannot be told."""
        if self._clouds is None:
            try:
                mask = self._scene.stack.astra.mask()
            except AstraError:
                return None
            self._clouds = mask if self._scene.dim in mask.dims else None
        return self._clouds

    def clear(self) -> None:
        """Forget all."""
        self._known.clear()
        self._clouds = None


def over_time(scene: Scene, state: Mapping[str, Any]) -> str:
    """Return the band or index that a state shows over time: of three channels the index."""
    if state["mode"] == "single":
        return str(state["band"])
    index = str(state["index"])
    return str(index if index in scene.indices or is_formula(index) else state["bands"][0])


def _is_point(point: Any) -> bool:
    numbers = isinstance(point, list) and all(isinstance(n, int | float) for n in point)
    return numbers and len(point) == 2 and bool(np.isfinite(point).all())
