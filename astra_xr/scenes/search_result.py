"""Search for scenes: a sequence of ids that shows itself as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, overload

from astra_xr.catalogs import AnyCatalog
from astra_xr.catalogs.query import make_query
from astra_xr.errors import redact
from astra_xr.resolver.search import Row, find_rows
from astra_xr.settings import Settings
from astra_xr.tables import Cell, Picture, Table

if TYPE_CHECKING:
    from geopandas import GeoDataFrame


@dataclass(frozen=True, kw_only=True, repr=False)
class SearchResult(Sequence[str]):
    """Ids of the scenes that were found, newest first; shows itself as a table in notebooks."""

    rows: tuple[Row, ...]
    """What is known of each scene: id, datetime, tile, cloud cover, catalog, …"""

    mission: str
    catalog: str
    """Name of the catalog that answered."""

    passed_over: Mapping[str, str] = field(default_factory=dict)
    """Name of each catalog that was asked before it → what was wrong with it."""

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> SearchResult: ...
    def __getitem__(self, index: int | slice) -> str | SearchResult:
        """Return an id, or for a slice the rows of it."""
        if isinstance(index, slice):
            return replace(self, rows=self.rows[index])
        if not self.rows:
            raise IndexError("The search found no scene: widen bbox, datetime or cloud_cover.")
        return self.rows[index].id

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[str]:
        return (row.id for row in self.rows)

    def to_geodataframe(self) -> GeoDataFrame:
        """Return the rows with their outlines, in longitude and latitude (EPSG:4326).

        Returns
        -------
        geopandas.GeoDataFrame
            Columns id, datetime (UTC), tile, cloud_cover (percent), catalog, thumbnail, geometry.

        Raises
        ------
        MissingExtra
            geopandas is not installed.
        """
        from astra_xr.extras import require

        geopandas = require("geopandas", extra="geo", purpose="to_geodataframe()")
        import pandas as pd

        columns = ["id", "datetime", "tile", "cloud_cover", "catalog", "thumbnail"]
        features = [
            {
                "type": "Feature",
                "geometry": row.geometry,
                "properties": {name: getattr(row, name) for name in columns},
            }
            for row in self.rows
        ]
        frame = geopandas.GeoDataFrame.from_features(
            features, crs="EPSG:4326", columns=[*columns, "geometry"]
        )
        frame["datetime"] = pd.to_datetime(frame["datetime"], utc=True, format="ISO8601")
        return frame

    def __repr__(self) -> str:
        lines = [f"<{self._title()}>"]
        lines += [
            f"{row.id}  {row.datetime[:16]}  {row.tile}  {_percent(row.cloud_cover)}".rstrip()
            for row in self.rows
        ]
        return "\n".join(lines)

    def _title(self) -> str:
        count = len(self.rows)
        return f"{count} scene{'' if count == 1 else 's'} of {self.mission} at {self.catalog}"

    def _repr_html_(self) -> str:
        notes = [f"Passed over {name}: {why}" for name, why in self.passed_over.items()]
        return Table(
            title=self._title(),
            columns=("", "date", "tile", "cloud", "catalog", "scene id"),
            rows=tuple(map(_cells, self.rows)),
            notes=tuple(redact(note) for note in notes),
            numbers={"cloud"},
        ).html()


def _percent(cloud: float | None) -> str:
    return "" if cloud is None else f"{cloud:.0f} %"


def _cells(row: Row) -> tuple[Cell, ...]:
    picture = Picture(url=row.thumbnail) if row.thumbnail else ""
    date = row.datetime.replace("T", " ")[:16]
    return picture, date, row.tile, _percent(row.cloud_cover), row.catalog, row.id


def search(
    mission: str,
    *,
    bbox: Sequence[float] | None = None,
    intersects: Any = None,
    datetime: Any = None,
    cloud_cover: float | tuple[float, float] | None = None,
    max_items: int = 20,
    catalog: AnyCatalog = None,
) -> SearchResult:
    """Search for scenes of a place and a time, newest first.

    Parameters
    ----------
    mission : str
        ``"sentinel-2"``, ``"landsat"``, …: what scene ids begin with.
    bbox : sequence of 4 floats, optional
        West, south, east, north in degrees; west beyond east crosses the antimeridian.
    intersects : dict, geometry, GeoDataFrame or GeoSeries, optional
        A GeoJSON geometry or feature, a shapely geometry, or whatever has a
        ``__geo_interface__``, in longitude and latitude; or all rows of a GeoDataFrame or
        GeoSeries in any CRS. Instead of ``bbox``.
    datetime : str, date, datetime, pair of them or slice, optional
        A year, month or day (``"2025"``, ``"2025-01"``, ``"2025-01-15"``) means all of it; a
        pair or ``"start/end"`` is a span, both ends included, where None or ``..`` leaves an end
        open. Without a time zone: UTC.
    cloud_cover : float or pair of floats, optional
        The most clouds, percent; or the least and the most.
    max_items : int
        Scenes to return at most.
    catalog : str, optional
        The one catalog to ask; the mission's in order when left out, as for
        :func:`astra_xr.open_scene`.

    Returns
    -------
    SearchResult
        A sequence of scene ids. Several processings of one acquisition are one row, the newest.

    Raises
    ------
    InvalidParameter
        A term has no form that works; the message says which do.
    UpstreamError
        No catalog answers.

    Examples
    --------
    >>> import astra_xr
    >>> found = astra_xr.search(
    ...     "sentinel-2", bbox=(-122.5, 37.4, -122.3, 37.5), datetime="2025-01", catalog="sample"
    ... )
    >>> found[0]
    'sentinel-2:S2B_MSIL2A_20250115T184929_N0511_R113_T10SEG_20250115T210000'
    >>> ds = astra_xr.open_scene(found[0], bands=["red"], catalog=found.catalog)
    """
    query = make_query(
        mission,
        bbox=bbox,
        intersects=intersects,
        when=datetime,
        cloud_cover=cloud_cover,
        max_items=max_items,
    )
    found = find_rows(query, Settings.from_env(), catalog=catalog)
    return SearchResult(
        rows=found.rows,
        mission=query.mission,
        catalog=found.catalog,
        passed_over=found.passed_over,
    )
