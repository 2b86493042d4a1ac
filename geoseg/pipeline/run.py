"""Run: the tasks of a pipeline, one after another; what is done already is skipped, and what fails does not stop the rest."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import geoseg
from geoseg.cluster.keep import pools_kept
from geoseg.errors import ClusterLost, Conflict, DoneInPart, GeosegError, Interrupted, ResourceError, UsageError
from geoseg.jobs.outputs import HIDDEN
from geoseg.pipeline.fingerprint import Contents
from geoseg.pipeline.graph import Task, tasks_of
from geoseg.pipeline.outcome import GOOD, RECORD, PipelineResult, TaskOutcome, TaskProgress
from geoseg.pipeline.place import Place
from geoseg.pipeline.scenes import find_scenes
from geoseg.pipeline.settings import Pipeline
from geoseg.pipeline.standing import standing
from geoseg.pipeline.state import Record, State, stamps
from geoseg.pipeline.steps import SampleStep
from geoseg.pipeline.work import OnStep, Waiting, facts_of, work
from geoseg.raster.files import write_durable

log = logging.getLogger(__name__)

_PASSING = (ResourceError, ClusterLost)
"""Errors that another try may not meet."""
_FIRST_WAIT, _LONGEST_WAIT = 2.0, 120.0


Report = Callable[[TaskProgress], None]
Work = Callable[[Task, Place, OnStep], dict[str, Any]]
"""Does one task: :func:`geoseg.pipeline.work.work`, or what a test puts in its place."""


def run(
    pipeline: Pipeline | str | Path,
    out: str | Path | None = None,
    *,
    on_progress: Report | None = None,
    overwrite: bool = False,
    roots: Sequence[str | Path] | None = None,
) -> PipelineResult:
    """Run the steps of a pipeline over its scenes; what is done of the same inputs already is skipped.

    Parameters
    ----------
    pipeline
        A pipeline's file (YAML), or what :meth:`Pipeline.read` gave.
    out
        The folder: one folder a step, in it one a scene; ``pipeline.json`` says what became of each task. By default the
        pipeline's name.
    on_progress
        Called when a task begins and ends, and in it after each block.
    overwrite
        Replace outputs that are not this pipeline's, or that somebody has changed since.
    roots
        Folders that every path in the file has to lie below, beside the file's own; any path when not given.

    Returns
    -------
    PipelineResult
        Failed tasks are in it and raise nothing: see :meth:`PipelineResult.raise_if_failed`.

    Raises
    ------
    InputRefused, UsageError
        The file, its scenes or names cannot be.
    ClusterLost, ResourceError
        After the last try, where no other task would fare better. What is done is kept.

    Examples
    --------
    >>> made = geoseg.run("pipeline.yaml", "archive")
    >>> made.raise_if_failed()
    >>> [task.status for task in made.tasks]
    ['done', 'done']
    """
    made = pipeline if isinstance(pipeline, Pipeline) else Pipeline.read(pipeline, roots=roots)
    return run_pipeline(made, out if out is not None else made.name, on_progress=on_progress, overwrite=overwrite)


def run_pipeline(
    pipeline: Pipeline,
    out: str | Path,
    *,
    on_progress: Report | None = None,
    stop: Callable[[], None] | None = None,
    overwrite: bool = False,
    wait: Callable[[float], None] = time.sleep,
    do: Work = work,
) -> PipelineResult:
    """Run a pipeline into a folder; the same call again does what is not done, or of other inputs than now.

    Parameters
    ----------
    out
        The folder: one folder a step, in it one a scene; ``pipeline.json`` says what became of each task.
    on_progress
        Called when a task begins and ends, and in it after each block.
    stop
        Called between, to raise what ends the run.
    overwrite
        Replace outputs that are not this pipeline's, or that somebody has changed since.
    wait, do
        How seconds pass between two tries; what does a task.

    Returns
    -------
    PipelineResult
        Failed tasks are in it and raise nothing: see :meth:`PipelineResult.raise_if_failed`.

    Raises
    ------
    GeosegError
        Scenes or names that cannot be. ``ClusterLost``, and ``ResourceError`` ``DISK``, after the last try: no other task
        would fare better. What is done is kept.
    """
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise UsageError.of("OUT", folder, "is a file", "Name a folder for the outputs")
    scenes = find_scenes(pipeline.scenes, pipeline.paths, out=folder) if pipeline.scenes else ()
    tasks = tasks_of(pipeline, scenes)
    with State(folder) as state, pools_kept():
        run = _Run(pipeline, folder, tasks, state, on_progress or _silent, stop or _never, wait, overwrite, do)
        try:
            run.go()
        finally:
            run.close()
    return PipelineResult(folder, tuple(run.outcomes.values()))


class _Run:
    """One execution: what has become of the tasks so far."""

    def __init__(  # noqa: PLR0913 - what run_pipeline was given, in one place
        self,
        pipeline: Pipeline,
        folder: Path,
        tasks: tuple[Task, ...],
        state: State,
        report: Report,
        stop: Callable[[], None],
        wait: Callable[[float], None],
        overwrite: bool,
        do: Work,
    ) -> None:
        self.pipeline, self.folder, self.tasks, self.state = pipeline, folder, tasks, state
        self.report, self.stop, self.wait, self.overwrite, self.do = report, stop, wait, overwrite, do
        self.contents = Contents(folder / HIDDEN / "contents.json")
        self.outcomes: dict[str, TaskOutcome] = {}
        self.place = Place(pipeline, folder, {task.id: task for task in tasks}, cluster_of(pipeline))

    def go(self) -> None:
        for task in self.tasks:
            self.stop()
            outcome = self.one(task)
            self.outcomes[task.id] = outcome
            if outcome.status in ("failed", "part", "waiting"):
                log.info("%s: %s: %s", task.id, outcome.status, outcome.error)
            self.tell(task, outcome.status, 1, 1, {"seconds": outcome.seconds, "error": outcome.error})

    def close(self) -> None:
        """Write down what became of all."""
        self.contents.keep()
        told = {
            "pipeline": self.pipeline.name, "geoseg": geoseg.__version__, "complete": len(self.outcomes) == len(self.tasks),
            "tasks": [asdict(self.outcomes[t.id]) for t in self.tasks if t.id in self.outcomes],
        }  # fmt: skip
        write_durable(self.folder / RECORD, (json.dumps(told, indent=1, sort_keys=True, default=str) + "\n").encode())

    def tell(self, task: Task, status: str, done: int, total: int, more: Mapping[str, Any], step: str = "") -> None:
        self.report(
            TaskProgress(task.id, step or task.kind, status, done, total, len(self.outcomes), len(self.tasks), more)
        )

    def one(self, task: Task) -> TaskOutcome:
        """Skip a task, or do it."""
        outcome = TaskOutcome(task.id, task.kind, "done", tuple(s.name for s in task.scenes), task.id)
        lacking = [name for name in task.needs if self.outcomes[name].status not in GOOD]
        if lacking:
            waits = all(self.outcomes[name].status == "waiting" for name in lacking)
            why = f"{', '.join(lacking)} {'waits' if waits else 'is not there'}"
            return replace(outcome, status="waiting" if waits else "blocked", error=why)
        try:
            record = self.state.records.get(task.id)
            before = {
                name: (self.outcomes[name].digest, self.outcomes[name].status == "skipped") for name in task.before
            }
            found = standing(task, self.place, contents=self.contents, record=record, before=before)
            outcome, digest = replace(outcome, digest=found.digest), found.digest
            if record and found.done:
                return replace(outcome, status="skipped", facts=record.facts)
            overwrite = self.may_replace(task, record)
        except GeosegError as error:
            return replace(outcome, status="failed", error=str(error), exit_code=error.exit_code)
        restart = record is not None and record.status != "done" and record.digest != digest
        place = replace(self.place, overwrite=overwrite, restart=restart)
        self.state.note(Record(task.id, "begun", digest))
        made = self.tried(task, place, outcome)
        files = stamps(self.folder, task.id) if made.status in ("done", "part") else {}
        noted = Record(task.id, made.status, digest, files, made.facts, made.seconds, made.tries, made.error)
        self.state.note(noted)
        return made

    def may_replace(self, task: Task, record: Record | None) -> bool:
        """Whether what lies where the task writes may go: yes, where it is the pipeline's own and as it was left.

        Raises
        ------
        Conflict
            ``EXISTS``: it is not the pipeline's. ``EDITED``: somebody has changed it since.
        """
        found = stamps(self.folder, task.id)
        if self.overwrite or not found:
            return self.overwrite or record is not None
        where, remedy = self.folder / task.id, "Add --overwrite, or choose another folder with --out"
        if record is None:
            raise Conflict.of("EXISTS", where, "exists, and is not this pipeline's", remedy)
        edited = [name for name, stamp in record.files.items() if name in found and found[name] != stamp]
        if edited and record.status == "done" and not isinstance(task.step, SampleStep):
            raise Conflict.of("EDITED", self.folder / edited[0], "has been changed since it was made", remedy)
        return True

    def tried(self, task: Task, place: Place, outcome: TaskOutcome) -> TaskOutcome:
        """Do a task, again where another try may help; what cannot pass is told, and what ends the run is raised."""
        started, tries = time.monotonic(), 0
        while True:
            tries += 1
            self.tell(task, "running", 0, 1, {"try": tries})
            made, error = self.attempt(task, place, replace(outcome, tries=tries))
            made = replace(made, seconds=round(time.monotonic() - started, 3))
            if not isinstance(error, _PASSING):
                return made
            if tries > self.pipeline.retries:
                if isinstance(error, ClusterLost) or error.code == "DISK":
                    self.outcomes[task.id] = made
                    raise error
                return made
            seconds = min(_FIRST_WAIT * 2 ** (tries - 1), _LONGEST_WAIT)
            log.warning("%s: try %d: %s Again in %g s", task.id, tries, error, seconds)
            self.stop()
            self.wait(seconds)
            self.stop()
            place = replace(place, overwrite=True)  # what the try before left is this task's own

    def attempt(self, task: Task, place: Place, outcome: TaskOutcome) -> tuple[TaskOutcome, GeosegError | None]:
        """One try."""

        def on_step(step: str, done: int, total: int, more: Mapping[str, Any]) -> None:
            self.stop()
            self.tell(task, "running", done, total, more, step)

        try:
            facts = self.report_page(task) if task.kind == "report" else self.do(task, place, on_step)
            return replace(outcome, facts=facts), None
        except Waiting as waiting:
            return replace(outcome, status="waiting", error=str(waiting)), None
        except DoneInPart as error:
            return replace(outcome, status="part", error=str(error), exit_code=8, facts=facts_of(error)), error
        except Interrupted:
            raise
        except GeosegError as error:
            return replace(outcome, status="failed", error=str(error), exit_code=error.exit_code), error
        except (
            Exception
        ) as error:  # a defect in one task, or what GDAL says of one file, is no reason to lose the others
            log.debug("%s", task.id, exc_info=True)
            known = _known(error, task)
            return replace(outcome, status="failed", error=str(known), exit_code=known.exit_code), known

    def report_page(self, task: Task) -> dict[str, Any]:
        from geoseg.pipeline.summary import write_summary

        return write_summary(task, self.pipeline, self.folder, [self.outcomes[name] for name in task.after])


def cluster_of(pipeline: Pipeline) -> dict[str, Any]:
    """Where the jobs run, as their settings say it; certificates beside the pipeline's file."""
    chosen = {name: getattr(pipeline.cluster, name) for name in type(pipeline.cluster).model_fields}
    files = ("tls_ca", "tls_cert", "tls_key")
    chosen |= {name: pipeline.paths.at(chosen[name]) for name in files if chosen.get(name)}
    return {name: value for name, value in chosen.items() if value is not None}


def _known(error: Exception, task: Task) -> GeosegError:
    if isinstance(error, MemoryError):
        return ResourceError.of("MEMORY", task.id, "not enough memory", "Use a smaller block_size, or ram")
    if isinstance(error, OSError) and error.filename is not None:
        return ResourceError.of(
            "FILE", error.filename, error.strerror or str(error), "Check the path and its permissions"
        )
    return GeosegError.of("INTERNAL", task.id, f"{type(error).__name__}: {error}"[:500], "-vv shows more")


def _silent(_: TaskProgress) -> None:
    """Report nothing."""


def _never() -> None:
    """Go on."""
