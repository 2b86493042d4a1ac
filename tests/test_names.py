"""The public names: sorted, each there, each with a docstring, and none loaded before it is used."""

import pytest

import geoseg


def test_the_public_names_are_sorted_and_the_table_is_theirs() -> None:
    assert geoseg.__all__ == sorted(geoseg.__all__)
    assert sorted([*geoseg._HOME, "errors"]) == geoseg.__all__  # that one is a module


@pytest.mark.parametrize("name", geoseg.__all__)
def test_a_public_name_is_there_and_documented(name: str) -> None:
    thing = getattr(geoseg, name)
    assert thing.__name__.removeprefix("geoseg.") == name
    assert thing.__doc__
    assert name in dir(geoseg)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = geoseg.no_such_name
