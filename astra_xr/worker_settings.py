"""Settings on the workers of a Dask cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distributed import WorkerPlugin

from astra_xr.secret import Secret
from astra_xr.settings import hidden, set_settings


class WorkerSettings(WorkerPlugin):
    """Sets settings on each worker of a cluster, also on those that come later.

    Its repr names the settings and shows no value. Its pickle, which goes to scheduler and
    workers alone, holds the values: secrets among them are what it is for.

    Parameters
    ----------
    values : mapping of str to object
        Settings by name; None leaves one to the worker's environment.
    """

    name = "astra-xr-settings"

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = hidden(values)

    def __reduce__(self) -> tuple[Any, ...]:
        sent = {n: v.reveal() if isinstance(v, Secret) else v for n, v in self._values.items()}
        return WorkerSettings, (sent,)

    def __repr__(self) -> str:
        return f"WorkerSettings({', '.join(sorted(self._values))})"

    def setup(self, worker: Any) -> None:
        """Set them in a worker's process."""
        set_settings(self._values)
