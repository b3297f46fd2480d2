"""The part of ``ds.astra`` that hands things out: points, pictures, files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

if TYPE_CHECKING:
    from astra_xr.scenes.picture import Limits
    from astra_xr.widgets.picker import Picker


class Outputs:
    """Methods of :class:`astra_xr.scenes.accessor.AstraAccessor`."""

    _ds: xr.Dataset

    def sample(self, points: Any) -> xr.Dataset:
        """Take the pixels that hold some points; only their tiles are read.

        Parameters
        ----------
        points : sequence of (longitude, latitude), GeoDataFrame or GeoSeries
            Degrees, or the CRS of the GeoDataFrame, whose index is kept.

        Returns
        -------
        xarray.Dataset
            Along ``point`` (and ``time``, where the Dataset has it), lazy, with the coordinates of
            the pixels' centres; NaN beyond the Dataset, where integers become floats.

        Raises
        ------
        InvalidParameter
            They are no points, none lies on the Dataset, or look swapped.

        Examples
        --------
        >>> import astra_xr
        >>> ds = astra_xr.open_scene(
        ...     "sentinel-2:S2B_MSIL2A_20250115T184929", bands=["red", "nir"], catalog="sample"
        ... )
        >>> ds.astra.sample([(-122.43, 37.5), (-122.41, 37.52)]).red.shape
        (2,)
        """
        from astra_xr.scenes.sample import sample

        return sample(self._ds, points)

    def to_cog(self, path: str | os.PathLike[str]) -> Path:
        """Write all bands into one cloud-optimized GeoTIFF, block by block.

        Parameters
        ----------
        path : str or path
            Where to; a file that is there is replaced once the new one is whole.

        Returns
        -------
        pathlib.Path
            Its bands are the variables in their order, by their names, with values as they are
            here (reflectance, NaN without data); deflate, with overviews.

        Raises
        ------
        InvalidParameter
            No variable lies on a grid with a CRS.
        ConversionFailed
            It cannot be written.
        ReadError, SigningError, UpstreamError
            A band cannot be read.

        Examples
        --------
        >>> import astra_xr, tempfile
        >>> ds = astra_xr.open_scene(
        ...     "sentinel-2:S2B_MSIL2A_20250115T184929", bands=["red"], catalog="sample"
        ... ).isel(x=slice(64), y=slice(64))
        >>> ds.astra.to_cog(f"{tempfile.mkdtemp()}/red.tif").name
        'red.tif'
        """
        from astra_xr.scenes.output import write_cog

        return write_cog(self._ds, Path(path))

    def to_png(
        self,
        path: str | os.PathLike[str],
        bands: Sequence[str] = ("red", "green", "blue"),
        *,
        limits: Limits | Sequence[Limits] | None = None,
        gamma: float = 1.0,
        allow_large: bool = False,
    ) -> Path:
        """Write the picture of :meth:`rgb` as PNG, transparent where there is no data.

        Parameters
        ----------
        path : str or path
            Where to.
        bands, limits, gamma, allow_large
            As of :meth:`rgb`.

        Raises
        ------
        ConversionFailed
            It cannot be written; else as of :meth:`rgb`.
        """
        from astra_xr.scenes.output import write_png

        picture = self.rgb(bands, limits=limits, gamma=gamma, allow_large=allow_large)
        return write_png(picture, Path(path))

    def rgb(
        self,
        bands: Sequence[str] = ("red", "green", "blue"),
        *,
        limits: Limits | Sequence[Limits] | None = None,
        gamma: float = 1.0,
        mask_clouds: bool = False,
        allow_large: bool = False,
    ) -> xr.DataArray:
        """Compose three bands into a picture; reads them.

        Parameters
        ----------
        bands : sequence of str
            What is shown in red, green and blue.
        limits : (low, high), three of them, or None
            Values that become black and full colour, in the bands' unit. None: the 2nd and
            98th percentile of each, leaving out nodata and what is as bright as cloud.
        gamma : float
            Above 1 lightens the middle tones.
        mask_clouds : bool
            Transparent where :meth:`mask` finds clouds, shadows or cirrus.
        allow_large : bool
            True: even where it takes more memory than is free.

        Returns
        -------
        xarray.DataArray
            uint8, dims (y, x, rgb) with red, green, blue and alpha; alpha is 0 where a band has
            no data. ``attrs["limits"]`` has the limits used. ``.plot.imshow()`` shows it.

        Raises
        ------
        UnknownBand, AmbiguousBand, InvalidParameter
        TooLarge
            It takes more memory than is free.

        Examples
        --------
        >>> import astra_xr
        >>> ds = astra_xr.open_scene(
        ...     "sentinel-2:S2B_MSIL2A_20250115T184929",
        ...     bands=["red", "green", "blue"], catalog="sample",
        ... )
        >>> ds.isel(x=slice(64), y=slice(64)).astra.rgb(limits=(0, 0.3)).shape
        (64, 64, 4)
        """
        from astra_xr.scenes.picture import compose

        return compose(
            self._ds, bands, limits, gamma, mask_clouds=mask_clouds, allow_large=allow_large
        )

    def thumbnail(
        self,
        bands: Sequence[str] | None = None,
        *,
        size: int = 512,
        limits: Limits | Sequence[Limits] | None = None,
        gamma: float = 1.0,
    ) -> xr.DataArray:
        """Compose a small picture; reads overviews, and of what is in memory or of dask a part.

        Parameters
        ----------
        bands : sequence of str, optional
            What is shown in red, green and blue; red, green and blue when left out, or the first
            band in grey where one of them is not here.
        size : int
            Rows and columns, at most.
        limits, gamma
            As of :meth:`rgb`.

        Returns
        -------
        xarray.DataArray
            As of :meth:`rgb`, in larger pixels.

        Raises
        ------
        UnknownBand, AmbiguousBand, InvalidParameter
            As of :meth:`rgb`.

        Examples
        --------
        >>> import astra_xr
        >>> ds = astra_xr.open_scene(
        ...     "sentinel-2:S2B_MSIL2A_20250115T184929", bands=["red", "nir"], catalog="sample"
        ... )
        >>> ds.astra.thumbnail(size=128).shape
        (128, 128, 4)
        """
        from astra_xr.scenes.picture import thumbnail

        return thumbnail(self._ds, bands, size, limits, gamma)

    def plot(self, name: str, *, size: int = 1200, **options: Any) -> Any:
        """Draw a map of a band or an index, as it is best seen.

        Limits leave out the darkest and brightest 2 %; classes have their colours and names;
        metres are as long in x as in y. What is not read yet is read from overviews.

        Parameters
        ----------
        name : str
            A band by any of its names, or an index whose bands are here.
        size : int
            Rows and columns that are read and drawn, at most.
        **options
            Of :meth:`xarray.DataArray.plot.imshow`, e.g. ``ax`` or ``cmap``.

        Returns
        -------
        matplotlib.image.AxesImage
            Or a FacetGrid, one map a step of the dimension before (y, x).

        Raises
        ------
        UnknownBand, AmbiguousBand, MissingIndexBand
            There is no such band or index, or its bands are not here.
        MissingExtra
            matplotlib is not installed.

        Examples
        --------
        >>> import astra_xr
        >>> ds = astra_xr.open_scene(
        ...     "sentinel-2:S2B_MSIL2A_20250115T184929", bands=["red", "nir"], catalog="sample"
        ... )
        >>> image = ds.astra.plot("NDVI", size=200)
        >>> image.cmap.name, image.axes.get_aspect()
        ('RdYlGn', 1.0)
        """
        from astra_xr.scenes.plot import plot_of

        return plot_of(self._ds, name, size, options)

    def pick(self, **state: Any) -> Picker:
        """Open the band picker, in a notebook: choose bands, limits and indices with the mouse.

        Bands are read in the background, as overviews of what is looked at; nothing of the
        Dataset itself is loaded. "Copy code" gives the Python of the picture.

        Parameters
        ----------
        **state
            How to begin; all of ``picker.state``, or any of

            - ``mode``: ``"rgb"``, ``"index"`` or ``"single"``; ``bands``: three names; ``index``;
              ``band``; ``colormap``;
            - ``stretch``: ``"minmax"``, ``{"kind": "percentile", "low": 2, "high": 98}``,
              ``{"kind": "sigma", "sigma": 2}`` or ``"custom"``, each also with ``"of": "view"``;
              ``limits``: band or index → (low, high); ``gamma``;
            - ``mask``: hide clouds; ``view``: (top, left, bottom, right) in pixels; ``pins``: a
              list of (x, y).

        Returns
        -------
        Picker
            A widget, to be shown alone or within others. ``selection`` (a Dataset), ``image``,
            ``code``, ``spectra`` and ``state`` are what was picked; ``observe(f, "state")``
            follows it; ``to_html(path)`` writes it as a file; ``close()`` stops its reads.

        Raises
        ------
        InvalidParameter, UnknownBand, UnknownIndex
            There is nothing to show, or ``state`` cannot be.

        Examples
        --------
        >>> import astra_xr
        >>> ds = astra_xr.open_scene(
        ...     "sentinel-2:S2B_MSIL2A_20250115T184929",
        ...     bands=["red", "green", "blue", "nir"], catalog="sample",
        ... )
        >>> picker = ds.astra.pick(bands=["nir", "red", "green"], gamma=1.2)
        >>> list(picker.selection)
        ['nir', 'red', 'green']
        >>> picker.close()
        """
        from astra_xr.widgets.picker import Picker

        return Picker(self._ds, **state)
