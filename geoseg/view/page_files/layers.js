// The state of the map's layers and the style that shows it: plain values and functions, no document.

export const OUTLINE = { fill: "polygon-fill", line: "polygon-line", mark: "asked-line", back: "asked-back" };

/** What is on, how opaque, and which classes are left out; `facts` is the server's answer. */
export function startOf(facts) {
  const layers = new Map();
  for (const layer of facts.layers) {
    layers.set(layer.key, {
      ...layer, on: layer.shown, opacity: 1,
      bands: layer.composites ? layer.composites[0].key : "", stretch: "normal",
    });
  }
  if (facts.polygons) {
    layers.set("polygons", { key: "polygons", title: "Polygons", kind: "polygons", on: true, opacity: 0.8 });
  }
  return { layers, hidden: new Set(), hiddenFrom: new Set() };
}

export function tileAddress(layer, state) {
  const asked = new URLSearchParams();
  if (layer.kind === "scene") {
    asked.set("bands", layer.bands);
    asked.set("stretch", layer.stretch);
  } else if (layer.kind !== "ramp") {
    if (state.hidden.size && layer.kind !== "before") asked.set("hide", sorted(state.hidden));
    if (state.hiddenFrom.size && (layer.kind === "before" || layer.kind === "change")) asked.set("from", sorted(state.hiddenFrom));
  }
  const more = asked.size ? `?${asked}` : "";
  return `${location.origin}/tile/${layer.key}/{z}/{x}/{y}${more}`;
}

const sorted = (values) => [...values].sort((a, b) => a - b).join(",");

/** MapLibre's style: no glyphs, no sprites, nothing from elsewhere. */
export function styleOf(facts, state) {
  const sources = {};
  const drawn = [];
  for (const layer of state.layers.values()) {
    if (layer.kind === "polygons") continue;
    sources[layer.key] = { type: "raster", tiles: [tileAddress(layer, state)], tileSize: 256, maxzoom: facts.max_zoom, ...within(facts) };
    drawn.push({
      id: layer.key, type: "raster", source: layer.key,
      layout: { visibility: layer.on ? "visible" : "none" },
      paint: { "raster-opacity": layer.opacity, "raster-resampling": "nearest", "raster-fade-duration": 0 },
    });
  }
  if (facts.polygons) {
    sources.polygons = {
      type: "vector", tiles: [`${location.origin}/polygons/{z}/{x}/{y}`], ...within(facts),
      minzoom: facts.polygons.min_zoom, maxzoom: facts.polygons.max_zoom,
    };
    drawn.push({
      id: OUTLINE.line, type: "line", source: "polygons", "source-layer": "polygons",
      paint: { "line-color": "#111", "line-width": ["interpolate", ["linear"], ["zoom"], facts.zoom - 2, 0.5, facts.zoom + 3, 1.5] },
    });
  }
  sources.asked = { type: "geojson", data: nothing() };
  drawn.push({ id: OUTLINE.back, type: "line", source: "asked", paint: { "line-color": "#111", "line-width": 5 } });
  drawn.push({ id: OUTLINE.mark, type: "line", source: "asked", paint: { "line-color": "#ffe500", "line-width": 2.5 } });
  return { version: 8, sources, layers: drawn };
}

export const nothing = () => ({ type: "FeatureCollection", features: [] });

/** A run across the antimeridian has tiles at both ends of the map: then nothing can be left out. */
function within(facts) {
  const [west, south, east, north] = facts.bounds;
  return east <= 180 ? { bounds: [west, south, east, north] } : {};
}

/** Polygons of the classes that are not left out. */
export function filterOf(facts, state) {
  const shown = (name, hidden) => ["!", ["in", ["get", name], ["literal", [...hidden]]]];
  if (facts.changes) return ["all", shown("to_id", state.hidden), shown("from_id", state.hiddenFrom)];
  return shown("class_id", state.hidden);
}
