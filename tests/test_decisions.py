"""The table *Decisions* of the documentation of the wire format, row by row: what we do where other codecs differ."""

from __future__ import annotations

import frames
import pytest
from cases import each

from eventstream import (
    DecodeLimitExceeded,
    DuplicateHeader,
    InvalidHeader,
    InvalidHeaderName,
    InvalidHeaderText,
    InvalidHeaderValue,
    InvalidLength,
    MessageChecksumMismatch,
    PreludeChecksumMismatch,
    Timestamp,
    TruncatedHeader,
    TruncatedMessage,
    UnknownHeaderType,
)


def error_of(codec, data, class_, **options):
    """Return the error, which must be the same however the data is fed."""
    outcome = frames.read_all_ways(codec, data, **options)
    assert outcome.messages == ()
    assert type(outcome.raised) is class_
    return outcome.raised


@pytest.mark.parametrize(
    ("prelude", "class_", "part"),
    [
        (frames.prelude(3, 2**32 - 1, crc=0), PreludeChecksumMismatch, None),
        (frames.prelude(3, 2**32 - 1), InvalidLength, None),
        (frames.prelude(2**32 - 1, 2**31), DecodeLimitExceeded, "headers"),
        (frames.prelude(2**32 - 1, 0), DecodeLimitExceeded, "payload"),
    ],
    ids=["prelude CRC", "lengths", "headers limit", "payload limit"],
)
def test_order_of_checks(codec, prelude, class_, part):
    """At byte 12, before anything is buffered; each prelude here has all the faults that come later, too."""
    error = error_of(codec, prelude, class_)
    assert getattr(error, "part", None) == part


@each(("total", "headers_length"), [(0, 0), (15, 0), (15, 15), (16, 1), (20, 5), (20, 8), (24, 12), (24, 9), (12, 0)])
def test_total_under_16_and_headers_over_total_minus_16(codec, total, headers_length):
    error_of(codec, frames.prelude(total, headers_length) + bytes(12), InvalidLength)


def test_frame_that_the_peers_accept(codec):
    """Headers 12 in a total of 24 with valid checksums: the message's CRC would be read as header data."""
    data = frames.frame(b"", bytes(8), headers_length=12)
    assert len(data) == 24
    error_of(codec, data, InvalidLength)


def test_default_limits(codec):
    error = error_of(codec, frames.prelude(16 + 25_165_825, 0), DecodeLimitExceeded)
    assert (error.part, error.length, error.limit) == ("payload", 25_165_825, 25_165_824)
    error = error_of(codec, frames.prelude(16 + 131_073, 131_073), DecodeLimitExceeded)
    assert (error.part, error.length, error.limit) == ("headers", 131_073, 131_072)
    for length in (19_000_000, 25_165_824):  # a real event of 19 MB was lost to a cap of 16 MiB
        data = frames.frame(b"", bytes(length))
        assert len(next(codec.Decoder().feed(data)).payload) == length


def test_limit_of_none_is_the_format_s_own_bound(codec):
    error_of(codec, frames.prelude(2**32 - 1, 0), TruncatedMessage, **frames.NO_LIMITS)
    error_of(codec, frames.prelude(2**32 - 1, 2**32 - 17), TruncatedMessage, **frames.NO_LIMITS)


def test_duplicate_names(codec):
    error = error_of(codec, frames.frame(frames.string("n", "1") + frames.string("n", "1")), DuplicateHeader)
    assert error.name == "n"


def test_empty_name(codec):
    error_of(codec, frames.frame(frames.header("", 0)), InvalidHeader)
    with pytest.raises(InvalidHeaderName):
        codec.Headers({"": True})


@pytest.mark.parametrize("value", ["", b""], ids=repr)
def test_empty_value(codec, value):
    """Accepted, both ways, although the specification says 1 to 32,767."""
    headers = codec.Headers({"n": value})
    data = frames.frame(headers.raw)
    assert frames.read_all_ways(codec, data).messages == (data,)
    assert frames.same_value(codec.decode(data).headers["n"], value)


@pytest.mark.parametrize(("type_", "value"), [(6, b"v"), (7, "v")], ids=["bytes", "string"])
def test_value_over_32767_bytes(codec, type_, value):
    """Encoding refuses it, decoding accepts it up to 65,535."""
    assert codec.Headers({"n": value * 32_767})["n"] == value * 32_767
    with pytest.raises(InvalidHeaderValue):
        codec.Headers({"n": value * 32_768})
    for length in (32_768, 65_535):
        data = frames.frame(frames.header("n", type_, frames.sized(b"v" * length)))
        assert codec.decode(data).headers["n"] == value * length


def test_invalid_utf_8(codec):
    error_of(codec, frames.frame(frames.string("n", b"\xff")), InvalidHeaderText)
    error_of(codec, frames.frame(frames.header(b"\xff", 0)), InvalidHeaderText)


@pytest.mark.parametrize("type_", [10, 11, 127, 128, 255])
def test_type_10_to_255(codec, type_):
    error = error_of(codec, frames.frame(frames.header("n", type_)), UnknownHeaderType)
    assert error.type == type_


def test_value_past_the_header_block(codec):
    """The payload that follows holds what is missing, and is not read."""
    for type_, value in ((5, b""), (9, bytes(15)), (7, frames.sized(b"abc", 4)), (6, frames.sized(b"abc", 65_535))):
        error = error_of(codec, frames.frame(frames.header("n", type_, value), bytes(100)), TruncatedHeader)
        assert error.name == "n"


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1, 2**64])
def test_plain_int_outside_32_bits(codec, value):
    with pytest.raises(InvalidHeaderValue, match="Long"):
        codec.Headers({"n": value})


@each("milliseconds", [-(2**63), -1, 0, 1, 9_007_199_254_740_993, 2**63 - 1])
def test_timestamps(codec, milliseconds):
    """Exact milliseconds, any int64; a float would lose the last but one."""
    data = frames.frame(frames.header("n", 8, milliseconds.to_bytes(8, "big", signed=True)))
    value = codec.decode(data).headers["n"]
    assert frames.same_value(value, Timestamp(milliseconds))
    assert codec.Headers({"n": value}).raw == data[12:-4]


@pytest.mark.parametrize("length", [1, 11, 12, 13, len(frames.TEN_FRAME) - 1])
def test_end_of_input_in_mid_message(codec, length):
    assert error_of(codec, frames.TEN_FRAME[:length], TruncatedMessage).offset == 0


def test_decoder_is_dead_after_an_error(codec):
    """Dead; the same error again, and no data accepted."""
    decoder = codec.Decoder().feed(frames.frame(b"", b"x", message_crc=0))
    for call in (lambda: next(decoder), lambda: decoder.feed(frames.TEN_FRAME), decoder.close, lambda: next(decoder)):
        with pytest.raises(MessageChecksumMismatch):
            call()


def test_declared_4_gib(codec):
    error_of(codec, frames.prelude(2**32 - 1, 0), DecodeLimitExceeded)
    error_of(codec, frames.prelude(2**32 - 1, 2**32 - 17), DecodeLimitExceeded)
