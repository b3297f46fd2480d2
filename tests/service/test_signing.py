"""Our own signed URLs: what opens a path, and what does not."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qsl, quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astra_xr.errors import InvalidParameter
from astra_xr.secret import Secret
from astra_xr.service.signing import UrlSigner
from astra_xr.testing import FakeClock

OLD, NEW = Secret(b"o" * 32), Secret(b"n" * 32)
PATH = "/assets/sentinel-2/S2B/B04.tif"


def told(query: str) -> dict[str, str]:
    return dict(parse_qsl(query))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def signer(clock: FakeClock) -> UrlSigner:
    return UrlSigner({"new": NEW, "old": OLD}, clock)


def test_opens_its_path_for_an_hour(signer: UrlSigner, clock: FakeClock) -> None:
    query, expires_at = signer.sign("GET", PATH)
    assert expires_at == clock() + timedelta(hours=1)
    assert signer.accepts("GET", PATH, told(query))
    assert signer.accepts("HEAD", PATH, told(query))
    clock.advance(timedelta(hours=1), seconds=30)
    assert signer.accepts("GET", PATH, told(query))
    clock.advance(seconds=1)
    assert not signer.accepts("GET", PATH, told(query))


def test_a_head_signature_is_one_for_get(signer: UrlSigner) -> None:
    query, _ = signer.sign("HEAD", PATH)
    assert signer.accepts("GET", PATH, told(query))
    assert not signer.accepts("PUT", PATH, told(query))


@pytest.mark.parametrize(
    "path",
    [
        "/assets/sentinel-2/S2B/B08.tif",
        "/assets/sentinel-2/S2B/B04.tif/",
        "//assets/sentinel-2/S2B/B04.tif",
        "/assets/sentinel-2/x/../S2B/B04.tif",
        "/assets/sentinel-2/x/%2e%2e/S2B/B04.tif",
        "/assets/./sentinel-2/S2B/B04.tif",
        "/assets/sentinel-2/S2B/b04.tif",
        "/assets/sentinel-2/S2B/B04.tif%00",
        "/assets/sentinel-2%255C/B04.tif",
        "assets/sentinel-2/S2B/B04.tif",
        "",
    ],
)
def test_opens_no_other_path(signer: UrlSigner, path: str) -> None:
    query, _ = signer.sign("GET", PATH)
    assert not signer.accepts("GET", path, told(query))


def test_spellings_of_one_path_are_one(signer: UrlSigner) -> None:
    query, _ = signer.sign("GET", "/a/ä b.tif")
    assert signer.accepts("GET", quote("/a/ä b.tif"), told(query))


@pytest.mark.parametrize(
    "change",
    [
        {"sig": "A" * 43},
        {"sig": ""},
        {"sig": "ä"},
        {"exp": "99999999999"},
        {"exp": "١٢٣"},
        {"exp": "-1"},
        {"exp": "9" * 400},
        {"kid": "old"},
        {"kid": "other"},
        {"v": "2"},
    ],
)
def test_tampering(signer: UrlSigner, change: dict[str, str]) -> None:
    query, _ = signer.sign("GET", PATH)
    assert not signer.accepts("GET", PATH, told(query) | change)
    without = {name: value for name, value in told(query).items() if name not in change}
    assert not signer.accepts("GET", PATH, without)


def test_keys_are_changed_while_urls_are_out(clock: FakeClock) -> None:
    query, _ = UrlSigner({"old": OLD}, clock).sign("GET", PATH)
    assert UrlSigner({"new": NEW, "old": OLD}, clock).accepts("GET", PATH, told(query))
    assert not UrlSigner({"new": NEW}, clock).accepts("GET", PATH, told(query))
    assert told(UrlSigner({"new": NEW, "old": OLD}, clock).sign("GET", PATH)[0])["kid"] == "new"


@pytest.mark.parametrize(
    "keys", [{}, {"a": Secret(b"short")}, {"a b": NEW}, {"a": NEW, "b": NEW, "c": NEW}]
)
def test_keys_are_checked(keys: dict[str, Secret[bytes]]) -> None:
    with pytest.raises(InvalidParameter, match="at least 32 bytes"):
        UrlSigner(keys)


def test_paths_are_canonical(signer: UrlSigner) -> None:
    with pytest.raises(InvalidParameter, match="without '.' and"):
        signer.sign("GET", "/a/../b")


def test_repr_shows_no_key(signer: UrlSigner) -> None:
    assert repr(signer) == "UrlSigner(new, old)"


fields = st.sampled_from(["v", "kid", "exp", "sig"])


@given(path=st.text(), method=st.text(), query=st.dictionaries(fields, st.text()))
def test_arbitrary_signatures_are_rejected(path: str, method: str, query: dict[str, str]) -> None:
    assert not UrlSigner({"new": NEW}).accepts(method, path, query)
