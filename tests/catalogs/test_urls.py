"""URL sources: they give URLs, and pickle without the secrets in them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astra_xr.catalogs.urls import CatalogUrl, FixedUrl, is_signed
from astra_xr.errors import InvalidParameter, SigningError
from astra_xr.model import SignedUrl
from astra_xr.secret import Secret
from astra_xr.settings import Settings

SECRET = "hUsH0123"
PLAIN = "https://store.example/B04.tif?version=3"
SIGNED = f"https://store.example/B04.tif?sv=1&sig={SECRET}"
HINT = "Pass an item with fresh URLs, or open the scene by its id."


def there_and_back(value: Any) -> Any:
    sent = pickle.dumps(value)
    assert SECRET.encode() not in sent
    return pickle.loads(sent)


class TestIsSigned:
    @pytest.mark.parametrize(
        ("url", "signed"),
        [
            (SIGNED, True),
            (f"https://h/x?SIG={SECRET}", True),
            (f"https://h/x?X-Amz-Date=1&X-Amz-Signature={SECRET}", True),
            (f"https://h/x?Expires=1&Signature={SECRET}&Key-Pair-Id=k", True),
            (f"https://h/x?X-Goog-Signature={SECRET}", True),
            (f"https://h/x?token={SECRET}", True),
            (f"https://h/x?access_token={SECRET}", True),
            (f"https://user:{SECRET}@h/x", True),
            (f"/vsicurl/https://h/x?sig={SECRET}", True),
            (PLAIN, False),
            ("https://h/sig=1/x.tif", False),
            ("s3://bucket/key.tif", False),
            ("file:///data/x.tif", False),
            ("/data/x.tif", False),
            ("x.tif", False),
            ("", False),
        ],
    )
    def test_shapes(self, url: str, signed: bool) -> None:
        assert is_signed(url) is signed

    @pytest.mark.parametrize("name", ["api_key", "subscription-key"])
    def test_keys(self, name: str) -> None:
        assert is_signed(f"https://h/x?{name}={SECRET}")

    def test_relative(self) -> None:
        assert is_signed(f"B04.tif?sig={SECRET}")

    @given(st.sampled_from(["https://[", "see https://[bucket].s3/ ", "x://"]), st.text())
    def test_any_text(self, start: str, text: str) -> None:
        is_signed(start + text)


@pytest.mark.parametrize(
    ("query", "end"),
    [
        ("se=2025-01-15T20%3A00%3A00Z&sig=a", "2025-01-15T20:00:00+00:00"),
        ("se=2025-01-15T22:00:00%2B02:00&sig=a", "2025-01-15T20:00:00+00:00"),
        ("se=2025-01-15&sig=a", "2025-01-15T00:00:00+00:00"),
        ("Expires=1736971200&Signature=a", "2025-01-15T20:00:00+00:00"),
        ("X-Amz-Date=20250115T190000Z&X-Amz-Expires=3600", "2025-01-15T20:00:00+00:00"),
        ("X-Goog-Date=20250115T190000Z&X-Goog-Expires=3600", "2025-01-15T20:00:00+00:00"),
        ("se=soon&sig=a", None),
        ("se=2025-01-15", None),
        ("Expires=99999999999999999999", None),
        ("X-Amz-Date=20250115T190000Z&X-Amz-Expires=9999999999999999999", None),
        ("X-Amz-Date=20250115", None),
        ("v=1", None),
        ("", None),
    ],
)
def test_the_expiry_of_a_signed_url(query: str, end: str | None) -> None:
    ends = FixedUrl(f"https://h/a.tif?{query}")().expires_at
    assert (ends and ends.isoformat()) == end


class TestFixedUrl:
    def test_returns_the_url_as_given(self) -> None:
        assert FixedUrl(SIGNED)() == SignedUrl(url=SIGNED, expires_at=None)

    def test_shows_no_secret(self) -> None:
        shown = "FixedUrl('https://store.example/B04.tif')"
        assert repr(FixedUrl(SIGNED)) == str(FixedUrl(SIGNED)) == shown
        assert SECRET not in f"{FixedUrl(SIGNED)()!r} {FixedUrl(SIGNED)()}"

    def test_refused(self) -> None:
        source = FixedUrl(SIGNED)
        with pytest.raises(SigningError) as caught:
            source(refused=source())
        assert str(caught.value) == (
            "https://store.example/B04.tif cannot be signed: the storage refuses it, and no "
            f"catalog can sign it again. {HINT}"
        )

    @pytest.mark.parametrize("url", [PLAIN, "/data/x.tif", "file:///data/x.tif"])
    def test_without_a_secret_it_travels_whole(self, url: str) -> None:
        arrived = there_and_back(FixedUrl(url))
        assert arrived == FixedUrl(url)
        assert hash(arrived) == hash(FixedUrl(url))
        assert arrived().url == url

    def test_a_signature_stays_behind(self) -> None:
        arrived = there_and_back(FixedUrl(SIGNED))
        for refused in (None, SignedUrl(url=SIGNED)):
            with pytest.raises(SigningError) as caught:
                arrived(refused=refused)
            assert str(caught.value) == (
                "https://store.example/B04.tif cannot be signed: its signature is not sent to "
                f"other processes. {HINT}"
            )

    def test_pickled_twice_it_raises_the_same(self) -> None:
        arrived = there_and_back(there_and_back(FixedUrl(SIGNED)))
        with pytest.raises(SigningError, match="its signature is not sent to other processes"):
            arrived()


class TestCatalogUrl:
    @staticmethod
    def source(tmp_path: Path, **changed: Any) -> CatalogUrl:
        settings = Settings(cache_dir=tmp_path, planetary_computer_key=Secret(SECRET))
        values: dict[str, Any] = {"catalog": "earth-search", "settings": settings, "href": PLAIN}
        return CatalogUrl(**(values | changed))

    def test_asks_its_catalog(self, tmp_path: Path) -> None:
        source = self.source(tmp_path)
        assert source() == SignedUrl(url=PLAIN)
        # A public URL that was refused is the same the next time: reading says what is wrong.
        assert source(refused=source()) == SignedUrl(url=PLAIN)

    def test_travels_without_a_secret(self, tmp_path: Path) -> None:
        source = self.source(tmp_path)
        arrived = there_and_back(source)
        assert (arrived.catalog, arrived.href) == (source.catalog, source.href)
        assert arrived.settings.cache_dir == tmp_path
        assert arrived.settings.planetary_computer_key is None
        assert arrived() == source()

    def test_shows_no_secret(self, tmp_path: Path) -> None:
        assert SECRET not in repr(self.source(tmp_path))
        assert "settings" not in repr(self.source(tmp_path))

    def test_what_cannot_be_signed(self, tmp_path: Path) -> None:
        with pytest.raises(SigningError, match="usgs-landsat is requester-pays"):
            self.source(tmp_path, href="s3://usgs-landsat/B4.TIF")()
        with pytest.raises(SigningError, match="it is neither https nor s3"):
            self.source(tmp_path, href="ftp://usgs/B4.TIF")()
        with pytest.raises(SigningError, match="it is not https"):
            self.source(tmp_path, catalog="planetary-computer", href="s3://usgs/B4.TIF")()

    def test_no_such_catalog(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidParameter) as caught:
            self.source(tmp_path, catalog="google")()
        told = str(caught.value)
        assert told.startswith("Invalid catalog='google': expected one of earth-search, ")
        assert told.endswith(
            "or the URL of a STAC catalog, a folder of items, or a stac-geoparquet file."
        )


class TestSignedUrl:
    def test_shows_no_secret(self) -> None:
        url = SignedUrl(url=SIGNED)
        assert repr(url) == "SignedUrl(expires_at=None)"
        assert str(url) == f"{url}" == "https://store.example/B04.tif"

    def test_stays_in_its_process(self) -> None:
        with pytest.raises(TypeError, match="A signed URL cannot be pickled"):
            pickle.dumps(SignedUrl(url=SIGNED))


@pytest.mark.parametrize(
    "secret",
    [
        "?sas=HUSH",
        "?ticket=HUSH",
        "?access=HUSH",
        "?hmac=HUSH",
        "?HUSH",
        "?v=1&session=HUSH",
        "#HUSH",
    ],
)
def test_only_what_is_known_to_be_harmless_travels(secret: str) -> None:
    url = f"https://h.example/B04.tif{secret}"
    assert b"HUSH" not in pickle.dumps(FixedUrl(url))
    assert FixedUrl(url)().url == url
    plain = "https://h.example/B04.tif?versionId=3Hyg8"
    assert pickle.loads(pickle.dumps(FixedUrl(plain)))().url == plain
