"""Notify: who is told of a run's end, and what: a webhook or a command, on success, failure, or a change that is large enough.

A job's ``notify`` is a JSON list of rules::

    [{"on": ["failure"], "webhook": "https://hooks.example.org/x"},
     {"on": ["change"], "when": "transitions.tree->bare.area_ha > 5", "command": ["notify-send", "geoseg"]}]

A webhook gets the message as JSON by POST. A command gets the same JSON on its standard input, and the one-line text as its last
word; it is started as a list of words, never by a shell.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, TypeAdapter, ValidationError, field_validator, model_validator

from geoseg.config import Settings
from geoseg.errors import InputRefused, UsageError
from geoseg.schedule.clock import to_text
from geoseg.schedule.condition import Condition
from geoseg.schedule.ending import Ending
from geoseg.schedule.found import change_records, files_named, intervals
from geoseg.schedule.outbox import Message
from geoseg.schedule.values import Lease

Event = Literal["success", "part", "failure", "change"]
_EVENTS: dict[str, Event] = {"done": "success", "part": "part", "failed": "failure"}


class Rule(Settings):
    """When to tell, and whom."""

    on: tuple[Event, ...] = Field(("failure", "part"), min_length=1)
    when: str | None = Field(None, description="with change: what the change has to be, see schedule/condition.py")
    webhook: str | None = Field(None, max_length=2000, description="http(s) address that the message is posted to")
    command: tuple[str, ...] | None = Field(None, min_length=1, max_length=100, description="program and its words")

    @field_validator("webhook")
    @classmethod
    def _address(cls, webhook: str | None) -> str | None:
        if webhook is not None:
            parts = urlsplit(webhook)
            if parts.scheme not in ("http", "https") or not parts.hostname or not webhook.isprintable():
                raise ValueError("a webhook is an address such as https://hooks.example.org/x")
        return webhook

    @field_validator("command")
    @classmethod
    def _words(cls, command: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if command is not None and (not command[0] or any("\0" in word for word in command)):
            raise ValueError("a command begins with the name of a program")
        return command

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.webhook is None) == (self.command is None):
            raise ValueError("a rule has a webhook or a command")
        if ("change" in self.on) != (self.when is not None):
            raise ValueError("'when' goes with on: change, and change with a 'when'")
        if self.when is not None:
            Condition.parse(self.when)
        return self


@dataclass(frozen=True, slots=True)
class _Holding:
    """One change that a rule's condition is true of."""

    folder: str
    values: dict[str, float]
    intervals: tuple[str, ...]

    def __str__(self) -> str:
        said = ", ".join(f"{name} is {value:.6g}" for name, value in self.values.items())
        return "; ".join([said, *self.intervals]) if self.intervals else f"{said}; no interval is known of it"


def read_rules(text: str) -> tuple[Rule, ...]:
    """The rules of a job's ``notify``; UsageError ``NOTIFY`` where they cannot be read."""
    if not text.strip():
        return ()
    try:
        return tuple(TypeAdapter(list[Rule]).validate_json(text))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "--notify"
        example = '[{"on": ["failure"], "webhook": "https://..."}]'
        raise UsageError.of("NOTIFY", where, first["msg"].removeprefix("Value error, "), f"Such as {example}") from None


def messages(lease: Lease, ending: Ending) -> tuple[Message, ...]:
    """What is to be sent when a slot has ended so."""
    event = _EVENTS.get(ending.outcome)
    if event is None or not lease.job.settings.notify:
        return ()
    made: list[Message] = []
    for rule in read_rules(lease.job.settings.notify):
        if event in rule.on:
            made.append(_message(rule, lease, ending, event))
        if rule.when is not None and event != "failure":
            made += _changes(rule, rule.when, lease, ending)
    return tuple(made)


def _changes(rule: Rule, when: str, lease: Lease, ending: Ending) -> Iterator[Message]:
    """A message where the condition holds of any change that the run made; one where it fits none of them."""
    condition = Condition.parse(when)
    found: list[_Holding] = []
    problem = ""
    for folder, record in change_records(lease.run.out, since=lease.run.started):
        try:
            if condition.holds(record):
                values = {c.quantity.text: c.quantity.value(record) for c in condition.comparisons}
                said = {str(i): None for c in condition.comparisons for i in intervals(folder, record, c.quantity)}
                found.append(_Holding(str(folder), values, tuple(said)))
        except InputRefused as error:
            problem = str(error)
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        yield _message(rule, lease, ending, "change", f"{when}: {found[0]}{more}", found)
    elif problem:
        yield _message(rule, lease, ending, "change", problem)


def _message(
    rule: Rule, lease: Lease, ending: Ending, event: Event, said: str = "", found: list[_Holding] | None = None
) -> Message:
    said = said or ending.message
    text = f"geoseg: job {lease.job.name} {lease.slot.key}: {event}" + (f": {said}" if said else "")
    body: dict[str, Any] = {
        "job": lease.job.name, "slot": lease.slot.key, "event": event, "state": ending.outcome, "text": text,
        "due": to_text(lease.slot.due), "out": lease.run.out, "log": lease.attempt.log, "exit_code": ending.exit_code,
        "message": ending.message, "reports": [str(path) for path in _some(files_named(lease.run.out, "report.html"))],
        "changes": [asdict(item) for item in found or ()],
    }  # fmt: skip
    return Message(text, json.dumps(body, sort_keys=True), rule.webhook, rule.command or ())


def _some(paths: Iterator[Path]) -> list[Path]:
    return [path for path, _ in zip(paths, range(20), strict=False)]
