"""No secret in a traceback: each login, token and key, with each fault of the service."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from obstore.store import MemoryStore, S3Store

import astra_xr
from astra_xr import RemoteResolver
from astra_xr.catalogs import s3
from astra_xr.catalogs.cdse import Cdse
from astra_xr.catalogs.lpdaac import LpDaac
from astra_xr.catalogs.planetary_computer import PlanetaryComputer
from astra_xr.catalogs.s3 import S3
from astra_xr.catalogs.usgs import Usgs
from astra_xr.conversion.job import Job
from astra_xr.conversion.pipeline import Converter
from astra_xr.conversion.recipe import Limits, Recipe
from astra_xr.conversion.source import Source
from astra_xr.conversion.stores import LocalStore, ObjectStore, StoredAsset
from astra_xr.errors import AstraError, InvalidParameter, ReadError, SigningError
from astra_xr.model import SignedUrl
from astra_xr.net import client
from astra_xr.net.client import fetch_json
from astra_xr.net.proxies import Proxied
from astra_xr.reading.loop import run
from astra_xr.reading.ranges import RangeFile
from astra_xr.resolver.remote import ServiceUrl
from astra_xr.secret import Secret
from astra_xr.settings import Settings, config_file
from astra_xr.testing import RangeServer, Reply, Request, write_cog
from conftest import Loopback
from tests import items
from tests.conftest import SIZE, make_dn
from tests.frames import leaks

HUSH = "hUsH0123"
BASIC = base64.b64encode(f"me:{HUSH}".encode()).decode()
SCENE = "sentinel-2:S2B_MSIL2A_20250115T184929"
URL = "https://resolver.example"
CDSE_FILE = "https://zipper.dataspace.copernicus.eu/odata/v1/Products(1)/$value"
HLS_FILE = "https://data.lpdaac.earthdatacloud.nasa.gov/lp-prod-protected/HLS/B04.tif"
USGS = "landsatlook.usgs.gov"
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


READS: dict[str, Callable[[Request], Reply | None]] = {
    **{str(status): lambda _, s=status: Reply(status=s) for status in (401, 403, 404, 409, 503)},  # type: ignore[misc]
    "hang-up": lambda _: Reply(reset=True),
    "cut short": lambda _: Reply(truncate_at=10),
    "another range": lambda _: Reply(headers={"Content-Range": "bytes 7-9/10"}),
    "the file changed": lambda r: Reply(headers={"ETag": f'"{r.number}"'}),
    "no numbers": lambda _: Reply(corrupt=True),
    "to nowhere": lambda _: Reply(status=302, headers={"Location": f"https://[?sig={HUSH}"}),
    "to a private host": lambda _: Reply(
        status=302, headers={"Location": f"https://10.0.0.1/?sig={HUSH}"}
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("signed")
    (folder / "sentinel2-l2").mkdir()
    write_cog(folder / "sentinel2-l2" / "B04.tif", make_dn(0), blocksize=256)
    return folder


@pytest.mark.parametrize("fault", READS)
def test_reads(
    fault: str, folder: Path, network: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTRA_PATIENCE", "0.01")
    token = {"token": f"sig={HUSH}", "msft:expiry": "2099-01-01T00:00:00Z"}
    network.routes["planetarycomputer.microsoft.com"] = _answer(200, json=token)
    with RangeServer(folder) as server:
        network.routes[items.BLOB_HOST] = server.url()
        server.rule = READS[fault]
        ds = astra_xr.open_scene(items.planetary_computer(SIZE), ["B04"])
        with pytest.raises(ReadError) as caught:
            ds["B04"].load()
        assert HUSH in server.requests[0].query
    assert leaks(caught.value, HUSH) == []


@pytest.mark.parametrize("fault", sorted(READS.keys() - {"no numbers"}))
def test_files_to_convert(
    fault: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    with RangeServer(folder) as server:
        server.rule = READS[fault]
        headers = (("Authorization", f"Bearer {HUSH}"),)
        url = SignedUrl(url=server.url("sentinel2-l2/B04.tif", sig=HUSH), headers=headers)
        with pytest.raises(AstraError) as caught:
            Source(
                lambda refused=None: url, "B04", trusted=False, allowed=["127.0.0.1"]
            ).fetch(tmp_path, Limits(), lambda _: None)  # fmt: skip
    assert leaks(caught.value, HUSH) == []


_LATER = ("401", "404", "503", "another range", "cut short", "hang-up", "no numbers",
          "the file changed", "to a private host", "to nowhere")  # fmt: skip


@pytest.mark.parametrize("fault", [*_LATER, "no room", "interrupted"])
def test_conversions(
    fault: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails after the source was checked, in the thread or the process that converts."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setenv("ASTRA_PATIENCE", "0.01")
    root = tmp_path / "store"
    converter = Converter(LocalStore(root=root), root)

    def report(share: float) -> None:
        if fault == "interrupted":
            raise KeyboardInterrupt

    def no_room(*_: object) -> int:
        raise OSError(28, "No space left on device")

    if fault == "no room":
        monkeypatch.setattr(Source, "_write", no_room)
    with RangeServer(folder) as server:
        if fault in READS:
            server.rule = lambda request: READS[fault](request) if request.number else None
        headers = (("X-Key", HUSH), ("Authorization", f"Bearer {HUSH}"))
        url = SignedUrl(url=server.url("sentinel2-l2/B04.tif", sig=HUSH), headers=headers)
        job = Job(
            mission="sentinel-2", item="S2B", asset="B04", source=_Signed(url), label="S2B B04",
            recipe=Recipe(nodata=0, format="geotiff"), allowed=("127.0.0.1",),
        )  # fmt: skip
        expected = KeyboardInterrupt if fault == "interrupted" else AstraError
        with pytest.raises(expected) as caught:
            converter.convert(job, report)
        assert server.requests[0].headers["x-key"] == HUSH
    assert leaks(caught.value, HUSH) == []
    assert not any(HUSH.encode() in p.read_bytes() for p in root.rglob("*") if p.is_file())


def test_an_interrupted_check_of_a_source(network: Loopback) -> None:
    def interrupt(request: httpx.Request) -> httpx.Response:
        assert request.headers["x-key"] == HUSH
        raise KeyboardInterrupt

    network.routes["storage.example"] = interrupt
    url = SignedUrl(url=f"https://storage.example/a.tif?sig={HUSH}", headers=(("X-Key", HUSH),))
    with pytest.raises(KeyboardInterrupt) as caught:
        Source(_Signed(url), "B04", trusted=True)
    assert leaks(caught.value, HUSH) == []


class _Signed:
    """A source whose URL needs headers."""

    def __init__(self, url: SignedUrl) -> None:
        self._url = url

    def __call__(self, *, refused: SignedUrl | None = None) -> SignedUrl:
        return self._url

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        return self is other


def test_s3_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    keys: Any = {
        "aws_access_key_id": Secret(HUSH),
        "aws_secret_access_key": Secret(HUSH),
        "aws_session_token": Secret(HUSH),
    }
    odd = S3(Settings(**keys, aws_endpoint_url="http://["))
    calls: list[Callable[[], Any]] = [
        lambda: odd.sign("s3://bucket/B04.tif"),
        lambda: S3(Settings(**keys)).sign("s3://bucket/../B04.tif"),
        lambda: Usgs(Settings(**keys)).check(f"https://{USGS}/data/B4.TIF"),
        lambda: Usgs(Settings(**keys, aws_endpoint_url="http://[")).sign(
            f"https://{USGS}/data/B4.TIF"
        ),
    ]
    for call in calls:
        with pytest.raises(SigningError) as caught:
            call()
        assert leaks(caught.value, HUSH) == []


@pytest.mark.parametrize("refused", [False, True])
def test_boto3_keys(refused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("boto3")
    from botocore.credentials import Credentials
    from botocore.exceptions import ClientError

    def refuse() -> None:
        raise ClientError({"Error": {"Message": HUSH}}, "AssumeRole")

    found = Credentials(HUSH, HUSH, HUSH)
    found._expiry_time = datetime(2020, 1, 1, tzinfo=UTC)
    if refused:
        found.get_frozen_credentials = refuse
    monkeypatch.setattr(s3, "_boto3_credentials", lambda: found)
    s3._found.clear()
    try:
        with pytest.raises(SigningError, match="no AWS" if refused else "expired") as caught:
            S3(Settings()).sign("s3://bucket/B04.tif")
    finally:
        s3._found.clear()
    assert leaks(caught.value, HUSH) == []


def test_a_store_that_cannot_sign() -> None:
    store = S3Store("b", region="x", access_key_id=HUSH, secret_access_key=HUSH)
    asset = StoredAsset(key="a/b", name="B04.tif", size=1, media_type="image/tiff")
    over = ObjectStore(store=store, credentials_end=lambda: datetime(2020, 1, 1, tzinfo=UTC))
    for bad in (over, ObjectStore(store=MemoryStore())):
        with pytest.raises(SigningError) as caught:
            bad.url(asset)
        assert leaks(caught.value, HUSH) == []


@pytest.mark.parametrize("scheme", ["http", "nonsense", "socks5"])
def test_the_password_of_a_proxy(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"):
        monkeypatch.setenv(name, f"{scheme}://me:{HUSH}@127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ASTRA_PATIENCE", "0.01")
    monkeypatch.setattr(client, "_transport", Proxied)
    client._client_of.cache_clear()
    with pytest.raises(AstraError) as caught:
        LOGINS["cdse"]()
    assert leaks(caught.value, HUSH, BASIC) == []
    with pytest.raises(ReadError) as read:
        astra_xr.open_scene(items.plain("http://127.0.0.1:10/red.tif")).load()
    assert leaks(read.value, HUSH, BASIC) == []


@pytest.mark.parametrize(
    "url", ["https://[", "https://h:port/a.tif", "https:///a.tif", "gopher://h"]
)
def test_what_is_no_url(url: str) -> None:
    signed = SignedUrl(url=f"{url}?sig={HUSH}")
    with pytest.raises(ReadError, match="its URL is invalid|are not supported") as caught:
        run(RangeFile(lambda refused=None: signed, signed, "red").get(0, 10))
    assert leaks(caught.value, HUSH) == []
