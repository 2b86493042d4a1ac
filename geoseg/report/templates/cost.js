"use strict";
// The seconds of geoseg/pipeline/forecast.py, and money. What is not known counts as nothing and is told.
const facts = JSON.parse(document.getElementById("facts").textContent);
const at = (id) => document.getElementById(id);
const GIVEN = ["workers", "speed", "reads", "block", "begin", "lost", "price", "client", "egress", "deadline"];
const rows = new Map(); // of one step, with one size of chips: its groups, and the field of its rate

function seconds(group, rate, given, workers) {
  if (group.kind === "segment") {
    if (!(rate > 0)) return { parallel: 0, serial: 0, why: "" };
    const share = Math.ceil(group.blocks / workers) / group.blocks; // of the busiest worker
    const network = (share * group.chips * rate) / given.speed;
    const reading = given.reads ? (share * group.read) / (given.reads * 1e6) : 0;
    const scheduler = (group.blocks * given.block) / 1000;
    const parallel = Math.max(network / (1 - given.lost / 100), reading / (1 - given.lost / 100), scheduler);
    const serial = facts.start_s + group.pixels / 1e6 / facts.assembled_mpx_per_s;
    const why =
      serial > parallel ? "one machine" : parallel === scheduler ? "scheduler" :
      reading > network ? "reading" : group.blocks < workers ? "too few blocks" : "network";
    return { parallel, serial, why };
  }
  if (group.pixels === null || !(rate > 0)) return { parallel: 0, serial: group.seconds || 0, why: "one machine" };
  return { parallel: 0, serial: facts.start_s + group.pixels / 1e6 / rate, why: "one machine" };
}

function total(given, workers, told) {
  let sum = given.begin * 60, read = 0;
  for (const row of rows.values()) {
    const rate = row.field ? Number(row.field.value) : null;
    let time = 0, most = -1, why = "";
    for (const group of row.groups) {
      const found = seconds(group, rate, given, workers);
      const of = group.n * (found.parallel + found.serial);
      time += of;
      read += group.n * (group.read || 0);
      if (of > most) [most, why] = [of, found.why];
    }
    sum += time;
    if (told) told(row, time, why);
  }
  const hours = sum / 3600;
  return { seconds: sum, cost: hours * (workers * given.price + given.client) + (read / 1e9) * given.egress, hours: hours * workers };
}

function duration(value) {
  if (value < 120) return `${value.toFixed(1)} s`;
  if (value < 7200) return `${Math.round(value / 60)} min`;
  if (value < 172800) return `${(value / 3600).toFixed(1)} h`;
  return `${(value / 86400).toFixed(1)} days`;
}

function volume(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let i = 0;
  for (; bytes >= 1024 && i < units.length - 1; i++) bytes /= 1024;
  return `${bytes.toFixed(i ? 1 : 0)} ${units[i]}`;
}

const number = (value) => value.toLocaleString("en", { maximumFractionDigits: value >= 100 ? 0 : 2 });

function given() {
  const found = {};
  for (const id of GIVEN) {
    if (!at(id).checkValidity()) return null;
    found[id] = Number(at(id).value);
  }
  for (const row of rows.values()) if (row.field && !row.field.checkValidity()) return null;
  found.workers = Math.round(found.workers);
  return found;
}

function counts(most) {
  const found = new Set();
  for (let i = 0; i <= 60; i++) found.add(Math.round(most ** (i / 60)));
  return [...found];
}

function enough(set) {
  const within = (n) => total(set, n).seconds <= set.deadline * 3600;
  const most = Math.max(1, ...[...rows.values()].flatMap((row) => row.groups.map((group) => group.blocks || 1)));
  if (!within(most)) return null; // more workers than the largest map has blocks help nobody
  let low = 0, high = most;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (within(middle)) high = middle;
    else low = middle;
  }
  return high;
}

function show() {
  const set = given();
  if (!set) {
    for (const id of ["time", "cost", "hours", "enough"]) at(id).textContent = "–";
    at("time-note").textContent = "a field below is empty or out of range";
    return;
  }
  const found = total(set, set.workers, (row, time, why) => {
    row.time.textContent = duration(time);
    row.why.textContent = why;
  });
  at("time").textContent = duration(found.seconds);
  at("time-note").textContent = `with ${number(set.workers)} worker${set.workers > 1 ? "s" : ""}; alone ${duration(total(set, 1).seconds)}`;
  const priced = set.price || set.client || set.egress;
  at("cost").textContent = priced ? number(found.cost) : "–";
  at("cost-note").textContent = priced ? `with one worker ${number(total(set, 1).cost)}` : "enter prices below";
  at("hours").textContent = number(found.hours);
  at("hours-note").textContent = "paid for, at work or not";
  const least = enough(set);
  at("enough").textContent = least === null ? "none" : number(least);
  at("enough-note").textContent =
    least === null ? "no number of workers is enough: see what limits it" :
    `${duration(total(set, least).seconds)}${priced ? `, ${number(total(set, least).cost)}` : ""}`;
  draw(set, priced);
}

function add(parent, name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  parent.append(made);
}

function draw(set, priced) {
  const chart = at("chart");
  chart.replaceChildren();
  const most = Math.max(100, 2 * set.workers), [left, right, top, bottom] = [90, 770, 34, 255];
  const points = counts(most).map((n) => [n, total(set, n)]);
  const x = (n) => left + ((right - left) * Math.log(n)) / Math.log(most);
  for (let n = 1; n <= most; n *= 10) {
    add(chart, "line", { class: "axis", x1: x(n), x2: x(n), y1: top, y2: bottom });
    add(chart, "text", { x: x(n), y: bottom + 18, "text-anchor": "middle" }, number(n));
  }
  add(chart, "text", { x: (left + right) / 2, y: bottom + 38, "text-anchor": "middle" }, "workers");
  add(chart, "line", { class: "axis", x1: left, x2: right, y1: bottom, y2: bottom });
  const line = (kind, value, say, x0, anchor) => {
    const high = Math.max(...points.map(([, p]) => value(p))) || 1;
    const y = (p) => bottom - ((bottom - top) * value(p)) / high;
    add(chart, "polyline", { class: kind, points: points.map(([n, p]) => `${x(n).toFixed(1)},${y(p).toFixed(1)}`).join(" ") });
    for (const part of [0, 0.5, 1])
      add(chart, "text", { class: kind, x: x0, y: bottom - (bottom - top) * part + 4, "text-anchor": anchor }, say(high * part));
  };
  line("time", (p) => p.seconds, duration, left - 8, "end");
  add(chart, "text", { class: "time", x: left - 8, y: 14, "text-anchor": "end" }, "time");
  if (priced) {
    line("cost", (p) => p.cost, number, right + 8, "start");
    add(chart, "text", { class: "cost", x: right + 8, y: 14, "text-anchor": "start" }, "cost");
  }
  add(chart, "line", { class: "now", x1: x(set.workers), x2: x(set.workers), y1: top - 8, y2: bottom });
}

function cell(row, text, name = "td") {
  const made = row.insertCell();
  if (name === "th") {
    const head = document.createElement("th");
    head.scope = "row";
    made.replaceWith(head);
    head.textContent = text;
    return head;
  }
  made.textContent = text;
  return made;
}

function table() {
  for (const group of facts.groups) {
    const key = `${group.step}\n${group.chip_size}\n${group.chip_s}`;
    if (!rows.has(key)) rows.set(key, { groups: [] });
    rows.get(key).groups.push(group);
  }
  for (const row of rows.values()) {
    const [first] = row.groups, line = at("rows").insertRow();
    const sum = (name) => row.groups.reduce((all, group) => all + group.n * (group[name] || 0), 0);
    cell(line, first.chip_size ? `${first.step}, chips of ${first.chip_size}` : first.step, "th");
    cell(line, number(sum("one")));
    cell(line, first.chips ? number(sum("chips")) : "");
    cell(line, first.blocks ? number(sum("blocks")) : "");
    cell(line, volume(sum("read")));
    cell(line, volume(sum("write")));
    const rate = first.kind === "segment" ? first.chip_s : facts.mpx_per_s[first.kind];
    const asked = cell(line, "");
    if (first.kind === "segment" || (rate && first.pixels !== null)) {
      row.field = document.createElement("input");
      Object.assign(row.field, { type: "number", min: "0.0000001", step: "any", value: rate ?? "", placeholder: "not measured" });
      row.field.setAttribute("aria-label", `Rate of ${first.step}`);
      asked.append(row.field);
    }
    cell(line, row.field ? (first.kind === "segment" ? "s a chip" : "Mpx/s") : "");
    row.time = cell(line, "");
    row.why = cell(line, "");
  }
}

for (const [id, value] of Object.entries(facts.start)) at(id).value = value;
table();
document.addEventListener("input", show);
show();
