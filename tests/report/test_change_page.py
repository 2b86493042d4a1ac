"""Pages of a change: what the record says, escaped, self-contained, small for any number of classes, drawn as the raster is."""

from typing import Any

import numpy as np
import pytest

from geoseg.legend import Legend
from geoseg.report.change_content import ChangeData, report_of_change
from geoseg.report.change_figures import SCENE_LENGTH, UNCHANGED, ChangeOverview, change_pictures
from geoseg.report.change_tables import MOST_CLASSES, MOST_TRANSITIONS, MOST_ZONES
from geoseg.report.estimate_content import estimated_of
from geoseg.report.figures import MAX_SIDE, make_overview, scene_picture
from geoseg.report.page import render_page, write_page
from geoseg.report.places import PLACES_NOTE
from geoseg.report.stage import Picture, Stage, stage_of
from tests.helpers.pages import HOSTILE, Page, check_page, pixels_of

LEGEND = Legend.of({1: "water", 2: HOSTILE, 9: "bare"}, {1: (10, 20, 200), 2: (0, 120, 0), 9: (200, 150, 90)})
CHANGES = Legend.of({257: "water->water", 258: "to", 521: "away"}, {258: (1, 2, 3), 521: (4, 5, 6), 257: (7, 8, 9)})
CLASS_KEYS = ("class_name", "before_ha", "after_ha", "gain_ha", "loss_ha", "net_ha", "persistence_ha")
KEPT = [[500, 30, 0], [0, 300, 20], [0, 0, 150]]
NAIVE = [[450, 80, 0], [30, 270, 20], [0, 0, 150]]


def record(**changes: Any) -> dict[str, Any]:
    side = {"name": f"map {HOSTILE}", "path": "1996.tif", "datetime": "1996-05-01T10:00:00Z", "fingerprint": "ab" * 32}
    dropped = {"tolerance_px": 40, "confidence_px": 30, "joint_px": 0, "min_area_px": 10}
    known = {
        "geoseg": "0.1.0", "run": "abc123", "finished": "2026-01-02T03:04:05Z", "area_method": "ellipsoidal",
        "before": {**side, "notes": [f"note {HOSTILE}"]},
        "after": {**side, "name": "2000", "fingerprint": "cd" * 32, "notes": []},
        "grid": {"shape": [40, 50], "res": [28.5, 28.5], "crs": "EPSG:32119"},
        "matrix": {"n_pixels": KEPT, "area_ha": (np.array(KEPT) * 0.5).tolist()},
        "naive": {"n_pixels": NAIVE, "area_ha": (np.array(NAIVE) * 0.5).tolist()},
        "by_class": [
            dict(zip(CLASS_KEYS, row, strict=True))
            for row in [("water", 265, 250, 0, 15, -15, 250), (HOSTILE, 160, 165, 15, 10, 5, 150)]
        ],
        "changed": {"area_ha": 25.0, "share": 0.05, "naive_area_ha": 65.0, "naive_share": 0.13},
        "shift": {"rows": 0.87, "cols": -0.66, "px": 1.092, "metres": 31.1, "blocks": 12, "spread": 0.25},
        "significance": {"tolerance": 1, "confidence_min": 60.0, "joint_min": 0.0, "dropped": dropped,
                         "min_area": {"others": 5000.0, "classes": {HOSTILE: 900.0}}},
        "statement": f"No more than the maps' own errors explain {HOSTILE}.",
        "zones": [{"zone_id": 1, "zone_name": f"north {HOSTILE}", "zone_ha": 300.0, "mapped_ha": 250.0, "changed_ha": 50.0}],
        "polygons": 17,
        "places": [{"row": 8, "col": 24, "x": 5e5, "y": 4e6, "lon": 9.1, "lat": 48.5, "value": 0.73, "class_name": f"a {HOSTILE}"}],
        "settings": {"tolerance": 1, "align": True, "after_errors": "/home/me/bundle/scores.json"},
        "notes": [f"aligned {HOSTILE}"],
        "seconds": {"polygons": 1.5, "change": 2.0},
    }  # fmt: skip
    return {**known, **changes}


def overview(shape: tuple[int, int] = (40, 50)) -> ChangeOverview:
    before, after = np.ones(shape, np.uint8), np.ones(shape, np.uint8)
    after[:10] = 2
    before[20:30], after[20:30] = 2, 9
    before[39] = 0
    change = before.astype(np.uint16) * 256 + after
    change[39] = 0
    return ChangeOverview(before, after, change)


def stage(made: ChangeOverview, changes: Legend | None = CHANGES, legend: Legend = LEGEND) -> Stage | None:
    pictures = change_pictures(made, legend, changes, (f"Before: {HOSTILE}", "After"))
    return stage_of(made.before.shape, pictures, "before", "after", record()["places"])


def data(**options: Any) -> ChangeData:
    known = {"changes": CHANGES, "stage": stage(overview()), "files": ["change.tif", f"{HOSTILE}.csv"]}
    return report_of_change(record(), LEGEND, **{**known, **options})


def test_a_page_says_what_the_record_says() -> None:
    words = Page(render_page(data())).words
    for said in (
        "abc123", "2026-01-02 03:04 UTC", "1996-05-01 10:00 UTC", "25 ha", "5.00 % of the ground compared", "65 ha", "13.0 %",
        "1.09 px", "0.87 px down", "0.66 px left", "31.10 m", "12 blocks", "0.25 px",
        "ellipsoidal", "No more than the maps' own errors",
        "17", "aligned", "2.00 s", "1,000 pixels", "EPSG:32119", "ab" * 32, "cd" * 32, PLACES_NOTE, "73.0 %",
        "48.50000, 9.10000", "50.0 % of the grid has no class at one of the dates",
    ):  # fmt: skip
        assert said in words, said


def test_rules_add_up_from_what_differs_to_what_was_kept() -> None:
    found = data()
    assert (found.naive_pixels, found.kept_pixels) == (130, 50)
    assert [(line.n_pixels, line.setting) for line in found.rules] == [
        (40, "1 px"), (30, "least confidence 60 %"), (10, f"least area 5000, {HOSTILE} 900 m2"),
    ]  # fmt: skip
    assert found.naive_pixels - sum(line.n_pixels for line in found.rules) == found.kept_pixels
    assert sum(line.share for line in found.rules) == pytest.approx(80 / 130)


def test_an_estimate_of_the_true_change_stands_with_its_interval() -> None:
    change, explained = {"value": 0.02, "low": 0.0, "high": 0.04}, {"value": 0.1, "low": 0.08, "high": 0.12}
    errors = {
        "observed": 0.13, "explained": explained, "change": change, "shift": {"rows": 0.3, "cols": 0.4}, "pixels": 1000,
        "before": {"source": f"scores {HOSTILE}"}, "after": {"source": "accuracy 0.9"}, "assumes": ["one shift", "independence"],
    }  # fmt: skip
    changed = {**record()["changed"], "compared_ha": 500.0}
    page = report_of_change(record(errors=errors, changed=changed), LEGEND)
    line = page.intervals[0]
    assert (line.map_ha, line.estimate_ha, line.low_ha, line.high_ha) == (25, 10, 0, 20)
    words = Page(render_page(page)).words
    for said in (
        "0 to 20",
        "10.0 % (8.00 % to 12.0 %)",
        "0.50 px",
        "scores <script>",
        "accuracy 0.9",
        "one shift; independence",
    ):
        assert said in words, said
    assert not data().intervals
    errors |= {"change": {"value": 0.0, "low": 0.0, "high": 0.13}, "consistent": False}
    none = report_of_change(record(errors=errors, changed=changed), LEGEND)
    assert not none.intervals, "an interval where the errors do not fit the maps would be a claim that nobody can make"
    assert "explain more than differs" in Page(render_page(none)).words


def test_the_matrix_keeps_sums_and_shares() -> None:
    table = data().matrix
    assert table is not None
    assert table.names == ("water", HOSTILE, "bare")
    assert [row["total"] for row in table.rows] == [265, 160, 75]
    assert table.totals == [250, 165, 85, 500]
    assert table.rows[0]["cells"][1] == (15, pytest.approx(15 / 265), pytest.approx(15 / 165), None)
    for row in table.rows:
        assert sum(share for _, share, _, _ in row["cells"]) == pytest.approx(1)


def test_transitions_stand_by_area_in_the_colours_of_the_raster() -> None:
    lines = data().transitions
    assert [(line.before, line.after, line.area_ha, line.colour) for line in lines] == [
        ("water", HOSTILE, 15, "#010203"), (HOSTILE, "bare", 10, "#040506"),
    ]  # fmt: skip
    assert sum(line.share for line in lines) == pytest.approx(0.05)


def test_nothing_from_a_file_becomes_markup_and_the_page_needs_nothing_else() -> None:
    text = render_page(data())
    assert "/home/me" not in text
    assert check_page(text).words.count("<script>alert(1)</script>") >= 12


def test_the_diagram_has_a_band_for_each_transition_as_thick_as_its_area() -> None:
    made = data().sankey
    assert made is not None
    assert [bar.name for bar in made.left] == ["water", HOSTILE] and [bar.name for bar in made.right] == [
        HOSTILE,
        "bare",
    ]
    assert [band.told for band in made.bands] == [f"water → {HOSTILE}: 15 ha", f"{HOSTILE} → bare: 10 ha"]
    assert made.left[0].height / made.left[1].height == pytest.approx(1.5, rel=1e-3)
    for bars in (made.left, made.right):
        assert bars[-1].y + bars[-1].height == pytest.approx(made.height, abs=0.05), "bars fill the height"
    still = np.diag([5, 5, 5]).tolist()
    assert report_of_change(record(matrix={"n_pixels": still, "area_ha": still}), LEGEND).sankey is None


def test_what_samples_say_stands_beside_the_matrix() -> None:
    one = {"se": 1.0, "margin": 2.0, "value": 12.0, "low": 9.0, "high": 16.0}
    share = {**one, "value": 0.8, "low": 0.7, "high": 0.9}
    table = {
        "classes": [{"class_id": 258, "class_name": f"water->{HOSTILE}", "n_map": 9, "n_reference": 8, "n_agree": 7,
                     "map_ha": 15.0, "area_ha": one, "users": share, "producers": {**share, "value": None}}],
        "overall": share, "covered_ha": 500.0, "total_ha": 500.0,
    }  # fmt: skip
    page = check_page(render_page(data(estimated=estimated_of(table))))
    for said in ("[12: 9 to 16]", "9 to 16", "80.0 % (70.0 % to 90.0 %)", "From labelled samples", "In brackets"):
        assert said in page.words, said


def test_an_empty_record_and_one_without_change_make_pages_too() -> None:
    assert "Change from before to after" in Page(render_page(report_of_change({}, LEGEND))).words
    still = np.diag([5, 5, 5]).tolist()
    calm = record(
        matrix={"n_pixels": still, "area_ha": still},
        naive={"n_pixels": still, "area_ha": still},
        shift=None,
        zones=None,
    )
    assert "No pixel changed" in Page(render_page(report_of_change(calm, LEGEND, stage=stage(overview())))).words
    none = np.zeros((3, 3)).tolist()
    void = record(matrix={"n_pixels": none, "area_ha": none}, naive={"n_pixels": none, "area_ha": none})
    assert report_of_change(void, LEGEND).matrix is None
    render_page(report_of_change(record(matrix={"n_pixels": [], "area_ha": []}), Legend((), 0)))


def test_the_change_picture_is_grey_where_nothing_changed_and_empty_without_data() -> None:
    before, after, change = (pixels_of(one.uri) for one in change_pictures(overview(), LEGEND, CHANGES))
    assert tuple(before[0, 0]) == (10, 20, 200, 255) and tuple(after[0, 0]) == (0, 120, 0, 255)
    assert tuple(change[0, 0]) == (1, 2, 3, 255)
    assert tuple(change[25, 0]) == (4, 5, 6, 255)
    assert tuple(change[15, 0]) == (*UNCHANGED, 255)
    assert change[39, 0, 3] == before[39, 0, 3] == 0
    plain = pixels_of(change_pictures(overview(), LEGEND)[2].uri)
    assert tuple(plain[0, 0]) == (0, 120, 0, 255), "without a legend of changes: the colour of the class after"


def test_pages_stay_small_for_the_noisiest_maps_of_the_most_classes_and_zones(tmp_path: Any) -> None:
    n, rng = 255, np.random.default_rng(0)
    names = {value: f"{value} " + "é<" * 20_000 for value in range(1, n + 1)}
    legend = Legend.of(names)
    before, after = rng.integers(1, n + 1, (2, MAX_SIDE, MAX_SIDE)).astype(np.uint8)
    matrix = rng.integers(1, 1000, (n, n)).astype(float)
    zones = [{"zone_name": names[1 + i % n], "mapped_ha": 2.0, "changed_ha": float(i)} for i in range(5000)]
    run = record(matrix={"n_pixels": matrix.tolist(), "area_ha": matrix.tolist()}, zones=zones)
    noise = ChangeOverview(before, after, before.astype(np.uint16) * 256 + after)
    pictures = [*change_pictures(noise, legend), *(photo(rng, f"{side}-scene") for side in ("before", "after"))]
    page = report_of_change(run, legend, stage=stage_of(before.shape, pictures, "before", "after"))
    write_page(tmp_path / "report.html", page)
    assert (tmp_path / "report.html").stat().st_size < 3_000_000
    assert page.matrix is not None and len(page.matrix.names) == MOST_CLASSES + 1
    assert page.matrix.totals[-1] == pytest.approx(matrix.sum())
    assert len(page.transitions) == MOST_TRANSITIONS and "smaller ones" in page.transitions_note
    assert len(page.zones) == MOST_ZONES and page.zones[0].changed_ha == 4999


def photo(rng: np.random.Generator, key: str) -> Picture:
    """The noisiest photograph that the page of a change takes."""
    shape = (MAX_SIDE, MAX_SIDE)
    noise = rng.integers(0, 255, (3, *shape), dtype=np.uint8)
    made = make_overview(noise, np.ones(shape, bool), ["red", "green", "blue"], np.zeros((1, 1), np.uint8))
    return scene_picture(made, key, length=SCENE_LENGTH)


def test_equal_records_give_equal_pages() -> None:
    assert render_page(data()) == render_page(data())
