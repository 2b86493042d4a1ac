"""README: the worked example of change, sample and estimate runs as it stands there, and gives the figures that stand there."""

import csv
import re
import runpy
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from geoseg.cli.main import cli

SECTIONS = ("Change between dates", "More than two dates", "Areas one can defend")
FIGURES = {
    "built, and still built": "built->built",
    "low vegetation, and still": "low vegetation->low vegetation",
    "cropland that became low vegetation": "cropland->low vegetation",
}


@pytest.mark.slow
def test_the_worked_example_runs_and_its_figures_hold(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = (root / "README.md").read_text("utf-8")
    parts = re.split(r"^## ", text, flags=re.M)
    chosen = "\n".join(part for name in SECTIONS for part in parts if part.startswith(f"{name}\n"))
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", chosen, flags=re.M | re.S)
    assert len(blocks) == 5
    for kind, block in blocks:
        if kind == "python":
            Path("label.py").write_text(block)
            runpy.run_path("label.py")
            continue
        for line in block.splitlines():
            arguments = shlex.split(line, comments=True)
            assert arguments[0] == "geoseg"
            done = CliRunner().invoke(cli, arguments[1:])
            assert done.exit_code == 0, f"{line}\n{done.stderr}"
    with Path("estimate.csv").open(newline="", encoding="utf-8") as file:
        found = {row["class_name"]: row for row in csv.DictReader(file)}
    with Path("true/transitions.csv").open(newline="", encoding="utf-8") as file:
        true = {f"{row['from_name']}->{row['to_name']}": float(row["area_ha"]) for row in csv.DictReader(file)}
    for said, name in FIGURES.items():
        cells = re.search(rf"^\| {said} \|(.*)\|$", chosen, flags=re.M)
        assert cells is not None
        stated = [float(number) for number in re.findall(r"\d+", cells[1].replace(",", ""))]
        keys = ("map_ha", "area_ha", "area_low_ha", "area_high_ha")
        assert stated == pytest.approx([*(float(found[name][key]) for key in keys), true[name]], abs=0.5), said
