"""A and B in a plain page: the bar between them, and two clicks to their difference."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import astra_xr
from astra_xr.widgets.picker import Picker
from tests.widgets.conftest import Show, drawn
from tests.widgets.test_page import axe_source

DIFFERENCE = "B \N{MINUS SIGN} A"

SIZES = pytest.mark.parametrize(
    "page", [{"width": 1000}, {"width": 420}, {"width": 1000, "dark": True}], indirect=True
)


@pytest.fixture
def stack(environment: None) -> Iterator[Picker]:
    """Three dates of the sample, of which an index of fires is shown."""
    ids = list(astra_xr.search("sentinel-2", catalog="sample"))[:3]
    bands = ["red", "green", "blue", "nir", "swir22", "SCL"]
    ds = astra_xr.open_scenes(ids, bands, catalog="sample", resolution=60)
    picker = ds.isel(x=slice(60, 260), y=slice(60, 260)).astra.pick("NBR")
    yield picker
    picker.close()


def chosen(page: Any) -> Any:
    return page.evaluate("window.model.get('state').compare")


def code(page: Any) -> str:
    return str(page.locator(".astra-code").inner_text())


@SIZES
def test_two_clicks_to_the_difference_of_two_dates(show: Show, stack: Picker) -> None:
    page = show(stack)
    page.get_by_label("Compare", exact=True).check()
    page.wait_for_function("window.saved?.compare")
    assert chosen(page)["time"] != stack.state["time"]
    drawn(page, 1)
    shown = drawn(page)
    page.get_by_role("radio", name=DIFFERENCE).check(force=True)
    drawn(page, shown)
    stack.state = page.evaluate("window.model.get('state')")
    assert code(page) == stack.code
    assert code(page).count('.astra.index("NBR")') == 2
    a, b = stack.state["time"], chosen(page)["time"]
    assert (
        page.locator(".astra-name.astra-of-a").inner_text()
        == f"{DIFFERENCE} · {b} \N{MINUS SIGN} {a} · NBR"
    )
    # 0 stays in the middle.
    upper = page.get_by_label("Upper limit of B - A")
    upper.focus()
    page.keyboard.press("ArrowLeft")
    low, high = page.evaluate("window.model.get('state').limits['B - A']")
    assert low == -high
    page.get_by_label("Swap A and B").click()
    assert [page.evaluate("window.model.get('state').time"), chosen(page)["time"]] == [b, a]
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@SIZES
def test_the_bar_is_dragged_and_moved_by_keys(show: Show, stack: Picker) -> None:
    page = show(stack)
    page.get_by_label("Compare", exact=True).check()
    shown = drawn(page, 1)
    grip = page.get_by_role("slider", name="Part of the image that shows A")
    box, stage = grip.bounding_box(), page.locator(".astra-stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 60, y, steps=5)
    page.mouse.up()
    drawn(page, shown)
    split = chosen(page)["split"]
    assert split == pytest.approx((x - 60 - stage["x"]) / stage["width"], abs=0.01)
    assert page.evaluate("window.model.get('state').view") is None  # nothing was panned
    # Names lie on their own sides.
    name, other = (page.locator(f".astra-name.astra-of-{side}").bounding_box() for side in "ab")
    assert name["x"] + name["width"] <= x - 60
    assert other["x"] >= x - 60
    page.keyboard.press("ArrowRight")
    assert chosen(page)["split"] == pytest.approx(split + 0.02)
    page.locator(".astra-canvas").focus()
    page.keyboard.press(",")
    page.keyboard.press(",")
    assert chosen(page)["split"] == pytest.approx(split - 0.02)
    grip.focus()
    page.keyboard.press("End")
    page.wait_for_function("document.activeElement.ariaValueText === '100 % A, 0 % B'")
    page.keyboard.press("Home")
    page.wait_for_function("document.activeElement.ariaValueNow === '0'")


def test_the_bar_is_dragged_by_touch(show: Show, stack: Picker, page: Any) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    show(stack)
    page.get_by_label("Compare", exact=True).check()
    shown = drawn(page, 1)
    grip = page.get_by_role("slider", name="Part of the image that shows A")
    box = grip.bounding_box()
    assert box["width"] >= 24
    assert box["height"] >= 24
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    fingers = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        fingers.send(
            "Input.dispatchTouchEvent",
            {"type": kind, "touchPoints": [{"x": px, "y": py} for px, py in points]},
        )

    touch("touchStart", (x, y))
    for step in range(1, 6):
        touch("touchMove", (x + 12 * step, y))
    touch("touchEnd")
    drawn(page, shown)
    assert chosen(page)["split"] > 0.6


def test_the_image_is_a_left_of_the_bar_and_b_right_of_it(show: Show, stack: Picker) -> None:
    page = show(stack)
    colors = """() => { const canvas = document.querySelector(".astra-canvas");
      const copy = new OffscreenCanvas(canvas.width, canvas.height);
      const context = copy.getContext("2d", {willReadFrequently: true});
      context.drawImage(canvas, 0, 0);
      const at = x => [...context.getImageData(x, canvas.height / 3, 1, 1).data];
      return [at(9), at(canvas.width - 60)]; }"""
    before = page.evaluate(colors)
    page.get_by_label("Compare", exact=True).check()
    shown = drawn(page, 1)
    page.get_by_role("radio", name="B", exact=True).check(force=True)
    page.get_by_role("radio", name="RGB", exact=True).check(force=True)
    page.wait_for_function("window.saved.compare.mode === 'rgb'")
    drawn(page, shown)
    after = page.evaluate(colors)
    assert after[0] == before[0]
    assert after[1] != before[1]
    assert page.evaluate("window.model.get('state').mode") == "index"
    # The readout has the values of both.
    page.locator(".astra-canvas").hover(position={"x": 40, "y": 40})
    text = page.locator(".astra-readout").inner_text()
    assert "A NBR" in text
    assert "B red" in text
    assert page.locator(".astra-name.astra-of-b").inner_text().startswith("B · 2025")
    lines = code(page).splitlines()
    assert '.astra.index("NBR")' in lines[0]
    assert ".astra.rgb(" in lines[1]
    stack.state = page.evaluate("window.model.get('state')")
    assert code(page) == stack.code


def test_a_page_compares_what_it_has(stack: Picker, page: Any, tmp_path: Path) -> None:
    time = next(s["label"] for s in stack.about["steps"] if s["label"] != stack.state["time"])
    stack.state = stack.state | {"compare": {"time": time}}
    path = stack.to_html(tmp_path / "picker.html")
    page.goto(path.as_uri())
    shown = drawn(page)
    page.get_by_role("radio", name=DIFFERENCE).check(force=True)
    drawn(page, shown)
    assert page.locator(".astra-alert").is_hidden()
    assert code(page).startswith("(ds.sel(time=")
    page.get_by_label("Compare", exact=True).uncheck()
    page.get_by_label("Compare", exact=True).check()
    page.locator(".astra-name.astra-of-b").wait_for()
    assert time in page.locator(".astra-name.astra-of-b").inner_text()


def test_views_share_the_bar_and_choose_sides_each(show: Show, stack: Picker, page: Any) -> None:
    show(stack)
    other = stack._scene.ds.astra.pick("NBR")
    show(other, root="apart")
    first, apart = page.locator("#root"), page.locator("#apart")
    first.get_by_label("Compare", exact=True).check()
    first.locator(".astra-swipe").wait_for()
    assert apart.locator(".astra-swipe").is_hidden()
    assert not apart.get_by_label("Compare", exact=True).is_checked()
    other.close()


def test_two_views_of_one_picker(show: Show, stack: Picker) -> None:
    page = show(stack)
    page.evaluate(
        """() => { const el = document.body.appendChild(document.createElement("main"));
          el.id = "second"; window.view(el); }"""
    )
    first, second = page.locator("#root"), page.locator("#second")
    first.get_by_label("Compare", exact=True).check()
    second.locator(".astra-swipe").wait_for()
    first.get_by_role("radio", name="B", exact=True).check(force=True)
    assert second.get_by_role("radio", name="A", exact=True).is_checked()
    second.get_by_role("slider", name="Part of the image that shows A").focus()
    page.keyboard.press("Home")
    page.wait_for_function("document.querySelector('#root .astra-grip').ariaValueNow === '0'")
    # Where the bar is cannot be undone, but what is compared can.
    page.keyboard.press("Control+z")
    first.locator(".astra-swipe").wait_for(state="hidden")
    assert second.get_by_role("radio", name="A", exact=True).is_hidden()


def test_the_saved_figure_names_both(show: Show, stack: Picker) -> None:
    page = show(stack)
    page.get_by_label("Compare", exact=True).check()
    drawn(page, 1)
    page.get_by_role("button", name="Save").click()
    with page.expect_download() as saved:
        page.get_by_role("menuitem", name="Image (PNG)").click()
    name = saved.value.suggested_filename
    assert re.fullmatch(r"sentinel-2.*_A-2026-01-10-NBR_B-2025-12-11-NBR\.png", name), name
    folder = os.environ.get("PICKER_SCREENSHOTS")
    if folder:
        saved.value.save_as(f"{folder}/figure-of-both.png")


@pytest.mark.parametrize("page", [{}, {"dark": True}], indirect=True, ids=["light", "dark"])
def test_a_comparison_is_accessible(show: Show, stack: Picker, page: Any) -> None:
    source = axe_source()
    show(stack)
    page.evaluate(source)
    page.get_by_label("Compare", exact=True).check()
    for name in ("B", DIFFERENCE):
        page.get_by_role("radio", name=name, exact=True).check(force=True)
        page.wait_for_function("document.querySelector('.astra-picker').dataset.busy === 'false'")
        found = page.evaluate("axe.run('#root')")["violations"]
        assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []
