"""The built-in sample scenes: SYNTHETIC Sentinel-2 Level-2A scenes, made on first use.

They need no network. An invented coast with hills, fields, a river, towns and clouds is painted
and written as cloud-optimized GeoTIFFs with a STAC item, as is a year of a small part of it; no
satellite ever saw it. Importing this package is cheap: rasterio and NumPy are imported when a
scene is made.
"""

from __future__ import annotations

from typing import Final

from astra_xr.sample.item import outline
from astra_xr.sample.scene import ensure_sample
from astra_xr.sample.series import SCENES, WHOLE

SCENE_ID: Final = WHOLE.id
"""Product id of the scene of the whole landscape, without ``.SAFE``."""

__all__ = ["SCENES", "SCENE_ID", "ensure_sample", "outline"]
