"""Outbox: messages on their way, kept as files until they are delivered, so that no kill loses one."""

from __future__ import annotations

import fcntl
import http.client
import json
import logging
import os
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from geoseg.raster.files import disk_error, write_durable
from geoseg.schedule.values import Lease

_log = logging.getLogger(__name__)

_PATIENCE = 15.0  # seconds for one delivery
_FIRST_WAIT, _LONGEST_WAIT = 5.0, 600.0
_OLDEST = 24 * 3600.0
"""Messages that could not be delivered for so long are dropped."""


@dataclass(frozen=True, slots=True)
class Message:
    """One line, the JSON that says more, and whom it is for."""

    text: str
    body: str
    webhook: str | None
    command: tuple[str, ...] = ()


class Outbox:
    """Messages in a folder beside the logs; a thread of its own delivers them. Several services may share the folder."""

    def __init__(self, logs: Path) -> None:
        """Nothing is made before there is something to send."""
        self.folder = logs / ".outbox"
        self._wait: dict[str, tuple[float, float]] = {}  # name: not before, then wait so long
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def put(self, lease: Lease, messages: Iterable[Message]) -> tuple[Path, ...]:
        """Keep messages of an attempt; told once more it keeps them once.

        Raises
        ------
        ResourceError
            ``DISK``: they cannot be kept.
        """
        made: list[Path] = []
        try:
            for number, message in enumerate(messages):
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self.folder.chmod(0o700)
                path = self.folder / f"{lease.attempt.id}.{number}.json"
                write_durable(path, json.dumps(asdict(message)).encode())
                made.append(path)
        except OSError as error:
            raise disk_error(self.folder, error.strerror or str(error)) from None
        return tuple(made)

    def drop(self, paths: Iterable[Path]) -> None:
        """Take messages back."""
        for path in paths:
            path.unlink(missing_ok=True)

    def send(self) -> None:
        """Have what is there delivered, beside what the caller does."""
        if self._thread is not None and not self._thread.is_alive():
            self._thread = None
        if self._thread is None and self._waiting():
            self._thread = threading.Thread(target=self._work, name="outbox", daemon=True)
            self._thread.start()

    def flush(self, seconds: float) -> None:
        """Deliver what can be within a time."""
        until = time.monotonic() + seconds
        self.send()
        while self._thread is not None and time.monotonic() < until:
            self._thread.join(max(0.0, until - time.monotonic()))
            self.send()

    def close(self) -> None:
        """Begin no further delivery; what is left is sent by the next service."""
        self._closed.set()

    def _waiting(self) -> list[Path]:
        now = time.monotonic()
        found = sorted(self.folder.glob("[0-9]*.json")) if self.folder.is_dir() else []
        return [path for path in found if self._wait.get(path.name, (now, 0.0))[0] <= now]

    def _work(self) -> None:
        for path in self._waiting():
            if self._closed.is_set():
                return
            try:
                self._deliver(path)
            except Exception as error:  # a message must not end the service, whatever is wrong with it
                self._late(path, error)

    def _deliver(self, path: Path) -> None:
        with suppress(FileNotFoundError), path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return  # another service is at it
            if not path.exists():
                return
            message = _read(json.loads(file.read()))
            post(message) if message.webhook else run(message)
            path.unlink(missing_ok=True)
            self._wait.pop(path.name, None)

    def _late(self, path: Path, error: Exception) -> None:
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _OLDEST:
                _log.error("a notification could not be delivered for a day, and is dropped: %s", error)
                path.unlink(missing_ok=True)
                return
        wait = self._wait.get(path.name, (0.0, _FIRST_WAIT))[1]
        self._wait[path.name] = (time.monotonic() + wait, min(wait * 2, _LONGEST_WAIT))
        _log.warning("a notification could not be delivered, it is tried again in %.0f s: %s", wait, error)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Refuses to be sent elsewhere."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Return nothing, which makes the redirection an error."""


class _Cutter:
    """Ends a connection when its time is over: a target that gives a byte now and then keeps to every time-out of a socket."""

    def __init__(self) -> None:
        self.sock: socket.socket | None = None
        self.timer = threading.Timer(_PATIENCE, self.cut)
        self.timer.daemon = True

    def cut(self) -> None:
        if self.sock is not None:
            with suppress(OSError):
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)  # of TLS too: what reads it finds the end

    def timed(self, kind: type[http.client.HTTPConnection]) -> Any:
        """The same kind of connection, whose time begins with it."""
        cutter = self

        class Timed(kind):  # type: ignore[valid-type, misc]
            def connect(self) -> None:
                cutter.timer.start()
                self.timeout = _PATIENCE
                super().connect()
                cutter.sock = self.sock

        return Timed


def _opener(cutter: _Cutter) -> urllib.request.OpenerDirector:
    class Http(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> Any:
            return self.do_open(cutter.timed(http.client.HTTPConnection), req)

    class Https(urllib.request.HTTPSHandler):
        def https_open(self, req: urllib.request.Request) -> Any:
            return self.do_open(cutter.timed(http.client.HTTPSConnection), req)

    return urllib.request.build_opener(_NoRedirect, Http, Https)


def post(message: Message) -> None:
    """Deliver to a webhook; URLError, or another OSError, where it is not there, says no, or takes too long."""
    assert message.webhook is not None
    request = urllib.request.Request(
        message.webhook, message.body.encode(), {"Content-Type": "application/json", "User-Agent": "geoseg"}
    )
    cutter = _Cutter()
    try:
        with _opener(cutter).open(request, timeout=_PATIENCE):
            pass
    finally:
        cutter.timer.cancel()


def run(message: Message) -> None:
    """Deliver to a command; its exit code has to be 0."""
    done = subprocess.run(
        [*message.command, message.text], input=message.body.encode(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        timeout=_PATIENCE * 4, check=False, start_new_session=True,
    )  # fmt: skip
    if done.returncode:
        said = done.stderr[-300:].decode("utf-8", "replace").strip()
        raise OSError(f"{os.path.basename(message.command[0])} ended with {done.returncode}: {said}")


def _read(data: dict[str, Any]) -> Message:
    return Message(data["text"], data["body"], data["webhook"], tuple(data["command"]))
