"""encode and encode_into."""

from __future__ import annotations

import array
import contextlib
import ctypes
import mmap
import struct
import sys
import zlib

import frames
import pytest
from cases import each

from eventstream import EncodeLimitExceeded, InvalidHeaderName, InvalidHeaderValue, TrailingData

BUFFERS = {
    "bytes": lambda data: data,
    "bytearray": bytearray,
    "memoryview": memoryview,
    "memoryview slice": lambda data: memoryview(b"<<" + data + b">>")[2:-2],
    "memoryview cast": lambda data: memoryview(data).cast("I"),
    "2-D memoryview": lambda data: memoryview(data).cast("B", (2, len(data) // 2)),
    "array": lambda data: array.array("I", data),
    "ctypes": lambda data: (ctypes.c_char * len(data)).from_buffer_copy(data),
    "mmap": lambda data: filled(mmap.mmap(-1, len(data)), data),
}
NOT_CONTIGUOUS = {
    "every second": lambda: memoryview(b"abcdefgh")[::2],
    "backwards": lambda: memoryview(b"abcdefgh")[::-1],
    "writable": lambda: memoryview(bytearray(b"abcdefgh"))[::2],
}


def filled(buffer, data):
    buffer[: len(data)] = data
    return buffer


# encode


def test_smallest_message(codec):
    assert codec.encode({}).hex() == "000000100000000005c248eb7d98c8ff"
    assert codec.encode({}, b"") == codec.encode(codec.Headers(), payload=b"")


def test_message_with_all_ten_types(codec):
    assert codec.encode(frames.TEN_HEADERS, b"payload") == frames.TEN_FRAME
    assert codec.encode(codec.Headers(frames.TEN_HEADERS), b"payload") == frames.TEN_FRAME


def test_encode_gives_bytes(codec):
    assert type(codec.encode({"a": 1}, bytearray(b"payload"))) is bytes


def test_round_trip_of_every_payload_length(codec):
    for length in (*range(70), 127, 128, 255, 256, 1000, 4095, 4096, 65_535, 65_536, 1 << 20, 5_000_001):
        payload = (b"0123456789abcdefghijklmnopqrstuvw" * (length // 33 + 1))[:length]
        wire = codec.encode(frames.TEN_HEADERS, payload)
        assert wire == frames.frame(frames.TEN_BLOCK, payload), length
        message = codec.decode(wire)
        assert message.payload == payload, length
        assert frames.same_headers(message.headers, frames.TEN_HEADERS), length
        assert message.encode() == wire, length


@each("make", BUFFERS.values(), ids=BUFFERS)
def test_payload_of_any_buffer(codec, make):
    data = b"0123456789abcdef"
    assert codec.encode({"a": 1}, make(data)) == frames.frame(frames.header("a", 4, b"\0\0\0\1"), data)


@pytest.mark.parametrize("make", NOT_CONTIGUOUS.values(), ids=NOT_CONTIGUOUS)
def test_payload_that_is_not_contiguous_is_a_buffer_error(codec, make):
    with pytest.raises(BufferError):
        codec.encode({}, make())


def test_released_memoryview_is_a_buffer_error(codec):
    view = memoryview(b"payload")
    view.release()
    with pytest.raises(BufferError):
        codec.encode({}, view)
    with pytest.raises(BufferError):
        codec.encode_into(bytearray(100), {}, view)
    with pytest.raises(BufferError):
        codec.encode_into(view, {}, b"")


@pytest.mark.parametrize("payload", [None, "text", 5, [1, 2], object()], ids=frames.type_name)
def test_payload_that_is_no_buffer_is_a_type_error(codec, payload):
    with pytest.raises(TypeError):
        codec.encode({}, payload)


@pytest.mark.parametrize("headers", [None, [("a", 1)], b"raw", "a", 5], ids=repr)
def test_headers_that_are_no_mapping_are_a_type_error(codec, headers):
    with pytest.raises(TypeError):
        codec.encode(headers)


@pytest.mark.parametrize(
    ("headers", "class_", "name"),
    [
        ({"a": 1, "": 2}, InvalidHeaderName, ""),
        ({"a": 1, "b": 1 << 40}, InvalidHeaderValue, "b"),
        ({"a": "v" * 32_768}, InvalidHeaderValue, "a"),
        ({"a": "\ud800"}, InvalidHeaderValue, "a"),
    ],
)
def test_header_that_cannot_be_encoded(codec, headers, class_, name):
    for call in (codec.Headers, codec.Message, codec.encode, lambda headers: codec.encode_into(bytearray(99), headers)):
        with pytest.raises(class_) as raised:
            call(headers)
        assert raised.value.name == name


def test_arguments(codec):
    assert codec.encode(headers={"a": 1}, payload=b"x") == codec.encode({"a": 1}, b"x")
    with pytest.raises(TypeError):
        codec.encode()
    with pytest.raises(TypeError):
        codec.encode({}, b"", 100)
    with pytest.raises(TypeError):
        codec.encode({}, b"", max_length=100)


# Limits


def error_of(call, *arguments, **options):
    with pytest.raises(EncodeLimitExceeded) as raised:
        call(*arguments, **options)
    return raised.value.part, raised.value.length, raised.value.limit


def test_headers_at_the_default_limit(codec):
    room = 131_072
    mapping = {}
    while room > 0:
        length = min(room - 7, 32_767)
        mapping[f"{len(mapping):03d}"] = b"v" * length
        room -= length + 7
    assert len(codec.Headers(mapping).raw) == 131_072
    assert len(codec.encode(mapping)) == 131_072 + 16
    mapping["x"] = True
    assert error_of(codec.encode, mapping) == ("headers", 131_075, 131_072)
    assert error_of(codec.encode_into, bytearray(200_000), mapping) == ("headers", 131_075, 131_072)
    assert len(codec.encode(mapping, max_headers_length=131_075)) == 131_075 + 16


def test_payload_at_the_default_limit(codec):
    payload = bytes(25_165_824)
    assert len(codec.encode({}, payload)) == len(payload) + 16
    payload += b"x"
    assert error_of(codec.encode, {}, payload) == ("payload", 25_165_825, 25_165_824)
    assert len(codec.encode({}, payload, max_payload_length=None)) == len(payload) + 16


@each("limit", [0, 1, 5, 6, 7, 2**31, 2**32, 2**64, 2**100, None, True])
def test_moved_limits(codec, limit):
    block = frames.header("abc", 3, b"\0\1")  # 7 bytes
    for part, headers, payload in (("headers", {"abc": frames.Short(1)}, b""), ("payload", {}, block)):
        name = f"max_{part}_length"
        if limit is not None and limit < 7:
            assert error_of(codec.encode, headers, payload, **{name: limit}) == (part, 7, limit)
        else:
            assert len(codec.encode(headers, payload, **{name: limit})) == 23


def test_headers_limit_is_checked_first(codec):
    options = {"max_headers_length": 1, "max_payload_length": 1}
    assert error_of(codec.encode, {"a": True}, b"xx", **options)[0] == "headers"


@each("name", ["max_headers_length", "max_payload_length"])
@each("limit", ["1", 1.5, b"1", []], ids=repr)
def test_limit_that_is_no_integer_is_a_type_error(codec, name, limit):
    for call in (
        lambda **options: codec.encode({}, **options),
        lambda **options: codec.encode_into(bytearray(99), {}, **options),
        lambda **options: codec.decode(frames.EMPTY_FRAME, **options),
        codec.Decoder,
    ):
        with pytest.raises(TypeError):
            call(**{name: limit})


@each("name", ["max_headers_length", "max_payload_length"])
@each("limit", [-1, -(2**31), -(2**100)])
def test_negative_limit_is_a_value_error(codec, name, limit):
    for call in (
        lambda **options: codec.encode({}, **options),
        lambda **options: codec.encode_into(bytearray(99), {}, **options),
        lambda **options: codec.decode(frames.EMPTY_FRAME, **options),
        codec.Decoder,
    ):
        with pytest.raises(ValueError, match=f"^{name} is negative$"):
            call(**{name: limit})


@pytest.fixture(scope="module")
def four_gib():
    """Return an address range of 4 GiB and a page, none of which is ever touched."""
    if sys.maxsize < 2**32 or not hasattr(mmap, "MAP_PRIVATE"):
        pytest.skip("no room for 4 GiB of addresses")
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0)
    try:
        area = mmap.mmap(-1, 2**32 + mmap.PAGESIZE, flags=flags)
    except OSError as error:
        pytest.skip(f"no room for 4 GiB of addresses: {error}")
    return area


@pytest.mark.parametrize("length", [2**32 - 15, 2**32 - 1, 2**32, 2**32 + 1])
def test_message_over_4_gib_is_refused_before_it_is_read(codec, four_gib, length):
    with memoryview(four_gib) as whole, whole[:length] as payload:
        assert error_of(codec.encode, {}, payload, **frames.NO_LIMITS) == ("payload", length, 2**32 - 17)
        assert error_of(codec.encode_into, bytearray(99), {}, payload, **frames.NO_LIMITS)[1] == length
        assert error_of(codec.encode, {"a": True}, payload, **frames.NO_LIMITS)[2] == 2**32 - 17 - 3
        assert error_of(codec.encode, {}, payload) == ("payload", length, 25_165_824)


# encode_into


def test_encode_into_writes_and_returns_the_length(codec):
    buffer = bytearray(b"." * 300)
    assert codec.encode_into(buffer, frames.TEN_HEADERS, b"payload") == len(frames.TEN_FRAME)
    assert buffer == frames.TEN_FRAME.ljust(300, b".")


@each("offset", [0, 1, 7, 64])
@each("room", [0, 1, 100])
def test_bytes_around_it_are_untouched(codec, offset, room):
    length = len(frames.TEN_FRAME)
    buffer = bytearray(b"." * (offset + length + room))
    assert codec.encode_into(buffer, codec.Headers(frames.TEN_HEADERS), b"payload", offset) == length
    assert buffer == b"." * offset + frames.TEN_FRAME + b"." * room


def test_encode_arguments(codec):
    buffer = bytearray(40)
    assert codec.encode_into(buffer=buffer, headers={}, payload=b"x", offset=3) == 17
    assert buffer[3:20] == frames.frame(b"", b"x")
    assert codec.encode_into(buffer, {}) == 16
    with pytest.raises(TypeError):
        codec.encode_into(buffer)
    with pytest.raises(TypeError):
        codec.encode_into(buffer, {}, b"", 0, None)


@each(
    "make",
    [
        lambda: bytearray(64),
        lambda: memoryview(bytearray(66))[1:-1],
        lambda: array.array("Q", bytes(64)),
        lambda: memoryview(array.array("I", bytes(64))),
        lambda: (ctypes.c_char * 64)(),
        lambda: mmap.mmap(-1, 64),
        lambda: memoryview(bytearray(64)).cast("B", (8, 8)),
    ],
    ids=["bytearray", "slice", "array", "cast", "ctypes", "mmap", "2-D"],
)
def test_into_any_writable_buffer(codec, make):
    buffer = make()
    assert codec.encode_into(buffer, {"a": True}, b"payload", 8) == 26
    assert bytes(memoryview(buffer).cast("B") if not isinstance(buffer, mmap.mmap) else buffer) == (
        bytes(8) + frames.frame(frames.header("a", 0), b"payload") + bytes(30)
    )


@each("room", [0, 1, 11, 12, 15, 16, 25])
@each("offset", [0, 5])
def test_message_that_does_not_fit_writes_nothing(codec, room, offset):
    buffer = bytearray(b"." * (room + offset))
    with pytest.raises(ValueError, match="fit"):
        codec.encode_into(buffer, {"a": True}, b"payload", offset)
    assert buffer == b"." * (room + offset)


@each("offset", [26, 27, 100, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 2**100])
def test_offset_beyond_the_buffer_is_a_value_error(codec, offset):
    buffer = bytearray(b"." * 26)
    with pytest.raises(ValueError, match=r"^a message of 16 bytes does not fit into 0 bytes$"):
        codec.encode_into(buffer, {}, b"", offset)
    assert buffer == b"." * 26


@each("offset", [-1, -16, -(2**31), -(2**63), -(2**100), -(2**20_000)], ids=int.bit_length)
def test_negative_offset_is_a_value_error(codec, offset):
    buffer = bytearray(b"." * 64)
    with pytest.raises(ValueError, match=r"^offset is negative$"):
        codec.encode_into(buffer, {}, b"", offset)
    assert buffer == b"." * 64


@pytest.mark.parametrize("offset", ["0", 1.0, None, b""], ids=repr)
def test_offset_that_is_no_integer_is_a_type_error(codec, offset):
    with pytest.raises(TypeError):
        codec.encode_into(bytearray(64), {}, b"", offset)


@pytest.mark.parametrize("make", NOT_CONTIGUOUS.values(), ids=NOT_CONTIGUOUS)
def test_target_that_is_not_contiguous_is_a_buffer_error(codec, make):
    with pytest.raises(BufferError):
        codec.encode_into(make(), {}, b"")


@pytest.mark.parametrize(
    "target",
    [bytes(64), memoryview(bytes(64)), memoryview(bytearray(64)).toreadonly()],
    ids=["bytes", "view", "toreadonly"],
)
def test_read_only_target_is_a_buffer_error(codec, target):
    with pytest.raises(BufferError):
        codec.encode_into(target, {}, b"")
    assert bytes(target) == bytes(64)


@pytest.mark.parametrize("target", [None, "text", 5, [0] * 64], ids=repr)
def test_target_that_is_no_buffer_is_a_type_error(codec, target):
    with pytest.raises(TypeError):
        codec.encode_into(target, {}, b"")


@pytest.mark.parametrize("headers", [{"": 1}, {"a": 1 << 40}, {"a": None}], ids=repr)
def test_buffer_stays_when_a_header_cannot_be_encoded(codec, headers):
    buffer = bytearray(b"." * 64)
    with pytest.raises((InvalidHeaderName, InvalidHeaderValue, TypeError)):
        codec.encode_into(buffer, {"first": 1, **headers}, b"payload")
    assert buffer == b"." * 64


def test_buffer_stays_when_a_limit_is_exceeded(codec):
    buffer = bytearray(b"." * 64)
    with pytest.raises(EncodeLimitExceeded):
        codec.encode_into(buffer, {}, b"xx", max_payload_length=1)
    assert buffer == b"." * 64


@each("readonly", [False, True], ids=["writable", "read-only"])
@each(
    ("start", "stop", "offset", "overlaps"),
    [
        (0, 10, 0, True),  # the message would lie at offset ... offset + 26
        (12, 22, 0, True),  # exactly where it goes
        (25, 35, 0, True),
        (26, 36, 0, False),  # just behind it
        (0, 10, 9, True),
        (0, 10, 10, False),  # just before it
        (40, 50, 14, False),
        (39, 49, 14, True),
        (30, 40, 20, True),  # inside
    ],
)
def test_payload_that_overlaps_writes_nothing(codec, start, stop, offset, overlaps, readonly):
    before = bytes(range(64))
    buffer = bytearray(before)
    payload = memoryview(buffer)[start:stop]
    payload = payload.toreadonly() if readonly else payload
    expected = frames.frame(b"", before[start:stop])
    assert len(expected) == 26
    if overlaps:
        with pytest.raises(ValueError, match=r"^the payload overlaps the part of the buffer that is to be written$"):
            codec.encode_into(buffer, {}, payload, offset)
        assert buffer == before
    else:
        assert codec.encode_into(buffer, {}, payload, offset) == 26
        assert buffer == before[:offset] + expected + before[offset + 26 :]


def test_overlap_is_seen_through_other_objects(codec):
    area = mmap.mmap(-1, 64)
    ctypes_area = (ctypes.c_char * 64).from_buffer(area)
    numbers = array.array("Q", bytes(64))
    for target, payload in (
        (area, ctypes_area),
        (ctypes_area, memoryview(area)[:8]),
        (numbers, memoryview(numbers)[1:2]),
    ):
        with pytest.raises(ValueError, match=r"overlap|fit"):
            codec.encode_into(target, {}, payload)


def test_empty_payload_overlaps_nothing(codec):
    buffer = bytearray(64)
    assert codec.encode_into(buffer, {}, memoryview(buffer)[5:5]) == 16
    assert buffer[:16] == frames.EMPTY_FRAME


def test_header_value_may_come_from_the_target(codec):
    buffer = bytearray(b"v" * 64)
    length = codec.encode_into(buffer, {"n": memoryview(buffer)[:32]}, b"")
    assert buffer[:length] == frames.frame(frames.header("n", 6, frames.sized(b"v" * 32)))


def test_target_is_free_again_afterwards(codec):
    buffer = bytearray(64)
    codec.encode_into(buffer, {}, b"payload")
    with pytest.raises(ValueError, match="fit"):
        codec.encode_into(buffer, {}, bytes(64))
    with pytest.raises(InvalidHeaderName):
        codec.encode_into(buffer, {"": 1})
    buffer.extend(b"x")  # a BufferError while any view of it is held


def test_payload_is_free_again_afterwards(codec):
    payload = bytearray(64)
    codec.encode({}, payload)
    with pytest.raises(EncodeLimitExceeded):
        codec.encode({}, payload, max_payload_length=1)
    payload.extend(b"x")


def test_stream_written_into_one_buffer(codec):
    buffer = bytearray(1000)
    written = 0
    headers = codec.Headers(frames.TEN_HEADERS)
    for number in range(4):
        written += codec.encode_into(buffer, headers, b"%d" % number, written)
    stream = bytes(buffer[:written])
    assert [message.payload for message in codec.Decoder().feed(stream)] == [b"0", b"1", b"2", b"3"]
    with pytest.raises(TrailingData):
        codec.decode(stream)


class Mapping(dict):
    """Its items are asked for while a message is encoded."""

    def __init__(self, action):
        super().__init__(a=1)
        self.action = action

    def items(self):
        self.action()
        return super().items()


def test_mapping_that_resizes_the_target(codec):
    buffer = bytearray(b"." * 64)
    # A view was held, or the buffer is measured afterwards: never memory that is gone.
    with contextlib.suppress(BufferError, ValueError):
        codec.encode_into(buffer, Mapping(buffer.clear), b"payload")
    assert len(buffer) in (0, 64)


def test_mapping_that_resizes_the_payload(codec):
    payload = bytearray(b"p" * 64)
    try:
        wire = codec.encode(Mapping(payload.clear), payload)
    except BufferError:
        return
    assert codec.decode(wire).payload in (b"", b"p" * 64)


@pytest.mark.parametrize("kept_of_ten", [0, 1, 5, 9, 10])
def test_messages_stay_as_they_were(codec, kept_of_ten):
    """The bytes of one that nobody has any more may be those of the next; nobody else's change."""
    lengths = (0, 1, 142, 70, 142, 3200, 3200, 1600, 1592, 1591, 4079, 4080, 4081)
    headers = codec.Headers({})
    kept = []
    for number in range(1000):
        payload = bytes([number % 256]) * lengths[number * 7 // 5 % len(lengths)]
        wire = codec.encode(headers if number % 2 else {}, payload)
        assert wire == frames.frame(b"", payload)
        assert hash(wire) == hash(frames.frame(b"", payload))
        if number * 3 // 7 % 10 < kept_of_ten:
            kept.append((wire, payload))
    for wire, payload in kept:
        assert wire == frames.frame(b"", payload)


def test_encoding_within_an_encoding(codec):
    inner = []
    outer = codec.encode(Mapping(lambda: inner.append(codec.encode({"b": 2}, b"inner"))), b"outer")
    assert codec.decode(outer).payload == b"outer"
    assert codec.decode(inner[0]).payload == b"inner"


# The checksums


@pytest.mark.parametrize("length", [0, 1, 100, 100_000])
def test_checksums_are_those_of_zlib(codec, length):
    wire = codec.encode(frames.TEN_HEADERS, bytes(length))
    total, headers_length, prelude_crc = struct.unpack_from(">III", wire)
    assert (total, headers_length) == (len(wire), len(frames.TEN_BLOCK))
    assert prelude_crc == zlib.crc32(wire[:8])
    assert wire[-4:] == struct.pack(">I", zlib.crc32(wire[:-4]))


class Twin(str):
    """A name that equals nothing, but has the same text."""

    __slots__ = ()

    def __eq__(self, other):
        return self is other

    __hash__ = str.__hash__


@each(
    ("call", "error"),
    [
        (lambda codec: codec.encode({"": 1}, 5), TypeError),
        (lambda codec: codec.encode({"": 1}, b"", max_headers_length=-1), ValueError),
        (lambda codec: codec.encode({"": 1}, 5, max_headers_length="1"), TypeError),
        (lambda codec: codec.encode_into(b"", {"": 1}), InvalidHeaderName),
        (lambda codec: codec.encode_into(bytearray(5), {"a": 1}, 5, offset="1"), TypeError),
        (lambda codec: codec.encode_into(b"", {"a": 1}, bytes(9), max_payload_length=1), BufferError),
        (lambda codec: codec.encode_into(bytearray(), {"a": 1}, bytes(9), max_payload_length=1), EncodeLimitExceeded),
        (lambda codec: codec.Headers({"a": 1, Twin("a"): 2**40}), InvalidHeaderName),
        (lambda codec: codec.Headers({"a": 1, Twin("a"): 2, "b": object()}), InvalidHeaderName),
    ],
)
def test_faults_are_reported_alike_by_both_implementations(codec, call, error):
    """The limits' own values, the payload's type, the headers in their order, the lengths; then the target."""
    with pytest.raises(error) as raised:
        call(codec)
    assert type(raised.value) is error


def test_buffer_is_released_although_the_error_lives(codec):
    payload = bytearray(b"abc")
    with pytest.raises(EncodeLimitExceeded) as raised:
        codec.encode({}, payload, max_payload_length=1)
    payload.append(1)
    with pytest.raises(ValueError, match="does not fit") as other:
        codec.encode_into(bytearray(1), {}, payload)
    payload.append(1)
    assert raised.value.length == 3
    assert "room" not in str(other.value)
