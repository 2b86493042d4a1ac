"""Settings of a change: how two or more maps are brought together, and which differences count."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from geoseg.config import ClusterChoice, PerClass


class ChangeSettings(ClusterChoice):
    """How maps of several dates are compared."""

    dates: tuple[str, ...] = Field((), description="1985, 1985-07 or 1985-07-14 for both maps; none: what the maps say")
    align: bool = Field(False, description="warp AFTER (nearest) onto BEFORE's grid where the grids differ")
    recode: dict[str, str] = Field(
        {}, description="classes, by code or name, to names of the joined legend; before: or after: limits to one map"
    )
    min_area: PerClass = Field(
        PerClass(), description="smallest changed place, m2, also by class of AFTER; smaller ones count as unchanged"
    )
    tolerance: int = Field(0, ge=0, le=16, description="misregistration that is absorbed at class borders, pixels")
    confidence_min: float = Field(0.0, ge=0, le=100, description="percent that both dates need; 0: off")
    joint_min: float = Field(0.0, ge=0, le=1, description="least joint probability of a transition; 0: off")
    max_shift: float = Field(
        1.0,
        ge=0,
        allow_inf_nan=False,
        description="shift, as measured and sure, above which maps are refused, pixels; 0: never",
    )
    zones: str | None = Field(None, description="file of polygons that change is also counted in")
    zone_field: str | None = Field(None, description="column with the zones' names; their ids by default")
    before_errors: str | float | None = Field(
        None, description="scores.json, bundle folder, or overall accuracy (0-1) of BEFORE"
    )
    after_errors: str | float | None = Field(
        None, description="scores.json, bundle folder, or overall accuracy (0-1) of AFTER"
    )
    band: int | None = Field(None, ge=1, description="band of the classes, 1-based; needed where there are several")
    nodata: int | None = Field(None, description="value that means no class; None: what the files say")
    assume_crs: str | None = Field(None, description="CRS of maps that name none")
    connectivity: Literal[4, 8] = 4
    simplify: float = Field(0.0, ge=0, allow_inf_nan=False, description="tolerance of outlines, metres")
    smooth: bool = Field(False, description="cut the staircase of outlines")
    block_size: int = Field(2048, ge=1, description="blocks have about as many pixels as a square of this side")
    threads: int | None = Field(None, ge=1, description="threads; None: the processors, at most 8")
    only: Literal["raster"] | None = Field(None, description="stop after the change raster and its tables")
    seed: int = Field(0, ge=0, description="of the draws of stated errors that have an interval")
    notes: tuple[str, ...] = Field(
        (), description="what whoever reads the page should know of the maps, a sentence each"
    )
    overwrite: bool = False
