"""A job: the conversion of one asset, from checking its source to storing the result."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from astra_xr.conversion.disk import CACHE_FOLDER, disk_errors
from astra_xr.conversion.recipe import FORMATS, IMAGES, Limits, Progress, Recipe
from astra_xr.conversion.source import Source
from astra_xr.conversion.stores import Store, StoredAsset, crc32_of, only_one, workroom
from astra_xr.errors import ConversionFailed
from astra_xr.model import UrlSource
from astra_xr.tiff.signatures import NO_RASTER, driver_of, looks_like_cog

_FETCHED = 0.4
"""Share of fetching in the progress."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One asset to be converted; picklable and without secrets."""

    mission: str
    item: str
    asset: str
    """Key of the asset in its item."""

    source: UrlSource
    recipe: Recipe
    label: str = field(compare=False)
    """Scene and band, for messages."""

    classes: UrlSource | None = None
    """For images, the classification band with the classes of ``recipe.left_out``."""

    trusted: bool = False
    """True if the user gave the source, which may then be on a private host or a local file."""

    allowed: tuple[str, ...] = ()
    """Private hosts that a catalog may refer to."""

    def look(self) -> tuple[list[Source], str]:
        """Check all source files; return them, and the key of the result.

        The key changes with the sources' versions and the recipe.

        Raises
        ------
        ConversionFailed, UpstreamError, SigningError
            A source is not a raster, or may not be read.
        """
        sources = [self._look(urls) for urls in (self.source, self.classes) if urls]
        version = " ".join(source.version for source in sources)
        parts = "\n".join((self.mission, self.item, self.asset, version, self.recipe.digest))
        digest = hashlib.sha256(parts.encode()).hexdigest()[:24]
        return sources, f"{_plain(self.mission)}/{_plain(self.item)}/{_plain(self.asset)}-{digest}"

    def _look(self, urls: UrlSource) -> Source:
        source = Source(urls, self.label, trusted=self.trusted, allowed=self.allowed)
        if driver_of(source.head) is None:
            raise ConversionFailed(source=self.label, reason=NO_RASTER.format(source.head[:8]))
        return source


def _plain(text: str) -> str:
    """Return a text with only characters that are valid in keys and file names."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", text).strip(".")[:80] or "_"


def perform(
    job: Job, store: Store, folder: Path, limits: Limits, progress: Progress
) -> StoredAsset:
    """Do a job and return the stored asset.

    Parameters
    ----------
    folder : Path
        Folder of unfinished work and locks.
    progress : callable
        Called with the share that is done, 0 to 1; an exception from it ends the job.

    Raises
    ------
    ConversionFailed, UpstreamError, SigningError
    """
    sources, key = job.look()
    found = store.find(key)
    if found is not None:
        return found
    with disk_errors(job.label, CACHE_FOLDER), only_one(folder, key):
        found = store.find(key)
        if found is not None:
            return found
        fetched = workroom(folder) / f"source-{key.rpartition('-')[2]}"
        share = 0.0 if all(source.local for source in sources) else _FETCHED
        each = share / len(sources)
        paths = [
            _bring(source, fetched / str(n), job.recipe, limits, _part(progress, n * each, each))
            for n, source in enumerate(sources)
        ]
        try:
            return _make(job, key, paths, store, folder, limits, _part(progress, share, 1 - share))
        finally:
            # An interrupted download, in contrast, is kept and resumed.
            shutil.rmtree(fetched, ignore_errors=True)


def _part(progress: Progress, start: float, length: float) -> Progress:
    return lambda share: progress(start + length * share)


def _bring(
    source: Source, folder: Path, recipe: Recipe, limits: Limits, progress: Progress
) -> Path:
    """Return the local file: the user's own, or the downloaded one."""
    if source.local:
        return source.local
    folder.mkdir(parents=True, exist_ok=True)
    ranges = None
    if recipe.format in IMAGES and source.ranged and looks_like_cog(source.head):
        from astra_xr.conversion.image_ranges import HEAD, ranges_of

        path = source.fetch(folder, limits, lambda share: None, [(0, HEAD)])
        ranges = ranges_of(path, HEAD, recipe.max_size)
    return source.fetch(folder, limits, progress, ranges)


def _make(
    job: Job,
    key: str,
    paths: list[Path],
    store: Store,
    folder: Path,
    limits: Limits,
    progress: Progress,
) -> StoredAsset:
    # It imports GDAL, which resolving does not need.
    from astra_xr.conversion.worker import convert_apart

    kind = FORMATS[job.recipe.format]
    name = f"{_plain(job.asset)}.{kind.extension}"
    out = Path(tempfile.mkdtemp(prefix="made-", dir=workroom(folder)))
    try:
        made = convert_apart(
            paths[0], out / name, job.recipe, limits=limits, progress=progress,
            classes=paths[1] if job.classes else None, label=job.label,
        )  # fmt: skip
        details: dict[str, Any] = {"crs": made.crs}
        if made.drawn is not None:
            details |= asdict(made.drawn)
        asset = StoredAsset(
            key=key, name=name, size=made.size, media_type=kind.media_type,
            crc32=crc32_of(made.path), details=details,
        )  # fmt: skip
        store.put(asset, out)
        return asset
    finally:
        shutil.rmtree(out, ignore_errors=True)
