"""Decode stored numbers into values: scale, offset, nodata."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from astra_xr.model import Radiometry
from astra_xr.warned import first_time, warned_of


def decoded_dtype(stored: npt.DTypeLike) -> np.dtype[Any]:
    """Return the dtype of decoded values: float32, or wider if it cannot hold the stored numbers.

    Examples
    --------
    >>> decoded_dtype("uint16"), decoded_dtype("int32")
    (dtype('float32'), dtype('float64'))
    """
    dtype = np.dtype(stored)
    if dtype.kind == "c":
        return dtype
    if dtype.kind == "f":
        return np.dtype(np.float64 if dtype.itemsize > 4 else np.float32)
    return np.dtype(np.float32 if dtype.itemsize <= 2 else np.float64)


def fitting(nodata: float | None, dtype: npt.DTypeLike) -> float | None:
    """Return nodata as a number of a dtype; None if the dtype cannot hold it, so no pixel has it.

    Examples
    --------
    >>> fitting(-9999.0, "int32"), fitting(-9999.0, "uint32"), fitting(2.0**64, "uint64")
    (-9999, None, 18446744073709551615)
    """
    kind = np.dtype(dtype)
    if nodata is None or kind.kind not in "iu":
        return nodata
    if not math.isfinite(nodata) or nodata != int(nodata):
        return None
    low, high = int(np.iinfo(kind).min), int(np.iinfo(kind).max)
    if isinstance(nodata, float) and nodata == float(high):
        # As a float, the highest 64-bit integer is rounded to one that the dtype cannot hold.
        return high
    return int(nodata) if low <= nodata <= high else None


def hide(
    out: npt.NDArray[Any], valid: npt.NDArray[np.bool_], nodata: Iterable[float | None], label: str
) -> None:
    """Fill pixels that a file's mask or alpha plane hides with the first nodata that fits.

    Floats without nodata become NaN, integers 0, with a warning once per asset.
    """
    if valid.all():
        return
    fits = (fitting(each, out.dtype) for each in nodata)
    fill = next((each for each in fits if each is not None), None)
    if fill is None:
        fill = math.nan if out.dtype.kind in "fc" else 0
        if fill == 0 and first_time(f"hidden pixels of {label}"):
            warnings.warn(
                f"{label}: the file's mask hides pixels, but neither the file nor its item has a "
                "nodata value. They are 0 here, which may also be a valid number or a class.",
                stacklevel=2,
            )
    out[..., ~valid] = fill


_HUGE = 1e15
"""Floats above it are often written with fewer digits than they have."""


def is_number(stored: npt.NDArray[Any], nodata: float) -> npt.NDArray[np.bool_]:
    """Return which stored numbers are nodata; huge floats may differ in digits not written.

    Examples
    --------
    >>> is_number(np.array([-3.4028235e38, 7], "float32"), -3.402823e38)
    array([ True, False])
    """
    if stored.dtype.kind != "f":
        return np.asarray(stored == nodata)
    with np.errstate(over="ignore"):
        number = stored.dtype.type(nodata)
        if np.isfinite(number) and abs(number) > _HUGE:
            return np.asarray(np.abs(stored - number) <= np.abs(number) * stored.dtype.type(2e-6))
    return np.asarray(stored == number)


def decode_into(
    stored: npt.NDArray[Any], radiometry: Radiometry | None, out: npt.NDArray[Any]
) -> None:
    """Write ``stored · scale + offset`` to ``out``, and NaN where stored is nodata.

    Parameters
    ----------
    stored : ndarray
        Stored numbers of any type.
    radiometry : Radiometry or None
        Scale, offset and nodata; None: stored numbers are copied.
    out : ndarray
        Of the same shape, with the dtype of :func:`decoded_dtype`; for copies of any dtype.

    Examples
    --------
    >>> values = np.empty(3, "float32")
    >>> decode_into(np.array([0, 2000, 4000], "uint16"),
    ...             Radiometry(dtype="uint16", scale=1e-4, offset=-0.1, nodata=0), values)
    >>> values.round(3)
    array([nan, 0.1, 0.3], dtype=float32)
    """
    if radiometry is None:
        out[...] = stored
        return
    kind = out.dtype.type
    np.multiply(stored, kind(radiometry.scale), out=out, casting="unsafe")
    if radiometry.offset:
        np.add(out, kind(radiometry.offset), out=out)
    nodata = fitting(radiometry.nodata, stored.dtype)
    if nodata is not None and not math.isnan(nodata):
        np.copyto(out, np.nan, where=is_number(stored, nodata))


def decode_part(
    stored: npt.NDArray[Any], radiometry: Radiometry | None, out: npt.NDArray[Any], target: Any
) -> None:
    """Write decoded numbers to ``out[target]``, as :func:`decode_into` does to a whole array."""
    if radiometry is None:
        out[target] = stored
    elif all(isinstance(axis, slice) for axis in target):
        decode_into(stored, radiometry, out[target])
    else:
        values = np.empty(stored.shape, out.dtype)
        decode_into(stored, radiometry, values)
        out[target] = values


def effective_radiometry(given: Radiometry, own: Radiometry, label: str) -> Radiometry:
    """Return the radiometry of a plane by its item, its mission and the file's own tags.

    The file's nodata takes precedence, its scale and offset apply if there are no others. Warns
    once per asset of each contradiction.

    Parameters
    ----------
    given : Radiometry
        By the item and the mission.
    own : Radiometry
        By the file's own tags, with the file's dtype.
    label : str
        Scene and band.
    """
    nodata = effective_nodata(given.nodata, own, label)
    found = given if nodata is given.nodata else replace(given, nodata=nodata)
    if given.file_tags == "applied":
        reason = own.reason or given.reason
        tags = {"scale": own.scale, "offset": own.offset, "reason": reason, "file_tags": "ignored"}
        return replace(found, **tags)  # type: ignore[arg-type]
    if given.file_tags == "ignored" or (own.scale, own.offset) == (1.0, 0.0):
        return found
    same = math.isclose(given.scale, own.scale, rel_tol=1e-5) and math.isclose(
        given.offset, own.offset, rel_tol=1e-5, abs_tol=abs(given.scale) / 100
    )
    if not same and first_time(f"scale of {label}"):
        warnings.warn(
            f"{label}: scale {given.scale:g} and offset {given.offset:g} are used "
            f"({given.reason}), while the file's own tags are {own.scale:g} and {own.offset:g}. "
            "radiometry='file' uses these.",
            stacklevel=2,
        )
    return found


def effective_nodata(
    given: float | None, own: Radiometry, label: str, *, stored: bool = False
) -> float | None:
    """Return the nodata of a file if it has one, else the given number.

    Warns once per asset if they differ; ``stored`` is True if stored numbers are read.
    """
    dtype = np.dtype(own.dtype)
    described, nodata = fitting(given, dtype), fitting(own.nodata, dtype)
    if nodata is None or nodata == described:
        return given
    if described is None:
        return nodata
    with np.errstate(over="ignore"):
        numbers = np.asarray(described).astype(dtype), np.asarray(nodata).astype(dtype)
    if np.array_equal(*numbers, equal_nan=True):
        return given
    use = "masked; read stored numbers with mask_and_scale=False"
    if stored:
        use = "left out of averages; _FillValue is the item's"
    if first_time(f"nodata of {label}"):
        warnings.warn(
            f"{label}: nodata is {described:g} in its item, but {nodata:g} in the file. The file's "
            f"is {use}.",
            stacklevel=2,
        )
    return nodata


_TOO_DARK = -0.05
"""Reflectance that no surface has."""

_LARGE_SHARE = 0.2
"""Share of the valid pixels below it that shows a wrong offset."""

_SAMPLE = 1 << 13
"""Pixels checked per read, which takes about 20 µs."""


def warn_of_offset(values: npt.NDArray[Any], radiometry: Radiometry | None, label: str) -> None:
    """Warn once per asset if its values show that an inferred offset is wrong.

    Parameters
    ----------
    values : ndarray of float
        Reflectance, NaN where there is no data; a sample is checked.
    radiometry : Radiometry or None
        How the values were decoded.
    label : str
        Scene and band.
    """
    if radiometry is None or not radiometry.inferred or warned_of(label):
        return
    sample = values.reshape(-1)[:: max(1, values.size // _SAMPLE) | 1]
    valid = sample[~np.isnan(sample)]
    share = np.count_nonzero(valid < _TOO_DARK) / max(1, valid.size)
    if valid.size < 16 or share < _LARGE_SHARE or not first_time(label):
        return
    warnings.warn(
        f"{label}: {share:.0%} of the valid pixels are below {_TOO_DARK}, darker than any "
        f"surface. The pixels may already include {radiometry.reason}. Compare with another "
        "catalog=, or read the stored numbers with radiometry='raw'.",
        stacklevel=2,
    )
