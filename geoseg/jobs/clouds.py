"""Clouds: another bundle, run over the scene first, whose classes (clouds, shadows) turn pixels to nodata."""

from __future__ import annotations

from dataclasses import dataclass

from geoseg.cluster.journal import Journal
from geoseg.cluster.worker import BlockJob, Veto
from geoseg.config import SegmentSettings
from geoseg.errors import InputRefused, UsageError
from geoseg.jobs.plan import fitted, make_plan
from geoseg.mask.filter import FilterSettings
from geoseg.mask.stitch import StitchSettings
from geoseg.model.bundle import Bundle, open_bundle
from geoseg.model.predict import Choice
from geoseg.raster.dated import AFTER, BEFORE, undated
from geoseg.raster.scene import Scene


@dataclass(frozen=True, slots=True)
class Clouds:
    """The bundle of ``mask_with``, the scene as it wants it, and the class values that become nodata.

    ``date`` is the date that it looks at, of a scene that has two.
    """

    bundle: Bundle
    scene: Scene
    values: tuple[int, ...]
    choice: Choice | None = None
    date: str = ""

    @property
    def digest(self) -> str:
        """Everything of it that can change a pixel."""
        return f"{self.scene.fingerprint}:{self.bundle.digest}:{self.values}:{self.choice}"

    def job(self, journal: Journal, settings: SegmentSettings, threads: int | None) -> BlockJob:
        """Its blocks, committed beside those of the main bundle; a block that fails counts as cloud."""
        assert self.choice is not None
        plan = make_plan(self.scene, self.bundle, SegmentSettings(block_size=settings.block_size))
        stage = f"mask_with-{self.date}{plan.grid.block_size}"  # the run's key knows the main bundle's blocks only
        store = journal.store(stage, plan.grid, {"mask": self.values[0]})
        stitch = StitchSettings(on_bad=settings.on_bad_block)
        return BlockJob(
            self.scene, self.bundle, self.choice, plan.grid, stitch, FilterSettings(), store, store, threads
        )

    def veto(self, job: BlockJob) -> Veto:
        """What the main job's workers ask."""
        return Veto(job.predicted, self.values)


def clouds_of(whole: Scene, scene: Scene, settings: SegmentSettings) -> tuple[Clouds, ...]:
    """Open and check what ``mask_with`` and ``mask_classes`` name; empty when nothing is named.

    A scene of two dates is looked at date by date.

    Raises
    ------
    UsageError
        No class is named, or one that the bundle does not have.
    InputRefused
        ``BANDS``: the scene lacks a band of this bundle; ``GRID``: its bands are finer or coarser than the main bundle's.
    """
    if settings.mask_classes and not settings.mask_with:
        raise UsageError.of("MASK", "mask_classes", "classes to mask, and no bundle that finds them", "Add --mask-with")
    if not settings.mask_with:
        return ()
    bundle = open_bundle(settings.mask_with)
    if not settings.mask_classes:
        known = ", ".join(bundle.legend.names.values())
        raise UsageError.of("MASK", settings.mask_with, "mask_with without mask_classes", f"Choose from: {known}")
    values = tuple(bundle.legend.value_of(name) for name in settings.mask_classes)
    names = [band.name for band in bundle.bands]
    if undated([band.name for band in scene.bands]) is None or undated(names) is not None:
        return (_checked(Clouds(bundle, fitted(whole, bundle), values), scene),)
    dates = {date: whole.select([date + name for name in names], geobox=scene.geobox) for date in (BEFORE, AFTER)}
    return tuple(
        Clouds(bundle, found.in_units(bundle.units), values, date=date.replace("_", "-"))
        for date, found in dates.items()
    )


def _checked(clouds: Clouds, scene: Scene) -> Clouds:
    if clouds.scene.geobox != scene.geobox:
        remedy = "Make that mask in a run of its own, and give it with --quality FILE:values=..."
        raise InputRefused.of("GRID", clouds.bundle.path, "its bands lie on another grid than the bundle's", remedy)
    return clouds
