"""Labelled: scenes with their labels, opened as a job says: bands by name, units settled, labels on the scene's grid."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import InputRefused
from geoseg.grid.geobox import Window
from geoseg.legend import Legend
from geoseg.raster.pair import pair
from geoseg.raster.read import read_window
from geoseg.raster.scene import Scene, open_scene
from geoseg.training.data.labels import Labels, open_labels
from geoseg.training.settings.data import DateSettings, SceneSettings
from geoseg.training.settings.job import TrainSettings


@dataclass(frozen=True, slots=True)
class LabelledScene:
    """A scene, the bands that the network reads in its order, and its labels; pickles, and threads may share it.

    ``part`` is the part that the scene belongs to as a whole (``train``, ``validation``, ``test``), if any.
    """

    name: str
    scene: Scene
    labels: Labels
    legend: Legend
    part: str | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, cols)."""
        return self.scene.geobox.shape

    @property
    def notes(self) -> tuple[str, ...]:
        """What must be said of the scene and of its labels."""
        return (*self.scene.notes, *self.labels.notes)

    def read(
        self, window: Window, *, threads: int | None = None
    ) -> tuple[NDArray[np.generic], NDArray[np.bool_], NDArray[np.uint8]]:
        """Read a window inside the scene.

        Returns
        -------
        image
            ``(bands, rows, cols)``, values of the files; anything where not valid.
        valid
            ``(rows, cols)``, True where every band has data.
        label
            ``(rows, cols)`` uint8 class values; the legend's nodata where there is no label, and where not valid.
        """
        image, valid = read_window(self.scene, window, threads=threads)
        label = self.labels.read(window)
        label[~valid] = self.legend.nodata
        return image, valid, label


def open_labelled(settings: TrainSettings) -> tuple[LabelledScene, ...]:
    """Open the scenes of a job, or its images, in the order of the file.

    Units: ``auto`` takes reflectance where every scene states it, else the numbers of the files.

    Raises
    ------
    InputRefused
        Those of :func:`geoseg.raster.scene.open_scene` and :func:`geoseg.training.data.labels.open_labels`; ``BANDS``, ``UNITS``.
    UsageError
        ``LEGEND``.
    """
    legend = settings.legend
    if settings.images is not None:
        from geoseg.training.data.images import open_images

        return open_images(settings.images, settings.bands, legend, settings.recode)
    opened = [_open(item, settings.bands) for item in settings.scenes]
    units = settings.units
    if units == "auto":
        units = "reflectance" if all(scene.units == "reflectance" for scene in opened) else "dn"
    names = distinct_names([item.name or scene.name for item, scene in zip(settings.scenes, opened, strict=True)])
    made = []
    for item, scene, name in zip(settings.scenes, opened, names, strict=True):
        with _in_words_of_a_job():
            scene = scene.in_units(units)
            labels = open_labels(item.labels, scene.geobox, legend, settings.recode)
        made.append(LabelledScene(name, scene, labels, legend, item.part))
    return tuple(made)


def distinct_names(names: Sequence[str]) -> list[str]:
    """The names, with -2, -3, ... behind one that was there before."""
    made: list[str] = []
    for name in names:
        number, free = 1, name
        while free in made or (number > 1 and free in names):
            number += 1
            free = f"{name}-{number}"
        made.append(free)
    return made


def _open(item: SceneSettings, bands: Sequence[str]) -> Scene:
    with _in_words_of_a_job():
        dates = [_open_date(date, bands) for date in item.dates]
        scene = dates[0] if len(dates) == 1 else pair(dates[0], dates[1], align=item.align)
        return replace(scene, name=item.name or scene.name)


def _open_date(item: DateSettings, bands: Sequence[str]) -> Scene:
    scene = open_scene(
        item.files, bands=item.bands, nodata=item.nodata, scale=item.scale, offset=item.offset,
        assume_crs=item.assume_crs, quality=item.quality, time=item.time,
    )  # fmt: skip
    return scene.select(bands)


@contextmanager
def _in_words_of_a_job() -> Iterator[None]:
    """Remedies of the command line name its options; a job has settings of the same names."""
    try:
        yield
    except InputRefused as error:
        raise InputRefused(re.sub(r"--([a-z]+)-?([a-z]*)", _setting, str(error))) from error


def _setting(option: re.Match[str]) -> str:
    return f"{option[1]}_{option[2]}:" if option[2] else f"{option[1]}:"
