"""Pixels from a URL source: a lazy array that asks for its URL at each read."""
