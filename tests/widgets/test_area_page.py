"""The area of the picker in a browser: drawn, moved, resized, removed, and its statistics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from astra_xr.reading.loop import run
from astra_xr.widgets.picker import Picker
from tests.widgets.conftest import Show, drawn
from tests.widgets.test_page import axe_source


def area(page: Any) -> Any:
    return page.evaluate("window.model.get('state').area")


def drag(page: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag on the image, from one place to another, and wait until that is drawn."""
    box = page.locator(".astra-canvas").bounding_box()
    page.mouse.move(box["x"] + start[0], box["y"] + start[1])
    page.mouse.down()
    page.mouse.move(box["x"] + end[0], box["y"] + end[1], steps=5)
    page.mouse.up()
    drawn(page)


def send_statistics(page: Any, picker: Picker) -> None:
    """Send the statistics of the browser's state, as the kernel would."""
    picker.state = page.evaluate("window.model.get('state')")
    message = run(picker._statistics.message(picker.state))
    page.evaluate("message => window.receive(message)", message)


def test_it_is_drawn_resized_moved_and_removed(show: Show, picker: Picker) -> None:
    page = show(picker)
    scale = page.evaluate("document.querySelector('.astra-canvas').clientWidth") / 300
    tool = page.get_by_label("Draw an area")
    tool.click()
    assert tool.get_attribute("aria-pressed") == "true"
    drag(page, (40 * scale, 60 * scale), (140 * scale, 110 * scale))
    drawn_area = area(page)
    assert drawn_area == pytest.approx([60, 40, 110, 140], abs=1)
    assert tool.get_attribute("aria-pressed") == "false"
    drag(page, (200, 400), (220, 420))  # no tool: the image pans, or stays
    assert area(page) == drawn_area
    page.get_by_role("button", name="Area of 3").wait_for()
    corner = page.get_by_label("Corner of the area, bottom right")
    box = corner.bounding_box()
    assert min(box["width"], box["height"]) >= 24
    drag(page, (140 * scale, 110 * scale), (180 * scale, 160 * scale))
    assert area(page) == pytest.approx([60, 40, 160, 180], abs=2)
    # Past the opposite corner, it turns around.
    drag(page, (180 * scale, 160 * scale), (20 * scale, 160 * scale))
    assert area(page) == pytest.approx([60, 20, 160, 40], abs=2)
    page.keyboard.press("Control+z")
    drawn(page)
    resized = area(page)
    assert resized == pytest.approx([60, 40, 160, 180], abs=2)
    tag = page.get_by_role("button", name="Area of").bounding_box()
    canvas = page.locator(".astra-canvas").bounding_box()
    at = (tag["x"] + 30 - canvas["x"], tag["y"] + 12 - canvas["y"])
    drag(page, at, (at[0] + 999, at[1] + 10 * scale))
    moved = area(page)
    assert moved[3] == 300  # no further
    assert moved[3] - moved[1] == resized[3] - resized[1]
    page.keyboard.press("Delete")
    assert area(page) is None
    page.locator(".astra-area").wait_for(state="hidden")
    page.keyboard.press("Control+z")
    assert area(page) == moved


def test_shift_draws_too_and_escape_gives_up(show: Show, picker: Picker) -> None:
    page = show(picker)
    page.keyboard.down("Shift")
    drag(page, (50, 50), (150, 120))
    page.keyboard.up("Shift")
    first = area(page)
    assert first
    assert page.evaluate("window.model.get('state').pins") == []
    page.get_by_label("Draw an area").click()
    box = page.locator(".astra-canvas").bounding_box()
    page.locator(".astra-canvas").focus()
    page.mouse.move(box["x"] + 300, box["y"] + 300)
    page.mouse.down()
    page.mouse.move(box["x"] + 400, box["y"] + 400, steps=3)
    assert area(page) != first
    page.keyboard.press("Escape")
    assert area(page) == first
    page.mouse.up()
    page.keyboard.press("Escape")  # the tool
    assert area(page) == first
    page.keyboard.press("Escape")
    assert area(page) is None


def test_all_of_it_by_the_keyboard(show: Show, picker: Picker) -> None:
    page = show(picker)
    page.get_by_label("Draw an area").press("Enter")
    assert area(page) == [100, 100, 200, 200]
    tag = page.get_by_role("button", name="Area of 3 × 3 km")
    assert tag.evaluate("node => node === document.activeElement")
    page.keyboard.press("Shift+ArrowRight")
    step = area(page)[1] - 100
    assert step >= 1
    assert area(page) == [100, 100 + step, 200, 200 + step]
    corner = page.get_by_label("Corner of the area, top left")
    corner.press("Shift+ArrowUp")
    assert area(page) == [100 - step, 100 + step, 200, 200 + step]
    corner.press("Delete")
    assert area(page) is None
    assert page.evaluate("document.activeElement.className") == "astra-canvas"


def test_the_statistics_are_pythons(show: Show, picker: Picker) -> None:
    picker.state = picker.state | {"mode": "index", "index": "NDVI", "area": [20, 30, 120, 250]}
    page = show(picker)
    panel = page.get_by_role("region", name="Statistics of the area")
    assert {"type": "statistics", "root": "root"} in page.evaluate(
        "window.sent.filter(m => m.type === 'statistics').map(m => ({...m, root: 'root'}))"
    )
    panel.get_by_text("Reading…").wait_for()
    assert panel.get_by_role("button", name="Copy bbox").is_disabled()
    send_statistics(page, picker)
    panel.get_by_text("Of 22,000 pixels, in full resolution.").wait_for()
    cells = panel.locator("tbody td").all_inner_texts()
    row = picker.statistics.loc["NDVI"]
    assert float(cells[0]) == pytest.approx(row["mean"], rel=1e-3)
    assert float(cells[1]) == pytest.approx(row["std"], rel=1e-3)
    assert cells[2] == "100 %"
    panel.get_by_role("button", name="Copy bbox").click()
    panel.get_by_text("Copied").wait_for()
    # Those of another band, or of clear pixels, are not known yet.
    page.get_by_label("Hide clouds").check()
    page.locator(".astra-area-panel[data-known=false]").wait_for()
    send_statistics(page, picker)
    panel.get_by_text("clear", exact=True).wait_for()
    assert panel.locator("tbody td").nth(2).inner_text() != "100 %"


def test_the_statistics_of_a_comparison(show: Show, picker: Picker) -> None:
    area = [20, 30, 120, 250]
    compare = {"index": "NDWI"}
    picker.state = picker.state | {"mode": "index", "index": "NDVI", "area": area}
    picker.state = picker.state | {"compare": compare}
    page = show(picker)
    send_statistics(page, picker)
    panel = page.get_by_role("region", name="Statistics of the area")
    panel.get_by_text("B \u2212 A", exact=True).wait_for()
    rows = panel.locator("tbody th").all_inner_texts()
    assert [" ".join(row.split()) for row in rows] == ["A NDVI", "B NDWI", "B \u2212 A"]


def test_it_is_drawn_by_a_finger(show: Show, picker: Picker, page: Any) -> None:
    show(picker)
    page.get_by_label("Draw an area").click()
    box = page.locator(".astra-canvas").bounding_box()
    client = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        at = [{"x": box["x"] + x, "y": box["y"] + y} for x, y in points]
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})

    touch("touchStart", (60, 80))
    for n in range(1, 6):
        touch("touchMove", (60 + 30 * n, 80 + 20 * n))
    touch("touchEnd")
    assert area(page)
    scale = page.evaluate("document.querySelector('.astra-canvas').clientWidth") / 300
    assert area(page) == pytest.approx([n / scale for n in (80, 60, 180, 210)], abs=3)


@pytest.mark.parametrize(
    "page",
    [{}, {"dark": True}, {"width": 390}],
    indirect=True,
    ids=["light", "dark", "phone"],
)
def test_it_is_accessible_and_fits(show: Show, picker: Picker, page: Any) -> None:
    source = axe_source()
    picker.state = picker.state | {"area": [120, 130, 220, 250]}
    show(picker)
    send_statistics(page, picker)
    page.get_by_text("in full resolution").wait_for()
    drawn(page)
    page.evaluate(source)
    found = page.evaluate("axe.run('#root')")
    assert [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]] == []
    wide = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide[0] <= wide[1]


def test_an_exported_page_has_the_statistics(page: Any, picker: Picker, tmp_path: Path) -> None:
    picker.state = picker.state | {"area": [20, 30, 120, 250]}
    page.goto(picker.to_html(tmp_path / "picker.html", size=128).as_uri())
    page.get_by_text("Of 22,000 pixels, in full resolution.").wait_for()
    page.get_by_label("Draw an area").press("Enter")
    page.get_by_text("Statistics need a kernel.").wait_for()
