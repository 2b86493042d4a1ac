"""The imported cloud networks give, on real reflectance, the classes that their own package's files give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ukis_csmask", reason="ukis-csmask is not installed (extra: ukis)")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (extra: onnx)")

from geoseg.errors import BundleError
from geoseg.model.bundle import Bundle, open_bundle, read_sample
from geoseg.model.csmask import import_csmask, synthetic_sample
from geoseg.model.export import run_onnx
from geoseg.model.network import class_index, load_network
from geoseg.model.weights import read_header

# File, its bands blue, green, red, nir, swir1, swir2, and the offset that its numbers carry (said beside the data).
_S2, _LANDSAT = [2, 3, 4, 8, 11, 12], [1, 2, 3, 4, 5, 6]
Scene = tuple[str, list[int], int]
SCENES: list[Scene] = [
    ("terramesh_s2/S2L2A/282D_485L_3_3.tif", _S2, 0),
    ("terramesh_s2/S2L2A/433D_629L_3_1.tif", _S2, 1000),
    ("terramesh_s2/S2L2A/609U_541L_3_0.tif", _S2, 1000),
    ("landsat7_chiapas_pair/LE70220492002106EDC00_stack.gtif", _LANDSAT, 0),
]


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return import_csmask(tmp_path_factory.mktemp("csmask") / "bundle", "4b_l2a")


def package_file(model: str) -> Path:
    import ukis_csmask

    return Path(ukis_csmask.__file__).parent / f"model_{model}.onnx"


def chip_of(path: Path, bands: list[int], offset: int, bundle: Bundle) -> np.ndarray:
    """The scene as one normalized chip of 256, mirrored beyond its edge."""
    import rasterio

    with rasterio.open(path) as dataset:
        values = (dataset.read(bands[: len(bundle.bands)]).astype(np.float32) - offset) / 10_000
    values = np.pad(values, ((0, 0), *((0, 256 - side) for side in values.shape[1:])), mode="reflect")
    mean = np.array([band.mean for band in bundle.bands], np.float32)[:, None, None]
    std = np.array([band.std for band in bundle.bands], np.float32)[:, None, None]
    return ((values - mean) / std)[None]


def agreements(bundle: Bundle, model: str, shared: Path, scenes: list[Scene] = SCENES) -> dict[str, float]:
    network = load_network(bundle)
    found = {}
    for name, bands, offset in scenes:
        path = shared / "data" / name
        if not path.is_file():
            pytest.skip(f"{path} is not here")
        images = chip_of(path, bands, offset, bundle)
        found[name] = float((class_index(network, images) == run_onnx(package_file(model), images)).mean())
    return found


def test_the_bundle_says_what_the_package_says(clouds: Bundle) -> None:
    assert [band.name for band in clouds.bands] == ["blue", "green", "red", "nir"]
    assert clouds.bands[3].mean == pytest.approx(0.36494743824005127)
    assert list(clouds.legend.names.values()) == ["clear", "cloud", "cloud shadow"]
    assert (clouds.units, clouds.chip_size, clouds.align, clouds.fixed_size) == ("reflectance", 256, 32, False)
    assert open_bundle(clouds.path) == clouds


def test_each_tensor_of_the_package_arrives_under_its_own_name(clouds: Bundle) -> None:
    import onnx

    given = {item.name.removeprefix("model.") for item in onnx.load(str(package_file("4b_l2a"))).graph.initializer}
    held = read_header(clouds.weights).keys()
    assert len(given) == 655 and given <= held
    assert all(name.endswith("num_batches_tracked") for name in held - given)


def test_four_bands_agree_on_real_reflectance(clouds: Bundle, shared: Path) -> None:
    assert min(agreements(clouds, "4b_l2a", shared, SCENES[2:]).values()) >= 0.999


@pytest.mark.slow
@pytest.mark.parametrize("model", ["4b_l1c", "4b_l2a", "6b_l1c", "6b_l2a"])
def test_the_other_models_agree_on_real_reflectance(tmp_path: Path, shared: Path, model: str) -> None:
    bundle = import_csmask(tmp_path / "b", model)
    assert len(bundle.bands) == int(model[0])
    assert min(agreements(bundle, model, shared).values()) >= 0.999


def test_the_sample_shows_every_class_and_its_answer_is_kept(clouds: Bundle) -> None:
    sample = read_sample(clouds)
    assert sample is not None and sample[1] is not None
    assert np.array_equal(sample[0], synthetic_sample(clouds.bands))
    assert (np.bincount(sample[1].ravel(), minlength=3) > 1000).all()


def test_an_unknown_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="4b_l2a"):
        import_csmask(tmp_path / "b", "8b_l3x")
