"""The area of a picker: where it lies on the earth, and statistics of its pixels."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from astra_xr.errors import InvalidDataset, redact
from astra_xr.reading.loop import in_own_thread, together
from astra_xr.widgets.georeference import Degrees, degrees_of
from astra_xr.widgets.layers import MASK, Scene
from astra_xr.widgets.look import Box
from astra_xr.widgets.pins import Send, Start
from astra_xr.widgets.sides import DIFFERENCE, Side, can_differ, channels_of, side_of

if TYPE_CHECKING:
    import pandas as pd

State = Mapping[str, Any]

MOST = 1 << 22
"""Pixels of an area that are read in full resolution, at most."""

_CALM = 0.3
"""Seconds without a change until statistics are computed anew."""


def sides_of(about: Mapping[str, Any], state: State) -> list[State]:
    """Return the states that statistics are of: A alone, or A and B."""
    sides: tuple[Side, ...] = ("a", "b") if state["compare"] else ("a",)
    return [side_of(about, state, side) for side in sides]


def _subjects(sides: Sequence[State]) -> list[Any]:
    """Return what the statistics of each side depend on, besides the area; as JSON has it."""
    return [[channels_of(each), each["mask"], each["time"]] for each in sides]


async def statistics(
    scene: Scene, sides: Sequence[State], area: Box, *, differ: bool = False
) -> dict[str, Any]:
    """Read an area, and return statistics of its valid pixels; runs on the engine's loop.

    Parameters
    ----------
    scene : Scene
    sides : sequence of mapping
        States; where one masks clouds, its clouds do not count.
    area : (int, int, int, int)
        Top, left, bottom and right in pixels of the scene.
    differ : bool
        Add B - A of the pixels that are valid in both.

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
    read = await together([_side(scene, side, area, shape) for side in sides])
    mean_of = (area[2] - area[0]) * (area[3] - area[1]) / math.prod(shape)
    rows = await in_own_thread(lambda: [[each.row() for each in side] for side in read])
    if differ:
        rows.append([await in_own_thread(lambda: read[1][0].minus(read[0][0]).row())])
    return {"mean_of": mean_of, "sides": rows}


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


@dataclass(frozen=True, kw_only=True)
class _Channel:
    """The pixels of a band, an index or a difference, and which of them count."""

    key: str
    values: npt.NDArray[Any]
    valid: npt.NDArray[np.bool_]
    classes: bool = False

    def minus(self, other: _Channel) -> _Channel:
        values = self.values.astype(np.float64) - other.values
        return _Channel(key=DIFFERENCE, values=values, valid=self.valid & other.valid)

    def row(self) -> dict[str, Any]:
        known = self.values[self.valid].astype(np.float64)
        measured = known.size > 0 and not self.classes
        return {
            "key": self.key,
            "mean": float(known.mean()) if measured else None,
            "std": float(known.std()) if measured else None,
            "valid": known.size / self.values.size,
            "count": known.size,
        }


async def _side(scene: Scene, side: State, area: Box, shape: tuple[int, int]) -> list[_Channel]:
    keys = list(dict.fromkeys(channels_of(side)))
    masks = [MASK] if side["mask"] else []
    step = scene.step(side["time"])
    arrays = await together([scene.values(key, step, area, shape) for key in (*keys, *masks)])
    hidden = np.asarray(arrays[-1], bool) if masks else np.zeros(shape, bool)
    return [
        _channel(scene, key, values, hidden)
        for key, values in zip(keys, arrays[: len(keys)], strict=True)
    ]


def _channel(
    scene: Scene, key: str, values: npt.NDArray[Any], hidden: npt.NDArray[np.bool_]
) -> _Channel:
    valid = np.isfinite(values) & ~hidden
    classes = bool(key in scene.bands and scene.bands[key]["classes"])
    if classes:
        valid &= values != scene.ds[key].attrs.get("_FillValue", math.nan)
    return _Channel(key=key, values=values, valid=valid, classes=classes)


class Areas:
    """What a picker knows of its area.

    Parameters
    ----------
    scene : Scene
        What is shown.
    about : mapping
        Its description for the browser.
    start : callable
        Starts a coroutine on the engine's loop.
    send : callable
        Sends a message to the browser.
    """

    def __init__(self, scene: Scene, about: Mapping[str, Any], start: Start, send: Send) -> None:
        self._scene = scene
        self._about = about
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
        found = self._start(self._statistics(state)).result()
        named = zip(("A", "B", DIFFERENCE), found["sides"], strict=False)
        rows = [
            row | {"mean_of": found["mean_of"], "side": name}
            for name, side in named
            for row in side
        ]
        index = ["side", "key"] if state["compare"] else "key"
        table = pd.DataFrame(rows).set_index(index)[columns]
        table = table if state["compare"] else table.rename_axis(None)
        return table.astype({"mean": float, "std": float})

    async def _statistics(self, state: State) -> dict[str, Any]:
        sides, area = sides_of(self._about, state), tuple(state["area"])
        differ = bool(state["compare"]) and can_differ(self._about, state)
        return await statistics(self._scene, sides, area, differ=differ)

    def follow(self, state: State, *, again: bool = False) -> None:
        """Send the statistics of a state, unless they are the same or another follows soon."""
        made = [state["area"], _subjects(sides_of(self._about, state))]
        if made == self._made and not again:
            return
        self._made = made
        if self._coming is not None:
            self._coming.cancel()
        if state["area"]:
            self._coming = self._start(self._answer(state, made))

    async def answer(self, state: State) -> dict[str, Any]:
        """Return what the browser is told; of a failure, the message."""
        of = _subjects(sides_of(self._about, state))
        message = {"type": "statistics", "area": state["area"], "of": of}
        try:
            message["bbox"] = self.degrees(state)
        except InvalidDataset as error:
            message["unplaced"] = redact(error)
        try:
            message |= await self._statistics(state)
        except Exception as error:  # noqa: BLE001  (any failure is shown in the widget)
            message["message"] = redact(error)
        return message

    async def _answer(self, state: State, made: list[Any]) -> None:
        await asyncio.sleep(_CALM)
        message = await self.answer(state)
        if made == self._made:
            self._send(message)
