"""Losses against their published definitions, written the slow way; pixels without a label count for nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch.nn import functional  # noqa: E402

from geoseg.errors import UsageError  # noqa: E402
from geoseg.training.fitting.boundary_loss import signed_distances  # noqa: E402
from geoseg.training.fitting.losses import IGNORE, Loss, labelled_pixels, make_loss  # noqa: E402
from geoseg.training.settings.fit import LossSettings  # noqa: E402

NAMES = ("cross_entropy", "focal", "dice", "jaccard", "lovasz", "tversky", "mcc", "boundary")
CLASSES = 4


def loss_of(*names: str, weights: np.ndarray | None = None, **settings: object) -> Loss:
    return make_loss(LossSettings.of(terms=dict.fromkeys(names, 1.0), **{"label_smoothing": 0.0, **settings}), weights)


def batch(seed: int = 0, *, side: int = 6, ignored: float = 0.3, absent: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    """Float64 logits with gradient and indices, some ignored, without the class ``absent``."""
    rng = np.random.default_rng(seed)
    logits = torch.tensor(rng.normal(0, 2, (2, CLASSES, side, side)), requires_grad=True)
    index = rng.choice([c for c in range(CLASSES) if c != absent], (2, side, side))
    return logits, torch.tensor(np.where(rng.random(index.shape) < ignored, IGNORE, index))


def known(logits: torch.Tensor, index: torch.Tensor) -> tuple[list[list[float]], list[int]]:
    """Probabilities and class of each labelled pixel, by plain loops."""
    rows, found = [], []
    for n, row, col in np.ndindex(*index.shape):
        if index[n, row, col] != IGNORE:
            exps = [math.exp(value) for value in logits[n, :, row, col].tolist()]
            rows.append([value / sum(exps) for value in exps])
            found.append(int(index[n, row, col]))
    return rows, found


def slow_cross_entropy(p: list[list[float]], y: list[int]) -> float:
    return -sum(math.log(row[c]) for row, c in zip(p, y, strict=True)) / len(y)


def slow_focal(p: list[list[float]], y: list[int]) -> float:
    return -sum((1 - row[c]) ** 2 * math.log(row[c]) for row, c in zip(p, y, strict=True)) / len(y)


def slow_tversky(p: list[list[float]], y: list[int], alpha: float, beta: float) -> float:
    losses = []
    for c in sorted(set(y)):
        hits = sum(row[c] for row, true in zip(p, y, strict=True) if true == c)
        false = sum(row[c] for row, true in zip(p, y, strict=True) if true != c)
        missed = sum(1 - row[c] for row, true in zip(p, y, strict=True) if true == c)
        losses.append(1 - hits / (hits + alpha * false + beta * missed))
    return sum(losses) / len(losses)


def slow_lovasz(p: list[list[float]], y: list[int]) -> float:
    """The Lovász extension of the set function "Jaccard loss when these pixels are wrong", from its definition."""
    losses = []
    for c in sorted(set(y)):
        true = {i for i, found in enumerate(y) if found == c}

        def jaccard_loss(wrong: set[int], true: set[int] = true) -> float:
            return len(wrong) / len(true | wrong)

        errors = [1 - row[c] if i in true else row[c] for i, row in enumerate(p)]
        order = sorted(range(len(y)), key=lambda i: -errors[i])
        losses.append(sum(
            errors[i] * (jaccard_loss(set(order[: rank + 1])) - jaccard_loss(set(order[:rank])))
            for rank, i in enumerate(order)
        ))  # fmt: skip
    return sum(losses) / len(losses)


def slow_distance(index: np.ndarray, c: int, row: int, col: int) -> float:
    """Signed distance of one pixel to class ``c`` over all pairs of pixels."""

    def nearest(wanted: np.ndarray) -> float:
        return min(math.hypot(row - i, col - j) for i, j in np.argwhere(wanted))

    others = (index != c) & (index != IGNORE)
    if not (index == c).any() or not others.any():
        return 0.0
    return 1 - nearest(others) if index[row, col] == c else nearest(index == c)


@pytest.mark.parametrize("seed", range(3))
def test_pixel_and_region_losses_are_those_published(seed: int) -> None:
    logits, index = batch(seed)
    p, y = known(logits, index)
    expected = {
        "cross_entropy": slow_cross_entropy(p, y), "focal": slow_focal(p, y), "lovasz": slow_lovasz(p, y),
        "dice": slow_tversky(p, y, 0.5, 0.5), "jaccard": slow_tversky(p, y, 1, 1),
    }  # fmt: skip
    for name, value in expected.items():
        assert loss_of(name)(logits, index).item() == pytest.approx(value, rel=1e-9), name
    assert loss_of("tversky", alpha=0.3)(logits, index).item() == pytest.approx(slow_tversky(p, y, 0.3, 0.7))


def test_the_boundary_loss_is_the_mean_of_probability_times_signed_distance() -> None:
    logits, index = batch()
    p = functional.softmax(logits, 1)
    terms = [
        p[n, c, row, col].item() * slow_distance(index[n].numpy(), c, row, col)
        for n, row, col in np.ndindex(*index.shape) if index[n, row, col] != IGNORE for c in range(CLASSES)
    ]  # fmt: skip
    assert loss_of("boundary")(logits, index).item() == pytest.approx(sum(terms) / len(terms))


def test_signed_distances_of_a_straight_edge_are_those_of_the_authors_code() -> None:
    index = np.zeros((3, 6), np.uint8)
    index[:, 4:] = 1
    zero, one = signed_distances(index, 2)
    assert zero[0].tolist() == [-3, -2, -1, 0, 1, 2] and one[0].tolist() == [4, 3, 2, 1, 0, -1]


def test_a_class_that_is_absent_or_alone_has_no_boundary() -> None:
    assert not signed_distances(np.full((4, 4), 1, np.uint8), 3).any()
    assert not signed_distances(np.array([[0, 1], [IGNORE, 1]], np.uint8), 3)[2].any()


def test_mcc_of_sure_predictions_is_sklearns() -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    _, index = batch(absent=9)
    said = torch.tensor(np.random.default_rng(5).integers(0, CLASSES, index.shape))
    logits = 200.0 * functional.one_hot(said, CLASSES).movedim(-1, 1).double()
    there = index != IGNORE
    expected = 1 - metrics.matthews_corrcoef(index[there], said[there])
    assert loss_of("mcc")(logits, index).item() == pytest.approx(expected)


def test_with_two_classes_mcc_is_the_loss_of_abhishek_and_hamarneh() -> None:
    losses = pytest.importorskip("segmentation_models_pytorch.losses", reason="smp is not installed")
    logits, index = batch(ignored=0, absent=9)
    logits, index = logits[:, :2], index % 2
    expected = losses.MCCLoss(eps=0)(functional.softmax(logits, 1)[:, 1], index)
    assert loss_of("mcc")(logits, index).item() == pytest.approx(expected.item())


def test_where_every_class_occurs_region_losses_are_smps() -> None:
    losses = pytest.importorskip("segmentation_models_pytorch.losses", reason="smp is not installed")
    logits, index = batch(ignored=0, absent=9)
    theirs = {
        "dice": losses.DiceLoss("multiclass"), "jaccard": losses.JaccardLoss("multiclass"),
        "lovasz": losses.LovaszLoss("multiclass"),
    }  # fmt: skip
    for name, loss in theirs.items():
        expected = loss(logits.float(), index).item()  # Lovász takes nothing wider
        assert loss_of(name)(logits, index).item() == pytest.approx(expected, rel=1e-5), name


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, np.array([1, 0.5, 3, 0], np.float32)], ids=["plain", "weighted"])
def test_cross_entropy_is_torchs(smoothing: float, weights: np.ndarray | None) -> None:
    logits, index = batch()
    tensor = None if weights is None else torch.tensor(weights).double()
    expected = functional.cross_entropy(
        logits, index, weight=tensor, ignore_index=IGNORE, label_smoothing=smoothing
    ).item()
    found = loss_of("cross_entropy", weights=weights, label_smoothing=smoothing)(logits, index)
    assert found.item() == pytest.approx(expected)


def test_focal_without_gamma_is_weighted_cross_entropy() -> None:
    logits, index = batch()
    weights = np.array([1, 0.5, 3, 2], np.float32)
    focal = loss_of("focal", weights=weights, gamma=0)(logits, index)
    assert focal.item() == pytest.approx(loss_of("cross_entropy", weights=weights)(logits, index).item())


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    logits, index = batch(side=3)
    assert torch.autograd.gradcheck(lambda x: loss_of(name, label_smoothing=0.1)(x, index), (logits,))


@pytest.mark.parametrize("name", NAMES)
def test_what_stands_at_ignored_pixels_changes_neither_loss_nor_gradient(name: str) -> None:
    logits, index = batch()
    other = logits.detach().clone()
    other.movedim(1, -1)[index == IGNORE] = math.nan
    other.requires_grad_()
    loss = loss_of(name, label_smoothing=0.1)
    here, there = loss(logits, index), loss(other, index)
    here.backward()
    there.backward()
    assert here.item() == there.item()
    assert torch.equal(logits.grad, other.grad)
    assert (logits.grad.movedim(1, -1)[index == IGNORE] == 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_without_labels_gives_exactly_zero_and_no_gradient(name: str) -> None:
    logits, index = batch()
    loss = loss_of(name, label_smoothing=0.1)(logits, torch.full_like(index, IGNORE))
    loss.backward()
    assert loss.item() == 0 and (logits.grad == 0).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sure", [1.0, -1.0], ids=["right", "wrong"])
def test_logits_that_are_certain_and_a_single_class_give_finite_gradients(name: str, sure: float) -> None:
    index = torch.ones((1, 3, 3), dtype=torch.uint8)
    logits = torch.zeros((1, CLASSES, 3, 3))
    logits[:, 1] = sure * 1e4
    logits.requires_grad_()
    loss = loss_of(name, gamma=0.5)(logits, index)
    loss.backward()
    assert math.isfinite(loss.item()) and torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("name", ["cross_entropy", "focal"])
def test_pixels_of_classes_that_weigh_nothing_teach_nothing(name: str) -> None:
    logits, index = batch()
    loss = loss_of(name, weights=np.zeros(CLASSES, np.float32), label_smoothing=0.1)(logits, index)
    loss.backward()
    assert loss.item() == 0 and (logits.grad == 0).all()


def test_a_sum_is_weighted() -> None:
    logits, index = batch()
    both = make_loss(LossSettings.of(terms={"dice": 0.25, "lovasz": 2.0, "focal": 0.0}))(logits, index)
    assert both.item() == pytest.approx(
        0.25 * loss_of("dice")(logits, index).item() + 2 * loss_of("lovasz")(logits, index).item()
    )


def test_class_weights_that_no_term_takes_are_refused() -> None:
    with pytest.raises(UsageError, match="SETTING"):
        make_loss(LossSettings.of(terms="dice", weights="auto"), np.ones(CLASSES, np.float32))


def test_half_precision_is_computed_in_single() -> None:
    logits, index = batch()
    half = logits.detach().half()
    found = loss_of(*NAMES)(half, index)
    assert found.dtype == torch.float32
    assert found.item() == loss_of(*NAMES)(half.float(), index).item()


def test_the_loss_of_each_sample_is_its_mean_cross_entropy() -> None:
    logits, index = batch()
    index[1] = IGNORE
    found = loss_of("dice").per_sample(logits, index)
    assert not found.requires_grad
    assert found.tolist() == [pytest.approx(loss_of("cross_entropy")(logits[:1], index[:1]).item()), 0]


def test_labelled_pixels_come_in_raster_order() -> None:
    logits, index = batch()
    log_p, target = labelled_pixels(logits, index)
    p, y = known(logits, index)
    assert target.tolist() == y and np.allclose(log_p.exp().detach().numpy(), p)
