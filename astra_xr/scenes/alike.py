"""Whether the bands of several scenes may go by one name."""

from __future__ import annotations

import math
from collections.abc import Sequence

from astra_xr.errors import InvalidParameter
from astra_xr.model import Asset
from astra_xr.scenes.dataset import Wish
from astra_xr.scenes.time_steps import Member

_SAME_LIGHT = 0.05
"""Micrometres that the middles of a band may be apart from mission to mission."""


def check_alike(members: Sequence[Member], wish: Wish) -> None:
    """Refuse to put under one name what is not the same.

    Raises
    ------
    InvalidParameter
        Scenes have other names, or bands of another kind, light, unit or classes under one.
    """
    first = members[0]
    for other in members[1:]:
        if list(other.assets) != list(first.assets):
            expected = (
                "names that mean one band in each scene, such as red or nir: "
                f"{first.id} has {', '.join(first.assets)}, {other.id} {', '.join(other.assets)}"
            )
            raise InvalidParameter(name="bands", value=wish.bands, expected=expected)
        for name, asset in other.assets.items():
            reason = _unlike(first.assets[name], asset, wish.decode)
            if reason:
                expected = (
                    f"bands that are alike in all scenes: that of {first.id} and that of "
                    f"{other.id} {reason}"
                )
                raise InvalidParameter(name="bands", value=name, expected=expected)


def _unlike(a: Asset, b: Asset, decode: bool) -> str:
    """Say how two bands differ, so that their numbers cannot be compared; empty: they can."""
    assert a.radiometry is not None
    assert b.radiometry is not None
    if a.band.role != b.band.role or len(a.planes) != len(b.planes):
        return f"are {a.band.native} ({a.band.role}) and {b.band.native} ({b.band.role})"
    light = [each.band.wavelength for each in (a, b)]
    if light[0] and light[1] and abs(light[0] - light[1]) > _SAME_LIGHT:
        return f"are of {light[0]:g} and {light[1]:g} µm"
    if a.band.classes and b.band.classes and a.band.classes != b.band.classes:
        return "have classes of other meanings"
    if decode and a.radiometry.unit != b.radiometry.unit:
        return f"have the units {a.radiometry.unit} and {b.radiometry.unit}"
    numbers = [
        (each.radiometry.dtype, each.radiometry.scale, each.radiometry.offset, _same(each))
        for each in (a, b)
        if each.radiometry
    ]
    if not decode and numbers[0] != numbers[1]:
        return "are stored with other scales, offsets or nodata; mask_and_scale=True makes them one"
    return ""


def _same(asset: Asset) -> float | None:
    """Return nodata, NaN as something that equals itself."""
    assert asset.radiometry is not None
    nodata = asset.radiometry.nodata
    return math.inf if nodata is not None and math.isnan(nodata) else nodata
