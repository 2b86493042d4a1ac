"""A network that has seen nothing but one synthetic scene maps another."""

from pathlib import Path

import pytest

import geoseg
from geoseg.jobs.train import train
from geoseg.training.settings.job import TrainSettings
from geoseg.training.synth.spectra import BANDS, legend


@pytest.mark.slow
def test_a_tiny_network_trained_on_one_land_maps_another_well_above_its_largest_class(tmp_path: Path) -> None:
    land = {seed: geoseg.synth(tmp_path / f"land-{seed}", size=256, seed=seed) for seed in (1, 2)}
    settings = TrainSettings.of(
        name="synthetic",
        scenes=[{"scene": str(land[1].scenes[0]), "labels": str(land[1].truths[0])}],
        bands=BANDS,
        recode=legend(clouds=False).names,
        split={"by": "windows", "windows": [{"cols": (192, 256)}], "buffer": 8},
        network={"architecture": "Unet", "encoder": "resnet18", "params": {"encoder_depth": 3, "decoder_channels": (32, 16, 16)}},
        chip_size=64, halo=16, samples={"crop": 32, "balance": 0.5}, augment={"gain": 0.05, "offset": 0.0},
        fit={"steps": 60, "batch_size": 8, "learning_rate": 0.005, "ema": 0.0},
    )  # fmt: skip
    made = train(settings, tmp_path / "bundle")
    assert made is not None
    scores = geoseg.evaluate(made.bundle, land[2].scenes[0], land[2].truths[0]).scores
    accuracy = scores["overall"]["overall_accuracy"]["value"]
    counts = {name: n for name, n in land[2].facts["pixels"][0].items() if name != "nodata"}
    assert accuracy > max(counts.values()) / sum(counts.values()) + 0.15
