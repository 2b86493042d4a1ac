"""Card: what a bundle says of itself, read and checked.

Everything that geoseg needs stands in one object, the property ``geoseg:bundle`` (:class:`Card`: unknown keys are
refused) of a STAC Item; what the Item says around it (:mod:`geoseg.model.item`) is never read back.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NoReturn, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from geoseg.errors import BundleError
from geoseg.legend import Legend
from geoseg.raster.dated import undated

FORMAT = 1
MAX_CARD_BYTES = 4 << 20
ARCHITECTURES = (
    "Unet", "UnetPlusPlus", "MAnet", "Linknet", "FPN", "PSPNet", "PAN", "DeepLabV3", "DeepLabV3Plus",
    "UPerNet", "Segformer", "DPT", "Conv1x1", "Dilated",
)  # fmt: skip
"""Networks that a torch bundle may name: those of segmentation-models-pytorch 0.6, a plain 1x1 convolution, and
:class:`geoseg.model.dilated.Dilated`."""

Units = Literal["reflectance", "dn"]
FusionName = Literal["difference", "absolute_difference", "concatenation"]
"""How a network of two dates compares what its encoder found: see :class:`geoseg.model.two_dates.Fusion`."""
Scalar = bool | int | float | str | None
BESIDE_SUFFIXES = ("csv", "geojson", "json", "jsonl", "md", "png", "tif", "txt", "yaml")
"""What a file beside the model may be: nothing that a program would run, and no pickle."""


@dataclass(frozen=True, slots=True)
class BandSpec:
    """A band that the network reads: its name, and the mean and standard deviation that normalize it (bundle's units)."""

    name: str
    mean: float
    std: float


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """A network by its parts; ``params`` are further constructor arguments of the architecture, sorted by name.

    One of two ``dates`` has a ``fusion``, and ``in_channels`` are the bands of both: all of the earlier, all of the later.
    """

    architecture: str
    encoder: str
    in_channels: int
    classes: int
    params: tuple[tuple[str, Any], ...] = ()
    dates: int = 1
    fusion: FusionName | None = None


@dataclass(frozen=True, slots=True)
class BundleFacts:
    """What a maker of a bundle states; files and digest are added on saving.

    ``align`` is the network's total stride: reads start at multiples of it (None: derived from ``network``).
    ``fixed_size`` says that the network takes chips of ``chip_size`` only. ``scores`` and ``training`` are JSON
    objects: held-out scores with the place they were taken, and digest, licence and extent of the data trained on.
    """

    name: str
    bands: tuple[BandSpec, ...]
    legend: Legend
    version: str = "1"
    units: Units = "reflectance"
    chip_size: int = 256
    halo: int = 64
    align: int | None = None
    fixed_size: bool = False
    network: NetworkSpec | None = None
    description: str = ""
    licence: str = "other"
    scores: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class BandCard(_Strict):
    """One band; see :class:`BandSpec`."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    mean: float
    std: Annotated[float, Field(gt=0)]


class NetworkCard(_Strict):
    """The network; see :class:`NetworkSpec`. The encoder is a plain name, so nothing can be fetched through it."""

    architecture: Literal[ARCHITECTURES]  # type: ignore[valid-type]
    encoder: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
    in_channels: Annotated[int, Field(ge=1, le=1024)]
    classes: Annotated[int, Field(ge=1, le=256)]
    params: dict[str, Scalar | list[Scalar]] = {}
    dates: Literal[1, 2] = 1
    fusion: FusionName | None = None

    @model_serializer(mode="wrap")
    def _of_one_date_as_ever(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A network of one date says nothing of dates, as it did when there were no others: digests stay."""
        table: dict[str, Any] = handler(self)
        return {k: v for k, v in table.items() if self.dates > 1 or k not in ("dates", "fusion")}


class ClassCard(_Strict):
    """One class, as in ``classification:classes``; its place in the list is its channel."""

    value: Annotated[int, Field(ge=0, le=255)]
    name: Annotated[str, Field(min_length=1, max_length=256)]
    description: Annotated[str, Field(min_length=1, max_length=256)]
    color_hint: Annotated[str, Field(pattern=r"^[0-9A-F]{6}$")]


class FileCard(_Strict):
    """A file of the bundle: a name without folders, its size in bytes and its SHA-256."""

    name: Literal["weights.safetensors", "model.onnx", "sample.safetensors"]
    size: Annotated[int, Field(ge=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class BesideCard(_Strict):
    """A file that is kept with the model and never run (scores, curves, the split): a plain name of a known kind."""

    name: Annotated[str, Field(pattern=rf"^[A-Za-z0-9][A-Za-z0-9_-]{{0,63}}\.({'|'.join(BESIDE_SUFFIXES)})$")]
    size: Annotated[int, Field(ge=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Card(_Strict):
    """The property ``geoseg:bundle``: all that geoseg reads from a card."""

    format: Literal[FORMAT]  # type: ignore[valid-type]
    kind: Literal["torch", "onnx"]
    name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,126}[A-Za-z0-9]$")]
    version: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$")]
    bands: Annotated[list[BandCard], Field(min_length=1)]
    units: Units
    classes: Annotated[list[ClassCard], Field(min_length=1)]
    nodata: Annotated[int, Field(ge=0, le=255)]
    chip_size: Annotated[int, Field(ge=1, le=65536)]
    halo: Annotated[int, Field(ge=0)]
    align: Annotated[int, Field(ge=1)]
    fixed_size: bool
    network: NetworkCard | None
    weights: FileCard
    sample: FileCard | None
    beside: list[BesideCard] = []
    scores: dict[str, Any]
    training: dict[str, Any]

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        names = [band.name.casefold() for band in self.bands]
        network = self.network
        wrong = {
            "a band is named twice": len(set(names)) != len(names),
            "a class value occurs twice": len({item.value for item in self.classes}) != len(self.classes),
            "a torch bundle names a network, an ONNX one does not": (network is None) != (self.kind == "onnx"),
            "the number of bands is not the network's in_channels": network and network.in_channels != len(names),
            "the number of classes is not the network's": network and network.classes != len(self.classes),
            "a network of two dates has a fusion, one of one date has none": network
            and (network.fusion is None) != (network.dates == 1),
            "the bands of a network of two dates are before_... and after_..., the same ones in one order": network
            and network.dates == 2
            and undated([band.name for band in self.bands]) is None,
            "chip_size and halo must be multiples of align": self.chip_size % self.align or self.halo % self.align,
            "twice the halo must be less than chip_size": 2 * self.halo >= self.chip_size,
            "the weights file does not fit the kind": self.weights.name != weights_name(self.kind),
            "the sample is not sample.safetensors": self.sample and self.sample.name != "sample.safetensors",
            "a file beside the model is named twice, or as the card": _repeated(self.beside),
        }
        for what, is_wrong in wrong.items():
            if is_wrong:
                raise ValueError(what)
        _ = self.legend  # refuses repeated values and a nodata value that is a class
        return self

    @property
    def legend(self) -> Legend:
        """The classes in channel order."""
        return Legend.from_stac([item.model_dump() for item in self.classes], self.nodata)

    @property
    def band_specs(self) -> tuple[BandSpec, ...]:
        """The bands in channel order."""
        return tuple(BandSpec(band.name, float(band.mean), float(band.std)) for band in self.bands)

    @property
    def network_spec(self) -> NetworkSpec | None:
        """The network as a hashable value."""
        return None if self.network is None else spec_of(self.network)


def spec_of(network: NetworkCard) -> NetworkSpec:
    """A checked network as a hashable value."""
    params = tuple(sorted((k, tuple(v) if isinstance(v, list) else v) for k, v in network.params.items()))
    return NetworkSpec(
        network.architecture, network.encoder, network.in_channels, network.classes, params,
        dates=network.dates, fusion=network.fusion,
    )  # fmt: skip


def _repeated(beside: list[BesideCard]) -> bool:
    names = {"card.json", *(file.name.casefold() for file in beside)}  # some disks do not tell A from a
    return len(names) != len(beside) + 1


def weights_name(kind: str) -> str:
    """The one name that the weights of a torch or an ONNX bundle have."""
    return "weights.safetensors" if kind == "torch" else "model.onnx"


def make_card(
    facts: BundleFacts, kind: str, *, files: Mapping[str, bytes], beside: Iterable[str], where: object
) -> Card:
    """Check a maker's facts as strictly as a card that is read; ``BundleError`` ``CARD`` says what does not fit.

    ``files`` are all files of the bundle but the card; ``beside`` names those that are not run.
    """
    if not re.fullmatch(r"[\w.+-]+", facts.licence):
        remedy = "Write the SPDX identifier, such as CC-BY-4.0, or other"
        raise BundleError.of("CARD", where, f"the licence {facts.licence!r} is no identifier", remedy)
    spec = facts.network
    network: dict[str, Any] | None = None
    if spec is not None:
        params = {key: list(value) if isinstance(value, tuple) else value for key, value in spec.params}
        network = {"architecture": spec.architecture, "encoder": spec.encoder, "params": params}
        network |= {"in_channels": spec.in_channels, "classes": spec.classes}
        network |= {"dates": spec.dates, "fusion": spec.fusion}
    document = {
        "format": FORMAT, "kind": kind, "name": facts.name, "version": facts.version, "units": facts.units,
        "bands": [{"name": b.name, "mean": float(b.mean), "std": float(b.std)} for b in facts.bands],
        "classes": facts.legend.to_stac(), "nodata": facts.legend.nodata,
        "chip_size": facts.chip_size, "halo": facts.halo, "align": facts.align or 1, "fixed_size": facts.fixed_size,
        "network": network, "weights": _stated(weights_name(kind), files), "sample": _stated("sample.safetensors", files),
        "beside": [_stated(name, files) for name in sorted(beside)],
        "scores": dict(facts.scores), "training": dict(facts.training),
    }  # fmt: skip
    return _validated(document, where)


def _stated(name: str, files: Mapping[str, bytes]) -> dict[str, Any] | None:
    data = files.get(name)
    return None if data is None else {"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def read_card(text: bytes, where: object) -> tuple[Card, dict[str, Any]]:
    """Read card.json: the part that geoseg uses, and the whole Item.

    Raises
    ------
    BundleError
        ``CARD``: not a card (repeated keys, NaN, unknown or missing fields, values out of range).
        ``VERSION``: a bundle of a newer format.
    """
    if len(text) > MAX_CARD_BYTES:
        _refuse(where, f"is larger than {MAX_CARD_BYTES} bytes")
    try:
        item = strict_json(text)
    except (ValueError, RecursionError) as error:
        _refuse(where, f"is not strict JSON: {error}")
    properties = item.get("properties") if isinstance(item, dict) else None
    if not isinstance(properties, dict) or not isinstance(properties.get("geoseg:bundle"), dict):
        _refuse(where, "has no geoseg:bundle among its properties")
    stated = properties["geoseg:bundle"].get("format")
    if isinstance(stated, int) and not isinstance(stated, bool) and stated != FORMAT:
        remedy = "Use a newer geoseg" if stated > FORMAT else "Import the model again"
        raise BundleError.of("VERSION", where, f"is of bundle format {stated}, this geoseg reads {FORMAT}", remedy)
    if not re.fullmatch("[0-9a-f]{64}", str(properties.get("geoseg:digest"))):
        _refuse(where, "has no geoseg:digest")
    return _validated(properties["geoseg:bundle"], where), item


def strict_json(text: bytes | str) -> Any:
    """Parse JSON; repeated keys, NaN and infinities are a ``ValueError``."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(items)
        if len(table) != len(items):
            raise ValueError("a key occurs twice")
        return table

    def constant(name: str) -> NoReturn:
        raise ValueError(f"{name} is not JSON")

    return json.loads(text, object_pairs_hook=pairs, parse_constant=constant)


def _validated(document: dict[str, Any], where: object) -> Card:
    try:
        return Card.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        _refuse(where, f"{place}: {first['msg']}" if place else first["msg"])


def _refuse(where: object, what: str) -> NoReturn:
    raise BundleError.of("CARD", where, what, "Make the bundle again with geoseg bundle import or geoseg train")
