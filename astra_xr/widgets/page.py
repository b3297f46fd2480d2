"""A picker without a kernel: an HTML page that includes its pixels."""

from __future__ import annotations

import base64
import html
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astra_xr.accessor.band_names import as_tuple, find_variable
from astra_xr.arguments import read_count, read_path
from astra_xr.errors import ConversionFailed, InvalidParameter, redact
from astra_xr.reading.loop import in_own_thread
from astra_xr.widgets.messages import packed
from astra_xr.widgets.picker_scene import MASK
from astra_xr.widgets.tile_codes import Tile, fitting

if TYPE_CHECKING:
    from astra_xr.widgets.picker import Picker

_HERE = Path(__file__).parent

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>
body {{ margin: 12px; background: #fff; color-scheme: light dark }}
@media (prefers-color-scheme: dark) {{ body {{ background: #16181c }} }}
{css}</style><main id="picker"></main><script type="application/json" id="held">{held}</script>
<script type="text/plain" id="module">{esm}</script>
<script type="module">
const text = (id) => document.getElementById(id).textContent;
const url = URL.createObjectURL(new Blob([text("module")], {{ type: "text/javascript" }}));
const {{ offline }} = await import(url);
await offline(JSON.parse(text("held")), document.getElementById("picker"));
</script></html>
"""

_INDICES = ("NDVI", "NDWI", "NDMI", "NBR")
"""Indices that a page includes if the bands allow them: 0.5 MB each."""


def document(picker: Picker, bands: Iterable[str] = (), size: int = 512) -> str:
    """Return a page that includes the pixels; see ``Picker.to_html``."""
    size = read_count("size", size, "a whole number from 16 to 1024", least=16, most=1024)
    if isinstance(bands, str) or not isinstance(bands, Iterable):
        raise InvalidParameter(name="bands", value=bands, expected="a list of band names")
    scene, pins, start = picker._scene, picker._pins, picker._start  # noqa: SLF001  (one room)
    more = [b if b in scene.indices else find_variable(scene.ds, b) for b in as_tuple(bands)]
    drawing, state = picker._drawing, picker.state  # noqa: SLF001
    needed = [*drawing.channels(state), *drawing.channels(state, counted=True)]
    known = [*picker._tiles.overviews, *picker._tiles.released]  # noqa: SLF001
    usual = [each for each in (state["index"], *_INDICES) if each in scene.indices]
    keys = list(dict.fromkeys([*(key for key, _ in (*needed, *known)), *usual, *more]))
    shown = scene.step(state["time"])
    # The visible steps, and those that limits follow from.
    steps = list(dict.fromkeys([shown, *(step for _, step in needed)]))
    channels = [(key, step) for step in steps for key in keys]
    tiles = picker._channels(channels, scene.pyramid.whole, size)  # noqa: SLF001
    top, shape = scene.pyramid.top, fitting(scene.pyramid.whole, size)
    held = {
        "about": picker.about
        | {
            "offline": [key for key in keys if key != MASK],
            "steps": [picker.about["steps"][n] for n in steps],
            # One level, and one tile per channel.
            "pyramid": {"side": 1024, "top": top, "bottom": top, "overview": shape},
        },
        "state": state,
        "shown": picker.shown,
        "tiles": [_held(tile, steps.index(step), top) for (_, step), tile in tiles.items()],
        "spectra": [
            {"x": x, "y": y, "time": 0, "values": start(pins.spectrum(shown, x, y)).result()}
            for x, y in state["pins"]
        ],
        "statistics": start(picker._statistics.message(state)).result()  # noqa: SLF001
        if state["area"]
        else None,
    }
    return _PAGE.format(
        title=html.escape(picker.about["title"]),
        css=(_HERE / "picker.css").read_text(),
        esm=(_HERE / "picker.js").read_text(),
        held=json.dumps(held, allow_nan=False).replace("<", "\\u003c"),
    )


def write(path: str | os.PathLike[str], text: str) -> Path:
    """Write a page to a file."""
    path = read_path("path", path)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        reason = error.strerror or "it cannot be written"
    else:
        return path
    raise ConversionFailed(source=str(path), reason=reason, to="written")


async def send(picker: Picker) -> None:
    """Send the page, or why there is none; runs on the background loop."""
    message: dict[str, Any] = {"type": "page"}
    try:
        data = [(await in_own_thread(document, picker)).encode()]
    except Exception as error:  # noqa: BLE001  (any failure is shown in the widget)
        message, data = message | {"message": redact(error)}, []
    picker._send_soon(message, data)  # noqa: SLF001  (one room)


def _held(tile: Tile, step: int, level: int) -> dict[str, Any]:
    fields, data = packed(tile)
    address = {"key": tile.key, "time": step, "level": level, "row": 0, "col": 0}
    return address | fields | {"data": base64.b64encode(data).decode()}
