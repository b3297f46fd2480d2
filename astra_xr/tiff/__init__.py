"""TIFF as bytes: directories, layout and tiles; no I/O of its own."""
