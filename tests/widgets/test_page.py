"""The picker in a plain page, with a kernel of a few lines: what the browser does by itself."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import astra_xr
from astra_xr.errors import ReadError
from astra_xr.reading.loop import run
from astra_xr.widgets.picker import Picker
from astra_xr.widgets.picker_scene import MASK
from tests.widgets.conftest import SAMPLE, Show, drawn, scene


def test_it_shows_what_python_would(show: Show, picker: Picker) -> None:
    page = show(picker)
    assert page.evaluate("window.saved") is None  # what follows from pixels was not chosen
    assert page.locator(".astra-code").inner_text() == picker.code
    assert page.locator(".astra-title").inner_text().startswith("S2B_MSIL2A")


def test_modes_presets_and_menus(show: Show, picker: Picker) -> None:
    page = show(picker)
    requested = {each["key"] for each in page.evaluate(TILES)}
    assert requested == {"red", "green", "blue", MASK}  # no others, until needed
    page.get_by_label("Preset").select_option("False color")
    drawn(page, 1)
    page.wait_for_function("String(window.saved.bands) === 'nir,red,green'")
    menu = page.get_by_label("Band in red", exact=True)
    assert menu.locator("option:checked").inner_text() == "nir · B08  0.842 µm"
    page.get_by_role("radio", name="Index", exact=True).click()
    drawn(page, 2)
    assert (
        'ds.astra.index("NDVI").plot.imshow(cmap="PiYG"' in page.locator(".astra-code").inner_text()
    )
    page.get_by_label("magma").check(force=True)
    assert page.evaluate("window.model.get('state').cmap") == "magma"
    page.get_by_label("Reverse").check()
    assert page.evaluate("window.model.get('state').cmap") == "magma_r"
    page.get_by_role("radio", name="Band", exact=True).click()
    page.get_by_role("combobox", name="Band", exact=True).select_option("SCL")
    page.get_by_text("cloud shadow").wait_for()
    assert page.locator(".astra-histogram").is_hidden()


def test_indices_are_found_by_words_and_by_the_keyboard(show: Show, picker: Picker) -> None:
    page = show(picker)
    page.get_by_role("radio", name="Index", exact=True).click()
    menu = page.get_by_role("combobox", name="Index", exact=True)
    menu.click()
    assert page.get_by_role("listbox").get_by_role("option").count() == len(picker.about["indices"])
    menu.fill("water green")
    names = page.get_by_role("listbox").get_by_role("option").locator("b").all_inner_texts()
    assert names == []
    page.get_by_text("No index of these bands matches.").wait_for()
    menu.fill("mod water")
    option = page.get_by_role("listbox").get_by_role("option").first
    assert option.locator("b").inner_text() == "MNDWI"
    assert option.get_attribute("aria-selected") == "true"
    assert menu.get_attribute("aria-activedescendant") == option.get_attribute("id")
    menu.press("ArrowDown")
    menu.press("ArrowUp")
    menu.press("Enter")
    page.wait_for_function("window.model.get('state').index === 'MNDWI'")
    assert menu.get_attribute("aria-expanded") == "false"
    menu.fill("ndv")
    menu.press("Escape")
    assert menu.input_value() == "MNDWI"
    menu.fill("nd")
    page.get_by_role("listbox").get_by_text("NDVI", exact=True).click()
    page.wait_for_function("window.model.get('state').index === 'NDVI'")


def test_a_formula_of_ones_own(show: Show, picker: Picker) -> None:
    page = show(picker)
    page.get_by_role("radio", name="Index", exact=True).click()
    rev = drawn(page, 1)
    menu = page.get_by_role("combobox", name="Index", exact=True)
    menu.fill("(nir - X) / 2")
    menu.press("Enter")
    page.get_by_text("'X' is not one of").wait_for()
    assert page.evaluate("window.model.get('state').index") == "NDVI"
    assert menu.input_value() == "NDVI"
    menu.fill("nir / red - 1")
    menu.press("Enter")
    drawn(page, rev)
    page.get_by_text("Formula: nir / red - 1").wait_for()
    picker.state = page.evaluate("window.model.get('state')")
    page.wait_for_function(
        "code => document.querySelector('.astra-code').innerText === code", arg=picker.code
    )
    assert 'ds.astra.index("nir / red - 1").plot.imshow(cmap="viridis"' in picker.code


def test_a_formula_that_is_known_too_late_changes_nothing(show: Show, picker: Picker) -> None:
    page = show(picker)
    page.get_by_role("radio", name="Index", exact=True).click()
    rev = drawn(page, 1)
    page.evaluate("window.kernel = (message, receive) => { window.late = [message, receive]; }")
    menu = page.get_by_role("combobox", name="Index", exact=True)
    menu.fill("nir / red - 1")
    menu.press("Enter")
    page.wait_for_function("window.late?.[0].type === 'formula'")
    page.get_by_role("radio", name="RGB", exact=True).click()
    drawn(page, rev)
    state = page.evaluate("window.model.get('state')")
    page.evaluate("window.reply(...window.late)")
    rev = drawn(page)
    page.get_by_role("radio", name="Index", exact=True).click()
    drawn(page, rev)
    assert page.evaluate("window.model.get('state')") == state | {"mode": "index"}


def test_limits_by_mouse_and_by_keyboard(show: Show, picker: Picker) -> None:
    page = show(picker)
    before = page.locator(".astra-code").inner_text()
    handle = page.get_by_label("Upper limit of red in red")
    box = handle.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] - 60, box["y"], steps=6)
    page.mouse.up()
    drawn(page, 1)
    dragged = page.evaluate("window.model.get('state')")
    assert list(dragged["limits"]) == ["red"]
    assert dragged["limits"]["red"][1] < picker._limits()["red"][1]
    menu = page.get_by_label("Stretch", exact=True)
    assert menu.locator("option:checked").inner_text() == "Percentile"  # of the other channels
    handle.focus()
    page.keyboard.press("ArrowRight")
    pressed = page.evaluate("window.model.get('state').limits.red")
    assert pressed[1] > dragged["limits"]["red"][1]
    assert handle.get_attribute("aria-valuenow")
    handle.dblclick()
    page.wait_for_function(
        "code => document.querySelector('.astra-code').innerText === code", arg=before
    )
    assert page.evaluate("window.model.get('state').limits") == {}


def limits(page: Any) -> Any:
    return page.evaluate("window.model.get('state').limits")


def test_a_lock_keeps_the_limits_of_a_channel(show: Show, picker: Picker) -> None:
    page = show(picker)
    lock = page.get_by_role("button", name="Keep limits of green")
    lock.click()
    kept = limits(page)
    assert list(kept) == ["green"]
    stretch = page.get_by_label("Stretch", exact=True)
    stretch.select_option("minmax")
    assert limits(page) == kept
    page.get_by_role("button", name="Keep limits of green", pressed=True).wait_for()
    for name in ("red", "blue"):
        page.get_by_role("button", name=f"Keep limits of {name}").click()
    stretch.locator("option:checked", has_text="Custom").wait_for(state="attached")
    lock.click()
    assert set(limits(page)) == {"red", "blue"}
    page.get_by_role("button", name="Reset").click()
    assert limits(page) == {}
    page.get_by_role("button", name="Reset").wait_for(state="hidden")


def test_undo_and_redo(show: Show, picker: Picker) -> None:
    page = show(picker)
    assert page.get_by_label("Undo").get_attribute("aria-disabled") == "true"
    handle = page.get_by_label("Upper limit of red in red")
    box = handle.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] - 60, box["y"], steps=6)
    page.mouse.up()
    page.get_by_label("Preset").select_option("False color")
    chosen = page.evaluate("window.model.get('state')")
    page.get_by_label("Undo").click()
    assert page.evaluate("window.model.get('state').bands") == picker.state["bands"]
    assert list(limits(page)) == ["red"]
    page.keyboard.press("Control+z")  # the whole drag
    assert limits(page) == {}
    page.keyboard.press("Control+z")  # nothing is left
    page.keyboard.press("Control+Shift+Z")
    page.keyboard.press("Control+y")
    assert page.evaluate("window.model.get('state')") == chosen
    # A field has an undo of its own.
    field = page.get_by_label("Upper limit of red", exact=True)
    field.fill("0.5")
    field.press("Control+z")
    assert page.evaluate("window.model.get('state').bands") == chosen["bands"]


def test_usual_limits_of_an_index(show: Show, picker: Picker) -> None:
    page = show(picker)
    assert page.get_by_role("button", name="0…1", exact=True).is_hidden()
    page.get_by_role("radio", name="Index", exact=True).click()
    drawn(page, 1)
    for name, expected in (("\u22121…1", [-1, 1]), ("0…1", [0, 1]), ("±", [-1, 1])):
        page.get_by_role("button", name=name, exact=True).click()
        assert limits(page) == {"NDVI": expected}
        drawn(page)


def test_a_stretch_set_in_python_changes_the_image(show: Show, picker: Picker) -> None:
    page = show(picker)
    picker.state = picker.state | {"stretch": "minmax"}
    page.evaluate("state => window.model.set('state', state)", picker.state)
    drawn(page, 1)
    assert page.locator(".astra-code").inner_text() == picker.code


def test_a_band_that_is_not_here_has_no_limits_yet(show: Show, picker: Picker) -> None:
    page = show(picker)
    page.evaluate("window.kernel = () => {}")
    page.get_by_label("Preset").select_option("False color")
    page.wait_for_function("document.querySelector('.astra-code').innerText.includes('nir')")
    assert "limits" not in page.locator(".astra-code").inner_text()
    assert page.get_by_label("Upper limit of red", exact=True).input_value() == ""


WHOLE = ["red", "green", "blue"]

TILES = """window.sent.flatMap(m => m.add || []).map(([key, time, level, row, col]) =>
  ({key, time, level, row, col}))"""


@pytest.fixture
def large(environment: None) -> Iterator[Picker]:
    """The whole sample scene, of 2048² pixels."""
    picker = astra_xr.open_scene(SAMPLE, WHOLE, catalog="sample").astra.pick()
    yield picker
    picker.close()


def fine(page: Any) -> None:
    """Wait until all that is seen is there at its level."""
    page.wait_for_function(
        """[...document.querySelectorAll(".astra-canvas")].every(c => c.dataset.fine === "true")
           && [...document.querySelectorAll(".astra-picker")].every(p => p.dataset.busy === "false")
        """
    )


def test_zooming_requests_what_is_seen(show: Show, large: Picker) -> None:
    page = show(large)
    # All at once, as wider parts would be read between slow clicks.
    page.get_by_label("Zoom in").evaluate("button => [1, 2, 3].forEach(() => button.click())")
    # What is saved follows the clicks a moment later.
    height = "window.saved?.view && window.saved.view[2] - window.saved.view[0]"
    page.wait_for_function(f"Math.abs({height} - {2048 / 1.6**3}) < 10")
    fine(page)
    canvas = page.locator(".astra-canvas")
    assert canvas.get_attribute("data-level") == "0"
    top, left, bottom, right = page.evaluate("window.saved.view")
    requested = page.evaluate(TILES)
    seen = {
        (row, col)
        for row in range(top // 256, -(-bottom // 256))
        for col in range(left // 256, -(-right // 256))
    }
    assert {(t["row"], t["col"]) for t in requested if t["level"] == 0} >= seen
    # A little to the right: what comes in, and nothing again.
    before = len(requested)
    canvas.focus()
    shown = drawn(page)
    page.keyboard.press("ArrowRight")
    page.wait_for_function("left => window.saved.view[1] > left", arg=left)
    drawn(page, shown)
    fine(page)
    added = page.evaluate(TILES)[before:]
    assert 0 < len(added) <= 4 * len({row for row, _ in seen})
    shown = drawn(page)
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("left => window.saved.view[1] === left", arg=left)
    drawn(page, shown)
    fine(page)
    assert len(page.evaluate(TILES)) == before + len(added)
    page.keyboard.press("0")
    page.wait_for_function("window.model.get('state').view === null")


def test_limits_of_the_view_are_pythons(show: Show, large: Picker) -> None:
    stretch = large.state["stretch"] | {"of": "view"}
    large.state = large.state | {"stretch": stretch, "view": [300, 500, 1400, 1600]}
    page = show(large)
    fine(page)
    assert page.locator(".astra-code").inner_text() == large.code


def test_a_browser_that_cannot_inflate_gets_the_same(show: Show, picker: Picker) -> None:
    page = show(picker, before="() => { delete window.DecompressionStream; }")
    assert page.evaluate("window.sent[0].raw")
    assert page.locator(".astra-code").inner_text() == picker.code


def test_pins_have_spectra(show: Show, picker: Picker) -> None:
    page = show(picker)
    page.locator(".astra-canvas").click(position={"x": 200, "y": 150})
    page.locator(".astra-canvas").focus()
    page.keyboard.press("Enter")
    assert page.locator(".astra-status").inner_text().startswith("Marked: x ")
    pins = page.evaluate("window.model.get('state').pins")
    assert len(pins) == 2
    picker.state = picker.state | {"pins": pins}
    spectra = [
        {"x": x, "y": y, "time": 0, "values": run(picker._pins.spectrum(0, x, y))}
        for x, y in picker.state["pins"]
    ]
    page.evaluate("spectra => window.receive({type: 'spectra', spectra})", spectra)
    page.locator(".astra-spectra path").nth(1).wait_for(state="attached")
    assert page.locator(".astra-spectra circle").count() == 10
    red = f"red: {spectra[0]['values']['red']:.4g}"
    assert red in page.locator(".astra-spectra title").all_text_contents()
    page.get_by_label("Remove mark 1").click()
    assert page.evaluate("window.model.get('state').pins") == pins[1:]
    page.get_by_text("Copy table").click()
    page.get_by_text("Copied").wait_for()


@pytest.mark.parametrize("page", [{"width": 390}], indirect=True)
def test_a_finger_scrolls_the_page_until_the_image_is_zoomed(show: Show, picker: Picker) -> None:
    page = show(picker)
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('div'), "
        "{style: 'height: 2000px'}))"
    )
    canvas = page.locator(".astra-canvas")
    fingers = page.context.new_cdp_session(page)

    page.evaluate("addEventListener('scrollend', () => { window.ended = true; })")

    def swipe() -> None:
        box = canvas.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.8
        fingers.send(
            "Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]}
        )
        for n in range(1, 9):
            at = [{"x": x, "y": y - 15 * n}]
            fingers.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": at})
        fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    swipe()
    page.wait_for_function("window.ended && window.scrollY > 50")
    page.evaluate("window.scrollTo(0, 0)")
    assert page.evaluate("window.model.get('state').pins") == []
    shown = drawn(page)
    page.get_by_label("Zoom in").click()
    drawn(page, shown)
    page.wait_for_function("window.model.get('state').view")
    before = page.evaluate("window.model.get('state').view")
    swipe()
    page.wait_for_function(
        "before => JSON.stringify(window.model.get('state').view) !== JSON.stringify(before)",
        arg=before,
    )
    assert page.evaluate("window.scrollY") == 0
    handles = page.locator(".astra-reach").all()
    sizes = [handle.bounding_box() for handle in handles]
    assert all(box["width"] >= 24 and box["height"] >= 24 for box in sizes)


def test_a_failed_read_is_reported_and_tried_again(show: Show, picker: Picker) -> None:
    page = show(
        picker,
        wait=False,
        before="""() => { window.broken = true; window.kernel = message => {
          if (!window.broken) return window.reply(message, window.receive);
          setTimeout(() => message.add.forEach(([key, time, level, row, col]) => window.receive({
            type: "failed", key, time, level, row, col, message: "Could not read red: 503"})));
        }; }""",
    )
    page.get_by_role("alert").get_by_text("Could not read red: 503").wait_for()
    page.evaluate("window.broken = false")
    page.get_by_role("button", name="Try again").click()
    drawn(page)
    assert page.get_by_role("alert").is_hidden()


def test_it_follows_python_and_cleans_up(show: Show, picker: Picker) -> None:
    page = show(picker)
    page.evaluate("window.model.set('state', {...window.model.get('state'), mode: 'index'})")
    page.get_by_text("Normalized Difference Vegetation Index: (N-R)/(N+R)").wait_for()
    page.evaluate("window.cleanup()")
    assert page.locator("#root > *").count() == 0
    page.evaluate("window.model.set('state', {...window.model.get('state'), gamma: 2})")


def test_two_pickers_share_nothing(show: Show, picker: Picker, page: Any) -> None:
    show(picker)
    other = scene(60).astra.pick(band="nir", cmap="viridis")
    show(other, root="second")
    page.wait_for_function("document.querySelectorAll('[data-rev]').length === 2")
    first, second = page.locator("#root"), page.locator("#second")
    assert first.locator("input[value=rgb]").is_checked()
    assert second.locator("input[value=single]").is_checked()
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(node => node.id)")
    assert len(ids) == len(set(ids))
    tint = second.locator("linearGradient").get_attribute("id")
    fill = second.locator(".astra-tinted").get_attribute("fill")
    assert fill == f"url(#{tint})"
    second.locator("input[value=single]").focus()
    page.keyboard.press("ArrowRight")  # the last of this group: it goes round within it
    assert page.evaluate("document.activeElement.closest('main').id") == "second"
    assert first.locator("input[value=rgb]").is_checked()
    other.close()


def test_two_views_of_a_picker_are_right_each(show: Show, large: Picker) -> None:
    page = show(large)
    fine(page)
    page.evaluate(
        """() => {
          const el = document.body.appendChild(document.createElement("main"));
          el.id = "narrow";
          el.style.width = "420px";
          window.leave = window.view(el);
        }"""
    )
    page.locator("#narrow .astra-canvas[data-rev]").wait_for()
    for _ in range(2):
        page.get_by_label("Zoom in").first.click()
    page.wait_for_function("window.saved?.view")
    fine(page)
    levels = [each.get_attribute("data-level") for each in page.locator(".astra-canvas").all()]
    assert levels == ["0", "1"]
    # Each tile was on its way once, for both.
    requested = [tuple(each.values()) for each in page.evaluate(TILES)]
    assert len(requested) == len(set(requested))
    codes = page.locator(".astra-code").all_inner_texts()
    assert codes[0] == codes[1]
    page.evaluate("window.leave()")
    page.get_by_label("Show all").first.click()
    page.wait_for_function("window.model.get('state').view === null")
    fine(page)


def test_a_kernel_that_is_gone_is_reported_and_all_else_goes_on(show: Show, picker: Picker) -> None:
    page = show(picker)
    page.evaluate("window.gone = true")
    page.get_by_role("radio", name="Index", exact=True).click()
    status = page.get_by_role("status")
    status.get_by_text("The kernel is gone: run the cell again").wait_for()
    assert status.bounding_box()["height"] > 10
    # Header, menus and code agree.
    assert 'astra.index("NDVI")' in page.locator(".astra-code").inner_text()
    assert page.get_by_role("combobox", name="Index", exact=True).is_visible()
    assert page.locator(".astra-bar").is_hidden()
    page.get_by_role("radio", name="RGB", exact=True).click()
    page.wait_for_function("document.querySelector('.astra-code').innerText.includes('astra.rgb')")
    page.evaluate("window.gone = false")
    page.get_by_role("radio", name="Index", exact=True).click()
    page.wait_for_function("document.querySelector('.astra-code').innerText.includes('vmin')")
    drawn(page)
    assert status.inner_text() == ""


def test_a_kernel_that_does_not_answer_is_reported(show: Show, picker: Picker, page: Any) -> None:
    page.clock.install()
    show(picker, before="() => { window.kernel = () => {}; }", wait=False)
    page.get_by_text("Reading red, green, blue").wait_for()
    page.clock.fast_forward(5000)
    page.get_by_text("Still waiting: the kernel is busy, or gone.").wait_for()


def test_a_notebook_opened_again_shows_the_image(show: Show, picker: Picker, page: Any) -> None:
    picker.state = picker.state | {"mode": "index", "index": "NDVI"}
    _ = picker.image
    picker._draw_preview()
    show(picker, before="() => { window.kernel = () => {}; }", wait=False)
    page.locator(".astra-canvas[data-saved=true]").wait_for()
    seen = page.evaluate(
        """() => {
          const canvas = document.querySelector(".astra-canvas");
          const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          return [0, 1, 2, 3].map(c => data.filter((_, n) => n % 4 === c)
            .reduce((a, b) => a + b, 0) / data.length * 4);
        }"""
    )
    expected = picker.image.values.reshape(-1, 4).mean(axis=0)
    assert seen == pytest.approx(expected.tolist(), abs=4)
    assert page.locator(".astra-code").inner_text() == picker.code


def test_what_fails_in_one_part_stops_no_other(show: Show, picker: Picker) -> None:
    page = show(picker)
    page.evaluate("window.receive({type: 'spectra', spectra: [null]})")
    page.locator(".astra-canvas").click(position={"x": 200, "y": 150})
    page.get_by_role("alert").get_by_text("A part of the picker failed").wait_for()
    page.get_by_role("radio", name="Index", exact=True).click()
    page.wait_for_function("document.querySelector('.astra-code').innerText.includes('NDVI')")


def test_a_refused_state_is_reported(show: Show, picker: Picker) -> None:
    page = show(picker)
    page.evaluate("window.receive({type: 'refused', message: 'Invalid gamma=99'})")
    page.get_by_role("alert").get_by_text("Invalid gamma=99").wait_for()
    page.get_by_label("Gamma").press("ArrowRight")
    page.get_by_role("alert").wait_for(state="hidden")


@pytest.mark.parametrize(
    "page", [{"width": 340}, {"width": 1100, "dark": True}], indirect=True, ids=["phone", "dark"]
)
def test_it_fits_phones_and_the_dark(show: Show, picker: Picker, page: Any) -> None:
    picker.state = picker.state | {"pins": [[551000.0, 4150000.0]]}
    show(picker)
    at = {"x": 551000.0, "y": 4150000.0, "time": 0}
    spectra = [at | {"values": run(picker._pins.spectrum(0, 551000.0, 4150000.0))}]
    page.evaluate("spectra => window.receive({type: 'spectra', spectra})", spectra)
    wide = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide[0] <= wide[1]
    outside = page.evaluate(
        """() => [...document.querySelectorAll(".astra-box *")].filter(node => {
          const box = node.getBoundingClientRect();
          return box.width && box.height && box.right > window.innerWidth + 0.5
            && !node.closest(".astra-status");
        }).map(node => node.className || node.tagName)"""
    )
    assert outside == []


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (2100, 3), (5, 1700), (1537, 769)])
def test_scenes_of_any_shape(show: Show, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    bands = {name: (("y", "x"), rng.random(shape)) for name in "abc"}
    picker = xr.Dataset(bands).astra.pick()
    page = show(picker)
    fine(page)
    assert page.locator(".astra-code").inner_text() == picker.code
    if max(shape) > 100:  # the pixels of others are large already
        for _ in range(3):
            page.get_by_label("Zoom in").click()
        page.wait_for_function("window.saved?.view")
        fine(page)
    assert page.get_by_role("alert").is_hidden()
    picker.close()


def test_a_scene_without_data_is_reported(show: Show) -> None:
    ds = scene(40).where(False)
    picker = ds.drop_vars("SCL").assign_attrs(mission="none").astra.pick()
    page = show(picker)
    page.get_by_text("No data here.").wait_for(state="attached")
    picker.close()


def axe_source() -> str:
    for folder in (Path(sys.prefix, "axe"), Path.cwd(), *Path.cwd().parents):
        path = folder / "node_modules/axe-core/axe.min.js"
        if path.exists():
            return path.read_text()
    pytest.skip("axe-core is not here: npm install --no-save axe-core")


@pytest.mark.parametrize("page", [{}, {"dark": True}], indirect=True, ids=["light", "dark"])
def test_it_is_accessible(show: Show, picker: Picker, page: Any) -> None:
    source = axe_source()
    picker.state = picker.state | {"pins": [[551000.0, 4150000.0]]}
    show(picker)
    page.evaluate(source)
    for mode in ("RGB", "Index", "Band"):
        page.get_by_role("radio", name=mode, exact=True).click()
        page.wait_for_function("document.querySelector('.astra-picker').dataset.busy === 'false'")
        found = page.evaluate("axe.run('#root')")
        violations = [
            (each["id"], [node["html"][:120] for node in each["nodes"]])
            for each in found["violations"]
        ]
        assert violations == [], mode


# The page that needs neither kernel nor network.


def test_a_static_export_works_offline(page: Any, picker: Picker, tmp_path: Path) -> None:
    path = picker.to_html(tmp_path / "picker.html", bands=["nir", "NDVI"], size=256)
    assert path.stat().st_size < 2_000_000
    page.goto(path.as_uri())
    drawn(page)
    page.get_by_label("Preset").select_option("False color")
    drawn(page, 1)
    assert '["nir", "red", "green"]' in page.locator(".astra-code").inner_text()
    page.locator(".astra-canvas").click(position={"x": 200, "y": 150})
    page.locator(".astra-spectra circle").first.wait_for(state="attached")
    page.get_by_role("radio", name="Index", exact=True).click()
    drawn(page, 2)
    menu = page.get_by_role("combobox", name="Index", exact=True)
    assert menu.input_value() == "NDVI"
    menu.fill("N-R")
    menu.press("Enter")
    page.get_by_text("A formula needs a kernel.").wait_for()
    assert "src=" not in path.read_text().split("<script")[0]


def test_a_read_that_fails_in_the_kernel_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    picker = scene(30).astra.pick()
    picker._read().result()
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(picker._requests, "_send", lambda message, _: sent.append(message))

    async def fail(*_: object, **__: object) -> None:
        raise ReadError(source="S2 nir", href="https://x.example/a?sig=SECRET", reason="503")

    want = {"type": "want", "store": "A", "add": [["nir", 0, 0, 0, 0]], "drop": [], "raw": False}
    with monkeypatch.context() as patch:
        patch.setattr(picker._scene, "read", fail)
        run(answered(picker, want))
    assert sent[0]["type"] == "failed"
    assert "Could not read S2 nir" in sent[0]["message"]
    assert "SECRET" not in json.dumps(sent)
    sent.clear()
    run(answered(picker, want))
    assert sent[0]["type"] == "tile"
    picker.close()


async def answered(picker: Picker, content: dict[str, Any]) -> None:
    await picker._requests.want(content)
    await asyncio.gather(*picker._requests._jobs)


def test_a_picker_far_from_what_is_seen_holds_no_pixels(show: Show, picker: Picker) -> None:
    page = show(picker)
    page.evaluate("document.body.style.paddingTop = '9000px'")
    page.wait_for_function("document.querySelector('.astra-canvas').width === 0")
    high = "document.querySelector('.astra-canvas').clientHeight"
    before, rev = page.evaluate(high), drawn(page)
    assert before > 300  # nothing jumps
    page.get_by_role("radio", name="Index", exact=True).evaluate("each => each.click()")
    page.evaluate("scrollTo(0, 9000)")
    drawn(page, rev)
    assert page.evaluate("document.querySelector('.astra-canvas').width") >= 300
    assert 'index("NDVI")' in page.locator(".astra-code").inner_text()


def test_a_picker_whose_pixels_were_released_shows_them_again(show: Show, picker: Picker) -> None:
    page = show(picker)
    image = "document.querySelector('.astra-canvas').toDataURL()"
    before, rev = page.evaluate(image), drawn(page)
    page.evaluate("document.body.style.paddingTop = '9000px'")
    page.wait_for_function("document.querySelector('.astra-canvas').width === 0")
    # As if others needed the room, in the browser and in the kernel.
    asleep = 'globalThis[Symbol.for("astra-xr stores asleep")]'
    page.evaluate(f"for (const store of {asleep}) store.trim(0)")
    picker._tiles.release(1 << 30, overviews=True)
    requested = page.evaluate("sent.length")
    page.evaluate("scrollTo(0, 9000)")
    drawn(page, rev)
    assert page.evaluate("sent.length") > requested
    assert page.evaluate(image) == before
