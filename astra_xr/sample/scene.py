"""
The sample scenes as files: cloud-optimized GeoTIFFs and a STAC item each, made on first use.

They are SYNTHETIC. A scene has the layout, the encoding, the metadata and the name of a Sentinel-2
Level-2A product, so that everything that reads such products reads it too, but no satellite ever
took these pixels.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from astra_xr.sample import item
from astra_xr.sample.series import SCENES, WHOLE, Frame, Scene

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from astra_xr.sample.landscape import Landscape

# To be raised with every change of what is written: an old folder is then no longer looked at.
_VERSION: Final = 1
# The reflectance that is 255 in the true colour image, about the one of ESA's. Linear from 0.
_WHITE: Final = 0.3558
# How the folders are named that unfinished scenes are made in.
_PREFIX: Final = ".astra-sample-"

_making = threading.Lock()


def ensure_sample(folder: Path, scene_id: str = WHOLE.id, *, progress: bool = True) -> Path:
    """
    Return the STAC item of a sample scene, after making the scene if it is not there.

    The scene is synthetic. Making it takes some seconds, a further scene of the year one, finding
    it next to nothing. Several processes may ask at once: each works on its own, and the first to
    finish is kept.

    Parameters
    ----------
    folder
        Where the scene's own folder is looked for and made; is made if missing. Needs to be
        writable only for making the scene.
    scene_id
        A key of `series.SCENES`.
    progress
        Show a progress bar on standard error while the scene is made; of a scene of the year,
        where that takes more than three seconds.

    Returns
    -------
    pathlib.Path
        The JSON file of the item, next to the files that its assets name: uint16 surface
        reflectance (value * 0.0001 - 0.1, 0 for no data), uint8 scene classification and true
        colours.
    """
    home = Path(folder) / f"{scene_id}-v{_VERSION}"
    document = home / f"{scene_id}.json"
    if not _is_complete(document):
        home.parent.mkdir(parents=True, exist_ok=True)
        with _workshop(document) as work:
            _make(SCENES[scene_id], work, progress)
    return document


def _is_complete(document: Path) -> bool:
    """Return whether all files are there; a folder gets its name only when they are."""
    names = (document.name, *item.FILES.values())
    return all((document.parent / name).is_file() for name in names)


@contextlib.contextmanager
def _workshop(document: Path) -> Iterator[Path]:
    """Give a folder to work in that becomes the document's, or vanishes if that fails."""
    home = document.parent
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
            if not _is_complete(document):
                # ... or somebody took files away from a finished scene.
                home.rename(outer / "broken")
                work.rename(home)
    finally:
        shutil.rmtree(outer, ignore_errors=True)


def _make(scene: Scene, work: Path, progress: bool) -> None:
    """Write all files of a scene, the item last."""
    import tqdm

    from astra_xr.sample import landscape, year

    # One at a time: a scene keeps all cores busy, and those of the year share their ground.
    with (
        _making,
        tqdm.tqdm(
            total=landscape.STEPS + len(item.FILES),
            desc=f"Making the synthetic sample scene of {scene.datetime[:10]}",
            bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}",
            delay=3 if scene.season else 0,
            disable=not progress,
        ) as bar,
    ):
        if scene.season is None:
            painted = landscape.paint(tick=bar.update)
        else:
            painted = year.paint(scene, tick=bar.update)
        for key in item.FILES:
            # Both cores are at work within: GDAL compresses blocks in threads of its own.
            _write(work, key, scene.frame, _values(key, painted))
            bar.update()
        document = item.describe(scene, work, painted.scl)
        text = json.dumps(document, indent=2, ensure_ascii=False)
        (work / f"{scene.id}.json").write_text(text + "\n", encoding="utf-8")


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


def _write(
    work: Path, key: str, frame: Frame, values: NDArray[np.uint16] | NDArray[np.uint8]
) -> None:
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
        "transform": rasterio.Affine(*item.transform(frame, gsd)),
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
                BLOCKSIZE=512 if rows > 600 else 256,
                OVERVIEW_RESAMPLING="NEAREST" if key == "SCL" else "AVERAGE",
                NUM_THREADS="ALL_CPUS",
            )
