"""Settings of the comparison of maps of several dates."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from geoseg.config import ClusterChoice


class TrajectorySettings(ClusterChoice):
    """How maps of several dates are brought together, dated, and freed of flicker."""

    dates: tuple[str, ...] = Field((), description="1985, 1985-07 or 1985-07-14 for each map; none: what the maps say")
    flicker: bool = Field(False, description="take flicker out, by a hidden Markov model; needs errors")
    errors: tuple[str | float, ...] = Field(
        (),
        description="scores.json, bundle folder, or overall accuracy (0.9, 0.9+-0.02): one for all maps, or one for each",
    )
    stay: float | Literal["auto"] | tuple[float, ...] = Field(
        "auto",
        description="probability that a pixel keeps its class from a date to the next, also one for each interval",
    )
    fill_gaps: bool = Field(False, description="with flicker: dates without data get the most probable class")
    align: bool = Field(False, description="warp maps (nearest) onto the first one's grid where grids differ")
    recode: dict[str, str] = Field(
        {}, description="classes, by code or name, to names of the joined legend; 1:, 2:, ... limits to one map"
    )
    max_shift: float = Field(
        1.0,
        ge=0,
        allow_inf_nan=False,
        description="shift, as measured and sure, above which maps are refused, pixels; 0: never",
    )
    band: int | None = Field(None, ge=1, description="band of the classes, 1-based; needed where there are several")
    nodata: int | None = Field(None, description="value that means no class; None: what the files say")
    assume_crs: str | None = Field(None, description="CRS of maps that name none")
    notes: tuple[str, ...] = Field((), description="what a reader should know of the maps, for the record and the page")
    only: Literal["raster"] | None = Field(None, description="stop after the rasters and their tables: no page")
    block_size: int = Field(
        2048, ge=1, description="blocks have, over two dates, as many pixels as a square of this side"
    )
    threads: int | None = Field(None, ge=1, description="threads; None: the processors, at most 8")
    overwrite: bool = False
