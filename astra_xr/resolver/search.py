"""Search the catalogs of a mission concurrently for scenes of an area and a time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from astra_xr.catalogs import CATALOGS, ORDER, Catalog, connect
from astra_xr.catalogs.base import Page
from astra_xr.catalogs.query import Query
from astra_xr.errors import AstraError, InvalidParameter
from astra_xr.missions import MISSIONS
from astra_xr.net.retries import TimeLimit, time_limited
from astra_xr.resolver.lookup import PASSED_OVER, combined_error, short_reason
from astra_xr.resolver.search_rows import Hit, Row, merged
from astra_xr.settings import Settings

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The results of a search, and what may be missing from them."""

    rows: tuple[Row, ...]
    """Id, datetime, tile, cloud cover, catalogs, … of each scene, newest first."""

    catalog: str | None
    """The only catalog that was queried; None: all of the mission."""

    asked: tuple[str, ...]
    """Names of the catalogs that were queried."""

    passed_over: Mapping[str, str]
    """Name of each catalog whose results are missing or incomplete → why."""

    total: int | None
    """Number of matching scenes, which may be more than ``rows``; None: unknown."""

    exact: bool
    """True if all scenes were counted; False if ``total`` follows from the catalogs' counts."""


@dataclass
class _Answer:
    """The results of one catalog."""

    hits: list[Hit] = field(default_factory=list)
    acquisitions: set[tuple[str, ...]] = field(default_factory=set)
    matched: int | None = None
    broken: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    """Ids of items of its collections that are not recognized as scenes of the mission."""

    trouble: str = ""
    error: AstraError | None = None
    closed: dict[str, bool] = field(default_factory=dict)
    """Host or bucket → True if it needs an account."""

    ended: bool = False
    """True if all pages were read."""

    def missing(self) -> str:
        """Return why the answer may lack scenes; empty if it is complete."""
        reasons = [self.trouble] if self.trouble else []
        if self.error:
            part = f"after {len(self.hits)} items: " if self.hits else ""
            reasons.append(part + short_reason(self.error))
        if self.broken:
            count = len(self.broken)
            what = "1 entry is not an item" if count == 1 else f"{count} entries are not items"
            reasons.append(f"{what} ({self.broken[0]})")
        if self.unknown:
            count = len(self.unknown)
            what = "1 item is" if count == 1 else f"{count} items are"
            reasons.append(f"{what} not recognized ({self.unknown[0]})")
        return "; ".join(reasons)

    def scenes(self) -> int | None:
        """Return the number of scenes in the catalog, estimated from its count of items."""
        if self.matched is None or not self.hits:
            return None
        found = len(self.acquisitions)
        return max(found, round(self.matched * found / len(self.hits)))


def find_rows(query: Query, settings: Settings, named: str | None) -> Rows:
    """Search the named catalog, or all of the mission concurrently, page by page.

    Raises
    ------
    InvalidParameter
        The catalog does not have the mission.
    UpstreamError
        The catalog, or all of them, are down.
    """
    if named and named in CATALOGS:
        _check_serves(named, query.mission, settings)
    order = (named,) if named else ORDER[query.mission]
    catalogs = {name: connect(name, settings) for name in order}
    over = threading.Event()
    with ThreadPoolExecutor(len(order), thread_name_prefix="astra-xr searches") as pool:
        try:
            limit = None if named else settings.timeout
            ask = partial(_asked, query=query, over=over, limit=limit)
            answers = dict(zip(order, pool.map(ask, catalogs.values()), strict=True))
        finally:
            # After an interrupt no thread reads on.
            over.set()
    failures = {name: answer.error for name, answer in answers.items() if answer.error}
    if named and failures:
        raise failures[named]
    if len(failures) == len(order) and not any(each.hits for each in answers.values()):
        titles = {catalogs[name].title: error for name, error in failures.items()}
        raise combined_error(f"scenes of {query.mission}", titles)
    rows = merged(
        {name: answer.hits for name, answer in answers.items()},
        MISSIONS.get(query.mission),
        only=named,
    )
    total, exact = _total(len(rows), list(answers.values()))
    missing = {name: reason for name, each in answers.items() if (reason := each.missing())}
    if missing:
        _log.warning("search: %s", "; ".join(f"{name}: {why}" for name, why in missing.items()))
    return Rows(
        rows=tuple(rows[: query.most]),
        catalog=named,
        asked=tuple(order),
        passed_over=missing,
        total=total,
        exact=exact,
    )


def _check_serves(catalog: str, mission: str, settings: Settings) -> None:
    """Raise if a catalog has no scenes of a mission, rather than find none."""
    serving = [name for name in CATALOGS if mission in connect(name, settings).collections]
    serving.sort(key=[*ORDER[mission], *serving].index)
    if catalog not in serving:
        expected = f"one that has scenes of {mission}: {', '.join(serving)}"
        raise InvalidParameter(name="catalog", value=catalog, expected=expected)


def _asked(catalog: Catalog, query: Query, over: threading.Event, limit: float | None) -> _Answer:
    """Read as many pages of one catalog as the query needs; keep its failure.

    A catalog that is down must not delay the others for long: its first page has ``limit``
    seconds, if any. Failures of later pages are waited out: a part of the answer is there.
    """
    answer = _Answer()
    first = TimeLimit(until=time.monotonic() + limit, over=over) if limit else None
    try:
        pages = iter(catalog.search(query))
        with time_limited(first):
            page = next(pages, None)
        while page is not None:
            _take(page, answer, catalog, query)
            # With one acquisition more than needed, all items of the others have been read.
            if len(answer.acquisitions) > query.most + 1 or over.is_set():
                return answer
            page = next(pages, None)
        answer.ended = not answer.trouble
    except PASSED_OVER as error:
        answer.error = error
    return answer


def _take(page: Page, answer: _Answer, catalog: Catalog, query: Query) -> None:
    answer.matched = page.matched if answer.matched is None else answer.matched
    answer.broken += page.broken
    answer.trouble = page.trouble
    for item in page.items:
        hit = Hit.of(item, catalog, MISSIONS.get(query.mission), answer.closed)
        if hit:
            answer.hits.append(hit)
            answer.acquisitions.add(hit.key)
        else:
            answer.unknown.append(str(item["id"]))


def _total(found: int, answers: Sequence[_Answer]) -> tuple[int | None, bool]:
    """Return the number of matching scenes, and whether it is exact."""
    answers = [answer for answer in answers if not answer.error]
    if all(answer.ended for answer in answers):
        return found, True
    counts = [answer.scenes() for answer in answers if not answer.ended]
    known = [count for count in counts if count is not None]
    return (max(found, *known) if known else None), False
