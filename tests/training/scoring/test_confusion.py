"""Confusion and its scores against counting pixel by pixel, and against scikit-learn."""

import numpy as np
import pytest

from geoseg.training.scoring import confusion
from geoseg.training.scoring.confusion import Confusion, f1, iou, kappa, overall_accuracy

VALUES = (1, 2, 5)


def some(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels with ignored values (0, 9) and a mask with nodata (0) that is right half of the time."""
    rng = np.random.default_rng(seed)
    label = rng.choice(np.array([0, 1, 1, 1, 2, 5, 9], np.uint8), (30, 40))
    mask = np.where(rng.random(label.shape) < 0.5, label, rng.choice(np.array([0, 1, 2, 5], np.uint8), label.shape))
    return label, mask


def pairs_of(label: np.ndarray, mask: np.ndarray) -> list[tuple[int, int]]:
    return [(int(a), int(b)) for a, b in zip(label.ravel(), mask.ravel(), strict=True) if a in VALUES]


def test_scores_equal_those_counted_pixel_by_pixel() -> None:
    label, mask = some()
    pairs = pairs_of(label, mask)
    c = Confusion.count(label, mask, VALUES)
    assert c.pixels == len(pairs)
    assert overall_accuracy(c) == sum(a == b for a, b in pairs) / len(pairs)
    for i, value in enumerate(VALUES):
        hits = sum(a == b == value for a, b in pairs)
        either = sum(value in pair for pair in pairs)
        both = sum(a == value for a, _ in pairs) + sum(b == value for _, b in pairs)
        assert iou(c)[i] == hits / either
        assert f1(c)[i] == 2 * hits / both
    chance = sum(sum(a == v for a, _ in pairs) * sum(b == v for _, b in pairs) for v in VALUES) / len(pairs) ** 2
    assert kappa(c) == pytest.approx((overall_accuracy(c) - chance) / (1 - chance))


def test_counts_of_parts_add_up_to_those_of_the_whole() -> None:
    label, mask = some()
    parts = Confusion.count(label[:11], mask[:11], VALUES) + Confusion.count(label[11:], mask[11:], VALUES)
    whole = Confusion.count(label, mask, VALUES)
    assert (parts.counts == whole.counts).all() and (parts.missed == whole.missed).all()


def test_nodata_in_the_mask_is_an_error_and_an_ignored_label_is_not() -> None:
    c = Confusion.count(np.array([1, 1, 0, 9], np.uint8), np.array([1, 0, 1, 1], np.uint8), VALUES)
    assert c.pixels == 2 and overall_accuracy(c) == 0.5


def test_a_class_that_does_not_occur_has_no_score_and_does_not_enter_the_means() -> None:
    c = Confusion.count(np.array([1, 2, 2], np.uint8), np.array([1, 2, 1], np.uint8), VALUES)
    assert np.array_equal(iou(c), [0.5, 0.5, np.nan], equal_nan=True)
    assert confusion.mean_iou(c) == 0.5 and c.labelled.tolist() == [1, 2, 0]


def test_a_map_of_one_class_has_kappa_zero() -> None:
    label, _ = some()
    assert kappa(Confusion.count(label, np.ones_like(label), VALUES)) == pytest.approx(0)


@pytest.mark.parametrize("seed", range(5))
def test_scores_are_those_of_scikit_learn(seed: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    label, mask = some(seed)
    known = np.isin(label, VALUES) & np.isin(mask, VALUES)
    truth, found = label[known], mask[known]
    c = Confusion.count(truth, found, VALUES)
    assert (c.counts == metrics.confusion_matrix(truth, found, labels=VALUES)).all()
    for ours, theirs in [
        (confusion.overall_accuracy, metrics.accuracy_score(truth, found)),
        (confusion.balanced_accuracy, metrics.balanced_accuracy_score(truth, found)),
        (confusion.kappa, metrics.cohen_kappa_score(truth, found)),
        (confusion.iou, metrics.jaccard_score(truth, found, average=None)),
        (confusion.mean_iou, metrics.jaccard_score(truth, found, average="macro")),
        (confusion.frequency_weighted_iou, metrics.jaccard_score(truth, found, average="weighted")),
        (confusion.f1, metrics.f1_score(truth, found, average=None)),
        (confusion.macro_f1, metrics.f1_score(truth, found, average="macro")),
        (confusion.precision, metrics.precision_score(truth, found, average=None)),
        (confusion.recall, metrics.recall_score(truth, found, average=None)),
    ]:
        assert ours(c) == pytest.approx(theirs, abs=1e-12)


def test_kappa_is_that_of_a_worked_example() -> None:
    """Two raters, 50 cases: 20 and 15 agree, 5 and 10 do not; po = 0.70, pe = 0.50, kappa = 0.40 (Wikipedia, Cohen's kappa)."""
    label = np.repeat(np.array([1, 1, 2, 2], np.uint8), [20, 5, 10, 15])
    mask = np.repeat(np.array([1, 2, 1, 2], np.uint8), [20, 5, 10, 15])
    assert kappa(Confusion.count(label, mask, (1, 2))) == pytest.approx(0.4)


def test_scores_of_many_counts_at_once_are_those_of_each() -> None:
    parts = [Confusion.count(*some(seed), VALUES) for seed in range(4)]
    stacked = Confusion(VALUES, np.stack([c.counts for c in parts]), np.stack([c.missed for c in parts]))
    for score in (overall_accuracy, kappa, confusion.balanced_accuracy, iou, f1, confusion.frequency_weighted_iou):
        assert np.array_equal(score(stacked), np.stack([score(c) for c in parts]))


def test_scores_that_are_not_defined_are_nan() -> None:
    nothing = Confusion.count(np.zeros(3, np.uint8), np.ones(3, np.uint8), VALUES)
    assert np.isnan(
        [score(nothing) for score in (overall_accuracy, kappa, confusion.mean_iou, confusion.macro_f1)]
    ).all()
    one_class = Confusion.count(np.ones(3, np.uint8), np.ones(3, np.uint8), VALUES)
    assert overall_accuracy(one_class) == 1 and np.isnan(kappa(one_class)) and confusion.mean_iou(one_class) == 1
    never_mapped = Confusion.count(np.array([1, 2], np.uint8), np.array([1, 1], np.uint8), VALUES)
    assert np.array_equal(confusion.precision(never_mapped), [0.5, np.nan, np.nan], equal_nan=True)
    assert np.array_equal(confusion.recall(never_mapped), [1, 0, np.nan], equal_nan=True)
    assert np.array_equal(f1(never_mapped), [2 / 3, 0, np.nan], equal_nan=True)
