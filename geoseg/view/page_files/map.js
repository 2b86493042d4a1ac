// The page: layers, legend, swipe, and what is at a place. Names are shown as text, never as markup.
import { Map as MapView, NavigationControl, Popup, ScaleControl } from "./maplibre-gl.mjs";
import { OUTLINE, filterOf, nothing, startOf, styleOf, tileAddress } from "./layers.js";
import { moveLine, together } from "./swipe.js";

const token = location.hash.slice(1);
history.replaceState(null, "", "/");
const byId = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
let facts, state, left, right, popup;

const headers = { Authorization: `Bearer ${token}` };

async function ask(path) {
  const answer = await fetch(path, { headers, cache: "no-store" });
  if (answer.status === 401) throw new Error("This address has no token, or an old one: use the one that geoseg view printed.");
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error || `The server says ${answer.status}.`);
  trouble("");
  return said;
}

function trouble(text) {
  byId("trouble").textContent = text;
  byId("trouble").hidden = !text;
}

function make(name, more = {}, ...children) {
  const made = Object.assign(document.createElement(name), more);
  made.append(...children);
  return made;
}

function newMap(container) {
  const made = new MapView({
    container, style: styleOf(facts, state), bounds: box(), fitBoundsOptions: { padding: 24, maxZoom: facts.zoom + 2 },
    maxZoom: facts.zoom + 7, attributionControl: false, dragRotate: false, pitchWithRotate: false, touchPitch: false,
    renderWorldCopies: true, canvasContextAttributes: { preserveDrawingBuffer: false },
    transformRequest: (url) => (url.startsWith(`${location.origin}/`) ? { url, headers } : { url: "about:blank" }),
  });
  made.touchZoomRotate.disableRotation();
  made.keyboard.disableRotation();
  made.on("error", (event) => trouble(troubleOf(event.error)));
  made.on("idle", tellState);
  made.on("dataloading", () => (document.body.dataset.state = "busy"));
  made.on("click", (event) => look(made, event.lngLat));
  return made;
}

const box = () => [[facts.bounds[0], facts.bounds[1]], [facts.bounds[2], facts.bounds[3]]];

function troubleOf(error) {
  if (error?.status) return `A part of the map cannot be read (${error.status}).`;
  return error?.message?.includes("fetch") ? "The server has ended: start geoseg view again." : error?.message || "Something went wrong.";
}

function tellState() {
  if (left.areTilesLoaded() && (!right || byId("map-right").hidden || right.areTilesLoaded())) document.body.dataset.state = "idle";
}

/** Show on each map what it has to show. */
function draw() {
  const swiped = byId("swipe").checked;
  show(left, swiped ? byId("swipe-left").value : null);
  if (swiped) show(right, byId("swipe-right").value);
  outlineHint();
}

function show(map, only) {
  for (const layer of state.layers.values()) {
    const on = layer.on && (layer.kind === "polygons" || only === null) || layer.key === only;
    if (layer.kind === "polygons") {
      map.setLayoutProperty(OUTLINE.line, "visibility", on ? "visible" : "none");
      map.setPaintProperty(OUTLINE.line, "line-opacity", layer.opacity);
      map.setFilter(OUTLINE.line, filterOf(facts, state));
    } else {
      map.setLayoutProperty(layer.key, "visibility", on ? "visible" : "none");
      map.setPaintProperty(layer.key, "raster-opacity", layer.opacity);
      const source = map.getSource(layer.key);
      const address = tileAddress(layer, state);
      if (source.tiles[0] !== address) source.setTiles([address]);
    }
  }
}

function outlineHint() {
  const polygons = state.layers.get("polygons");
  if (polygons) byId("hint").hidden = !polygons.on || left.getZoom() >= facts.polygons.min_zoom;
}

// Layers

function layerRow(layer, i) {
  const on = make("input", { type: "checkbox", checked: layer.on, id: `on-${layer.key}` });
  const opacity = make("input", { type: "range", min: "0", max: "1", step: "0.05", value: String(layer.opacity) });
  opacity.setAttribute("aria-label", `Opacity of ${layer.title}`);
  on.addEventListener("change", () => { layer.on = on.checked; draw(); });
  opacity.addEventListener("input", () => { layer.opacity = Number(opacity.value); draw(); });
  const key = i < 9 ? ` (${i + 1})` : "";
  const row = make("li", {}, make("label", {}, on, ` ${layer.title}${key}`), make("div", { className: "detail" }, opacity));
  if (layer.kind === "scene") row.append(sceneRow(layer));
  if (layer.scale) row.append(scaleRow(layer.scale));
  if (layer.kind === "polygons") {
    row.append(make("div", { className: "detail", id: "hint", hidden: true }, "Zoom in for outlines; a click tells at any zoom."));
  }
  return row;
}

function choice(label, options, set) {
  const made = make("select", {}, ...options.map(([value, text]) => make("option", { value, textContent: text })));
  made.setAttribute("aria-label", label);
  made.addEventListener("change", () => { set(made.value); draw(); });
  return made;
}

function sceneRow(layer) {
  const bands = choice("Bands", layer.composites.map((item) => [item.key, item.title]), (value) => (layer.bands = value));
  const stretch = choice("Contrast", facts.stretches.map((name) => [name, `${name} contrast`]), (value) => (layer.stretch = value));
  return make("div", { className: "detail" }, bands, stretch);
}

function scaleRow(scale) {
  const bar = make("div", { className: "bar" });
  bar.style.background = `linear-gradient(to right, ${scale.colours.map((colour) => `rgb(${colour.join()})`).join()})`;
  const ends = make("div", { className: "ends" }, make("span", {}, number.format(scale.low)), make("span", {}, `${number.format(scale.high)} ${scale.unit}`));
  return make("div", { className: "detail" }, bar, ends);
}

function listLayers() {
  // The highest layer is the first of the list.
  const rows = [...state.layers.values()].reverse();
  byId("layers").append(...rows.map(layerRow));
  const shown = rows.filter((layer) => layer.kind !== "polygons");
  if (shown.length < 2) return;
  byId("swipe-section").hidden = false;
  for (const side of ["swipe-left", "swipe-right"]) {
    byId(side).append(...shown.map((layer) => make("option", { value: layer.key, textContent: layer.title })));
    byId(side).addEventListener("change", draw);
  }
  const [first, second] = facts.changes ? ["before", "after"] : [shown.at(-1).key, shown[0].key];
  byId("swipe-left").value = first;
  byId("swipe-right").value = second;
  byId("swipe").addEventListener("change", swipe);
}

function swipe() {
  const on = byId("swipe").checked;
  for (const id of ["swipe-sides", "map-right", "line"]) byId(id).hidden = !on;
  close();
  if (!on) return draw();
  if (right) {
    right.resize();
    right.jumpTo({ center: left.getCenter(), zoom: left.getZoom() });
    return draw();
  }
  right = newMap("map-right");
  right.once("load", () => { together(left, right); draw(); });
  moveLine(byId("line"), byId("stage"));
}

// Legend

function listClasses() {
  if (!facts.legend.length) return;
  byId("legend-section").hidden = false;
  const columns = facts.changes ? ["From", "To", "Class", "ha after"] : ["", "Class", "ha"];
  byId("legend").tHead.append(make("tr", {}, ...columns.map((text) => make("th", { scope: "col", textContent: text }))));
  for (const item of facts.legend) byId("legend").tBodies[0].append(classRow(item));
  const setAll = (checked) => {
    for (const box of byId("legend").querySelectorAll("input")) box.checked = checked;
    for (const set of [state.hidden, state.hiddenFrom]) {
      set.clear();
      if (!checked) facts.legend.forEach((item) => set.add(item.value));
    }
    draw();
  };
  byId("all").addEventListener("click", () => setAll(true));
  byId("none").addEventListener("click", () => setAll(false));
}

function classRow(item) {
  const box = (set, word) => {
    const made = make("input", { type: "checkbox", checked: true });
    made.setAttribute("aria-label", `${word}${item.name}`);
    made.addEventListener("change", () => {
      if (made.checked) set.delete(item.value);
      else set.add(item.value);
      draw();
    });
    return make("td", {}, made);
  };
  const boxes = facts.changes ? [box(state.hiddenFrom, "from "), box(state.hidden, "to ")] : [box(state.hidden, "")];
  const swatch = make("span", { className: "swatch" });
  swatch.style.background = `rgb(${item.colour.join()})`;
  const area = item.area_ha === null ? "" : number.format(item.area_ha);
  return make("tr", {}, ...boxes, make("td", {}, swatch, item.name), make("td", { className: "number", textContent: area }));
}

// What is at a place

async function look(map, place) {
  let found;
  try {
    found = await ask(`/api/at?lon=${place.lng}&lat=${Math.max(Math.min(place.lat, 90), -90)}&zoom=${map.getZoom()}`);
  } catch (error) {
    return trouble(error.message);
  }
  close();
  const shown = describe(found);
  for (const one of [left, right]) one?.getSource("asked")?.setData(found.outline || nothing());
  popup = new Popup({ maxWidth: "22rem", focusAfterOpen: false }).setLngLat(place).setDOMContent(shown).addTo(byId("swipe").checked && right ? right : left);
  popup.on("close", () => { for (const one of [left, right]) one?.getSource("asked")?.setData(nothing()); });
  byId("said").textContent = shown.innerText;
}

function describe(found) {
  const polygon = found.polygon || {};
  const names = polygon.from_name !== undefined ? `${polygon.from_name} → ${polygon.to_name}` : polygon.class_name;
  const rows = [];
  if (polygon.area_ha !== undefined) rows.push(["Area", `${number.format(polygon.area_ha)} ha`]);
  if (polygon.conf_mean !== undefined) rows.push(["Mean confidence", `${number.format(polygon.conf_mean)} %`]);
  if (polygon.perim_m !== undefined) rows.push(["Perimeter", `${number.format(polygon.perim_m)} m`]);
  if (polygon.n_pixels !== undefined) rows.push(["Pixels", number.format(polygon.n_pixels)]);
  const list = (items) => make("dl", {}, ...items.flatMap(([name, text]) => [make("dt", { textContent: name }), make("dd", { textContent: text })]));
  const parts = [];
  if (found.polygon) parts.push(make("h3", { textContent: names ?? "Polygon" }), list(rows));
  parts.push(make("h3", { textContent: found.polygon || found.values.length ? "At this place" : "Nothing here" }));
  parts.push(list(found.values));
  return make("div", {}, ...parts);
}

function close() {
  popup?.remove();
  popup = undefined;
}

// Keys

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.matches("input[type=range], select, textarea")) return;
  const rows = [...byId("layers").querySelectorAll("input[type=checkbox]")];
  if (/^[1-9]$/.test(event.key)) rows[Number(event.key) - 1]?.click();
  else if (event.key === "0") left.fitBounds(box(), { padding: 24, animate: false });
  else if (event.key === "s" || event.key === "S") { if (!byId("swipe-section").hidden) byId("swipe").click(); }
  else if (event.key === "Escape") close();
  else if (event.key === "Enter" && event.target.matches("canvas")) look(left, left.getCenter());
}

async function start() {
  facts = await ask("/api/run");
  state = startOf(facts);
  document.title = `${facts.title} – geoseg map`;
  byId("title").textContent = facts.title;
  byId("notes").append(...facts.notes.map((text) => make("li", { textContent: text })));
  byId("notes").hidden = facts.notes.length === 0;
  byId("about").append(...facts.about.map((text) => make("p", { textContent: text })));
  listLayers();
  listClasses();
  left = newMap("map");
  left.addControl(new NavigationControl({ showCompass: false }), "top-right");
  left.addControl(new ScaleControl({ maxWidth: 140 }), "bottom-left");
  left.on("load", draw);
  left.on("zoomend", outlineHint);
  document.addEventListener("keydown", onKey);
}

start().catch((error) => {
  byId("title").textContent = "No map";
  trouble(error instanceof TypeError ? "The server has ended: start geoseg view again." : error.message);
  document.body.dataset.state = "failed";
});
