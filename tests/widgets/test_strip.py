"""The strip of dates and the plot over time, in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import astra_xr
from astra_xr.widgets.picker import Picker
from tests.widgets.conftest import Show, drawn
from tests.widgets.test_page import axe_source

REQUESTED = "window.sent.flatMap(m => m.add || [])"
CHOSEN = ".astra-date[aria-selected='true']"
TIME = "window.model.get('state').time"


def year() -> xr.Dataset:
    """The sample's year at 30 m, with some dates that are cloudy."""
    ids = sorted(each for each in astra_xr.search("sentinel-2", catalog="sample"))[3:11]
    bands = ["red", "green", "blue", "nir", "SCL"]
    return astra_xr.open_scenes(ids, bands, catalog="sample", resolution=30)


@pytest.fixture
def stack(environment: None) -> Iterator[Picker]:
    picker = year().astra.pick(time="2025-06")
    yield picker
    picker.close()


def settled(page: Any) -> None:
    """Wait until the thumbnails that are in sight are drawn."""
    page.wait_for_function(
        """() => { const all = [...document.querySelectorAll(".astra-date")];
           return all.length > 0 && all.every(e => e.classList.contains("astra-here")); }"""
    )


def test_a_date_is_clicked(show: Show, stack: Picker, page: Any) -> None:
    show(stack)
    settled(page)
    before = drawn(page)
    chosen = page.locator(CHOSEN)
    colors = page.evaluate(
        """[...document.querySelectorAll(".astra-date canvas")].map(canvas => {
          const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          return [canvas.width, canvas.height, new Set(data).size];
        })"""
    )
    assert all(each[:2] == [64, 64] and each[2] > 20 for each in colors), colors
    assert chosen.get_attribute("aria-label").startswith("2025-06-14, 0 % clouds")
    page.get_by_role("option", name="2025-07-14").click()
    drawn(page, before)
    assert page.evaluate(TIME) == "2025-07-14"
    assert '.sel(time="2025-07-14T18:49:29")' in page.locator(".astra-code").inner_text()
    assert page.locator(".astra-label").inner_text() == "2025-07-14"
    # Limits are those of the date that was shown first, until each has its own.
    limits = page.locator(".astra-code").inner_text().partition("limits")[2]
    page.get_by_label("Same limits at all dates").uncheck()
    page.wait_for_function(
        "limits => !document.querySelector('.astra-code').innerText.includes(limits)", arg=limits
    )
    assert page.evaluate("window.model.get('state').stretch.time") is None
    page.get_by_label("Same limits at all dates").check()
    assert page.evaluate("window.model.get('state').stretch.time") == "2025-07-14"


def test_each_date_has_colors_of_its_own_limits(show: Show, stack: Picker, page: Any) -> None:
    show(stack)
    settled(page)
    colors = """[...document.querySelectorAll(".astra-date canvas")].map(c => c.toDataURL())"""
    before = page.evaluate(colors)
    page.get_by_label("Same limits at all dates").uncheck()
    page.wait_for_function(
        f"before => {colors}.filter((each, n) => each !== before[n]).length >= before.length - 1",
        arg=before,
    )
    revisions = [drawn(page)]
    while len(revisions) < 2 or revisions[-1] != revisions[-2]:  # nothing is computed for ever
        assert len(revisions) < 20, revisions
        page.wait_for_timeout(300)
        revisions.append(drawn(page))


def test_keys_go_from_date_to_date_and_only_to_clear_ones(
    show: Show, stack: Picker, page: Any
) -> None:
    show(stack)
    settled(page)
    page.locator(CHOSEN).focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate(TIME) == "2025-07-14"
    focused = "document.activeElement.getAttribute('aria-label')"
    page.wait_for_function(f"{focused}?.startsWith('2025-07-14')")
    assert page.locator(".astra-date[tabindex='0']").count() == 1
    page.get_by_label("Only clear").check()
    page.wait_for_function("document.querySelectorAll('.astra-date').length < 8")
    clear = [s["label"] for s in stack.about["steps"] if s["cloud"] <= 20]
    page.locator(CHOSEN).focus()
    seen = [page.evaluate(TIME)]
    for _ in range(len(clear)):
        page.keyboard.press("ArrowRight")
        seen.append(page.evaluate(TIME))
        page.wait_for_function(f"time => {focused}?.startsWith(time)", arg=seen[-1])
    assert list(dict.fromkeys(seen)) == [each for each in clear if each >= "2025-07-14"]
    page.locator("[aria-label='Next date']:disabled").wait_for()
    page.keyboard.press("Home")
    assert page.evaluate(TIME) == clear[0]
    page.get_by_label("Next date").click()
    assert page.evaluate(TIME) == clear[1]


def test_neighbors_are_read_ahead_once_the_strip_is_used(
    show: Show, stack: Picker, page: Any
) -> None:
    show(stack)
    settled(page)
    top = stack.about["pyramid"]["top"]
    requested = f"[...new Set({REQUESTED}.filter(a => a[2] === {top}).map(a => a[1]))]"
    assert len(page.evaluate(requested)) == 1
    page.locator(".astra-label").hover()
    page.wait_for_function(f"{requested}.length === 3")
    page.wait_for_function("!document.querySelector('.astra-picker').dataset.busy.includes('true')")
    count = page.evaluate("window.sent.length")
    page.get_by_label("Next date").click()
    # It is there at once.
    page.wait_for_function("document.querySelector('.astra-canvas').dataset.fine === 'true'")
    shown = page.evaluate(f"window.sent.slice({count}).flatMap(m => m.add || []).map(a => a[1])")
    assert page.evaluate(TIME) == "2025-07-14"
    now = [each["label"] for each in stack.about["steps"]].index("2025-07-14")
    assert now not in shown


def test_a_pin_is_shown_over_time(show: Show, stack: Picker, page: Any) -> None:
    show(stack)
    page.locator(".astra-canvas").click(position={"x": 200, "y": 150})
    page.locator(".astra-timeline circle").first.wait_for(state="attached")
    ((x, y),) = page.evaluate("window.model.get('state').pins")
    stack.state = stack.state | {"pins": [[x, y]]}
    table = stack.series
    known = table[table.NDVI.notna()]
    assert 2 < len(known) < 8
    titles = page.evaluate(
        "[...document.querySelectorAll('.astra-timeline title')].map(e => e.textContent)"
    )
    assert [each.partition(":")[0] for each in titles] == list(known.time.dt.strftime("%Y-%m-%d"))
    np.testing.assert_allclose([float(each.split()[1]) for each in titles], known.NDVI, rtol=1e-3)
    page.locator(".astra-timeline circle").last.click()
    assert page.evaluate(TIME) == titles[-1].partition(":")[0]
    page.get_by_role("radio", name="Band", exact=True).click()
    page.wait_for_function(
        "document.querySelector('.astra-timeline').innerText.startsWith('red over time')"
    )


def test_of_five_hundred_dates_few_are_read(show: Show, page: Any) -> None:
    times = np.datetime64("2024-01-01", "ns") + np.arange(500) * np.timedelta64(1, "D")
    values = np.random.default_rng(0).random((500, 40, 50), np.float32)
    picker = xr.Dataset({"a": (("time", "y", "x"), values)}, {"time": times}).astra.pick()
    show(picker)
    settled(page)
    thumbnail = picker.about["pyramid"]["top"] + 1
    requested = f"new Set({REQUESTED}.filter(a => a[2] === {thumbnail}).map(a => a[1])).size"
    assert page.evaluate(requested) < 30
    assert page.locator(".astra-date").count() < 40
    assert page.evaluate(TIME) == "2025-05-14"
    page.locator(".astra-dates").evaluate("e => { e.scrollLeft = 0; }")
    page.locator(".astra-date[aria-label='2024-01-01']").wait_for()
    settled(page)
    assert page.evaluate(requested) < 60
    assert page.locator(".astra-date").count() < 40
    picker.close()


def test_dates_without_thumbnails_are_colored_once(show: Show, page: Any) -> None:
    times = np.datetime64("2024-01-01", "ns") + np.arange(3) * np.timedelta64(1, "D")
    values = np.random.default_rng(0).random((3, 40, 50), np.float32)
    ds = xr.Dataset({"a": (("time", "y", "x"), values)}, {"time": times})
    picker = ds.chunk(time=1).astra.pick()
    show(picker)
    page.locator(".astra-date.astra-here").wait_for()
    last = drawn(page)
    page.evaluate(
        """window.colored = 0;
           const {prototype} = CanvasRenderingContext2D, put = prototype.putImageData;
           prototype.putImageData = function (...all) { window.colored++; put.apply(this, all); };
           0"""
    )
    page.locator(".astra-dates").dispatch_event("scroll")
    drawn(page, last)
    assert page.evaluate("window.colored") == 0
    picker.close()


def test_values_over_time_that_failed_are_read_again(show: Show, stack: Picker, page: Any) -> None:
    fails = """window.kernel = (message, receive) => {
      if (message.type !== "series" || window.failed) return window.reply(message, receive);
      window.failed = true;
      const [x, y] = message.points[0];
      const series = [{x, y, key: message.key, values: [], message: "No line."}];
      receive({type: "series", series});
    }; 0"""
    show(stack, before=fails)
    settled(page)
    page.locator(".astra-canvas").click(position={"x": 200, "y": 150})
    panel = page.locator(".astra-timeline")
    panel.get_by_text("No line.").wait_for()
    panel.get_by_role("button", name="Try again").click()
    panel.locator("circle").first.wait_for(state="attached")
    panel.get_by_text("No line.").wait_for(state="hidden")
    assert panel.get_by_role("button", name="Try again").is_hidden()


@pytest.mark.parametrize(
    "page", [{"width": 390}, {"width": 390, "dark": True}, {"width": 1000}], indirect=True
)
def test_it_fits_and_is_accessible(show: Show, stack: Picker, page: Any) -> None:
    show(stack)
    settled(page)
    page.locator(".astra-canvas").click(position={"x": 200, "y": 150})
    page.locator(".astra-timeline circle").first.wait_for(state="attached")
    wide = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide[0] <= wide[1]
    page.evaluate(axe_source())
    found = page.evaluate("axe.run('#root')")
    assert [(e["id"], [n["html"][:120] for n in e["nodes"]]) for e in found["violations"]] == []


def test_a_page_has_the_date_that_is_shown_and_that_of_the_limits(
    stack: Picker, page: Any, tmp_path: Path
) -> None:
    stack.state = stack.state | {"time": "2025-07"}
    page.goto(stack.to_html(tmp_path / "picker.html", size=128).as_uri())
    drawn(page)
    settled(page)
    assert page.locator(".astra-date").count() == 2
    assert page.locator(".astra-label").inner_text() == "2025-07-14"
    page.get_by_label("Previous date").click()
    drawn(page, 1)
    assert '.sel(time="2025-06-14T18:49:29")' in page.locator(".astra-code").inner_text()
