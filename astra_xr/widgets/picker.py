"""``ds.astra.pick()``: choose bands with the mouse, see the image, and copy its code.

The browser holds pixels as 16-bit codes and draws them itself; the kernel reads requested pixels
in the background and sends further codes. Neither waits for the other.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import numpy as np
import numpy.typing as npt
import traitlets
import xarray as xr

from astra_xr.errors import AstraError, ReadError, redact
from astra_xr.reading.loop import start
from astra_xr.widgets import page
from astra_xr.widgets.about import described
from astra_xr.widgets.areas import Areas
from astra_xr.widgets.choice import InvalidState, completed, formula_answer, usual_colormap
from astra_xr.widgets.code import code_of, program_of
from astra_xr.widgets.drawing import Drawing
from astra_xr.widgets.layers import MASK
from astra_xr.widgets.look import Box, Limits, Tile, fitting
from astra_xr.widgets.messages import Wants
from astra_xr.widgets.pair import scene_of
from astra_xr.widgets.pin_series import Series
from astra_xr.widgets.pins import Pins, Spectrum
from astra_xr.widgets.reads import Channel, Reads
from astra_xr.widgets.sides import Side, channels_of, side_of
from astra_xr.widgets.stills import Still, jpeg
from astra_xr.widgets.work import Work

if TYPE_CHECKING:
    import os

    import pandas as pd

_HERE = Path(__file__).parent

_MOST = 1024
"""Maximum rows and columns of `Picker.image`."""

_CALM = 1.0
"""Seconds without a change until ``preview`` is made anew."""


class Picker(anywidget.AnyWidget):
    """A band picker, made by ``ds.astra.pick()``.

    ``state`` is a plain dict of what was chosen. ``picker.observe(f, "state")`` calls
    ``f`` at each change, and ``ds.astra.pick(**picker.state)`` opens the picker in that state.
    ``shown["limits"]`` has the limits in force, band or index → [low, high], and ``preview`` is
    the image as a JPEG, once it is read. An invalid state raises InvalidState, a
    ``traitlets.TraitError``, and the last one stays.
    """

    _esm = _HERE / "picker.js"
    _css = _HERE / "picker.css"

    about = traitlets.Dict(help="Description of the scene; constant.").tag(sync=True)
    state = traitlets.Dict(help="What was chosen; see `astra_xr.widgets.choice`.").tag(sync=True)
    shown = traitlets.Dict(read_only=True, help="Limits in force, once known.").tag(sync=True)
    preview = traitlets.Bytes(read_only=True, help="The image as a JPEG, once read.").tag(sync=True)

    _closed = True  # until it is initialized: ipywidgets closes uninitialized widgets too

    def __init__(
        self, ds: xr.Dataset, *, name: str = "ds", array: bool = False, **state: Any
    ) -> None:
        # ``name`` is the Python of the Dataset in the copied code; of an array, if it is one.
        self._scene, state = scene_of(ds, name, state)
        self._work = Work()
        self._start, self._soon = self._work.start, self._work.soon
        self._tiles = Reads(self._scene)
        self._wants = Wants(
            self._tiles,
            lambda message, buffers: self._soon(self.send, message, buffers),
            lambda: self._soon(self._tell_shown),
        )
        self._changes = 0
        self._pins = Pins(self._scene, self._start, self._say)
        self._series = Series(self._scene, self._start, self._say)
        about = described(self._scene, ds, name, array=array)
        self._drawing = Drawing(self._scene, about)
        self._still = Still(about["title"])
        about["still"] = self._still.name
        self._areas = Areas(self._scene, about, self._start, self._say)
        super().__init__(about=about, state=completed(self._scene, state))
        self._closed = False
        self.on_msg(self._asked)
        self.observe(self._follow, "state")
        self._read()

    @traitlets.validate("state")
    def _check(self, proposal: Any) -> dict[str, Any]:
        try:
            state = completed(self._scene, proposal["value"])
        except AstraError as error:
            raise InvalidState(str(error)) from error
        before = self.state
        changed = any(state[key] != before.get(key) for key in ("mode", "index"))
        if before and changed and state["cmap"] == before["cmap"]:
            # Another mode or index has its own colormap, as in the browser.
            state["cmap"] = usual_colormap(self._scene, state)
        return state

    # Results for users.

    @property
    def selection(self) -> xr.Dataset:
        """Return the visible bands of the area, else of the view; as lazy as the Dataset."""
        return self._selected("a")

    @property
    def compared(self) -> tuple[xr.Dataset, xr.Dataset]:
        """Return the selections of A and of B; without a comparison, both are the same."""
        return self._selected("a"), self._selected("b")

    def _selected(self, side: Side) -> xr.Dataset:
        own, box = side_of(self.about, self.state, side), self.state["area"] or self._box()
        step = self._scene.step(own["time"])
        return self._scene.selection(channels_of(own), step, tuple(box))

    @property
    def image(self) -> xr.DataArray:
        """Return the image of A, or of B - A where that is shown; reads pixels as needed.

        It has at most 1024 rows and columns.

        Returns
        -------
        xarray.DataArray
            uint8, dims (y, x, band) with red, green, blue and alpha, as of ``ds.astra.rgb``.

        Raises
        ------
        ReadError, SigningError, UpstreamError
        """
        drawn = self._drawing.channels(self.state)
        made = self._picture(self._channels(drawn, self._box(), (_MOST, _MOST)))
        coords = self._scene.centers(self._box(), made.shape[:2])
        coords["band"] = ["red", "green", "blue", "alpha"]
        return xr.DataArray(made, coords, ("y", "x", "band"), name="picture")

    @property
    def code(self) -> str:
        """Return the Python code for this image; of A and B, if both are shown, a line each."""
        return code_of(self.about, self.state, self._in_force())

    @property
    def script(self) -> str:
        """Return a program that opens the Dataset and makes this image; not if it was changed.

        Raises
        ------
        InvalidDataset
        """
        return program_of(self.about, self.code)

    @property
    def spectra(self) -> pd.DataFrame:
        """Return the values under the pins at the shown time, one row per pin; reads as needed."""
        return self._pins.table(self._step, self.state["pins"])

    @property
    def area(self) -> tuple[float, float, float, float] | None:
        """Return the area, (west, south, east, north), for ``open_scene(bbox=…)``; else None.

        InvalidDataset is raised if the Dataset has no CRS.
        """
        return self._areas.degrees(self.state)

    @property
    def statistics(self) -> pd.DataFrame:
        """Return statistics of the area, a row per band or index; of A, B and B - A if compared.

        Columns are mean, std, valid (share, 0 to 1), count, and ``mean_of``: 1 in full resolution,
        else pixels of the scene in one that counts. Clouds do not count where they are masked.
        """
        return self._areas.table(self.state)

    @property
    def series(self) -> pd.DataFrame:
        """Return the shown band or index under the pins over time, one row per pin and step.

        Of three channels it is the chosen index. Clouds are NaN where a classification band tells
        them. Reads pixels as needed; empty where there is no time.
        """
        return self._series.table(self.state)

    def to_html(
        self, path: str | os.PathLike[str], *, bands: Iterable[str] = (), size: int = 512
    ) -> Path:
        """Write an HTML file that shows this picker without a kernel or network.

        Of a stack it has the date that is shown, and the one that limits follow from.

        Parameters
        ----------
        path : str or path
            The file.
        bands : iterable of str
            Bands and indices to include, besides those shown so far and a few usual indices.
        size : int
            Maximum rows and columns of the image, from 16 to 1024.

        Returns
        -------
        pathlib.Path

        Raises
        ------
        InvalidParameter, UnknownBand, UnknownIndex
            ``bands`` or ``size`` is invalid.
        ReadError, SigningError, UpstreamError
        """
        return page.write(Path(path), page.document(self, bands, size))

    def set_state(self, sync_data: Any) -> None:
        """Take a state from the browser, which is given back the last valid one with an error."""
        sync_data = {key: value for key, value in sync_data.items() if key == "state"}
        try:
            super().set_state(sync_data)
        except traitlets.TraitError as error:
            self.send_state("state")
            self.send({"type": "refused", "message": redact(error)})
            raise

    def close(self) -> None:
        """Stop all reads and release all pixels."""
        if self._closed:
            return
        self._closed = True
        self._work.close()
        with contextlib.suppress(ReadError):  # the process is ending, and with it the reads
            start(self._stop())
        for each in (self._drawing, self._pins, self._series):
            each.clear()
        super().close()

    async def _stop(self) -> None:
        self._wants.close()
        self._tiles.close()

    def __repr__(self) -> str:
        title = self.about.get("title") if not self._closed else "closed"
        return f"<astra picker: {title}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        found = super()._repr_mimebundle_(**kwargs)
        if found is None or self._closed:
            return found
        data, metadata = found
        return data | {"text/html": self._still.html(self._drawn())}, metadata

    def _ipython_display_(self, **_: Any) -> None:
        if self._closed:
            raise NotImplementedError  # IPython then shows the repr
        widget, metadata = super()._repr_mimebundle_() or ({}, {})
        self._still.display(widget, metadata, [self._read()], self._drawn)

    # Pixels.

    def _box(self) -> Box:
        view = self.state["view"]
        return tuple(view) if view else self._scene.whole

    @property
    def _step(self) -> int:
        """Return the number of the step that is shown."""
        return self._scene.step(self.state["time"])

    def _channels(
        self, channels: Iterable[Channel], box: Box, most: tuple[int, int]
    ) -> dict[Channel, Tile]:
        """Read channels of a box and wait for them."""
        shape, read = fitting(box, most), self._scene.read
        return self._waited({(key, step): read(key, step, box, shape) for key, step in channels})

    def _waited(self, work: Mapping[Channel, Coroutine[Any, Any, Tile]]) -> dict[Channel, Tile]:
        """Wait for channels; continue without a cloud mask that cannot be read."""
        return self._work.wait(work, lambda key: key[0] == MASK and not self.state["mask"])

    def _read(self) -> Future[None]:
        """Read overviews of all that is seen, and tell what follows from them."""
        read = self._start(self._tiles.prepare(self._drawing.followed(self.state)))
        read.add_done_callback(lambda _: self._soon(self._tell_shown))
        return read

    def _lost(self) -> bool:
        """Return True if some of it was read, and is kept no more."""
        return not self._tiles.released.isdisjoint(self._drawing.followed(self.state))

    def _statistics_of(self) -> Box:
        return self._box() if self.state["stretch"]["of"] == "view" else self._scene.whole

    def _at_hand(self) -> dict[Channel, Tile]:
        """Return those tiles that limits follow from and that are read."""
        if self._lost():
            return {}  # without clouds, limits would be others
        box, counted = self._statistics_of(), self._drawing.counted(self.state)
        found = {channel: self._tiles.ready(channel, box) for channel in counted}
        return {channel: tile for channel, tile in found.items() if tile is not None}

    def _in_force(self) -> dict[str, Limits]:
        """Return the limits of all visible channels; reads pixels as needed."""
        state, drawing = self.state, self._drawing
        limits = drawing.limits(state, {})
        if not drawing.limited(state, limits):
            tiles, counted = self._at_hand(), drawing.counted(state)
            if len(tiles) < len(counted):
                box = self._statistics_of()
                tiles = self._waited({each: self._tiles.part(each, box) for each in counted})
            limits = drawing.limits(state, tiles)
        self._tell(limits)
        return limits

    def _tell_shown(self) -> None:
        """Set ``shown``, as far as limits are known without waiting."""
        if self._closed:
            return
        if self._lost():
            self._read()
            return
        limits = self._drawing.limits(self.state, self._at_hand())
        self._tell(limits)
        if self._drawing.limited(self.state, limits):
            self._changes += 1
            self._start(self._preview(self._changes))

    def _tell(self, limits: Mapping[str, Limits]) -> None:
        self.set_trait("shown", {"limits": {key: list(pair) for key, pair in limits.items()}})

    def _picture(self, tiles: Mapping[Channel, Tile]) -> npt.NDArray[np.uint8]:
        limits = {} if self._drawing.classes(self.state) else self._in_force()
        return self._drawing.picture(self.state, tiles, limits)

    async def _preview(self, change: int) -> None:
        """Make ``preview`` anew, unless there was another change meanwhile."""
        await asyncio.sleep(_CALM)
        if change == self._changes:
            self._soon(self._draw_preview)

    def _draw_preview(self) -> None:
        image = self._drawn()
        if image and image != self.preview and not self._closed:
            self.set_trait("preview", image)
            self._still.renew(image)

    def _drawn(self) -> bytes | None:
        """Return the image of the whole scene as a JPEG, or None if it is not read."""
        if self._lost():
            return self.preview or None
        state, drawing, known = self.state, self._drawing, self._tiles.overviews
        limits = drawing.limits(state, self._at_hand())
        if not (drawing.limited(state, limits) and drawing.ready(state, known)):
            return None
        return jpeg(drawing.picture(state, known, limits))

    def _spectrum(self, step: int, x: float, y: float) -> Spectrum:
        return self._start(self._pins.spectrum(step, x, y)).result()

    # Messages from and to the browser.

    def _say(self, message: dict[str, Any]) -> None:
        self._soon(self.send, message)

    def _asked(self, _: Any, content: Any, __: Any) -> None:
        if self._closed or not isinstance(content, Mapping):
            return
        if content.get("type") == "want":
            self._start(self._wants.want(content))
        elif content.get("type") == "spectra":
            self._pins.follow(self._step, self.state["pins"])
        elif content.get("type") == "series":
            self._series.follow(content)
        elif content.get("type") == "statistics":
            self._areas.follow(self.state, again=True)
        elif content.get("type") == "formula":
            text = str(content.get("text"))
            self._soon(lambda: self.send(formula_answer(self._scene, text)))
        elif content.get("type") == "page":
            self._start(page.send(self))

    def _follow(self, change: Any) -> None:
        self._tell_shown()
        self._areas.follow(self.state)
        if any(change["new"][key] != change["old"][key] for key in ("pins", "time")):
            self._pins.follow(self._step, self.state["pins"])
