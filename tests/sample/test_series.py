"""The sample's year: what its scenes show, and how they are found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

import astra_xr
from astra_xr.errors import SceneNotFound
from astra_xr.sample import SCENES, ensure_sample, item, outline
from astra_xr.sample.series import WHOLE

YEAR = [name for name in SCENES if name != WHOLE.id]
#: Within the part that the year shows: longitude and latitude.
PLACE = (-122.41, 37.50, -122.38, 37.53)

# Rows and columns at 10 m, in the part: the reservoir, the middle of the fire, the fields.
LAKE = (slice(12, 106), slice(424, 597))
FIRE = (slice(340, 400), slice(440, 500))
FIELDS = (slice(330, 600), slice(0, 280))


@pytest.fixture(scope="module")
def year(cache_dir: Path) -> dict[str, Path]:
    """The folder of each scene of the year, by its day."""
    root = cache_dir / "sample"
    return {
        name.split("_")[2][:8]: ensure_sample(root, name, progress=False).parent for name in YEAR
    }


def read(folder: Path, key: str) -> NDArray[np.float64]:
    """Stored numbers of SCL, reflectance of a band; at 10 m."""
    with rasterio.open(folder / item.FILES[key]) as dataset:
        values: NDArray[np.float64] = dataset.read(1).astype(np.float64)
    factor = 600 // len(values)
    values = values.repeat(factor, 0).repeat(factor, 1)
    return values if key == "SCL" else values * 0.0001 - 0.1


def normalized(folder: Path, first: str, second: str) -> NDArray[np.float64]:
    a, b = read(folder, first), read(folder, second)
    return (a - b) / (a + b)


def test_the_items_tell_the_truth(year: dict[str, Path]) -> None:
    for name, folder in zip(YEAR, year.values(), strict=True):
        document: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
        known = outline(SCENES[name])
        told, clouds = known["properties"], np.isin(read(folder, "SCL"), (8, 9, 10)).mean() * 100
        assert told["eo:cloud_cover"] == pytest.approx(clouds, abs=1e-5)
        assert document["properties"] == {**document["properties"], **told}
        assert (document["bbox"], document["geometry"]) == (known["bbox"], known["geometry"])
        assert told["platform"] == f"sentinel-{name[1:3].lower()}"
        assert told["datetime"].replace("-", "").replace(":", "")[:15] == name.split("_")[2]
        assert "SYNTHETIC" in told["description"]
        assert {asset["gsd"]: asset["proj:shape"][0] for asset in document["assets"].values()} == {
            10: 600, 20: 300, 60: 100,
        }  # fmt: skip
        for asset in document["assets"].values():
            with rasterio.open(folder / asset["href"]) as dataset:
                assert list(dataset.transform)[:6] == asset["proj:transform"]
                assert list(dataset.shape) == asset["proj:shape"]
                assert dataset.read().min() > 0


def test_the_year_is_on_the_ground_of_the_whole_scene(year: dict[str, Path]) -> None:
    with rasterio.open(year["20250316"] / "B04.tif") as part:
        assert part.transform.c == item.EAST + 9360
        assert part.transform.f == item.NORTH - 4440
    # Woods look alike in any month, from month to month.
    spring, summer = (read(year[day], "B11") for day in ("20250316", "20250614"))
    hills = np.s_[100:300, 100:400]
    assert np.corrcoef(spring[hills].ravel(), summer[hills].ravel())[0, 1] > 0.7


def test_grass_is_green_in_spring_and_yellow_in_autumn(year: dict[str, Path]) -> None:
    hills = np.s_[100:300, 150:400]
    medians = [
        np.median(normalized(year[day], "B08", "B04")[hills])
        for day in ("20250316", "20250614", "20250917")
    ]
    assert medians[0] > 0.55
    assert medians == sorted(medians, reverse=True)
    assert medians[2] < 0.4


def test_fields_bear_winter_or_summer_crops(year: dict[str, Path]) -> None:
    days = ("20250316", "20250818", "20251211")
    spring, summer, winter = (normalized(year[day], "B08", "B04")[FIELDS] for day in days)
    assert ((spring > 0.6) & (summer < 0.35)).mean() > 0.1
    assert ((spring < 0.35) & (summer > 0.5)).mean() > 0.1
    assert np.corrcoef(spring.ravel(), winter.ravel())[0, 1] > 0.5


def test_the_reservoir_falls_until_october(year: dict[str, Path]) -> None:
    days = ("20250316", "20250614", "20250818", "20250917")
    water = [(normalized(year[day], "B03", "B11")[LAKE] > 0.3).mean() for day in days]
    assert water == sorted(water, reverse=True)
    assert water[-1] < 0.75 * water[0]


def test_the_fire_is_seen_after_it_alone(year: dict[str, Path]) -> None:
    before, after = (normalized(year[day], "B8A", "B12") for day in ("20250818", "20250917"))
    change = before - after
    assert np.median(change[FIRE]) > 0.27  # moderate to high severity, as dNBR is read
    assert abs(np.median(change[FIELDS])) < 0.1
    assert 0.02 < (change > 0.27).mean() < 0.2


def test_a_search_makes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTRA_CACHE_DIR", str(tmp_path / "new"))
    found = astra_xr.search("sentinel-2", bbox=PLACE, catalog="sample")
    assert len(found) == len(SCENES) == 14
    assert [row.datetime for row in found.rows] == sorted(
        (row.datetime for row in found.rows), reverse=True
    )
    assert [row.cloud_cover for row in found.rows] == [
        scene.cloud_cover for scene in reversed(tuple(SCENES.values()))
    ]
    assert not (tmp_path / "new").exists()


def test_a_search_by_time_and_clouds() -> None:
    summer = astra_xr.search(
        "sentinel-2", bbox=PLACE, datetime="2025-06/2025-09", cloud_cover=5, catalog="sample"
    )
    assert [row.datetime[:10] for row in summer.rows] == ["2025-09-17", "2025-08-18", "2025-06-14"]


def test_scenes_open_by_id(year: dict[str, Path]) -> None:
    found = astra_xr.search("sentinel-2", datetime="2025-09-17", catalog="sample")
    ds = astra_xr.open_scene(found[0], bands=["swir22", "SCL"], catalog="sample")
    assert dict(ds.sizes) == {"y": 300, "x": 300}
    with rasterio.open(year["20250917"] / "B12.tif") as dataset:
        expected = dataset.read(1).astype("float32") * np.float32(0.0001) - np.float32(0.1)
    np.testing.assert_allclose(ds.swir22.values, expected, atol=1e-6)


def test_another_scene_is_not_found() -> None:
    with pytest.raises(SceneNotFound, match="20250917"):
        astra_xr.resolve("sentinel-2:S2A_MSIL2A_20250115T184929", "red", catalog="sample")
