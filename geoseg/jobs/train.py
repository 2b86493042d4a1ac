"""Train: labelled scenes go in; a bundle comes out that says how good it is on places that it has not seen.

scenes + labels -> split by place -> checks -> fit and score (each fold) -> fit on all -> temperature -> bundle.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

from geoseg.errors import UsageError
from geoseg.jobs.outputs import check_files
from geoseg.jobs.package import (
    facts_of_bundle,
    files_beside,
    scores_of_trials,
    self_test_sample,
    temperature_of,
    temperatures_to_score,
)
from geoseg.model.bundle import Bundle, BundleFacts, save_bundle
from geoseg.model.contents import PAGE, check_place
from geoseg.model.scale import scale_logits
from geoseg.notebook import shown
from geoseg.report.bundle_content import report_of_bundle
from geoseg.report.page import write_page
from geoseg.training.augment.preview import write_preview
from geoseg.training.checking.checks import check, refuse_unlabelled
from geoseg.training.checking.finding import Finding, refuse_errors
from geoseg.training.data.cells import cell_side, count_cells, count_parts
from geoseg.training.data.digest import Dataset, dataset_digest
from geoseg.training.data.labelled import open_labelled
from geoseg.training.fitting.checkpoint import LOCK, take
from geoseg.training.fitting.distributed import leads, team_of
from geoseg.training.fitting.record import Keep
from geoseg.training.settings.job import TrainSettings
from geoseg.training.splits.split import Split, make_splits, whole
from geoseg.training.trial import Data, OnStep, prepare, run_trial, samples_of, score_trial

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrainResult:
    """The bundle, all its scores (``scores.json``), and what the checks found."""

    bundle: Bundle
    scores: dict[str, Any]
    findings: tuple[Finding, ...]

    def _repr_html_(self) -> str:
        """The bundle and its scores in a notebook."""

        def made() -> str:
            from geoseg.training.scoring.report import table

            scores = f"<pre>{escape(table(self.scores))}</pre>" if self.scores else ""
            return self.bundle._repr_html_() + scores

        return shown(self, made)


def train(
    job: TrainSettings | Mapping[str, Any] | str | Path,
    out: str | Path,
    *,
    overwrite: bool = False,
    restart: bool = False,
    on_step: OnStep | None = None,
) -> TrainResult | None:
    """Make a bundle; a training of the same job that was stopped is gone on with.

    Parameters
    ----------
    job
        A job file (YAML), :class:`TrainSettings`, or its keys as a mapping; paths in a file are relative to it.
    out
        The folder of the bundle. Beside card and weights it gets ``scores.json``, ``confusion.png``, ``reliability.png``,
        ``metrics.jsonl``, ``curves.png``, ``split.geojson``, ``split.png``, ``findings.json`` and ``report.html``.
    restart
        Drop what a stopped training left.
    on_step
        Called after each step of each fit.

    Returns
    -------
    TrainResult or None
        None in the processes of a ``torchrun`` that do not lead.

    Raises
    ------
    Conflict
        ``EXISTS``: the folder is there and ``overwrite`` is False, or it holds what is no bundle's; said before anything is
        computed. ``CHECKPOINT``: what is left there is of another job. ``LOCKED``: another process makes it.
    InputRefused, UsageError
        Scenes, labels or settings cannot be used.

    Examples
    --------
    >>> made = geoseg.train("job.yaml", "trained")
    >>> made.bundle.name
    'example'
    """
    settings = _settings_of(job)
    folder = Path(out)
    check_place(folder, overwrite=overwrite)
    data, splits, findings = survey(settings)
    dataset = dataset_digest(data.scenes, settings, splits)
    with _work(folder, restart=restart) as work, team_of(settings.fit.device):
        keep = Keep(work, _job_digest(settings, dataset))
        trials = [run_trial(data, split, keep=_of(keep, split), on_step=on_step) for split in splits]
        last = trials[0]
        if len(splits) > 1:
            everything = whole(data.scenes)
            last = run_trial(data, everything, keep=_of(keep, everything), on_step=on_step)
        if not leads():
            return None
        temperature = temperature_of(trials)
        known = temperatures_to_score(trials)
        trials = [score_trial(trial, data, value) for trial, value in zip(trials, known, strict=True)]
        scores = scores_of_trials(trials, settings)
        facts = facts_of_bundle(last, settings, dataset, temperature=temperature, scores=scores)
        beside = files_beside(work / last.split.name, data, splits, scores=scores, findings=findings)
        weights = scale_logits(last.network, last.weights, 1 / temperature.value)
        sample = self_test_sample(data, splits[0], facts)
        bundle = save_bundle(folder, facts, weights=weights, sample=sample, beside=beside, overwrite=overwrite)
        write_page(folder / PAGE, report_of_bundle(bundle, beside))
        shutil.rmtree(work, ignore_errors=True)
    return TrainResult(bundle, scores, findings)


def _settings_of(job: TrainSettings | Mapping[str, Any] | str | Path) -> TrainSettings:
    if isinstance(job, TrainSettings):
        return job
    if not isinstance(job, Mapping):
        return TrainSettings.read(job)
    keys: list[object] = list(job)
    odd = [key for key in keys if not isinstance(key, str) or key == "cls"]
    if odd:
        known = ", ".join(TrainSettings.model_fields)
        raise UsageError.of("SETTING", "job", f"{odd[0]} is no setting", f"Known: {known}")
    return TrainSettings.of(**job)


def survey(settings: TrainSettings) -> tuple[Data, tuple[Split, ...], tuple[Finding, ...]]:
    """Open scenes and labels, split them, and check both; an error among the findings is raised."""
    scenes = open_labelled(settings)
    cells = count_cells(scenes, side=cell_side(scenes, settings.split.block))
    refuse_unlabelled(scenes, cells)
    splits = make_splits(scenes, cells, settings.split)
    counts = [count_parts(scenes, split, cells) for split in splits]
    findings = check(scenes, splits, cells=cells, counts=counts, settings=settings)
    for finding in findings:
        if finding.level == "warning":
            log.warning("%s", finding)
    refuse_errors(findings)
    return Data(settings, scenes, cells), splits, findings


def preview(settings: TrainSettings, out: str | Path, *, overwrite: bool = False) -> Path:
    """Draw a contact sheet of crops as they are and as they are augmented, PNG, without training."""
    check_files([Path(out)], settings.files, overwrite=overwrite)
    data, splits, _ = survey(settings)
    facts, _, samples = prepare(data, splits[0])
    plain = samples_of(data, splits[0], facts, augmented=False)
    write_preview(plain, samples, out, bands=facts.bands, legend=facts.legend, title=settings.name)
    return Path(out)


def describe(settings: TrainSettings) -> BundleFacts:
    """What the card will say but for scores and halo: nothing is fitted."""
    data, splits, _ = survey(settings)
    facts, _, _ = prepare(data, whole(data.scenes) if len(splits) > 1 else splits[0])
    return replace(facts, training=dataset_digest(data.scenes, settings, splits).facts)


@contextmanager
def _work(folder: Path, *, restart: bool) -> Iterator[Path]:
    """The hidden folder beside the bundle where checkpoints lie until it is there; one job at a time has it."""
    work = folder.absolute().parent / f".{folder.name}.training"
    with ExitStack() as stack:
        if leads():
            stack.enter_context(take(work))
            for left in (path for path in work.iterdir() if restart and path.name != LOCK):
                shutil.rmtree(left, ignore_errors=True)
        work.mkdir(parents=True, exist_ok=True)
        try:
            yield work
        finally:
            if leads() and not any(work.rglob("checkpoint.json")):  # nothing to go on from
                shutil.rmtree(work, ignore_errors=True)


def _of(keep: Keep, split: Split) -> Keep:
    return Keep(keep.folder / split.name, f"{keep.digest} {split.digest}")


def _job_digest(settings: TrainSettings, dataset: Dataset) -> str:
    """What a fit depends on beside its own settings, so that no other job's checkpoint is gone on with."""
    parts = settings.model_dump(mode="json", include={"samples", "augment", "network", "loss", "bands"})
    return json.dumps([dataset.digest, parts], sort_keys=True)
