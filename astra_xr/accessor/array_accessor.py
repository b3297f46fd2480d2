"""``da.astra``: what a single band or index can do."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import xarray as xr

if TYPE_CHECKING:
    from astra_xr.widgets.picker import Picker


@xr.register_dataarray_accessor("astra")  # type: ignore[no-untyped-call, unused-ignore]
class AstraArrayAccessor:
    """A band, an index or any other array along y and x.

    Examples
    --------
    >>> import astra_xr
    >>> scene = "sentinel-2:S2B_MSIL2A_20250115T184929"
    >>> ds = astra_xr.open_scene(scene, bands=["red", "nir"], catalog="sample")
    >>> picker = ds.astra.index("NDVI").astra.pick(cmap="PiYG")
    >>> picker.state["band"]
    'NDVI'
    >>> picker.close()
    """

    def __init__(self, da: xr.DataArray) -> None:
        self._own = da

    @property
    def _da(self) -> xr.DataArray:
        from astra_xr.accessor.band_names import own_attrs

        if self._own.dtype != bool:
            return self._own
        da = self._own.copy(deep=False)
        da.attrs = own_attrs(da.attrs)
        return da

    def plot(self, *, max_pixels: int = 1200, **options: Any) -> Any:
        """Draw a map, as ``ds.astra.plot`` does of a band.

        Parameters
        ----------
        max_pixels : int
            Maximum rows and columns to read and draw.
        **options
            Options of :meth:`xarray.DataArray.plot.imshow`.

        Raises
        ------
        InvalidDataset
            The array is not along (y, x).

        Examples
        --------
        >>> import astra_xr
        >>> scene = "sentinel-2:S2B_MSIL2A_20250115T184929"
        >>> ds = astra_xr.open_scene(scene, bands=["SCL"], catalog="sample")
        >>> image = ds.SCL.astra.plot(max_pixels=100)
        >>> [label.get_text() for label in image.colorbar.ax.get_yticklabels()][:2]
        ['dark area', 'cloud shadow']
        """
        from astra_xr.accessor.plot import draw

        return draw(self._da, max_pixels, options)

    def zonal(
        self,
        fields: Any,
        stats: str | Sequence[str] = ("mean", "count"),
        *,
        min_coverage: float = 0.75,
        progress: bool = True,
    ) -> xr.Dataset:
        """Return statistics of the pixels in each polygon; see ``ds.astra.zonal``.

        Examples
        --------
        >>> import astra_xr, shapely
        >>> scene = "sentinel-2:S2B_MSIL2A_20250115T184929"
        >>> ds = astra_xr.open_scene(scene, bands=["red", "nir"], catalog="sample")
        >>> field = shapely.box(-122.43, 37.5, -122.42, 37.51)
        >>> table = ds.astra.index("NDVI", mask_clouds=True).astra.zonal(field)
        >>> table.NDVI.sel(stat="mean").round(2).values
        array([0.65])
        """
        from astra_xr.accessor.zonal import zonal

        return zonal(self._as_dataset(), fields, stats, min_coverage, progress=progress)

    @overload
    def to_cog(
        self,
        path: str | os.PathLike[str],
        *,
        by: None = None,
        profile: str = "deflate",
        web_optimized: bool = False,
    ) -> Path: ...

    @overload
    def to_cog(
        self,
        path: str | os.PathLike[str],
        *,
        by: Literal["time"],
        profile: str = "deflate",
        web_optimized: bool = False,
    ) -> list[Path]: ...

    def to_cog(
        self,
        path: str | os.PathLike[str],
        *,
        by: Literal["time"] | None = None,
        profile: str = "deflate",
        web_optimized: bool = False,
    ) -> Path | list[Path]:
        """Write the array as a cloud-optimized GeoTIFF; see ``ds.astra.to_cog``.

        An array along time becomes one file with one band per date, or with ``by="time"`` one file
        per date. Viewers show an image of :meth:`~astra_xr.AstraAccessor.rgb` in its colors.

        Examples
        --------
        >>> import astra_xr, rasterio, tempfile
        >>> ds = astra_xr.open_scene(
        ...     "sentinel-2:S2B_MSIL2A_20250115T184929", bands=["red", "nir"], catalog="sample"
        ... ).isel(x=slice(64), y=slice(64))
        >>> path = ds.astra.index("NDVI").astra.to_cog(f"{tempfile.mkdtemp()}/ndvi.tif")
        >>> with rasterio.open(path) as file:
        ...     file.descriptions, file.nodata
        (('NDVI',), nan)
        """
        from astra_xr.accessor.export import write_cog

        return write_cog(
            self._as_dataset(), path, profile,
            web_optimized=web_optimized, by=by, single=True,
        )  # fmt: skip

    def _as_dataset(self) -> xr.Dataset:
        """Return a Dataset with the array as its one variable."""
        used = {*map(str, self._da.coords), *map(str, self._da.dims)}
        name = "values" if self._da.name is None else str(self._da.name)
        return self._da.to_dataset(name="values" if name in used else name)

    def pick(self, *, code_name: str = "da", **state: Any) -> Picker:
        """Open the band picker on this array; see ``ds.astra.pick``.

        An array of (band, y, x) opens as its bands.

        Raises
        ------
        InvalidParameter, UnknownBand, UnknownIndex
        """
        from astra_xr.arguments import read_expression
        from astra_xr.widgets.picker import Picker

        da, code_name = self._da, read_expression("code_name", code_name)
        if "band" not in da.dims:
            return Picker(self._as_dataset(), state, name=code_name, array=True)
        count = da.sizes["band"]
        own = list(da["band"].values) if "band" in da.coords else []
        described = da.attrs.get("long_name")
        if isinstance(described, tuple | list) and len({*map(str, described)}) == count:
            labels = [str(each) for each in described]  # of each band, as rioxarray has it
            da = da.assign_attrs(long_name=None)
        else:
            labels = [str(label) for label in own or range(1, count + 1)]
        named = f'{code_name}.to_dataset("band")'
        if own != labels:
            listed = ", ".join(json.dumps(label, ensure_ascii=False) for label in labels)
            named = f'{code_name}.assign_coords(band=[{listed}]).to_dataset("band")'
        return Picker(da.assign_coords(band=labels).to_dataset("band"), state, name=named)
