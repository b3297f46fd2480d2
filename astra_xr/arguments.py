"""Arguments of public functions: flags, words, numbers, text and paths, each read in one place."""

from __future__ import annotations

import ast
import contextlib
import math
import os
from collections.abc import Iterable
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np

from astra_xr.errors import InvalidParameter, suggestion


def read_flag(name: str, value: Any) -> bool:
    """Return the value of a parameter that must be True or False, also as 1 or 0, or of NumPy."""
    if isinstance(value, bool | np.bool_ | int) and value in (0, 1):
        return bool(value)
    raise InvalidParameter(name=name, value=value, expected="True or False")


def read_choice(name: str, choices: Iterable[str], value: Any) -> str:
    """Return the value of a parameter that must be one of several words."""
    words = list(choices)
    if isinstance(value, str) and value in words:
        return value
    nearest = suggestion(value, words) if isinstance(value, str) else ""
    raise InvalidParameter(name=name, value=value, expected=f"one of {', '.join(words)}{nearest}")


def read_count(name: str, value: Any, expected: str, *, least: int = 1, most: float = 1e18) -> int:
    """Return a whole number within limits; True is none."""
    if isinstance(value, Integral) and not isinstance(value, bool) and least <= int(value) <= most:
        return int(value)
    raise InvalidParameter(name=name, value=value, expected=expected)


def read_number(name: str, value: Any, expected: str, *, least: float, most: float) -> float:
    """Return a number within limits; neither True nor NaN is one."""
    number: Any = value if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    if least <= number <= most:
        return float(number)
    raise InvalidParameter(name=name, value=value, expected=expected)


def read_text(name: str, value: Any, expected: str) -> str:
    """Return text that is not empty, and can be written into any file: it is UTF-8."""
    if isinstance(value, str) and value.strip() and "\0" not in value:
        with contextlib.suppress(UnicodeEncodeError):
            value.encode()
            return value
    raise InvalidParameter(name=name, value=value, expected=expected)


def read_expression(name: str, value: Any) -> str:
    """Return the Python that stands for an object in generated code, such as a variable's name."""
    expected = "Python such as 'ds'"
    text = read_text(name, value, expected)
    with contextlib.suppress(SyntaxError, RecursionError, MemoryError):
        parsed(text)
        return text
    raise InvalidParameter(name=name, value=value, expected=expected)


def parsed(text: str) -> ast.expr:
    """Parse an expression of Python."""
    try:
        return ast.parse(text, mode="eval").body
    except SystemError:
        # Before Python 3.11.8, if garbage is collected meanwhile and another thread parses.
        return ast.parse(text, mode="eval").body


def read_path(name: str, value: Any) -> Path:
    """Return the path of a file to write, from text or an object with a path."""
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    return Path(read_text(name, text, "the path of a file"))
