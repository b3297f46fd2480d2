"""Colormaps as tables of 256 colors, which the browser has too.

``colormaps.json`` has matplotlib's values: viridis and similar (CC0), turbo (Google,
Apache-2.0), and those of ColorBrewer (Cynthia Brewer, Apache-2.0). A name that ends with ``_r``
means the reversed colormap, as in matplotlib.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from astra_xr.accessor.default_colormaps import DIVERGING
from astra_xr.errors import InvalidParameter

GROUPS = {
    "Sequential": (
        "gray", "viridis", "magma", "inferno", "cividis", "Blues", "Greens", "YlGn", "YlGnBu",
    ),
    "Diverging": DIVERGING,
    "Other": ("turbo", "terrain"),
}  # fmt: skip

SAFE = (*GROUPS["Sequential"], "BrBG", "PiYG", "PuOr", "RdBu", "RdYlBu")
"""Colormaps that color-blind readers can read.

Of ColorBrewer, those that colorbrewer2.org marks "colorblind safe": all sequential ones, but not
RdYlGn and Spectral. viridis, magma and inferno are made for the common forms of color blindness
(https://bids.github.io/colormap), cividis for all (Nuñez et al. 2018, PLoS ONE 13(7), e0199239).
"""


@functools.cache
def colormaps() -> dict[str, str]:
    """Return name → 256 colors of red, green and blue, as hexadecimal digits."""
    found: dict[str, str] = json.loads(Path(__file__).with_name("colormaps.json").read_text())
    return found


def colors(name: str, parameter: str = "cmap") -> npt.NDArray[np.uint8]:
    """Return the colors of a colormap, (256, 3), red, green and blue.

    Raises
    ------
    InvalidParameter
        There is no such colormap; ``parameter`` is its name in the message.

    Examples
    --------
    >>> colors("gray")[255].tolist()
    [255, 255, 255]
    """
    base = name.removesuffix("_r")
    if base not in colormaps():
        expected = f"one of {', '.join(colormaps())}, reversed with _r"
        raise InvalidParameter(name=parameter, value=name, expected=expected)
    table = np.frombuffer(bytes.fromhex(colormaps()[base]), np.uint8).reshape(256, 3)
    return table if base == name else table[::-1]
