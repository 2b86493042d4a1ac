"use strict";
// The page of geoseg service. Whatever comes from the server is put in as text, never as markup.

const EVERY = 2000; // ms between two looks
if (location.hash.length > 1) {
  sessionStorage.setItem("token", location.hash.slice(1));
  history.replaceState(null, "", "/"); // the token stays out of bookmarks and the history
}
const token = sessionStorage.getItem("token") || "";
let mark = "";

function ask(path, options = {}) {
  const headers = { Authorization: `Bearer ${token}`, ...(options.headers || {}) };
  return fetch(path, { cache: "no-store", redirect: "error", ...options, headers });
}

function make(tag, text = "", properties = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  return Object.assign(made, properties);
}

function say(text) {
  const place = document.getElementById("trouble");
  place.textContent = text;
  place.hidden = !text;
}

function when(text) {
  return text ? new Date(text.replace(/\.\d+Z$/, "Z")).toLocaleString() : "";
}

function took(run) {
  if (!run.started || !run.ended) return "";
  const seconds = Math.max(0, Math.round((new Date(run.ended) - new Date(run.started)) / 1000));
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

function button(text, label, act) {
  const made = make("button", text, { type: "button" });
  made.setAttribute("aria-label", label);
  made.addEventListener("click", act);
  return made;
}

async function act(name, verb) {
  const answer = await ask(`/api/jobs/${encodeURIComponent(name)}/${verb}`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: "{}",
  });
  say(answer.ok ? "" : (await answer.json()).error);
  await look();
}

async function showLog(run) {
  const answer = await ask(`/api/log?job=${encodeURIComponent(run.job)}&slot=${encodeURIComponent(run.key)}`);
  const found = await answer.json();
  const dialog = document.getElementById("log");
  dialog.querySelector("h2").textContent = `Log of ${run.job}, ${run.key}`;
  dialog.querySelector("pre").textContent = answer.ok ? found.text || "It is empty." : found.error;
  dialog.showModal();
}

function cell(row, ...content) {
  const made = make("td");
  made.append(...content);
  row.append(made);
  return made;
}

function jobRow(job, last) {
  const row = make("tr");
  row.dataset.job = job.name;
  cell(row, job.name, make("small", job.pipeline));
  cell(row, job.trigger);
  cell(row, job.state).className = job.state;
  cell(row, ...job.next.map((slot) => make("small", when(slot))));
  cell(row, last ? last.state : "").className = last ? last.state : "";
  const name = job.name;
  cell(
    row,
    button("Start", `Start ${name}`, () => act(name, "run")),
    job.paused
      ? button("Resume", `Resume ${name}`, () => act(name, "resume"))
      : button("Pause", `Pause ${name}`, () => act(name, "pause")),
    button("Cancel", `Cancel ${name}`, () => act(name, "cancel")),
  );
  return row;
}

function progress(run) {
  const known = run.progress;
  if (!known || !known.total) return "";
  const made = make("progress", "", { max: known.total, value: Math.min(known.done, known.total) });
  made.setAttribute("aria-label", `${known.done} of ${known.total}`);
  return made;
}

function runRow(run) {
  const row = make("tr");
  row.dataset.run = run.id;
  cell(row, run.job, ...run.scenes.map((scene) => make("small", scene)));
  cell(row, when(run.due));
  const said = run.stop ? `${run.state}, to be ${run.stop}` : run.state;
  cell(row, said, make("small", run.message || run.note), ...run.told.map((text) => make("small", text))).className = run.state;
  const told = run.progress;
  cell(row, progress(run), make("small", told ? [told.task, told.step].filter(Boolean).join(" ") : ""));
  cell(row, took(run));
  cell(row, ...run.reports.map((report) => {
    const link = make("a", report.name, { target: "_blank", rel: "noopener noreferrer" });
    link.href = new URL(report.address, location.origin).href;
    const line = make("div");
    line.append(link);
    return line;
  }));
  cell(row, run.attempts ? button("Log", `Log of ${run.job}, ${run.key}`, () => showLog(run)) : "");
  return row;
}

function show(found) {
  const last = {};
  for (const run of found.runs) if (!["waiting", "missed"].includes(run.state)) last[run.job] ??= run;
  fill("jobs", found.jobs.map((job) => jobRow(job, last[job.name])));
  fill("runs", found.runs.map(runRow));
  const count = found.services.length;
  const text = count ? `${count} service${count > 1 ? "s" : ""} at work` : "No service is at work";
  document.getElementById("services").textContent = text;
}

function fill(id, rows) {
  const table = document.getElementById(id);
  const focused = document.activeElement?.getAttribute("aria-label");
  table.tBodies[0].replaceChildren(...rows);
  table.parentElement.querySelector(".none").hidden = rows.length > 0;
  if (focused) [...table.querySelectorAll("button")].find((b) => b.getAttribute("aria-label") === focused)?.focus();
}

async function look() {
  try {
    const answer = await ask("/api/state", { headers: mark ? { "If-None-Match": mark } : {} });
    if (answer.status === 401) {
      say("The token is missing or wrong: open the address that geoseg service prints.");
    } else if (answer.ok) {
      mark = answer.headers.get("ETag") || "";
      show(await answer.json());
      say("");
    } else if (answer.status !== 304) {
      say((await answer.json()).error);
    }
  } catch {
    mark = "";
    document.getElementById("services").textContent = "The service does not answer";
  }
}

document.querySelector("#log button").addEventListener("click", () => document.getElementById("log").close());
look();
setInterval(look, EVERY);
