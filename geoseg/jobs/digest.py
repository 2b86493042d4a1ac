"""Digests: what a mask depends on, as one number; what committed blocks depend on, as another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import geoseg
from geoseg.config import SegmentSettings
from geoseg.jobs.plan import Plan
from geoseg.model.bundle import Bundle
from geoseg.model.predict import Choice
from geoseg.raster.env import GDAL_VERSION
from geoseg.raster.scene import Scene


@dataclass(frozen=True, slots=True)
class Digests:
    """``plan`` names everything that a mask's bytes depend on; ``key`` names what a committed block is good for.

    Block size, worker count and paths are not in ``plan``: they do not change the mask. They, and the files' times, are in
    ``key``: a block of another size, or of a file written since, is of no use. ``rule`` is what a block depends on beside the
    pixels that are read for it.
    """

    plan: str
    key: str
    inputs: str
    rule: str = ""

    @property
    def run_id(self) -> str:
        """Short name of the run: the same inputs and settings give the same."""
        return self.plan[:12]


class Limit(Protocol):
    """Something that turns pixels to nodata."""

    @property
    def digest(self) -> str:
        """Everything of it that can change a pixel."""


def digests_of(
    scene: Scene,
    bundle: Bundle,
    choice: Choice,
    plan: Plan,
    settings: SegmentSettings,
    *,
    limits: Sequence[Limit | None] = (),
) -> Digests:
    """Compute both from the same facts."""
    chips = plan.chips
    chosen = {name: value for name, value in asdict(choice).items() if name != "agreement"}
    prediction: dict[str, Any] = {
        "geoseg": [geoseg.__version__, "gdal", GDAL_VERSION],
        "scene": scene.fingerprint,
        "bands": [band.name for band in scene.bands],
        "bundle": bundle.digest,
        "choice": chosen,
        "chips": [chips.chip_size, chips.halo, chips.align],
        "stitch": [settings.blend, settings.tta, settings.on_bad_block],
        "limits": [limit and limit.digest for limit in limits],
    }
    inputs = digest([scene.fingerprint, scene.stamps, bundle.digest])
    work = {
        "blocks": plan.grid.chips_per_side,
        "layers": [settings.keeps_confidence, settings.probabilities],
        "inputs": inputs,
    }
    values = [[band.name, band.scale, band.offset, band.dtype, band.nodata] for band in scene.bands]
    rule = digest({
        **{name: value for name, value in prediction.items() if name not in ("scene", "limits")},
        "values": [values, scene.units], "shape": chips.shape, **{name: work[name] for name in ("blocks", "layers")},
    })  # fmt: skip
    whole = digest({**prediction, "filters": settings.filters.model_dump()})
    return Digests(plan=whole, key=digest({**prediction, **work}), inputs=inputs, rule=rule)


def digest(value: Any) -> str:
    """SHA-256 (hex) of a value's canonical JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
