"""Areas of interest: what is inside, whatever the CRS of the polygons and however far they reach."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine

from geoseg.errors import InputRefused
from geoseg.grid.geobox import GeoBox, Window
from geoseg.vector.aoi import read_aoi

UTM = GeoBox.of((60, 80), Affine(10, 0, 500000, 0, -10, 5400000), "EPSG:32632")
OVER_180 = GeoBox.of((50, 60), Affine(0.2, 0, 175, 0, -0.2, 10), "EPSG:4326")
POLE = GeoBox.of((50, 60), Affine(1000, 0, -30000, 0, -1000, 25000), "EPSG:3413")


def share(tmp_path, geobox: GeoBox, shapes, crs: str = "EPSG:4326") -> float:
    import geopandas

    geopandas.GeoDataFrame(geometry=list(shapes), crs=crs).to_file(tmp_path / "aoi.gpkg")
    return float(read_aoi(tmp_path / "aoi.gpkg", geobox).allows(Window(0, 0, *geobox.shape)).mean())


@pytest.mark.parametrize("geobox", [UTM, OVER_180, POLE])
def test_the_whole_world_limits_nothing(tmp_path, geobox):
    assert share(tmp_path, geobox, [shapely.box(-180, -90, 180, 90)]) == 1


def test_a_hemisphere_that_holds_the_scene_holds_all_of_it(tmp_path):
    assert share(tmp_path, UTM, [shapely.box(0, 0, 180, 90)]) == 1


def test_polygons_cut_at_the_antimeridian_are_both_used(tmp_path):
    halves = shapely.MultiPolygon([shapely.box(175, 0, 180, 10), shapely.box(-180, 0, -173, 10)])
    assert share(tmp_path, OVER_180, [halves]) == 1
    assert share(tmp_path, OVER_180, [shapely.box(-180, 0, -173, 10)]) == pytest.approx(7 / 12, abs=0.02)


def test_edges_are_straight_in_the_crs_of_the_polygons(tmp_path):
    """A parallel is bent in UTM: a box with edges of 40 degrees still ends at its latitude."""
    from pyproj import Transformer

    _, north = Transformer.from_crs("EPSG:32632", "EPSG:4326", always_xy=True).transform(500400, 5399700)
    found = share(tmp_path, UTM, [shapely.box(-11, north, 29, 70)])
    assert found == pytest.approx(0.5, abs=0.02)


def test_polygons_in_the_scenes_crs_are_taken_as_they_are(tmp_path):
    import geopandas

    box = shapely.box(500100, 5399500, 500300, 5399800)
    geopandas.GeoDataFrame(geometry=[box], crs="EPSG:32632").to_file(tmp_path / "aoi.gpkg")
    inside = np.zeros(UTM.shape, bool)
    inside[20:50, 10:30] = True
    assert (read_aoi(tmp_path / "aoi.gpkg", UTM).allows(Window(0, 0, *UTM.shape)) == inside).all()


def test_what_cannot_be_used_is_refused(tmp_path):
    with pytest.raises(InputRefused, match="GEOM_TYPE"):
        share(tmp_path, UTM, [shapely.Point(9, 48)])
    with pytest.raises(InputRefused, match="EXTENT"):
        share(tmp_path, UTM, [shapely.box(-9, 40, -8, 41)])


def test_what_gdal_says_of_attributes_is_nobodys_business(tmp_path, recwarn):
    twins = '{"type": "Feature", "id": 1, "properties": {}, "geometry": {"type": "Point", "coordinates": [9, 48]}}'
    (tmp_path / "twins.geojson").write_text(f'{{"type": "FeatureCollection", "features": [{twins}, {twins}]}}')
    with pytest.raises(InputRefused, match="GEOM_TYPE"):
        read_aoi(tmp_path / "twins.geojson", UTM)
    assert not recwarn.list


def test_shapes_of_a_kind_that_geos_does_not_know_are_refused(root, tmp_path):
    tin = root / "../shared/badinput/vector/FI/test_tin.shp"
    if not tin.exists():
        pytest.skip("../shared/badinput is not here")
    with pytest.raises(InputRefused, match="FORMAT"):
        read_aoi(tin, UTM)
