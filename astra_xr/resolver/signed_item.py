"""A ``pystac.Item`` with signed hrefs, which its repr and HTML show without signatures."""

from __future__ import annotations

from typing import Any

import pystac

from astra_xr.errors import redact


class SignedAsset(pystac.Asset):
    """An asset; its repr and its HTML end hrefs before their query."""

    def __repr__(self) -> str:
        return f"<Asset href={redact(self.href)}>"

    def _repr_html_(self) -> str:
        return pystac.Asset.from_dict(_bare(self.to_dict()))._repr_html_()


class SignedItem(pystac.Item):
    """An item; its HTML and the reprs of its assets end hrefs before their query."""

    def _repr_html_(self) -> str:
        shown = _bare(self.to_dict(include_self_link=False, transform_hrefs=False))
        return pystac.Item.from_dict(shown)._repr_html_()


def read_item(raw: dict[str, Any]) -> SignedItem | str:
    """Return a document as an item, or why it is none; the document must not be used afterwards."""
    try:
        item = SignedItem.from_dict(raw, preserve_dict=False)
        for name, asset in item.assets.items():
            item.assets[name] = SignedAsset.from_dict(asset.to_dict())
            item.assets[name].set_owner(item)
    except (pystac.STACError, ValueError, TypeError, LookupError, AttributeError) as error:
        return f"pystac does not accept it ({type(error).__name__}: {redact(error)})"
    return item


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _bare(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_bare(each) for each in value]
    return redact(value) if isinstance(value, str) and "://" in value else value
