"""The sample scenes as files: cloud-optimized GeoTIFFs and a STAC item each, made on first use.

They are SYNTHETIC. A scene has the layout, encoding, metadata and name of a Sentinel-2 Level-2A
product, and is read like one, but its pixels do not come from a satellite.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from astra_xr.locks import Lock
from astra_xr.sample import item
from astra_xr.sample.series import SCENES, WHOLE, Frame, Scene

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from astra_xr.sample.landscape import Landscape

# Raise it with every change of the files: old folders are then ignored.
_VERSION: Final = 1
# The reflectance that is 255 in the true-color image, about ESA's. Linear from 0.
_WHITE: Final = 0.3558
# Prefix of the folders of unfinished scenes.
_PREFIX: Final = ".astra-sample-"

_making = Lock()


def ensure_sample(folder: Path, scene_id: str = WHOLE.id, *, progress: bool = True) -> Path:
    """Return the path of a sample scene's STAC item; makes the scene if it does not exist.

    The scene is synthetic. Making it takes a few seconds, each further scene of the year about
    one. Several processes may make it at once: the first to finish wins.

    Parameters
    ----------
    folder
        Parent of the scene's folder; created if missing. It has to be writable only to make the
        scene.
    scene_id
        A key of `series.SCENES`.
    progress
        Show a progress bar on standard error while the scene is made; for a scene of the year,
        only if it takes more than three seconds.

    Returns
    -------
    pathlib.Path
        The JSON file of the item, next to its assets: uint16 surface reflectance (value * 0.0001
        - 0.1, 0 for no data), uint8 scene classification and true color.
    """
    home = Path(folder) / f"{scene_id}-v{_VERSION}"
    document = home / f"{scene_id}.json"
    if not _is_complete(document):
        home.parent.mkdir(parents=True, exist_ok=True)
        with _workshop(document) as work:
            _make(SCENES[scene_id], work, progress)
    return document


def _is_complete(document: Path) -> bool:
    """Return True if all files have the size in the item: a disk may fill up, or fail."""
    try:
        assets = json.loads(document.read_text(encoding="utf-8"))["assets"].values()
        sizes = {document.parent / asset["href"]: asset["file:size"] for asset in assets}
        return all(path.stat().st_size == size for path, size in sizes.items())
    except (OSError, ValueError, KeyError, TypeError):
        return False


@contextlib.contextmanager
def _workshop(document: Path) -> Iterator[Path]:
    """Yield a temporary folder; on success it becomes the document's, else it is removed."""
    home = document.parent
    # A sibling is on the same file system, so the last step is one rename.
    outer = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=home.parent))
    try:
        # A subfolder, with the usual permissions: mkdtemp gives access only to its owner.
        work = outer / "scene"
        work.mkdir()
        yield work
        try:
            work.rename(home)
        except OSError:
            # Another process was faster and made the same files, ...
            if not _is_complete(document):
                # ... or files of a finished scene were deleted.
                home.rename(outer / "broken")
                work.rename(home)
    finally:
        shutil.rmtree(outer, ignore_errors=True)


def _make(scene: Scene, work: Path, progress: bool) -> None:
    """Write all files of a scene, the item last."""
    import tqdm

    from astra_xr.sample import landscape, year

    # One at a time: a scene keeps all cores busy, and those of the year share the ground.
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
            # Sequentially: GDAL compresses blocks in its own threads.
            _write(work, key, scene.frame, _values(key, painted))
            bar.update()
        document = item.describe(scene, work, painted.scl)
        text = json.dumps(document, indent=2, ensure_ascii=False)
        (work / f"{scene.id}.json").write_text(text + "\n", encoding="utf-8")


def _values(key: str, landscape: Landscape) -> NDArray[np.uint16] | NDArray[np.uint8]:
    """Return a file's pixels, (bands, rows, columns); all are valid, 0 is nodata."""
    import numpy as np

    if key == "SCL":
        return landscape.scl[None]
    if key == "visual":
        stack = np.stack([landscape.reflectance[name] for name in ("B04", "B03", "B02")])
        stack *= 255.0 / _WHITE
        colors: NDArray[np.uint8] = np.clip(np.rint(stack), 1, 255).astype(np.uint8)
        return colors
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
    profile = {
        "driver": "GTiff",
        "count": count,
        "height": rows,
        "width": columns,
        "dtype": values.dtype.name,
        "crs": "EPSG:32610",
        "transform": rasterio.Affine(*item.transform(frame, item.gsd_of(key))),
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
                # Sensor noise does not compress: higher levels only cost time.
                LEVEL=1,
                PREDICTOR="STANDARD",
                BLOCKSIZE=512 if rows > 600 else 256,
                OVERVIEW_RESAMPLING="NEAREST" if key == "SCL" else "AVERAGE",
                NUM_THREADS="ALL_CPUS",
            )
