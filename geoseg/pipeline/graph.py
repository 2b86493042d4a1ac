"""Graph: steps times scenes, as tasks in an order in which each comes after those that it is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby, pairwise
from typing import Literal

from geoseg.errors import InputRefused, UsageError
from geoseg.pipeline.complain import nearest
from geoseg.pipeline.paths import Paths
from geoseg.pipeline.scenes import SceneEntry
from geoseg.pipeline.settings import Pipeline
from geoseg.pipeline.steps import ChangeStep, ReportStep, SegmentStep, Step, TrainStep
from geoseg.pipeline.template import fill, fill_name, names_in

Role = Literal["scene", "pair", "file", "all"]


@dataclass(frozen=True, slots=True)
class Task:
    """One step for one scene, one pair of scenes, or for all.

    Attributes
    ----------
    id
        ``segment/LC08_2020``: the step's id and the name of its outputs, which lie in a folder of that name in the run's.
    scenes
        The scenes it is about: one, two (before, after), or none.
    sources
        Ids of the tasks whose outputs it is made of; of a change those of before and after.
    after
        Ids of tasks that have to end first, however: a report's.
    file
        The file that it is made of, where ``input`` names one.
    bundle, trained
        The bundle's folder as the file names it, or the id of the task that trains it.
    """

    id: str
    step: Step
    scenes: tuple[SceneEntry, ...] = ()
    sources: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    file: str | None = None
    bundle: str | None = None
    trained: str | None = None
    known: Mapping[str, str | datetime | None] = field(default_factory=dict)

    @property
    def needs(self) -> tuple[str, ...]:
        """Ids of the tasks whose outputs have to be there."""
        return self.sources if self.trained is None else (*self.sources, self.trained)

    @property
    def before(self) -> tuple[str, ...]:
        """Ids of the tasks that end before it begins, needed or only told of."""
        return (*self.needs, *self.after)

    @property
    def kind(self) -> str:
        """The step's word."""
        return self.step.step

    def filled(self, template: str) -> str:
        """A path of the step's settings with the scene's names filled in."""
        return fill(template, self.known) if "{" in template else template

    def files(self, paths: Paths) -> dict[str, str]:
        """The step's settings that name files, as they are opened."""
        named = {name: getattr(self.step, name) for name in self.step.files}
        return {
            name: paths.at(self.filled(value))
            for name, value in named.items()
            if isinstance(value, str) and not _is_number(value)
        }


def tasks_of(pipeline: Pipeline, scenes: Sequence[SceneEntry]) -> tuple[Task, ...]:
    """All tasks, in an order in which they can run.

    Raises
    ------
    UsageError
        ``SCENES``: no scene of a name that a step uses, or no two to compare. ``TEMPLATE``: a name cannot be made.
    InputRefused
        ``SCENES``: two tasks would have one folder.
    """
    made: dict[str, list[Task]] = {}
    taken: dict[str, Task] = {}
    for step in pipeline.steps:
        made[step.name] = list(_of_step(pipeline, step, scenes, made))
        for task in made[step.name]:
            other = taken.setdefault(task.id.casefold(), task)
            if other is not task:
                names = " and ".join("+".join(scene.name for scene in one.scenes) for one in (other, task))
                remedy = "Add {scene.name} or {scene.date} to out"
                raise InputRefused.of("SCENES", task.id, f"is what the outputs of {names} would be called", remedy)
    return tuple(task for step in pipeline.steps for task in made[step.name])


def _of_step(
    pipeline: Pipeline, step: Step, scenes: Sequence[SceneEntry], made: Mapping[str, list[Task]]
) -> Iterator[Task]:
    own = {"pipeline.name": pipeline.name, "step.id": step.name}
    if isinstance(step, TrainStep):
        yield Task(f"{step.name}/bundle", step, known=own)
    elif isinstance(step, ReportStep):
        before = tuple(task.id for tasks in made.values() for task in tasks)
        yield Task(f"{step.name}/{pipeline.name}", step, after=before, known=own)
    elif (source := source_of(step, made)) is None and step.input not in (None, "scenes"):
        yield Task(f"{step.name}/{pipeline.name}", step, file=step.input, known=own)
    elif isinstance(step, ChangeStep | SegmentStep) and step.pairs is not None:
        yield from _pairs(pipeline, step, _units(source, scenes, made), own)
    else:
        for task_scenes, upstream in _units(source, scenes, made):
            yield _task(pipeline, step, task_scenes, upstream, own)


def source_of(step: Step, made: Mapping[str, list[Task]]) -> str | None:
    """The id of the step whose outputs ``step`` is made of; None: scenes, or a file."""
    if isinstance(step, SegmentStep) or step.input == "scenes":
        return None
    if step.input is not None:
        return step.input if step.input in made else None
    fitting = [name for name, tasks in made.items() if tasks and tasks[0].kind in step.takes]
    return fitting[-1] if fitting else None


Unit = tuple[tuple[SceneEntry, ...], str | None]


def _units(source: str | None, scenes: Sequence[SceneEntry], made: Mapping[str, list[Task]]) -> list[Unit]:
    """Scenes with the task that each comes from; None where it is the scene itself."""
    if source is None:
        return [((scene,), None) for scene in scenes]
    return [(task.scenes, task.id) for task in made[source]]


def _pairs(
    pipeline: Pipeline, step: ChangeStep | SegmentStep, units: Sequence[Unit], own: Mapping[str, str]
) -> Iterator[Task]:
    single = [(scenes[0], upstream) for scenes, upstream in units if len(scenes) == 1]
    if isinstance(step, ChangeStep) and step.before is not None and step.after is not None:
        by_name = {scene.name: (scene, upstream) for scene, upstream in single}
        for name in (step.before, step.after):
            if name not in by_name:
                said = nearest(name, list(by_name)[:20]).removeprefix("; ")
                raise UsageError.of("SCENES", f"{step.name}: {name}", "there is no scene of this name", said)
        couples = [(by_name[step.before], by_name[step.after])]
    else:
        couples = list(_couples(step, single))
    for (before, first), (after, second) in couples:
        sources = () if first is None or second is None else (first, second)
        yield _task(pipeline, step, (before, after), sources, own)


Single = tuple[SceneEntry, str | None]


def _couples(step: ChangeStep | SegmentStep, single: Sequence[Single]) -> Iterator[tuple[Single, Single]]:
    """Two and two in order of time, within the scenes that have one value of the property ``by``."""

    def group(unit: Single) -> str:
        if step.by is None:
            return ""
        if step.by not in unit[0].properties:
            known = ", ".join(unit[0].properties) or "none"
            raise UsageError.of(
                "SCENES", f"{step.name}: {unit[0].name}", f"has no property {step.by}", f"It has: {known}"
            )
        return unit[0].properties[step.by]

    undated = [scene.name for scene, _ in single if scene.date is None]
    if undated and len(single) > 1 and (step.by or len(single) > 2 or len(undated) < len(single)):
        remedy = "Say how it stands in the name (scenes: date), list it in a table, or name before and after"
        raise UsageError.of("DATES", undated[0], "its date is not known, and dates are to be compared", remedy)
    for _, members in groupby(sorted(single, key=group), key=group):
        units = list(members)
        yield from pairwise(units) if step.pairs == "consecutive" else ((units[0], other) for other in units[1:])


def _task(
    pipeline: Pipeline,
    step: Step,
    scenes: tuple[SceneEntry, ...],
    sources: tuple[str, ...] | str | None,
    own: Mapping[str, str],
) -> Task:
    template = step.out or pipeline.out
    roles = ("scene",) if len(scenes) == 1 else ("before", "after")
    known: dict[str, str | datetime | None] = dict(own)
    for role, scene in zip(roles, scenes, strict=len(scenes) in (1, 2)):
        known |= scene.known(role)
    if len(scenes) == 2 and any(name.startswith("scene.") for name in names_in(template)):
        each = [fill_name(template, {**own, **scene.known()}).replace("/", "_") for scene in scenes]
        name = "_to_".join(each)
    else:
        name = fill_name(template, known) if scenes else pipeline.name
    upstream = (sources,) if isinstance(sources, str) else sources or ()
    bundle = (step.bundle or pipeline.bundle) if isinstance(step, SegmentStep) else None
    trained = any(other.name == bundle and isinstance(other, TrainStep) for other in pipeline.steps)
    return Task(
        f"{step.name}/{name}", step, scenes, upstream,
        bundle=None if trained else bundle, trained=f"{bundle}/bundle" if trained else None, known=known,
    )  # fmt: skip


def _is_number(text: str) -> bool:
    """Whether a setting that names a file, or is a number (errors of a map), is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
