"""The command line as a user types it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest

from astra_xr.cli import main
from astra_xr.service.config import ServiceSettings
from tests.conftest import World

SAMPLE = "sentinel-2:S2B_MSIL2A_20250115T184929"
Capture = pytest.CaptureFixture[str]


def test_demo_does_what_it_says(tmp_path: Path, capsys: Capture) -> None:
    import matplotlib.image

    assert main(["demo", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "synthetic" in out
    assert "<xarray.Dataset>" in out
    assert "NDVI: " in out
    assert "MB" in out
    assert "no network" in out
    assert "through a local HTTP service" in out
    assert "astra_sk" not in out
    for name in ("astra-true-color.png", "astra-ndvi.png"):
        picture = matplotlib.image.imread(tmp_path / name)
        assert picture.shape[0] > 800
        assert picture.std() > 0.1  # something is drawn
    code = "\n".join(
        line[4:] for line in out.split("notebook:\n\n")[1].splitlines() if line[:4] == "    "
    )
    namespace: dict[str, object] = {}
    with matplotlib.pyplot.rc_context({"backend": "agg"}):
        exec(code, namespace)
    matplotlib.pyplot.close("all")
    assert "ds" in namespace


def test_demo_without_matplotlib_says_what_to_install(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["demo", "--out", str(tmp_path)]) == 1
    assert "pip install 'astra-xr[plot]'" in capsys.readouterr().err


def test_resolve_prints_the_contract(capsys: Capture) -> None:
    assert main(["resolve", SAMPLE, "--bands", "red,nir", "--catalog", "sample", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert list(answer) == ["scene_id", "format", "assets", "metadata"]
    assert list(answer["assets"]) == ["B04", "B08"]
    assert main(["resolve", SAMPLE, "--bands", "red", "--catalog", "sample"]) == 0
    name, href = capsys.readouterr().out.split()
    assert name == "B04"
    assert href.startswith("file://")


def test_info_lists_the_bands_and_signs_nothing(world: World, capsys: Capture) -> None:
    assert main(["info", SAMPLE, "--catalog", "planetary-computer"]) == 0
    out = capsys.readouterr().out
    assert "EPSG:32610" in out
    assert "B08" in out
    assert "offset -0.1: baseline 05.11" in out
    assert world.tokens == []


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["resolve", "nonsense"], 2, "not a scene id"),
        (["resolve", SAMPLE, "--format", "gif", "--catalog", "sample"], 2, "one of cog, geotiff"),
        (["resolve", SAMPLE, "--bands", "redd", "--catalog", "sample"], 1, "Did you mean 'red'"),
        (["info", "S2A_MSIL2A_20200101T000000"], 1, "No scene"),
        (["info", SAMPLE, "--catalog", "google"], 2, "one of earth-search"),
    ],
)
def test_errors_are_one_clear_line(
    world: World, capsys: Capture, arguments: list[str], code: int, words: str
) -> None:
    assert main(arguments) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    # But for the bar, where the sample had to be made for this.
    (line,) = [line for line in captured.err.splitlines() if line and "Making" not in line]
    assert words in line
    assert line.startswith("astra-xr: ")


def test_a_service_that_is_down_has_its_own_code(world: World, capsys: Capture) -> None:
    world.earth_search.fault = httpx.Response(400)
    assert main(["info", SAMPLE, "--catalog", "earth-search"]) == 3
    assert "refused the request (HTTP 400)" in capsys.readouterr().err


def test_help_shows_examples() -> None:
    out = subprocess.run(
        [sys.executable, "-m", "astra_xr.cli", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert "astra-xr resolve sentinel-2:" in out
    assert "exit codes" in out


def test_a_port_that_is_taken(tmp_path: Path, capsys: Capture) -> None:
    keys = tmp_path / "keys.json"
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert main(["serve", "--port", str(port), "--keys-file", str(keys)]) == 2
    told = capsys.readouterr()
    assert f"127.0.0.1:{port}" in told.err
    assert "another host or port" in told.err
    assert "astra_sk" not in told.out
    assert not keys.exists()


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [("--workers", "0", "from 1 to 1000"), ("--catalog", "earthsearch2", "did you mean")],
)
def test_serve_refuses_what_would_fail_later(
    option: str, value: str, words: str, tmp_path: Path, capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for name in ("ASTRA_CATALOG", "ASTRA_KEYS_FILE", "ASTRA_URL_KEYS"):
        monkeypatch.setenv(name, "")  # serve sets them for its workers
    keys = tmp_path / "keys.json"
    asked = ["serve", option, value, "--port", "0", "--keys-file", str(keys)]
    assert main(asked) == 2
    assert words in capsys.readouterr().err
    assert not keys.exists()


def test_search_prints_a_table_ids_or_json(capsys: Capture, tmp_path: Path) -> None:
    asked = ["search", "sentinel-2", "--datetime", "2025-07/2025-09", "--catalog", "sample"]
    assert main(asked) == 0
    table = capsys.readouterr().out
    assert table.startswith("<4 scenes of sentinel-2 at sample>")
    assert main([*asked, "--ids", "--max-items", "3"]) == 0
    printed = capsys.readouterr()
    ids = printed.out.split()
    assert len(ids) == 3
    assert "astra-xr: the search returned the newest 3 of 4 scenes" in printed.err
    assert main([*asked, "--json", "--cloud-cover", "20"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["cloud_cover"] <= 20 for row in rows] == [True] * 3
    assert rows[0]["datetime"].startswith("2025-09-17T")
    box = ["--bbox", "-122.5", "37.4", "-122.3", "37.5"]
    assert main(["search", "Sentinel2", *box, "--catalog", "sample", "--ids"]) == 0
    assert len(capsys.readouterr().out.split()) == 14
    area = tmp_path / "area.geojson"
    area.write_text('{"type": "Point", "coordinates": [10, 50]}')
    assert main([*asked, "--intersects", str(area)]) == 0
    assert capsys.readouterr().out.startswith("<0 scenes")


def test_search_refuses_and_says_who_was_passed_over(
    capsys: Capture, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    assert main(["search", "sentinel-2"]) == 2
    assert "neither an area nor a time is given" in capsys.readouterr().err
    assert main(["search", "sentinal-2", "--datetime", "2025"]) == 2
    assert "did you mean 'sentinel-2'" in capsys.readouterr().err
    assert main(["search", "sentinel-2", "--intersects", "/no/such.geojson"]) == 2
    assert "a file of GeoJSON" in capsys.readouterr().err
    world.earth_search.fault = httpx.Response(503)
    assert main(["search", "sentinel-2", "--datetime", "2025-01", "--ids"]) == 0
    printed = capsys.readouterr()
    assert len(printed.out.split()) == 1
    assert "passed over earth-search: down (HTTP 503)" in printed.err


@pytest.mark.parametrize("shown", [[], ["--ids"], ["--json"]])
def test_a_pipe_that_ends_early_is_no_error(shown: list[str]) -> None:
    """As of `| head -1`: no traceback, and the status of programs that SIGPIPE ended."""
    command = [sys.executable, "-m", "astra_xr.cli", "search", "sentinel-2", "--catalog", "sample"]
    with subprocess.Popen(
        [*command, *shown], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as ended:
        assert ended.stdout is not None
        assert ended.stderr is not None
        ended.stdout.close()
        assert ended.stderr.read() == ""
    assert ended.returncode == 141


def test_its_version_and_a_secret_for_urls(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"astra-xr {version('astra-xr')}\n"
    assert main(["keys", "url-key"]) == 0
    monkeypatch.setenv("ASTRA_URL_KEYS", capsys.readouterr().out.strip())
    assert len(ServiceSettings.from_env().url_keys) == 1
