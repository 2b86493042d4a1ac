"""Settings of the direct comparison of two images, without a model."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from geoseg.config import ClusterChoice


class ImageSettings(ClusterChoice):
    """How two images are compared, what counts as changed, and what is left behind."""

    method: Literal["cva", "irmad"] = Field("irmad", description="change vector analysis, or reweighted MAD")
    threshold: Literal["false-alarm", "otsu", "kittler"] = Field(
        "false-alarm", description="by the share of false alarms, or between two heaps of the magnitude"
    )
    false_alarm: float = Field(
        0.001, ge=1e-9, le=0.5, description="share of unchanged pixels that may count as changed"
    )
    align: bool = Field(False, description="bring AFTER onto BEFORE's grid, bilinear, where grids differ")
    max_shift: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="refuse images that surely lie further beside each other, pixels; 0: never",
    )
    sample: int = Field(
        1_000_000, ge=0, description="statistics from about this many pixels, each k-th row and column; 0: from all"
    )
    min_area: float = Field(0.0, ge=0, allow_inf_nan=False, description="smallest changed region, m2")
    simplify: float = Field(0.0, ge=0, allow_inf_nan=False, description="tolerance, metres")
    smooth: bool = Field(False, description="cut the staircase of outlines")
    connectivity: Literal[4, 8] = 4
    only: Literal["raster"] | None = Field(None, description="stop after the rasters")
    overwrite: bool = False
