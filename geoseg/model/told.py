"""Told: a card's scores as rows for a person, wherever they are shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_FIRST = ("held_out", "mean_of_folds", "baseline")


def score_rows(scores: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(name, text) of each score: a figure with its interval and what the largest class alone reaches in one row.

    Scores of any maker: what is known of geoseg's own is put together, other tables are told one figure a row.
    """
    order = [name for name in _FIRST if name in scores] + [name for name in scores if name not in _FIRST]
    return [row for name in order for row in _rows("" if name == "held_out" else _words(name), scores[name])]


def _rows(name: str, value: object) -> Iterator[tuple[str, str]]:
    if not isinstance(value, Mapping):
        text = _text(value)
        if text:
            yield name, text
    elif "value" in value and "low" in value:
        yield name, _figure(value)
    elif {"network", "baseline", "difference"} <= value.keys():
        ahead = _figure(value["difference"])
        yield name, f"network {_text(value['network'])}, baseline {_text(value['baseline'])}, difference {ahead}"
    elif value and all(isinstance(item, int | float | None) and not isinstance(item, bool) for item in value.values()):
        yield name, ", ".join(f"{_words(key)} {_text(item) or '-'}" for key, item in value.items())
    else:
        for key, item in value.items():
            yield from _rows(f"{name}: {_words(key)}" if name else _words(key), item)


def _figure(value: Mapping[str, Any]) -> str:
    text = _text(value["value"])
    if value["low"] is not None:
        text += f" ({_text(value['low'])} to {_text(value['high'])})"
    alone = value.get("largest_class")
    return text if alone is None else f"{text}; largest class alone {_text(alone)}"


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value) if isinstance(value, str) else ""


def _words(name: object) -> str:
    return str(name).replace("_", " ")
