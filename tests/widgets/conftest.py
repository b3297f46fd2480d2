"""Pickers, and pages to see them in."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

import astra_xr
from astra_xr.errors import AstraError
from astra_xr.reading.loop import run
from astra_xr.widgets import picker as module
from astra_xr.widgets.messages import packed
from astra_xr.widgets.page import document
from astra_xr.widgets.picker import Picker
from astra_xr.widgets.state import formula_answer

SAMPLE = "sentinel-2:S2B_MSIL2A_20250115T184929"
ESM = Path(module.__file__).with_name("picker.js").read_text()
CSS = Path(module.__file__).with_name("picker.css").read_text()


@pytest.fixture
def console() -> list[str]:
    """Errors and warnings of pages; none, in the end."""
    return []


@pytest.fixture
def page(browser: Any, console: list[str], request: pytest.FixtureRequest) -> Iterator[Any]:
    """A page that reaches no network, of the size and theme that a test sets."""
    options = getattr(request, "param", {})
    size = {"width": options.get("width", 1000), "height": 900}
    theme = "dark" if options.get("dark") else "light"
    context = browser.new_context(viewport=size, color_scheme=theme, offline=True)
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.on("pageerror", lambda error: console.append(str(error)))
    page.on(
        "console",
        lambda entry: console.append(entry.text) if entry.type in ("error", "warning") else None,
    )
    yield page
    folder = os.environ.get("PICKER_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        name = request.node.name.replace("/", "-")
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)
    context.close()
    assert console == []


def scene(side: int = 300) -> xr.Dataset:
    """The sample at 30 m: small enough to be shown pixel by pixel."""
    bands = ["red", "green", "blue", "nir", "swir16", "SCL"]
    ds = astra_xr.open_scene(SAMPLE, bands, catalog="sample", resolution=30)
    return ds.isel(x=slice(100, 100 + side), y=slice(150, 150 + side))


@pytest.fixture
def picker(environment: None) -> Iterator[Picker]:
    picker = scene().astra.pick()
    yield picker
    picker.close()


KERNEL = """
async ({about, state, shown, preview, esm, root}) => {
  const module = await import("data:text/javascript;base64," + esm);
  const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const listeners = {}, kept = {about, state, shown, preview: new DataView(bytes(preview).buffer)};
  const model = window.model = {
    get: key => kept[key],
    set: (key, value) => {
      kept[key] = value;
      (listeners["change:" + key] || []).forEach(f => f());
    },
    save_changes: () => { window.saved = kept.state; window.saves = (window.saves || 0) + 1; },
    on: (event, f) => (listeners[event] ||= []).push(f),
    off: (event, f) => { listeners[event] = (listeners[event] || []).filter(g => g !== f); },
    send: message => {
      if (window.gone) throw new Error("Comm is closed");
      window.sent.push(message);
      window.kernel({...message, root}, receive);
    },
  };
  window.sent ||= [];
  const receive = window.receive = (message, buffers = []) =>
    (listeners["msg:custom"] || []).forEach(f => f(message, buffers));
  window.reply ||= async (message, receive) => {
    for (const {data, ...answer} of await window.python(message)) {
      receive(answer, data ? [new DataView(bytes(data).buffer)] : []);
    }
  };
  window.kernel ||= window.reply;
  const widget = module.default();
  await widget.initialize({model});
  window.view = el => widget.render({model, el});
  const el = document.getElementById(root) || document.body.appendChild(
    Object.assign(document.createElement("main"), {id: root}));
  window.cleanup = window.view(el);
}
"""


@pytest.fixture
def opened() -> Iterator[list[Picker]]:
    """A list for pickers that are closed after the test."""
    pickers: list[Picker] = []
    yield pickers
    for picker in pickers:
        picker.close()


Show = Callable[..., Any]


def answers(picker: Picker, message: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the kernel's answers to a message of the browser."""
    if message["type"] == "page":
        text = base64.b64encode(document(picker).encode()).decode()
        return [{"type": "page", "data": text}]
    if message["type"] == "series":
        series = run(picker._pins.series_answers(message["key"], message["points"]))
        return [{"type": "series", "series": series}]
    found: list[dict[str, Any]] = []
    if message["type"] == "formula":
        return [formula_answer(picker._scene, message["text"])]
    for key, time, level, row, col in message.get("add", []):
        address = {"key": key, "time": time, "level": level, "row": row, "col": col}
        try:
            tiles = run(picker._tiles.tiles((key, time), level, [(row, col)]))
        except AstraError as error:
            found.append(address | {"type": "failed", "message": str(error)})
            continue
        how, data = packed(tiles[row, col], raw=message["raw"])
        found.append(address | {"type": "tile"} | how | {"data": base64.b64encode(data).decode()})
    return found


@pytest.fixture
def show(page: Any) -> Show:
    """Show a picker in a plain page, whose messages its Python answers.

    ``before`` is JavaScript that may put another ``window.kernel`` in its place. With another
    ``root``, a further picker is added to the page.
    """
    pickers: dict[str, Picker] = {}
    page.expose_function("python", lambda message: answers(pickers[message["root"]], message))

    def show(picker: Picker, *, before: str = "", wait: bool = True, root: str = "root") -> Any:
        pickers[root] = picker
        if root == "root":
            page.set_content(
                '<!doctype html><html lang="en"><head><title>Test</title>'
                f'<meta name="color-scheme" content="light dark"><style>{CSS}</style></head>'
                '<body><main id="root"></main></body></html>'
            )
        if before:
            page.evaluate(before)
        page.evaluate(
            KERNEL,
            {
                "about": json.loads(json.dumps(picker.about)),
                "state": json.loads(json.dumps(picker.state)),
                "shown": json.loads(json.dumps(picker.shown)),
                "preview": base64.b64encode(picker.preview).decode(),
                "esm": base64.b64encode(ESM.encode()).decode(),
                "root": root,
            },
        )
        if wait:
            drawn(page)
        return page

    return show


def drawn(page: Any, after: int = 0) -> int:
    """Wait until the image was drawn anew and nothing is being read; return its number."""
    page.wait_for_function(
        """after => Number(document.querySelector(".astra-canvas")?.dataset.rev || 0) > after
           && document.querySelector(".astra-picker").dataset.busy === "false" """,
        arg=after,
    )
    return int(page.evaluate("document.querySelector('.astra-canvas').dataset.rev"))
