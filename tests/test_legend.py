"""Legends: values that fit a mask, names found, STAC and back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.errors import UsageError
from geoseg.legend import HARMONISED, Legend, LegendClass

values = st.lists(st.integers(0, 254), min_size=1, max_size=30, unique=True)


def test_names_alone_get_values_from_one_and_nodata_zero() -> None:
    legend = Legend.of(["water", "land"])
    assert legend.values == (1, 2)
    assert legend.names == {1: "water", 2: "land"}
    assert legend.nodata == 0


def test_a_class_that_owns_zero_moves_nodata_to_255() -> None:
    assert Legend.of({0: "clear", 1: "cloud"}).nodata == 255


@given(values)
def test_nodata_is_never_a_class(chosen: list[int]) -> None:
    legend = Legend.of({value: f"class {value}" for value in chosen})
    assert legend.nodata not in legend.values
    assert legend.values == tuple(chosen)


@given(values)
def test_stac_and_back_keeps_everything(chosen: list[int]) -> None:
    legend = Legend.of({value: f"Class {value}, so to say" for value in chosen})
    assert Legend.from_stac(json.loads(json.dumps(legend.to_stac())), legend.nodata) == legend
    assert Legend.from_stac(legend.to_stac()) == legend


@given(values)
def test_missing_colours_differ_and_given_ones_stay(chosen: list[int]) -> None:
    first = chosen[0]
    legend = Legend.of({value: str(value) for value in chosen}, {first: (1, 2, 3)})
    assert legend.colours[first] == (1, 2, 3)
    assert len(set(legend.colours.values())) == len(chosen)


def test_stac_names_are_words_and_descriptions_the_names() -> None:
    entry = Legend.of(["low vegetation"], {1: (255, 0, 16)}).to_stac()[0]
    assert entry == {"value": 1, "name": "low_vegetation", "description": "low vegetation", "color_hint": "FF0010"}


def test_a_name_is_found_whatever_its_case() -> None:
    assert HARMONISED.value_of(" Water ") == 1


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"lava.*snow or ice"):
        HARMONISED.value_of("lava")


def test_equal_legends_give_equal_text() -> None:
    assert Legend.of(["a", "b"]).to_json() == Legend.of({1: "a", 2: "b"}).to_json()


@pytest.mark.parametrize(
    ("classes", "nodata"),
    [((1, 1), 0), ((65536,), 0), ((-1,), 0), ((0, 1), 0), ((1, 7), 7)],
)
def test_values_that_do_not_fit_a_class_raster_are_refused(classes: tuple[int, ...], nodata: int) -> None:
    with pytest.raises(UsageError, match="LEGEND"):
        Legend(tuple(LegendClass(value, f"class {value}", (0, 0, 0)) for value in classes), nodata)


def test_the_harmonised_legend_has_the_ten_classes() -> None:
    assert HARMONISED.values == tuple(range(1, 11))
    assert HARMONISED.nodata == 0


def test_a_legend_that_somebody_names_has_a_class() -> None:
    for none in ([], {}):
        with pytest.raises(UsageError, match="no classes"):
            Legend.of(none)


@pytest.mark.parametrize(("values", "nodata", "fits"), [((1, 255), 0, True), ((0, 1), 255, True), ((1, 256), 0, False)])
def test_a_mask_has_eight_bits(values: tuple[int, ...], nodata: int, fits: bool) -> None:
    legend = Legend.of({value: str(value) for value in values})
    assert (legend.nodata, legend.fits_mask) == (nodata, fits)


def test_nodata_moves_beyond_a_byte_with_the_classes() -> None:
    assert Legend.of({0: "none", 311: "forest"}).nodata == 65535


def test_a_class_is_named_by_its_name_then_its_value_then_a_word_of_it() -> None:
    legend = Legend.of({1: "Water", 2: "Zone 1", 3: "7", 7: "Open forest", 8: "Dense forest"})
    assert [legend.value_of(name) for name in (" water", "1", "7", "8", "zone", "open")] == [1, 1, 3, 8, 2, 7]
    for name in ("forest", "9", "lava"):
        with pytest.raises(UsageError, match="LEGEND"):
            legend.value_of(name)
