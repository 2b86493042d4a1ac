import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from geoseg.errors import ResourceError
from geoseg.schedule import outbox
from geoseg.schedule.outbox import Message, Outbox
from tests.helpers.standin import until

LEASE: Any = SimpleNamespace(attempt=SimpleNamespace(id=1))


@contextmanager
def dripping() -> Iterator[str]:
    """A webhook that begins an answer and never ends it, a byte at a time."""
    over = threading.Event()

    def drip(client: socket.socket) -> None:
        with client, suppress(OSError):
            while not over.wait(0.05):
                client.sendall(b"H")

    def listen(server: socket.socket) -> None:
        with suppress(OSError):
            while not over.is_set():
                threading.Thread(target=drip, args=(server.accept()[0],)).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        thread = threading.Thread(target=listen, args=(server,))
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        over.set()
        with suppress(OSError):
            socket.create_connection(server.getsockname()).close()
        thread.join()


def test_a_target_that_drips_keeps_no_other_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "_PATIENCE", 0.5)
    told = tmp_path / "told"
    with dripping() as url:
        box = Outbox(tmp_path / "logs")
        box.put(LEASE, [Message("slow", "{}", url), Message(str(told), "{}", None, ("touch",))])
        started = time.monotonic()
        box.send()
        until(told.exists, 20)
        assert time.monotonic() - started > 0.4
        until(lambda: [path.name for path in box.folder.glob("*")] == ["1.0.json"], 20)  # it stays, to be tried again
        box.close()


def test_messages_that_cannot_be_kept_are_an_error_that_passes(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file where the folder has to be")
    with pytest.raises(ResourceError, match="DISK"):
        Outbox(tmp_path / "logs").put(LEASE, [Message("text", "{}", None, ("true",))])
