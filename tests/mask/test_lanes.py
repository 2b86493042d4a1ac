"""Lanes: work side by side, taken in order."""

import threading

import pytest

from geoseg.mask.lanes import Lanes


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("ahead", [None, 1, 3])
def test_results_come_in_the_order_of_the_items(count, ahead):
    assert list(Lanes(count).map(lambda n: n * n, range(20), ahead=ahead)) == [n * n for n in range(20)]


def test_two_lanes_work_at_a_time():
    meeting = threading.Barrier(2, timeout=20)
    assert len(list(Lanes(2).map(lambda _: meeting.wait(), range(4)))) == 4


@pytest.mark.parametrize("count", [1, 3])
def test_the_first_error_in_order_is_raised(count):
    def work(n):
        if n in (2, 3):
            raise ValueError(n)
        return n

    done = []
    with pytest.raises(ValueError, match="2"):
        done.extend(Lanes(count).map(work, range(10)))


def test_no_more_is_made_ahead_than_asked():
    begun = []
    results = Lanes(2).map(begun.append, range(10), ahead=2)
    next(results)
    assert len(begun) <= 3
