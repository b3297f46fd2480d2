"""Settings: where services are and which credentials to use, read when asked, never at import."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import platformdirs

from astra_xr.errors import InvalidParameter


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that can be configured from outside.

    Secrets are left out of the repr and of pickles: an unpickled ``Settings`` takes them from
    the environment of the process that it arrives in.

    Examples
    --------
    >>> Settings.from_env({"ASTRA_TIMEOUT": "5"}).timeout
    5.0
    """

    catalog: str | None = None
    """Name of the catalogue that is asked where the caller names none; None: the mission's own
    order (``ASTRA_CATALOG``)."""

    cache_dir: Path = field(
        default_factory=lambda: Path(platformdirs.user_cache_dir("astra-xr", appauthor=False))
    )
    """Folder of everything that can be made again (``ASTRA_CACHE_DIR``)."""

    timeout: float = 10.0
    """Seconds that a catalogue or signing service has to answer, with all retries
    (``ASTRA_TIMEOUT``)."""

    earth_search_url: str = "https://earth-search.aws.element84.com/v1"
    """Root of the Earth Search STAC API (``ASTRA_EARTH_SEARCH_URL``)."""

    planetary_computer_url: str = "https://planetarycomputer.microsoft.com/api/stac/v1"
    """Root of the Planetary Computer STAC API (``ASTRA_PLANETARY_COMPUTER_URL``)."""

    planetary_computer_sas_url: str = "https://planetarycomputer.microsoft.com/api/sas/v1"
    """Root of the Planetary Computer signing API (``PC_SDK_SAS_URL``)."""

    planetary_computer_key: str | None = field(default=None, repr=False, metadata={"secret": True})
    """Optional subscription key of the Planetary Computer (``PC_SDK_SUBSCRIPTION_KEY``)."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "cache_dir", Path(self.cache_dir).absolute())

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings from environment variables.

        Parameters
        ----------
        environ : mapping, optional
            The variables; ``os.environ`` when left out.

        Raises
        ------
        InvalidParameter
            A variable holds a value of the wrong form.
        """
        environ = os.environ if environ is None else environ
        values: dict[str, Any] = {
            name: environ[variable]
            for name, variable in _VARIABLES.items()
            if environ.get(variable)
        }
        if "cache_dir" in values:
            values["cache_dir"] = Path(values["cache_dir"]).expanduser()
        if "timeout" in values:
            values["timeout"] = _positive(_VARIABLES["timeout"], values["timeout"])
        # The Planetary Computer's own tools give this URL with the token path on it.
        sas = values.get("planetary_computer_sas_url")
        if sas:
            values["planetary_computer_sas_url"] = sas.rstrip("/").removesuffix("/token")
        return cls(**values)

    def __reduce__(self) -> tuple[Any, ...]:
        plain = Settings()
        public = {
            f.name: getattr(self, f.name)
            for f in fields(self)
            if not f.metadata.get("secret") and getattr(self, f.name) != getattr(plain, f.name)
        }
        return _arrive, (public,)


_VARIABLES = {
    "catalog": "ASTRA_CATALOG",
    "cache_dir": "ASTRA_CACHE_DIR",
    "timeout": "ASTRA_TIMEOUT",
    "earth_search_url": "ASTRA_EARTH_SEARCH_URL",
    "planetary_computer_url": "ASTRA_PLANETARY_COMPUTER_URL",
    "planetary_computer_sas_url": "PC_SDK_SAS_URL",
    "planetary_computer_key": "PC_SDK_SUBSCRIPTION_KEY",
}


def _arrive(public: dict[str, Any]) -> Settings:
    here = Settings.from_env()
    secrets = {f.name: getattr(here, f.name) for f in fields(Settings) if f.metadata.get("secret")}
    return Settings(**public, **secrets)


def _positive(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise InvalidParameter(name=name, value=text, expected="a positive number of seconds")
    return value
