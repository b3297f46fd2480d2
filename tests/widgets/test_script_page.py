""" "Copy script" in the browser."""

from __future__ import annotations

from astra_xr.widgets.picker import Picker
from tests.widgets.conftest import Show, scene

CLIPBOARD = """() => Object.defineProperty(navigator, "clipboard",
  {value: {writeText: async text => { window.copied = text; }}})"""


def test_the_script_is_pythons(show: Show, picker: Picker) -> None:
    page = show(picker)
    page.evaluate(CLIPBOARD)
    page.get_by_role("button", name="Copy script").click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("window.copied") == picker.script
    assert "ds = ds.isel(y=slice(150, 450), x=slice(100, 400))\n" in picker.script
    assert page.locator(".astra-why").count() == 0


def test_the_reason_is_shown_where_there_is_no_script(show: Show, environment: None) -> None:
    picker = (scene(100) * 2).astra.pick()
    page = show(picker)
    button = page.get_by_role("button", name="Copy script")
    assert button.is_disabled()
    reason = picker.about["unopened"]
    assert "changed since it was opened" in reason
    assert button.get_attribute("title") == reason
    assert page.locator(".astra-why").inner_text() == f"No script. {reason}"
    picker.close()
