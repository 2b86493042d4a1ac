"""``geoseg report``, and ``geoseg estimate --report``: the path on stdout, files complete or absent, refusals in a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from geoseg.cli.main import run
from tests.helpers.pages import check_page
from tests.jobs.test_estimate import olofsson_csv

BUNDLE = "samples/north_carolina/bundle"


def test_the_page_of_a_bundle_is_written_once(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "b.html"
    assert run(["report", str(root / BUNDLE), "-o", str(page)]) == 0
    assert capsys.readouterr().out == f"{page}\n"
    first = page.read_bytes()
    assert run(["report", str(root / BUNDLE), "-o", str(page)]) == 4
    assert "EXISTS" in capsys.readouterr().err
    assert run(["report", str(root / BUNDLE), "-o", str(page), "--overwrite"]) == 0
    assert page.read_bytes() == first


def test_an_estimate_has_a_page_beside_its_table_and_it_can_be_made_again(tmp_path: Path) -> None:
    strata, points = olofsson_csv(tmp_path / "points.csv"), str(tmp_path / "points.csv")
    table, page = tmp_path / "e.json", tmp_path / "e.html"
    asked = ["estimate", points, "--strata", str(strata), "-q"]
    assert run([*asked, "-o", str(table), "--report", str(page)]) == 0
    assert "94.7 %" in check_page(page.read_text("utf-8")).words
    first = page.read_bytes()
    assert run(["report", str(table), "--overwrite"]) == 0 and page.read_bytes() == first
    assert run([*asked, "--report", str(tmp_path / "page.pdf")]) == 2
    assert run([*asked, "--report", points.replace(".csv", ".html"), "-o", points.replace(".csv", ".html")]) == 2
    assert run([*asked, "--report", str(page)]) == 4, "nothing is overwritten unasked"


@pytest.mark.parametrize("name", ["nowhere", "file.txt", "empty"])
def test_what_is_no_run_is_refused_in_a_line(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").write_text("x")
    assert run(["report", str(tmp_path / name), "-o", str(tmp_path / "page.html")]) == 3
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and err.startswith("geoseg: RUN: ")
    assert not (tmp_path / "page.html").exists()
