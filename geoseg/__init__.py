"""geoseg: large satellite scenes to class maps, polygons and areas.

A scene is admitted and described (raster), cut into overlapping chips and blocks (grid), read and normalized (raster),
predicted (model), stitched (mask), committed block by block on Dask workers (cluster), assembled into one GeoTIFF
(raster), polygonized and measured (vector), and reported (report). ``geoseg.jobs.segment`` reads top to bottom in this
order.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from geoseg import errors
    from geoseg.accuracy.estimate_table import EstimateTable
    from geoseg.accuracy.settings import EstimateSettings, SampleSettings
    from geoseg.cluster.connect import ClusterSettings
    from geoseg.compare.image_settings import ImageSettings
    from geoseg.compare.settings import ChangeSettings
    from geoseg.compare.trajectory_settings import TrajectorySettings
    from geoseg.config import EvaluateSettings, PolygonizeSettings, SegmentSettings, SieveSettings
    from geoseg.errors import (
        BundleError,
        ClusterLost,
        Conflict,
        DoneInPart,
        GeosegError,
        InputRefused,
        Interrupted,
        ResourceError,
        Terminated,
        UsageError,
    )
    from geoseg.jobs.area import AreaTable, area
    from geoseg.jobs.change import ChangeResult, change
    from geoseg.jobs.compare_images import ImageChangeResult, compare_images
    from geoseg.jobs.estimate import estimate
    from geoseg.jobs.evaluate import EvaluateResult, evaluate
    from geoseg.jobs.plan import Plan, plan
    from geoseg.jobs.result import open_result
    from geoseg.jobs.sample import SampleResult, sample
    from geoseg.jobs.segment import SegmentResult, segment
    from geoseg.jobs.sieve import SieveResult, sieve
    from geoseg.jobs.synth import SynthResult, synth
    from geoseg.jobs.train import TrainResult, train
    from geoseg.jobs.trajectory import TrajectoryResult, trajectory
    from geoseg.jobs.vectorize import PolygonizeResult, polygonize
    from geoseg.legend import Legend
    from geoseg.model.bundle import Bundle, open_bundle
    from geoseg.pipeline.outcome import PipelineResult
    from geoseg.pipeline.run import run
    from geoseg.pipeline.settings import Pipeline
    from geoseg.raster.pair import open_dates
    from geoseg.raster.scene import Scene, open_scene
    from geoseg.training.settings.job import TrainSettings
    from geoseg.training.synth.settings import SynthSettings

__all__ = [
    "AreaTable",
    "Bundle",
    "BundleError",
    "ChangeResult",
    "ChangeSettings",
    "ClusterLost",
    "ClusterSettings",
    "Conflict",
    "DoneInPart",
    "EstimateSettings",
    "EstimateTable",
    "EvaluateResult",
    "EvaluateSettings",
    "GeosegError",
    "ImageChangeResult",
    "ImageSettings",
    "InputRefused",
    "Interrupted",
    "Legend",
    "Pipeline",
    "PipelineResult",
    "Plan",
    "PolygonizeResult",
    "PolygonizeSettings",
    "ResourceError",
    "SampleResult",
    "SampleSettings",
    "Scene",
    "SegmentResult",
    "SegmentSettings",
    "SieveResult",
    "SieveSettings",
    "SynthResult",
    "SynthSettings",
    "Terminated",
    "TrainResult",
    "TrainSettings",
    "TrajectoryResult",
    "TrajectorySettings",
    "UsageError",
    "area",
    "change",
    "compare_images",
    "errors",
    "estimate",
    "evaluate",
    "open_bundle",
    "open_dates",
    "open_result",
    "open_scene",
    "plan",
    "polygonize",
    "run",
    "sample",
    "segment",
    "sieve",
    "synth",
    "train",
    "trajectory",
]

_HOME = {
    "AreaTable": "jobs.area",
    "Bundle": "model.bundle",
    "BundleError": "errors",
    "ChangeResult": "jobs.change",
    "ChangeSettings": "compare.settings",
    "ClusterLost": "errors",
    "ClusterSettings": "cluster.connect",
    "Conflict": "errors",
    "DoneInPart": "errors",
    "EstimateSettings": "accuracy.settings",
    "EstimateTable": "accuracy.estimate_table",
    "EvaluateResult": "jobs.evaluate",
    "EvaluateSettings": "config",
    "GeosegError": "errors",
    "ImageChangeResult": "jobs.compare_images",
    "ImageSettings": "compare.image_settings",
    "InputRefused": "errors",
    "Interrupted": "errors",
    "Legend": "legend",
    "Pipeline": "pipeline.settings",
    "PipelineResult": "pipeline.outcome",
    "Plan": "jobs.plan",
    "PolygonizeResult": "jobs.vectorize",
    "PolygonizeSettings": "config",
    "ResourceError": "errors",
    "SampleResult": "jobs.sample",
    "SampleSettings": "accuracy.settings",
    "Scene": "raster.scene",
    "SegmentResult": "jobs.segment",
    "SegmentSettings": "config",
    "SieveResult": "jobs.sieve",
    "SieveSettings": "config",
    "SynthResult": "jobs.synth",
    "SynthSettings": "training.synth.settings",
    "Terminated": "errors",
    "TrainResult": "jobs.train",
    "TrainSettings": "training.settings.job",
    "TrajectoryResult": "jobs.trajectory",
    "TrajectorySettings": "compare.trajectory_settings",
    "UsageError": "errors",
    "area": "jobs.area",
    "change": "jobs.change",
    "compare_images": "jobs.compare_images",
    "estimate": "jobs.estimate",
    "evaluate": "jobs.evaluate",
    "open_bundle": "model.bundle",
    "open_dates": "raster.pair",
    "open_result": "jobs.result",
    "open_scene": "raster.scene",
    "plan": "jobs.plan",
    "polygonize": "jobs.vectorize",
    "run": "pipeline.run",
    "sample": "jobs.sample",
    "segment": "jobs.segment",
    "sieve": "jobs.sieve",
    "synth": "jobs.synth",
    "train": "jobs.train",
    "trajectory": "jobs.trajectory",
}


def __getattr__(name: str) -> Any:
    """Load a public name on first use: ``import geoseg`` itself loads nothing."""
    import importlib

    if name == "errors":
        return importlib.import_module("geoseg.errors")
    if name not in _HOME:
        raise AttributeError(f"module 'geoseg' has no attribute {name!r}")
    return getattr(importlib.import_module(f"geoseg.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    """The public names."""
    return [*__all__, "__version__"]
