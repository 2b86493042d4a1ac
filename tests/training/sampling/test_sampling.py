"""Samples: no crop sees what is held out, a batch follows from seed and step alone, and draws are as often as the settings say."""

from __future__ import annotations

import threading
import tracemalloc
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from geoseg.errors import BundleError, InputRefused
from geoseg.grid.geobox import Window
from geoseg.model.card import BandSpec
from geoseg.training.augment.augmenter import Augmenter
from geoseg.training.data.cells import count_cells
from geoseg.training.data.labels import IGNORE
from geoseg.training.sampling.samples import Batch, Samples, make_samples
from geoseg.training.settings.augment import AugmentSettings
from geoseg.training.settings.data import SplitSettings
from geoseg.training.settings.fit import SampleSettings
from geoseg.training.splits.split import TRAIN, Split, make_splits, whole
from tests.helpers.labelled import LEGEND, ArrayScene, array_scene, patchy

AS_THEY_ARE = (BandSpec("b0", 0.0, 1.0), BandSpec("b1", 0.0, 1.0))


def samples_of(
    scenes: list[ArrayScene],
    split: Split | None = None,
    *,
    augment: Augmenter | None = None,
    batch_size: int = 4,
    seed: int = 0,
    **settings: Any,
) -> Samples:
    return make_samples(
        scenes, split or whole(scenes), AS_THEY_ARE, LEGEND, augment=augment, batch_size=batch_size, seed=seed,
        settings=SampleSettings.of(**{"crop": 16, **settings}),
    )  # fmt: skip


def split_of(scenes: list[ArrayScene], **settings: Any) -> Split:
    (split,) = make_splits(scenes, count_cells(scenes, side=16), SplitSettings.of(**{"block": 32, **settings}))
    return split


def same(one: Batch, other: Batch) -> bool:
    pairs = ((one.images, other.images), (one.index, other.index), (one.cells, other.cells))
    return all(np.array_equal(a, b) for a, b in pairs)


def numbers(batch: Batch) -> NDArray[np.int64]:
    """Which pixels of the scene a batch shows, -1 where it shows none: :func:`array_scene` numbers them."""
    low, high = batch.images[:, 0], batch.images[:, 1]
    return np.where(low > 0, (high - 1) * 1000 + low - 1, -1).astype(np.int64)


@pytest.mark.parametrize("cache", [0, 1 << 30])
def test_a_crop_shows_no_held_out_pixel_and_its_labels_are_those_to_train_on(cache: int) -> None:
    scene = array_scene(patchy((150, 170)))
    split = split_of([scene], buffer=5)
    samples = samples_of([scene], split, cache=cache, labelled=0.1)
    parts, everywhere = split.scenes[0], Window(0, 0, 150, 170)
    held, codes = parts.held_out(everywhere).ravel(), parts.read(everywhere).ravel()
    table = np.full(256, IGNORE)
    table[[1, 4, 5]] = 0, 1, 2
    label = table[scene.labels.label.ravel()]
    for step in range(20):
        batch = samples.batch(step)
        shown = numbers(batch)
        assert (shown >= 0).all(), "a crop inside the scene is whole"
        assert not held[shown].any()
        assert (batch.index == np.where(codes[shown] == TRAIN, label[shown], IGNORE)).all()
        assert ((batch.index != IGNORE).mean(axis=(1, 2)) >= 0.1).all()


@pytest.mark.parametrize("settings", [{"rotate": 180, "scale": 1.0, "elastic": 4}, {"cutmix": 1, "copy_paste": 1}])
def test_no_augmentation_shows_a_held_out_pixel(settings: dict[str, float]) -> None:
    label = patchy((120, 120))
    plain = array_scene(label)
    split = split_of([plain], buffer=0)
    held = split.scenes[0].held_out(Window(0, 0, 120, 120))
    image = np.where(held, 60000, 7)[None].repeat(2, 0).astype(np.uint16)
    still = {"gain": 0, "offset": 0, "noise": 0, **settings}
    augment = Augmenter.of(AugmentSettings.of(**still), bands=AS_THEY_ARE, crop=16, counts=(7, 2, 1))
    samples = samples_of([replace(plain, image=image)], split, augment=augment, labelled=0)
    batches = [samples.batch(step) for step in range(10)]
    assert max(batch.images.max() for batch in batches) <= 7.001
    assert all((batch.index[batch.images[:, 0] == 0] == IGNORE).all() for batch in batches)


def test_a_batch_is_the_same_whoever_makes_it_and_when() -> None:
    scene = array_scene(patchy((100, 90)))
    augment = Augmenter.of(AugmentSettings.of(rotate=30), bands=AS_THEY_ARE, crop=16)

    def fresh(**settings: Any) -> Samples:
        return samples_of([scene], augment=augment, balance=0.5, **settings)

    expected = [fresh().batch(step) for step in (5, 4, 3, 2)][::-1]
    for threads in (1, 3):
        for cache in (0, 1 << 30):
            found = list(fresh(cache=cache).batches(2, 6, threads=threads))
            assert all(same(one, other) for one, other in zip(found, expected, strict=True))
    assert not same(fresh(seed=1).batch(2), expected[0])
    assert not same(expected[0], expected[1])


def test_shares_of_a_batch_are_other_crops_than_one_process_would_draw_of_none() -> None:
    scene = array_scene(patchy((100, 90)))
    settings = SampleSettings.of(crop=16)

    def of(count: int, first: int) -> Batch:
        made = make_samples(
            [scene], whole([scene]), AS_THEY_ARE, LEGEND,
            settings=settings, augment=None, batch_size=count, seed=0, first=first,
        )  # fmt: skip
        return made.batch(3)

    all_of_it, shares = of(4, 0), [of(2, 0), of(2, 2)]
    assert (all_of_it.images == np.concatenate([share.images for share in shares])).all()


@pytest.mark.parametrize("balance", [0.0, 0.5, 1.0])
def test_classes_are_in_the_centre_as_often_as_balance_says(balance: float) -> None:
    label = np.zeros((140, 140), np.uint8)
    label[20:120, 20:120] = patchy((100, 100), unlabelled=0.0)
    samples = samples_of([array_scene(label)], balance=balance, labelled=0, batch_size=100)
    drawn = np.concatenate([samples.batch(step).index[:, 8, 8] for step in range(20)])
    natural = np.bincount(label[label > 0], minlength=6)[[1, 4, 5]] / 100**2
    expected = balance / 3 + (1 - balance) * natural
    assert np.bincount(drawn, minlength=3) / 2000 == pytest.approx(expected, abs=4 * np.sqrt(0.25 / 2000))


def test_every_pixel_of_a_class_is_drawn_as_often_as_any_other() -> None:
    label = np.zeros((130, 140), np.uint8)
    label[10, 20], label[15, 90:92], label[100, 100:105] = 1, 1, 1
    samples = samples_of([array_scene(label)], labelled=0, batch_size=200)
    drawn = np.concatenate([numbers(samples.batch(step))[:, 8, 8] for step in range(8)])
    assert set(drawn) == set(np.flatnonzero(label))
    counts = np.unique(drawn, return_counts=True)[1]
    assert counts == pytest.approx(200, abs=4 * np.sqrt(200))


def test_scenes_are_drawn_by_their_labelled_area() -> None:
    large = np.zeros((64, 64), np.uint8)
    large[20:40, 20:40] = 1
    small = np.zeros((64, 64), np.uint8)
    small[20:30, 20:30] = 4
    scenes = [array_scene(large), array_scene(small, corner=(0.0, 0.0))]
    samples = samples_of(scenes, labelled=0, batch_size=200)
    drawn = np.concatenate([samples.batch(step).index[:, 8, 8] for step in range(5)])
    assert (drawn == 0).mean() == pytest.approx(0.8, abs=0.06)


def test_a_scene_smaller_than_a_crop_is_padded_with_what_counts_for_nothing() -> None:
    scene = array_scene(np.ones((10, 40), np.uint8))
    batch = samples_of([scene]).batch(0)
    assert batch.images.shape == (4, 2, 16, 16)
    assert (batch.images[:, :, 10:] == 0).all() and (batch.index[:, 10:] == IGNORE).all()
    assert (batch.index[:, :10] == 0).all() and (batch.images[:, :, :10] > 0).all()


def test_pixels_without_data_are_0_and_have_no_label() -> None:
    valid = np.random.default_rng(0).random((60, 60)) > 0.3
    image = np.where(valid, 9, 60000)[None].repeat(2, 0).astype(np.uint16)
    for cache in (0, 1 << 30):
        samples = samples_of([array_scene(np.ones((60, 60), np.uint8), valid=valid, image=image)], cache=cache)
        batch = samples.batch(0)
        assert batch.images.max() == 9 and ((batch.images[:, 0] == 0) == (batch.index == IGNORE)).all()


def test_where_no_crop_can_be_had_it_is_said() -> None:
    label = np.zeros((64, 64), np.uint8)
    label[:4, :4] = 1
    with pytest.raises(InputRefused, match="EMPTY"):
        samples_of([array_scene(label)])
    scene = array_scene(patchy((64, 64)))
    (split,) = make_splits(
        [scene], count_cells([scene], side=16), SplitSettings.of(by="windows", windows=({"cols": (10, 54)},), buffer=0)
    )
    with pytest.raises(InputRefused, match="EMPTY"):
        samples_of([scene], split)


@pytest.fixture
def short_period(monkeypatch: pytest.MonkeyPatch) -> int:
    for module in ("hardness", "samples"):
        monkeypatch.setattr(f"geoseg.training.sampling.{module}.PERIOD", 4)
    return 4


def lesson(samples: Samples, start: int, stop: int, threads: int) -> list[Batch]:
    """Batches, each learned before the next is taken: the first cell is badly learned."""
    seen = []
    for batch in samples.batches(start, stop, threads=threads):
        samples.learned(batch.cells, np.where(batch.cells == 0, 50.0, 0.1))
        seen.append(batch)
    return seen


def test_a_badly_learned_cell_is_drawn_more_often(short_period: int) -> None:
    scene = array_scene(patchy((256, 256)))
    samples = samples_of([scene], hard=0.5, batch_size=64)
    cells = np.stack([batch.cells for batch in lesson(samples, 0, 40, 1)])
    before, after = (cells[:8] == 0).mean(), (cells[8:] == 0).mean()
    assert before == pytest.approx(1 / 16, abs=0.04) and after > 0.4


def test_hard_examples_do_not_depend_on_threads_and_go_on_from_a_checkpoint(short_period: int) -> None:
    scene = array_scene(patchy((256, 256)))

    def fresh() -> Samples:
        return samples_of([scene], hard=0.5)

    expected = lesson(fresh(), 0, 23, 1)
    stopped = fresh()
    assert all(same(one, other) for one, other in zip(lesson(stopped, 0, 14, 3), expected[:14], strict=True))
    assert all(np.isfinite(values).all() for values in stopped.state().values()), "a checkpoint holds numbers only"
    again = fresh()
    again.restore({name: value.copy() for name, value in stopped.state().items()})
    assert all(same(one, other) for one, other in zip(lesson(again, 14, 23, 2), expected[14:], strict=True))
    with pytest.raises(BundleError, match="CHECKPOINT"):
        samples_of([array_scene(patchy((64, 64)))]).restore(stopped.state())


def test_losses_that_are_no_numbers_change_nothing(short_period: int) -> None:
    samples = samples_of([array_scene(patchy((256, 256)))], hard=0.9)
    plain = samples_of([array_scene(patchy((256, 256)))], hard=0.9)
    for step in range(12):
        samples.learned(samples.batch(step).cells, np.full(4, np.nan))
        plain.learned(np.zeros(0, np.int64), np.zeros(0))
    assert same(samples.batch(12), plain.batch(12))


@dataclass(frozen=True)
class FarLabels:
    """Labels of two small squares on a raster of any size."""

    shape: tuple[int, int]

    def read(self, window: Window) -> NDArray[np.uint8]:
        label = np.zeros(window.shape, np.uint8)
        for row, value in ((100, 1), (self.shape[0] - 300, 4)):
            spot = Window(row, row, 40, 40).intersect(window)
            if spot.height and spot.width:
                label[spot.within(window).slices] = value
        return label


@dataclass(frozen=True)
class FarScene:
    """A scene of any size, made when it is read."""

    base: ArrayScene
    labels: FarLabels
    name: str = "far"
    legend: Any = LEGEND
    part: str | None = None

    @property
    def shape(self) -> tuple[int, int]:
        return self.labels.shape

    @property
    def scene(self) -> Any:
        return replace(self.base.scene, geobox=replace(self.base.scene.geobox, shape=self.shape))

    def read(self, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.uint8]]:
        image = np.full((2, *window.shape), 5, np.uint16)
        return image, np.ones(window.shape, bool), self.labels.read(window)


def test_a_huge_scene_with_few_labels_needs_no_memory() -> None:
    side = 30_000
    scene: Any = FarScene(array_scene(np.ones((8, 8), np.uint8)), FarLabels((side, side)))
    tracemalloc.start()
    cells = count_cells([scene], side=64)
    (split,) = make_splits([scene], cells, SplitSettings.of(block=64, buffer=0, test=0.4, validation=0))
    samples = samples_of([scene], split, labelled=0, crop=8)
    batch = samples.batch(0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert cells[0].totals.tolist() == [1600, 1600, 0] and (batch.images == 5).all()
    assert peak < 100 << 20


def test_no_thread_is_left_when_batches_are_not_taken_to_the_end() -> None:
    samples = samples_of([array_scene(patchy((100, 90)))])
    before = threading.active_count()
    batches = samples.batches(0, 1000, threads=3)
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
