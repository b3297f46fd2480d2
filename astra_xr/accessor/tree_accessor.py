"""``tree.astra``: a scene whose nodes have several resolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import xarray as xr

if TYPE_CHECKING:
    from astra_xr.widgets.picker import Picker


@xr.register_datatree_accessor("astra")  # type: ignore[no-untyped-call, unused-ignore]
class AstraTreeAccessor:
    """A scene as :func:`astra_xr.open_scene_tree` opens it, or another tree of grids.

    Examples
    --------
    >>> import astra_xr
    >>> scene = "sentinel-2:S2B_MSIL2A_20250115T184929"
    >>> tree = astra_xr.open_scene_tree(scene, bands=["red", "nir", "B11"], catalog="sample")
    >>> picker = tree.astra.pick(bands=["B11", "nir", "red"])
    >>> picker.code.partition(", limits=")[0]
    'tree.astra.to_dataset().astra.rgb(["B11", "nir", "red"]'
    >>> picker.close()
    """

    def __init__(self, tree: xr.DataTree) -> None:
        self._tree = tree

    def to_dataset(self) -> xr.Dataset:
        """Return the bands of all nodes on the grid of the finest node, lazily.

        Larger pixels are repeated, not resampled: values stay as they are. Of siblings that have
        one band, as ``r10m`` and ``r20m``, it is the finest's.

        Returns
        -------
        xarray.Dataset

        Raises
        ------
        InvalidDataset
            No node has variables along y and x, their pixels do not divide each other evenly, or
            other nodes than siblings have one band.

        Examples
        --------
        >>> import astra_xr
        >>> scene = "sentinel-2:S2B_MSIL2A_20250115T184929"
        >>> tree = astra_xr.open_scene_tree(scene, bands=["red", "B11"], catalog="sample")
        >>> ds = tree.astra.to_dataset()
        >>> list(ds), dict(ds.sizes)
        (['red', 'B11'], {'y': 2048, 'x': 2048})
        """
        from astra_xr.accessor.tree_dataset import tree_dataset

        return tree_dataset(self._tree)

    def pick(self, name: str | None = None, *, code_name: str = "tree", **state: Any) -> Picker:
        """Open the band picker on the bands of all nodes; see ``ds.astra.pick``.

        Raises
        ------
        InvalidDataset
            As of :meth:`to_dataset`.
        InvalidParameter, UnknownBand, UnknownIndex
        """
        from astra_xr.arguments import read_expression

        code = f"{read_expression('code_name', code_name)}.astra.to_dataset()"
        return self.to_dataset().astra.pick(name, code_name=code, **state)  # type: ignore[no-any-return]
