"""Compare a scene across catalogs: grid, scale and offset, and pixels."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from odc.geo.geobox import GeoBox

from astra_xr.arguments import read_count, read_text
from astra_xr.catalogs import ORDER, AnyCatalog, catalog_name
from astra_xr.errors import AstraError, InvalidParameter, UnknownBand, redact
from astra_xr.model import FoundId
from astra_xr.net.retries import TimeLimit, in_threads, time_limited
from astra_xr.resolver.ids import parse_scene_id
from astra_xr.scenes.open import open_scene
from astra_xr.settings import Settings
from astra_xr.tables import Table

_ENOUGH = 0.5
"""Fraction of a window that must have data; otherwise another one is tried."""

_ROUNDING = 0.6
"""Steps of the stored number by which equal values may differ, since they are rounded."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """A scene at one catalog."""

    catalog: str
    scene: str = ""
    """Id of the processing that opens there."""

    grid: str = ""
    """CRS, shape and transform of the band."""

    scale: float | None = None
    offset: float | None = None
    """In the unit of the values."""

    reason: str = ""
    """Source of scale and offset."""

    pixels: str = ""
    """How the values compare to those of most catalogs."""

    same: bool | None = None
    """True if grid and values are the same; None if they could not be compared."""

    failure: str = ""
    """Why it could not be read; empty if it could."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Verification:
    """The result of :func:`verify`, displayed as a table."""

    scene: str
    band: str
    window: tuple[slice, slice]
    """Rows and columns that were compared, in the grid of the band."""

    checks: tuple[Check, ...]
    """One per catalog, in the order in which they are queried."""

    @property
    def agree(self) -> bool | None:
        """True if all that could be read are equal; None if fewer than two could be read."""
        known = [check.same for check in self.checks if check.same is not None]
        return all(known) if len(known) > 1 else None

    def _table(self) -> Table:
        rows, columns = self.window
        verdict = {True: "the same at", False: "not the same at", None: "not compared, at"}
        read = sum(not check.failure for check in self.checks)
        many = f"{read} catalog{'' if read == 1 else 's'}"
        return Table(
            title=f"{self.scene} {self.band}: {verdict[self.agree]} {many}",
            columns=("catalog", "grid", "scale", "offset", "pixels", "scene"),
            rows=tuple(map(_cells, self.checks)),
            facts=(f"rows {rows.start}-{rows.stop}, columns {columns.start}-{columns.stop}",),
            notes=tuple(f"{c.catalog}: {c.reason}" for c in self.checks if c.reason),
            numbers={"scale", "offset"},
            words={"pixels", "grid"},
        )

    def __repr__(self) -> str:
        return str(self._table())

    def _repr_html_(self) -> str:
        return self._table().html()


@dataclass
class _Seen:
    """A scene as one catalog has it."""

    catalog: str
    band: xr.DataArray | None = None
    scene: str = ""
    error: AstraError | None = None
    values: npt.NDArray[np.floating[Any]] = field(default_factory=lambda: np.empty(0))

    @property
    def geobox(self) -> GeoBox:
        assert self.band is not None
        found: GeoBox = self.band.odc.geobox
        return found


def verify(
    scene_id: str,
    band: str | None = None,
    *,
    size: int = 256,
    catalogs: AnyCatalog | Sequence[AnyCatalog] = None,
) -> Verification:
    """Read the same window of a scene at each catalog that has it, and compare.

    This finds errors of catalogs: an offset that is applied twice or not at all, a wrong grid, or
    a file of another processing.

    Parameters
    ----------
    scene_id : str
        As for :func:`astra_xr.open_scene`.
    band : str, optional
        Any name of one band; by default red, or the first band of the scene.
    size : int
        Rows and columns of the window, at the center of the scene or where there is data.
    catalogs : str, client or sequence of these, optional
        Catalogs to compare, each as in :func:`astra_xr.open_scene`; by default all of the mission.

    Returns
    -------
    Verification
        A table; ``agree`` is True if all grids and values that could be read are the same. A
        catalog that could not be read (it is down, or needs an account) has a row with the reason.

    Raises
    ------
    InvalidSceneId, InvalidParameter
        The id has no known form, or an argument is invalid.
    UnknownBand
        No catalog that has the scene has the band.

    Examples
    --------
    >>> import astra_xr
    >>> found = astra_xr.verify("S2B_MSIL2A_20250115T184929", catalogs=["sample", "Sample"])
    >>> found.agree, len(found.checks), found.checks[0].offset
    (None, 1, -0.1)
    """
    size = read_count("size", size, "a whole number of pixels from 1")
    if band is not None:
        band = read_text("band", band, "the name of one band, or None")
    scene = parse_scene_id(scene_id)
    one = isinstance(catalogs, str) or not isinstance(catalogs, Iterable)
    listed: Any = [catalogs] if one else catalogs
    named = [catalog_name(each) for each in listed]
    first = scene_id.catalogs if isinstance(scene_id, FoundId) else ()
    usual = (*first, *ORDER.get(scene.mission, ()))
    order = list(dict.fromkeys(filter(None, named))) or list(dict.fromkeys(usual))
    seen = in_threads(lambda name: _open(scene_id, band, name), order, len(order))
    readable = [each for each in seen if not each.error]
    unknown = [each.error for each in seen if isinstance(each.error, UnknownBand)]
    if unknown and not readable:
        raise unknown[0]
    window = _window(readable, size)
    in_threads(lambda each: _read(each, window), readable, len(order))
    readable = [each for each in readable if not each.error]
    reference = max(
        readable,
        key=lambda one: sum(not _difference(one, other) for other in readable),
        default=None,
    )
    checks = tuple(_check(each, reference, len(readable)) for each in seen)
    name = next((str(each.band.name) for each in readable if each.band is not None), band or "")
    return Verification(scene=str(scene), band=name, window=window, checks=checks)


def _open(scene_id: str, band: str | None, catalog: str) -> _Seen:
    seen = _Seen(catalog=catalog)
    # One that is down is reported, and does not delay the others for long.
    limit = TimeLimit(until=time.monotonic() + 2 * Settings.from_env().timeout)
    try:
        with time_limited(limit):
            ds = _opened(scene_id, band, catalog)
    except InvalidParameter:
        raise
    except AstraError as error:
        seen.error = error
        return seen
    if len(ds.data_vars) > 1:
        expected = f"the name of one band, such as {next(iter(ds.data_vars))!r}"
        raise InvalidParameter(name="band", value=band, expected=expected)
    (seen.band,), seen.scene = ds.data_vars.values(), str(ds.attrs["scene_id"])
    return seen


def _opened(scene_id: str, band: str | None, catalog: str) -> xr.Dataset:
    try:
        return open_scene(scene_id, [band or "red"], catalog=catalog)
    except UnknownBand as error:
        names = [] if band else list(error.available)
        if not names:
            raise
        return open_scene(scene_id, names[:1], catalog=catalog)


def _read(seen: _Seen, window: tuple[slice, slice]) -> None:
    assert seen.band is not None
    try:
        values = seen.band.isel(y=window[0], x=window[1]).values
        seen.values = np.asarray(values, float)
    except AstraError as error:
        seen.error = error


def _window(readable: list[_Seen], size: int) -> tuple[slice, slice]:
    """Return the rows and columns to compare: at the center, else where the first has data."""
    if not readable:
        return slice(0, 0), slice(0, 0)
    first = readable[0]
    height, width = first.geobox.shape
    best, most = (slice(0, 0), slice(0, 0)), -1.0
    for down, right in ((0.5, 0.5), (0.25, 0.25), (0.25, 0.75), (0.75, 0.25), (0.75, 0.75)):
        window = _around(height, down, size), _around(width, right, size)
        _read(first, window)
        if first.error:
            return window
        part = float(np.isfinite(first.values).mean())
        if part > most:
            best, most = window, part
        if part >= _ENOUGH:
            break
    return best


def _around(length: int, where: float, size: int) -> slice:
    start = max(0, min(int(length * where) - size // 2, length - size))
    return slice(start, min(length, start + size))


def _check(seen: _Seen, reference: _Seen | None, count: int) -> Check:
    if seen.error or seen.band is None or reference is None:
        return Check(catalog=seen.catalog, scene=seen.scene, failure=redact(seen.error))
    difference = _difference(reference, seen)
    how = difference or ("the same" if count > 1 else "nothing to compare with")
    attrs = seen.band.attrs
    return Check(
        catalog=seen.catalog,
        scene=seen.scene,
        grid=_grid(seen.geobox),
        scale=attrs.get("scale"),
        offset=attrs.get("offset"),
        reason=str(attrs.get("radiometry", "")),
        pixels=how,
        same=None if count < 2 else not difference,
    )


def _grid(box: GeoBox) -> str:
    height, width = box.shape
    numbers = ", ".join(f"{number:g}" for number in tuple(box.affine)[:6])
    name = f"EPSG:{box.crs.epsg}" if box.crs and box.crs.epsg else "a CRS without a code"
    return f"{name}, {height} x {width}, ({numbers})"


def _difference(one: _Seen, other: _Seen) -> str:
    """Return how the grid or the values of the other differ; empty if they are equal."""
    if one.geobox != other.geobox:
        return f"a different grid than at {one.catalog}"
    holes = np.isfinite(one.values) != np.isfinite(other.values)
    both = np.isfinite(one.values) & np.isfinite(other.values)
    apart = other.values[both] - one.values[both]
    steps = [
        abs(each.band.attrs.get("scale") or 0) for each in (one, other) if each.band is not None
    ]
    tolerance = _ROUNDING * max(steps, default=0) + 1e-9
    wrong = np.abs(apart) > tolerance
    if not wrong.any():
        # The few that are shifted to nodata in one are dark or saturated.
        return f"{holes.mean():.0%} have data in only one" if holes.mean() > 0.01 else ""
    middle = float(np.median(apart))
    if np.abs(apart - middle).max() <= tolerance:
        return f"all differ by {middle:+.4g} from {one.catalog}: one of the two offsets is wrong"
    return (
        f"{wrong.mean():.0%} differ from {one.catalog}, by a median of {middle:+.4g}, and up to "
        f"{np.abs(apart).max():.4g}"
    )


def _cells(check: Check) -> tuple[str, ...]:
    if check.failure:
        return check.catalog, "", "", "", f"not read: {check.failure}", check.scene
    numbers = ("" if each is None else f"{each:g}" for each in (check.scale, check.offset))
    return check.catalog, check.grid, *numbers, check.pixels, check.scene
