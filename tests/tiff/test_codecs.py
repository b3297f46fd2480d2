"""What is predicted and compressed comes back."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from astra_xr.tiff.codecs import CorruptTile, decode_tile, predict


@pytest.mark.parametrize("planes", [1, 3])
@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"]
)
def test_there_and_back(dtype: str, planes: int) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (16, 32, planes * np.dtype(dtype).itemsize), np.uint8)
    tile = np.nan_to_num(noise.view(dtype))
    body = zlib.compress(predict(tile).tobytes())
    predictor = 3 if tile.dtype.kind == "f" else 2
    got = decode_tile(body, (16, 32, planes), tile.dtype, "deflate", predictor)
    np.testing.assert_array_equal(got, tile)
    with pytest.raises(CorruptTile):
        decode_tile(body[:-40], (16, 32, planes), tile.dtype, "deflate", predictor)
