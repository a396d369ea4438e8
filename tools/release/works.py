"""Check that the package that is installed, and no sources beside it, works natively: works.py CAPTURE

It needs nothing but the package. On machines without the test dependencies it is the only test.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import eventstream
from eventstream import _native, _reference

PAYLOADS = 1786
"""Bytes of payload in the capture."""


def decoded(codec: ModuleType, stream: bytes) -> list[tuple[bytes, bytes]]:
    """Return header block and payload of each message, fed in pieces."""
    decoder = codec.Decoder()
    found = []
    for begin in range(0, len(stream), 100):
        found += [(message.headers.raw, message.payload) for message in decoder.feed(stream[begin : begin + 100])]
    decoder.close()
    return found


if __name__ == "__main__":
    assert eventstream.implementation == "native", eventstream.implementation
    assert Path(eventstream.__file__).is_relative_to(sys.prefix), eventstream.__file__
    stream = Path(sys.argv[1]).read_bytes()
    messages = decoded(_native, stream)
    assert sum(len(payload) for _, payload in messages) == PAYLOADS
    assert messages == decoded(_reference, stream)
    assert b"".join(message.encode() for message in eventstream.iter_messages([stream])) == stream
    print(f"Python {sys.version.split()[0]}: eventstream {eventstream.__version__} works in an empty folder")
