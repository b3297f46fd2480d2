"""Statistics of the pixels in the area of a picker."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from astra_xr.errors import InvalidDataset, redact
from astra_xr.reading.loop import in_own_thread, together
from astra_xr.widgets.georeference import degrees_of
from astra_xr.widgets.picker_scene import MASK, Scene
from astra_xr.widgets.pins import Send, Start
from astra_xr.widgets.sides import DIFFERENCE, Side, State, can_differ, channels_of, side_of
from astra_xr.widgets.tile_codes import Box

if TYPE_CHECKING:
    import pandas as pd

MOST = 1 << 22
"""Pixels of an area that are read, at most; larger areas are read in coarser pixels."""

_CALM = 0.3
"""Seconds without a change until statistics are computed again."""


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
    """The pixels of a band, an index or a difference, and which of them are valid."""

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
    """Read the channels of a side; clouds are invalid if it masks them."""
    keys = list(dict.fromkeys(channels_of(side)))
    masks = [MASK] if side["mask"] else []
    step = scene.step(side["time"])
    arrays = await together([scene.values(key, step, area, shape) for key in (*keys, *masks)])
    clear = ~np.asarray(arrays.pop(), bool) if masks else np.ones(shape, bool)
    found = []
    for key, values in zip(keys, arrays, strict=True):
        valid = np.isfinite(values) & clear
        classes = bool(key in scene.bands and scene.bands[key]["classes"])
        if classes:
            valid &= values != scene.ds[key].attrs.get("_FillValue", math.nan)
        found.append(_Channel(key=key, values=values, valid=valid, classes=classes))
    return found


class AreaStatistics:
    """The statistics of a picker's area, as a table and as messages.

    Parameters
    ----------
    scene : Scene
        The scene that is shown.
    about : mapping
        Its description for the browser.
    start, send : callable
        See ``pins.Start`` and ``pins.Send``.
    """

    def __init__(self, scene: Scene, about: Mapping[str, Any], start: Start, send: Send) -> None:
        self._scene = scene
        self._about = about
        self._start = start
        self._send = send
        self._latest: Any = None
        self._coming: Future[Any] | None = None

    def table(self, state: State) -> pd.DataFrame:
        """Read the statistics of the area; without an area, the table has no rows."""
        import pandas as pd

        columns = ["mean", "std", "valid", "count", "mean_of"]
        if not state["area"]:
            return pd.DataFrame(columns=columns)
        found = self._start(self._read(state)).result()
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

    def _sides(self, state: State) -> list[State]:
        sides: tuple[Side, ...] = ("a", "b") if state["compare"] else ("a",)
        return [side_of(self._about, state, side) for side in sides]

    def _subjects(self, state: State) -> list[Any]:
        """Return what the statistics depend on besides the area, as JSON."""
        return [[channels_of(each), each["mask"], each["time"]] for each in self._sides(state)]

    async def _read(self, state: State) -> dict[str, Any]:
        """Read the area, and return statistics of its valid pixels.

        Returns
        -------
        dict
            ``mean_of``: pixels of the scene per pixel that counts, 1 in full resolution; ``sides``:
            of A, or of A, B and their difference if there is one, a list with ``key``, ``mean``,
            ``std``, ``valid`` (share, 0 to 1) and ``count`` of each channel. Mean and standard
            deviation are None without valid pixels, and for classes.

        Raises
        ------
        ReadError, SigningError, UpstreamError
        """
        area = tuple(state["area"])
        shape = _shape(area)
        read = await together(
            [_side(self._scene, side, area, shape) for side in self._sides(state)]
        )
        mean_of = (area[2] - area[0]) * (area[3] - area[1]) / math.prod(shape)
        rows = await in_own_thread(lambda: [[each.row() for each in side] for side in read])
        if state["compare"] and can_differ(self._about, state):
            rows.append([await in_own_thread(lambda: read[1][0].minus(read[0][0]).row())])
        return {"mean_of": mean_of, "sides": rows}

    def follow(self, state: State, *, again: bool = False) -> None:
        """Send the statistics of a state, unless they are the same or another follows soon."""
        latest = [state["area"], self._subjects(state)]
        if latest == self._latest and not again:
            return
        self._latest = latest
        if self._coming is not None:
            self._coming.cancel()
        if state["area"]:
            self._coming = self._start(self._answer(state, latest))

    async def _answer(self, state: State, latest: list[Any]) -> None:
        await asyncio.sleep(_CALM)
        message = await self.message(state)
        if latest == self._latest:
            self._send(message)

    async def message(self, state: State) -> dict[str, Any]:
        """Return the message for the browser: statistics, or why there are none."""
        area = state["area"]
        message = {"type": "statistics", "area": area, "of": self._subjects(state)}
        try:
            message["bbox"] = degrees_of(self._scene.grid, self._scene.crs, area)
        except InvalidDataset as error:
            message["unplaced"] = redact(error)
        try:
            message |= await self._read(state)
        except Exception as error:  # noqa: BLE001  (any failure is shown in the widget)
            message["message"] = redact(error)
        return message
