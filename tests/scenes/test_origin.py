"""What a Dataset says of where it is from, and of the sun and the sensor."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from dask.base import tokenize

import astra_xr
from astra_xr.missions import Item
from astra_xr.scenes.dataset import dataset_of
from astra_xr.scenes.options import options_of
from tests.stacks import s2_item

SCENE = "sentinel-2:S2B_MSIL2A_20250115T184929"
URL = "https://stac.example/v1/collections/sentinel-2-l2a/items/S2B"


def item(folder: Path, day: str, links: Any = (), tile: str = "10SEG", **view: Any) -> Item:
    numbers = np.full((20, 20), 2000, "uint16")
    made = s2_item(folder, day, tile=tile, B04=numbers, B08=numbers, SCL=np.full((20, 20), 4, "u1"))
    made["properties"] |= {f"view:{name}": value for name, value in view.items()}
    made["links"] = list(links)
    for asset in made["assets"].values():  # not relative to the link
        asset["href"] = Path(asset["href"]).as_uri()
    return made


def test_a_band_says_where_it_is_from() -> None:
    before = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    ds = astra_xr.open_scene(SCENE, ["red", "nir"], catalog="sample")
    for attrs in (ds.red.attrs, ds.astra.index("NDVI").attrs):
        assert attrs["scene_id"] == ds.attrs["scene_id"] == ds.id.item()
        assert attrs["catalog"] == "sample"
        assert attrs["resolved_by"] == f"astra-xr {version('astra-xr')}"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", attrs["resolved_at"])
        assert before <= datetime.fromisoformat(attrs["resolved_at"]) <= datetime.now(UTC)


def test_what_is_opened_again_is_identical() -> None:
    first, again = (astra_xr.open_scene(SCENE, ["red"], catalog="sample") for _ in range(2))
    xr.testing.assert_identical(first, again)
    halves = [first.isel(x=slice(0, 20)), again.isel(x=slice(20, 40))]
    xr.concat(halves, "x", combine_attrs="identical", coords="minimal", compat="override")


@pytest.mark.parametrize(
    ("href", "url"),
    [
        (URL, URL),
        (f"{URL}?sig=SECRET&se=2025", URL),
        ("https://user:SECRET@stac.example/items/S2B#SECRET", "https://stac.example/items/S2B"),
        ("s3://bucket/S2B.json", "s3://bucket/S2B.json"),
        ("/home/me/S2B.json", None),
        (None, None),
    ],
)
def test_the_url_of_the_item_has_no_signature(href: Any, url: str | None, tmp_path: Path) -> None:
    links = [{"rel": "root", "href": "https://stac.example"}, {"rel": "self", "href": href}, "odd"]
    ds = astra_xr.open_scene(item(tmp_path, "20250115", links), ["red", "nir"])
    ndvi = ds.astra.index(["NDVI"])
    for each in (ds.red, ndvi.NDVI):
        assert each.attrs.get("item_url") == url
        assert "resolved_at" not in each.attrs  # nobody was asked
    for made in (ds, ndvi):
        made.to_netcdf(tmp_path / "out.nc")
        assert b"SECRET" not in (tmp_path / "out.nc").read_bytes()
        assert "SECRET" not in json.dumps(made.to_dict(data=False), default=str)


def test_when_it_was_resolved_changes_no_graph() -> None:
    resolution = astra_xr.resolve(SCENE, "red", catalog="sample")
    options = options_of({"chunks": {}})
    early, late = (
        dataset_of(replace(resolution, looked_up_at=datetime(2025, 1, day, tzinfo=UTC)), options)
        for day in (1, 2)
    )
    assert early.red.attrs["resolved_at"] != late.red.attrs["resolved_at"]
    assert early.red.data.name == late.red.data.name
    assert tokenize(early.red.data) == tokenize(late.red.data)


def test_angles_of_a_scene(tmp_path: Path) -> None:
    view: dict[str, Any] = {
        "sun_elevation": 27.5,
        "sun_azimuth": 156,
        "off_nadir": 0,
        "azimuth": 105.25,
    }
    ds = astra_xr.open_scene(item(tmp_path, "20250115", **view), ["red"])
    expected = {
        "sun_elevation": 27.5,
        "sun_azimuth": 156,
        "view_off_nadir": 0,
        "view_azimuth": 105.25,
    }
    assert {name: float(ds[name]) for name in expected} == expected
    assert all(ds[name].dims == () for name in expected)
    assert all(ds[name].attrs["units"] == "degrees" for name in expected)
    assert "view_incidence_angle" not in ds.coords
    odd: dict[str, Any] = {"sun_elevation": None, "sun_azimuth": "156", "off_nadir": float("nan")}
    plain = astra_xr.open_scene(item(tmp_path, "20250116", **odd), ["red"])
    assert set(plain.coords) == {"y", "x", "spatial_ref", "time", "id"}


def test_angles_along_time(tmp_path: Path) -> None:
    items = [
        item(tmp_path, "20250115", sun_elevation=20.0, sun_azimuth=359.0),
        item(tmp_path, "20250115", tile="10SEF", sun_elevation=24.0, sun_azimuth=1.0),
        item(tmp_path, "20250120"),
        item(tmp_path, "20250125", sun_elevation=-2.0, sun_azimuth=-150.0),
    ]
    ds = astra_xr.open_scenes(items, ["red"])
    np.testing.assert_allclose(ds.sun_elevation, [22, np.nan, -2], rtol=1e-4)
    np.testing.assert_allclose((ds.sun_azimuth + 180) % 360 - 180, [0, np.nan, -150], atol=1e-9)
    assert ds.sun_azimuth.dims == ("time",)
    assert not {"view_azimuth", "view_off_nadir"} & set(ds.coords)
    low = ds.where(ds.sun_elevation > 0, drop=True)
    assert low.sizes["time"] == 1
    step, scene = ds.isel(time=2), astra_xr.open_scene(items[3], ["red"])
    assert step.sun_elevation.item() == scene.sun_elevation.item()
    joined = xr.concat(
        [astra_xr.open_scene(items[n], ["red"]) for n in (0, 3)],
        "time", coords="different", compat="equals",
    )  # fmt: skip
    np.testing.assert_array_equal(joined.sun_elevation, [20, -2])


def test_a_band_of_that_name_stays_a_band(tmp_path: Path) -> None:
    made = item(tmp_path, "20250115", sun_elevation=20.0)
    own = {
        "id": "mine", "type": "Feature", "links": [], "geometry": None, "bbox": made["bbox"],
        "properties": made["properties"], "assets": {"sun_elevation": made["assets"]["B04"]},
    }  # fmt: skip
    for ds in (astra_xr.open_scene(own), astra_xr.open_scenes([own])):
        assert list(ds.data_vars) == ["sun_elevation"]
        assert ds.sun_elevation.shape[-2:] == (20, 20)


def test_a_service_says_the_same() -> None:
    from astra_xr.resolver.resolution_json import detail_of, resolution_of

    resolution = astra_xr.resolve(SCENE, "red", catalog="sample", sign=False)
    document = json.loads(json.dumps(resolution.to_dict() | {"detail": detail_of(resolution)}))
    again = resolution_of(document, lambda _: next(iter(resolution.assets.values())).source)
    assert again.looked_up_at == resolution.looked_up_at is not None
