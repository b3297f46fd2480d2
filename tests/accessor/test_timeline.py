"""The table of fields over time: as by hand, on one tile a day, and added to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
import xarray as xr
from affine import Affine
from pyproj import Transformer

import astra_xr
from astra_xr.accessor.field_tiles import choose_tiles
from astra_xr.accessor.zonal import zonal
from astra_xr.arrays.lazy import is_unread
from astra_xr.errors import InvalidDataset, InvalidParameter
from astra_xr.model import FoundId
from astra_xr.resolver.search_rows import Row
from astra_xr.testing import write_cog

BOX = shapely.box


@pytest.fixture(scope="module")
def fields() -> gpd.GeoSeries:
    shapes = {
        "winter": BOX(-122.43098, 37.49446, -122.42938, 37.49573),
        "summer": BOX(-122.41651, 37.49241, -122.41492, 37.49368),
        "off": BOX(-122.9, 37.2, -122.89, 37.21),
    }
    return gpd.GeoSeries(shapes, crs=4326)


@pytest.fixture(scope="module")
def table(fields: gpd.GeoSeries) -> xr.Dataset:
    return astra_xr.timeline(
        "sentinel-2", fields, "2025-02/2025-09", ["NDVI", "ndmi", "red"], catalog="sample"
    )


def test_it_is_what_one_does_by_hand(table: xr.Dataset, fields: gpd.GeoSeries) -> None:
    found = astra_xr.search(
        "sentinel-2",
        bbox=tuple(fields[:2].total_bounds),
        datetime="2025-02/2025-09",
        catalog="sample",
    )
    stack = astra_xr.open_scenes(found, ["red", "nir", "swir16"], bbox=fields[:2].total_bounds)
    by_hand = stack.astra.index(["NDVI", "NDMI"], mask_clouds=True).astra.zonal(fields, "mean")
    assert list(table.geometry.values) == ["winter", "summer", "off"]
    for name in ("NDVI", "NDMI"):
        np.testing.assert_allclose(table[name], by_hand[name])
    red = stack[["red"]].where(~stack.astra.mask()).astra.zonal(fields, "mean")
    np.testing.assert_allclose(table.red, red.red)
    assert table.NDVI.notnull().any("time").values.tolist() == [True, True, False]
    assert (table.valid.sel(geometry="off") == 0).all()
    assert str(table.id.sel(geometry="winter").values[0]).startswith("sentinel-2:S2B_MSIL2A_2025")
    assert table.to_dataframe().index.names == ["time", "geometry"]


def test_clouds_by_choice(fields: gpd.GeoSeries) -> None:
    def dark(block: xr.Dataset) -> Any:
        return block.red < 0.08

    clouds = {"by": dark, "dilate": 0}
    asked = ("sentinel-2", fields[:2], "2025-06", ["NDVI", "red"])
    found = astra_xr.timeline(*asked, catalog="sample", mask_clouds=clouds, min_coverage=0)
    plain = astra_xr.timeline(*asked, catalog="sample", mask_clouds=False, min_coverage=0)
    assert (found.valid <= plain.valid).all()
    assert (found.valid < plain.valid).any()
    there = found.red.notnull()
    assert (found.red.where(there) >= plain.red.where(there)).where(there, True).all()


def test_masked_bands_are_read_with_their_fields(
    fields: gpd.GeoSeries, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[xr.Dataset] = []

    def noted(maps: xr.Dataset, *args: Any, **how: Any) -> xr.Dataset:
        seen.append(maps.copy())
        return zonal(maps, *args, **how)

    monkeypatch.setattr("astra_xr.accessor.timeline.zonal", noted)
    table = astra_xr.timeline(
        "sentinel-2", fields[:2], "2025-06", ["red", "SCL"], stats="max", catalog="sample"
    )
    (maps,) = seen
    assert is_unread(maps.red.variable)
    assert is_unread(maps.SCL.variable)
    ids = np.unique(table.id).tolist()
    stack = astra_xr.open_scenes(
        ids, ["red", "SCL"], bbox=fields[:2].total_bounds, catalog="sample"
    )
    masked = stack.where(~stack.astra.mask()).astra.zonal(fields[:2], "max")
    np.testing.assert_allclose(table.red, masked.red)
    np.testing.assert_allclose(table.SCL, masked.SCL)


def test_days_that_are_there_are_not_read_again(
    table: xr.Dataset, fields: gpd.GeoSeries, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["NDVI", "ndmi", "red"]
    half = astra_xr.timeline("sentinel-2", fields, "2025-02/2025-05", names, catalog="sample")
    opened: list[str] = []

    def noted(ids: list[str], *args: Any, **how: Any) -> xr.Dataset:
        opened.extend(ids)
        return astra_xr.open_scenes(ids, *args, **how)

    monkeypatch.setattr("astra_xr.accessor.timeline.open_scenes", noted)
    more = astra_xr.timeline(
        "sentinel-2", fields, "2025-02/2025-09", names, catalog="sample",
        previous=half.chunk({}),  # as xr.open_zarr returns it
    )  # fmt: skip
    xr.testing.assert_identical(more, table)
    assert len(opened) == table.sizes["time"] - half.sizes["time"]
    opened.clear()
    again = astra_xr.timeline(
        "sentinel-2", fields, "2025-03", names, catalog="sample", previous=table
    )
    xr.testing.assert_identical(again, table)
    assert not opened
    for other in (fields[:1], fields.rename({"off": "away"})):
        with pytest.raises(InvalidParameter, match="same fields, names, stats"):
            astra_xr.timeline("sentinel-2", other, "2025", names, catalog="sample", previous=table)


def test_a_table_of_other_names_is_not_added_to(table: xr.Dataset, fields: gpd.GeoSeries) -> None:
    for names in ("NDVI", ["NDVI", "ndmi", "red", "nir"]):
        with pytest.raises(InvalidParameter, match="same fields, names, stats"):
            astra_xr.timeline("sentinel-2", fields, "2025", names, catalog="sample", previous=table)


def test_a_table_that_was_masked_otherwise_is_not_added_to(
    table: xr.Dataset, fields: gpd.GeoSeries
) -> None:
    names = ["NDVI", "ndmi", "red"]
    for other in ({"mask_clouds": False}, {"mask_clouds": {"dilate": 0}}, {"min_coverage": 0.5}):
        with pytest.raises(InvalidParameter, match="mask_clouds and min_coverage"):
            astra_xr.timeline(
                "sentinel-2", fields, "2025", names, catalog="sample", previous=table,
                **other,
            )  # fmt: skip


def test_fractions_of_classes_are_added_to(fields: gpd.GeoSeries) -> None:
    def of(months: str, previous: xr.Dataset | None = None) -> xr.Dataset:
        return astra_xr.timeline(
            "sentinel-2", fields, months, "SCL", stats="fractions", min_coverage=0,
            mask_clouds=False, catalog="sample", previous=previous,
        )  # fmt: skip

    first = of("2025-02/2025-03")
    more = of("2025-02/2025-05", first)
    assert more.sizes["class"] > first.sizes["class"]
    xr.testing.assert_identical(more, of("2025-02/2025-05"))
    seen = more.SCL_fractions.sel(geometry=["winter", "summer"])
    np.testing.assert_allclose(seen.sum("class", skipna=False), 1, atol=1e-6)
    assert more.SCL_fractions.sel(geometry="off").isnull().all()


def test_several_stats_have_a_dimension(fields: gpd.GeoSeries) -> None:
    table = astra_xr.timeline(
        "sentinel-2", fields, "2025-06", "NDVI", stats=("mean", "count"), catalog="sample"
    )
    assert table.NDVI.dims == ("time", "geometry", "stat")
    assert table.NDVI.sel(stat="count", geometry="off").values.tolist() == [0]


def tile(
    folder: Path,
    name: str,
    crs: int,
    corner: tuple[float, float],
    value: int,
    *,
    like: str = "box",
    day: str = "2025-03-01",
) -> None:
    """A tile of constant numbers, 3 km wide, as Earth Search names them."""
    x, y = Transformer.from_crs(4326, crs, always_xy=True).transform(*corner)
    x, y = round(x, -1), round(y, -1)
    values = np.full((300, 300), value + 1000, "uint16")
    place = Affine(10, 0, x, 0, -10, y)
    back = Transformer.from_crs(crs, 4326, always_xy=True)
    west, south, east, north = back.transform_bounds(x, y - 3000, x + 3000, y)
    assets: dict[str, Any] = {}
    for band in ("red", "nir"):
        path = write_cog(
            folder / f"{name}-{band}.tif", values, transform=place, crs=f"EPSG:{crs}", nodata=0
        )
        assets[band] = {"href": path.as_uri(), "type": "image/tiff; application=geotiff"}
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "collection": "sentinel-2-l2a",
        "geometry": shapely.geometry.mapping(BOX(west, south, east, north)),
        "bbox": [west, south, east, north] if like == "box" else [west, south, 0, east, north, 9],
        "links": [],
        "properties": {
            "datetime": f"{day}T10:00:00Z",
            "proj:epsg": crs,
            "proj:shape": [300, 300],
            "proj:transform": list(place)[:6],
            "raster:bands": [],
        },
        "assets": assets,
    }
    if like != "box":
        item["geometry"] = None if like == "heights" else {"type": "Polygon", "coordinates": "odd"}
    (folder / f"{name}.json").write_text(json.dumps(item))


def test_one_tile_a_day_in_the_zone_of_the_field(tmp_path: Path) -> None:
    # Zones 31 and 32 meet at 6 degrees east; each tile covers both fields.
    tile(tmp_path, "S2A_31UGT_20250301_0_L2A", 32631, (5.985, 50.01), 100)
    tile(tmp_path, "S2A_32ULD_20250301_0_L2A", 32632, (5.985, 50.01), 200)
    west, east = BOX(5.99, 49.99, 5.992, 49.992), BOX(6.008, 49.99, 6.01, 49.992)
    table = astra_xr.timeline(
        "sentinel-2", [west, east], "2025-03", "red", mask_clouds=False, catalog=str(tmp_path)
    )
    assert table.sizes == {"time": 1, "geometry": 2}
    assert ["31U" in table.id.values[0][0], "32U" in table.id.values[0][1]] == [True, True]
    assert table.valid.values.round(6).tolist() == [[1, 1]]
    low, high = table.red.values[0]
    assert low < high


def test_the_id_is_there_whichever_tile_a_field_is_read_from(tmp_path: Path) -> None:
    # On the second day the first tile's scene is cut: it has the second field alone.
    tile(tmp_path, "S2A_31UGT_20250301_0_L2A", 32631, (5.985, 50.01), 100)
    tile(tmp_path, "S2A_31UGT_20250306_0_L2A", 32631, (5.995, 50.01), 100, day="2025-03-06")
    tile(tmp_path, "S2A_32ULD_20250306_0_L2A", 32632, (5.985, 50.01), 200, day="2025-03-06")
    west, east = BOX(5.99, 49.99, 5.992, 49.992), BOX(6.008, 49.99, 6.01, 49.992)
    table = astra_xr.timeline(
        "sentinel-2", [west, east], "2025-03", "red", mask_clouds=False, catalog=str(tmp_path)
    )
    assert table.red.notnull().all()
    tiles = [[text.partition(":")[2][4:9] for text in step] for step in table.id.values]
    assert tiles == [["31UGT", "31UGT"], ["32ULD", "31UGT"]]


@pytest.mark.parametrize("zone", [31, 32])
def test_a_field_of_which_each_tile_has_a_part(tmp_path: Path, zone: int) -> None:
    tile(tmp_path, "S2A_31UGT_20250301_0_L2A", 32631, (5.985, 50.01), 100)
    x, y = Transformer.from_crs(4326, 32631, always_xy=True).transform(5.985, 50.01)
    back = Transformer.from_crs(32631, 4326, always_xy=True)
    east = round(x, -1) + 3000
    # The other zone's tile lies askew: it overlaps, so that no wedge is between them.
    corner = back.transform(east - (0 if zone == 31 else 200), round(y, -1))
    other = f"S2A_{zone}ULD_20250301_0_L2A"
    tile(tmp_path, other, 32600 + zone, corner, 300)
    across = BOX(east - 300, round(y, -1) - 1600, east + 300, round(y, -1) - 1400)
    inner = BOX(east - 900, round(y, -1) - 1600, east - 500, round(y, -1) - 1400)
    table = astra_xr.timeline(
        "sentinel-2", gpd.GeoSeries([across, inner], crs=32631), "2025-03", "red",
        mask_clouds=False, catalog=str(tmp_path),
    )  # fmt: skip
    assert [f"{zone}ULD" in ids for ids in table.id.values[0]] == [True, False]
    np.testing.assert_allclose(table.valid, 1, atol=1e-6)
    half = 0.12 if zone == 31 else float(table.red[0, 0])
    assert 0.115 < half < 0.125
    np.testing.assert_allclose(table.red, [[half, 0.11]], atol=1e-6)


def test_scenes_of_a_tile_that_overlap_cover_a_field_once() -> None:
    def row(tile: str, west: float, east: float) -> Row:
        box = (west, 49.9, east, 50.1)
        name = f"sentinel-2:{tile} {west}"
        return Row(
            id=FoundId(name), datetime="2025-03-01T10:00:00Z", tile=tile, cloud_cover=0,
            catalogs=("sample",), bbox=box,
        )  # fmt: skip

    field = np.array([BOX(6.0, 50.0, 6.01, 50.01)], object)
    halves = [row("31UGT", 5.9, 6.006), row("31UGT", 5.95, 6.006)]
    (tile_day,) = choose_tiles([*halves, row("32ULD", 6.002, 6.1)], field)
    assert sorted(tile_day.tiles) == ["31UGT", "32ULD"]


@pytest.mark.parametrize("crs", [4326, 32660])
def test_a_field_across_the_antimeridian(tmp_path: Path, crs: int) -> None:
    tile(tmp_path, "S2A_60KXF_20250301_0_L2A", 32660, (179.99, 16.01), 100, like="heights")
    west, across = BOX(179.995, 15.995, 179.997, 15.997), BOX(179.999, 15.995, 180.001, 15.997)
    fields = gpd.GeoSeries([west, across], crs=4326).to_crs(crs)
    table = astra_xr.timeline(
        "sentinel-2", fields, "2025-03", "red", mask_clouds=False, catalog=str(tmp_path)
    )
    np.testing.assert_allclose(table.valid, 1, atol=1e-6)
    np.testing.assert_allclose(table.red, 0.11, atol=1e-6)


@pytest.mark.parametrize("like", ["heights", "odd geometry"])
def test_a_footprint_is_a_box_where_there_is_no_better(tmp_path: Path, like: str) -> None:
    tile(tmp_path, "S2A_31UGT_20250301_0_L2A", 32631, (5.985, 50.01), 100, like=like)
    tile(tmp_path, "S2A_31UGV_20250301_0_L2A", 32631, (5.985, 50.91), 200, like=like)
    fields = [BOX(5.99, y, 5.992, y + 0.002) for y in (49.99, 50.89)]
    table = astra_xr.timeline(
        "sentinel-2", fields, "2025-03", "red", mask_clouds=False, catalog=str(tmp_path)
    )
    assert ["31UGT" in table.id.values[0][0], "31UGV" in table.id.values[0][1]] == [True, True]
    assert table.valid.values.round(6).tolist() == [[1, 1]]


def test_a_line_a_field(table: xr.Dataset) -> None:
    lines = table.astra.plot("ndvi")
    assert len(lines) == 3
    with pytest.raises(InvalidParameter, match="one of NDVI, NDMI, red"):
        table.astra.plot()
    assert len(table[["NDVI", "valid"]].astra.plot()) == 3
    assert len(table.NDVI.astra.plot()) == 3
    with pytest.raises(InvalidDataset, match=r"Lines are drawn over time"):
        table.isel(time=0).astra.plot("NDVI")
    with pytest.raises(InvalidDataset, match=r"\.sel\(stat='mean'\)"):
        table[["NDVI"]].expand_dims(stat=["mean"]).astra.plot("NDVI")


def test_bad_input(fields: gpd.GeoSeries) -> None:
    with pytest.raises(InvalidParameter, match=r"scenes of the fields, which are in \(-122\.9"):
        astra_xr.timeline("sentinel-2", fields, "1999", "NDVI", catalog="sample")
    for names in ([], 5, ["NDVI", None]):
        with pytest.raises(InvalidParameter, match=r"Invalid names=.*such as 'NDVI'"):
            astra_xr.timeline("sentinel-2", fields, "2025", names, catalog="sample")  # type: ignore[arg-type]
    with pytest.raises(InvalidParameter, match="Invalid min_coverage='x'"):
        astra_xr.timeline("sentinel-2", fields, "2025", "NDVI", min_coverage="x", catalog="sample")  # type: ignore[arg-type]
    with pytest.raises(InvalidParameter, match="a table that timeline"):
        astra_xr.timeline("sentinel-2", fields, "2025", "NDVI", catalog="sample", previous="a.nc")  # type: ignore[arg-type]
    with pytest.raises(InvalidParameter, match="some of mean"):
        astra_xr.timeline("sentinel-2", fields, "2025", "NDVI", stats="avg", catalog="sample")
    with pytest.raises(astra_xr.AstraError, match="NDVVI"):
        astra_xr.timeline("sentinel-2", fields, "2025", "NDVVI", catalog="sample")


def test_a_bad_field_is_named_and_one_without_scenes_costs_the_others_nothing(
    tmp_path: Path, fields: gpd.GeoSeries
) -> None:
    def of(shapes: Any) -> xr.Dataset:
        return astra_xr.timeline("sentinel-2", shapes, "2025-06", "NDVI", catalog="sample")

    swapped = BOX(37.49446, -122.43098, 37.49573, -122.42938)
    with pytest.raises(InvalidParameter, match=r"Invalid fields.*look swapped in: 'c'"):
        of(gpd.GeoSeries({"a": fields.winter, "c": swapped}, crs=4326))
    with pytest.raises(InvalidParameter, match=r"sample\(\) takes points.*: 1"):
        of([fields.winter, shapely.Point(-122.43, 37.49)])
    with pytest.raises(InvalidParameter, match="all of its geometries are missing or empty"):
        of(gpd.GeoSeries([None], crs=4326))
    odd = gpd.GeoSeries(
        {"far": BOX(10, 50, 10.01, 50.01), "summer": fields.summer, "none": None,
         "empty": shapely.Polygon()}, crs=4326,
    )  # fmt: skip
    np.testing.assert_array_equal(of(odd).NDVI.isnull().values, [[True, False, True, True]])

    tile(tmp_path, "S2A_32UNA_20250301_0_L2A", 32632, (9.0, 50.01), 100)
    shapes = [BOX(9.01, 49.99, 9.012, 49.992), BOX(49.99, 9.01, 49.992, 9.012)]
    with pytest.warns(UserWarning, match="NaN for the fields 1: .* look swapped"):
        table = astra_xr.timeline(
            "sentinel-2", shapes, "2025-03", "red", mask_clouds=False, catalog=str(tmp_path)
        )
    assert table.red.isnull().values.tolist() == [[False, True]]
