"""Reading S3 with the caller's keys, against a server that enforces signatures."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import numpy as np
import obstore
import pytest
from obstore.store import S3Store

import astra_xr
from astra_xr.catalogs import connect, s3
from astra_xr.catalogs.s3 import S3, Keys, header_signed
from astra_xr.errors import ReadError, SigningError
from astra_xr.model import SignedUrl
from astra_xr.reading.loop import run
from astra_xr.reading.ranges import RangeFile
from astra_xr.secret import Secret
from astra_xr.settings import Settings
from astra_xr.testing import FakeClock, write_cog
from conftest import Loopback
from tests.conftest import make_dn
from tests.items import plain as field
from tests.servers import s3_missing, serve_s3

BODY = bytes(range(256)) * 10
ODD = "a b/x(1)+é~%41.bin"
NOW = datetime(2025, 1, 1, tzinfo=UTC)
MINE = Settings(aws_access_key_id=Secret("AKID"), aws_secret_access_key=Secret("HUSH"))
SECRETS = ("HUSH", "AKID", "TOKEN")


@dataclass(frozen=True)
class Bucket:
    url: str
    access: str
    secret: str

    @property
    def keys(self) -> Keys:
        return Keys(access=Secret(self.access), secret=Secret(self.secret))

    def settings(self, **changed: Any) -> Settings:
        mine = {"aws_access_key_id": self.access, "aws_secret_access_key": self.secret}
        return Settings(aws_endpoint_url=self.url, **(mine | changed))


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    missing = s3_missing()
    if missing:
        pytest.skip(missing)
    red = write_cog(tmp_path_factory.mktemp("s3") / "red.tif", make_dn(5))
    with serve_s3("private") as (url, access, secret):
        options: Any = {"client_options": {"allow_http": True}, "endpoint": url}
        store = S3Store(
            "private", access_key_id=access, secret_access_key=secret, region="x", **options
        )
        obstore.put(store, ODD, BODY)
        obstore.put(store, "red.tif", red)
        yield Bucket(url, access, secret)


def read(signed: SignedUrl) -> bytes:
    def source(*, refused: SignedUrl | None = None) -> SignedUrl:
        return signed

    return bytes(run(RangeFile(source, signed, "scene red").get(5, 300)))


def test_a_presigned_url_reads_and_none_other_does(bucket: Bucket) -> None:
    for key in (ODD, "red.tif"):
        signed = S3(bucket.settings()).sign(f"s3://private/{key}")
        assert signed.expires_at is not None
        assert timedelta(minutes=59) < signed.expires_at - datetime.now(UTC) <= timedelta(hours=1)
        assert not signed.headers
        assert len(read(signed)) == 295
    for bad in (
        S3(bucket.settings(aws_secret_access_key="wrong")).sign("s3://private/red.tif"),
        S3(bucket.settings(aws_no_sign_request=True)).sign("s3://private/red.tif"),
        SignedUrl(url=signed.url.replace("red.tif", "other.tif")),
    ):
        with pytest.raises(ReadError, match="HTTP 40[13]"):
            read(bad)


def test_signed_headers_read_what_refuses_signed_urls(bucket: Bucket) -> None:
    def sign(now: datetime, keys: Keys = bucket.keys, key: str = ODD) -> SignedUrl:
        return header_signed(
            f"s3://private/{key}", keys, endpoint=bucket.url, region="default", now=now
        )

    now = datetime.now(UTC)
    signed = sign(now)
    assert "?" not in signed.url
    assert signed.expires_at == now + timedelta(minutes=15)
    assert read(signed) == BODY[5:300]
    for bad in (
        sign(now, Keys(access=Secret(bucket.access), secret=Secret("wrong"))),
        sign(now - timedelta(minutes=20)),
        SignedUrl(url=sign(now, key="red.tif").url, headers=signed.headers),
        SignedUrl(url=signed.url),
    ):
        with pytest.raises(ReadError, match="HTTP 403"):
            read(bad)


def test_items_of_a_bucket_open(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "item.json").write_text(json.dumps(field("s3://private/red.tif")))
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", bucket.url)
    with pytest.raises(SigningError, match="no AWS credentials. Set AWS_ACCESS_KEY_ID"):
        astra_xr.open_scene("field_7_Ernte", catalog=str(tmp_path)).red.load()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", bucket.access)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", bucket.secret)
    ds = astra_xr.open_scene("field_7_Ernte", catalog=str(tmp_path))
    sent = pickle.dumps(ds)
    assert bucket.secret.encode() not in sent
    assert bucket.access.encode() not in sent
    dn = make_dn(5).astype(float)
    for each in (ds, pickle.loads(sent)):
        np.testing.assert_array_equal(each.red, np.where(dn == 0, np.nan, dn))


def test_keys_that_were_refused_are_read_again(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a notebook does that puts new temporary keys into its environment."""
    signer = S3(bucket.settings(aws_access_key_id="old", aws_secret_access_key="old"))
    href = f"s3://private/{ODD}"
    stale = signer.sign(href)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", bucket.access)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", bucket.secret)

    def source(*, refused: SignedUrl | None = None) -> SignedUrl:
        return signer.sign(href, refused=refused)

    assert bytes(run(RangeFile(source, stale, "scene red").get(5, 300))) == BODY[5:300]
    assert read(signer.sign(href)) == BODY[5:300]


def test_keys_of_a_profile(bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("boto3")
    lines = ["[mine]", f"aws_access_key_id={bucket.access}"]
    lines.append(f"aws_secret_access_key={bucket.secret}")
    (tmp_path / "credentials").write_text("\n".join(lines))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "mine")
    settings = Settings(aws_endpoint_url=bucket.url)
    assert read(S3(settings).sign(f"s3://private/{ODD}")) == BODY[5:300]
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(SigningError, match="there are no AWS credentials"):
        S3(settings).sign(f"s3://private/{ODD}")


@pytest.mark.parametrize(
    ("expiration", "minutes"), [(None, 5), ("2025-01-01T00:20:00Z", 20), ("2025-01-02", 60)]
)
def test_temporary_keys_of_the_environment(expiration: str | None, minutes: int) -> None:
    told = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "HUSH", "AWS_SESSION_TOKEN": "T"}
    told |= {"AWS_CREDENTIAL_EXPIRATION": expiration} if expiration else {}
    settings = Settings.from_env(told)
    signed = S3(settings, clock=FakeClock(NOW)).sign("s3://bucket/a.TIF")
    assert signed.expires_at == NOW + timedelta(minutes=minutes)
    assert f"X-Amz-Expires={minutes * 60}" in signed.url
    # They say nothing of keys without a token, which do not expire.
    lasting = Settings.from_env({name: text for name, text in told.items() if name[-5:] != "TOKEN"})
    signed = S3(lasting, clock=FakeClock(NOW)).sign("s3://bucket/a.TIF")
    assert signed.expires_at == NOW + timedelta(hours=1)


def test_a_url_dies_with_the_credentials_that_signed_it(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = NOW + timedelta(minutes=20)
    keys = Keys(
        access=Secret("AKID"), secret=Secret("HUSH"), token=Secret("TOKEN"), expires_at=ends
    )
    monkeypatch.setattr(s3, "_keys_of_boto3", lambda: keys)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: True)
    clock = FakeClock(NOW)
    signer = S3(Settings(), clock=clock)
    assert signer.sign("s3://usgs-landsat/a.TIF").expires_at == ends
    clock.advance(timedelta(minutes=20))
    with pytest.raises(SigningError, match="the AWS credentials have expired"):
        signer.sign("s3://usgs-landsat/a.TIF")


def test_requests_to_paid_buckets_bill_the_reader_and_others_do_not() -> None:
    settings = MINE
    for bucket, region in (("usgs-landsat", "us-west-2"), ("sentinel-s2-l1c", "eu-central-1")):
        signed = S3(settings).sign(f"s3://{bucket}/x/B4.TIF")
        query = parse_qs(urlsplit(signed.url).query)
        assert query["x-amz-request-payer"] == ["requester"]
        assert region in query["X-Amz-Credential"][0]
        assert f"s3.{region}.amazonaws.com" in signed.url
        assert not any(secret in f"{signed} {signed!r} {settings}" for secret in SECRETS)


def test_the_region_of_an_unknown_bucket_is_requested_once(network: Loopback) -> None:
    asked: list[str] = []

    def amazon(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.method} {request.url.path}")
        return httpx.Response(403, headers={"x-amz-bucket-region": "ap-south-1"})

    network.routes["s3.amazonaws.com"] = amazon
    settings = MINE
    for _ in range(2):
        url = S3(settings).sign("s3://somebodys-bucket/a.tif").url
        assert url.startswith("https://s3.ap-south-1.amazonaws.com/somebodys-bucket/a.tif?")
        assert "x-amz-request-payer" not in url
    assert asked == ["HEAD /somebodys-bucket"]


def test_public_buckets_need_no_keys() -> None:
    href = "s3://sentinel-cogs/a b.tif"
    url = "https://s3.us-west-2.amazonaws.com/sentinel-cogs/a%20b.tif"
    assert connect("earth-search", Settings()).sign(href) == SignedUrl(url=url)


@pytest.mark.parametrize(
    ("href", "words"),
    [
        (
            "s3://usgs-landsat/a.TIF",
            "usgs-landsat is requester-pays, and there are no AWS .*catalog='planetary-computer'",
        ),
        ("s3://sentinel-s2-l1c/a.jp2", "requester-pays.*catalog='cdse', with a free account"),
        ("s3://bucket", "neither https nor s3://bucket/key"),
        ("s3://bucket/a/../b", "neither https nor s3://bucket/key"),
        ("gs://bucket/a.tif", "neither https nor s3://bucket/key"),
        ("file:///etc/passwd", "neither https nor s3://bucket/key"),
    ],
)
def test_without_keys_the_error_names_what_would_do(href: str, words: str) -> None:
    with pytest.raises(SigningError, match=words):
        connect("earth-search", Settings()).sign(href)


def test_reads_of_one_file_share_a_url_for_a_while() -> None:
    clock = FakeClock(NOW)
    signer = S3(
        MINE,
        clock=clock,
    )
    first = signer.sign("s3://bucket/B04.tif")
    assert signer.sign("s3://bucket/B04.tif") is first
    assert signer.sign("s3://bucket/B08.tif").url != first.url
    clock.advance(timedelta(minutes=6))
    second = signer.sign("s3://bucket/B04.tif")
    assert second.expires_at == NOW + timedelta(minutes=66)
    assert signer.sign("s3://bucket/B04.tif", refused=second) is not second


def test_an_item_at_hand_of_any_bucket_is_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    item = field("s3://mine/red.tif")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "HUSH")
    source = astra_xr.resolve(item, "red", sign=False).assets["red"].source
    signed = pickle.loads(pickle.dumps(source))()
    assert "amazonaws.com/mine/red.tif?" in signed.url
    assert "X-Amz-Signature=" in signed.url
    assert b"HUSH" not in pickle.dumps(source)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(SigningError, match="AWS_ACCESS_KEY_ID"):
        astra_xr.resolve(item, "red", sign=False).assets["red"].source()
