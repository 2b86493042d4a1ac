"""Document: a YAML file of settings as plain data, with the line of each key. Nothing in it can run, or grow.

YAML 1.2. Tags, anchors, aliases and several documents in one file are refused, as is what is larger or deeper than any
pipeline has to be: lists of scenes go into a table.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from geoseg.errors import InputRefused

MOST_BYTES = 64 << 10
MOST_DEPTH = 12

Place = tuple[str | int, ...]
"""Keys and indices from the top of a document down to a value."""


@dataclass(frozen=True, slots=True)
class Document:
    """The data of a file (keys are text, dates are ISO 8601), and where each value stands."""

    path: Path
    data: dict[str, Any]
    lines: Mapping[Place, int] = field(repr=False)

    def line(self, place: Place) -> int:
        """The line, from 1, of a value, or of the nearest thing above it that the file has."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    def where(self, place: Place) -> str:
        """``pipeline.yaml:12``."""
        return f"{self.path}:{self.line(place)}"


def read_document(path: str | Path) -> Document:
    """Read a file whose top is a table.

    Raises
    ------
    InputRefused
        ``NOT_FOUND``: it cannot be read. ``YAML``: it is not YAML, no table, or holds what settings do not need.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    path = Path(path)
    text = _text(path)
    try:
        _check_events(path, YAML(typ="safe", pure=True).parse(text))
        yaml = YAML(typ="safe", pure=True)
        node = yaml.compose(text)
        data = _plain(yaml.constructor.construct_document(node)) if node is not None else None
    except InputRefused:
        raise
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = f"is not YAML: {error.problem or error.context}"
        raise _refused(path, what, mark) from None
    except (YAMLError, ValueError, RecursionError) as error:  # ValueError: also a date that is none
        raise _refused(path, f"is not YAML: {error}") from None
    if not isinstance(data, dict):
        raise InputRefused.of("YAML", path, "is not a table of settings", "See the files in pipelines/")
    lines: dict[Place, int] = {}
    _note_lines(node, (), lines)
    return Document(path, data, lines)


def _text(path: Path) -> str:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputRefused.of("NOT_FOUND", path, "is no regular file", "Name a pipeline's file")
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputRefused.of("NOT_FOUND", path, f"cannot be read: {error.strerror}", "Check the path") from None
    if len(raw) > MOST_BYTES:
        what = f"is larger than {MOST_BYTES >> 10} KiB, which no pipeline needs"
        raise InputRefused.of("YAML", path, what, "List many scenes in a table: scenes: {table: scenes.csv}")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputRefused.of("YAML", path, "is not text in UTF-8", "Save it as UTF-8") from None


def _refused(path: Path, what: str, mark: Any = None, remedy: str = "Correct the file") -> InputRefused:
    where = path if mark is None else f"{path}:{mark.line + 1}"
    return InputRefused.of("YAML", where, " ".join(what.split())[:300], remedy)


def _check_events(path: Path, events: Any) -> None:
    """Refuse by the parser's events, before anything is built: what a file says costs its length and no more."""
    from ruamel.yaml import events as kinds

    depth = documents = 0
    for event in events:
        if isinstance(event, kinds.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _refused(path, "holds several documents", event.start_mark, "Write each into a file of its own")
        elif isinstance(event, kinds.AliasEvent) or getattr(event, "anchor", None):
            raise _refused(path, "uses an anchor or an alias (& or *)", event.start_mark, "Write the value out")
        elif getattr(event, "tag", None) is not None:
            raise _refused(path, f"uses a tag ({event.tag})", event.start_mark, "Settings need none: leave it out")
        if isinstance(event, kinds.CollectionStartEvent):
            depth += 1
            if depth > MOST_DEPTH:
                raise _refused(path, f"is nested more than {MOST_DEPTH} deep", event.start_mark)
        elif isinstance(event, kinds.CollectionEndEvent):
            depth -= 1


def _plain(value: Any) -> Any:
    """The same without dates, and with text for keys."""
    if isinstance(value, dict):
        return {_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, date | datetime) else value


def _key(key: Any) -> str:
    if isinstance(key, bool) or key is None or isinstance(key, float | tuple | dict):
        raise ValueError(f"{key!r} is no key; put it in quotes")
    return key.isoformat() if isinstance(key, date) else str(key)


def _note_lines(node: Any, place: Place, lines: dict[Place, int]) -> None:
    from ruamel.yaml.nodes import MappingNode, SequenceNode

    lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, MappingNode):
        for key, value in node.value:
            below = (*place, str(key.value))
            lines[below] = key.start_mark.line + 1
            _note_lines(value, below, lines)
    elif isinstance(node, SequenceNode):
        for i, value in enumerate(node.value):
            _note_lines(value, (*place, i), lines)
