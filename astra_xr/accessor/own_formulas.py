"""Users' own formulas, such as ``(N-R)/(N+R)``: parsed and checked, never run as Python."""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections.abc import Callable

import numpy as np

from astra_xr.accessor.evaluate import FUNCTIONS, OPERATORS
from astra_xr.accessor.spyndex_formulas import Recipe
from astra_xr.arguments import parsed
from astra_xr.errors import InvalidParameter

_LONGEST = 1000
"""Characters."""

_DEEPEST = 100
"""Nested operators."""

_SIGNS = re.compile(r"[-+*/(]")
_ALLOWED = re.compile(r"[\w\s.+\-*/(),]*")


def is_formula(text: str) -> bool:
    """Return True for a formula, False for the name of an index.

    Examples
    --------
    >>> is_formula("(N-R)/(N+R)"), is_formula("NDVI")
    (True, False)
    """
    return _SIGNS.search(text) is not None


def own_recipe(text: str, symbol_of: Callable[[str], str]) -> Recipe:
    """Return the recipe of a formula: numbers, names, ``OPERATORS``, ``FUNCTIONS``, parentheses.

    Parameters
    ----------
    symbol_of : callable
        Returns the symbol of a name in ``Recipe.text``, or raises a ValueError with the reason.

    Raises
    ------
    InvalidParameter
        It is not such a formula.
    """
    try:
        body = _rewritten(_parsed(text), symbol_of)
    except ValueError as error:
        raise _invalid(text, str(error)) from None
    symbols = [node.id for node in ast.walk(body) if isinstance(node, ast.Name)]
    symbols = [each for each in symbols if each not in FUNCTIONS]
    if not symbols:
        raise _invalid(text, "it has no band")
    clean = ast.unparse(body)
    in_order = tuple(sorted(set(symbols), key=clean.find))
    return Recipe(
        name="formula", title=clean, reference="", domain="", formula=clean, text=clean,
        symbols=in_order,
    )  # fmt: skip


def _invalid(text: str, reason: str) -> InvalidParameter:
    expected = (
        "a formula of bands, numbers, + - * / **, parentheses and "
        f"{', '.join(FUNCTIONS)}, such as '(N-R)/(N+R)'"
    )
    return InvalidParameter(name="name", value=text[:100], expected=expected, reason=reason)


def _parsed(text: str) -> ast.expr:
    if len(text) > _LONGEST:
        raise ValueError(f"it is longer than {_LONGEST:,} characters")
    odd = _ALLOWED.match(text)
    if odd is not None and odd.end() < len(text):
        raise ValueError(f"{text[odd.end()]!r} has no meaning here")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about numbers next to words
            body = parsed(" ".join(text.split()))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError("an operator, a number or a parenthesis is missing") from None
    pending: list[tuple[ast.AST, int]] = [(body, 0)]
    while pending:
        node, depth = pending.pop()
        if depth > _DEEPEST:
            raise ValueError(f"more than {_DEEPEST} operators are nested")
        pending += [(each, depth + 1) for each in ast.iter_child_nodes(node)]
    return body


def _rewritten(node: ast.expr, symbol_of: Callable[[str], str]) -> ast.expr:
    """Return an expression of symbols in place of names, with constant parts computed."""
    if isinstance(node, ast.Constant):
        return _number(node.value)
    if isinstance(node, ast.Name):
        return ast.Name(symbol_of(node.id), ast.Load())
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        operand = _rewritten(node.operand, symbol_of)
        return _negated(operand) if isinstance(node.op, ast.USub) else operand
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        left, right = _rewritten(node.left, symbol_of), _rewritten(node.right, symbol_of)
        pair = _constant(left), _constant(right)
        if pair[0] is not None and pair[1] is not None:
            with np.errstate(all="ignore"):
                return _number(float(OPERATORS[type(node.op)](*map(np.float64, pair))))
        return ast.BinOp(left, node.op, right)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id not in FUNCTIONS or len(node.args) != 1 or node.keywords:
            raise ValueError(f"{node.func.id}(…) is not one of these functions of one value")
        inner = _rewritten(node.args[0], symbol_of)
        return ast.Call(ast.Name(node.func.id, ast.Load()), [inner], [])
    raise ValueError(f"{ast.unparse(node)[:40]!r} has no meaning here")


def _negated(node: ast.expr) -> ast.expr:
    constant = _constant(node)
    return ast.UnaryOp(ast.USub(), node) if constant is None else _number(-constant)


def _constant(node: ast.expr) -> float | None:
    """Return the number that an expression is; None if it has bands."""
    if isinstance(node, ast.UnaryOp):
        inner = _constant(node.operand)
        return None if inner is None else -inner
    known = isinstance(node, ast.Constant) and isinstance(node.value, int | float)
    return float(node.value) if known else None  # type: ignore[attr-defined]


def _number(value: object) -> ast.expr:
    known = isinstance(value, int | float) and not isinstance(value, bool)
    try:
        number = float(value) if known else math.nan  # type: ignore[arg-type]
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{str(value)[:20]} is not a finite number")
    size = abs(number)
    positive = ast.Constant(int(size) if size.is_integer() and size < 1e15 else size)
    return ast.UnaryOp(ast.USub(), positive) if number < 0 else positive
