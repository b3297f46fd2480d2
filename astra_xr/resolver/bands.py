"""Bands: which asset of an item holds which band, and finding bands by name. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from astra_xr.errors import AmbiguousBand, InvalidParameter, UnknownBand
from astra_xr.missions import Item, Mission
from astra_xr.missions.media_types import is_cog_type, raster_kind
from astra_xr.missions.recognition import by_name, stem_of
from astra_xr.model import CLASS_ROLES, Band
from astra_xr.resolver.band_fields import describe_planes
from astra_xr.resolver.classification import classified, classified_file, is_described_as

_NO_DATA_ROLES = {"thumbnail", "overview", "metadata"}


@dataclass(frozen=True, kw_only=True)
class BandAsset:
    """A band and the asset that holds it."""

    key: str
    """Key of the asset in the item."""

    band: Band
    planes: tuple[Band, ...] = ()
    """The bands of a file of several, in file order."""

    indexes: tuple[int, ...] | None = (1,)
    """Plane numbers in the file, from 1; None if the item does not have their number."""

    listed: bool = True
    """False if it opens only by its name."""

    alone: bool = False
    """True if it is one plane of a file that has, or may have, several."""


def match_bands(item: Item, mission: Mission | None) -> list[BandAsset]:
    """Return the bands of an item, those of the mission's table first and in its order.

    Without a mission every raster asset is a band, named by its key.
    """
    rasters = _rasters(item)
    table = mission.bands(item) if mission else ()
    named = by_name(table)
    found: list[BandAsset] = []
    for band, best in _best(item, rasters, table, named):
        whole = _mission_band(item, best, band)
        found += (whole, *_planes_alone(whole))
    taken = {entry.key for entry in found}
    # Other assets of a known mission (previews, cloud masks, JPEG 2000 twins) open only by their
    # keys.
    for key, asset in rasters.items():
        if key in taken:
            continue
        twin = _twin(named, item, key, asset) or _unlisted(mission, key, asset)
        if twin:
            found.append(replace(_mission_band(item, key, twin), listed=False))
        else:
            found += _own_bands(item, key, asset, listed=mission is None)
    return found


def mask_keys(item: Item, mission: Mission) -> list[str]:
    """Return the keys of the assets that masks use: classes, and cloud probabilities."""
    table, rasters = mission.bands(item), _rasters(item)
    masks = [band for band in table if band.native in mission.masks]
    keys = [key for _, key in _best(item, rasters, masks, by_name(table))]
    return keys + [key for key in rasters if key == mission.cloud_probability]


def _rasters(item: Item) -> dict[str, Any]:
    return {key: asset for key, asset in item["assets"].items() if is_raster(asset)}


def _best(
    item: Item, rasters: Mapping[str, Any], wanted: Iterable[Band], named: Mapping[str, Band]
) -> Iterator[tuple[Band, str]]:
    """Yield the wanted bands that an item has, each with the key of its best asset."""
    keys: dict[str, list[str]] = {}
    for key, asset in rasters.items():
        band = _band_of(item, key, asset, named)
        if band:
            keys.setdefault(band.native, []).append(key)
    for band in wanted:
        if band.native in keys:
            yield band, min(keys[band.native], key=partial(_preference, band, rasters))


def is_raster(asset: Mapping[str, Any]) -> bool:
    """Return True if an asset is a georeferenced raster: TIFF or JPEG 2000, by type or name.

    Data without media type and file extension counts as one: its file decides.
    """
    unnamed = "." not in str(asset.get("href") or ".").rpartition("/")[2]
    unsaid = not asset.get("type") and unnamed and "data" in (asset.get("roles") or ())
    return raster_kind(asset) is not None or unsaid


def select_bands(
    available: Sequence[BandAsset], names: Sequence[str] | None, *, scene: str
) -> dict[str, BandAsset]:
    """Translate band names to the assets that hold them.

    Parameters
    ----------
    available : list of BandAsset
        The scene's bands.
    names : list of str or None
        Native names, common names, any spelling, asset keys, mixed; a role such as
        ``reflectance``, for all listed bands with it; ``all``, or None, for all listed bands.
    scene : str
        The scene's id, for messages.

    Returns
    -------
    dict
        Name as requested (native names for roles and None) → band.

    Raises
    ------
    UnknownBand, AmbiguousBand
        A name fits no band, or several.
    InvalidParameter
        The list is empty, or has one band twice.
    """
    if names is None:
        listed = {entry.band.native: entry for entry in available if entry.listed}
        if not available:
            raise UnknownBand(band="all", scene=scene, available={})
        if not listed:
            names = ", ".join(repr(entry.band.native) for entry in available)
            reason = f"{scene} has only previews and metadata"
            expected = f"names of these: {names}"
            raise InvalidParameter(name="bands", value=None, expected=expected, reason=reason)
        return listed
    if not names:
        raise InvalidParameter(
            name="bands", value=names, expected="at least one band name, or None"
        )
    chosen: dict[str, BandAsset] = {}
    wanted = [pair for name in names for pair in _named(available, name, scene)]
    for name, entry in wanted:
        for other, earlier in chosen.items():
            if (earlier.key, earlier.indexes) == (entry.key, entry.indexes):
                raise InvalidParameter(
                    name="bands",
                    value=list(names),
                    expected="each band once",
                    reason=f"{other!r} and {name!r} are both {entry.band.native}",
                )
        chosen[name] = entry
    return chosen


def split_names(bands: str | Iterable[str] | None) -> list[str] | None:
    """Return band names from a list or from comma-separated text, as in URLs.

    Examples
    --------
    >>> split_names("red, nir")
    ['red', 'nir']
    """
    if bands is None:
        return None
    if isinstance(bands, str):
        return [name.strip() for name in bands.split(",") if name.strip()]
    names = list(bands) if isinstance(bands, Iterable) else [bands]
    for name in names:
        if not isinstance(name, str):
            raise InvalidParameter(name="bands", value=bands, expected="band names as text")
    return names


def _named(
    available: Sequence[BandAsset], name: str, scene: str
) -> Iterable[tuple[str, BandAsset]]:
    """Return the band with a name, else the bands with a role, by their native names."""
    entry = _find(available, name.strip(), scene)
    if entry:
        return [(name, entry)]
    role = name.strip().casefold()
    of_role = [e for e in available if e.listed and role in ("all", e.band.role)]
    if of_role:
        return [(e.band.native, e) for e in of_role]
    planes = {e.key for e in available if e.listed and e.planes}
    shown = [e for e in available if e.listed or e.key in planes] or available
    natives = {e.band.native: e.band.common for e in shown}
    alone = {(e.key, e.indexes) for e in available if e.alone}
    for entry in shown:
        numbers = range(1, len(entry.planes) + 1)
        natives |= {f"{entry.key}.{n}": None for n in numbers if (entry.key, (n,)) not in alone}
    raise UnknownBand(band=name.strip(), scene=scene, available=natives)


def _find(available: Sequence[BandAsset], name: str, scene: str) -> BandAsset | None:
    # A file comes before its planes.
    exact = next((entry for entry in available if entry.key == name), None)
    if exact:
        return exact
    # The mission's own names come first: an asset key may mean something else elsewhere. An
    # exact match beats one in another case.
    for names_of in (lambda e: e.band.names, lambda e: e.band.shared, lambda e: (e.key,)):
        for folded in (str, str.casefold):
            hits = [e for e in available if folded(name) in map(folded, names_of(e))]
            # A whole file comes before a plane of the same name.
            whole = [e for e in hits if e.listed] or hits
            if len({(e.key, e.indexes) for e in whole}) > 1:
                raise AmbiguousBand(band=name, scene=scene, candidates=_candidates(whole))
            if whole:
                return whole[0]
    return _plane_by_number(available, name)


def _plane_by_number(available: Sequence[BandAsset], name: str) -> BandAsset | None:
    """Return one plane of a file, ``key.2``.

    An item may describe fewer planes than the file has, or none: the file decides then.
    """
    key, _, digits = name.rpartition(".")
    number = int(digits) if digits.isdecimal() and len(digits) < 6 else 0
    of_key = [e for e in available if number and e.key.casefold() == key.casefold()]
    whole = next((entry for entry in of_key if not entry.alone), None)
    if whole is None or 0 < len(whole.planes) < number:
        return None
    band = whole.planes[number - 1] if whole.planes else replace(whole.band, common=None, shared=())
    band = replace(
        band, native=f"{whole.key}.{number}", spellings=(), gsd=band.gsd or whole.band.gsd
    )
    new = BandAsset(key=whole.key, band=band, indexes=(number,), listed=False, alone=True)
    return next((e for e in of_key if e.alone and e.indexes == (number,)), new)


def _candidates(entries: Sequence[BandAsset]) -> dict[str, str]:
    natives = [entry.band.native for entry in entries]
    if len(set(natives)) == len(natives):
        return {entry.band.native: _tell_apart(entry.band) for entry in entries}
    # The key of a file would open all of its planes.
    names = [f"{e.key}.{e.indexes[0]}" if e.alone and e.indexes else e.key for e in entries]
    labels = (f"{entry.band.native} of this file" for entry in entries)
    return dict(zip(names, labels, strict=True))


def _tell_apart(band: Band) -> str:
    parts = [band.title or band.common or "", f"{band.wavelength:g} µm" if band.wavelength else ""]
    return ", ".join(part for part in parts if part) or "no description"


def _band_of(
    item: Item, key: str, asset: Mapping[str, Any], named: Mapping[str, Band]
) -> Band | None:
    """Return the band of the mission's table that an asset holds, by its key or description."""
    stem = stem_of(key)
    if stem in named or _NO_DATA_ROLES & set(asset.get("roles") or ()):
        return named.get(stem)
    described = describe_planes(item, key, asset) if named else ()
    # Only by the name: catalogs disagree on common names.
    return named.get(described[0].native.casefold()) if len(described) == 1 else None


def _preference(
    band: Band, rasters: Mapping[str, Any], key: str
) -> tuple[bool, bool, bool, bool, float]:
    """Rank assets of one band, best first.

    By key equal to the native name; COG; native resolution; key among the names; pixel size.
    """
    asset = rasters[key]
    resampled = "sampling:original" not in (asset.get("roles") or ())
    by_key = key.casefold() in {name.casefold() for name in band.names}
    gsd = asset.get("gsd") or math.inf
    return key != band.native, not is_cog_type(asset.get("type")), resampled, not by_key, gsd


def _twin(named: Mapping[str, Band], item: Item, key: str, asset: Mapping[str, Any]) -> Band | None:
    """Return the table's band for a further file of it, which opens only by its asset key."""
    if not named:
        return None
    stem = _TWIN_SUFFIX.sub("", key.casefold())
    described = describe_planes(item, key, asset)
    names = (stem, *(plane.native.casefold() for plane in described if len(described) == 1))
    band = next((named[name] for name in names if name in named), None)
    return band and replace(band, native=key, common=None, spellings=(), shared=())


_TWIN_SUFFIX = re.compile(r"(-jp2|_\d+m)$")


def _unlisted(mission: Mission | None, key: str, asset: Mapping[str, Any]) -> Band | None:
    known = mission.unlisted if mission else ()
    return next((b for b in known if b.native == key and is_described_as(b, asset)), None)


def _mission_band(item: Item, key: str, band: Band) -> BandAsset:
    # A catalog may have a band in another pixel size than its own; NAIP's is the flight's.
    of_asset = item["assets"][key].get("gsd")
    gsd = of_asset or band.gsd or item.get("properties", {}).get("gsd")
    if gsd != band.gsd:
        band = replace(band, gsd=gsd)
    if band.role in CLASS_ROLES and not band.classes:
        band = replace(band, classes=classified(band, item["assets"][key]).classes)
    planes = band.planes
    if planes:
        described = describe_planes(item, key, item["assets"][key])
        # Some files of a mission hold fewer bands than others, in another order.
        if len(described) > 1:
            planes = tuple(_known_plane(plane, band) for plane in described)
    return BandAsset(key=key, band=band, planes=planes, indexes=_count(len(planes) or 1))


def _known_plane(described: Band, band: Band) -> Band:
    """Return the mission's plane for one described in an item, else the described one."""
    names = {name.casefold() for name in described.names}
    for plane in band.planes:
        if names & {name.casefold() for name in plane.names}:
            return plane
    return replace(described, role=band.role, dtype=band.dtype, nodata=band.nodata)


def _planes_alone(whole: BandAsset) -> Iterator[BandAsset]:
    """Return the planes of a file as bands of their own, with names such as ``image.red``.

    The ``red`` of an image for display is no measurement: it has only that longer name.
    """
    for index, plane in enumerate(whole.planes, start=1):
        short = plane.common or plane.native
        long = tuple(dict.fromkeys(f"{name}.{short}" for name in (whole.band.native, whole.key)))
        if whole.band.role == "visual":
            shown = f"{whole.band.title}, {short}"
            band = replace(plane, native=long[0], common=None, spellings=long[1:], title=shown)
        else:
            band = replace(plane, spellings=(*plane.spellings, *long))
        band = replace(band, gsd=whole.band.gsd if band.gsd is None else band.gsd)
        yield BandAsset(key=whole.key, band=band, indexes=(index,), listed=False, alone=True)


def _count(planes: int) -> tuple[int, ...]:
    return tuple(range(1, planes + 1))


def _own_bands(
    item: Item, key: str, asset: Mapping[str, Any], *, listed: bool
) -> Iterator[BandAsset]:
    """Describe an asset that is in no table: the file as a whole, and each of its planes."""
    planes = named = describe_planes(item, key, asset)
    raster = asset.get("raster:bands") or asset.get("bands") or ()
    if len(raster) > 1:
        unnamed = range(len(planes) + 1, len(raster) + 1)
        planes += tuple(Band(native=str(number)) for number in unnamed)
    roles = set(asset.get("roles") or ())
    title = str(asset.get("title") or key)
    if len(planes) == 1:
        only = planes[0]
        band = Band(
            native=key,
            common=only.common if only.common != key else None,
            spellings=(only.native,) if only.native not in (key, only.common) else (),
            wavelength=only.wavelength,
            fwhm=only.fwhm,
            gsd=asset.get("gsd") or only.gsd,
            title=title,
        )
        band = classified(band, asset)
        listed = listed and _is_data(band, roles)
        if not listed:
            band = Band(native=key, title=title, role=band.role, classes=band.classes)
        yield BandAsset(key=key, band=band, listed=listed)
        return
    count = _count(len(planes or raster)) or None
    planes = tuple(classified(plane, asset, n) for n, plane in enumerate(planes, 1))
    band = Band(native=key, gsd=asset.get("gsd"), title=title)
    described = planes or tuple(classified(band, asset, n) for n in count or (1,))
    band = classified_file(band, asset, described)
    listed = listed and _is_data(band, roles)
    yield BandAsset(key=key, band=band, planes=planes, indexes=count, listed=listed)
    if listed:
        yield from _planes_alone(BandAsset(key=key, band=band, planes=planes[: len(named)]))


def _is_data(band: Band, roles: set[str]) -> bool:
    """Return True unless an asset is an image for display, or metadata that flags no pixels."""
    apart = _NO_DATA_ROLES & roles
    return not apart or (apart == {"metadata"} and band.role in CLASS_ROLES)
