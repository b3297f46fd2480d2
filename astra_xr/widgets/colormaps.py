"""Colormaps as tables of 256 colors; the browser gets the same.

``colormaps.json`` has matplotlib's values: viridis and similar (CC0), turbo (Google,
Apache-2.0), and those of ColorBrewer (Cynthia Brewer, Apache-2.0).
"""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from astra_xr.errors import InvalidParameter


@functools.cache
def colormaps() -> dict[str, str]:
    """Return name → 256 colors of red, green and blue, as hexadecimal digits."""
    found: dict[str, str] = json.loads(Path(__file__).with_name("colormaps.json").read_text())
    return found


def colors(name: str) -> npt.NDArray[np.uint8]:
    """Return the colors of a colormap, (256, 3).

    Raises
    ------
    InvalidParameter
        There is no such colormap.

    Examples
    --------
    >>> colors("gray")[255].tolist()
    [255, 255, 255]
    """
    if name not in colormaps():
        expected = f"one of {', '.join(colormaps())}"
        raise InvalidParameter(name="cmap", value=name, expected=expected)
    return np.frombuffer(bytes.fromhex(colormaps()[name]), np.uint8).reshape(256, 3)
