"""The peers that are not Python: each runs in a process of its own, which may hang or crash without harm.

A line of JSON goes in, ``{"stream", "again"}`` or ``{"headers", "payload"}``, and one comes out, ``{"messages", "wire",
"end", "own", "allocated"}``, all as in `Outcome`; bytes are hexadecimal digits, and so are uuids, integers are decimal
digits, timestamps are milliseconds, or null where there is none. The first line out says that the process is ready.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from peers.outcomes import CRASHES, HANGS, Header, Message, Outcome, header
from peers.python import Codec

HERE = Path(__file__).parent
CACHE = HERE.parents[1] / ".cache/peers"
INSTALL_SECONDS = 300
START_SECONDS = 60
TASK_SECONDS = 10


class Process(Codec):
    """A codec that answers through its process."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.received = bytearray()

    def start(self) -> subprocess.Popen[bytes]:
        raise NotImplementedError

    def install(self) -> None:
        """Bring what pip does not, if anything; `missing` tells whether that is there."""

    def missing(self) -> str:
        """Why it cannot run here; empty if it can."""
        return "" if self.version else "it is not installed"

    def ask(self, **task: Any) -> Outcome:
        if self.process is None:
            self.process, self.received = self.start(), bytearray()
            if not self._line(START_SECONDS):
                self.stop()
                raise RuntimeError(f"{self.name} does not start")
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(task).encode() + b"\n")
        self.process.stdin.flush()
        line = self._line(TASK_SECONDS)
        if line is None:
            self.stop()
            return Outcome(end=HANGS, own=False)
        if not line:
            code = self.process.wait()
            self.stop()
            return Outcome(end=CRASHES + (signal.Signals(-code).name if code < 0 else f"exit {code}"), own=False)
        return _outcome(**json.loads(line))

    def _line(self, seconds: float) -> bytearray | None:
        """Return the next line, empty at the end of the output, None if there is none in time."""
        assert self.process is not None
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        while not self.received.endswith(b"\n"):  # it says no more than it is asked
            if not select.select([descriptor], [], [], seconds)[0]:
                return None
            more = os.read(descriptor, 1 << 20)
            if not more:
                return bytearray()
            self.received += more
        line, self.received = self.received, bytearray()
        return line

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None

    def decode(self, stream: bytes, *, again: bool = False) -> Outcome:
        return self.ask(stream=stream.hex(), again=again)

    def encode(self, headers: dict[str, Any], payload: bytes = b"") -> Outcome:
        return self.ask(headers=[_written(header(*pair)) for pair in headers.items()], payload=payload.hex())


def _written(header: Header) -> list[Any]:
    name, kind, value = header
    if kind == "timestamp":
        value //= 1000
    if isinstance(value, int) and kind != "bool":
        return [name, kind, str(value)]
    return [name, kind, value.hex() if isinstance(value, bytes) else value]


def _read(header: list[Any]) -> Header:
    name, kind, value = header
    if kind in ("byte", "short", "integer", "long"):
        return name, kind, int(value)
    if kind == "timestamp":
        return name, kind, None if value is None else 1000 * int(value)
    return name, kind, bytes.fromhex(value) if kind in ("bytes", "uuid") else value


def _outcome(messages: Any = (), wire: str | None = None, **end: Any) -> Outcome:
    found = tuple(Message(tuple(map(_read, headers)), bytes.fromhex(payload)) for headers, payload in messages)
    return Outcome(found, None if wire is None else bytes.fromhex(wire), **end)


class JavaScript(Process):
    """@smithy/core, installed from npm under ``.cache/peers`` with the versions and digests of the lock file."""

    name = "@smithy/core"
    lock = HERE / "package-lock.json"
    directory = CACHE / "javascript"

    @property
    def version(self) -> str | None:
        installed = self.directory / "node_modules/@smithy/core/package.json"
        return json.loads(installed.read_text())["version"] if self._is_installed() else None

    def _is_installed(self) -> bool:
        made_of = self.directory / "made-of.json"  # written last
        return made_of.is_file() and made_of.read_bytes() == self.lock.read_bytes()

    def missing(self) -> str:
        return "there is no node" if shutil.which("node") is None else super().missing()

    def install(self) -> None:
        if self._is_installed() or shutil.which("npm") is None:
            return
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, self.directory)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(command, cwd=self.directory, check=True, timeout=INSTALL_SECONDS, stdout=subprocess.DEVNULL)
        shutil.copy(self.lock, self.directory / "made-of.json")

    def start(self) -> subprocess.Popen[bytes]:
        return _popen(["node", str(HERE / "javascript.mjs")], self.directory)


class AwsC(Process):
    """aws-c-event-stream, of the awscrt that is installed."""

    name = "aws-c-event-stream"
    distribution = "awscrt"

    def missing(self) -> str:
        if sys.platform != "linux" or sys.maxsize < 2**32:
            return "awscrt's symbol table is read on 64-bit Linux only"
        return super().missing()

    def start(self) -> subprocess.Popen[bytes]:
        return _popen([sys.executable, str(HERE / "aws_c.py")], HERE)


def _popen(command: list[str], directory: Path) -> subprocess.Popen[bytes]:
    # A sanitizer is for our own code.
    environment = {name: value for name, value in os.environ.items() if name not in ("LD_PRELOAD", "PYTHONMALLOC")}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=directory, env=environment, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
