"""Routing: what is served as it is, and what would have to be converted."""

from __future__ import annotations

from typing import Any

import pytest

from astra_xr.errors import ConversionRequired, InvalidFormat
from astra_xr.resolver.routing import FORMATS, check_format, route
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
            f"format={format!r} cannot work: expected one of cog, geotiff, png, jpeg."
        )


class TestRoute:
    @pytest.mark.parametrize(
        "asset",
        [
            {"href": "https://h/B04.tif", "type": COG},
            {"href": "https://h/x", "type": "image/vnd.stac.geotiff; cloud-optimized=true"},
            {"href": "https://h/x", "type": "IMAGE/TIFF; application=geotiff"},
            {"href": "https://h/B04.TIF?sig=1"},
            {"href": "/data/B04.tiff", "type": None},
        ],
    )
    def test_direct(self, asset: dict[str, Any]) -> None:
        assert route("B04", asset, "cog") == "direct"

    @pytest.mark.parametrize(
        ("asset", "format", "served"),
        [
            (JP2, "cog", "image/jp2"),
            (JP2, "png", "image/jp2"),
            ({"href": "https://h/B04.tif", "type": COG}, "png", COG),
            ({"href": "https://h/B04.tif", "type": COG}, "jpeg", COG),
            ({"href": "https://h/B04.jp2"}, "cog", "a file of unstated type"),
            ({"href": "https://h/B04"}, "cog", "a file of unstated type"),
            ({"type": ""}, "cog", "a file of unstated type"),
        ],
    )
    def test_to_be_converted(self, asset: dict[str, Any], format: str, served: str) -> None:
        with pytest.raises(ConversionRequired) as caught:
            route("B04", asset, format)
        assert str(caught.value).startswith(
            f"Band B04 is served as {served}, not as {format!r}: it would have to be converted"
        )
        assert (caught.value.band, caught.value.format) == ("B04", format)
