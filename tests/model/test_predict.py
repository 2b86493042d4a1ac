import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from geoseg.errors import UsageError
from geoseg.model import argmax
from geoseg.model.bundle import Bundle
from geoseg.model.predict import Choice, choose, classify_logits
from tests.helpers.bundles import conv_bundle, onnx_bundle
from tests.helpers.oracles import BoxMeanPredictor, NanPredictor, PixelThresholdPredictor, StridePredictor

LAYOUTS = {
    "planes": lambda logits: logits,
    "pixels": lambda logits: np.ascontiguousarray(logits.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
    "neither": lambda logits: np.repeat(logits, 2, axis=3)[..., ::2],
}


@pytest.fixture(scope="module")
def torch_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return conv_bundle(tmp_path_factory.mktemp("bundles") / "conv")


@pytest.mark.parametrize("layout", LAYOUTS)
@given(
    logits=hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=4, max_dims=4, max_side=6),
        elements=st.sampled_from([-90.0, -1.0, 0.0, 0.5, 1.0, 30.0, np.nan, np.inf, -np.inf]),
    )
)
def test_argmax_in_one_pass_is_the_obvious_argmax(layout: str, logits: np.ndarray) -> None:
    expected = classify_logits(logits, confidence=True)
    found = argmax.classify(LAYOUTS[layout](logits), confidence=True)
    np.testing.assert_array_equal(found.finite, expected.finite)
    np.testing.assert_array_equal(found.index[found.finite], expected.index[expected.finite])
    difference = found.confidence.astype(int) - expected.confidence.astype(int)
    assert np.abs(difference[found.finite]).max(initial=0) <= 1


def test_argmax_of_many_pixels_and_classes_is_the_obvious_argmax() -> None:
    logits = np.random.default_rng(0).normal(size=(2, 255, 71, 83)).astype(np.float32)
    expected = classify_logits(logits)
    for layout in LAYOUTS.values():
        found = argmax.classify(layout(logits))
        np.testing.assert_array_equal(found.index, expected.index)
        assert found.confidence is None


def test_of_equal_logits_the_lowest_class_wins() -> None:
    logits = np.zeros((1, 4, 3, 5), np.float32)
    logits[0, 2:] = 1
    assert (classify_logits(logits).index == 2).all()
    assert all((argmax.classify(layout(logits)).index == 2).all() for layout in LAYOUTS.values())


def test_confidence_is_the_largest_probability_in_percent() -> None:
    logits = np.log(np.array([0.1, 0.7, 0.2], np.float32)).reshape(1, 3, 1, 1)
    assert classify_logits(logits, confidence=True).confidence.item() == 70
    assert argmax.classify(logits, confidence=True).confidence.item() == 70


def test_a_nan_marks_its_chip_and_no_other() -> None:
    images = np.zeros((3, 1, 64, 64), np.float32)
    images[1, 0, 5, 5] = 9
    predictor = NanPredictor(PixelThresholdPredictor(batch_size=3))
    assert predictor.classify(images).finite.tolist() == [True, False, True]
    logits = predictor.predict(images)
    assert logits.argmax(axis=1)[1, 32, 32] == 3, "a NaN wins NumPy's argmax, so it must be looked for"
    assert argmax.classify(logits).finite.tolist() == [True, False, True]


def test_the_box_mean_sees_its_radius_and_no_further() -> None:
    image = np.random.default_rng(1).normal(size=(1, 1, 96, 96)).astype(np.float32)
    predictor = BoxMeanPredictor(3)
    whole, part = predictor.predict(image), predictor.predict(image[:, :, 20:60, 30:80])
    np.testing.assert_array_equal(part[:, :, 3:-3, 3:-3], whole[:, :, 23:57, 33:77])
    assert (part[:, :, 2:-2, 2:-2] != whole[:, :, 22:58, 32:78]).any()


def test_the_stride_predictor_is_right_at_multiples_of_its_stride_only() -> None:
    image = np.random.default_rng(2).normal(size=(1, 1, 192, 192)).astype(np.float32)
    predictor = StridePredictor(32)
    whole = predictor.predict(image)
    np.testing.assert_array_equal(predictor.predict(image[:, :, 32:128, 64:160]), whole[:, :, 32:128, 64:160])
    assert (predictor.predict(image[:, :, 16:112, 64:160]) != whole[:, :, 16:112, 64:160]).mean() > 0.1


def test_a_choice_is_a_value() -> None:
    choice = Choice("torch", "cpu", "fp32", 1, (("torch", "2"),))
    assert pickle.loads(pickle.dumps(choice)) == choice
    assert len({choice, replace(choice, batch_size=2), replace(choice)}) == 2


def test_the_same_choice_is_made_again(torch_bundle: Bundle) -> None:
    assert choose(torch_bundle) == choose(torch_bundle)


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"backend": "caffe"}, "BACKEND"),
        ({"device": "tpu"}, "DEVICE"),
        ({"device": "cpu:1"}, "DEVICE"),
        ({"device": "cuda:99"}, "DEVICE"),
        ({"device": "cuda", "backend": "openvino"}, "DEVICE"),
        ({"precision": "int4"}, "PRECISION"),
        ({"precision": "fp16", "device": "cpu"}, "PRECISION"),
        ({"precision": "bf16", "backend": "onnx"}, "PRECISION"),
        ({"batch_size": 0}, "BATCH_SIZE"),
    ],
)
def test_what_cannot_be_run_is_refused_by_name(torch_bundle: Bundle, wish: dict, code: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose(torch_bundle, **wish)
    assert caught.value.code == code


def test_torch_refuses_an_onnx_bundle(tmp_path: Path) -> None:
    bundle = onnx_bundle(tmp_path / "onnx")
    with pytest.raises(UsageError, match=r"^BACKEND: .*ONNX.* --backend openvino or onnx"):
        choose(bundle, backend="torch")
    assert choose(bundle).backend == "openvino"


@pytest.mark.parametrize(("backend", "package"), [("openvino", "openvino"), ("onnx", "onnxruntime")])
def test_a_missing_extra_is_refused_with_the_command_that_installs_it(
    torch_bundle: Bundle, monkeypatch: pytest.MonkeyPatch, backend: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    with pytest.raises(UsageError) as caught:
        choose(torch_bundle, backend=backend)
    assert f"pip install 'geoseg[{backend}]'" in str(caught.value)
    assert choose(torch_bundle, device="cpu").backend == ("torch" if backend == "openvino" else "openvino")


def test_an_onnx_bundle_without_any_runtime_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = onnx_bundle(tmp_path / "onnx")
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert choose(bundle).backend == "onnx"
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UsageError, match=r"^BACKEND: .*pip install 'geoseg\[onnx\]'"):
        choose(bundle)


def test_no_backend_is_imported_before_it_is_used(root: Path) -> None:
    heavy = {"torch", "openvino", "onnxruntime", "numba"}
    code = f"import sys, geoseg.model.predict, geoseg.model.precision; print({heavy!r} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"
