"""Templates give names below a folder, read no attributes, and say what they know."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.errors import UsageError
from geoseg.pipeline.template import fill, fill_name

KNOWN = {"scene.name": "s1", "scene.date": datetime(2020, 5, 18, 10, 30, tzinfo=UTC), "scene.tile": "T32", "none": None}


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{scene.name}", "s1"), ("{scene.date:%Y%m%d}", "20200518"), ("{scene.date}", "20200518"),
        ("{scene.tile}/{scene.date:%Y-%m}_x", "T32/2020-05_x"), ("plain", "plain"), ("{{x}}", "{x}"),
    ],
)  # fmt: skip
def test_names_are_filled_in(template: str, name: str) -> None:
    assert fill_name(template, KNOWN) == name


@pytest.mark.parametrize(
    "template",
    [
        "{scene.__class__}", "{scene.name.__class__}", "{scene.date.tzinfo}", "{scene.name[0]}", "{0}", "{}", "{scene.name!r}",
        "{scene.name:>1000000000}", "{scene.date:%s}", "{scene.date:{scene.tile}}x/../", "{none}", "{unknown}", "{scene.name",
        "..", "../{scene.name}", "/{scene.name}", "a//b", "a/./b", ".hidden", "a\\b", "a\nb", "", "x" * 300, "a/", "a. ",
        "{scene.date:%Y/%m}",
    ],
)  # fmt: skip
def test_what_is_no_name_is_refused_in_one_line(template: str) -> None:
    with pytest.raises(UsageError, match=r"^TEMPLATE: [^\n]+$"):
        fill_name(template, KNOWN)


@pytest.mark.parametrize("value", ["../x", "a/b", "..", ".x", "a\\b", "a\0b", ""])
def test_a_scene_cannot_lead_outputs_elsewhere(value: str) -> None:
    with pytest.raises(UsageError):
        fill_name("{scene.name}", {"scene.name": value})


@given(st.text(max_size=40), st.text(max_size=20))
def test_whatever_is_filled_in_stays_below_the_folder(template: str, value: str) -> None:
    try:
        made = fill_name(template, {"scene.name": value})
    except UsageError:
        return
    assert not made.startswith("/") and ".." not in made.split("/") and "\0" not in made


def test_the_nearest_name_is_said() -> None:
    with pytest.raises(UsageError, match=r"did you mean 'scene\.name'"):
        fill("{scene.nme}", KNOWN)


def test_what_is_not_known_of_a_scene_is_said_once() -> None:
    with pytest.raises(UsageError) as told:
        fill_name("{scene.date:%Y}", {"scene.date": None})
    assert str(told.value).count("TEMPLATE") == 1 and "not known of this scene" in str(told.value)
