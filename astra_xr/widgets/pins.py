"""The values under the pins of a picker, read once."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from astra_xr.errors import redact
from astra_xr.reading.loop import together
from astra_xr.widgets.layers import Scene

if TYPE_CHECKING:
    import pandas as pd

Spectrum = dict[str, float | None]
"""Band → value; None without data."""


Start = Callable[[Coroutine[Any, Any, Any]], Future[Any]]
"""Starts a coroutine on the engine's loop."""

Send = Callable[[dict[str, Any]], None]
"""Sends a message to the browser."""


class Pins:
    """What is known of single pixels; its coroutines run on the engine's loop.

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
        self._asked: Any = None
        self._spectra: dict[tuple[int, float, float], Spectrum] = {}

    async def spectrum(self, step: int, x: float, y: float) -> Spectrum:
        """Read all bands of a step at a point, in the coordinates of the grid.

        Raises
        ------
        AstraError
            They cannot be read.
        """
        at = step, x, y
        if at not in self._spectra:
            self._spectra[at] = await self._scene.spectrum(*at)
        return self._spectra[at]

    def table(self, step: int, points: Sequence[Sequence[float]]) -> pd.DataFrame:
        """Return the values at points, one row per point; waits for them."""
        import pandas as pd

        reads = [self._start(self.spectrum(step, *point)) for point in points]
        scene = self._scene
        several = scene.stacked or len(scene.steps) > 1
        time = {str(scene.dim or "time"): scene.times[step]} if several else {}
        found = zip(points, reads, strict=True)
        return pd.DataFrame({"x": x, "y": y} | time | read.result() for (x, y), read in found)

    def follow(self, step: int, points: Sequence[Sequence[float]]) -> None:
        """Send the spectra of points, unless others are asked for meanwhile."""
        self._asked = asked = step, points

        async def answer() -> None:
            found = await self.spectra(step, points)
            if asked is self._asked:
                self._send({"type": "spectra", "spectra": found})

        self._start(answer())

    async def spectra(self, step: int, points: Sequence[Sequence[float]]) -> list[dict[str, Any]]:
        """Return what the browser is told of points at a step; of a failure, the message."""

        async def one(x: float, y: float) -> dict[str, Any]:
            at = {"x": x, "y": y, "time": step}
            try:
                return at | {"values": await self.spectrum(step, x, y)}
            except Exception as error:  # noqa: BLE001  (any failure is shown in the widget)
                return at | {"values": {}, "message": redact(error)}

        return await together([one(x, y) for x, y in points])

    def clear(self) -> None:
        """Forget all."""
        self._spectra.clear()
