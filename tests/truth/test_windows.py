"""Parts of a grid that reaches beyond its file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import astra_xr
from astra_xr.testing import write_cog


@pytest.mark.parametrize("decode", [True, False])
@pytest.mark.parametrize("resampling", ["nearest", "average", "mode", "bilinear"])
def test_windows_beyond_the_edges_are_nodata(tmp_path: Path, resampling: str, decode: bool) -> None:
    stored = np.arange(200 * 201, dtype="int16").reshape(200, 201) % 900
    path = write_cog(tmp_path / "a.tif", stored, nodata=-1, blocksize=128, overviews=None)
    item = {"id": "a", "properties": {}, "assets": {"data": {"href": str(path)}}}

    def opened() -> xr.DataArray:
        return astra_xr.open_scene(
            item, resolution=20, x=(499000, 502500), y=(4197500, 4200500),
            resampling=resampling, mask_and_scale=decode,
        )["data"]  # fmt: skip

    whole = opened().values
    empty = np.isnan(whole) if decode else whole == -1
    assert whole.shape == (150, 175)
    here = opened()
    inside = (abs(here.y - 4199000) < 990) & (abs(here.x - 500980) < 990)
    outside = (abs(here.y - 4199000) > 1040) | (abs(here.x - 500980) > 1060)
    assert not empty[inside].any()
    assert empty[outside].all()
    for top in range(0, 150, 25):
        for left in range(0, 175, 25):
            part = slice(top, top + 25), slice(left, left + 25)
            values = here[part].values
            if resampling in ("nearest", "average"):  # GDAL's kernels differ at the very edge
                np.testing.assert_array_equal(values, whole[part])
