"""Cost page: its figures are the forecast's, in any number of workers, and nothing of a name becomes markup or script."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from geoseg.cli.main import run
from geoseg.pipeline.cost import cost_page
from geoseg.pipeline.forecast import BLOCK_S, START_S, Forecast, TaskForecast, by_pixels, segment_seconds
from geoseg.report.cost_page import CostPage, render_cost_page, write_cost_page
from tests.helpers.browser import browser
from tests.helpers.pipelines import place

CHIP_S = 0.08
HOSTILE = "</script><script>document.title='owned'</script>&<b>"


def map_of(name: str, *, blocks: int = 64, chips: int = 6400, pixels: int = 10980**2) -> TaskForecast:
    seconds = START_S + segment_seconds(chips, blocks, CHIP_S, workers=1) + pixels / 12e6
    return TaskForecast(
        f"segment/{name}", "segment", "run", "new", pixels * 8, pixels * 2, round(seconds, 1), pixels, chips, blocks, 512, CHIP_S
    )  # fmt: skip


def area_of(name: str, pixels: int = 10980**2) -> TaskForecast:
    return TaskForecast(f"area/{name}", "area", "run", "new", pixels, 0, by_pixels("area", pixels), pixels)


def archive(n: int) -> Forecast:
    names = [f"s{i}" for i in range(n)]
    tasks = [*map(map_of, names), *map(area_of, names), map_of("small", blocks=1, chips=4, pixels=10**6)]
    earlier = TaskForecast("filter/s0", "filter", "run", "new", 1, 1, 77.0, 10**6)
    report = TaskForecast("report", "report", "run", "new", 0, 0, START_S)
    done = TaskForecast("segment/old", "segment", "skipped", pixels=9)
    bad = TaskForecast(f"segment/{HOSTILE}", "segment", "refused", HOSTILE)
    return Forecast(Path("out"), (*tasks, earlier, report, done, bad), 1, ("torch, fp32, 2 processors",))


def facts_of(page: CostPage) -> dict:
    found = re.search(r'<script id="facts" type="application/json">(.*?)</script>', render_cost_page(page))
    assert found
    return json.loads(found[1])


def test_a_worker_takes_whole_blocks_and_each_passes_the_scheduler():
    assert segment_seconds(100, 10, 1.0, workers=1) == 100
    assert segment_seconds(100, 10, 1.0, workers=4) == 30  # three of ten blocks
    assert segment_seconds(100, 10, 1.0, workers=1000) == 10
    assert segment_seconds(1000, 1000, 0.001, workers=1000) == 1000 * BLOCK_S


def test_alike_tasks_are_one_group_and_none_is_left_out():
    page = cost_page("archive", archive(10_000))
    facts = facts_of(page)
    assert sorted(group["n"] for group in facts["groups"]) == [1, 1, 1, 10_000, 10_000]
    assert len(render_cost_page(page)) < 60_000
    said = " ".join(page.warnings)
    assert "Cannot run and not counted: segment/" in said and "Done already and not counted: segment/old" in said


def test_no_name_ends_an_element():
    hostile = archive(1)
    tasks = tuple(replace(item, task=f"{HOSTILE}/x") for item in hostile.tasks)
    text = render_cost_page(cost_page(HOSTILE, replace(hostile, tasks=tasks, measured=(HOSTILE,))))
    assert text.count("<script") == 2 and "<b>" not in text
    assert "script-src &#39;sha256-" in text and "unsafe-inline" not in text


def test_what_was_not_measured_is_said_and_asked_for(tmp_path):
    unknown = replace(map_of("a"), seconds=None, chip_s=None)
    trained = TaskForecast("segment/b", "segment", "run", "the bundle is trained first")
    odd = TaskForecast("train", "train", "run", "new")
    page = cost_page("x", Forecast(Path("out"), (unknown, trained, odd)))
    said = " ".join(page.warnings)
    assert "were not measured" in said and "trained first" in said and "counted: train" in said
    write_cost_page(tmp_path / "cost.html", page)
    assert (tmp_path / "cost.html").read_text() == render_cost_page(page)


def test_the_command_writes_the_page_of_its_dry_run_and_replaces_nothing(tmp_path, capsys):
    place(tmp_path, dates=("20200101",))
    file, out = tmp_path / "cost.html", tmp_path / "out"
    words = ["run", str(tmp_path / "p.yaml"), "--out", str(out), "--cost-page", str(file)]
    assert run(words) == 2 and not out.exists()
    assert run([*words, "--dry-run", "--json"]) == 0 and not out.exists()
    task = json.loads(capsys.readouterr().out)["tasks"][0]
    assert task["chips"] >= task["blocks"] >= 1 and task["chip_s"] > 0
    assert str(task["chip_s"]) in file.read_text()
    assert run([*words, "--dry-run"]) == 4
    assert run([*words, "--dry-run", "--no-timing", "--overwrite"]) == 0 and "were not measured" in file.read_text()


def test_in_chromium_the_figures_are_the_forecasts_and_follow_what_is_chosen(tmp_path):
    found = archive(100)
    file = tmp_path / "cost.html"
    write_cost_page(file, cost_page("archive", found))
    with browser(tmp_path / "profile") as seen:
        seen.open(file.as_uri())
        seen.until("document.querySelectorAll('#rows tr').length == 4")

        def total(workers: int, **more: float) -> dict[str, float]:
            fields = {"price": 0, "client": 0, "egress": 0, "begin": 0, "lost": 0, "speed": 1, "reads": "", **more}
            for name, value in {**fields, "workers": workers}.items():
                seen.do(f"document.querySelector('#{name}').value = '{value}'")
            return seen.do(f"show(), total(given(), {workers})")

        known = sum(item.seconds for item in found.tasks if item.status == "run")
        assert total(1)["seconds"] == pytest.approx(known, rel=1e-3)
        for workers in (7, 64, 1000):
            maps = 100 * segment_seconds(6400, 64, CHIP_S, workers=workers) + segment_seconds(
                4, 1, CHIP_S, workers=workers
            )
            alone = 100 * segment_seconds(6400, 64, CHIP_S, workers=1) + segment_seconds(4, 1, CHIP_S, workers=1)
            assert total(workers)["seconds"] == pytest.approx(known - alone + maps, abs=6)  # of 100 rounded to 0.1 s
        priced = total(8, price=2, client=1, begin=6)
        assert priced["hours"] == pytest.approx(8 * priced["seconds"] / 3600)
        assert priced["cost"] == pytest.approx(priced["seconds"] / 3600 * (8 * 2 + 1))
        read = sum(item.read_bytes for item in found.tasks if item.read_bytes)
        assert total(1, egress=3)["cost"] == pytest.approx(3 * read / 1e9)
        slow = total(1, reads=1)["seconds"] - total(1)["seconds"]
        assert slow == pytest.approx(100 * (10980**2 * 8 / 1e6 - 6400 * CHIP_S) + 8 - 4 * CHIP_S, rel=1e-3)
        total(4)
        deadline = total(16)["seconds"] / 3600
        least = seen.do(f"enough({{...given(), deadline: {deadline}}})")
        assert total(least)["seconds"] <= deadline * 3600 < total(least - 1)["seconds"]
        assert seen.do("document.querySelectorAll('#chart polyline').length") == 1
        seen.do("document.querySelector('#workers').value = '-1', show()")
        assert not seen.do("document.querySelector('#time').textContent")[0].isdigit()
        assert seen.do("document.title").startswith("What archive") and not seen.complaints
