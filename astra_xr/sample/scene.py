"""
The sample scene as files: cloud-optimized GeoTIFFs and a STAC item, made on first use.

The scene is SYNTHETIC. It has the layout, the encoding, the metadata and the name of a Sentinel-2
Level-2A product, so that everything that reads such products reads it too, but no satellite ever
took these pixels.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from astra_xr.sample import item
from astra_xr.sample.item import SCENE_ID

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from astra_xr.sample.landscape import Landscape

__all__ = ["SCENE_ID", "ensure_sample"]

# To be raised with every change of what is written: an old folder is then no longer looked at.
_VERSION: Final = 1
# The reflectance that is 255 in the true colour image, about the one of ESA's. Linear from 0.
_WHITE: Final = 0.3558
# How the folders are named that unfinished scenes are made in.
_PREFIX: Final = ".astra-sample-"


def ensure_sample(folder: Path, *, progress: bool = True) -> Path:
    """
    Return the sample scene's STAC item, after making the scene if it is not there.

    The scene is synthetic. Making it takes some seconds, finding it next to nothing. Several
    processes may ask at once: each works on its own, and the first to finish is kept.

    Parameters
    ----------
    folder
        Where the scene's own folder is looked for and made; is made if missing. Needs to be
        writable only for making the scene.
    progress
        Show a progress bar on standard error while the scene is made.

    Returns
    -------
    pathlib.Path
        The JSON file of the item, next to the files that its assets name: uint16 surface
        reflectance (value * 0.0001 - 0.1, 0 for no data), uint8 scene classification and true
        colours.
    """
    home = Path(folder) / f"{SCENE_ID}-v{_VERSION}"
    if not _is_complete(home):
        home.parent.mkdir(parents=True, exist_ok=True)
        with _workshop(home) as work:
            _make(work, progress)
    return home / f"{SCENE_ID}.json"


def _is_complete(home: Path) -> bool:
    """Return whether all files are there; a folder gets its name only when they are."""
    names = (f"{SCENE_ID}.json", *item.FILES.values())
    return all((home / name).is_file() for name in names)


@contextlib.contextmanager
def _workshop(home: Path) -> Iterator[Path]:
    """Give a folder to work in that becomes `home` at the end, or vanishes if that fails."""
    # A sibling is on the same file system, so the last step is one rename.
    outer = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=home.parent))
    try:
        # A folder within: mkdtemp lets in its owner only, this has the usual permissions.
        work = outer / "scene"
        work.mkdir()
        yield work
        try:
            work.rename(home)
        except OSError:
            # Another process was faster, and its files are the same as ours ...
            if not _is_complete(home):
                # ... or somebody took files away from a finished scene.
                home.rename(outer / "broken")
                work.rename(home)
    finally:
        shutil.rmtree(outer, ignore_errors=True)


def _make(work: Path, progress: bool) -> None:
    """Write all files of the scene, the item last."""
    import tqdm

    from astra_xr.sample.landscape import STEPS, paint

    with tqdm.tqdm(
        total=STEPS + len(item.FILES),
        desc="Making the synthetic sample scene",
        bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}",
        disable=not progress,
    ) as bar:
        landscape = paint(tick=bar.update)
        for key in item.FILES:
            # Both cores are at work within: GDAL compresses blocks in threads of its own.
            _write(work, key, _values(key, landscape))
            bar.update()
        document = item.describe(work, landscape.scl)
        text = json.dumps(document, indent=2, ensure_ascii=False)
        (work / f"{SCENE_ID}.json").write_text(text + "\n", encoding="utf-8")


def _values(key: str, landscape: Landscape) -> NDArray[np.uint16] | NDArray[np.uint8]:
    """Return a file's pixels, (bands, rows, columns), 0 for no data, of which there is none."""
    import numpy as np

    if key == "SCL":
        return landscape.scl[None]
    if key == "visual":
        stack = np.stack([landscape.reflectance[name] for name in ("B04", "B03", "B02")])
        stack *= 255.0 / _WHITE
        colours: NDArray[np.uint8] = np.clip(np.rint(stack), 1, 255).astype(np.uint8)
        return colours
    digital = np.rint(landscape.reflectance[key] * 10000.0) + 1000.0
    values: NDArray[np.uint16] = np.clip(digital, 1, 65535).astype(np.uint16)
    return values[None]


def _write(work: Path, key: str, values: NDArray[np.uint16] | NDArray[np.uint8]) -> None:
    """Write one cloud-optimized GeoTIFF."""
    import rasterio.shutil
    from rasterio.io import MemoryFile

    count, rows, columns = values.shape
    gsd = item.BANDS[key].gsd if key in item.BANDS else {"SCL": 20, "visual": 10}[key]
    profile = {
        "driver": "GTiff",
        "count": count,
        "height": rows,
        "width": columns,
        "dtype": values.dtype.name,
        "crs": "EPSG:32610",
        "transform": rasterio.Affine(*item.transform(gsd)),
        "nodata": 0,
        "photometric": "RGB" if count == 3 else "MINISBLACK",
    }
    with MemoryFile() as memory:
        with memory.open(**profile) as plain:
            plain.write(values)
            plain.update_tags(TIFFTAG_IMAGEDESCRIPTION=item.DESCRIPTION)
        with memory.open() as plain:
            rasterio.shutil.copy(
                plain,
                work / item.FILES[key],
                driver="COG",
                COMPRESS="DEFLATE",
                # Sensor noise does not compress: more effort costs time and gains nothing.
                LEVEL=1,
                PREDICTOR="STANDARD",
                BLOCKSIZE=256 if gsd == 60 else 512,
                OVERVIEW_RESAMPLING="NEAREST" if key == "SCL" else "AVERAGE",
                NUM_THREADS="ALL_CPUS",
            )
