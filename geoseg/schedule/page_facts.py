"""Page facts: what the page shows, as plain values: jobs with their next slots, the latest runs with progress and reports."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from geoseg.schedule.clock import to_text
from geoseg.schedule.found import files_named
from geoseg.schedule.logs import plain, read_log, tail
from geoseg.schedule.store import JobStore
from geoseg.schedule.told import entry_facts, job_facts, trigger
from geoseg.schedule.values import Attempt, Entry

REPORT = "report.html"
_MOST_RUNS, _MOST_REPORTS, _TAIL = 50, 20, 1 << 16


def state(store: JobStore, secret: str) -> dict[str, Any]:
    """All that the page shows; ``secret`` signs the links to reports."""
    jobs = [{**_shown(job_facts(store, job, count=3)), "trigger": trigger(job)} for job in store.jobs()]
    entries = store.history(limit=_MOST_RUNS)
    ended = _last_ends(entries)
    services = [{"owner": item.owner, "started": to_text(item.started)} for item in store.services()]
    return {"jobs": jobs, "runs": [_run(entry, secret, ended) for entry in entries], "services": services}


def log_text(store: JobStore, job: str, key: str, *, lines: int = 400) -> str:
    """The end of the log of a slot's last attempt; empty before there is one."""
    attempts = store.entry(job, key).attempts
    if not attempts or not Path(attempts[-1].log).is_file():
        return ""
    return plain("".join(read_log(attempts[-1].log, last=lines, most=_TAIL * 4)))


def signed(secret: str, slot: int) -> str:
    """What the address of a slot's reports has to hold: whoever has the token gets it, and it opens these reports alone."""
    return hmac.new(secret.encode(), f"report {slot}".encode(), hashlib.sha256).hexdigest()


def report_file(store: JobStore, slot: int, path: str) -> Path | None:
    """The report of a path below a run's folder; None where there is none, or it leaves the folder."""
    found = store.slot(slot)
    run = store.entry(found.job, found.key).run
    if run is None or "\0" in path or path.rpartition("/")[2] != REPORT:
        return None
    top = os.path.realpath(run.out)
    real = Path(os.path.realpath(Path(top, path)))
    return real if real.is_relative_to(top) and real.is_file() else None


def _shown(facts: dict[str, Any]) -> dict[str, Any]:
    wanted = ("name", "pipeline", "cron", "timezone", "watch", "state", "paused", "next", "priority", "overlap")
    return {name: facts[name] for name in wanted}


def _last_ends(entries: Iterable[Entry]) -> dict[str, str]:
    """When the latest of the runs into each folder ended: until another does, its reports are those that are known."""
    found: dict[str, str] = {}
    for run in (entry.run for entry in entries):
        if run is not None and run.ended is not None:
            found[run.out] = max(found.get(run.out, ""), to_text(run.ended))
    return found


def _run(entry: Entry, secret: str, ended: Mapping[str, str]) -> dict[str, Any]:
    facts = entry_facts(entry)
    last = entry.attempts[-1] if entry.attempts else None
    return {
        **{name: facts[name] for name in ("id", "job", "key", "due", "state", "note", "scenes", "stop")},
        "attempts": len(entry.attempts), "message": last.message if last else "",
        "started": facts["run"]["started"] if facts["run"] else None, "ended": facts["run"]["ended"] if facts["run"] else None,
        "progress": _progress(last) if last and entry.slot.state == "running" else None,
        "reports": _reports(entry, secret, ended), "told": [notice.text for notice in entry.notices],
    }  # fmt: skip


def _progress(attempt: Attempt) -> dict[str, Any] | None:
    """The last line of the progress file that is whole."""
    with suppress(ValueError):
        lines = tail(attempt.progress, _TAIL).rpartition(b"\n")[0].splitlines()
        line = json.loads(lines[-1]) if lines else {}
        wanted = ("task", "step", "done", "total", "tasks_done", "tasks")
        if isinstance(line, dict):
            return {name: line[name] for name in wanted if isinstance(line.get(name), str | int | float)}
    return None


def _reports(entry: Entry, secret: str, ended: Mapping[str, str]) -> list[dict[str, str]]:
    if entry.run is None or entry.slot.state in ("waiting", "running"):
        return []
    made = []
    for below in _pages(entry.run.out, ended.get(entry.run.out, "")):
        address = f"/report/{signed(secret, entry.slot.id)}/{entry.slot.id}/{quote(below)}"
        made.append({"name": below.removesuffix(REPORT).rstrip("/") or entry.slot.job, "address": address})
    return made


@lru_cache(maxsize=1024)
def _pages(out: str, ended: str) -> tuple[str, ...]:
    """Reports below a run's folder, looked for once after each end: it may hold ten thousand scenes, and is asked for live."""
    found = zip(files_named(out, REPORT), range(_MOST_REPORTS), strict=False)
    return tuple(path.relative_to(out).as_posix() for path, _ in found)
