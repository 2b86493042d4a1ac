"""Template: names made of what is known of a scene, ``{scene.name}``, ``{scene.date:%Y%m%d}``; no attribute is ever read."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from geoseg.errors import UsageError
from geoseg.pipeline.complain import nearest

Known = Mapping[str, str | datetime | None]
"""Dotted names and their values."""

_DATE = re.compile(r"(?:%[YymdHMSjbBaAUVGu]|[-_.A-Za-z0-9])*", re.ASCII)
_LONGEST = 200


class _Names(string.Formatter):
    """Formats by whole dotted names: what Python would look up as an attribute or an index is part of a name."""

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if field_name not in kwargs:
            raise UsageError.of("TEMPLATE", "{" + field_name + "}", f"is not known{nearest(field_name, kwargs)}")
        value = kwargs[field_name]
        if value is None:
            what = "is not known of this scene"
            raise UsageError.of("TEMPLATE", "{" + field_name + "}", what, "State it, in a table or by scenes: date")
        return value, field_name

    def convert_field(self, value: Any, conversion: Any) -> Any:
        if conversion:
            raise UsageError.of("TEMPLATE", f"!{conversion}", "templates convert nothing", "Leave it out")
        return value

    def format_field(self, value: Any, format_spec: str) -> str:
        if not isinstance(value, datetime):
            if format_spec:
                raise UsageError.of("TEMPLATE", f":{format_spec}", "only dates have a format", "Leave it out")
            return str(value)
        spec = format_spec or "%Y%m%d"
        if not _DATE.fullmatch(spec):
            what = "is no format of a date in a name"
            raise UsageError.of("TEMPLATE", f":{format_spec}", what, "Write it like {scene.date:%Y%m%d}")
        return value.strftime(spec)


def fill(template: str, known: Known) -> str:
    """The template with its names filled in.

    Raises
    ------
    UsageError
        ``TEMPLATE``: a name that is not known, or a form that templates do not have.
    """
    try:
        return _Names().vformat(template, (), known)
    except UsageError:
        raise
    except (ValueError, IndexError) as error:
        raise UsageError.of("TEMPLATE", template, f"is no template: {error}", "Write it like {scene.name}") from None


def fill_name(template: str, known: Known) -> str:
    """A relative path of plain names, ``2020/scene-1``: below a folder whatever the values are.

    Raises
    ------
    UsageError
        ``TEMPLATE``: also where the result would leave the folder, hide, or be no name at all.
    """
    for name, value in known.items():
        if isinstance(value, str) and "{" + name in template and ("/" in value or "\\" in value):
            raise UsageError.of("TEMPLATE", value, f"is {{{name}}} and holds a slash", "Give it another name")
    made = fill(template, known)
    parts = made.split("/")
    bad = any(not part or part[0] == "." or part[-1] in ". " or len(part.encode()) > _LONGEST for part in parts)
    if bad or "\\" in made or not made.isprintable():
        what = "is no name for outputs below the run's folder"
        raise UsageError.of("TEMPLATE", made[:_LONGEST] or template, what, "Use plain names without dots in front")
    return made


def names_in(template: str) -> set[str]:
    """The dotted names that a template uses."""
    try:
        return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
    except ValueError as error:
        raise UsageError.of("TEMPLATE", template, f"is no template: {error}", "Write it like {scene.name}") from None
