"""A job: one asset in another format; looked at, fetched, converted, kept."""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from astra_xr.conversion.recipe import FORMATS, IMAGES, Limits, Progress, Recipe
from astra_xr.conversion.source import Source
from astra_xr.conversion.stores import Store, StoredAsset, crc32_of, only_one, workroom
from astra_xr.errors import ConversionFailed
from astra_xr.model import UrlSource
from astra_xr.tiff.signatures import driver_of, looks_like_cog

_FETCHED = 0.4
"""Share of the progress that fetching is taken to be."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One asset to be converted. It pickles, and holds no secret."""

    mission: str
    item: str
    asset: str
    """Key of the asset in its item."""

    source: UrlSource
    recipe: Recipe
    label: str = field(compare=False)
    """What the user knows it by, for messages."""

    classes: UrlSource | None = None
    """Of an image, the class band in which ``recipe.left_out`` is looked up."""

    trusted: bool = False
    """True where the user named the source: it may lie on a private host, or be a file."""

    allowed: tuple[str, ...] = ()
    """Private hosts that a catalog may name."""

    def look(self) -> tuple[list[Source], str]:
        """Look at all files that it takes; return them, and the key of its result.

        Another source or recipe never meets an old file.

        Raises
        ------
        ConversionFailed, UpstreamError, SigningError
            One of them is no raster, or may not be read.
        """
        sources = [self._look(urls) for urls in (self.source, self.classes) if urls]
        version = " ".join(source.version for source in sources)
        parts = "\n".join((self.mission, self.item, self.asset, version, self.recipe.digest))
        digest = hashlib.sha256(parts.encode()).hexdigest()[:24]
        return sources, f"{_plain(self.mission)}/{_plain(self.item)}/{_plain(self.asset)}-{digest}"

    def _look(self, urls: UrlSource) -> Source:
        source = Source(urls, self.label, trusted=self.trusted, allowed=self.allowed)
        if driver_of(source.head) is None:
            reason = f"it is no TIFF or JPEG 2000 file (it begins with {source.head[:8]!r})"
            raise ConversionFailed(source=self.label, reason=reason)
        return source


def _plain(text: str) -> str:
    """Return a text as it may stand in a key or be a file's name."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", text).strip(".")[:80] or "_"


def perform(
    job: Job, store: Store, folder: Path, limits: Limits, progress: Progress
) -> StoredAsset:
    """Do a job from end to end, in whatever thread this is; return what the store keeps.

    Parameters
    ----------
    folder : Path
        For unfinished work and locks.
    progress : callable
        Takes the share that is done, 0 to 1; what it raises ends the job.

    Raises
    ------
    ConversionFailed, UpstreamError, SigningError
    """
    sources, key = job.look()
    found = store.find(key)
    if found is not None:
        return found
    with _writable(job.label), only_one(folder, key):
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
            # What was fetched is of no more use; what was broken off before is kept, to go on.
            shutil.rmtree(fetched, ignore_errors=True)


@contextlib.contextmanager
def _writable(label: str) -> Iterator[None]:
    """Map the errors of the folder; the service's answers carry them: no path is named."""
    try:
        yield
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise ConversionFailed(
            source=label,
            reason=f"it cannot be written to the cache folder (ASTRA_CACHE_DIR): {reason}",
        ) from None


def _part(progress: Progress, start: float, length: float) -> Progress:
    return lambda share: progress(start + length * share)


def _bring(
    source: Source, folder: Path, recipe: Recipe, limits: Limits, progress: Progress
) -> Path:
    """Return the file on this machine: the user's own, or what is fetched of it."""
    if source.local:
        return source.local
    folder.mkdir(parents=True, exist_ok=True)
    ranges = None
    if recipe.format in IMAGES and source.ranged and looks_like_cog(source.head):
        from astra_xr.conversion.parts import HEAD, ranges_of

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
    # It brings GDAL along, which resolving alone has no need of.
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
