"""Decode tiles: decompress and undo the predictor; and apply predictors."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt

Decompress = Callable[[Any, "npt.NDArray[Any]"], Any]


class CorruptTile(Exception):
    """A tile's bytes do not decode to its pixels."""


def _bytes(pixels: npt.NDArray[Any]) -> memoryview[int]:
    return pixels.reshape(-1).view(np.uint8).data


def _copy(data: Any, pixels: npt.NDArray[Any]) -> None:
    _bytes(pixels)[:] = data


def _lerc(data: Any, pixels: npt.NDArray[Any]) -> None:
    out = pixels[..., 0] if pixels.shape[2] == 1 else pixels
    _, valid = imagecodecs.lerc_decode(data, masks=True, out=out)
    if valid is not None and pixels.dtype.kind == "f":
        # Lerc stores NaN as a mask beside the numbers.
        pixels[~valid.astype(bool)] = np.nan


def _unpacked(data: Any, pixels: npt.NDArray[Any], unpack: Callable[..., Any]) -> Any:
    """Undo the compression around Lerc; Lerc's bytes are rarely more than those of the pixels."""
    return unpack(data, out=pixels.nbytes + 4096)


CODECS: dict[str, Decompress] = {
    "none": _copy,
    "lzw": lambda data, out: imagecodecs.lzw_decode(data, out=_bytes(out)),
    "deflate": lambda data, out: imagecodecs.deflate_decode(data, out=_bytes(out)),
    "packbits": lambda data, out: imagecodecs.packbits_decode(data, out=_bytes(out)),
    "zstd": lambda data, out: imagecodecs.zstd_decode(data, out=_bytes(out)),
    "lerc": _lerc,
    "lerc+deflate": lambda data, out: _lerc(_unpacked(data, out, imagecodecs.deflate_decode), out),
    "lerc+zstd": lambda data, out: _lerc(_unpacked(data, out, imagecodecs.zstd_decode), out),
}
"""Decoders by the name of the compression; each writes a tile's pixels into an array."""


def prepare() -> None:
    """Load the usual decoders, which imagecodecs imports at first use (10 ms)."""
    _ = imagecodecs.deflate_decode, imagecodecs.delta_decode


_threads = threading.local()


def scratch(use: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return an array for intermediate values; each thread keeps one buffer per use.

    New memory for each tile would cost more than decoding it: the system maps and clears it.
    """
    kept: dict[str, npt.NDArray[np.uint8]] = _threads.__dict__.setdefault("kept", {})
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if use not in kept or len(kept[use]) < size:
        kept[use] = np.empty(size, np.uint8)
    return kept[use][:size].view(dtype).reshape(shape)


def decode_tile(
    data: Any, shape: tuple[int, int, int], dtype: np.dtype[Any], codec: str, predictor: int
) -> npt.NDArray[Any]:
    """Decode one tile.

    Parameters
    ----------
    data : bytes-like
        As stored in the file.
    shape : (int, int, int)
        Rows, columns, planes of the tile.
    dtype : numpy dtype
        Of the stored numbers, with the file's byte order.
    codec : str
        A key of :data:`CODECS`.
    predictor : int
        Value of the TIFF tag: 1 (none), 2 (differences) or 3 (differences of floats' bytes).

    Returns
    -------
    ndarray
        (rows, columns, planes) in native byte order; the thread's next tile overwrites it.

    Raises
    ------
    CorruptTile
        The bytes are damaged or incomplete.
    """
    pixels = scratch("tile", shape, dtype)
    reason = ""
    try:
        filled = CODECS[codec](data, pixels)
        # Decoders return what they filled, which is less if the data ended early.
        if filled is not None and len(filled) != pixels.nbytes:
            reason = f"only {len(filled)} of {pixels.nbytes} bytes were decoded"
    except Exception as error:  # noqa: BLE001  (each codec has exceptions of its own)
        reason = f"{type(error).__name__}: {error}"
    if reason:
        raise CorruptTile(reason)
    if predictor == 3:
        return _floats(_bytes(pixels), shape, dtype)
    if not dtype.isnative:
        pixels = pixels.byteswap(inplace=True).view(dtype.newbyteorder("="))
    if predictor == 2:
        # Differences are of the bits, even for floats.
        bits = pixels.view(f"u{dtype.itemsize}")
        imagecodecs.delta_decode(bits, axis=1, out=bits)
    return pixels


def _floats(flat: Any, shape: tuple[int, int, int], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Undo the floating-point predictor (Adobe Photoshop TIFF technical note 3).

    A row holds the most significant bytes of all its numbers, then the second bytes, and so on,
    stored as differences of bytes, plane by plane.
    """
    rows, cols, planes = shape
    width = dtype.itemsize
    parts = np.frombuffer(flat, np.uint8).reshape(rows, cols * width, planes)
    parts = np.asarray(imagecodecs.delta_decode(parts, axis=1))
    parts = parts.reshape(rows, width, cols * planes)
    numbers = np.ascontiguousarray(parts.swapaxes(1, 2)).view(f">f{width}")
    return numbers.astype(dtype.newbyteorder("=")).reshape(shape)


def predict(tile: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Apply a predictor before compression: 3 to floats, else 2.

    Parameters
    ----------
    tile : ndarray
        (rows, columns, planes), contiguous, in native byte order.

    Returns
    -------
    ndarray
        Of the same number of bytes.
    """
    if tile.dtype.kind != "f":
        return np.asarray(imagecodecs.delta_encode(tile, axis=1))
    rows, cols, planes = tile.shape
    width = tile.dtype.itemsize
    raw = tile.astype(tile.dtype.newbyteorder(">")).view(np.uint8).reshape(rows, -1, width)
    apart = raw.transpose(0, 2, 1).reshape(rows, width * cols * planes)
    predicted = apart.copy()
    predicted[:, planes:] -= apart[:, :-planes]
    return predicted
