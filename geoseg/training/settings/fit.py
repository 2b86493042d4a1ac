"""Settings of the network, the loss, the samples and the fit."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from geoseg.config import Settings
from geoseg.model.card import FusionName

LossName = Literal["cross_entropy", "focal", "dice", "jaccard", "lovasz", "tversky", "mcc", "boundary"]


class NetworkChoice(Settings):
    """The network: an architecture and an encoder of segmentation-models-pytorch, and further arguments of the architecture."""

    architecture: str = "Unet"
    encoder: str = "resnet18"
    fusion: FusionName | None = Field(
        None, description="of scenes of two dates: how the encoder's features are compared; None: concatenation"
    )
    params: dict[str, int | float | str | bool | tuple[int, ...]] = Field(default_factory=dict)
    encoder_weights: str | None = Field(
        None, description="safetensors file of the encoder; its first convolution may have other bands"
    )
    start_from: str | None = Field(
        None, description="bundle whose weights are the start: fine-tuning; the network is the bundle's"
    )
    freeze: Literal["none", "encoder", "encoder_and_norms"] = Field("none", description="what is not trained")
    layer_decay: float = Field(
        1.0, gt=0, le=1, description="each stage of the encoder learns this much slower than the one after it"
    )


class LossSettings(Settings):
    """Which losses, weighted and summed, and what classes weigh.

    ``terms`` is a name, or a table of name and weight. ``weights``: ``none``, ``auto`` (inverse frequency of the labels,
    by the effective number of samples of Cui et al. 2019 where ``beta`` is below 1), or a table of class and weight.
    """

    terms: dict[LossName, float] = Field({"cross_entropy": 1.0}, min_length=1)
    weights: Literal["none", "auto"] | dict[str, float] = "none"
    beta: float = Field(1.0, gt=0, le=1, description="of weights: auto; 1: plain inverse frequency")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="of cross_entropy")
    gamma: float = Field(2.0, ge=0, description="of focal")
    alpha: float = Field(
        0.5, ge=0, le=1, description="of tversky: weight of false positives; 1 - alpha: of false negatives"
    )

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, given: Any) -> Any:
        if isinstance(given, dict) and isinstance(given.get("terms"), str):
            return {**given, "terms": {given["terms"]: 1.0}}
        return given

    @model_validator(mode="after")
    def _positive(self) -> Self:
        numbers = [*self.terms.values(), *(self.weights.values() if isinstance(self.weights, dict) else ())]
        if any(not (0 <= number < float("inf")) for number in numbers) or not any(self.terms.values()):
            raise ValueError("weights are finite, not negative, and not all 0")
        return self


class SampleSettings(Settings):
    """Where crops are taken from."""

    crop: int = Field(64, ge=8, description="side of a training crop, pixels")
    balance: float = Field(
        0.0, ge=0, le=1, description="0: crops from anywhere; 1: each class is the centre as often as any other"
    )
    hard: float = Field(
        0.0, ge=0, lt=1, description="share of crops that are drawn by how badly their place was learned so far"
    )
    labelled: float = Field(0.25, ge=0, le=1, description="least share of labelled pixels of a crop; sparse labels: 0")
    cache: int = Field(
        2 << 30, ge=0, description="bytes of scenes that are held in memory; larger ones are read as needed"
    )


class FitSettings(Settings):
    """How the network is fitted."""

    steps: int = Field(1000, ge=1)
    batch_size: int = Field(8, ge=1, le=65536)
    accumulate: int = Field(1, ge=1, description="batches whose gradients are summed before a step")
    clip: float = Field(0.0, ge=0, description="largest norm of the gradient; 0: not clipped")
    learning_rate: float = Field(2e-3, gt=0, allow_inf_nan=False, description="peak of the schedule")
    weight_decay: float = Field(1e-2, ge=0, allow_inf_nan=False)
    schedule: Literal["one_cycle", "cosine", "constant"] = "one_cycle"
    warmup: float = Field(0.05, ge=0, lt=1, description="share of the steps; of cosine and constant")
    ema: float = Field(
        0.99, ge=0, lt=1, description="decay of the moving average of weights that is kept; 0: the last weights"
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="auto: fp32 on a processor, bf16 or fp16 on a GPU"
    )
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    validate_every: int = Field(200, ge=1, description="steps between looks at the validation part")
    patience: int = Field(0, ge=0, description="looks without a better mean IoU before the training stops; 0: never")
    checkpoint_every: int = Field(200, ge=1, description="steps between checkpoints")
    seed: int = Field(0, ge=0, lt=1 << 32)
    threads: int = Field(1, ge=1, description="of the fit: the weights depend on it")
    tensorboard: bool = Field(False, description="also write TensorBoard's files")
