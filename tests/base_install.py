"""What ``pip install astra-xr`` gives without extras, or with one of them; run by the Python of
such an environment.

::

    python3 -m venv base && base/bin/pip install dist/astra_xr-*.whl
    base/bin/python tests/base_install.py
    base/bin/pip install "$(echo dist/astra_xr-*.whl)[plot]"
    base/bin/python tests/base_install.py plot

Every line of Python on the page "At a glance" runs on the sample, but for those that need an
extra; whatever needs one says so, and how to install it. With an extra, what needs it works.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import requires
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "at-a-glance.md"
SCENE = "sentinel-2:S2B_MSIL2A_20250115T184929"
UNASKED = {"all", "bench", "doors", "servers", "browser", "docs", "test", "dask", "notebook", "io"}
"""Extras that nothing in the package asks for: users start clusters and JupyterLab, and xarray
writes files."""


def main(extra: str = "") -> None:
    check_environment(extra)
    with tempfile.TemporaryDirectory(prefix="astra-base-") as folder:
        os.chdir(folder)
        os.environ.setdefault("ASTRA_CACHE_DIR", str(Path(folder, "cache")))
        os.environ["ASTRA_KEYS_FILE"] = str(Path(folder, "keys.json"))
        if extra:
            {**NEEDS, **ALONE}[extra]()
            print(f"{extra}: it works")
            return
        print(f"{PAGE.name}: {run_page()} statements run")
        check_commands()
        print("commands: they work, or say which extra they need")
        print(f"extras asked for by name: {', '.join(check_extras())}")


def check_environment(extra: str) -> None:
    """Refuse an environment that would prove nothing."""
    spec = find_spec("astra_xr")
    assert spec, "astra_xr is not installed here"
    assert spec.origin
    home = sysconfig.get_path("purelib")
    assert spec.origin.startswith(home), f"{spec.origin} is not in {home}: no installed wheel"
    there = {name for name, of in MARKS.items() if find_spec(name) and of != extra}
    assert not there, f"{', '.join(there)}: not an environment with no other extra than {extra!r}"


def run_page() -> int:
    """Run the page's Python, statement by statement; return how many ran to their end."""
    count = 0
    text = PAGE.read_text("utf-8")
    for block in re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        names: dict[str, Any] = {}
        lacking: set[str] = set()
        for node in ast.parse(block).body:
            used = [each for each in ast.walk(node) if isinstance(each, ast.Name)]
            if lacking & {each.id for each in used if isinstance(each.ctx, ast.Load)}:
                continue
            try:
                exec(compile(ast.Module([node], []), PAGE.name, "exec"), names)
                count += 1
            except ImportError as error:
                refusal = str(error)
                lacking |= {each.id for each in used if isinstance(each.ctx, ast.Store)}
            else:
                continue
            # .plot() of a DataArray is xarray's own.
            known = r"pip install 'astra-xr\[|matplotlib package is required for plotting"
            assert re.search(known, refusal), refusal
    return count


def check_commands() -> None:
    """Run the command line: what needs no extra works, the rest ends in one line."""
    info = command("info", SCENE, "--catalog", "sample")
    assert info.returncode == 0, info.stderr
    assert "B04" in info.stdout
    resolved = command("resolve", SCENE, "--bands", "red", "--catalog", "sample", "--json")
    assert resolved.returncode == 0, resolved.stderr
    assert command("keys", "add", "alice").returncode == 0
    for extra, words in (
        ("plot", ["demo"]),
        ("service", ["serve"]),
        ("service", ["keys", "add", "bob", "--rate", "6/minute"]),
    ):
        ended = command(*words)
        assert ended.returncode == 1, ended
        assert ended.stderr.count("\n") == 1, ended.stderr
        assert f"pip install 'astra-xr[{extra}]'" in ended.stderr


def command(*words: str) -> subprocess.CompletedProcess[str]:
    program = Path(sysconfig.get_path("scripts"), "astra-xr")
    return subprocess.run([program, *words], capture_output=True, text=True, check=False)


def check_extras() -> list[str]:
    """Call what needs each extra, and return their names."""
    told = "\n".join(requires("astra-xr") or ())
    extras = sorted(set(re.findall(r"extra == '([\w-]+)'", told)) - UNASKED)
    assert extras == sorted(NEEDS), extras
    for extra in extras:
        with refused(extra):
            NEEDS[extra]()
    return extras


@contextmanager
def refused(extra: str) -> Iterator[None]:
    from astra_xr.errors import MissingExtra, SigningError, UpstreamError

    others: dict[str, type[Exception]] = {"aws": SigningError, "socks": UpstreamError}
    kind, words = others.get(extra, MissingExtra), "nothing was missing"
    try:
        yield
    except kind as error:
        words = str(error)
    assert f"pip install 'astra-xr[{extra}]'" in words, f"{extra}: {words}"


def plot() -> None:
    import astra_xr

    astra_xr.open_scene(SCENE, ["SCL"], catalog="sample").SCL.astra.plot()


def geo() -> None:
    import astra_xr

    frame = astra_xr.search("sentinel-2", catalog="sample").to_geodataframe()
    ds = astra_xr.open_scene(SCENE, ["red"], catalog="sample")
    ds.astra.zonal(frame.geometry.iloc[:1], "mean")


def service() -> None:
    from astra_xr.service import running
    from astra_xr.service.rates import check_rate

    check_rate("6/minute")
    with running(catalog="sample") as here:
        here.resolver.resolve(SCENE, "red")


def geoparquet() -> None:
    import astra_xr

    path = Path("items.parquet")
    if find_spec("rustac"):
        import rustac

        item = astra_xr.resolve(SCENE, "red", catalog="sample").to_item()
        rustac.write_sync(str(path), [item.to_dict()])
    else:
        path.touch()
    assert len(astra_xr.search("sentinel-2", catalog=str(path))) == 1


def aws() -> None:
    import astra_xr

    if find_spec("boto3"):
        Path("credentials").write_text("[default]\naws_access_key_id=a\naws_secret_access_key=b\n")
        os.environ["AWS_SHARED_CREDENTIALS_FILE"] = str(Path("credentials").absolute())
    href = "s3://usgs-landsat/collection02/B4.TIF"
    item: dict[str, Any] = {
        "type": "Feature", "stac_version": "1.0.0", "id": "a", "geometry": None, "links": [],
        "properties": {"datetime": "2025-01-15T00:00:00Z"},
        "assets": {"red": {"href": href, "roles": ["data"]}},
    }  # fmt: skip
    astra_xr.resolve(item, "red")


def socks() -> None:
    import astra_xr
    from astra_xr.errors import UpstreamError

    os.environ["HTTPS_PROXY"] = "socks5://127.0.0.1:9"
    os.environ["ASTRA_PATIENCE"] = "0.1"
    refusal = ""
    try:
        astra_xr.search("sentinel-2", datetime="2025-01-15", catalog="https://stac.example.org")
    except UpstreamError as error:
        if not find_spec("socksio"):
            raise
        refusal = str(error)
    assert "cannot be reached" in refusal, refusal  # nobody listens at the proxy's port


def dask() -> None:
    import distributed

    import astra_xr

    with distributed.Client(processes=False, dashboard_address=None):  # type: ignore[no-untyped-call]
        ds = astra_xr.open_scene(SCENE, ["red"], catalog="sample", chunks={})
        assert float(ds.red[:64, :64].mean()) > 0


def notebook() -> None:
    scripts = Path(sysconfig.get_path("scripts"))
    for command in (["lab", "--version"], ["kernelspec", "list"]):
        ended = subprocess.run(
            [scripts / "jupyter", *command], capture_output=True, text=True, check=True
        )
    assert "python3" in ended.stdout


def io() -> None:
    import xarray as xr

    import astra_xr

    ds = astra_xr.open_scene(SCENE, ["red"], catalog="sample").isel(x=slice(0, 9), y=slice(0, 9))
    ds.to_netcdf("a.nc")
    ds.to_zarr("a.zarr")
    for name in ("a.nc", "a.zarr"):
        again = xr.open_dataset(name, decode_coords="all")
        xr.testing.assert_allclose(again.red, ds.red, atol=5e-5)


NEEDS: dict[str, Callable[[], None]] = {
    each.__name__: each for each in (plot, geo, service, geoparquet, aws, socks)
}
ALONE: dict[str, Callable[[], None]] = {each.__name__: each for each in (dask, notebook, io)}

MARKS = {
    "distributed": "dask",
    "matplotlib": "plot",
    "geopandas": "geo",
    "uvicorn": "service",
    "rustac": "geoparquet",
    "boto3": "aws",
    "socksio": "socks",
    "jupyterlab": "notebook",
    "netCDF4": "io",
}
"""A package of each extra."""

if __name__ == "__main__":
    main(*sys.argv[1:])
