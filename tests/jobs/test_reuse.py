"""Reuse: a scene of which one percent has changed is computed again in few of its blocks, to the same map."""

from pathlib import Path

import numpy as np
import pytest

from geoseg.cluster.run import Progress
from geoseg.config import SegmentSettings
from geoseg.jobs.segment import segment
from tests.helpers.bundles import BANDS, conv_bundle
from tests.helpers.rasters import numbers, write_raster

SETTINGS = {"only": "mask", "block_size": 64}


def _scene(path: Path, image: np.ndarray) -> Path:
    return write_raster(path, image, names=BANDS, tiled=True, blockxsize=256, blockysize=256)


def _counts(scene: Path, bundle: Path, out: Path, **options: object) -> tuple[int, int]:
    """Blocks that were computed, and all."""
    computed = []

    def report(progress: Progress) -> None:
        if not progress.receipt.reused:
            computed.append(progress.receipt.block)

    made = segment(scene, bundle, out, settings=SegmentSettings.of(**SETTINGS, **options), on_progress=report)
    assert made.run["blocks"]["run"] - made.run["blocks"]["reused"] == len(computed)
    return len(computed), made.run["plan"]["blocks"]


@pytest.fixture
def image() -> np.ndarray:
    return numbers((4, 1600, 1600), seed=1).astype("uint16")


@pytest.mark.slow
def test_one_percent_changed_computes_few_blocks_to_the_bytes_of_a_full_run(tmp_path: Path, image: np.ndarray) -> None:
    bundle, kept = conv_bundle(tmp_path / "bundle", units="dn").path, str(tmp_path / "kept")
    scene = _scene(tmp_path / "scene.tif", image)
    first, blocks = _counts(scene, Path(bundle), tmp_path / "one", reuse=kept)
    assert first == blocks == 625
    image[:, 640:800, 640:800] += 1  # 1 % of the pixels
    _scene(scene, image)
    again, _ = _counts(scene, Path(bundle), tmp_path / "two", reuse=kept)
    assert 0 < again <= 0.03 * blocks
    _counts(scene, Path(bundle), tmp_path / "full")
    assert (tmp_path / "two/mask.tif").read_bytes() == (tmp_path / "full/mask.tif").read_bytes()
    assert (tmp_path / "two/mask.tif").read_bytes() != (tmp_path / "one/mask.tif").read_bytes()
    assert len(list((tmp_path / "kept").rglob("*.blk"))) == blocks  # what has been replaced is not kept


def test_blocks_of_another_bundle_and_damaged_ones_are_not_reused(tmp_path: Path, image: np.ndarray) -> None:
    kept, scene = str(tmp_path / "kept"), _scene(tmp_path / "scene.tif", image[:, :256, :256])
    bundles = [Path(conv_bundle(tmp_path / f"bundle{i}", units="dn", seed=i).path) for i in (0, 1)]
    _counts(scene, bundles[0], tmp_path / "one", reuse=kept)
    for i, file in enumerate(sorted(Path(kept).rglob("*.blk"))[:3]):
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.unlink()
        file.write_bytes(data if i else data[:-9])
    assert _counts(scene, bundles[0], tmp_path / "two", reuse=kept) == (3, 16)
    assert (tmp_path / "one/mask.tif").read_bytes() == (tmp_path / "two/mask.tif").read_bytes()
    assert _counts(scene, bundles[1], tmp_path / "three", reuse=kept) == (16, 16)


def test_a_limit_that_moves_makes_only_its_own_blocks_anew(tmp_path: Path, image: np.ndarray) -> None:
    import geopandas
    from shapely import box

    from tests.helpers.jobs import at
    from tests.helpers.rasters import UTM

    kept, scene = str(tmp_path / "kept"), _scene(tmp_path / "scene.tif", image[:, :256, :256])
    bundle = Path(conv_bundle(tmp_path / "bundle", units="dn").path)
    for i, right in enumerate((250, 200)):
        shape = box(*at(3, 250), *at(right, 3))
        geopandas.GeoDataFrame(geometry=[shape], crs=UTM).to_file(tmp_path / f"{i}.gpkg")
    _counts(scene, bundle, tmp_path / "one", reuse=kept, aoi=str(tmp_path / "0.gpkg"))
    again, blocks = _counts(scene, bundle, tmp_path / "two", reuse=kept, aoi=str(tmp_path / "1.gpkg"))
    assert 0 < again < blocks
    _counts(scene, bundle, tmp_path / "full", aoi=str(tmp_path / "1.gpkg"))
    assert (tmp_path / "two/mask.tif").read_bytes() == (tmp_path / "full/mask.tif").read_bytes()
