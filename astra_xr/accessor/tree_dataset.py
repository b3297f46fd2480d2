"""The bands of a DataTree's nodes as one Dataset, on the finest node's grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import xarray as xr

from astra_xr.arrays.pixel_grid import PixelGrid, pixel_grid
from astra_xr.arrays.repeated import repeated
from astra_xr.errors import InvalidDataset
from astra_xr.scenes.call_record import KEY, joined_record


def tree_dataset(tree: xr.DataTree) -> xr.Dataset:
    """Return all bands of a tree on one grid; see ``tree.astra.to_dataset``."""
    nodes = {node.path: node.to_dataset() for node in tree.subtree if _bands(node.to_dataset())}
    if not nodes:
        raise _unfit("a node with variables along y and x", "No node has any.")
    grids = {path: _grid(ds, path) for path, ds in nodes.items()}
    order = sorted(nodes, key=lambda path: abs(grids[path].box.affine.a))
    finest = order[0]
    homes = _homes(nodes, order)
    variables = {
        name: _placed(nodes[path].variables[name], name, grids[path], grids[finest])
        for name, path in homes.items()
    }
    of_dask = [name for name, each in variables.items() if each.chunks is not None]
    if of_dask:
        first = min(of_dask, key=lambda name: order.index(homes[name]))
        chunks = {dim: variables[first].chunksizes[dim] for dim in ("y", "x")}
        variables |= {name: variables[name].chunk(chunks) for name in of_dask}  # as ds.chunks needs
    record = joined_record({path.lstrip("/"): ds for path, ds in nodes.items()}, finest.lstrip("/"))
    for each in variables.values():
        each.encoding.pop(KEY, None)
        each.encoding |= {KEY: record} if record else {}
    ds = nodes[finest]
    return xr.Dataset(variables, coords=ds.coords, attrs=ds.attrs)


def _bands(ds: xr.Dataset) -> list[str]:
    """Return the variables of (…, y, x)."""
    return [str(name) for name, each in ds.data_vars.items() if each.dims[-2:] == ("y", "x")]


def _grid(ds: xr.Dataset, path: str) -> PixelGrid:
    grid = pixel_grid(ds, "to_dataset()")
    if grid is None or grid.kept:
        raise _unfit("coordinates y and x without gaps at each node", f"{path} lacks them.")
    return grid


def _homes(nodes: Mapping[str, xr.Dataset], order: Sequence[str]) -> dict[str, str]:
    """Return each band's node; of siblings with one band, the finest."""
    homes: dict[str, str] = {}
    for path in order:
        for name in _bands(nodes[path]):
            other = homes.setdefault(name, path)
            if other.rpartition("/")[0] != path.rpartition("/")[0]:
                raise _unfit(
                    "bands with one name each",
                    f"{name!r} is in {other} and in {path}: take a part of the tree with one of "
                    f"them, e.g. tree[{other.rpartition('/')[0] or other!r}].",
                )
    # In the order of the tree.
    return {name: homes[name] for path in nodes for name in _bands(nodes[path])}


def _placed(variable: xr.Variable, name: str, own: PixelGrid, finest: PixelGrid) -> xr.Variable:
    if own.box == finest.box:
        return variable.copy(deep=False)
    found = None
    if own.box.crs == finest.box.crs:
        shape = finest.box.shape.yx
        found = repeated(variable, own.box.affine, finest.box.affine, shape)
    if found is None:
        raise _unfit(
            "nodes whose pixels the finest node's pixels divide evenly",
            f"Those of {name!r} do not fit: astra_xr.open_scene resamples bands to one grid.",
        )
    return found


def _unfit(needs: str, hint: str) -> InvalidDataset:
    return InvalidDataset(method="to_dataset()", needs=needs, hint=hint)
