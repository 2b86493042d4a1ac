"""The attribute table for ArcGIS: GDAL reads back values, counts, names and colours; no clock, no broken letter."""

import os
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from geoseg.grid.geobox import GeoBox
from geoseg.legend import Legend, LegendClass
from geoseg.raster.sidecars import sidecars
from geoseg.raster.vat import vat_dbf
from geoseg.raster.write import write_codes, write_mask

pyogrio = pytest.importorskip("pyogrio")
GRID = GeoBox.of((4, 6), Affine(30, 0, 500_000, 0, -30, 4_000_000), "EPSG:32617")
COLUMNS = ["Value", "Count", "Class_name", "Red", "Green", "Blue"]


def rows_of(path: Path) -> list[tuple[object, ...]]:
    table = pyogrio.read_dataframe(path, read_geometry=False, encoding=None)
    assert list(table.columns) == COLUMNS
    return list(table.itertuples(index=False, name=None))


def test_a_mask_has_its_table(tmp_path: Path) -> None:
    legend = Legend.of({7: 'built "up" <b>', 1: "Gewässer; 水", 2: "absent"}, {1: (1, 20, 255), 7: (200, 0, 7)})
    values = np.zeros((4, 6), np.uint8)
    values[0], values[1, :2] = 1, 7
    write_mask(tmp_path / "mask.tif", GRID, legend, [(0, values)])
    assert sorted(os.listdir(tmp_path)) == sorted(["mask.tif", *sidecars("mask.tif")])
    assert rows_of(tmp_path / "mask.tif.vat.dbf") == [
        (1, 6, "Gewässer; 水", 1, 20, 255), (2, 0, "absent", *legend.colours[2]), (7, 2, 'built "up" <b>', 200, 0, 7),
    ]  # fmt: skip


def test_codes_of_16_bits_and_large_counts_fit(tmp_path: Path) -> None:
    legend = Legend.of({65535: "a->b", 257: "a->a"})
    (tmp_path / "c.tif.vat.dbf").write_bytes(vat_dbf(legend, {257: 10**15}))
    assert [row[:3] for row in rows_of(tmp_path / "c.tif.vat.dbf")] == [(257, 10**15, "a->a"), (65535, 0, "a->b")]

    codes = np.full((4, 6), 257, np.uint16)
    write_codes(tmp_path / "d.tif", GRID, [(0, codes)], legend=lambda: (legend, {257: 24}), description="change")
    assert rows_of(tmp_path / "d.tif.vat.dbf")[0][:3] == (257, 24, "a->a")


def test_long_names_are_cut_between_letters_and_control_characters_go(tmp_path: Path) -> None:
    names = {1: "ö" * 200, 2: "a\nb\x00c", 3: "x" * 254, 4: "half \ud800 a pair", 5: ""}
    classes = Legend(tuple(LegendClass(value, name, (0, 0, 0)) for value, name in names.items()))
    (tmp_path / "m.tif.vat.dbf").write_bytes(vat_dbf(classes, {}))
    (tmp_path / "m.tif.vat.cpg").write_bytes(b"UTF-8")
    said = [row[2] for row in rows_of(tmp_path / "m.tif.vat.dbf")]
    assert said[:4] == ["ö" * 127, "a b c", "x" * 254, "half   a pair"]
    assert not isinstance(said[4], str) or said[4] == ""


@pytest.mark.parametrize("n", [0, 1, 255])
def test_any_number_of_classes_makes_a_table_that_ends_where_it_says(tmp_path: Path, n: int) -> None:
    legend = Legend(tuple(LegendClass(value, f"c{value}", (value, 0, 0)) for value in range(n, 0, -1)))
    data = vat_dbf(legend, {})
    (tmp_path / "m.tif.vat.dbf").write_bytes(data)
    assert [row[0] for row in rows_of(tmp_path / "m.tif.vat.dbf")] == list(range(1, n + 1))
    head, width = int.from_bytes(data[8:10], "little"), int.from_bytes(data[10:12], "little")
    assert len(data) == head + n * width + 1
    assert data[1:4] == bytes((70, 1, 1)), "the date is no clock"
