"""Errors on the wire: RFC 9457 problem documents, and the one table of their HTTP statuses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

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
"""Class → status; what is not here has the status of its parent."""

PLAIN: Mapping[int, tuple[str, str]] = {
    400: ("malformed-request", "This is not HTTP/1.1 (RFC 9112)."),
    404: ("not-found", "There is nothing here; /docs lists what there is."),
    405: ("method-not-allowed", "Ask by GET."),
    412: ("precondition-failed", "The file is not the one that If-Match or a date names."),
    416: ("range-not-satisfiable", "The file ends before the range begins."),
    431: ("head-too-long", "The request's line and headers are over 64 KiB."),
}
"""Status → code and words of failures that are no exception of ours."""

PROBLEM_TYPE = "application/problem+json"


def status_of(error: AstraError) -> int:
    """Return the HTTP status of an error."""
    return next(STATUS[cls] for cls in type(error).__mro__ if cls in STATUS)


def problem(error: AstraError, request_id: str) -> tuple[int, bytes, list[tuple[str, str]]]:
    """Return status, body and headers of an error.

    The body's ``error`` holds what the exception holds, so that a client can raise the same.
    """
    status = status_of(error)
    headers = []
    if status == 401:
        headers.append(("WWW-Authenticate", "Bearer"))
    wait = getattr(error, "retry_after", None)
    if wait is not None:
        headers.append(("Retry-After", str(max(1, int(-(-wait // 1))))))
    detail, held = str(error), dict(error.__dict__)
    if type(error) is AstraError:
        detail, held = f"Something went wrong here; the log has more under {request_id}.", {}
    body = document(status, error.code, detail, request_id, held)
    return status, body, headers


def document(
    status: int, code: str, detail: str, request_id: str, held: Mapping[str, Any] | None = None
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
    if held:
        fields["error"] = held
    return json.dumps(fields, default=str).encode()
