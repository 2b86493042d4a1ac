"""ONNX file: what a graph takes, gives and uses, read from its bytes without onnx and without running it.

A walk over the wire format (https://protobuf.dev/programming-guides/encoding) with the field numbers of onnx.proto.
Refused: weights in other files, operators of other domains than ONNX's own (they need code that is not in the file),
functions, training graphs, NaN among the weights, and whatever is cut short.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from geoseg.errors import BundleError
from geoseg.model.weights import refuse_pickle

_FLOAT = 1
_FLOATS = {1: "<f4", 10: "<f2", 11: "<f8"}  # TensorProto.DataType -> NumPy
_MAX_DEPTH = 16  # graphs inside If and Loop

View = memoryview
Value = int | memoryview


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output: its name, its element type (1 is float32) and its axes, None where any length goes."""

    name: str
    dtype: int
    shape: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class OnnxInfo:
    """Inputs, outputs, version of the operator set and names of the operators used."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    opset: int
    operators: frozenset[str]

    @property
    def fixed_size(self) -> int | None:
        """The one chip side that the graph takes, or None when it takes any."""
        sides = {side for side in self.inputs[0].shape[2:] if side is not None}
        return max(sides) if sides else None

    def check(self, where: Path, *, bands: int, classes: int, size: int, fixed: bool) -> None:
        """Refuse (``WEIGHTS``) a graph other than float32 (N, bands, size, size) -> (N, classes, size, size)."""
        if len(self.inputs) != 1 or len(self.outputs) != 1:
            _refuse(where, f"has {len(self.inputs)} inputs and {len(self.outputs)} outputs where one of each is needed")
        for port, channels in ((self.inputs[0], bands), (self.outputs[0], classes)):
            if port.dtype != _FLOAT or len(port.shape) != 4:
                _refuse(where, f"{port.name} is not float32 with four axes")
            _, found, *sides = port.shape
            if found not in (None, channels):
                _refuse(where, f"{port.name} has {found} channels where the card says {channels}")
            if any(side not in (None, size) for side in sides):
                _refuse(where, f"{port.name} has sides of {sides} where the card says chips of {size}")
        if self.fixed_size is not None and not fixed:
            _refuse(where, f"takes chips of {self.fixed_size} only, and the card does not say so")


def read_onnx(path: str | Path) -> OnnxInfo:
    """Read an ONNX model's interface and check what can be checked without running it.

    Raises
    ------
    BundleError
        ``WEIGHTS``: not ONNX, damaged, or not self-contained and standard.
    """
    path = Path(path)
    refuse_pickle(path)
    if path.stat().st_size < 16:
        _refuse(path, "is not an ONNX model")
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        memoryview(data) as view,
    ):
        walk = _Walk(path)
        try:
            return walk.model(view)
        except (ValueError, IndexError, UnicodeDecodeError) as error:
            if isinstance(error, BundleError):
                raise
            _refuse(path, f"is not an ONNX model, or is cut short: {error}")
        finally:
            walk.close()


class _Walk:
    """One reading of one file; it keeps its views so that they can be let go before the file is closed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.views: list[View] = []
        self.operators: set[str] = set()

    def close(self) -> None:
        for view in self.views:
            view.release()

    def model(self, view: View) -> OnnxInfo:
        graphs: list[View] = []
        opset = 0
        for number, value in self.fields(view):
            if number in (20, 25):
                _refuse(self.path, "holds functions or a training graph, which geoseg does not run")
            if number == 7:
                graphs.append(_bytes(value))
            if number == 8:
                opset = max(opset, self.opset(_bytes(value)))
        if len(graphs) != 1 or not opset:
            _refuse(self.path, "is not an ONNX model: no graph or no operator set")
        inputs, outputs = self.graph(graphs[0], 0)
        return OnnxInfo(inputs, outputs, opset, frozenset(self.operators))

    def opset(self, view: View) -> int:
        domain, version = "", 0
        for number, value in self.fields(view):
            if number == 1:
                domain = _text(value)
            if number == 2:
                version = _int(value)
        return version if _is_standard(domain) else 0

    def graph(self, view: View, depth: int) -> tuple[tuple[Port, ...], tuple[Port, ...]]:
        if depth > _MAX_DEPTH:
            _refuse(self.path, "has graphs inside graphs without end")
        ports: dict[int, list[Port]] = {11: [], 12: []}
        weights: set[str] = set()
        for number, value in self.fields(view):
            if number == 1:
                self.node(_bytes(value), depth)
            if number == 5:
                weights.add(self.tensor(_bytes(value)))
            if number == 15:
                self.sparse(_bytes(value))
            if number in ports:
                ports[number].append(self.port(_bytes(value)))
        inputs = tuple(port for port in ports[11] if port.name not in weights)
        return inputs, tuple(ports[12])

    def node(self, view: View, depth: int) -> None:
        operator, domain = "", ""
        for number, value in self.fields(view):
            if number == 4:
                operator = _text(value)
            if number == 7:
                domain = _text(value)
            if number == 5:
                self.attribute(_bytes(value), depth)
        if not _is_standard(domain):
            _refuse(self.path, f"uses the operator {domain}.{operator}, which is not one of ONNX's own")
        self.operators.add(operator)

    def attribute(self, view: View, depth: int) -> None:
        for number, value in self.fields(view):
            if number in (5, 10):
                self.tensor(_bytes(value))
            if number in (6, 11):
                self.graph(_bytes(value), depth + 1)
            if number in (22, 23):
                self.sparse(_bytes(value))

    def sparse(self, view: View) -> None:
        for number, value in self.fields(view):
            if number in (1, 2):
                self.tensor(_bytes(value))

    def tensor(self, view: View) -> str:
        """Check one tensor: inside the file, of the length that its shape says, without NaN; return its name."""
        name, dtype, dims, raw = "", 0, [], None
        for number, value in self.fields(view):
            if number == 13 or (number == 14 and value != 0):
                _refuse(self.path, "keeps weights in another file")
            if number == 1:
                dims += [value] if isinstance(value, int) else list(self.varints(value))
            if number == 2:
                dtype = _int(value)
            if number == 8:
                name = _text(value)
            if number == 9 or (number == 4 and dtype == _FLOAT and not isinstance(value, int)):
                raw = _bytes(value)
        if raw is not None and dtype in _FLOATS:
            self.numbers(name, raw, _FLOATS[dtype], dims)
        return name

    def numbers(self, name: str, raw: View, code: str, dims: list[int]) -> None:
        if len(raw) != math.prod(dims) * np.dtype(code).itemsize:
            _refuse(self.path, f"{name} has a shape that does not fit its bytes")
        values = np.frombuffer(raw, dtype=code)
        broken = np.isnan(values).any() or (values.size > 1 and np.isinf(values).any())  # a lone infinity is a bound
        del values
        if broken:
            _refuse(self.path, f"{name or 'a tensor'} has NaN or infinite values")

    def port(self, view: View) -> Port:
        name, dtype = "", 0
        shape: list[int | None] = []
        for number, value in self.fields(view):
            if number == 1:
                name = _text(value)
            if number == 2:
                for kind, tensor in self.fields(_bytes(value)):
                    if kind == 1:
                        dtype, shape = self.tensor_type(_bytes(tensor))
        return Port(name, dtype, tuple(shape))

    def tensor_type(self, view: View) -> tuple[int, list[int | None]]:
        dtype = 0
        shape: list[int | None] = []
        for number, value in self.fields(view):
            if number == 1:
                dtype = _int(value)
            if number == 2:
                shape = [self.axis(_bytes(axis)) for field, axis in self.fields(_bytes(value)) if field == 1]
        return dtype, shape

    def axis(self, view: View) -> int | None:
        lengths = [_int(value) for number, value in self.fields(view) if number == 1]
        return lengths[-1] if lengths else None

    def fields(self, view: View) -> Iterator[tuple[int, Value]]:
        """Field numbers and values of one message: integers, or the bytes of a message, of text, of packed numbers."""
        position, end = 0, len(view)
        while position < end:
            key, position = _varint(view, position)
            number, wire = key >> 3, key & 7
            if wire == 0:
                value, position = _varint(view, position)
                yield number, value
                continue
            length, position = (8 if wire == 1 else 4, position) if wire in (1, 5) else _varint(view, position)
            if wire not in (1, 2, 5) or position + length > end:
                raise ValueError(f"field {number} runs past its end")
            piece = view[position : position + length]
            self.views.append(piece)
            position += length
            yield number, piece

    def varints(self, view: View) -> Iterator[int]:
        position = 0
        while position < len(view):
            value, position = _varint(view, position)
            yield value


def _varint(view: View, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = view[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("a number of more than ten bytes")


def _bytes(value: Value) -> View:
    if isinstance(value, int):
        raise ValueError("a number where a message should be")
    return value


def _int(value: Value) -> int:
    if not isinstance(value, int):
        raise ValueError("a message where a number should be")
    return value


def _text(value: Value) -> str:
    return str(_bytes(value), "utf-8")


def _is_standard(domain: str) -> bool:
    return domain in ("", "ai.onnx")


def _refuse(where: object, what: str) -> NoReturn:
    raise BundleError.of("WEIGHTS", where, what, "Export the model as one self-contained file of standard operators")
