"""Routing: what is served as it is, and what would have to be converted."""

from __future__ import annotations

from typing import Any

import pytest

from astra_xr.errors import InvalidFormat
from astra_xr.resolver.routing import FORMATS, check_format, needs_conversion, route
from tests.items import COG

JP2 = {"href": "s3://sentinel-s2-l2a/B04.jp2", "type": "image/jp2"}


class TestFormat:
    @pytest.mark.parametrize("format", ["cog", "geotiff", "png", "jpeg"])
    def test_those_of_the_api(self, format: str) -> None:
        assert check_format(format) == format
        assert check_format(format.upper()) == format

    def test_no_others(self) -> None:
        assert FORMATS == ("cog", "geotiff", "png", "jpeg")

    @pytest.mark.parametrize("format", ["", "gif", "tiff", "cog,png", " cog", None, 5, ["cog"]])
    def test_unknown(self, format: Any) -> None:
        with pytest.raises(InvalidFormat) as caught:
            check_format(format)
        assert str(caught.value) == (
            f"Invalid format={format!r}: expected one of cog, geotiff, png, jpeg."
        )


VND = "image/vnd.stac.geotiff; cloud-optimized=true"


class TestRoute:
    @pytest.mark.parametrize(
        "asset",
        [
            {"href": "https://h/B04.tif", "type": COG},
            {"href": "https://h/x", "type": VND},
            {"href": "https://h/x.jp2", "type": COG},
            {"href": "https://h/x", "type": "IMAGE/TIFF; application=geotiff"},
            {"href": "https://h/B04.TIF?sig=1"},
            {"href": "/data/B04.tiff", "type": None},
            {"href": "https://h/B04"},
        ],
    )
    def test_direct(self, asset: dict[str, Any]) -> None:
        assert route(asset, "cog") == "direct"

    @pytest.mark.parametrize(
        ("asset", "format"),
        [
            (JP2, "cog"),
            (JP2, "png"),
            ({"href": "https://h/B04.tif", "type": "image/jp2"}, "cog"),
            ({"href": "https://h/B04.tif", "type": COG}, "png"),
            ({"href": "https://h/B04.tif", "type": COG}, "geotiff"),
            ({"href": "https://h/B04.tif", "type": COG}, "jpeg"),
            ({"href": "https://h/B04.jp2?sig=1"}, "cog"),
        ],
    )
    def test_to_be_converted(self, asset: dict[str, Any], format: str) -> None:
        assert route(asset, format) == "converted"

    @pytest.mark.parametrize(
        ("asset", "needed"),
        [
            ({"href": "https://h/B04.tif", "type": COG}, False),
            ({"href": "https://h/B04.tif", "type": VND}, False),
            (JP2, True),
            # The header has to tell.
            ({"href": "https://h/B04.tif", "type": "image/tiff; application=geotiff"}, None),
            ({"href": "https://h/B04.tif"}, None),
            ({"href": "https://h/B04.jp2"}, None),
            ({"href": "https://h/B04", "type": "application/octet-stream"}, None),
        ],
    )
    def test_what_items_say(self, asset: dict[str, Any], needed: bool | None) -> None:
        assert needs_conversion(asset, "cog") is needed
        assert needs_conversion(asset, "png") is True
