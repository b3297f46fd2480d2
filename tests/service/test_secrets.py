"""No key and no signature in a traceback of the service, whatever fails."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from astra_xr.errors import InvalidParameter, SigningError
from astra_xr.model import Asset, Band, SignedUrl
from astra_xr.secret import Secret
from astra_xr.service import app, files, middleware
from astra_xr.service.app import create_app
from astra_xr.service.config import ServiceSettings
from astra_xr.service.keys import Keyring, new_key
from astra_xr.service.signing import UrlSigner
from astra_xr.settings import Settings
from tests.frames import leaks
from tests.service.conftest import core_settings

HUSH = "hUsH0123"
LONG = HUSH * 8
BASE64 = base64.b64encode(LONG.encode()).decode()


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("ASTRA_API_KEYS", HUSH),
        ("ASTRA_URL_KEYS", f"a:{base64.b64encode(HUSH.encode()).decode()}"),
        ("ASTRA_URL_KEYS", f"a:{BASE64},b c:{BASE64}"),
        ("ASTRA_URL_KEYS", f"a:{HUSH}!"),
        ("ASTRA_STORE", f"ftp://user:{HUSH}@store.example"),
        ("ASTRA_STORE", f"s3://bucket?secret_access_key={HUSH}&colour=red"),
        ("ASTRA_LIMITS_URL", f"nowhere://:{HUSH}@127.0.0.1"),
        ("ASTRA_LIMITS_URL", f"redis://:{HUSH}@127.0.0.1:port"),
        ("ASTRA_DRAIN", "soon"),
        ("ASTRA_TIMEOUT", "soon"),
    ],
)
def test_settings(variable: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ASTRA_API_KEYS", "ASTRA_URL_KEYS", "ASTRA_LIMITS_URL", "CDSE_PASSWORD"):
        monkeypatch.setenv(name, {"ASTRA_LIMITS_URL": "memory://"}.get(name, ""))
    monkeypatch.setenv("CDSE_PASSWORD", HUSH)
    monkeypatch.setenv("ASTRA_URL_KEYS", f"a:{BASE64}")
    monkeypatch.setenv(variable, text)
    with pytest.raises(InvalidParameter) as caught:
        create_app()
    hushed = (HUSH, BASE64, base64.b64encode(HUSH.encode()).decode())
    assert leaks(caught.value, *hushed) == []


def test_stored_secrets_show_nothing() -> None:
    settings = ServiceSettings(
        core=Settings(), api_keys=(HUSH,), url_keys={"a": LONG.encode()}, store=f"s3://{HUSH}"  # type: ignore[arg-type, dict-item]
    )  # fmt: skip
    assert HUSH not in repr(settings) + repr(new_key("me")[1])
    assert settings.api_keys == (Secret(HUSH),)


def test_a_broken_file_of_keys(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    ring = Keyring(path)
    path.write_text("{")
    ring._stamp = object()
    assert ring.holder(Secret(f"Bearer {HUSH}")) is None
    with pytest.raises(InvalidParameter) as caught:
        Keyring(path, [new_key("me")[1]])
    assert leaks(caught.value, "astra_sk_live") == []


@pytest.fixture
def failures(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """What the service logs as failures."""
    found: list[BaseException] = []
    for module in (app, middleware):
        monkeypatch.setattr(module, "log_failure", lambda error, _: found.append(error))
    return found


def _ask(service: Any, url: str, **headers: str) -> int:
    async def ask() -> int:
        transport = httpx.ASGITransport(service)
        async with httpx.AsyncClient(transport=transport, base_url="http://it") as client:
            return (await client.get(url, headers=headers)).status_code

    return asyncio.run(ask())


def test_a_request_that_fails(
    failures: list[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, key = new_key("me")
    secret = key.reveal().rpartition("_")[2]
    service = create_app(ServiceSettings(core=core_settings(catalog="sample"), api_keys=(key,)))

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("no")

    path = "/api/v1/assets?scene_id=sentinel-2:S2B_MSIL2A_20250115T184929"
    sent = f"Bearer {key.reveal()}"
    monkeypatch.setattr("astra_xr.resolver.local.LocalResolver.resolve", fail)
    assert _ask(service, path, Authorization=sent) == 500
    monkeypatch.setattr("astra_xr.service.rates.Limiter.count", fail)
    assert _ask(service, path, Authorization=sent) == 500
    assert _ask(service, path, Authorization=f"Bearer {made.id}") == 401
    assert [type(error) for error in failures] == [RuntimeError] * 2
    assert [leaks(error, secret) for error in failures] == [[], []]


def test_a_signed_file_that_fails(
    failures: list[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sample").mkdir()
    (tmp_path / "sample" / "B04.tif").write_bytes(b"1" * 100)
    keys = {"a": Secret(LONG.encode())}
    core = core_settings(catalog="sample", cache_dir=tmp_path)
    service = create_app(ServiceSettings(core=core, url_keys=keys))
    query, _ = UrlSigner(keys).sign("GET", "/assets/sample/B04.tif")

    async def fail(*_: Any) -> None:
        raise OSError("the file became shorter while it was sent")

    monkeypatch.setattr(files, "_serve", fail)
    assert _ask(service, f"/assets/sample/B04.tif?{query}") == 500
    signature = query.rpartition("sig=")[2]
    assert [type(error) for error in failures] == [OSError]
    assert leaks(failures[0], signature, LONG) == []


def test_what_cannot_be_signed(tmp_path: Path) -> None:
    signer = UrlSigner({"a": Secret(LONG.encode())})
    served = files.LocalFiles({"sample": tmp_path}, signer)
    signed = SignedUrl(url=f"https://h/B04.tif?sig={HUSH}", headers=(("X-Key", HUSH),))
    away = SignedUrl(url=f"file:///elsewhere/B04.tif?sig={HUSH}")

    def asset(signed: SignedUrl) -> Asset:
        return Asset(key="a", band=Band(native="B04"), href="https://h/B04.tif", signed=signed,
                     source=lambda refused=None: signed)  # fmt: skip

    calls: list[Callable[[], Any]] = [
        lambda: signer.sign("GET", "/assets/../B04.tif"),
        lambda: served._published(asset(signed), "http://it"),
        lambda: served._published(asset(away), "http://it"),
    ]
    for call in calls:
        with pytest.raises((InvalidParameter, SigningError)) as caught:
            call()
        assert leaks(caught.value, HUSH) == []
