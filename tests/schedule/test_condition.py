import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.errors import InputRefused, UsageError
from geoseg.schedule.condition import Condition

RECORD: dict[str, Any] = {
    "classes": [{"name": "tree"}, {"name": "bare soil"}, {"name": "open-water"}],
    "matrix": {"area_ha": [[100, 6, 1], [2, 50, 3], [0, 0, 40]], "n_pixels": [[1000, 60, 10], [20, 500, 30], [0, 0, 400]]},
    "by_class": [{"class_name": name, "loss_ha": ha, "net_ha": -ha}
                 for name, ha in (("tree", 7.0), ("bare soil", 5.0), ("open-water", 0.0))],
    "changed": {"area_ha": 12.0, "share": 0.06, "compared_ha": 202.0},
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("transitions.tree->bare soil.area_ha > 5", True),
        ('transitions."tree"->"bare soil".area_ha>6', False),
        ("transitions.tree->bare soil.area_ha >= 6", True),
        ("transitions.Tree->open-water.n_pixels < 11", True),
        ("transitions.tree->*.area_ha > 6.9", True),
        ("transitions.tree->*.area_ha > 7", False),
        ("transitions.*->*.area_ha >= 12", True),
        ("transitions.*->*.area_ha > 12", False),
        ("transitions.tree->tree.share > 0.49 and changed.share <= 6e-2", True),
        ("changed.area_ha > 1 and changed.share > 0.5", False),
        ("classes.bare soil.loss_ha > 4", True),
        ("classes.tree.net_ha > -6", False),
        ("classes.*.loss_ha >= 12", True),
    ],
)
def test_a_condition_is_held_against_the_record(text: str, holds: bool) -> None:
    assert Condition.parse(text).holds(RECORD) == holds


@pytest.mark.parametrize(
    "text",
    ["", "tree > 5", "transitions.tree->bare > 5", "transitions.tree.area_ha > 5", "changed.area_ha == 5", "changed.area_ha > x",
     "changed.area_ha > 5 or changed.share > 1", "changed.area_ha > 5 and", "changed.area_ha > nan", "changed.area_ha > 1e999",
     "changed.area_ha > __import__('os').system('x')", "changed.__class__.x > 1", "classes.tree.area > 1",
     "changed.share > 1" * 99],
)  # fmt: skip
def test_what_is_no_condition_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError, match="CONDITION") as caught:
        Condition.parse(text)
    assert "\n" not in str(caught.value)


def test_a_class_that_is_not_there_is_said_with_the_nearest() -> None:
    with pytest.raises(InputRefused, match="Did you mean tree"):
        Condition.parse("changed.share > 1 and transitions.tre->*.area_ha > 1").holds(RECORD)


@pytest.mark.parametrize("record", [{}, {"changed": None}, {"changed": {"share": "x"}}])
def test_a_record_that_says_nothing_of_it_is_refused(record: dict[str, Any]) -> None:
    with pytest.raises(InputRefused, match="CONDITION"):
        Condition.parse("changed.share > 1").holds(record)


@given(st.text(max_size=60))
def test_no_text_does_anything_but_parse_or_be_refused(text: str) -> None:
    try:
        made = Condition.parse(text)
    except UsageError:
        return
    assert made.text == text


def test_no_text_takes_long() -> None:
    start = time.process_time()
    for text in ("transitions." + "a-" * 480, "classes." + "a " * 490, "changed.share > " + "1" * 900, '"' * 900):
        with pytest.raises(UsageError):
            Condition.parse(text)
    assert time.process_time() - start < 1
