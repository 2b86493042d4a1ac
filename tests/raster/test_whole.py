from pathlib import Path

import numpy as np
import pytest
import rasterio

from geoseg.errors import InputRefused
from geoseg.raster.whole import check_whole

FORMS = [
    ("a.tif", {"driver": "GTiff"}), ("a.tif", {"driver": "GTiff", "tiled": True, "blockxsize": 16, "blockysize": 16}),
    ("a.tif", {"driver": "GTiff", "compress": "deflate", "BIGTIFF": "YES"}), ("a.tif", {"driver": "GTiff", "ENDIANNESS": "BIG"}),
    ("a.tif", {"driver": "COG"}), ("a.jp2", {"driver": "JP2OpenJPEG"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "form"), FORMS)
def test_whole_files_pass_and_those_without_their_end_do_not(
    tmp_path: Path, name: str, form: dict[str, object]
) -> None:
    path = tmp_path / name
    image = np.random.default_rng(0).integers(0, 255, (3, 64, 64), np.uint8)
    profile = {"height": 64, "width": 64, "count": 3, "dtype": "uint8", "crs": "EPSG:32632"}
    with rasterio.open(path, "w", transform=rasterio.Affine(10, 0, 5e5, 0, -10, 5e6), **profile, **form) as out:
        out.write(image)
    check_whole(path)
    whole = path.read_bytes()
    for cut in (len(whole) - 8, len(whole) // 2, 100, 12):
        path.write_bytes(whole[:cut])
        with pytest.raises(InputRefused, match="CUT_OFF"):
            check_whole(path)


def test_real_scenes_are_whole(shared: Path) -> None:
    found = [path for path in sorted((shared / "data").rglob("*")) if path.suffix.lower() in (".tif", ".jp2")]
    assert found
    for path in found:
        check_whole(path)


def test_no_bytes_lead_astray(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    rng = np.random.default_rng(1)
    for head in (b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0", b"\0\0\0\x0cjP  ", b""):
        for _ in range(200):
            path.write_bytes(head + rng.integers(0, 4, 200, np.uint8).tobytes())
            try:
                check_whole(path)
            except InputRefused as error:
                assert error.code == "CUT_OFF"
