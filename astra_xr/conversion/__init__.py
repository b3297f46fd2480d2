"""Conversion: any source raster becomes a COG, a plain GeoTIFF, a PNG or a JPEG."""
