"""``xr.open_dataset("sentinel-2:…", engine="astra")``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import xarray as xr
from xarray.backends import BackendEntrypoint

from astra_xr.errors import InvalidSceneId


class AstraBackend(BackendEntrypoint):
    """Opens scenes by their ids; takes the options of :func:`astra_xr.open_scene`."""

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
        filename_or_obj : str
            A scene id.
        drop_variables : str or iterable of str, optional
            Bands to leave out.
        bands, mask_and_scale, **options
            As in :func:`astra_xr.open_scene`. ``chunks`` is xarray's own, and works with scene ids
            since xarray 2026.7.

        Raises
        ------
        InvalidSceneId
            It is not a scene id; otherwise as of :func:`astra_xr.open_scene`.
        """
        from astra_xr.missions import MISSIONS
        from astra_xr.scenes.open import open_scene

        if not isinstance(filename_or_obj, str):
            forms = [f"{name}:{each.id_forms[0].example}" for name, each in MISSIONS.items()]
            reason = "it is not text"
            raise InvalidSceneId(scene_id=str(filename_or_obj), reason=reason, forms=forms)
        ds = open_scene(filename_or_obj, bands, mask_and_scale=mask_and_scale, **options)
        dropped = [drop_variables] if isinstance(drop_variables, str) else drop_variables
        return ds.drop_vars(dropped, errors="ignore") if dropped else ds

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Claim what begins with the name of a mission and a colon, and nothing else."""
        from astra_xr.missions import read_mission

        if not isinstance(filename_or_obj, str):
            return False
        mission, _, name = filename_or_obj.partition(":")
        return read_mission(mission) is not None and bool(name) and "/" not in name
