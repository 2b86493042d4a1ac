import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from geoseg.errors import UsageError
from geoseg.schedule.notify import read_rules
from geoseg.schedule.outbox import Message, Outbox
from geoseg.schedule.service import Service
from geoseg.schedule.serving import ServiceSettings
from geoseg.schedule.settings import JobSettings
from geoseg.schedule.store import JobStore
from tests.helpers.standin import standin, until, write
from tests.schedule.test_condition import RECORD


@contextmanager
def hook(*answers: int) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A webhook that answers with these codes, then 200; its address, and what it got."""
    got: list[dict[str, Any]] = []
    codes = iter(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            code = next(codes, 200)
            self.send_response(code)
            if code == 302:
                self.send_header("Location", "/elsewhere")
            self.end_headers()
            got.append({"path": self.path, "code": code, **json.loads(body)})

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/hook", got
        finally:
            server.shutdown()
            thread.join()


def run(tmp_path: Path, rules: list[dict[str, Any]], before: Any = None, **wanted: Any) -> JobStore:
    """A job with rules that has run, and its messages on their way; the store is open."""
    store = JobStore(tmp_path / "jobs.db")
    pipeline = write(tmp_path / "p.json", **wanted)
    settings = JobSettings.of(name="job", pipeline=str(pipeline), out=str(tmp_path / "out"), notify=json.dumps(rules))
    store.add(settings)
    store.ask("job")
    if before:
        before(tmp_path / "out")
    service = Service(store, settings=ServiceSettings(turn=0.02), command=standin)
    until(lambda: service.turn() or service.tally.states)
    service.outbox.flush(20)
    service.close()
    return store


def left(store: JobStore) -> list[str]:
    return sorted(path.name for path in (store.logs / ".outbox").glob("*"))


def test_each_end_is_told_to_those_who_asked(tmp_path: Path) -> None:
    with hook() as (url, got):
        rules = [{"on": ["success"], "webhook": f"{url}/good"}, {"on": ["failure", "part"], "webhook": f"{url}/bad"}]
        for number, (code, path) in enumerate([(0, "/hook/good"), (3, "/hook/bad"), (8, "/hook/bad")]):
            (tmp_path / str(number)).mkdir()
            with run(tmp_path / str(number), rules, exit=code, say="FORMAT: a.tif: no raster. Convert it.") as store:
                assert [item["path"] for item in got] == [path]
                assert got[0]["exit_code"] == code and "FORMAT: a.tif" in got[0]["text"] and got[0]["job"] == "job"
                assert not left(store)
                (entry,) = store.history()
                assert [notice.text for notice in entry.notices] == [got[0]["text"]]
            got.clear()


def test_a_large_change_is_told_with_its_area_and_interval(tmp_path: Path) -> None:
    def changes(out: Path) -> None:
        folder = out / "change" / "2020-2021"
        folder.mkdir(parents=True)
        record = RECORD | {"errors": {"change": {"value": 0.05, "low": 0.04, "high": 0.07}}}
        (folder / "run.json").write_text(json.dumps(record))
        (folder / "report.html").write_text("<p>")
        table = "class_name,area_ha,area_ha_low,area_ha_high\ntree->bare soil,5.5,4.25,7\ntree->open-water,9,8,10\n"
        (folder / "estimate.csv").write_text(table)
        old = out / "change" / "1999-2000"
        old.mkdir()
        (old / "run.json").write_text(json.dumps(record))
        os.utime(old / "run.json", (1, 1))

    with hook() as (url, got):
        when = "transitions.tree->bare soil.area_ha > 5"
        rules = [{"on": ["change"], "when": when, "webhook": url},
                 {"on": ["change"], "when": "changed.share > 0.5", "webhook": url},
                 {"on": ["change"], "when": "classes.tre.loss_ha > 1", "webhook": url}]  # fmt: skip
        run(tmp_path, rules, changes).close()
    told, wrong = sorted(got, key=lambda item: len(item["changes"]), reverse=True)
    assert len(told["changes"]) == 1 and told["changes"][0]["folder"].endswith("2020-2021")
    assert "tree->bare soil: 5.5 ha (95 %: 4.25-7 ha; labelled samples)" in told["text"]
    assert "all change: 10.1 ha (95 %: 8.08-14.14 ha; the maps' own errors)" in told["text"]
    assert "open-water" not in told["text"] and "and 1 more" not in told["text"]
    assert told["reports"] == [str(tmp_path / "out/change/2020-2021/report.html")]
    assert "Did you mean tree?" in wrong["text"]


def test_a_command_gets_words_and_no_shell(tmp_path: Path) -> None:
    script = "import sys, json; json.dump([sys.argv[1:], json.load(sys.stdin)['event']], open(sys.argv[1], 'w'))"
    told = tmp_path / "told"
    rules = [{"on": ["failure"], "command": [sys.executable, "-c", script, str(told), "$(touch x); `y`"]}]
    run(tmp_path, rules, exit=3, say="FORMAT: $(touch x).tif: no raster.").close()
    words, event = json.loads(told.read_text())
    assert words[1] == "$(touch x); `y`" and words[2].endswith("$(touch x).tif: no raster.") and event == "failure"


@pytest.mark.parametrize("code", [500, 302])
def test_what_cannot_be_delivered_stays_and_is_sent_by_the_next_service(tmp_path: Path, code: int) -> None:
    with hook(code) as (url, got):
        with run(tmp_path, [{"on": ["success"], "webhook": url}]) as store:
            assert [item["code"] for item in got] == [code]
            assert left(store) == ["1.0.json"]
            assert (store.logs / ".outbox").stat().st_mode & 0o077 == 0
            again = Outbox(store.logs)
            again.flush(20)
            assert [item["path"] for item in got] == ["/hook", "/hook"] and not left(store)


def test_two_services_deliver_a_message_once(tmp_path: Path) -> None:
    class Attempt:
        id = 1

    class Lease:
        attempt = Attempt()

    with hook() as (url, got):
        boxes = [Outbox(tmp_path) for _ in range(4)]
        boxes[0].put(Lease(), [Message(str(i), "{}", url) for i in range(20)])  # type: ignore[arg-type]
        for box in boxes:
            box.send()
        for box in boxes:
            box.flush(20)
    assert len(got) == 20


@pytest.mark.parametrize(
    "rules",
    ["x", "{}", '[{"on": ["failure"]}]', '[{"webhook": "file:///etc/passwd"}]', '[{"webhook": "ftp://h/x"}]', '[{"command": []}]',
     '[{"command": "rm -rf /"}]', '[{"webhook": "http://h", "command": ["x"]}]', '[{"webhook": "http://h", "on": ["change"]}]',
     '[{"webhook": "http://h", "when": "changed.share > 1"}]', '[{"webhook": "http://h", "shell": true}]',
     '[{"webhook": "http://h", "on": ["change"], "when": "os.system(1)"}]', '[{"webhook": "http://h\\r\\nX: y"}]'],
)  # fmt: skip
def test_what_is_no_rule_is_refused_in_one_line(rules: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_rules(rules)
    assert "\n" not in str(caught.value)
