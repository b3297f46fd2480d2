"""A resolution as JSON and back: all of it, and further fields of a newer service."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from astra_xr import LocalResolver, Resolution, Settings
from astra_xr.model import Band, ClassValue, Radiometry
from astra_xr.resolver.resolution_json import detail_of, resolution_of

SCENE = "sentinel-2:S2B_MSIL2A_20250115T184929"


@pytest.fixture(scope="module")
def answer() -> Resolution:
    found = LocalResolver(Settings(catalog="sample")).resolve(SCENE, catalog="sample", sign=False)
    return replace(found, passed_over={"usgs": "down"})


def there_and_back(answer: Resolution, **more: Any) -> Resolution:
    told = answer.to_dict() | {"detail": detail_of(answer)}
    for asset in told["detail"]["assets"].values():
        asset.update(more)
        asset["band"].update(more)
    sources = iter([asset.source for asset in answer.assets.values()])
    sent = json.dumps(told, allow_nan=False)
    return resolution_of(json.loads(sent), lambda entry: next(sources))


def test_all_of_it_comes_back(answer: Resolution) -> None:
    assert there_and_back(answer) == answer
    assert there_and_back(answer).passed_over == answer.passed_over


def test_what_this_version_does_not_know_is_left_out(answer: Resolution) -> None:
    assert there_and_back(answer, mood={"bright": True}) == answer


@pytest.mark.parametrize("nodata", [math.nan, math.inf, -math.inf, -9999, None])
def test_what_json_has_no_number_for(answer: Resolution, nodata: float | None) -> None:
    radiometry = Radiometry(dtype="float32", nodata=nodata, scale=2, reason="odd")
    red = replace(
        answer.assets["B04"],
        radiometry=radiometry,
        grid=None,
        indexes=None,
        stretch=((0, 10.5), (1, 2)),
        stretch_without=("nodata",),
        planes=(
            Band(native="red", nodata=nodata),
            Band(native="mask", classes=(ClassValue(value=1, name="cloud", mask=3),)),
        ),
    )
    back = there_and_back(replace(answer, assets={"B04": red})).assets["B04"]
    assert str(back) == str(red)  # NaN equals none
    assert back.radiometry is not None
    assert str(back.radiometry.nodata) == str(nodata)
