"""Contents: the files of a bundle's folder, and what can be known of them without running them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from geoseg.errors import BundleError, Conflict
from geoseg.model.card import BesideCard, Card, FileCard, strict_json
from geoseg.model.weights import read_header

if TYPE_CHECKING:
    from geoseg.model.onnxfile import OnnxInfo


PAGE = "report.html"
"""A page about a bundle, which may lie in its folder: made from the other files, so that the card does not name it."""


def inside(folder: Path, name: str) -> Path:
    """The regular file ``name`` of the folder; links that lead out of it are refused."""
    path = folder / name
    if path.is_symlink() and path.resolve().parent != folder.resolve():
        raise BundleError.of("CARD", path, "is a link that leads out of the bundle", "Put the file itself there")
    if not path.is_file():
        raise BundleError.of("MISSING", path, "is not there", "Copy the whole bundle, or make it again")
    return path


def check_place(folder: Path, *, overwrite: bool) -> None:
    """Refuse a place that a bundle would replace: with ``overwrite`` all but an earlier bundle that holds only its own files.

    Raises
    ------
    Conflict
        ``EXISTS``.
    """
    if not folder.exists():
        return
    if not overwrite:
        raise Conflict.of("EXISTS", folder, "exists already", "Add --overwrite or choose another name")
    if folder.name in ("", "..") or folder.is_symlink() or not folder.is_dir():
        raise Conflict.of("EXISTS", folder, "can not be replaced by a bundle's folder", "Choose another name")
    own = _named(folder / "card.json") | {PAGE}
    strange = sorted(path.name for path in folder.iterdir() if path.name not in own or path.is_dir())
    if strange:
        what = f"holds {strange[0]}, which is no file of a bundle, and would be replaced as a whole"
        raise Conflict.of("EXISTS", folder, what, "Choose another name")


def _named(card: Path) -> set[str]:
    """The files of the bundle that a card describes, itself among them; nothing where it is no card."""
    try:
        assets = strict_json(card.read_bytes())["assets"].values()
        return {card.name, *(Path(asset["href"]).name for asset in assets)}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return set()


def check_file(folder: Path, file: FileCard | BesideCard, *, verify: bool) -> None:
    """Check that a file is there with its size, and with ``verify`` its SHA-256."""
    path = inside(folder, file.name)
    if path.stat().st_size != file.size:
        _refuse_digest(path, f"has {path.stat().st_size} bytes where the card says {file.size}")
    if verify:
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != file.sha256:
            _refuse_digest(path, f"has the SHA-256 {found[:12]}... where the card says {file.sha256[:12]}...")


def check_contents(folder: Path, card: Card) -> None:
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
