"""Label vectors: a pixel is a polygon's where its centre lies inside, later features on top, lines and points at least a pixel."""

import pickle
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geoseg.errors import InputRefused
from geoseg.grid.geobox import GeoBox, Window
from geoseg.legend import Legend
from geoseg.raster.admit import admit
from geoseg.training.data.draw import Drawing, metres_per_pixel
from geoseg.training.data.label_vectors import VectorLabels
from geoseg.training.data.labels import open_labels
from geoseg.training.settings.data import LabelSettings
from tests.helpers.jobs import at, centres, scene_file, vector_file, whole
from tests.helpers.rasters import UTM, numbers, write_raster

LEGEND = Legend.of({1: "water", 4: "crop", 5: "built"})
SHAPE = (40, 60)


def labels(path: Path, geobox: GeoBox, recode: Any = None, **settings: Any) -> VectorLabels:
    made = open_labels(LabelSettings(path=str(path), **settings), geobox, LEGEND, recode or {})
    assert isinstance(made, VectorLabels)
    return made


@pytest.fixture
def geobox(tmp_path: Path) -> GeoBox:
    return admit(scene_file(tmp_path / "scene.tif", SHAPE)).geobox


def polygon(*places: tuple[float, float]) -> shapely.Polygon:
    """A polygon of (col, row)."""
    return shapely.Polygon([at(*place) for place in places])


def blobs(seed: int, n: int, shape: tuple[int, int] = SHAPE) -> list[shapely.Geometry]:
    """Random outlines that overlap, in map coordinates; some of several parts, some with a hole."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(n):
        col, row, size = rng.uniform(0, shape[1]), rng.uniform(0, shape[0]), rng.uniform(2, 14)
        angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
        radii = size * rng.uniform(0.4, 1, 9)
        ring = shapely.Polygon(
            [at(col + r * np.cos(a), row + r * np.sin(a)) for a, r in zip(angles, radii, strict=True)]
        )
        ring = shapely.make_valid(ring)
        if i % 3 == 0:
            ring = ring.difference(shapely.Point(at(col, row)).buffer(size * 3))
        if i % 4 == 0:
            ring = shapely.MultiPolygon([*getattr(ring, "geoms", [ring]), polygon((1, 1), (4, 1), (4, 5))])
        made.append(ring)
    return made


def expected(geobox: GeoBox, shapes: list[Any], values: list[int]) -> np.ndarray:
    x, y = centres(geobox)
    out = np.zeros(geobox.shape, np.uint8)
    for shape, value in zip(shapes, values, strict=True):
        out[shapely.contains_xy(shape, x, y)] = value
    return out


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".shp", ".fgb", ".parquet"])
def test_any_format_gives_the_pixels_whose_centre_lies_inside(tmp_path: Path, geobox: GeoBox, suffix: str) -> None:
    shapes = [polygon((3.1, 2.2), (20.7, 4.3), (9.9, 30.1)), polygon((30.2, 10.1), (50.3, 12.7), (40.1, 33.3))]
    path = vector_file(tmp_path / f"l{suffix}", shapes, ["water", "Built"], 4326 if suffix == ".geojson" else UTM)
    made = labels(path, geobox)
    assert (made.read(whole(geobox)) == expected(geobox, shapes, [1, 5])).mean() > 0.9995
    assert made.findings() == () and made.notes == ()


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857", "EPSG:32633", "EPSG:3035"])
def test_any_crs_gives_the_same_pixels(tmp_path: Path, geobox: GeoBox, crs: str) -> None:
    shapes, words = blobs(5, 12), ["water", "crop", "built"] * 4
    values = [1, 4, 5] * 4
    read = labels(vector_file(tmp_path / "l.gpkg", shapes, words, crs), geobox).read(whole(geobox))
    assert (read != expected(geobox, shapes, values)).mean() < 0.002


@given(seed=st.integers(0, 10_000), row=st.integers(0, 38), col=st.integers(0, 58), side=st.integers(1, 40))
def test_later_features_are_on_top_and_a_window_is_a_part_of_the_whole(
    seed: int, row: int, col: int, side: int
) -> None:
    shapes = [shapely.affinity.affine_transform(s, [0.1, 0, 0, -0.1, -50_000, 500_000]) for s in blobs(seed, 8)]
    values = np.array([1, 4, 5, 1, 4, 5, 1, 4], np.uint8)
    flat = [(part, v, i) for i, (s, v) in enumerate(zip(shapes, values, strict=True)) for part in shapely.get_parts(s)]
    flat = [item for item in flat if item[0].geom_type == "Polygon"]
    parts, vs, owners = (
        np.array(list(group), kind)
        for group, kind in zip(zip(*flat, strict=True), (object, np.uint8, int), strict=True)
    )
    drawing = Drawing.of(parts, vs, owners, background=0, touched=False)
    read = drawing.read(Window(0, 0, *SHAPE))
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]] + 0.5
    slow = np.zeros(SHAPE, np.uint8)
    for part, value in zip(parts, vs, strict=True):
        slow[shapely.contains_xy(part, cols, rows)] = value
    assert (read == slow).all()
    window = Window(row, col, side, side).intersect(Window(0, 0, *SHAPE))
    for touched in (False, True):
        drawing = Drawing.of(parts, vs, owners, background=0, touched=touched)
        assert (drawing.read(window) == drawing.read(Window(0, 0, *SHAPE))[window.slices]).all()


def test_large_outlines_are_cut_and_give_the_same_pixels(tmp_path: Path) -> None:
    angles = np.linspace(0, 2 * np.pi, 5000, endpoint=False)
    radii = 150 + 40 * np.sin(9 * angles) + 3 * np.sin(700 * angles)
    shape = shapely.Polygon(np.column_stack([200 + radii * np.cos(angles), 210 + radii * np.sin(angles)]))
    shape = shape.difference(shapely.Point(200, 210).buffer(60.3))
    drawing = Drawing.of(np.array([shape]), np.array([5], np.uint8), np.array([0]), background=0, touched=False)
    assert len(drawing.shapes) > 10 and shapely.get_num_coordinates(drawing.shapes).max() <= 300
    rows, cols = np.mgrid[:420, :400] + 0.5
    read = drawing.read(Window(0, 0, 420, 400))
    assert (read == np.where(shapely.contains_xy(shape, cols, rows), 5, 0)).all()
    again = pickle.loads(pickle.dumps(drawing))
    assert (again.read(Window(100, 90, 64, 80)) == read[100:164, 90:170]).all()


def test_points_and_lines_are_a_pixel_wide_or_as_wide_as_said(tmp_path: Path, geobox: GeoBox) -> None:
    shapes = [shapely.Point(at(5.2, 6.7)), shapely.LineString([at(20.5, 3.5), at(20.5, 30.5)])]
    path = vector_file(tmp_path / "l.gpkg", shapes, ["water", "built"])
    thin = labels(path, geobox).read(whole(geobox))
    assert np.argwhere(thin == 1).tolist() == [[6, 5]]
    assert np.unique(np.argwhere(thin == 5)[:, 1]).tolist() == [20] and (thin == 5).sum() == 28
    wide = labels(path, geobox, width=50.0).read(whole(geobox))
    x, y = centres(geobox)
    near = [shapely.distance(shapely.points(x, y), shape) < 25 for shape in shapes]
    assert (wide == np.where(near[1] | (thin == 5), 5, np.where(near[0] | (thin == 1), 1, 0))).mean() > 0.998
    hair = labels(path, geobox, width=0.5).read(whole(geobox))
    assert (hair == thin).all()


def test_widths_are_metres_on_the_ground_in_degrees_too(tmp_path: Path) -> None:
    path = write_raster(
        tmp_path / "s.tif", numbers((1, 60, 60)), crs="EPSG:4326", res=0.0001, corner=(10.0, 60.0), nodata=0
    )
    geobox = admit(path).geobox
    (size,) = metres_per_pixel(geobox, np.array([[30.0, 30.0]]))
    assert size.tolist() == pytest.approx([5.58, 11.14], abs=0.01)
    frame = geopandas.GeoDataFrame({"class": ["water"]}, geometry=[shapely.Point(10.003, 59.997)], crs=4326)
    frame.to_file(tmp_path / "l.gpkg")
    drawn = labels(tmp_path / "l.gpkg", geobox, width=200.0).read(whole(geobox)) == 1
    assert drawn.any(axis=0).sum() == pytest.approx(200 / 5.58, abs=1.5)
    assert drawn.any(axis=1).sum() == pytest.approx(200 / 11.14, abs=1.5)


def test_what_no_feature_covers_has_no_label_or_is_background(tmp_path: Path, geobox: GeoBox) -> None:
    path = vector_file(tmp_path / "l.gpkg", [polygon((3, 3), (9, 3), (9, 9), (3, 9))], ["water"])
    assert (labels(path, geobox).read(whole(geobox)) == 0).sum() == 2400 - 36
    assert (labels(path, geobox, background="crop").read(whole(geobox)) == 4).sum() == 2400 - 36


@pytest.mark.parametrize("words", [[11, 21], [11.0, 21.0], ["11", "21"]])
def test_codes_and_names_are_recoded_and_the_rest_is_ignored_and_said(
    tmp_path: Path, geobox: GeoBox, words: list[Any]
) -> None:
    squares = [polygon((c, 3), (c + 6, 3), (c + 6, 9), (c, 9)) for c in (3, 13)]
    made = labels(vector_file(tmp_path / "l.gpkg", squares, words), geobox, {11: "built"})
    assert (made.read(whole(geobox)) == 5).sum() == 36 and (made.read(whole(geobox)) == 1).sum() == 0
    assert made.notes == ("l.gpkg: recode does not name, so ignored: 21 (1 features)",)
    assert [finding.code for finding in made.findings()] == ["CLASS"]


def test_unknown_names_are_refused_with_the_nearest_one(tmp_path: Path, geobox: GeoBox) -> None:
    path = vector_file(tmp_path / "l.gpkg", [polygon((3, 3), (9, 3), (9, 9))] * 2, ["wather", "water"])
    with pytest.raises(InputRefused, match=r"CLASS: .*class is 'wather' .1 features., no class; did you mean 'water'"):
        labels(path, geobox)
    with pytest.raises(InputRefused, match=r"FIELD: .*no column clas; did you mean 'class'.*its columns: class"):
        labels(path, geobox, field="clas")
    (finding,) = labels(path, geobox, {"waterr": 1, "built": 5}).findings()
    assert finding.level == "error" and "wather (1 features; did you mean 'waterr')" in finding.what


def test_one_layer_of_several_is_named(tmp_path: Path, geobox: GeoBox) -> None:
    path = tmp_path / "l.gpkg"
    for layer in ("fields", "lakes"):
        frame = geopandas.GeoDataFrame({"class": ["water"]}, geometry=[polygon((3, 3), (9, 3), (9, 9))], crs=UTM)
        frame.to_file(path, layer=layer)
    with pytest.raises(InputRefused, match=r"LAYER: .*has 2 layers \(fields, lakes\)"):
        labels(path, geobox)
    with pytest.raises(InputRefused, match=r"LAYER: .*no layer lake; did you mean 'lakes'"):
        labels(path, geobox, layer="lake")
    assert labels(path, geobox, layer="lakes").read(whole(geobox)).any()


def test_features_outside_are_counted_and_a_wrong_crs_is_guessed_at(tmp_path: Path, geobox: GeoBox) -> None:
    here, away = polygon((3, 3), (9, 3), (9, 9)), polygon((300, 3), (309, 3), (309, 9))
    made = labels(vector_file(tmp_path / "a.gpkg", [here, away], ["water", "crop"]), geobox)
    assert made.notes == ("a.gpkg: 1 of 2 features lie outside of the scene",)
    assert [(f.level, f.code) for f in made.findings()] == [("warning", "LABELS_OUTSIDE")]
    made = labels(vector_file(tmp_path / "b.gpkg", [away], ["water"]), geobox)
    assert [(f.level, f.code) for f in made.findings()] == [("error", "LABELS_OUTSIDE")]
    frame = geopandas.GeoDataFrame({"class": ["water"]}, geometry=[here], crs="EPSG:32633")  # the scene's is 32632
    frame.to_file(tmp_path / "c.gpkg")
    (finding,) = labels(tmp_path / "c.gpkg", geobox).findings()
    assert finding.level == "error" and "its numbers would" in finding.what and "Set layer CRS" in finding.remedy


def test_empty_missing_and_broken_shapes_do_no_harm(tmp_path: Path, geobox: GeoBox) -> None:
    bow = polygon((3, 3), (9, 9), (9, 3), (3, 9))
    both = shapely.GeometryCollection([polygon((20, 3), (26, 3), (26, 9), (20, 9)), shapely.Point(at(40.5, 10.5))])
    frame = geopandas.GeoDataFrame(
        {"class": ["water", "water", None, "built", "crop"]},
        geometry=[bow, shapely.Polygon(), bow, both, None],
        crs=UTM,
    )
    frame.to_file(tmp_path / "l.gpkg")
    made = labels(tmp_path / "l.gpkg", geobox)
    read = made.read(whole(geobox))
    assert (read == 1).sum() in range(12, 25) and (read == 5).sum() == 37 and read[10, 40] == 5
    assert any("1 features have no class" in note for note in made.notes)


def test_a_crs_may_be_assumed(tmp_path: Path, geobox: GeoBox) -> None:
    path = vector_file(tmp_path / "l.shp", [polygon((3, 3), (9, 3), (9, 9), (3, 9))], ["water"])
    path.with_suffix(".prj").unlink()
    with pytest.raises(InputRefused, match="NO_CRS"):
        labels(tmp_path / "l.shp", geobox)
    assert (labels(tmp_path / "l.shp", geobox, assume_crs=UTM).read(whole(geobox)) == 1).sum() == 36


def test_the_real_polygons_of_the_amazon_are_sparse_labels(shared: Path) -> None:
    folder = shared / "data" / "rstoolbox_landsat5_amazon"
    geobox = admit(folder / "lsat.tif").geobox
    legend = Legend.of(["forest", "cleared", "water", "fallen_dry"])
    made = open_labels(LabelSettings(path=str(folder / "training_polygons.gpkg")), geobox, legend, {})
    counts = np.bincount(made.read(whole(geobox)).ravel(), minlength=5)
    assert (counts[1:] > 100).all() and counts[0] > 0.9 * counts.sum()
    assert made.findings() == ()
