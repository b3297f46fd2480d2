"""Formulas on bands that are not read yet, of dask, or in memory."""

from __future__ import annotations

import ast
import functools
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from astra_xr.arguments import parsed
from astra_xr.arrays.formula import FormulaArray, compute
from astra_xr.arrays.lazy import is_unread, wrap
from astra_xr.errors import InvalidDataset
from astra_xr.model import CLASS_ROLES, Radiometry
from astra_xr.reading.decoding import decode_into, decoded_dtype
from astra_xr.reading.tile_formulas import Formula


def evaluate(
    text: str,
    bands: Mapping[str, xr.DataArray],
    constants: Mapping[str, float],
    *,
    bounds: tuple[float, float] | None = None,
    mask: xr.DataArray | None = None,
) -> xr.DataArray:
    """Compute a formula of bands, pixel by pixel.

    Parameters
    ----------
    text : str
        Arithmetic of names and numbers: ``OPERATORS`` and ``FUNCTIONS``.
    bands : mapping of str to xarray.DataArray
        By letter; stored numbers or values.
    constants : mapping of str to float
        By letter.
    bounds : (float, float), optional
        Lowest and highest value; those beyond are set to these.
    mask : xarray.DataArray, optional
        bool; the result is NaN where it is True.

    Returns
    -------
    xarray.DataArray
        float32 if the bands' values are; lazy if any of them is unread or of dask, else computed
        block by block.
    """
    attrs = {symbol: dict(band.attrs) for symbol, band in bands.items()}
    formula = _Arithmetic(text, attrs, dict(constants), bounds)
    inputs = dict(bands)
    dtype = np.result_type(*(_decoded(np.empty(0, b.dtype), b.attrs) for b in bands.values()))
    if mask is not None:
        dtype = np.result_type(dtype, np.float32)
        inputs[_MASK] = mask
    first = next(iter(inputs.values()))
    alike = all(each.dims == first.dims and each.shape == first.shape for each in inputs.values())
    if not alike or any(each.chunks is not None for each in inputs.values()):
        result: xr.DataArray = xr.apply_ufunc(
            _positional, *inputs.values(), kwargs={"formula": formula, "names": tuple(inputs)},
            dask="parallelized", output_dtypes=[dtype], keep_attrs=True,  # spatial_ref's too
        )  # fmt: skip
        return result
    variables = {name: each.variable for name, each in inputs.items()}
    if any(is_unread(each.variable) for each in inputs.values()):
        data = wrap(FormulaArray(variables, formula, dtype))
    else:
        data = np.empty(first.shape, dtype)
        if data.size:
            compute(variables, [(formula, data)])
    return xr.DataArray(xr.Variable(first.dims, data), coords=first.coords)


@dataclass(frozen=True)
class _Arithmetic:
    """A formula as a function of plain arrays, NaN where that of :data:`_MASK` is True."""

    text: str
    attrs: Mapping[str, Mapping[str, Any]]
    """Of each band, by its letter in the formula."""

    constants: Mapping[str, float]
    bounds: tuple[float, float] | None

    def __call__(self, stored: Mapping[str, npt.NDArray[Any]]) -> Any:
        params = {s: _decoded(a, self.attrs[s]) for s, a in stored.items() if s != _MASK}
        with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
            values = _value(_parsed(self.text), params | dict(self.constants))
        values = np.clip(values, *self.bounds) if self.bounds else values
        return np.where(stored[_MASK], np.float32("nan"), values) if _MASK in stored else values


_MASK = ":mask"
"""Name of the mask among a formula's inputs; no band has it."""


def _positional(*arrays: npt.NDArray[Any], formula: Formula, names: tuple[str, ...]) -> Any:
    return formula(dict(zip(names, arrays, strict=True)))


OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "exp": np.exp,
    "log": np.log,
    "log10": np.log10,
    "sqrt": np.sqrt,
    "abs": np.abs,
}
"""The only functions that a formula may use."""


# spyndex itself reads its whole catalog at each call, too slow for many small blocks.
_parsed = functools.lru_cache(maxsize=1024)(parsed)


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Name):
        return names[node.id]
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return node.value
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left, names), _value(node.right, names)
        return OPERATORS[type(node.op)](left, right)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand, names)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return FUNCTIONS[node.func.id](*(_value(each, names) for each in node.args))
    raise ValueError(f"not arithmetic: {ast.unparse(node)}")


_PACKING = {"scale_factor", "add_offset", "_FillValue"}


def _decoded(stored: npt.NDArray[Any], attrs: Mapping[str, Any]) -> npt.NDArray[Any]:
    """Return a band's values from its stored numbers; see :func:`reflectance`."""
    if attrs.get("role") in CLASS_ROLES or not (
        _PACKING & attrs.keys() or stored.dtype.kind in "iub"
    ):
        return stored
    radiometry = Radiometry(
        dtype=str(stored.dtype),
        scale=float(attrs.get("scale_factor", 1.0)),
        offset=float(attrs.get("add_offset", 0.0)),
        nodata=np.asarray(attrs["_FillValue"]).item() if "_FillValue" in attrs else None,
    )
    _check_stored(stored, attrs)
    # Never integers: differences of unsigned ones wrap around.
    values = np.empty(stored.shape, decoded_dtype(stored.dtype))
    decode_into(stored, radiometry, values)
    return values


def _check_stored(values: npt.NDArray[Any], attrs: Mapping[str, Any]) -> None:
    """Refuse floats that are scaled already, though attrs are those of stored integers.

    xarray keeps attrs: after ``ds * scale + offset`` they would be applied once more.
    """
    fill = attrs.get("_FillValue")
    if "scale_factor" not in attrs or values.dtype.kind != "f" or not isinstance(fill, np.integer):
        return
    most = abs(attrs["scale_factor"]) * np.iinfo(fill.dtype).max + abs(attrs.get("add_offset", 0))
    known = values[np.isfinite(values)]
    if known.size and np.abs(known).max() <= most and (known % 1 != 0).any():
        name = attrs.get("native_name", attrs.get("long_name", "a band"))
        raise InvalidDataset(
            method="ds.astra",
            needs=f"stored numbers in {name}, as its attrs have a scale_factor, and its values are "
            "scaled already",
            hint="Open the scene without mask_and_scale=False, or remove scale_factor, add_offset "
            "and _FillValue from the attrs of the bands.",
        )


def reflectance(da: xr.DataArray) -> xr.DataArray:
    """Return a band's values, also if it was opened without ``mask_and_scale``.

    Stored numbers have ``scale_factor``, ``add_offset`` or ``_FillValue`` in ``attrs``; values are
    in the band's unit, nodata as NaN.
    """
    values: xr.DataArray = xr.apply_ufunc(
        _decoded,
        da,
        kwargs={"attrs": dict(da.attrs)},
        dask="parallelized",
        output_dtypes=[_decoded(np.empty(0, da.dtype), da.attrs).dtype],
        keep_attrs=True,
    )
    values.attrs = unpacked(da.attrs)
    return values


def unpacked(attrs: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return attrs without those that would scale or mask values again."""
    return {key: value for key, value in attrs.items() if key not in _PACKING}
