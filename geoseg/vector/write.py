"""Write polygons: a GeoPackage with the style inside, streamed, the same bytes for the same polygons; complete or absent."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from geoseg.grid.geobox import GeoBox
from geoseg.legend import Legend
from geoseg.raster.files import complete_or_absent
from geoseg.vector.regions import Regions

LAYER = "landcover"


def write_polygons(path: str | Path, regions: Regions | Iterable[Regions], geobox: GeoBox, legend: Legend) -> int:
    """Write polygons to a GeoPackage and return how many."""
    import pyarrow as pa
    import pyogrio
    import shapely

    whole = regions if isinstance(regions, Regions) else Regions.concat(regions)
    names = legend.names
    table = pa.table(
        {
            "class_id": pa.array(whole.values.astype(np.int32)),
            "class_name": pa.array([names.get(int(v), str(v)) for v in whole.values], pa.string()),
            "area_m2": whole.area_m2,
            "area_ha": whole.area_m2 / 1e4,
            "perim_m": whole.perim_m,
            "n_pixels": whole.n_pixels,
            "geom": pa.array(shapely.to_wkb(whole.geometries(geobox)), pa.binary()),
        }
    )
    with complete_or_absent(path) as temporary:
        pyogrio.write_arrow(
            table, temporary, layer=LAYER, driver="GPKG", geometry_name="geom", geometry_type="Polygon", crs=geobox.crs
        )
    return len(whole)
