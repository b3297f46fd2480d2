"""The STAC items of the sample scenes, in the shape of Earth Search's ``sentinel-2-c1-l2a`` items.

Assets have the native names of their bands. An item describes the files correctly; platform, time
and product id are invented, since the scene is synthetic, as its description says.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from astra_xr.sample.series import Frame, Scene

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Description of the scene; also written into each file.
DESCRIPTION: Final = (
    "SYNTHETIC scene made by astra-xr for examples and tests: an invented coast in the layout of "
    "a Sentinel-2 Level-2A product. No satellite took it and it shows no real place."
)
#: The landscape's upper left corner in EPSG:32610, meters; on the 10, 20 and 60 m grids of tile
#: T10SEG.
EAST: Final = 539940
NORTH: Final = 4160040
#: Values are written as processing baseline 05.11 does: reflectance = value * SCALE + OFFSET.
SCALE: Final = 0.0001
OFFSET: Final = -0.1


class Band(NamedTuple):
    """A spectral band in the item; wavelengths in micrometers, `gsd` in meters."""

    gsd: int
    title: str
    common_name: str
    center_wavelength: float
    full_width_half_max: float


#: The spectral bands by their native names, with the wavelengths that ESA gives.
BANDS: Final[Mapping[str, Band]] = {
    "B01": Band(60, "Coastal", "coastal", 0.443, 0.027),
    "B02": Band(10, "Blue", "blue", 0.49, 0.098),
    "B03": Band(10, "Green", "green", 0.56, 0.045),
    "B04": Band(10, "Red", "red", 0.665, 0.038),
    "B05": Band(20, "Red Edge 1", "rededge", 0.704, 0.019),
    "B06": Band(20, "Red Edge 2", "rededge", 0.74, 0.018),
    "B07": Band(20, "Red Edge 3", "rededge", 0.783, 0.028),
    "B08": Band(10, "NIR 1", "nir", 0.842, 0.145),
    "B8A": Band(20, "NIR 2", "nir08", 0.865, 0.033),
    "B09": Band(60, "NIR 3", "nir09", 0.945, 0.026),
    "B11": Band(20, "SWIR 1.6μm", "swir16", 1.61, 0.143),
    "B12": Band(20, "SWIR 2.2μm", "swir22", 2.19, 0.242),
}
#: All files of the scene by the key of their asset.
FILES: Final[Mapping[str, str]] = {
    **{name: f"{name}.tif" for name in BANDS},
    "SCL": "SCL.tif",
    "visual": "TCI.tif",
}

# Sen2Cor's classes as Earth Search names their shares.
_CLASSES: Final = (
    (2, "dark_features"), (3, "cloud_shadow"), (4, "vegetation"), (5, "not_vegetated"),
    (6, "water"), (7, "unclassified"), (8, "medium_proba_clouds"), (9, "high_proba_clouds"),
    (10, "thin_cirrus"), (11, "snow_ice"),
)  # fmt: skip
_EXTENSIONS: Final = ("eo/v1.1.0", "file/v2.1.0", "grid/v1.1.0", "mgrs/v1.0.0",
                      "projection/v1.1.0", "raster/v1.1.0", "sentinel-2/v1.0.0",
                      "view/v1.0.0")  # fmt: skip


def gsd_of(key: str) -> int:
    """Return the pixel size of a file in meters, by the key of its asset."""
    return BANDS[key].gsd if key in BANDS else {"SCL": 20, "visual": 10}[key]


def transform(frame: Frame, gsd: int) -> list[int]:
    """Return the six numbers that take (column, row) to (easting, northing)."""
    return [gsd, 0, EAST + frame.column * 10, 0, -gsd, NORTH - frame.row * 10]


def _eo(name: str) -> dict[str, Any]:
    """Return a band as in the EO extension."""
    band = BANDS[name]
    return {"name": name} | {k: v for k, v in band._asdict().items() if k not in ("gsd", "title")}


def _asset(key: str, frame: Frame, folder: Path) -> dict[str, Any]:
    """Return the asset of an existing file."""
    gsd = gsd_of(key)
    side = -(-frame.side * 10 // gsd)
    raster: dict[str, Any] = {"nodata": 0, "data_type": "uint8", "spatial_resolution": gsd}
    asset: dict[str, Any] = {
        "href": f"./{FILES[key]}",
        "type": "image/tiff; application=geotiff; profile=cloud-optimized",
    }
    if key in BANDS:
        asset["title"] = f"{BANDS[key].title} ({key}) - {gsd}m"
        asset["eo:bands"] = [_eo(key)]
        raster |= {"data_type": "uint16", "scale": SCALE, "offset": OFFSET}
    elif key == "visual":
        asset["title"] = "True color image (TCI) - 10m"
        asset["eo:bands"] = [_eo(name) for name in ("B04", "B03", "B02")]
    else:
        asset["title"] = "Scene classification map (SCL) - 20m"
    return asset | {
        "gsd": gsd,
        "proj:shape": [side, side],
        "proj:transform": transform(frame, gsd),
        "raster:bands": [dict(raster) for _ in range(3 if key == "visual" else 1)],
        "file:size": (folder / FILES[key]).stat().st_size,
        "roles": {"SCL": ["data"], "visual": ["visual"]}.get(key, ["data", "reflectance"]),
    }


def _footprint(frame: Frame) -> tuple[dict[str, Any], list[float]]:
    """Return a frame's outline (a GeoJSON polygon) and its box in longitude and latitude."""
    from rasterio.warp import transform as reproject
    from rasterio.warp import transform_bounds

    west, north = EAST + frame.column * 10, NORTH - frame.row * 10
    east, south = west + frame.side * 10, north - frame.side * 10
    # Counterclockwise, as GeoJSON requires.
    corners = ([west, west, east, east, west], [north, south, south, north, north])
    longitudes, latitudes = reproject("EPSG:32610", "EPSG:4326", *corners)[:2]
    ring = [
        [round(longitude, 6), round(latitude, 6)]
        for longitude, latitude in zip(longitudes, latitudes, strict=True)
    ]
    box = transform_bounds("EPSG:32610", "EPSG:4326", west, south, east, north)
    return {"type": "Polygon", "coordinates": [ring]}, [round(edge, 6) for edge in box]


def _shares(scl: NDArray[np.uint8]) -> dict[str, float]:
    """Return the share of each class of the scene classification in percent."""
    import numpy as np

    counts = np.bincount(scl.ravel(), minlength=12).tolist()
    part = {number: 100.0 * count / scl.size for number, count in enumerate(counts)}
    shares = {f"s2:{name}_percentage": round(part[number], 6) for number, name in _CLASSES}
    return {"eo:cloud_cover": round(part[8] + part[9] + part[10], 6), **shares}


def outline(scene: Scene, shares: Mapping[str, float] | None = None) -> dict[str, Any]:
    """Return the item of a scene without assets, as before its files are made.

    `shares` are cloud cover and the share of each class, percent; default: only cloud cover.
    """
    geometry, bbox = _footprint(scene.frame)
    made = scene.datetime
    azimuth, elevation = scene.sun
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [
            f"https://stac-extensions.github.io/{name}/schema.json" for name in _EXTENSIONS
        ],
        "id": scene.id,
        "collection": "sample",
        "geometry": geometry,
        "bbox": bbox,
        "properties": {
            "title": "Synthetic sample scene",
            "description": DESCRIPTION,
            "datetime": made,
            "platform": f"sentinel-{scene.id[1:3].lower()}",
            "constellation": "sentinel-2",
            "instruments": ["msi"],
            "proj:epsg": 32610,
            "proj:code": "EPSG:32610",
            "mgrs:utm_zone": 10,
            "mgrs:latitude_band": "S",
            "mgrs:grid_square": "EG",
            "grid:code": "MGRS-10SEG",
            "view:sun_azimuth": azimuth,
            "view:sun_elevation": elevation,
            **(shares or {"eo:cloud_cover": scene.cloud_cover}),
            "s2:product_type": "S2MSI2A",
            "s2:processing_baseline": "05.11",
            "s2:product_uri": f"{scene.id}.SAFE",
            "s2:generation_time": f"{made[:10]}T21:00:00.000000Z",
            "s2:datatake_type": "INS-NOBS",
        },
        "links": [],
        "assets": {},
    }


def describe(scene: Scene, folder: Path, scl: NDArray[np.uint8]) -> dict[str, Any]:
    """Return the item of a scene whose `FILES` are all in a folder.

    Cloud cover is counted in the scene classification, (n, n).
    """
    item = outline(scene, _shares(scl))
    item["assets"] = {key: _asset(key, scene.frame, folder) for key in FILES}
    return item
