"""The command, run in this process."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple, TextIO

import pytest

collect_ignore_glob = ["test_*.py"] if find_spec("click") is None else []

CAPTURES = Path(__file__).parent.parent / "captures"


class Done(NamedTuple):
    """What a command has printed, and its exit status."""

    status: int
    out: str
    err: str


Run = Callable[..., Done]


class Input(io.TextIOWrapper):
    """Standard input of these bytes."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))


@pytest.fixture
def run(capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command with arguments, and bytes on standard input, or another one in its place."""
    from eventstream.cli import main

    def run(*arguments: object, stdin: bytes | TextIO | None = b"") -> Done:
        monkeypatch.setattr(sys, "stdin", Input(stdin) if isinstance(stdin, bytes) else stdin)
        status = main([str(argument) for argument in arguments])
        out, err = capsysbinary.readouterr()
        return Done(status, out.decode(), err.decode())

    return run


@pytest.fixture
def request_wire() -> bytes:
    """Return a recorded request of signed events."""
    return (CAPTURES / "amazon-transcribe-0.6.4.request.bin").read_bytes()


@pytest.fixture
def response_wire() -> bytes:
    """Return a recorded response of transcripts."""
    return (CAPTURES / "amazon-transcribe-0.6.4.response.bin").read_bytes()
