"""The HTTP service: the asset-resolver API over the embedded resolver.

``astra-xr serve`` runs it; :func:`running` runs it beside this program.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from astra_xr.service.beside import RunningService, running
    from astra_xr.service.keys import KeyFile

__all__ = ["KeyFile", "RunningService", "running"]


_HOMES = {"KeyFile": "keys", "RunningService": "beside", "running": "beside"}


def __getattr__(name: str) -> Any:
    # Importing the package loads no server and no HTTP client.
    if name in _HOMES:
        return getattr(importlib.import_module(f"astra_xr.service.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'astra_xr.service' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
