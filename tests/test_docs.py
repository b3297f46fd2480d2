"""The documentation site: each page's code runs, and every public name is on it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import astra_xr

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(
    path
    for path in DOCS.rglob("*.md")
    if path.relative_to(DOCS).parts[0] not in ("tutorials", "_build")
)
CODE = {
    page: re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    for page in PAGES
}
"""Blocks that are run, one after the other; those of other tools and other places are
``{code-block}``."""


@pytest.mark.parametrize(
    "page", [page for page, blocks in CODE.items() if blocks], ids=lambda page: page.stem
)
def test_the_code_of_a_page_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in CODE[page]:
        exec(compile(block, str(page), "exec"), names)


def test_every_public_name_is_in_the_reference() -> None:
    reference = "".join(page.read_text() for page in PAGES if page.parent.name == "reference")
    documented = set(re.findall(r"\.\. auto(?:function|class|module):: astra_xr\.(\w+)", reference))
    bases = {"AstraError"}  # among the errors
    assert set(astra_xr.__all__) - bases == documented - {"testing"}


def test_links_lead_to_pages() -> None:
    for page in PAGES:
        for target in re.findall(
            r"\]\((?!https?:|tutorials/)([^)#]+)(?:#[^)]*)?\)", page.read_text()
        ):
            assert (page.parent / target).is_file(), (page.name, target)
