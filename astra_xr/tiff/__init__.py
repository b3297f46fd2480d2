"""TIFF as bytes: directories, layout and tiles; no URL, no xarray."""
