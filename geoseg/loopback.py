"""Loopback: a web server for this computer's own browser, closed to everything else that can reach it.

It listens on a loopback address only. Every answer with data needs the token, which the address that is printed carries
behind its ``#``, where no server and no log sees it. ``Host`` and ``Origin`` have to be the page's own, so that no other
site's script, and no name that points here, gets at it; nothing runs but the page's own script.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import json
import re
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import tornado.httpserver
import tornado.web

from geoseg.errors import Conflict, GeosegError, InputRefused, UsageError

CLOSED = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
OWN = f"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; {CLOSED}"
_HEADERS = {
    "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store", "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin", "Server": "geoseg",
}  # fmt: skip
_MOST_BODY = 4096

Route = tuple[str, type["LocalHandler"]]


class LocalServer:
    """A server in a thread of its own, from :meth:`start` to :meth:`stop`; ``routes`` say what it answers."""

    threads: ClassVar[int | None] = None
    """Threads for work that blocks; asyncio's own number when None."""
    policy: ClassVar[str] = OWN
    """The Content-Security-Policy of its answers."""
    files: ClassVar[Mapping[str, tuple[Path, str]]]
    """The page's own files by the path that they are asked for by, ``""`` the page, with their kind (``text/css``)."""

    def __init__(self, address: str, token: str, *, option: str = "--page 127.0.0.1:8791") -> None:
        """Nothing listens yet; ``option`` is what to give when the port is taken.

        Raises
        ------
        UsageError
            ``PAGE``: the address is none, or not a loopback one.
        """
        self.host, self.port = loopback(address)
        self.token = token
        self._option = option
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def routes(self) -> Sequence[Route]:
        """Patterns of paths, and who answers them, beside the page's own files."""
        raise NotImplementedError

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
            what = f"cannot be listened on: {error.strerror}"
            raise Conflict.of("PORT", self._authority, what, f"Choose another: {self._option}") from None
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

    def names(self) -> set[str]:
        """What ``Host`` may say."""
        return {self._authority, f"localhost:{self.port}"}

    def _run(self, loop: asyncio.AbstractEventLoop, listening: socket.socket) -> None:
        asyncio.set_event_loop(loop)
        if self.threads is not None:
            loop.set_default_executor(ThreadPoolExecutor(self.threads, thread_name_prefix="page"))
        server = loop.run_until_complete(self._serve(listening))
        loop.run_forever()
        server.stop()
        loop.run_until_complete(server.close_all_connections())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    async def _serve(self, listening: socket.socket) -> tornado.httpserver.HTTPServer:
        given = {"server": self}
        own = (rf"/({'|'.join(re.escape(name) for name in self.files)})", OwnFile)
        application = tornado.web.Application(
            [(pattern, handler, given) for pattern, handler in (own, *self.routes())],
            default_handler_class=_Nothing, default_handler_args=given, log_function=lambda handler: None,
            policy=self.policy,
        )  # fmt: skip
        server = tornado.httpserver.HTTPServer(
            application, max_body_size=_MOST_BODY, max_header_size=16384, idle_connection_timeout=60, body_timeout=10
        )
        server.add_socket(listening)
        return server


class LocalHandler(tornado.web.RequestHandler):
    """What all answers have: headers, checks, errors without details."""

    needs_token: ClassVar[bool] = True

    def initialize(self, server: Any) -> None:
        """Keep the server."""
        self.server = server

    def set_default_headers(self) -> None:
        """Close the answer to others."""
        for name, value in _HEADERS.items():
            self.set_header(name, value)
        self.set_header("Content-Security-Policy", self.settings["policy"])

    def prepare(self) -> None:
        """Refuse what does not come from the page itself, and without the token what needs it."""
        own = self.server.names()
        if self.request.headers.get_list("Host") not in [[name] for name in own]:
            raise tornado.web.HTTPError(421)
        origin = self.request.headers.get("Origin")
        if origin is not None and origin not in {f"http://{name}" for name in own}:
            raise tornado.web.HTTPError(403)
        if self.needs_token:
            if self.request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
                raise tornado.web.HTTPError(403)
            given = self.request.headers.get("Authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(given.encode(), self.server.token.encode()):
                raise tornado.web.HTTPError(401)

    def write_error(self, status_code: int, **more: Any) -> None:
        """Say our errors, and of others the number only."""
        error = more.get("exc_info", (None, None, None))[1]
        self.send({"error": str(error) if isinstance(error, GeosegError) else f"{status_code} {self._reason}"})

    def send(self, value: Any) -> None:
        """Answer in JSON."""
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(value))

    async def ask(self, work: Callable[[], Any]) -> Any:
        """What ``work`` returns, while other requests go on; its refusals as 404 and 409."""
        try:
            return await asyncio.get_running_loop().run_in_executor(None, work)
        except GeosegError as error:
            self.set_status(404 if isinstance(error, InputRefused) else 409)
            self.send({"error": str(error)})
            raise tornado.web.Finish from None


class OwnFile(LocalHandler):
    """A file of the page itself, as ``LocalServer.files`` names it."""

    needs_token: ClassVar[bool] = False

    def get(self, name: str) -> None:
        """Answer with it."""
        file, kind = self.server.files[name]
        self.set_header("Content-Type", f"{kind}; charset=utf-8")
        self.finish(file.read_bytes())


class _Nothing(LocalHandler):
    def prepare(self) -> None:
        super().prepare()
        raise tornado.web.HTTPError(404)


def loopback(address: str) -> tuple[str, int]:
    """The host and the port of ``127.0.0.1:8790``; UsageError ``PAGE`` for what is none, or not of this computer alone."""
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
