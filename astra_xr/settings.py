"""Settings: where services are, credentials, limits. They are read when needed, not at import."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import platformdirs

from astra_xr.errors import InvalidParameter, suggestion
from astra_xr.secret import Secret
from astra_xr.setting_values import read_value

_SECRET = {"secret": True}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings.

    Secrets may be passed as text and are kept as :class:`~astra_xr.secret.Secret`. They are left
    out of the repr and of pickles: an unpickled ``Settings`` takes them from the environment of
    its process.

    Examples
    --------
    >>> Settings.from_env({"ASTRA_TIMEOUT": "5"}).timeout
    5.0
    """

    catalog: str | None = None
    """Name of the default catalog; None: those of the mission, in turn (``ASTRA_CATALOG``)."""

    api_url: str | None = None
    """Root of a resolver service to use instead of the catalogs (``ASTRA_API_URL``)."""

    api_key: Secret[str] | None = field(default=None, repr=False, metadata=_SECRET)
    """Key of the resolver service (``ASTRA_API_KEY``)."""

    cache_dir: Path = field(
        default_factory=lambda: Path(platformdirs.user_cache_dir("astra-xr", appauthor=False))
    )
    """Folder of headers and converted files, which may be deleted (``ASTRA_CACHE_DIR``)."""

    cache_bytes: int = field(default=20 << 30, compare=False)
    """Bytes of converted files kept in the cache folder (``ASTRA_CACHE_BYTES``)."""

    allow_hosts: tuple[str, ...] = ()
    """Private hosts that a catalog may name for files to be fetched, comma-separated
    (``ASTRA_ALLOW_HOSTS``)."""

    timeout: float = 10.0
    """Seconds that a catalog or signing service has to answer, including all retries if another
    catalog can be queried instead (``ASTRA_TIMEOUT``)."""

    patience: float = 60.0
    """Seconds for which a request is retried while its host fails (``ASTRA_PATIENCE``)."""

    earth_search_url: str = "https://earth-search.aws.element84.com/v1"
    """Root of the Earth Search STAC API (``ASTRA_EARTH_SEARCH_URL``)."""

    planetary_computer_url: str = "https://planetarycomputer.microsoft.com/api/stac/v1"
    """Root of the Planetary Computer STAC API (``ASTRA_PLANETARY_COMPUTER_URL``)."""

    planetary_computer_sas_url: str = "https://planetarycomputer.microsoft.com/api/sas/v1"
    """Root of the Planetary Computer signing API (``PC_SDK_SAS_URL``)."""

    planetary_computer_key: Secret[str] | None = field(default=None, repr=False, metadata=_SECRET)
    """Optional subscription key of the Planetary Computer (``PC_SDK_SUBSCRIPTION_KEY``)."""

    cdse_url: str = "https://stac.dataspace.copernicus.eu/v1"
    """Root of the Copernicus Data Space STAC API (``ASTRA_CDSE_URL``)."""

    cdse_s3_access_key: Secret[str] | None = field(default=None, repr=False, metadata=_SECRET)
    """S3 key of the Copernicus Data Space (``CDSE_S3_ACCESS_KEY``)."""

    cdse_s3_secret_key: Secret[str] | None = field(default=None, repr=False, metadata=_SECRET)
    """Its secret (``CDSE_S3_SECRET_KEY``)."""

    cdse_s3_endpoint_url: str = "https://eodata.dataspace.copernicus.eu"
    """S3 server of the Copernicus Data Space (``CDSE_S3_ENDPOINT_URL``)."""

    cdse_username: Secret[str] | None = field(default=None, repr=False, metadata=_SECRET)
    """Account of the Copernicus Data Space (``CDSE_USERNAME``), else from ``.netrc``."""

    cdse_password: Secret[str] | None = field(default=None, repr=False, metadata=_SECRET)
    """Its password (``CDSE_PASSWORD``)."""

    usgs_url: str = "https://landsatlook.usgs.gov/stac-server"
    """Root of the USGS LandsatLook STAC API (``ASTRA_USGS_URL``)."""

    lpdaac_url: str = "https://cmr.earthdata.nasa.gov/stac/LPCLOUD"
    """Root of NASA LP DAAC's STAC API (``ASTRA_LPDAAC_URL``)."""

    earthdata_token: Secret[str] | None = field(default=None, repr=False, metadata=_SECRET)
    """Bearer token of NASA Earthdata (``EARTHDATA_TOKEN``)."""

    earthdata_username: Secret[str] | None = field(default=None, repr=False, metadata=_SECRET)
    """Account of NASA Earthdata (``EARTHDATA_USERNAME``), else from ``.netrc``."""

    earthdata_password: Secret[str] | None = field(default=None, repr=False, metadata=_SECRET)
    """Its password (``EARTHDATA_PASSWORD``)."""

    aws_access_key_id: Secret[str] | None = field(default=None, repr=False, metadata=_SECRET)
    """AWS key (``AWS_ACCESS_KEY_ID``); without it boto3's profiles, where it is installed."""

    aws_secret_access_key: Secret[str] | None = field(default=None, repr=False, metadata=_SECRET)
    """Its secret (``AWS_SECRET_ACCESS_KEY``)."""

    aws_session_token: Secret[str] | None = field(default=None, repr=False, metadata=_SECRET)
    """Token of temporary AWS credentials (``AWS_SESSION_TOKEN``)."""

    aws_credential_expiration: datetime | None = None
    """When these temporary credentials expire (``AWS_CREDENTIAL_EXPIRATION``), and URLs that
    they sign."""

    aws_endpoint_url: str | None = None
    """S3 server to use instead of Amazon's (``AWS_ENDPOINT_URL_S3``, ``AWS_ENDPOINT_URL``)."""

    aws_request_payer: str | None = None
    """``requester`` to allow requester-pays reads; by default they are allowed only if a catalog
    is named (``AWS_REQUEST_PAYER``)."""

    aws_no_sign_request: bool = False
    """True to read public S3 buckets without credentials (``AWS_NO_SIGN_REQUEST``)."""

    header_cache: int = field(default=16 << 20, compare=False)
    """Bytes of file headers kept in memory; 0 keeps none (``ASTRA_HEADER_CACHE``)."""

    kept_headers: int = field(default=32 << 20, compare=False)
    """Bytes of file headers kept in the cache folder, for other processes; 0 keeps none
    (``ASTRA_KEPT_HEADERS``)."""

    tile_cache: int = field(default=256 << 20, compare=False)
    """Bytes of compressed tiles kept in memory; 0 keeps none (``ASTRA_TILE_CACHE``)."""

    netrc: Path = field(default_factory=lambda: Path("~/.netrc").expanduser())
    """File of accounts and passwords by host (``NETRC``)."""

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name in _SECRETS:
                value = _secret(each.name, value)
            elif value is not None or each.default is not None:
                value = read_value(each.name, value, shown=each.name)
            object.__setattr__(self, each.name, value)
        object.__setattr__(self, "cache_dir", self.cache_dir.absolute())

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings: those of :func:`configure`, else variables, else the file.

        The file is ``config.toml`` in the user's configuration folder (``~/.config/astra-xr`` on
        Linux). It may have ``api_url`` and ``api_key``; with a key, only its owner may be able to
        read it. The key of one URL is not used with another.

        Parameters
        ----------
        environ : mapping, optional
            Environment variables to use, and nothing else; by default ``os.environ``.

        Raises
        ------
        InvalidParameter
            A variable has an invalid value, or the file cannot be used.
        """
        if not isinstance(environ, Mapping | None):
            expected = "a mapping of variables, such as os.environ"
            raise InvalidParameter(name="environ", value="***", expected=expected)
        if environ is None:
            filed, values, configured = _filed(), _variables(os.environ), _configured
        else:
            filed, values, configured = {}, _variables(environ), {}
            del environ  # which holds secrets
        values = {name: _read(name, text, _VARIABLES[name][0]) for name, text in values.items()}
        return cls(**_joined(filed, values, configured))

    def named_hosts(self) -> tuple[str, ...]:
        """Return the hosts that may be private: those of all URLs here, and ``allow_hosts``."""
        urls = (getattr(self, f.name) for f in fields(self) if f.name.endswith("_url"))
        hosts = (urlsplit(str(url)).hostname for url in urls if url)
        return tuple(sorted({host for host in hosts if host} | set(self.allow_hosts)))

    def renewed(self) -> Settings:
        """Return the same settings with the current secrets of the environment."""
        here = service_at(Settings.from_env(), self.api_url, None)
        return replace(self, **{n: getattr(here, n) for n in _SECRETS if getattr(here, n)})

    def __reduce__(self) -> tuple[Any, ...]:
        plain = Settings()
        public = {
            f.name: getattr(self, f.name)
            for f in fields(self)
            if not f.metadata.get("secret") and getattr(self, f.name) != getattr(plain, f.name)
        }
        return _arrive, (public,)


def read_settings(value: Settings | None) -> Settings:
    """Return the settings passed to a resolver; by default those of the environment."""
    if isinstance(value, Settings | None):
        return value or Settings.from_env()
    raise InvalidParameter(name="settings", value=type(value).__name__, expected="Settings")


_UNCHANGED = ("aws_", "cdse_password", "cdse_s3_", "cdse_username", "earthdata_", "netrc")
"""Beginnings of fields whose variables other tools use too, without ``ASTRA_`` in front."""

_OF_OTHERS = {
    "planetary_computer_sas_url": ("PC_SDK_SAS_URL",),
    "planetary_computer_key": ("PC_SDK_SUBSCRIPTION_KEY",),
    "aws_endpoint_url": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
}
_VARIABLES: dict[str, tuple[str, ...]] = {
    f.name: (f.name.upper() if f.name.startswith(_UNCHANGED) else f"ASTRA_{f.name.upper()}",)
    for f in fields(Settings)
} | _OF_OTHERS
"""Field → environment variables, the first that is set."""

_configured: dict[str, Any] = {}


def _variables(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return field → text of the variables that are set."""
    return with_secrets(
        {
            name: environ[variable]
            for name, variables in _VARIABLES.items()
            for variable in reversed(variables)
            if environ.get(variable)
        }
    )


def with_secrets(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings, with those that are secret as :class:`Secret`; None stays None."""
    return {
        name: Secret.of(value) if name in _SECRETS and value is not None else value
        for name, value in values.items()
    }


def config_file() -> Path:
    """Return the path of the user's file of settings, which need not exist."""
    return Path(platformdirs.user_config_dir("astra-xr", appauthor=False)) / "config.toml"


def _filed() -> Mapping[str, Any]:
    path = config_file()
    try:
        stat = path.stat()
    except OSError:
        return {}
    return _read_file(
        path, (stat.st_mtime_ns, stat.st_ino, stat.st_size, stat.st_mode, stat.st_uid)
    )


@functools.lru_cache(4)
def _read_file(path: Path, stamp: tuple[int, ...]) -> Mapping[str, Any]:
    """Read the file; ``stamp`` changes when the file does."""
    found = _parsed(path)
    reason = expected = ""
    if found is None:
        expected = "TOML that can be read, with api_url and api_key as text"
    elif "api_key" in found[0] and os.name == "posix":
        # As ssh and netrc do with their files.
        if found[1].st_uid not in (os.getuid(), 0):
            reason, expected = "another user owns it", "a file of yours, as it holds api_key"
        elif found[1].st_mode & 0o077:
            reason, expected = "it holds api_key, and others can read it", f"chmod 600 {path}"
    if found is None or expected:
        raise InvalidParameter(
            name="config.toml", value=str(path), expected=expected, reason=reason
        )
    return {name: value for name, value in found[0].items() if value}


def _parsed(path: Path) -> tuple[dict[str, Any], os.stat_result] | None:
    """Return the contents of the file and its status; None if it is invalid."""
    import tomllib

    try:
        with path.open("rb") as file:
            values = tomllib.load(file)
            status = os.fstat(file.fileno())
    except (OSError, ValueError):
        return None
    known = values.keys() <= {"api_url", "api_key"}
    valid = known and all(isinstance(value, str) for value in values.values())
    return (with_secrets(values), status) if valid else None


def _joined(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Join settings, later ones replacing earlier ones; a key stays with its URL."""
    merged: dict[str, Any] = {}
    for layer in layers:
        if not _same_service(merged.get("api_url"), layer.get("api_url")):
            merged.pop("api_key", None)
        merged |= layer
    return merged


def _same_service(one: str | None, other: str | None) -> bool:
    """Return True if a key for one URL may be used with the other; None is any URL."""
    if one is None or other is None:
        return True
    try:
        return urlsplit(one.casefold())[:2] == urlsplit(other.casefold())[:2]
    except ValueError:
        return False


def service_at(settings: Settings, url: str | None, key: Secret[str] | None) -> Settings:
    """Return settings for a service: its URL, by default theirs, and its key.

    Without ``key`` it is theirs, if that is for the same host.
    """
    own = settings.api_key if _same_service(settings.api_url, url) else None
    return replace(settings, api_url=url or settings.api_url, api_key=key or own)


Reset = Callable[[], None]
_listeners: list[Reset] = []


def set_settings(values: Mapping[str, Any]) -> Settings:
    """Set settings of this process, all or none; see :func:`astra_xr.configure`."""
    values = with_secrets(values)
    names = [f.name for f in fields(Settings)]
    for name in values:
        if name not in names:
            expected = f"one of {', '.join(sorted(names))}{suggestion(name, names)}"
            reason = "there is no such setting"
            # Its value may be a key whose name is misspelled.
            raise InvalidParameter(name=name, value="***", expected=expected, reason=reason)
    read = {name: _read(name, value, name) for name, value in values.items() if value is not None}
    for name in values:
        _configured.pop(name, None)
    _configured.update(read)
    for reset in _listeners:
        reset()
    return Settings.from_env()


def configured() -> dict[str, Any]:
    """Return the settings that were set in this process, by name."""
    return dict(_configured)


def on_configure(reset: Reset) -> None:
    """Call a function after each :func:`configure`."""
    _listeners.append(reset)


def _arrive(public: dict[str, Any]) -> Settings:
    here = service_at(Settings.from_env(), public.get("api_url"), None)
    return Settings(**public, **{name: getattr(here, name) for name in _SECRETS})


_SECRETS = {f.name for f in fields(Settings) if f.metadata.get("secret")}


def _read(name: str, value: Any, shown: str) -> Any:
    """Read the value of a setting; errors do not show a secret."""
    return _secret(shown, value) if name in _SECRETS else read_value(name, value, shown=shown)


def _secret(shown: str, value: Any) -> Secret[str] | None:
    """Return a secret of text; None if it is empty."""
    if value is None:
        return None
    secret: Secret[Any] = Secret.of(value)
    if not isinstance(secret.reveal(), str):
        raise InvalidParameter(name=shown, value="***", expected="text")
    return secret or None
