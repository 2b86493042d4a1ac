"""Import of ukis-csmask: the pretrained cloud and cloud shadow U-Nets of that package as torch bundles.

The package (Apache-2.0, German Aerospace Center) carries four models as ONNX, for four or six bands and for Level-1C
(top of atmosphere) or Level-2A (surface) reflectance. Their weights, 16-bit floats, have the names of smp's Unet with an
efficientnet-b4 encoder, so each tensor goes to the parameter of its own name. Wieland, Li, Martinis: Multi-sensor cloud
and cloud shadow segmentation with a convolutional neural network, Remote Sensing of Environment 230, 2019,
doi:10.1016/j.rse.2019.05.022.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from geoseg.errors import BundleError
from geoseg.legend import Legend
from geoseg.model.bundle import Bundle, save_bundle
from geoseg.model.card import BandSpec, BundleFacts, NetworkSpec, strict_json

MODELS = ("4b_l1c", "4b_l2a", "6b_l1c", "6b_l2a")
LEGEND = Legend.of(
    {1: "clear", 2: "cloud", 3: "cloud shadow"}, {1: (166, 200, 100), 2: (235, 235, 235), 3: (90, 90, 100)}
)
_BANDS = {"swir16": "swir1", "swir22": "swir2"}
_CHIP, _HALO = 256, 32  # the size it was trained at; the package itself overlaps its tiles by a fifth, 26 pixels a side


def import_csmask(path: str | Path, model: str, *, overwrite: bool = False) -> Bundle:
    """Make a bundle of one of :data:`MODELS`; input is reflectance (0-1), best at about 30 m resolution.

    Raises
    ------
    BundleError
        ``MISSING``: ukis-csmask or onnx is not installed. ``WEIGHTS``: the package's file is not the known network.
    """
    if model not in MODELS:
        raise BundleError.of("MISSING", model, "no such model in ukis-csmask", f"It has: {', '.join(MODELS)}")
    source = _package_folder() / f"model_{model}.onnx"
    notes = strict_json(source.with_suffix(".json").read_bytes())
    facts = _facts(model, notes)
    weights = _read_weights(source)
    return save_bundle(path, facts, weights=weights, sample=synthetic_sample(facts.bands), overwrite=overwrite)


def synthetic_sample(bands: tuple[BandSpec, ...], *, count: int = 2, size: int = _CHIP, seed: int = 0) -> np.ndarray:
    """Reflectance with ground, bright clouds and dark shadows beside them, normalized.

    Float32 (count, bands, size, size). It makes a model show its classes without a real scene; it says nothing of
    accuracy.
    """
    rng = np.random.default_rng(seed)
    images = np.empty((count, len(bands), size, size), np.float32)
    for image in images:
        cloud = np.clip(4 * (_smooth_noise(rng, size) - 0.55), 0, 1)
        shadow = np.clip(np.roll(cloud, (size // 12, size // 16), (0, 1)) - cloud, 0, 1)
        ground = _smooth_noise(rng, size)
        for channel, band in zip(image, bands, strict=True):
            level = {"nir": 0.3, "swir1": 0.22, "swir2": 0.15}.get(band.name, 0.08)
            clear = level * (0.6 + 0.8 * ground) * (1 - 0.7 * shadow)
            reflectance = clear * (1 - cloud) + cloud * (0.55 + 0.2 * ground)
            channel[:] = (reflectance + rng.normal(0, 0.005, (size, size)) - band.mean) / band.std
    return images


def _smooth_noise(rng: np.random.Generator, size: int) -> np.ndarray:
    """Noise of several scales between 0 and 1."""
    total = np.zeros((size, size))
    for cells in (3, 6, 12, 24):
        knots = rng.random((cells + 2, cells + 2))
        at = np.linspace(0, cells, size)
        low = at.astype(int)
        share = at - low
        rows = knots[low] * (1 - share)[:, None] + knots[low + 1] * share[:, None]
        total += (rows[:, low] * (1 - share) + rows[:, low + 1] * share) / cells**0.7
    spread: np.ndarray = (total - total.min()) / np.ptp(total)
    return spread


def _facts(model: str, notes: dict[str, Any]) -> BundleFacts:
    data = notes["data"]
    means, stds = data["dataset_statistics"]["img"]
    names = [_BANDS.get(name, name) for name in data["dataset_statistics"]["band_names"]]
    level = model.removeprefix(f"{len(names)}b_").upper()
    training = {
        "source": f"ukis-csmask {importlib.metadata.version('ukis-csmask')}, model_{model}.onnx",
        "data": "SPARCS, CloudSEN12+ and samples of the German Aerospace Center",
        "citation": "Wieland, Li, Martinis 2019, doi:10.1016/j.rse.2019.05.022",
        "resolution_m": 30,
    }
    kind = "top-of-atmosphere" if level == "L1C" else "surface"
    return BundleFacts(
        name=f"ukis-csmask-{model.replace('_', '-')}",
        version=str(notes["model"]["version"]),
        bands=tuple(BandSpec(name, mean, std) for name, mean, std in zip(names, means, stds, strict=True)),
        legend=LEGEND,
        units="reflectance",
        chip_size=_CHIP,
        halo=_HALO,
        network=NetworkSpec("Unet", notes["model"]["encoder_name"], len(names), int(data["classes"])),
        description=f"Clouds and cloud shadows in {level} ({kind}) reflectance of Sentinel-2 and Landsat; ukis-csmask",
        licence="Apache-2.0",
        training=training,
    )


def _package_folder() -> Path:
    spec = importlib.util.find_spec("ukis_csmask")
    if spec is None or not spec.submodule_search_locations:
        raise BundleError.of("MISSING", "ukis-csmask", "is not installed", 'Run pip install "geoseg[ukis]"')
    return Path(spec.submodule_search_locations[0])


def _read_weights(source: Path) -> dict[str, np.ndarray]:
    """The state dict: initializers by name, and the step counters of batch norm, which ONNX does not keep."""
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise BundleError.of("MISSING", "onnx", "is not installed", 'Run pip install "geoseg[ukis]"') from error
    graph = onnx.load(str(source), load_external_data=False).graph
    weights = {item.name.removeprefix("model."): np.array(numpy_helper.to_array(item)) for item in graph.initializer}
    counted = [name.removesuffix("running_var") for name in weights if name.endswith("running_var")]
    return weights | {f"{layer}num_batches_tracked": np.array(0, np.int64) for layer in counted}
