"""STAC items in the real shapes of the catalogs, for files that a test makes itself.

Written by hand from what the catalogs publish: which fields stand where, how bands are
spelled, and what is left out.
"""

from __future__ import annotations

from typing import Any

COG = "image/tiff; application=geotiff; profile=cloud-optimized"
TRANSFORM = [10.0, 0.0, 499980.0, 0.0, -10.0, 4200000.0]

PRODUCT = "S2B_MSIL2A_20250115T184929_N0511_R113_T10SEG_20250115T210000"
EARTH_SEARCH_HOST = "sentinel-cogs.s3.us-west-2.amazonaws.com"
C1_HOST = "e84-earth-search-sentinel-data.s3.us-west-2.amazonaws.com"
BLOB_HOST = "sentinel2l2a01.blob.core.windows.net"
LANDSAT_HOST = "landsateuwest.blob.core.windows.net"

FIELD = "field_7_Ernte"

Json = dict[str, Any]

_S2 = {
    "red": ("B04", 0.665, 0.038),
    "nir": ("B08", 0.842, 0.145),
}


def _feature(item_id: str, collection: str, properties: Json, assets: Json) -> Json:
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [],
        "id": item_id,
        "collection": collection,
        "bbox": [-123.0, 37.0, -122.0, 38.0],
        "geometry": {
            "type": "Polygon",
            "coordinates": [[[-123, 37], [-122, 37], [-122, 38], [-123, 38], [-123, 37]]],
        },
        "properties": properties,
        "assets": assets,
        "links": [],
    }


def _eo(name: str, common: str, wavelength: float, fwhm: float) -> Json:
    return {
        "name": name,
        "common_name": common,
        "center_wavelength": wavelength,
        "full_width_half_max": fwhm,
    }


def earth_search_l2a(
    size: int, *, baseline: str = "05.11", applied: bool = True, sequence: int = 0
) -> Json:
    """Asset keys are common names; offset -0.1 is published although the pixels are shifted."""
    product = PRODUCT.replace("N0511", f"N{baseline.replace('.', '')}")
    offset = -0.1 if baseline >= "04.00" else 0
    assets: Json = {}
    for common, (native, wavelength, fwhm) in _S2.items():
        shared = {
            "title": f"{common} - 10m",
            "eo:bands": [_eo(native, common, wavelength, fwhm)],
            "gsd": 10,
            "proj:shape": [size, size],
            "proj:transform": TRANSFORM,
            "raster:bands": [
                {
                    "nodata": 0,
                    "data_type": "uint16",
                    "spatial_resolution": 10,
                    "scale": 0.0001,
                    "offset": offset,
                }
            ],
            "roles": ["data", "reflectance"],
        }
        assets[common] = {
            "href": f"https://{EARTH_SEARCH_HOST}/{native}.tif",
            "type": COG,
            **shared,
        }
        assets[f"{common}-jp2"] = {
            "href": f"s3://sentinel-s2-l2a/tiles/{native}.jp2",
            "type": "image/jp2",
            **shared,
        }
    return _feature(
        f"S2B_10SEG_20250115_{sequence}_L2A",
        "sentinel-2-l2a",
        {
            "datetime": "2025-01-15T18:54:10.123000Z",
            "platform": "sentinel-2b",
            "proj:epsg": 32610,
            "grid:code": "MGRS-10SEG",
            "s2:processing_baseline": baseline,
            "s2:product_uri": f"{product}.SAFE",
            "s2:sequence": str(sequence),
            "earthsearch:boa_offset_applied": applied,
        },
        assets,
    )


def earth_search_c1(size: int, tile: str = "10SEG") -> Json:
    """No flag, offset -0.1 published, pixels unshifted; the id's time is the datastrip's."""
    item = earth_search_l2a(size)
    product = item["properties"]["s2:product_uri"].replace("T10SEG", f"T{tile}")
    properties = item["properties"] | {"s2:product_uri": product, "grid:code": f"MGRS-{tile}"}
    del properties["earthsearch:boa_offset_applied"], properties["s2:sequence"]
    assets = {
        key: asset | {"href": asset["href"].replace(EARTH_SEARCH_HOST, C1_HOST), "file:size": 1234}
        for key, asset in item["assets"].items()
        if not key.endswith("-jp2")
    }
    return _feature(f"S2B_T{tile}_20250115T184927_L2A", "sentinel-2-c1-l2a", properties, assets)


def planetary_computer(size: int) -> Json:
    """Keys are native names, no scale or offset anywhere, and B8A's common name is rededge."""
    assets: Json = {
        native: {
            "href": f"https://{BLOB_HOST}/sentinel2-l2/{native}.tif",
            "type": COG,
            "title": f"Band - {common} - 10m",
            "gsd": 10.0,
            "proj:shape": [size, size],
            "proj:transform": TRANSFORM,
            "eo:bands": [_eo(native, common, wavelength, fwhm)],
            "roles": ["data"],
        }
        for common, (native, wavelength, fwhm) in (
            *_S2.items(),
            ("rededge", ("B8A", 0.865, 0.033)),
        )
    }
    return _feature(
        PRODUCT.replace("_N0511", ""),
        "sentinel-2-l2a",
        {
            "datetime": "2025-01-15T18:49:29.024000Z",
            "platform": "Sentinel-2B",
            "proj:epsg": 32610,
            "s2:mgrs_tile": "10SEG",
            "s2:processing_baseline": "05.11",
            "s2:product_uri": f"{PRODUCT}.SAFE",
        },
        assets,
    )


def planetary_computer_landsat(size: int) -> Json:
    """Grid at the item, bands named after the sensor, thermal beside reflectance."""
    bands = {
        "red": ("OLI_B4", 0.65, 2.75e-05, -0.2, "SR_B4"),
        "nir08": ("OLI_B5", 0.87, 2.75e-05, -0.2, "SR_B5"),
        "lwir11": ("TIRS_B10", 10.9, 0.00341802, 149.0, "ST_B10"),
    }
    assets: Json = {
        key: {
            "href": f"https://{LANDSAT_HOST}/landsat-c2/{file}.TIF",
            "type": COG,
            "roles": ["data"],
            "eo:bands": [_eo(name, key, wavelength, 0.04)],
            "raster:bands": [
                {"scale": scale, "nodata": 0, "offset": offset, "data_type": "uint16"}
            ],
        }
        for key, (name, wavelength, scale, offset, file) in bands.items()
    }
    assets["qa_pixel"] = {
        "href": f"https://{LANDSAT_HOST}/landsat-c2/QA_PIXEL.TIF",
        "type": COG,
        "roles": ["cloud"],
        "raster:bands": [{"unit": "bit index", "nodata": 1, "data_type": "uint16"}],
    }
    return _feature(
        "LC08_L2SP_044034_20250115_02_T1",
        "landsat-c2-l2",
        {
            "datetime": "2025-01-15T18:45:00.000000Z",
            "platform": "landsat-8",
            "proj:epsg": 32610,
            "proj:shape": [size, size],
            "proj:transform": [30.0, 0.0, 499980.0, 0.0, -30.0, 4200000.0],
            "landsat:wrs_path": "044",
            "landsat:wrs_row": "034",
        },
        assets,
    )


CDSE_HOST = "zipper.dataspace.copernicus.eu"
USGS_HOST = "landsatlook.usgs.gov"
EARTHDATA_HOST = "data.lpdaac.earthdatacloud.nasa.gov"
GRANULE = "HLS.S30.T10SEG.2025015T184929.v2.0"


def cdse(size: int) -> Json:
    """STAC 1.1, several resolutions of a band, the CRS at the asset, s3 hrefs with https twins."""
    assets: Json = {}
    for common, (native, wavelength, fwhm) in _S2.items():
        for gsd in (10, 20) if native == "B04" else (10,):
            path = f"Sentinel-2/{PRODUCT}.SAFE/{native}_{gsd}m.jp2"
            assets[f"{native}_{gsd}m"] = {
                "href": f"s3://eodata/{path}",
                "type": "image/jp2",
                "roles": [
                    "data",
                    "reflectance",
                    f"sampling:{'original' if gsd == 10 else 'downsampled'}",
                    f"gsd:{gsd}m",
                ],
                "gsd": gsd,
                "bands": [
                    {
                        "name": native,
                        "eo:common_name": common,
                        "eo:center_wavelength": wavelength,
                        "eo:full_width_half_max": fwhm,
                    }
                ],
                "nodata": 0,
                "data_type": "uint16",
                "raster:scale": 0.0001,
                "raster:offset": -0.1,
                "proj:code": "EPSG:32610",
                "proj:shape": [size * 10 // gsd] * 2,
                "proj:transform": [gsd, 0, TRANSFORM[2], 0, -gsd, TRANSFORM[5]],
                "alternate": {"https": {"href": f"https://{CDSE_HOST}/{path}"}},
            }
    return _feature(
        PRODUCT,
        "sentinel-2-l2a",
        {
            "datetime": "2025-01-15T18:49:29.024Z",
            "platform": "sentinel-2b",
            "grid:code": "MGRS-10SEG",
            "processing:version": "05.11",
        },
        assets,
    )


def usgs_landsat(size: int) -> list[Json]:
    """Reflectance and temperature of one scene as two items, without scale, offset and nodata."""
    product = "LC08_L2SP_044034_20250115_20250120_02_T1"
    bands = {
        "red": ("B4", "red", 0.65, "SR_B4"),
        "nir08": ("B5", "nir08", 0.87, "SR_B5"),
        "lwir11": ("B10", "lwir11", 10.9, "ST_B10"),
    }
    items = []
    for ending, keys in (("SR", ("red", "nir08")), ("ST", ("lwir11",))):
        assets: Json = {}
        for key in (*keys, "qa_pixel"):
            name, common, wavelength, file = bands.get(key, ("", "", 0, "QA_PIXEL"))
            path = f"collection02/{product}/{file}.TIF"
            assets[key] = {
                "href": f"https://{USGS_HOST}/data/{path}",
                "type": "image/vnd.stac.geotiff; cloud-optimized=true",
                "roles": ["data"] if name else ["cloud"],
                "alternate": {
                    "s3": {"storage:requester_pays": True, "href": f"s3://usgs-landsat/{path}"}
                },
            }
            if name:
                band = {"name": name, "common_name": common, "center_wavelength": wavelength}
                assets[key]["eo:bands"] = [band]
        properties = {
            "datetime": "2025-01-15T18:45:00.123456Z",
            "platform": "LANDSAT_8",
            "landsat:wrs_path": "044",
            "landsat:wrs_row": "034",
            "proj:epsg": 32610,
            "proj:shape": [size, size],
            "proj:transform": [30, 0, 499980, 0, -30, 4200000],
        }
        collection = f"landsat-c2l2-{ending.lower()}"
        items.append(_feature(f"{product}_{ending}", collection, properties, assets))
    return items


def lpdaac_hls(size: int) -> Json:
    """Assets without media type; grid at the item, with 9 values; no scale, offset and nodata."""
    assets: Json = {
        native: {
            "href": f"https://{EARTHDATA_HOST}/lp-prod-protected/HLSS30.020/{GRANULE}.{native}.tif",
            "title": f"Download {GRANULE}.{native}.tif",
            "eo:bands": [{"name": native, "common_name": common, "center_wavelength": wavelength}],
        }
        for native, common, wavelength in (("B04", "red", 0.6645), ("B8A", "nir08", 0.8648))
    }
    return _feature(
        GRANULE,
        "HLSS30_2.0",
        {
            "datetime": "2025-01-15T18:49:29.024Z",
            "eo:cloud_cover": 17,
            "proj:epsg": 32610,
            "proj:shape": [size, size],
            "proj:transform": [30, 0, 499980, 0, -30, 4200000, 0, 0, 1],
        },
        assets,
    )


def plain(href: str = "./red.tif", size: int = 700) -> Json:
    """No mission of ours, and relative hrefs, as in a catalog of one's own."""
    asset = {"href": href, "type": COG, "roles": ["data"], "raster:bands": [{"nodata": 0}]}
    grid = {"proj:epsg": 32610, "proj:shape": [size, size], "proj:transform": TRANSFORM}
    properties = {"datetime": "2025-01-15T18:49:29Z", **grid}
    return _feature(FIELD, "fields", properties, {"red": asset})
