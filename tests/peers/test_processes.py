"""What nobody disputes is the same in JavaScript and C: read as we read it, and written byte by byte as we write it.

They are asked where they are installed, as `make conformance` does.
"""

from __future__ import annotations

import random
import string
import uuid

import pytest
from peers import matrix, outcomes

from eventstream import Byte, Headers, Long, Message, Short, Timestamp, encode

MAX_DATE = 8_640_000_000_000_000
"""Milliseconds: a Date of JavaScript reaches that far, both ways."""


@pytest.fixture(scope="module", params=["@smithy/core", "aws-c-event-stream"])
def codec(request):
    with matrix.codecs(matrix.pinned()) as (found, missing):
        if request.param in missing:
            pytest.skip(f"{request.param}: {missing[request.param]}")
        yield found[request.param]


def undisputed(rng):
    """Headers of all types, and a payload. Names are short, and of letters: see the questions about names."""

    def integer(bits):
        return rng.choice([0, -1, -(1 << bits - 1), (1 << bits - 1) - 1, rng.getrandbits(bits) - (1 << bits - 1)])

    values = {
        "on": lambda: rng.random() < 0.5,
        "byte": lambda: Byte(integer(8)),
        "short": lambda: Short(integer(16)),
        "integer": lambda: integer(32),
        "long": lambda: Long(integer(64)),
        "bytes": lambda: rng.randbytes(rng.choice([0, 1, 40, 32_767])),
        "string": lambda: rng.choice(["", "text", "é€😀\0", "v" * 32_767]),
        "timestamp": lambda: Timestamp(rng.choice([0, -1, 1001, MAX_DATE, -MAX_DATE, rng.getrandbits(41)])),
        "uuid": lambda: uuid.UUID(bytes=rng.randbytes(16)),
    }
    names = rng.sample(sorted(values), rng.randrange(len(values) + 1))
    names = [(name, name + "".join(rng.choices(string.ascii_letters + "é:-", k=rng.randrange(40)))) for name in names]
    return {name: values[kind]() for kind, name in names}, rng.randbytes(rng.choice([0, 1, 1000]))


def test_undisputed_cases(codec):
    rng = random.Random("undisputed")
    given = [undisputed(rng) for _ in range(200)]
    wires = [encode(headers, payload) for headers, payload in given]
    read = codec.decode(b"".join(wires))
    assert not read.end
    expected = tuple(
        outcomes.Message(tuple(outcomes.header(*pair) for pair in Headers(headers).items()), payload)
        for headers, payload in given
    )
    assert read.messages == expected
    for (headers, payload), wire in zip(given, wires, strict=True):
        assert codec.encode(headers, payload).wire == wire == Message(headers, payload).encode()
