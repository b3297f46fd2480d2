"""The catalogs as they are today: ``ASTRA_LIVE=1 pytest tests/live``.

Catalogs that need an account are skipped where it is not in the environment.
"""

from __future__ import annotations

import os

import pytest

from astra_xr.catalogs import ORDER
from tests.live.scenes import Case, compare, read_one

FIELD = (-121.70, 38.52, -121.66, 38.55)
"""Farmland near Davis, California."""

CASES = {
    case.mission: case
    for case in (
        Case(mission="sentinel-2", area=FIELD, days="2025-06", clouds=20),
        Case(mission="landsat", area=FIELD, days="2025-06", clouds=20),
        Case(mission="hls", area=FIELD, days="2025-06", clouds=20),
        Case(mission="sentinel-1-rtc", area=FIELD, days="2025-06", band="vv", between=(0, 2)),
        Case(mission="naip", area=FIELD, days="2022", between=(0, 255)),
    )
}

ACCOUNTS: dict[str, list[tuple[str, ...]]] = {
    "cdse": [("CDSE_S3_ACCESS_KEY", "CDSE_S3_SECRET_KEY"), ("CDSE_USERNAME", "CDSE_PASSWORD")],
    "usgs": [("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REQUEST_PAYER")],
    "lpdaac": [("EARTHDATA_TOKEN",), ("EARTHDATA_USERNAME", "EARTHDATA_PASSWORD")],
}
"""Catalog → the variables of its account; any of these sets is enough."""


def lacking(mission: str, catalog: str) -> str:
    """Return the variables of the account that is missing; empty if none is."""
    ways = ACCOUNTS.get(catalog, [])
    if (mission, catalog) == ("landsat", "earth-search"):
        ways = ACCOUNTS["usgs"]  # its files are in the same bucket, whose reader pays
    if not ways or any(all(map(os.environ.get, names)) for names in ways):
        return ""
    return " or ".join(" and ".join(names) for names in ways)


@pytest.mark.parametrize(
    ("mission", "catalog"), [(m, c) for m in CASES for c in ORDER[m]], ids=lambda each: each
)
def test_a_scene_is_found_opened_and_read(mission: str, catalog: str) -> None:
    if names := lacking(mission, catalog):
        pytest.skip(f"{catalog} takes an account: {names}")
    assert read_one(CASES[mission], catalog)


@pytest.mark.parametrize("mission", [mission for mission in CASES if len(ORDER[mission]) > 1])
def test_its_pixels_are_the_same_at_each_catalog(mission: str) -> None:
    catalogs = [name for name in ORDER[mission] if not lacking(mission, name)]
    if len(catalogs) < 2:
        pytest.skip(f"without accounts only {', '.join(catalogs)} can be read")
    assert compare(CASES[mission], catalogs).agree
