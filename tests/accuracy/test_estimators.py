"""Estimators: the figures of the papers, and what must hold for any sample."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from geoseg.accuracy.estimators import Accuracy, Labelled, Population, estimate, possible
from geoseg.accuracy.intervals import Z, normal, score

NEVER, ALWAYS = np.inf, 0.0

# Olofsson et al. (2014), table 8: deforestation, gain, stable forest, stable non-forest; Landsat pixels of 0.09 ha.
OLOFSSON = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
OLOFSSON_PIXELS = np.array([200_000, 150_000, 3_200_000, 6_450_000])

# Stehman (2014), table 2: 40 pixels of four strata A-D, their map and reference classes.
STEHMAN_MAP = "AAAAAAABBBABBBBBBBBBBBCCCCCCBBDDDDDDDDDD"
STEHMAN_REFERENCE = "AAAAACBABCABBBBBAABBCCCCCDDBBADDDDDDDCCB"
STEHMAN_PIXELS = np.array([40_000, 30_000, 20_000, 10_000])


def of_matrix(matrix: np.ndarray) -> Labelled:
    mapped, reference = np.nonzero(matrix)
    times = matrix[mapped, reference]
    mapped, reference = np.repeat(mapped, times), np.repeat(reference, times)
    return Labelled(mapped, mapped, reference, np.ones(len(mapped)))


def of_letters(mapped: str, reference: str) -> Labelled:
    m, r = (np.array(["ABCD".index(letter) for letter in word]) for word in (mapped, reference))
    return Labelled(np.repeat(np.arange(4), 10), m, r, np.ones(40))


def olofsson(finite: float = NEVER) -> Accuracy:
    population = Population(OLOFSSON_PIXELS, OLOFSSON_PIXELS * 0.09, np.eye(4, dtype=bool))
    return estimate(population, of_matrix(OLOFSSON), normal, finite=finite)


def stehman(finite: float = ALWAYS) -> Accuracy:
    population = Population(STEHMAN_PIXELS, STEHMAN_PIXELS / 1e5, np.ones((4, 4), bool))
    return estimate(population, of_letters(STEHMAN_MAP, STEHMAN_REFERENCE), normal, finite=finite)


def test_the_figures_of_olofsson_2014() -> None:
    found = olofsson()
    assert np.rint(found.area.value).tolist() == [21158, 11686, 285770, 581386]  # page 54
    assert np.rint(Z * found.area.error).tolist() == [6158, 3756, 15510, 16281]
    assert np.round(found.overall.value, 3) == 0.947 and np.round(Z * found.overall.error, 3) == 0.018
    assert np.round(found.users.value, 2).tolist() == [0.88, 0.73, 0.93, 0.96]
    assert np.round(Z * found.users.error, 2).tolist() == [0.07, 0.10, 0.04, 0.02]
    assert np.round(found.producers.value, 2).tolist() == [0.75, 0.85, 0.93, 0.96]
    assert np.round(found.users.value[0], 3) == 0.880 and np.round(Z * found.users.error[0], 3) == 0.074
    assert np.round(found.producers.value[0], 3) == 0.749 and np.round(Z * found.producers.error[0], 3) == 0.213


def test_the_default_correction_leaves_those_figures_as_they_are() -> None:
    """2 % of the largest stratum's share at most are sampled: not a finite population."""
    ours = estimate(
        Population(OLOFSSON_PIXELS, OLOFSSON_PIXELS * 0.09, np.eye(4, dtype=bool)), of_matrix(OLOFSSON), normal
    )
    assert np.array_equal(ours.area.error, olofsson().area.error)
    assert (olofsson(ALWAYS).area.error < ours.area.error).all()


def test_the_figures_of_stehman_2014() -> None:
    found = stehman()
    assert found.area.value == pytest.approx([0.35, 0.34, 0.20, 0.11])  # page 4932
    assert np.round(found.area.error[[0, 2]], 3).tolist() == [0.082, 0.064]  # page 4935
    assert found.overall.value == pytest.approx([0.63]) and np.round(found.overall.error, 3) == 0.085  # page 4936
    assert np.round([found.users.value[1], found.users.error[1]], 3).tolist() == [0.574, 0.125]
    assert np.round([found.producers.value[1], found.producers.error[1]], 3).tolist() == [0.794, 0.117]
    # Table 3: the estimated error matrix.
    shares = [[0.23, 0.04, 0.04, 0], [0.12, 0.27, 0.08, 0], [0, 0.02, 0.06, 0.04], [0, 0.01, 0.02, 0.07]]
    assert found.shares == pytest.approx(np.array(shares))


def test_the_other_standard_errors_are_those_of_the_r_packages() -> None:
    """mapac's example of Stehman (2014), to seven digits; it leaves the finite-population correction out."""
    found = stehman(NEVER)
    assert found.users.error == pytest.approx([0.1645627, 0.1248023, 0.2151657, 0.1527525], abs=5e-8)
    assert found.producers.error == pytest.approx([0.1477318, 0.1165671, 0.1504438, 0.1623242], abs=5e-8)


def olofsson_by_the_book(matrix: np.ndarray, area: np.ndarray) -> tuple[np.ndarray, ...]:
    """Equations 4-11 of Olofsson et al. (2014) as printed, class by class."""
    n, weight = matrix.sum(1), area / area.sum()
    p = weight[:, None] * matrix / n[:, None]
    users, producers, overall = np.diag(p) / p.sum(1), np.diag(p) / p.sum(0), np.trace(p)
    error = np.sqrt((weight**2 * users * (1 - users) / (n - 1)).sum())
    of_users = np.sqrt(users * (1 - users) / (n - 1))
    of_area = np.sqrt([(weight**2 * (q := matrix[:, k] / n) * (1 - q) / (n - 1)).sum() for k in range(len(n))])
    of_producers = []
    for j in range(len(n)):
        q = matrix[:, j] / n
        total = (area * q).sum()
        others = (np.delete(area**2 * q * (1 - q) / (n - 1), j)).sum()
        own = area[j] ** 2 * (1 - producers[j]) ** 2 * users[j] * (1 - users[j]) / (n[j] - 1)
        of_producers.append(np.sqrt(own + producers[j] ** 2 * others) / total)
    return overall, error, p.sum(0), of_area, users, of_users, producers, np.array(of_producers)


@pytest.mark.parametrize("seed", range(5))
def test_strata_that_are_classes_give_the_equations_of_olofsson(seed: int) -> None:
    rng = np.random.default_rng(seed)
    k = int(rng.integers(2, 7))
    matrix = rng.integers(0, 9, (k, k)) + np.diag(rng.integers(5, 60, k))
    area = rng.uniform(1, 1000, k)
    found = estimate(
        Population(np.full(k, 10**6), area, np.eye(k, dtype=bool)), of_matrix(matrix), normal, finite=NEVER
    )
    parts = (found.overall, found.area, found.users, found.producers)
    ours = [x for e in parts for x in (e.value, e.error)]
    for i, (mine, book) in enumerate(zip(ours, olofsson_by_the_book(matrix, area), strict=True)):
        assert mine == pytest.approx(book * (area.sum() if i in (2, 3) else 1))


def stehman_by_the_book(sample: Labelled, pixels: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Equations 2 and 24-29 of Stehman (2014) with sample variances and covariances, stratum by stratum."""
    total_x = total_y = 0.0
    for h, size in enumerate(pixels):
        total_x += size * x[sample.stratum == h].mean()
        total_y += size * y[sample.stratum == h].mean()
    ratio, variance = total_y / total_x, 0.0
    for h, size in enumerate(pixels):
        here = sample.stratum == h
        n, c = here.sum(), np.cov(y[here], x[here])
        variance += size**2 * (1 - n / size) * (c[0, 0] + ratio**2 * c[1, 1] - 2 * ratio * c[0, 1]) / n
    return ratio, np.sqrt(variance) / total_x


@pytest.mark.parametrize("seed", range(5))
def test_any_strata_give_the_equations_of_stehman(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, k = rng.integers(4, 40, 5), 3
    stratum = np.repeat(np.arange(5), n)
    mapped, reference = rng.integers(0, k, (2, len(stratum)))
    sample, pixels = Labelled(stratum, mapped, reference, np.ones(len(stratum))), rng.integers(50, 5000, 5)
    found = estimate(Population(pixels, pixels * 1.0, np.ones((5, k), bool)), sample, normal, finite=ALWAYS)
    for j in range(k):
        both = ((mapped == j) & (reference == j)).astype(float)
        for ours, x in ((found.users, mapped == j), (found.producers, reference == j)):
            book = stehman_by_the_book(sample, pixels, x.astype(float), both)
            assert (ours.value[j], ours.error[j]) == pytest.approx(book)
        book = stehman_by_the_book(sample, pixels, np.ones(len(stratum)), (reference == j).astype(float))
        assert (found.area.value[j] / pixels.sum(), found.area.error[j] / pixels.sum()) == pytest.approx(book)


def test_areas_and_shares_add_up_and_the_order_does_not_matter() -> None:
    sample = of_letters(STEHMAN_MAP, STEHMAN_REFERENCE)
    mixed = np.random.default_rng(0).permutation(40)
    other = Labelled(sample.stratum[mixed], sample.mapped[mixed], sample.reference[mixed], sample.area)
    population = Population(STEHMAN_PIXELS, STEHMAN_PIXELS * 900.0, np.ones((4, 4), bool))
    found = estimate(population, other, score)
    assert found.area.value.sum() == pytest.approx(9e7)
    assert found.shares.sum() == pytest.approx(1)
    assert found.area.value == pytest.approx(stehman().area.value * 9e7)


def on_unequal_pixels(seed: int, n: Sequence[int]) -> tuple[Population, Labelled, np.ndarray]:
    """Rows of a geographic grid whose pixels shrink poleward, the second class rather there; and its true areas."""
    rng = np.random.default_rng(99)
    area = np.cos(np.radians(np.linspace(0, 80, 200)))[:, None] * np.ones((1, 100))
    reference = (rng.random(area.shape) < np.linspace(0.1, 0.8, 200)[:, None]).astype(int)
    mapped = np.where(rng.random(area.shape) < 0.1, 1 - reference, reference)
    pixels = np.bincount(mapped.ravel())
    draw = np.random.default_rng(seed)
    at = np.concatenate([draw.choice(np.flatnonzero(mapped == h), n[h], replace=False) for h in (0, 1)])
    sample = Labelled(mapped.ravel()[at], mapped.ravel()[at], reference.ravel()[at], area.ravel()[at])
    whole = np.bincount(mapped.ravel(), area.ravel())
    return Population(pixels, whole, np.eye(2, dtype=bool)), sample, np.bincount(reference.ravel(), area.ravel())


def test_pixels_of_unequal_area_count_by_their_area() -> None:
    """A mean of pixels would be off by a fifth of class 1; weighted, 400 samples are right on the average, as is their error."""
    found, errors, plain = [], [], []
    for seed in range(200):
        population, sample, true = on_unequal_pixels(seed, (200, 200))
        made = estimate(population, sample, normal)
        found.append(made.area.value[1])
        errors.append(made.area.error[1])
        alike = Labelled(sample.stratum, sample.mapped, sample.reference, np.ones(400))
        plain.append(estimate(population, alike, normal).area.value[1])
    spread = float(np.std(found))
    assert abs(np.mean(found) - true[1]) < 4 * spread / np.sqrt(200)
    assert np.mean(errors) == pytest.approx(spread, rel=0.15)
    assert abs(np.mean(plain) - true[1]) > 4 * spread / np.sqrt(200)
    inside = np.abs(np.array(found) - true[1]) <= Z * np.array(errors)
    assert 0.90 <= inside.mean() <= 0.99


def test_a_census_has_no_error() -> None:
    population, _, true = on_unequal_pixels(0, (1, 1))
    pixels = population.n_pixels.tolist()
    population, sample, true = on_unequal_pixels(0, pixels)
    for interval in (normal, score):
        made = estimate(population, sample, interval)
        assert made.area.value == pytest.approx(true)
        assert made.area.error == pytest.approx([0, 0], abs=1e-9)
        assert made.area.low == pytest.approx(true) and made.area.high == pytest.approx(true)


def test_a_stratum_without_samples_is_left_out_and_its_area_told() -> None:
    matrix = OLOFSSON.copy()
    matrix[2] = 0
    population = Population(OLOFSSON_PIXELS, OLOFSSON_PIXELS * 1.0, np.eye(4, dtype=bool))
    found = estimate(population, of_matrix(matrix), normal)
    assert (found.covered, found.total) == (6_800_000, 10_000_000)
    assert found.area.value.sum() == pytest.approx(6_800_000)
    assert np.isnan([found.users.value[2], found.users.error[2], found.users.low[2]]).all()
    assert np.isfinite(found.users.value[[0, 1, 3]]).all() and np.isfinite(found.area.error).all()
    only = [0, 1, 3]
    alone = Population(OLOFSSON_PIXELS[only], OLOFSSON_PIXELS[only] * 1.0, np.eye(4, dtype=bool)[only])
    sample = of_matrix(matrix)
    sample = Labelled(np.searchsorted(only, sample.stratum), sample.mapped, sample.reference, sample.area)
    assert estimate(alone, sample, normal).area.error == pytest.approx(found.area.error)


def test_one_sample_in_a_stratum_leaves_the_errors_that_need_it_unknown() -> None:
    matrix = OLOFSSON.copy()
    matrix[2] = [0, 0, 1, 0]
    population = Population(OLOFSSON_PIXELS, OLOFSSON_PIXELS * 1.0, np.eye(4, dtype=bool))
    for interval in (normal, score):
        found = estimate(population, of_matrix(matrix), interval)
        assert np.isnan(found.overall.error).all() and np.isnan(found.area.error).all()
        assert np.isnan(found.producers.error).all() and np.isnan(found.users.error[2])
        assert np.isfinite(found.users.error[[0, 1, 3]]).all()  # the other strata say all of these
        assert found.users.value[2] == 1 and np.isfinite(found.area.value).all()
        known = np.isfinite(found.overall.low).all()
        assert known == (interval is score)
    assert found.users.low[2] < 0.3 and found.overall.high[0] - found.overall.low[0] > 0.2


def test_what_a_stratum_may_hold_is_what_it_says_or_what_is_seen() -> None:
    sample = Labelled(np.array([0, 1]), np.array([2, 1]), np.array([0, 0]), np.ones(2))
    assert possible([5, 6, 7], [[5], [6], []], sample).tolist() == [
        [True, False, True],
        [False, True, False],
        [True] * 3,
    ]
