"""What may be asked: one table, by which requests are read and the OpenAPI document is written."""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, get_args
from urllib.parse import parse_qsl

from astra_xr.catalogs import CATALOGS
from astra_xr.errors import InvalidParameter
from astra_xr.resolver.radiometry import RadiometryMode, read_mode
from astra_xr.resolver.routing import FORMATS
from astra_xr.service.problems import PLAIN, PROBLEM_TYPE, STATUS
from astra_xr.service.signing import FIELDS

_SCENE = "sentinel-2:S2B_MSIL2A_20250115T184929"
_LONGEST_QUERY = 8000
_MOST_BANDS = 200

_TEXT: dict[str, Any] = {"type": "string"}
_NUMBER: dict[str, Any] = {"type": "number"}
_TEXT_OR_NOTHING: dict[str, Any] = {"type": ["string", "null"]}


def _parameter(name: str, says: str, schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    known = {"name": name, "in": "query", "required": False, "description": says}
    return known | {"schema": _TEXT | schema} | more


_TABLE = {
    parameter["name"]: parameter
    for parameter in (
        _parameter(
            "scene_id",
            f"Scene id, e.g. {_SCENE}.",
            {"minLength": 1, "maxLength": 500},
            required=True,
            example=_SCENE,
        ),
        _parameter(
            "bands",
            "Native (B04,B08) or common (red,nir) band names, mixed; all bands when left out.",
            {"maxLength": 4000},
            example="red,nir",
        ),
        _parameter(
            "format",
            "Format of the files; what no catalog serves so is converted.",
            {"enum": list(FORMATS), "default": "cog"},
        ),
        _parameter(
            "catalog",
            "The one catalog to ask; the mission's own in turn when left out. sample is synthetic.",
            {"enum": list(CATALOGS)},
        ),
        _parameter(
            "radiometry",
            "Which scale and offset are given. auto: those that are right, by processing baseline "
            "and catalog. file: those of the file's own tags. raw: none.",
            {"enum": list(get_args(RadiometryMode)), "default": "auto"},
        ),
        _parameter(
            "sign",
            "false: nothing is signed, and nothing converted.",
            {"enum": ["true", "false"], "default": "true"},
        ),
        _parameter(
            "detail", "full: all that astra-xr's client needs comes along.", {"enum": ["full"]}
        ),
    )
}
"""The parameters of ``GET /api/v1/assets``, as OpenAPI has them."""

PARAMETERS = tuple(_TABLE)


@dataclass(frozen=True, kw_only=True)
class AssetsRequest:
    """The parameters of ``GET /api/v1/assets``, as they were given."""

    scene_id: str
    bands: str | None = None
    format: str = "cog"
    catalog: str | None = None
    radiometry: RadiometryMode = "auto"

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
        given = _pairs(query)
        if not given.get("scene_id"):
            raise _invalid("scene_id", given.get("scene_id"), f"an id such as {_SCENE}")
        bands = given.get("bands", "")
        if bands.count(",") >= _MOST_BANDS:
            raise _invalid("bands", "…", f"at most {_MOST_BANDS} band names")
        for name in ("catalog", "sign", "detail"):  # the resolver checks the others
            known = _TABLE[name]["schema"]["enum"]
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
            raise _invalid("parameter", name, f"parameters: {', '.join(PARAMETERS)}")
        if name in given:
            raise _invalid(name, value, "to be given once")
        longest = _TABLE[name]["schema"].get("maxLength", 100)
        # Neither controls nor letters that cannot be seen belong into a name.
        odd = any(unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Co") for letter in value)
        if len(value) > longest or odd:
            raise _invalid(name, value, f"at most {longest} printable characters")
        given[name] = value
    return given


def _invalid(name: str, value: str | None, expected: str) -> InvalidParameter:
    return InvalidParameter(name=name, value=value and value[:80], expected=expected)


_ASSET = {
    "type": "object",
    "required": ["href", "type", "title", "file:size", "eo:bands", "expires_at", "routing"],
    "properties": {
        "href": {**_TEXT, "description": "Signed URL; needs no other authentication."},
        "type": _TEXT,
        "title": _TEXT,
        "file:size": {"type": ["integer", "null"], "description": "Bytes."},
        "eo:bands": {"type": "array", "items": {"type": "object"}},
        "expires_at": {**_TEXT_OR_NOTHING, "description": "ISO 8601, UTC."},
        "gsd": {"type": ["number", "null"], "description": "Metres."},
        "routing": {"enum": ["direct", "converted"]},
        "source_href": {**_TEXT, "description": "Where the source lies, unsigned."},
        "proj:code": _TEXT,
        "proj:wkt2": _TEXT,
        "proj:shape": {"type": "array", "items": {"type": "integer"}},
        "proj:transform": {"type": "array", "items": _NUMBER},
        "raster:bands": {"type": "array", "items": {"type": "object"}},
        "astra:stretch": {"type": "array", "items": {"type": "array", "items": _NUMBER}},
        "astra:stretch_without": {"type": "array", "items": {"enum": ["nodata", "clouds"]}},
    },
}

_ANSWER = {
    "type": "object",
    "required": ["scene_id", "format", "assets", "metadata"],
    "properties": {
        "scene_id": _TEXT,
        "format": {"enum": list(FORMATS)},
        "assets": {
            "type": "object",
            "description": "By native band name.",
            "additionalProperties": {"$ref": "#/components/schemas/Asset"},
        },
        "metadata": {
            "type": "object",
            "required": ["crs", "resolution", "source_provider", "routing"],
            "properties": {
                "crs": _TEXT_OR_NOTHING,
                "resolution": {"type": ["number", "null"], "description": "Metres."},
                "source_provider": _TEXT,
                "routing": {"enum": ["direct", "converted"]},
            },
        },
        "detail": {"type": "object"},
    },
}

_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail", "request_id"],
    "properties": {
        "type": _TEXT,
        "title": _TEXT,
        "status": {"type": "integer"},
        "code": {
            "enum": sorted({cls.code for cls in STATUS} | {code for code, _ in PLAIN.values()}),
            "description": "Stable name of what is wrong.",
        },
        "detail": {**_TEXT, "description": "What was asked, what exists, what to do."},
        "request_id": {**_TEXT, "description": "Finds the request in the log."},
        "error": {"type": "object", "description": "What the exception holds."},
    },
}


def _problem_answer(says: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": says, "content": {PROBLEM_TYPE: {"schema": schema}}}


_TOO_LONG = {"431": {"description": "The request's line and headers are over 64 KiB."}}


def _codes() -> dict[int, list[str]]:
    codes: dict[int, list[str]] = {}
    for cls, status in STATUS.items():
        codes.setdefault(status, []).append(cls.code)
    codes.setdefault(405, []).append(PLAIN[405][0])
    return dict(sorted(codes.items()))


def _simple(name: str, says: str, media: str, **others: Any) -> dict[str, Any]:
    answers = {"200": {"description": says, "content": {media: {}}}, **others}
    return {"get": {"operationId": name, "summary": says, "security": [], "responses": answers}}


@functools.cache
def openapi() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document."""
    refused = {str(s): _problem_answer(", ".join(codes)) for s, codes in _codes().items()}
    refused["401"]["headers"] = {"WWW-Authenticate": {"schema": _TEXT}}
    for status in ("429", "502", "503", "504"):
        refused[status]["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
    answer = {"application/json": {"schema": {"$ref": "#/components/schemas/Answer"}}}
    path = [
        {"name": name, "in": "path", "required": True, "schema": _TEXT} for name in ("key", "file")
    ]
    file = {
        "summary": "A file, by the signed URL that an answer gave; byte ranges work.",
        "security": [],
        "parameters": path
        + [_parameter(name, "Of the signature.", {}, required=True) for name in FIELDS],
        "responses": {
            "200": {"description": "The file.", "content": {"*/*": {}}},
            "206": {"description": "A range of it.", "content": {"*/*": {}}},
            "304": {"description": "It is as it was."},
            **{str(s): _problem_answer(w) for s, (_, w) in PLAIN.items()},
            "403": _problem_answer("forbidden"),
            **_TOO_LONG,
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Asset Resolver API",
            "version": version("astra-xr"),
            "description": "A scene id becomes the signed URLs of its bands.",
        },
        "servers": [{"url": "/", "description": "The service that gave this document."}],
        "security": [{"key": []}],
        "paths": {
            "/api/v1/assets": {
                "get": {
                    "operationId": "resolveAssets",
                    "summary": "The files of a scene's bands, signed.",
                    "parameters": list(_TABLE.values()),
                    "responses": {
                        "200": {"description": "The files.", "content": answer},
                        **refused,
                        **_TOO_LONG,
                    },
                }
            },
            "/assets/{key}/{file}": {
                "get": {"operationId": "readFile", **file},
                "head": {"operationId": "lookAtFile", **file},
            },
            "/healthz": _simple("isAlive", "It is alive.", "application/json"),
            "/readyz": _simple(
                "isReady",
                "The store can be reached; catalogs are reported beside it.",
                "application/json",
                **{"503": {"description": "It cannot.", "content": {"application/json": {}}}},
            ),
            "/openapi.json": _simple("describe", "This document.", "application/json"),
            "/docs": _simple("showDocs", "This document, for people.", "text/html"),
        },
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Answer": _ANSWER, "Asset": _ASSET, "Problem": _PROBLEM},
        },
    }


_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse}td,th{border:1px solid #8888;padding:.3rem .6rem;"
    "text-align:left;vertical-align:top}pre{background:#8882;padding:.8rem;overflow:auto}"
)
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
DOCS_POLICY = f"default-src 'none'; style-src 'sha256-{_DIGEST}'; frame-ancestors 'none'"


@functools.cache
def docs_page() -> str:
    """Return the document as a page that needs nothing from elsewhere."""
    rows = "".join(
        f"<tr><td><code>{p['name']}</code></td><td>{'yes' if p['required'] else 'no'}</td>"
        f"<td>{html.escape(p['description'])}{_choices(p['schema'])}</td></tr>"
        for p in _TABLE.values()
    )
    errors = "".join(
        f"<tr><td>{status}</td><td><code>{', '.join(codes)}</code></td></tr>"
        for status, codes in _codes().items()
    )
    paths = "".join(
        f"<tr><td><code>GET {html.escape(path)}</code></td>"
        f"<td>{html.escape(page['get']['summary'])}</td></tr>"
        for path, page in openapi()["paths"].items()
    )
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Asset Resolver API</title>"
        f"<style>{_STYLE}</style><h1>Asset Resolver API</h1>"
        "<p>A scene id becomes the signed URLs of its bands. "
        "<a href=/openapi.json>OpenAPI document</a></p>"
        "<pre>curl &quot;$BASE/api/v1/assets?scene_id=sentinel-2:S2B_MSIL2A_20250115T184929"
        "&amp;bands=red,nir&quot; \\\n  -H &quot;Authorization: Bearer $KEY&quot;</pre>"
        f"<h2>Paths</h2><table>{paths}</table>"
        f"<h2>GET /api/v1/assets</h2><table><tr><th>parameter<th>required<th></tr>{rows}</table>"
        f"<h2>Errors</h2><p>Problem documents (RFC 9457) with a stable <code>code</code>.</p>"
        f"<table><tr><th>status<th>code</tr>{errors}</table></html>"
    )


def _choices(schema: Mapping[str, Any]) -> str:
    return f" One of {', '.join(schema['enum'])}." if "enum" in schema else ""
