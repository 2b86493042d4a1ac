from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from geoseg.errors import BundleError
from geoseg.model import devices
from geoseg.model.bundle import Bundle, NetworkSpec, save_bundle
from geoseg.model.precision import Trial, agreement
from geoseg.model.predict import Choice, choose
from geoseg.model.reference import LEAST_AGREEMENT
from tests.helpers.bundles import conv_bundle, facts, sample_of, unet_bundle
from tests.helpers.oracles import NanPredictor, PixelThresholdPredictor

FP32 = Choice("torch", "cpu", "fp32", 1, ())
BF16 = replace(FP32, precision="bf16")  # torch emulates it where the processor has none


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return conv_bundle(tmp_path_factory.mktemp("bundles") / "conv")


def test_agreement_is_the_share_of_equal_pixels() -> None:
    images = np.linspace(-1, 1, 5 * 100, dtype=np.float32).reshape(5, 1, 10, 10)
    expected = np.digitize(images[:, 0], (0.0,)).astype(np.uint8)
    assert agreement(PixelThresholdPredictor((0.0,), batch_size=2), images, expected) == 1
    moved = PixelThresholdPredictor((0.02,), batch_size=2)
    assert agreement(moved, images, expected) == pytest.approx(1 - 0.01, abs=1 / 500)


def test_a_predictor_with_nan_agrees_with_nothing() -> None:
    images = np.full((1, 1, 32, 32), 9, np.float32)
    predictor = PixelThresholdPredictor((0.0,))
    assert agreement(predictor, images, np.ones((1, 32, 32), np.uint8)) == 1
    assert agreement(NanPredictor(predictor), images, np.ones((1, 32, 32), np.uint8)) == 0


def test_a_precision_that_keeps_the_classes_passes_with_its_agreement(bundle: Bundle) -> None:
    passed = Trial(bundle, FP32).passes(BF16)
    measured = Trial(bundle, FP32).measure(BF16).agreement
    assert measured is not None
    assert (passed is not None) == (measured >= LEAST_AGREEMENT)


def test_a_precision_that_changes_one_pixel_in_two_hundred_stays_out(tmp_path: Path) -> None:
    ties = near_ties(tmp_path / "ties")
    measured = Trial(ties, FP32).measure(BF16).agreement
    assert measured is not None and measured < LEAST_AGREEMENT
    assert Trial(ties, FP32).passes(BF16) is None
    assert Trial(ties, FP32).passes(FP32) == replace(FP32, agreement=1.0)


def test_without_a_sample_only_fp32_passes(bundle: Bundle) -> None:
    bare = replace(bundle, sample=None)
    assert Trial(bare, FP32).passes(BF16) is None
    assert Trial(bare, FP32).passes(FP32) == FP32
    assert choose(bare, device="cpu").precision == "fp32"


def test_auto_takes_no_precision_that_the_processor_lacks(bundle: Bundle) -> None:
    if not devices.is_fast("bf16", "cpu"):
        assert choose(bundle, device="cpu").precision == "fp32"
    assert choose(bundle, device="cpu", precision="fp32").precision == "fp32"


def test_a_precision_that_the_user_names_is_taken_and_measured(bundle: Bundle) -> None:
    choice = choose(bundle, device="cpu", backend="torch", precision="bf16")
    assert choice.precision == "bf16"
    assert choice.agreement is not None and 0 < choice.agreement <= 1


def test_a_network_that_is_not_finite_on_its_own_sample_is_a_bad_bundle(bundle: Bundle) -> None:
    trial = Trial(bundle, FP32)
    assert trial.images is not None
    with pytest.raises(BundleError, match=r"^WEIGHTS: .*not finite"):
        Trial.expected(_forgetful(trial), np.full_like(trial.images, np.nan))


def test_the_gate_holds_for_a_real_architecture(tmp_path: Path) -> None:
    unet = unet_bundle(tmp_path / "unet")
    choice = choose(unet, device="cpu")
    assert choice.agreement is None or choice.agreement >= LEAST_AGREEMENT


def near_ties(path: Path) -> Bundle:
    """A network whose logits differ in their ninth bit, which bf16 does not keep."""
    made = facts(network=NetworkSpec("Conv1x1", "none", 4, 3))
    first = np.random.default_rng(0).normal(size=(1, 4, 1, 1)).astype(np.float32)
    steps = 1 + np.arange(3, dtype=np.float32).reshape(-1, 1, 1, 1) / 1024
    weights = {"weight": first * steps, "bias": np.zeros(3, np.float32)}
    return save_bundle(path, made, weights=weights, sample=sample_of(made))


def _forgetful(trial: Trial) -> Trial:
    trial._expected = None
    return trial
