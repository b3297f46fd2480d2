"""What is asked of a catalog: to find a scene, to open it, and to read what the others read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import astra_xr
from astra_xr.model import FoundId
from astra_xr.scenes.verification import Verification

Box = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Case:
    """Scenes of a mission that several catalogs have."""

    mission: str
    area: Box
    """West, south, east and north, in degrees, on clear land."""
    days: str
    """Days of which all catalogs have the same processing."""
    clouds: float | None = None
    """Most cloud cover, percent."""
    band: str = "red"
    between: tuple[float, float] = (0.0, 0.8)
    """What the median of the band may be there."""


def read_one(case: Case, catalog: str) -> str:
    """Find a scene at a catalog, open it there, read a window; return its id."""
    found = astra_xr.search(
        case.mission, bbox=case.area, datetime=case.days, cloud_cover=case.clouds, catalog=catalog
    )
    assert len(found), f"{catalog} has no scene of {case.mission} in {case.days}"
    scene = found[0]
    ds = astra_xr.open_scene(scene, [case.band], catalog=catalog, bbox=case.area)
    assert ds.attrs["catalog"] == catalog
    values = ds[case.band].values
    assert min(values.shape) > 10
    assert np.isfinite(values).mean() > 0.5, "most of the area is without data"
    median = float(np.nanmedian(values))
    low, high = case.between
    assert low < median < high, f"the median is {median}"
    return str(scene)


def compare(case: Case, catalogs: list[str]) -> Verification:
    """Find a scene that all these catalogs have, and compare its pixels there."""
    found = astra_xr.search(
        case.mission, bbox=case.area, datetime=case.days, cloud_cover=case.clouds
    )
    common = [
        scene
        for scene in found
        if isinstance(scene, FoundId) and set(catalogs) <= set(scene.catalogs)
    ]
    assert common, f"no scene is at all of {catalogs}: {found!r}"
    verification = astra_xr.verify(common[0], case.band, catalogs=catalogs)
    unread = [f"{check.catalog}: {check.failure}" for check in verification.checks if check.failure]
    assert not unread, unread
    assert verification.agree, repr(verification)
    return verification
