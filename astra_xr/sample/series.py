"""The scenes of the sample: one of the whole landscape, and a year of a small part of it.

All are SYNTHETIC. The year has winter rain and dry summers: grass that turns yellow, winter and
summer crops, a reservoir that is drawn down, clouds, and an invented fire in late August.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The part of the landscape in a scene, in 10 m pixels; multiples of 6, that is 60 m."""

    row: int
    """Rows of the landscape above it."""

    column: int
    """Columns of the landscape to its left."""

    side: int
    """Number of rows, and of columns."""


@dataclass(frozen=True, kw_only=True)
class Season:
    """The state of vegetation and water at a time of the year."""

    grass: float
    """How green grass is, 0..1."""

    winter: float
    """Growth of winter crops, which are green in January, 0 (bare soil) to 1."""

    summer: float
    """Growth of summer crops, whose fields are bare in January, 0..1."""

    drawn: float
    """Meters of the reservoir's surface below its full level."""

    burnt: float
    """Burnt share of what the fire reaches, 0..1."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One scene of the sample."""

    id: str
    """Its product id, without ``.SAFE``."""

    frame: Frame

    sun: tuple[float, float]
    """Azimuth (clockwise from north) and elevation, degrees."""

    clouds: float
    """Share of the scene under fair-weather clouds, 0..1, without cirrus and thin edges."""

    cloud_cover: float
    """Percentage of clouds and cirrus in its SCL."""

    weather: int = 0
    """Seed of the clouds."""

    season: Season | None = None
    """None: January, as painted first."""

    @property
    def datetime(self) -> str:
        """Return the sensing time, RFC 3339."""
        day, time = self.id.split("_")[2].split("T")
        return f"{day[:4]}-{day[4:6]}-{day[6:]}T{time[:2]}:{time[2:4]}:{time[4:]}Z"


WHOLE: Final = Scene(
    id="S2B_MSIL2A_20250115T184929_N0511_R113_T10SEG_20250115T210000",
    frame=Frame(row=0, column=0, side=2048),
    sun=(156.2, 27.7),
    clouds=0.066,
    cloud_cover=6.194878,
)
"""The scene of the whole landscape."""

_PART: Final = Frame(row=444, column=936, side=600)
"""The reservoir, hills with woods and grass, and fields: 6 km by 6 km."""


def _scene(
    day: str,
    platform: str,
    sun: tuple[float, float],
    clouds: float,
    cover: float,
    *season: float,
    again: int = 0,
) -> Scene:
    grass, winter, summer, drawn, burnt = season
    return Scene(
        id=f"{platform}_MSIL2A_{day}T184929_N0511_R113_T10SEG_{day}T210000",
        frame=_PART,
        sun=sun,
        clouds=clouds,
        cloud_cover=cover,
        weather=int(day) * 10 + again,
        season=Season(grass=grass, winter=winter, summer=summer, drawn=drawn, burnt=burnt),
    )


# Sun from an almanac for 18:49:29 UTC at 122.37° W, 37.45° N. Both satellites pass every ten
# days, five days apart.
_YEAR: Final = (
    _scene("20250214", "S2B", (151.6, 35.2), 0.30, 69.352222, 1.00, 1.00, 0.00, 0, 0.0),
    _scene("20250316", "S2B", (147.1, 46.1), 0.001, 0.018889, 1.00, 1.00, 0.02, 0, 0.0),
    _scene("20250415", "S2B", (141.6, 57.2), 0.10, 7.861111, 0.90, 0.95, 0.08, 1, 0.0),
    _scene("20250515", "S2B", (132.6, 65.2), 0.80, 76.665556, 0.65, 0.60, 0.30, 3, 0.0),
    _scene("20250614", "S2B", (123.7, 67.7), 0.001, 0.023333, 0.40, 0.12, 0.65, 7, 0.0),
    _scene("20250714", "S2B", (124.6, 65.6), 0.20, 15.274444, 0.22, 0.05, 0.95, 12, 0.0),
    _scene("20250818", "S2C", (137.3, 59.1), 0.001, 0.021111, 0.12, 0.05, 0.90, 18, 0.0),
    _scene("20250912", "S2B", (148.0, 52.2), 0.45, 40.037778, 0.10, 0.05, 0.60, 22, 1.0),
    _scene("20250917", "S2C", (149.9, 50.6), 0.001, 0.038889, 0.10, 0.05, 0.50, 23, 1.0, again=1),
    _scene("20251012", "S2B", (157.5, 42.3), 0.15, 12.341111, 0.15, 0.10, 0.15, 25, 0.95),
    _scene("20251111", "S2B", (161.8, 32.9), 0.60, 76.272222, 0.40, 0.30, 0.00, 21, 0.85),
    _scene("20251211", "S2B", (161.0, 27.1), 0.05, 25.055556, 0.75, 0.65, 0.00, 13, 0.70),
    _scene("20260110", "S2B", (157.1, 27.2), 0.25, 21.315556, 0.95, 0.90, 0.00, 6, 0.55),
)  # fmt: skip

SCENES: Final[Mapping[str, Scene]] = {scene.id: scene for scene in (WHOLE, *_YEAR)}
"""All scenes by id, oldest first."""
