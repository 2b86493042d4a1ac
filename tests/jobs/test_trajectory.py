"""Maps of several dates to trajectories: the files agree with the maps and each other, whatever blocks and workers."""

import csv
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import rasterio

from geoseg.compare.hmm import FlickerFilter
from geoseg.compare.map_errors import MapErrors
from geoseg.errors import Conflict, InputRefused, UsageError
from geoseg.jobs.change import change
from geoseg.jobs.trajectory import TrajectoryResult, trajectory
from geoseg.jobs.trajectory_page import times_of
from geoseg.legend import Legend
from geoseg.raster.classes import open_classes
from tests.helpers.changes import LEGEND, patchy, write_map, write_run

SHAPE = (90, 130)
YEARS = ("1985", "2000", "2020")


def series(dates: int, shape: tuple[int, int] = SHAPE, seed: int = 0, flicker: float = 0.1) -> list[np.ndarray]:
    """A map with patches that change for good, other classes here and there, and nodata of each date's own."""
    rng = np.random.default_rng([seed, 21])
    ground = patchy(shape, seed, nodata=0.0)
    found = []
    for date in range(dates):
        if date == dates // 2:
            ground = ground.copy()
            ground[10:30, 20:50] = 3
        noisy = np.where(rng.random(shape) < flicker, rng.integers(1, 5, shape), ground)
        found.append(np.where(rng.random(shape) < 0.03, 0, noisy).astype(np.uint8))
    found[0][:2, :3] = 0
    for other in found:
        other[:2, :2] = 0
    return found


def written(folder: Path, maps: list[np.ndarray]) -> list[Path]:
    return [write_map(folder / f"map {i}.tif", values) for i, values in enumerate(maps, start=1)]


def run(folder: Path, maps: list[np.ndarray], name: str = "out", **options: object) -> tuple[TrajectoryResult, Path]:
    out = folder / name
    return trajectory(written(folder / "in", maps), out, max_shift=0, **options), out


def raster(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return dataset.read(1)


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_each_pixels_number_stands_for_its_classes_and_all_files_follow(tmp_path: Path) -> None:
    maps = series(3)
    result, out = run(tmp_path, maps, dates=YEARS)
    numbers = raster(out / "trajectory.tif")
    table = lines(out / "trajectories.csv")
    rows = np.array([[0, 0, 0], *([int(v) for v in line["class_ids"].split()] for line in table)])
    assert (rows[numbers].transpose(2, 0, 1) == np.stack(maps)).all()
    assert [int(line["n_pixels"]) for line in table] == np.bincount(numbers.ravel())[1:].tolist()
    first, last, count = (raster(out / f"{name}.tif") for name in ("first_change", "last_change", "n_changes"))
    for r, c in np.ndindex(*SHAPE):
        seen = [(YEARS[i], date[r, c]) for i, date in enumerate(maps) if date[r, c]]
        years = [int(seen[i][0]) for i in range(1, len(seen)) if seen[i][1] != seen[i - 1][1]]
        wanted = (years[0], years[-1], len(years)) if years else (0, 0, 0) if seen else (-1, -1, 255)
        assert (first[r, c], last[r, c], count[r, c]) == wanted
    named = open_classes(out / "trajectory.tif").legend.names
    assert named[int(table[0]["trajectory"])] == table[0]["sequence"] and "->" in table[0]["sequence"]
    assert result.run["trajectories"] == len(table)
    assert times_of(rows[1:].astype(np.uint8)).tolist() == [int(line["n_changes"]) for line in table]
    place = result.run["places"][0]
    window = np.s_[place["row"] - 8 : place["row"] + 8, place["col"] - 8 : place["col"] + 8]
    assert place["value"] == pytest.approx((count[window] > 0)[numbers[window] > 0].mean())
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "3 dates" in page and "1985 to 2000" in page


def test_transitions_between_dates_are_those_of_a_change_of_two_maps(tmp_path: Path) -> None:
    maps = series(3)
    result, out = run(tmp_path, maps, dates=YEARS)
    for i in range(2):
        pair = written(tmp_path / f"pair{i}", maps[i : i + 2])
        two = change(*pair, tmp_path / f"two{i}", max_shift=0, only="raster").transitions
        assert (result.steps[i].n_pixels == two.n_pixels).all()
        assert (result.steps[i].area_units == two.area_units).all()
    table = lines(out / "transitions.csv")
    for i, (old, new) in enumerate(pairwise(YEARS)):
        own = [line for line in table if (line["from_date"], line["to_date"]) == (old, new)]
        assert sum(int(line["n_pixels"]) for line in own) == result.steps[i].n_pixels.sum()
        assert sum(float(line["share"]) for line in own) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("flicker", [pytest.param(False, marks=pytest.mark.slow), True])
def test_blocks_and_threads_do_not_matter(tmp_path: Path, flicker: bool) -> None:
    maps = series(4, (530, 560), flicker=0.03)
    options: dict[str, object] = {"only": "raster"} | ({"flicker": True, "errors": ("0.9",)} if flicker else {})
    _, one = run(tmp_path, maps, "one", threads=1, **options)
    result, other = run(tmp_path, maps, "other", threads=3, block_size=300, **options)
    names = sorted(path.name for path in one.iterdir())
    assert names == sorted(path.name for path in other.iterdir())
    for name in names:
        if name != "run.json":
            assert (one / name).read_bytes() == (other / name).read_bytes(), name
    assert ("mask_1.tif" in names) == flicker and result.run["masks"] == [
        f"mask_{i}.tif" for i in range(1, 5)
    ] * flicker


@pytest.mark.slow
def test_workers_do_not_matter(tmp_path: Path) -> None:
    maps = series(3, (520, 530), flicker=0.03)
    _, one = run(tmp_path, maps, "one", flicker=True, errors=("0.9",))
    _, other = run(tmp_path, maps, "other", flicker=True, errors=("0.9",), workers=2, block_size=256)
    for name in ("trajectory.tif", "trajectories.csv", "transitions.csv", "first_change.tif", "mask_2.tif"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def test_the_filter_is_that_of_every_pixel_by_itself_and_says_what_it_assumed(tmp_path: Path) -> None:
    maps = series(5)
    result, out = run(tmp_path, maps, flicker=True, errors=(0.9,), stay=0.95)
    model = FlickerFilter(LEGEND.values, np.stack([MapErrors.of_accuracy(0.9, 4).matrix] * 5), np.full(4, 0.95))
    wanted = model.apply(np.stack(maps).reshape(5, -1).T.copy()).T.reshape(5, *SHAPE)
    for i in range(5):
        assert (raster(out / f"mask_{i + 1}.tif") == wanted[i]).all()
        assert ((wanted[i] == 0) == (maps[i] == 0)).all()
    told = result.run["flicker"]
    assert [step["probability"] for step in told["stay"]] == [0.95] * 4 and told["stay_is"] == "stated"
    assert told["corrected_pixels"] == [int((wanted[i] != maps[i]).sum()) for i in range(5)]
    naive, final = (1 - result.run[key][0]["share"] for key in ("naive_by_n_changes", "by_n_changes"))
    assert final < naive / 3
    assert "cannot be told from an error" in result.statement and "0.95" in result.statement
    assert open_classes(out / "mask_1.tif").legend == open_classes(tmp_path / "in" / "map 1.tif").legend


def test_gaps_are_filled_only_when_asked(tmp_path: Path) -> None:
    maps = series(5)
    result, out = run(tmp_path, maps, flicker=True, errors=(0.9,), fill_gaps=True)
    nowhere = (np.stack(maps) == 0).all(axis=0)
    for i in range(5):
        assert ((raster(out / f"mask_{i + 1}.tif") == 0) == nowhere).all()
    assert result.run["flicker"]["filled_pixels"] == [int(((date == 0) & ~nowhere).sum()) for date in maps]
    assert result.run["flicker"]["stay_is"].startswith("estimated")


def test_filtered_maps_of_an_accurate_model_are_nearer_to_the_truth(tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    ground = [patchy(SHAPE, 3, nodata=0.0)]
    for _ in range(7):
        moves = rng.random(SHAPE) < 0.02
        ground.append(np.where(moves, rng.integers(1, 5, SHAPE), ground[-1]).astype(np.uint8))
    maps = [np.where(rng.random(SHAPE) < 0.12, rng.integers(1, 5, SHAPE), date).astype(np.uint8) for date in ground]
    result, out = run(tmp_path, maps, flicker=True, errors=("0.91",))
    errors = [(raster(out / f"mask_{i + 1}.tif") != date).mean() for i, date in enumerate(ground)]
    raw = [(a != b).mean() for a, b in zip(maps, ground, strict=True)]
    assert all(a < 0.6 * b for a, b in zip(errors, raw, strict=True)) and np.mean(errors[1:-1]) < 0.25 * np.mean(raw)
    real = [(a != b).mean() for a, b in pairwise(ground)]
    found = [step["errors"]["estimated_share"] for step in result.run["steps"]]
    assert found == pytest.approx(real, abs=0.012)


def test_without_a_filter_the_errors_say_how_much_they_explain(tmp_path: Path) -> None:
    still = patchy(SHAPE, 4, nodata=0.0)
    rng = np.random.default_rng(5)
    maps = [np.where(rng.random(SHAPE) < 0.2, rng.integers(1, 5, SHAPE), still).astype(np.uint8) for _ in range(3)]
    assert "--errors" in run(tmp_path, maps, "plain")[0].statement
    assert "no more than their own errors explain" in run(tmp_path, maps, "known", errors=(0.82,))[0].statement
    assert "has not been filtered" in run(tmp_path, maps, "trusted", errors=(0.95,))[0].statement


@pytest.mark.parametrize(("dates", "dtype"), [(3, "uint8"), (5, "uint16"), (9, "int32")])
def test_many_sequences_need_wider_numbers(tmp_path: Path, dates: int, dtype: str) -> None:
    rng = np.random.default_rng(dates)
    maps = [rng.integers(1, 5, (80, 100)).astype(np.uint8) for _ in range(dates)]
    result, out = run(tmp_path, maps)
    numbers = raster(out / "trajectory.tif")
    assert numbers.dtype == dtype
    assert (result.trajectories.rows[numbers - 1].transpose(2, 0, 1) == np.stack(maps)).all()
    assert raster(out / "n_changes.tif").max() == dates - 1


def test_dates_are_those_of_the_segment_folders(tmp_path: Path) -> None:
    maps = series(3)
    folders = [write_run(tmp_path / name, values) for name, values in zip(("a", "b", "c"), maps, strict=True)]
    for folder, day in zip(folders, ("1999-11-03", "2002-04-01", "2002-04-17"), strict=True):
        (folder / "item.json").write_text(json.dumps({"properties": {"datetime": f"{day}T10:00:00Z"}}), "utf-8")
    result = trajectory(folders, tmp_path / "out", max_shift=0)
    assert result.run["dates"]["codes"] == [19991103, 20020401, 20020417]
    assert set(np.unique(raster(tmp_path / "out" / "first_change.tif"))) <= {-1, 0, 20020401, 20020417}
    item = json.loads((tmp_path / "out" / "item.json").read_text("utf-8"))["properties"]
    assert (item["start_datetime"], item["end_datetime"]) == ("1999-11-03T00:00:00Z", "2002-04-17T00:00:00Z")
    with pytest.raises(UsageError, match="order of time"):
        trajectory(folders[::-1], tmp_path / "other", max_shift=0)


def test_the_filtered_maps_of_an_earlier_run_go_with_it(tmp_path: Path) -> None:
    maps = series(3)
    run(tmp_path, maps, dates=YEARS, flicker=True, errors=(0.9,))
    out = tmp_path / "out"
    (out / "mask_of_mine.tif").touch()
    with pytest.raises(Conflict, match="EXISTS"):
        run(tmp_path, maps)
    run(tmp_path, maps, flicker=True, errors=(0.9,), overwrite=True)
    assert {path.name for path in out.glob("mask_*.tif")} == {
        "mask_1.tif",
        "mask_2.tif",
        "mask_3.tif",
        "mask_of_mine.tif",
    }
    run(tmp_path, maps, overwrite=True)
    assert {path.name for path in out.glob("mask_*")} == {"mask_of_mine.tif"}


def test_an_input_is_never_replaced(tmp_path: Path) -> None:
    maps = series(3)
    run(tmp_path, maps, dates=YEARS, flicker=True, errors=(0.9,))
    again = [tmp_path / "out" / f"mask_{year}.tif" for year in YEARS]
    with pytest.raises(Conflict, match="INPUT"):
        trajectory(again, tmp_path / "out", dates=YEARS, flicker=True, errors=(0.9,), overwrite=True)


def test_nothing_and_a_single_pixel_have_their_outputs(tmp_path: Path) -> None:
    nothing = [np.zeros((3, 4), np.uint8)] * 3
    result, out = run(tmp_path / "a", nothing, flicker=True, errors=(0.9,))
    assert "nothing can be said" in result.statement and (raster(out / "n_changes.tif") == 255).all()
    one = [np.full((1, 1), value, np.uint8) for value in (1, 0, 2)]
    result, out = run(tmp_path / "b", one)
    assert lines(out / "trajectories.csv")[0]["sequence"] == "water->?->tree"
    assert raster(out / "first_change.tif").tolist() == [[3]]


def test_values_in_no_legend_are_refused(tmp_path: Path) -> None:
    maps = series(3)
    paths = written(tmp_path / "in", maps)
    with rasterio.open(paths[1], "r+", IGNORE_COG_LAYOUT_BREAK="YES") as dataset:
        dataset.write(np.full((1, 4, 4), 77, np.uint8), window=rasterio.windows.Window(8, 8, 4, 4))
    for options in ({}, {"flicker": True, "errors": (0.9,)}):
        with pytest.raises(InputRefused, match="in no legend"):
            trajectory(paths, tmp_path / "out", max_shift=0, **options)
    assert not (tmp_path / "out").exists()


def test_legends_are_joined_by_name(tmp_path: Path) -> None:
    maps = series(3)
    other = Legend.of({5: "tree", 7: "water", 9: "built", 200: "bare"})
    swap = np.zeros(256, np.uint8)
    swap[[1, 2, 3, 4]] = [7, 5, 200, 9]
    paths = [*written(tmp_path / "in", maps[:2]), write_map(tmp_path / "in" / "x.tif", swap[maps[2]], other)]
    result = trajectory(paths, tmp_path / "out", max_shift=0)
    same, _ = run(tmp_path, maps, "same")
    assert (result.trajectories.rows == same.trajectories.rows).all()


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"flicker": True}, "ERRORS"),
        ({"errors": (0.9, 0.9)}, "ERRORS"),
        ({"errors": (0.1,)}, "ERRORS"),
        ({"fill_gaps": True}, "FLICKER"),
        ({"stay": 0.9}, "FLICKER"),
        ({"flicker": True, "errors": (0.9,), "stay": (0.9, 0.9, 0.9)}, "STAY"),
        ({"flicker": True, "errors": (0.9,), "stay": 1.0}, "STAY"),
        ({"dates": ("1985", "2000")}, "DATES"),
        ({"unknown": 1}, "SETTING"),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_nothing(tmp_path: Path, options: dict[str, object], code: str) -> None:
    with pytest.raises(UsageError, match=rf"^{code}"):
        run(tmp_path, series(3, (20, 20)), **options)
    assert not (tmp_path / "out").exists()


def test_one_map_has_no_trajectory(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="MAPS"):
        run(tmp_path, series(3)[:1])


def test_a_map_that_lies_beside_the_first_is_refused_unless_allowed(tmp_path: Path) -> None:
    ground = patchy((320, 340), 6, patch=9, nodata=0.0)
    maps = [ground[:300, :300], ground[:300, :300], ground[3:303, :300]]
    paths = written(tmp_path / "in", maps)
    with pytest.raises(InputRefused, match=r"SHIFT.*map 3.*--max-shift"):
        trajectory(paths, tmp_path / "out")
    result = trajectory(paths, tmp_path / "out", max_shift=4)
    assert result.run["shifts"][0]["px"] == pytest.approx(0, abs=0.05)
    assert result.run["shifts"][1]["rows"] == pytest.approx(-3, abs=0.1)
