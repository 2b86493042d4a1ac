"""Page: the service's jobs and runs in a browser of this computer, live, with a token that lets one start, pause and cancel.

It listens on a loopback address only. Every answer with data needs the token, which the address that the service prints carries
behind its ``#``, where no server and no log sees it. ``Host`` and ``Origin`` have to be the page's own, so that no other site's
script, and no name that points here, gets at it; nothing runs but the page's own script; names are shown as text.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import json
import os
import secrets
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import tornado.httpserver
import tornado.web

from geoseg.errors import Conflict, GeosegError, InputRefused, UsageError
from geoseg.schedule import page_facts
from geoseg.schedule.store import JobStore

_FILES = Path(__file__).with_name("page_files")
_STATIC = {
    "": ("page.html", "text/html"),
    "page.js": ("page.js", "text/javascript"),
    "page.css": ("page.css", "text/css"),
}
_OWN = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:"
_CLOSED = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_REPORT = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_HEADERS = {
    "Content-Security-Policy": f"{_OWN}; {_CLOSED}", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin", "Server": "geoseg",
}  # fmt: skip
_MOST_BODY = 4096


class Page:
    """The server, in a thread of its own, from :meth:`start` to :meth:`stop`."""

    def __init__(self, store: JobStore, address: str) -> None:
        """Nothing listens yet.

        Raises
        ------
        UsageError
            ``PAGE``: the address is none, or not a loopback one.
        """
        self.host, self.port = _loopback(address)
        self.store = JobStore(store.path, clock=store.clock, create=False)
        self.token = own_token(store.path)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The page's address, with the token."""
        return f"http://{self._authority}/#{self.token}"

    @property
    def _authority(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def start(self) -> None:
        """Listen. Conflict ``PORT``: another process does so there."""
        try:
            family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
            listening = socket.create_server((self.host, self.port), family=family)
        except OSError as error:
            self.store.close()
            what = f"cannot be listened on: {error.strerror}"
            raise Conflict.of("PORT", self._authority, what, "Choose another: --page 127.0.0.1:8791") from None
        listening.setblocking(False)
        self.port = listening.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        work = (self._loop, listening)
        self._thread = threading.Thread(target=self._run, args=work, name="page", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the server."""
        if self._thread is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
            self._thread = None
        self.store.close()

    def names(self) -> set[str]:
        """What ``Host`` may say."""
        return {self._authority, f"localhost:{self.port}"}

    def _run(self, loop: asyncio.AbstractEventLoop, listening: socket.socket) -> None:
        asyncio.set_event_loop(loop)
        server = loop.run_until_complete(self._serve(listening))
        loop.run_forever()
        server.stop()
        loop.run_until_complete(server.close_all_connections())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    async def _serve(self, listening: socket.socket) -> tornado.httpserver.HTTPServer:
        given = {"page": self}
        routes = [
            (r"/(|page\.js|page\.css)", _File, given), (r"/api/state", _State, given), (r"/api/log", _Log, given),
            (r"/api/jobs/([^/]+)/(run|pause|resume|cancel)", _Act, given),
            (r"/report/([0-9a-f]{64})/([0-9]{1,15})/(.+)", _Report, given),
        ]  # fmt: skip
        application = tornado.web.Application(
            routes, default_handler_class=_Nothing, default_handler_args=given, log_function=lambda handler: None
        )
        server = tornado.httpserver.HTTPServer(
            application, max_body_size=_MOST_BODY, max_header_size=16384, idle_connection_timeout=60, body_timeout=10
        )
        server.add_socket(listening)
        return server


class _Handler(tornado.web.RequestHandler):
    """What all answers have: headers, checks, errors without details."""

    needs_token = True

    def initialize(self, page: Page) -> None:
        self.page = page

    def set_default_headers(self) -> None:
        for name, value in _HEADERS.items():
            self.set_header(name, value)

    def prepare(self) -> None:
        own = self.page.names()
        if self.request.headers.get_list("Host") not in [[name] for name in own]:
            raise tornado.web.HTTPError(421)
        origin = self.request.headers.get("Origin")
        if origin is not None and origin not in {f"http://{name}" for name in own}:
            raise tornado.web.HTTPError(403)
        if self.needs_token:
            if self.request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
                raise tornado.web.HTTPError(403)
            given = self.request.headers.get("Authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(given.encode(), self.page.token.encode()):
                raise tornado.web.HTTPError(401)

    def write_error(self, status_code: int, **more: Any) -> None:
        error = more.get("exc_info", (None, None, None))[1]
        self.send({"error": str(error) if isinstance(error, GeosegError) else f"{status_code} {self._reason}"})

    def send(self, value: Any) -> None:
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(value))

    async def ask(self, work: Callable[[], Any]) -> Any:
        """The store's answer, while other requests go on; its refusals as 404 and 409."""
        try:
            return await asyncio.get_running_loop().run_in_executor(None, work)
        except GeosegError as error:
            self.set_status(404 if isinstance(error, InputRefused) else 409)
            self.send({"error": str(error)})
            raise tornado.web.Finish from None


class _Nothing(_Handler):
    def prepare(self) -> None:
        super().prepare()
        raise tornado.web.HTTPError(404)


class _File(_Handler):
    needs_token = False

    def get(self, name: str) -> None:
        file, kind = _STATIC[name]
        self.set_header("Content-Type", f"{kind}; charset=utf-8")
        self.finish((_FILES / file).read_bytes())


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
        self.set_header("Content-Security-Policy", f"{_REPORT}; {_CLOSED}")
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


def _loopback(address: str) -> tuple[str, int]:
    """The host and the port of ``127.0.0.1:8790``."""
    host, _, port = address.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host.strip("[]")
    try:
        number = int(port) if port.isascii() and port.isdecimal() else -1
        here = ipaddress.ip_address(host).is_loopback
    except ValueError:
        here, number = False, -1
    if not 0 <= number < 65536:
        raise UsageError.of("PAGE", address, "is no address and port", "Give it as 127.0.0.1:8790")
    if not here:
        what = "is not on this computer alone, and the page is for its user"
        raise UsageError.of(
            "PAGE", address, what, "Give 127.0.0.1:8790, and reach it through ssh -L 8790:127.0.0.1:8790"
        )
    return host, number
