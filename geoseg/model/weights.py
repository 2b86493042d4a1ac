"""Weights: safetensors files, read with every field of the header checked by hand; pickles are refused.

The layout (https://github.com/huggingface/safetensors): 8 bytes little-endian length of the header, the header as JSON
(name -> dtype, shape, data_offsets), then the numbers, without gaps. The reader of the safetensors package keeps the
last of two equal keys; here a repeated key is refused, so that two programs can't see two files in one.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from geoseg.errors import BundleError
from geoseg.model.card import strict_json

MAX_HEADER_BYTES = 32 << 20
PICKLES = {".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".bin", ".joblib"}
_PICKLE_MAGIC = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U8": "u1", "BOOL": "?",
}  # fmt: skip
_NAMES = {np.dtype(code): name for name, code in _DTYPES.items() if name != "BF16"}


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A tensor as the header has it; ``start`` and ``stop`` are byte positions in the file."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


def read_header(path: str | Path) -> dict[str, TensorInfo]:
    """Tensors of a safetensors file by name, without reading the numbers.

    Raises
    ------
    BundleError
        ``WEIGHTS``: a pickle, not safetensors, or a header that does not agree with itself or with the file's length.
    """
    path = Path(path)
    refuse_pickle(path)
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
        if not 2 <= length <= min(MAX_HEADER_BYTES, size - 8):
            _refuse(path, "is not a safetensors file: the header's length does not fit the file's")
        text = file.read(length)
    try:
        table = strict_json(text)
    except (ValueError, RecursionError) as error:
        _refuse(path, f"has a header that is not strict JSON: {error}")
    if not isinstance(table, dict):
        _refuse(path, "has a header that is not a table")
    notes = table.pop("__metadata__", {})
    if not isinstance(notes, dict) or not all(isinstance(note, str) for note in notes.values()):
        _refuse(path, "has __metadata__ that is not text")
    tensors = {name: _tensor(path, name, entry, 8 + length) for name, entry in table.items()}
    _check_layout(path, tensors, 8 + length, size)
    return tensors


def read_tensors(path: str | Path) -> dict[str, np.ndarray]:
    """Tensors of a safetensors file by name, finite; bfloat16 comes as float32."""
    infos = read_header(path)
    data = np.memmap(path, dtype=np.uint8, mode="r")
    tensors = {}
    for name, info in infos.items():
        values = np.array(data[info.start : info.stop]).view(_DTYPES[info.dtype]).reshape(info.shape)
        if info.dtype == "BF16":
            values = (values.astype(np.uint32) << 16).view(np.float32)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            _refuse(Path(path), f"{name} has NaN or infinite values")
        tensors[name] = values
    return tensors


def encode_tensors(tensors: Mapping[str, np.ndarray]) -> bytes:
    """The bytes of a safetensors file: tensors by name, without metadata, so equal tensors give equal bytes."""
    header: dict[str, Any] = {}
    pieces: list[bytes] = []
    position = 0
    widest_first = sorted(
        tensors, key=lambda name: (-np.asarray(tensors[name]).dtype.itemsize, name)
    )  # keeps them aligned
    for name in widest_first:
        values = np.asarray(tensors[name])
        little = values.dtype.newbyteorder("<")
        if little not in _NAMES:
            _refuse(name, f"has the type {values.dtype}, which safetensors does not hold")
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            _refuse(name, "has NaN or infinite values")
        piece = values.astype(little).tobytes()
        offsets = [position, position + len(piece)]
        header[name] = {"dtype": _NAMES[little], "shape": list(values.shape), "data_offsets": offsets}
        pieces.append(piece)
        position += len(piece)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([struct.pack("<Q", len(text)), text, *pieces])


def refuse_pickle(path: Path) -> None:
    """Refuse files that are, or are named like, pickles: opening one runs whatever is in it."""
    with path.open("rb") as file:
        head = file.read(4)
    if path.suffix.lower() in PICKLES or head[:2] in _PICKLE_MAGIC or head == b"PK\x03\x04":
        remedy = (
            "Where you trust it, save its state_dict with safetensors.torch.save_file, then geoseg bundle import smp"
        )
        raise BundleError.of("WEIGHTS", path, "is a pickle, which can run code when it is opened", remedy)


def _tensor(path: Path, name: str, entry: Any, origin: int) -> TensorInfo:
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        _refuse(path, f"{name} has other fields than dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        _refuse(path, f"{name} has the unknown type {dtype}")
    if not _are_sizes(shape) or len(shape) > 16 or not _are_sizes(offsets) or len(offsets) != 2:
        _refuse(path, f"{name} has a wrong shape or wrong offsets")
    if math.prod(shape) * np.dtype(_DTYPES[dtype]).itemsize != offsets[1] - offsets[0]:
        _refuse(path, f"{name} has a shape that does not fit its bytes")
    return TensorInfo(dtype, tuple(shape), origin + offsets[0], origin + offsets[1])


def _are_sizes(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 1 << 48 for value in values)


def _check_layout(path: Path, tensors: dict[str, TensorInfo], origin: int, size: int) -> None:
    position = origin
    for info in sorted(tensors.values(), key=lambda info: (info.start, info.stop)):
        if info.start != position:
            _refuse(path, "has tensors that overlap or leave gaps")
        position = info.stop
    if position != size:
        _refuse(path, f"has {size} bytes where its header describes {position}")


def _refuse(where: object, what: str) -> NoReturn:
    raise BundleError.of("WEIGHTS", where, what, "Copy the bundle again from its source, or import the model again")
