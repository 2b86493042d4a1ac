"""Settings of a pipeline: scenes, steps, and where they run, from one YAML file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from geoseg.config import ClusterChoice, Settings
from geoseg.errors import UsageError
from geoseg.pipeline.complain import complaint, nearest
from geoseg.pipeline.document import Document, read_document
from geoseg.pipeline.paths import Paths
from geoseg.pipeline.steps import (
    AUTHORITY,
    AreaStep,
    ChangeStep,
    EstimateStep,
    FilterStep,
    PolygonizeStep,
    ReportStep,
    SampleStep,
    SegmentStep,
    Step,
    TrainStep,
    misplaced,
    with_names_as_text,
)
from geoseg.pipeline.template import names_in

SCHEMA = Path(__file__).with_name("schema.json")
"""The JSON schema of a pipeline's file, for editors: ``# yaml-language-server: $schema=...`` in its first line."""


class ApiSearch(Settings):
    """A search in a STAC API; needs ``geoseg[stac]``, and ``allow_remote`` beside it."""

    url: str = Field(pattern=r"^https?://", description="address of the API")
    collections: tuple[str, ...] = Field(min_length=1)
    bbox: tuple[float, float, float, float] | None = Field(None, description="west, south, east, north, degrees")
    datetime: str | None = Field(None, description="2020-05-01/2020-09-30")
    most: int = Field(100, ge=1, le=100_000, description="items at most")


class Scenes(Settings):
    """Which scenes there are: by one of paths, glob, table, catalog and api; and how their files are read."""

    paths: tuple[str | tuple[str, ...], ...] = Field(
        (),
        description="files, product folders or STAC items, each a scene; a list in the list: one scene of several files",
    )
    glob: str | tuple[str, ...] = Field((), description="patterns such as scenes/*.tif; ** goes through folders")
    table: str | None = Field(
        None, description="CSV or GeoParquet: column path (several files with ; between), also name, date, any others"
    )
    catalog: str | None = Field(None, description="folder or file of a STAC catalog, collection or item")
    api: ApiSearch | None = None
    assets: tuple[str, ...] = Field((), description="assets of a STAC item that make a scene, in the bands' order")
    name: Literal["stem", "folder"] = Field("stem", description="what a scene is called by: its file, or its folder")
    date: str | None = Field(None, description="how the date stands in a name, %Y%m%d; by default it is looked for")
    since: str | None = Field(None, pattern=r"^\d{4}(-\d\d(-\d\d)?)?$", description="no earlier ones: 2020, 2020-05-01")
    until: str | None = Field(None, pattern=r"^\d{4}(-\d\d(-\d\d)?)?$", description="no later ones: that day too")
    last: int | None = Field(None, ge=1, description="only so many, the latest ones")
    bands: tuple[str, ...] | None = Field(None, description="names of the files' bands, in their order")
    nodata: float | None = Field(None, description="value that means no data, in every band")
    scale: float | None = Field(None, allow_inf_nan=False, description="reflectance = value * scale + offset")
    offset: float | None = Field(None, allow_inf_nan=False)
    assume_crs: str | None = Field(None, pattern=AUTHORITY, description="CRS of files that name none, EPSG:32633")
    quality: str | None = Field(None, description="flags that become no data: clouds, FILE:values=3,8, FILE:bits=3")
    time: str | None = Field(None, description="time step of a NetCDF file that has several")
    allow_remote: bool = Field(False, description="scenes may be http(s) and s3 addresses")

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [n for n in ("paths", "glob", "table", "catalog", "api") if getattr(self, n)]
        if len(given) != 1:
            said = " and ".join(given) if given else "none of them"
            raise ValueError(f"give one of paths, glob, table, catalog and api, not {said}")
        if self.assets and not (self.catalog or self.api or self.paths):
            raise ValueError("assets are of STAC items: of a catalog, an api, or paths")
        if self.api and not self.allow_remote:
            raise ValueError("api asks the network: say allow_remote: true")
        return self

    @property
    def opening(self) -> dict[str, Any]:
        """What :func:`geoseg.raster.scene.open_scene` is given."""
        names = ("bands", "nodata", "scale", "offset", "assume_crs", "quality", "time")
        return {name: value for name in names if (value := getattr(self, name)) is not None} | {
            "allow_remote": self.allow_remote
        }


class PipelineCluster(ClusterChoice):
    """Where the work is done; by default in this process. ``insecure`` is not for a file to say."""

    model_config = ConfigDict(json_schema_extra=lambda schema: schema["properties"].pop("insecure"))

    threads: int | None = Field(None, ge=1, description="threads of one worker; None: the processors shared out")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.workers and self.scheduler is not None:
            raise ValueError("give workers, or the address of a scheduler, not both")
        return self


AnyStep = Annotated[
    SegmentStep | FilterStep | PolygonizeStep | AreaStep | ChangeStep | SampleStep | EstimateStep | ReportStep
    | TrainStep,
    Field(discriminator="step"),
]  # fmt: skip


class Pipeline(Settings):
    """What is to be made of which scenes. Paths are relative to the YAML file."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$", description="also the folder of the outputs")
    description: str = ""
    scenes: Scenes | None = Field(None, description="not needed by train alone")
    bundle: str | None = Field(None, description="folder of the bundle, or the id of a step train")
    out: str = Field("{scene.name}", min_length=1, description="folder of one scene's outputs below that of the step")
    retries: int = Field(2, ge=0, le=20, description="new tries of a task that lost its cluster, memory or disk")
    cluster: PipelineCluster = PipelineCluster()
    steps: tuple[AnyStep, ...] = Field(min_length=1, max_length=100)
    _paths: Paths = PrivateAttr(default=Paths(Path(".")))

    @classmethod
    def read(cls, path: str | Path, *, roots: Sequence[str | Path] | None = None) -> Self:
        """Read a pipeline's file.

        Parameters
        ----------
        roots
            Folders that every path in it has to lie below, beside the file's own; links are followed before that is
            asked. None: any path.

        Raises
        ------
        InputRefused
            Those of :func:`geoseg.pipeline.document.read_document`. ``ROOT``: a path leaves the allowed folders.
        UsageError
            ``SETTING``: a wrong key, with its line and the nearest right one.
        """
        document = read_document(path)
        _refuse_misplaced(document)
        data = dict(document.data)
        if isinstance(data.get("steps"), list):
            data["steps"] = [with_names_as_text(step) for step in data["steps"]]
        try:
            made = cls.model_validate_json(json.dumps(data), strict=True)
        except ValidationError as error:
            raise complaint(error, document, cls.schema_()) from None
        _check_steps(made, document)
        folder = Path(path).absolute().parent
        made._paths = Paths(folder, None if roots is None else (folder, *map(Path, roots)))
        return made

    @classmethod
    @cache
    def schema_(cls) -> dict[str, Any]:
        """The JSON schema, as :data:`SCHEMA` has it."""
        return {"$schema": "https://json-schema.org/draft/2020-12/schema", **cls.model_json_schema()}

    def with_scenes(self, files: Sequence[str]) -> Self:
        """The same for these files, product folders or STAC items, each a scene, in place of those that the file names."""
        how = self.scenes.opening if self.scenes else {}
        kept = {n: getattr(self.scenes, n) for n in ("name", "date", "assets")} if self.scenes else {}
        return self._with(scenes=Scenes.of(paths=tuple(files), **how, **kept))

    def with_cluster(self, **chosen: Any) -> Self:
        """The same on other workers; ``workers`` or ``scheduler`` takes the place of what the file says of both."""
        kinds = {"workers": 0, "scheduler": None} if {"workers", "scheduler"} & chosen.keys() else {}
        return self._with(cluster=PipelineCluster.of(**(self.cluster.model_dump() | kinds | chosen)))

    def _with(self, **changed: Any) -> Self:
        made = self.model_copy(update=changed)
        made._paths = self._paths
        return made

    @property
    def paths(self) -> Paths:
        """How the file's paths are understood."""
        return self._paths

    @property
    def opening(self) -> dict[str, Any]:
        """How scenes are opened; a file of flags by its whole path."""
        how = self.scenes.opening if self.scenes else {}
        return how | {"quality": self._flags(how["quality"])} if "quality" in how else how

    def _flags(self, rule: str) -> str:
        file, _, values = rule.rpartition(":")
        return f"{self._paths.at(file)}:{values}" if file and (self._paths.folder / file).is_file() else rule


def _refuse_misplaced(document: Document) -> None:
    """Keys of a step that belong under ``cluster``, or that a run decides."""
    cluster = document.data.get("cluster")
    if isinstance(cluster, dict) and "insecure" in cluster:
        what = "cluster.insecure: whoever starts the run says so, by --insecure"
        raise UsageError.of("SETTING", document.where(("cluster", "insecure")), what)
    steps = document.data.get("steps")
    for i, step in enumerate(steps if isinstance(steps, list) else []):
        for key in step if isinstance(step, dict) else ():
            if why := misplaced(step.get("step"), key):
                place = ("steps", i, key)
                raise UsageError.of("SETTING", document.where(place), f"steps.{i}.{key}: {why}")


def _check_steps(pipeline: Pipeline, document: Document) -> None:
    """Ids, what steps are made of, and templates; each said with its line."""
    before: dict[str, Step] = {}
    for i, step in enumerate(pipeline.steps):
        for key, what in _wrong(pipeline, step, before):
            said = f"steps.{i}.{key}: {what}"
            raise UsageError.of("SETTING", document.where(("steps", i, key)), said)
        before[step.name] = step
    for name in names_in(pipeline.out):
        if not name.startswith(("scene.", "pipeline.")):
            raise UsageError.of("SETTING", document.where(("out",)), f"out: {{{name}}} is nothing of a scene")


def _wrong(pipeline: Pipeline, step: Step, before: Mapping[str, Step]) -> list[tuple[str, str]]:
    said: list[tuple[str, str]] = []
    if step.name in before:
        said.append(("id", f"there is a step {step.name!r} already; give this one an id of its own"))
    source = step.input
    if source is not None and source in before and before[source].step not in step.takes:
        kind = before[source].step
        said.append(("input", f"a step {step.step} is not made of a step {kind}, but of {', '.join(step.takes)}"))
    elif source is not None and source not in before and source != "scenes" and not _looks_like_path(source):
        known = [name for name, other in before.items() if other.step in step.takes]
        said.append(("input", f"there is no step {source!r} before this one{nearest(source, known)}"))
    elif source is None and step.needs_source and not any(other.step in step.takes for other in before.values()):
        said.append(("step", f"there is nothing before it to be made of: a step {' or '.join(step.takes)}"))
    if pipeline.scenes is None and step.of_scenes and (source == "scenes" or not before):
        said.append(("step", "there are no scenes: the pipeline has no key scenes"))
    if isinstance(step, SegmentStep) and step.bundle is None and pipeline.bundle is None:
        said.append(("bundle", "no bundle is named, here or at the top"))
    return said


def _looks_like_path(text: str) -> bool:
    return "/" in text or "." in text


def schema_text() -> str:
    """What :data:`SCHEMA` holds."""
    return json.dumps(Pipeline.schema_(), indent=1, ensure_ascii=False) + "\n"
