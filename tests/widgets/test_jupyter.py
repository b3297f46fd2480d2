"""The picker in JupyterLab and Notebook 7, with a real kernel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.servers import answers, free_port, running, wait_until
from tests.widgets.conftest import SAMPLE, drawn

pytestmark = pytest.mark.skipif(
    find_spec("notebook") is None, reason="JupyterLab is not here: pip install -e '.[browser]'"
)

OPEN = f"""
import astra_xr, time
ds = astra_xr.open_scene({SAMPLE!r}, ["red", "green", "blue", "nir"], catalog="sample")
picker = ds.astra.pick()
picker
"""

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> Iterator[tuple[str, Path]]:
    """A Jupyter server with JupyterLab and Notebook 7, on loopback."""
    root, config = tmp_path_factory.mktemp("notebooks"), tmp_path_factory.mktemp("config")
    for name, values in {
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
        "notebook-extension/tracker": {"windowingMode": "none"},
    }.items():
        path = config / "settings/@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    port = free_port()
    command = [sys.executable, "-m", "notebook", "--no-browser", "--allow-root", "--ip=127.0.0.1"]
    options = {
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.root_dir": root,
        "IdentityProvider.token": "token",
        "LanguageServerManager.autodetect": False,
        "JupyterNotebookApp.expose_app_in_browser": True,
        "LabApp.expose_app_in_browser": True,
    }
    environ = os.environ | {
        "JUPYTER_CONFIG_DIR": str(config),
        "JUPYTERLAB_SETTINGS_DIR": str(config / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(config / "workspaces"),
        "JUPYTER_PLATFORM_DIRS": "1",
        "ASTRA_CACHE_DIR": str(cache_dir),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    log = root.parent / "server.log"
    url = f"http://127.0.0.1:{port}"
    command += [f"--{name}={value}" for name, value in options.items()]
    with running(command, log, environ=environ) as process:
        wait_until(lambda: answers(f"{url}/api/status?token=token"), process, log, seconds=180)
        yield url, root


@pytest.fixture
def page(browser: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A page that may reach the server, whose complaints about the picker are collected."""
    context = browser.new_context(viewport={"width": 1300, "height": 1100})
    page = context.new_page()
    page.set_default_timeout(180_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    folder = os.environ.get("PICKER_SCREENSHOTS")
    if folder:
        page.screenshot(path=f"{folder}/{request.node.name}.png")
    page.evaluate("async () => await jupyterapp.shell.currentWidget?.sessionContext?.shutdown()")
    context.close()
    assert [each for each in errors if "astra" in each or "widget" in each.lower()] == []


@pytest.fixture
def run(server: tuple[str, Path], page: Any) -> Run:
    """Write a notebook, open it in an application and run its cells."""
    url, root = server

    def run(application: str, *cells: str, execute: bool = True, name: str = "") -> Any:
        name = name or f"n{time.time_ns()}.ipynb"
        if cells:
            notebook = {
                "cells": [
                    {
                        "cell_type": "code",
                        "source": cell,
                        "metadata": {},
                        "outputs": [],
                        "execution_count": None,
                    }
                    for cell in cells
                ],
                "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
                "nbformat": 4,
                "nbformat_minor": 4,
            }
            (root / name).write_text(json.dumps(notebook))
        where = "lab/tree" if application == "lab" else "notebooks"
        page.goto(f"{url}/{where}/{name}?token=token{'&reset' if application == 'lab' else ''}")
        page.wait_for_function("() => window.jupyterapp?.shell.currentWidget?.sessionContext")
        page.evaluate(
            """async execute => {
              const app = window.jupyterapp;
              await app.restored;
              const widget = app.shell.currentWidget;
              await widget.context.ready;
              await widget.sessionContext.ready;
              if (!execute) return;
              await widget.sessionContext.session.kernel.info;
              await app.commands.execute("notebook:run-all-cells");
            }""",
            execute,
        )
        return page

    return run


def kernel(page: Any, code: str) -> str:
    """Run code in the notebook's kernel, beside its cells, and return what it prints."""
    return str(
        page.evaluate(
            """async code => {
              const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
              const future = kernel.requestExecute({code, store_history: false});
              let out = "";
              future.onIOPub = m => { if (m.content.name === "stdout") out += m.content.text; };
              await future.done;
              return out.trim();
            }""",
            code,
        )
    )


def kernel_until(page: Any, code: str, found: Callable[[str], bool]) -> str:
    """Run code in the kernel until what it prints is what is waited for, and return it."""
    for _ in range(600):
        if found(printed := kernel(page, code)):
            return printed
        page.wait_for_timeout(100)
    raise AssertionError(f"{code} still prints {printed[:500]}")


def save(page: Any) -> str:
    """Save the notebook, again if its kernel changed it meanwhile, and return its name."""
    saved = """async () => {
      await jupyterapp.commands.execute("docmanager:save");
      return !jupyterapp.shell.currentWidget.context.model.dirty;
    }"""
    while not page.evaluate(saved):
        page.wait_for_timeout(100)
    return str(page.evaluate("() => jupyterapp.shell.currentWidget.context.path"))


@pytest.mark.parametrize("application", ["lab", "notebook"])
def test_pick_drag_zoom_and_code(run: Run, application: str) -> None:
    page = run(application, OPEN)
    rev = drawn(page)
    page.get_by_label("Preset").select_option("False color")
    rev = drawn(page, rev)
    handle = page.get_by_label("Upper limit of nir in red")
    box = handle.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] - 40, box["y"], steps=4)
    page.mouse.up()
    rev = drawn(page, rev)
    canvas = page.locator(".astra-canvas")
    canvas.focus()
    page.keyboard.press("+")
    page.keyboard.press("+")
    page.wait_for_function("document.querySelector('.astra-code').innerText.includes('.sel(')")
    page.wait_for_function("document.querySelector('.astra-canvas').dataset.fine === 'true'")
    page.keyboard.press("Enter")
    page.locator(".astra-spectra circle").nth(3).wait_for(state="attached")
    # What is shown is sent a moment later.
    code = page.locator(".astra-code")
    shown = kernel_until(page, "print(picker.code)", lambda printed: printed == code.inner_text())
    assert '["nir", "red", "green"]' in shown
    assert ".sel(" in shown
    assert int(kernel(page, "print(len(picker.spectra))")) == 1
    kernel(page, "picker.state = picker.state | {'mode': 'index'}")
    page.get_by_text("Normalized Difference Vegetation Index").first.wait_for(state="attached")


WAIT = """
from pathlib import Path
while not Path("GO").exists():
    time.sleep(0.05)
"""


def test_it_reacts_while_the_kernel_is_busy_and_stays_when_reopened(
    run: Run, server: tuple[str, Path], tmp_path: Path
) -> None:
    page = run("lab", OPEN)
    rev = drawn(page)
    page.wait_for_function(
        """() => JSON.stringify(jupyterapp.shell.currentWidget.context.model.toJSON())
                     .includes("data:image/jpeg;base64,")"""
    )
    page.evaluate(
        """code => { jupyterapp.shell.currentWidget.sessionContext.session.kernel
                       .requestExecute({code}); }""",
        WAIT.replace("GO", str(tmp_path / "go")),
    )
    handle = page.get_by_label("Upper limit of red in red")
    handle.focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function(
        "rev => Number(document.querySelector('.astra-canvas').dataset.rev) > rev", arg=rev
    )
    lock = page.get_by_role("button", name="Keep limits of red")
    assert lock.get_attribute("aria-pressed") == "true"
    (tmp_path / "go").touch()
    name = save(page)
    saved = (server[1] / name).read_text()
    assert "data:image/jpeg;base64," in saved
    assert len(saved) < 400_000
    # Opened anew in another window, while the kernel lives: as it was.
    run("lab", execute=False, name=name)
    drawn(page)
    assert lock.get_attribute("aria-pressed") == "true"
    # Exported: the static image.
    command = [sys.executable, "-m", "nbconvert", "--to", "html", str(server[1] / name)]
    subprocess.run(command, check=True, capture_output=True)
    exported = page.context.new_page()
    exported.goto((server[1] / name).with_suffix(".html").as_uri())
    exported.locator("figure img[src^='data:image/jpeg']").first.wait_for()
    exported.close()


TWO = """
import ipywidgets as W
W.HBox([W.Box([picker], layout=W.Layout(width="60%")), W.Box([picker], layout={"width": "38%"})])
"""


def test_two_views_then_a_kernel_that_is_gone(run: Run) -> None:
    page = run("lab", OPEN, TWO)
    page.locator(".astra-canvas[data-rev]").nth(2).wait_for()
    first = page.locator(".astra-picker").first
    first.get_by_label("Zoom in").click()
    first.get_by_label("Zoom in").click()
    page.wait_for_function(
        """() => {
          const codes = [...document.querySelectorAll(".astra-code")].map(c => c.innerText);
          return codes.length === 3 && new Set(codes).size === 1 && codes[0].includes(".sel(");
        }"""
    )
    page.wait_for_function(
        """[...document.querySelectorAll(".astra-canvas")].every(c => c.dataset.fine === "true")"""
    )
    page.evaluate(
        """async () => jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"""
    )
    first.get_by_role("radio", name="Index", exact=True).click()
    status = first.get_by_role("status")
    status.get_by_text("The kernel is gone").or_(status.get_by_text("Still waiting")).wait_for()
    assert 'astra.index("NDVI")' in first.locator(".astra-code").inner_text()
    assert first.get_by_role("combobox", name="Index", exact=True).is_visible()
    assert not first.locator(".astra-histogram").is_visible()


SAVES = "jupyterapp.commands.execute('@jupyter-widgets/jupyterlab-manager:saveWidgetState')"


# Whether each still image of the page is seen.
SEEN = """[...document.querySelectorAll("figure[class^=astra-still] img")].map(
            (img) => img.naturalWidth > 100 && img.checkVisibility())"""


@pytest.mark.parametrize("application", ["lab", "notebook"])
def test_a_notebook_that_was_saved_without_the_state_of_widgets(
    run: Run, server: tuple[str, Path], application: str
) -> None:
    page = run(application, OPEN)
    drawn(page)
    image = "import base64; print(base64.b64encode(picker.preview).decode())"
    before = kernel_until(page, image, bool)
    page.get_by_role("radio", name="Index", exact=True).click()
    encoded = kernel_until(page, image, lambda printed: printed != before)
    source = "document.querySelector('figure[class^=astra-still] img').src"
    page.wait_for_function(f"encoded => {source}.endsWith(encoded)", arg=encoded)
    assert page.evaluate(SEEN) == [False]  # the widget is there
    name = save(page)
    text = (server[1] / name).read_text()
    assert "widget-state+json" not in text
    assert encoded in text  # what was seen in the end
    page.evaluate("async () => await jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    for other in ("lab", "notebook"):
        run(other, execute=False, name=name)
        page.wait_for_function(f"String({SEEN}) === 'true'")


SLOW = f"""
import asyncio, astra_xr
from pathlib import Path
from astra_xr.widgets.picker_scene import Scene
read = Scene.read
async def slowly(*args, **options):
    while not Path("GO").exists():
        await asyncio.sleep(0.05)
    return await read(*args, **options)
Scene.read = slowly
ds = astra_xr.open_scene({SAMPLE!r}, ["red", "green", "blue"], catalog="sample")
picker = ds.astra.pick()
display(picker)
print("it goes on")
"""


def test_reads_that_are_slow_hold_up_nothing_and_are_in_the_notebook_later(
    run: Run, server: tuple[str, Path], tmp_path: Path
) -> None:
    page = run("lab", SLOW.replace("GO", str(tmp_path / "go")))
    page.locator("pre", has_text="it goes on").wait_for()
    (tmp_path / "go").touch()
    drawn(page)
    kernel_until(page, "print(len(picker.preview))", lambda printed: int(printed) > 0)
    page.locator("figure[class^=astra-still] img").wait_for(state="attached")
    name = save(page)
    book = json.loads((server[1] / name).read_text())
    outputs = [each for each in book["cells"][0]["outputs"] if "text/html" in each.get("data", {})]
    assert len(outputs) == 1
    assert "data:image/jpeg" in "".join(outputs[0]["data"]["text/html"])


def test_a_notebook_opened_again_without_its_kernel(run: Run, server: tuple[str, Path]) -> None:
    page = run("lab", OPEN)
    drawn(page)
    page.get_by_role("radio", name="Index", exact=True).click()
    page.wait_for_function("document.querySelector('.astra-code').innerText.includes('vmin')")
    code = page.locator(".astra-code").inner_text()
    state = "print(picker.state['mode'], len(picker.preview) > 0)"
    kernel_until(page, state, lambda printed: printed == "index True")
    page.evaluate(f"async () => await {SAVES}")  # a switch
    try:
        page.evaluate("async () => await jupyterapp.commands.execute('docmanager:save')")
        page.wait_for_function("() => !jupyterapp.shell.currentWidget.context.model.dirty")
        name = page.evaluate("() => jupyterapp.shell.currentWidget.context.path")
        assert "widget-state+json" in (server[1] / name).read_text()
        page.evaluate("async () => await jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    finally:
        page.evaluate(f"async () => await {SAVES}")
    run("lab", execute=False, name=name)
    page.locator(".astra-canvas[data-saved=true]").wait_for()
    assert page.locator(".astra-code").inner_text() == code
    page.get_by_text("Still waiting").or_(page.get_by_text("The kernel is gone")).first.wait_for()
