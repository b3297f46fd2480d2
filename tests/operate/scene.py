"""A catalog of one JPEG 2000 band, which has to be converted."""

from __future__ import annotations

import json
from pathlib import Path

from tests import items
from tests.conversion.rasters import PLACE, numbers, write

ITEM = "field-1"
DAMAGED = "field-2"
"""Its file is none."""

SHAPE = (300, 400)


def write_catalog(folder: Path) -> Path:
    """Write the items and their files into a new folder."""
    folder.mkdir()
    write(folder / "B04.jp2", numbers(SHAPE), driver="JP2OpenJPEG")
    whole = (folder / "B04.jp2").read_bytes()
    (folder / "B08.jp2").write_bytes(whole[: len(whole) // 3])
    grid = {"proj:code": "EPSG:32610", "proj:shape": SHAPE, "proj:transform": tuple(PLACE)[:6]}
    for name, file in ((ITEM, "B04.jp2"), (DAMAGED, "B08.jp2")):
        item = items.plain(f"./{file}", size=400)
        item["id"] = name
        item["assets"] = {"red": {"href": f"./{file}", "type": "image/jp2", **grid}}
        (folder / f"{name}.json").write_text(json.dumps(item))
    return folder
