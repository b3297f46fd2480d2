"""Find a scene's item: whom to ask, in which order, and what to say when nobody has it."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
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
from astra_xr.model import Asset, SceneId
from astra_xr.net.memo import Memo
from astra_xr.resolver.bands import BandAsset, match_bands
from astra_xr.resolver.race import Finish, Gate, Runner, race
from astra_xr.sample import SCENES
from astra_xr.settings import Settings

_log = logging.getLogger(__name__)

HEDGE = 2.0
"""Seconds of silence after which the next catalogue is asked as well."""
_KEPT = 256
"""Entries in memory: two a scene, by the catalogue that was named and without. An item is up to
half a megabyte there."""
_LIFE = 3600.0
"""Seconds. Items change when a scene is processed anew."""

PASSED_OVER = (
    SceneNotFound,
    UpstreamError,
    InvalidItem,
    UnknownBand,
    ConversionFailed,
    SigningError,
)
"""After these another catalogue is asked; anything else would be the same everywhere."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A scene's item, whose it is, and the bands in it."""

    item: Item
    shown: Item
    """The item without the signatures that its hrefs may carry, for people."""

    mission: Mission | None
    owner: Catalog | None
    """Whose ways it follows: how it is signed, what its pixels are."""

    full_id: str
    """``mission:product``; of no known mission: the item's own id."""

    bands: Sequence[BandAsset]
    brought: bool
    """True where the caller handed the item over, or it is from the user's own files."""

    assets: dict[Hashable, Asset] = field(default_factory=dict, repr=False, compare=False)
    """What was made of it already, unsigned."""

    giver: str = ""
    """Name of the catalogue that was asked; empty where none was."""

    @classmethod
    def of(
        cls, item: Item, owner: Catalog | None, *, brought: bool = False, giver: str = ""
    ) -> Found:
        """Find out what an item is.

        Raises
        ------
        InvalidItem
            A field that is needed has a value that cannot be.
        """
        mission = mission_of(item)
        name = str(item.get("id"))
        return cls(
            item=item,
            shown=_unsigned(item),
            mission=mission,
            owner=owner,
            full_id=f"{mission.name}:{mission.describe(item)['product']}" if mission else name,
            bands=match_bands(item, mission),
            brought=brought,
            giver=giver,
        )


def _unsigned(value: Any) -> Any:
    """Copy an item without the signatures that its hrefs may carry."""
    if isinstance(value, Mapping):
        return {key: _unsigned(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_unsigned(entry) for entry in value]
    return redact(value) if isinstance(value, str) and is_signed(value) else value


class Lookup:
    """Finds items; keeps those found lately, and asks once however many threads want one.

    Parameters
    ----------
    settings : Settings
        ``timeout`` is what each catalogue has when several may be asked.
    hedge : float
        Seconds of silence after which the next catalogue is asked as well.
    """

    def __init__(self, settings: Settings, *, hedge: float) -> None:
        self._settings = settings
        self._hedge = hedge
        self._gates: dict[str, Gate] = {}
        self._memo: Memo[Any, Finish[Found]] = Memo(size=_KEPT, life=_LIFE)

    def find(
        self, scene: SceneId, name: str | None, failures: Mapping[str, AstraError]
    ) -> tuple[Found, Mapping[str, AstraError]]:
        """Return a scene as one catalogue has it, and why others were passed over.

        Parameters
        ----------
        scene : SceneId
        name : str or None
            The one catalogue to ask; None: the mission's, in order.
        failures : mapping
            Catalogues that are of no use for this scene, and why.

        Raises
        ------
        SceneNotFound, AmbiguousSceneId, UpstreamError
            Nobody gave the scene; or what the one catalogue that was named said.
        InvalidItem, UnknownBand, ConversionFailed, SigningError
            A catalogue has it, but not so that it can be used, and nobody else has it at all.
        """
        order = (name,) if name else ORDER.get(scene.mission, ())
        names = tuple(each for each in order if each not in failures)
        # The user's own files may change at any moment.
        kept = not (name and connect(name, self._settings).own_files)
        try:
            if kept:
                finish = self._memo.get((scene, name, names), lambda: self._ask(scene, names))
            else:
                finish = self._ask(scene, names)
        except _NobodyError as nobody:
            failures = {**failures, **nobody.failures}
        else:
            assert finish.answer is not None
            if name is None:
                self._memo.put((scene, finish.winner, (finish.winner,)), finish)
            return finish.answer, {**failures, **finish.failures}
        if name:
            raise failures[name]
        titles = {each: connect(each, self._settings).title for each in order}
        told = {titles[each]: failures[each] for each in order}
        raise verdict(str(scene), told, hint=_sample_hint(scene))

    def _ask(self, scene: SceneId, names: Sequence[str]) -> Finish[Found]:
        finish = race(
            [self._runner(scene, name) for name in names],
            timeout=self._settings.timeout,
            hedge=self._hedge,
            passed_over=PASSED_OVER,
        )
        told = "".join(f"; {name}: {said(error)}" for name, error in finish.failures.items())
        _log.info("%s: %s%s", scene, finish.winner or "nobody", told)
        if finish.winner is None:
            raise _NobodyError(finish.failures)
        return finish

    def _runner(self, scene: SceneId, name: str) -> Runner[Found]:
        giver = connect(name, self._settings)

        def ask() -> Found:
            item = giver.find(scene)
            owner = owner_of(item, self._settings, found_in=giver)
            return Found.of(item, owner, brought=giver.own_files, giver=name)

        gate = self._gates.setdefault(name, Gate())
        return Runner(name=name, title=giver.title, ask=ask, gate=gate)


class _NobodyError(Exception):
    def __init__(self, failures: Mapping[str, AstraError]) -> None:
        super().__init__()
        self.failures = failures


def said(error: AstraError) -> str:
    """Put a catalogue's failure in a few words.

    Examples
    --------
    >>> said(UpstreamError(service="Earth Search", reason="down (HTTP 503)", retry_after=7))
    'down (HTTP 503), it asks to wait 7 s'
    """
    if isinstance(error, SceneNotFound):
        return "has no such scene"
    if isinstance(error, UpstreamError):
        wait = f", it asks to wait {error.retry_after:g} s" if error.retry_after else ""
        return f"{error.reason}{wait}"
    return str(error).rstrip(".")


def verdict(asked: str, failures: Mapping[str, AstraError], *, hint: str = "") -> AstraError:
    """Say in one error what each catalogue, by its title, said to what was asked."""
    errors = failures.values()
    down = [error for error in errors if isinstance(error, UpstreamError)]
    useless = [error for error in errors if not isinstance(error, UpstreamError | SceneNotFound)]
    if down:
        waits = [error.retry_after for error in down if error.retry_after]
        told = "; ".join(f"{title}: {said(error)}" for title, error in failures.items())
        return UpstreamUnavailable(
            service=f"No catalogue could give {asked}",
            reason=told,
            retry_after=min(waits, default=None),
            hint=hint or "Try again, or name a catalogue with catalog=.",
        )
    if useless:
        return useless[0]
    titles = [title for e in errors if isinstance(e, SceneNotFound) for title in e.asked]
    return SceneNotFound(scene_id=asked, asked=titles, hint=hint)


def _sample_hint(scene: SceneId) -> str:
    if scene.mission == "sentinel-2" and any(name.startswith(scene.name) for name in SCENES):
        return (
            "The built-in sample, a synthetic scene, has this id and needs no network: "
            "catalog='sample'."
        )
    return ""
