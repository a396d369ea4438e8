"""Environments for programs that are not ours, made the first time from locked versions, and anew when those change."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

INSTALL_TIMEOUT = 300
"""Seconds."""


@contextlib.contextmanager
def made(directory: Path, locked: Path, *what: str) -> Iterator[bool]:
    """Tell whether an environment is to be made, in the directory. The stamp says what is in it, and is last."""
    stamp = directory / "made-of"
    content = "\n".join([*what, locked.read_text(encoding="utf-8")])
    if stamp.exists() and stamp.read_text() == content:
        yield False
        return
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    yield True
    stamp.write_text(content)


def install(*command: str, cwd: Path) -> None:
    """Run what installs, or builds; it must succeed."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=INSTALL_TIMEOUT)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"


def make_node_modules(name: str, directory: Path, locked: Path) -> str:
    """Install what a package-lock.json names, and return the Node to run it. Skips the test where there is none."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip(f"{name} needs node and npm, and there is no {'npm' if node else 'node'}")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True, timeout=60).stdout.strip()
    if int(version[1:].partition(".")[0]) < 20:
        pytest.skip(f"{name} needs Node 20 or newer, and this is {version}")
    with made(directory, locked, version) as to_be_made:
        if to_be_made:
            for file in ("package.json", "package-lock.json"):
                shutil.copy(locked.with_name(file), directory)
            install(npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", cwd=directory)
    return node
