"""What a small picture takes beside another key's conversions: ``python -m tests.benchmarks.fair``.

Key A asks for 20 conversions of 4096², each a request of its own; meanwhile key B asks for five
pictures of 512², one after the other. Prints B's times alone and beside A.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np

from astra_xr.service.config import ServiceSettings
from astra_xr.service.keys import new_key
from astra_xr.service.serve import running_in_thread
from astra_xr.settings import Settings
from tests import items
from tests.conversion.rasters import PLACE, write

LARGE, SMALL, PICTURES = 4096, 512, 5


def _catalog(folder: Path) -> None:
    rng = np.random.default_rng(0)
    item = items.plain("./B08.tif", size=SMALL)
    sides = {f"large{n}": LARGE for n in range(20)} | {f"small{n}": SMALL for n in range(11)}
    for name, side in sides.items():
        path = folder / f"{name}.tif"
        if side == SMALL or not (first := folder / "large0.tif").exists():
            write(path, rng.integers(1, 9000, (side, side), dtype="uint16"), compress="deflate")
        else:
            path.hardlink_to(first)
    item["id"] = "scene"
    item["assets"] = {
        name: {"href": f"./{name}.tif", "type": "image/tiff", "proj:code": "EPSG:32610",
               "proj:shape": (side, side), "proj:transform": tuple(PLACE)[:6]}
        for name, side in sides.items()
    }  # fmt: skip
    (folder / "scene.json").write_text(json.dumps(item))


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "catalog").mkdir()
        _catalog(folder / "catalog")
        core = Settings(catalog=str(folder / "catalog"), cache_dir=folder / "cache")
        keys = [new_key(name)[1] for name in "ab"]
        with running_in_thread(ServiceSettings(core=core, api_keys=tuple(keys))) as url:

            def ask(key: int, band: str, form: str) -> float:
                begun = time.perf_counter()
                answer = httpx.get(
                    f"{url}/api/v1/assets",
                    params={"scene_id": "scene", "bands": band, "format": form},
                    headers={"Authorization": f"Bearer {keys[key].reveal()}"},
                    timeout=900,
                )
                assert answer.status_code == 200, answer.text
                return time.perf_counter() - begun

            ask(1, "small10", "png")
            alone = [ask(1, f"small{n}", "png") for n in range(PICTURES)]
            with ThreadPoolExecutor(20) as pool:
                many = [pool.submit(ask, 0, f"large{n}", "geotiff") for n in range(20)]
                time.sleep(1)
                beside = [ask(1, f"small{n}", "png") for n in range(PICTURES, 2 * PICTURES)]
                left = sum(not each.done() for each in many)
                last = max(each.result() for each in many)
    a, b = statistics.median(alone), statistics.median(beside)
    print(
        f"alone {a:.2f} s, beside 20 conversions {b:.2f} s ({b / a:.1f}×), "
        f"the slowest {max(beside):.2f} s"
    )
    print(f"{left} of the 20 were left then; the last took {last:.1f} s")


if __name__ == "__main__":
    main()
