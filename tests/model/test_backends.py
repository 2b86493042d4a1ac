import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from geoseg.errors import BundleError, ResourceError
from geoseg.model.bundle import Bundle
from geoseg.model.predict import Choice, Predictor, choose, classify_logits, load_predictor
from tests.helpers.bundles import conv_bundle, onnx_bundle, unet_bundle

BACKENDS = ("torch", "onnx", "openvino")


@pytest.fixture(scope="module")
def unet(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return unet_bundle(tmp_path_factory.mktemp("bundles") / "unet")


@pytest.fixture(scope="module")
def conv(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return conv_bundle(tmp_path_factory.mktemp("bundles") / "conv")


def load(bundle: Bundle, backend: str, *, batch_size: int = 1, threads: int = 1) -> Predictor:
    choice = choose(bundle, device="cpu", backend=backend, precision="fp32", batch_size=batch_size)
    return load_predictor(bundle, choice, threads=threads)


def images_of(count: int = 1, side: int = 64, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 4, side, side)).astype(np.float32)


def test_backends_agree_with_torch(unet: Bundle) -> None:
    images = images_of(2)
    reference = load(unet, "torch", batch_size=2)
    logits, expected = reference.predict(images), reference.classify(images, confidence=True)
    for backend in BACKENDS[1:]:
        predictor = load(unet, backend, batch_size=2)
        np.testing.assert_allclose(predictor.predict(images), logits, atol=1e-3)
        found = predictor.classify(images, confidence=True)
        assert (found.index == expected.index).mean() > 0.999
        assert np.abs(found.confidence.astype(int) - expected.confidence).max() <= 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_classes_follow_from_the_logits_and_come_twice_the_same(unet: Bundle, backend: str) -> None:
    predictor = load(unet, backend)
    images = images_of()
    logits = predictor.predict(images)
    assert logits.shape == (1, 3, 64, 64) and logits.dtype == np.float32
    found, expected = predictor.classify(images, confidence=True), classify_logits(logits, confidence=True)
    np.testing.assert_array_equal(found.index, expected.index)
    assert found.finite.all()
    np.testing.assert_array_equal(predictor.predict(images), logits)
    np.testing.assert_array_equal(load(unet, backend).classify(images).index, found.index)


@pytest.mark.parametrize("backend", BACKENDS)
def test_classes_do_not_depend_on_threads(unet: Bundle, backend: str) -> None:
    images = images_of(side=128)
    one, two = (load(unet, backend, threads=threads).predict(images) for threads in (1, 2))
    load(unet, "torch", threads=1)  # torch's threads are the process's
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_convolution_is_the_sum_that_it_should_be(conv: Bundle, backend: str) -> None:
    from geoseg.model.weights import read_tensors

    weights, images = read_tensors(conv.weights), images_of()
    expected = np.einsum("kb,nbyx->nkyx", weights["weight"][:, :, 0, 0], images) + weights["bias"][:, None, None]
    np.testing.assert_allclose(load(conv, backend).predict(images), expected, atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_nan_in_the_image_is_told(conv: Bundle, backend: str) -> None:
    images = images_of(2)
    images[1, 0, 7, 9] = np.nan
    assert load(conv, backend, batch_size=2).classify(images).finite.tolist() == [True, False]


@pytest.mark.parametrize("backend", BACKENDS)
def test_images_may_be_read_only_and_of_another_side_than_the_chip(unet: Bundle, backend: str) -> None:
    predictor = load(unet, backend)
    images = images_of(side=96)
    images.flags.writeable = False
    assert predictor.classify(images).index.shape == (1, 96, 96)
    assert predictor.classify(images_of()).index.shape == (1, 64, 64)


@pytest.mark.parametrize("backend", BACKENDS[1:])
def test_an_onnx_bundle_runs_without_torch(tmp_path: Path, root: Path, backend: str) -> None:
    bundle = onnx_bundle(tmp_path / "onnx")
    images = images_of()
    found = load(bundle, backend).classify(images)
    np.testing.assert_array_equal(found.index, load(bundle, "onnx").predict(images).argmax(axis=1))
    assert run_alone(root, tmp_path / "onnx", backend) == "False"


@pytest.mark.parametrize("backend", BACKENDS[1:])
def test_an_onnx_bundle_of_one_size_refuses_another(tmp_path: Path, backend: str) -> None:
    predictor = load(onnx_bundle(tmp_path / "fixed", size=64), backend)
    assert predictor.classify(images_of()).finite.all()
    with pytest.raises(BundleError, match=r"^BACKEND: "):
        predictor.classify(images_of(side=80))


def test_a_kept_graph_needs_no_torch_and_a_damaged_one_is_made_again(tmp_path: Path, root: Path, cache: Path) -> None:
    bundle = conv_bundle(tmp_path / "kept", seed=9)
    before = set((cache / "geoseg" / "openvino").glob("*"))
    expected = load(bundle, "openvino").predict(images_of())
    (kept,) = set((cache / "geoseg" / "openvino").glob("*")) - before
    assert run_alone(root, tmp_path / "kept", "openvino") == "False"
    with (kept / "graph.bin").open("r+b") as file:
        file.write(b"\xff" * 8)
    np.testing.assert_array_equal(load(bundle, "openvino").predict(images_of()), expected)
    assert run_alone(root, tmp_path / "kept", "openvino") == "False"


def test_without_a_place_to_keep_graphs_openvino_still_runs(
    conv: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert load(conv, "openvino").classify(images_of()).finite.all()


def run_alone(root: Path, bundle: Path, backend: str) -> str:
    """Whether another process that classifies one chip imported torch."""
    code = (
        "import sys, numpy as np\n"
        "from geoseg.model.bundle import open_bundle\n"
        "from geoseg.model.predict import choose, load_predictor\n"
        f"bundle = open_bundle({str(bundle)!r})\n"
        f"choice = choose(bundle, backend={backend!r}, device='cpu')\n"
        "load_predictor(bundle, choice, threads=1).classify(np.zeros((1, 4, 64, 64), np.float32))\n"
        "print('torch' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    return ran.stdout.strip()


@pytest.mark.gpu
def test_the_gpu_gives_the_classes_of_the_processor(unet: Bundle) -> None:
    images = images_of(2)
    expected = load(unet, "torch", batch_size=2).classify(images, confidence=True)
    choice = choose(unet, device="cuda", precision="fp32", batch_size=2)
    predictor = load_predictor(unet, choice)
    found = predictor.classify(images, confidence=True)
    assert (found.index == expected.index).mean() > 0.999
    assert np.abs(found.confidence.astype(int) - expected.confidence).max() <= 1
    np.testing.assert_array_equal(predictor.classify(images).index, found.index)
    images[1, 0, 0, 0] = np.nan
    assert predictor.classify(images).finite.tolist() == [True, False]


@pytest.mark.gpu
def test_auto_on_a_gpu_passes_the_gate(unet: Bundle) -> None:
    choice = choose(unet)
    assert choice.device == "cuda:0" and choice.backend == "torch"
    assert choice.precision == "fp32" or choice.agreement >= 0.995


@pytest.mark.gpu
def test_a_batch_that_does_not_fit_is_halved_and_a_chip_that_does_not_fit_is_told(unet: Bundle) -> None:
    import torch

    whole = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, (400 << 20) / whole))
    try:
        choice = choose(unet, device="cuda", precision="fp32", batch_size=4096)
        assert choice.batch_size < 4096
        torch.cuda.set_per_process_memory_fraction(min(1.0, (1 << 20) / whole))
        with pytest.raises(ResourceError, match=r"^OOM: "):
            load_predictor(unet, Choice("torch", "cuda:0", "fp32", 4096, ())).classify(images_of(4096))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
