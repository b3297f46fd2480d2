"""``python -m tests.widgets.picture``: the README's picture of the picker, of the sample scene.

Needs Chromium and playwright, as the tests of the picker do.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import astra_xr
from tests.widgets.conftest import CHROMIUM, FLAGS, SAMPLE

TARGET = Path(__file__).parents[2] / "notebooks" / "picker.jpg"


def draw(target: Path) -> None:
    """Write the picture: false colours of a part of the scene, with the spectra of two pins."""
    from playwright.sync_api import sync_playwright

    ds = astra_xr.open_scene(SAMPLE, bands="reflectance", catalog="sample")
    west, north = ds.x[0].item(), ds.y[0].item()
    pins = [[west + 10 * column, north - 10 * row] for column, row in ((1040, 760), (640, 980))]
    picker = ds.astra.pick(bands=["B08", "B04", "B03"], view=[300, 300, 1500, 1500], pins=pins)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "picker.html"
        picker.to_html(file)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1000, "height": 700}, device_scale_factor=1.2)
        page.goto(file.as_uri())
        page.wait_for_selector(".astra-picker canvas, canvas")
        page.wait_for_timeout(1500)  # fonts and the last redraw
        page.screenshot(path=target, type="jpeg", quality=72, full_page=True)
        browser.close()
    picker.close()


if __name__ == "__main__":
    draw(Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET)
