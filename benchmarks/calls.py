"""The calls by which two versions of this package are compared, with each other or with a baseline: no peer is needed.

Each works on the codec that it is given, so that two of them can be timed in one process.
"""

from __future__ import annotations

import importlib
import itertools
import sys
import time
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.measure import Loop, Work

HEADERS = {":message-type": "event", ":event-type": "TranscriptEvent", ":content-type": "application/json"}
KIB = 1024


def payload_of(length: int) -> bytes:
    """Return bytes without a short period."""
    return (bytes(i * 2654435761 >> 13 & 255 for i in range(4099)) * (length // 4099 + 1))[:length]


def calls(codec: ModuleType, *, large: bool = True) -> dict[str, Work]:
    """Return the calls by name; the `large` ones spend most of their time in the checksum.

    One call is a partial function: a function of Python around it would cost as much again.
    """
    headers = codec.Headers(HEADERS)
    found: dict[str, Work] = {}
    for length in (142, 918, 3200, 16 * KIB) if large else (142, 3200):
        payload = payload_of(length)
        found |= _of_length(codec, headers, payload, codec.encode(headers, payload))
    found["encode of a signature's headers, 142 B"] = _signed(codec)
    found["headers all different, one look-up, 142 B"] = look_up_all(
        codec.Decoder(), signed_wires(codec, payload_of(142))
    )
    mutable = bytearray(codec.encode(headers, payload_of(64 * KIB)))
    found["feed of a bytearray, 64 KiB"] = feed(codec.Decoder(), mutable)
    return found


def _of_length(codec: ModuleType, headers: object, payload: bytes, wire: bytes) -> dict[str, Work]:
    target = bytearray(len(wire))
    mutable = bytearray(wire)
    what = f"{len(payload):,} B"
    return {
        f"decode, {what}": partial(codec.decode, wire),
        f"decode and one look-up, {what}": _look_up(codec, wire),
        f"decode of a bytearray, {what}": partial(codec.decode, mutable),
        f"feed, {what}": feed(codec.Decoder(), wire),
        f"feed, copy=False, {what}": feed(codec.Decoder(copy=False), wire),
        f"encode with Headers, {what}": partial(codec.encode, headers, payload),
        f"encode of a dict, {what}": partial(codec.encode, HEADERS, payload),
        f"encode_into, {what}": partial(codec.encode_into, target, headers, payload),
    }


def feed(decoder: Any, data: bytes | bytearray) -> Work:
    """Return the feeding of a decoder, and the taking of all that it has then."""

    def run(loops: int) -> float:
        start = time.thread_time()
        for _ in itertools.repeat(None, loops):
            for _ in decoder.feed(data):
                pass
        return time.thread_time() - start

    return Loop(run)


def _look_up(codec: ModuleType, wire: bytes) -> Work:
    decode = codec.decode

    def run(loops: int) -> float:
        start = time.thread_time()
        for _ in itertools.repeat(None, loops):
            decode(wire).headers[":event-type"]
        return time.thread_time() - start

    return Loop(run)


def _signed(codec: ModuleType) -> Work:
    headers = {":date": codec.Timestamp(1_795_327_397_708), ":chunk-signature": bytes(32)}
    payload = payload_of(142)
    return partial(codec.encode, headers, payload)


def signed_wires(codec: ModuleType, payload: bytes) -> list[bytes]:
    """Return messages as in a signed stream, which repeats no header block."""
    return [
        codec.encode({":date": codec.Timestamp(1_795_327_397_708 + 100 * i), ":chunk-signature": b"%032d" % i}, payload)
        for i in range(64)
    ]


def look_up_all(decoder: Any, wires: list[bytes]) -> Work:
    """Return the feeding of one message after the other, of each of which one header is looked up."""

    def run(loops: int) -> float:
        start = time.thread_time()
        for wire in itertools.islice(itertools.cycle(wires), loops):
            for message in decoder.feed(wire):
                message.headers[":chunk-signature"]
        return time.thread_time() - start

    return Loop(run)


def load(directory: Path) -> ModuleType:
    """Import `eventstream` from a directory, beside one that was imported before."""
    before = {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] == "eventstream"}
    sys.path.insert(0, str(directory))
    try:
        codec = importlib.import_module("eventstream")
        if not Path(codec.__file__ or "").is_relative_to(directory.resolve()):
            raise ImportError(f"no eventstream in {directory}")
        if codec.implementation != "native":
            raise ImportError(f"the native implementation was not built in {directory}")
        return codec
    finally:
        sys.path.remove(str(directory))
        for name in [name for name in sys.modules if name.split(".")[0] == "eventstream"]:
            del sys.modules[name]
        sys.modules.update(before)
