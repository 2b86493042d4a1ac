"""Settings of a training job, as its YAML file has them."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from geoseg.config import Settings
from geoseg.errors import InputRefused, UsageError


class HeldOut(Settings):
    """The area that is kept from training: ``[start, stop)`` in pixels, and the buffer of ignored labels around it."""

    rows: tuple[int, int] | None = Field(None, description="start and stop; None: all rows")
    cols: tuple[int, int] | None = Field(None, description="start and stop; None: all columns")
    buffer: int = Field(32, ge=0, description="pixels around it whose labels are ignored")

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.rows is None and self.cols is None:
            raise ValueError("name rows or cols, or nothing is left to train on")
        return self


class NetworkChoice(Settings):
    """The network: an architecture and an encoder of segmentation-models-pytorch, and further arguments of the architecture."""

    architecture: str = "Unet"
    encoder: str = "resnet18"
    params: dict[str, int | float | str | bool | tuple[int, ...]] = Field(default_factory=dict)


class FitSettings(Settings):
    """How the network is fitted. ``gain``, ``offset`` and ``noise`` are in standard deviations of a band, drawn for each crop."""

    steps: int = Field(1000, ge=1)
    batch_size: int = Field(16, ge=1)
    crop: int = Field(64, ge=8, description="side of a training crop, pixels")
    learning_rate: float = Field(2e-3, gt=0, description="peak of the one-cycle schedule")
    weight_decay: float = Field(1e-2, ge=0)
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    ema: float = Field(
        0.99, ge=0, lt=1, description="decay of the moving average of weights that is kept; 0: the last weights"
    )
    gain: float = Field(0.3, ge=0, lt=1, description="bands are multiplied by 1 - gain to 1 + gain, each by its own")
    offset: float = Field(0.3, ge=0, description="added to each band, normal")
    noise: float = Field(0.1, ge=0, description="added to each pixel, normal")
    seed: int = 0
    threads: int = Field(1, ge=1, description="of the fit: the weights depend on it")


class TrainSettings(Settings):
    """A labelled scene, the split, the network and the fit: all that makes a bundle.

    ``scene`` and ``labels`` are relative to the YAML file. ``recode`` maps codes of the label file to class values; other
    codes are ignored. ``classes`` names the values of the legend.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9._-]+$")
    description: str
    licence: str = "other"
    scene: str
    labels: str
    bands: tuple[str, ...] = Field(min_length=1)
    recode: dict[int, int] = Field(min_length=1)
    held_out: HeldOut
    caveat: str = Field("", description="what the card says beside the scores")
    chip_size: int = Field(256, ge=8)
    halo: int = Field(64, ge=0)
    network: NetworkChoice = NetworkChoice()
    fit: FitSettings = FitSettings()

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a job file (YAML 1.2).

        Raises
        ------
        InputRefused
            ``NOT_FOUND``: the file cannot be read. ``YAML``: it is not YAML, or not a table.
        UsageError
            ``SETTING``: an unknown or wrong key.
        """
        from ruamel.yaml import YAML
        from ruamel.yaml.error import YAMLError

        path = Path(path)
        try:
            table = YAML(typ="safe", pure=True).load(path.read_text("utf-8"))
        except OSError as error:
            raise InputRefused.of("NOT_FOUND", path, f"cannot be read: {error.strerror}", "Check the path") from None
        except (YAMLError, UnicodeDecodeError) as error:
            raise InputRefused.of("YAML", path, f"is not YAML: {error}", "Correct the file") from None
        if not isinstance(table, dict):
            raise InputRefused.of("YAML", path, "is not a table of settings", "See samples/north_carolina/train.yaml")
        settings = cls.of(**table)
        beside = {key: str(path.parent / getattr(settings, key)) for key in ("scene", "labels")}
        return settings.model_copy(update=beside)

    def check(self) -> None:
        """Refuse (``SETTING``) sizes that do not go together."""
        if self.chip_size <= 2 * self.halo:
            raise UsageError.of(
                "SETTING", "halo", f"two halos of {self.halo} fill a chip of {self.chip_size}", "Use a smaller one"
            )
