"""What the numbers of a classification or QA band mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from astra_xr.accessor.band_names import band_table, find_variable, folded, has_band, variables_of
from astra_xr.errors import InvalidParameter
from astra_xr.model import ClassValue

if TYPE_CHECKING:
    import pandas as pd


def class_table(ds: xr.Dataset, name: str) -> pd.DataFrame:
    """Return the classes of a band; see ``ds.astra.classes``."""
    import pandas as pd

    wanted = folded(name)
    bands = [band for band in band_table(ds) if wanted in {n.casefold() for n in band.names}]
    classes = bands[0].classes if bands else ()
    if not classes and (not bands or has_band(ds, name)):
        classes = classes_of(ds[find_variable(ds, name)].attrs)
    if not classes:
        of_mission = [band.native for band in band_table(ds) if band.classes]
        of_attrs = [each for each in variables_of(ds) if classes_of(ds[each].attrs)]
        known = ", ".join(dict.fromkeys([*of_mission, *of_attrs])) or "none here"
        expected = f"a band whose numbers are classes or bits: {known}"
        raise InvalidParameter(name="name", value=name, expected=expected)
    rows = [(each.value, each.name, each.mask, each.color) for each in classes]
    table = pd.DataFrame(rows, columns=["value", "meaning", "mask", "color"])
    return table.astype({"mask": "Int64"}).set_index("value")


def classes_of(attrs: Mapping[Any, Any]) -> tuple[ClassValue, ...]:
    """Return the classes in CF attributes, also after netCDF and Zarr; empty without any."""
    none = np.empty(0, int)
    values, masks = (np.atleast_1d(attrs.get(f"flag_{n}", none)) for n in ("values", "masks"))
    words, colors = (str(attrs.get(f"flag_{n}", "")).split() for n in ("meanings", "colors"))
    if values.dtype.kind not in "iu" or masks.dtype.kind not in "iu":
        return ()
    return tuple(
        ClassValue(
            value=int(value),
            name=word,
            mask=int(masks[n]) if n < len(masks) else None,
            color=colors[n] if len(colors) == len(words) else None,
        )
        for n, (value, word) in enumerate(zip(values, words, strict=False))
    )
