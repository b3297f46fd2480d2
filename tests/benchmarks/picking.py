"""The band picker: ``python -m tests.benchmarks.picking [--latency MS] [--strip | --memory]``.

From ``pick()`` of a full-size scene (10980², over loopback with a round-trip time, without TLS)
to its first picture, each time in a fresh process, imports and opening not counted. Then, where
there are Chromium and Notebook 7, in a window of 1900 px with two screen pixels to a CSS pixel:

- what goes over the notebook's websocket for the first picture, for 20 pans of 60 px one way, and
  for 20 back; and the redraw;
- from running the cell to the first picture, where the browser has 40 ms and 20 Mbit/s to the
  notebook: until all of the scene is seen, then until it has a pixel for each CSS pixel;
- of a stack of 60 dates of that scene: until the thumbnails in sight and until all are there, and
  from a click on another date to its picture and to its details.

``--memory`` instead measures one notebook with 1 and with 20 pickers of that scene, scrolled past.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from tests.benchmarks import link as link_module
from tests.benchmarks.link import _free_port, link
from tests.benchmarks.scenes import FOLDER, item, items, make_files
from tests.servers import free_port

NAMES = ("red", "green", "blue", "nir")

DATES = 60

PREPARE_STACK = """
from tests.benchmarks.picking import opened_stack
from astra_xr.widgets import picker as _
ds = opened_stack({base!r})
"""

PREPARE = """
from tests.benchmarks.picking import opened
from astra_xr.widgets import picker as _
ds = opened({base!r})
"""

OPEN = """
picker = ds.astra.pick()
picker
"""


def opened(base: str) -> Any:
    """Open four bands of the scene."""
    import astra_xr

    return astra_xr.open_scene(item(base), bands=list(NAMES))


def opened_stack(base: str) -> Any:
    """Open four bands of many dates of the scene."""
    import astra_xr

    return astra_xr.open_scenes(items(base, DATES), list(NAMES))


def first_picture(base: str) -> None:
    """Print seconds of wall and of CPU, and of the widget's making alone."""
    ds = opened(base)
    from astra_xr.widgets import picker as _picker

    start, cpu = time.perf_counter(), time.process_time()
    picker = ds.astra.pick()
    made = time.perf_counter() - start
    picker._read().result()
    shown = picker._repr_mimebundle_()[0]["text/html"]
    spent = time.perf_counter() - start
    assert "image/jpeg" in shown, _picker
    print(json.dumps([spent, time.process_time() - cpu, made]))


class Notebook:
    """A notebook with a picker, in a browser; what comes over its websocket is counted."""

    def __init__(
        self, folder: Path, base: str, line: tuple[float, float] | None = None,
        prepare: str = PREPARE,
    ) -> None:  # fmt: skip
        """``line`` is the way to the browser: milliseconds a round trip, and Mbit/s."""
        from playwright.sync_api import sync_playwright

        cell: dict[str, Any] = {"cell_type": "code", "source": OPEN,
                                "metadata": {}, "outputs": [], "execution_count": None}  # fmt: skip
        spec = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
        book = {"cells": [cell], "metadata": spec, "nbformat": 4, "nbformat_minor": 4}
        (folder / "n.ipynb").write_text(json.dumps(book))
        port = free_port()
        command = [sys.executable, "-m", "notebook", "--no-browser", "--allow-root",
                   "--ip=127.0.0.1", f"--port={port}", "--IdentityProvider.token=t",
                   f"--ServerApp.root_dir={folder}",
                   "--JupyterNotebookApp.expose_app_in_browser=True"]  # fmt: skip
        environ = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]),
                                "JUPYTER_CONFIG_DIR": str(folder)}  # fmt: skip
        with (folder / "log").open("w") as log:
            self.server = subprocess.Popen(
                command, stdout=log, stderr=log, env=environ, start_new_session=True
            )
        root = f"http://127.0.0.1:{port}"
        self.line: subprocess.Popen[bytes] | None = None
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{root}/api/status?token=t", timeout=1).read()
                break
            except OSError:
                time.sleep(0.1)
        if line:
            near = _free_port()
            shaped = [sys.executable, link_module.__file__, str(near), str(port), *map(str, line)]
            self.line = subprocess.Popen(shaped, stderr=subprocess.DEVNULL)
            root = f"http://127.0.0.1:{near}"
            time.sleep(1)
        self.bytes = 0
        self.playwright = sync_playwright().start()
        browser = self.playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        self.page = browser.new_page(
            viewport={"width": 1900, "height": 1400}, device_scale_factor=2
        )
        self.page.set_default_timeout(120_000)
        self.page.on("websocket", lambda ws: ws.on("framereceived", self.count))
        self.page.goto(f"{root}/notebooks/n.ipynb?token=t")
        self.page.wait_for_function("() => window.jupyterapp?.shell.currentWidget?.sessionContext")
        self.page.evaluate(
            """async prepare => {
              const widget = jupyterapp.shell.currentWidget;
              await widget.context.ready;
              await widget.sessionContext.ready;
              const { kernel } = widget.sessionContext.session;
              await kernel.info;
              // Imports and opening are not counted.
              await kernel.requestExecute({ code: prepare }).done;
              window.started = performance.now();
              const seen = () => {
                const canvas = document.querySelector(".astra-canvas");
                if (canvas?.dataset.rev) window.coarse ||= performance.now() - started;
                if (canvas?.dataset.fine === "true") window.finest ||= performance.now() - started;
                if (!window.finest) requestAnimationFrame(seen);
              };
              seen();
              await jupyterapp.commands.execute("notebook:run-all-cells");
            }""",
            prepare.format(base=base),
        )
        self.page.locator(".astra-canvas[data-rev]").wait_for()

    def count(self, payload: str | bytes) -> None:
        self.bytes += len(payload)

    def settle(self, act: Any) -> int:
        """Move the view, and return the bytes that come until all that is seen is there."""
        before, code = self.bytes, self.page.locator(".astra-code").inner_text()
        act()
        self.page.wait_for_function(
            "code => document.querySelector('.astra-code').innerText !== code", arg=code
        )
        self.fine()
        return self.bytes - before

    def fine(self) -> None:
        self.page.wait_for_function(
            """document.querySelector(".astra-canvas").dataset.fine === "true"
               && document.querySelector(".astra-picker").dataset.busy === "false" """
        )

    def drag(self, dx: int) -> None:
        box = self.page.locator(".astra-canvas").bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + 200
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + dx, y, steps=4)
        self.page.mouse.up()

    def redraws(self) -> list[float]:
        """Return the milliseconds of redraws of all that is seen, by moving the gamma."""
        found: list[float] = self.page.evaluate(
            """async () => {
              const slider = document.querySelector(".astra-gamma input"), found = [];
              const canvas = document.querySelector(".astra-canvas");
              for (let n = 0; n < 31; n++) {
                const rev = canvas.dataset.rev;
                slider.value = -0.9 + n * 0.06;
                slider.dispatchEvent(new Event("input"));
                while (canvas.dataset.rev === rev) await new Promise(requestAnimationFrame);
                found.push(Number(canvas.dataset.ms));
              }
              return found;
            }"""
        )
        return found

    def thumbnails(self) -> float:
        """Return the seconds until the thumbnails in sight are there."""
        spent: float = self.page.evaluate(
            """async () => {
              const frame = () => new Promise(requestAnimationFrame);
              const strip = document.querySelector(".astra-dates");
              const start = performance.now();
              while (!strip.querySelector(".astra-date")) await frame();
              const count = Math.round(strip.firstChild.clientWidth / 66);
              const first = Math.floor(strip.scrollLeft / 66);
              const last = Math.min(count, Math.ceil((strip.scrollLeft + strip.clientWidth) / 66));
              const here = n => strip.querySelector(`.astra-here[aria-posinset="${n + 1}"]`);
              for (let n = first; n < last; n++) while (!here(n)) await frame();
              return (performance.now() - start) / 1000;
            }"""
        )
        return spent

    def all_thumbnails(self) -> float:
        """Return the seconds until all are there, scrolling from the last to the first."""
        spent, left = 0.0, -1
        while left != 0:
            left = self.page.locator(".astra-dates").evaluate(
                """e => { e.scrollLeft -= e.clientWidth;
                   return e.scrollLeft; }"""
            )
            spent += self.thumbnails()
        return spent

    def switch(self, label: str) -> tuple[float, float]:
        """Return the seconds from a click to the picture of another date, and to its details."""
        spent: tuple[float, float] = self.page.evaluate(
            """async label => {
              const canvas = document.querySelector(".astra-canvas"), rev = canvas.dataset.rev;
              const start = performance.now();
              document.querySelector(`[aria-label="${label}"]`).click();
              const frame = () => new Promise(requestAnimationFrame);
              while (canvas.dataset.rev === rev) await frame();
              const seen = performance.now();
              while (canvas.dataset.fine !== "true") await frame();
              return [(seen - start) / 1000, (performance.now() - start) / 1000];
            }""",
            label,
        )
        return spent

    def close(self) -> None:
        self.playwright.stop()
        if self.line:
            self.line.terminate()
            self.line.wait(20)
        os.killpg(self.server.pid, signal.SIGTERM)
        self.server.wait(20)


def over_the_websocket(base: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        notebook = Notebook(Path(folder), base)
        try:
            notebook.fine()
            print(f"first picture over the websocket: {notebook.bytes / 1e6:.2f} MB")
            notebook.page.locator(".astra-canvas").focus()
            zoomed = [notebook.settle(lambda: notebook.page.keyboard.press("+")) for _ in range(4)]
            print(f"four steps of zoom: {', '.join(f'{n / 1e6:.2f}' for n in zoomed)} MB")
            there = [notebook.settle(lambda: notebook.drag(-60)) for _ in range(20)]
            back = [notebook.settle(lambda: notebook.drag(60)) for _ in range(20)]
            print(
                f"20 pans of 60 px: {statistics.mean(there) / 1e6:.2f} MB on average, "
                f"{max(there) / 1e6:.2f} MB at most; back {statistics.mean(back) / 1e3:.1f} kB on "
                f"average, {max(back) / 1e3:.1f} kB at most"
            )
            times = sorted(notebook.redraws())
            print(f"redraw: median {times[15]:.1f} ms, slowest but one of 31 {times[29]:.1f} ms")
        finally:
            notebook.close()


def over_a_line(base: str, rtt: float, mbit: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        notebook = Notebook(Path(folder), base, (rtt, mbit))
        try:
            notebook.page.wait_for_function("window.finest")
            coarse, fine = (
                notebook.page.evaluate(f"window.{n}") / 1e3 for n in ("coarse", "finest")
            )
            print(
                f"to the browser, {rtt:g} ms, {mbit:g} Mbit/s: all is seen after {coarse:.2f} s, "
                f"with a pixel for each CSS pixel after {fine:.2f} s"
            )
        finally:
            notebook.close()


def thumbnails(base: str) -> None:
    """Print seconds and bytes of reading the thumbnails of all dates, as many at once as asked."""
    from astra_xr.reading.loop import run, together

    picker = opened_stack(base).astra.pick()
    picker._read().result()
    tiles, level = picker._tiles, picker._tiles.pyramid.thumbnail
    start, cpu = time.perf_counter(), time.process_time()
    for first in range(0, DATES, 12):
        dates = range(first, first + 12)
        work = [tiles.tiles((key, n), level, [(0, 0)]) for n in dates for key in NAMES[:3]]
        run(together(work))
    spent, used = time.perf_counter() - start, time.process_time() - cpu
    print(f"thumbnails of {DATES} dates in Python: {spent:.2f} s (CPU {used:.2f} s)")
    picker.close()


def strip(base: str) -> None:
    thumbnails(base)
    with tempfile.TemporaryDirectory() as folder:
        notebook = Notebook(Path(folder), base, prepare=PREPARE_STACK)
        try:
            before = notebook.bytes
            seen = notebook.thumbnails()
            every = seen + notebook.all_thumbnails()
            size = (notebook.bytes - before) / 1e6
            print(
                f"strip of {DATES} dates: in sight {seen:.2f} s after the first picture, all after "
                f"{every:.2f} s, {size:.2f} MB over the websocket"
            )
            far = notebook.switch("Previous date")
            near = []
            for _ in range(5):
                # Neighbors are read while one looks.
                notebook.page.wait_for_timeout(3000)
                near.append(notebook.switch("Previous date"))
            first, fine = (sorted(each) for each in zip(*near, strict=True))
            print(
                f"another date: {far[0]:.2f} s, all details {far[1]:.2f} s; with its neighbors "
                f"read ahead {first[2]:.2f} s (slowest of 5: {first[-1]:.2f} s), {fine[2]:.2f} s"
            )
        finally:
            notebook.close()


def private(pid: int, name: str) -> float:
    """Return the MB that a process and its children use alone, of those with a name."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    own = 0.0
    if name in Path(f"/proc/{pid}/cmdline").read_text():
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        own = sum(int(each.split()[1]) for each in lines if each.startswith("Private_")) / 1024
    return own + sum(private(int(child), name) for child in children)


MANY = 20

INSERT = """async n => {
  const nb = jupyterapp.shell.currentWidget.content;
  for (let i = 1; i < n; i++) {
    await jupyterapp.commands.execute('notebook:insert-cell-below');
    nb.activeCell.model.sharedModel.setSource(`p${i} = ds.astra.pick()\\np${i}`);
    await jupyterapp.commands.execute('notebook:run-cell');
    await new Promise(done => setTimeout(done, 2500));
  }
}"""


def memory(base: str) -> None:
    """Print what the browser and the kernel use with one picker, and with many."""
    with tempfile.TemporaryDirectory() as folder:
        notebook = Notebook(Path(folder), base)
        try:
            notebook.fine()
            cdp = notebook.page.context.new_cdp_session(notebook.page)
            used = []
            for count in (1, MANY):
                notebook.page.evaluate(INSERT, count)
                time.sleep(8)  # those that are far from what is seen fall asleep after 3 s
                cdp.send("HeapProfiler.collectGarbage")
                time.sleep(2)
                heap = cdp.send("Runtime.getHeapUsage")
                scripts = (heap["usedSize"] / 1e6, heap["backingStorageSize"] / 1e6)
                used.append((private(os.getpid(), "chrom"), private(os.getpid(), "ipykernel")))
                print(
                    f"{count:2} pickers: browser {used[-1][0]:.0f} MB (scripts {scripts[0]:.0f}, "
                    f"their arrays {scripts[1]:.0f}), kernel {used[-1][1]:.0f} MB",
                    flush=True,
                )
            browser, kernel = (many - one for one, many in zip(*used, strict=True))
            print(f"{MANY} pickers need more than one by {browser:.0f} MB and {kernel:.0f} MB")
        finally:
            notebook.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=30, help="milliseconds a round trip")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work")
    parser.add_argument("--strip", action="store_true", help="the stack alone")
    parser.add_argument("--memory", action="store_true", help="memory of many pickers alone")
    args = parser.parse_args()
    if args.work:
        return first_picture(args.work)
    make_files()
    if args.strip or args.memory:
        with link(FOLDER, args.latency, 10_000, tls=False) as line:
            (strip if args.strip else memory)(line.url)
        return None
    runs = []
    with link(FOLDER, args.latency, 10_000, tls=False) as line:
        for _ in range(args.rounds):
            work = [sys.executable, "-m", "tests.benchmarks.picking", "--work", line.url]
            out = subprocess.run(work, check=True, capture_output=True, text=True).stdout
            runs.append(json.loads(out.splitlines()[-1]))
        wall, cpu, made = (statistics.median(each) for each in zip(*runs, strict=True))
        print(f"first picture: {wall:.2f} s (CPU {cpu:.2f} s), the widget made after {made:.2f} s")
        if shutil.which("chromium"):
            over_the_websocket(line.url)
            for _ in range(3):
                over_a_line(line.url, 40, 20)
            strip(line.url)
    return None


if __name__ == "__main__":
    main()
