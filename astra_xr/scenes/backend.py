"""``xr.open_dataset("sentinel-2:…", engine="astra")``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import xarray as xr
from xarray.backends import BackendEntrypoint


class AstraBackend(BackendEntrypoint):
    """Opens scene ids and STAC items; takes the options of :func:`astra_xr.open_scene`."""

    description = "Open satellite scenes by their ids, in reflectance"
    open_dataset_parameters = ("filename_or_obj", "drop_variables", "bands", "mask_and_scale")

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        bands: str | Iterable[str] | None = None,
        mask_and_scale: bool = True,
        **options: Any,
    ) -> xr.Dataset:
        """Open a scene lazily.

        Parameters
        ----------
        filename_or_obj : str, pystac.Item or dict
            A scene id or STAC item, as in :func:`astra_xr.open_scene`.
        drop_variables : str or iterable of str, optional
            Bands to leave out.
        bands, mask_and_scale, **options
            As in :func:`astra_xr.open_scene`. ``chunks`` is xarray's own, and works with scene ids
            since xarray 2026.7.

        Raises
        ------
        AstraError
            As of :func:`astra_xr.open_scene`.
        """
        from astra_xr.scenes.open import open_scene

        ds = open_scene(filename_or_obj, bands, mask_and_scale=mask_and_scale, **options)
        dropped = [drop_variables] if isinstance(drop_variables, str) else drop_variables
        return ds.drop_vars(dropped, errors="ignore") if dropped else ds

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Return True for the name of a mission, a colon and a name without a slash."""
        from astra_xr.missions import read_mission

        if not isinstance(filename_or_obj, str):
            return False
        mission, _, name = filename_or_obj.partition(":")
        return read_mission(mission) is not None and bool(name) and "/" not in name
