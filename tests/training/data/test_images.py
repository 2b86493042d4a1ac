"""Images without georeference: PNG, JPEG and TIFF; COCO polygons and runs, VOC palettes; each image a scene of its own place."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from geoseg.errors import GeosegError, InputRefused
from geoseg.grid.geobox import Window
from geoseg.raster.admit import admit
from geoseg.raster.picture import open_picture
from geoseg.training.data.coco import decode_runs
from geoseg.training.data.labelled import LabelledScene, open_labelled
from tests.helpers.jobs import CLASSES, job, whole

RGB = ("red", "green", "blue")
SHAPE = (40, 60)
RUNS = {"id": 1, "image_id": 0, "category_id": 7}


def picture(path: Path, mode: str = "RGB", seed: int = 0, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    depth = {"RGB": (3,), "RGBA": (4,), "L": ()}[mode]
    pixels = np.random.default_rng(seed).integers(1, 255, (*shape, *depth)).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def palette(path: Path, label: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(label).convert("L")
    image.putpalette([c for i in range(256) for c in (i, 255 - i, i // 2)])
    image.save(path)
    return path


def opened(folder: Path, bands: tuple[str, ...] = RGB, **changes: Any) -> tuple[LabelledScene, ...]:
    images = {"images": str(folder / "images"), **changes.pop("images", {})}
    settings = {"scenes": (), "images": images, "bands": bands, **changes}
    return open_labelled(job(**settings))


def coco(path: Path, told: list[dict[str, Any]], names: tuple[str, ...] = ("a.png",), **changes: Any) -> str:
    images = [{"id": i, "file_name": name, "height": SHAPE[0], "width": SHAPE[1]} for i, name in enumerate(names)]
    categories = [{"id": 7, "name": "Water"}, {"id": 9, "name": "built"}]
    told = [{"id": i, "image_id": 0, "iscrowd": 0, **item} for i, item in enumerate(told)]
    path.write_text(json.dumps({"images": images, "annotations": told, "categories": categories} | changes))
    return str(path)


def square(col: float, row: float, side: float) -> list[float]:
    return [col, row, col + side, row, col + side, row + side, col, row + side]


def runs_of(mask: np.ndarray) -> list[int]:
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat.astype(int))) + 1
    lengths = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return [0, *lengths] if flat[0] else lengths


def text_of(runs: list[int]) -> str:
    """As maskApi.c's rleToString writes it."""
    text = ""
    for i, run in enumerate(runs):
        number = run - (runs[i - 2] if i > 2 else 0)
        more = True
        while more:
            bits, number = number & 31, number >> 5
            more = number != (-1 if bits & 16 else 0)
            text += chr((bits | (32 if more else 0)) + 48)
    return text


@given(seed=st.integers(0, 10_000), share=st.floats(0, 1))
def test_runs_are_read_as_a_list_and_as_text(seed: int, share: float) -> None:
    mask = np.random.default_rng(seed).random((31, 47)) < share
    runs = runs_of(mask)
    assert decode_runs(runs).tolist() == runs
    assert decode_runs(text_of(runs)).tolist() == runs
    assert decode_runs(text_of(runs).encode()).tolist() == runs


def test_a_known_text_of_pycocotools_is_read() -> None:
    # mask of 9 x 10 zeros with a square of 3 x 3 ones, pycocotools.mask.encode
    mask = np.zeros((9, 10), bool)
    mask[2:5, 3:6] = True
    assert text_of(runs_of(mask)) == "m036000R1"
    assert decode_runs("m036000R1").tolist() == runs_of(mask)


@pytest.mark.parametrize(("name", "mode"), [("a.png", "RGB"), ("a.tif", "RGB"), ("a.png", "L"), ("a.png", "RGBA")])
def test_pictures_are_scenes_in_metres(tmp_path: Path, name: str, mode: str) -> None:
    pixels = picture(tmp_path / "images" / name, mode)
    (scene,) = opened(tmp_path, images={"voc": str(palette(tmp_path / "m" / "a.png", np.ones(SHAPE, np.uint8)).parent)})
    image, valid, _ = pickle.loads(pickle.dumps(scene)).read(whole(scene.scene.geobox))
    bands = pixels if mode == "L" else pixels[..., :3].transpose(2, 0, 1)
    assert (image == bands).all() and valid.all() and scene.scene.units == "dn"
    assert scene.scene.geobox.res == (1.0, 1.0) and scene.name == "a"


def test_jpeg_is_read_and_alpha_says_where_there_is_data(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    assert open_picture(tmp_path / "a.jpg", RGB).geobox.shape == SHAPE
    pixels = picture(tmp_path / "images" / "b.png", "RGBA")
    pixels[:7, :, 3] = 0
    Image.fromarray(pixels).save(tmp_path / "images" / "b.png")
    mask = palette(tmp_path / "m" / "b.png", np.ones(SHAPE, np.uint8))
    (scene,) = opened(tmp_path, images={"voc": str(mask.parent)})
    _, valid, label = scene.read(whole(scene.scene.geobox))
    assert not valid[:7].any() and valid[7:].all()
    assert (label[:7] == 0).all() and (label[7:] == 1).all()


def test_scenes_do_not_take_pictures_and_damaged_ones_are_refused(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    with pytest.raises(InputRefused, match="FORMAT"):
        admit(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:20])
    with pytest.raises(InputRefused, match="OPEN"):
        open_picture(tmp_path / "b.png", RGB)
    (tmp_path / "c.png").write_bytes(b"GIF89a" + bytes(40))
    with pytest.raises(InputRefused, match="FORMAT"):
        open_picture(tmp_path / "c.png", RGB)
    with pytest.raises(InputRefused, match="BANDS"):
        open_picture(tmp_path / "a.png", ("red", "green"))
    palette(tmp_path / "d.png", np.ones(SHAPE, np.uint8))
    with pytest.raises(InputRefused, match="PALETTE"):
        open_picture(tmp_path / "d.png", RGB)


def test_voc_palettes_are_codes_and_their_border_is_ignored(tmp_path: Path) -> None:
    label = np.random.default_rng(0).integers(0, 3, SHAPE).astype(np.uint8)
    label[5:7] = 255
    for name in ("b", "a", "c"):
        picture(tmp_path / "images" / f"{name}.png")
    for name in ("a", "b"):
        palette(tmp_path / "m" / f"{name}.png", label)
    scenes = opened(tmp_path, images={"voc": str(tmp_path / "m")}, recode={0: "crop", 1: "water", 2: 5, 255: 5})
    assert [scene.name for scene in scenes] == ["a", "b"]
    read = scenes[0].labels.read(whole(scenes[0].scene.geobox))
    assert (read == np.select([label == 0, label == 1, label == 2], [4, 1, 5], 0)).all()
    part = Window(3, 9, 20, 31)
    assert (scenes[0].labels.read(part) == read[part.slices]).all()


def test_images_share_no_place(tmp_path: Path) -> None:
    for i in range(7):
        picture(tmp_path / "images" / f"{i}.png")
        palette(tmp_path / "m" / f"{i}.png", np.ones(SHAPE, np.uint8))
    boxes = [scene.scene.geobox.bounds for scene in opened(tmp_path, images={"voc": str(tmp_path / "m"), "res": 0.5})]
    for i, (left, bottom, right, top) in enumerate(boxes):
        assert (right - left, top - bottom) == (30.0, 20.0)
        for west, south, east, north in boxes[:i]:
            assert right <= west or left >= east or top <= south or bottom >= north


def test_coco_polygons_and_runs_are_drawn_small_ones_on_top_and_crowds_below(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "a.png")
    mask = np.zeros(SHAPE, bool)
    mask[8:30, 8:30] = True
    small = {"category_id": 9, "segmentation": [square(12, 12, 4)]}
    large = {"category_id": 7, "segmentation": [square(10, 10, 10), square(40, 5, 3)]}
    crowd = {
        "category_id": 9,
        "segmentation": {"size": list(SHAPE), "counts": text_of(runs_of(mask))},
        "iscrowd": 1,
        "area": 1,
    }
    expected = np.where(mask, 5, 0)
    expected[10:20, 10:20] = expected[5:8, 40:43] = 1
    expected[12:16, 12:16] = 5
    for order in ([small, large, crowd], [crowd, large, small]):
        (scene,) = opened(tmp_path, images={"coco": coco(tmp_path / "c.json", order)})
        read = scene.labels.read(whole(scene.scene.geobox))
        assert (read == expected).all()
        part = Window(11, 9, 20, 35)
        assert (pickle.loads(pickle.dumps(scene)).labels.read(part) == read[part.slices]).all()


def test_coco_background_is_ignored_unless_it_is_a_class(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "a.png")
    picture(tmp_path / "images" / "b.png")
    path = coco(tmp_path / "c.json", [{"category_id": 7, "segmentation": [square(10, 10, 10)]}], ("a.png", "b.png"))
    (scene,) = opened(tmp_path, images={"coco": path})
    assert (scene.labels.read(whole(scene.scene.geobox)) == 0).sum() == 2300
    scenes = opened(tmp_path, images={"coco": path, "background": "crop"})
    assert [(s.labels.read(whole(s.scene.geobox)) == 4).sum() for s in scenes] == [2300, 2400]


def test_coco_categories_go_by_name_or_number(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "a.png")
    path = coco(tmp_path / "c.json", [{"category_id": i, "segmentation": [square(10 * i - 60, 3, 5)]} for i in (7, 9)])
    for recode in ({"water": "crop"}, {7: 4}):
        (scene,) = opened(tmp_path, images={"coco": path}, recode=recode)
        assert np.bincount(scene.labels.read(whole(scene.scene.geobox)).ravel()).tolist() == [2375, 0, 0, 0, 25]
    with pytest.raises(InputRefused, match=r"CLASS: .*a category built, no class; did you mean 'buildt'"):
        opened(tmp_path, images={"coco": path}, classes=[*CLASSES[:2], {"value": 5, "name": "buildt"}])


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"annotations": [{"id": 1, "image_id": 5, "category_id": 7, "segmentation": []}]}, "COCO"),
        ({"categories": None}, "COCO"),
        ({"images": [{"id": 0, "file_name": "../a.png", "height": 40, "width": 60}]}, "EXTERNAL_REF"),
        ({"images": [{"id": 0, "file_name": "x.png", "height": 40, "width": 60}]}, "NOT_FOUND"),
        ({"images": [{"id": 0, "file_name": "a.png", "height": 41, "width": 60}]}, "GRID"),
        ({"annotations": [RUNS | {"segmentation": {"size": [40, 60], "counts": [5]}}]}, "COCO"),
        ({"annotations": [RUNS | {"segmentation": {"size": [40, 60], "counts": "~~"}}]}, "COCO"),
        ({"annotations": [RUNS | {"segmentation": {"size": [40, 60], "counts": "é"}}]}, "COCO"),
        ({"annotations": [RUNS | {"segmentation": [["x", 1, 2, 3, 4, 5]]}]}, "COCO"),
        ({"annotations": []}, "EMPTY"),
    ],
)  # fmt: skip
def test_damaged_coco_files_are_refused(tmp_path: Path, changes: dict[str, Any], code: str) -> None:
    picture(tmp_path / "images" / "a.png")
    path = coco(tmp_path / "c.json", [{"category_id": 7, "segmentation": [square(3, 3, 5)]}], **changes)
    with pytest.raises(GeosegError, match=f"^{code}"):
        opened(tmp_path, images={"coco": path})


def test_masks_of_colours_are_refused(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "a.png")
    picture(tmp_path / "m" / "a.png")
    with pytest.raises(InputRefused, match=r"CLASSES: .*palette PNG"):
        opened(tmp_path, images={"voc": str(tmp_path / "m")})
