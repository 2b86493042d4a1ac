"""Sidecars: the files beside a class raster from which GDAL, QGIS and ArcGIS take its names, colours and counts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from geoseg.legend import Legend
from geoseg.raster.qml import qml
from geoseg.raster.rat import pam_xml
from geoseg.raster.vat import ENCODING, vat_dbf


def sidecars(raster: str) -> tuple[str, ...]:
    """Names of what stands beside a class raster of this name (``mask.tif``).

    ``mask.tif.aux.xml`` (category names, attribute table: GDAL), ``mask.tif.vat.dbf`` with ``mask.tif.vat.cpg``
    (attribute table and its encoding: ArcGIS), ``mask.qml`` (style: QGIS).
    """
    return f"{raster}.aux.xml", f"{raster}.vat.cpg", f"{raster}.vat.dbf", str(Path(raster).with_suffix(".qml"))


def write_sidecars(raster: Path, legend: Legend, counts: Mapping[int, int]) -> None:
    """Write them; ``counts``: pixels by class value."""
    made = (
        pam_xml(legend, counts).encode(),
        ENCODING.encode("ascii"),
        vat_dbf(legend, counts),
        qml(legend).encode(),
    )
    for name, content in zip(sidecars(raster.name), made, strict=True):
        raster.with_name(name).write_bytes(content)
