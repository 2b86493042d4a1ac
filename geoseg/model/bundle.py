"""Bundle: a folder that predicts by itself: card.json, weights.safetensors or model.onnx, sample.safetensors.

Opened without torch and without onnx. Nothing in a bundle is executed on opening: the card is strict JSON, the weights
are safetensors (never a pickle) or an ONNX graph of standard operators, and every file's SHA-256 stands in the card.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from geoseg.errors import BundleError, Conflict
from geoseg.legend import Legend
from geoseg.model.card import (
    MAX_CARD_BYTES,
    BandSpec,
    BundleFacts,
    Card,
    FileCard,
    NetworkSpec,
    digest_of,
    make_card,
    read_card,
    to_item,
    weights_name,
)
from geoseg.model.weights import PICKLES, encode_tensors, read_header, read_tensors
from geoseg.raster.files import complete_or_absent

if TYPE_CHECKING:
    from geoseg.model.onnxfile import OnnxInfo

__all__ = ["BandSpec", "Bundle", "BundleFacts", "NetworkSpec", "facts_of", "open_bundle", "read_sample", "save_bundle"]


@dataclass(frozen=True, slots=True)
class Bundle:
    """An opened bundle: what the card says, and where its files are. A small value; the weights stay on the disk.

    ``digest`` is the SHA-256 (hex) that stands for card and files. ``scores`` and ``card`` are JSON texts. ``sample`` is
    the path of the self-test images or None.
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
    scores: str
    card: str
    sample: str | None

    @property
    def id(self) -> str:
        """Name and digest for tags: ``name@sha256:<first 12>``."""
        return f"{self.name}@sha256:{self.digest[:12]}"


def open_bundle(path: str | Path, *, verify: bool = True) -> Bundle:
    """Open a bundle; with ``verify`` the SHA-256 of card and files is checked (workers, whose client did, may skip it).

    Raises
    ------
    BundleError
        ``MISSING``: no folder, no card, or a file that the card names is not there. ``CARD``: the card is not valid.
        ``VERSION``: another bundle format. ``DIGEST``: a file or the card is not what was saved. ``WEIGHTS``: the
        weights are no sound safetensors or ONNX file.
    """
    folder = Path(path)
    card, item = _read_folder(folder)
    for file in (card.weights, card.sample):
        if file is not None:
            _check_file(folder, file, verify=verify)
    digest = str(item["properties"]["geoseg:digest"])
    if verify and digest_of(item) != digest:
        raise BundleError.of("DIGEST", folder / "card.json", "was changed after it was saved", "Copy the bundle again")
    _check_contents(folder, card)
    return Bundle(
        path=str(folder), digest=digest, name=card.name, version=card.version, kind=card.kind,
        weights=str(folder / card.weights.name), network=card.network_spec, bands=card.band_specs, units=card.units,
        legend=card.legend, chip_size=card.chip_size, halo=card.halo, align=card.align, fixed_size=card.fixed_size,
        scores=json.dumps(card.scores, sort_keys=True), card=json.dumps(item, sort_keys=True),
        sample=None if card.sample is None else str(folder / card.sample.name),
    )  # fmt: skip


def save_bundle(
    path: str | Path,
    facts: BundleFacts,
    *,
    weights: Mapping[str, object] | bytes,
    sample: np.ndarray | None = None,
    expected: np.ndarray | None = None,
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

    Raises
    ------
    BundleError
        As :func:`open_bundle`, and ``WEIGHTS`` when the state dict is not the network's.
    Conflict
        ``EXISTS``: the folder is there and ``overwrite`` is False.
    """
    folder = Path(path)
    if folder.exists() and not overwrite:
        raise Conflict.of("EXISTS", folder, "exists already", "Add --overwrite or choose another name")
    files, facts = _encode(facts, weights, sample, expected)
    kind = "onnx" if isinstance(weights, bytes) else "torch"
    cards = {name: _file_card(name, data) for name, data in files.items()}
    card = make_card(
        facts, kind=kind, weights=cards[weights_name(kind)], sample=cards.get("sample.safetensors"), where=folder
    )
    text = json.dumps(to_item(card, facts), indent=2, sort_keys=True, allow_nan=False) + "\n"
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


def _file_card(name: str, data: bytes) -> FileCard:
    if not data:
        raise BundleError.of("WEIGHTS", name, "is empty", "Export the model again")
    return FileCard.model_validate({"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()})


def _array(tensor: object) -> np.ndarray:
    detach = getattr(tensor, "detach", None)  # a torch tensor, without importing torch
    return np.asarray(tensor if detach is None else detach().cpu().numpy())


def _read_folder(folder: Path) -> tuple[Card, dict[str, Any]]:
    if folder.is_file():
        remedy = "A bundle is a folder with card.json; make one with geoseg bundle import"
        pickled = folder.suffix.lower() in PICKLES
        code, what = ("WEIGHTS", "is a pickle") if pickled else ("MISSING", "is a file, not a bundle")
        raise BundleError.of(code, folder, what, remedy)
    if not folder.is_dir():
        raise BundleError.of("MISSING", folder, "does not exist", "Name the folder of a bundle")
    path = _inside(folder, "card.json")
    with path.open("rb") as file:
        return read_card(file.read(MAX_CARD_BYTES + 1), path)


def _inside(folder: Path, name: str) -> Path:
    """The regular file ``name`` of the folder; links that lead out of it are refused."""
    path = folder / name
    if path.is_symlink() and path.resolve().parent != folder.resolve():
        raise BundleError.of("CARD", path, "is a link that leads out of the bundle", "Put the file itself there")
    if not path.is_file():
        raise BundleError.of("MISSING", path, "is not there", "Copy the whole bundle, or make it again")
    return path


def _check_file(folder: Path, file: FileCard, *, verify: bool) -> None:
    path = _inside(folder, file.name)
    if path.stat().st_size != file.size:
        _refuse_digest(path, f"has {path.stat().st_size} bytes where the card says {file.size}")
    if verify:
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != file.sha256:
            _refuse_digest(path, f"has the SHA-256 {found[:12]}... where the card says {file.sha256[:12]}...")


def _check_contents(folder: Path, card: Card) -> None:
    """What can be known of weights and sample without running them."""
    if card.kind == "torch":
        read_header(folder / card.weights.name)
    else:
        _check_onnx(folder / card.weights.name, card)
    if card.sample is None:
        return
    path = folder / card.sample.name
    tensors = read_header(path)
    images = tensors.get("images")
    if images is None or tensors.keys() - {"images", "index"} or images.dtype != "F32" or len(images.shape) != 4:
        raise BundleError.of("CARD", path, "holds no images as float32 (n, bands, rows, cols)", "Make the bundle again")
    count, bands, rows, cols = images.shape
    index = tensors.get("index")
    off = not count * rows * cols or rows % card.align or cols % card.align
    wrong = {
        f"has {bands} bands, the card names {len(card.bands)}": bands != len(card.bands),
        f"is empty or its sides are not multiples of {card.align}": off,
        f"is not of the chip's size {card.chip_size}": card.fixed_size and {rows, cols} != {card.chip_size},
        "has a class index of another shape or type": index is not None
        and (index.dtype != "U8" or index.shape != (count, rows, cols)),
    }
    for what, is_wrong in wrong.items():
        if is_wrong:
            raise BundleError.of("CARD", path, what, "Make the bundle again")


def _check_onnx(path: Path, card: Card) -> None:
    from geoseg.model.onnxfile import read_onnx

    info: OnnxInfo = read_onnx(path)
    info.check(path, bands=len(card.bands), classes=len(card.classes), size=card.chip_size, fixed=card.fixed_size)


def _refuse_digest(path: Path, what: str) -> NoReturn:
    raise BundleError.of("DIGEST", path, what, "The file is damaged or was exchanged; copy the bundle again")
