"""Told: the measured shift of two maps, and what is known of their errors, in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from geoseg.report.words import number, percent

_HALF = 0.5
NOTHING_LEFT = (
    "cannot be told: the errors given explain more than differs, so that the maps share errors, or have fewer"
)


def shift_note(shift: Mapping[str, Any]) -> str:
    """What a shift of this size does to a comparison of pixels."""
    metres = shift.get("metres")
    said = f"{number(float(metres))} m; " if metres is not None else ""
    unsure = 2 * float(shift.get("spread") or 0) / math.sqrt(max(int(shift.get("blocks") or 1), 1))
    if unsure > max(float(shift["px"]), _HALF):
        return said + "not sure: the parts of the maps disagree, as where the land itself moved"
    if float(shift["px"]) < 0.1:
        return said + "too small to matter"
    if float(shift["px"]) < _HALF:
        return said + "seen at class borders; a tolerance of 1 px absorbs it"
    return said + "overstates change at every border: align the maps, or allow a tolerance"


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
    """What the model of the maps' errors was given, what it says, and what it rests on."""
    for side in ("before", "after"):
        yield f"Errors of {side.upper()}", (errors.get(side) or {}).get("source")
    yield "Differ", percent(errors["observed"]) if "observed" in errors else None
    explained, change = errors.get("explained"), errors.get("change")
    if explained:
        yield "Would differ if nothing had changed", _between(explained)
    if change:
        yield "True change, estimated", _between(change) if _left(errors) else NOTHING_LEFT
    moved = errors.get("shift")
    if moved and _left(errors):
        yield "Shift that fits", f"{math.hypot(moved['rows'], moved['cols']):.2f} px"
    pixels = errors.get("pixels")
    if pixels:
        yield "Pixels looked at", number(pixels) + ("" if errors.get("all_pixels", True) else ", a part of all")
    yield "It rests on this", "; ".join(str(text) for text in errors.get("assumes") or ())


def change_interval(run: Mapping[str, Any]) -> tuple[float, float, float, float] | None:
    """Hectares of change: of the map, as estimated, lower and upper end of the interval; None without an estimate."""
    errors, changed = run.get("errors") or {}, run.get("changed") or {}
    found = errors.get("change")
    if not found or not _left(errors) or "compared_ha" not in changed:
        return None
    whole = float(changed["compared_ha"])
    return float(changed["area_ha"]), *(whole * float(found[key]) for key in ("value", "low", "high"))  # type: ignore[return-value]


def _left(errors: Mapping[str, Any]) -> bool:
    """Whether the errors can be those of these maps; else the model does not fit, and its figures say nothing."""
    return bool(errors.get("consistent", True)) and float((errors.get("change") or {}).get("high", 0.0)) > 0


def _between(found: Mapping[str, float]) -> str:
    return f"{percent(found['value'])} ({percent(found['low'])} to {percent(found['high'])})"
