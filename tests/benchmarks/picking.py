"""The band picker: ``python -m tests.benchmarks.picking [--latency MS] [--rounds N]``.

From ``pick()`` of a full-size scene (10980², over loopback with a round-trip time, without TLS)
to its first picture, each time in a fresh process, imports and opening not counted; then the redraw
of 1024² in a browser, where there is one.
"""

from __future__ import annotations

import argparse
import base64
import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tests.benchmarks.link import link
from tests.benchmarks.scenes import FOLDER, item, make_files

NAMES = ("red", "green", "blue", "nir")


def first_picture(base: str) -> None:
    """Print seconds of wall and of CPU, and of the widget's making alone."""
    import astra_xr
    from astra_xr.widgets import picker as _picker

    ds = astra_xr.open_scene(item(base), bands=list(NAMES))
    start, cpu = time.perf_counter(), time.process_time()
    picker = ds.astra.pick()
    made = time.perf_counter() - start
    for read in picker._first:
        read.result()
    shown = picker._repr_mimebundle_()[0]["text/html"]
    spent = time.perf_counter() - start
    assert "image/jpeg" in shown, _picker
    print(json.dumps([spent, time.process_time() - cpu, made]))


REDRAW = """async esm => {
  const module = await import("data:text/javascript;base64," + esm);
  const noise = () => Uint16Array.from({length: 1 << 20}, () => 1 + Math.random() * 65534);
  const tiles = [0, 1, 2].map(() => ({codes: noise(), low: 0, step: 1e-5, shape: [1024, 1024]}));
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1024;
  const context = canvas.getContext("2d"), image = context.createImageData(1024, 1024);
  const out = new Uint32Array(image.data.buffer), times = [];
  for (let n = 0; n < 31; n++) {
    const start = performance.now();
    module.composeRgb(out, tiles, [[0, 0.5 + n / 90], [0, 0.6], [0, 0.6]], 1.2);
    context.putImageData(image, 0, 0);
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  return [times[15], times[29]];
}"""


def redraw() -> str:
    chromium = shutil.which("chromium")
    if chromium is None:
        return "no chromium"
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return "no playwright"
    from astra_xr.widgets import picker

    esm = Path(picker.__file__).with_name("picker.js").read_bytes()
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        times = browser.new_page().evaluate(REDRAW, base64.b64encode(esm).decode())
        browser.close()
    return f"median {times[0]:.1f} ms, slowest but one of 31 {times[1]:.1f} ms"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=30, help="milliseconds a round trip")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work")
    args = parser.parse_args()
    if args.work:
        return first_picture(args.work)
    make_files()
    runs = []
    with link(FOLDER, args.latency, 10_000, tls=False) as line:
        for _ in range(args.rounds):
            work = [sys.executable, "-m", "tests.benchmarks.picking", "--work", line.url]
            out = subprocess.run(work, check=True, capture_output=True, text=True).stdout
            runs.append(json.loads(out.splitlines()[-1]))
    wall, cpu, made = (statistics.median(each) for each in zip(*runs, strict=True))
    print(f"first picture: {wall:.2f} s (CPU {cpu:.2f} s), the widget made after {made:.2f} s")
    print(f"redraw of 1024²: {redraw()}")
    return None


if __name__ == "__main__":
    main()
