"""Prefetch: in order, no further ahead than asked for; errors come where the result would have; threads end."""

import threading
import time

import pytest

from geoseg.training.sampling.prefetch import prefetch


@pytest.mark.parametrize("threads", [1, 3])
def test_results_come_in_order(threads: int) -> None:
    def make(i: int) -> int:
        time.sleep(0.002 * (i % 3))
        return i * i

    assert list(prefetch(make, range(20), threads=threads, ahead=5)) == [i * i for i in range(20)]
    assert list(prefetch(make, [], threads=threads, ahead=5)) == []


def test_no_more_is_begun_than_asked_for() -> None:
    begun = []
    results = prefetch(lambda i: begun.append(i) or i, range(100), threads=2, ahead=4)
    for taken in range(1, 10):
        next(results)
        assert len(begun) <= taken + 4
    results.close()  # type: ignore[attr-defined]
    assert len(begun) <= 13


def test_an_error_comes_where_its_result_would_have_and_ends_the_threads() -> None:
    def make(i: int) -> int:
        if i == 3:
            raise KeyError("bad crop")
        return i

    before = threading.active_count()
    results = prefetch(make, range(10), threads=2, ahead=4)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(KeyError, match="bad crop"):
        next(results)
    assert threading.active_count() == before
    assert next(results, None) is None


def test_a_consumer_that_stops_ends_the_threads() -> None:
    before = threading.active_count()
    for i in prefetch(lambda i: i, range(1000), threads=2, ahead=4):
        if i == 5:
            break
    assert threading.active_count() == before
