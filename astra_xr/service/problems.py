"""Errors over HTTP: RFC 9457 problem documents, and the table of their statuses."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from astra_xr import errors
from astra_xr.errors import AstraError

STATUS: Mapping[type[AstraError], int] = {
    errors.InvalidSceneId: 400,
    errors.InvalidFormat: 400,
    errors.InvalidParameter: 400,
    errors.AuthenticationRequired: 401,
    errors.Forbidden: 403,
    errors.SceneNotFound: 404,
    errors.AmbiguousSceneId: 409,
    errors.UnknownBand: 422,
    errors.AmbiguousBand: 422,
    errors.RateLimited: 429,
    errors.UpstreamError: 502,
    errors.UpstreamUnavailable: 503,
    errors.ConversionsBusy: 503,
    errors.UpstreamTimeout: 504,
    errors.InvalidItem: 502,
    errors.ReadError: 502,
    errors.SigningError: 502,
    errors.ConversionFailed: 500,
    errors.MissingExtra: 500,
    AstraError: 500,
}
"""Class → status; other classes have the status of their parent."""

PLAIN: Mapping[int, tuple[str, str]] = {
    400: ("malformed-request", "This is not HTTP/1.1 (RFC 9112)."),
    404: ("not-found", "There is nothing at this path; /docs lists the paths."),
    405: ("method-not-allowed", "Use GET."),
    412: ("precondition-failed", "The file does not match If-Match or If-Unmodified-Since."),
    416: ("range-not-satisfiable", "The file ends before the range begins."),
    431: ("head-too-long", "The request's line and headers exceed 64 KiB."),
}
"""Status → code and detail of failures that are not an `AstraError`."""

PROBLEM_TYPE = "application/problem+json"


def status_of(error: AstraError) -> int:
    """Return the HTTP status of an error."""
    return next(STATUS[cls] for cls in type(error).__mro__ if cls in STATUS)


def problem(error: AstraError, request_id: str) -> Response:
    """Return the response to an error.

    The body's ``error`` has the exception's attributes, so that a client can raise the same.
    """
    status = status_of(error)
    headers = {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    wait = getattr(error, "retry_after", None)
    if wait is not None:
        headers["Retry-After"] = str(max(1, math.ceil(wait)))
    detail, state = str(error), dict(error.__dict__)
    if type(error) is AstraError:
        detail, state = f"Internal error; the service's log has details under {request_id}.", {}
    body = document(status, error.code, detail, request_id, state)
    return Response(body, status, headers, PROBLEM_TYPE)


def plain_problem(
    status: int, request_id: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Return the response to a failure of `PLAIN`."""
    return Response(document(status, *PLAIN[status], request_id), status, headers, PROBLEM_TYPE)


def document(
    status: int, code: str, detail: str, request_id: str, state: Mapping[str, Any] | None = None
) -> bytes:
    """Return a problem document as JSON."""
    fields: dict[str, Any] = {
        "type": "about:blank",
        "title": code.replace("-", " ").capitalize(),
        "status": status,
        "code": code,
        "detail": detail,
        "request_id": request_id,
    }
    if state:
        fields["error"] = state
    return json.dumps(fields, default=str).encode()
