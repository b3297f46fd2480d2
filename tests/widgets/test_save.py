"""What the picker saves, in a browser: the image, the page, the state; and the full screen."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import pytest

import astra_xr
from astra_xr.widgets.picker import Picker
from tests.widgets.conftest import SAMPLE, Show, drawn, scene


def saved(page: Any, item: str, folder: Path) -> Path:
    """Choose an item of the menu "Save", and return the file that is downloaded."""
    page.get_by_role("button", name="Save").click()
    with page.expect_download() as coming:
        page.get_by_role("menuitem", name=item).click()
    path = folder / str(coming.value.suggested_filename)
    coming.value.save_as(path)
    return path


def image(page: Any, folder: Path) -> npt.NDArray[np.uint8]:
    path = saved(page, "Image (PNG)", folder)
    assert path.suffix == ".png"
    kept = os.environ.get("PICKER_SCREENSHOTS")
    if kept:
        Path(kept).mkdir(parents=True, exist_ok=True)
        Path(kept, path.name).write_bytes(path.read_bytes())
    found: npt.NDArray[np.uint8] = imagecodecs.png_decode(path.read_bytes())
    return found


STATES = {
    "rgb": {"mode": "rgb"},
    "index": {"index": "NDVI"},
    "classes": {"band": "SCL"},
    "view": {"bands": ["nir", "red", "green"], "view": (50, 60, 150, 220)},
}


@pytest.mark.parametrize("page", [{"width": 1100}, {"width": 390, "dark": True}], indirect=True)
@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_the_image_as_a_figure(
    show: Show, tmp_path: Path, state: dict[str, Any], environment: None
) -> None:
    picker = scene().astra.pick(**state)
    page = show(picker)
    stage = page.locator(".astra-canvas").bounding_box()
    found = image(page, tmp_path)
    rows, cols = found.shape[:2]
    # Two pixels to one of the page at least; on white, with a title above and a legend below.
    assert cols >= 2 * min(stage["width"], stage["height"] * 0.9)
    assert (found[[0, -1]] == 255).all()
    assert (found[:, [0, -1]] == 255).all()
    above, below = found[: rows // 20, :, :3], found[-rows // 12 :, :, :3]
    assert (above < 100).any()
    assert (below < 130).any()
    # The bar: a line of black, two pixels to one of the page at least.
    dark = np.all(found[rows // 2 :, :, :3] < 60, axis=-1)
    lines = ("".join("x" if each else " " for each in line) for line in dark.tolist())
    longest = max(len(run) for line in lines for run in line.split())
    text = page.locator(".astra-scalebar span").inner_text()
    assert text.endswith(" km")
    assert longest > 100
    page.get_by_role("status").get_by_text("The image is saved.").wait_for()
    picker.close()


@pytest.fixture
def bands(environment: None) -> Iterator[Picker]:
    ds = astra_xr.open_scene(SAMPLE, ["red", "green", "blue", "nir", "swir16"], catalog="sample")
    picker = ds.isel(x=slice(0, 300), y=slice(0, 300)).astra.pick(gamma=1.2)
    yield picker
    picker.close()


def test_the_page_is_saved_and_works_without_a_kernel(
    show: Show, bands: Picker, tmp_path: Path
) -> None:
    page = show(bands)
    path = saved(page, "HTML page", tmp_path)
    assert path.suffix == ".html"
    page.goto(path.as_uri())
    drawn(page)
    page.get_by_role("radio", name="Index", exact=True).click()
    rev = drawn(page, 1)
    menu = page.get_by_role("combobox", name="Index", exact=True)
    for name in ("NDWI", "NDMI"):
        menu.fill(name)
        menu.press("Enter")
        rev = drawn(page, rev)
        assert name in page.locator(".astra-code").inner_text()
    # Such a page saves images as well, and no page.
    assert image(page, tmp_path).shape[0] > 300
    page.get_by_role("button", name="Save").click()
    assert page.get_by_role("menuitem", name="HTML page").count() == 0


def test_the_reason_is_shown_where_there_is_no_page(show: Show, picker: Picker) -> None:
    page = show(
        picker,
        before="""() => {
          window.kernel = (message, receive) => message.type === "page"
            ? receive({type: "page", message: "red cannot be read"})
            : window.reply(message, receive);
        }""",
    )
    page.get_by_role("button", name="Save").click()
    page.get_by_role("menuitem", name="HTML page").click()
    page.get_by_role("status").get_by_text("could not be made: red cannot be read").wait_for()


def test_the_state_as_python_opens_the_same_picker(show: Show, bands: Picker) -> None:
    page = show(bands)
    page.evaluate(
        """() => {
          window.copied = [];
          document.execCommand = () => { copied.push(document.activeElement.value); return true; };
        }"""
    )
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.get_by_label("Preset").select_option("False color")
    page.locator(".astra-canvas").click(position={"x": 100, "y": 100})
    drawn(page, 1)
    page.get_by_role("button", name="Save").click()
    page.get_by_role("menuitem", name="Copy state").click()
    page.wait_for_function("copied.length === 1")
    code = page.evaluate("copied[0]")
    page.wait_for_function("window.saved.pins.length === 1")
    ds = bands._scene.ds
    again = eval(code, {"ds": ds})
    assert again.state == page.evaluate("window.saved")
    again.close()


def test_the_menu_by_keyboard(show: Show, picker: Picker) -> None:
    page = show(picker)
    button = page.get_by_role("button", name="Save")
    button.focus()
    page.keyboard.press("ArrowDown")
    menu = page.get_by_role("menu", name="Save")
    assert menu.is_visible()
    assert button.get_attribute("aria-expanded") == "true"
    focused = "document.activeElement.innerText"
    assert page.evaluate(focused) == "Image (PNG)"
    page.keyboard.press("ArrowUp")
    assert page.evaluate(focused) == "Copy code of the image"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert page.evaluate(focused) == "HTML page"
    page.keyboard.press("Escape")
    assert not menu.is_visible()
    assert page.evaluate(focused).startswith("Save")
    button.click()
    page.locator(".astra-canvas").click(position={"x": 5, "y": 5})
    assert not menu.is_visible()


def test_the_full_screen(show: Show, picker: Picker) -> None:
    page = show(picker)
    button = page.get_by_role("button", name="Full screen")
    before = page.locator(".astra-canvas").bounding_box()
    button.click()
    page.wait_for_function("document.querySelector('.astra-picker').matches(':fullscreen')")
    page.locator("[aria-label='Full screen'][aria-pressed='true']").wait_for()
    drawn(page, 1)
    box = page.locator(".astra-box").bounding_box()
    assert box["width"] == page.viewport_size["width"]
    assert 0.9 < box["height"] / page.viewport_size["height"] <= 1  # nothing to scroll to
    folder = os.environ.get("PICKER_SCREENSHOTS")
    if folder:
        page.screenshot(path=f"{folder}/full.png")
    button.click()
    page.wait_for_function("!document.fullscreenElement")
    page.wait_for_function(
        "w => document.querySelector('.astra-canvas').clientWidth === w", arg=before["width"]
    )
