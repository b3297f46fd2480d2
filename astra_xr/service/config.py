"""Settings of the service, and its store of converted files."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from astra_xr.catalogs.s3 import StoreKeys, aws_keys
from astra_xr.conversion.pipeline import AT_ONCE
from astra_xr.conversion.recipe import Limits
from astra_xr.conversion.stores import LocalStore, ObjectStore, Store
from astra_xr.errors import InvalidParameter, redact
from astra_xr.secret import Secret
from astra_xr.service.awaited_conversions import PatientConverter
from astra_xr.settings import Settings

_STORES = (
    "s3://bucket/prefix, az:// or gs://, with options as ?region=…&endpoint=… and keys in the "
    "environment"
)
_SCHEMES = ("s3", "az", "gs")
_LEVELS = ("info", "warning", "error")


def default_keys_file() -> Path:
    """Return the default path of the file of keys."""
    import platformdirs

    return Path(platformdirs.user_config_dir("astra-xr", appauthor=False)) / "keys.json"


@dataclass(frozen=True, kw_only=True)
class ServiceSettings:
    """All settings of the service; its repr shows no secret."""

    core: Settings = field(default_factory=Settings.from_env)
    """Settings of the resolver."""

    keys_file: Path | None = None
    """File of key hashes, read again when it changes (``ASTRA_KEYS_FILE``)."""

    api_keys: tuple[Secret[str], ...] = ()
    """Further keys, comma-separated (``ASTRA_API_KEYS``)."""

    url_keys: Mapping[str, Secret[bytes]] = field(
        default_factory=lambda: {"1": Secret(secrets.token_bytes(32))}
    )
    """Secrets that sign the service's URLs, as ``id:base64,…``; the first one signs
    (``ASTRA_URL_KEYS``). Processes behind one address need the same. Default: a random one."""

    public_url: str | None = None
    """Root of the service's URLs (``ASTRA_PUBLIC_URL``); default: by the request's ``Host``."""

    cors_origins: tuple[str, ...] = ()
    """Origins of web pages that may use the service, comma-separated (``ASTRA_CORS_ORIGINS``);
    default: none."""

    rate: str | None = "1200/minute"
    """Rate limit of keys without their own (``ASTRA_RATE``); None or ``none`` for no limit."""

    limits_url: Secret[str] = field(default_factory=lambda: Secret("memory://"))
    """Counter of requests: ``redis://…`` for several processes (``ASTRA_LIMITS_URL``)."""

    store: Secret[str] | None = None
    """Object store of converted files, e.g. ``s3://bucket/prefix?region=eu-west-1``, with keys
    in the environment (``ASTRA_STORE``); None for the cache folder."""

    metrics: bool = False
    """True to answer ``GET /metrics``, without a key (``ASTRA_METRICS=1``)."""

    log_level: str = "info"
    """``info`` logs each request, ``warning`` and ``error`` only failures
    (``ASTRA_LOG_LEVEL``)."""

    drain: float = 60.0
    """Seconds for open requests when the service ends (``ASTRA_DRAIN``)."""

    conversions: int = AT_ONCE
    """Concurrent conversions of a worker (``ASTRA_CONVERSIONS``); as many more are allowed for
    keys without a running one."""

    conversions_per_key: int = 100
    """Waiting conversions of one key (``ASTRA_CONVERSIONS_PER_KEY``)."""

    conversions_waiting: int = 500
    """Waiting conversions of all keys (``ASTRA_CONVERSIONS_WAITING``)."""

    conversion_limits: Limits = field(default_factory=Limits)
    """Limits of one conversion: bytes of memory (``ASTRA_CONVERSION_MEMORY``), seconds
    (``ASTRA_CONVERSION_SECONDS``) and threads (``ASTRA_CONVERSION_THREADS``)."""

    def __post_init__(self) -> None:
        # Callers in this process may pass text.
        held: dict[str, Any] = {
            "api_keys": tuple(map(Secret.of, self.api_keys)),
            "url_keys": {name: Secret.of(key) for name, key in self.url_keys.items()},
            "limits_url": Secret.of(self.limits_url),
            "store": Secret.of(self.store) if self.store else None,
        }
        for name, value in held.items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> ServiceSettings:
        """Read the settings from environment variables.

        Raises
        ------
        InvalidParameter
            A variable has an invalid value.
        """
        core = Settings.from_env(environ)
        env = _variables(os.environ if environ is None else environ)
        del environ  # it has secrets
        values = {name: _read(name, text) for name, text in env.items()}
        seconds = values.pop("conversion_seconds", None)
        limits = {
            "memory": values.pop("conversion_memory", None),
            "threads": values.pop("conversion_threads", None),
            "wall_seconds": seconds,
            "cpu_seconds": seconds,
        }
        given = {name: value for name, value in limits.items() if value is not None}
        return cls(core=core, conversion_limits=Limits(**given), **values)


def _variables(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the variables that are set, by field."""
    texts = {name: environ.get(f"ASTRA_{name.upper()}") for name in _VARIABLES}
    return {n: Secret(t) if n in _SECRETS else t for n, t in texts.items() if t}


def converter_of(settings: ServiceSettings) -> PatientConverter:
    """Return the converter for these settings.

    Raises
    ------
    InvalidParameter
        ``ASTRA_STORE`` is not the URL of a store.
    """
    root = settings.core.cache_dir / "converted"
    store: Store = LocalStore(root=root, max_bytes=settings.core.cache_bytes)
    if settings.store:
        found = _store_at(settings.store, settings.core)
        if isinstance(found, str):
            shown = redact(settings.store.reveal())
            raise InvalidParameter(name="ASTRA_STORE", value=shown, expected=_STORES, reason=found)
        store = found
    return PatientConverter(
        store,
        root,
        limits=settings.conversion_limits,
        at_once=settings.conversions,
        per_key=settings.conversions_per_key,
        in_all=settings.conversions_waiting,
    )


def _store_at(url: Secret[str], core: Settings) -> ObjectStore | str:
    """Return the store of a URL, or what is wrong with it."""
    from obstore.exceptions import BaseError
    from obstore.store import from_url

    parts = urlsplit(url.reveal())
    if parts.scheme not in _SCHEMES or not parts.netloc:
        return "it is not the URL of a store"
    options: Any = dict(parse_qsl(parts.query))
    plain = str(options.get("endpoint", "")).startswith("http://")
    own = parts.scheme == "s3" and not {"access_key_id", "aws_access_key_id"} & options.keys()
    keys: Any = StoreKeys(core) if own and aws_keys(core) else None
    try:
        store: Any = from_url(
            f"{parts.scheme}://{parts.netloc}",
            config=options or None,
            client_options={"allow_http": plain},
            credential_provider=keys,
        )
    except (BaseError, ValueError, TypeError) as error:
        return redact(error)[:200]
    prefix = {"prefix": parts.path.strip("/")} if parts.path.strip("/") else {}
    return ObjectStore(store=store, credentials_end=keys.end if keys else None, **prefix)


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _seconds(text: str) -> float:
    if not text.replace(".", "", 1).isdecimal() or not text.isascii():
        raise ValueError
    return float(text)


def _level(text: str) -> str:
    if text.lower() not in _LEVELS:
        raise ValueError
    return text.lower()


def _count(text: str) -> int:
    if not text.isdecimal() or not text.isascii() or len(text) > 18 or not int(text):
        raise ValueError
    return int(text)


def _url_keys(text: Secret[str]) -> dict[str, Secret[bytes]]:
    keys = {}
    for part in map(Secret, _listed(text.reveal())):
        keys[part.reveal().partition(":")[0]] = _decoded(part)
    if not all(name.isalnum() and len(key.reveal()) >= 32 for name, key in keys.items()):
        raise ValueError
    return keys


def _decoded(part: Secret[str]) -> Secret[bytes]:
    try:
        return Secret(base64.b64decode(part.reveal().partition(":")[2], validate=True))
    except ValueError:
        return Secret(b"")


_COUNTS = ("conversions", "conversions_per_key", "conversions_waiting", "conversion_memory",
           "conversion_seconds", "conversion_threads")  # fmt: skip
_SECRETS = ("api_keys", "url_keys", "limits_url", "store")
_READERS: dict[str, Callable[[Any], Any]] = {
    "keys_file": lambda path: Path(path).expanduser(),
    "cors_origins": lambda text: tuple(_listed(text)),
    "metrics": lambda text: text.lower() in ("1", "on", "true", "yes"),
    "log_level": _level,
    "drain": _seconds,
    "api_keys": lambda keys: tuple(map(Secret, _listed(keys.reveal()))),
    "url_keys": _url_keys,
    **dict.fromkeys(_COUNTS, _count),
}
_VARIABLES = ("public_url", "rate", "limits_url", "store", *_READERS)
_EXPECTED = {
    "log_level": f"one of {', '.join(_LEVELS)}",
    "drain": "a number of seconds",
    "url_keys": "id:base64 of at least 32 bytes, comma-separated",
    **dict.fromkeys(_COUNTS, "a whole number of 1 or more"),
}


def _read(name: str, text: Any) -> Any:
    """Return the value of a variable, which is text if it has no reader."""
    try:
        return _READERS[name](text) if name in _READERS else text
    except ValueError:
        pass
    raise InvalidParameter(name=f"ASTRA_{name.upper()}", value=text, expected=_EXPECTED[name])
