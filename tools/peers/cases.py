"""The questions on which codecs differ, and for each the inputs that show it: one table for everything in this package.

A case is a stream to be decoded, to its end, or headers to be encoded. The questions are those of the table *Decisions*
in the documentation of the wire format, in its order; after them come some that it does not ask.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import frames

from eventstream import Byte, Long, Short, Timestamp

MIB = 2**20

LAST_MOMENT = 253_402_300_799_999
"""Milliseconds from 1970 to the end of the year 9999."""


@dataclass(frozen=True)
class Case:
    """One row: `given` is a stream, or headers."""

    question: str
    name: str
    given: bytes | Mapping[str, Any]
    again: bool = False
    """To be read on after the first error, and that is what counts."""


def int64(value: int) -> bytes:
    return struct.pack(">q", value)


def one(header: bytes, payload: bytes = b"payload") -> bytes:
    return frames.frame(header, payload)


def many(length: int) -> bytes:
    """Headers of this many bytes in all, each within its own bounds."""
    parts = [frames.string(str(number), b"v" * 32_000) for number in range(4)]
    return b"".join(parts) + frames.string("4", b"v" * (length - len(b"".join(parts)) - 5))


def prelude(total: int, headers_length: int, **crc: int) -> bytes:
    """Return a prelude and 4 bytes more: some codecs look at the first 12 only when there is a thirteenth."""
    return frames.prelude(total, headers_length, **crc) + bytes(4)


ORDER = "order of checks"
LENGTHS = "`total < 16`, `headers > total-16`"
LIMITS = "default limits"
DUPLICATES = "duplicate names"
EMPTY_NAME = "empty name"
EMPTY_VALUE = "empty string or bytes value"
LONG_VALUE = "value over 32,767 bytes"
TEXT = "invalid UTF-8"
TYPE = "type 10–255"
CUT = "value past the header block"
INTEGERS = "plain `int` outside 32 bits"
TIMESTAMPS = "timestamps"
END = "end of input in mid-message"
AFTER = "after an error"
HUGE = "declared 4 GiB"
NAMES = "long and strange names"
ALL = "what all should agree on"

CASES = (
    Case(ORDER, "prelude CRC wrong, headers over the limit", prelude(2**20, 2**19, crc=0)),
    Case(ORDER, "prelude CRC wrong, 16 bytes of 100", prelude(100, 0, crc=0)),
    Case(ORDER, "lengths impossible, 16 bytes of 100", prelude(100, 90)),
    Case(ORDER, "lengths impossible, headers over the limit", prelude(100, 2**20)),
    Case(ORDER, "total 15, headers over the limit", prelude(15, 2**20)),
    Case(ORDER, "message CRC wrong, and a header's type", frames.frame(frames.header("n", 10), message_crc=0)),
    Case(ORDER, "a name twice, the second value cut", one(frames.string("n", "") + frames.header("n", 5, b"\0"))),
    Case(ORDER, "a name twice, the second type unknown", one(frames.string("n", "") + frames.header("n", 10))),
    Case(ORDER, "encode a name of 256 bytes, a value of 32,768", {"x" * 256: b"v" * 32_768}),
    Case(LENGTHS, "total 0", frames.prelude(0, 0) + bytes(8)),
    Case(LENGTHS, "total 11", frames.prelude(11, 0) + bytes(8)),
    Case(LENGTHS, "total 12", frames.prelude(12, 0)),
    Case(LENGTHS, "total 12, headers 3: what is behind it", frames.prelude(12, 3) + frames.header("n", 0)),
    Case(LENGTHS, "total 15", frames.prelude(15, 0) + bytes(3)),
    Case(LENGTHS, "total 16, headers 1", frames.frame(headers_length=1)),
    Case(
        LENGTHS,
        "total 24, headers 12: the CRC is a value's end",
        frames.frame(b"", frames.header("n", 6, frames.sized(b"abc", 7)), headers_length=12),
    ),
    Case(
        LENGTHS, "total 19, headers 7: the CRC is a value", frames.frame(b"", frames.header("n", 4), headers_length=7)
    ),
    Case(
        LENGTHS,
        "total 20, headers 100: after a header, nothing",
        frames.frame(frames.header("no", 0), headers_length=100),
    ),
    Case(LIMITS, "headers of 131,072 bytes", one(many(131_072))),
    Case(LIMITS, "headers of 131,073 bytes", one(many(131_073))),
    Case(LIMITS, "a payload of 16 MiB and 1 byte", frames.frame(b"", bytes(16 * MIB + 1))),
    Case(LIMITS, "a payload of 24 MiB", frames.frame(b"", bytes(24 * MIB))),
    Case(LIMITS, "a payload of 24 MiB and 1 byte", frames.frame(b"", bytes(24 * MIB + 1))),
    Case(LIMITS, "encode headers of over 128 KiB", {str(number): b"v" * 32_767 for number in range(5)}),
    Case(DUPLICATES, "decode, other values", one(frames.string("n", "1") + frames.string("n", "2"))),
    Case(DUPLICATES, "decode, equal headers", one(2 * frames.string("n", "1"))),
    Case(EMPTY_NAME, "decode", one(frames.header("", 0))),
    Case(EMPTY_NAME, "encode", {"": True}),
    Case(EMPTY_VALUE, "decode a string", one(frames.string("n", ""))),
    Case(EMPTY_VALUE, "decode a byte array", one(frames.header("n", 6, frames.sized(b"")))),
    Case(EMPTY_VALUE, "encode a string", {"n": ""}),
    Case(EMPTY_VALUE, "encode a byte array", {"n": b""}),
    Case(LONG_VALUE, "decode a string of 32,767", one(frames.string("n", "v" * 32_767))),
    Case(LONG_VALUE, "decode a string of 32,768", one(frames.string("n", "v" * 32_768))),
    Case(LONG_VALUE, "decode a string of 65,535", one(frames.string("n", "v" * 65_535))),
    Case(LONG_VALUE, "decode a byte array of 32,768", one(frames.header("n", 6, frames.sized(b"v" * 32_768)))),
    Case(LONG_VALUE, "encode a string of 32,767", {"n": "v" * 32_767}),
    Case(LONG_VALUE, "encode a string of 32,768", {"n": "v" * 32_768}),
    Case(LONG_VALUE, "encode a byte array of 32,768", {"n": b"v" * 32_768}),
    Case(TEXT, "in a value", one(frames.string("n", b"\xff"))),
    Case(TEXT, "in a name", one(frames.header(b"\xff", 0))),
    Case(TEXT, "a surrogate", one(frames.string("n", b"\xed\xa0\x80"))),
    Case(TEXT, "an overlong form", one(frames.string("n", b"\xc0\x80"))),
    Case(TEXT, "encode a lone surrogate in a value", {"n": "\ud800"}),
    Case(TEXT, "encode a lone surrogate in a name", {"\ud800": True}),
    Case(TYPE, "10", one(frames.header("n", 10))),
    Case(TYPE, "128", one(frames.header("n", 128))),
    Case(TYPE, "255", one(frames.header("n", 255))),
    Case(CUT, "no type", one(frames.header("n", 0)[:-1])),
    Case(CUT, "a name of 5 bytes, 4 there", one(frames.header("name", 0, name_length=5)[:-1])),
    Case(CUT, "a byte, none there", one(frames.header("n", 2))),
    Case(CUT, "a long, 7 bytes there", one(frames.header("n", 5, bytes(7)))),
    Case(CUT, "a timestamp, none there", one(frames.header("n", 8), bytes(8))),
    Case(CUT, "a uuid, 15 bytes there", one(frames.header("n", 9, bytes(15)))),
    Case(CUT, "a string's length, 1 byte there", one(frames.header("n", 7, b"\0"))),
    Case(CUT, "a string of 4, 3 there", one(frames.header("n", 7, frames.sized(b"abc", 4)))),
    Case(CUT, "a string of 2, cut in a letter", one(frames.header("n", 7, frames.sized(b"\xc3", 2)))),
    Case(CUT, "a byte array of 9, 3 there", one(frames.header("n", 6, frames.sized(b"abc", 9)))),
    Case(CUT, "a byte array of 65,535, 3 there", one(frames.header("n", 6, frames.sized(b"abc", 65_535)))),
    Case(INTEGERS, "encode 2³¹-1", {"n": 2**31 - 1}),
    Case(INTEGERS, "encode 2³¹", {"n": 2**31}),
    Case(INTEGERS, "encode -2³¹", {"n": -(2**31)}),
    Case(INTEGERS, "encode -2³¹-1", {"n": -(2**31) - 1}),
    Case(TIMESTAMPS, "decode 1,700,000,000,123", one(frames.header("n", 8, int64(1_700_000_000_123)))),
    Case(TIMESTAMPS, "decode -1", one(frames.header("n", 8, int64(-1)))),
    Case(TIMESTAMPS, "decode the last of the year 9999", one(frames.header("n", 8, int64(LAST_MOMENT)))),
    Case(TIMESTAMPS, "decode one later", one(frames.header("n", 8, int64(LAST_MOMENT + 1)))),
    Case(TIMESTAMPS, "decode 2⁵³+1", one(frames.header("n", 8, int64(2**53 + 1)))),
    Case(TIMESTAMPS, "decode 2⁶³-1", one(frames.header("n", 8, int64(2**63 - 1)))),
    Case(TIMESTAMPS, "encode 1,001", {"n": Timestamp(1001)}),
    Case(TIMESTAMPS, "encode 1,700,000,000,129", {"n": Timestamp(1_700_000_000_129)}),
    Case(TIMESTAMPS, "encode -1", {"n": Timestamp(-1)}),
    Case(TIMESTAMPS, "encode the last of the year 9999", {"n": Timestamp(LAST_MOMENT)}),
    Case(END, "3 bytes", frames.TEN_FRAME[:3]),
    Case(END, "11 bytes", frames.TEN_FRAME[:11]),
    Case(END, "the prelude", frames.TEN_FRAME[:12]),
    Case(END, "all but the last byte", frames.TEN_FRAME[:-1]),
    Case(END, "a message and a byte", frames.TEN_FRAME + b"\0"),
    Case(AFTER, "a wrong CRC, then a message", frames.frame(b"", b"x", message_crc=0) + frames.EVENT_FRAME, again=True),
    Case(AFTER, "a wrong type, then a message", one(frames.header("n", 10)) + frames.EVENT_FRAME, again=True),
    Case(HUGE, "16 bytes, all payload", prelude(2**32 - 1, 0)),
    Case(HUGE, "16 bytes, all headers", prelude(2**32 - 1, 2**32 - 17)),
    Case(NAMES, "decode 127 bytes", one(frames.header("x" * 127, 0))),
    Case(NAMES, "decode 128 bytes", one(frames.header("x" * 128, 0))),
    Case(NAMES, "decode 255 bytes", one(frames.header("x" * 255, 0))),
    Case(NAMES, "decode 255 bytes and a string", one(frames.string("x" * 255, "value"))),
    Case(NAMES, "decode `__proto__`", one(frames.header("__proto__", 0) + frames.header("n", 0))),
    Case(NAMES, "decode `b` and `1`", one(frames.header("b", 0) + frames.header("1", 0))),
    Case(NAMES, "encode 127 bytes", {"x" * 127: True}),
    Case(NAMES, "encode 128 bytes", {"x" * 128: True}),
    Case(NAMES, "encode 256 bytes", {"x" * 256: True}),
    Case(NAMES, "encode `__proto__`", {"__proto__": True, "n": True}),
    Case(NAMES, "encode `b` and `1`", {"b": True, "1": True}),
    Case(ALL, "decode a message without headers and payload", frames.EMPTY_FRAME),
    Case(ALL, "decode all ten types", frames.TEN_FRAME),
    Case(ALL, "encode all ten types", frames.TEN_HEADERS),
    Case(
        ALL,
        "encode the ends of the integers",
        {
            "a": Byte(-128),
            "b": Byte(127),
            "c": Short(-(2**15)),
            "d": Short(2**15 - 1),
            "e": Long(-(2**63)),
            "f": Long(2**63 - 1),
        },
    ),
    Case(ALL, "decode two messages", frames.TEN_FRAME + frames.EVENT_FRAME),
    Case(ALL, "decode U+0000, a combining letter, and an emoji", one(frames.string("n", "\0e\u0301😀"))),
)
