"""Stores: whole files or none, under one key for ever, and signed URLs."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pickle
import re
import shutil
import subprocess
import threading
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import httpx
import numpy as np
import obstore
import pytest
import rasterio
import rasterio.shutil
from obstore.store import AzureStore, GCSStore, MemoryStore, S3Store

from astra_xr.catalogs.urls import FixedUrl
from astra_xr.conversion.convert import convert
from astra_xr.conversion.job import Job
from astra_xr.conversion.pipeline import Converter
from astra_xr.conversion.recipe import Recipe
from astra_xr.conversion.stores import LocalStore, ObjectStore, Store, StoredAsset, workroom
from astra_xr.conversion.worker import convert_apart
from astra_xr.errors import AstraError, ConversionFailed, SigningError
from astra_xr.testing import RangeServer
from tests.conversion.rasters import write
from tests.servers import azure_missing, s3_missing, serve_azure, serve_s3

KEY = "sentinel-2/S2B/B04-0123"


def asset(key: str = KEY, body: bytes = b"pixels") -> StoredAsset:
    return StoredAsset(key=key, name="B04.tif", size=len(body), media_type="image/tiff")


def put(store: Store, work: Path, key: str = KEY, body: bytes = b"pixels") -> StoredAsset:
    work.mkdir(parents=True, exist_ok=True)
    (work / "B04.tif").write_bytes(body)
    (work / "B04.pgw").write_bytes(b"10")
    store.put(asset(key, body), work)
    return asset(key, body)


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "local":
        return LocalStore(root=tmp_path / "store")
    return ObjectStore(store=MemoryStore())


def test_put_and_find(store: Store, tmp_path: Path) -> None:
    assert store.find(KEY) is None
    kept = put(store, tmp_path / "store/work/a")
    assert store.find(KEY) == kept
    assert store.find("sentinel-2/S2B/B04-9999") is None
    put(store, tmp_path / "store/work/b")
    assert store.find(KEY) == kept


@pytest.mark.parametrize("key", ["", "../x", "a/../b", "/etc", "a//b", "a/.", "a\\b", "a b", "ä?"])
def test_odd_keys(store: Store, key: str) -> None:
    with pytest.raises(ValueError, match="is not a key"):
        store.find(key)


class TestLocal:
    def test_url_is_the_file(self, tmp_path: Path) -> None:
        store = LocalStore(root=tmp_path / "a store")
        signed = store.url(put(store, tmp_path / "a store/work/a"))
        assert signed.expires_at is None
        with urllib.request.urlopen(signed.url) as answer:
            assert answer.read() == b"pixels"

    @pytest.mark.parametrize("spoil", ["truncate", "no about", "bad about", "empty", "no file"])
    def test_what_is_not_whole_is_not_there(self, tmp_path: Path, spoil: str) -> None:
        store = LocalStore(root=tmp_path)
        put(store, tmp_path / "work/a")
        folder = tmp_path / "assets" / KEY
        match spoil:
            case "truncate":
                os.truncate(folder / "B04.tif", 3)
            case "no about":
                (folder / "about.json").unlink()
            case "bad about":
                (folder / "about.json").write_text('{"key": "a", "other": 1}')
            case "empty":
                (folder / "about.json").write_text("")
            case "no file":
                (folder / "B04.tif").unlink()
        assert store.find(KEY) is None
        kept = put(store, tmp_path / "work/b")
        assert store.find(KEY) == kept
        assert not list((tmp_path / "work").iterdir())

    def test_least_recently_used_goes(self, tmp_path: Path) -> None:
        store = LocalStore(root=tmp_path, max_bytes=3000)
        for number in range(3):
            put(store, tmp_path / "work/a", f"m/i/k{number}", bytes(700))
            about = tmp_path / f"assets/m/i/k{number}/about.json"
            os.utime(about, (number, number))
        assert store.find("m/i/k0")
        put(store, tmp_path / "work/a", "m/i/k3", bytes(900))
        assert [bool(store.find(f"m/i/k{n}")) for n in range(4)] == [True, False, True, True]
        put(store, tmp_path / "work/a", "m/i/k4", bytes(9000))
        assert [bool(store.find(f"m/i/k{n}")) for n in range(5)] == [False] * 4 + [True]

    def test_many_at_once(self, tmp_path: Path) -> None:
        store = LocalStore(root=tmp_path, max_bytes=5000)
        errors: list[Exception] = []

        def work(number: int) -> None:
            try:
                for turn in range(8):
                    key = f"m/i/k{(number + turn) % 5}"
                    put(store, tmp_path / f"work/{number}", key, bytes(1500))
                    found = store.find(key)
                    assert found is None or found.size == 1500
            except Exception as error:  # noqa: BLE001
                errors.append(error)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []

    def test_no_permission_or_room(self, tmp_path: Path) -> None:
        (tmp_path / "assets").write_text("in the way")
        with pytest.raises(ConversionFailed, match="not a directory|file exists"):
            put(LocalStore(root=tmp_path), tmp_path / "work/a")

    def test_old_work_is_swept(self, tmp_path: Path) -> None:
        for name, age in (("old", 0), ("new", None)):
            (workroom(tmp_path) / name).mkdir()
            if age is not None:
                os.utime(tmp_path / "work" / name, (age, age))
        assert [path.name for path in workroom(tmp_path).iterdir()] == ["new"]

    def test_pickles(self, tmp_path: Path) -> None:
        store = LocalStore(root=tmp_path)
        assert pickle.loads(pickle.dumps(store)) == store


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can mount a disk")
class TestFullDisk:
    """A disk of 2 MB, which the file that is made does not fit on."""

    @pytest.fixture
    def disk(self, tmp_path: Path) -> Iterator[Path]:
        small = tmp_path / "disk"
        small.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(small)]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("no disk can be mounted here")
        try:
            yield small
        finally:
            subprocess.run(["umount", "-l", str(small)], check=True)

    @pytest.mark.parametrize("form", ["cog", "geotiff", "png"])
    def test_while_converting(self, disk: Path, tmp_path: Path, form: str) -> None:
        noise = np.random.default_rng(1).integers(1, 60000, (2000, 2000), dtype="uint16")
        source = write(tmp_path / "a.tif", noise)
        with pytest.raises(ConversionFailed, match="no space left|as on a full disk") as caught:
            convert_apart(source, disk / "made.tif", Recipe(format=form))
        assert str(disk) not in str(caught.value)
        assert list(disk.iterdir()) == []

    @pytest.mark.parametrize("rows", [700, 950])
    def test_while_copying_what_has_a_mask(self, disk: Path, tmp_path: Path, rows: int) -> None:
        """GDAL's first file fits; the COG that it is copied to does not, or its end."""
        noise = np.random.default_rng(1).integers(1, 60000, (rows, rows), dtype="uint16")
        source = write(tmp_path / "a.tif", noise)
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(source, "r+") as made:
            made.write_mask(noise > 3000)
        with pytest.raises(ConversionFailed, match=r"written: GDAL reports.*full disk") as caught:
            convert(source, disk / "made.tif", Recipe())
        assert str(disk) not in str(caught.value)

    def test_a_copy_that_gdal_cuts_short_in_silence(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As it may where it writes in threads, or closes."""
        copy = rasterio.shutil.copy

        def cut(*arguments: Any, **options: Any) -> None:
            copy(*arguments, **options)
            os.truncate(arguments[1], arguments[1].stat().st_size - 100)

        source = write(tmp_path / "a.tif", np.ones((600, 600), "uint16"))
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(source, "r+") as made:
            made.write_mask(np.tile(np.arange(600) % 7 > 3, (600, 1)))
        monkeypatch.setattr(rasterio.shutil, "copy", cut)
        with pytest.raises(ConversionFailed, match="it ends early, as on a full disk"):
            convert(source, tmp_path / "made.tif", Recipe())

    def test_while_fetching(self, disk: Path, tmp_path: Path) -> None:
        noise = np.random.default_rng(1).integers(1, 60000, (1500, 1500), dtype="uint16")
        write(tmp_path / "a.tif", noise)
        store = LocalStore(root=disk)
        with RangeServer(tmp_path) as server:
            job = Job(mission="m", item="i", asset="a", recipe=Recipe(), label="i a",
                      source=FixedUrl(server.url("a.tif")), trusted=True)  # fmt: skip
            with pytest.raises(ConversionFailed, match="no space left") as caught:
                Converter(store, disk).convert(job)
        assert str(disk) not in str(caught.value)
        assert not list(disk.rglob("*.tif"))


def spoil(bucket: Any, how: str, prefix: str = "astra-xr") -> None:
    """Change the file of a store, as another program might."""
    path = f"{prefix}/{KEY}/B04.tif"
    if how == "gone":
        obstore.delete(bucket, path)
    else:
        # Azure tells versions of the same second apart; so does S3, by their bytes.
        obstore.put(bucket, path, {"cut": b"pix", "replaced": b"PIXELS", "longer": b"pixels "}[how])


SPOILT = ("gone", "cut", "longer", "replaced")


class TestObjects:
    @pytest.mark.parametrize("how", SPOILT)
    def test_what_is_not_whole_is_not_there(self, how: str, tmp_path: Path) -> None:
        memory = MemoryStore()
        store = ObjectStore(store=memory)
        kept = put(store, tmp_path / "a")
        spoil(memory, how)
        assert store.find(KEY) is None
        assert put(store, tmp_path / "b") == store.find(KEY) == kept

    def check_spoilt(self, bucket: Any, tmp_path: Path) -> None:
        store = ObjectStore(store=bucket)
        for how in SPOILT:
            spoil(bucket, how)
            assert store.find(KEY) is None, how
            assert put(store, tmp_path / how) == store.find(KEY)

    def test_what_an_older_version_put_is_found_by_its_size(self, tmp_path: Path) -> None:
        memory = MemoryStore()
        kept = put(ObjectStore(store=memory), tmp_path / "a")
        told = json.loads(bytes(obstore.get(memory, f"astra-xr/{KEY}/about.json").bytes()))
        assert told.pop("e_tag")
        obstore.put(memory, f"astra-xr/{KEY}/about.json", json.dumps(told).encode())
        assert ObjectStore(store=memory).find(KEY) == kept

    def test_an_upload_of_other_bytes_than_were_made_is_refused(self, tmp_path: Path) -> None:
        store = ObjectStore(store=MemoryStore())
        made = replace(asset(), crc32=zlib.crc32(b"pixels"))
        (tmp_path / "B04.tif").write_bytes(b"pixelz")
        with pytest.raises(ConversionFailed, match="the uploaded file has different bytes"):
            store.put(made, tmp_path)
        assert store.find(KEY) is None
        (tmp_path / "B04.tif").write_bytes(b"pixels")
        store.put(made, tmp_path)
        assert store.find(KEY) == made

    def test_a_broken_upload_is_not_there(self, tmp_path: Path) -> None:
        memory = MemoryStore()
        store = ObjectStore(store=memory)
        obstore.put(memory, f"astra-xr/{KEY}/B04.tif", b"pix")
        assert store.find(KEY) is None
        obstore.put(memory, f"astra-xr/{KEY}/about.json", b"{")
        assert store.find(KEY) is None

    def test_a_store_that_cannot_sign(self) -> None:
        with pytest.raises(SigningError):
            ObjectStore(store=MemoryStore()).url(asset())

    def test_unreachable(self, tmp_path: Path) -> None:
        s3 = S3Store(
            "b", endpoint="http://127.0.0.1:9", access_key_id="AKIASECRET", region="us-east-1",
            secret_access_key="SECRET", client_options={"allow_http": True},
            retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=1)},
        )  # fmt: skip
        store = ObjectStore(store=s3)
        with pytest.raises(ConversionFailed, match="the store cannot be read") as caught:
            store.find(KEY)
        assert "SECRET" not in str(caught.value)
        with pytest.raises(ConversionFailed, match="the store cannot be written to") as caught:
            put(store, tmp_path / "a")
        assert "SECRET" not in str(caught.value)
        assert "SECRET" not in repr(store)

    def test_urls_die_with_the_credentials(self) -> None:
        s3 = S3Store("b", region="us-east-1", access_key_id="a", secret_access_key="s")
        now = datetime.now(UTC)
        soon = ObjectStore(store=s3, credentials_end=lambda: now + timedelta(minutes=5))
        assert soon.url(asset()).expires_at == pytest.approx(
            now + timedelta(minutes=5), abs=timedelta(seconds=5)
        )
        late = ObjectStore(store=s3, credentials_end=lambda: now - timedelta(minutes=5))
        with pytest.raises(SigningError, match="its credentials have expired"):
            late.url(asset())

    def test_temporary_credentials_of_unknown_end_promise_little(self) -> None:
        keys: Any = {"access_key_id": "a", "secret_access_key": "s", "session_token": "t"}
        s3 = S3Store("b", region="us-east-1", **keys)
        ends = ObjectStore(store=s3).url(asset()).expires_at
        assert ends is not None
        assert ends - datetime.now(UTC) <= timedelta(minutes=5)

    def test_keys_that_are_renewed_in_the_middle(self) -> None:
        """A URL expires no later than the keys that signed it, even if they were renewed since."""
        now, given = datetime.now(UTC), list[datetime]()

        def keys() -> Any:
            given.append(now + timedelta(minutes=(2, 40)[min(len(given), 1)]))
            return {"access_key_id": f"A{len(given)}", "secret_access_key": "s", "token": "t",
                    "expires_at": given[-1]}  # fmt: skip

        s3 = S3Store("b", region="us-east-1", credential_provider=keys)
        store = ObjectStore(store=s3, credentials_end=lambda: given[-1] if given else None)
        for _ in range(3):
            signed = store.url(asset())
            number = int(signed.url.partition("Credential=A")[2][0])
            assert signed.expires_at == given[number - 1]

    def test_s3_that_enforces_signatures(self, s3: tuple[str, str, str], tmp_path: Path) -> None:
        url, access, secret = s3
        bucket = S3Store(
            "converted", endpoint=url, access_key_id=access, secret_access_key=secret,
            region="us-east-1", client_options={"allow_http": True},
        )  # fmt: skip
        store = ObjectStore(store=bucket)
        kept = put(store, tmp_path / "a")
        assert store.find(KEY) == kept
        signed = store.url(kept)
        assert signed.expires_at is not None
        assert timedelta(minutes=59) < signed.expires_at - datetime.now(UTC) <= timedelta(hours=1)
        with urllib.request.urlopen(signed.url) as answer:
            assert answer.read() == b"pixels"
        self.check_spoilt(bucket, tmp_path)
        for bad in (signed.url.split("?")[0], signed.url.replace("B04.tif", "B04.pgw")):
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(bad)
        wrong = S3Store(
            "converted", endpoint=url, access_key_id=access, secret_access_key="wrong",
            region="us-east-1", client_options={"allow_http": True},
        )  # fmt: skip
        with pytest.raises(AstraError, match="the store cannot be read"):
            ObjectStore(store=wrong).find(KEY)

    def test_azure(self, azure: tuple[str, str, str], tmp_path: Path) -> None:
        url, account, key = azure
        options: Any = {"account_name": account, "endpoint": url,
                        "client_options": {"allow_http": True}}  # fmt: skip
        store = ObjectStore(store=AzureStore("converted", account_key=key, **options))
        assert store.find(KEY) is None
        kept = put(store, tmp_path / "a")
        assert store.find(KEY) == kept
        signed = store.url(kept)
        assert signed.expires_at is not None
        assert timedelta(minutes=59) < signed.expires_at - datetime.now(UTC) <= timedelta(hours=1)
        assert key not in repr(store) + str(signed)
        told = dict(parse_qsl(urlsplit(signed.url).query))
        assert told["sp"] == "r"
        assert datetime.fromisoformat(told["se"]) <= signed.expires_at + timedelta(seconds=2)
        part = httpx.get(signed.url, headers={"Range": "bytes=2-4"}, trust_env=False)
        assert (part.status_code, part.content) == (206, b"xel")
        assert httpx.get(signed.url, trust_env=False).content == b"pixels"
        self.check_spoilt(store.store, tmp_path)
        other = signed.url.replace("B04.tif", "B04.pgw")
        longer = signed.url.replace(f"se={told['se'][:4]}", "se=2099")
        for bad in (signed.url.split("?")[0], other, longer):
            assert httpx.get(bad, trust_env=False).status_code in (403, 404, 409)
        assert httpx.put(signed.url, content=b"x", headers={"x-ms-blob-type": "BlockBlob"},
                         trust_env=False).status_code == 403  # fmt: skip
        wrong = AzureStore("converted", account_key=base64.b64encode(b"w" * 64).decode(), **options)
        with pytest.raises(ConversionFailed, match="the store cannot be read"):
            ObjectStore(store=wrong).find(KEY)
        with pytest.raises(ConversionFailed, match="the store cannot be written to"):
            put(ObjectStore(store=wrong), tmp_path / "b")

    def test_google(self, tmp_path: Path) -> None:
        """Signed offline with the key of a service account, as version 4 has it."""
        account = "astra@example.iam.gserviceaccount.com"
        pem = openssl(tmp_path, "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
        told = {"type": "service_account", "client_email": account, "private_key": pem.decode(),
                "private_key_id": "1", "client_id": "1",
                "gcs_base_url": "https://storage.googleapis.com",
                "disable_oauth": False}  # fmt: skip
        store = ObjectStore(store=GCSStore("bucket", service_account_key=json.dumps(told)))
        signed = store.url(asset())
        assert signed.expires_at is not None
        parts = urlsplit(signed.url)
        query = dict(parse_qsl(parts.query))
        assert parts.path == f"/bucket/astra-xr/{KEY}/B04.tif"
        assert query["X-Goog-Algorithm"] == "GOOG4-RSA-SHA256"
        assert query["X-Goog-Credential"].startswith(f"{account}/")
        assert query["X-Goog-Expires"] == "3600"
        assert query["X-Goog-SignedHeaders"] == "host"
        assert re.fullmatch("[0-9a-f]{512}", query["X-Goog-Signature"])
        started = datetime.strptime(f"{query['X-Goog-Date']}+0000", "%Y%m%dT%H%M%SZ%z")
        assert abs(started + timedelta(hours=1) - signed.expires_at) < timedelta(seconds=2)
        assert "PRIVATE KEY" not in repr(store)

        # Google's server computes this text from the request, by "Canonical requests" and
        # "Signatures" in the documentation of Cloud Storage, and verifies it with the public key.
        named = sorted((name, value) for name, value in query.items() if "Signature" not in name)
        request = ["GET", parts.path, urlencode(named, quote_via=quote, safe=""),
                   f"host:{parts.netloc}", "", "host", "UNSIGNED-PAYLOAD"]  # fmt: skip
        digest = hashlib.sha256("\n".join(request).encode()).hexdigest()
        scope = query["X-Goog-Credential"].removeprefix(f"{account}/")
        assert scope == f"{started:%Y%m%d}/auto/storage/goog4_request"
        lines = ["GOOG4-RSA-SHA256", query["X-Goog-Date"], scope, digest]
        (tmp_path / "text").write_text("\n".join(lines))
        (tmp_path / "signature").write_bytes(bytes.fromhex(query["X-Goog-Signature"]))
        (tmp_path / "key.pem").write_bytes(pem)
        openssl(tmp_path, "pkey", "-in", "key.pem", "-pubout", "-out", "public.pem")
        said = openssl(tmp_path, "dgst", "-sha256", "-verify", "public.pem", "-signature",
                       "signature", "text")  # fmt: skip
        assert said == b"Verified OK\n"


def openssl(folder: Path, *arguments: str) -> bytes:
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not on the PATH.")
    command = [program, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True).stdout


@pytest.fixture(scope="module")
def azure() -> Iterator[tuple[str, str, str]]:
    missing = azure_missing()
    if missing:
        pytest.skip(missing)
    with serve_azure("converted") as server:
        yield server


@pytest.fixture(scope="module")
def s3() -> Iterator[tuple[str, str, str]]:
    missing = s3_missing()
    if missing:
        pytest.skip(missing)
    with serve_s3("converted") as server:
        yield server


def test_about_json_has_no_secret(tmp_path: Path) -> None:
    store = LocalStore(root=tmp_path)
    put(store, tmp_path / "work/a")
    told = json.loads((tmp_path / "assets" / KEY / "about.json").read_text())
    assert set(told) == {"key", "name", "size", "media_type", "crc32", "details"}
