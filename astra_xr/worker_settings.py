"""Settings on the workers of a Dask cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distributed import WorkerPlugin

from astra_xr.secret import Secret
from astra_xr.settings import set_settings, with_secrets


class WorkerSettings(WorkerPlugin):
    """Sets settings on all workers of a cluster, present and future.

    Its repr has names and no values. Its pickle, which only scheduler and workers receive, has the
    values, including secrets.

    Parameters
    ----------
    values : mapping of str to object
        Settings by name; None resets one to the worker's environment.
    """

    name = "astra-xr-settings"

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = with_secrets(values)

    def __reduce__(self) -> tuple[Any, ...]:
        sent = {n: v.reveal() if isinstance(v, Secret) else v for n, v in self._values.items()}
        return WorkerSettings, (sent,)

    def __repr__(self) -> str:
        return f"WorkerSettings({', '.join(sorted(self._values))})"

    def setup(self, worker: Any) -> None:
        """Set them in the process of a worker."""
        set_settings(self._values)
