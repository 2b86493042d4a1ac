"""Settings of samples and of estimates."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from geoseg.config import PerClass, Settings

MOST_SAMPLES = 1_000_000
MOST_REACH = 256
"""Pixels that a border stratum may be wide on each side."""


class SampleSettings(Settings):
    """How pixels of a mask are drawn to be labelled; ``total`` or ``standard_error`` is given."""

    total: int | None = Field(None, ge=1, le=MOST_SAMPLES, description="samples in all")
    standard_error: float | None = Field(
        None, gt=0, lt=1, description="of the overall accuracy, 0-1; as many samples as give it"
    )
    allocation: Literal["proportional", "equal", "neyman"] = "proportional"
    users_accuracy: PerClass = Field(PerClass(), description="expected user's accuracies, 0-1, also by class")
    min_per_class: int | None = Field(
        None, ge=0, description="samples of a stratum at least; None: 50, or what an equal share allows"
    )
    classes: tuple[str, ...] = Field((), description="classes that are sampled, by name or value; none: all")
    group: dict[str, tuple[str, ...]] = Field({}, description="classes that make one stratum, by its name")
    group_below: float = Field(0.0, ge=0, allow_inf_nan=False, description="smaller classes, m2, make one stratum")
    buffer: float = Field(0.0, ge=0, le=MOST_REACH, description="width of a stratum along borders, pixels")
    buffer_m: float = Field(0.0, ge=0, allow_inf_nan=False, description="the same in metres")
    buffer_around: tuple[str, ...] = Field(
        (), description="classes whose surroundings are that stratum; none: all borders, of a change map: the changes"
    )
    change: bool | None = Field(None, description="classes are transitions; None: what values and names say")
    labels: str | None = Field(None, description="earlier samples of the mask, whose labels are taken over")
    squares: bool = Field(False, description="samples are drawn as the squares of their pixels")
    seed: int = Field(0, ge=0)
    band: int | None = Field(None, ge=1, description="band of the classes, 1-based; needed where there are several")
    nodata: int | None = Field(None, description="value that means no class; None: what the file says")
    assume_crs: str | None = Field(None, description="CRS of a mask that names none")
    block_size: int = Field(2048, ge=1, description="strips have about as many pixels as a block of this side")
    threads: int | None = Field(None, ge=1, description="threads; None: the processors, at most 8")
    overwrite: bool = False

    @field_validator("classes", "buffer_around", mode="before")
    @classmethod
    def _as_text(cls, given: Any) -> Any:
        return tuple(str(value) for value in given) if isinstance(given, list | tuple) else given

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.total is None) == (self.standard_error is None):
            raise ValueError("give one of total and standard_error")
        stated = (self.users_accuracy.others, *self.users_accuracy.classes.values())
        if max(stated) > 1:
            raise ValueError(f"a user's accuracy is a share, 0.85 and not 85: {max(stated):g}")
        if not self.users_accuracy.any and (self.allocation == "neyman" or self.standard_error is not None):
            raise ValueError("neyman and standard_error need users_accuracy")
        if self.buffer and self.buffer_m:
            raise ValueError("buffer is in pixels, buffer_m in metres: give one")
        if self.buffer_around and not (self.buffer or self.buffer_m):
            raise ValueError("buffer_around needs buffer or buffer_m")
        return self


class EstimateSettings(Settings):
    """How labelled samples are read, and how intervals are made."""

    interval: Literal["score", "normal"] = Field(
        "score", description="score covers rare classes too; normal: the estimate and 1.96 standard errors to each side"
    )
    correction: Literal["auto", "always", "never"] = Field(
        "auto",
        description="of the variance for a finite population, 1 - n / N; auto: where 5 % of a stratum are sampled",
    )
    reference_field: str = Field("reference", description="column of the class that was seen; empty: not labelled")
    map_field: str | None = Field(
        None, description="column of the map's class; None: map_class or map, else what the mask says there"
    )
    stratum_field: str | None = Field(None, description="column of the stratum; None: strata are the map's classes")
    layer: str | None = Field(None, description="layer of a vector file; needed where there are several")
    strata: str | None = Field(
        None,
        description="CSV of the strata with n_pixels and area_m2 or area_ha, as geoseg area writes; None: the mask",
    )
    band: int | None = Field(None, ge=1, description="band of the classes, 1-based; needed where there are several")
    nodata: int | None = Field(None, description="value that means no class; None: what the file says")
    assume_crs: str | None = Field(None, description="CRS of a mask that names none")
