"""Segment: the main job. A scene and a bundle go in; a class map, polygons, areas and a report come out.

scene -> plan -> blocks (read, normalize, predict, stitch, commit) -> filters -> sieve -> mask.tif -> polygons -> areas -> page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from geoseg.cluster.admission import check_sight, place_bundle
from geoseg.cluster.connect import ClusterSettings, connect, threads_each
from geoseg.cluster.journal import BlockStore, Journal
from geoseg.cluster.pool import Pool
from geoseg.cluster.reuse import Reuse
from geoseg.cluster.run import Outcomes, Report, run_blocks, to_file
from geoseg.cluster.worker import BlockJob
from geoseg.config import SegmentSettings
from geoseg.jobs.clouds import Clouds, clouds_of
from geoseg.jobs.digest import digest, digests_of
from geoseg.jobs.forecast import halo_for, probe_job
from geoseg.jobs.outputs import Outputs
from geoseg.jobs.plan import Plan, fitted, make_plan
from geoseg.jobs.products import Facts, write_products
from geoseg.jobs.result_html import segment_html
from geoseg.jobs.settle import SettledMask, filter_settings, seam_score_of, settled
from geoseg.jobs.sieve import by_value
from geoseg.jobs.steps import Steps
from geoseg.mask.score import HaloProposal
from geoseg.mask.stitch import StitchSettings
from geoseg.model.bundle import Bundle, open_bundle
from geoseg.model.predict import Choice, choose
from geoseg.notebook import shown
from geoseg.raster.scene import Scene, open_scene
from geoseg.vector.aoi import read_aoi


@dataclass(frozen=True, slots=True)
class SegmentResult:
    """Where the outputs are, and what ``run.json`` says."""

    folder: Path
    run: dict[str, Any] = field(repr=False)

    @property
    def mask(self) -> Path:
        """The class map."""
        return self.folder / "mask.tif"

    @property
    def polygons(self) -> Path:
        """The polygons."""
        return self.folder / "polygons.gpkg"

    @property
    def report(self) -> Path:
        """The page."""
        return self.folder / "report.html"

    def _repr_html_(self) -> str:
        """The map in a notebook: a small picture, areas by class, where the page is."""
        return shown(self, lambda: segment_html(self.folder, self.run))


def segment(
    scene: Scene | str | Path | Sequence[str | Path],
    bundle: Bundle | str | Path,
    out: str | Path,
    *,
    settings: SegmentSettings | None = None,
    on_progress: Report | None = None,
    cluster: ClusterSettings | None = None,
    **options: Any,
) -> SegmentResult:
    """Map a scene.

    Parameters
    ----------
    scene
        A file, several files with one band each, a product folder, or what :func:`open_scene` gave.
    bundle
        The folder of a bundle, or an opened one. The bands that it names must be in the scene.
    out
        Folder for ``mask.tif``, ``polygons.gpkg``, ``areas.csv``, ``item.json``, ``run.json``, ``report.html``.
    settings, options
        :class:`SegmentSettings`, whole or as keywords.
    on_progress
        Called after each committed block.
    cluster
        Where to work, in place of what the settings say: with a hook, say, for a Gateway or Kubernetes cluster.

    Returns
    -------
    SegmentResult
        Where the outputs are, and ``run``, what ``run.json`` says.

    Raises
    ------
    GeosegError
        Each with the exit code of the command line. Committed blocks are kept: the same call resumes.

    Examples
    --------
    >>> made = geoseg.segment("scene.tif", "bundle", "new_map", confidence=True)
    >>> made.mask.name, made.run["blocks"]["run"]
    ('mask.tif', 1)
    """
    settings = SegmentSettings.either(settings, options)
    bundle = bundle if isinstance(bundle, Bundle) else open_bundle(bundle)
    whole = scene if isinstance(scene, Scene) else open_scene([scene] if isinstance(scene, str | Path) else list(scene))
    outputs = Outputs(Path(out), settings)
    outputs.spare([path for path, *_ in whole.stamps])
    report = to_file(Path(settings.progress), on_progress) if settings.progress else on_progress or _silent

    cluster = cluster or ClusterSettings.of(settings, device=settings.device, threads=settings.threads)

    return _Run(whole, fitted(whole, bundle), bundle, settings, outputs, report, cluster).go()


@dataclass(slots=True)
class _Run:
    """One execution: the state that the steps of the main path share."""

    whole: Scene
    scene: Scene
    bundle: Bundle
    settings: SegmentSettings
    outputs: Outputs
    report: Report
    cluster: ClusterSettings
    steps: Steps = field(default_factory=Steps)

    def go(self) -> SegmentResult:
        s = self.settings
        make_plan(self.scene, self.bundle, s)  # refuse what cannot be planned before anything starts
        by_value(s.filters.min_area, self.bundle.legend)  # and classes that there are not
        clouds = clouds_of(self.whole, self.scene, s)
        aoi = read_aoi(s.aoi, self.scene.geobox) if s.aoi else None
        with self.outputs.claim() as journal, connect(self.cluster) as pool:
            for needed in (self.bundle, *(item.bundle for item in clouds)):
                place_bundle(pool, needed)
            threads = threads_each(self.cluster)
            choice = self.steps.run("choose", lambda: self.choose(pool, self.bundle, threads))
            if clouds:
                seen = self.choose(pool, clouds[0].bundle, threads)
                clouds = tuple(replace(item, choice=seen) for item in clouds)
            halo = self.steps.run("halo", lambda: self.halo(pool, choice))
            plan = make_plan(self.scene, self.bundle, s, halo=halo)
            digests = digests_of(self.scene, self.bundle, choice, plan, s, limits=[aoi, *(clouds or [None])])
            resumed = self.outputs.begin(journal, digests)
            reuse = Reuse(s.reuse, digests.rule) if s.reuse and not s.probabilities else None
            job = replace(self.job(journal, choice, plan, threads), aoi=aoi, reuse=reuse)
            if reuse:
                reuse.prepare()
            check_sight(pool, [self.scene], journal.folder)
            outcomes, mask = self.map(pool, journal, job, clouds)
            score = self.steps.run("seam_score", lambda: seam_score_of(pool, job))
            facts = Facts(
                self.scene, self.bundle, s, choice, plan, digests, pool.workers, score, resumed, outcomes, self.steps
            )
            run = write_products(self.outputs, facts, mask, pool.in_order)
            self.outputs.publish(journal, keep_work=bool(facts.failed))
        facts.raise_if_failed(self.outputs.folder)
        return SegmentResult(self.outputs.folder, run)

    def map(
        self, pool: Pool, journal: Journal, job: BlockJob, clouds: Sequence[Clouds]
    ) -> tuple[dict[str, Outcomes], SettledMask]:
        """Clouds, predict, filter, sieve: every block through every step that is asked for."""
        outcomes = {}
        filtered = [journal.store(old.name, job.grid, {}) for old in journal.folder.glob("filtered-*")]
        for item in clouds:
            first = item.job(journal, self.settings, job.threads)
            pool.install(first)
            step = partial(self.step, pool, "predict", first.predicted, [job.predicted, *filtered])
            outcomes[f"mask_with {item.date}".strip(" -")] = self.steps.run("mask_with", step)
            job = replace(job, vetoes=(*job.vetoes, item.veto(first)))
        pool.install(job)
        outcomes["predict"] = self.steps.run("predict", lambda: self.step(pool, "predict", job.predicted, filtered))
        if job.filters.any:
            outcomes["filter"] = self.steps.run("filter", lambda: self.step(pool, "filter", job.filtered))
        return outcomes, self.steps.run("sieve", lambda: settled(job, self.settings))

    @property
    def device(self) -> str:
        """The device as a worker is to name it: each process of a GPU pool sees only its own."""
        return self.settings.device if self.cluster.alone else self.settings.device.partition(":")[0]

    def choose(self, pool: Pool, bundle: Bundle, threads: int | None) -> Choice:
        s = self.settings
        options = {"device": self.device, "backend": s.backend, "precision": s.precision}
        choice: Choice = pool.call(choose, bundle, **options, batch_size=s.batch_size, threads=threads)
        return choice

    def halo(self, pool: Pool, choice: Choice) -> int | None:
        """The halo by the seam score where ``auto`` was asked for."""
        if self.settings.halo != "auto":
            return None
        pool.install(probe_job(self.scene, self.bundle, choice, self.settings))
        proposal: HaloProposal = pool.ask(halo_for)
        return proposal.halo

    def job(self, journal: Journal, choice: Choice, plan: Plan, threads: int | None) -> BlockJob:
        s, nodata = self.settings, self.bundle.legend.nodata
        stitch = StitchSettings(s.blend, s.tta, s.keeps_confidence, s.probabilities, s.on_bad_block)
        empty = {"mask": nodata, "confidence": 0}
        filters = filter_settings(s)
        return BlockJob(
            self.scene, self.bundle, choice, plan.grid, stitch, filters,
            predicted=journal.store("predicted", plan.grid, empty),
            filtered=journal.store(f"filtered-{digest(s.filters.model_dump())[:8]}", plan.grid, empty),
            threads=threads, probabilities=self.outputs.probabilities(journal, plan, len(self.bundle.legend.classes)),
        )  # fmt: skip

    def step(self, pool: Pool, name: str, store: BlockStore, later: Sequence[BlockStore] = ()) -> Outcomes:
        """Run the blocks that ``store`` lacks; first drop what ``later`` steps once made of it without them."""
        if len(store.done()) < len(store.grid):
            for made in later:
                made.clear()
        return run_blocks(pool, name, store, report=self.report, on_bad=self.settings.on_bad_block)


def _silent(_: object) -> None:
    """Report nothing."""
