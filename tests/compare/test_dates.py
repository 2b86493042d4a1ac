"""Dates of maps are in order, all alike, and become whole numbers."""

import pytest

from geoseg.compare.dates import Dates
from geoseg.errors import UsageError


@pytest.mark.parametrize(
    ("labels", "kind", "codes"),
    [
        (["1985", "2000"], "year", (1985, 2000)),
        (["1985-07", " 2000-01"], "yyyymm", (198507, 200001)),
        (["1985-07-14", "1985-07-15"], "yyyymmdd", (19850714, 19850715)),
    ],
)
def test_stated_dates_have_codes(labels, kind, codes) -> None:
    dates = Dates.stated(labels, 2)
    assert dates.kind == kind and dates.codes == codes


@pytest.mark.parametrize(
    "labels",
    [["1985"], ["1985", "2000-01"], ["2000", "1985"], ["1985", "1985"], ["85", "90"], ["1985-13", "1986-01"],
     ["2001-02-29", "2002-01-01"], ["0000", "1985"], ["../1985", "2000"], ["١٩٨٥", "٢٠٠٠"], ["", "2000"], ["1985", "2000", "2010"]],
)  # fmt: skip
def test_what_are_no_dates_in_order_is_refused(labels) -> None:
    with pytest.raises(UsageError, match=r"^DATES"):
        Dates.stated(labels, 2)


def test_dates_come_from_the_maps_where_all_have_one() -> None:
    dates, note = Dates.of(["1999-11-03T16:00:00Z", "2002-04-01"])
    assert dates.labels == ("1999-11-03", "2002-04-01") and dates.codes == (19991103, 20020401) and not note


@pytest.mark.parametrize("moments", [[None, None], ["2000-01-01", None], ["soon", "2001-01-01"], ["2001-05-05"] * 2])
def test_else_they_are_the_maps_places_and_that_is_said(moments) -> None:
    dates, note = Dates.of(moments)
    assert dates.labels == ("1", "2") and dates.kind == "index" and dates.codes == (1, 2) and "places" in note


def test_maps_that_are_not_in_order_of_time_are_refused() -> None:
    with pytest.raises(UsageError, match="order of time"):
        Dates.of(["2002-04-01", "1999-11-03"])
