"""``da.astra``: what a single band or index can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import xarray as xr

if TYPE_CHECKING:
    from astra_xr.widgets.picker import Picker


@xr.register_dataarray_accessor("astra")  # type: ignore[no-untyped-call, unused-ignore]
class AstraArrayAccessor:
    """A band, an index or any other array along y and x.

    Examples
    --------
    >>> import astra_xr
    >>> ds = astra_xr.open_scene(
    ...     "sentinel-2:S2B_MSIL2A_20250115T184929", bands=["red", "nir"], catalog="sample"
    ... )
    >>> picker = ds.astra.index("NDVI").astra.pick(colormap="RdYlGn")
    >>> picker.state["band"]
    'NDVI'
    >>> picker.close()
    """

    def __init__(self, da: xr.DataArray) -> None:
        self._da = da

    def plot(self, *, size: int = 1200, **options: Any) -> Any:
        """Draw a map, as ``ds.astra.plot`` does of a band.

        Parameters
        ----------
        size : int
            Rows and columns that are read and drawn, at most.
        **options
            Of :meth:`xarray.DataArray.plot.imshow`.

        Raises
        ------
        InvalidParameter
            It is no map of (y, x).

        Examples
        --------
        >>> import astra_xr
        >>> ds = astra_xr.open_scene(
        ...     "sentinel-2:S2B_MSIL2A_20250115T184929", bands=["SCL"], catalog="sample"
        ... )
        >>> image = ds.SCL.astra.plot(size=100)
        >>> [label.get_text() for label in image.colorbar.ax.get_yticklabels()][:2]
        ['dark area', 'cloud shadow']
        """
        from astra_xr.scenes.plot import draw

        return draw(self._da, size, options)

    def pick(self, **state: Any) -> Picker:
        """Open the band picker on this array; see ``ds.astra.pick``.

        An array of (band, y, x) opens as its bands.

        Raises
        ------
        InvalidParameter, UnknownBand, UnknownIndex
        """
        from astra_xr.widgets.picker import Picker

        da = self._da
        if "band" in da.dims:
            labels = da["band"].values if "band" in da.coords else range(1, da.sizes["band"] + 1)
            bands = {str(label): da.isel(band=n) for n, label in enumerate(labels)}
            ds = xr.Dataset(
                {name: band.drop_vars("band", errors="ignore") for name, band in bands.items()}
            )
        else:
            name = (
                str(da.name) if da.name is not None and str(da.name) not in da.coords else "values"
            )
            ds = da.rename(name).to_dataset()
        return Picker(ds, **state)
