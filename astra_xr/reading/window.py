"""What is read from a file: a window of its image or of an overview."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from astra_xr.model import Grid, Radiometry, UrlSource
from astra_xr.reading.decoding import decoded_dtype, effective_nodata, effective_radiometry

Span = tuple[int, int] | npt.NDArray[np.integer[Any]]
"""Rows or columns, from 0: a half-open range, or single ones in any order."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """What to read from a file, and how."""

    source: UrlSource
    """Where the file is; also part of the cache key of its tiles."""

    label: str
    """Scene and band, for messages."""

    shape: tuple[int, int]
    """Rows and columns that the whole file must have."""

    transform: tuple[float, float, float, float, float, float] | None = None
    """That the file must have, as in :attr:`astra_xr.model.Grid.transform`; None: any."""

    crs: str | None = None
    """The CRS of ``transform``, as in :attr:`astra_xr.model.Grid.crs`."""

    indexes: tuple[int, ...]
    """Planes, from 1."""

    rows: Span
    """Pixels from the top."""

    cols: Span
    """Pixels from the left."""

    pointwise: bool = False
    """True: ``rows`` and ``cols`` are arrays of paired points."""

    level: int = 0
    """Level that ``rows`` and ``cols`` refer to: 0 is the full image, 1 its finest overview."""

    radiometry: Radiometry | None
    """How to decode stored numbers; None returns them as they are."""

    by_plane: tuple[Radiometry, ...] = ()
    """How to decode each plane, if that differs; empty: all by ``radiometry``."""

    nodata: float | None = None
    """Stored number of pixels without data, if stored numbers are returned."""

    count: int | None = None
    """Number of planes of the file that the item describes; None: not checked."""

    names: tuple[tuple[int, tuple[str, ...]], ...] = ()
    """Planes of the file, and the names that the item has for each; empty: not checked."""

    masked: bool = False
    """True: stored numbers that the file's mask or alpha plane hides become nodata."""

    classes: tuple[int, ...] = ()
    """Numbers of a class map; overviews that hold means of them are not used. Empty: any."""

    only_nodata: float | None = None
    """The nodata value, whatever the file's own is, which is then a valid number; None: the
    file's."""

    dtype: np.dtype[Any] | None = None
    """Of the result, which must hold the file's numbers; None: the file's, or decoded."""

    def __getstate__(self) -> dict[str, Any]:
        # Without defaults: a graph of many chunks contains many pickles.
        default = vars(type(self))
        state = {name: v for name, v in vars(self).items() if v is not default.get(name, self)}
        return state | ({"dtype": self.dtype.str} if self.dtype is not None else {})

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if "dtype" in state:
            vars(self)["dtype"] = np.dtype(state["dtype"])

    @property
    def grid(self) -> Grid | None:
        """Return the grid that the whole file must have; None: any."""
        if self.transform is None or self.crs is None:
            return None
        return Grid(crs=self.crs, shape=self.shape, transform=self.transform)

    def of_file(self, grid: Grid) -> Window:
        """Return the same window of a file that has this grid."""
        return replace(self, crs=grid.crs, shape=grid.shape, transform=grid.transform)

    @property
    def size(self) -> tuple[int, ...]:
        """Return the shape of the result: (planes, rows, columns), or (planes, points)."""
        lengths = [s[1] - s[0] if isinstance(s, tuple) else len(s) for s in (self.rows, self.cols)]
        return (len(self.indexes), *(lengths[:1] if self.pointwise else lengths))

    def dtype_of(self, stored: np.dtype[Any]) -> np.dtype[Any]:
        """Return the dtype of the result, by the dtype of the stored numbers."""
        if self.dtype is not None:
            return self.dtype
        return decoded_dtype(stored) if self.radiometry else stored

    def with_tags(self, own: Sequence[Radiometry]) -> Window:
        """Return the window with the :func:`effective_radiometry` of its planes.

        Parameters
        ----------
        own : sequence of Radiometry
            Of each plane of the window, by the file's own tags.
        """
        if self.only_nodata is not None:
            own = [replace(each, nodata=self.only_nodata) for each in own]
        if self.radiometry is None:
            # Only for its warning; a TIFF has one nodata for all of its planes.
            effective_nodata(self.nodata, own[0], self.label, stored=True)
            return self
        given = self.by_plane or (self.radiometry,) * len(own)
        pairs = zip(given, own, strict=True)
        each = tuple(effective_radiometry(*pair, self.label) for pair in pairs)
        same = all(plane == self.radiometry for plane in each)
        return self if same else replace(self, by_plane=each)

    @property
    def hides(self) -> bool:
        """Return True if the file's mask or alpha plane is read."""
        return self.radiometry is not None or self.masked

    def hidden_as(self, own: float | None) -> tuple[float | None, ...]:
        """Return what may mark hidden pixels of the result, by the file's own nodata."""
        return (math.nan,) if self.radiometry else (self.nodata, own)

    def plane_radiometry(self, plane: int) -> Radiometry | None:
        """Return how to decode a plane of the window, from 0; None: as stored."""
        return self.by_plane[plane] if self.by_plane else self.radiometry

    def cut(self, rows: tuple[int, int], cols: tuple[int, int], level: int = 0) -> Window:
        """Return another window of the same file."""
        return replace(self, rows=rows, cols=cols, level=level, pointwise=False)


@dataclass(frozen=True, kw_only=True)
class Pyramid:
    """The image of a file and its overviews, whether GDAL reads it or the engine."""

    shapes: tuple[tuple[int, int], ...]
    """Rows and columns of the image and its overviews, finest first."""

    nodata: float | None
    """Stored number of pixels without data."""

    palette: bool
    """True if there is a color table: the numbers are classes."""


def clamped(start: float, stop: float, size: int) -> tuple[int, int]:
    """Return the whole pixels that cover ``start`` to ``stop``, within 0 to ``size``.

    Examples
    --------
    >>> clamped(-2, 3.5, 10), clamped(12, 14, 10)
    ((0, 4), (10, 10))
    """
    low = min(max(0, math.floor(start)), size)
    return low, max(low, min(size, math.ceil(stop)))


def by_block(
    numbers: Sequence[npt.NDArray[np.integer[Any]]], sides: Sequence[int]
) -> list[npt.NDArray[np.intp]]:
    """Group rows, columns or points by the file's blocks; return the indices of each group.

    Examples
    --------
    >>> [each.tolist() for each in by_block([np.array([3, 900, 5])], [256])]
    [[0, 2], [1]]
    """
    blocks = np.stack([each // side for each, side in zip(numbers, sides, strict=True)])
    group = np.unique(blocks, axis=1, return_inverse=True)[1].ravel()
    order = np.argsort(group, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(group[order])) + 1)


def range_around(span: Span) -> tuple[tuple[int, int], slice | npt.NDArray[np.integer[Any]]]:
    """Return the range around rows or columns, and their index in that range."""
    if isinstance(span, tuple):
        return span, slice(None)
    if not span.size:
        return (0, 0), span
    low = int(span.min())
    return (low, int(span.max()) + 1), span - low


def rectangles(
    window: Window, block: tuple[int, int]
) -> Iterator[tuple[tuple[int, int], tuple[int, int], tuple[Any, ...], tuple[Any, ...]]]:
    """Yield rectangles that contain the pixels of a window: small ones if they are far apart.

    Parameters
    ----------
    block : (int, int)
        Rows and columns of the file's tiles or strips. Ranges stay whole; single rows, columns
        and points are divided by block.

    Yields
    ------
    rows, cols : (int, int)
        Half-open ranges.
    take : tuple
        Index of the pixels in the rectangle.
    target : tuple
        Their index in the result.

    Examples
    --------
    >>> window = Window(source=None, label="", shape=(900, 900), indexes=(1,), radiometry=None,
    ...                 rows=np.array([3, 899, 5]), cols=(0, 9))
    >>> [(rows, cols) for rows, cols, _, _ in rectangles(window, (256, 256))]
    [((3, 6), (0, 9)), ((899, 900), (0, 9))]
    """
    rows, cols = window.rows, window.cols
    if window.pointwise:
        numbers = np.asarray(rows), np.asarray(cols)
        for here in by_block(numbers, block):
            (down, ys), (across, xs) = (range_around(each[here]) for each in numbers)
            yield down, across, (ys, xs), (here,)
        return
    spans = map(_spans, (rows, cols), block)
    for (to_rows, some_rows), (to_cols, some_cols) in itertools.product(*spans):
        (down, ys), (across, xs) = range_around(some_rows), range_around(some_cols)
        yield down, across, crossing(ys, xs), crossing(to_rows, to_cols)


def _spans(span: Span, side: int) -> list[tuple[Any, Span]]:
    """Return a range as it is, or single rows or columns by block, after their index."""
    if isinstance(span, tuple):
        return [(slice(None), span)]
    return [(here, span[here]) for here in by_block([span], [side])]


def crossing(rows: Any, cols: Any) -> tuple[Any, Any]:
    """Return the index of all rows at all columns; each is a slice or an array."""
    whole = isinstance(rows, slice) or isinstance(cols, slice)
    return (rows, cols) if whole else (rows[:, None], cols)
