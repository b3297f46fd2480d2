"""``python -m tests.notebooks [NUMBER …]``: run the notebooks, and keep what GitHub can show.

Figures are kept as small images, tables as HTML, and pickers as screenshots, which takes Chromium
and playwright. ``--copies FOLDER`` runs nothing, and writes copies whose last cells are the
solutions of the exercises, for nbval.
"""

from __future__ import annotations

import argparse
import ast
import base64
import io
import re
from pathlib import Path
from typing import Any

import nbformat as _nbformat

nbformat: Any = _nbformat  # it has no types

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def solutions(notebook: Any) -> list[str]:
    """Return the code of the solutions, which are folded in Markdown."""
    found = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for block in re.findall(r"<details>.*?</details>", cell.source, re.DOTALL):
                found += re.findall(r"^```python\n(.*?)^```", block, re.DOTALL | re.MULTILINE)
    return found


def with_solutions(notebook: Any) -> Any:
    """Return a copy of a notebook whose last cells are its solutions."""
    new = nbformat.from_dict(notebook)
    new.cells = [*new.cells, *map(nbformat.v4.new_code_cell, solutions(notebook))]
    return new


def run(notebook: Any) -> None:
    """Run a notebook and its solutions, and keep what it shows."""
    from nbclient import NotebookClient

    copy = with_solutions(notebook)
    NotebookClient(copy, timeout=300, record_timing=False).execute()
    screenshots = pickers(notebook)
    for cell, done in zip(notebook.cells, copy.cells, strict=False):
        if cell.cell_type != "code":
            continue
        cell.execution_count = done.execution_count
        if cell.id in screenshots:
            cell.outputs = [screenshots[cell.id]]
        else:
            cell.outputs = [each for each in map(kept, done.outputs) if each]


def kept(output: Any) -> Any:
    """Return what is kept of an output, or None."""
    if output.output_type == "stream":
        return output if output.name == "stdout" else None
    data, text = output.data, {"text/plain": output.data.get("text/plain", "")}
    if "image/png" in data:
        output.data = small(base64.b64decode(data["image/png"])) | text
    elif len(data.get("text/html", "")) > 10_000:
        output.data = text
    elif "text/html" in data:
        output.data = {"text/html": data["text/html"], **text}
    output.metadata = {}
    return output


def small(png: bytes) -> dict[str, str]:
    """Return an image as a PNG of 128 colors, or as a JPEG if that is large."""
    from PIL import Image

    image, made = Image.open(io.BytesIO(png)).convert("RGB"), io.BytesIO()
    image.quantize(128, dither=Image.Dither.NONE).save(made, "PNG", optimize=True)
    if made.tell() <= 40_000:
        return {"image/png": base64.b64encode(made.getvalue()).decode()}
    made = io.BytesIO()
    image.save(made, "JPEG", quality=62, optimize=True)
    return {"image/jpeg": base64.b64encode(made.getvalue()).decode()}


def pickers(notebook: Any) -> dict[str, Any]:
    """Return screenshots of the pickers, by the ids of cells that are tagged so."""
    found: dict[str, Any] = {}
    if not any("picker" in cell.metadata.get("tags", ()) for cell in notebook.cells):
        return found
    from astra_xr import Picker
    from tests.widgets.screenshots import screenshot

    names: dict[str, Any] = {}
    shown: dict[str, Any] = {}
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        body = ast.parse(cell.source).body
        last = body.pop() if "picker" in cell.metadata.get("tags", ()) else None
        exec(compile(ast.Module(body, []), cell.id, "exec"), names)
        if isinstance(last, ast.Expr):
            picker = shown[cell.id] = eval(
                compile(ast.Expression(last.value), cell.id, "eval"), names
            )
            data = small(screenshot(picker)) | {"text/plain": repr(picker)}
            found[cell.id] = nbformat.v4.new_output("display_data", data)
    for each in (*shown.values(), *names.values()):
        if isinstance(each, Picker):
            each.close()
    return found


def main() -> None:
    """Run notebooks, or write copies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("numbers", nargs="*", help="e.g. 00 07; default: all")
    parser.add_argument("--copies", type=Path, metavar="FOLDER")
    given = parser.parse_args()
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        if given.numbers and path.name[:2] not in given.numbers:
            continue
        notebook = nbformat.read(path, as_version=4)
        if given.copies:
            given.copies.mkdir(parents=True, exist_ok=True)
            nbformat.write(with_solutions(notebook), given.copies / path.name)
        else:
            run(notebook)
            nbformat.write(notebook, path)
            print(path.name, f"{path.stat().st_size / 1000:.0f} kB")  # noqa: T201


if __name__ == "__main__":
    main()
