"""The parameters of the API: one table, by which requests are parsed and documented."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Any, get_args
from urllib.parse import parse_qsl

from astra_xr.catalogs import CATALOGS
from astra_xr.errors import InvalidParameter
from astra_xr.resolver.radiometry import RadiometryMode, read_mode
from astra_xr.resolver.routing import FORMATS

_SCENE = "sentinel-2:S2B_MSIL2A_20250115T184929"
_LONGEST_QUERY = 8000
_MOST_BANDS = 200

_TEXT: dict[str, Any] = {"type": "string"}


def parameter(name: str, about: str, schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return an OpenAPI parameter; optional and in the query, unless ``more`` overrides it."""
    known = {"name": name, "in": "query", "required": False, "description": about}
    return known | {"schema": _TEXT | schema} | more


TABLE = {
    each["name"]: each
    for each in (
        parameter(
            "scene_id",
            f"Scene id, e.g. {_SCENE}.",
            {"minLength": 1, "maxLength": 500},
            required=True,
            example=_SCENE,
        ),
        parameter(
            "bands",
            "Native (B04,B08) or common (red,nir) band names, also mixed; all bands by default.",
            {"maxLength": 4000},
            example="red,nir",
        ),
        parameter(
            "format",
            "Format of the files; they are converted if no catalog has them in this format.",
            {"enum": list(FORMATS), "default": "cog"},
        ),
        parameter(
            "catalog",
            "The only catalog to use; by default those of the mission, in order. sample is "
            "synthetic.",
            {"enum": list(CATALOGS)},
        ),
        parameter(
            "radiometry",
            "Which scale and offset are returned. auto: the correct ones, by processing baseline "
            "and catalog. file: those of the file's own tags. raw: none.",
            {"enum": list(get_args(RadiometryMode)), "default": "auto"},
        ),
        parameter(
            "sign",
            "false: URLs are not signed, and files not converted.",
            {"enum": ["true", "false"], "default": "true"},
        ),
        parameter(
            "detail", "full: with all metadata that astra-xr's client needs.", {"enum": ["full"]}
        ),
    )
}
"""The parameters of ``GET /api/v1/assets``, as in OpenAPI."""

PARAMETERS = tuple(TABLE)


@dataclass(frozen=True, kw_only=True)
class AssetsRequest:
    """The parameters of a request of ``GET /api/v1/assets``."""

    scene_id: str
    bands: str | None = None
    format: str = "cog"
    catalog: str | None = None
    radiometry: RadiometryMode = "auto"

    sign: bool = True
    """False: URLs are not signed, and files not converted."""

    full: bool = False
    """True: the response has all metadata that a reader needs."""

    @classmethod
    def parse(cls, query: bytes) -> AssetsRequest:
        """Parse a query string.

        Raises
        ------
        InvalidParameter
            A parameter is missing, unknown, repeated, too long or not one of the valid values.
        """
        given = _pairs(query)
        if not given.get("scene_id"):
            raise _invalid("scene_id", given.get("scene_id"), f"an id such as {_SCENE}")
        bands = given.get("bands", "")
        if bands.count(",") >= _MOST_BANDS:
            raise _invalid("bands", "…", f"at most {_MOST_BANDS} band names")
        for name in ("catalog", "sign", "detail"):  # the resolver checks the other parameters
            known = TABLE[name]["schema"]["enum"]
            if given.get(name, known[0]) not in known:
                raise _invalid(name, given[name], f"one of {', '.join(known)}")
        return cls(
            scene_id=given["scene_id"],
            bands=bands if bands.strip() else None,
            format=given.get("format", "cog"),
            catalog=given.get("catalog"),
            radiometry=read_mode(given.get("radiometry")),
            sign=given.get("sign") != "false",
            full="detail" in given,
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
        raise _invalid("query", "…", expected)
    given: dict[str, str] = {}
    for name, value in pairs:
        if name not in PARAMETERS:
            raise _invalid("query", name, f"one of the parameters {', '.join(PARAMETERS)}")
        if name in given:
            raise _invalid(name, value, "one value")
        longest = TABLE[name]["schema"].get("maxLength", 100)
        # Control characters and invisible letters are in no name.
        odd = any(unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Co") for letter in value)
        if len(value) > longest or odd:
            raise _invalid(name, value, f"at most {longest} printable characters")
        given[name] = value
    return given


def _invalid(name: str, value: str | None, expected: str) -> InvalidParameter:
    return InvalidParameter(name=name, value=value and value[:80], expected=expected)
