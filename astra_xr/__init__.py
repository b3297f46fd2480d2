"""astra-xr: open satellite scenes as xarray by their ids, in surface reflectance, lazily.

>>> import astra_xr
>>> ds = astra_xr.open_scene(
...     "sentinel-2:S2B_MSIL2A_20250115T184929", bands=["red", "nir"], catalog="sample"
... )
>>> ndvi = ds.astra.index("NDVI")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# Registers ``ds.astra``, ``da.astra`` and ``tree.astra``; light, as they import nothing but xarray.
from astra_xr.accessor import accessor as _accessor
from astra_xr.accessor import array_accessor as _array_accessor
from astra_xr.accessor import tree_accessor as _tree_accessor
from astra_xr.version import __version__ as __version__

if TYPE_CHECKING:
    from astra_xr import errors, service
    from astra_xr.accessor import indices
    from astra_xr.accessor.accessor import AstraAccessor
    from astra_xr.accessor.array_accessor import AstraArrayAccessor
    from astra_xr.accessor.explain import Explanation
    from astra_xr.accessor.timeline import timeline
    from astra_xr.accessor.tree_accessor import AstraTreeAccessor
    from astra_xr.configuration import configure
    from astra_xr.errors import AstraError
    from astra_xr.resolver.local import LocalResolver
    from astra_xr.resolver.remote import RemoteResolver
    from astra_xr.resolver.resolution import Resolution
    from astra_xr.scenes.open import open_scene, resolve
    from astra_xr.scenes.scene_search import search
    from astra_xr.scenes.search_result import SearchResult
    from astra_xr.scenes.stack import open_scenes
    from astra_xr.scenes.tree import open_scene_tree
    from astra_xr.scenes.verification import verify
    from astra_xr.settings import Settings
    from astra_xr.widgets.picker import Picker

__all__ = [
    "AstraAccessor",
    "AstraArrayAccessor",
    "AstraError",
    "AstraTreeAccessor",
    "Explanation",
    "LocalResolver",
    "Picker",
    "RemoteResolver",
    "Resolution",
    "SearchResult",
    "Settings",
    "configure",
    "errors",
    "indices",
    "open_scene",
    "open_scene_tree",
    "open_scenes",
    "resolve",
    "search",
    "service",
    "timeline",
    "verify",
]

_HOMES = {
    "AstraAccessor": "astra_xr.accessor.accessor",
    "AstraArrayAccessor": "astra_xr.accessor.array_accessor",
    "AstraError": "astra_xr.errors",
    "AstraTreeAccessor": "astra_xr.accessor.tree_accessor",
    "Explanation": "astra_xr.accessor.explain",
    "LocalResolver": "astra_xr.resolver.local",
    "Picker": "astra_xr.widgets.picker",
    "RemoteResolver": "astra_xr.resolver.remote",
    "Resolution": "astra_xr.resolver.resolution",
    "SearchResult": "astra_xr.scenes.search_result",
    "Settings": "astra_xr.settings",
    "configure": "astra_xr.configuration",
    "open_scene": "astra_xr.scenes.open",
    "open_scene_tree": "astra_xr.scenes.tree",
    "open_scenes": "astra_xr.scenes.stack",
    "resolve": "astra_xr.scenes.open",
    "search": "astra_xr.scenes.scene_search",
    "timeline": "astra_xr.accessor.timeline",
    "verify": "astra_xr.scenes.verification",
}

_MODULES = {
    "errors": "astra_xr.errors",
    "indices": "astra_xr.accessor.indices",
    "service": "astra_xr.service",
}

del _accessor, _array_accessor, _tree_accessor


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'astra_xr' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
