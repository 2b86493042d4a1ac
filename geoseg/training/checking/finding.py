"""Finding: something about the data that a person should know before training: what, where, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from geoseg.errors import InputRefused


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of a check.

    Parameters
    ----------
    level
        ``error``: a network trained on this, or its scores, would be worth nothing. ``warning``: it may be meant so.
    code
        A word for programs, as errors have one.
    where
        The scene, file or part that it is about.
    places
        GeoJSON geometries (longitude, latitude) of where exactly, if known.
    numbers
        Figures behind ``what``, for programs.
    """

    level: Literal["error", "warning"]
    code: str
    where: str
    what: str
    remedy: str = ""
    places: tuple[Mapping[str, Any], ...] = field(default=(), compare=False)
    numbers: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        """One line, as errors read."""
        return str(InputRefused.of(self.code, self.where, self.what, self.remedy))

    def to_json(self) -> dict[str, Any]:
        """The finding without its places."""
        told = {"level": self.level, "code": self.code, "where": self.where, "what": self.what, "remedy": self.remedy}
        return {**told, "numbers": dict(self.numbers)} if self.numbers else told


def refuse_errors(findings: Iterable[Finding]) -> None:
    """Raise the first error as ``InputRefused``, and say how many more there are; warnings pass."""
    errors = [finding for finding in findings if finding.level == "error"]
    if errors:
        first = errors[0]
        more = f" ({len(errors) - 1} more errors in the data)" if len(errors) > 1 else ""
        raise InputRefused.of(first.code, first.where, first.what.rstrip(".") + more, first.remedy)
