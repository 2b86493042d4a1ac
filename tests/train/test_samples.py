"""Split and samples: nothing of the held-out area is seen, labels stay on their pixels, statistics are of the training area."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from geoseg.errors import InputRefused, UsageError
from geoseg.legend import Legend
from geoseg.raster.scene import open_scene
from geoseg.train.simple import IGNORE, Crops, FitSettings, Labelled, Split, disturbed
from tests.helpers.rasters import write_raster
from tests.helpers.training import labelled_scene

LEGEND = Legend.of({1: "water", 5: "built"})
PLAIN = FitSettings(batch_size=4, crop=16, gain=0, offset=0, noise=0)


def read(folder: Path) -> Labelled:
    scene = open_scene([labelled_scene(folder) / "scene.tif"])
    return Labelled.read(scene, str(folder / "labels.tif"), {1: 1, 2: 5})


def test_train_and_held_out_are_apart_by_the_buffer() -> None:
    split = Split.of((40, 60), (10, 20), (30, 60), buffer=5)
    train, held = np.argwhere(split.train), np.argwhere(split.held)
    assert len(held) == 10 * 30
    distances = np.abs(train[:, None] - held[None]).max(axis=2).min(axis=1)
    assert distances.min() == 6
    assert len(train) == 40 * 60 - 20 * 35


@pytest.mark.parametrize(
    ("rows", "cols"), [((0, 41), None), ((5, 5), None), (None, (-1, 5)), (None, (0, 60)), (None, (3, 57))]
)
def test_a_split_that_leaves_nothing_or_lies_outside_is_refused(
    rows: tuple[int, int] | None, cols: tuple[int, int] | None
) -> None:
    with pytest.raises(UsageError, match="SPLIT"):
        Split.of((40, 60), rows, cols, buffer=5)


def test_statistics_are_of_valid_training_pixels_only(tmp_path: Path) -> None:
    labelled = read(tmp_path)
    where = Split.of(labelled.label.shape, None, (32, 48), buffer=4).train
    for band, pixels in zip(labelled.statistics(where), labelled.image, strict=True):
        used = pixels[3:, :28].astype(float)  # the first three rows are nodata
        assert (band.mean, band.std) == (pytest.approx(used.mean()), pytest.approx(used.std()))


def test_no_crop_sees_the_held_out_area_or_labels_of_the_buffer(tmp_path: Path) -> None:
    labelled = read(tmp_path)
    split = Split.of(labelled.label.shape, None, (32, 48), buffer=4)
    crops = Crops.of(labelled, labelled.normalized(labelled.statistics(split.train)), LEGEND, split=split, size=16)
    assert crops.origins[:, 1].max() + 16 <= 32
    assert (crops.index[:, 28:] == IGNORE).all() and (crops.index[:3] == IGNORE).all()


def test_a_crop_is_turned_together_with_its_labels(tmp_path: Path) -> None:
    labelled = read(tmp_path)
    split = Split.of(labelled.label.shape, None, (32, 48), buffer=4)
    crops = Crops.of(labelled, labelled.normalized(labelled.statistics(split.train)), LEGEND, split=split, size=16)
    for images, index in islice(crops.batches(PLAIN), 5):
        known = index != IGNORE
        assert ((images[:, 0] > 0) == (index == 1))[known].all()


def test_the_same_seed_draws_the_same_batches_and_another_seed_others(tmp_path: Path) -> None:
    labelled = read(tmp_path)
    split = Split.of(labelled.label.shape, None, (32, 48), buffer=4)
    crops = Crops.of(labelled, labelled.normalized(labelled.statistics(split.train)), LEGEND, split=split, size=16)

    def first(seed: int) -> np.ndarray:
        return next(crops.batches(FitSettings(batch_size=4, crop=16, seed=seed)))[0]

    assert (first(3) == first(3)).all() and (first(3) != first(4)).any()


def test_nodata_stays_zero_however_a_crop_is_disturbed() -> None:
    image = np.ones((3, 8, 8), np.float32)
    image[:, 2:4] = 0
    changed = disturbed(image, np.random.default_rng(0), FitSettings())
    assert (changed[:, 2:4] == 0).all() and (changed[:, :2] != 1).all()


def test_codes_that_the_recode_does_not_name_are_ignored(tmp_path: Path) -> None:
    assert (read(tmp_path).label[-2:, -2:] == 0).all()


def test_labels_on_another_grid_and_labels_that_are_no_integers_are_refused(tmp_path: Path) -> None:
    scene = open_scene([labelled_scene(tmp_path) / "scene.tif"])
    other = write_raster(tmp_path / "other.tif", np.ones((1, 48, 47), np.uint8))
    real = write_raster(tmp_path / "real.tif", np.ones((1, 48, 48), np.float32))
    for path, code in ((other, "GRID"), (real, "DTYPE")):
        with pytest.raises(InputRefused, match=code):
            Labelled.read(scene, str(path), {1: 1})


def test_a_crop_larger_than_the_training_area_is_refused(tmp_path: Path) -> None:
    labelled = read(tmp_path)
    split = Split.of(labelled.label.shape, None, (32, 48), buffer=4)
    for size in (33, 64):
        with pytest.raises(InputRefused, match="EMPTY"):
            Crops.of(labelled, labelled.image.astype(np.float32), LEGEND, split=split, size=size)
