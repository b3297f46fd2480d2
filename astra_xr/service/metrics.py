"""Prometheus metrics of the service: numbers and durations of requests."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Any

from starlette.types import Scope

from astra_xr.extras import require
from astra_xr.service.files import PREFIX

MANY = "PROMETHEUS_MULTIPROC_DIR"
"""Environment variable with the folder of counters shared by several workers."""

_METHODS = ("GET", "HEAD")
_BUCKETS = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0, 300.0)


class Metrics:
    """Count the requests of the service.

    Labels have a fixed set of values, and contain nothing that a client sent. The workers of one
    ``astra-xr serve`` share counters; several machines are scraped separately.

    Parameters
    ----------
    paths : collection of str
        The pages of the service; files are counted under the prefix of their paths.

    Raises
    ------
    MissingExtra
        prometheus_client is not installed.
    """

    def __init__(self, paths: Collection[str]) -> None:
        self._paths = paths
        self._client: Any = require("prometheus_client", extra="service", purpose="ASTRA_METRICS")
        self._registry = self._client.CollectorRegistry()
        self._requests = self._client.Counter(
            "astra_requests",
            "Requests, by route, method and status (499: the client hung up).",
            ("route", "method", "status"),
            registry=self._registry,
        )
        self._seconds = self._client.Histogram(
            "astra_request_seconds",
            "Seconds until the response was sent.",
            ("route",),
            buckets=_BUCKETS,
            registry=self._registry,
        )

    def count(self, scope: Scope, status: int, seconds: float) -> None:
        """Count one request."""
        path, method = scope["path"], scope["method"]
        route = PREFIX if path.startswith(PREFIX) else path if path in self._paths else "other"
        method = method if method in _METHODS else "other"
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def page(self) -> tuple[bytes, str]:
        """Return the counters as text, and their media type."""
        registry = self._registry
        if os.environ.get(MANY):
            many: Any = require(
                "prometheus_client.multiprocess", extra="service", purpose="ASTRA_METRICS"
            )
            registry = self._client.CollectorRegistry()
            many.MultiProcessCollector(registry)
        return self._client.generate_latest(registry), self._client.CONTENT_TYPE_LATEST
