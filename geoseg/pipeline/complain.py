"""Complain: what pydantic found wrong in a document, as one line: file, line, key, what, and the nearest right key."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from geoseg.errors import UsageError
from geoseg.pipeline.document import Document, Place

Schema = Mapping[str, Any]


def complaint(error: ValidationError, document: Document, schema: Schema) -> UsageError:
    """The first thing that is wrong, by line: ``SETTING: p.yaml:12: steps.0.min_aera: no such key; did you mean 'min_area'?``.

    Parameters
    ----------
    schema
        The JSON schema of the document, which knows the keys of each place.
    """
    found = [(_place(item["loc"], document.data), item) for item in error.errors(include_url=False)]
    place, item = min(found, key=lambda one: (one[1]["type"] == "missing", document.line(one[0]), -len(one[0])))
    key = ".".join(str(part) for part in place) or "pipeline"
    return UsageError.of("SETTING", document.where(place), f"{key}: {_said(item, place, document, schema)}")


def nearest(word: str, known: Iterable[str]) -> str:
    """``; did you mean 'area'?`` for a word that nearly is a known one, else what there is."""
    names = list(known)
    by_fold = {name.casefold(): name for name in names}
    close = difflib.get_close_matches(word.casefold(), list(by_fold), n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{by_fold[close[0]]}'?"
    return f"; there are: {', '.join(sorted(names))}" if names else ""


def _said(item: Any, place: Place, document: Document, schema: Schema) -> str:
    kind, context = item["type"], item.get("ctx", {})
    given = _value(document.data, place)
    if kind == "extra_forbidden":
        return f"no such key{nearest(str(place[-1]), keys_at(schema, place[:-1], document.data))}"
    if kind == "missing":
        return "is missing"
    if kind == "union_tag_not_found":
        return "has no key step that says what is done"
    if kind == "union_tag_invalid":
        return f"there is no step {context['tag']!r}{nearest(context['tag'], _quoted(context['expected_tags']))}"
    if kind == "literal_error":
        return f"{given!r} is not {context['expected']}{_if_close(str(given), _quoted(context['expected']))}"
    text = (
        item["msg"].removeprefix("Value error, ").replace("Input should be", "should be").replace("Tuple", "the list")
    )
    return text if isinstance(given, dict | list) or kind == "value_error" else f"{text}, not {_short(given)}"


def _if_close(word: str, known: Sequence[str]) -> str:
    said = nearest(word, known)
    return said if "did you mean" in said else ""


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _quoted(text: str) -> list[str]:
    """``'a', 'b' or 'c'`` as a list."""
    return text.split("'")[1::2]


def _place(loc: Sequence[str | int], data: Any) -> Place:
    """Where in the data an error is: pydantic's own words for members of unions are left out."""
    place: list[str | int] = []
    for i, part in enumerate(loc):
        if isinstance(data, dict) and str(part) in data:
            place.append(str(part))
            data = data[str(part)]
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            place.append(part)
            data = data[part]
        elif isinstance(data, dict) and i == len(loc) - 1 and part != data.get("step"):
            place.append(part)  # what is missing
    return tuple(place)


def _value(data: Any, place: Place) -> Any:
    for part in place:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def keys_at(schema: Schema, place: Place, data: Any) -> list[str]:
    """The keys that a place of a document may have."""
    node: Schema = schema
    for part in (*place, None):
        node = _resolved(schema, node, data)
        if part is None:
            break
        if isinstance(part, int):
            node = node.get("items", {})
        else:
            node = node.get("properties", {}).get(part, {})
        data = _value(data, (part,))
    return list(node.get("properties", {}))


def _resolved(schema: Schema, node: Schema, data: Any) -> Schema:
    """A place's own schema: references followed, and of several the one that the data fits."""
    if "$ref" in node:
        return _resolved(schema, schema["$defs"][node["$ref"].rpartition("/")[2]], data)
    if "oneOf" in node and isinstance(data, dict):
        chosen = node.get("discriminator", {}).get("mapping", {}).get(data.get("step"))
        return _resolved(schema, {"$ref": chosen}, data) if chosen else {}
    for other in node.get("anyOf", ()):
        found = _resolved(schema, other, data)
        if found.get("type") == ("array" if isinstance(data, list) else "object"):
            return found
    return node
