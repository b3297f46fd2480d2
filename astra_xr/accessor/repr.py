"""The repr of ``ds.astra``: its bands as text, HTML and a table."""

from __future__ import annotations

import contextlib
from numbers import Real
from typing import TYPE_CHECKING

import xarray as xr

from astra_xr.accessor.band_names import variables_of
from astra_xr.errors import InvalidDataset
from astra_xr.tables import Table

if TYPE_CHECKING:
    import pandas as pd


_COLUMNS = (
    "native_name",
    "common_name",
    "center_wavelength",
    "gsd",
    "role",
    "units",
    "scale",
    "offset",
    "radiometry",
)

_SHOWN = ("variable", "band", "wavelength", "gsd", "role", "radiometry")


def as_table(ds: xr.Dataset) -> pd.DataFrame:
    """Return one row per band; see ``ds.astra.bands``."""
    import pandas as pd

    rows = {name: ds[name].attrs for name in variables_of(ds)}
    table = {name: [attrs.get(column) for column in _COLUMNS] for name, attrs in rows.items()}
    frame = pd.DataFrame.from_dict(table, orient="index", columns=list(_COLUMNS))
    return frame.rename_axis("variable")


def as_text(ds: xr.Dataset) -> str:
    """Return one line per band."""
    return str(_table(ds, f"<astra: {_title(ds)}>"))


def as_html(ds: xr.Dataset) -> str:
    """Return a table with one row per band; untrusted text is escaped."""
    return _table(ds, _title(ds)).html()


def _table(ds: xr.Dataset, title: str) -> Table:
    names: list[str] = []
    with contextlib.suppress(InvalidDataset):  # a repr never raises
        names = variables_of(ds)
    return Table(
        title=title,
        facts=_facts(ds),
        columns=_SHOWN,
        rows=[_row(name, ds[name]) for name in names],
        numbers={"wavelength", "gsd"},
        words={"radiometry"},
        head=False,
    )


def _facts(ds: xr.Dataset) -> tuple[str, ...]:
    """Return date, clouds, catalog, shape and CRS, as far as they are known."""
    attrs = ds.attrs
    cloud, catalog = attrs.get("cloud_cover"), attrs.get("catalog")
    return (
        _dates(ds),
        f"{cloud:.0f} % cloud" if isinstance(cloud, Real) else "",
        f"from {catalog}" if catalog else "",
        f"{ds.sizes['y']} × {ds.sizes['x']} pixels" if {"y", "x"} <= set(ds.sizes) else "",
        _crs(ds),
    )


def _dates(ds: xr.Dataset) -> str:
    if ds.sizes.get("time"):
        first, last = (str(ds["time"].values[i])[:10] for i in (0, -1))
        return f"{first} to {last}"
    return str(ds.attrs.get("datetime", ""))[:16].replace("T", " ")


def _crs(ds: xr.Dataset) -> str:
    if "spatial_ref" not in ds.coords:
        return ""
    import odc.geo.xr  # noqa: F401  (registers .odc)

    crs = ds.odc.crs
    return "" if crs is None else f"EPSG:{crs.epsg}" if crs.epsg else crs.proj.name


def _title(ds: xr.Dataset) -> str:
    if "time" in ds.dims and "mission" in ds.attrs:
        return f"{ds.sizes['time']} time steps of {ds.attrs['mission']}"
    return str(ds.attrs.get("scene_id", "a Dataset of unknown origin"))


def _row(name: str, band: xr.DataArray) -> tuple[str, ...]:
    attrs = band.attrs
    native, common = attrs.get("native_name", ""), attrs.get("common_name", "")
    return (
        name,
        str(common if name == native else native),
        _quantity(attrs.get("center_wavelength"), "µm"),
        _quantity(attrs.get("gsd"), "m"),
        str(attrs.get("role", "")),
        str(attrs.get("radiometry", "")),
    )


def _quantity(value: object, unit: str) -> str:
    """Return a number with its unit; anything else, from other tools' files, as text."""
    if isinstance(value, Real):
        return f"{value:g} {unit}"
    return "" if value is None else str(value)
