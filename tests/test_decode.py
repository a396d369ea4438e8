"""What bytes are a message and which error says that they are not; whole, in pieces and with a tail, each case."""

from __future__ import annotations

import array
import ctypes
import mmap
import struct
import uuid
import zlib

import frames
import pytest
from cases import case, each

from eventstream import (
    Byte,
    DecodeLimitExceeded,
    DuplicateHeader,
    InvalidHeader,
    InvalidHeaderText,
    InvalidLength,
    Long,
    MessageChecksumMismatch,
    PreludeChecksumMismatch,
    Short,
    Timestamp,
    TrailingData,
    TruncatedHeader,
    TruncatedMessage,
    UnknownHeaderType,
)


def check(codec, data, class_, messages=(), *, step=1, options=None, **attributes):
    """Check that the data gives these messages and then this error, with these attributes, however it is fed."""
    outcome = frames.read_all_ways(codec, data, step=step, **(options or {}))
    assert outcome.messages == tuple(messages)
    assert type(outcome.raised) is class_
    assert vars(outcome.raised) == {**lengths_of(data, outcome.raised), **attributes}
    return outcome.raised


def lengths_of(data, error):
    """Return the attributes that follow from the bytes at the error's offset, all of which have arrived."""
    rest = data[error.offset :]
    total_length, headers_length = struct.unpack_from(">II", rest) if len(rest) >= 12 else (12, 0)
    if isinstance(error, PreludeChecksumMismatch):
        return {"received": rest[:64]}
    if isinstance(error, InvalidLength):
        return {"total_length": total_length, "headers_length": headers_length}
    if isinstance(error, TruncatedMessage):
        received = rest if len(rest) < 12 else b""
        return {"available": len(rest), "needed": total_length, "received": received}
    return {}


def valid(codec, data, *messages, step=1, **options):
    outcome = frames.read_all_ways(codec, data, step=step, **options)
    assert outcome.raised is None
    assert outcome.messages == (messages or (data,))


# Valid messages


@pytest.mark.parametrize(
    "data",
    [frames.EMPTY_FRAME, frames.TEN_FRAME, frames.EVENT_FRAME, frames.TAIL_FRAME, frames.frame(b"", b"x")],
    ids=["empty", "ten types", "event", "tail", "payload alone"],
)
def test_valid_message(codec, data):
    valid(codec, data)


def test_empty_input_is_not_a_message(codec):
    outcome = frames.read_all_ways(codec, b"")
    assert (outcome.messages, outcome.error) == ((), None)
    with pytest.raises(TruncatedMessage) as raised:
        codec.decode(b"")
    assert raised.value.offset == 0


def test_several_messages(codec):
    parts = [frames.TEN_FRAME, frames.EMPTY_FRAME, frames.EMPTY_FRAME, frames.EVENT_FRAME, frames.TAIL_FRAME]
    valid(codec, b"".join(parts), *parts)


def test_message_of_all_ten_types_decodes(codec):
    message = codec.decode(frames.TEN_FRAME)
    assert frames.same_headers(message.headers, frames.TEN_HEADERS)
    assert message.payload == b"payload"
    assert type(message.payload) is bytes


@each(
    ("type_", "wire", "value"),
    [
        (0, "", True),
        (1, "", False),
        (2, "80", Byte(-128)),
        (2, "7f", Byte(127)),
        (2, "00", Byte(0)),
        (2, "ff", Byte(-1)),
        (3, "8000", Short(-(2**15))),
        (3, "7fff", Short(2**15 - 1)),
        (4, "80000000", -(2**31)),
        (4, "7fffffff", 2**31 - 1),
        (4, "ffffffff", -1),
        (5, "8000000000000000", Long(-(2**63))),
        (5, "7fffffffffffffff", Long(2**63 - 1)),
        (6, "0000", b""),
        (6, "000100", b"\0"),
        (7, "0000", ""),
        (7, "000100", "\0"),
        (7, "0004f48fbfbf", "\U0010ffff"),
        (7, "0003efbbbf", "\ufeff"),
        (8, "8000000000000000", Timestamp(-(2**63))),
        (8, "7fffffffffffffff", Timestamp(2**63 - 1)),
        (9, "00" * 16, uuid.UUID(int=0)),
        (9, "ff" * 16, uuid.UUID(int=2**128 - 1)),
    ],
    ids=lambda value: None if isinstance(value, (int, str, uuid.UUID, bytes)) else repr(value),
)
def test_header_at_its_bounds(codec, type_, wire, value):
    data = frames.frame(frames.header("n", type_, bytes.fromhex(wire)))
    valid(codec, data)
    assert frames.same_value(codec.decode(data).headers["n"], value)


@pytest.mark.untraced
@pytest.mark.parametrize("length", [0, 1, 255, 256, 32_767, 32_768, 65_535])
@pytest.mark.parametrize("type_", [6, 7])
def test_value_of_up_to_65535_bytes(codec, type_, length):
    value = b"v" * length
    data = frames.frame(frames.header("n", type_, frames.sized(value)) + frames.header("after", 0))
    valid(codec, data, step=max(1, length // 50))
    headers = codec.decode(data).headers
    assert frames.same_value(headers["n"], value if type_ == 6 else value.decode())
    assert headers["after"] is True


@each("length", [1, 2, 127, 128, 254, 255])
def test_name_of_up_to_255_bytes(codec, length):
    data = frames.frame(frames.header("n" * length, 0))
    valid(codec, data)
    assert dict(codec.decode(data).headers) == {"n" * length: True}


# Prelude


@each("position", range(12))
def test_damaged_prelude(codec, position):
    data = bytearray(frames.TEN_FRAME)
    data[position] ^= 0x55
    (expected,) = struct.unpack_from(">I", data, 8)
    check(
        codec,
        bytes(data),
        PreludeChecksumMismatch,
        offset=0,
        expected=expected,
        computed=zlib.crc32(data[:8]),
    )


LENGTHS = [0, 1, 11, 12, 15, 16, 17, 2**31 - 1, 2**31, 2**31 + 1, 2**32 - 1]


def expected_of(total, headers_length, limits):
    """Return which error a prelude is, with its attributes: the table of the format."""
    if total < 16 or headers_length > total - 16:
        return InvalidLength, {}
    if limits["max_headers_length"] is not None and headers_length > limits["max_headers_length"]:
        attributes = {"part": "headers", "length": headers_length, "limit": limits["max_headers_length"]}
        return DecodeLimitExceeded, attributes
    payload = total - headers_length - 16
    if limits["max_payload_length"] is not None and payload > limits["max_payload_length"]:
        return DecodeLimitExceeded, {"part": "payload", "length": payload, "limit": limits["max_payload_length"]}
    return TruncatedMessage, {}


@pytest.mark.parametrize("limits", [frames.LIMITS, frames.NO_LIMITS], ids=["default limits", "no limits"])
def test_lengths_crossed(codec, limits):
    for total in LENGTHS:
        for headers_length in LENGTHS:
            with case(total, headers_length):
                check_lengths(codec, total, headers_length, limits)


def check_lengths(codec, total, headers_length, limits):
    data = frames.prelude(total, headers_length)
    class_, attributes = expected_of(total, headers_length, limits)
    if total in (16, 17) and class_ is TruncatedMessage:
        block = frames.header(b"", 0)[:headers_length]
        message = frames.frame(block, bytes(total - 16 - headers_length))
        assert message[:12] == data
        if headers_length:
            check(codec, message, InvalidHeader, options=limits, offset=12, name=None)
        else:
            valid(codec, message, **limits)
    check(codec, data, class_, options=limits, offset=0, **attributes)
    if class_ is not TruncatedMessage:
        check(codec, data[:12] + b"and more", class_, options=limits, offset=0, **attributes)


@each("total", range(16))
def test_complete_frame_with_a_total_length_under_16(codec, total):
    check(codec, frames.frame(b"", b"", total_length=total), InvalidLength, offset=0)


@each("excess", [1, 2, 3, 4, 5, 100])
def test_headers_longer_than_the_message(codec, excess):
    """What several peers accept, reading the message's checksum as header data."""
    data = frames.frame(b"", b"payload", headers_length=7 + excess)
    check(codec, data, InvalidLength, offset=0)


def test_fault_is_seen_at_byte_12(codec):
    for prelude, class_ in (
        (frames.prelude(100, 10, crc=1), PreludeChecksumMismatch),
        (frames.prelude(15, 0), InvalidLength),
        (frames.prelude(100, 85), InvalidLength),
        (frames.prelude(2**32 - 1, 0), DecodeLimitExceeded),
        (frames.prelude(2**32 - 1, 2**32 - 17), DecodeLimitExceeded),
    ):
        decoder = codec.Decoder()
        assert list(decoder.feed(prelude[:11])) == []
        with pytest.raises(class_):
            next(decoder.feed(prelude[11:]))


def test_order_of_checks_at_byte_12(codec):
    faults = [
        (frames.prelude(15, 2**32 - 1, crc=1), PreludeChecksumMismatch),
        (frames.prelude(15, 2**32 - 1), InvalidLength),
        (frames.prelude(2**32 - 1, 2**31), DecodeLimitExceeded),
    ]
    for data, class_ in faults:
        with pytest.raises(class_):
            codec.decode(data)
    with pytest.raises(DecodeLimitExceeded) as raised:
        codec.decode(faults[2][0])
    assert raised.value.part == "headers", "the headers limit comes first"


# Limits


def test_default_limits(codec):
    headers = frames.prelude(131_072 + 16, 131_072)
    payload = frames.prelude(25_165_824 + 16, 0)
    check(codec, headers, TruncatedMessage, offset=0)
    check(codec, payload, TruncatedMessage, offset=0)
    attributes = {"part": "headers", "length": 131_073, "limit": 131_072}
    check(codec, frames.prelude(131_073 + 16, 131_073), DecodeLimitExceeded, offset=0, **attributes)
    attributes = {"part": "payload", "length": 25_165_825, "limit": 25_165_824}
    check(codec, frames.prelude(25_165_825 + 16, 0), DecodeLimitExceeded, offset=0, **attributes)


@each("limit", [0, 1, 9, 10, 11, 2**31, 2**32, 2**64, None, True])
@each("part", ["headers", "payload"])
def test_moved_limits(codec, part, limit):
    data = frames.frame(frames.string("name", "no"), b"0123456789")  # 10 bytes of each
    assert len(data) == 16 + 20
    options = {f"max_{part}_length": limit}
    if limit is not None and limit < 10:
        check(codec, data, DecodeLimitExceeded, options=options, offset=0, part=part, length=10, limit=limit)
    else:
        valid(codec, data, **options)


# The message's checksum


@each("position", range(12, len(frames.EVENT_FRAME), 7))
def test_damaged_message(codec, position):
    data = bytearray(frames.EVENT_FRAME)
    data[position] ^= 0x55
    (expected,) = struct.unpack_from(">I", data, len(data) - 4)
    check(
        codec,
        bytes(data),
        MessageChecksumMismatch,
        step=9,
        offset=0,
        expected=expected,
        computed=zlib.crc32(data[:-4]),
    )


def test_checksum_comes_before_the_headers(codec):
    data = frames.frame(b"\0\0\0", message_crc=1)
    check(codec, data, MessageChecksumMismatch, offset=0, expected=1, computed=zlib.crc32(data[:-4]))


def test_large_message_that_may_change(codec):
    """Its head is copied, and its payload, each once."""
    for block in (frames.EVENT_BLOCK, frames.string("long", "x" * 5000)):
        wire = frames.frame(block, bytes(range(256)) * 20)
        assert codec.decode(bytearray(wire)).encode() == wire
        with pytest.raises(TruncatedMessage) as truncated:
            codec.decode(bytearray(wire[:-1]))
        assert (truncated.value.available, truncated.value.needed) == (len(wire) - 1, len(wire))
        with pytest.raises(TrailingData) as trailing:
            codec.decode(bytearray(wire + b"more"))
        assert (trailing.value.offset, trailing.value.length) == (len(wire), 4)


# Every truncation, and every flipped bit


@pytest.mark.untraced
def test_truncation_at_every_byte(codec):
    for length in range(1, len(frames.TEN_FRAME)):
        data = frames.TEN_FRAME[:length]
        check(codec, data, TruncatedMessage, offset=0)


def test_truncation_after_a_message(codec):
    for length in range(1, len(frames.TEN_FRAME), 5):
        data = frames.EVENT_FRAME + frames.TEN_FRAME[:length]
        check(codec, data, TruncatedMessage, [frames.EVENT_FRAME], step=37, offset=len(frames.EVENT_FRAME))


def test_flipped_bits(codec):
    for bit in range(8 * len(frames.TEN_FRAME)):
        data = bytearray(frames.TEN_FRAME)
        data[bit // 8] ^= 0x80 >> bit % 8
        if bit < 8 * 12:
            start, class_ = 8, PreludeChecksumMismatch
        else:
            start, class_ = len(data) - 4, MessageChecksumMismatch
        (expected,) = struct.unpack_from(">I", data, start)
        attributes = {"offset": 0, "expected": expected, "computed": zlib.crc32(data[:start])}
        for pieces in ([bytes(data)], [bytes(data[: bit // 8]), bytes(data[bit // 8 :])]):
            outcome = frames.read(codec, pieces)
            assert outcome.messages == ()
            assert type(outcome.raised) is class_
            assert vars(outcome.raised).items() >= attributes.items()
        assert frames.read_one(codec, bytes(data)) == outcome


@pytest.mark.untraced
def test_flipped_bits_with_their_checksum_repaired(codec):
    """Whatever it then says: it is accepted and encodes to the same bytes, or refused with a documented error."""
    for bit in range(8 * len(frames.TEN_FRAME)):
        data = bytearray(frames.TEN_FRAME)
        data[bit // 8] ^= 0x80 >> bit % 8
        wire = frames.repaired(data)
        outcome = frames.read(codec, [wire])
        assert outcome == frames.read(codec, frames.byte_by_byte(wire))
        if outcome.error is None:
            assert outcome.messages == (wire,)


# Headers

FIRST = frames.string("first", "yes")
AT = 12 + len(FIRST)
"""Where the faulty header begins: behind a valid one."""


def check_header(codec, block, class_, name, *, at=AT, **attributes):
    """Check that the fault is in the header at that offset; after another message the offset moves along."""
    data = frames.frame(FIRST + block, b"payload")
    check(codec, data, class_, offset=at, name=name, **attributes)
    offset = at + len(frames.EVENT_FRAME)
    check(
        codec, frames.EVENT_FRAME + data, class_, [frames.EVENT_FRAME], step=11, offset=offset, name=name, **attributes
    )


def test_empty_name(codec):
    check_header(codec, frames.header("", 0), InvalidHeader, None)
    check_header(codec, b"\0", InvalidHeader, None)
    with pytest.raises(InvalidHeader, match=r"^header: its name is empty \(at byte 12\)$"):
        codec.decode(frames.frame(b"\0"))


def test_type_bytes_that_are_known(codec):
    data = frames.frame(FIRST + frames.header("n", 9, bytes(16)))
    assert codec.decode(data).headers["n"] == uuid.UUID(int=0)
    for type_, length in {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 6: 2, 7: 2, 8: 8}.items():
        data = frames.frame(FIRST + frames.header("n", type_, bytes(16)))
        with case(type_):  # the zeros that are left are a header with an empty name
            check(codec, data, InvalidHeader, step=20, offset=AT + 3 + length, name=None)


def test_type_bytes_that_are_unknown(codec):
    for type_ in range(10, 256):
        for value in (b"", bytes(16)):
            data = frames.frame(FIRST + frames.header("n", type_, value))
            with case(type_, value):
                check(codec, data, UnknownHeaderType, step=20, offset=AT, name="n", type=type_)


TRUNCATED = {
    "name": (frames.header("name", 0, name_length=6), None),
    "name of 255": (frames.header("n" * 126, 0, name_length=255), None),
    "type": (frames.header("name", 0)[:-1], "name"),
    "byte": (frames.header("name", 2), "name"),
    "short": (frames.header("name", 3, b"\0"), "name"),
    "integer": (frames.header("name", 4, b"\0\0\0"), "name"),
    "long": (frames.header("name", 5, bytes(7)), "name"),
    "timestamp": (frames.header("name", 8, bytes(7)), "name"),
    "uuid": (frames.header("name", 9, bytes(15)), "name"),
    "no length of bytes": (frames.header("name", 6), "name"),
    "half a length of bytes": (frames.header("name", 6, b"\0"), "name"),
    "bytes": (frames.header("name", 6, frames.sized(b"1234", 5)), "name"),
    "bytes of 65,535": (frames.header("name", 6, frames.sized(b"1234", 65_535)), "name"),
    "no length of a string": (frames.header("name", 7), "name"),
    "half a length of a string": (frames.header("name", 7, b"\0"), "name"),
    "string": (frames.header("name", 7, frames.sized(b"1234", 5)), "name"),
    "empty string": (frames.header("name", 7, frames.sized(b"", 1)), "name"),
}


@each(("block", "name"), TRUNCATED.values(), ids=TRUNCATED)
def test_header_past_the_end_of_the_block(codec, block, name):
    """Not even where the payload holds the bytes that are missing."""
    check_header(codec, block, TruncatedHeader, name)


def test_truncation_of_a_header_block(codec):
    ends = [0]
    for name, _, type_, value in frames.TEN_TYPES:
        ends.append(ends[-1] + len(frames.header(name, type_, value)))
    for length in range(len(frames.TEN_BLOCK) + 1):
        data = frames.frame(frames.TEN_BLOCK[:length], frames.TEN_BLOCK[length:])
        if length in ends:
            assert frames.same_headers(
                codec.decode(data).headers, dict(list(frames.TEN_HEADERS.items())[: ends.index(length)])
            )
        else:
            start = max(end for end in ends if end < length)
            name = frames.TEN_TYPES[ends.index(start)][0]
            known = length >= start + 1 + len(name)
            check(codec, data, TruncatedHeader, step=31, offset=12 + start, name=name if known else None)


@each(
    "raw",
    [
        b"\xff",
        b"a\x80",
        b"\xc3",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xc0\x80",
        b"\xf8\x88\x80\x80\x80",
        b"abcdefgh\xff",
    ],
    ids=bytes.hex,
)
def test_text_that_is_not_utf_8(codec, raw):
    check_header(codec, frames.header(raw, 0), InvalidHeaderText, None)
    check_header(codec, frames.string("name", raw), InvalidHeaderText, "name")
    assert codec.decode(frames.frame(frames.header("name", 6, frames.sized(raw)))).headers["name"] == raw


@each("byte", [0x80, 0xFF])
@each("length", [*range(1, 26), 64, 255])
def test_byte_that_is_not_utf_8_is_found_wherever_it_stands(codec, length, byte):
    for position in range(length):
        text = bytearray(b"a" * length)
        text[position] = byte
        with pytest.raises(InvalidHeaderText) as raised:
            codec.decode(frames.frame(frames.string("n", bytes(text))))
        assert raised.value.name == "n"
        with pytest.raises(InvalidHeaderText) as raised:
            codec.decode(frames.frame(frames.header(bytes(text), 0)))
        assert raised.value.name is None
        text[position:] = ("a" * (length - position - 2) + "é").encode() if length - position > 1 else b"a"
        name = text.decode()
        assert dict(codec.decode(frames.frame(frames.string(name, name))).headers) == {name: name}


def test_name_that_occurs_twice_is_found_among_many(codec):
    names = [f"name-{number}" for number in range(40)]
    starts = [sum(len(frames.header(name, 0)) for name in names[:number]) for number in range(41)]
    for second in range(1, 40):
        for first in range(second):
            twice = [*names[:second], names[first], *names[second:]]
            with pytest.raises(DuplicateHeader) as raised:
                codec.decode(frames.frame(b"".join(frames.header(name, 0) for name in twice)))
            assert (raised.value.name, raised.value.offset) == (names[first], 12 + starts[second])


def test_name_that_occurs_twice(codec):
    check_header(codec, frames.string("first", "yes"), DuplicateHeader, "first")
    check_header(codec, frames.header("first", 0), DuplicateHeader, "first")
    between = frames.header("other", 0)
    check_header(codec, between + frames.header("first", 0), DuplicateHeader, "first", at=AT + len(between))


def test_names_that_differ_a_little_are_different(codec):
    names = ["name", "Name", "name ", "nam", "na\0me", "é", "e\u0301"]
    data = frames.frame(b"".join(frames.header(name, 0) for name in names))
    assert list(codec.decode(data).headers) == names


@pytest.mark.parametrize(
    ("block", "class_", "name"),
    [
        (frames.header(b"\xff", 200, name_length=255), TruncatedHeader, None),
        (frames.header(b"\xff", 200), InvalidHeaderText, None),
        (frames.header("first", 200), UnknownHeaderType, "first"),
        (frames.header("first", 4), DuplicateHeader, "first"),
        (frames.header("first", 7, frames.sized(b"\xff")), DuplicateHeader, "first"),
    ],
    ids=["length before UTF-8", "UTF-8 before type", "type before duplicate", "duplicate before value", "and its text"],
)
def test_order_of_checks_in_a_header(codec, block, class_, name):
    """Length, name, UTF-8, type, duplicate, value."""
    attributes = {"type": 200} if class_ is UnknownHeaderType else {}
    check_header(codec, block, class_, name, **attributes)


def test_headers_are_checked_in_their_order(codec):
    block = frames.header("n", 99) + frames.header("", 0) + frames.header("first", 0)
    check_header(codec, block, UnknownHeaderType, "n", type=99)


def test_fault_in_the_very_first_header(codec):
    check(codec, frames.frame(b"\0"), InvalidHeader, offset=12, name=None)


def test_same_faulty_block_fails_each_time(codec):
    data = frames.frame(frames.header("n", 99))
    for _ in range(3):
        with pytest.raises(UnknownHeaderType):
            codec.decode(data)


def test_block_of_as_many_headers_as_the_default_limit_holds(codec):
    names = [f"{number:x}" for number in range(0x582D)]
    block = b"".join(frames.header(name, len(name) % 2) for name in names)
    assert 131_072 - 10 < len(block) <= 131_072
    headers = codec.decode(frames.frame(block)).headers
    assert dict(headers) == {name: len(name) % 2 == 0 for name in names}
    assert headers.raw == block


@pytest.mark.untraced
def test_43000_headers_without_limits(codec):
    block = b"".join(frames.header(f"{number:05d}", 0) for number in range(43_000))
    headers = codec.decode(frames.frame(block), **frames.NO_LIMITS).headers
    assert len(headers) == 43_000
    assert list(headers) == [f"{number:05d}" for number in range(43_000)]
    again = block + frames.header("00000", 0)
    with pytest.raises(DuplicateHeader) as raised:
        codec.decode(frames.frame(again), **frames.NO_LIMITS)
    assert raised.value.offset == 12 + len(block)


def test_names_with_equal_hashes_in_other_decoders(codec):
    """Many names that differ in a few bytes, as one would send to a hash table of one's own."""
    names = ["\0" * number + "x" for number in range(254)] + ["x" + "\0" * number for number in range(1, 254)]
    block = b"".join(frames.header(name, 0) for name in names)
    assert list(codec.decode(frames.frame(block)).headers) == names


# decode: exactly one message


def test_bytes_after_the_message(codec):
    for tail in (b"\0", b"x" * 100, frames.EMPTY_FRAME):
        with pytest.raises(TrailingData) as raised:
            codec.decode(frames.TEN_FRAME + tail)
        assert vars(raised.value) == {"offset": len(frames.TEN_FRAME), "length": len(tail)}
        assert str(len(tail)) in str(raised.value)


def test_message_is_checked_before_what_follows_it(codec):
    with pytest.raises(MessageChecksumMismatch):
        codec.decode(frames.frame(b"", b"x", message_crc=0) + b"tail")
    with pytest.raises(InvalidHeader):
        codec.decode(frames.frame(b"\0") + b"tail")


def test_text_says_how_much_is_missing(codec):
    with pytest.raises(TruncatedMessage, match="where a message must come"):
        codec.decode(b"")
    for length, needed in ((1, 12), (11, 12), (12, len(frames.TEN_FRAME)), (100, len(frames.TEN_FRAME))):
        with pytest.raises(TruncatedMessage, match=f"{length} bytes of {needed}"):
            codec.decode(frames.TEN_FRAME[:length])


ALIGNED = frames.frame(frames.header("n", 0) + frames.header("m", 0), b"01")
BUFFERS = {
    "bytes": lambda data: data,
    "bytes subclass": lambda data: type("Mine", (bytes,), {})(data),
    "bytearray": bytearray,
    "memoryview": memoryview,
    "writable memoryview": lambda data: memoryview(bytearray(data)),
    "memoryview slice": lambda data: memoryview(b"<<" + data + b">>")[2:-2],
    "memoryview cast": lambda data: memoryview(data).cast("I"),
    "2-D memoryview": lambda data: memoryview(data).cast("B", (2, len(data) // 2)),
    "array": lambda data: array.array("I", data),
    "ctypes": lambda data: (ctypes.c_char * len(data)).from_buffer_copy(data),
}


@each("make", BUFFERS.values(), ids=BUFFERS)
def test_buffers_of_any_type(codec, make):
    assert len(ALIGNED) % 8 == 0
    message = codec.decode(make(ALIGNED))
    assert message.encode() == ALIGNED
    assert type(message.payload) is bytes
    (message,) = codec.Decoder().feed(make(ALIGNED))
    assert message.encode() == ALIGNED


def test_mapped_file(codec, tmp_path):
    path = tmp_path / "message.bin"
    path.write_bytes(ALIGNED)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert codec.decode(mapped).encode() == ALIGNED
        assert [message.encode() for message in codec.Decoder().feed(mapped)] == [ALIGNED]
        assert [message.encode() for message in codec.Decoder(copy=False).feed(mapped)] == [ALIGNED]


@pytest.mark.parametrize("data", [None, "text", 5, [1, 2], object()], ids=frames.type_name)
def test_other_objects_than_buffers_are_a_type_error(codec, data):
    with pytest.raises(TypeError):
        codec.decode(data)


def test_buffer_that_is_not_contiguous_is_a_buffer_error(codec):
    for view in (memoryview(frames.TEN_FRAME)[::2], memoryview(frames.TEN_FRAME)[::-1]):
        with pytest.raises(BufferError, match=r"^(the|memoryview: underlying) buffer is not C-contiguous$"):
            codec.decode(view)


def test_released_memoryview_is_a_buffer_error(codec):
    view = memoryview(frames.TEN_FRAME)
    view.release()
    with pytest.raises(BufferError, match="released"):
        codec.decode(view)


def test_message_is_its_own(codec):
    data = bytearray(frames.TEN_FRAME)
    message = codec.decode(data)
    data[:] = bytes(len(data))
    data.extend(b"x")  # a BufferError while any view of it is held
    assert message.encode() == frames.TEN_FRAME


def test_buffer_is_free_again_after_an_error(codec):
    data = bytearray(frames.TEN_FRAME[:-1])
    with pytest.raises(TruncatedMessage):
        codec.decode(data)
    data.extend(b"x")


def test_decode_arguments(codec):
    assert codec.decode(data=frames.EMPTY_FRAME).payload == b""
    with pytest.raises(TypeError):
        codec.decode()
    with pytest.raises(TypeError):
        codec.decode(frames.EMPTY_FRAME, 100, 100)
