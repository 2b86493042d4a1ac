"""Run ``geoseg info`` over many files in this process, watched: sockets kill it, opened files are recorded.

As a script it reads paths from stdin, one a line, and prints one JSON object per path and a last one with the
peak memory. The kernel watches (seccomp for ``socket``, inotify for opened files), so what GDAL does in C is seen too.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import os
import platform
import re
import struct
import sys
import time
from pathlib import Path

_OPENED = 0x20  # IN_OPEN
_SOCKET_CALL = {"x86_64": 41, "aarch64": 198}


class Opened:
    """Names of files that anything in this process opened in some folders, by inotify."""

    def __init__(self, folders):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.handle = self.libc.inotify_init1(os.O_NONBLOCK)
        self.folders = {self.libc.inotify_add_watch(self.handle, os.fsencode(f), _OPENED): f for f in folders}

    def drain(self):
        """Paths opened since the last call, folders that were listed included."""
        paths = set()
        while True:
            try:
                data = os.read(self.handle, 1 << 16)
            except BlockingIOError:
                return paths
            at = 0
            while at < len(data):
                watch, _, _, length = struct.unpack_from("iIII", data, at)
                name = data[at + 16 : at + 16 + length].rstrip(b"\0").decode()
                paths.add(os.path.join(self.folders[watch], name))
                at += 16 + length


def forbid_sockets():
    """Have the kernel end this process at its first socket(); False where the kernel cannot."""
    call = _SOCKET_CALL.get(platform.machine())
    if call is None:
        return False
    steps = [(0x20, 0, 0, 0), (0x15, 0, 1, call), (0x06, 0, 0, 0x80000000), (0x06, 0, 0, 0x7FFF0000)]
    code = b"".join(struct.pack("HBBI", *step) for step in steps)
    buffer = ctypes.create_string_buffer(code)
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(buffer)))
    libc = ctypes.CDLL(None)
    zero = ctypes.c_ulong(0)
    if libc.prctl(38, ctypes.c_ulong(1), zero, zero, zero):  # PR_SET_NO_NEW_PRIVS
        return False
    return libc.prctl(22, ctypes.c_ulong(2), program, zero, zero) == 0  # PR_SET_SECCOMP, filter


def main():
    """Read paths, run, report."""
    from geoseg.cli.main import run

    paths = sys.stdin.read().splitlines()
    guarded = forbid_sockets()
    opened = Opened({os.path.dirname(path) for path in paths})
    for path in paths:
        out, err, start = io.StringIO(), io.StringIO(), time.perf_counter()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(["info", path])
        seconds = time.perf_counter() - start
        facts = {"path": path, "exit": code, "out": out.getvalue(), "err": err.getvalue(), "seconds": seconds}
        print(json.dumps(facts | {"opened": sorted(opened.drain())}))
    # Not ru_maxrss: that one starts at what the parent held when it forked.
    peak = int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) * 1024
    heavy = sorted({"torch", "distributed", "geopandas", "pandas", "numba", "scipy", "xarray"} & set(sys.modules))
    print(json.dumps({"peak": peak, "guarded": guarded, "heavy": heavy}))


if __name__ == "__main__":
    main()
