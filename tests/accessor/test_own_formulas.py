"""Formulas of the user's own: what they compute, and that nothing else is ever run."""

from __future__ import annotations

import ast
import gc
import pickle
import warnings

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import astra_xr
from astra_xr.arguments import parsed
from astra_xr.errors import InvalidParameter

SAMPLE = "sentinel-2:S2B_MSIL2A_20250115T184929"

NUMBERS = xr.Dataset(
    {name: (("y", "x"), np.random.default_rng(n).uniform(0.1, 0.9, (4, 5)).astype(np.float32))
     for n, name in enumerate(("red", "nir", "vv"))}
)  # fmt: skip


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("nir-red", lambda r, n, v: n - r),
        ("N/R", lambda r, n, v: n / r),
        ("(N-R)/(N+R)", lambda r, n, v: (n - r) / (n + r)),
        ("2.5 * (N - R) / (N + 6*R + 1)", lambda r, n, v: 2.5 * (n - r) / (n + 6 * r + 1)),
        ("N**2 - -R**0.5", lambda r, n, v: n**2 + r**0.5),
        ("(-2)**2 * N", lambda r, n, v: 4 * n),
        ("-2**2 * N", lambda r, n, v: -4 * n),
        ("N ** -1 / 3", lambda r, n, v: 1 / n / 3),
        ("10*log10(vv)", lambda r, n, v: 10 * np.log10(v)),
        ("sqrt(abs(R-N)) + exp(-vv) - log(+vv)",
         lambda r, n, v: np.sqrt(abs(r - n)) + np.exp(-v) - np.log(v)),
        ("2**3**2 * R / 1e3", lambda r, n, v: 512 * r / 1000),
    ],
)  # fmt: skip
def test_formulas_are_numpys(formula: str, expected: object) -> None:
    values = NUMBERS.astra.index(formula)
    r, n, v = (NUMBERS[name].values.astype(float) for name in ("red", "nir", "vv"))
    np.testing.assert_allclose(values, expected(r, n, v), rtol=1e-4)  # type: ignore[operator]
    assert values.dtype == np.float32


def test_parsing_while_garbage_is_collected() -> None:
    """Which lets other threads run: before Python 3.11.8, they parse only one at a time."""
    others: list[ast.AST] = []

    def parse_another(phase: str, info: object) -> None:
        if not others:
            others.append(ast.parse("R"))

    often = gc.get_threshold()
    gc.callbacks.append(parse_another)
    gc.set_threshold(1)
    try:
        found = parsed("(N-R)/(N+R)")
    finally:
        gc.set_threshold(*often)
        gc.callbacks.remove(parse_another)
    assert others
    assert ast.unparse(found) == "(N - R) / (N + R)"


def test_a_formula_is_as_lazy_and_as_well_described_as_an_index() -> None:
    ds = astra_xr.open_scene(SAMPLE, ["red", "nir", "SCL"], catalog="sample", resolution=60)
    own, known = ds.astra.index("(nir - B04)/(N + red)"), ds.astra.index("NDVI")
    assert not own.variable._in_memory
    np.testing.assert_array_equal(own, known)
    assert own.attrs["formula"] == "(N - R) / (N + R)"
    assert own.attrs["bands"] == known.attrs["bands"]
    assert own.attrs["valid_range"] == known.attrs["valid_range"]
    assert own.attrs["scene_id"] == known.attrs["scene_id"]
    assert "reference" not in own.attrs
    masked = ds.astra.index("N/R", mask_clouds=True)
    np.testing.assert_array_equal(np.isnan(masked), ds.astra.mask() | ds.red.isnull())
    xr.testing.assert_identical(pickle.loads(pickle.dumps(own)), own)
    chunked = ds.chunk(x=100).astra.index("(N-R)/(N+R)")
    np.testing.assert_allclose(chunked, known, rtol=1e-6)


def test_constants_are_given_by_name() -> None:
    values = NUMBERS.astra.index("(1+L)*(N-R)/(N+R+L)", L=0.5)
    np.testing.assert_allclose(values, NUMBERS.astra.index("SAVI", L=0.5), rtol=1e-5)
    assert values.attrs["constants"] == "L=0.5"
    with pytest.raises(InvalidParameter, match="'L' is not one of R, N, red, nir, vv"):
        NUMBERS.astra.index("N+L")  # the value of a constant is never guessed
    with pytest.raises(
        InvalidParameter, match="Invalid L=0.5: there is no L in N / R; expected one of N, R"
    ):
        NUMBERS.astra.index("N/R", L=0.5)
    with pytest.raises(InvalidParameter, match="a finite number"):
        NUMBERS.astra.index("N/R*L", L="1")


def test_a_name_that_means_two_bands_is_refused() -> None:
    ds = NUMBERS.rename(vv="R")
    with pytest.raises(InvalidParameter, match="R is a variable, and the letter of red"):
        ds.astra.index("N/R")
    np.testing.assert_allclose(ds.astra.index("nir/red"), ds.nir / ds.red)


def test_only_differences_of_bands_have_bounds() -> None:
    ds = NUMBERS.assign(vh=-NUMBERS.vv / 2)
    values = ds.astra.index("(vv - vh) / (vv + vh)")
    np.testing.assert_allclose(values, np.full((4, 5), 3.0), rtol=1e-5)
    assert "valid_range" not in values.attrs
    below = NUMBERS.assign(red=-NUMBERS.nir / 2)
    assert (below.astra.index("(nir - red) / (nir + red)") == 1).all()


@pytest.mark.parametrize(
    ("formula", "told"),
    [
        ("(N-R)/(N+X)", "'X' is not one of R, N, red, nir, vv"),
        ("N2-N", "'N2' is not one of"),  # which NDVI alone may take for N
        ("(N-R", "an operator, a number or a parenthesis is missing"),
        ("N +", "is missing"),
        ("N R +", "is missing"),
        ("()", "has no meaning here"),
        ("__import__('os').system('true')", '"\'" has no meaning here'),
        ("__import__(N)", "is not one of these functions of one value"),
        ("N.__class__ * 2", "has no meaning here"),
        ("(lambda: N)()", "':' has no meaning here"),
        ("(N if R else R) + 1", "has no meaning here"),
        ("(N, R) * 2", "has no meaning here"),
        ("exp(N, R)", "is not one of these functions of one value"),
        ("exp(*N)", "has no meaning here"),
        ("exp + N", "'exp' is not one of"),
        ("N // R", "has no meaning here"),
        ("N*1j", "is not a finite number"),
        ("N*1e999", "is not a finite number"),
        ("N + 9**9**9**9", "is not a finite number"),
        ("N/(1/0)", "is not a finite number"),
        ("1+2", "it has no band"),
        ("(" * 5000 + "N" + ")" * 5000, "longer than 1,000 characters"),
        ("(" * 400 + "N" + ")" * 400, "is missing"),
        ("-" * 900 + "N", "more than 100 operators"),
        ("N" + "+N" * 400, "more than 100 operators"),
        ("N\x00+R", "has no meaning here"),
        ("9" * 900 + "*N", "is not a finite number"),
        ("N+1if", "is missing"),
    ],
)
def test_an_invalid_formula_has_a_clear_error(formula: str, told: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        NUMBERS.astra.index(formula)
    assert told in str(caught.value)
    assert len(str(caught.value)) < 500


def test_lists_are_of_names() -> None:
    with pytest.raises(InvalidParameter, match="a formula cannot be one of several"):
        NUMBERS.astra.index(["NDVI", "N-R"])


TEXTS = st.text(alphabet="NRvn0123456789.+-*/() _exp", min_size=1, max_size=30)


@settings(max_examples=200, deadline=None)
@given(TEXTS.map(lambda text: f"{text}+N"))
def test_any_text_is_a_formula_or_refused(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            values = NUMBERS.astra.index(text)
        except InvalidParameter:
            return
    names = {"N": NUMBERS.nir.values.astype(float), "R": NUMBERS.red.values.astype(float)}
    names |= {"exp": np.exp, "nir": names["N"], "vv": NUMBERS.vv.values.astype(float)}
    with np.errstate(all="ignore"):
        expected = eval(" ".join(text.split()), {"__builtins__": {}}, names)  # checked above
    shown = np.isfinite(values.values) & np.isfinite(expected) & (np.abs(expected) < 1e30)
    low, high = values.attrs.get("valid_range", (-np.inf, np.inf))
    np.testing.assert_allclose(
        values.values[shown], np.clip(expected, low, high)[shown], rtol=1e-2, atol=1e-3
    )
