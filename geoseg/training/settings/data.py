"""Settings of the data: scenes, their labels, the legend, and the split by place."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from geoseg.config import Settings

Span = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]


class LabelSettings(Settings):
    """Where labels are: a raster of codes, or a vector file with a column of class names or codes.

    In YAML the path alone will do.
    """

    path: str
    band: int | None = Field(None, ge=1, description="band of a raster, 1-based; needed where there are several")
    nodata: int | None = Field(None, description="code of a raster that means no label; None: what the file says")
    layer: str | None = Field(None, description="layer of a vector file; needed where there are several")
    field: str = Field("class", description="column of a vector file with class names or codes")
    width: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="points and lines are drawn this wide, metres; 0: one pixel"
    )
    all_touched: bool = Field(False, description="burn every pixel that a polygon touches, not those by their centre")
    background: str | None = Field(
        None, description="class of the pixels that no feature of a vector file covers; None: they have no label"
    )
    assume_crs: str | None = Field(None, description="CRS of labels that name none")
    recode: dict[int | str, int | str] | None = Field(
        None,
        description="codes or names of this file to classes, in place of the job's recode; {}: they are the legend's",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_path(cls, given: Any) -> Any:
        return {"path": given} if isinstance(given, str) else given


class OpenSettings(Settings):
    """How the files of a scene are opened, as on the command line."""

    bands: tuple[str, ...] | None = Field(
        None, description="a name for each band of the files in order, - leaves one out"
    )
    scale: float | None = Field(None, allow_inf_nan=False)
    offset: float | None = Field(
        None,
        allow_inf_nan=False,
        description="value * scale + offset is reflectance: Sentinel-2 baseline 04.00 has -0.1",
    )
    nodata: float | None = None
    quality: str | None = Field(None, description="clouds, none, FILE:values=3,8,9 or FILE:bits=3,4")
    time: str | None = None
    assume_crs: str | None = None


class DateSettings(OpenSettings):
    """A scene of one of two dates. In YAML its file alone, or a list of its files, will do.

    What it does not say of how it is opened is as the pair says.
    """

    scene: str | tuple[str, ...]

    @model_validator(mode="before")
    @classmethod
    def _from_path(cls, given: Any) -> Any:
        return {"scene": given} if isinstance(given, str | list | tuple) else given

    @property
    def files(self) -> tuple[str, ...]:
        """The files of the scene."""
        return _listed(self.scene)


class SceneSettings(OpenSettings):
    """One scene, or a pair of two dates, and its labels. Several files are bands of one scene (optical, SAR, DEM).

    Labels of a pair say what became of the ground between ``before`` and ``after``.
    """

    scene: str | tuple[str, ...] | None = Field(None, description="its file or files; or before and after in its place")
    before: DateSettings | None = Field(None, description="the scene of the earlier date")
    after: DateSettings | None = Field(None, description="the scene of the later date")
    align: bool = Field(False, description="bring after onto the grid of before, bilinear, where they differ")
    labels: LabelSettings
    name: str | None = None
    part: Literal["train", "validation", "test"] | None = Field(
        None, description="the whole scene belongs to this part"
    )

    @model_validator(mode="after")
    def _one_or_two(self) -> Self:
        if (self.before is None) != (self.after is None):
            raise ValueError("a pair has both before and after")
        if (self.scene is None) != (self.before is not None):
            raise ValueError("name a scene, or before and after in its place")
        if self.align and self.scene is not None:
            raise ValueError("align is for pairs of before and after")
        return self

    @property
    def dates(self) -> tuple[DateSettings, ...]:
        """The scene, or the two of a pair, each with all that is said of how it is opened."""
        own = {name: getattr(self, name) for name in OpenSettings.model_fields}
        if self.before is None or self.after is None:
            return (DateSettings(scene=self.files, **own),)
        return tuple(
            date.model_copy(update={name: value for name, value in own.items() if getattr(date, name) is None})
            for date in (self.before, self.after)
        )

    @property
    def files(self) -> tuple[str, ...]:
        """The files of the scene, or of both dates."""
        if self.before is not None and self.after is not None:
            return (*self.before.files, *self.after.files)
        assert self.scene is not None
        return _listed(self.scene)


def _listed(scene: str | tuple[str, ...]) -> tuple[str, ...]:
    return (scene,) if isinstance(scene, str) else scene


class ImageSettings(Settings):
    """Images without georeference: a folder, and either a COCO file or a folder of PASCAL VOC masks (palette PNG)."""

    images: str
    coco: str | None = Field(None, description="a COCO file of annotations")
    voc: str | None = Field(None, description="a folder of palette PNGs, named as the images")
    background: str | None = Field(
        None, description="class of the pixels that no annotation of a COCO file covers; None: they have no label"
    )
    bands: tuple[str, ...] = ("red", "green", "blue")
    res: float = Field(
        1.0, gt=0, allow_inf_nan=False, description="side of a pixel, metres: for areas and distances only"
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.coco is None) == (self.voc is None):
            raise ValueError("name either coco or voc")
        return self


class ClassSettings(Settings):
    """One class of the legend; a colour is #RRGGBB."""

    value: int = Field(ge=0, le=255)
    name: str = Field(min_length=1)
    colour: str | None = Field(None, pattern=r"^#[0-9A-Fa-f]{6}$")


class Rectangle(Settings):
    """``[start, stop)`` in pixels of one scene; None takes all of an axis."""

    scene: str | None = Field(None, description="name of the scene; None: the first")
    rows: Span | None = None
    cols: Span | None = None

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.rows is None and self.cols is None:
            raise ValueError("name rows or cols, or nothing is left to train on")
        return self


class SplitSettings(Settings):
    """Which places are trained on, which steer the training, and which are kept to test it.

    Squares of ``block`` pixels are dealt to the parts so that each part has each class, as far as the labels allow; or
    ``windows`` names what is tested. With ``folds`` the test part is dealt in turn: each fold is tested by a network that
    has not seen it, and the bundle's own network is trained on all of them.
    """

    by: Literal["blocks", "windows", "scenes"] = "blocks"
    block: int = Field(128, ge=8, description="side of a square, pixels")
    buffer: int = Field(32, ge=0, description="pixels around a validation or test pixel that are not trained on")
    validation: float = Field(0.15, ge=0, lt=1, description="share of the labels; blocks and scenes only")
    test: float = Field(0.15, ge=0, lt=1, description="share of the labels; blocks and scenes only, without folds")
    folds: int = Field(
        0, ge=0, le=50, description="number of folds; 0: one split; by windows each window is a fold if not 0"
    )
    windows: tuple[Rectangle, ...] = ()
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.by == "windows") != bool(self.windows):
            raise ValueError("windows goes with by: windows, and by: windows with windows")
        if self.folds == 1:
            raise ValueError("one fold is no fold: 0 or 2 and more")
        if self.by == "windows" and self.folds not in (0, len(self.windows)):
            raise ValueError(f"{self.folds} folds and {len(self.windows)} windows: each window is one fold")
        if self.validation + self.test >= 1:
            raise ValueError("validation and test leave nothing to train on")
        return self
