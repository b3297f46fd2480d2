"""The contract over the wire, and the three programs that are written against it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import pytest
import rasterio
import xarray as xr

import astra_xr
from astra_xr.resolver.remote import RemoteResolver
from astra_xr.scenes import call_record
from tests.service.conftest import SCENE, Served, core_settings, serving

REQUESTS = """
import sys, urllib.request, requests
base, key, folder = sys.argv[1:]
response = requests.get(
    f"{base}/api/v1/assets",
    params={"scene_id": "sentinel-2:S2B_MSIL2A_20250115T184929", "bands": "red,nir"},
    headers={"Authorization": f"Bearer {key}"},
)
response.raise_for_status()
assets = response.json()["assets"]
for name, asset in assets.items():
    print(name, asset["href"])
urllib.request.urlretrieve(assets["B04"]["href"], f"{folder}/B04.tif")
"""

GDAL = """
import sys, numpy, rasterio, xarray
href, out = sys.argv[1:]
with rasterio.open("/vsicurl/" + href) as file:
    window = rasterio.windows.Window(500, 600, 64, 64)
    numpy.save(out, file.read(1, window=window))
# What QGIS and rasterio make of an URL that they are given as it is.
for path in (href, "/vsicurl?url=" + href.replace("&", "%26")):
    with rasterio.open(path) as file:
        assert file.crs.to_epsg() == 32610
with xarray.open_dataset(href, engine="rasterio") as ds:
    part = ds.band_data.isel(band=0, y=slice(600, 664), x=slice(500, 564))
    assert (part.fillna(0) == numpy.load(out)).all()
"""

FETCH = """
const [base, key] = process.argv.slice(2);
const query = new URLSearchParams({
  scene_id: "sentinel-2:S2B_MSIL2A_20250115T184929", bands: "red,nir", format: "cog" });
const response = await fetch(`${base}/api/v1/assets?${query}`, {
  headers: { Authorization: `Bearer ${key}` } });
const { assets } = await response.json();
for (const [name, asset] of Object.entries(assets)) console.log(name, asset.href);
"""


def test_the_answer_is_the_contracts(served: Served) -> None:
    response = served.ask({"scene_id": SCENE, "bands": "red,B08"})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    answer = response.json()
    assert list(answer) == ["scene_id", "format", "assets", "metadata"]
    assert (answer["scene_id"], answer["format"]) == (SCENE, "cog")
    assert list(answer["assets"]) == ["B04", "B08"]
    assert answer["metadata"] == {
        "crs": "EPSG:32610",
        "resolution": 10,
        "source_provider": "astra-xr (synthetic)",
        "routing": "direct",
    }
    red = answer["assets"]["B04"]
    assert red["type"] == "image/tiff; application=geotiff; profile=cloud-optimized"
    assert red["title"] == "Red (B04) - 10m"
    assert red["eo:bands"][0]["common_name"] == "red"
    left = datetime.fromisoformat(red["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=59) < left <= timedelta(hours=1)
    file = httpx.get(red["href"])
    assert len(file.content) == red["file:size"]
    assert "sig=" not in red["source_href"]
    assert "file://" not in served.ask({"scene_id": SCENE, "detail": "full"}).text


def test_curl(served: Served) -> None:
    command = [
        "curl",
        "-sS",
        f"{served.url}/api/v1/assets?scene_id={SCENE}&bands=red,nir&format=cog",
        "-H",
        f"Authorization: Bearer {served.key}",
    ]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert list(json.loads(out)["assets"]) == ["B04", "B08"]


def test_python_requests(served: Served, tmp_path: Path) -> None:
    command = [sys.executable, "-c", REQUESTS, served.url, served.key, str(tmp_path)]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert [line.split()[0] for line in out.splitlines()] == ["B04", "B08"]
    with rasterio.open(tmp_path / "B04.tif") as file:
        assert file.crs.to_epsg() == 32610


def test_node_fetch(served: Served, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not here")
    (tmp_path / "client.mjs").write_text(FETCH)
    command = [node, str(tmp_path / "client.mjs"), served.url, served.key]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert [line.split()[0] for line in out.splitlines()] == ["B04", "B08"]


def test_gdal_reads_the_signed_urls(served: Served, tmp_path: Path) -> None:
    href = served.ask({"scene_id": SCENE, "bands": "red"}).json()["assets"]["B04"]["href"]
    # In a process of its own: GDAL opens files while it holds Python's lock.
    out = subprocess.run(
        [sys.executable, "-c", GDAL, href, str(tmp_path / "window.npy")],
        timeout=60,
        check=True,
    )
    assert out.returncode == 0
    over_http = np.load(tmp_path / "window.npy")
    local = astra_xr.open_scene(SCENE, ["red"], catalog="sample", mask_and_scale=False)
    np.testing.assert_array_equal(over_http, local.red[600:664, 500:564])


@pytest.mark.parametrize("options", [{}, {"resolution": 60.0}, {"mask_and_scale": False}])
def test_open_scene_cannot_tell_the_service_from_the_process(
    served: Served, options: dict[str, float]
) -> None:
    names = ["red", "B11", "SCL"]
    remote = RemoteResolver(served.url, served.key)
    here = astra_xr.open_scene(SCENE, names, catalog="sample", **options)  # type: ignore[arg-type]
    there = astra_xr.open_scene(SCENE, names, resolver=remote, **options)  # type: ignore[arg-type]
    for variable in (*here.values(), *there.values()):
        assert variable.attrs.pop("resolved_at")
        assert variable.encoding.pop(call_record.KEY)  # which names the service
    corner = {"x": slice(0, 100), "y": slice(0, 100)}
    xr.testing.assert_identical(there.isel(corner).load(), here.isel(corner).load())
    assert {k: v.encoding for k, v in there.items()} == {k: v.encoding for k, v in here.items()}


def test_a_url_as_resolver_and_settings_of_the_session(served: Served) -> None:
    try:
        astra_xr.configure(api_key=served.key)
        ds = astra_xr.open_scene(SCENE, ["red"], resolver=served.url)
        astra_xr.configure(api_url=served.url)
        answer = astra_xr.resolve(SCENE, "red")
    finally:
        astra_xr.configure(api_url=None, api_key=None)
    assert dict(ds.sizes) == {"y": 2048, "x": 2048}
    signed = answer.assets["red"].signed
    assert signed is not None
    assert signed.url.startswith(f"{served.url}/assets/sample/")


def test_pages_about_the_service(served: Served) -> None:
    assert httpx.get(f"{served.url}/healthz").json() == {"alive": True}
    assert httpx.get(f"{served.url}/readyz").json() == {
        "ready": True,
        "store": True,
        "catalogs": True,
    }
    assert (
        httpx.get(f"{served.url}/healthz", headers={"X-Request-ID": "proxy-7:1"}).headers[
            "x-request-id"
        ]
        == "proxy-7:1"
    )
    odd = httpx.get(f"{served.url}/healthz", headers={"X-Request-ID": "a b"})
    assert re.fullmatch("[0-9a-f]{16}", odd.headers["x-request-id"])
    logged = [json.loads(line) for line in served.lines]
    assert {line["client"] for line in logged if line["event"] == "request"} == {"127.0.0.1"}
    told = httpx.get(f"{served.url}/openapi.json").json()
    assert told["openapi"].startswith("3.1")
    page = httpx.get(f"{served.url}/docs")
    assert "/api/v1/assets" in page.text
    # Nothing is fetched from elsewhere.
    assert re.findall(r"(?:src|href)=\S+?(?=>)", page.text) == ["href=/openapi.json"]


def test_an_upstream_that_is_down_leaves_the_service_ready(tmp_path: Path) -> None:
    """Other catalogs can be queried, and answers are cached: the service stays ready."""
    down = core_settings(earth_search_url="http://127.0.0.1:1", catalog="earth-search")
    with serving(core=down) as served:
        answer = httpx.get(f"{served.url}/readyz")
        assert answer.status_code == 200
        assert answer.json() == {"ready": True, "store": True, "catalogs": False}
    (tmp_path / "converted").touch()
    with serving(core=core_settings(catalog="sample", cache_dir=tmp_path)) as served:
        assert httpx.get(f"{served.url}/readyz").status_code == 503
