"""What a request may ask: its parameters, checked and bounded."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from astra_xr.catalogs import CATALOGS
from astra_xr.errors import InvalidParameter

PARAMETERS = ("scene_id", "bands", "format", "catalog", "radiometry", "sign", "detail")
_LONGEST_QUERY = 8000
_LONGEST = {"scene_id": 500, "bands": 4000}
_MOST_BANDS = 200


@dataclass(frozen=True, kw_only=True)
class AssetsRequest:
    """The parameters of ``GET /api/v1/assets``."""

    scene_id: str
    bands: str | None = None
    format: str = "cog"
    catalog: str | None = None
    radiometry: str | None = None

    sign: bool = True
    """False: nothing is signed, and nothing converted."""

    full: bool = False
    """True: everything that a reader needs comes along."""

    @classmethod
    def parse(cls, query: bytes) -> AssetsRequest:
        """Read a query string.

        Raises
        ------
        InvalidParameter
            A parameter is missing, unknown, repeated, too long or none of the values there are.
        """
        told = _pairs(query)
        if not told.get("scene_id"):
            expected = "an id such as sentinel-2:S2B_MSIL2A_20250115T184929"
            raise InvalidParameter(name="scene_id", value=told.get("scene_id"), expected=expected)
        if told.get("bands", "").count(",") >= _MOST_BANDS:
            raise InvalidParameter(
                name="bands", value="…", expected=f"at most {_MOST_BANDS} band names"
            )
        _one_of(told, "catalog", tuple(CATALOGS))
        _one_of(told, "sign", ("true", "false"))
        _one_of(told, "detail", ("full",))
        taken: dict[str, Any] = {
            name: told[name]
            for name in ("bands", "format", "catalog", "radiometry")
            if name in told
        }
        if not taken.get("bands", "-").strip():
            del taken["bands"]
        return cls(
            scene_id=told["scene_id"],
            sign=told.get("sign") != "false",
            full="detail" in told,
            **taken,
        )


def _pairs(query: bytes) -> dict[str, str]:
    expected = f"at most {_LONGEST_QUERY} characters of name=value, percent-encoded UTF-8"
    pairs = None
    if len(query) <= _LONGEST_QUERY:
        try:
            text = query.decode("ascii")
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=20, errors="strict")
        except ValueError:
            pass
    if pairs is None:
        raise InvalidParameter(name="query", value="…", expected=expected)
    told: dict[str, str] = {}
    for name, value in pairs:
        if name not in PARAMETERS:
            expected = f"parameters: {', '.join(PARAMETERS)}"
            raise InvalidParameter(name="parameter", value=name[:80], expected=expected)
        if name in told:
            raise InvalidParameter(name=name, value=value[:80], expected="to be given once")
        longest = _LONGEST.get(name, 100)
        # Neither controls nor letters that cannot be seen belong into a name.
        odd = any(unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Co") for letter in value)
        if len(value) > longest or odd:
            expected = f"at most {longest} characters that can be seen"
            raise InvalidParameter(name=name, value=value[:80], expected=expected)
        told[name] = value
    return told


def _one_of(told: dict[str, str], name: str, known: tuple[str, ...]) -> None:
    if name in told and told[name] not in known:
        expected = f"one of {', '.join(known)}"
        raise InvalidParameter(name=name, value=told[name], expected=expected)
