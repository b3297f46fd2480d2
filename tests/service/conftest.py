"""The service on loopback, over the sample."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from astra_xr.service.config import ServiceSettings
from astra_xr.service.keys import new_key
from astra_xr.service.logs import JsonLines
from astra_xr.service.serve import running_in_thread
from astra_xr.settings import Settings

SCENE = "sentinel-2:S2B_MSIL2A_20250115T184929"


@dataclass
class Served:
    """A running service, its key, and what it logged."""

    url: str
    key: str = field(repr=False)
    lines: list[str]
    url_key: bytes

    def ask(self, query: dict[str, Any] | str | None = None, **options: Any) -> httpx.Response:
        """Ask for assets, with the key."""
        headers = {"Authorization": f"Bearer {self.key}"} | options.pop("headers", {})
        query = {"scene_id": SCENE} if query is None else query
        url = f"{self.url}/api/v1/assets"
        if isinstance(query, str):
            # As it stands: httpx would mend what is odd in it.
            url, query = f"{url}?{query}", None
        return httpx.get(url, params=query, headers=headers, timeout=60, **options)


class Lines(logging.Handler):
    """Keeps what the service would print."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.setFormatter(JsonLines())

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.extend(self.format(record).splitlines())


@pytest.fixture(scope="session", autouse=True)
def _made_sample(made_sample: None) -> None:
    """The scene that services serve."""


@pytest.fixture
def service_settings() -> dict[str, Any]:
    """Settings of the service that a test changes before it uses ``served``."""
    return {}


@pytest.fixture
def served(service_settings: dict[str, Any]) -> Iterator[Served]:
    """The service over the sample, or over what ``service_settings`` say."""
    with serving(**service_settings) as running_service:
        yield running_service


@contextlib.contextmanager
def serving(**changes: Any) -> Iterator[Served]:
    """Run the service over the sample, with other settings where ``changes`` say so."""
    key = new_key("tests")[1].reveal()
    url_key = b"secret-of-the-urls-in-these-tests"
    settings = ServiceSettings(
        **{
            "core": core_settings(catalog="sample"),
            "api_keys": (key,),
            "url_keys": {"t": url_key},
            **changes,
        }
    )
    handler = Lines()
    logger = logging.getLogger("astra_xr.service")
    level = logger.level
    logger.setLevel(logging.INFO)
    for name in ("astra_xr.service", "uvicorn.error", "httpx"):
        logging.getLogger(name).addHandler(handler)
    try:
        with running_in_thread(settings) as url:
            yield Served(url, key, handler.lines, url_key)
    finally:
        logger.setLevel(level)
        for name in ("astra_xr.service", "uvicorn.error", "httpx"):
            logging.getLogger(name).removeHandler(handler)


def core_settings(**changes: Any) -> Settings:
    """Return settings of the resolver, with the cache folder of the run."""
    return Settings(**{"cache_dir": Settings.from_env().cache_dir, **changes})
