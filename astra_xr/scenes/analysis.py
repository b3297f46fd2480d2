"""The part of ``ds.astra`` that finds things out: indices, masks, composites."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

import xarray as xr

if TYPE_CHECKING:
    import pandas as pd


class Analysis:
    """Methods of :class:`astra_xr.scenes.accessor.AstraAccessor`."""

    _ds: xr.Dataset

    @overload
    def index(
        self, name: str, *, mask_clouds: bool = False, kernel: str = "RBF", **constants: float
    ) -> xr.DataArray: ...

    @overload
    def index(
        self,
        name: list[str] | tuple[str, ...],
        *,
        mask_clouds: bool = False,
        kernel: str = "RBF",
        **constants: float,
    ) -> xr.Dataset: ...

    def index(
        self,
        name: str | list[str] | tuple[str, ...],
        *,
        mask_clouds: bool = False,
        kernel: str = "RBF",
        **constants: float,
    ) -> xr.DataArray | xr.Dataset:
        """Compute a spectral index; of bands not read yet, when its values are asked for.

        Parameters
        ----------
        name : str, or list of str
            Any index of spyndex whose bands are here, e.g. ``"NDVI"``; several make a Dataset,
            whose ``.astra.load()`` computes them in one pass over the bands.
            ``astra_xr.indices.available(ds)`` lists them.
        mask_clouds : bool
            NaN where :meth:`mask` finds clouds, shadows or cirrus.
        kernel : {"RBF", "poly", "linear"}
            Of the kernel indices (``"kNDVI"``): with ``sigma=``, or ``p=`` and ``c=``, among the
            constants. ``sigma`` is the mean of the two bands in each pixel when left out, so that
            kNDVI is tanh(NDVI²).
        **constants : float
            Values of the formula's constants, e.g. ``L=0.5``; spyndex's defaults otherwise, and
            for wavelengths those of the bands.

        Returns
        -------
        xarray.DataArray
            Named after the index, float32, NaN where a band has no data; formula, reference, bands
            and constants that were used are in ``attrs``. A normalised difference lies within
            -1 and 1 wherever reflectance is not below 0; where it is, the index is set to these
            limits.

        Raises
        ------
        UnknownIndex
            No such index; the message has the closest.
        MissingIndexBand
            The Dataset lacks a band that the formula needs; the message says which.
        InvalidParameter
            A constant that the formula does not have, or that is no number; no such kernel.

        Examples
        --------
        >>> import astra_xr
        >>> ds = astra_xr.open_scene(
        ...     "sentinel-2:S2B_MSIL2A_20250115T184929", bands=["red", "nir"], catalog="sample"
        ... )
        >>> ndvi = ds.isel(x=slice(0, 64), y=slice(0, 64)).astra.index("NDVI")
        >>> ndvi.name, ndvi.attrs["formula"]
        ('NDVI', '(N-R)/(N+R)')
        """
        from astra_xr.scenes.indices import spectral_index, spectral_indices

        if isinstance(name, str):
            return spectral_index(self._ds, name, constants, kernel=kernel, mask_clouds=mask_clouds)
        return spectral_indices(self._ds, name, constants, kernel=kernel, mask_clouds=mask_clouds)

    def mask(
        self,
        *,
        clouds: bool = True,
        shadows: bool = True,
        cirrus: bool = True,
        snow: bool = False,
        water: bool = False,
        dilate: int = 2,
    ) -> xr.DataArray:
        """Find what hides the ground, by the mission's class band (SCL, QA_PIXEL, Fmask).

        The class band is opened on the grid of the Dataset where it is not there yet.

        Parameters
        ----------
        clouds, shadows, cirrus, snow, water : bool
            What to find. Clouds include those of medium probability, and the margins that the
            agency put around them.
        dilate : int
            Pixels of this Dataset by which all that is found grows.

        Returns
        -------
        xarray.DataArray
            bool, lazy: True where a pixel is hidden, so that ``ds.where(~ds.astra.mask())`` is
            what can be seen. Pixels without data are not hidden.

        Raises
        ------
        InvalidParameter
            The mission has no class band, or nothing is asked for.
        UnknownBand
            The scene lacks the class band, as Sentinel-2 L1C does.

        Examples
        --------
        >>> import astra_xr
        >>> ds = astra_xr.open_scene(
        ...     "sentinel-2:S2B_MSIL2A_20250115T184929", bands=["red"], catalog="sample"
        ... ).isel(x=slice(64), y=slice(64))
        >>> clear = ds.where(~ds.astra.mask())
        """
        from astra_xr.scenes.masks import hidden

        wishes = {"clouds": clouds, "shadows": shadows, "cirrus": cirrus, "snow": snow}
        return hidden(self._ds, wishes | {"water": water}, dilate)

    def composite(
        self, how: str = "median", *, mask_clouds: bool = True, dilate: int = 2
    ) -> xr.Dataset:
        """Make one picture of a stack, of each pixel's moments; lazy.

        Values are computed block by block when they are asked for, in bounded memory.
        :meth:`thumbnail`, :meth:`plot` and :meth:`pick` show the composite of overviews.

        Parameters
        ----------
        how : {"median", "max-ndvi", "best-pixel"}
            The median of each band; the values of the moment when NDVI was highest; or those
            of the moment with the fewest clouds that has a pixel there (by ``cloud_cover``, the
            later of equals).
        mask_clouds : bool
            Leave out the pixels where :meth:`mask` finds clouds, shadows or cirrus.
        dilate : int
            Pixels by which these grow.

        Returns
        -------
        xarray.Dataset
            The bands as (y, x), float, without class bands; NaN where no moment has a value.

        Raises
        ------
        InvalidParameter
            No such way; the Dataset has no time, or stored numbers; or as of :meth:`mask`.
        UnknownBand
            ``max-ndvi`` without red or near infrared.

        Examples
        --------
        >>> import astra_xr
        >>> found = astra_xr.search(
        ...     "sentinel-2", datetime="2025-06/2025-09", cloud_cover=10, catalog="sample"
        ... )
        >>> ds = astra_xr.open_scenes(found, ["red"]).isel(x=slice(64), y=slice(64))
        >>> ds.astra.composite("median").red.shape
        (64, 64)
        """
        from astra_xr.scenes.composite import composite

        return composite(self._ds, how, mask_clouds=mask_clouds, dilate=dilate)

    def cloud_cover(self, bbox: Sequence[float] | None = None) -> float:
        """Return the percentage of pixels that are cloud or cirrus, of those that have data.

        Reads the class band.

        Parameters
        ----------
        bbox : (west, south, east, north), optional
            The part to look at, degrees; all of the Dataset when left out.

        Returns
        -------
        float
            0 to 100, NaN where no pixel has data.

        Raises
        ------
        InvalidParameter, UnknownBand
            As of :meth:`mask`; or the box lies elsewhere.

        Examples
        --------
        >>> import astra_xr
        >>> ds = astra_xr.open_scene(
        ...     "sentinel-2:S2B_MSIL2A_20250115T184929", bands=["B11"], catalog="sample"
        ... )
        >>> 0 <= ds.astra.cloud_cover() <= 100
        True
        """
        from astra_xr.scenes.masks import cloud_cover

        return cloud_cover(self._ds, bbox)

    def classes(self, name: str) -> pd.DataFrame:
        """Return what the numbers of a class or mask band mean; the band need not be open.

        Returns
        -------
        pandas.DataFrame
            By value: meaning, mask (the bits that count; none: all) and color.

        Raises
        ------
        UnknownBand, InvalidParameter
            There is no such band, or its numbers are no classes.

        Examples
        --------
        >>> import astra_xr
        >>> ds = astra_xr.open_scene(
        ...     "sentinel-2:S2B_MSIL2A_20250115T184929", bands=["red"], catalog="sample"
        ... )
        >>> str(ds.astra.classes("SCL").loc[9, "meaning"])
        'cloud_high_probability'
        """
        from astra_xr.scenes.masks import class_table

        return class_table(self._ds, name)
