"""Settings of the augmentations: 0 is off; each is drawn anew for each crop."""

from __future__ import annotations

from pydantic import Field

from geoseg.config import Settings


class AugmentSettings(Settings):
    """How crops are turned and disturbed. Amplitudes of pixel values are in standard deviations of a band.

    Geometry moves image and labels together; pixels whose label is not known after it (corners of a rotation) are ignored.
    """

    d4: bool = Field(True, description="quarter turns and mirror images")
    rotate: float = Field(0.0, ge=0, le=180, description="turned by up to this many degrees")
    scale: float = Field(0.0, ge=0, le=4, description="zoomed by 1 / (1 + scale) to 1 + scale")
    elastic: float = Field(0.0, ge=0, le=32, description="warped by up to about this many pixels")
    gain: float = Field(
        0.3, ge=0, lt=1, description="contrast: bands are multiplied by 1 - gain to 1 + gain, each by its own"
    )
    offset: float = Field(0.3, ge=0, allow_inf_nan=False, description="brightness: added to each band, normal")
    gamma: float = Field(
        0.0, ge=0, lt=1, description="exponents of 1 / (1 + gamma) to 1 + gamma on each band's range, its mean +- 3 std"
    )
    noise: float = Field(0.1, ge=0, allow_inf_nan=False, description="added to each pixel, normal")
    shading: float = Field(
        0.0, ge=0, le=1, description="strength of a synthetic hillshade, alike in all bands of sunlight"
    )
    shadow: float = Field(0.0, ge=0, le=1, description="chance of a synthetic cloud shadow")
    drop_bands: float = Field(
        0.0, ge=0, le=1, description="chance of each band to be missing (its mean), never all of them"
    )
    cutmix: float = Field(0.0, ge=0, le=1, description="chance of a crop to hold a rectangle of another of its batch")
    copy_paste: float = Field(
        0.0, ge=0, le=1, description="chance of a crop to get a region of a rare class of another"
    )
