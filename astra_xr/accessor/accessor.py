"""``ds.astra``: the methods of a scene, on one page."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import xarray as xr

if TYPE_CHECKING:
    import pandas as pd

    from astra_xr.accessor.cloud_masks import By, MaskClouds
    from astra_xr.accessor.explain import Explanation
    from astra_xr.accessor.rgb import Limits
    from astra_xr.widgets.picker import Picker


@xr.register_dataset_accessor("astra")  # type: ignore[no-untyped-call, unused-ignore]
class AstraAccessor:
    """Bands, indices, masks and images of a scene.

    Made for Datasets of :func:`astra_xr.open_scene`; works on any Dataset with (y, x)
    variables whose names or ``common_name`` attributes are those of bands.

    Examples
    --------
    >>> import astra_xr
    >>> scene = "sentinel-2:S2B_MSIL2A_20250115T184929"
    >>> ds = astra_xr.open_scene(scene, bands=["B04", "nir"], catalog="sample")
    >>> ds.astra["red"].name
    'B04'
    >>> ds.astra
    <astra: sentinel-2:S2B_MSIL2A_20250115T184929_N0511_R113_T10SEG_20250115T210000>
      B04  red  0.665 µm  10 m  reflectance  offset -0.1: baseline 05.11
      nir  B08  0.842 µm  10 m  reflectance  offset -0.1: baseline 05.11
    """

    def __init__(self, ds: xr.Dataset) -> None:
        self._own = ds

    @property
    def _ds(self) -> xr.Dataset:
        from astra_xr.accessor.band_names import with_own_attrs

        return with_own_attrs(self._own)

    def __getitem__(self, name: str) -> xr.DataArray:
        """Return a band by any of its names: the variable's, native, common.

        Raises
        ------
        UnknownBand, AmbiguousBand
            No band, or several, have that name.
        """
        from astra_xr.accessor.band_names import find_variable

        return self._ds[find_variable(self._ds, name)]

    @property
    def bands(self) -> pd.DataFrame:
        """Return a table of the bands, one row per variable.

        Columns are native_name, common_name, center_wavelength (µm), gsd (m), role, units,
        scale, offset and radiometry (why these apply); None if unknown.

        Examples
        --------
        >>> import astra_xr
        >>> scene = "sentinel-2:S2B_MSIL2A_20250115T184929"
        >>> ds = astra_xr.open_scene(scene, bands=["red"], catalog="sample")
        >>> str(ds.astra.bands.loc["red", "native_name"])
        'B04'
        """
        from astra_xr.accessor.repr import as_table

        return as_table(self._ds)

    @property
    def failures(self) -> pd.DataFrame:
        """Return a table of what :func:`astra_xr.open_scenes` left out (``fail_on_error=False``).

        Columns are scene, band (None: the whole scene) and reason; empty if nothing was left out.

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
        """Read all bands concurrently, and keep their values in this Dataset.

        Indices of the same bands are computed in one pass over them.

        Parameters
        ----------
        progress : bool
            Show a progress bar, one step per band; it names the host that a read waits for.
        allow_large : bool
            True to read even if it takes more than the free memory.

        Returns
        -------
        xarray.Dataset
            The Dataset itself. An interrupt (Ctrl-C) or an error stops all reads.

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
        from astra_xr.accessor.load import load

        return load(self._own, progress=progress, allow_large=allow_large)

    def explain(self) -> Explanation:
        """Return what reading this Dataset will cost, before it is read.

        Reads file headers that are not cached yet, but no pixels.

        Returns
        -------
        Explanation
            A table in notebooks, one row per file: overview level, tiles, cached tiles, requests,
            bytes, and the end of the URL's signature. ``tiles``, ``requests`` and ``bytes`` are
            the sums, ``files`` the rows.

        Raises
        ------
        ReadError, SigningError, UpstreamError
            A header cannot be read.

        Examples
        --------
        >>> import astra_xr
        >>> scene = "sentinel-2:S2B_MSIL2A_20250115T184929"
        >>> ds = astra_xr.open_scene(scene, bands=["red", "nir"], catalog="sample")
        >>> cost = ds.isel(x=slice(0, 600), y=slice(0, 600)).astra.explain()
        >>> cost.tiles, len(cost.files)
        (8, 2)
        """
        from astra_xr.accessor.explain import explain

        return explain(self._ds)

    @overload
    def index(
        self, name: str, *, mask_clouds: MaskClouds = False, kernel: str = "RBF", **constants: float
    ) -> xr.DataArray: ...

    @overload
    def index(
        self,
        name: list[str] | tuple[str, ...],
        *,
        mask_clouds: MaskClouds = False,
        kernel: str = "RBF",
        **constants: float,
    ) -> xr.Dataset: ...

    def index(
        self,
        name: str | list[str] | tuple[str, ...],
        *,
        mask_clouds: MaskClouds = False,
        kernel: str = "RBF",
        **constants: float,
    ) -> xr.DataArray | xr.Dataset:
        """Compute a spectral index, lazily if its bands are not in memory.

        Parameters
        ----------
        name : str, or list of str
            Any spyndex index whose bands are in the Dataset, e.g. ``"NDVI"``, in any case;
            ``astra_xr.indices.available(ds)`` lists them. A list returns a Dataset, whose
            ``.astra.load()`` computes all in one pass over the bands. Or a formula of your own,
            such as ``"(N-R)/(N+R)"``: spyndex's letters of bands, names of the Dataset's bands,
            numbers, ``+ - * / **``, ``exp``, ``log``, ``log10``, ``sqrt`` and ``abs``.
        mask_clouds : bool or dict
            True for NaN where :meth:`mask` finds clouds, shadows or cirrus; or a dict of its
            options, such as ``{"by": "probability", "above": 30}``.
        kernel : {"RBF", "poly", "linear"}
            Kernel of indices such as ``"kNDVI"``, with the constants ``sigma=``, or ``p=`` and
            ``c=``. By default ``sigma`` is the mean of the two bands in each pixel, so that kNDVI
            is tanh(NDVI²).
        **constants : float
            Values of the formula's constants, e.g. ``L=0.5``. Defaults are spyndex's, and for
            wavelengths those of the bands.

        Returns
        -------
        xarray.DataArray
            float32, named after the index, NaN where a band has no data. ``attrs`` has the formula,
            reference, bands and constants. Normalized differences are within -1 and 1 where
            reflectance is not below 0; where it is, they are set to these limits.

        Raises
        ------
        UnknownIndex, MissingIndexBand
            There is no such index, or the Dataset lacks a band that it needs.
        AmbiguousBand
            Several variables are a band of the formula, e.g. two with the common name ``red``.
        InvalidParameter
            The formula has no such constant, its value is not a number, the kernel is unknown, or
            a formula of your own has an unknown name or is not arithmetic.
        InvalidDataset
            Values are scaled already, though attrs have the ``scale_factor`` of stored numbers.

        Warns
        -----
        UserWarning
            Once per scene, if its bands are not reflectance: numbers of unknown scale and offset,
            multiples of reflectance, radiance, or a mixture.

        Examples
        --------
        >>> import astra_xr
        >>> scene = "sentinel-2:S2B_MSIL2A_20250115T184929"
        >>> ds = astra_xr.open_scene(scene, bands=["red", "nir"], catalog="sample")
        >>> ndvi = ds.isel(x=slice(0, 64), y=slice(0, 64)).astra.index("NDVI")
        >>> ndvi.name, ndvi.attrs["formula"]
        ('NDVI', '(N-R)/(N+R)')
        >>> ds.astra.index("nir / red - 1").attrs["bands"]
        'N=nir, R=red'
        """
        from astra_xr.accessor.indices import spectral_index, spectral_indices

        if isinstance(name, str):
            return spectral_index(self._ds, name, constants, kernel=kernel, mask_clouds=mask_clouds)
        return spectral_indices(self._ds, name, constants, kernel=kernel, mask_clouds=mask_clouds)

    def mask(
        self,
        what: str | Sequence[str] = ("clouds", "shadows", "cirrus"),
        *,
        by: By = None,
        above: float | None = None,
        overlap: int | str | None = None,
        dilate: int | str = 2,
    ) -> xr.DataArray:
        """Return a lazy mask that is True where a pixel is cloud, shadow or the like.

        Uses SCL, QA_PIXEL or Fmask, a cloud probability, or your own function. The classification
        band is opened on the grid of the Dataset if it is missing. In a stack of several missions,
        each time step uses its own.

        Parameters
        ----------
        what : str or sequence of str
            Any of ``"clouds"``, ``"shadows"``, ``"cirrus"``, ``"snow"`` and ``"water"``. Clouds
            include those of medium probability, and the margins that the agency added.
        by : str or callable, optional
            The classification band (``"SCL"``), which is the default; ``"probability"`` for Earth
            Search's band ``cloud`` of Sentinel-2 Level 2A, which masks only clouds; or a function.
            It is called, concurrently, with a block of one time step, an in-memory Dataset of all
            (y, x) bands with coordinates and attrs, and returns bool of that shape, True where
            masked. ``ds[["red"]].astra.mask(by=…)`` reads only that band.
        above : float
            Probability in percent above which a pixel is cloud; 40 by default.
        overlap : int or str
            Pixels around a block, 0 to 1000, or meters such as ``"60m"``, that the function
            receives too, except beyond the Dataset. If it uses no others, the mask does not depend
            on the blocks.
        dilate : int or str
            Distance by which the mask grows: pixels of this Dataset, 0 to 200, or meters such as
            ``"60m"``, rounded up to whole pixels.

        Returns
        -------
        xarray.DataArray
            bool, (y, x) or (time, y, x), lazy. ``ds.where(~ds.astra.mask())`` keeps clear pixels.
            Pixels without data are False. Pixels that have values but no class or probability are
            True: it is NaN where xarray joined scenes of which one lacks the band. Without other
            bands, all pixels without one are True.

        Raises
        ------
        InvalidParameter
            An option is invalid; or, when values are read, the function raised or returned
            something else.
        InvalidDataset
            The mission has no classification band, no catalog has its probabilities, or the
            Dataset has lost its scene id, is elsewhere than its scenes by coordinates and CRS, or
            has lost its dimension y or x and is dilated; or, when values are read, classes were
            averaged.
        UnknownBand
            The scene lacks the classification band, like Sentinel-2 L1C.

        Examples
        --------
        >>> import astra_xr
        >>> ds = astra_xr.open_scene(
        ...     "sentinel-2:S2B_MSIL2A_20250115T184929", bands=["red", "blue"], catalog="sample"
        ... ).isel(x=slice(64), y=slice(64))
        >>> clear = ds.where(~ds.astra.mask())
        >>> ds.astra.mask("water", dilate=0).dtype
        dtype('bool')

        A threshold on the mean of 5 x 5 pixels, which needs an overlap of two:

        >>> def bright(block):
        ...     return block.blue.rolling(y=5, x=5, center=True, min_periods=1).mean() > 0.1
        >>> mask = ds[["blue"]].astra.mask(by=bright, overlap=2, dilate=0)
        >>> mask.dims, mask.dtype
        (('y', 'x'), dtype('bool'))
        """
        from astra_xr.accessor.cloud_masks import mask

        return mask(self._ds, what, dilate, by=by, above=above, overlap=overlap, gaps=False)

    def composite(
        self,
        how: str = "median",
        *,
        freq: Any = None,
        count: bool = False,
        mask_clouds: MaskClouds = True,
        dilate: int | str = 2,
    ) -> xr.Dataset:
        """Reduce a stack over time to one image, or to one per month, quarter, …, lazily.

        Values are computed block by block, in bounded memory. :meth:`thumbnail`, :meth:`plot` and
        :meth:`pick` show the composite of overviews.

        Parameters
        ----------
        how : {"median", "mean", "max-ndvi", "best-pixel"}
            The median or mean of each band; the values at the time of the highest NDVI; or those
            of the least cloudy time step (by ``cloud_cover``) with a value there, the later one
            of equals.
        freq : str, pandas.DateOffset or timedelta, optional
            One image per period: what xarray's ``resample(time=freq)`` takes, such as ``"1MS"``
            (months), ``"QS"`` (quarters), ``"QS-DEC"`` (seasons: December to February, …) or
            ``"10D"``. By default one image of all time steps.
        count : bool
            Add a band ``count``: the number of time steps that have a value in all bands.
        mask_clouds : bool or dict
            True to leave out pixels where :meth:`mask` finds clouds, shadows or cirrus; or a dict
            of its options, such as ``{"by": "probability", "above": 30}``.
        dilate : int or str
            Distance by which the mask grows; see :meth:`mask`.

        Returns
        -------
        xarray.Dataset
            The bands as (y, x), or with ``freq`` as (time, y, x), float, without classification
            bands; NaN where no time step has a value. ``count`` is uint16, and 0 there. ``time``
            has xarray's ``resample`` labels, the start of the period for ``"1MS"`` and the like.
            Periods without a scene in between are NaN.

        Raises
        ------
        InvalidParameter
            ``how`` or ``freq`` is invalid.
        InvalidDataset
            The Dataset has no time, holds stored numbers, or mixes Level 1 and Level 2; or as of
            :meth:`mask`.
        UnknownBand
            ``max-ndvi`` without red or near infrared.

        Warns
        -----
        UserWarning
            Once, if scenes are of several missions, whose reflectance is not harmonized;
            ``attrs["missions"]`` names them.

        Examples
        --------
        >>> import astra_xr
        >>> found = astra_xr.search(
        ...     "sentinel-2", datetime="2025-06/2025-09", cloud_cover=10, catalog="sample"
        ... )
        >>> ds = astra_xr.open_scenes(found, ["red"]).isel(x=slice(64), y=slice(64))
        >>> ds.astra.composite("median").red.shape
        (64, 64)
        >>> monthly = ds.astra.composite("median", freq="1MS", count=True)
        >>> [str(month)[:7] for month in monthly.time.values]
        ['2025-06', '2025-07', '2025-08', '2025-09']
        >>> monthly["count"].max(["y", "x"]).values
        array([1, 0, 1, 1], dtype=uint16)
        """
        from astra_xr.accessor.composites import composite

        return composite(
            self._ds, how, freq=freq, count=count, mask_clouds=mask_clouds, dilate=dilate
        )

    def cloud_cover(self, bbox: Sequence[float] | None = None) -> float:
        """Return the percentage of pixels with a class that are cloud or cirrus.

        Reads the classification band.

        Parameters
        ----------
        bbox : (west, south, east, north), optional
            The area, in degrees; by default the whole Dataset.

        Returns
        -------
        float
            0 to 100, NaN where no pixel has a class.

        Raises
        ------
        InvalidParameter, UnknownBand
            As of :meth:`mask`; or the box does not overlap the Dataset.

        Examples
        --------
        >>> import astra_xr
        >>> scene = "sentinel-2:S2B_MSIL2A_20250115T184929"
        >>> ds = astra_xr.open_scene(scene, bands=["B11"], catalog="sample")
        >>> 0 <= ds.astra.cloud_cover() <= 100
        True
        """
        from astra_xr.accessor.cloud_masks import cloud_cover

        return cloud_cover(self._ds, bbox)

    def classes(self, name: str) -> pd.DataFrame:
        """Return the classes of a classification or QA band; it need not be open.

        Returns
        -------
        pandas.DataFrame
            Indexed by value: meaning, mask (the bits that matter, all if missing) and color.

        Raises
        ------
        UnknownBand, InvalidParameter
            There is no such band, or its numbers are not classes.

        Examples
        --------
        >>> import astra_xr
        >>> scene = "sentinel-2:S2B_MSIL2A_20250115T184929"
        >>> ds = astra_xr.open_scene(scene, bands=["red"], catalog="sample")
        >>> str(ds.astra.classes("SCL").loc[9, "meaning"])
        'cloud_high_probability'
        """
        from astra_xr.accessor.band_classes import class_table

        return class_table(self._ds, name)

    def sample(self, points: Any) -> xr.Dataset:
        """Return the pixels at points; reads only their tiles.

        Parameters
        ----------
        points : sequence of (longitude, latitude), GeoDataFrame or GeoSeries
            In degrees, or in the CRS of the GeoDataFrame, whose index is kept.

        Returns
        -------
        xarray.Dataset
            Along ``point`` (and ``time``, if the Dataset has it), lazy, with the pixel centers as
            coordinates; NaN outside of the Dataset, which makes integers floats.

        Raises
        ------
        InvalidParameter
            These are not points, none is in the Dataset, or longitude and latitude look swapped.

        Examples
        --------
        >>> import astra_xr
        >>> scene = "sentinel-2:S2B_MSIL2A_20250115T184929"
        >>> ds = astra_xr.open_scene(scene, bands=["red", "nir"], catalog="sample")
        >>> ds.astra.sample([(-122.43, 37.5), (-122.41, 37.52)]).red.shape
        (2,)
        """
        from astra_xr.accessor.sample_points import sample

        return sample(self._ds, points)

    def zonal(
        self,
        fields: Any,
        stats: str | Sequence[str] = ("mean", "count"),
        *,
        min_coverage: float = 0.75,
        progress: bool = True,
    ) -> xr.Dataset:
        """Return statistics of the pixels in each polygon; reads only their tiles.

        Pixels are weighted by the fraction inside the polygon (as in exactextract). Indices have
        this method too.

        Parameters
        ----------
        fields : GeoDataFrame, GeoSeries, shapely or GeoJSON polygons
            In the CRS of the frame, whose index is kept; else in degrees. One, a list, or a
            FeatureCollection. Their sides are straight in the Dataset's CRS.
        stats : str or sequence of str
            Any of ``mean``, ``median``, ``std``, ``min``, ``max``, ``sum``, ``count`` (the sum of
            pixel fractions), ``majority``, percentiles such as ``q10``, and for
            classification bands ``fractions``.
        min_coverage : float
            Statistics other than ``count`` are NaN if a smaller fraction of the polygon has data,
            0 to 1.
        progress : bool
            Show a progress bar if it takes more than a second.

        Returns
        -------
        xarray.Dataset
            In memory: the variables along ``geometry`` (and ``time``, if the Dataset has it),
            float64, and along ``stat`` unless ``stats`` is one name; ``NAME_fractions`` along
            ``class``; and ``valid``, the fraction of each polygon with data in all variables,
            0 to 1. ``to_dataframe()`` returns a tidy table. A polygon without data has ``count``
            0 and is NaN otherwise.

        Raises
        ------
        InvalidParameter
            Polygons are invalid or off the earth (they are named), or none overlaps the Dataset;
            a statistic is unknown, or does not apply to classes.
        MissingExtra
            exactextract is not installed.

        Examples
        --------
        >>> import astra_xr, shapely
        >>> scene = "sentinel-2:S2B_MSIL2A_20250115T184929"
        >>> ds = astra_xr.open_scene(scene, bands=["red", "nir"], catalog="sample")
        >>> field = shapely.box(-122.43, 37.5, -122.42, 37.51)
        >>> ds.astra.index(["NDVI"]).astra.zonal([field], "mean").NDVI.round(2).values
        array([0.65])
        """
        from astra_xr.accessor.zonal import zonal

        return zonal(self._ds, fields, stats, min_coverage, progress=progress)

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
        by: Literal["time", "band"],
        profile: str = "deflate",
        web_optimized: bool = False,
    ) -> list[Path]: ...

    def to_cog(
        self,
        path: str | os.PathLike[str],
        *,
        by: Literal["time", "band"] | None = None,
        profile: str = "deflate",
        web_optimized: bool = False,
    ) -> Path | list[Path]:
        """Write all bands into one cloud-optimized GeoTIFF, or a stack into several.

        Pixels are read and written block by block. Indices and single bands have this method too.

        Parameters
        ----------
        path : str or path
            File to write. It replaces an existing file only once it is complete.
        by : "time" or "band", optional
            For a stack: ``"time"`` writes one file per time step with all variables, ``"band"`` one
            file per variable with one band per time step. File names end in the date or the
            variable: ``stack_2025-06-01.tif``, ``stack_red.tif``. If one cannot be written, those
            before it stay.
        profile : str
            Compression, by rio-cogeo's names: ``"deflate"``, ``"lzw"``,
            ``"zstd"``, ``"lzma"``, ``"packbits"``, ``"raw"``, ``"lerc"``, ``"lerc_deflate"`` and
            ``"lerc_zstd"`` are lossless; ``"jpeg"`` (1 to 4 bands of uint8) and ``"webp"`` (3)
            are lossy, and turn nodata into a mask.
        web_optimized : bool
            True for web mercator, aligned to the pixels and tiles (256) of the zoom level with the
            nearest resolution, for map servers. Resampling is nearest.

        Returns
        -------
        pathlib.Path, or a list of them where ``by`` is given
            Bands are the variables in order, with their names (``visual.red`` for those with a
            band dimension, dates for those along time), values and units (reflectance, NaN
            without data), and overviews. Stored integers keep ``scale_factor``, ``add_offset``
            and ``_FillValue``. The attributes of the Dataset are the file's tags, with ``time``
            and ``id`` in a file of one date. A file has one dtype, which can hold all its bands;
            if that is a float type, the ``_FillValue`` of any band becomes NaN.

        Raises
        ------
        InvalidDataset
            There is no grid with a CRS; a variable is not along y and x, or has dimensions that do
            not fit in one file; or integer bands differ in ``_FillValue``.
        InvalidParameter
            The profile is unknown or cannot hold the bands; ``web_optimized`` does not work beyond
            85° of latitude, across 180° of longitude, or for integers without a ``_FillValue``;
            or ``by`` is invalid.
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
        >>> folder = tempfile.mkdtemp()
        >>> ds.astra.to_cog(f"{folder}/red.tif").name
        'red.tif'

        One file per date:

        >>> found = astra_xr.search("sentinel-2", datetime="2025-06", catalog="sample")
        >>> stack = astra_xr.open_scenes(found, ["red"]).isel(x=slice(64), y=slice(64))
        >>> [path.name for path in stack.astra.to_cog(f"{folder}/field.tif", by="time")]
        ['field_2025-06-14.tif']
        """
        from astra_xr.accessor.export import write_cog

        return write_cog(self._ds, path, profile, web_optimized=web_optimized, by=by)

    def to_png(
        self,
        path: str | os.PathLike[str],
        bands: Sequence[str] = ("red", "green", "blue"),
        *,
        limits: Limits | Sequence[Limits] | None = None,
        gamma: float = 1.0,
        allow_large: bool = False,
    ) -> Path:
        """Write the image of :meth:`rgb` as PNG, transparent where there is no data.

        Parameters
        ----------
        path : str or path
            File to write.
        bands, limits, gamma, allow_large
            As of :meth:`rgb`.

        Raises
        ------
        ConversionFailed
            It cannot be written; else as of :meth:`rgb`.
        """
        from astra_xr.accessor.export import write_png
        from astra_xr.arguments import read_path

        path = read_path("path", path)
        image = self.rgb(bands, limits=limits, gamma=gamma, allow_large=allow_large)
        return write_png(image, path)

    def rgb(
        self,
        bands: Sequence[str] = ("red", "green", "blue"),
        *,
        limits: Limits | Sequence[Limits] | None = None,
        gamma: float = 1.0,
        mask_clouds: MaskClouds = False,
        allow_large: bool = False,
    ) -> xr.DataArray:
        """Compose three bands, which are read, into an image.

        Parameters
        ----------
        bands : sequence of str
            Bands to show in red, green and blue.
        limits : (low, high), three of them, or None
            Values that become black and full color, in the bands' unit. None: the 2nd and
            98th percentile of each band, without nodata and pixels as bright as clouds; for a
            stack one for all time steps, without what :meth:`mask` finds, if it can.
        gamma : float
            Above 1 lightens the middle tones.
        mask_clouds : bool or dict
            Transparent where :meth:`mask` finds clouds, shadows or cirrus; or its options.
        allow_large : bool
            True to read even if it takes more than the free memory.

        Returns
        -------
        xarray.DataArray
            uint8, dims (y, x, band) with red, green, blue and alpha; alpha is 0 where a band has
            no data. ``attrs["limits"]`` has the limits used. ``.plot.imshow()`` draws it.

        Raises
        ------
        UnknownBand, AmbiguousBand, InvalidParameter
        TooLarge
            It takes more memory than is free.

        Examples
        --------
        >>> import astra_xr
        >>> scene = "sentinel-2:S2B_MSIL2A_20250115T184929"
        >>> ds = astra_xr.open_scene(scene, bands=["red", "green", "blue"], catalog="sample")
        >>> ds.isel(x=slice(64), y=slice(64)).astra.rgb(limits=(0, 0.3)).shape
        (64, 64, 4)
        """
        from astra_xr.accessor.rgb import compose

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
        """Compose a small image; reads overviews of bands that are not in memory.

        Parameters
        ----------
        bands : sequence of str, optional
            Bands to show in red, green and blue. By default red, green and blue, or the first band
            in gray if one of them is missing.
        size : int
            Maximum rows and columns.
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
        >>> scene = "sentinel-2:S2B_MSIL2A_20250115T184929"
        >>> ds = astra_xr.open_scene(scene, bands=["red", "nir"], catalog="sample")
        >>> ds.astra.thumbnail(size=128).shape
        (128, 128, 4)
        """
        from astra_xr.accessor.rgb import thumbnail

        return thumbnail(self._ds, bands, size, limits, gamma)

    def plot(self, name: str | None = None, *, max_pixels: int = 1200, **options: Any) -> Any:
        """Draw a map of a band, an index or true color; or one line per field of a table.

        Limits leave out the darkest and brightest 2 %, diverging colormaps have 0 in their middle,
        classes have colors and names. Reads overviews of bands that are not in memory.

        Parameters
        ----------
        name : str, optional
            A band by any of its names, an index or a formula as of :meth:`index`. By default true
            color, or the only variable of the Dataset or table.
        max_pixels : int
            Maximum rows and columns to read and draw.
        **options
            Options of :meth:`xarray.DataArray.plot.imshow`: ``cmap``, ``vmin``, ``vmax``, ``ax``,
            ``figsize``, ``size`` and ``aspect`` (inches, as there), …

        Returns
        -------
        matplotlib.image.AxesImage
            Or a FacetGrid with one map per step of a third dimension; or lines for a table of
            fields.

        Raises
        ------
        UnknownBand, AmbiguousBand, MissingIndexBand
            There is no such band or index, or its bands are missing.
        InvalidParameter, InvalidDataset
            The name is missing, as there is neither true color nor a single variable; or there
            are too many dimensions.
        MissingExtra
            matplotlib is not installed.

        Examples
        --------
        >>> import astra_xr
        >>> scene = "sentinel-2:S2B_MSIL2A_20250115T184929"
        >>> ds = astra_xr.open_scene(scene, bands=["red", "nir"], catalog="sample")
        >>> image = ds.astra.plot("NDVI", max_pixels=200)
        >>> image.cmap.name, image.axes.get_aspect()
        ('PiYG', 1.0)
        """
        from astra_xr.accessor.plot import plot

        return plot(self._ds, name, max_pixels, options)

    def pick(self, name: str | None = None, *, code_name: str = "ds", **state: Any) -> Picker:
        """Open the band picker in a notebook, to choose bands, limits and indices with the mouse.

        Overviews of the current view are read in the background; the Dataset itself is not loaded.
        "Copy code" copies the Python code of the image.

        Parameters
        ----------
        name : str, optional
            A band or an index to begin with; by default the mission's first band combination.
        code_name : str
            Name of the Dataset in the copied code.
        **state
            Initial state; all of ``picker.state``, or any of

            - ``time``: the step of a stack, as in ``sel(time=…)``; by default the latest with at
              most 20 % clouds, else the one with the least;
            - ``mode``: ``"rgb"``, ``"index"`` or ``"single"``; ``bands``: three names; ``index``;
              ``band``; ``cmap``;
            - ``stretch``: ``"minmax"``, ``{"kind": "percentile", "low": 2, "high": 98}``,
              ``{"kind": "sigma", "sigma": 2}``, each also with ``"of": "view"``;
              ``limits``: band or index → (low, high); ``gamma``;
            - ``compare``: what a second side, B, shows beside A: any of ``time``, ``bands``,
              ``index`` and ``band``, and ``"show": "swipe"`` or ``"difference"``, which is B - A;
              or another Dataset with the same bands, by itself or as ``"other"`` of that dict,
              which is resampled to this grid;
            - ``mask``: mask clouds; ``view`` and ``area``: (top, left, bottom, right) in pixels;
              ``pins``: a list of (x, y).

        Returns
        -------
        Picker
            A widget. Its results are ``selection`` (a Dataset), ``compared`` (those of A and B),
            ``image``, ``code``, ``script``, ``spectra``, ``series``, ``area``, ``statistics`` and
            ``state``; ``observe(f, "state")`` calls ``f`` at each change; ``to_html(path)`` writes
            an HTML file; ``close()`` stops its reads.

        Raises
        ------
        InvalidDataset
            There is nothing to show.
        InvalidParameter, UnknownBand, UnknownIndex
            ``state`` is invalid.

        Examples
        --------
        >>> import astra_xr
        >>> scene = "sentinel-2:S2B_MSIL2A_20250115T184929"
        >>> ds = astra_xr.open_scene(scene, bands=["red", "green", "blue", "nir"], catalog="sample")
        >>> picker = ds.astra.pick(bands=["nir", "red", "green"], gamma=1.2)
        >>> list(picker.selection)
        ['nir', 'red', 'green']
        >>> picker.close()
        """
        from astra_xr.widgets.picker import Picker

        return Picker(self._ds, state, name=code_name, first=name)

    def __repr__(self) -> str:
        from astra_xr.accessor.repr import as_text

        return as_text(self._ds)

    def _repr_html_(self) -> str:
        from astra_xr.accessor.repr import as_html

        return as_html(self._ds)
