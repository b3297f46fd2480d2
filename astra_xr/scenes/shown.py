"""How ``ds.astra`` shows itself: its bands as text, HTML and a table."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import xarray as xr

from astra_xr.scenes.names import variables_of

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
    """Return one row a band; see ``ds.astra.bands``."""
    import pandas as pd

    rows = {name: ds[name].attrs for name in variables_of(ds)}
    table = {name: [attrs.get(column) for column in _COLUMNS] for name, attrs in rows.items()}
    frame = pd.DataFrame.from_dict(table, orient="index", columns=list(_COLUMNS))
    return frame.rename_axis("variable")


def as_text(ds: xr.Dataset) -> str:
    """Return one line a band."""
    rows = _rows(ds)
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(len(_SHOWN))]
    lines = [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    return "\n".join([f"<astra: {_title(ds)}>", *(line.rstrip() for line in lines)])


def as_html(ds: xr.Dataset) -> str:
    """Return one row of a table a band, with all that is foreign escaped."""
    head = "".join(f"<th style='text-align:left'>{name}</th>" for name in _SHOWN)
    body = "".join(
        "<tr>"
        + "".join(f"<td style='text-align:left'>{html.escape(cell)}</td>" for cell in row)
        + "</tr>"
        for row in _rows(ds)
    )
    return (
        f"<div><strong>{html.escape(_title(ds))}</strong><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def _title(ds: xr.Dataset) -> str:
    return str(ds.attrs.get("scene_id", "a Dataset of unknown origin"))


def _rows(ds: xr.Dataset) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name in variables_of(ds):
        attrs = ds[name].attrs
        native, common = attrs.get("native_name", ""), attrs.get("common_name", "")
        other = common if name == native else native
        wavelength, gsd = attrs.get("center_wavelength"), attrs.get("gsd")
        rows.append(
            (
                name,
                str(other),
                f"{wavelength:g} µm" if wavelength else "",
                f"{gsd:g} m" if gsd else "",
                str(attrs.get("role", "")),
                str(attrs.get("radiometry", "")),
            )
        )
    return rows
