"""``python -m tests.benchmarks.importing``: ``import astra_xr`` against ``import xarray``."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

_ROUNDS = 15


def seconds(module: str) -> float:
    """Import a module in a fresh process and return the wall time of the whole process."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
    return time.perf_counter() - start


def main() -> None:
    """Import both in turn, and print medians and their ratio."""
    modules = ("xarray", "astra_xr")
    for module in modules:
        seconds(module)  # warms the disk cache
    times: dict[str, list[float]] = {module: [] for module in modules}
    for _ in range(_ROUNDS):
        for module in modules:
            times[module].append(seconds(module))
    medians = {module: statistics.median(values) for module, values in times.items()}
    for module, median in medians.items():
        print(f"import {module:<9} {median:.3f} s")
    print(f"ratio {medians['astra_xr'] / medians['xarray']:.3f}")


if __name__ == "__main__":
    main()
