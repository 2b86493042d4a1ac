"""A run does what is not done, skips what is, tries again what can pass, and goes on where one task fails."""

import json
import os
from pathlib import Path

import pytest

from geoseg.errors import BundleError, ClusterLost, Conflict, DoneInPart, GeosegError, InputRefused, ResourceError
from geoseg.pipeline.outcome import PipelineResult, TaskProgress
from geoseg.pipeline.run import run_pipeline
from geoseg.pipeline.settings import Pipeline
from geoseg.pipeline.state import State, read_state
from tests.helpers.pipelines import MAPS, Writer, place, scene, write

CHAIN = MAPS + "  - step: change\n    input: segment\n  - step: report\n"


def _run(pipeline: Pipeline, out: Path, do: Writer | None = None, **options: object) -> PipelineResult:
    waits: list[float] = []
    return run_pipeline(pipeline, out, do=do or Writer(), wait=waits.append, **options)  # type: ignore[arg-type]


def _statuses(result: PipelineResult) -> dict[str, str]:
    return {task.task: task.status for task in result.tasks}


def test_what_is_done_is_skipped_until_its_scene_settings_or_files_change(tmp_path: Path) -> None:
    pipeline, out = place(tmp_path, CHAIN), tmp_path / "out"
    assert _run(pipeline, out).count("done") == 9
    again = Writer()
    assert _run(pipeline, out, again).count("skipped") == 9 and not again.calls
    os.utime(tmp_path / "scenes/s_20200201.tif")  # written again with the same contents
    assert _run(pipeline, out).count("skipped") == 9
    scene(tmp_path / "scenes/s_20200301.tif", seed=9)
    last = Writer()
    _run(pipeline, out, last)
    assert last.calls == ["segment/s_20200301", "area/s_20200301", "change/s_20200201_to_s_20200301"]
    (out / "area/s_20200101/made.txt").unlink()
    lost = Writer()
    _run(pipeline, out, lost)
    assert lost.calls == ["area/s_20200101"]
    other = Pipeline.read(write(tmp_path, CHAIN.replace("step: area", "step: area\n    classes: [1]")))
    areas = Writer()
    _run(other, out, areas)
    assert [call.partition("/")[0] for call in areas.calls] == ["area"] * 3


def test_a_scene_that_changes_in_place_with_its_time_set_back_is_seen(tmp_path: Path) -> None:
    pipeline, out = place(tmp_path, CHAIN), tmp_path / "out"
    _run(pipeline, out)
    path = tmp_path / "scenes/s_20200301.tif"
    before = path.stat()
    with path.open("rb+") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)[0]
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    do = Writer()
    _run(pipeline, out, do)
    assert do.calls == ["segment/s_20200301", "area/s_20200301", "change/s_20200201_to_s_20200301"]


def test_a_scene_that_comes_later_runs_alone(tmp_path: Path) -> None:
    pipeline, out, do = place(tmp_path, CHAIN), tmp_path / "out", Writer()
    _run(pipeline, out)
    scene(tmp_path / "scenes/s_20200401.tif", seed=5)
    _run(pipeline, out, do)
    assert do.calls == ["segment/s_20200401", "area/s_20200401", "change/s_20200301_to_s_20200401"]


def test_one_scene_that_fails_stops_only_what_is_made_of_it(tmp_path: Path) -> None:
    pipeline = place(tmp_path, CHAIN)
    bad = InputRefused.of("FORMAT", "s", "is no raster", "Check it")
    result = _run(pipeline, tmp_path / "out", Writer({"segment/s_20200201": [bad]}))
    assert _statuses(result) == {
        "segment/s_20200101": "done", "segment/s_20200201": "failed", "segment/s_20200301": "done",
        "area/s_20200101": "done", "area/s_20200201": "blocked", "area/s_20200301": "done",
        "change/s_20200101_to_s_20200201": "blocked", "change/s_20200201_to_s_20200301": "blocked", "report/maps": "done",
    }  # fmt: skip
    with pytest.raises(DoneInPart, match=r"^TASKS: [^\n]*segment/s_20200201: FORMAT: s: is no raster"):
        result.raise_if_failed()
    told = json.loads((tmp_path / "out/pipeline.json").read_text())
    assert told["complete"] and [t["status"] for t in told["tasks"]].count("blocked") == 3
    assert "is no raster" in (tmp_path / "out/report/maps/report.html").read_text()
    assert _run(pipeline, tmp_path / "out").count("done") == 5  # the failed one, what it blocked, and the report
    assert "is no raster" not in (tmp_path / "out/report/maps/report.html").read_text()


def test_a_defect_in_one_task_does_not_stop_the_others(tmp_path: Path) -> None:
    result = _run(place(tmp_path), tmp_path / "out", Writer({"segment/s_20200101": [ZeroDivisionError("x\ny")]}))
    assert _statuses(result)["segment/s_20200301"] == "done"
    assert "INTERNAL: segment/s_20200101: ZeroDivisionError: x y" in result.failed[0].error


def test_where_all_fails_alike_the_run_ends_as_that(tmp_path: Path) -> None:
    dates = ("20200101", "20200201")
    errors = {f"segment/s_{date}": [BundleError.of("DIGEST", "bundle", "is damaged", "Get it again")] for date in dates}
    result = _run(place(tmp_path, dates=dates), tmp_path / "out", Writer(errors))
    with pytest.raises(BundleError, match="1 more tasks failed like it"):
        result.raise_if_failed()


def _memory() -> GeosegError:
    return ResourceError.of("MEMORY", "x", "not enough memory", "Use less")


def test_what_can_pass_is_tried_again_with_longer_waits_and_what_cannot_is_not(tmp_path: Path) -> None:
    waits: list[float] = []
    lost = ClusterLost.of("SCHEDULER", "tcp://h:1", "is lost", "Start it")
    do = Writer({"segment/s_20200101": [_memory(), lost], "segment/s_20200201": [InputRefused("READ: x: no. Go.")] * 2})
    result = run_pipeline(place(tmp_path), tmp_path / "out", do=do, wait=waits.append)
    assert waits == [2, 4]
    assert do.calls.count("segment/s_20200101") == 3 and do.calls.count("segment/s_20200201") == 1
    assert [task.tries for task in result.tasks[:3]] == [3, 1, 1]


def test_a_cluster_that_stays_lost_ends_the_run_and_memory_does_not(tmp_path: Path) -> None:
    pipeline, out = place(tmp_path), tmp_path / "out"
    result = _run(pipeline, out, Writer({"segment/s_20200101": [_memory()] * 3}))
    assert _statuses(result)["segment/s_20200101"] == "failed" and _statuses(result)["segment/s_20200201"] == "done"
    lost = [ClusterLost.of("SCHEDULER", "tcp://h:1", "is lost", "Start it")] * 3
    with pytest.raises(ClusterLost):
        _run(pipeline, out, Writer({"segment/s_20200101": lost}))
    told = json.loads((out / "pipeline.json").read_text())
    assert not told["complete"] and told["tasks"][0]["tries"] == 3


def test_a_full_disk_ends_the_run(tmp_path: Path) -> None:
    full = [ResourceError.of("DISK", "out", "cannot be written (No space left)", "Free some")] * 3
    with pytest.raises(ResourceError, match="DISK"):
        _run(place(tmp_path), tmp_path / "out", Writer({"segment/s_20200201": full}))
    assert read_state(tmp_path / "out")["segment/s_20200101"].status == "done"


def test_blocks_that_failed_are_tried_again_and_what_is_made_of_them_too(tmp_path: Path) -> None:
    pipeline, out = place(tmp_path, dates=("20200101",)), tmp_path / "out"

    class Part(Writer):
        def __call__(self, *args: object) -> dict[str, object]:
            made = super().__call__(*args)  # type: ignore[arg-type]
            if self.calls == ["segment/s_20200101"]:
                raise DoneInPart.of("BLOCKS", "x", "1 of 9 blocks failed", "Try again")
            return made

    first = _run(pipeline, out, Part())
    assert _statuses(first) == {"segment/s_20200101": "part", "area/s_20200101": "done"}
    with pytest.raises(DoneInPart):
        first.raise_if_failed()
    again = Writer()
    _run(pipeline, out, again)
    assert again.calls == ["segment/s_20200101", "area/s_20200101"]


def test_outputs_that_are_not_the_pipelines_or_were_edited_are_not_replaced(tmp_path: Path) -> None:
    pipeline, out = place(tmp_path, dates=("20200101",)), tmp_path / "out"
    (out / "segment/s_20200101").mkdir(parents=True)
    (out / "segment/s_20200101/mine.txt").write_text("mine")
    (refused,) = (task for task in _run(pipeline, out).tasks if task.status == "failed")
    assert "EXISTS" in refused.error and refused.exit_code == Conflict.exit_code
    (out / "segment/s_20200101/mine.txt").unlink()
    _run(pipeline, out)
    (out / "area/s_20200101/made.txt").write_text("edited by hand")
    (edited,) = (task for task in _run(pipeline, out).tasks if task.status == "failed")
    assert "EDITED" in edited.error and (out / "area/s_20200101/made.txt").read_text() == "edited by hand"
    assert _run(pipeline, out, overwrite=True).count("done") == 1


def test_a_stopped_run_goes_on_with_the_task_that_was_begun(tmp_path: Path) -> None:
    pipeline, out, places = place(tmp_path), tmp_path / "out", []

    class Stopped(Writer):
        def __call__(self, task: object, place: object, on_step: object) -> dict[str, object]:
            if len(self.calls) == 1:
                raise KeyboardInterrupt
            return super().__call__(task, place, on_step)  # type: ignore[arg-type]

    with pytest.raises(KeyboardInterrupt):
        _run(pipeline, out, Stopped())
    assert not json.loads((out / "pipeline.json").read_text())["complete"]
    assert [record.status for record in read_state(out).values()] == ["done", "begun"]

    class Seen(Writer):
        def __call__(self, task: object, place: object, on_step: object) -> dict[str, object]:
            places.append(place)
            return super().__call__(task, place, on_step)  # type: ignore[arg-type]

    assert _run(pipeline, out, Seen()).count("skipped") == 1
    assert places[0].overwrite and not places[0].restart  # the same inputs: its blocks are used
    assert not places[1].overwrite


def test_a_record_cut_short_is_read_up_to_there(tmp_path: Path) -> None:
    pipeline, out = place(tmp_path), tmp_path / "out"
    _run(pipeline, out)
    file = out / ".geoseg/tasks.jsonl"
    file.write_bytes(file.read_bytes()[:-20])
    do = Writer()
    _run(pipeline, out, do)
    assert do.calls == ["area/s_20200301"]


def test_a_folder_is_one_runs_at_a_time(tmp_path: Path) -> None:
    pipeline = place(tmp_path)
    with State(tmp_path / "out"), pytest.raises(Conflict, match="LOCKED"):
        _run(pipeline, tmp_path / "out")


def test_progress_tells_each_task_and_each_step_and_stop_ends_between(tmp_path: Path) -> None:
    seen: list[TaskProgress] = []
    _run(place(tmp_path, dates=("20200101",)), tmp_path / "out", on_progress=seen.append)
    assert [(item.task, item.status, item.step) for item in seen] == [
        ("segment/s_20200101", "running", "segment"), ("segment/s_20200101", "running", "writing"),
        ("segment/s_20200101", "done", "segment"), ("area/s_20200101", "running", "area"),
        ("area/s_20200101", "running", "writing"), ("area/s_20200101", "done", "area"),
    ]  # fmt: skip
    assert [json.loads(item.line())["tasks_done"] for item in seen] == [0, 0, 1, 1, 1, 2]

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _run(place(tmp_path), tmp_path / "other", stop=stop)


@pytest.mark.parametrize("scene_name", ["same", "SAME"])
def test_two_tasks_never_share_a_folder(tmp_path: Path, scene_name: str) -> None:
    text = MAPS.replace("{glob: scenes/*.tif, scale: 0.0001}", "{table: t.csv}").replace(
        "bundle: bundle", "bundle: bundle\nout: '{scene.tile}'"
    )
    write(tmp_path, f"path,tile,name\na.tif,same,a\nb.tif,{scene_name},b\n", "t.csv")
    with pytest.raises(InputRefused, match=r"SCENES: segment/same: .*{scene.name}|SCENES: segment/SAME"):
        _run(Pipeline.read(write(tmp_path, text)), tmp_path / "out")


def test_pairs_are_of_one_tile_and_in_order(tmp_path: Path) -> None:
    rows = [f"{tile}{month}.tif,2020-{month:02d}-01,{tile}" for month in (3, 1, 2) for tile in "ab"]
    write(tmp_path, "path,date,tile\n" + "\n".join(rows), "t.csv")
    for row in rows:
        scene(tmp_path / row.partition(",")[0])
    steps = "  - {step: change, by: tile}\n  - {step: change, id: all, pairs: first, by: tile}\n"
    text = f"name: p\nscenes: {{table: t.csv}}\nsteps:\n{steps}"
    do = Writer()
    _run(Pipeline.read(write(tmp_path, text)), tmp_path / "out", do)
    assert do.calls == [
        "change/a1_to_a2", "change/a2_to_a3", "change/b1_to_b2", "change/b2_to_b3",
        "all/a1_to_a2", "all/a1_to_a3", "all/b1_to_b2", "all/b1_to_b3",
    ]  # fmt: skip
