"""Settings of synthetic scenes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from geoseg.config import Settings

_Metres = Annotated[float, Field(ge=-1e8, le=1e8)]
"""A coordinate: no CRS in metres reaches as far, and no NaN."""


class SynthSettings(Settings):
    """What is made. The same settings give the same bytes; another size, origin or resolution shows the same land."""

    size: int | tuple[int, int] = Field(2048, description="pixels along a side, or (rows, cols)")
    dates: int = Field(1, ge=1, le=20)
    seed: int = Field(0, ge=0, lt=1 << 63)
    res: float = Field(10.0, ge=1, le=100, description="side of a pixel, metres")
    crs: str = Field("EPSG:32632", description="projected, in metres")
    origin: tuple[_Metres, _Metres] = Field(
        (500_000.0, 5_400_000.0), description="upper left corner, x and y in the CRS"
    )
    clouds: float = Field(0.0, ge=0, le=0.9, description="share of each date that is cloud, about")
    change: float = Field(
        0.05, ge=0, le=0.5, description="share of pixels whose class changes from date to date, about"
    )
    shift: float = Field(
        0.0, ge=-8, le=8, description="pixels by which later pictures, not their truths, lie too far east"
    )
    collar: bool = Field(False, description="a slanted frame without data, as of a swath")
    threads: int | None = Field(None, ge=1, description="threads; None: the processors, at most 8")
    overwrite: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, cols)."""
        return (self.size, self.size) if isinstance(self.size, int) else self.size
