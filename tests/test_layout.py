"""The package keeps its shape: public names, light import, one-way imports, small modules."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import astra_xr

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "astra_xr").rglob("*.py"))


def test_the_public_names() -> None:
    assert astra_xr.__all__ == [
        "AstraAccessor",
        "AstraArrayAccessor",
        "AstraError",
        "AstraTreeAccessor",
        "Explanation",
        "LocalResolver",
        "Picker",
        "RemoteResolver",
        "Resolution",
        "SearchResult",
        "Settings",
        "configure",
        "errors",
        "indices",
        "open_scene",
        "open_scene_tree",
        "open_scenes",
        "resolve",
        "search",
        "service",
        "timeline",
        "verify",
    ]
    assert sorted(astra_xr.__all__) == astra_xr.__all__
    for name in astra_xr.__all__:
        assert getattr(astra_xr, name).__doc__, name
    assert set(astra_xr.__all__) < set(dir(astra_xr))
    assert astra_xr.__version__
    with pytest.raises(AttributeError, match="no attribute 'open_scnee'"):
        _ = astra_xr.open_scnee


def test_importing_is_light() -> None:
    heavy = "aiohttp rasterio rioxarray odc httpx pystac spyndex dask ipywidgets matplotlib scipy"
    heavy += " uvicorn"
    code = (
        "import sys, astra_xr, xarray as xr; xr.Dataset().astra;"
        f"print([m for m in {heavy.split()} if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_imports_point_one_way() -> None:
    lint = Path(sys.executable).parent / "lint-imports"
    out = subprocess.run(
        [lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert out.returncode == 0, out.stdout


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_stay_small(path: Path) -> None:
    # The page of ds.astra is mostly docstrings; the others are lists of small things.
    limit = {"accessor.py": 900, "errors.py": 520, "testing.py": 500}.get(path.name, 400)
    assert len(path.read_text().splitlines()) <= limit


def test_a_module_is_found_by_its_name() -> None:
    names = [path.name for path in MODULES if path.name != "__init__.py"]
    assert {name for name in names if names.count(name) > 1} == {"base.py"}


def test_the_map_names_every_module_and_nothing_else() -> None:
    package = ROOT / "astra_xr"
    guide = (ROOT / "CONTRIBUTING.md").read_text()
    rows = [line.split("|", 2)[1:] for line in guide.splitlines() if line.startswith("| `")]
    rooms = {room: row for cell, row in rows for room in re.findall(r"`(\w+)/?(?:\.py)?`", cell)}
    rooms["widgets"] += guide.split("\n## The picker\n")[1].split("\nIn `widgets/js/`:\n")[0]
    modules = {path: path.read_text() for path in MODULES if path.name != "__init__.py"}
    single = {path.stem for path in modules if path.parent == package}
    assert {path.parent.name for path in modules} - {"astra_xr"} | single == {*rooms}
    # Catalogs and missions have one module each.
    plugin = re.compile(r"^MISSION =|^class .*Catalog\):", re.M)
    for path, code in modules.items():
        if path.stem not in single and not plugin.search(code):
            assert f"`{path.stem}`" in rooms[path.parent.name], path
    words = " ".join((*modules.values(), *(path.name for path in package.rglob("*"))))
    for name in re.findall(r"`([\w./]+)`", "".join(rooms.values())):
        last = re.split(r"\.(?!css|js|json)", name.strip("/"))[-1]
        assert re.search(rf"\b{re.escape(last)}\b", words), name


def test_the_contracts_name_every_catalog_and_mission() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    named = {each["name"]: set(each.get("modules", ())) for each in contracts["contracts"]}
    plugins = {module: module.read_text() for module in MODULES}
    catalogs = {
        p.stem for p, code in plugins.items() if re.search(r"^class .*Catalog\):", code, re.M)
    }
    missions = {p.stem for p, code in plugins.items() if re.search(r"^MISSION =", code, re.M)}
    assert named["Catalogs are independent of each other"] == {
        f"astra_xr.catalogs.{name}" for name in catalogs - {"stac"}
    }
    assert named["Missions are independent of each other"] == {
        f"astra_xr.missions.{name}" for name in missions | {"landsat_bands"}
    }


def test_only_arrays_uses_internals_of_xarray() -> None:
    inside = re.compile(r"xarray\.core|\._data\b|\._in_memory\b")
    found = {path.parent.name for path in MODULES if inside.search(path.read_text())}
    assert found == {"arrays"}


def test_a_missing_extra_says_how_to_install_it() -> None:
    from astra_xr.errors import MissingExtra
    from astra_xr.extras import require

    with pytest.raises(
        MissingExtra, match=r"chunks= needs no_such_thing.*pip install 'astra-xr\[dask\]'"
    ):
        require("no_such_thing", extra="dask", purpose="chunks=")


def test_the_tests_that_the_threat_model_names_are_there() -> None:
    text = (ROOT / "SECURITY.md").read_text()
    rows = [line.split("|")[-2] for line in text.splitlines() if line.startswith("| ")]
    named = [name for row in rows for name in re.findall(r"`([\w./]*test[\w./]*(?:::\w+)?)`", row)]
    assert len(named) > 40
    for each in named:
        where, _, name = each.partition("::")
        # Those of the service stand without their folder.
        path = ROOT / (where if "/" in where else f"tests/service/{where}.py")
        assert path.is_file(), each
        code = path.read_text()
        assert not name or re.search(rf"(def|class) {name}\b", code), each
    for row in rows[1:]:
        assert re.search(r"`.*test|^ (test|---)", row), row
