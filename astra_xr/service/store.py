"""Where the service keeps what it converts, and who converts it, as settings tell."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from astra_xr.conversion.stores import LocalStore, ObjectStore, Store
from astra_xr.errors import InvalidParameter, redact
from astra_xr.extras import require
from astra_xr.service.config import ServiceSettings
from astra_xr.service.queue import PatientConverter

_EXPECTED = (
    "s3://bucket/prefix, az:// or gs://; options as ?region=…&endpoint=…, keys in the environment"
)
_SCHEMES = ("s3", "az", "gs")


def converter_of(settings: ServiceSettings) -> PatientConverter:
    """Return the converter that the settings tell of.

    Raises
    ------
    InvalidParameter
        ``ASTRA_STORE`` is no URL of a store, or nobody answers at ``ASTRA_DASK``.
    MissingExtra
        Dask is not installed.
    """
    root = settings.core.cache_dir / "converted"
    store: Store = LocalStore(root=root, max_bytes=settings.core.cache_bytes)
    if settings.store:
        store = _object_store(settings.store)
    executor = _cluster(settings.dask) if settings.dask else None
    return PatientConverter(store, root, executor=executor)


def _object_store(url: str) -> ObjectStore:
    from obstore.exceptions import BaseError
    from obstore.store import from_url

    parts = urlsplit(url)
    options: Any = dict(parse_qsl(parts.query))
    plain = str(options.get("endpoint", "")).startswith("http://")
    reason = "" if parts.scheme in _SCHEMES and parts.netloc else "it names none"
    try:
        if not reason:
            bucket = f"{parts.scheme}://{parts.netloc}"
            made: Any = from_url(
                bucket, config=options or None, client_options={"allow_http": plain}
            )
            prefix = parts.path.strip("/")
            return ObjectStore(store=made, prefix=prefix) if prefix else ObjectStore(store=made)
    except (BaseError, ValueError, TypeError) as error:
        reason = redact(error)[:200]
    shown = redact(url)
    raise InvalidParameter(name="ASTRA_STORE", value=shown, expected=f"{_EXPECTED} ({reason})")


def _cluster(address: str) -> Executor:
    """Return the workers of a Dask cluster as an executor."""
    distributed: Any = require("distributed", extra="dask", purpose="ASTRA_DASK")
    try:
        client = distributed.Client(address, timeout=10, set_as_default=False)
    except (OSError, ValueError):
        pass
    else:
        executor: Executor = client.get_executor(pure=False)
        return executor
    expected = "the address of a Dask scheduler that answers, e.g. tcp://host:8786"
    raise InvalidParameter(name="ASTRA_DASK", value=redact(address), expected=expected)
