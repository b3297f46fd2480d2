"""Which pixels of a classification band belong to a class."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from astra_xr.model import ClassValue

MASKED = ("clouds", "shadows", "cirrus")
"""What is masked by default, and where a time step prefers another of its scenes."""


def belongs(stored: npt.NDArray[Any], classes: Iterable[ClassValue]) -> npt.NDArray[np.bool_]:
    """Return True where a pixel of a classification or QA band has one of the classes.

    Parameters
    ----------
    stored : ndarray
        Integers, of any shape.
    classes : iterable of ClassValue
        Whole numbers, or bit fields.

    Examples
    --------
    >>> cloud = ClassValue(value=8, mask=8, name="cloud")
    >>> belongs(np.array([0, 8, 12]), [cloud])
    array([False,  True,  True])
    """
    found = np.zeros(stored.shape, np.bool_)
    for each in classes:
        found |= (stored if each.mask is None else stored & each.mask) == each.value
    return found
