"""How answers show themselves: as text, and as HTML that escapes and hides what it must."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

import astra_xr
from astra_xr.model import SignedUrl
from astra_xr.resolver.resolution import Resolution
from astra_xr.tables import Picture, Table

SCENE = "sentinel-2:S2B_MSIL2A_20250115T184929"
HOSTILE = "</td><script>alert('x')</script><img src=x onerror=alert(1)>&amp;"


class Page(HTMLParser):
    """What a browser would make of a piece of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        if tag != "img":
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += f"{data}\n"
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


@pytest.fixture
def answer() -> Resolution:
    return astra_xr.resolve(SCENE, "red,SCL", catalog="sample")


def test_nothing_of_a_cell_is_markup() -> None:
    table = Table(
        title=HOSTILE,
        facts=(HOSTILE,),
        columns=(HOSTILE, "picture"),
        rows=((HOSTILE, Picture(url='https://a.example/"onload="x')),),
        notes=(HOSTILE,),
        words={HOSTILE},
    )
    page = Page(table.html())
    assert not page.open
    assert page.tags.count("img") == 1
    assert "script" not in page.tags
    assert page.rows == [[HOSTILE, "picture"], [HOSTILE, ""]]
    assert page.text.count(HOSTILE) == 5


def test_the_style_is_of_these_tables_alone_and_takes_the_themes_colours() -> None:
    html = Table(title="t", columns=("a",), rows=()).html()
    style = html[html.index("<style>") : html.index("</style>")]
    selectors = re.findall(r"([^{}]+)\{[^}]*\}", style.removeprefix("<style>"))
    assert selectors
    for selector in selectors:
        assert all(one.strip().startswith(".astra-shown") for one in selector.split(","))
    colours = re.findall(r"(?:color|background|--line|--quiet): ([^;]+);", style)
    for colour in colours:
        assert colour in ("var(--quiet)", "inherit", "none") or re.match(
            r"var\(--jp-[\w-]+,\s*var\(--vscode-", colour
        ), colour
    assert "http" not in style


def test_a_resolution_shows_its_files_and_no_signature(answer: Resolution) -> None:
    until = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    signed = SignedUrl(url="https://x.example/B04.tif?sig=SECRET", expires_at=until)
    asset = replace(
        answer.assets["red"], href="https://u:SECRET@x.example/B04.tif?sig=SECRET", signed=signed
    )
    passed = {"earth-search": "down: https://x.example/?token=SECRET"}
    shown = replace(answer, assets={**answer.assets, "red": asset}, passed_over=passed)
    page = Page(shown._repr_html_())
    assert page.rows[1] == [
        "red", "B04", "10", "2048 × 2048", f"{asset.size / 1e6:.1f}" if asset.size else "",
        "offset -0.1: baseline 05.11", "direct", "2026-01-02 03:04 UTC", "B04.tif",
    ]  # fmt: skip
    assert page.rows[2][:4] == ["SCL", "", "20", "1024 × 1024"]
    assert "Passed over earth-search: down" in page.text
    assert "EPSG:32610" in page.text
    assert repr(shown).startswith("<Resolution: sentinel-2:S2B_MSIL2A_20250115T184929_N0511")
    assert "SECRET" not in repr(shown) + shown._repr_html_()
    plain = replace(answer, assets={"red": replace(asset, signed=None)})
    assert "not signed" in repr(plain)


def test_a_dataset_says_whence_and_where_it_is() -> None:
    ds = astra_xr.open_scene(SCENE, bands=["red", "SCL"], catalog="sample")
    page = Page(ds.astra._repr_html_())
    for fact in ("2025-01-15 18:49", "% cloud", "from sample", "2048 × 2048", "EPSG:32610"):
        assert fact in page.text
    assert page.rows[1][:4] == ["red", "B04", "0.665 µm", "10 m"]
    lonlat = ds.isel(x=slice(9), y=slice(9)).drop_vars("spatial_ref")
    assert "EPSG" not in lonlat.astra._repr_html_()


def test_a_stack_says_how_many_and_from_when_to_when() -> None:
    found = astra_xr.search("sentinel-2", datetime="2025-06/2025-08", catalog="sample")
    stack = astra_xr.open_scenes(found, ["red"])
    page = Page(stack.astra._repr_html_())
    assert "3 time steps of sentinel-2" in page.text
    assert "2025-06-14 to 2025-08-18 · from sample · 600 × 600 pixels" in page.text
    assert "time steps" in repr(stack.astra)


def test_all_of_them_are_small(answer: Resolution) -> None:
    ds = astra_xr.open_scene(SCENE, bands=["red"], catalog="sample")
    found = astra_xr.search("sentinel-2", catalog="sample")
    for shown in (ds.astra, answer, found, ds.astra.explain()):
        assert len(shown._repr_html_()) < 8000
