"""The JavaScript codec in a process of its own: ``@smithy/core``, which the AWS SDK for JavaScript frames events with.

Its packages are locked by package-lock.json and installed beside it by npm the first time. The top of codec.mjs
says what it does and how it is asked.
"""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.measure import Timed

HERE = Path(__file__).parent
PACKAGES = json.loads((HERE / "package.json").read_text())["dependencies"]
WARM_SECONDS = 0.3
"""How long a work runs before it is timed, since V8 compiles what has run for a while."""

VERSION = PACKAGES["@smithy/core"]


class Unavailable(Exception):
    """There is no Node, its packages cannot be installed, or the codec failed; the text says which."""


class JavaScript:
    """The running process; a context manager."""

    def __init__(self) -> None:
        node = _installed()
        self._process = subprocess.Popen(
            [node, str(HERE / "codec.mjs")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._ids = itertools.count()

    def __enter__(self) -> JavaScript:
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.communicate(timeout=10)

    def ask(self, **line: Any) -> dict[str, Any]:
        """One line there, one back."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise Unavailable(f"the codec in Node failed with exit {self._process.wait(10)}; its error is above")
        return json.loads(answer)

    def timed(self, job: str, **data: Any) -> Timed:
        """Return a work in that process, timed there; bytes are sent as base64."""
        number = next(self._ids)
        encoded = {
            name: base64.b64encode(value).decode() if isinstance(value, bytes) else value
            for name, value in data.items()
        }
        self.ask(make=number, job=job, **encoded)

        def run(loops: int) -> float:
            return float(self.ask(run=number, loops=loops)["seconds"])

        warm = 0.0
        while warm < WARM_SECONDS:
            warm += run(10)
        return run


def _installed() -> str:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise Unavailable("there is no node or no npm")
    # npm writes this file last, a copy of what it installed.
    done = HERE / "node_modules/.package-lock.json"
    if not done.exists() or done.stat().st_mtime < (HERE / "package-lock.json").stat().st_mtime:
        command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        install = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
        if install.returncode:
            raise Unavailable(f"npm ci failed: {install.stderr.strip()[-500:]}")
    return node
