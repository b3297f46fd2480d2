"""Optional dependencies: imported when needed, with a clear error if missing."""

from __future__ import annotations

import importlib
from types import ModuleType

from astra_xr.errors import MissingExtra


def require(package: str, *, extra: str, purpose: str) -> ModuleType:
    """Import an optional dependency.

    Parameters
    ----------
    package : str
        Name to import.
    extra : str
        The extra of astra-xr that installs it.
    purpose : str
        The feature that needs it, for the error message.

    Raises
    ------
    MissingExtra
        The package is not installed.

    Examples
    --------
    >>> require("json", extra="plot", purpose="a plot").__name__
    'json'
    """
    try:
        return importlib.import_module(package)
    except ImportError:
        pass
    raise MissingExtra(package=package, extra=extra, purpose=purpose)
