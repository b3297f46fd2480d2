"""The result of a search: a sequence of ids, displayed as a map and a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

from astra_xr.catalogs import AnyCatalog, catalog_name
from astra_xr.catalogs.query import make_query
from astra_xr.errors import InvalidParameter, redact
from astra_xr.geometry import Box
from astra_xr.resolver.search import Rows
from astra_xr.resolver.search_rows import Row
from astra_xr.scenes.footprint_map import map_svg
from astra_xr.tables import Cell, Picture, Table

if TYPE_CHECKING:
    import pandas as pd
    from geopandas import GeoDataFrame

_SHOWN = 100
"""Rows in a repr; a search may find thousands."""


@dataclass(frozen=True, kw_only=True, repr=False)
class SearchResult(Rows, Sequence[str]):
    """Ids of the scenes that were found, newest first; in notebooks a map and a table.

    Examples
    --------
    >>> import astra_xr
    >>> found = astra_xr.search("sentinel-2", datetime="2025-06/2025-09", catalog="sample")
    >>> len(found), len(found[:2]), len(found.filter(cloud_cover=10))
    (5, 2, 3)
    >>> clear = found[found.to_dataframe()["cloud_cover"] < 10]
    >>> [row.datetime[:10] for row in clear.rows]
    ['2025-09-17', '2025-08-18', '2025-06-14']
    """

    mission: str
    """Name of the mission, or of the collection of the user's own catalog."""

    bbox: Box | None
    """The box that was searched; None: everywhere."""

    @overload
    def __getitem__(self, index: SupportsIndex) -> str: ...
    @overload
    def __getitem__(self, index: slice | Iterable[Any]) -> SearchResult: ...
    def __getitem__(self, index: Any) -> str | SearchResult:
        """Return an id; for a slice, a mask of booleans or a list of numbers, these rows.

        Raises
        ------
        IndexError
            There is no such row, or the mask has another length.
        InvalidParameter
            The index is none of these.
        """
        if isinstance(index, slice):
            return self._part(self.rows[index])
        several = isinstance(index, Iterable) and not isinstance(index, str | bytes | bytearray)
        if several and getattr(index, "ndim", None) != 0:
            return self._part(_chosen(self.rows, index))
        return _row(self.rows, _number(index)).id

    def _part(self, rows: Sequence[Row]) -> SearchResult:
        return replace(self, rows=tuple(rows), total=None, exact=True)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[str]:
        return (row.id for row in self.rows)

    def filter(
        self,
        *,
        bbox: Sequence[float] | None = None,
        intersects: Any = None,
        datetime: Any = None,
        cloud_cover: float | tuple[float, float] | None = None,
        tile: str | Iterable[str] | None = None,
        catalog: AnyCatalog = None,
    ) -> SearchResult:
        """Return the scenes that also match these terms, without a request.

        Parameters
        ----------
        bbox, intersects, datetime, cloud_cover
            As in :func:`astra_xr.search`. Scenes of unknown cloud cover match no ``cloud_cover``.
        tile : str or iterable of str, optional
            Tiles, or paths and rows, as in the column ``tile``.
        catalog : str, optional
            Keep only scenes of this catalog, which must be one that was queried.

        Raises
        ------
        InvalidParameter
            A term is invalid; the message describes what is expected.
        """
        query = make_query(
            self.mission,
            bbox=bbox,
            intersects=intersects,
            when=datetime,
            cloud_cover=cloud_cover,
            own=True,
        )
        tiles = None if tile is None else _texts(tile)
        source = catalog_name(catalog)
        if source is not None and source not in self.asked:
            expected = f"one that was queried: {', '.join(self.asked)}"
            raise InvalidParameter(name="catalog", value=catalog, expected=expected)
        return self._part(
            [
                row
                for row in self.rows
                if query.wants(_outline(row))
                and (tiles is None or row.tile in tiles)
                and (source is None or source in row.catalogs)
            ]
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return the rows as a table.

        Returns
        -------
        pandas.DataFrame
            Columns id, datetime (UTC), tile, cloud_cover (percent), catalog (opened first),
            catalogs (all that have the scene, joined by ", "), needs_account (True if all of them
            do, and none is configured), thumbnail.
        """
        import pandas as pd

        frame = pd.DataFrame(map(_record, self.rows), columns=_COLUMNS)
        # Years beyond those of pandas become NaT.
        options: Any = {"utc": True, "format": "ISO8601", "errors": "coerce"}
        frame["datetime"] = pd.to_datetime(frame["datetime"], **options)
        frame["cloud_cover"] = frame["cloud_cover"].astype(float)
        return frame

    def to_geodataframe(self) -> GeoDataFrame:
        """Return the rows with their outlines, in longitude and latitude (EPSG:4326).

        Returns
        -------
        geopandas.GeoDataFrame
            The columns of :meth:`to_dataframe`, and geometry.

        Raises
        ------
        MissingExtra
            geopandas is not installed.
        """
        from shapely.geometry import shape

        from astra_xr.extras import require

        geopandas = require("geopandas", extra="geo", purpose="to_geodataframe()")
        shapes = [shape(row.geometry) if row.geometry else None for row in self.rows]
        return geopandas.GeoDataFrame(self.to_dataframe(), geometry=shapes, crs="EPSG:4326")

    def __repr__(self) -> str:
        lines = [f"<{self._title()}>"]
        for row in self.rows[:_SHOWN]:
            cells = (row.id, row.datetime[:16], row.tile, _percent(row.cloud_cover), _catalogs(row))
            lines.append("  ".join(cells))
        return "\n".join([*lines, *self._notes()])

    def _title(self) -> str:
        count = len(self.rows)
        more = self.total is not None and self.total > count
        many = f"{count} of {'' if self.exact else 'about '}{self.total}" if more else f"{count}"
        *others, last = self.asked or ("",)
        where = f"{', '.join(others)} and {last}" if others else last
        scenes = "scene" if many == "1" else "scenes"
        end = "" if more or self.exact else ", and there are more"
        return f"{many} {scenes} of {self.mission} at {where}{end}"

    def _notes(self) -> list[str]:
        hidden = len(self.rows) - _SHOWN
        notes = [f"… and {hidden} more; to_dataframe() has all"] if hidden > 0 else []
        if any(row.need_account for row in self.rows[:_SHOWN]):
            notes.append("* files there need an account, which is not configured")
        notes += [f"Passed over {name}: {why}" for name, why in self.passed_over.items()]
        return [redact(note) for note in notes]

    def _repr_html_(self) -> str:
        return Table(
            title=self._title(),
            columns=("", "date", "tile", "cloud", "catalogs", "scene id"),
            rows=tuple(map(_cells, self.rows[:_SHOWN])),
            notes=tuple(self._notes()),
            figure=map_svg(self.rows, self.bbox),
            numbers={"cloud"},
        ).html()


_COLUMNS = [
    *("id", "datetime", "tile", "cloud_cover", "catalog", "catalogs", "needs_account"),
    "thumbnail",
]


def _record(row: Row) -> dict[str, Any]:
    fields = {name: getattr(row, name) for name in _COLUMNS if name != "needs_account"}
    needs_account = len(row.need_account) == len(row.catalogs)
    return {**fields, "catalogs": ", ".join(row.catalogs), "needs_account": needs_account}


def _chosen(rows: Sequence[Row], index: Iterable[Any]) -> list[Row]:
    """Return the rows of a mask of booleans, or of a list of numbers."""
    picks = list(map(_plain, index))
    if all(isinstance(pick, bool) for pick in picks) and picks:
        if len(picks) != len(rows):
            raise IndexError(f"a mask of {len(picks)} booleans for {len(rows)} scenes")
        return [row for row, pick in zip(rows, picks, strict=True) if pick]
    return [_row(rows, _number(pick, index)) for pick in picks]


def _row(rows: Sequence[Row], number: int) -> Row:
    if not rows:
        raise IndexError("The search found no scene: widen bbox, datetime or cloud_cover.")
    if not -len(rows) <= number < len(rows):
        raise IndexError(f"There is no scene {number}: the search found {len(rows)}, from 0 on.")
    return rows[number]


def _number(pick: Any, index: Any = None) -> int:
    """Return the number of a row; ``index`` is what the user passed, if that is more."""
    number = _plain(pick)
    if isinstance(number, int) and not isinstance(number, bool):
        return number
    expected = "a number, a slice, a mask of booleans or a list of numbers"
    raise InvalidParameter(name="index", value=pick if index is None else index, expected=expected)


def _plain(value: Any) -> Any:
    """Return a value of NumPy as one of Python."""
    return value.item() if getattr(value, "ndim", None) == 0 else value


def _texts(tile: Any) -> set[str]:
    tiles = [tile] if isinstance(tile, str) or not isinstance(tile, Iterable) else list(tile)
    if not all(isinstance(each, str) for each in tiles):
        expected = "text, or several, as in the column tile: '10SEG', '044034'"
        raise InvalidParameter(name="tile", value=tile, expected=expected)
    return set(tiles)


def _outline(row: Row) -> dict[str, Any]:
    """Return the parts of a scene's item that a query uses."""
    properties = {
        "datetime": row.datetime or None,
        "start_datetime": row.span[0],
        "end_datetime": row.span[1],
        "eo:cloud_cover": row.cloud_cover,
    }
    return {"properties": properties, "geometry": row.geometry, "bbox": row.bbox}


def _percent(cloud: float | None) -> str:
    return "" if cloud is None else f"{cloud:.0f} %"


def _catalogs(row: Row) -> str:
    return ", ".join(f"{name}{'*' * (name in row.need_account)}" for name in row.catalogs)


def _cells(row: Row) -> tuple[Cell, ...]:
    picture = Picture(url=row.thumbnail) if row.thumbnail else ""
    date = row.datetime.replace("T", " ")[:16]
    return picture, date, row.tile, _percent(row.cloud_cover), _catalogs(row), row.id
