"""TIFF as bytes: what a file says of its images, and their tiles; no URL, no xarray."""
