"""Told: the measured shift of two maps, and what is known of their errors, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from geoseg.report.words import number

_HALF = 0.5


def shift_note(shift: Mapping[str, Any]) -> str:
    """What a shift of this size does to a comparison of pixels."""
    metres = shift.get("metres")
    said = f"{number(float(metres))} m; " if metres is not None else ""
    if float(shift["px"]) < 0.1:
        return said + "too small to matter"
    if float(shift["px"]) < _HALF:
        return said + "seen at class borders: --tolerance 1 absorbs it"
    return said + "overstates change at every border: align the maps, or use --tolerance"


def shift_rows(shift: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """The shift of AFTER against BEFORE: direction, size, and how well it is known."""
    if not shift:
        return
    for key, positive, negative in (("rows", "down", "up"), ("cols", "right", "left")):
        if shift.get(key) is not None:
            value = float(shift[key])
            yield key.title(), f"{abs(value):.2f} px {positive if value >= 0 else negative}"
    yield "Size", f"{float(shift['px']):.2f} px" if shift.get("px") is not None else None
    yield "On the ground", f"{number(float(shift['metres']))} m" if shift.get("metres") is not None else None
    blocks = shift.get("blocks")
    yield "Measured on", f"{blocks} block{'s' if blocks != 1 else ''}" if blocks is not None else None
    if shift.get("spread") is not None and blocks != 1:
        yield "Spread of the blocks", f"{float(shift['spread']):.2f} px"


def error_rows(errors: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """What the error model was given and what it says; facts that are no single number are left to ``run.json``."""
    for name, value in errors.items():
        words = name.replace("_", " ")
        if isinstance(value, str | int) and not isinstance(value, bool):
            yield words, value
        elif isinstance(value, float):
            yield words, f"{value:.4g}"
