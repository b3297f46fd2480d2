"""astra-xr: open satellite scenes as xarray by their ids, in true reflectance, lazily.

>>> import astra_xr
>>> ds = astra_xr.open_scene(
...     "sentinel-2:S2B_MSIL2A_20250115T184929", bands=["red", "nir"], catalog="sample"
... )
>>> ndvi = ds.astra.index("NDVI")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# Registers ``ds.astra`` and ``da.astra``; light, as they import nothing but xarray.
from astra_xr.accessor import accessor as _accessor
from astra_xr.accessor import array_accessor as _array_accessor

if TYPE_CHECKING:
    from astra_xr.accessor import indices
    from astra_xr.configuration import configure
    from astra_xr.errors import AstraError
    from astra_xr.resolver.local import LocalResolver
    from astra_xr.resolver.remote import RemoteResolver
    from astra_xr.resolver.resolution import Resolution
    from astra_xr.scenes.open import open_scene, resolve
    from astra_xr.scenes.search_result import search
    from astra_xr.scenes.stack import open_scenes
    from astra_xr.scenes.tree import open_scene_tree
    from astra_xr.settings import Settings

__all__ = [
    "AstraError",
    "LocalResolver",
    "RemoteResolver",
    "Resolution",
    "Settings",
    "configure",
    "indices",
    "open_scene",
    "open_scene_tree",
    "open_scenes",
    "resolve",
    "search",
]

_HOMES = {
    "AstraError": "astra_xr.errors",
    "LocalResolver": "astra_xr.resolver.local",
    "RemoteResolver": "astra_xr.resolver.remote",
    "Resolution": "astra_xr.resolver.resolution",
    "Settings": "astra_xr.settings",
    "configure": "astra_xr.configuration",
    "open_scene": "astra_xr.scenes.open",
    "open_scene_tree": "astra_xr.scenes.tree",
    "open_scenes": "astra_xr.scenes.stack",
    "resolve": "astra_xr.scenes.open",
    "search": "astra_xr.scenes.search_result",
}

del _accessor, _array_accessor


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("astra-xr")
    if name == "indices":
        return importlib.import_module("astra_xr.accessor.indices")
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'astra_xr' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
