"""Standing: what a task is made of now, and whether it was done of the same, for a run and for its forecast alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from geoseg.pipeline.fingerprint import Contents, digest_of
from geoseg.pipeline.graph import Task
from geoseg.pipeline.place import Place
from geoseg.pipeline.state import Record, still_done
from geoseg.pipeline.steps import SampleStep


@dataclass(frozen=True, slots=True)
class Standing:
    """``digest``: of all that the task depends on. ``fresh``: what it is made of is made in this run. ``done``: skip it."""

    digest: str
    fresh: bool
    done: bool


def standing(
    task: Task, place: Place, *, contents: Contents, record: Record | None, before: Mapping[str, tuple[str, bool]]
) -> Standing:
    """How a task stands before it is begun.

    Parameters
    ----------
    record
        What an earlier run wrote down of it.
    before
        Of each task in ``task.before`` its digest, and whether it was skipped.

    Raises
    ------
    InputRefused
        An input is not there, cannot be read, or lies outside of the allowed folders.
    """
    sources = {name: digest for name, (digest, _) in before.items()}
    digest = digest_of(task, place.pipeline, contents, sources, place.folder)
    fresh = not all(skipped for _, skipped in before.values())
    edited = isinstance(task.step, SampleStep)  # by who labels
    return Standing(digest, fresh, not fresh and still_done(record, place.folder, digest, edited=edited))
