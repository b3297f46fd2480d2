"""The ASGI app: routes of the asset-resolver API."""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from astra_xr.catalogs import CATALOGS, ORDER, connect
from astra_xr.conversion.stores import LocalStore, workroom
from astra_xr.errors import AstraError, AuthenticationRequired, InvalidParameter
from astra_xr.model import local_path
from astra_xr.net.client import probe
from astra_xr.net.memo import Memo
from astra_xr.net.retries import TimeLimit, time_limited
from astra_xr.resolver.local import LocalResolver
from astra_xr.resolver.resolution import Resolution
from astra_xr.resolver.resolution_json import detail_of
from astra_xr.service.config import ServiceSettings, converter_of
from astra_xr.service.files import PREFIX, LocalFiles
from astra_xr.service.keys import Keyring
from astra_xr.service.logs import log_failure
from astra_xr.service.metrics import Metrics
from astra_xr.service.middleware import Shell
from astra_xr.service.openapi import CONDITIONS, DOCS_POLICY, docs_page, openapi
from astra_xr.service.parameters import AssetsRequest
from astra_xr.service.problems import plain_problem, problem, status_of
from astra_xr.service.rates import Limiter
from astra_xr.service.response_cache import Answer, Answers
from astra_xr.service.signing import UrlSigner

_QUICK = 64
"""Requests resolved concurrently, without those that wait for conversions."""

_READY = 3.0
"""Seconds for which a readiness check is reused."""

_HUNG_UP = 499
"""Status in the log if the client has disconnected."""

_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:\d{1,5})?|\[[0-9a-fA-F:]{2,45}\](:\d{1,5})?", re.ASCII)

T = TypeVar("T")
_Page = Callable[[Request], Awaitable[Response]]
_RequestKey = tuple[bytes, str, str, str]
"""Query, scheme and host of a request, and the id of its API key."""


def create_app(settings: ServiceSettings | None = None) -> ASGIApp:
    """Return the service as an ASGI app.

    Parameters
    ----------
    settings : ServiceSettings, optional
        Default: from the environment.

    Raises
    ------
    InvalidParameter
        A setting is invalid.
    AstraError
        This is Windows.
    """
    check_system()
    return Service(settings or ServiceSettings.from_env()).app()


def check_system() -> None:
    """Raise `AstraError` on systems without ``os.pread``, which the service needs."""
    if not hasattr(os, "pread"):
        raise AstraError(
            "The service does not run on Windows, which lacks os.pread. Run it on Linux or macOS, "
            "in WSL or a container; clients can be on Windows."
        )


class Service:
    """The routes, and the objects that they share."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._converter = converter_of(settings)
        self._resolver = LocalResolver(settings.core, converter=self._converter, bare_urls=True)
        self._answers = Answers(self._made)
        self._readiness = Memo[str, dict[str, bool]](size=1, life=_READY)
        self._keys = Keyring(settings.keys_file, settings.api_keys)
        self._limiter = Limiter(settings.limits_url, settings.rate)
        store = self._converter.store
        whole = {"converted": store.is_whole} if isinstance(store, LocalStore) else {}
        self._files = LocalFiles(_roots(settings), UrlSigner(settings.url_keys), whole)
        self._quick = anyio.CapacityLimiter(_QUICK)
        self._pages: dict[str, _Page] = {
            "/api/v1/assets": self.assets,
            "/healthz": _alive,
            "/readyz": self.ready,
            "/openapi.json": _openapi,
            "/docs": _docs,
            "/metrics": self.counted,
        }
        self._metrics = Metrics(self._pages) if settings.metrics else None

    def app(self) -> ASGIApp:
        """Return the ASGI app of all routes."""
        app: ASGIApp = self._dispatch
        if self._settings.cors_origins:
            app = CORSMiddleware(
                app,
                allow_origins=self._settings.cors_origins,
                allow_methods=["GET"],
                allow_headers=["Authorization", *CONDITIONS],
                expose_headers=[
                    *("Content-Range", "ETag", "Retry-After", "X-Request-ID"),
                    *("RateLimit", "RateLimit-Policy"),
                ],
            )
        return Shell(app, self._metrics.count if self._metrics else None)

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) > 1 or (not hosts and scope["http_version"] == "1.1"):
            error = InvalidParameter(name="Host", value=hosts, expected="one such header")
            await _refusal(error, scope["request_id"])(scope, receive, send)
            return
        if scope["path"].startswith(PREFIX):
            await self._files(scope, receive, send)
            return
        page = self._pages.get(scope["path"])
        if page is None:
            response = plain_problem(404, scope["request_id"])
        elif scope["method"] not in ("GET", "HEAD"):
            response = plain_problem(405, scope["request_id"], {"Allow": "GET, HEAD"})
        else:
            try:
                response = await page(Request(scope, receive))
            except Exception as error:  # noqa: BLE001 - answered here, within CORS, so that browsers show it
                response = _refusal(error, scope["request_id"])
        await response(scope, receive, send)

    async def assets(self, request: Request) -> Response:
        """Answer ``GET /api/v1/assets``."""
        key = self._keys.holder(request.scope["authorization"])
        if key is None:
            hint = "Send it as `Authorization: Bearer astra_sk_live_…`."
            raise AuthenticationRequired(service="The resolver service", hint=hint)
        request.scope["key"] = key
        if self._settings.limits_url.reveal().startswith("memory:"):
            quota = self._limiter.count(key.id, key.rate)
        else:
            quota = await _in_thread(self._quick, self._limiter.count, key.id, key.rate)
        if quota:
            request.scope["quota"] = quota.headers()
            quota.check()
        scope = request.scope
        host = request.headers.get("host", "")
        request_key = (scope["query_string"], scope["scheme"], host, key.id)
        # A cached response was checked when it was made.
        body = self._answers.kept(request_key)
        if body is None:
            body = await _while_there(request, self._answers.get(request_key))
        if body is None:
            return Response(status_code=_HUNG_UP)
        return Response(body, media_type="application/json")

    async def _made(self, request_key: _RequestKey) -> Answer:
        query, scheme, host, key_id = request_key
        parsed, base = AssetsRequest.parse(query), self._base(scheme, host)
        return await self._converter.awaited(
            key_id, lambda: _in_thread(self._quick, self._answer, parsed, base)
        )

    def _answer(self, wanted: AssetsRequest, base: str) -> Answer:
        # Threads are few, so it fails soon, and clients repeat the request. Twice, for lookup and
        # signing.
        until = time.monotonic() + 2 * self._settings.core.timeout
        with time_limited(TimeLimit(until=until)):
            answer = self._resolver.resolve(
                wanted.scene_id,
                wanted.bands,
                wanted.format,
                catalog=wanted.catalog,
                sign=wanted.sign,
                radiometry=wanted.radiometry,
            )
        urls = [a.signed.url for a in answer.assets.values() if a.signed]
        files = tuple(local_path(url) for url in urls if url.startswith("file:"))
        answer = self._files.published(answer, base)
        full = {"detail": detail_of(answer) | {"catalog": _shown(answer)}} if wanted.full else {}
        ends = [a.signed.expires_at for a in answer.assets.values() if a.signed]
        return Answer(
            # Not in a variable, as it has signed URLs.
            body=json.dumps(answer.to_dict() | full, ensure_ascii=False).encode(),
            expires_at=min((end for end in ends if end), default=None),
            files=files,
        )

    async def counted(self, request: Request) -> Response:
        """Answer ``GET /metrics``: the counters, or 404 if they are off."""
        if self._metrics is None:
            return plain_problem(404, request.scope["request_id"])
        body, media_type = await _in_thread(self._quick, self._metrics.page)
        return Response(body, headers={"content-type": media_type})

    async def ready(self, request: Request) -> Response:
        """Answer ``GET /readyz``: 200 if the store can be written; catalogs are only reported."""
        # It needs no key, so its cost for catalogs is bounded.
        found = await _in_thread(self._quick, self._readiness.get, "", self._ready)
        body = json.dumps({"ready": found["store"], **found})
        return Response(body, 200 if found["store"] else 503, media_type="application/json")

    def _ready(self) -> dict[str, bool]:
        core = self._settings.core
        try:
            workroom(self._converter.folder)
            self._converter.store.find("ready")
            store = True
        except (OSError, AstraError):
            store = False
        # The operator's own catalog is not asked; one without a URL is always there.
        named = core.catalog
        names = ORDER["sentinel-2"][:2] if named is None else (named,) if named in CATALOGS else ()
        roots = [connect(name, core).root for name in names]
        catalogs = not any(roots) or any(bool(probe(root)) for root in roots)
        return {"store": store, "catalogs": catalogs}

    def _base(self, scheme: str, host: str) -> str:
        if self._settings.public_url:
            return self._settings.public_url.rstrip("/")
        if not _HOST.fullmatch(host):
            raise InvalidParameter(name="Host", value=host[:80], expected="a host and port")
        return f"{scheme}://{host}"


async def _in_thread(limiter: anyio.CapacityLimiter, call: Callable[..., T], *args: Any) -> T:
    # The thread continues if the request is canceled.
    return await anyio.to_thread.run_sync(call, *args, abandon_on_cancel=True, limiter=limiter)


async def _while_there(request: Request, work: Coroutine[Any, Any, T]) -> T | None:
    """Return the result of the work; cancel it and return None if the client disconnects."""
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        task.cancel()
        gone.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _roots(settings: ServiceSettings) -> dict[str, Path]:
    cache = settings.core.cache_dir
    roots = {"sample": cache / "sample", "converted": cache / "converted" / "assets"}
    own = settings.core.catalog
    if own and own not in CATALOGS and "://" not in own:
        path = Path(own).expanduser()
        roots["own"] = path if path.is_dir() else path.parent
    return roots


def _shown(answer: Resolution) -> str | None:
    """Return the catalog's name, without the path of its folder."""
    name = answer.catalog
    return name if name is None or name in CATALOGS else name.rstrip("/").rpartition("/")[2]


def _refusal(error: Exception, request_id: str) -> Response:
    shown = error if isinstance(error, AstraError) else AstraError()
    if status_of(shown) >= 500:
        # Logged first: the client may look for its id at once.
        log_failure(error, request_id)
    return problem(shown, request_id)


async def _alive(request: Request) -> Response:
    return Response(b'{"alive": true}', media_type="application/json")


async def _openapi(request: Request) -> Response:
    return Response(json.dumps(openapi()), media_type="application/json")


async def _docs(request: Request) -> Response:
    headers = {"Content-Security-Policy": DOCS_POLICY}
    return Response(docs_page(), media_type="text/html", headers=headers)
