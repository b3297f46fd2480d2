"""Errors of the local disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from astra_xr.errors import ConversionFailed

CACHE_FOLDER = "it cannot be written to the cache folder (ASTRA_CACHE_DIR): "
NEW_FILE = "the new file cannot be written: "


@contextmanager
def disk_errors(source: str, what: str = "") -> Iterator[None]:
    """Raise `ConversionFailed` for an OSError, without its path.

    Responses of the service contain these messages, and must not reveal local folders.
    """
    try:
        yield
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise ConversionFailed(source=source, reason=f"{what}{reason}") from None
