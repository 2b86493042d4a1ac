"""Evaluate: counts of a map do not depend on its pieces; what is not asked for is not counted; scores as JSON."""

import json

import geopandas
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseg.errors import InputRefused, UsageError
from geoseg.grid.geobox import Window
from geoseg.training.data.labels import index_of
from geoseg.training.scoring import confusion
from geoseg.training.scoring.confusion import Confusion
from geoseg.training.scoring.evaluate import Evaluation, Measures, evaluate, in_part
from geoseg.training.scoring.pairs import Pairs
from geoseg.training.scoring.scores import BY_CLASS, OVERALL
from geoseg.training.splits.split import TEST, SceneSplit, Split
from geoseg.vector.zones import read_zones
from tests.helpers.mapping import LEGEND, WKT, ArrayMapper, ArrayScene, random_scene


def scored(scene: ArrayScene) -> np.ndarray:
    return scene.valid & np.isin(scene.label, LEGEND.values)


def same(one: Evaluation, other: Evaluation) -> bool:
    tallies = [(one.by_scene, other.by_scene), (one.by_zone, other.by_zone)]
    return all(a.keys() == b.keys() and all(np.array_equal(a[k].rows, b[k].rows) for k in a) for a, b in tallies)


@settings(max_examples=15)
@given(st.integers(5, 80), st.integers(5, 80))
def test_counts_do_not_depend_on_the_pieces(height: int, width: int) -> None:
    scene = random_scene((70, 90))
    whole = evaluate(ArrayMapper(), [scene])
    assert same(evaluate(ArrayMapper(height=height, width=width), [scene]), whole)
    total = whole.tally.total
    assert total.boundary.counts.any() and total.calibration.counts[0].sum() == total.confusion.counts.sum()


def test_boundaries_do_not_depend_on_the_windows_in_which_they_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = random_scene((70, 90))
    whole = evaluate(ArrayMapper(), [scene], measures=Measures(boundary=35.0))
    monkeypatch.setattr("geoseg.training.scoring.evaluate.SIDE", 13)
    assert same(evaluate(ArrayMapper(), [scene], measures=Measures(boundary=35.0)), whole)


def test_only_what_is_valid_labelled_and_allowed_is_counted() -> None:
    scene = random_scene((60, 64))
    allowed = np.random.default_rng(1).random(scene.shape) < 0.5
    found = evaluate(ArrayMapper(), [scene], where=[lambda window: allowed[window.slices]])
    where = allowed & scored(scene)
    expected = Confusion.count(scene.label[where], scene.mask[where], LEGEND.values)
    assert np.array_equal(found.confusion.counts, expected.counts) and np.array_equal(
        found.confusion.missed, expected.missed
    )


def test_a_scene_that_another_fold_scores_is_not_called_unscored() -> None:
    scenes = [random_scene((32, 32), seed, name=name) for seed, name in enumerate("abc")]

    def fold(number: int) -> Evaluation:
        where = [lambda w, on=(i == number): np.full(w.shape, on) for i in range(3)]
        return evaluate(ArrayMapper(), scenes, where=where, measures=Measures(None, calibration=False))

    assert fold(0).unscored == ("b", "c")
    together = fold(0) + fold(1)
    assert together.unscored == ("c",)
    assert together.scores()["notes"] == ["c: no pixel is valid, labelled and asked for"]


def test_parts_of_a_split_add_to_the_whole() -> None:
    scene = random_scene((64, 96))
    split = SceneSplit.of(scene.shape, (0, 64), (0, 32, 96), codes=np.array([[1, 3]], np.uint8), buffer=8)
    test = evaluate(ArrayMapper(), [scene], where=in_part(Split("split", (split,)), TEST), measures=Measures(None))
    assert test.confusion.pixels == scored(scene)[:, 32:].sum()
    rest = evaluate(ArrayMapper(), [scene], where=[lambda w: split.read(w) != TEST], measures=Measures(None))
    assert same(test + rest, evaluate(ArrayMapper(), [scene], measures=Measures(None)))


def test_scenes_are_counted_each_and_together() -> None:
    scenes = [random_scene((40, 40), seed, name=name) for seed, name in enumerate(["b", "a", "b"])]
    found = evaluate(ArrayMapper(), scenes)
    assert list(found.by_scene) == ["b", "a", "b-2"]
    assert found.confusion.pixels == sum(scored(scene).sum() for scene in scenes)
    told = found.scores()
    assert [told["scenes"][name]["pixels"] for name in ("b", "a", "b-2")] == [scored(scene).sum() for scene in scenes]


def test_zones_count_whole_pixels_by_their_centres_and_may_overlap(tmp_path) -> None:
    scene = random_scene((60, 80))
    box = scene.scene.geobox
    left, _, _, top = box.bounds
    shapes = [shapely.box(*box.bounds), shapely.box(left + 96, top - 204, left + 396, top - 4), shapely.box(0, 0, 9, 9)]
    frame = geopandas.GeoDataFrame({"name": ["all", "part", "away"]}, geometry=shapes, crs=WKT[32632])
    frame.to_file(tmp_path / "zones.gpkg")
    zones = read_zones(tmp_path / "zones.gpkg", box, field="name")
    found = evaluate(ArrayMapper(height=17, width=23), [scene], zones=[zones])
    assert set(found.by_zone) == {"all", "part"}
    assert np.array_equal(found.by_zone["all"].rows, found.by_scene["scene"].rows)
    inside = np.zeros(scene.shape, bool)
    inside[0:20, 10:40] = True  # centres at 5, 15, ... metres
    assert found.by_zone["part"].pixels == (scored(scene) & inside).sum()
    assert found.scores()["zones"]["part"]["overall"]["kappa"]["low"] is not None


def test_the_scores_are_json_with_stable_keys_and_intervals_that_hold_the_value() -> None:
    found = evaluate(ArrayMapper(), [random_scene((100, 128))])
    for method in ("jackknife", "bootstrap"):
        told = found.scores(method=method, part="test", caveat="a test")
        assert json.loads(json.dumps(told, allow_nan=False)) == told
        assert list(told) == [
            "format", "units", "part", "caveat", "pixels", "blocks", "overall", "classes", "largest_class", "intervals",
            "boundary_m", "confusion", "reliability", "scenes", "zones", "notes",
        ]  # fmt: skip
        assert list(told["overall"]) == [score.name for score in OVERALL]
        figures = list(told["overall"].values())
        for row in told["classes"].values():
            figures += [row[score.name] for score in BY_CLASS]
        for figure in figures:
            assert list(figure) == ["value", "low", "high", "largest_class"]
            assert -1 <= figure["low"] <= figure["value"] <= figure["high"] <= 1
    c = found.confusion
    assert told["overall"]["kappa"]["value"] == pytest.approx(float(confusion.kappa(c)), abs=1e-6)
    assert told["overall"]["overall_accuracy"]["largest_class"] == pytest.approx(c.labelled.max() / c.pixels, abs=1e-6)
    assert told["largest_class"] == "tree" and told["classes"]["tree"]["recall"]["largest_class"] == 1
    assert told["blocks"] == {"count": 16, "side": 32} and told["boundary_m"] == pytest.approx(20.008, abs=1e-3)


def test_a_perfect_map_scores_one_with_an_interval_of_no_width() -> None:
    scene = random_scene((70, 70), right=1.0)
    mask = np.where(scene.label > 0, scene.label, 1).astype(np.uint8)
    perfect = ArrayScene(mask, scene.label, scene.valid)
    for method in ("jackknife", "bootstrap"):
        told = evaluate(ArrayMapper(), [perfect]).scores(method=method)
        for name, score in told["overall"].items():
            expected = 0.0 if name == "expected_calibration_error" else 1.0
            assert (score["value"], score["low"], score["high"]) == (expected, expected, expected), name
        assert {row["iou"]["low"] for row in told["classes"].values()} == {1.0}


def test_a_scene_of_one_class_has_no_kappa_and_no_boundary() -> None:
    ones = np.ones((64, 64), np.uint8)
    told = evaluate(ArrayMapper(), [ArrayScene(ones, ones, ones > 0)]).scores()
    for name in ("kappa", "boundary_f1", "boundary_iou"):
        assert told["overall"][name]["value"] is None and told["overall"][name]["low"] is None
    assert told["overall"]["mean_iou"]["value"] == told["overall"]["overall_accuracy"]["largest_class"] == 1.0
    assert told["classes"]["built"]["f1"] == {"value": None, "low": None, "high": None, "largest_class": None}


def test_a_small_scene_is_one_block_and_has_no_interval() -> None:
    told = evaluate(ArrayMapper(), [random_scene((20, 20))]).scores()
    assert told["overall"]["overall_accuracy"]["low"] is None and told["blocks"]["count"] == 1


def test_nothing_to_score_is_refused_and_an_empty_scene_is_named() -> None:
    scene, empty = (
        random_scene((40, 40)),
        ArrayScene(*np.zeros((2, 40, 40), np.uint8), np.ones((40, 40), bool), name="empty"),
    )
    for scenes, where in (([empty], None), ([scene], [lambda w: np.zeros(w.shape, bool)]), ([], None)):
        with pytest.raises(InputRefused, match="EMPTY"):
            evaluate(ArrayMapper(), scenes, where=where)
    found = evaluate(ArrayMapper(), [scene, empty])
    assert list(found.by_scene) == ["scene"] and found.unscored == ("empty",)


def test_a_distance_below_a_pixel_is_refused_and_the_default_is_two_of_the_coarsest() -> None:
    fine, coarse = (
        random_scene((40, 40)),
        ArrayScene(*[getattr(random_scene((40, 40)), n) for n in ("mask", "label", "valid")], res=30.0),
    )
    assert evaluate(ArrayMapper(), [fine, coarse]).boundary == pytest.approx(60.02, abs=0.01)
    with pytest.raises(UsageError, match=r"BOUNDARY: 20 m: is less than a pixel, which is 30\.01 m"):
        evaluate(ArrayMapper(), [fine, coarse], measures=Measures(20.0))
    assert evaluate(ArrayMapper(), [fine, coarse], measures=Measures(30.0)).boundary == 30.0


def test_what_is_not_measured_is_null() -> None:
    told = evaluate(
        ArrayMapper(), [random_scene((64, 64))], measures=Measures(boundary=None, calibration=False)
    ).scores()
    names = ("boundary_f1", "boundary_iou", "expected_calibration_error")
    assert {told["overall"][name]["value"] for name in names} == {None} and told["boundary_m"] is None


def test_pairs_are_kept_in_memory_or_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = random_scene((50, 60))
    kept: list[np.ndarray] = []

    def keep(_: object, pairs: Pairs, found: Confusion) -> None:
        kept.extend(pairs.read(Window(0, 0, 50, 60)))
        assert found.pixels == scored(scene).sum()

    in_memory = evaluate(ArrayMapper(height=9), [scene], on_scene=keep)
    monkeypatch.setattr("geoseg.training.scoring.pairs.IN_MEMORY", 100)
    assert same(evaluate(ArrayMapper(height=9), [scene], on_scene=keep), in_memory)
    assert np.array_equal(kept[0], kept[2]) and np.array_equal(kept[1], kept[3])
    index = index_of(LEGEND)
    assert np.array_equal(kept[0], np.where(scored(scene), index[scene.label], 255))
    assert np.array_equal(kept[1], np.where(scored(scene), index[scene.mask], 255))
