"""The area of a picker: where it lies on the earth, and statistics of its pixels."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from astra_xr.errors import InvalidDataset, redact
from astra_xr.reading.loop import together
from astra_xr.widgets.georeference import Degrees, degrees_of
from astra_xr.widgets.layers import MASK, Scene
from astra_xr.widgets.look import Box
from astra_xr.widgets.pins import Send, Start
from astra_xr.widgets.sides import channels_of

if TYPE_CHECKING:
    import pandas as pd

State = Mapping[str, Any]

MOST = 1 << 22
"""Pixels of an area that are read in full resolution, at most."""

_CALM = 0.3
"""Seconds without a change until statistics are computed anew."""


def sides_of(state: State) -> list[State]:
    """Return the states that statistics are of."""
    return [state]


def _subjects(state: State) -> list[Any]:
    """Return what the statistics of each side depend on, besides the area; as JSON has it."""
    return [[channels_of(each), each["mask"], each["time"]] for each in sides_of(state)]


async def statistics(scene: Scene, sides: Sequence[State], area: Box) -> dict[str, Any]:
    """Read an area, and return statistics of its valid pixels; runs on the engine's loop.

    Parameters
    ----------
    scene : Scene
    sides : sequence of mapping
        States; where one masks clouds, its clouds do not count.
    area : (int, int, int, int)
        Top, left, bottom and right in pixels of the scene.

    Returns
    -------
    dict
        ``mean_of``: pixels of the scene in one that is counted, 1 in full resolution; ``sides``:
        for each side a list of ``key``, ``mean``, ``std``, ``valid`` (share, 0 to 1) and ``count``.
        Mean and standard deviation are None without valid pixels, and of classes.

    Raises
    ------
    ReadError, SigningError, UpstreamError
    """
    shape = _shape(area)
    found = await together([_side(scene, side, area, shape) for side in sides])
    mean_of = (area[2] - area[0]) * (area[3] - area[1]) / math.prod(shape)
    return {"mean_of": mean_of, "sides": found}


def _shape(area: Box) -> tuple[int, int]:
    """Return rows and columns in which an area is read.

    Examples
    --------
    >>> _shape((0, 0, 300, 200)), _shape((0, 0, 4096, 4096))
    ((300, 200), (2048, 2048))
    """
    rows, cols = area[2] - area[0], area[3] - area[1]
    factor = min(1.0, math.sqrt(MOST / (rows * cols)))
    return max(1, int(rows * factor)), max(1, int(cols * factor))


async def _side(
    scene: Scene, side: State, area: Box, shape: tuple[int, int]
) -> list[dict[str, Any]]:
    keys = list(dict.fromkeys(channels_of(side)))
    masks = [MASK] if side["mask"] else []
    step = scene.step(side["time"])
    arrays = await together([scene.values(key, step, area, shape) for key in (*keys, *masks)])
    hidden = np.asarray(arrays[-1], bool) if masks else None
    parts = zip(keys, arrays[: len(keys)], strict=True)
    return await asyncio.to_thread(lambda: [_row(scene, *part, hidden) for part in parts])


def _row(
    scene: Scene, key: str, values: npt.NDArray[Any], hidden: npt.NDArray[np.bool_] | None
) -> dict[str, Any]:
    band = scene.bands.get(key)
    classes = bool(band and band["classes"])
    valid = np.isfinite(values)
    if classes:
        valid &= values != scene.ds[key].attrs.get("_FillValue", math.nan)
    if hidden is not None:
        valid &= ~hidden
    known = values[valid].astype(np.float64)
    measured = known.size > 0 and not classes
    return {
        "key": key,
        "mean": float(known.mean()) if measured else None,
        "std": float(known.std()) if measured else None,
        "valid": known.size / values.size,
        "count": known.size,
    }


class Areas:
    """What a picker knows of its area.

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
        self._made: Any = None
        self._coming: Future[Any] | None = None

    def degrees(self, state: State) -> Degrees | None:
        """Return west, south, east and north of the area; None without an area.

        Raises
        ------
        InvalidDataset
            The grid has no CRS, or the area lies outside of where its CRS is defined.
        """
        return (
            degrees_of(self._scene.grid, self._scene.crs, state["area"]) if state["area"] else None
        )

    def table(self, state: State) -> pd.DataFrame:
        """Read the statistics of the area; without an area, the table has no rows."""
        import pandas as pd

        columns = ["mean", "std", "valid", "count", "mean_of"]
        if not state["area"]:
            return pd.DataFrame(columns=columns)
        work = statistics(self._scene, sides_of(state), tuple(state["area"]))
        found = self._start(work).result()
        rows = [row | {"mean_of": found["mean_of"]} for side in found["sides"] for row in side]
        table = pd.DataFrame(rows).set_index("key").rename_axis(None)[columns]
        return table.astype({"mean": float, "std": float})

    def follow(self, state: State, *, again: bool = False) -> None:
        """Send the statistics of a state, unless they are the same or another follows soon."""
        made = [state["area"], _subjects(state)]
        if made == self._made and not again:
            return
        self._made = made
        if self._coming is not None:
            self._coming.cancel()
        if state["area"]:
            self._coming = self._start(self._answer(state, made))

    async def told(self, state: State) -> dict[str, Any]:
        """Return what the browser is told; of a failure, the message."""
        message = {"type": "statistics", "area": state["area"], "of": _subjects(state)}
        try:
            message["bbox"] = self.degrees(state)
        except InvalidDataset as error:
            message["unplaced"] = redact(error)
        try:
            message |= await statistics(self._scene, sides_of(state), tuple(state["area"]))
        except Exception as error:  # noqa: BLE001  (any failure is shown in the widget)
            message["message"] = redact(error)
        return message

    async def _answer(self, state: State, made: list[Any]) -> None:
        await asyncio.sleep(_CALM)
        message = await self.told(state)
        if made == self._made:
            self._send(message)
