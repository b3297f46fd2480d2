"""Reading a window of a file, in one call."""

from __future__ import annotations

from typing import Any

import numpy as np

from astra_xr.reading import engine
from astra_xr.reading.loop import run
from astra_xr.reading.window import Window


def read(**fields: Any) -> np.ndarray:
    """Read the window that has these fields."""
    return run(engine.read(Window(**fields)))
