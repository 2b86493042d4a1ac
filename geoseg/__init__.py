"""geoseg: large satellite scenes to class maps, polygons and areas.

A scene is admitted and described (raster), cut into overlapping chips and blocks (grid), read and normalized (raster),
predicted (model), stitched (mask), committed block by block on Dask workers (cluster), assembled into one GeoTIFF
(raster), polygonized and measured (vector), and reported (report). ``geoseg.jobs.segment`` reads top to bottom in this
order.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from geoseg.accuracy.estimate_table import EstimateTable
    from geoseg.accuracy.settings import EstimateSettings, SampleSettings
    from geoseg.compare.image_settings import ImageSettings
    from geoseg.compare.settings import ChangeSettings
    from geoseg.compare.trajectory_settings import TrajectorySettings
    from geoseg.config import EvaluateSettings, PolygonizeSettings, SegmentSettings, SieveSettings
    from geoseg.errors import GeosegError
    from geoseg.jobs.area import AreaTable, area
    from geoseg.jobs.change import ChangeResult, change
    from geoseg.jobs.compare_images import ImageChangeResult, compare_images
    from geoseg.jobs.estimate import estimate
    from geoseg.jobs.evaluate import EvaluateResult, evaluate
    from geoseg.jobs.sample import SampleResult, sample
    from geoseg.jobs.segment import SegmentResult, segment
    from geoseg.jobs.sieve import SieveResult, sieve
    from geoseg.jobs.synth import SynthResult, synth
    from geoseg.jobs.trajectory import TrajectoryResult, trajectory
    from geoseg.jobs.vectorize import PolygonizeResult, polygonize
    from geoseg.legend import Legend
    from geoseg.model.bundle import Bundle, open_bundle
    from geoseg.raster.pair import open_dates
    from geoseg.raster.scene import Scene, open_scene
    from geoseg.training.settings.job import TrainSettings
    from geoseg.training.synth.settings import SynthSettings

__all__ = [
    "AreaTable",
    "Bundle",
    "ChangeResult",
    "ChangeSettings",
    "EstimateSettings",
    "EstimateTable",
    "EvaluateResult",
    "EvaluateSettings",
    "GeosegError",
    "ImageChangeResult",
    "ImageSettings",
    "Legend",
    "PolygonizeResult",
    "PolygonizeSettings",
    "SampleResult",
    "SampleSettings",
    "Scene",
    "SegmentResult",
    "SegmentSettings",
    "SieveResult",
    "SieveSettings",
    "SynthResult",
    "SynthSettings",
    "TrainSettings",
    "TrajectoryResult",
    "TrajectorySettings",
    "area",
    "change",
    "compare_images",
    "estimate",
    "evaluate",
    "open_bundle",
    "open_dates",
    "open_scene",
    "polygonize",
    "sample",
    "segment",
    "sieve",
    "synth",
    "trajectory",
]

_HOME = {
    "AreaTable": "jobs.area",
    "Bundle": "model.bundle",
    "ChangeResult": "jobs.change",
    "ChangeSettings": "compare.settings",
    "EstimateSettings": "accuracy.settings",
    "EstimateTable": "accuracy.estimate_table",
    "EvaluateResult": "jobs.evaluate",
    "EvaluateSettings": "config",
    "GeosegError": "errors",
    "ImageChangeResult": "jobs.compare_images",
    "ImageSettings": "compare.image_settings",
    "Legend": "legend",
    "PolygonizeResult": "jobs.vectorize",
    "PolygonizeSettings": "config",
    "SampleResult": "jobs.sample",
    "SampleSettings": "accuracy.settings",
    "Scene": "raster.scene",
    "SegmentResult": "jobs.segment",
    "SegmentSettings": "config",
    "SieveResult": "jobs.sieve",
    "SieveSettings": "config",
    "SynthResult": "jobs.synth",
    "SynthSettings": "training.synth.settings",
    "TrainSettings": "training.settings.job",
    "TrajectoryResult": "jobs.trajectory",
    "TrajectorySettings": "compare.trajectory_settings",
    "area": "jobs.area",
    "change": "jobs.change",
    "compare_images": "jobs.compare_images",
    "estimate": "jobs.estimate",
    "evaluate": "jobs.evaluate",
    "open_bundle": "model.bundle",
    "open_dates": "raster.pair",
    "open_scene": "raster.scene",
    "polygonize": "jobs.vectorize",
    "sample": "jobs.sample",
    "segment": "jobs.segment",
    "sieve": "jobs.sieve",
    "synth": "jobs.synth",
    "trajectory": "jobs.trajectory",
}


def __getattr__(name: str) -> Any:
    """Load a public name on first use: ``import geoseg`` itself loads nothing."""
    if name not in _HOME:
        raise AttributeError(f"module 'geoseg' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"geoseg.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    """The public names."""
    return [*__all__, "__version__"]
