"""The HTTP service of the asset resolver will live here."""
