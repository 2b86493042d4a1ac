"""Bundles: networks with random weights for the benches; their speed does not depend on what they have learned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from bench.data import BANDS
from bench.peers import SCALE
from geoseg.legend import Legend
from geoseg.model import network
from geoseg.model.bundle import BandSpec, Bundle, BundleFacts, NetworkSpec, open_bundle, save_bundle

NETWORKS = {
    "trivial": NetworkSpec("Conv1x1", "none", len(BANDS), 8),
    "unet": NetworkSpec("Unet", "resnet18", len(BANDS), 8),
}
_MEANS = (0.18, 0.21, 0.24, 0.27)
"""Of the scenes of :mod:`bench.data`, as the network sees them."""


def bundle_of(folder: Path, name: str) -> Bundle:
    """The bundle of one of :data:`NETWORKS` in ``folder``, made when it is not there; normalized as the peers do."""
    path = folder / name
    if path.exists():
        return open_bundle(path)
    spec = NETWORKS[name]
    module = _module(spec)
    bands = tuple(BandSpec(band, 0.0, float(SCALE)) for band in BANDS)
    legend = Legend.of([f"class {i}" for i in range(spec.classes)])
    facts = BundleFacts(
        name=name, bands=bands, legend=legend, units="dn", chip_size=512, halo=32, align=32, network=spec
    )
    sample = np.random.default_rng(0).normal(0.22, 0.05, (1, len(BANDS), 256, 256)).astype(np.float32)
    return save_bundle(path, facts, weights=module.state_dict(), sample=sample)


def _module(spec: NetworkSpec) -> nn.Module:
    """Weights under which all classes occur, and batch norms with statistics that are not those of nothing."""
    torch.manual_seed(0)
    module = network.build(spec)
    with torch.no_grad():
        if isinstance(module, nn.Conv2d):
            assert module.bias is not None
            module.bias.copy_(-(module.weight[:, :, 0, 0] @ torch.tensor(_MEANS)))
        else:
            module.train()
            for _ in range(4):
                module(torch.rand(2, len(BANDS), 128, 128))
    return module.eval()
