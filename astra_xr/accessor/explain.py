"""The cost of reading a Dataset; see ``ds.astra.explain``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import xarray as xr

from astra_xr.arrays.base import LazyArray
from astra_xr.arrays.index import Index
from astra_xr.arrays.lazy import identity, in_memory, unwrap
from astra_xr.reading.loop import run, together
from astra_xr.reading.plan import Plan, plan_of
from astra_xr.tables import Table


@dataclass(frozen=True)
class Explanation:
    """What reading a Dataset costs, file by file."""

    files: tuple[Plan, ...]
    """One per file and overview."""

    rest: tuple[str, ...]
    """Variables that read no file, as they are in memory."""

    unknown: tuple[str, ...] = ()
    """Variables whose files are not known: dask arrays, and lazy results of other libraries, such
    as of ``xarray.decode_cf``."""

    @property
    def tiles(self) -> int:
        """Tiles of all files."""
        return sum(plan.tiles or 0 for plan in self.files)

    @property
    def requests(self) -> int:
        """Byte ranges that will be requested, without those of files that GDAL reads."""
        return sum(plan.requests or 0 for plan in self.files)

    @property
    def bytes(self) -> int:
        """Bytes that will be transferred, without those of files that GDAL reads."""
        return sum(plan.bytes or 0 for plan in self.files)

    def __repr__(self) -> str:
        return str(self._table())

    def _repr_html_(self) -> str:
        return self._table().html()

    def _table(self) -> Table:
        return Table(
            title=self._title(),
            columns=_HEAD,
            rows=tuple(map(_row, self.files)),
            numbers={"level", "tiles", "cached", "requests", "MB"},
        )

    def _title(self) -> str:
        title = (
            f"{len(self.files)} files, {self.tiles} tiles: "
            f"{self.requests} requests, {self.bytes / 1e6:.2f} MB"
        )
        if any(plan.tiles is None for plan in self.files):
            title += ", and what GDAL reads"
        title += f"; no file for {', '.join(self.rest)}" if self.rest else ""
        return title + (f"; not known for {', '.join(self.unknown)}" if self.unknown else "")


_HEAD = ("band", "level", "tiles", "cached", "requests", "MB", "signed until", "reader", "file")


def _row(plan: Plan) -> tuple[str, ...]:
    numbers = (plan.tiles, plan.cached, plan.requests)
    until = f"{plan.expires_at:%Y-%m-%d %H:%M} UTC" if plan.expires_at else "does not expire"
    return (
        plan.label.rsplit(" ", 1)[-1],
        str(plan.level),
        *("?" if number is None else str(number) for number in numbers),
        "?" if plan.bytes is None else f"{plan.bytes / 1e6:.2f}",
        until,
        plan.reader,
        plan.href.rsplit("/", 1)[-1],
    )


def explain(ds: xr.Dataset) -> Explanation:
    """Return the cost of reading a Dataset; see ``ds.astra.explain``."""
    here: set[str] = set()
    unknown: set[str] = set()
    # By pixels: an input of several variables is read once.
    reads: dict[Any, tuple[str, LazyArray, Index]] = {}

    def walk(name: str, variable: xr.Variable) -> None:
        found = unwrap(variable) if variable.size else None
        if found is None:
            (here if in_memory(variable) or not variable.size else unknown).add(name)
        elif (pixels := identity(variable)) not in reads:
            array, index = found
            reads[pixels] = (name, array, index)
            for part in array.parts(index):
                for label, each in array.inputs(part).items():
                    walk(f"{name} {label}", each)

    for name in ds.data_vars:
        walk(str(name), ds.variables[name])

    async def plan() -> list[Plan]:
        windows = await together(array.reads(index) for _, array, index in reads.values())
        for (name, array, index), window in zip(reads.values(), windows, strict=True):
            if window is None and not array.inputs(index):
                unknown.add(name)
        return await plan_of([window for window in windows if window])

    files = tuple(sorted(run(plan()), key=lambda each: each.label))
    return Explanation(files, tuple(sorted(here)), tuple(sorted(unknown)))
