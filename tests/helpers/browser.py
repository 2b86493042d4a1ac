"""Browser: a page in Debian's Chromium without a window, driven over its debugging socket."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tornado.websocket import websocket_connect


class Browser:
    """One page. ``complaints``: what the console and the content security policy said."""

    def __init__(self, address: str) -> None:
        self.complaints: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._socket = self._loop.run_until_complete(_connect(address))
        self._number = 0
        for domain in ("Page", "Runtime", "Log"):
            self.command(f"{domain}.enable")

    def command(self, method: str, **params: Any) -> Any:
        """One command of the DevTools protocol; its result."""
        self._number += 1
        message = json.dumps({"id": self._number, "method": method, "params": params})
        return self._loop.run_until_complete(asyncio.wait_for(self._ask(message, self._number), 60))

    def open(self, url: str) -> None:
        """Go there."""
        self.command("Page.navigate", url=url)

    def do(self, script: str) -> Any:
        """The value of an expression in the page; promises are waited for."""
        found = self.command("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, script: str, seconds: float = 60) -> Any:
        """Wait until an expression is true; its value."""
        end = time.monotonic() + seconds
        while not (value := self.do(script)):
            assert time.monotonic() < end, f"{script}: {self.do('document.body?.innerText')}"
            time.sleep(0.05)
        return value

    def close(self) -> None:
        self._socket.close()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _ask(self, message: str, number: int) -> Any:
        await self._socket.write_message(message)
        while True:
            answer = json.loads(await self._socket.read_message())
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]
            if answer.get("method") == "Log.entryAdded":
                self.complaints.append(answer["params"]["entry"]["text"])
            elif answer.get("method") == "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(answer["params"]))


@contextmanager
def browser(folder: Path, *, webgl: bool = False) -> Iterator[Browser]:
    """Start Chromium with a profile of its own, ``webgl``: with WebGL in software; skips where there is none."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no chromium here")
    words = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--remote-debugging-port=0"]
    words += ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"] if webgl else ["--disable-gpu"]
    quiet = ["--disable-background-networking", "--no-first-run", "--disable-component-update", "--disable-sync"]
    with subprocess.Popen(
        [program, *words, *quiet, f"--user-data-dir={folder}", "about:blank"], stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    ) as process:  # fmt: skip
        made = None
        try:
            made = Browser(_address(folder / "DevToolsActivePort"))
            yield made
        finally:
            if made:
                made.close()
            os.killpg(process.pid, 9)


async def _connect(address: str) -> Any:
    return await websocket_connect(address, max_message_size=64 << 20)


def _address(port: Path) -> str:
    """The address of the first page's debugging socket."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            number = port.read_text().split()[0]
            with urllib.request.urlopen(f"http://127.0.0.1:{number}/json/list", timeout=5) as answer:
                pages = [item for item in json.load(answer) if item["type"] == "page"]
            return str(pages[0]["webSocketDebuggerUrl"])
        except (OSError, IndexError):
            time.sleep(0.1)
    raise AssertionError("chromium did not start")
