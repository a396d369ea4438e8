"""The numbers in SECURITY.md are those of the code: tests of the bounds themselves call them by their names."""

from __future__ import annotations

import inspect
from datetime import timedelta
from pathlib import Path

import pytest

TEXT = " ".join((Path(__file__).parent.parent / "SECURITY.md").read_text(encoding="utf-8").split())

NUMBERS = [
    ("at most eight header blocks of at most 1 KiB", "wire.CACHED_BLOCKS", 8),
    ("at most eight header blocks of at most 1 KiB", "wire.MAX_CACHED_BLOCK_LENGTH", 1 << 10),
    ("on by default (128 KiB and 24 MiB)", "wire.DEFAULT_MAX_HEADERS_LENGTH", 128 << 10),
    ("on by default (128 KiB and 24 MiB)", "wire.DEFAULT_MAX_PAYLOAD_LENGTH", 24 << 20),
    ("within the five minutes for which its dates are valid", "signing.MAX_CLOCK_SKEW", timedelta(minutes=5)),
    ("headers over 64 KiB or more than 256 of them", "http2._h2.MAX_HEADER_LIST_SIZE", 64 << 10),
    ("headers over 64 KiB or more than 256 of them", "http2._h2.MAX_HEADERS", 256),
    ("The connection ends only for headers over 128 KiB", "http2._h2.MAX_DECODED_HEADER_LIST_SIZE", 128 << 10),
    ("at most 16 KiB of a connection are read", "http2.connection.READ_SIZE", 16 << 10),
    ("and 64 of its frames processed", "http2.connection.FRAMES_PER_TURN", 64),
    ("the frame with which compressed headers exceed 1 KiB", "http2._h2.MAX_HEADERS_AT_ONCE", 1 << 10),
    ("have budgets of 1,000 and 33 a second", "http2.RESETS", (1_000, 33)),
    ("have budgets of 1,000 and 33 a second", "http2.IDLE_FRAMES", (1_000, 33)),
    ("so do frames of less than 1 KiB", "http2.budget.MIN_LATE_SIZE", 1 << 10),
    ("A path and query of more than 8,192 characters", "operation.MAX_TARGET", 8_192),
    ("does not read within a second", "server.conversation._REFUSAL_TIMEOUT", 1),
    ("A frame, or a message of several frames, has at most 256 KiB", "websocket.server.MAX_FRAME", 256 << 10),
    ("a request 64 KiB", "websocket.server.MAX_REQUEST", 64 << 10),
    ("once 64 KiB wait to be read", "websocket.connection.WINDOW", 64 << 10),
    ("512 bytes of a connection are processed", "websocket.connection.TURN_SIZE", 512),
    ("A request must arrive within 10 seconds", "websocket.server.OPEN_TIMEOUT", 10),
    ("a connection must close within 2", "websocket.connection.CLOSE_TIMEOUT", 2),
    ("more than 65,536 objects, lists and members", "_text.MAX_JSON_VALUES", 65_536),
    ("transcripts have at most 1 MiB", "transcribe.operations.MAX_TRANSCRIPT_LENGTH", 1 << 20),
    ("of more than 64 characters", "adapters._shapes._MAX_TEXT", 64),
    ("at most 64 bytes of input", "_text.MAX_SHOWN", 64),
    ("at most 1,024 characters", "exceptions.MAX_SERVICE_TEXT", 1_024),
    ("is unpacked to at most 64 MiB", "cli._containers.MAX_UNPACKED", 64 << 20),
    ("at most 4 GiB of a damaged stream", "cli._recording._MAX_STORED", 4 << 30),
    ("that it gives out for 60 seconds", "transcribe.emulator.server.PAGE_EXPIRES", 60),
]


@pytest.mark.parametrize(("words", "name", "promised"), NUMBERS, ids=[name for _, name, _ in NUMBERS])
def test_number_is_the_promised_one(words, name, promised):
    assert words in TEXT
    module, _, constant = f"eventstream.{name}".rpartition(".")
    assert getattr(pytest.importorskip(module), constant) == promised


@pytest.mark.parametrize("name", ["http2.serve", "websocket.serve", "server.ConnectionLimits"])
def test_connections_are_as_many_as_promised(name):
    assert "A server has at most 1,000 connections, 250 of them from one address" in TEXT
    module, _, function = f"eventstream.{name}".rpartition(".")
    parameters = inspect.signature(getattr(pytest.importorskip(module), function)).parameters
    assert parameters["max_connections"].default == 1_000
    assert parameters["max_connections_per_peer"].default == 250
