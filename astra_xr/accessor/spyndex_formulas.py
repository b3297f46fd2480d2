"""Formulas of spyndex's indices, with their kernels written out, and their bounds."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from astra_xr.arguments import parsed, read_choice
from astra_xr.errors import UnknownIndex

_KERNELS = {
    "RBF": "exp(-(({a}-{b})**2.0)/(2.0*{sigma}**2.0))",
    "poly": "({a}*{b}+c)**p",
    "linear": "{a}*{b}",
}
"""Kernels k(a, b), as spyndex has them."""

_KERNEL_CONSTANTS = {"RBF": ("sigma",), "poly": ("c", "p"), "linear": ()}

_KERNEL_TERM = re.compile(r"k([A-Z])([A-Z])")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """An index, and the formula that computes it."""

    name: str
    title: str
    reference: str

    domain: str
    """``vegetation``, ``water``, ``burn``, …; empty for a formula of the user's."""

    formula: str
    """As spyndex has it, for display."""

    text: str
    """The same with kernels written out: arithmetic of ``symbols``, and ``exp``."""

    symbols: tuple[str, ...]
    """Letters of ``text``: bands and constants."""

    @property
    def shown(self) -> str:
        """The formula for display, with its kernels if it has any."""
        return self.formula if self.formula == self.text else f"{self.formula} = {self.text}"


def recipe_of(name: str, constants: Mapping[str, float], kernel: str = "RBF") -> Recipe:
    """Return the recipe of an index of spyndex, whose name may be in any case.

    A kernel's term for which ``constants`` has a value is not written out. Without ``sigma``, the
    width of the RBF kernel is the mean of its two bands in each pixel (Camps-Valls et al. 2021,
    doi:10.1126/sciadv.abc7447), not spyndex's 0.5.

    Raises
    ------
    UnknownIndex, InvalidParameter
        There is no such index, or no such kernel.

    Examples
    --------
    >>> recipe_of("kNDVI", {"sigma": 0.2}, "RBF").symbols
    ('N', 'R', 'sigma')
    """
    import spyndex

    name = _known(name, spyndex.indices)
    index = spyndex.indices[name]
    read_choice("kernel", _KERNELS, kernel)

    def term(found: re.Match[str]) -> str:
        a, b = found.groups()
        if found[0] in constants or found[0] not in index.bands:
            return found[0]
        if kernel == "RBF" and a == b:
            return "1.0"
        sigma = "sigma" if "sigma" in constants else f"(0.5*({a}+{b}))"
        return f"({_KERNELS[kernel].format(a=a, b=b, sigma=sigma)})"

    text = _KERNEL_TERM.sub(term, index.formula)
    names = [node.id for node in ast.walk(parsed(text)) if isinstance(node, ast.Name)]
    in_order = sorted({each for each in names if each != "exp"}, key=text.find)
    return Recipe(
        name=name,
        title=index.long_name,
        reference=index.reference,
        domain=index.application_domain,
        formula=index.formula,
        text=text,
        # If nothing was written out, in spyndex's order.
        symbols=tuple(index.bands if text == index.formula else in_order),
    )


def _known(name: str, names: Collection[str]) -> str:
    """Return the name of an index as spyndex spells it; in any case, if that is unambiguous."""
    if name in names:
        return name
    hits = [each for each in names if each.casefold() == str(name).casefold()]
    if len(hits) == 1:
        return hits[0]
    raise UnknownIndex(index=str(name), known=hits or names)


def settable(recipe: Recipe, kernel: str) -> list[str]:
    """Return the names in a formula that can be set to a number."""
    if recipe.text == recipe.formula:
        return list(recipe.symbols)
    return list(dict.fromkeys([*recipe.symbols, *_KERNEL_CONSTANTS[kernel]]))


def bounds_of(text: str, constants: Mapping[str, float]) -> tuple[float, float] | None:
    """Return the limits of a formula's values where its bands are not below 0.

    None unless it is a normalized difference (a-b)/(a+b) or a fraction a/(a+b) of such terms.

    Examples
    --------
    >>> bounds_of("(N-R)/(N+R)", {}), bounds_of("N/(N+R)", {}), bounds_of("N/R", {})
    ((-1.0, 1.0), (0.0, 1.0), None)
    """
    match parsed(text):
        case ast.BinOp(top, ast.Div(), ast.BinOp(one, ast.Add(), other)):
            terms = {ast.dump(one), ast.dump(other)}
        case _:
            return None
    if not (_positive(one, constants) and _positive(other, constants)):
        return None
    if isinstance(top, ast.BinOp) and isinstance(top.op, ast.Sub):
        return (-1.0, 1.0) if {ast.dump(top.left), ast.dump(top.right)} == terms else None
    return (0.0, 1.0) if ast.dump(top) in terms else None


def _positive(node: ast.expr, constants: Mapping[str, float]) -> bool:
    """Return True if an expression is at least 0 where the bands are."""
    match node:
        case ast.Name(name):
            return constants.get(name, 0.0) >= 0
        case ast.Constant(int() | float() as number):
            return number >= 0
        case ast.Call(ast.Name(function)):
            return function in ("exp", "sqrt", "abs")
        case ast.BinOp(left, ast.Add() | ast.Mult() | ast.Div() | ast.Pow(), right):
            return _positive(left, constants) and _positive(right, constants)
    return False
