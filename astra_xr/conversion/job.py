"""A job: one asset to be had in another format, and the files that this takes."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

from astra_xr.conversion.download import Remote, Source
from astra_xr.conversion.limits import Limits, Progress
from astra_xr.conversion.recipe import PICTURES, Recipe
from astra_xr.errors import ConversionFailed
from astra_xr.model import UrlSource
from astra_xr.tiff.signatures import driver_of, looks_like_cog


@dataclass(frozen=True, kw_only=True)
class Job:
    """One asset to be had in another format. It pickles, and holds no secret."""

    mission: str
    item: str
    asset: str
    """Key of the asset in its item."""

    source: UrlSource
    recipe: Recipe
    label: str = field(compare=False)
    """What the user knows it by, for messages."""

    classes: UrlSource | None = None
    """Of a picture, the class band that tells where ``recipe.left_out`` lies."""

    trusted: bool = False
    """True where the user named the source: it may lie on a private host, or be a file."""

    allowed: tuple[str, ...] = ()
    """Private hosts that a catalogue may name."""


@dataclass(frozen=True, kw_only=True)
class Input:
    """A file that a job takes, looked at."""

    source: Source
    remote: Remote

    @classmethod
    def of(cls, job: Job, urls: UrlSource) -> Input:
        """Look at one of them; raise ConversionFailed where it is no raster."""
        source = Source(urls, job.label, trusted=job.trusted, allowed=job.allowed)
        remote = source.look()
        if driver_of(remote.head) is None:
            reason = f"it is no TIFF or JPEG 2000 file (it begins with {remote.head[:8]!r})"
            raise ConversionFailed(source=job.label, reason=reason)
        return cls(source=source, remote=remote)

    def bring(self, folder: Path, recipe: Recipe, limits: Limits, progress: Progress) -> Path:
        """Return the file on this machine: the user's own, or what is fetched of it."""
        if self.source.local:
            return self.source.local
        folder.mkdir(parents=True, exist_ok=True)
        ranges = None
        if recipe.format in PICTURES and self.remote.ranged and looks_like_cog(self.remote.head):
            from astra_xr.conversion.parts import HEAD, ranges_of

            beginning = [(0, HEAD)]
            path = self.source.fetch(self.remote, folder, limits, lambda share: None, beginning)
            ranges = ranges_of(path, HEAD, recipe.max_size)
        return self.source.fetch(self.remote, folder, limits, progress, ranges)


def looked_at(job: Job) -> tuple[list[Input], str]:
    """Look at all files that a job takes, and return the key of its result."""
    inputs = [Input.of(job, urls) for urls in (job.source, job.classes) if urls]
    return inputs, key_of(job, " ".join(each.remote.version for each in inputs))


def key_of(job: Job, version: str) -> str:
    """Return the key of a job's result: another source or recipe never meets an old file."""
    told = "\n".join((job.mission, job.item, job.asset, version, job.recipe.digest))
    digest = hashlib.sha256(told.encode()).hexdigest()[:24]
    return f"{plain(job.mission)}/{plain(job.item)}/{plain(job.asset)}-{digest}"


def plain(text: str) -> str:
    """Return a text as it may stand in a key or be a file's name."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", text).strip(".")[:80] or "_"
