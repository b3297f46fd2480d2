"""Sign S3 objects for plain HTTP reads, with the user's keys, in the query or in headers.

Signature Version 4 as in "Amazon S3 API Reference: Authenticating Requests".
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import importlib.util
import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from astra_xr.errors import SigningError, redact
from astra_xr.model import SignedUrl, utc_now
from astra_xr.net.client import probe
from astra_xr.net.memo import Memo
from astra_xr.secret import Secret
from astra_xr.settings import Settings

_HREF = re.compile(r"s3://([A-Za-z0-9][A-Za-z0-9._-]+)/(.+)")
_LIFE = timedelta(hours=1)
_KEPT = timedelta(minutes=5)
"""How long a URL is reused, if it remains valid as long again: connections are kept per URL."""

_SHORTEST = timedelta(minutes=5)
"""Assumed remaining life of temporary credentials of unknown end; their issuers renew them then."""

_HEADER_LIFE = timedelta(minutes=15)
"""Allowed difference between a server's clock and the time in a signed header."""

_PUBLIC = {
    "copernicus-dem-30m": "eu-central-1",
    "copernicus-dem-90m": "eu-central-1",
    "e84-earth-search-sentinel-data": "us-west-2",
    "sentinel-cogs": "us-west-2",
}
"""Public buckets of the catalogs and their regions, from the Registry of Open Data on AWS."""

_REQUESTER_PAYS = {
    "naip-analytic": "us-west-2",
    "naip-visualization": "us-west-2",
    "sentinel-s1-l1c": "eu-central-1",
    "sentinel-s2-l1c": "eu-central-1",
    "sentinel-s2-l2a": "eu-central-1",
    "usgs-landsat": "us-west-2",
}
"""Requester-pays buckets of the catalogs and their regions."""


@dataclass(frozen=True, kw_only=True)
class Keys:
    """S3 credentials."""

    access: Secret[str]
    secret: Secret[str]
    token: Secret[str] | None = None
    """Session token of temporary credentials."""

    expires_at: datetime | None = None
    """UTC time at which they and their signatures expire; None if they do not."""


class S3:
    """Signs ``s3://`` hrefs with the user's AWS credentials, which are looked up each time.

    They come from the settings, or else from boto3 if it is installed: profiles and roles, which
    boto3 renews.
    """

    def __init__(self, settings: Settings, clock: Callable[[], datetime] = utc_now) -> None:
        self._settings = settings
        self._clock = clock
        self._kept: Memo[str, SignedUrl] = Memo(
            size=1024, life=self._life, clock=lambda: clock().timestamp()
        )

    def sign(self, href: str, *, refused: SignedUrl | None = None, instead: str = "") -> SignedUrl:
        """Return a URL that reads an object, valid for an hour or as long as the credentials.

        Parameters
        ----------
        href : str
            ``s3://bucket/key``.
        refused : SignedUrl, optional
            URL that the storage refused: keys in the environment are read again.
        instead : str
            Alternative without credentials, for the error message.

        Raises
        ------
        SigningError
            There are no credentials, or the href has another form.
        """
        if refused:
            self._settings = self._settings.renewed()
            self._kept.clear()
        return self._kept.get(href, lambda: self._sign(href, instead))

    def _life(self, signed: SignedUrl) -> float:
        left = signed.expires_at - self._clock() - _KEPT if signed.expires_at else _KEPT
        return min(_KEPT, left).total_seconds()

    def _sign(self, href: str, instead: str) -> SignedUrl:
        bucket, key = split(href)
        endpoint = self._settings.aws_endpoint_url
        keys = self.keys(href, instead=instead)
        if keys is None:
            return SignedUrl(url=_unsigned(bucket, key, endpoint))
        now = self._clock()
        ends = keys.expires_at or (now + _SHORTEST if keys.token else now + _LIFE)
        life = min(_LIFE, ends - now)
        failure = ""
        try:
            pays = bucket in _REQUESTER_PAYS or self._settings.aws_request_payer == "requester"
            region = None if endpoint else bucket_region(bucket)
            store = _store(bucket, region, endpoint, keys, pays)
            url = obstore.sign(store, "GET", key, life)
        except (BaseError, TypeError, ValueError) as error:
            failure = redact(error)
        if failure:
            raise SigningError(href=href, reason=failure, hint="Check AWS_ENDPOINT_URL.")
        return SignedUrl(url=url, expires_at=now + life)

    def check(self, href: str, *, instead: str) -> None:
        """Raise SigningError early if keys are missing, or reading costs and is not allowed."""
        bucket, _ = split(href)
        pays = self._settings.aws_request_payer == "requester"
        if self.keys(href, instead=instead) and bucket in _REQUESTER_PAYS and not pays:
            raise SigningError(
                href=href,
                reason=f"bucket {bucket} is requester-pays, and reading it was not allowed",
                hint="Allow it with catalog= or AWS_REQUEST_PAYER=requester.",
            )

    def keys(self, href: str, *, instead: str = "") -> Keys | None:
        """Return the keys that read an object, None if it is public; raise as :meth:`sign`."""
        bucket, _ = split(href)
        settings = self._settings
        if settings.aws_no_sign_request or (bucket in _PUBLIC and not settings.aws_endpoint_url):
            return None
        keys = aws_keys(settings)
        if keys is None:
            pays = f"bucket {bucket} is requester-pays, and " if bucket in _REQUESTER_PAYS else ""
            reason = f"{pays}there are no AWS credentials"
            raise SigningError(href=href, reason=reason, hint=_how_to(instead), no_keys=True)
        if keys.expires_at and keys.expires_at <= self._clock():
            hint = "Renew them, e.g., with `aws sso login`."
            raise SigningError(href=href, reason="the AWS credentials have expired", hint=hint)
        return keys


def aws_keys(settings: Settings) -> Keys | None:
    """Return the user's AWS keys, from the settings, else from boto3 if it is installed."""
    if settings.aws_access_key_id and settings.aws_secret_access_key:
        token = settings.aws_session_token
        return Keys(
            access=settings.aws_access_key_id,
            secret=settings.aws_secret_access_key,
            token=token,
            expires_at=settings.aws_credential_expiration if token else None,
        )
    return _keys_of_boto3() if importlib.util.find_spec("boto3") else None


class StoreKeys:
    """AWS keys for a store of obstore, which calls this for new ones before they expire.

    They are those of :func:`aws_keys`, which has to find some.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._given: Keys | None = None

    def __call__(self) -> dict[str, Any]:
        """Return keys in the form of obstore."""
        keys = self._given = aws_keys(self._settings)
        if keys is None:
            raise LookupError("there are no AWS credentials any more")
        # Others may be in a profile by then.
        ends = keys.expires_at or utc_now() + _HEADER_LIFE
        return {
            "access_key_id": keys.access.reveal(),
            "secret_access_key": keys.secret.reveal(),
            "token": keys.token.reveal() if keys.token else None,
            "expires_at": ends,
        }

    def end(self) -> datetime | None:
        """Return when the keys that were returned last expire; None if unknown or never."""
        return self._given.expires_at if self._given else None


def split(href: str) -> tuple[str, str]:
    """Return bucket and key of ``s3://bucket/key``.

    Raises
    ------
    SigningError
        The href has another form.
    """
    match = _HREF.fullmatch(href)
    bucket, key = match.groups() if match else ("", "")
    if not key.isprintable() or not bucket or {"", ".", ".."} & set(key.split("/")):
        hint = "Choose another asset or another catalog."
        raise SigningError(href=href, reason="it is neither https nor s3://bucket/key", hint=hint)
    return bucket, key


def header_signed(href: str, keys: Keys, *, endpoint: str, region: str, now: datetime) -> SignedUrl:
    """Return the path-style URL of an object, and the headers that read it for 15 minutes.

    For servers that accept no signed query.

    Parameters
    ----------
    href : str
        ``s3://bucket/key``.
    keys : Keys
        Without a session token: in a header it would follow a redirect to another host.
    endpoint, region : str
        URL of the server, and the name of its region.
    now : datetime
        The time in UTC.

    Raises
    ------
    SigningError
        The href has another form.
    """
    bucket, key = split(href)
    url = f"{endpoint.rstrip('/')}/{bucket}/{quote(key, safe='/~')}"
    parts = urlsplit(url)
    stamp = f"{now:%Y%m%dT%H%M%SZ}"
    sent = {"x-amz-content-sha256": "UNSIGNED-PAYLOAD", "x-amz-date": stamp}
    signed = {"host": parts.netloc, **sent}
    names = ";".join(signed)
    lines = ("GET", parts.path, "", *(f"{k}:{v}" for k, v in signed.items()), "", names)
    request = "\n".join((*lines, "UNSIGNED-PAYLOAD"))
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"
    mac = f"AWS4{keys.secret.reveal()}".encode()
    for part in (*scope.split("/"), text):
        mac = hmac.digest(mac, part.encode(), "sha256")
    credential = f"AWS4-HMAC-SHA256 Credential={keys.access.reveal()}/{scope}"
    authorization = f"{credential}, SignedHeaders={names}, Signature={mac.hex()}"
    headers = (*sent.items(), ("Authorization", authorization))
    return SignedUrl(url=url, headers=headers, expires_at=now + _HEADER_LIFE)


@functools.lru_cache(maxsize=64)
def _store(
    bucket: str, region: str | None, endpoint: str | None, keys: Keys, pays: bool
) -> S3Store:
    config: dict[str, Any] = {"session_token": keys.token.reveal()} if keys.token else {}
    if endpoint:
        config |= {"endpoint": endpoint, "client_options": {"allow_http": True}}
    return S3Store(
        bucket,
        region=region or "us-east-1",
        access_key_id=keys.access.reveal(),
        secret_access_key=keys.secret.reveal(),
        request_payer=pays,
        **config,
    )


def _unsigned(bucket: str, key: str, endpoint: str | None) -> str:
    base = endpoint.rstrip("/") if endpoint else f"https://s3.{bucket_region(bucket)}.amazonaws.com"
    return f"{base}/{bucket}/{quote(key, safe='/~')}"


def bucket_region(bucket: str) -> str:
    """Return the region of an AWS bucket; S3 reports it without credentials."""
    known = {**_PUBLIC, **_REQUESTER_PAYS}.get(bucket)
    url, name = f"https://s3.amazonaws.com/{bucket}", "x-amz-bucket-region"
    try:
        return known or _regions.get(bucket, lambda: probe(url)[name])
    except LookupError:
        return "us-east-1"


_regions: Memo[str, str] = Memo(size=256, life=math.inf)


def _keys_of_boto3() -> Keys | None:
    from botocore.exceptions import BotoCoreError, ClientError

    environment = tuple(os.environ.get(name) for name in _BOTO3_READS)
    try:
        found = _found.get(environment, _boto3_credentials)
        access, secret, token = map(Secret, found.get_frozen_credentials()[:3])
    except (BotoCoreError, ClientError, LookupError):
        # No profile, an unknown profile, a role that is refused, or an expired login.
        return None
    if not access or not secret:
        return None
    ends = getattr(found, "_expiry_time", None)
    return Keys(access=access, secret=secret, token=token or None, expires_at=ends)


_BOTO3_READS = ("AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")

_found: Memo[tuple[str | None, ...], Any] = Memo(size=8, life=math.inf)
"""Environment → credentials of boto3, which renew themselves."""


def _boto3_credentials() -> Any:
    import boto3

    found = boto3.Session().get_credentials()
    if found is None:
        raise LookupError("boto3 finds no credentials")
    return found


def _how_to(instead: str) -> str:
    how = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, keys of your AWS account"
    if not importlib.util.find_spec("boto3"):
        how += ", or pip install 'astra-xr[aws]' to use profiles and roles"
    return f"{how}. {instead or 'Public buckets need only AWS_NO_SIGN_REQUEST=YES.'}"
