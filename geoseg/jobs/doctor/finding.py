"""Finding: what one check of the doctor found, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Status = Literal["ok", "warn", "fail"]
"""``warn``: geoseg works, but something will go worse than it could. ``fail``: some verb will not work here."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: which check, how it went, what was seen, and the remedy where something is to be done."""

    check: str
    status: Status
    text: str
    remedy: str = ""
    seconds: float = 0.0

    def facts(self) -> dict[str, Any]:
        """The finding for JSON."""
        return asdict(self)


def ok(check: str, text: str) -> Finding:
    """Nothing to do."""
    return Finding(check, "ok", text)


def warn(check: str, text: str, remedy: str) -> Finding:
    """It works, and could work better."""
    return Finding(check, "warn", text, remedy)


def fail(check: str, text: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(check, "fail", text, remedy)
