"""Find a scene's item: the catalogs to query, their order, and the error if none has it."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from astra_xr.catalogs import ORDER, Catalog, connect, owner_of
from astra_xr.catalogs.urls import is_signed
from astra_xr.errors import (
    AstraError,
    ConversionFailed,
    InvalidItem,
    SceneNotFound,
    SigningError,
    UnknownBand,
    UpstreamError,
    UpstreamUnavailable,
    redact,
)
from astra_xr.missions import Item, Mission, mission_of
from astra_xr.model import Asset, SceneId, utc_now
from astra_xr.net.memo import Memo
from astra_xr.resolver.bands import BandAsset, match_bands
from astra_xr.resolver.race import Finish, Gate, Runner, race
from astra_xr.sample import SCENES
from astra_xr.settings import Settings

_log = logging.getLogger(__name__)

HEDGE = 2.0
"""Seconds without an answer after which the next catalog is queried too."""
_KEPT = 256
"""Entries in memory: two per scene, with and without the catalog. An item takes up to half a
megabyte."""
_LIFE = 3600.0
"""Seconds. Items change when a scene is reprocessed."""

PASSED_OVER = (
    SceneNotFound,
    UpstreamError,
    InvalidItem,
    UnknownBand,
    ConversionFailed,
    SigningError,
)
"""Errors after which another catalog is queried; other errors would be the same in all catalogs."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A scene's item, its owner, and its bands."""

    item: Item
    shown: Item
    """The item without signatures in its hrefs, for display."""

    mission: Mission | None
    owner: Catalog | None
    """The catalog that signs its hrefs and defines its radiometry."""

    full_id: str
    """``mission:product``; the item's id if the mission is unknown."""

    bands: Sequence[BandAsset]
    own_files: bool
    """True if the item was passed by the caller, or is from the user's own files."""

    assets: dict[Hashable, Asset] = field(default_factory=dict, repr=False, compare=False)
    """Assets made from it so far, unsigned."""

    found_in: str = ""
    """Name of the catalog that returned it; empty if passed by the caller."""

    at: datetime = field(default_factory=utc_now, compare=False)
    """When it was returned."""

    @classmethod
    def of(
        cls, item: Item, owner: Catalog | None, *, own_files: bool = False, found_in: str = ""
    ) -> Found:
        """Return an item with its mission, owner and bands.

        Raises
        ------
        InvalidItem
            A required field has an invalid value.
        """
        item = owner.mended(item) if owner else item
        mission = mission_of(item)
        name = str(item.get("id"))
        return cls(
            item=item,
            shown=_unsigned(item),
            mission=mission,
            owner=owner,
            full_id=mission.scene_id(item) if mission else name,
            bands=match_bands(item, mission),
            own_files=own_files,
            found_in=found_in,
        )


def _unsigned(value: Any) -> Any:
    """Return a copy of an item without signatures in its hrefs."""
    kind = type(value)
    if kind is str:
        # Most texts have neither a query nor a user, and need no closer look.
        signed = ("=" in value or "@" in value) and is_signed(value)
        return redact(value) if signed else value
    if kind is dict or isinstance(value, Mapping):
        # Numbers are most of an item, and a call for each takes longer than all else.
        return {k: v if type(v) in _PLAIN else _unsigned(v) for k, v in value.items()}
    if isinstance(value, list):
        return [v if type(v) in _PLAIN else _unsigned(v) for v in value]
    return redact(value) if isinstance(value, str) and is_signed(value) else value


_PLAIN = {int, float, bool, type(None)}


class Lookup:
    """Finds and caches items; concurrent threads share one request.

    Parameters
    ----------
    settings : Settings
        ``timeout`` is the time for each catalog if several may be queried.
    hedge : float
        Seconds without an answer after which the next catalog is queried too.
    """

    def __init__(self, settings: Settings, *, hedge: float) -> None:
        self._settings = settings
        self._hedge = hedge
        self._gates: dict[str, Gate] = {}
        self._memo: Memo[Any, Finish[Found]] = Memo(size=_KEPT, life=_LIFE)

    def find(
        self,
        scene: SceneId,
        name: str | None,
        failures: Mapping[str, AstraError],
        *,
        first: Sequence[str] = (),
    ) -> tuple[Found, Mapping[str, AstraError]]:
        """Return a scene from the first catalog that has it, and the failures of the others.

        Parameters
        ----------
        name : str or None
            The only catalog to query; None for those of the mission, in order.
        failures : mapping
            Catalogs that are not to be used for this scene, and the reasons.
        first : sequence of str
            Catalogs known to have the scene, which are queried before the others.

        Raises
        ------
        SceneNotFound, AmbiguousSceneId, UpstreamError
            No catalog returned the scene.
        InvalidItem, UnknownBand, ConversionFailed, SigningError
            A catalog has an unusable item of the scene, and no other catalog has one.
        """
        order = (name,) if name else tuple(dict.fromkeys((*first, *ORDER.get(scene.mission, ()))))
        names = tuple(each for each in order if each not in failures)
        # The user's own files may change at any time.
        kept = not (name and connect(name, self._settings).own_files)
        try:
            if kept:
                finish = self._memo.get((scene, name, names), lambda: self._ask(scene, names))
            else:
                finish = self._ask(scene, names)
        except _NotFoundError as not_found:
            failures = {**failures, **not_found.failures}
        else:
            assert finish.answer is not None
            if name is None:
                self._memo.put((scene, finish.winner, (finish.winner,)), finish)
            return finish.answer, {**failures, **finish.failures}
        if name:
            raise failures[name]
        titles = {each: connect(each, self._settings).title for each in order}
        by_title = {titles[each]: failures[each] for each in order}
        raise combined_error(str(scene), by_title, hint=_sample_hint(scene))

    def others(self, scene: SceneId, found: Found) -> list[Found]:
        """Return the other items of a scene that the catalog of one has, the best first.

        Raises
        ------
        UpstreamError
        """
        catalog = connect(found.found_in, self._settings)
        known = [(found.item.get("collection"), found.item["id"])]
        items = []
        for item in catalog.processings(scene):
            if (item.get("collection"), item["id"]) not in known:
                known.append((item.get("collection"), item["id"]))
                items.append(item)
        return [self._found(item, catalog, found.found_in) for item in items]

    def _found(self, item: Item, catalog: Catalog, name: str) -> Found:
        owner = owner_of(item, self._settings, found_in=catalog)
        return Found.of(item, owner, own_files=catalog.own_files, found_in=name)

    def _ask(self, scene: SceneId, names: Sequence[str]) -> Finish[Found]:
        finish = race(
            [self._runner(scene, name) for name in names],
            timeout=self._settings.timeout,
            hedge=self._hedge,
            passed_over=PASSED_OVER,
        )
        others = "".join(
            f"; {name}: {short_reason(error)}" for name, error in finish.failures.items()
        )
        _log.info("%s: %s%s", scene, finish.winner or "no catalog", others)
        if finish.winner is None:
            raise _NotFoundError(finish.failures)
        return finish

    def _runner(self, scene: SceneId, name: str) -> Runner[Found]:
        catalog = connect(name, self._settings)
        return Runner(
            name=name,
            title=catalog.title,
            ask=lambda: self._found(catalog.find(scene), catalog, name),
            gate=self._gates.setdefault(name, Gate()),
        )


class _NotFoundError(Exception):
    def __init__(self, failures: Mapping[str, AstraError]) -> None:
        super().__init__()
        self.failures = failures


def short_reason(error: AstraError) -> str:
    """Return a catalog's failure in a few words.

    Examples
    --------
    >>> short_reason(UpstreamError(service="Earth Search", reason="down (HTTP 503)", retry_after=7))
    'down (HTTP 503), retry after 7 s'
    """
    if isinstance(error, SceneNotFound):
        return "has no such scene"
    if isinstance(error, UpstreamError):
        wait = f", retry after {error.retry_after:g} s" if error.retry_after else ""
        return f"{error.reason}{wait}"
    return str(error).rstrip(".")


def combined_error(what: str, failures: Mapping[str, AstraError], *, hint: str = "") -> AstraError:
    """Return one error for the failures of all catalogs, which are keyed by their titles."""
    errors = failures.values()
    down = [error for error in errors if isinstance(error, UpstreamError)]
    useless = [error for error in errors if not isinstance(error, UpstreamError | SceneNotFound)]
    if down:
        waits = [error.retry_after for error in down if error.retry_after]
        reason = "; ".join(f"{title}: {short_reason(error)}" for title, error in failures.items())
        return UpstreamUnavailable(
            service=f"No catalog could provide {what}",
            reason=reason,
            retry_after=min(waits, default=None),
            hint=hint or "Try again, or name a catalog with catalog=.",
        )
    if useless:
        return useless[0]
    titles = [title for e in errors if isinstance(e, SceneNotFound) for title in e.asked]
    return SceneNotFound(scene_id=what, asked=titles, hint=hint)


def _sample_hint(scene: SceneId) -> str:
    if any(name.startswith(scene.name) for name in SCENES):
        return (
            "The built-in sample has a synthetic scene with this id, which needs no network: "
            "catalog='sample'."
        )
    return ""
