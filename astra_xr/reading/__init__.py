"""Byte ranges to NumPy arrays: windows of files, read through URLs that are signed when needed."""
