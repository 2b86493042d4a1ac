"""Server: a run on a map in the browser of this computer, with a token; it gives out the run's own files' tiles, and no file.

What a client says is a layer's key out of a table, and numbers; paths and addresses are never taken from it.
"""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import tornado.web

import geoseg
from geoseg.errors import InputRefused
from geoseg.loopback import CLOSED, LocalHandler, LocalServer, Route
from geoseg.raster.mercator import MOST_LAT, Tile, TileSource, map_bounds, value_at
from geoseg.view.layers import RAMP, SCENE, Found, MapLayer
from geoseg.view.outlines import Outlines
from geoseg.view.tiles import STRETCHES, Look, MapTiles, scale_colours

_FILES = Path(__file__).with_name("page_files")
_OWN = "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; connect-src 'self'; img-src data:"
_NUMBERS = re.compile(r"(?:\d{1,5}(?:,\d{1,5})*)?", re.ASCII)
_MOST_NUMBERS = 4096
_THREADS = 4


class MapServer(LocalServer):
    """A run on a map, from :meth:`start` to :meth:`stop`."""

    threads: ClassVar[int | None] = _THREADS
    policy: ClassVar[str] = f"{_OWN}; {CLOSED}"
    files: ClassVar[Mapping[str, tuple[Path, str]]] = {
        "": (_FILES / "map.html", "text/html"),
        "map.css": (_FILES / "map.css", "text/css"),
        "map.js": (_FILES / "map.js", "text/javascript"),
        "layers.js": (_FILES / "layers.js", "text/javascript"),
        "swipe.js": (_FILES / "swipe.js", "text/javascript"),
        "maplibre-gl.mjs": (_FILES / "maplibre/maplibre-gl.mjs", "text/javascript"),
        "maplibre-gl-worker.mjs": (_FILES / "maplibre/maplibre-gl-worker.mjs", "text/javascript"),
        "maplibre-gl.css": (_FILES / "maplibre/maplibre-gl.css", "text/css"),
    }

    def __init__(self, found: Found, address: str) -> None:
        """Nothing listens yet; the token is a new one."""
        super().__init__(address, secrets.token_urlsafe(32), option="--port 0 takes any that is free")
        self.found = found
        self.tiles = MapTiles(found)
        self.notes = list(found.notes)
        self.outlines: Outlines | None = None
        if found.polygons is not None:
            try:
                self.outlines = Outlines(found.polygons, found.geobox, self.tiles.zoom)
            except InputRefused as error:
                self.notes.append(f"The polygons are not shown: {error}")
        self.bounds = map_bounds(found.geobox)
        if self.bounds[1] >= MOST_LAT - 1e-6 or self.bounds[3] <= -MOST_LAT + 1e-6:
            self.notes.append("The run lies beyond 85.05 degrees of latitude, where maps of this kind end.")

    def routes(self) -> Sequence[Route]:
        """Patterns of paths, and who answers them."""
        number = r"([0-9]{1,2})/([0-9]{1,8})/([0-9]{1,8})"
        return [
            (r"/api/run", _Run), (r"/api/at", _At),
            (rf"/tile/([a-z0-9_-]{{1,80}})/{number}", _Picture), (rf"/polygons/{number}", _Polygons),
        ]  # fmt: skip

    def stop(self) -> None:
        """End the server."""
        self.tiles.close()
        super().stop()

    def facts(self) -> dict[str, Any]:
        """What the page shows, but for pixels and polygons."""
        legend = self.found.legend
        classes = [] if legend is None else legend.classes
        return {
            "title": self.found.title, "about": [*self.found.about], "notes": self.notes, "geoseg": geoseg.__version__,
            "bounds": self.bounds, "zoom": self.tiles.zoom, "max_zoom": self.tiles.max_zoom,
            "layers": [_layer_facts(layer) for layer in self.found.layers], "changes": self.found.changes,
            "legend": [
                {"value": item.value, "name": item.name, "colour": item.colour, "area_ha": self.found.areas.get(item.value)}
                for item in classes
            ],
            "stretches": list(STRETCHES),
            "polygons": None if self.outlines is None else {
                "n": self.outlines.n, "min_zoom": self.outlines.zooms[0], "max_zoom": self.outlines.zooms[1],
            },
        }  # fmt: skip

    def at(self, lon: float, lat: float, zoom: float) -> dict[str, Any]:
        """What all layers say of a place (degrees), and the polygon that is there."""
        sources = dict.fromkeys(source for layer in self.found.layers for source in layer.sources)
        known: dict[TileSource, float | None] = {source: value_at(source, lon, lat) for source in sources}
        said = [[layer.title, self.tiles.values_at(layer.key, known)] for layer in self.found.layers]
        answer: dict[str, Any] = {"values": [row for row in said if row[1]], "polygon": None, "outline": None}
        fid = self.outlines.at(lon, lat) if self.outlines is not None else None
        if self.outlines is not None and fid is not None:
            answer |= {"polygon": self.outlines.facts(fid), "outline": self.outlines.outline(fid, zoom)}
        return answer


class _Handler(LocalHandler):
    server: MapServer

    def tile(self, numbers: Sequence[str], most: int) -> Tile:
        """A tile that there can be; 404 for any other."""
        z, x, y = (int(number) for number in numbers)
        if z > most or max(x, y) >= 2**z:
            raise tornado.web.HTTPError(404)
        return z, x, y


class _Run(_Handler):
    def get(self) -> None:
        self.send(self.server.facts())


class _At(_Handler):
    async def get(self) -> None:
        lon, lat, zoom = (self._degrees(name) for name in ("lon", "lat", "zoom"))
        if not (-540 <= lon <= 540 and -90 <= lat <= 90 and -2 <= zoom <= 30):
            raise tornado.web.HTTPError(400)
        lon = (lon + 180) % 360 - 180
        self.send(await self.ask(lambda: self.server.at(lon, lat, zoom)))

    def _degrees(self, name: str) -> float:
        try:
            value = float(self.get_query_argument(name))
        except ValueError:
            raise tornado.web.HTTPError(400) from None
        if not math.isfinite(value):
            raise tornado.web.HTTPError(400)
        return value


class _Picture(_Handler):
    async def get(self, key: str, *numbers: str) -> None:
        if key not in self.server.tiles.layers:
            raise tornado.web.HTTPError(404)
        tile, look = self.tile(numbers, self.server.tiles.max_zoom), self._look()
        drawn = await self.ask(lambda: self.server.tiles.picture(key, tile, look))
        self.set_header("Content-Type", "image/png")
        self.finish(drawn)

    def _look(self) -> Look:
        stretch = self.get_query_argument("stretch", "normal")
        if stretch not in STRETCHES:
            raise tornado.web.HTTPError(400)
        return Look(self._hidden("hide"), self._hidden("from"), self.get_query_argument("bands", ""), stretch)

    def _hidden(self, name: str) -> frozenset[int]:
        text = self.get_query_argument(name, "")
        if not _NUMBERS.fullmatch(text) or text.count(",") > _MOST_NUMBERS:
            raise tornado.web.HTTPError(400)
        return frozenset(int(part) for part in text.split(",") if part)


class _Polygons(_Handler):
    async def get(self, *numbers: str) -> None:
        outlines = self.server.outlines
        if outlines is None:
            raise tornado.web.HTTPError(404)
        tile = self.tile(numbers, outlines.zooms[1])
        if tile[0] < outlines.zooms[0]:
            raise tornado.web.HTTPError(404)
        made = await self.ask(lambda: outlines.tile(tile))
        self.set_header("Content-Type", "application/vnd.mapbox-vector-tile")
        self.finish(made)


def _layer_facts(layer: MapLayer) -> dict[str, Any]:
    facts: dict[str, Any] = {"key": layer.key, "title": layer.title, "kind": layer.kind, "shown": layer.shown}
    if layer.kind == SCENE:
        facts["composites"] = [{"key": item.key, "title": item.title} for item in layer.composites]
    if layer.kind == RAMP and layer.scale is not None:
        first, last = layer.scale.stops[0][0], layer.scale.stops[-1][0]
        facts["scale"] = {"low": first, "high": last, "unit": layer.scale.unit, "colours": scale_colours(layer.scale)}
    return facts
