"""The calls by which two versions of this package are compared, with each other or with a baseline: no peer is needed.

Each works on the codec that it is given, so that two of them can be timed in one process.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

from benchmarks.measure import Work

HEADERS = {":message-type": "event", ":event-type": "TranscriptEvent", ":content-type": "application/json"}
KIB = 1024


def payload_of(length: int) -> bytes:
    """Return bytes without a short period."""
    return (bytes(i * 2654435761 >> 13 & 255 for i in range(4099)) * (length // 4099 + 1))[:length]


def calls(codec: ModuleType, *, large: bool = True) -> dict[str, Work]:
    """Return the calls by name; the `large` ones spend most of their time in the checksum."""
    headers = codec.Headers(HEADERS)
    found: dict[str, Work] = {}
    for length in (142, 918, 3200, 16 * KIB) if large else (142, 3200):
        payload = payload_of(length)
        found |= _of_length(codec, headers, payload, codec.encode(headers, payload))
    found["encode of a signature's headers, 142 B"] = _signed(codec)
    found["headers all different, 142 B, one look-up"] = _all_different(codec, payload_of(142))
    mutable = bytearray(codec.encode(headers, payload_of(64 * KIB)))
    found["feed of a bytearray, 64 KiB"] = _feed(codec.Decoder(), mutable)
    return found


def _of_length(codec: ModuleType, headers: object, payload: bytes, wire: bytes) -> dict[str, Work]:
    target = bytearray(len(wire))
    mutable = bytearray(wire)
    what = f"{len(payload):,} B"
    return {
        f"decode, {what}": lambda: codec.decode(wire),
        f"decode and one look-up, {what}": lambda: codec.decode(wire).headers[":event-type"],
        f"decode of a bytearray, {what}": lambda: codec.decode(mutable),
        f"feed, {what}": _feed(codec.Decoder(), wire),
        f"feed, copy=False, {what}": _feed(codec.Decoder(copy=False), wire),
        f"encode with Headers, {what}": lambda: codec.encode(headers, payload),
        f"encode of a dict, {what}": lambda: codec.encode(HEADERS, payload),
        f"encode_into, {what}": lambda: codec.encode_into(target, headers, payload),
    }


def _feed(decoder: object, data: bytes | bytearray) -> Work:
    feed = decoder.feed  # type: ignore[attr-defined]

    def work() -> None:
        for _ in feed(data):
            pass

    return work


def _signed(codec: ModuleType) -> Work:
    headers = {":date": codec.Timestamp(1_795_327_397_708), ":chunk-signature": bytes(32)}
    payload = payload_of(142)
    return lambda: codec.encode(headers, payload)


def _all_different(codec: ModuleType, payload: bytes) -> Work:
    """A signed stream repeats no header block."""
    wires = [
        codec.encode({":date": codec.Timestamp(1_795_327_397_708 + 100 * i), ":chunk-signature": b"%032d" % i}, payload)
        for i in range(64)
    ]
    feed = codec.Decoder().feed
    turn = 0

    def work() -> None:
        nonlocal turn
        turn = (turn + 1) % 64
        for message in feed(wires[turn]):
            message.headers[":chunk-signature"]

    return work


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
