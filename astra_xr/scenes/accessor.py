"""``ds.astra``: what a scene can do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import xarray as xr

from astra_xr.scenes.analysis import Analysis
from astra_xr.scenes.outputs import Outputs

if TYPE_CHECKING:
    import pandas as pd

    from astra_xr.scenes.explain import Explanation


@xr.register_dataset_accessor("astra")  # type: ignore[no-untyped-call, unused-ignore]
class AstraAccessor(Analysis, Outputs):
    """Bands, indices and pictures of a scene.

    Made for Datasets of :func:`astra_xr.open_scene`; works on any Dataset with (y, x)
    variables whose names or ``common_name`` attributes are those of bands.

    Examples
    --------
    >>> import astra_xr
    >>> ds = astra_xr.open_scene(
    ...     "sentinel-2:S2B_MSIL2A_20250115T184929", bands=["B04", "nir"], catalog="sample"
    ... )
    >>> ds.astra["red"].name
    'B04'
    >>> ds.astra
    <astra: sentinel-2:S2B_MSIL2A_20250115T184929_N0511_R113_T10SEG_20250115T210000>
      B04  red  0.665 µm  10 m  reflectance  offset -0.1: baseline 05.11
      nir  B08  0.842 µm  10 m  reflectance  offset -0.1: baseline 05.11
    """

    def __init__(self, ds: xr.Dataset) -> None:
        self._ds = ds

    def __getitem__(self, name: str) -> xr.DataArray:
        """Return a band by any of its names: the variable's, native, common.

        Raises
        ------
        UnknownBand, AmbiguousBand
            No band, or several, have that name.
        """
        from astra_xr.scenes.names import find_variable

        return self._ds[find_variable(self._ds, name)]

    @property
    def bands(self) -> pd.DataFrame:
        """A table of the bands, one row a variable.

        Columns are native_name, common_name, center_wavelength (µm), gsd (m), role, units,
        scale, offset and radiometry (why scale and offset are so); None where not known.

        Examples
        --------
        >>> import astra_xr
        >>> ds = astra_xr.open_scene(
        ...     "sentinel-2:S2B_MSIL2A_20250115T184929", bands=["red"], catalog="sample"
        ... )
        >>> str(ds.astra.bands.loc["red", "native_name"])
        'B04'
        """
        from astra_xr.scenes.shown import as_table

        return as_table(self._ds)

    @property
    def failures(self) -> pd.DataFrame:
        """A table of what :func:`astra_xr.open_scenes` left out with ``fail_on_error=False``.

        Columns are scene, band (None: the scene itself) and reason; empty where all was opened.

        Examples
        --------
        >>> import astra_xr
        >>> ids = ["sentinel-2:S2B_MSIL2A_20250614T184929", "sentinel-2:S2B_MSIL2A_20250615T184929"]
        >>> ds = astra_xr.open_scenes(ids, ["red"], catalog="sample", fail_on_error=False)
        >>> ds.sizes["time"], list(ds.astra.failures.scene)
        (1, ['sentinel-2:S2B_MSIL2A_20250615T184929'])
        """
        import pandas as pd

        rows = json.loads(self._ds.attrs.get("failures", "[]"))
        return pd.DataFrame(rows, columns=["scene", "band", "reason"])

    def load(self, *, progress: bool = True, allow_large: bool = False) -> xr.Dataset:
        """Read all bands at once, side by side, and keep their values in this Dataset.

        Indices of the same bands are computed in one pass over them.

        Parameters
        ----------
        progress : bool
            Show a progress bar, one step a band.
        allow_large : bool
            True: read even more than fits into free memory.

        Returns
        -------
        xarray.Dataset
            The Dataset itself, as :meth:`xarray.Dataset.load` does. An interrupt (Ctrl-C) or an
            error stops all reads.

        Raises
        ------
        TooLarge
            It takes more memory than is free.
        ReadError, SigningError, UpstreamError

        Examples
        --------
        >>> import astra_xr
        >>> ds = astra_xr.open_scene(
        ...     "sentinel-2:S2B_MSIL2A_20250115T184929", bands=["red", "nir"], catalog="sample"
        ... ).isel(x=slice(64), y=slice(64))
        >>> ds.astra.load(progress=False).red.shape
        (64, 64)
        """
        from astra_xr.scenes.load import load

        return load(self._ds, progress=progress, allow_large=allow_large)

    def explain(self) -> Explanation:
        """Tell what reading this Dataset will cost, before it is read.

        Files' headers are read where they are not known yet; pixels are not.

        Returns
        -------
        Explanation
            A table in notebooks, one row a file: overview level, tiles, how many of them are in
            memory, requests, bytes, and until when the URL is signed. ``tiles``, ``requests``
            and ``bytes`` have the sums, ``files`` the rows.

        Raises
        ------
        ReadError, SigningError, UpstreamError
            A header cannot be read.

        Examples
        --------
        >>> import astra_xr
        >>> ds = astra_xr.open_scene(
        ...     "sentinel-2:S2B_MSIL2A_20250115T184929", bands=["red", "nir"], catalog="sample"
        ... )
        >>> cost = ds.isel(x=slice(0, 600), y=slice(0, 600)).astra.explain()
        >>> cost.tiles, len(cost.files)
        (8, 2)
        """
        from astra_xr.scenes.explain import explain

        return explain(self._ds)

    def __repr__(self) -> str:
        from astra_xr.scenes.shown import as_text

        return as_text(self._ds)

    def _repr_html_(self) -> str:
        from astra_xr.scenes.shown import as_html

        return as_html(self._ds)
