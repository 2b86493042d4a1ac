"""Recode: the option's type that gives classes other names."""

from __future__ import annotations

from typing import Any

import click


class Recode(click.types.StringParamType):
    """Classes to names, ``forest=tree,before:4=water``; a mapping."""

    name = "recode"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the pairs."""
        if not isinstance(value, str):
            return value
        table: dict[str, str] = {}
        for item in value.split(","):
            key, equals, target = (part.strip() for part in item.rpartition("="))
            if not (equals and key and target):
                self.fail(f"{item.strip()!r} is not CLASS=NAME", param, ctx)
            if table.setdefault(key, target) != target:
                self.fail(f"{key} is recoded twice", param, ctx)
        return table
