"""Sign URLs in threads of each signer, so that one that hangs does not delay reads from others."""

from __future__ import annotations

from functools import partial

from astra_xr.model import SignedUrl, UrlSource
from astra_xr.reading.loop import DaemonPool, in_pool

_MOST = 8
"""Threads of one signer."""

_signers: dict[tuple[type, str], DaemonPool] = {}
"""By class of sources, and catalog; lives on the background loop."""


async def sign(source: UrlSource, *, refused: SignedUrl | None = None) -> SignedUrl:
    """Return a URL of a source; ``refused`` is one that the storage did not accept."""
    signer = type(source), str(getattr(source, "catalog", ""))
    if signer not in _signers:
        _signers[signer] = DaemonPool(f"astra-xr signs {signer[1]}".rstrip(), _MOST)
    return await in_pool(_signers[signer], partial(source, refused=refused) if refused else source)
