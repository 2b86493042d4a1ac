"""ONNX file: what a graph takes, gives and uses, read from its bytes without onnx and without running it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class OnnxInfo:
    """Inputs and outputs of the graph."""

    def check(self, path: Path, *, bands: int, classes: int, size: int, fixed: bool) -> None:
        """Refuse a graph that does not fit the card."""


def read_onnx(path: str | Path) -> OnnxInfo:
    """Read the graph's interface."""
    return OnnxInfo()
