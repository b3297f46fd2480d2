"""Settings of the service, and where it keeps what it converts."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from astra_xr.conversion.stores import LocalStore, ObjectStore, Store
from astra_xr.errors import InvalidParameter, redact
from astra_xr.service.queue import PatientConverter
from astra_xr.settings import Settings

_STORES = (
    "s3://bucket/prefix, az:// or gs://; options as ?region=…&endpoint=…, keys in the environment"
)
_SCHEMES = ("s3", "az", "gs")


def default_keys_file() -> Path:
    """Return where keys are kept when nobody says otherwise."""
    import platformdirs

    return Path(platformdirs.user_config_dir("astra-xr", appauthor=False)) / "keys.json"


@dataclass(frozen=True, kw_only=True)
class ServiceSettings:
    """Everything of the service that can be configured; its repr shows no secret."""

    core: Settings = field(default_factory=Settings.from_env)
    """Of the resolver."""

    keys_file: Path | None = None
    """File of key hashes, read again when it changes (``ASTRA_KEYS_FILE``)."""

    api_keys: tuple[str, ...] = field(default=(), repr=False)
    """Further keys, whole, comma-separated (``ASTRA_API_KEYS``)."""

    url_keys: Mapping[str, bytes] = field(
        default_factory=lambda: {"1": secrets.token_bytes(32)}, repr=False
    )
    """Secrets that sign our own URLs, as ``id:base64,…``, the first signs (``ASTRA_URL_KEYS``).
    Processes behind one address need the same; made up for one process when left out."""

    public_url: str | None = None
    """Root of the URLs that are given out; by the request's ``Host`` when left out
    (``ASTRA_PUBLIC_URL``)."""

    cors_origins: tuple[str, ...] = ()
    """Origins whose pages may ask, comma-separated; none: no page may (``ASTRA_CORS_ORIGINS``)."""

    rate: str | None = None
    """Requests that one key may make where the key says nothing, e.g. ``600/minute``
    (``ASTRA_RATE``); None: as many as it likes."""

    limits_url: str = field(default="memory://", repr=False)
    """Where rates are counted: ``redis://…`` for several processes (``ASTRA_LIMITS_URL``)."""

    store: str | None = field(default=None, repr=False)
    """Object store of converted files, e.g. ``s3://bucket/prefix?region=eu-west-1``, with keys
    in the environment (``ASTRA_STORE``); None: the cache folder."""

    metrics: bool = False
    """True to answer ``GET /metrics``, to anybody (``ASTRA_METRICS=1``)."""

    drain: float = 60.0
    """Seconds that requests under way have left when the service is to end
    (``ASTRA_DRAIN``)."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> ServiceSettings:
        """Read the settings from environment variables.

        Raises
        ------
        InvalidParameter
            A variable holds a value of the wrong form.
        """
        env = os.environ if environ is None else environ
        told: dict[str, object] = {"core": Settings.from_env(environ)}
        if env.get("ASTRA_KEYS_FILE"):
            told["keys_file"] = Path(env["ASTRA_KEYS_FILE"]).expanduser()
        for name in ("api_keys", "cors_origins"):
            told[name] = _listed(env.get(f"ASTRA_{name.upper()}", ""))
        for name in ("public_url", "rate", "limits_url", "store"):
            if env.get(f"ASTRA_{name.upper()}"):
                told[name] = env[f"ASTRA_{name.upper()}"]
        told["metrics"] = env.get("ASTRA_METRICS", "").lower() in ("1", "on", "true", "yes")
        if env.get("ASTRA_DRAIN"):
            told["drain"] = _seconds(env["ASTRA_DRAIN"])
        if env.get("ASTRA_URL_KEYS"):
            told["url_keys"] = _url_keys(env["ASTRA_URL_KEYS"])
        return cls(**told)  # type: ignore[arg-type]


def converter_of(settings: ServiceSettings) -> PatientConverter:
    """Return the converter that the settings name.

    Raises
    ------
    InvalidParameter
        ``ASTRA_STORE`` is no URL of a store.
    """
    root = settings.core.cache_dir / "converted"
    store: Store = LocalStore(root=root, max_bytes=settings.core.cache_bytes)
    if settings.store:
        store = _object_store(settings.store)
    return PatientConverter(store, root)


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
    raise InvalidParameter(name="ASTRA_STORE", value=shown, expected=f"{_STORES} ({reason})")


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _seconds(text: str) -> float:
    if text.replace(".", "", 1).isdecimal() and text.isascii():
        return float(text)
    raise InvalidParameter(name="ASTRA_DRAIN", value=text, expected="a number of seconds")


def _url_keys(text: str) -> dict[str, bytes]:
    keys = {}
    for part in _listed(text):
        name, _, encoded = part.partition(":")
        try:
            keys[name] = base64.b64decode(encoded, validate=True)
        except ValueError:
            keys[name] = b""
        if len(keys[name]) < 32 or not name.isalnum():
            expected = "id:base64 of 32 bytes or more, comma-separated"
            raise InvalidParameter(name="ASTRA_URL_KEYS", value="***", expected=expected)
    return keys
