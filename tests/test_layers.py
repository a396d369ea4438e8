"""Imports go downwards only, and the codec's layers reach for neither files nor sockets."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "eventstream"

LAYERS = [
    "eventstream._text",
    "eventstream.exceptions",
    "eventstream.wire",
    "eventstream.values",
    "eventstream._reference",
    "eventstream._codec",
    "eventstream._salvage",
    "eventstream.streams",
    "eventstream._version",
    "eventstream",
    "eventstream.signing._keys",
    "eventstream.signing.events",
    "eventstream.signing.requests",
    "eventstream.signing",
    "eventstream.duplex",
    "eventstream.http2.budget",
    "eventstream.http2._h2",
    "eventstream.http2._waiting",
    "eventstream.http2.stream",
    "eventstream.http2.connection",
    "eventstream.http2.client",
    "eventstream.http2.listener",
    "eventstream.http2.server",
    "eventstream.http2",
    "eventstream.transcribe.exceptions",
    "eventstream.transcribe._json",
    "eventstream.transcribe.model",
    "eventstream.transcribe.request",
    "eventstream.transcribe.audio",
    "eventstream.transcribe.session",
    "eventstream.transcribe",
    "eventstream.transcribe.client",
]
"""From the bottom up. What stands above them (emulator, adapters, commands, strategies) none of them may import."""

UPWARDS = {"eventstream._reference": {"eventstream._codec"}}
"""What is imported when it is called: a pickle names the function that restores it with whichever codec is at work."""

SANS_IO = LAYERS[: LAYERS.index("eventstream.http2.budget")]
REACH = {
    "asyncio",
    "io",
    "os",
    "pathlib",
    "select",
    "shutil",
    "socket",
    "ssl",
    "subprocess",
    "tempfile",
    "urllib.request",
}


def source_of(module: str) -> Path:
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def imports_of(module: str) -> Iterator[str]:
    """What it imports at run time; types for checkers alone may come from anywhere."""
    tree = ast.parse(source_of(module).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            assert node.module is not None
            found = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in LAYERS else node.module for name in found)


@pytest.mark.parametrize("module", LAYERS)
def test_imports_go_downwards(module: str) -> None:
    ours = {name for name in imports_of(module) if name.partition(".")[0] == "eventstream"} - {"eventstream._native"}
    assert ours - UPWARDS.get(module, set()) <= set(LAYERS[: LAYERS.index(module)])


@pytest.mark.parametrize("module", SANS_IO)
def test_the_codec_reaches_for_nothing(module: str) -> None:
    allowed = {"os"} if module == "eventstream._codec" else set()  # an environment variable chooses the reference
    assert not set(imports_of(module)) & REACH - allowed


def test_the_native_core_calls_no_io() -> None:
    assert not set((PACKAGE / "_native.pyx").read_text(encoding="utf-8").split()) & {"open", "socket", "libc.stdio"}
