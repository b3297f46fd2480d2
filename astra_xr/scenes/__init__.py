"""Scenes as xarray: opening them, and the ``ds.astra`` accessor."""
