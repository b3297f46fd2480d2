"""``astra-xr demo``: from scene id to NDVI on the built-in sample, with images and timings."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astra_xr.errors import AstraError
from astra_xr.extras import require
from astra_xr.reading.ranges import traffic
from astra_xr.settings import Settings

if TYPE_CHECKING:
    import xarray as xr

_SCENE = "sentinel-2:S2B_MSIL2A_20250115T184929"
_BANDS = ["red", "green", "blue", "nir"]


def run_demo(folder: Path) -> list[Path]:
    """Open the sample scene, compute NDVI, save images of both, and print the timings.

    Parameters
    ----------
    folder : Path
        Folder for ``astra-true-color.png`` and ``astra-ndvi.png``.

    Returns
    -------
    list of Path
        The images.

    Raises
    ------
    MissingExtra
        matplotlib is not installed.
    """
    require("matplotlib", extra="plot", purpose="Drawing the demo's images")
    from astra_xr.scenes.open import open_scene, resolve

    print("astra-xr demo: a scene id becomes an xarray Dataset, with the built-in sample scene.")
    print("It is synthetic: its landscape is generated, and not a satellite image.\n")
    with _step("Checked that the sample's files exist (they are created on first use)"):
        resolve(_SCENE, "red", catalog="sample", sign=False)
    with _step(f"Opened {_SCENE}: metadata only, no pixel read"):
        ds = open_scene(_SCENE, bands=_BANDS, catalog="sample")
    print(f"\n{ds}\n")
    with _step("Read four bands and computed NDVI = (nir - red) / (nir + red)"):
        ds = ds.load()
        ndvi = ds.astra.index("NDVI")
    low, half, high = (f"{value:.2f}" for value in ndvi.quantile([0.05, 0.5, 0.95]).values)
    print(f"    NDVI: 5 % of the pixels below {low}, half below {half}, 5 % above {high}")
    folder.mkdir(parents=True, exist_ok=True)
    images = [folder / "astra-true-color.png", folder / "astra-ndvi.png"]
    with _step(f"Saved {images[0]} and {images[1]}"):
        _draw_true_color(ds, images[0])
        _draw_ndvi(ndvi, images[1])
    _over_http(ndvi)
    print(_NEXT)
    return images


def _over_http(ndvi: xr.DataArray) -> None:
    """Open the scene again through a local service on a free port."""
    if find_spec("uvicorn") is None or find_spec("starlette") is None:
        print("  * Skipped the HTTP service: pip install 'astra-xr[service]'")
        return
    from astra_xr.resolver.remote import RemoteResolver
    from astra_xr.scenes.open import open_scene
    from astra_xr.service.config import ServiceSettings
    from astra_xr.service.keys import new_key
    from astra_xr.service.serve import running_in_thread

    _, key = new_key("demo")
    core = replace(Settings.from_env(), catalog="sample", api_url=None)
    settings = ServiceSettings(core=core, api_keys=(key,))
    corner = {"x": slice(0, 512), "y": slice(0, 512)}
    with _step(
        "Repeated this for a corner through a local HTTP service, with a key and signed URLs"
    ):
        with running_in_thread(settings) as url:
            ds = open_scene(_SCENE, ["red", "nir"], resolver=RemoteResolver(url, key))
            again = ds.isel(corner).astra.index("NDVI").load()
        if not again.equals(ndvi.isel(corner)):
            raise AstraError("The values from the service differ from those of this process.")


_NEXT = """
Next, in Python or a notebook:

    import astra_xr
    ds = astra_xr.open_scene("sentinel-2:S2B_MSIL2A_20250115T184929",
                             bands=["red", "green", "blue", "nir"], catalog="sample")
    ds.astra                              # its bands, and their radiometry
    ds.astra.plot("NDVI")                 # any index of spyndex, or a band
    ds.astra.plot()                       # true color

Without catalog=, ids of real scenes open from Earth Search or the Planetary Computer."""


@contextmanager
def _step(what: str) -> Iterator[None]:
    before, start = traffic(), time.perf_counter()
    yield
    seconds, after = time.perf_counter() - start, traffic()
    requests, size = after.requests - before.requests, after.bytes - before.bytes
    cost = f"{requests} file reads, {size / 1e6:.1f} MB" if requests else "no file reads"
    print(f"  * {what}\n    {seconds:.2f} s, {cost}, no network")


def _draw_true_color(ds: xr.Dataset, path: Path) -> None:
    figure, axes = _figure()
    ds.astra.rgb().plot.imshow(ax=axes)
    axes.set_title("True color (red, green, blue), synthetic sample scene")
    _finish(figure, axes, path)


def _draw_ndvi(ndvi: xr.DataArray, path: Path) -> None:
    figure, axes = _figure()
    colorbar = {"label": "NDVI", "shrink": 0.8}
    ndvi.plot.imshow(ax=axes, cmap="PiYG", vmin=-0.2, vmax=0.9, cbar_kwargs=colorbar)
    axes.set_title("NDVI, synthetic sample scene")
    _finish(figure, axes, path)


def _figure() -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    # Without pyplot, which would need a display backend.
    figure = Figure(figsize=(9, 8), layout="constrained")
    return figure, figure.subplots()


def _finish(figure: Any, axes: Any, path: Path) -> None:
    axes.set_aspect("equal")
    axes.set_xlabel("Easting, m (EPSG:32610)")
    axes.set_ylabel("Northing, m")
    axes.ticklabel_format(style="plain", useOffset=False)
    axes.tick_params(axis="x", rotation=30)
    figure.savefig(path, dpi=120)
