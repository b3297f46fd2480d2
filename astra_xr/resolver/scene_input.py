"""Scenes as users pass them: ids, STAC items, searches and collections of items."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from astra_xr.errors import InvalidParameter
from astra_xr.missions import clean_item
from astra_xr.model import FoundId


class HasItems(Protocol):
    """Any object with a method ``items()`` that yields STAC items.

    Such as ``pystac_client.ItemSearch``, or a GeoJSON FeatureCollection, which is a mapping.
    """

    def items(self) -> Iterable[Any]:
        """Return the items."""
        ...


def read_scene(value: Any) -> str | dict[str, Any]:
    """Return a scene's id as it is, or a STAC item as JSON that shares nothing with ``value``.

    Raises
    ------
    InvalidParameter
        It is not an id, path, pystac.Item or mapping, or it is several scenes.
    InvalidItem
        It lacks required fields.

    Examples
    --------
    >>> read_scene("landsat:LC08_L2SP_044034_20171020_02_T1")
    'landsat:LC08_L2SP_044034_20171020_02_T1'
    >>> read_scene({"type": "FeatureCollection", "features": []})
    Traceback (most recent call last):
    ...
    astra_xr.errors.InvalidParameter: Invalid scene_id={'type': 'FeatureCollection', 'features': \
[]}: expected a scene id, a pystac.Item or an item as a dict; open_scenes opens several.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, os.PathLike):
        return str(os.fspath(value))
    expected = "a scene id, a pystac.Item or an item as a dict"
    if _is_item(value):
        if not isinstance(value, Mapping):
            value = value.to_dict(include_self_link=True, transform_hrefs=False)
        return clean_item(value)
    if isinstance(value, Iterable) or callable(getattr(value, "items", None)):
        expected += "; open_scenes opens several"
    raise InvalidParameter(name="scene_id", value=value, expected=expected)


def read_scenes(value: Any) -> list[Any]:
    """Return the scenes of a list, a search or a collection of items, each not yet read.

    Parameters
    ----------
    value : iterable or HasItems
        An iterable of ids and items, also an array, a ``pystac.ItemCollection`` or a generator.

    Raises
    ------
    InvalidParameter
        It is none of these, or there are no scenes in it.

    Examples
    --------
    >>> read_scenes({"type": "FeatureCollection", "features": [{"id": "a"}, {"id": "b"}]})
    [{'id': 'a'}, {'id': 'b'}]
    """
    expected = "a list of scene ids or items, or what search() found; open_scene opens one"
    found: Any = None
    if isinstance(value, Mapping):
        found = value.get("features")
    elif hasattr(value, "columns"):
        expected = "a list of scene ids or items; of a table, the column of ids: frame['id']"
    elif hasattr(value, "dtype") and hasattr(value, "shape"):
        # Elements of arrays are neither str nor dict in every library.
        array = getattr(value, "values", value)
        found = array.ravel().tolist()
    elif not isinstance(value, str | bytes | os.PathLike) and not _is_item(value):
        found = _iterated(value)
    if not isinstance(found, list):
        raise InvalidParameter(name="scenes", value=value, expected=expected)
    if not found:
        reason, expected = "the list or search result is empty", "at least one scene"
        raise InvalidParameter(name="scenes", value=[], expected=expected, reason=reason)
    # A row of a search is its id.
    return [each.id if isinstance(getattr(each, "id", None), FoundId) else each for each in found]


def _iterated(value: Any) -> list[Any] | None:
    items = getattr(value, "items", None)
    if not isinstance(value, Iterable) and callable(items):
        value = items()
    return list(value) if isinstance(value, Iterable) else None


def _is_item(value: Any) -> bool:
    """Return True for one item, as an object of pystac's interface or as a mapping."""
    if isinstance(value, Mapping):
        return "features" not in value
    return hasattr(value, "to_dict") and hasattr(value, "assets") and hasattr(value, "properties")
