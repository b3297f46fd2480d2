"""Scene ids: from text to :class:`~astra_xr.model.SceneId`. Pure."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from astra_xr.errors import InvalidSceneId, closest, redact
from astra_xr.missions import MISSIONS, Mission, read_mission
from astra_xr.model import SceneId

_LONGEST = 500
_DATES = {8: "%Y%m%d", 15: "%Y%m%dT%H%M%S", 14: "%Y%jT%H%M%S"}
"""Length of a part that begins with digits → the form of its date."""


def parse_scene_id(text: str) -> SceneId:
    """Read a scene id, with or without its mission as prefix.

    Parameters
    ----------
    text : str
        ``mission:name``, or only the name if its form shows the mission. The name is an id
        of any of the mission's forms, or the beginning of a product id, cut between two of its
        parts. Case, surrounding blanks and ``.SAFE`` do not matter. Of the URL of a catalog's
        item, the id at its end is read.

    Raises
    ------
    InvalidSceneId
        The mission is unknown, or the name has none of its forms.

    Examples
    --------
    >>> scene = parse_scene_id("sentinel-2:S2B_MSIL2A_20250115T184929")
    >>> str(scene), scene.form, scene.parts["start"]
    ('sentinel-2:S2B_MSIL2A_20250115T184929', 'product', '20250115T184929')
    >>> str(parse_scene_id("LC08_L2SP_044034_20171020_02_T1"))
    'landsat:LC08_L2SP_044034_20171020_02_T1'
    """
    if not isinstance(text, str):
        raise InvalidSceneId(
            scene_id=repr(text),
            reason=f"it is a {type(text).__name__}, not text",
            forms=_examples(),
        )
    return _parse(text.strip())


@functools.lru_cache(maxsize=1024)
def _parse(stripped: str) -> SceneId:
    if len(stripped) > _LONGEST or not stripped.isascii() or not stripped.isprintable():
        raise InvalidSceneId(
            scene_id=stripped, reason="it is too long or has odd characters", forms=_examples()
        )
    if stripped.startswith("/vsi"):
        raise InvalidSceneId(
            scene_id=stripped,
            reason="it begins with a prefix of GDAL",
            hint="Pass the URL without /vsicurl/, or s3://… instead of /vsis3/….",
        )
    if _is_file(stripped):
        return _parse_end(stripped)
    prefix, colon, name = stripped.rpartition(":")
    named = read_mission(prefix)
    if not colon:
        missions = tuple(MISSIONS.values())
    elif named:
        missions = (named,)
    else:
        near = closest(prefix, MISSIONS, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InvalidSceneId(
            scene_id=stripped,
            reason=f"there is no mission {prefix!r} ({hint}missions: {', '.join(MISSIONS)})",
            forms=_examples(),
        )
    bare = name.strip().upper().removesuffix(".SAFE")
    for mission in missions:
        scene = _match(mission, bare)
        if scene:
            _check_dates(scene, stripped, mission)
            return replace(scene, text=name.strip())
    raise InvalidSceneId(
        scene_id=stripped,
        reason=f"{name!r} has none of the forms of {_any_of(missions)}",
        forms=_examples(*missions),
    )


def _is_file(text: str) -> bool:
    """Return True if a text looks like a URL, or the path of a JSON file."""
    return "://" in text or bool(_FILE.search(text))


def _parse_end(url: str) -> SceneId:
    """Read the id at the end of an item's URL or path."""
    try:
        return _parse(_end_of(url))
    except InvalidSceneId:
        pass
    raise InvalidSceneId(
        scene_id=url,
        reason="it looks like a STAC item file, but does not end in a known id",
        hint=f"Open the item itself: open_scene(pystac.Item.from_file({redact(url)!r})).",
    )


def _end_of(url: str) -> str:
    return _FILE.sub("", redact(url).replace("\\", "/").rstrip("/").rpartition("/")[2])


def is_item_url(text: object) -> bool:
    """Return True for the URL of an item of an unknown mission, by the id at its end.

    Examples
    --------
    >>> is_item_url("https://stac.example/collections/flights/items/field-7")
    True
    >>> is_item_url("https://h.example/items/LC08_L2SP_044034_20171020_02_T1")
    False
    """
    if not isinstance(text, str) or not text.strip().startswith(("https://", "http://")):
        return False
    try:
        _parse(text.strip())
    except InvalidSceneId:
        return redact(text) == text and bool(_end_of(text))
    return False


_FILE = re.compile(r"(\.(geo)?json)+$", re.IGNORECASE)


def parse_item_id(text: str) -> SceneId:
    """Read a scene id; any other text counts as the id of an item of an unknown mission.

    Raises
    ------
    InvalidSceneId
        The text cannot be an id.

    Examples
    --------
    >>> str(parse_item_id("field-7")), parse_item_id("LC08_L2SP_044034_20171020").mission
    ('field-7', 'landsat')
    >>> str(parse_item_id("https://stac.example/collections/flights/items/field-7"))
    'field-7'
    """
    try:
        return parse_scene_id(text)
    except InvalidSceneId:
        bare = text.strip() if isinstance(text, str) else ""
        bare = _end_of(bare) if _is_file(bare) else bare
        if not 0 < len(bare) <= _LONGEST or not bare.isprintable():
            raise
    return SceneId(mission="", name=bare, form="item", parts={}, text=bare)


def _match(mission: Mission, name: str) -> SceneId | None:
    for form in mission.id_forms:
        match = form.pattern.fullmatch(name)
        if match:
            parts = mission.parts(match)
            return SceneId(mission=mission.name, name=name, form=form.name, parts=parts)
    return None


def _check_dates(scene: SceneId, text: str, mission: Mission) -> None:
    for part in scene.parts.values():
        form = _DATES.get(len(part)) if part[:7].isdigit() else None
        if not form:
            continue
        try:
            time = datetime.strptime(part, form).replace(tzinfo=UTC)
        except ValueError:
            time = None
        # In these years no search window exceeds the calendar.
        if time and 1957 <= time.year < 9999:
            continue
        reason = f"{part} is not a date"
        raise InvalidSceneId(scene_id=text, reason=reason, forms=_examples(mission))


def _any_of(missions: Sequence[Mission]) -> str:
    titles = [mission.title for mission in missions]
    return " or ".join([", ".join(titles[:-1])] * (len(titles) > 1) + titles[-1:])


def _examples(*missions: Mission) -> list[str]:
    """Return an id in each form of a mission, or of each mission if it is unknown."""
    if len(missions) == 1:
        return [f"{missions[0].name}:{form.example}" for form in missions[0].id_forms]
    return [f"{m.name}:{m.id_forms[0].example}" for m in missions or MISSIONS.values()]
