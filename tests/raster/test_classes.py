"""Class rasters of any origin: what they say comes back, what they hold is read as it is, what is no class is refused."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from geoseg.errors import InputRefused
from geoseg.grid.geobox import GeoBox, Window
from geoseg.legend import HARMONISED, Legend, LegendClass
from geoseg.raster.classes import ClassRaster, open_classes
from geoseg.raster.write import write_mask
from tests.helpers.rasters import write_raster

PLAIN = np.array([[1, 2, 2, 0], [3, 3, 2, 0], [7, 1, 1, 1]])
BOX = GeoBox.of(PLAIN.shape, Affine(10, 0, 500000, 0, -10, 5000000), "EPSG:32632")


def whole(raster: ClassRaster) -> np.ndarray:
    return raster.read(Window(0, 0, *raster.geobox.shape))


def made(folder: Path, values: np.ndarray, dtype: str, **profile: object) -> Path:
    return write_raster(folder / "classes.tif", np.asarray(values, dtype)[None], **profile)


RAT = """<PAMDataset><PAMRasterBand band="1">{before}<GDALRasterAttributeTable>
<FieldDefn index="0"><Name>Value</Name><Type>0</Type><Usage>{usage}</Usage></FieldDefn>
<FieldDefn index="1"><Name>Land Cover</Name><Type>2</Type><Usage>2</Usage></FieldDefn>
<FieldDefn index="2"><Name>Red</Name><Type>1</Type><Usage>0</Usage></FieldDefn>
<FieldDefn index="3"><Name>Green</Name><Type>1</Type><Usage>0</Usage></FieldDefn>
<FieldDefn index="4"><Name>Blue</Name><Type>1</Type><Usage>0</Usage></FieldDefn>
{rows}</GDALRasterAttributeTable></PAMRasterBand></PAMDataset>"""


def rat(path: Path, rows: list[tuple[object, ...]], *, before: str = "", usage: int = 5) -> None:
    cells = "".join("<Row>" + "".join(f"<F>{cell}</F>" for cell in row) + "</Row>" for row in rows)
    Path(f"{path}.aux.xml").write_text(RAT.format(rows=cells, before=before, usage=usage))


@pytest.mark.parametrize(
    "legend",
    [
        HARMONISED,
        Legend((LegendClass(7, "so & so", (1, 2, 3)), LegendClass(2, "höher <b>", (255, 0, 9)), LegendClass(1, "", (4, 4, 4)))),
        Legend.of({0: "clear", 3: "cloud"}),
        Legend((LegendClass(1, "one", (0, 0, 0)),), nodata=9),
    ],
    ids=["harmonised", "odd names, another order", "owns zero", "another nodata"],
)  # fmt: skip
def test_a_mask_gives_its_legend_nodata_and_pixels_back(tmp_path: Path, legend: Legend) -> None:
    rng = np.random.default_rng(1)
    mask = rng.choice([legend.nodata, *legend.values], BOX.shape).astype(np.uint8)
    write_mask(tmp_path / "mask.tif", BOX, legend, [(0, mask)])
    for sidecar in tmp_path.glob("*.xml"):
        sidecar.unlink()  # the legend lies inside
    raster = open_classes(tmp_path / "mask.tif")
    assert raster.legend == legend
    assert (raster.nodata, raster.dtype) == (legend.nodata, "uint8")
    assert raster.geobox.shape == BOX.shape
    assert raster.geobox.transform == BOX.transform
    assert (whole(raster) == mask).all()


@pytest.mark.parametrize(
    ("dtype", "nodata"),
    [
        ("uint8", 0), ("uint8", None), ("uint16", 0), ("uint16", 65535), ("int16", -9999), ("int32", -(2**31)),
        ("uint32", 2**32 - 1), ("float32", -99999), ("float64", float("nan")), ("float32", None), ("int8", -1),
    ],
)  # fmt: skip
def test_any_type_of_whole_numbers_is_read(tmp_path: Path, dtype: str, nodata: float | None) -> None:
    values = np.where(PLAIN == 0, 0 if nodata is None else nodata, PLAIN)
    raster = open_classes(made(tmp_path, values, dtype, nodata=nodata))
    found = whole(raster)
    assert (raster.dtype, str(found.dtype), raster.nodata) == ("uint8", "uint8", 0)
    assert (found == PLAIN).all()
    assert raster.legend.names == {1: "1", 2: "2", 3: "3", 7: "7"}
    assert bool(raster.notes) == (nodata is None)


def test_classes_above_255_are_read_as_16_bits(tmp_path: Path) -> None:
    corine = np.array([[111, 112, 523], [311, 999, 0]])
    raster = open_classes(made(tmp_path, corine, "int32", nodata=-1))
    assert (raster.dtype, raster.nodata) == ("uint16", 255)
    assert raster.legend.values == (0, 111, 112, 311, 523, 999)
    assert (whole(raster) == corine).all()


def test_nan_is_no_class_also_beside_a_stated_value(tmp_path: Path) -> None:
    raster = open_classes(made(tmp_path, [[1, np.nan, -1], [0, 5, 5]], "float32", nodata=-1))
    assert raster.legend.values == (0, 1, 5)
    assert raster.nodata == 255
    assert whole(raster).tolist() == [[1, 255, 255], [0, 5, 5]]


def test_nodata_as_given_goes_before_what_the_file_says(tmp_path: Path) -> None:
    path = made(tmp_path, PLAIN, "uint8", nodata=0)
    assert open_classes(path, nodata=7).legend.values == (0, 1, 2, 3)
    raster = open_classes(path, nodata=-1)
    assert raster.legend.values == (0, 1, 2, 3, 7)
    assert raster.nodata == 255
    assert not (whole(raster) == raster.nodata).any()
    write_mask(tmp_path / "own.tif", BOX, HARMONISED, [(0, PLAIN.astype(np.uint8))])
    assert 7 not in open_classes(tmp_path / "own.tif", nodata=7).legend.values


def test_every_value_may_be_a_class(tmp_path: Path) -> None:
    full = np.arange(256, dtype=np.uint8).reshape(16, 16)
    raster = open_classes(made(tmp_path, full, "uint8"), nodata=-1)
    assert (raster.dtype, raster.nodata, len(raster.legend.classes)) == ("uint16", 65535, 256)
    assert (whole(raster) == full).all()


def test_a_raster_without_any_class_has_none(tmp_path: Path) -> None:
    raster = open_classes(made(tmp_path, np.zeros((3, 4)), "uint8", nodata=0))
    assert raster.legend.classes == ()
    assert (whole(raster) == raster.nodata).all()


def test_names_and_colours_come_from_the_attribute_table(tmp_path: Path) -> None:
    path = made(tmp_path, PLAIN, "uint8", nodata=0)
    rat(
        path,
        [
            (1, "water", 0.25, 0.5, 1.0),
            (3, "tree &amp; shrub", 0, 1.0, 0),
            (4, "absent", 1.0, 0, 0),
            (300, "", 0, 0, 0),
        ],
    )
    legend = open_classes(path).legend
    assert legend.names == {1: "water", 2: "2", 3: "tree & shrub", 4: "absent", 7: "7"}
    assert legend.colours[1] == (64, 128, 255)
    assert legend.colours[3] == (0, 255, 0)


def test_category_names_are_counted_from_zero_and_the_table_goes_before_them(tmp_path: Path) -> None:
    path = made(tmp_path, PLAIN, "uint8", nodata=0)
    names = "<CategoryNames><Category/><Category>one</Category><Category>two</Category></CategoryNames>"
    rat(path, [(2, "zwei", 10, 20, 30)], before=names, usage=0)
    assert open_classes(path).legend.names == {1: "one", 2: "zwei", 3: "3", 7: "7"}


@pytest.mark.parametrize(
    "text",
    [
        "", "<PAMDataset>", "nonsense", '<!DOCTYPE a [<!ENTITY b "c">]><PAMDataset/>',
        "<PAMDataset><PAMRasterBand band='2'/></PAMDataset>",
    ],
)  # fmt: skip
def test_a_sidecar_that_says_nothing_is_no_error(tmp_path: Path, text: str) -> None:
    path = made(tmp_path, PLAIN, "uint8", nodata=0)
    Path(f"{path}.aux.xml").write_text(text)
    assert open_classes(path).legend.names == {1: "1", 2: "2", 3: "3", 7: "7"}


@pytest.mark.parametrize(
    ("name", "is_class"), [("Unclassified", False), ("No Data", False), ("land", True), ("", False)]
)
def test_zero_is_a_class_where_the_file_names_it_as_one(tmp_path: Path, name: str, is_class: bool) -> None:
    path = made(tmp_path, PLAIN, "uint8")
    rat(path, [(0, name, 0, 0, 0), (1, "water", 0, 0, 255)])
    raster = open_classes(path)
    assert (0 in raster.legend.values) == is_class
    assert raster.nodata == (255 if is_class else 0)


def test_a_value_that_the_file_calls_nodata_is_none(tmp_path: Path) -> None:
    path = made(tmp_path, PLAIN, "uint8")
    rat(path, [(7, "nodata", 0, 0, 0), (1, "water", 0, 0, 255)])
    raster = open_classes(path)
    assert (raster.nodata, raster.legend.values, raster.notes) == (7, (0, 1, 2, 3), ())


def test_a_palette_gives_colours_to_the_values_that_occur(tmp_path: Path) -> None:
    path = made(tmp_path, PLAIN, "uint8", nodata=0, photometric="palette")
    with rasterio.open(path, "r+") as file:
        file.write_colormap(1, {value: (value, 2 * value, 100) for value in range(256) if value < 100})
    assert open_classes(path).legend.colours == {value: (value, 2 * value, 100) for value in (1, 2, 3, 7)}


def test_the_files_own_mask_counts(tmp_path: Path) -> None:
    raster = open_classes(write_raster(tmp_path / "a.tif", PLAIN.astype(np.uint8)[None], mask=PLAIN != 3))
    assert raster.legend.values == (0, 1, 2, 7)
    assert (whole(raster) == np.where(PLAIN == 3, raster.nodata, PLAIN)).all()


def test_one_of_several_bands_is_named(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "two.tif", np.stack([PLAIN, PLAIN + 1]).astype(np.uint8))
    with pytest.raises(InputRefused, match=r"CLASSES: .*two.tif: 2 bands.*--band"):
        open_classes(path)
    with pytest.raises(InputRefused, match="no band 3"):
        open_classes(path, band=3)
    assert open_classes(path, band=2).legend.values == (1, 2, 3, 4, 8)


@pytest.mark.parametrize(
    ("values", "dtype", "what"),
    [
        ([[1, 2.5], [3, 4]], "float32", "2.5 at row 0, column 1"), ([[1, 2], [3, np.inf]], "float64", "inf at row 1, column 1"),
        ([[1, 2], [-3, 4]], "int16", "-3 at row 1, column 0"), ([[1, 2], [3, 70000]], "int32", "70000 at row 1, column 1"),
        (np.arange(65536).reshape(256, 256), "uint16", "65536 different values, and 4096"),
        (np.arange(5000).reshape(50, 100), "float32", "5000 different values"),
    ],
    ids=["fraction", "infinite", "negative", "too large", "65,536 classes", "measurements"],
)  # fmt: skip
def test_what_is_no_class_is_refused_in_one_line(tmp_path: Path, values: object, dtype: str, what: str) -> None:
    with pytest.raises(InputRefused, match=what) as caught:
        open_classes(made(tmp_path, np.asarray(values), dtype))
    assert caught.value.code == "CLASSES"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "place",
    [
        {"transform": Affine(8, 3, 5e5, 3, -8, 5e6)}, {"transform": Affine(10, 0, 5e5, 0, 10, 5e6)},
        {"crs": "EPSG:4326", "transform": Affine(0.5, 0, 179, 0, -0.5, 10)}, {"crs": "EPSG:3413"}, {"crs": "EPSG:3857"},
    ],
    ids=["rotated", "south up", "antimeridian", "polar", "web mercator"],
)  # fmt: skip
def test_any_place_on_earth_is_taken(tmp_path: Path, place: dict[str, object]) -> None:
    path = made(tmp_path, PLAIN, "uint8", nodata=0, **place)
    assert (whole(open_classes(path)) == PLAIN).all()


def test_a_raster_without_crs_is_refused_unless_one_is_assumed(tmp_path: Path) -> None:
    path = made(tmp_path, PLAIN, "uint8", nodata=0, crs=None)
    with pytest.raises(InputRefused, match="NO_CRS"):
        open_classes(path)
    assert "32632" in open_classes(path, assume_crs="EPSG:32632").geobox.crs


def test_it_pickles_small_and_threads_may_share_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(1, 9, (300, 400)).astype(np.int16)
    raster = open_classes(made(tmp_path, values, "int16", nodata=-9999, tiled=True, blockxsize=64, blockysize=64))
    text = pickle.dumps(raster)
    assert len(text) < 2000
    windows = [Window(row, col, 77, 91) for row in range(0, 223, 37) for col in range(0, 309, 53)]
    with ThreadPoolExecutor(4) as pool:
        for window, found in zip(windows, pool.map(pickle.loads(text).read, windows), strict=True):
            assert (found == values[window.slices]).all()


def test_real_class_maps_are_read(shared: Path) -> None:
    raster = open_classes(shared / "data" / "zion_nlcd_labels" / "nlcd2011.tif")
    with rasterio.open(raster.path) as file:
        values = file.read(1)
    assert raster.legend.values == tuple(int(v) for v in np.unique(values[values != file.nodata]))
    assert (whole(raster) == values).all()
    assert raster.legend.colours[11] == (71, 107, 160)
