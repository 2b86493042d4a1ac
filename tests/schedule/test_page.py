import http.client
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from geoseg.errors import Conflict, InputRefused, UsageError
from geoseg.schedule import page_facts
from geoseg.schedule.found import files_named
from geoseg.schedule.page import Page, own_token
from geoseg.schedule.service import Service
from geoseg.schedule.serving import ServiceSettings
from geoseg.schedule.settings import JobSettings
from geoseg.schedule.store import JobStore
from tests.helpers.browser import browser
from tests.helpers.standin import standin, until, write

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    """One job by the calendar whose run has ended with reports, of hostile names and contents."""
    with JobStore(tmp_path / "jobs.db") as store:
        pipeline = write(tmp_path / "p.json", blocks=3, say=f"NOTE: {HOSTILE}: \x1b[31mred.")
        out = tmp_path / "out"
        store.add(JobSettings.of(name="weekly", pipeline=str(pipeline), out=str(out), cron="0 6 * * 1"))
        store.ask("weekly")
        (out / HOSTILE).mkdir(parents=True)
        (out / HOSTILE / "report.html").write_text(
            "<style>p{color:red}</style><p>the report</p><script>document.title='x'</script>"
        )
        (out / "secret.txt").write_text("secret")
        (out / "link").mkdir()
        (tmp_path / "report.html").write_text("outside")
        (out / "link" / "report.html").symlink_to(tmp_path / "report.html")
        service = Service(store, settings=ServiceSettings(turn=0.02), command=standin)
        until(lambda: service.turn() or service.tally.states)
        service.close()
        yield store


@pytest.fixture
def page(store: JobStore) -> Iterator[Page]:
    page = Page(store, "127.0.0.1:0")
    page.start()
    yield page
    page.stop()


def ask(
    page: Page, path: str, method: str = "GET", body: str | None = None, **headers: str
) -> tuple[int, dict[str, str], str]:
    """A request with the token and a JSON body's type, but for what ``headers`` say (empty: left out)."""
    given = {
        "Host": f"127.0.0.1:{page.port}",
        "Authorization": f"Bearer {page.token}",
        "Content-Type": "application/json",
    }
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=30)
    connection.putrequest(method, path, skip_host=True)
    for name, value in given.items():
        if value:
            connection.putheader(name, value)
    connection.putheader("Content-Length", str(len(body or "")))
    connection.endheaders((body or "").encode())
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, dict(answer.getheaders()), text


def state(page: Page) -> Any:
    code, _, text = ask(page, "/api/state")
    assert code == 200
    return json.loads(text)


def test_the_state_has_jobs_next_slots_and_runs(page: Page) -> None:
    found = state(page)
    (job,), (run,) = found["jobs"], found["runs"]
    assert job["name"] == "weekly" and len(job["next"]) == 3 and job["trigger"] == "0 6 * * 1 (UTC)"
    assert run["state"] == "done" and HOSTILE in run["message"]
    assert [report["name"] for report in run["reports"]] == [HOSTILE]
    _, headers, _ = ask(page, "/api/state")
    assert ask(page, "/api/state", If_None_Match=headers["Etag"])[0] == 304


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Authorization": ""}, 401), ({"Authorization": "Bearer x"}, 401), ({"Authorization": "Bearer \xfc"}, 401),
        ({"Host": "evil.example"}, 421), ({"Host": "evil.example:80"}, 421), ({"Host": "127.0.0.1"}, 421),
        ({"Origin": "http://evil.example"}, 403), ({"Origin": "null"}, 403), ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
    ],
)  # fmt: skip
def test_others_get_and_do_nothing(page: Page, store: JobStore, headers: dict[str, str], code: int) -> None:
    for method, path in (
        ("GET", "/api/state"),
        ("GET", "/api/log?job=weekly&slot=1"),
        ("POST", "/api/jobs/weekly/pause"),
    ):
        found, _, text = ask(page, path, method, "{}" if method == "POST" else None, **headers)
        assert found == code and "weekly" not in text
    assert not store.job("weekly").paused


def test_a_form_of_another_site_does_nothing(page: Page, store: JobStore) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        assert ask(page, "/api/jobs/weekly/pause", "POST", "{}", Content_Type=kind)[0] == 415
    assert ask(page, "/api/jobs/weekly/pause")[0] == 405
    assert not store.job("weekly").paused


def test_jobs_are_started_paused_and_cancelled(page: Page, store: JobStore) -> None:
    for verb in ("pause", "run"):
        assert ask(page, f"/api/jobs/weekly/{verb}", "POST", "{}", Origin=f"http://127.0.0.1:{page.port}")[0] == 200
    assert store.job("weekly").paused
    assert [run["state"] for run in state(page)["runs"]] == ["waiting", "done"]
    assert ask(page, "/api/jobs/weekly/cancel", "POST", "{}")[0] == 200
    assert ask(page, "/api/jobs/weekly/resume", "POST", "{}")[0] == 200
    assert [run["state"] for run in state(page)["runs"]] == ["cancelled", "done"] and not store.job("weekly").paused
    code, _, text = ask(page, "/api/jobs/weakly/run", "POST", "{}")
    assert code == 404 and "weekly" in text
    assert ask(page, "/api/jobs/weekly/remove", "POST", "{}")[0] == 404
    with suppress(ConnectionError):  # it may hang up at once
        assert ask(page, "/api/jobs/weekly/run", "POST", "x" * 100_000)[0] in (400, 413)
    assert len(state(page)["runs"]) == 2


def test_logs_are_text(page: Page) -> None:
    run = state(page)["runs"][0]
    code, headers, text = ask(page, f"/api/log?job=weekly&slot={run['key']}")
    assert code == 200 and headers["Content-Type"] == "application/json"
    assert HOSTILE in json.loads(text)["text"] and "\x1b" not in json.loads(text)["text"]
    assert ask(page, "/api/log?job=weekly&slot=../../etc/passwd")[0] == 404
    assert ask(page, "/api/log")[0] == 400


def test_of_a_log_as_large_as_a_disk_the_end_is_shown(page: Page, store: JobStore) -> None:
    run = state(page)["runs"][0]
    with Path(store.entry("weekly", run["key"]).attempts[-1].log).open("ab") as log:
        log.truncate(64 << 30)  # sparse: one line without an end
        log.seek(64 << 30)
        log.write(b"\nthe last words")
    code, _, text = ask(page, f"/api/log?job=weekly&slot={run['key']}")
    assert code == 200 and json.loads(text)["text"].endswith("\nthe last words") and len(text) < 4 << 20


def test_a_folder_of_many_runs_and_scenes_is_looked_through_once_after_each_run(
    page: Page, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []

    def counted(out: str, name: str) -> Iterator[Path]:
        looked.append(out)
        return files_named(out, name)

    monkeypatch.setattr(page_facts, "files_named", counted)
    service = Service(store, settings=ServiceSettings(turn=0.02), command=standin)
    for n in (1, 2):
        store.ask("weekly")
        until(lambda n=n: service.turn() or service.tally.states.get("done") == n)  # type: ignore[misc]
        for _ in range(3):
            runs = state(page)["runs"]
        assert len(runs) == n + 1 and all(run["reports"] for run in runs) and len(looked) == n
    service.close()


def test_reports_open_by_their_signed_address_and_nothing_else_does(page: Page, tmp_path: Path) -> None:
    address = state(page)["runs"][0]["reports"][0]["address"]
    code, headers, text = ask(page, address, Authorization="")
    assert code == 200 and "the report" in text
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("sandbox;") and "script-src" not in policy and "default-src 'none'" in policy
    top = "/".join(address.split("/")[:4])
    for path in ("secret.txt", "../report.html", "..%2Freport.html", "%2e%2e/report.html", "link/report.html", "/etc/passwd",
                 f"{tmp_path}/report.html", "none/report.html", "report.html%00"):  # fmt: skip
        assert ask(page, f"{top}/{path}")[0] == 404, path
    wrong = address.replace(address.split("/")[2], "0" * 64)
    assert ask(page, wrong)[0] == 404
    assert ask(page, address.replace("/1/", "/2/"))[0] == 404


def test_every_answer_is_closed_to_others(page: Page) -> None:
    for path in ("/", "/page.js", "/page.css", "/api/state", "/none", "/page.html", "/../page.py"):
        _, headers, _ = ask(page, path)
        assert (
            "default-src 'none'" in headers["Content-Security-Policy"]
            and "unsafe" not in headers["Content-Security-Policy"]
        )
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Cache-Control"] == "no-store"
        assert "Access-Control-Allow-Origin" not in headers and "ornado" not in headers["Server"]


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0:8790",
        "192.168.1.5:80",
        "[::]:80",
        "example.org:80",
        "8790",
        "127.0.0.1",
        "127.0.0.1:x",
        "127.0.0.1:70000",
        ":80",
    ],
)
def test_only_this_computer_is_listened_on(store: JobStore, address: str) -> None:
    with pytest.raises(UsageError, match="PAGE"):
        Page(store, address)


def test_a_port_that_is_taken_is_said(page: Page, store: JobStore) -> None:
    with pytest.raises(Conflict, match="PORT"):
        Page(store, f"127.0.0.1:{page.port}").start()


def test_the_token_is_its_owners_and_stays(tmp_path: Path) -> None:
    token = own_token(tmp_path / "jobs.db")
    path = tmp_path / "jobs.db.token"
    assert own_token(tmp_path / "jobs.db") == token and path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with pytest.raises(InputRefused, match="TOKEN"):
        own_token(tmp_path / "jobs.db")
    path.chmod(0o600)
    path.write_text("short")
    with pytest.raises(InputRefused, match="TOKEN"):
        own_token(tmp_path / "jobs.db")


def test_in_chromium_jobs_are_seen_live_and_started(page: Page, store: JobStore, tmp_path: Path) -> None:
    with browser(tmp_path / "profile") as seen:
        seen.open(page.url)
        seen.until("document.querySelector('#jobs td')?.textContent.startsWith('weekly')")
        assert seen.do("location.href") == f"http://127.0.0.1:{page.port}/"
        assert HOSTILE in seen.do("document.querySelector('#runs').innerText")
        assert seen.do("document.images.length") == 0
        seen.do("[...document.querySelectorAll('button')].find(b => b.textContent == 'Pause').click()")
        seen.until("[...document.querySelectorAll('button')].some(b => b.textContent == 'Resume')")
        assert store.job("weekly").paused
        write(tmp_path / "p.json", blocks=50, seconds=0.1)
        for block in (tmp_path / "out").glob("block*"):
            block.unlink()
        seen.do("[...document.querySelectorAll('button')].find(b => b.textContent == 'Start').click()")
        seen.until("document.querySelectorAll('#runs tbody tr').length == 2")
        service = Service(store, settings=ServiceSettings(turn=0.02), command=standin)
        until(lambda: service.turn() or seen.do("document.querySelector('#runs progress')?.value > 1"))
        assert seen.do("document.querySelector('#services').textContent") == "1 service at work"
        seen.do("[...document.querySelectorAll('button')].find(b => b.textContent == 'Cancel').click()")
        until(lambda: service.turn() or seen.do("document.querySelector('#runs td.cancelled') !== null"))
        service.close()
        seen.do("[...document.querySelectorAll('#runs button')].at(-1).click()")
        seen.until("document.querySelector('#log').open")
        assert HOSTILE in seen.do("document.querySelector('#log pre').textContent")
        assert seen.complaints == []
        seen.open(seen.do("document.querySelector('#runs a').href"))
        seen.until("document.body?.innerText.includes('the report')")
        assert seen.do("document.title") != "x"
        assert seen.do("getComputedStyle(document.querySelector('p')).color") == "rgb(255, 0, 0)"


def test_in_chromium_without_the_token_nothing_is_seen(page: Page, tmp_path: Path) -> None:
    with browser(tmp_path / "profile") as seen:
        seen.open(f"http://127.0.0.1:{page.port}/")
        seen.until("document.querySelector('#trouble')?.textContent.includes('token')")
        assert "weekly" not in seen.do("document.body.innerText")
