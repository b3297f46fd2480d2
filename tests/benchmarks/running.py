"""Readers against each other over a link: each in fresh processes, in turn, results kept in a file.

A benchmark has rows (what is read) and readers (who reads it). The results are lines of JSON, so
that a run that was cut short goes on where it stopped; remove the file to measure anew.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.link import Link, link
from tests.benchmarks.scenes import FOLDER, SIGNED, make_files

OURS = "astra-xr"
LIMIT = "bare loop"
AGAIN = ", again"
"""Ends the name of a reader that finds what the one before it kept on disk."""

LONGEST = 60
"""Seconds after which a reader is stopped."""

SLOW = 1.3
"""A peer that takes so many times the fastest one's time is not run again."""

TOLERANCE = 2e-3
"""Difference of the means of two readers' values, which are of the same pixels."""

GDAL = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_HTTP_MULTIPLEX": "YES",
    "GDAL_INGESTED_BYTES_AT_OPEN": "32768",
    "GDAL_NUM_THREADS": "ALL_CPUS",
    "VSI_CACHE": "TRUE",
}


@dataclass(frozen=True)
class Reader:
    """Who reads."""

    modules: str
    """What it imports, which is not counted; where one is missing, it is left out."""

    read: Callable[[Any, str], Any]
    """Takes a row and the URL of the files; returns values, or None."""

    @property
    def installed(self) -> bool:
        return all(util.find_spec(name.split(".")[0]) for name in self.modules.split())


class Clock:
    """The seconds, the processor's seconds and the memory of a read in this process."""

    def restart(self) -> None:
        """Start anew: what was before is not counted."""
        Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
        self.before = peak_kib()
        self.started = time.perf_counter(), time.process_time()

    def told(self) -> dict[str, float]:
        seconds, cpu = time.perf_counter() - self.started[0], time.process_time() - self.started[1]
        return {"seconds": seconds, "cpu": cpu, "MiB": (peak_kib() - self.before) / 1024}


clock = Clock()


def peak_kib() -> int:
    """Return this process's peak of resident memory (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


def work(reader: Reader, row: Any, base: str) -> None:
    """Read once in this process, and print what it took."""
    for module in reader.modules.split():
        importlib.import_module(module)
    clock.restart()
    values = reader.read(row, base)
    told = clock.told()
    print(json.dumps(told | ({} if values is None else {"mean": mean(values)})))


def mean(values: Any) -> float:
    """Return the mean size of values, stored numbers as reflectance: readers are compared by it."""
    arrays = values if isinstance(values, list) else [values]
    flat = np.concatenate([np.asarray(each).ravel() for each in arrays])
    if flat.dtype.kind in "iu":
        flat = np.where(flat == 0, np.nan, flat * 1e-4 - 0.1)
    # Dates that have each other's bands have each other's NDVI, but for its sign; beyond 1 it has
    # no meaning, and astra-xr cuts it there.
    return float(np.nanmean(np.minimum(abs(flat), 1), dtype=np.float64))


def measure(module: str, row: str, reader: str, line: Link, base: str) -> dict[str, Any]:
    """Run one reader in a process of its own."""
    command = [sys.executable, "-m", module, "--work", row, reader, base]
    cache = FOLDER / "cache"
    if not reader.endswith(AGAIN):
        shutil.rmtree(cache, ignore_errors=True)
    environ = os.environ | GDAL | line.environ | {"ASTRA_CACHE_DIR": str(cache)}
    line.stats()
    try:
        out = subprocess.run(
            command, env=environ, capture_output=True, text=True,
            check=False, timeout=LONGEST,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {"failed": f"over {LONGEST} s"}
    # Some end by an abort, after all is done.
    if not out.stdout.rstrip().endswith("}"):
        why = [f"ended with {out.returncode}", *out.stderr.strip().splitlines()][-1]
        return {"failed": why[:300]}
    told: dict[str, Any] = json.loads(out.stdout.splitlines()[-1])
    return told | line.stats()


class Results:
    """What was measured, a line a run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self.lines: list[dict[str, Any]] = [json.loads(each) for each in lines]
        if lines:
            print(f"{len(lines)} runs are in {path} already", file=sys.stderr)

    def add(self, **told: Any) -> None:
        self.lines.append(told)
        with self.path.open("a") as file:
            file.write(json.dumps(told) + "\n")

    def of(self, where: str, row: str) -> dict[str, list[dict[str, Any]]]:
        """Return the runs of each reader."""
        found: dict[str, list[dict[str, Any]]] = {}
        for each in self.lines:
            if (each["link"], each["row"]) == (where, row):
                found.setdefault(each["reader"], []).append(each)
        return found


def seconds(runs: Sequence[Mapping[str, Any]]) -> float:
    """Return the median; infinite where a reader failed."""
    found: list[float] = [each.get("seconds", math.inf) for each in runs]
    return statistics.median(found or [math.inf])


def own(reader: str) -> bool:
    """Return True for what is no peer."""
    return reader == LIMIT or reader.split(",", maxsplit=1)[0] == OURS


def fill(
    module: str, rows: Mapping[str, Any], args: argparse.Namespace, line: Link, where: str,
    results: Results,
) -> None:  # fmt: skip
    """Measure what is missing of some rows over one link."""
    base = f"{line.url}?{SIGNED}" if where.endswith(",signed") else line.url
    for row, wanted in rows.items():
        for number in range(min(args.rounds, wanted.rounds)):
            for reader in [name for name in wanted.readers if name in args.readers]:
                runs = results.of(where, row)
                done = runs.get(reader, [])
                peers = [seconds(r) for name, r in runs.items() if not own(name)]
                slow = not own(reader) and done and (
                    math.isinf(seconds(done)) or seconds(done) > SLOW * min(peers)
                )  # fmt: skip
                if len(done) > number or slow:
                    continue
                told = measure(module, row, reader, line, base)
                results.add(link=where, row=row, reader=reader, **told)
                brief = told.get("failed") or f"{told['seconds']:.2f} s"
                print(f"{where}: {row}: {reader}: {brief}", file=sys.stderr, flush=True)


def table(results: Results, where: str, row: str) -> str:
    """Return what readers took for one row, as lines of a Markdown table."""
    runs = results.of(where, row)
    limit, lines = seconds(runs.get(LIMIT, [])), []
    right = [each["mean"] for each in runs.get(OURS, []) if "mean" in each]
    for reader, told in runs.items():
        good = [each for each in told if "seconds" in each]
        if not good:
            lines.append(f"| {where} | {row} | {reader} | {told[0]['failed']} |||||||")
            continue
        middle = {
            name: statistics.median(each[name] for each in good)
            for name in ("seconds", "connections", "bytes", "cpu", "MiB")
        }
        ratio = "" if math.isinf(limit) else f"{middle['seconds'] / limit:.2f}"
        values = [each["mean"] for each in good if "mean" in each]
        same = "" if not values or not right else (
            "same" if abs(values[0] - right[0]) < TOLERANCE else f"{values[0]:.4f}"
        )  # fmt: skip
        lines.append(
            f"| {where} | {row} | {reader} | {middle['seconds']:.2f} | {ratio} | "
            f"{middle['connections']:.0f} | {middle['bytes'] / 1e6:.1f} | {middle['cpu']:.2f} | "
            f"{middle['MiB']:.0f} | {len(good)} | {same} |"
        )
    return "\n".join(lines)


def overview(results: Results, where: str, rows: Sequence[str]) -> str:
    """Return seconds, a line a row and a column a reader, the best of its settings."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        best = found.setdefault(row, {})
        for name, runs in results.of(where, row).items():
            column = name if own(name) else name.split(",")[0]
            best[column] = min(best.get(column, math.inf), seconds(runs))
    names = [name for best in found.values() for name in best if not own(name)]
    several = min(len(rows), 2)  # a reader of one row among many is in the long table alone
    columns = [OURS, LIMIT, *dict.fromkeys(n for n in names if names.count(n) >= several)]
    rtt, mbit, kind = where.split(",")
    title = f"{rtt} ms, {mbit} Mbit/s, {kind}"
    lines = [f"| {title} | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for row, best in found.items():
        cells = (f"{best[c]:.2f}" if best.get(c, math.inf) < math.inf else "–" for c in columns)
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(
    module: str,
    rows: Mapping[str, Any],
    readers: Mapping[str, Reader],
    links: Mapping[str, Sequence[str]],
) -> None:
    """Run a benchmark by its command line.

    Parameters
    ----------
    module : str
        Its name, to start it again.
    rows : mapping of str to object
        What is read; with ``rounds`` at most, and the names of its ``readers``.
    links : mapping of str to sequence of str
        The rows that are read over each link: ``"ms,Mbit/s,signed"``, ``"…,unsigned"`` or
        ``"…,plain"``, which is without TLS.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--links", nargs="*", default=list(links), help="ms,Mbit/s,signed")
    parser.add_argument("--rows", nargs="*", help="beginnings of their names")
    parser.add_argument(
        "--readers", nargs="*", default=[n for n, r in readers.items() if r.installed]
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--results", type=Path, default=FOLDER / f"{module.rpartition('.')[2]}.jsonl"
    )
    parser.add_argument("--work", nargs=3)
    args = parser.parse_args()
    if args.work:
        row, reader, base = args.work
        return work(readers[reader], rows[row], base)
    make_files()
    results = Results(args.results)
    names = {}
    for where in args.links:
        wanted = links.get(where, list(rows))
        some = tuple(args.rows or [""])
        names[where] = [row for row in wanted if row.startswith(some)]
        rtt, mbit, kind = where.split(",")
        with link(FOLDER, float(rtt), float(mbit), tls=kind != "plain") as line:
            chosen = {row: rows[row] for row in names[where]}
            fill(module, chosen, args, line, where, results)
    columns = [
        "link",
        "row",
        "reader",
        "s",
        "×",
        "connections",
        "MB",
        "CPU",
        "MiB",
        "runs",
        "values",
    ]
    print(f"| {' | '.join(columns)} |")
    print("|---" * len(columns) + "|")
    for where, some_rows in names.items():
        for row in some_rows:
            print(table(results, where, row))
    for where, some_rows in names.items():
        print(f"\n{overview(results, where, some_rows)}")
    return None
