"""The widget of ``ds.astra.pick()``: choose bands with the mouse, see the image, copy its code.

The browser has pixels as 16-bit codes and draws them itself; the kernel reads requested pixels in
the background and sends their codes. Neither waits for the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets
import xarray as xr

from astra_xr.accessor.rgb import RGBA
from astra_xr.errors import AstraError, ReadError, redact
from astra_xr.reading.loop import start
from astra_xr.widgets import page
from astra_xr.widgets.about import about_of
from astra_xr.widgets.area_statistics import AreaStatistics
from astra_xr.widgets.background_work import BackgroundWork
from astra_xr.widgets.code import code_of, program_of
from astra_xr.widgets.drawing import Drawing
from astra_xr.widgets.georeference import degrees_of
from astra_xr.widgets.messages import TileRequests
from astra_xr.widgets.pair import scene_of
from astra_xr.widgets.picker_scene import MASK
from astra_xr.widgets.pins import Pins
from astra_xr.widgets.sides import Side, State, channels_of, default_colormap, side_of
from astra_xr.widgets.state import InvalidState, completed, formula_answer
from astra_xr.widgets.stills import Still, jpeg
from astra_xr.widgets.tile_cache import Channel, TileCache
from astra_xr.widgets.tile_codes import Box, Limits, Tile, fitting

if TYPE_CHECKING:
    import os

    import pandas as pd

_HERE = Path(__file__).parent

_MOST = 1024
"""Maximum rows and columns of `Picker.image`."""

_CALM = 1.0
"""Seconds without a change until ``preview`` is renewed."""


class Picker(anywidget.AnyWidget):
    """A band picker, made by ``ds.astra.pick()``.

    ``state`` is a plain dict of what was chosen. ``picker.observe(f, "state")`` calls
    ``f`` at each change, and ``ds.astra.pick(**picker.state)`` opens the picker in that state.
    ``shown["limits"]`` has the limits in force, band or index → [low, high], and ``preview`` is
    the image as a JPEG, once it is read. An invalid state raises InvalidState, a
    ``traitlets.TraitError``, and the last valid one stays.
    """

    _esm = _HERE / "picker.js"
    _css = _HERE / "picker.css"

    about = traitlets.Dict(help="Description of the scene; constant.").tag(sync=True)
    state = traitlets.Dict(help="What was chosen; see `astra_xr.widgets.state`.").tag(sync=True)
    shown = traitlets.Dict(read_only=True, help="Limits in force, once known.").tag(sync=True)
    preview = traitlets.Bytes(read_only=True, help="The image as a JPEG, once read.").tag(sync=True)

    _closed = True  # until it is initialized: ipywidgets closes uninitialized widgets too

    def __init__(
        self,
        ds: xr.Dataset,
        state: Mapping[str, Any] | None = None,
        *,
        name: str = "ds",
        array: bool = False,
        first: str | None = None,
    ) -> None:
        # ``name`` is the Python of the Dataset, or with ``array`` of the array, in the copied code.
        self._scene, given = scene_of(ds, name, state or {})
        self._work = BackgroundWork()
        self._start, self._soon = self._work.start, self._work.soon
        self._tiles = TileCache(self._scene)
        self._requests = TileRequests(
            self._tiles, self._send_soon, lambda: self._soon(self._update_shown)
        )
        self._lock = threading.RLock()
        self._changes = 0
        self._pins = Pins(self._scene, self._start, self._send_soon)
        about = about_of(self._scene, ds, name, array=array)
        self._drawing = Drawing(self._scene, about)
        self._still = Still(about["title"])
        about["still"] = self._still.name
        self._statistics = AreaStatistics(self._scene, about, self._start, self._send_soon)
        super().__init__(about=about, state=completed(self._scene, given, first))
        self._closed = False
        self.on_msg(self._on_message)
        self.observe(self._on_state, "state")
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
            state["cmap"] = default_colormap(self.about, state)
        return state

    # Results for users.

    @property
    def selection(self) -> xr.Dataset:
        """Return the visible bands in the area, else in the view; as lazy as the Dataset."""
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
        channels, drawing, state = self._drawing.channels(self.state), self._drawing, self.state
        tiles = self._channels(channels, self._box(), _MOST)
        image = drawing.image(state, tiles, {} if drawing.classes(state) else self._limits())
        coords = self._scene.centers(self._box(), image.shape[:2]) | {"band": list(RGBA)}
        return xr.DataArray(image, coords, ("y", "x", "band"), name="image")

    @property
    def code(self) -> str:
        """Return the Python code of this image, a line each for A and B if both are shown."""
        return code_of(self.about, self.state, self._limits())

    @property
    def script(self) -> str:
        """Return a program that opens the Dataset and makes this image.

        Raises
        ------
        InvalidDataset
            The Dataset was not opened by its id, or was changed since.
        """
        return program_of(self.about, self.code)

    @property
    def spectra(self) -> pd.DataFrame:
        """Return the values under the pins at the shown time, one row per pin; reads as needed."""
        return self._pins.spectra_table(self.state)

    @property
    def area(self) -> tuple[float, float, float, float] | None:
        """Return the area in degrees, (west, south, east, north); None without an area.

        It may be passed as ``bbox=`` to ``open_scene``; west is greater than east across the
        antimeridian.

        Raises
        ------
        InvalidDataset
            The Dataset has no CRS or no coordinates, or its CRS is undefined in the area.
        """
        area, scene = self.state["area"], self._scene
        return degrees_of(scene.grid, scene.crs, area) if area else None

    @property
    def statistics(self) -> pd.DataFrame:
        """Return statistics of the area, one row per band or index; of A, B and B - A if compared.

        Columns are mean, std, valid (share, 0 to 1), count, and ``mean_of``: pixels of the scene
        per pixel that counts, 1 in full resolution. Clouds do not count if they are masked.
        """
        return self._statistics.table(self.state)

    @property
    def series(self) -> pd.DataFrame:
        """Return the shown band or index under the pins over time, one row per pin and step.

        With three bands, it is the chosen index. Clouds that a classification band shows are NaN; a
        warning says why if they are unknown. Without a time dimension, the table is empty.
        """
        return self._pins.series_table(self.state)

    def to_html(
        self, path: str | os.PathLike[str], *, bands: Iterable[str] = (), size: int = 512
    ) -> Path:
        """Write an HTML file that shows this picker without a kernel or network.

        For a stack, it has the visible dates, and the one from which limits follow.

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
        return page.write(path, page.document(self, bands, size))

    def set_state(self, sync_data: Any) -> None:
        """Take a state from the browser; if it is invalid, send back the last valid one."""
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
        with contextlib.suppress(ReadError):  # the process is ending, and its reads with it
            start(self._stop())
        self._drawing.clear()
        self._pins.clear()
        super().close()

    async def _stop(self) -> None:
        self._requests.close()
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
            raise NotImplementedError  # so that IPython shows the repr
        widget, metadata = super()._repr_mimebundle_() or ({}, {})
        self._still.display(widget, metadata, self._read(), self._drawn)

    # Pixels.

    def _box(self) -> Box:
        view = self.state["view"]
        return tuple(view) if view else self._scene.pyramid.whole

    def _channels(self, channels: Iterable[Channel], box: Box, most: int) -> dict[Channel, Tile]:
        """Read channels of a box, in at most so many rows and columns, and wait for them."""
        shape, read = fitting(box, most), self._scene.read
        return self._waited({(key, step): read(key, step, box, shape) for key, step in channels})

    def _waited(self, work: Mapping[Channel, Coroutine[Any, Any, Tile]]) -> dict[Channel, Tile]:
        """Wait for channels; continue without a cloud mask that cannot be read."""
        return self._work.wait(work, lambda key: key[0] == MASK and not self.state["mask"])

    def _read(self) -> Future[None]:
        """Read the overviews that the image and its limits follow from, then set ``shown``."""
        read = self._start(self._tiles.prepare(self._drawing.followed(self.state)))
        read.add_done_callback(lambda _: self._soon(self._update_shown))
        return read

    def _released(self) -> bool:
        """Return True if one of these overviews was read and released."""
        return not self._tiles.released.isdisjoint(self._drawing.followed(self.state))

    def _stretched_box(self) -> Box:
        return self._box() if self.state["stretch"]["of"] == "view" else self._scene.pyramid.whole

    def _ready(self) -> dict[Channel, Tile]:
        """Return the tiles that limits follow from and that are read."""
        if self._released():
            return {}  # without the mask, limits would differ
        box, counted = self._stretched_box(), self._drawing.channels(self.state, counted=True)
        found = {channel: self._tiles.ready(channel, box) for channel in counted}
        return {channel: tile for channel, tile in found.items() if tile is not None}

    def _limits(self) -> dict[str, Limits]:
        """Return the limits of all visible channels; reads pixels as needed."""
        state, drawing = self.state, self._drawing
        limits = drawing.limits(state, {})
        if not drawing.limited(state, limits):
            tiles, counted = self._ready(), drawing.channels(state, counted=True)
            if len(tiles) < len(counted):
                box = self._stretched_box()
                tiles = self._waited({each: self._tiles.part(each, box) for each in counted})
            limits = drawing.limits(state, tiles)
        self._set_shown(state, limits)
        return limits

    def _update_shown(self) -> None:
        """Set ``shown`` to the limits that are known without reading, and renew the preview."""
        if self._closed:
            return
        if self._released():
            self._read()
            return
        state = self.state
        limits = self._drawing.limits(state, self._ready())
        self._set_shown(state, limits)
        if self._drawing.limited(state, limits):
            self._changes += 1
            self._start(self._preview(self._changes))

    def _set_shown(self, state: State, limits: Mapping[str, Limits]) -> None:
        with self._lock:  # another thread may have set those of a later state
            if state == self.state:
                found = {key: list(pair) for key, pair in limits.items()}
                self.set_trait("shown", {"limits": found})

    async def _preview(self, change: int) -> None:
        """Renew ``preview``, unless there was another change meanwhile."""
        await asyncio.sleep(_CALM)
        if change == self._changes:
            self._soon(self._draw_preview)

    def _draw_preview(self) -> None:
        image = self._drawn()
        if image and image != self.preview and not self._closed:
            self.set_trait("preview", image)
            self._still.renew(image)

    def _drawn(self) -> bytes | None:
        """Return the image of the whole scene as a JPEG; None if it is not read."""
        if self._released():
            return self.preview or None
        state, drawing, known = self.state, self._drawing, self._tiles.overviews
        limits = drawing.limits(state, self._ready())
        if not (drawing.limited(state, limits) and drawing.ready(state, known)):
            return None
        return jpeg(drawing.image(state, known, limits))

    # Messages from and to the browser.

    def _send_soon(self, message: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        self._soon(self.send, message, buffers)

    def _on_message(self, _: Any, content: Any, __: Any) -> None:
        if self._closed or not isinstance(content, Mapping):
            return
        kind = content.get("type")
        if kind == "want":
            self._start(self._requests.want(content))
        elif kind == "spectra":
            self._pins.send_spectra(self.state)
        elif kind == "series":
            self._pins.send_series(content)
        elif kind == "statistics":
            self._statistics.follow(self.state, again=True)
        elif kind == "formula":
            text = str(content.get("text"))
            self._soon(lambda: self.send(formula_answer(self._scene, text)))
        elif kind == "page":
            self._start(page.send(self))

    def _on_state(self, change: Any) -> None:
        self._update_shown()
        self._statistics.follow(self.state)
        if any(change["new"][key] != change["old"][key] for key in ("pins", "time")):
            self._pins.send_spectra(self.state)
