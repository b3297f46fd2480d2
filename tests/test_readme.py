"""What README and docs say is so: code runs, commands are there, links agree."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx
import matplotlib as mpl
import pytest

from astra_xr.cli import main
from astra_xr.missions import MISSIONS
from astra_xr.resolver.ids import parse_scene_id
from astra_xr.version import __version__
from tests.servers import answers, free_port, running, wait_until

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
PYTHON = [code for kind, code in BLOCKS if kind == "python"]
SHELL = [code for kind, code in BLOCKS if kind == ""]
SERVICE = (ROOT / "docs" / "service.md").read_text()
GLANCE = (ROOT / "docs" / "at-a-glance.md").read_text()
MISSION_TABLE = (ROOT / "docs" / "missions.md").read_text()
COMMAND = Path(sys.executable).parent / "astra-xr"
SAMPLE = "sentinel-2:S2B_MSIL2A_20250115T184929"


@pytest.mark.parametrize("block", PYTHON, ids=range(len(PYTHON)))
def test_python_blocks_run(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mpl.use("agg")
    exec(compile(block, "README.md", "exec"), {})


def test_every_block_is_run_by_some_test() -> None:
    """The shell's blocks: the demo, and testing, which is CI's own."""
    assert len(PYTHON) + len(SHELL) == len(BLOCKS)
    demo, tests = SHELL
    assert demo.strip().endswith('".[all]" && .venv/bin/astra-xr demo')
    assert (ROOT / ".ci" / "run").read_text().count("""grep -F '".[all,test]"' README.md""") == 1
    assert tests.strip().endswith('pip install -e ".[all,test]" && .venv/bin/pytest')


def test_the_demo_of_the_block_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["demo", "--help"])  # it is run by test_demo_does_what_it_says


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made_sample: None) -> Iterator[str]:
    """The block of the service, with another port; yields the variables that it exports."""
    block = SERVICE.split("```console\n")[1].split("```")[0]
    add, serve, export = (shlex.split(line, comments=True) for line in block.splitlines())
    monkeypatch.setenv("ASTRA_KEYS_FILE", str(tmp_path / "keys.json"))
    monkeypatch.setenv("ASTRA_CATALOG", "sample")
    made = subprocess.run([COMMAND, *add[1:]], capture_output=True, text=True, check=True)
    key = re.search(r"astra_sk_live_\w+", made.stdout)
    assert key is not None
    port = str(free_port())
    command = [str(COMMAND), *(port if word == "8000" else word for word in serve[1:])]
    with running(command, tmp_path / "log") as process:
        root = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(f"{root}/healthz"), process, tmp_path / "log")
        assert export[0] == "export"
        url, placeholder = (word.split("=", 1) for word in export[1:])
        assert url == ["ASTRA_API_URL", "http://127.0.0.1:8000"]
        assert placeholder == ["ASTRA_API_KEY", "astra_sk_live_…"]
        monkeypatch.setenv("ASTRA_API_KEY", key[0])
        monkeypatch.setenv("ASTRA_API_URL", root)
        yield root


def test_the_service_block_serves(served: str) -> None:
    import astra_xr

    ds = astra_xr.open_scene(SAMPLE, bands=["red"])
    assert ds.red[:4, :4].values.shape == (4, 4)
    path = re.search(r"`GET (/api/v1/assets\?[^`]+)`", SERVICE)
    assert path is not None
    asked = path[1].replace("…", SAMPLE, 1)
    headers = {"Authorization": f"Bearer {os.environ['ASTRA_API_KEY']}"}
    answer = httpx.get(f"{served}{asked}", headers=headers, timeout=60)
    assert list(answer.json()["assets"]) == ["B04", "B08"]
    assert httpx.get(f"{served}/docs", timeout=60).status_code == 200


@pytest.mark.parametrize(
    "command", sorted(set(re.findall(r"`(astra-xr (?:resolve|info|search|--help)[^`]*)`", GLANCE)))
)
def test_commands_in_the_text_work(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASTRA_CATALOG", "sample")
    stand_ins = dict(zip("WSEN", ("-122.5", "37.4", "-122.3", "37.5"), strict=True), ID=SAMPLE)
    words = [stand_ins.get(word, word) for word in command.split()[1:]]
    if "--help" in words:
        with pytest.raises(SystemExit, match="0"):
            main(words)
    else:
        assert main(words) == 0
    assert capsys.readouterr().out


def test_benchmarks_and_files_that_it_names_are_there() -> None:
    speed = (ROOT / "docs" / "speed.md").read_text()
    modules = set(re.findall(r"python -m (tests\.benchmarks\.\w+)", README + speed))
    assert len(modules) >= 4
    for module in modules:
        assert importlib.util.find_spec(module), module
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).is_file(), target


def test_pictures_are_small_and_say_what_they_show() -> None:
    pictures = re.findall(r"!\[([^\]]+)\]\((?!https:)([^)]+)\)", README)
    assert pictures
    for words, path in pictures:
        assert "synthetic" in words
        assert (ROOT / path).read_bytes()[:2] == b"\xff\xd8"  # JPEG
        assert (ROOT / path).stat().st_size < 200_000


def test_links_agree_with_the_public_home() -> None:
    home = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Source"]
    host, repository = urlsplit(home).netloc, urlsplit(home).path.strip("/")
    assert host == "github.com"
    badges = re.findall(r"\]\((https://mybinder\.org/v2/[^)]+)\)", README)
    assert badges
    for badge in badges:
        _, opened = badge.split(
            f"https://mybinder.org/v2/gh/{repository}/HEAD?urlpath=lab%2Ftree%2F"
        )
        assert (ROOT / unquote(opened)).is_file(), opened
    for other in re.findall(r"https://github\.com/([\w-]+/[\w-]+)", README):
        assert other == repository


def test_the_citation_agrees_with_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {__version__}\n" in citation
    assert f"\nrepository-code: {project['urls']['Source']}\n" in citation
    urls = project["urls"]
    owner, name = urlsplit(urls["Source"]).path.strip("/").split("/")
    assert urls.pop("Documentation") == f"https://{owner}.github.io/{name}/"
    assert all(url.startswith(urls["Source"]) for url in urls.values())


def test_the_command_of_publishing_sets_the_owner_everywhere(tmp_path: Path) -> None:
    guide = (ROOT / "CONTRIBUTING.md").read_text()
    (command,) = re.findall(r"^sed -i .*$", guide, re.MULTILINE)
    names = shlex.split(command)[3:]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text((ROOT / name).read_text())
        assert "OWNER" in (tmp_path / name).read_text()
    subprocess.run(shlex.split(command), cwd=tmp_path, check=True)
    assert not any("OWNER" in (tmp_path / name).read_text() for name in names)
    rest = [
        *ROOT.glob("[A-Z]*"),
        *ROOT.glob("*.toml"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "astra_xr").rglob("*.py"),
    ]
    rest += [*(ROOT / ".github").rglob("*.yml"), *ROOT.glob("recipe/*"), *ROOT.glob("binder/*")]
    left = {
        str(path.relative_to(ROOT))
        for path in rest
        if path.is_file() and "OWNER" in path.read_text("utf-8")
    }
    # PKG-INFO is made when the sources are packed.
    assert left <= {*names, "CONTRIBUTING.md", "PKG-INFO"}


def test_its_ids_are_ids() -> None:
    table = MISSION_TABLE.split("| mission | example id |")[1].split("\n\n")[0]
    missions = {parse_scene_id(name).mission for name in re.findall(r"`([^`]+)`", table)}
    assert missions == set(MISSIONS)
