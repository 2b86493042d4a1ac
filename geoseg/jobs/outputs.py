"""Outputs: the folder of a run. Everything is made in a hidden folder inside it and appears at the end, ``run.json`` last.

Verbs that write single files ask :func:`check_files` before they begin.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from geoseg.cluster.journal import Journal
from geoseg.config import SegmentSettings
from geoseg.errors import Conflict, UsageError
from geoseg.jobs.digest import Digests
from geoseg.jobs.plan import Plan
from geoseg.raster.files import disk_errors, fsync_folder, fsync_tree, link_tree
from geoseg.raster.sidecars import sidecars

log = logging.getLogger(__name__)

NAMES = (
    "mask.tif", *sidecars("mask.tif"), "confidence.tif", "confidence.tif.aux.xml", "confidence.qml", "probabilities.zarr",
    "polygons.gpkg", "areas.csv", "scene.vrt", "project.qgz", "item.json", "report.html", "run.json",
)  # fmt: skip
"""What a run leaves, in the order in which it appears."""

HIDDEN = ".geoseg"
PROBABILITIES = "probabilities.zarr"


def check_files(made: Iterable[Path], inputs: Iterable[str | Path | None], *, overwrite: bool) -> None:
    """Refuse files that would be replaced, for the verbs that write single files.

    Parameters
    ----------
    made
        What will be written.
    inputs
        What is read, None among it left out; never replaced, whatever ``overwrite`` says.

    Raises
    ------
    UsageError
        ``NAME``; see :func:`refuse_name`.
    Conflict
        ``INPUT``, ``EXISTS``.
    """
    made = list(made)
    for path in made:
        refuse_name(path)
    there = [path for path in made if path.exists()]
    read = [Path(path) for path in inputs if path is not None and Path(path).exists()]
    for path in there:
        if any(path.samefile(other) for other in read):
            raise Conflict.of("INPUT", path, "is an input, and the output would replace it", "Choose another OUT")
    if there and not overwrite:
        raise Conflict.of("EXISTS", there[0], "exists", "Add --overwrite, or choose another OUT")


def refuse_name(path: Path) -> None:
    """Refuse a name that GDAL would write under another: it drops control characters, and SQLite's end at a semicolon.

    Raises
    ------
    UsageError
        ``NAME``.
    """
    if any(ord(character) < 32 or ord(character) == 127 for character in str(path)):
        raise UsageError.of(
            "NAME", repr(str(path))[1:-1], "has a line break or another control character", "Leave it out"
        )
    if path.suffix.lower() == ".gpkg" and ";" in path.name:
        raise UsageError.of("NAME", path, "a GeoPackage's name cannot have a semicolon", "Leave it out")


class Outputs:
    """The folder of one run: who may write it, where things are made, and how they appear."""

    def __init__(self, folder: Path, settings: SegmentSettings) -> None:
        """Nothing is touched yet."""
        refuse_name(folder)
        if folder.exists() and not folder.is_dir():
            raise UsageError.of("OUT", folder, "is a file", "Name a folder for the outputs")
        self.folder = folder
        self.settings = settings
        self.staging = folder / HIDDEN / "out"

    @property
    def work(self) -> Path:
        """Where blocks are committed: the hidden folder, or one of this output's own in ``--work``."""
        if self.settings.work is None:
            return self.folder / HIDDEN / "work"
        mark = hashlib.sha256(str(self.folder.resolve()).encode()).hexdigest()[:8]
        return Path(self.settings.work) / f"{self.folder.name}-{mark}"

    @contextmanager
    def claim(self) -> Iterator[Journal]:
        """Hold the folder for this run; refuse existing outputs before anything is computed."""
        made = not self.folder.exists()
        try:
            with disk_errors(self.folder), Journal(self.work, self.folder / HIDDEN) as journal:
                if not (journal.left() or {}).get("published"):  # else what is there is this run's own
                    self._refuse_existing()
                yield journal
        finally:
            if made and self.folder.is_dir() and not any(self.folder.iterdir()):
                self.folder.rmdir()

    def spare(self, inputs: Iterable[str]) -> None:
        """Conflict INPUT when an input stands where an output will: ``--overwrite`` would destroy it."""
        home = self.folder.resolve()
        for path in inputs:
            whole = Path(path).resolve()
            if whole.is_relative_to(home) and whole.relative_to(home).parts[:1] in {(n,) for n in (*NAMES, HIDDEN)}:
                raise Conflict.of("INPUT", path, "is an input, and the output would replace it", "Choose another OUT")

    def begin(self, journal: Journal, digests: Digests) -> bool:
        """Decide what happens to an earlier run's blocks; True when they are used.

        The same key: resume. Inputs that have changed since: their blocks are of no use and go. The same inputs and other
        settings: Conflict, because someone may want to finish that run.
        """
        left = journal.left()
        if left is not None and left["key"] != digests.key and not self.settings.restart:
            if left["inputs"] == digests.inputs:
                remedy = "Use the same settings to finish it, or add --restart to drop its blocks"
                raise Conflict.of("OTHER_RUN", self.folder, "holds an unfinished run with other settings", remedy)
            log.warning("the inputs have changed since the last run into %s: starting anew", self.folder)
            self._refuse_existing()
        if self.settings.restart:
            self._refuse_existing()
            journal.forget()
        resumed = journal.begin(digests.key, {"inputs": digests.inputs})
        shutil.rmtree(self.staging, ignore_errors=True)
        self.staging.mkdir(parents=True)
        return resumed

    def probabilities(self, journal: Journal, plan: Plan, classes: int) -> str | None:
        """Make the Zarr array that workers fill, (classes, rows, cols) float16, one chunk a block; None when not asked for."""
        if not self.settings.probabilities:
            return None
        import zarr

        path, size = journal.folder / PROBABILITIES, plan.grid.block_size
        if not path.exists():
            new = path.with_name(f"{PROBABILITIES}.new")
            zarr.create_array(
                str(new), shape=(classes, *plan.chips.shape), chunks=(classes, size, size), dtype="float16", fill_value=0,
                dimension_names=("class", "row", "col"), overwrite=True,
            )  # fmt: skip
            new.rename(path)
        return str(path)

    def publish(self, journal: Journal, *, keep_work: bool) -> None:
        """Give everything its final name, ``run.json`` last; then the blocks go, unless failed ones are to be tried again.

        Probabilities stay with the blocks they belong to until those go: whoever is stopped here, or has blocks to try
        again, needs them.
        """
        filled = journal.folder / PROBABILITIES
        if filled.exists():
            link_tree(filled, self.staging / PROBABILITIES)
        fsync_tree(self.staging)
        journal.note_published()
        (self.folder / "run.json").unlink(missing_ok=True)
        for name in NAMES:
            target, made = self.folder / name, self.staging / name
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
            if made.exists():
                made.replace(target)
            else:
                target.unlink(missing_ok=True)
        fsync_folder(self.folder)
        shutil.rmtree(self.staging)
        if not keep_work:
            journal.finish()

    def _refuse_existing(self) -> None:
        there = [name for name in NAMES if (self.folder / name).exists()]
        if there and not self.settings.overwrite:
            raise Conflict.of("EXISTS", self.folder / there[0], "exists", "Add --overwrite, or choose another OUT")
