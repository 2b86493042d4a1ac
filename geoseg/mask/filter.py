"""Filter (thin: all filters off; the real ones follow): what the cluster layer calls per block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geoseg.legend import Legend


@dataclass(frozen=True, slots=True)
class FilterSettings:
    """Filters after stitching; radii in pixels, 0 is off."""

    majority: int = 0
    opening: int = 0
    closing: int = 0
    crf: int = 0

    @property
    def any(self) -> bool:
        """True when a filter is on."""
        return bool(self.majority or self.opening or self.closing or self.crf)

    @property
    def needs_image(self) -> bool:
        """True when a filter looks at the image."""
        return self.crf > 0


def halo_of(settings: FilterSettings) -> int:
    """Pixels of context per side that the filters look at."""
    return 0


def apply_filters(
    mask: np.ndarray, confidence: np.ndarray | None, image: np.ndarray | None, *, legend: Legend, settings: FilterSettings
) -> np.ndarray:
    """The filtered mask, same shape; the outer ``halo_of(settings)`` pixels are not to be trusted."""
    return mask
