"""What half a pixel does to a map follows from what whole pixels do."""

import numpy as np
import pytest

from geoseg.compare.borders import Borders
from geoseg.compare.lags import WITHIN


def moved(side: float, move: np.ndarray) -> np.ndarray:
    """Share that differs on a chess board of squares turned by 30 degrees: one of two borders is crossed, and not the other."""
    row, col = np.moveaxis(np.asarray(move, np.float64), -1, 0)
    one, other = np.abs(row * 0.866 - col * 0.5) / side, np.abs(row * 0.5 + col * 0.866) / side
    return one * (1 - other) + other * (1 - one)


@pytest.mark.parametrize("move", [(0.0, 0.5), (0.5, 0.5), (0.2, -0.6), (-0.3, 0.1), (1.5, 0.5)])
def test_between_whole_pixels(move: tuple[float, float]) -> None:
    fit, truth = Borders.fit(WITHIN, moved(12.0, WITHIN)), float(moved(12.0, np.array(move)))
    least, most = fit.bounds(move)
    assert float(fit.share(move)) == pytest.approx(truth, rel=0.06)
    assert least - 0.002 <= truth <= most + 0.002
    assert most - least < 0.25 * truth


def test_strips_of_one_width_are_held_by_the_bounds() -> None:
    """Strips 0.8 px wide, 10 px apart, upright: at half a pixel all of both sides, at one pixel no more than the strip."""
    shares = 2 * np.minimum(np.abs(WITHIN[:, 1]), 0.8) / 10
    least, most = Borders.fit(WITHIN, shares).bounds((0, 0.5))
    assert least <= 0.1 <= most
    assert most < 0.16


def test_no_borders_and_no_move() -> None:
    none = Borders.fit(WITHIN, np.zeros(len(WITHIN)))
    assert float(none.share((0.5, 0.5))) == 0
    assert none.bounds((0.5, 0.5)) == pytest.approx((0, 0), abs=1e-5)
    assert float(Borders.fit(WITHIN, moved(12.0, WITHIN)).share((0, 0))) == 0
