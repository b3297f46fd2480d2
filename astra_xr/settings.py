"""Settings: where services are and which credentials to use, read when asked, never at import."""

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

from astra_xr.errors import InvalidParameter, closest
from astra_xr.secret import Secret
from astra_xr.setting_values import read_value

_SECRET = {"secret": True}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that can be configured from outside.

    Secrets may be given as text and are kept as :class:`~astra_xr.secret.Secret`. They are left
    out of the repr and of pickles: an unpickled ``Settings`` takes them from the environment of
    the process that it arrives in.

    Examples
    --------
    >>> Settings.from_env({"ASTRA_TIMEOUT": "5"}).timeout
    5.0
    """

    catalog: str | None = None
    """Name of the catalog that is asked where the caller names none; None: the mission's own
    order (``ASTRA_CATALOG``)."""

    api_url: str | None = None
    """Root of a resolver service to ask in place of the catalogs (``ASTRA_API_URL``)."""

    api_key: Secret[str] | None = field(default=None, repr=False, metadata=_SECRET)
    """Key that the service gave out (``ASTRA_API_KEY``)."""

    cache_dir: Path = field(
        default_factory=lambda: Path(platformdirs.user_cache_dir("astra-xr", appauthor=False))
    )
    """Folder of everything that can be made again (``ASTRA_CACHE_DIR``)."""

    cache_bytes: int = field(default=20 << 30, compare=False)
    """Bytes of converted files kept in the cache folder (``ASTRA_CACHE_BYTES``)."""

    allow_hosts: tuple[str, ...] = ()
    """Private hosts that a catalog may name for files to be fetched, comma-separated
    (``ASTRA_ALLOW_HOSTS``)."""

    timeout: float = 10.0
    """Seconds that a catalog or signing service has to answer; where others can be asked instead,
    with all retries (``ASTRA_TIMEOUT``)."""

    patience: float = 60.0
    """Seconds that failures of a host may cost a request, which is repeated meanwhile
    (``ASTRA_PATIENCE``)."""

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
    """S3 server to ask instead of Amazon's (``AWS_ENDPOINT_URL_S3``, ``AWS_ENDPOINT_URL``)."""

    aws_request_payer: str | None = None
    """``requester`` to pay for reading wherever it costs; else only at a catalog that is named
    (``AWS_REQUEST_PAYER``)."""

    aws_no_sign_request: bool = False
    """True to read S3 without credentials, as public buckets allow (``AWS_NO_SIGN_REQUEST``)."""

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
        object.__setattr__(self, "cache_dir", Path(self.cache_dir).absolute())
        for name, secret in hidden({n: getattr(self, n) for n in _SECRETS}).items():
            object.__setattr__(self, name, secret or None)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings: what :func:`configure` was given, else variables, else the file.

        The file is ``config.toml`` in the user's configuration folder (``~/.config/astra-xr`` on
        Linux). It may hold ``api_url`` and ``api_key``, and opens to nobody else where it holds a
        key. A key that came with one URL is not used with another.

        Parameters
        ----------
        environ : mapping, optional
            The variables alone; ``os.environ`` when left out.

        Raises
        ------
        InvalidParameter
            A variable holds a value of the wrong form, or the file cannot be used.
        """
        if environ is None:
            filed, values, configured = _filed(), _variables(os.environ), _configured
        else:
            filed, values, configured = {}, _variables(environ), {}
            del environ  # which holds secrets
        values = {name: _read(name, text, _VARIABLES[name][0]) for name, text in values.items()}
        return cls(**_joined(filed, values, configured))

    def named_hosts(self) -> tuple[str, ...]:
        """Return the hosts that may be private: those of services here, and those allowed."""
        urls = (getattr(self, f.name) for f in fields(self) if f.name.endswith("_url"))
        hosts = (urlsplit(str(url)).hostname for url in urls if url)
        return tuple(sorted({host for host in hosts if host} | set(self.allow_hosts)))

    def renewed(self) -> Settings:
        """Return the same settings with the secrets that the environment holds now."""
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


_VARIABLES: dict[str, tuple[str, ...]] = {
    "catalog": ("ASTRA_CATALOG",),
    "api_url": ("ASTRA_API_URL",),
    "api_key": ("ASTRA_API_KEY",),
    "cache_dir": ("ASTRA_CACHE_DIR",),
    "timeout": ("ASTRA_TIMEOUT",),
    "patience": ("ASTRA_PATIENCE",),
    "earth_search_url": ("ASTRA_EARTH_SEARCH_URL",),
    "planetary_computer_url": ("ASTRA_PLANETARY_COMPUTER_URL",),
    "planetary_computer_sas_url": ("PC_SDK_SAS_URL",),
    "planetary_computer_key": ("PC_SDK_SUBSCRIPTION_KEY",),
    "cdse_url": ("ASTRA_CDSE_URL",),
    "cdse_s3_access_key": ("CDSE_S3_ACCESS_KEY",),
    "cdse_s3_secret_key": ("CDSE_S3_SECRET_KEY",),
    "cdse_s3_endpoint_url": ("CDSE_S3_ENDPOINT_URL",),
    "cache_bytes": ("ASTRA_CACHE_BYTES",),
    "allow_hosts": ("ASTRA_ALLOW_HOSTS",),
    "header_cache": ("ASTRA_HEADER_CACHE",),
    "kept_headers": ("ASTRA_KEPT_HEADERS",),
    "tile_cache": ("ASTRA_TILE_CACHE",),
    "netrc": ("NETRC",),
    "cdse_username": ("CDSE_USERNAME",),
    "cdse_password": ("CDSE_PASSWORD",),
    "usgs_url": ("ASTRA_USGS_URL",),
    "lpdaac_url": ("ASTRA_LPDAAC_URL",),
    "earthdata_token": ("EARTHDATA_TOKEN",),
    "earthdata_username": ("EARTHDATA_USERNAME",),
    "earthdata_password": ("EARTHDATA_PASSWORD",),
    "aws_access_key_id": ("AWS_ACCESS_KEY_ID",),
    "aws_secret_access_key": ("AWS_SECRET_ACCESS_KEY",),
    "aws_session_token": ("AWS_SESSION_TOKEN",),
    "aws_credential_expiration": ("AWS_CREDENTIAL_EXPIRATION",),
    "aws_endpoint_url": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    "aws_request_payer": ("AWS_REQUEST_PAYER",),
    "aws_no_sign_request": ("AWS_NO_SIGN_REQUEST",),
}
"""Field → environment variables, the first that is set."""


_configured: dict[str, Any] = {}


def _variables(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return field → text of the variables that are set."""
    return hidden(
        {
            name: environ[variable]
            for name, variables in _VARIABLES.items()
            for variable in reversed(variables)
            if environ.get(variable)
        }
    )


def hidden(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings whose secrets are :class:`Secret`, whatever their type; None stays."""
    return {
        name: Secret.of(value) if name in _SECRETS and value is not None else value
        for name, value in values.items()
    }


def config_file() -> Path:
    """Return where the user's service and key may be kept."""
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
    """Read the file; it is read again when its stamp is another."""
    found = _parsed(path)
    if found is None:
        expected = "TOML that can be read, with api_url and api_key as text"
        raise InvalidParameter(name="config.toml", value=str(path), expected=expected)
    held, about = found
    if "api_key" in held and os.name == "posix":
        # As ssh and netrc do with theirs.
        if about.st_uid not in (os.getuid(), 0):
            expected = "a file of yours, as it holds api_key"
            raise InvalidParameter(name="config.toml", value=str(path), expected=expected)
        if about.st_mode & 0o077:
            expected = f"that nobody else may read it, as it holds api_key: chmod 600 {path}"
            raise InvalidParameter(name="config.toml", value=str(path), expected=expected)
    return {name: value for name, value in held.items() if value}


def _parsed(path: Path) -> tuple[dict[str, Any], os.stat_result] | None:
    """Return what the file holds, and its status; None if it is not what it should be."""
    import tomllib

    try:
        with path.open("rb") as file:
            held = tomllib.load(file)
            about = os.fstat(file.fileno())
    except (OSError, ValueError):
        return None
    known = held.keys() <= {"api_url", "api_key"}
    good = known and all(isinstance(value, str) for value in held.values())
    return (hidden(held), about) if good else None


def _joined(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Join settings, of which later ones win; a key goes with its URL alone."""
    merged: dict[str, Any] = {}
    for layer in layers:
        if not _same_service(merged.get("api_url"), layer.get("api_url")):
            merged.pop("api_key", None)
        merged |= layer
    return merged


def _same_service(one: str | None, other: str | None) -> bool:
    """Return True if a key for one URL is for the other: None is any."""
    if one is None or other is None:
        return True
    try:
        return urlsplit(one.casefold())[:2] == urlsplit(other.casefold())[:2]
    except ValueError:
        return False


def service_at(settings: Settings, url: str | None, key: Secret[str] | None) -> Settings:
    """Return settings for a service; their own key goes to no other than their own service.

    Parameters
    ----------
    settings : Settings
    url : str, optional
        Root of the service; that of the settings when left out.
    key : Secret, optional
        Its key; when left out that of the settings, where it is for the same host.
    """
    own = settings.api_key if _same_service(settings.api_url, url) else None
    return replace(settings, api_url=url or settings.api_url, api_key=key or own)


Reset = Callable[[], None]
_listeners: list[Reset] = []


def set_settings(values: Mapping[str, Any]) -> Settings:
    """Set settings of this process; see :func:`astra_xr.configure`. All or none of them hold.

    Raises
    ------
    InvalidParameter
        There is no such setting, or a value has no form that works.
    """
    values = hidden(values)
    names = [f.name for f in fields(Settings)]
    for name in values:
        if name not in names:
            near = closest(name, names, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            expected = f"one of {', '.join(sorted(names))}{hint}"
            raise InvalidParameter(name="setting", value=name, expected=expected)
    read = {name: _read(name, value, name) for name, value in values.items() if value is not None}
    for name in values:
        _configured.pop(name, None)
    _configured.update(read)
    for reset in _listeners:
        reset()
    return Settings.from_env()


def configured() -> dict[str, Any]:
    """Return what was set in this process, by name."""
    return dict(_configured)


def on_configure(reset: Reset) -> None:
    """Call a function after each :func:`configure`."""
    _listeners.append(reset)


def _arrive(public: dict[str, Any]) -> Settings:
    here = service_at(Settings.from_env(), public.get("api_url"), None)
    return Settings(**public, **{name: getattr(here, name) for name in _SECRETS})


_SECRETS = {f.name for f in fields(Settings) if f.metadata.get("secret")}


def _read(name: str, value: Any, shown: str) -> Any:
    """Read the value of a setting, without showing it where it is a secret."""
    if not isinstance(value, Secret):
        return read_value(name, value, shown=shown)
    if not isinstance(value.reveal(), str):
        raise InvalidParameter(name=shown, value="***", expected="text")
    return value
