"""Sphinx settings: ``sphinx-build -W docs docs/_build``.

Pages are MyST Markdown, which GitHub shows as well. The notebooks are copied into
``docs/tutorials`` with the outputs that they have, and a gallery of them is written. With
``ASTRA_DOCS_RUN=1`` a picker is made.
"""

from __future__ import annotations

import base64
import importlib.metadata
import os
import re
import shutil
from pathlib import Path
from typing import Any

import nbformat

HERE = Path(__file__).parent
TUTORIALS = HERE / "tutorials"
EXTRA = HERE / "_extra"
RUN = os.environ.get("ASTRA_DOCS_RUN") == "1"

project = "astra-xr"
author = "The astra-xr developers"
release = importlib.metadata.version("astra-xr")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["_build", "jupyter_execute"]

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # python -m tests.notebooks runs them
nb_merge_streams = True

autodoc_typehints = "none"  # docstrings give types
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False

html_theme = "pydata_sphinx_theme"
html_title = "astra-xr"
html_extra_path = ["_extra"]
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "navigation_with_keys": False,
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": ["page-toc"],
}


def _write_tutorials() -> None:
    TUTORIALS.mkdir(exist_ok=True)
    cards = []
    for path in sorted((HERE.parent / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        nbformat.write(notebook, TUTORIALS / path.name)
        cards.append(_card(path.stem, notebook))
    shutil.copy(HERE.parent / "notebooks" / "picker.jpg", TUTORIALS)
    pages = "```{toctree}\n:hidden:\n:glob:\n\n[0-9]*\n```"
    (TUTORIALS / "index.md").write_text(
        "# Tutorials\n\nEach is a notebook. They run offline, on synthetic sample scenes.\n\n"
        f"::::{{grid}} 1 2 2 3\n:gutter: 3\n\n{''.join(cards)}::::\n\n{pages}\n"
    )


def _card(name: str, notebook: Any) -> str:
    """Return a card of a notebook: its title, first sentence and first picture, if any."""
    heading, *rest = notebook.cells[0].source.split("\n\n")
    sentence = re.split(r"(?<=[.?!])\s", rest[0])[0].replace("`", "")
    lines = [f":::{{grid-item-card}} {heading.lstrip('# ')}", f":link: {name}", ":link-type: doc"]
    kind, picture = _first_picture(notebook)
    if picture:
        (TUTORIALS / f"{name}.{kind}").write_bytes(picture)
        lines.append(f":img-top: {name}.{kind}")
    return "\n".join([*lines, "", sentence, ":::", "", ""])


def _first_picture(notebook: Any) -> tuple[str, bytes]:
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            for kind in ("png", "jpeg"):
                if f"image/{kind}" in output.get("data", {}):
                    return kind, base64.b64decode(output["data"][f"image/{kind}"])
    return "", b""


def _write_picker() -> None:
    EXTRA.mkdir(exist_ok=True)
    if RUN:
        import astra_xr

        bands = ["red", "green", "blue", "nir", "swir16"]
        scene = "sentinel-2:S2B_MSIL2A_20250115T184929"
        ds = astra_xr.open_scene(scene, bands, catalog="sample")
        ds.astra.pick().to_html(EXTRA / "picker.html")


_write_tutorials()
_write_picker()


_ATTRIBUTES: dict[str, list[str]] = {}


def _keep(_: Any, what: str, name: str, *args: Any) -> None:
    plain = not any(line.startswith("---") for line in args[-1])
    if what in ("attribute", "data", "property") and plain:
        _ATTRIBUTES[name] = list(args[-1])


def _restore(_: Any, what: str, name: str, *args: Any) -> None:
    """Undo napoleon, which reads "Maximum; None: all" as a type and a description."""
    args[-1][:] = _ATTRIBUTES.pop(name, args[-1])


def setup(app: Any) -> None:
    """Connect to Sphinx."""
    app.connect("autodoc-process-docstring", _keep, priority=400)
    app.connect("autodoc-process-docstring", _restore, priority=600)
