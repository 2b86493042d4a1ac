"""Steps: what a pipeline may do with its scenes, each with the settings of the job that does it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from geoseg.accuracy.settings import EstimateSettings, SampleSettings
from geoseg.compare.settings import ChangeSettings
from geoseg.config import ClusterChoice, PerClass, PolygonizeSettings, SegmentSettings, Settings

CLUSTER = (*(name for name in ClusterChoice.model_fields if name != "insecure"), "threads")
"""Settings of jobs that the pipeline's ``cluster`` says."""

RUN = ("overwrite", "restart", "work", "progress", "reuse", "insecure")
"""Settings of jobs that belong to a run, not to a file."""

KEPT_BLOCK = 512
"""Side of the blocks of an incremental map, pixels: a change in one place touches few of them."""

MASKS = ("segment", "filter")
MAPS = (*MASKS, "change")


def _without_own(schema: dict[str, Any]) -> None:
    """Leave out of a step's schema what its file may not say."""
    for name in (*CLUSTER, *RUN):
        schema.get("properties", {}).pop(name, None)


class Step(Settings):
    """What all steps have."""

    model_config = ConfigDict(json_schema_extra=_without_own)

    step: str
    id: str | None = Field(
        None, pattern=r"^[a-z][a-z0-9_-]{0,49}$", description="folder of the outputs; the step's word by default"
    )
    input: str | None = Field(
        None, min_length=1, description="id of an earlier step, a file, or scenes; by default the step before that fits"
    )
    out: str | None = Field(None, min_length=1, description="as the pipeline's out, for this step")

    takes: ClassVar[tuple[str, ...]] = ()
    """Steps whose outputs it can be made of."""
    of_scenes: ClassVar[bool] = True
    """Whether scenes themselves will do where no step fits."""
    files: ClassVar[tuple[str, ...]] = ()
    """Settings that name files."""
    job: ClassVar[type[Settings] | None] = None

    @model_validator(mode="after")
    def _plain_crs(self) -> Self:
        crs = getattr(self, "assume_crs", None)
        if crs is not None and not re.fullmatch(AUTHORITY, crs):
            raise ValueError(f"assume_crs is written like EPSG:32633, not {crs[:60]!r}")
        return self

    @property
    def name(self) -> str:
        """Its id."""
        return self.id or self.step

    @property
    def needs_source(self) -> bool:
        """Whether nothing but an earlier step will do."""
        return not self.of_scenes

    def settings(self, **more: Any) -> dict[str, Any]:
        """The settings of the job that it runs, and ``more`` of them that the job has."""
        assert self.job is not None
        known = set(self.job.model_fields)
        own = {name: getattr(self, name) for name in known - {*CLUSTER, *RUN}}
        return own | {name: value for name, value in more.items() if name in known}


Pairs = Literal["consecutive", "first"]


class SegmentStep(Step, SegmentSettings):
    """A scene to a class map, polygons and areas; with ``pairs`` two dates to what changed, by a bundle of two dates."""

    step: Literal["segment"]
    bundle: str | None = Field(None, description="folder, or the id of a step train; the pipeline's by default")
    pairs: Pairs | None = Field(None, description="two dates together: each with the next, or the first with each")
    by: str | None = Field(None, description="with pairs: a property of the scenes; only equal ones are paired")
    align: bool = Field(False, description="with pairs: bring the later date onto the earlier one's grid")
    incremental: bool = Field(
        False, description="keep the blocks of a map, and compute again only those whose pixels have changed"
    )
    files: ClassVar[tuple[str, ...]] = ("aoi", "mask_with")
    job: ClassVar[type[Settings] | None] = SegmentSettings

    def settings(self, **more: Any) -> dict[str, Any]:
        """The settings of the job; small blocks where those of unchanged pixels are kept, unless another size is stated."""
        small = {} if "block_size" in self.model_fields_set or not self.incremental else {"block_size": KEPT_BLOCK}
        return super().settings(**more) | small


class FilterStep(Step):
    """A class map without what is narrower or smaller than it should be."""

    step: Literal["filter"]
    majority: int = Field(0, ge=0, le=64, description="radius of the majority window, pixels")
    opening: int = Field(0, ge=0, le=64, description="radius of the morphological opening, pixels")
    closing: int = Field(0, ge=0, le=64, description="radius of the morphological closing, pixels")
    min_area: PerClass = Field(PerClass(), description="smallest region, m2, also by class")
    takes: ClassVar[tuple[str, ...]] = MASKS

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not (self.majority or self.opening or self.closing or self.min_area.any):
            raise ValueError("nothing is filtered: give majority, opening, closing or min_area")
        return self


class PolygonizeStep(Step, PolygonizeSettings):
    """A class map to polygons with areas."""

    step: Literal["polygonize"]
    format: Literal["gpkg", "shp", "parquet", "fgb", "geojson", "pmtiles"] = "gpkg"
    takes: ClassVar[tuple[str, ...]] = MAPS
    files: ClassVar[tuple[str, ...]] = ("confidence",)
    job: ClassVar[type[Settings] | None] = PolygonizeSettings


class AreaStep(Step):
    """A class map to areas by class, and by zone."""

    step: Literal["area"]
    zones: str | None = Field(None, description="file of polygons to measure in")
    zone_field: str | None = Field(None, description="column with the zones' names; their ids by default")
    coverage: Literal["auto", "fraction", "centre"] = "auto"
    classes: tuple[str, ...] = Field((), description="classes to list, by name or value; none: all")
    band: int | None = Field(None, ge=1, description="band of the classes, 1-based; needed where there are several")
    nodata: int | None = Field(None, description="value that means no class; None: what the file says")
    assume_crs: str | None = Field(None, description="CRS of a mask that names none")
    format: Literal["csv", "json"] = "csv"
    takes: ClassVar[tuple[str, ...]] = MAPS
    files: ClassVar[tuple[str, ...]] = ("zones",)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.zone_field and not self.zones:
            raise ValueError("zone_field is a column of zones, and there are none")
        return self


class ChangeStep(Step, ChangeSettings):
    """Maps of two dates to what became what."""

    step: Literal["change"]
    pairs: Pairs = Field("consecutive", description="each date with the next, or the first with each")
    before: str | None = Field(None, description="name of a scene, with after: this pair and no other")
    after: str | None = Field(None, description="name of a scene")
    by: str | None = Field(None, description="a property of the scenes, such as tile; only equal ones are compared")
    takes: ClassVar[tuple[str, ...]] = MASKS
    files: ClassVar[tuple[str, ...]] = ("zones", "before_errors", "after_errors")
    job: ClassVar[type[Settings] | None] = ChangeSettings

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.before is None) != (self.after is None):
            raise ValueError("before and after go together")
        return self


class SampleStep(Step, SampleSettings):
    """A class map, or a change, to random pixels that a person labels."""

    step: Literal["sample"]
    takes: ClassVar[tuple[str, ...]] = MAPS
    files: ClassVar[tuple[str, ...]] = ("labels",)
    job: ClassVar[type[Settings] | None] = SampleSettings


class EstimateStep(Step, EstimateSettings):
    """Labelled samples to areas and accuracies with intervals; waits for the labels."""

    step: Literal["estimate"]
    mask: str | None = Field(None, description="the map, where it is another than the sampled one")
    takes: ClassVar[tuple[str, ...]] = ("sample",)
    of_scenes: ClassVar[bool] = False
    files: ClassVar[tuple[str, ...]] = ("mask", "strata")
    job: ClassVar[type[Settings] | None] = EstimateSettings


class ReportStep(Step):
    """One page of all that the steps before it came to, with what failed."""

    step: Literal["report"]
    title: str = Field("", max_length=200)
    of_scenes: ClassVar[bool] = False

    @property
    def needs_source(self) -> bool:
        """It tells what there is."""
        return False


class TrainStep(Step):
    """Labelled scenes to a bundle, which later steps may name by this step's id."""

    step: Literal["train"]
    file: str = Field(description="YAML file of the training")
    baseline: bool = Field(False, description="also train gradient boosting on the same split")
    of_scenes: ClassVar[bool] = False
    files: ClassVar[tuple[str, ...]] = ("file",)

    @property
    def needs_source(self) -> bool:
        """Its job names its scenes."""
        return False


AUTHORITY = r"^[A-Za-z]+:[A-Za-z0-9.]+$"
"""A CRS as a file may name it: other texts may be files or addresses to what reads them."""


def with_names_as_text(step: Any) -> Any:
    """A step as it was written, with class values as text where they stand in a list of names."""
    if not isinstance(step, Mapping):
        return step
    lists = ("classes", "buffer_around", "mask_classes", "group")
    return {key: _as_text(value) if key in lists else value for key, value in step.items()}


def _as_text(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _as_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [str(item) if isinstance(item, int) and not isinstance(item, bool) else item for item in value]
    return value


def misplaced(kind: Any, key: str) -> str:
    """Why a step may not have a key that its job has; empty for any other."""
    job = _JOBS.get(str(kind))
    if job is None or key not in job.model_fields:
        return ""
    if key in CLUSTER:
        return "say it once for all steps, under cluster"
    return "belongs to a run, not to a pipeline" if key in RUN else ""


_JOBS: Mapping[str, type[Settings]] = {
    "segment": SegmentSettings, "polygonize": PolygonizeSettings, "change": ChangeSettings, "sample": SampleSettings,
    "estimate": EstimateSettings,
}  # fmt: skip
