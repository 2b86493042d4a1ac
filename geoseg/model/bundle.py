"""Bundle: a folder that predicts by itself: card.json, weights.safetensors or model.onnx, sample.safetensors.

Opened without torch and without onnx. Nothing in a bundle is executed on opening: the card is strict JSON, the weights
are safetensors (never a pickle) or an ONNX graph of standard operators, and every file's SHA-256 stands in the card.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from geoseg.errors import BundleError
from geoseg.legend import Legend
from geoseg.model.card import (
    MAX_CARD_BYTES,
    BandSpec,
    BundleFacts,
    Card,
    NetworkSpec,
    make_card,
    read_card,
    weights_name,
)
from geoseg.model.contents import check_contents, check_file, check_place, inside
from geoseg.model.item import digest_of, to_item
from geoseg.model.schema import check_item
from geoseg.model.weights import PICKLES, encode_tensors, read_tensors
from geoseg.notebook import shown
from geoseg.raster.files import complete_or_absent

__all__ = [
    "BandSpec", "Bundle", "BundleFacts", "NetworkSpec", "facts_of", "open_bundle", "read_beside", "read_item",
    "read_sample", "save_bundle",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bundle:
    """An opened bundle: what the card says, and where its files are. A small value; the weights stay on the disk.

    ``digest`` is the SHA-256 (hex) that stands for card and files. ``scores`` and ``card`` are JSON texts. ``sample`` is
    the path of the self-test images or None. ``beside`` names the files that are kept with the model and never run.
    """

    path: str
    digest: str
    name: str
    version: str
    kind: str
    weights: str
    network: NetworkSpec | None
    bands: tuple[BandSpec, ...]
    units: str
    legend: Legend
    chip_size: int
    halo: int
    align: int
    fixed_size: bool
    scores: str = field(repr=False)
    card: str = field(repr=False)
    sample: str | None
    beside: tuple[str, ...]

    @property
    def id(self) -> str:
        """Name and digest for tags: ``name@sha256:<first 12>``."""
        return f"{self.name}@sha256:{self.digest[:12]}"

    def _repr_html_(self) -> str:
        """The bundle in a notebook: what it maps, how good it says it is, and a picture of its self-test."""
        from geoseg.model.bundle_html import bundle_html

        return shown(self, lambda: bundle_html(self))


def open_bundle(path: str | Path, *, verify: bool = True) -> Bundle:
    """Open a bundle.

    The files beside the model are not needed to run it, so they are not looked at: :func:`read_beside` checks them.

    Parameters
    ----------
    path
        The bundle's folder.
    verify
        Check the SHA-256 of card and files; workers, whose client did, may skip it.

    Returns
    -------
    Bundle
        A small value; the weights stay on the disk.

    Raises
    ------
    BundleError
        ``MISSING``: no folder, no card, or a file that the card names is not there. ``CARD``: the card is not valid.
        ``VERSION``: another bundle format. ``DIGEST``: a file or the card is not what was saved. ``WEIGHTS``: the
        weights are no sound safetensors or ONNX file.

    Examples
    --------
    >>> bundle = geoseg.open_bundle("bundle")
    >>> [band.name for band in bundle.bands]
    ['blue', 'green', 'red', 'nir', 'swir1']
    """
    folder = Path(path)
    card, item = read_item(folder)
    for file in (card.weights, card.sample):
        if file is not None:
            check_file(folder, file, verify=verify)
    digest = str(item["properties"]["geoseg:digest"])
    if verify and digest_of(item) != digest:
        raise BundleError.of("DIGEST", folder / "card.json", "was changed after it was saved", "Copy the bundle again")
    check_contents(folder, card)
    return Bundle(
        path=str(folder), digest=digest, name=card.name, version=card.version, kind=card.kind,
        weights=str(folder / card.weights.name), network=card.network_spec, bands=card.band_specs, units=card.units,
        legend=card.legend, chip_size=card.chip_size, halo=card.halo, align=card.align, fixed_size=card.fixed_size,
        scores=json.dumps(card.scores, sort_keys=True), card=json.dumps(item, sort_keys=True),
        sample=None if card.sample is None else str(folder / card.sample.name),
        beside=tuple(file.name for file in card.beside),
    )  # fmt: skip


def save_bundle(
    path: str | Path,
    facts: BundleFacts,
    *,
    weights: Mapping[str, object] | bytes,
    sample: np.ndarray | None = None,
    expected: np.ndarray | None = None,
    beside: Mapping[str, bytes] = MappingProxyType({}),
    overwrite: bool = False,
) -> Bundle:
    """Write a bundle, complete or not at all, and open it.

    Parameters
    ----------
    path
        The folder to make.
    facts
        What the card says; ``fixed_size``, and ``align`` where it is None, come from ``facts.network`` if there is one.
    weights
        A state dict (name -> array or tensor) for a torch bundle, or the bytes of an ONNX file.
    sample
        Self-test images, float32 (n, bands, rows, cols), normalized, finite; sides are multiples of ``align``.
    expected
        Class index that an ONNX graph gives for the sample in fp32, uint8 (n, rows, cols); a torch network is asked.
    beside
        Further files by name (``scores.json``, ``curves.png``, ``split.geojson``): kept with the model, listed in the card
        as assets, covered by the digest, never run. Names are plain, with an ending of ``BESIDE_SUFFIXES``.

    Raises
    ------
    BundleError
        As :func:`open_bundle`; ``CARD`` also for a name beside the model that is not allowed, ``WEIGHTS`` also when the
        state dict is not the network's; ``SCHEMA``: the card would be no valid STAC Item with MLM fields.
    Conflict
        ``EXISTS``: the folder is there and ``overwrite`` is False, or it holds what is no bundle's.
    """
    folder = Path(path)
    check_place(folder, overwrite=overwrite)
    files, facts = _encode(facts, weights, sample, expected)
    kind = "onnx" if isinstance(weights, bytes) else "torch"
    if not files[weights_name(kind)]:
        raise BundleError.of("WEIGHTS", weights_name(kind), "is empty", "Export the model again")
    files = {**beside, **files}
    card = make_card(facts, kind, files=files, beside=beside, where=folder)
    item = to_item(card, facts)
    check_item(item, folder)
    text = json.dumps(item, indent=2, sort_keys=True, allow_nan=False) + "\n"
    with complete_or_absent(folder) as temporary:
        temporary.mkdir()
        for name, data in {**files, "card.json": text.encode("ascii")}.items():
            (temporary / name).write_bytes(data)
        open_bundle(temporary)
    return open_bundle(folder, verify=False)


def facts_of(bundle: Bundle) -> BundleFacts:
    """What the maker of a bundle stated: to save it in another form."""
    properties = json.loads(bundle.card)["properties"]
    return BundleFacts(
        name=bundle.name, version=bundle.version, bands=bundle.bands, legend=bundle.legend,
        units="dn" if bundle.units == "dn" else "reflectance", chip_size=bundle.chip_size, halo=bundle.halo,
        align=bundle.align, fixed_size=bundle.fixed_size, network=bundle.network,
        description=properties["description"], licence=properties["license"],
        scores=json.loads(bundle.scores), training=properties["geoseg:bundle"]["training"],
    )  # fmt: skip


def read_sample(bundle: Bundle) -> tuple[np.ndarray, np.ndarray | None] | None:
    """Self-test images, float32 (n, bands, rows, cols), and their class index, uint8 (n, rows, cols), where known."""
    if bundle.sample is None:
        return None
    tensors = read_tensors(bundle.sample)
    return tensors["images"], tensors.get("index")


def read_beside(bundle: Bundle) -> dict[str, bytes]:
    """The files that are kept with the model, by name, each as it was saved.

    Raises
    ------
    BundleError
        ``MISSING``: a file is not there. ``DIGEST``: it is not what was saved.
    """
    folder = Path(bundle.path)
    card, _ = read_item(folder)
    for file in card.beside:
        check_file(folder, file, verify=True)
    return {file.name: (folder / file.name).read_bytes() for file in card.beside}


def read_item(path: str | Path) -> tuple[Card, dict[str, Any]]:
    """The card of a bundle, checked, and the whole STAC Item that it stands in; :func:`open_bundle` says what it raises."""
    folder = Path(path)
    if folder.is_file():
        remedy = "A bundle is a folder with card.json; make one with geoseg bundle import"
        pickled = folder.suffix.lower() in PICKLES
        code, what = ("WEIGHTS", "is a pickle") if pickled else ("MISSING", "is a file, not a bundle")
        raise BundleError.of(code, folder, what, remedy)
    if not folder.is_dir():
        raise BundleError.of("MISSING", folder, "does not exist", "Name the folder of a bundle")
    card = inside(folder, "card.json")
    with card.open("rb") as file:
        return read_card(file.read(MAX_CARD_BYTES + 1), card)


def _encode(
    facts: BundleFacts, weights: Mapping[str, object] | bytes, sample: np.ndarray | None, expected: np.ndarray | None
) -> tuple[dict[str, bytes], BundleFacts]:
    if isinstance(weights, bytes):
        files = {weights_name("onnx"): weights}
        facts = replace(facts, align=facts.align or 32)
    else:
        arrays = {name: _array(tensor) for name, tensor in weights.items()}
        if facts.network is not None:
            from geoseg.model.network import examine  # torch is needed to know what the network takes

            found = examine(facts.network, arrays, facts.chip_size, sample)
            facts = replace(facts, align=facts.align or found.stride, fixed_size=found.fixed_size)
            expected = found.index
        files = {weights_name("torch"): encode_tensors(arrays)}
    if sample is not None:
        tensors = {"images": np.ascontiguousarray(sample, dtype=np.float32)}
        if expected is not None:
            tensors["index"] = np.ascontiguousarray(expected, dtype=np.uint8)
        files["sample.safetensors"] = encode_tensors(tensors)
    return files, facts


def _array(tensor: object) -> np.ndarray:
    detach = getattr(tensor, "detach", None)  # a torch tensor, without importing torch
    return np.asarray(tensor if detach is None else detach().cpu().numpy())
