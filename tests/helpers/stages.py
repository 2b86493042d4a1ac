"""Stages: what lies in a folder before a page, or the example of a verb's help, is run in it; small, and made here."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import geoseg
from tests.helpers.bundles import conv_bundle
from tests.helpers.rasters import make_landsat, make_safe, numbers, write_raster

ROOT = Path(__file__).parents[2]
COVER = ("water", "tree", "low vegetation", "cropland", "built", "bare")
SIX = ("blue", "green", "red", "nir", "swir1", "swir2")
SIDE = 256


def set_stage(names: list[str], folder: Path) -> None:
    """Make what the names stand for."""
    for name in names:
        STAGES[name](folder)


def samples(folder: Path) -> None:
    """samples/ and pipelines/ of the checkout."""
    for name in ("samples", "pipelines"):
        (folder / name).symlink_to(ROOT / name)


def land(folder: Path) -> None:
    """scene.tif, mask.tif (its true classes), earlier and later pairs of them, bundle/, districts.gpkg."""
    made = geoseg.synth(folder / ".land", size=SIDE, dates=3, seed=1, change=0.05)
    for name, scene, truth in zip(("1990", "2000", "2010"), made.scenes, made.truths, strict=True):
        shutil.copy(scene, folder / f"scene_{name}.tif")
        shutil.copy(truth, folder / f"{name}.tif")
    shutil.copy(folder / "scene_2010.tif", folder / "scene.tif")
    for name in ("mask.tif", "labels.tif", "nlcd.tif"):
        shutil.copy(folder / "2010.tif", folder / name)
    shutil.copy(folder / "scene_1990.tif", folder / "before.tif")
    shutil.copy(folder / "scene_2010.tif", folder / "after.tif")
    conv_bundle(folder / "bundle", bands=SIX, classes=COVER, name="land", units="reflectance")
    districts(folder)


def districts(folder: Path) -> None:
    """districts.gpkg: two halves of the land, with names."""
    import geopandas
    from shapely.geometry import box

    half, side = SIDE * 5, SIDE * 10
    x, y = 500_000, 5_400_000
    shapes = [box(x, y - side, x + half, y), box(x + half, y - side, x + side, y)]
    frame = geopandas.GeoDataFrame({"name": ["West", "East"]}, geometry=shapes, crs="EPSG:32632")
    frame.to_file(folder / "districts.gpkg", layer="districts")


def rgb(folder: Path) -> None:
    """B2.tif, B3.tif, B4.tif: blue, green and red of land's scene, and bundle/ for these three."""
    import rasterio

    with rasterio.open(folder / "scene.tif") as scene:
        for i, name in enumerate(("B2", "B3", "B4"), start=1):
            path = write_raster(folder / f"{name}.tif", scene.read([i]), nodata=0, transform=scene.transform)
            with rasterio.open(path, "r+") as file:
                file.scales = [scene.scales[i - 1]]
    shutil.rmtree(folder / "bundle")
    conv_bundle(folder / "bundle", bands=SIX[:3], classes=COVER, name="land", units="reflectance")


def bands(folder: Path) -> None:
    """B2.tif, B3.tif, B4.tif: one band each, and rgb-bundle/ for them."""
    for i, name in enumerate(("B2", "B3", "B4")):
        write_raster(folder / f"{name}.tif", numbers((1, 96, 96), seed=i), nodata=0)
    conv_bundle(folder / "rgb-bundle", bands=("blue", "green", "red"), units="dn")


def safe(folder: Path) -> None:
    """A Sentinel-2 product's folder of 144 x 144 pixels of 10 m, and s2-bundle/."""
    made = make_safe(folder, side=24)
    made.rename(folder / "S2A_MSIL2A_20220605T101031_N0510_R022_T32TPS_20220605T163000.SAFE")
    conv_bundle(folder / "s2-bundle", bands=("blue", "green", "red", "nir"), classes=COVER, units="reflectance")


def landsat(folder: Path) -> None:
    """A Landsat product's folder of 40 x 40 pixels of 30 m, and landsat-bundle/."""
    made = make_landsat(folder)
    made.rename(folder / "LC08_L2SP_193026_20200705_20200912_02_T1")
    conv_bundle(folder / "landsat-bundle", bands=SIX, classes=COVER, units="reflectance")


def naip(folder: Path) -> None:
    """naip.tif: four bands of 8 bits at 1 m without names, and naip-bundle/."""
    image = numbers((4, 200, 220), "uint8", high=255)
    write_raster(folder / "naip.tif", image, res=1.0, crs="EPSG:26914", photometric="MINISBLACK")  # no alpha
    conv_bundle(folder / "naip-bundle", bands=("red", "green", "blue", "nir"), classes=("field", "other"), units="dn")


def archive(folder: Path) -> None:
    """archive/2019 and 2020 with three scenes, for bundle/ of land."""
    for i, name in enumerate(("2019-06-11", "2020-06-15", "2020-07-01")):
        place = folder / "archive" / name[:4] / f"{name}.tif"
        write_raster(place, numbers((6, 70, 90), seed=i), names=SIX, nodata=0)


def examples(folder: Path) -> None:
    """What the examples of the verbs speak of, beside land and bands: runs, samples, labels, jobs, models."""
    import geopandas

    for name in ("1985", "2020"):  # scenes of a bundle for two dates
        shutil.copy(folder / f"scene_{'1990' if name == '1985' else '2010'}.tif", folder / f"{name}.tif")
    two = tuple(f"{date}_{band}" for date in ("before", "after") for band in SIX)
    conv_bundle(folder / "change-bundle", bands=two, classes=("unchanged", "built"), units="reflectance")
    for name in ("1996", "2000"):
        scene = folder / f"scene_{'1990' if name == '1996' else '2000'}.tif"
        geoseg.segment(scene, folder / "bundle", folder / name, only="mask")
    geoseg.segment(folder / "scene.tif", folder / "bundle", folder / "out")
    geoseg.change(folder / "1990.tif", folder / "2010.tif", folder / "change")
    (folder / "scenes").mkdir()
    _labelled(folder / "mask.tif", folder / "samples.gpkg")
    _labelled(folder / "change" / "change.tif", folder / "change_samples.gpkg")
    _tables(folder)
    geoseg.polygonize(folder / "labels.tif", folder / ".shapes.gpkg", min_area=2000)
    frame = geopandas.read_file(folder / ".shapes.gpkg", layer="landcover")
    frame["class"] = frame["class_name"]
    for name in ("labels.gpkg", "fields.gpkg"):
        frame[["class", "geometry"]].to_file(folder / name, layer="labels")
    _models(folder)
    _files(folder)


def _labelled(mask: Path, out: Path) -> None:
    """Samples of a mask as a person has labelled them who saw what the mask shows."""
    import geopandas
    import rasterio

    geoseg.sample(mask, out, total=200, min_per_class=5)
    points = geopandas.read_file(out, layer="samples")
    with rasterio.open(mask) as values:
        points["reference"] = values.read(1)[points["row"], points["col"]]
    points.to_file(out, layer="samples")


def _tables(folder: Path) -> None:
    """points.csv as from elsewhere, and strata.csv."""
    import geopandas

    points = geopandas.read_file(folder / "samples.gpkg", layer="samples")
    lonlat = points.to_crs("EPSG:4326")
    seen = [COVER[int(value) - 1] for value in points["reference"]]
    rows = [f"{p.x:.8f},{p.y:.8f},{name},{name},{name},{name}" for p, name in zip(lonlat.geometry, seen, strict=True)]
    (folder / "points.csv").write_text("\n".join(["lon,lat,seen,reference,stratum,map", *rows]) + "\n")
    table = geoseg.area(folder / "mask.tif")
    lines = [f"{row.class_name},{row.n_pixels},{row.area_m2}" for row in table.classes]
    (folder / "strata.csv").write_text("\n".join(["stratum,n_pixels,area_m2", *lines]) + "\n")


def _models(folder: Path) -> None:
    """model.onnx, and saved/ of segmentation-models-pytorch, for bands red and nir and classes field and other."""
    import segmentation_models_pytorch as smp

    from tests.helpers.bundles import conv_onnx

    (folder / "model.onnx").write_bytes(conv_onnx(2, 2))
    smp.Unet("resnet18", encoder_weights=None, in_channels=2, classes=2).save_pretrained(str(folder / "saved"))


def _files(folder: Path) -> None:
    """Jobs and pipelines under the names of those that ship, small."""
    place = folder / "pipelines"
    place.mkdir()
    segment = "name: {name}\nbundle: {up}bundle\nscenes:\n  paths: [{up}scene.tif]\nsteps:\n  - step: segment\n    only: mask\n"
    for name in ("segment_scene", "archive", "monthly_change"):
        (place / f"{name}.yaml").write_text(segment.format(name=name, up="../"))
    for name in ("change", "segment"):
        (folder / f"{name}.yaml").write_text(segment.format(name=name, up=""))
    (place / "train_north_carolina.yaml").write_text(
        "name: tiny\nscenes: [{scene: ../scene.tif, labels: ../labels.tif}]\nbands: [blue, green, red, nir]\n"
        "recode: {1: water, 2: tree, 3: low vegetation, 4: cropland, 5: built, 6: bare}\n"
        "split: {block: 32, buffer: 4}\nnetwork: {architecture: Conv1x1, encoder: none}\nchip_size: 64\nhalo: 0\n"
        "samples: {crop: 16}\nfit: {steps: 20, batch_size: 4}\n"
    )


STAGES: dict[str, Callable[[Path], None]] = {
    "samples": samples,
    "land": land,
    "rgb": rgb,
    "bands": bands,
    "safe": safe,
    "landsat": landsat,
    "naip": naip,
    "archive": archive,
    "examples": examples,
}
