"""The OpenAPI document, and an HTML page of it."""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from astra_xr import errors
from astra_xr.resolver.routing import FORMATS
from astra_xr.service.parameters import TABLE, parameter
from astra_xr.service.problems import PLAIN, PROBLEM_TYPE, STATUS
from astra_xr.service.signing import FIELDS
from astra_xr.version import __version__

_TEXT: dict[str, Any] = {"type": "string"}
_NUMBER: dict[str, Any] = {"type": "number"}
_TEXT_OR_NOTHING: dict[str, Any] = {"type": ["string", "null"]}

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
        "gsd": {"type": ["number", "null"], "description": "Meters."},
        "routing": {"enum": ["direct", "converted"]},
        "source_href": {**_TEXT, "description": "Unsigned URL of the source."},
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
                "resolution": {"type": ["number", "null"], "description": "Meters."},
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
            "description": "Stable name of the error.",
        },
        "detail": {**_TEXT, "description": "What was requested, what exists, what to do."},
        "request_id": {**_TEXT, "description": "The request's id in the log."},
        "error": {"type": "object", "description": "Attributes of the exception."},
    },
}

_HEADERS = {
    "X-Request-ID": "Id of the request in the log, as sent by the client or else new.",
    "RateLimit": 'Remaining quota of the key: "requests";r=requests;t=seconds until it is renewed.',
    "RateLimit-Policy": 'Quota of the key: "requests";q=requests;w=seconds.',
    "Retry-After": "Seconds to wait.",
    "WWW-Authenticate": "Bearer.",
    "Allow": "Allowed methods.",
    "ETag": "Strong ETag of the file.",
    "Last-Modified": "Time of the file's last change.",
    "Content-Range": "Range of the bytes sent, and size of the file.",
}
_ALWAYS = ("X-Request-ID",)
_KEYED = (*_ALWAYS, "RateLimit", "RateLimit-Policy")
_VERSION = ("ETag", "Last-Modified")

_MORE = {
    401: ("WWW-Authenticate",),
    405: ("Allow",),
    416: ("Content-Range",),
    **dict.fromkeys((429, 502, 503, 504), ("Retry-After",)),
}
"""Status → additional headers of its problems."""

CONDITIONS = {
    "Range": "bytes=first-last, for GET.",
    "If-Range": "The range if this is the file's ETag or Last-Modified, else the whole file.",
    "If-Match": "412 unless one of these is the file's ETag.",
    "If-None-Match": "304 if one of these is the file's ETag.",
    "If-Unmodified-Since": "412 if the file was changed since.",
    "If-Modified-Since": "304 if the file was not changed since.",
}
"""Request headers for files → their meaning."""

_ANY = {
    400: [errors.InvalidParameter.code, PLAIN[400][0]],
    405: [PLAIN[405][0]],
    431: [PLAIN[431][0]],
    500: [errors.AstraError.code],
    503: [errors.UpstreamUnavailable.code],
}
"""Status → codes of problems that any request may have."""

_OF_FILES = {403: [errors.Forbidden.code], **{s: [PLAIN[s][0]] for s in (404, 412, 416)}}

_OURS = {
    status: sorted(cls.code for cls in STATUS if STATUS[cls] == status)
    for status in sorted(set(STATUS.values()))
}


@functools.cache
def _examples() -> dict[str, Any]:
    """Return real responses; ``tests/service/test_examples.py`` writes and checks them."""
    found: dict[str, Any] = json.loads(Path(__file__).with_name("examples.json").read_text("utf-8"))
    return found


def _both(*codes: Mapping[int, list[str]]) -> dict[int, list[str]]:
    """Return all codes of each status."""
    statuses = sorted({status for each in codes for status in each})
    return {s: sorted({code for each in codes for code in each.get(s, [])}) for s in statuses}


def _problems(codes: Mapping[int, list[str]], headers: tuple[str, ...]) -> dict[str, Any]:
    """Return the responses for problems, with an example of each code."""
    return {
        str(status): {
            "description": ", ".join(names),
            "headers": _named(headers if status != 401 else _ALWAYS, _MORE.get(status, ())),
            "content": {
                PROBLEM_TYPE: {
                    "schema": {
                        "allOf": [
                            {"$ref": "#/components/schemas/Problem"},
                            {"properties": {"status": {"const": status}, "code": {"enum": names}}},
                        ]
                    },
                    "examples": {code: {"value": _examples()["problems"][code]} for code in names},
                }
            },
        }
        for status, names in codes.items()
    }


def _named(*names: tuple[str, ...]) -> dict[str, Any]:
    refs = {name: {"$ref": f"#/components/headers/{name}"} for part in names for name in part}
    return dict(sorted(refs.items()))


def _good(about: str, headers: tuple[str, ...], content: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": about, "headers": _named(headers), "content": dict(content)}


def _assets() -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Answer"}
    answer = {"schema": schema, "examples": {"cog": {"value": _examples()["answer"]}}}
    return {
        "operationId": "resolveAssets",
        "tags": ["assets"],
        "summary": "Signed URLs of a scene's bands.",
        "parameters": list(TABLE.values()),
        "responses": {
            "200": _good("The URLs.", _KEYED, {"application/json": answer}),
            **_problems(_both(_ANY, _OURS), _KEYED),
        },
    }


def _file(operation: str, content: Mapping[str, Any]) -> dict[str, Any]:
    signed = dict(zip(FIELDS, _examples()["signature"], strict=True))
    path = {"key": "Folder of the file.", "file": "Its name; with / as %2F, or as it is."}
    version = (*_ALWAYS, *_VERSION)
    whole = {status: codes for status, codes in _OF_FILES.items() if status != 416}
    part = {"206": _good("A range of the file.", (*version, "Content-Range"), content)}
    return {
        "operationId": operation,
        "tags": ["files"],
        "summary": "A file, by its signed URL.",
        "description": "Such URLs are complete in responses; they need no key, and expire at "
        "`expires_at`. Conditions are those of RFC 9110.",
        "security": [],
        "parameters": [
            *(parameter(n, about, {}, **{"in": "path"}, required=True)
              for n, about in path.items()),
            *(parameter(n, "Part of the signature.", {}, required=True, example=text)
              for n, text in signed.items()),
            *(parameter(n, about, {}, **{"in": "header"}) for n, about in CONDITIONS.items()),
        ],
        "responses": {
            "200": _good("The file.", version, content),
            **(part if content else {}),
            "304": {"description": "It was not changed.", "headers": _named(version)},
            **_problems(_both(_ANY, _OF_FILES if content else whole), _ALWAYS),
        },
    }  # fmt: skip


def _simple(
    operation: str, about: str, media: str, example: str = "", unready: bool = False
) -> dict[str, Any]:
    shown = {"example": _examples()[example]} if example else {}
    responses = {"200": _good(about, _ALWAYS, {media: shown}), **_problems(_ANY, _ALWAYS)}
    if unready:
        responses["503"]["content"] |= {media: {"example": _examples()["unready"]}}
    return {
        "operationId": operation,
        "tags": ["service"],
        "summary": about,
        "security": [],
        "responses": responses,
    }


def _paths() -> dict[str, Any]:
    ready = "Whether the store can be written, and catalogs be reached."
    pages = {
        "/healthz": _simple("isAlive", "The service runs.", "application/json", "alive"),
        "/readyz": _simple("isReady", ready, "application/json", "ready", unready=True),
        "/openapi.json": _simple("describe", "This document.", "application/json"),
        "/docs": _simple("showDocs", "This document as a page.", "text/html"),
        "/metrics": _simple("count", "Counters for Prometheus, if ASTRA_METRICS=1.", "text/plain"),
    }
    pages["/metrics"]["responses"] |= _problems({404: [PLAIN[404][0]]}, _ALWAYS)
    file = {"get": _file("readFile", {"*/*": {}}), "head": _file("lookAtFile", {})}
    return {
        "/api/v1/assets": {"get": _assets()},
        "/assets/{key}/{file}": file,
        **{path: {"get": page} for path, page in pages.items()},
    }


@functools.cache
def openapi() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Asset Resolver API",
            "version": __version__,
            "description": "Resolve a scene id to the signed URLs of its bands.",
        },
        "servers": [{"url": "/", "description": "The service of this document."}],
        "security": [{"key": []}],
        "paths": _paths(),
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "headers": {n: {"description": s, "schema": _TEXT} for n, s in _HEADERS.items()},
            "schemas": {"Answer": _ANSWER, "Asset": _ASSET, "Problem": _PROBLEM},
        },
    }


_STYLE = (
    ":root{color-scheme:light dark}td:last-child{overflow-wrap:anywhere}"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse}td,th{border:1px solid #8888;padding:.3rem .6rem;"
    "text-align:left;vertical-align:top}pre{background:#8882;padding:.8rem;overflow:auto}"
)
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
DOCS_POLICY = f"default-src 'none'; style-src 'sha256-{_DIGEST}'; frame-ancestors 'none'"


_LONGEST = 200
"""Characters of an example on the page."""


@functools.cache
def docs_page() -> str:
    """Return the document as a page without external resources."""
    rows = "".join(
        f"<tr><td><code>{p['name']}</code></td><td>{'yes' if p['required'] else 'no'}</td>"
        f"<td>{html.escape(p['description'])}{_choices(p['schema'])}</td></tr>"
        for p in TABLE.values()
    )
    errors = "".join(
        f"<tr><td>{status}</td><td><code>{code}</code><br>{_detail(code)}</td></tr>"
        for status, codes in _both(_ANY, _OF_FILES, _OURS).items()
        for code in codes
    )
    red = {"B04": _examples()["answer"]["assets"]["B04"]}
    answer = json.dumps({**_examples()["answer"], "assets": red}, indent=1, ensure_ascii=False)
    # The numbers of a list on one line.
    answer = re.sub(r"\[\s+([-\d.,\s]+?)\s+\]", lambda m: f"[{' '.join(m[1].split())}]", answer)
    paths = "".join(
        f"<tr><td><code>GET {html.escape(path)}</code></td>"
        f"<td>{html.escape(page['get']['summary'])}</td></tr>"
        for path, page in openapi()["paths"].items()
    )
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width'><title>Asset Resolver API</title>"
        f"<style>{_STYLE}</style><h1>Asset Resolver API</h1>"
        "<p>Resolve a scene id to the signed URLs of its bands. "
        "<a href=/openapi.json>OpenAPI document</a></p>"
        "<pre>curl &quot;$BASE/api/v1/assets?scene_id=sentinel-2:S2B_MSIL2A_20250115T184929"
        "&amp;bands=red,nir&quot; \\\n  -H &quot;Authorization: Bearer $KEY&quot;</pre>"
        f"<h2>Paths</h2><table>{paths}</table>"
        f"<h2>GET /api/v1/assets</h2><table><tr><th>parameter<th>required<th>meaning</tr>"
        f"{rows}</table>"
        f"<h2>Response</h2><p>For <code>bands=red</code>:</p><pre>{html.escape(answer)}</pre>"
        f"<h2>Errors</h2><p>Problem documents (RFC 9457) with a stable <code>code</code>.</p>"
        f"<table><tr><th>status<th>code and example</tr>{errors}</table></html>"
    )


def _choices(schema: Mapping[str, Any]) -> str:
    values = schema.get("enum", ())
    return f" One of {', '.join(values)}." if len(values) > 1 else ""


def _detail(code: str) -> str:
    text: str = _examples()["problems"][code]["detail"]
    return html.escape(text if len(text) < _LONGEST else f"{text[:_LONGEST]}…")
