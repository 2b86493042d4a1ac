"""Settings of each job: strict pydantic models, the same for the command line, YAML and Python."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

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
            raise UsageError.of("SETTING", key, first["msg"], known) from None


class FilterChoice(Settings):
    """Filters after stitching, in the order in which they run; 0 is off. Radii in pixels, ``min_area`` in m2."""

    crf: int = Field(0, ge=0, le=50, description="iterations of the mean-field CRF")
    majority: int = Field(0, ge=0, le=64, description="radius of the majority window, pixels")
    opening: int = Field(0, ge=0, le=64, description="radius of the morphological opening, pixels")
    closing: int = Field(0, ge=0, le=64, description="radius of the morphological closing, pixels")
    min_area: float = Field(
        0.0, ge=0, description="smallest region, m2; smaller ones join the neighbour with the longest border"
    )


class SegmentSettings(Settings):
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
    workers: int = Field(0, ge=0, description="local worker processes; 0: this process")
    threads: int | None = Field(None, ge=1, description="threads of one worker; None: the processors shared out")
    scheduler: str | None = None
    work: str | None = Field(None, description="folder for committed blocks; None: a hidden folder in the output")
    restart: bool = False
    overwrite: bool = False
    progress: str | None = Field(None, description="file that gets one JSON line for each committed block")
    on_bad_block: Literal["stop", "nodata"] = "stop"
    confidence: bool = False
    probabilities: bool = False
    only: Literal["mask"] | None = None
    simplify: float = Field(0.0, ge=0, description="tolerance, metres")
    filters: FilterChoice = FilterChoice()
    aoi: str | None = Field(None, description="file of polygons; pixels outside become nodata")
    mask_with: str | None = Field(None, description="bundle whose classes turn pixels to nodata")
    mask_classes: tuple[str, ...] = ()

    @property
    def keeps_confidence(self) -> bool:
        """True when blocks carry the confidence: it was asked for, or the CRF weighs pixels by it."""
        return self.confidence or self.filters.crf > 0
