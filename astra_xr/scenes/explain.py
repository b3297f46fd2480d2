"""``ds.astra.explain()``: what reading a Dataset will cost."""

from __future__ import annotations

from dataclasses import dataclass

import xarray as xr
from xarray.core import indexing

from astra_xr.reading.array import RasterArray, behind
from astra_xr.reading.loop import run, together
from astra_xr.reading.plan import Plan, plan_of
from astra_xr.scenes.composite import CompositeArray
from astra_xr.scenes.formula import FormulaArray
from astra_xr.scenes.hidden import HiddenArray
from astra_xr.scenes.layers import StackArray
from astra_xr.tables import Table


@dataclass(frozen=True)
class Explanation:
    """What reading some bands takes, file by file."""

    files: tuple[Plan, ...]
    """One a file and window."""

    rest: tuple[str, ...]
    """Variables that read no file: in memory already, or dask's to compute."""

    @property
    def tiles(self) -> int:
        """Tiles of all files."""
        return sum(plan.tiles or 0 for plan in self.files)

    @property
    def requests(self) -> int:
        """Byte ranges that will be asked for; not counting what GDAL asks for."""
        return sum(plan.requests or 0 for plan in self.files)

    @property
    def bytes(self) -> int:
        """Bytes that will come; not counting what GDAL asks for."""
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
        return title + (f"; no file for {', '.join(self.rest)}" if self.rest else "")


_HEAD = ("band", "level", "tiles", "cached", "requests", "MB", "signed until", "reader", "file")


def _row(plan: Plan) -> tuple[str, ...]:
    numbers = (plan.tiles, plan.cached, plan.requests)
    until = f"{plan.expires_at:%Y-%m-%d %H:%M} UTC" if plan.expires_at else "for good"
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
    """Plan the reads of a Dataset; see ``ds.astra.explain``."""
    rest: list[str] = []
    variables: dict[str, xr.Variable] = {str(name): ds.variables[name] for name in ds.data_vars}
    reads = []
    while variables:
        name, variable = variables.popitem()
        array, key = behind(variable)
        if key is None or variable.size == 0:
            rest.append(name)
        elif isinstance(array, FormulaArray | HiddenArray | StackArray | CompositeArray):
            variables |= {f"{name} {of}": each for of, each in array.inputs(key).items()}
        elif isinstance(array, RasterArray):
            reads.append((array, key))
        else:
            rest.append(name)

    async def one(array: RasterArray, key: indexing.ExplicitIndexer) -> Plan:
        return await plan_of(await array.reads(key))

    plans = run(together(one(array, key) for array, key in reads))
    return Explanation(tuple(sorted(plans, key=lambda plan: plan.label)), tuple(sorted(rest)))
