"""RAT: names and colours of a mask beside it, as GDAL reads them, and with it QGIS and ArcGIS."""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape

from geoseg.legend import Legend
from geoseg.raster.printable import printable

# GDALRATFieldType and GDALRATFieldUsage, gdal.h
_INTEGER, _REAL, _STRING = 0, 1, 2
_GENERIC, _PIXEL_COUNT, _NAME, _MIN_MAX, _RED, _GREEN, _BLUE = 0, 1, 2, 5, 6, 7, 8


def pam_xml(legend: Legend, counts: Mapping[int, int]) -> str:
    """Return the text of ``mask.tif.aux.xml``: category names and an attribute table with one row for each class.

    Parameters
    ----------
    legend
        The classes; rows stand in the order of their values.
    counts
        Pixels by class value; a class that is not there has 0.
    """
    fields = (
        ("Value", _INTEGER, _MIN_MAX),
        ("Count", _REAL, _PIXEL_COUNT),  # GDAL's integers end at 2^31
        ("Class", _STRING, _NAME),
        ("Red", _INTEGER, _RED),
        ("Green", _INTEGER, _GREEN),
        ("Blue", _INTEGER, _BLUE),
    )
    columns = "".join(
        f'      <FieldDefn index="{i}">\n        <Name>{name}</Name>\n        <Type>{kind}</Type>\n'
        f"        <Usage>{usage}</Usage>\n      </FieldDefn>\n"
        for i, (name, kind, usage) in enumerate(fields)
    )
    classes = sorted(legend.classes, key=lambda item: item.value)
    rows = "".join(
        f'      <Row index="{i}">'
        + "".join(f"<F>{_text(cell)}</F>" for cell in (c.value, counts.get(c.value, 0), c.name, *c.colour))
        + "</Row>\n"
        for i, c in enumerate(classes)
    )
    names = {legend.nodata: "nodata", **legend.names}
    categories = "".join(
        f"      <Category>{_text(names.get(value, ''))}</Category>\n"
        for value in range(max(legend.values, default=-1) + 1)
    )
    if not legend.fits_mask:  # up to 65536 lines, nearly all of them empty: the table has the names
        categories = ""
    return (
        '<PAMDataset>\n  <PAMRasterBand band="1">\n'
        f"    <CategoryNames>\n{categories}    </CategoryNames>\n"
        f'    <GDALRasterAttributeTable tableType="thematic">\n{columns}{rows}    </GDALRasterAttributeTable>\n'
        "  </PAMRasterBand>\n</PAMDataset>\n"
    )


def _text(cell: object) -> str:
    return escape(printable(str(cell)))
