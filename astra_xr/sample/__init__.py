"""
The built-in sample scene: a SYNTHETIC Sentinel-2 Level-2A scene that is made on first use.

It needs no network and no download. A coast with hills, fields, a river, towns and clouds is
invented, painted and written as cloud-optimized GeoTIFFs with a STAC item; no satellite ever
saw it. Importing this package is cheap: rasterio and NumPy are imported when a scene is made.
"""

from __future__ import annotations

from astra_xr.sample.scene import SCENE_ID, ensure_sample

__all__ = ["SCENE_ID", "ensure_sample"]
