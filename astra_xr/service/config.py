"""What the service is told from outside."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from astra_xr.errors import InvalidParameter
from astra_xr.settings import Settings


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

    dask: str | None = None
    """Address of a Dask scheduler whose workers convert (``ASTRA_DASK``); they need the store,
    and keep unfinished work in the same folder as here. None: this process converts."""

    metrics: bool = False
    """True to answer ``GET /metrics``, to anybody (``ASTRA_METRICS=1``)."""

    drain: float = 60.0
    """Seconds that requests under way have left when the service is told to end
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
        for name in ("public_url", "rate", "limits_url", "store", "dask"):
            if env.get(f"ASTRA_{name.upper()}"):
                told[name] = env[f"ASTRA_{name.upper()}"]
        told["metrics"] = env.get("ASTRA_METRICS", "").lower() in ("1", "on", "true", "yes")
        if env.get("ASTRA_DRAIN"):
            told["drain"] = _seconds(env["ASTRA_DRAIN"])
        if env.get("ASTRA_URL_KEYS"):
            told["url_keys"] = _url_keys(env["ASTRA_URL_KEYS"])
        return cls(**told)  # type: ignore[arg-type]


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
