"""No secret in a traceback: each login, token and key, with each fault of the service."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

import astra_xr
from astra_xr import RemoteResolver
from astra_xr.catalogs.cdse import Cdse
from astra_xr.catalogs.lpdaac import LpDaac
from astra_xr.catalogs.planetary_computer import PlanetaryComputer
from astra_xr.errors import AstraError, InvalidParameter
from astra_xr.model import SignedUrl
from astra_xr.net.client import fetch_json
from astra_xr.resolver.remote import ServiceUrl
from astra_xr.secret import Secret
from astra_xr.settings import Settings, config_file
from conftest import Loopback
from tests.frames import leaks

HUSH = "hUsH0123"
BASIC = base64.b64encode(f"me:{HUSH}".encode()).decode()
SCENE = "sentinel-2:S2B_MSIL2A_20250115T184929"
URL = "https://resolver.example"
CDSE_FILE = "https://zipper.dataspace.copernicus.eu/odata/v1/Products(1)/$value"
HLS_FILE = "https://data.lpdaac.earthdatacloud.nasa.gov/lp-prod-protected/HLS/B04.tif"
BLOB = "https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2/B04.tif"
OURS = Settings(api_url=URL, api_key=Secret(HUSH))

LOGINS: dict[str, Callable[[], Any]] = {
    "cdse": lambda: Cdse(Settings(cdse_username=Secret("me"), cdse_password=Secret(HUSH))).sign(
        CDSE_FILE
    ),
    "earthdata account": lambda: LpDaac(
        Settings(earthdata_username=Secret("me"), earthdata_password=Secret(HUSH))
    ).sign(HLS_FILE),
    "earthdata token": lambda: LpDaac(Settings(earthdata_token=Secret(HUSH))).sign(HLS_FILE),
    "planetary computer": lambda: PlanetaryComputer(
        Settings(planetary_computer_key=Secret(HUSH))
    ).sign(BLOB),
    "resolver": lambda: RemoteResolver(URL, HUSH).resolve(SCENE, "red"),
    "resolver's url": ServiceUrl(
        settings=OURS, scene=SCENE, band="B04", format="cog", catalog=None
    ),
    "signed document": lambda: fetch_json(
        "The file", SignedUrl(url=f"{URL}/a.json?sig={HUSH}", headers=(("X-Key", HUSH),)), timeout=9
    ),
}
"""Each sends ``HUSH`` somewhere."""


def _hang_up(request: httpx.Request) -> httpx.Response:
    raise httpx.RemoteProtocolError(f"{request.url} {request.content!r}", request=request)


def _time_out(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout(f"{request.url}", request=request)


def _answer(status: int, **content: Any) -> Callable[[httpx.Request], httpx.Response]:
    return lambda _: httpx.Response(status, **content)


_OTHER = {"secret": HUSH, "assets": {"B04": {"href": f"https://h/a.tif?sig={HUSH}"}}}

FAULTS: dict[str, Callable[[httpx.Request], httpx.Response]] = {
    "hang-up": _hang_up,
    "timeout": _time_out,
    **{str(status): _answer(status, json=_OTHER) for status in (400, 401, 403, 404, 429, 500, 503)},
    "html": _answer(200, html=f"<html>{HUSH}"),
    "no gzip": _answer(200, headers={"Content-Encoding": "gzip"}, content=HUSH.encode()),
    "a list": _answer(200, json=[HUSH]),
    "other fields": _answer(200, json=_OTHER),
    "another type": _answer(
        200, json={"access_token": [HUSH], "token": {"a": HUSH}, "detail": HUSH, **_OTHER}
    ),
    "an odd end": _answer(
        200,
        json={
            **_OTHER,
            "access_token": HUSH,
            "expires_in": 1e300,
            "token": f"?sig={HUSH}",
            "msft:expiry": "0001-01-01T00:00:00+23:59",
        },
    ),
    "to the login": _answer(
        302, headers={"Location": f"https://urs.earthdata.nasa.gov/?code={HUSH}"}
    ),
}
_RAISED = ("hang-up", "timeout", "400", "401", "403", "429", "500", "503", "html", "no gzip")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("login", LOGINS)
def test_logins(login: str, fault: str, network: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    for host in (
        "identity.dataspace.copernicus.eu",
        "urs.earthdata.nasa.gov",
        "data.lpdaac.earthdatacloud.nasa.gov",
        "planetarycomputer.microsoft.com",
        "resolver.example",
    ):
        network.routes[host] = FAULTS[fault]
    error = _error_of(LOGINS[login])
    # Of a file in the cloud only its redirect matters.
    lasting = fault in _RAISED and (login, fault) not in _OF_NO_MATTER
    assert isinstance(error, AstraError if lasting else AstraError | None)
    assert error is None or leaks(error, HUSH, BASIC) == []


_OF_NO_MATTER = {("earthdata token", fault) for fault in ("400", "html")}


def _error_of(call: Callable[[], Any]) -> BaseException | None:
    try:
        call()
    except Exception as error:  # noqa: BLE001  (whatever it is)
        return error
    return None


def test_a_header_that_cannot_be_sent(network: Loopback) -> None:
    network.routes["planetarycomputer.microsoft.com"] = _answer(200, json={})
    for key in (f"{HUSH}é", f"{HUSH}\n"):
        with pytest.raises(AstraError) as caught:
            PlanetaryComputer(Settings(planetary_computer_key=Secret(key))).sign(BLOB)
        assert leaks(caught.value, HUSH) == []


def test_an_interrupted_login(network: Loopback) -> None:
    def interrupt(request: httpx.Request) -> httpx.Response:
        raise KeyboardInterrupt

    network.routes["identity.dataspace.copernicus.eu"] = interrupt
    with pytest.raises(KeyboardInterrupt) as caught:
        LOGINS["cdse"]()
    assert leaks(caught.value, HUSH) == []


def test_settings_beside_a_bad_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDSE_PASSWORD", HUSH)
    monkeypatch.setenv("ASTRA_TIMEOUT", "soon")
    calls: list[Callable[[], Any]] = [
        Settings.from_env,
        lambda: Settings.from_env({"CDSE_PASSWORD": HUSH, "ASTRA_TIMEOUT": "soon"}),
        lambda: astra_xr.configure(cdse_password=HUSH, timeout=-1),
        lambda: astra_xr.configure(cdse_password=HUSH, no_such=1),
        lambda: astra_xr.configure(cdse_password=HUSH.encode()),
        lambda: astra_xr.configure(cdse_password=HUSH, catalog="nowhere"),
        lambda: RemoteResolver("ftp://resolver.example", HUSH, settings=Settings()),
    ]
    for call in calls:
        with pytest.raises(InvalidParameter) as caught:
            call()
        assert leaks(caught.value, HUSH) == []


@pytest.mark.parametrize("text", [f'key = "{HUSH}"', f'api_key = "{HUSH}', f'api_key = "{HUSH}"'])
def test_a_file_of_settings(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    config_file().parent.mkdir(parents=True)
    config_file().write_text(text)
    config_file().chmod(0o644)
    with pytest.raises(InvalidParameter) as caught:
        Settings.from_env()
    assert leaks(caught.value, HUSH) == []


def test_the_search_finds_what_is_there() -> None:
    def inner(form: dict[str, Any]) -> None:
        raise ValueError("no")

    plain = compile(
        "def ask(call, form):\n    nested = [(1, {'a': form})]\n    call(form)", "else.py", "exec"
    )
    names: dict[str, Any] = {}
    exec(plain, names)
    with pytest.raises(ValueError, match="no") as caught:
        names["ask"](inner, {"password": HUSH})
    assert sorted(leaks(caught.value, HUSH)) == ["else.py:3 ask: form", "else.py:3 ask: nested"]
    caught.value.__context__ = ValueError(HUSH)
    assert any("ValueError" in each for each in leaks(caught.value, HUSH))
