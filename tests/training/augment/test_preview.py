"""Preview: each crop in its row as it is and augmented, its labels beside it in the legend's colours, what is ignored hatched."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from geoseg.errors import UsageError
from geoseg.legend import Legend
from geoseg.model.card import BandSpec
from geoseg.training.augment import Augmenter
from geoseg.training.augment.preview import write_preview
from geoseg.training.data.cells import cell_side, count_cells
from geoseg.training.data.labelled import open_labelled
from geoseg.training.data.labels import IGNORE
from geoseg.training.data.statistics import statistics
from geoseg.training.sampling.samples import Batch, Samples, make_samples
from geoseg.training.settings.augment import AugmentSettings
from geoseg.training.settings.fit import SampleSettings
from geoseg.training.settings.job import TrainSettings
from geoseg.training.splits.split import make_splits, whole
from tests.helpers.labelled import LEGEND, array_scene, patchy

BANDS = (BandSpec("red", 0.0, 1.0), BandSpec("nir", 0.0, 1.0))
TOP, LEFT, SIDE = 72, 20, 128  # of the first picture on the sheet
FAR = LEFT + 2 * SIDE + 2 + 28  # left edge of the first augmented picture


def samples_of(augment: AugmentSettings | None, **settings: Any) -> Samples:
    scene = array_scene(patchy((60, 70), unlabelled=0.2))
    augmenter = None if augment is None else Augmenter.of(augment, bands=BANDS, crop=16, counts=(100, 20, 5))
    return make_samples(
        [scene], whole([scene]), BANDS, LEGEND, augment=augmenter, batch_size=4, seed=0,
        settings=SampleSettings.of(**{"crop": 16, **settings}),
    )  # fmt: skip


def drawn(path: Path, plain: Any, augmented: Any, **more: Any) -> np.ndarray:
    write_preview(plain, augmented, path, **{"bands": BANDS, "legend": LEGEND, "rows": 2, "columns": 2, **more})
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


@dataclass(frozen=True)
class OneBatch:
    """Samples of one batch."""

    images: np.ndarray
    index: np.ndarray
    augment: None = None

    def batch(self, step: int) -> Batch:
        return Batch(self.images, self.index, np.arange(len(self.index)))

    def redrawn(self, times: int) -> "OneBatch":
        return self


def tile(sheet: np.ndarray, left: int, row: int = 0) -> np.ndarray:
    top = TOP + row * (SIDE + 8)
    return sheet[top : top + SIDE, left : left + SIDE]


def test_labels_have_the_legends_colours_and_what_is_ignored_is_hatched_grey(tmp_path: Path) -> None:
    index = np.full((2, 16, 16), IGNORE)
    index[0, :8], index[1, :, :4] = 0, 2
    samples = OneBatch(np.ones((2, 2, 16, 16), np.float32), index)
    sheet = drawn(tmp_path / "a.png", samples, samples)
    labels = tile(sheet, LEFT + SIDE + 2)
    assert (labels[:64] == LEGEND.classes[0].colour).all()
    greys = {tuple(colour) for colour in labels[64:].reshape(-1, 3).tolist()}
    assert greys == {(225, 225, 225), (150, 150, 150)}
    assert (tile(sheet, LEFT + SIDE + 2, row=1)[:, :32] == LEGEND.classes[2].colour).all()


def test_pixels_without_data_are_grey_and_brighter_values_brighter(tmp_path: Path) -> None:
    images = np.zeros((1, 2, 16, 16), np.float32)
    images[0, :, :, 4:] = np.linspace(-1, 1, 12)
    sheet = drawn(tmp_path / "a.png", *[OneBatch(images, np.zeros((1, 16, 16), int))] * 2, rows=1)
    shown = tile(sheet, LEFT)
    assert (shown[:, :32] == 235).all()
    assert (shown[..., 0] == shown[..., 2]).all()  # two bands: the first as grey
    assert (np.diff(shown[0, 32:, 0]) >= 0).all() and shown[0, 32, 0] == 0 and shown[0, -1, 0] == 255


def test_red_green_and_blue_are_found_by_name_else_the_first_three_bands_are_shown(tmp_path: Path) -> None:
    images = np.zeros((1, 4, 16, 16), np.float32)
    images[0] = np.arange(1, 5)[:, None, None]
    images[0, :, 8:] += 100
    images[0, 3, 8:] = 2  # the fourth band is dark where the others are bright
    samples = OneBatch(images, np.zeros((1, 16, 16), int))
    for names, dark in ((("red", "green", "nir", "Blue"), [False, False, True]), (("a", "b", "c", "d"), [False] * 3)):
        bands = [BandSpec(name, 0.0, 1.0) for name in names]
        shown = tile(drawn(tmp_path / "a.png", samples, samples, bands=bands, rows=1), LEFT)
        assert (shown[-1, 0] < 128).tolist() == dark


def test_the_first_column_is_the_crop_as_it_is_and_the_others_are_its_own_turns(tmp_path: Path) -> None:
    turns = AugmentSettings.of(gain=0, offset=0, noise=0)
    sheet = drawn(tmp_path / "a.png", samples_of(None), samples_of(turns), columns=4)
    different = 0
    for row in range(2):
        plain, labels = tile(sheet, LEFT, row), tile(sheet, LEFT + SIDE + 2, row)
        eight = {np.rot90(one, k).tobytes() for k in range(4) for one in (plain, plain[:, ::-1])}
        for column in range(4):
            left = FAR + column * (2 * SIDE + 2 + 14)
            assert tile(sheet, left, row).tobytes() in eight
            different += tile(sheet, left, row).tobytes() != plain.tobytes()
            known = tile(sheet, left + SIDE + 2, row).std(axis=-1) > 0
            assert known.sum() == (labels.std(axis=-1) > 0).sum()
    assert different >= 4


def test_the_same_samples_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        drawn(tmp_path / name, samples_of(None), samples_of(AugmentSettings.of(rotate=30, cutmix=1)), title="a $job$")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_classes_are_on_the_sheet_as_far_as_the_first_batches_have_them(tmp_path: Path) -> None:
    sheet = drawn(tmp_path / "a.png", samples_of(None), samples_of(None), rows=3)
    labels = {tuple(c) for row in range(3) for c in tile(sheet, LEFT + SIDE + 2, row).reshape(-1, 3).tolist()}
    assert {item.colour for item in LEGEND.classes} <= labels


@pytest.mark.parametrize("size", [8, 100, 300])
def test_crops_of_any_size_without_any_label_or_data_and_many_classes_can_be_drawn(tmp_path: Path, size: int) -> None:
    legend = Legend.of([f"class {i} with quite a long name" for i in range(200)])
    samples = OneBatch(np.zeros((1, 1, size, size), np.float32), np.full((1, size, size), IGNORE))
    sheet = drawn(tmp_path / "a.png", samples, samples, legend=legend, bands=[BandSpec("$1", 0.0, 1.0)])
    assert sheet.shape[0] < 1200 and sheet.shape[1] < 2000


def test_what_is_no_png_is_refused_and_a_failure_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="FORMAT"):
        drawn(tmp_path / "a.jpg", samples_of(None), samples_of(None))
    with pytest.raises(IndexError):
        drawn(tmp_path / "a.png", samples_of(None), samples_of(None), bands=[*BANDS, *BANDS])
    assert not list(tmp_path.iterdir())


def test_the_sample_that_ships_has_a_sheet(sample: Path, tmp_path: Path) -> None:
    settings = TrainSettings.of(
        name="sample", bands=("blue", "green", "red", "nir", "swir1"), recode={1: 5, 2: 3, 3: 3, 4: 3, 5: 2, 6: 1},
        scenes=[{"scene": str(sample / "scene.tif"), "labels": str(sample / "labels.tif")}],
        augment={"rotate": 45, "shading": 0.3, "shadow": 0.3, "copy_paste": 0.5},
    )  # fmt: skip
    scenes = open_labelled(settings)
    (split,) = make_splits(scenes, count_cells(scenes, side=cell_side(scenes, settings.split.block)), settings.split)
    bands = statistics(scenes, split)

    def samples(augment: Augmenter | None) -> Samples:
        return make_samples(
            scenes, split, bands, settings.legend, settings=settings.samples, augment=augment, batch_size=8, seed=0
        )

    plain = samples(None)
    augmenter = Augmenter.of(settings.augment, bands=bands, crop=64, counts=plain.counts.tolist())
    sheet = drawn(tmp_path / "a.png", plain, samples(augmenter), bands=bands, legend=settings.legend)
    for row in range(2):
        as_it_is, augmented = tile(sheet, LEFT, row), tile(sheet, FAR, row)
        assert as_it_is.std() > 10 and augmented.std() > 10 and (as_it_is != augmented).any()
