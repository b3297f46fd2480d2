"""Screenshots of pickers, in a browser beside their kernel.

``python -m tests.widgets.screenshots`` renews the README's images. Needs Chromium and
playwright, as the tests of the picker do.
"""

from __future__ import annotations

import base64
import io
import json
import queue
import time
from pathlib import Path
from typing import Any

import astra_xr
from astra_xr.widgets.picker import Picker
from tests.browser import CHROMIUM, FLAGS
from tests.widgets.conftest import CSS, ESM, KERNEL, SAMPLE

ROOT = Path(__file__).parents[2]

_PAGE = (
    "<!doctype html><meta name='color-scheme' content='light'>"
    f"<style>body {{ margin: 8px; background: #fff }}{CSS}</style><main id='root'></main>"
)
_RECEIVE = """([message, buffers]) => window.receive(message, buffers.map(text =>
  new DataView(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer)))"""


def screenshot(picker: Picker, *, width: int = 1000, scale: float = 1.0) -> bytes:
    """Return a PNG of a picker ``width`` CSS pixels wide, once all of it is read."""
    from playwright.sync_api import sync_playwright

    answers: queue.Queue[tuple[Any, list[str]]] = queue.Queue()

    def send(content: Any, buffers: Any = None) -> None:
        packed = [base64.b64encode(bytes(each)).decode() for each in buffers or ()]
        answers.put((content, packed))

    picker.send = send
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": width, "height": 700}, device_scale_factor=scale)
        page.expose_function("take", lambda message: picker._on_message(None, message, None))
        page.set_content(_PAGE)
        page.evaluate("() => { window.kernel = ({root, ...message}) => window.take(message); }")
        traits = {"about": picker.about, "state": picker.state, "shown": picker.shown}
        page.evaluate(
            KERNEL,
            {
                **json.loads(json.dumps(traits)),
                "preview": base64.b64encode(picker.preview).decode(),
                "esm": base64.b64encode(ESM.encode()).decode(),
                "root": "root",
            },
        )
        quiet = time.monotonic() + 3  # also for the thumbnails of a strip, which come late
        while time.monotonic() < quiet:
            try:
                answer = answers.get_nowait()
            except queue.Empty:
                page.wait_for_timeout(50)
            else:
                page.evaluate(_RECEIVE, [*answer])
                quiet = time.monotonic() + 3
        made = page.screenshot(full_page=True)
        browser.close()
    return bytes(made)


def draw_picker(target: Path) -> None:
    """Write the image of a picker that compares two dates, before and after a fire."""
    found = astra_xr.search("sentinel-2", datetime="2025-02/2026-01", catalog="sample")
    stack = astra_xr.open_scenes(found, ["red", "green", "blue", "nir", "B12", "SCL"])
    west, north = stack.x[0].item(), stack.y[0].item()
    pins = [[west + 10 * column, north - 10 * row] for column, row in ((200, 140), (490, 420))]
    picker = stack.astra.pick(
        bands=["B12", "nir", "red"],
        limits={"B12": (0.02, 0.35), "nir": (0.05, 0.45), "red": (0.02, 0.25)},
        time="2025-08",
        compare={"time": "2025-09-17"},
        pins=pins,
        code_name="stack",
    )
    made = screenshot(picker, width=1100, scale=1.2)
    picker.close()
    _save(made, target)


def draw_maps(target: Path) -> None:
    """Write what the first lines of the README plot."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    ds = astra_xr.open_scene(SAMPLE, ["red", "green", "blue", "nir"], catalog="sample")
    figure, axes = plt.subplots(
        1, 2, figsize=(10, 4.4), layout="constrained", width_ratios=(1.12, 1)
    )
    ds.astra.plot("NDVI", ax=axes[0])
    ds.astra.plot(ax=axes[1])
    for ax in axes:
        ax.set_axis_off()
    made = io.BytesIO()
    figure.savefig(made, dpi=100)
    _save(made.getvalue(), target)


def _save(png: bytes, target: Path) -> None:
    from PIL import Image

    image = Image.open(io.BytesIO(png)).convert("RGB")
    image.save(target, quality=70, optimize=True, progressive=True)


if __name__ == "__main__":
    draw_maps(ROOT / "docs" / "_static" / "ndvi.jpg")
    draw_picker(ROOT / "notebooks" / "picker.jpg")
