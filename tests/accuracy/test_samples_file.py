"""Samples in a GeoPackage: back as they were, labelled in QGIS, refused where they are none."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely
from affine import Affine
from pyproj import CRS

from geoseg.accuracy.form import sample_qml
from geoseg.accuracy.samples import UNLABELLED, Samples, Stratum
from geoseg.accuracy.samples_file import HIDDEN, is_samples_file, read_samples, write_samples
from geoseg.errors import GeosegError, InputRefused
from geoseg.grid.geobox import GeoBox
from geoseg.legend import Legend
from tests.helpers.sampling import UTM_BOX

NAMES = ['wa,ter & "deep"', "=tree <1>", "été"]
BOX = GeoBox(UTM_BOX.shape, UTM_BOX.transform, CRS(UTM_BOX.crs).to_wkt())


def some(n: int = 12) -> Samples:
    rng = np.random.default_rng(0)
    row, col = np.divmod(rng.permutation(90 * 70)[:n], 70)
    reference = np.full(n, UNLABELLED)
    reference[::3] = 3
    x, y = BOX.transform[2] + 10 * (col + 0.5), BOX.transform[5] - 10 * (row + 0.5)
    strata = (
        Stratum(1, NAMES[0], 1, 400, 40_000.5, n - n // 2, (1,)),
        Stratum(4, "border", None, 90, 9_000.25, n // 2, (1, 2, 3)),
        Stratum(2, NAMES[1], 2, 1 << 40, 1e14, 0, (2,)),
    )
    return Samples(
        np.arange(1, n + 1), row, col, x, y, np.where(np.arange(n) < n - n // 2, 1, 4),
        np.where(np.arange(n) < n - n // 2, 1, rng.integers(1, 4, n)),
        rng.uniform(99, 101, n), reference, tuple("" if i % 2 else f"note {i}" for i in range(n)), strata,
        Legend.of(NAMES), {"seed": "0", "is_change": "false"}, BOX.crs,
    )  # fmt: skip


def same(a: Samples, b: Samples) -> bool:
    parts = [f.name for f in fields(Samples) if f.name != "crs"]
    return CRS(a.crs).equals(CRS(b.crs)) and all(np.array_equal(getattr(a, n), getattr(b, n)) for n in parts)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    write_samples(tmp_path / "s.gpkg", some(), BOX)
    return tmp_path / "s.gpkg"


@pytest.mark.parametrize("squares", [False, True])
def test_samples_come_back_as_they_were(tmp_path: Path, squares: bool) -> None:
    write_samples(tmp_path / "s.gpkg", some(), BOX, squares=squares)
    found = read_samples(tmp_path / "s.gpkg")
    assert found.x == pytest.approx(some().x, abs=1e-6)
    assert same(replace(found, x=some().x, y=some().y), some())
    assert found.weight == pytest.approx(np.where(found.stratum == 1, 400 / 6, 90 / 6))
    assert found.labelled.tolist() == [i % 3 == 0 for i in range(12)]


def test_the_same_samples_give_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        write_samples(tmp_path / name / "s.gpkg", some(), BOX)
    assert (tmp_path / "a" / "s.gpkg").read_bytes() == (tmp_path / "b" / "s.gpkg").read_bytes()


def test_points_are_centres_and_squares_are_pixels(tmp_path: Path) -> None:
    turned = GeoBox.of((90, 70), BOX.affine @ Affine.rotation(20), BOX.crs)
    samples = some()
    a, b, c, d, e, f = turned.transform
    for squares in (False, True):
        write_samples(tmp_path / f"{squares}.gpkg", samples, turned, squares=squares)
    shapes = pyogrio.read_dataframe(tmp_path / "True.gpkg", layer="samples").geometry.to_numpy()
    assert shapely.area(shapes) == pytest.approx(np.full(12, 100.0))
    centre = shapely.get_coordinates(shapely.centroid(shapes))
    col, row = samples.col + 0.5, samples.row + 0.5
    assert centre == pytest.approx(np.stack([c + a * col + b * row, f + d * col + e * row], axis=1))
    points = pyogrio.read_dataframe(tmp_path / "False.gpkg", layer="samples").geometry.to_numpy()
    assert (shapely.get_type_id(points) == 0).all()


def test_the_tables_are_registered_and_have_the_columns_of_the_contract(written: Path) -> None:
    file = sqlite3.connect(written)
    kinds = dict(file.execute("SELECT table_name, data_type FROM gpkg_contents").fetchall())
    assert kinds == {
        "samples": "features", "design": "attributes", "design_facts": "attributes", "layer_styles": "attributes",
    }  # fmt: skip
    columns = [row[1] for row in file.execute("PRAGMA table_info(samples)")]
    assert columns == ["fid", "geom", "sample_id", "reference", "notes", *HIDDEN]
    assert max(len(name) for name in columns) <= 10
    assert [row[1] for row in file.execute("PRAGMA table_info(design)")] == [
        "fid", "stratum", "stratum_nm", "map_class", "classes", "n_pixels", "area_m2", "sampled", "incl_prob",
    ]  # fmt: skip
    assert dict(file.execute("SELECT key, value FROM design_facts").fetchall()).keys() == {
        "seed",
        "is_change",
        "legend",
    }
    file.close()


@pytest.mark.skipif(shutil.which("ogrinfo") is None, reason="ogrinfo is not here")
def test_another_gdal_reads_it(written: Path) -> None:
    told = subprocess.run(
        ["ogrinfo", "-ro", "-al", "-so", str(written)],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.defpath},
    )
    assert "Feature Count: 12" in told.stdout
    assert "reference: Integer" in told.stdout
    assert "ERROR" not in told.stdout + told.stderr


def test_the_form_offers_the_classes_and_hides_what_the_map_says(written: Path) -> None:
    file = sqlite3.connect(written)
    ((layer, qml),) = file.execute("SELECT f_table_name, styleQML FROM layer_styles WHERE useAsDefault").fetchall()
    file.close()
    assert layer == "samples"
    assert qml == sample_qml(Legend.of(NAMES), HIDDEN, points=True)
    root = ET.fromstring(qml.partition(">")[2])
    widgets = {field.get("name"): field.find("editWidget") for field in root.iter("field") if field.find("editWidget")}
    assert {name for name, widget in widgets.items() if widget.get("type") == "Hidden"} == set(HIDDEN)
    assert widgets["reference"].get("type") == "ValueMap"
    pairs = [option.attrib for option in widgets["reference"].iter("Option") if "value" in option.attrib]
    assert [(p["name"], p["value"]) for p in pairs][1:] == [(name, str(i + 1)) for i, name in enumerate(NAMES)]


def test_two_classes_of_one_name_are_told_apart() -> None:
    qml = sample_qml(Legend.of({1: "tree", 2: "tree", 3: "bare"}), (), points=True)
    assert "tree (1)" in qml
    assert "tree (2)" in qml
    assert "bare (3)" not in qml


def test_the_form_is_xml_whatever_a_class_is_called():
    root = ET.fromstring(sample_qml(Legend.of({1: 'a\x0b"<&b'}), (), points=True).partition(">")[2])
    assert 'a "<&b' in {option.get("name") for option in root.iter("Option")}


QGIS = """
import json, sys
from qgis.core import QgsApplication, QgsVectorLayer
app = QgsApplication([], False)
app.initQgis()
layer = QgsVectorLayer(sys.argv[1] + "|layername=samples", "samples", "ogr")
index = layer.fields().indexOf("reference")
kinds = {f.name(): layer.editorWidgetSetup(i).type() for i, f in enumerate(layer.fields())}
layer.startEditing()
first = next(f for f in layer.getFeatures() if f["sample_id"] == 2)
layer.changeAttributeValue(first.id(), index, 1)
saved = layer.commitChanges()
print(json.dumps([layer.editorWidgetSetup(index).config(), kinds, saved, layer.editFormConfig().layout()]))
"""


def test_qgis_shows_the_form_and_saves_a_label(written: Path) -> None:
    """With a Python that has QGIS: the system's, or the command named by QGIS_PYTHON."""
    python = os.environ.get("QGIS_PYTHON", "/usr/bin/python3")
    try:
        done = subprocess.run(
            [python, "-c", QGIS, str(written)], capture_output=True, text=True, timeout=120, check=False,
            env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        )  # fmt: skip
    except OSError:
        pytest.skip("no system Python")
    if "No module named 'qgis'" in done.stderr:
        pytest.skip("QGIS's Python library is not here")
    assert done.returncode == 0, done.stderr
    config, kinds, saved, _ = json.loads(done.stdout.splitlines()[-1])
    assert [item for pair in config["map"][1:] for item in pair.items()] == [
        (n, str(i + 1)) for i, n in enumerate(NAMES)
    ]
    assert kinds["reference"] == "ValueMap"
    assert {name for name, kind in kinds.items() if kind == "Hidden"} == set(HIDDEN)
    assert saved
    assert read_samples(written).reference[1] == 1


def edited(path: Path, *lines: str) -> Path:
    file = sqlite3.connect(path)
    of_updates = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'rtree_samples_geom_update%'"
    for (trigger,) in file.execute(of_updates).fetchall():  # they call functions that GDAL and QGIS bring along
        file.execute(f'DROP TRIGGER "{trigger}"')
    for line in lines:
        file.execute(line)
    file.commit()
    file.close()
    return path


def test_a_deleted_sample_is_missing_and_the_design_stays(written: Path) -> None:
    found = read_samples(edited(written, "DELETE FROM samples WHERE sample_id IN (3, 4)"))
    assert len(found) == 10
    assert found.strata == some().strata
    assert found.weight[0] == pytest.approx(400 / 6)


def test_samples_without_a_place_stay_samples(written: Path) -> None:
    found = read_samples(edited(written, "UPDATE samples SET geom = NULL WHERE sample_id = 5"))
    assert len(found) == 12 and np.isnan(found.x).tolist() == [i == 4 for i in range(12)]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("UPDATE samples SET reference = 70000 WHERE sample_id = 5", "sample 5 has the reference 70000"),
        ("UPDATE samples SET reference = -3 WHERE sample_id = 5", "sample 5 has the reference -3"),
        ("UPDATE samples SET sample_id = 4 WHERE sample_id = 5", "sample 4 is there twice"),
        ("UPDATE samples SET stratum = 99 WHERE sample_id = 5", "sample 5 is of stratum 99"),
        ("UPDATE samples SET area_m2 = NULL WHERE sample_id = 5", "the column area_m2 has empty cells"),
        ("UPDATE design_facts SET value = '{' WHERE key = 'legend'", "its legend is damaged"),
        ("DELETE FROM design_facts WHERE key = 'legend'", "its legend is damaged"),
        ("UPDATE design SET classes = 'x'", "its table design is damaged"),
        ("UPDATE design SET n_pixels = NULL", "its table design is damaged"),
        ("UPDATE design SET n_pixels = -5", 'stratum wa,ter & "deep" has -5 pixels'),
        ("UPDATE design SET area_m2 = 9e999 WHERE stratum = 4", "stratum border has 90 pixels, inf m2"),
        ("UPDATE samples SET area_m2 = -1 WHERE sample_id = 5", "sample 5 has an area of -1 m2"),
        ("UPDATE samples SET map_class = 2 WHERE sample_id = 5", "sample 5 of stratum 1 has the map_class 2"),
        ("UPDATE samples SET row = 3, col = 4 WHERE sample_id > 10", "samples 11 and 12 are of one pixel"),
        ("UPDATE design_facts SET value = '[1]' WHERE key = 'legend'", "its legend is damaged"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(written: Path, line: str, told: str) -> None:
    with pytest.raises(InputRefused, match="SAMPLES") as error:
        read_samples(edited(written, line))
    assert told in str(error.value)


def test_other_files_are_refused(tmp_path: Path, written: Path) -> None:
    (tmp_path / "text.gpkg").write_text("no database")
    other = tmp_path / "other.gpkg"
    frame = pyogrio.read_dataframe(written, layer="samples")[["sample_id", "geometry"]]
    pyogrio.write_dataframe(frame, other, layer="samples")
    (tmp_path / "a.csv").write_text("a,b\n")
    for name, code in (
        ("none.gpkg", "NOT_FOUND"),
        ("text.gpkg", "FORMAT"),
        ("other.gpkg", "SAMPLES"),
        ("a.csv", "FORMAT"),
    ):
        with pytest.raises(GeosegError, match=f"^{code}: "):
            read_samples(tmp_path / name)
        assert not is_samples_file(tmp_path / name)
    assert is_samples_file(written)


def test_none_at_all_is_a_file_too(tmp_path: Path) -> None:
    none = some(0)
    write_samples(tmp_path / "s.gpkg", none, BOX, squares=True)
    assert len(read_samples(tmp_path / "s.gpkg")) == 0


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise pyogrio.errors.DataSourceError("sqlite3_exec(...) failed: database or disk is full")

    monkeypatch.setattr(pyogrio, "write_arrow", fail)
    with pytest.raises(GeosegError, match=r"^DISK: .*s\.gpkg"):
        write_samples(tmp_path / "s.gpkg", some(), BOX)
    assert list(tmp_path.iterdir()) == []
