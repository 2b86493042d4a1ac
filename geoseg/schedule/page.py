"""Page: the service's jobs and runs in a browser of this computer, live, with a token that lets one start, pause and cancel.

What keeps others out is in :mod:`geoseg.loopback`; names of jobs and lines of logs are shown as text.
"""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import tornado.web

from geoseg.errors import Conflict, InputRefused
from geoseg.loopback import CLOSED, LocalHandler, LocalServer, Route
from geoseg.schedule import page_facts
from geoseg.schedule.store import JobStore

_FILES = Path(__file__).with_name("page_files")
_REPORT = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"


class Page(LocalServer):
    """The server, in a thread of its own, from :meth:`start` to :meth:`stop`."""

    files: ClassVar[Mapping[str, tuple[Path, str]]] = {
        "": (_FILES / "page.html", "text/html"),
        "page.js": (_FILES / "page.js", "text/javascript"),
        "page.css": (_FILES / "page.css", "text/css"),
    }

    def __init__(self, store: JobStore, address: str) -> None:
        """Nothing listens yet.

        Raises
        ------
        UsageError
            ``PAGE``: the address is none, or not a loopback one.
        """
        super().__init__(address, "")
        self.store = JobStore(store.path, clock=store.clock, create=False)
        self.token = own_token(store.path)

    def routes(self) -> Sequence[Route]:
        """Patterns of paths, and who answers them."""
        return [
            (r"/api/state", _State), (r"/api/log", _Log),
            (r"/api/jobs/([^/]+)/(run|pause|resume|cancel)", _Act),
            (r"/report/([0-9a-f]{64})/([0-9]{1,15})/(.+)", _Report),
        ]  # fmt: skip

    def start(self) -> None:
        """Listen. Conflict ``PORT``: another process does so there."""
        try:
            super().start()
        except Conflict:
            self.store.close()
            raise

    def stop(self) -> None:
        """End the server."""
        super().stop()
        self.store.close()


class _Handler(LocalHandler):
    """An answer of the page."""

    page: Page

    def initialize(self, server: Page) -> None:
        super().initialize(server)
        self.page = server


class _State(_Handler):
    """What the page shows; tornado says 304 where it is what the browser has."""

    async def get(self) -> None:
        found = await self.ask(lambda: page_facts.state(self.page.store, self.page.token))
        self.send(found)


class _Log(_Handler):
    async def get(self) -> None:
        job, key = self.get_query_argument("job"), self.get_query_argument("slot")
        self.send({"text": await self.ask(lambda: page_facts.log_text(self.page.store, job, key))})


class _Act(_Handler):
    async def post(self, name: str, verb: str) -> None:
        if self.request.headers.get("Content-Type") != "application/json":
            raise tornado.web.HTTPError(415)
        store = self.page.store
        acts: dict[str, Callable[[], Any]] = {
            "run": lambda: store.ask(name), "pause": lambda: store.pause(name), "cancel": lambda: store.cancel(name),
            "resume": lambda: store.pause(name, paused=False),
        }  # fmt: skip
        await self.ask(acts[verb])
        self.send({"done": verb})


class _Report(_Handler):
    """A page that a run made. Its address is signed, because a link carries no token; no script runs in it."""

    needs_token = False

    async def get(self, mark: str, slot: str, path: str) -> None:
        if not hmac.compare_digest(mark, page_facts.signed(self.page.token, int(slot))):
            raise tornado.web.HTTPError(404)
        file = await self.ask(lambda: page_facts.report_file(self.page.store, int(slot), path))
        if file is None:
            raise tornado.web.HTTPError(404)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Content-Security-Policy", f"{_REPORT}; {CLOSED}")
        self.finish(await self.ask(file.read_bytes))


def own_token(store: Path) -> str:
    """The token beside the store, readable by its owner only; made on first use."""
    path = store.with_name(f"{store.name}.token")
    if not path.exists():
        new = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        handle = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(32))
        with suppress(FileExistsError):  # another service was first: its token is ours
            os.link(new, path)
        new.unlink()
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(handle) as file:
        if os.fstat(handle).st_mode & 0o077:
            what = "others may read the token of the page"
            raise InputRefused.of("TOKEN", path, what, "Remove the file, a new one is made")
        token = file.read(200).strip()
    if len(token) < 32 or not token.isascii() or not token.isprintable():
        raise InputRefused.of("TOKEN", path, "is no token of the page", "Remove the file, a new one is made")
    return token
