"""Settings of a training job: scenes, legend, split, samples, network, loss, fit and what is scored, from one YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from geoseg.config import Settings
from geoseg.errors import InputRefused, UsageError
from geoseg.legend import HARMONISED, Colour, Legend, LegendClass
from geoseg.training.data.recode import did_you_mean
from geoseg.training.settings.augment import AugmentSettings
from geoseg.training.settings.data import ClassSettings, DateSettings, ImageSettings, SceneSettings, SplitSettings
from geoseg.training.settings.fit import FitSettings, LossSettings, NetworkChoice, SampleSettings


class ScoreSettings(Settings):
    """What is scored."""

    boundary: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="distance of boundary F1 and IoU, metres; 0: two pixels"
    )
    intervals: Literal["jackknife", "bootstrap"] = "jackknife"
    tta: bool = Field(False, description="score the mean over the eight symmetries, as segment --tta gives it")
    baseline: bool = Field(False, description="train gradient boosting on the same split and say which is better")


class TrainSettings(Settings):
    """All that makes a bundle. Paths are relative to the YAML file.

    ``recode`` maps codes of the labels (numbers, or class names of a vector file) to class values or names; what it does not
    name is ignored; a ``*`` in a name stands for anything, as in ``tree->*`` of a change. Without it, codes are class values
    and names are class names. ``classes`` is the legend; without it the harmonised one, of which the classes that ``recode``
    gives are taken.
    """

    name: str = Field(
        pattern=r"^[A-Za-z][A-Za-z0-9_.-]{1,126}[A-Za-z0-9]$", description="3 characters or more, as MLM asks"
    )
    description: str = ""
    licence: str = "other"
    caveat: str = Field("", description="what the card says beside the scores")
    scenes: tuple[SceneSettings, ...] = ()
    images: ImageSettings | None = Field(None, description="in place of scenes")
    bands: tuple[str, ...] = Field(min_length=1, description="what the network reads, by name; of each date")
    units: Literal["reflectance", "dn", "auto"] = Field(
        "auto", description="auto: reflectance where every scene states it"
    )
    recode: dict[int | str, int | str] = Field(default_factory=dict)
    classes: tuple[ClassSettings, ...] = ()
    split: SplitSettings = SplitSettings()
    samples: SampleSettings = SampleSettings()
    augment: AugmentSettings = AugmentSettings()
    network: NetworkChoice = NetworkChoice()
    loss: LossSettings = LossSettings()
    fit: FitSettings = FitSettings()
    scores: ScoreSettings = ScoreSettings()
    chip_size: int = Field(256, ge=8)
    halo: int | Literal["auto"] = Field("auto", description="pixels; auto: by the measured receptive field")

    @model_validator(mode="after")
    def _some(self) -> Self:
        if bool(self.scenes) == (self.images is not None):
            raise ValueError("name scenes, or images in their place")
        if len({len(scene.dates) for scene in self.scenes}) > 1:
            raise ValueError("either all scenes are of one date or all are pairs of before and after")
        if self.network.fusion and self.dates == 1:
            raise ValueError("network.fusion is for scenes of two dates: before and after in place of scene")
        values = [item.value for item in self.classes]
        if len(set(values)) < len(values):
            raise ValueError("two classes have one value")
        if self.halo != "auto" and self.chip_size <= 2 * self.halo:
            raise ValueError(f"two halos of {self.halo} fill a chip of {self.chip_size}")
        return self

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
        except (YAMLError, ValueError, RecursionError) as error:  # ValueError: also a date that is none
            raise InputRefused.of("YAML", path, f"is not YAML: {error}", "Correct the file") from None
        if not isinstance(table, dict):
            raise InputRefused.of("YAML", path, "is not a table of settings", "See pipelines/train_north_carolina.yaml")
        odd = [key for key in table if not isinstance(key, str) or key == "cls"]
        if odd:
            raise UsageError.of("SETTING", path, f"{odd[0]} is no setting", f"Known: {', '.join(cls.model_fields)}")
        return cls.of(**table)._beside(path.parent)

    @property
    def legend(self) -> Legend:
        """The classes in channel order; ``LEGEND`` when ``recode`` gives one that is not there."""
        if self.classes:
            colours = {item.value: _colour(item.colour) for item in self.classes if item.colour}
            return Legend.of({item.value: item.name for item in self.classes}, colours)
        targets = [*self.recode.values(), *(t for item in self.scenes for t in (item.labels.recode or {}).values())]
        if not targets:
            raise UsageError.of(
                "LEGEND", "classes", "neither classes nor recode says what is mapped", "Name the classes"
            )
        wanted = [_harmonised(target) for target in targets]
        return Legend(tuple(item for item in HARMONISED.classes if item in wanted))

    @property
    def dates(self) -> int:
        """Dates of each scene: 1 or 2."""
        return len(self.scenes[0].dates) if self.scenes else 1

    @property
    def files(self) -> tuple[str, ...]:
        """The files of scenes and labels."""
        return tuple(path for scene in self.scenes for path in (*scene.files, scene.labels.path))

    def _beside(self, folder: Path) -> Self:
        """The job with its paths relative to ``folder``."""

        def at(path: str | None) -> str | None:
            return path if path is None or "://" in path else str(folder / path)

        def flags(rule: str | None) -> str | None:
            file = "" if rule is None else rule.rpartition(":")[0]  # or the name of a band
            return rule if rule is None or not (folder / file).is_file() else f"{at(file)}:{rule.rpartition(':')[2]}"

        def opened(scene: Any) -> dict[str, Any]:
            files = None if scene.scene is None else tuple(str(at(file)) for file in scene.files)
            return {"scene": files, "quality": flags(scene.quality)}

        def date(scene: DateSettings | None) -> DateSettings | None:
            return scene and scene.model_copy(update=opened(scene))

        scenes = tuple(
            scene.model_copy(update={
                **opened(scene), "before": date(scene.before), "after": date(scene.after),
                "labels": scene.labels.model_copy(update={"path": at(scene.labels.path)}),
            })
            for scene in self.scenes
        )  # fmt: skip
        changed: dict[str, Any] = {"scenes": scenes}
        if self.images is not None:
            paths = {key: at(getattr(self.images, key)) for key in ("images", "coco", "voc")}
            changed["images"] = self.images.model_copy(update=paths)
        starts = {key: at(getattr(self.network, key)) for key in ("encoder_weights", "start_from")}
        return self.model_copy(update={**changed, "network": self.network.model_copy(update=starts)})


def _harmonised(target: int | str) -> LegendClass:
    for item in HARMONISED.classes:
        if target == item.value or str(target).strip().casefold() in (item.name, str(item.value)):
            return item
    known = ", ".join(f"{value} {name}" for value, name in HARMONISED.names.items())
    what = f"is no harmonised class{did_you_mean(target, HARMONISED.names.values())}"
    raise UsageError.of("LEGEND", f"recode to {target}", what, f"The legend has: {known}")


def _colour(text: str) -> Colour:
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)
