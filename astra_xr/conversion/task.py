"""What each writer of GeoTIFFs is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from astra_xr.conversion.limits import Limits
from astra_xr.conversion.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Task:
    """A file to be written from another. Writers raise ConversionFailed where it cannot be."""

    source: Path
    target: Path
    recipe: Recipe
    limits: Limits

    threads: int
    """How many decode and compress."""
