"""Draw samples/pucallpa/change.png from a change of two maps of Pucallpa: where the river was and is, where the town grew.

::

    python samples/draw_pucallpa.py pucallpa-change/ samples/pucallpa/change.png

The folder is what ``geoseg change`` left; only its ``change.tif`` is read.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image, ImageDraw, ImageFont

WATER, TREE, BUILT, BARE = 1, 2, 5, 6
ZOOM, STRIP = 2, 40
GROUND, TREES, SAND = (240, 236, 215), (214, 228, 205), (222, 210, 190)  # what neither river nor town took or left
KEY = {
    "water at both dates": (70, 130, 180), "water only before": (150, 205, 235), "water only after": (12, 44, 132),
    "built at both dates": (110, 30, 40), "built only after": (235, 80, 60), "built only before": (245, 175, 160),
}  # fmt: skip


def main(folder: Path, picture: Path) -> None:
    """Write the picture."""
    with rasterio.open(folder / "change.tif") as dataset:
        codes = dataset.read(1)
    before, after = codes >> 8, codes & 255
    colours = np.full((*codes.shape, 3), GROUND, np.uint8)
    colours[after == TREE] = TREES
    colours[after == BARE] = SAND
    for value, names in ((WATER, list(KEY)[:3]), (BUILT, list(KEY)[3:])):
        was, is_now = before == value, after == value
        only_after, only_before = ("only after", "only before")
        for name in names:
            where = was & is_now if "both" in name else is_now & ~was if only_after in name else was & ~is_now
            if only_before in name:  # what came is drawn over what went
                where &= (after != WATER) & (after != BUILT)
            colours[where] = KEY[name]
    colours[codes == 0] = 255
    rows, cols = codes.shape
    sheet = Image.new("RGB", (cols * ZOOM, rows * ZOOM + STRIP), "white")
    sheet.paste(Image.fromarray(colours).resize((cols * ZOOM, rows * ZOOM), Image.Resampling.NEAREST))
    _key(ImageDraw.Draw(sheet), rows * ZOOM + 12)
    sheet.quantize(32, dither=Image.Dither.NONE).save(picture, optimize=True)


def _key(draw: ImageDraw.ImageDraw, top: int) -> None:
    left, font = 10, ImageFont.load_default(16)
    for name, colour in KEY.items():
        draw.rectangle((left, top, left + 20, top + 16), fill=colour)
        draw.text((left + 28, top - 2), name, fill="black", font=font)
        left += 48 + int(draw.textlength(name, font=font)) + 20


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
