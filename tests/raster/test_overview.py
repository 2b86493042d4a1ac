"""Overviews: the parts of any cut fit together, and a mask's is read from its own."""

from pathlib import Path

import numpy as np
import pytest
import rasterio

from geoseg.grid.geobox import GeoBox, Window
from geoseg.legend import Legend
from geoseg.raster.overview import read_mask_overview, read_overview, step_for, thin
from geoseg.raster.scene import open_scene
from geoseg.raster.write import write_mask


@pytest.mark.parametrize("step", [1, 3, 7])
def test_thinned_blocks_fit_together(step: int) -> None:
    whole = np.arange(2 * 50 * 40).reshape(2, 50, 40)
    rows = []
    for row in range(0, 50, 16):
        windows = [Window(row, col, min(16, 50 - row), min(16, 40 - col)) for col in range(0, 40, 16)]
        rows.append(np.concatenate([thin(whole[:, *w.slices], w, step) for w in windows], axis=2))
    np.testing.assert_array_equal(np.concatenate(rows, axis=1), whole[:, ::step, ::step])


def test_an_overview_is_every_nth_pixel_of_the_scene(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 9, (2, 1300, 700), dtype=np.uint16)
    profile = {"driver": "GTiff", "height": 1300, "width": 700, "count": 2, "dtype": "uint16", "nodata": 0}
    with rasterio.open(
        tmp_path / "s.tif", "w", **profile, crs="EPSG:32617", transform=rasterio.Affine(30, 0, 5e5, 0, -30, 4e6)
    ) as dataset:
        dataset.write(image)
        dataset.descriptions = ("red", "nir")
    found, valid = read_overview(open_scene([tmp_path / "s.tif"]), max_side=500)
    np.testing.assert_array_equal(found, image[:, ::3, ::3])
    np.testing.assert_array_equal(valid, (image != 0).all(axis=0)[::3, ::3])


def test_a_masks_overview_fits_and_a_small_mask_is_itself(tmp_path: Path) -> None:
    legend = Legend.of(["a", "b"])
    for shape, expected in (((1300, 700), (325, 175)), ((300, 200), (300, 200)), ((1, 513), (1, 257))):
        mask = np.random.default_rng(0).integers(0, 3, shape, dtype=np.uint8)
        box = GeoBox(shape, (30, 0, 5e5, 0, -30, 4e6), "EPSG:32617")
        write_mask(tmp_path / "m.tif", box, legend, [(0, mask)])
        found = read_mask_overview(tmp_path / "m.tif", max_side=500)
        assert found.shape == expected
        if shape == expected:
            np.testing.assert_array_equal(found, mask)
    assert [step_for(s, 1024) for s in ((1, 1), (1024, 5), (1025, 5), (8192, 8192))] == [1, 1, 2, 8]
