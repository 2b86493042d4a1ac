"""Settings of each job: strict pydantic models, the same for the command line, YAML and Python."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from geoseg.errors import UsageError


class Settings(BaseModel):
    """Base of all settings: frozen, no unknown keys, and errors that name the key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def of(cls, **values: Any) -> Self:
        """Validate ``values``; UsageError SETTING names the first wrong key and what is allowed."""
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            known = (
                f"Known settings: {', '.join(sorted(cls.model_fields))}" if first["type"] == "extra_forbidden" else ""
            )
            what = first["msg"].removeprefix("Value error, ")
            raise UsageError.of("SETTING", key or "settings", what, known) from None

    @classmethod
    def either(cls, settings: Self | None, options: Mapping[str, Any]) -> Self:
        """What a function of the API was given: settings whole, or single ones; UsageError SETTING where both."""
        if settings is None:
            return cls.of(**options)
        if options:
            what = "is given beside settings, which hold it already"
            raise UsageError.of("SETTING", ", ".join(sorted(options)), what, "Give settings, or keywords")
        return settings


class PerClass(Settings):
    """A number for some classes, by name or value, and one for all others.

    Also made from a number, from a mapping of classes, and from what the command line takes: ``500``,
    ``water=500,tree=2000``, ``1000,water=500``.
    """

    model_config = ConfigDict(json_schema_extra=lambda schema: _as_given(schema))

    others: float = Field(0.0, ge=0, allow_inf_nan=False)
    classes: dict[str, float] = {}

    @property
    def any(self) -> bool:
        """True when a number is not 0."""
        return bool(self.others or any(self.classes.values()))

    @model_validator(mode="before")
    @classmethod
    def _read(cls, given: Any) -> Any:
        if isinstance(given, str):
            return _per_class(given)
        if isinstance(given, int | float):
            return {"others": given}
        if isinstance(given, Mapping) and not isinstance(given.get("classes"), Mapping) and set(given) != {"others"}:
            return {"classes": {str(name): number for name, number in given.items()}}
        return given

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name, number in self.classes.items():
            if not (math.isfinite(number) and number >= 0):
                raise ValueError(f"{name}={number:g} must be a number of 0 or more")
        return self


def _as_given(schema: dict[str, Any]) -> None:
    """Make the schema that of what may be written, for editors: a number, numbers by class, or the command line's text."""
    told = {"title": schema["title"], "description": "a number for all classes, or numbers by class"}
    schema.clear()
    number = {"type": "number", "minimum": 0}
    schema |= {**told, "anyOf": [number, {"type": "object", "additionalProperties": number}, {"type": "string"}]}


def _per_class(text: str) -> dict[str, Any]:
    """Read ``1000,water=500``; a class that is named twice, or two plain numbers, are a ValueError."""
    others, classes = [], {}
    for item in text.split(","):
        name, given, number = (part.strip() for part in item.rpartition("="))
        try:
            value = float(number)
        except ValueError:
            raise ValueError(f"{item.strip()!r} is neither a number nor CLASS=NUMBER") from None
        if not given:
            others.append(value)
        elif not name or name in classes:
            raise ValueError(f"{item.strip()!r} {'names a class again' if name else 'names no class'}")
        else:
            classes[name] = value
    if len(others) > 1:
        raise ValueError(f"{text!r} has more than one number without a class")
    return {"others": others[0] if others else 0.0, "classes": classes}


class FilterChoice(Settings):
    """Filters after stitching, in the order in which they run; 0 is off. Radii in pixels, ``min_area`` in m2."""

    crf: int = Field(0, ge=0, le=50, description="iterations of the mean-field CRF")
    majority: int = Field(0, ge=0, le=64, description="radius of the majority window, pixels")
    opening: int = Field(0, ge=0, le=64, description="radius of the morphological opening, pixels")
    closing: int = Field(0, ge=0, le=64, description="radius of the morphological closing, pixels")
    min_area: PerClass = Field(
        PerClass(), description="smallest region, m2, also by class; smaller ones join the neighbour of longest border"
    )


class SieveSettings(Settings):
    """How small regions of a mask join their neighbours; one of ``min_area`` (m2) and ``min_pixels`` is given."""

    min_area: PerClass = Field(PerClass(), description="smallest region, m2, also by class")
    min_pixels: PerClass = Field(PerClass(), description="smallest region, pixels, also by class")
    connectivity: Literal[4, 8] = 4
    band: int | None = Field(None, ge=1, description="band of the classes, 1-based; needed where there are several")
    nodata: int | None = Field(None, description="value that means no class; None: what the file says")
    assume_crs: str | None = Field(None, description="CRS of a mask that names none")
    threads: int | None = Field(None, ge=1, description="threads; None: the processors, at most 8")
    overwrite: bool = False


class SlurmChoice(Settings):
    """What a SLURM job of one worker asks for; also made from ``queue=gpu,cores=8,memory=16GiB,walltime=2:00:00,gpus=1``.

    Everything here becomes a word of a job script, so nothing but plain words is taken.
    """

    queue: str | None = Field(None, pattern=r"^[\w.,+-]+$", description="partition")
    account: str | None = Field(None, pattern=r"^[\w.+-]+$")
    cores: int = Field(4, ge=1, description="processors of a worker")
    memory: str = Field("8GiB", pattern=r"^\d+(\.\d+)?\s*[KMGT]i?B$", description="of a worker")
    walltime: str = Field("1:00:00", pattern=r"^(\d+-)?\d+(:\d\d){0,2}$", description="after which SLURM ends a worker")
    gpus: int = Field(0, ge=0, le=16, description="GPUs of a worker; it uses one")
    interface: str | None = Field(None, pattern=r"^[\w.-]+$", description="network interface that nodes share, ib0")
    folder: str | None = Field(None, description="folder that all nodes see, for certificates; by default the current")
    wait: float = Field(60.0, gt=0, le=10_080, description="minutes that the first job may wait in the queue")

    @model_validator(mode="before")
    @classmethod
    def _read(cls, given: Any) -> Any:
        if not isinstance(given, str):
            return given
        pairs = [item.partition("=") for item in given.split(",")]
        if not all(name.strip() and value.strip() for name, _, value in pairs):
            raise ValueError(f"{given!r} is not written like queue=short,cores=8,memory=16GiB")
        return {name.strip(): value.strip() for name, _, value in pairs}


class ClusterChoice(Settings):
    """Where blocks are worked on: this process, local processes, a scheduler at an address, or jobs of SLURM.

    All settings of jobs that run blocks have these keys.
    """

    workers: int = Field(0, ge=0, description="worker processes, local or as jobs of SLURM; 0: this process")
    scheduler: str | None = Field(None, description="address of a running Dask scheduler: tls://host:8786")
    tls_ca: str | None = Field(None, description="file of the certificate authority of the scheduler and its workers")
    tls_cert: str | None = Field(None, description="file of this client's certificate")
    tls_key: str | None = Field(None, description="file of this client's key")
    insecure: bool = Field(False, description="talk without TLS to a scheduler on another machine")
    slurm: SlurmChoice | None = Field(None, description="start the workers as jobs of SLURM")


class PolygonizeSettings(ClusterChoice):
    """How a mask becomes polygons: which regions, how their outlines run, and where the work is done."""

    min_area: PerClass = Field(PerClass(), description="smallest region, m2, also by class")
    simplify: float = Field(0.0, ge=0, allow_inf_nan=False, description="tolerance, metres")
    smooth: bool = Field(False, description="cut the staircase of outlines")
    connectivity: Literal[4, 8] = 4
    classes: tuple[str, ...] = Field((), description="classes that become polygons, by name or value; none: all")
    confidence: str | None = Field(None, description="raster of percents on the mask's grid")
    band: int | None = Field(None, ge=1, description="band of the classes, 1-based; needed where there are several")
    nodata: int | None = Field(None, description="value that means no class; None: what the file says")
    assume_crs: str | None = Field(None, description="CRS of a mask that names none")
    block_size: int = Field(2048, ge=1, description="strips have about as many pixels as a block of this side")
    split: bool = Field(False, description="several Shapefiles of at most 2 GB each")
    overwrite: bool = False
    progress: str | None = Field(None, description="file that gets one JSON line for each strip")


class EvaluateSettings(Settings):
    """How labels are read, which pixels are scored, and how the bundle predicts."""

    recode: dict[int | str, int | str] = Field({}, description="codes or names of the labels to class values or names")
    label_field: str = Field("class", description="column of a vector file with class names or codes")
    label_layer: str | None = Field(None, description="layer of a vector file; needed where there are several")
    label_band: int | None = Field(None, ge=1, description="band of a raster; needed where there are several")
    label_nodata: int | None = Field(None, description="code of a raster that means no label; None: what the file says")
    label_width: float = Field(0.0, ge=0, description="points and lines are drawn this wide, metres; 0: one pixel")
    aoi: str | None = Field(None, description="file of polygons; only pixels inside are scored")
    zones: str | None = Field(None, description="file of polygons that are scored each by itself as well")
    zone_field: str | None = Field(None, description="column with the zones' names; their ids by default")
    boundary: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="distance of boundary F1 and IoU, metres; 0: two pixels"
    )
    intervals: Literal["jackknife", "bootstrap"] = "jackknife"
    seed: int = Field(0, ge=0, description="of the bootstrap")
    tta: bool = False
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    backend: Literal["auto", "torch", "onnx", "openvino"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    batch_size: int | None = Field(None, ge=1, description="chips in one forward pass; None: what fits the device")
    threads: int | None = Field(None, ge=1, description="threads; None: the processors")
    overwrite: bool = False


class SegmentSettings(ClusterChoice):
    """How a scene becomes a mask, polygons and areas."""

    chip_size: int | Literal["auto"] | None = Field(
        None, description="pixels; None: the bundle's; auto: the plan chooses"
    )
    halo: int | Literal["auto"] | None = Field(None, description="pixels; None: the bundle's; auto: by the seam score")
    block_size: int = Field(2048, ge=1, description="target side of a block, pixels")
    batch_size: int | None = Field(None, ge=1, description="chips in one forward pass; None: what fits the device")
    ram: int | None = Field(None, ge=1, description="bytes a worker may use; chooses the block size")
    blend: Literal["none", "hann", "linear"] = "none"
    tta: bool = False
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    backend: Literal["auto", "torch", "onnx", "openvino"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    threads: int | None = Field(None, ge=1, description="threads of one worker; None: the processors shared out")
    work: str | None = Field(None, description="folder for committed blocks; None: a hidden folder in the output")
    restart: bool = False
    reuse: str | None = Field(
        None, description="folder that keeps the blocks of this scene; those of unchanged pixels are not computed again"
    )
    overwrite: bool = False
    progress: str | None = Field(None, description="file that gets one JSON line for each committed block")
    on_bad_block: Literal["stop", "nodata"] = "stop"
    confidence: bool = False
    probabilities: bool = False
    only: Literal["mask"] | None = None
    simplify: float = Field(0.0, ge=0, allow_inf_nan=False, description="tolerance, metres")
    smooth: bool = Field(False, description="cut the staircase of outlines")
    filters: FilterChoice = FilterChoice()
    aoi: str | None = Field(None, description="file of polygons; pixels outside become nodata")
    mask_with: str | None = Field(None, description="bundle whose classes turn pixels to nodata")
    mask_classes: tuple[str, ...] = ()

    @property
    def keeps_confidence(self) -> bool:
        """True when blocks carry the confidence: it was asked for, or the CRF weighs pixels by it."""
        return self.confidence or self.filters.crf > 0
