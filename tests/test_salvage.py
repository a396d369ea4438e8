"""What is left of damaged recordings: one byte changed anywhere, lies, junk, lost stretches, joined recordings."""

from __future__ import annotations

import copy
import io
import mmap
import pickle
import struct
import time
import tracemalloc
import zlib
from pathlib import Path

import frames
import pytest
from cases import each
from hypothesis import example, given
from hypothesis import strategies as st

import eventstream
from eventstream import (
    DecodeLimitExceeded,
    Gap,
    InvalidLength,
    MessageChecksumMismatch,
    PreludeChecksumMismatch,
    TruncatedMessage,
    UnknownHeaderType,
    _salvage,
    testing,
)

MIB = 1 << 20
PLAIN = [frames.EVENT_FRAME, frames.TEN_FRAME, frames.EMPTY_FRAME, frames.TAIL_FRAME]


def signed(inner: bytes) -> bytes:
    """Return a message in the form of a signed event around another one."""
    headers = frames.header(":date", 8, struct.pack(">q", 1_700_000_000_000))
    return frames.frame(headers + frames.header(":chunk-signature", 6, frames.sized(b"\xa5" * 32)), inner)


SIGNED = [signed(frame) for frame in PLAIN]
STREAMS = {"plain": PLAIN, "signed": SIGNED, "both": [PLAIN[3], SIGNED[1], PLAIN[0], SIGNED[0]]}


@pytest.fixture(autouse=True)
def primitives(codec, monkeypatch):
    """Run each test over the primitives of both implementations."""
    for name in ("crc32_combine", "decoder_at", "find_prelude"):
        monkeypatch.setattr(_salvage, name, getattr(codec, name))


def salvaged(data, **limits):
    """Return the wire forms of the messages, and the gaps; together they are the input."""
    parts = list(eventstream.salvage(data, **limits))
    position = 0
    for part in parts:
        if isinstance(part, Gap):
            assert part.offset == position
            assert part.length > 0
            assert part.error.offset >= position
            position += part.length
        else:
            wire = part.encode()
            assert bytes(data[position : position + len(wire)]) == wire
            position += len(wire)
    assert position == len(data)
    messages = [part.encode() for part in parts if not isinstance(part, Gap)]
    return messages, [part for part in parts if isinstance(part, Gap)]


def exhaust(decoder, data):
    list(decoder.feed(data))
    decoder.close()


def lost(gap):
    """Return what a gap says: where, how long, why, and the wire forms of what is nested in it."""
    return gap.offset, gap.length, type(gap.error), [message.encode() for message in gap.nested]


# Sound, empty, cut


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_sound_stream(stream):
    assert salvaged(b"".join(stream)) == (stream, [])


def test_empty_input():
    assert salvaged(b"") == ([], [])


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_cut_at_every_byte(stream):
    data = b"".join(stream)
    ends = [len(b"".join(stream[:count])) for count in range(len(stream) + 1)]
    for cut in range(len(data)):
        whole = sum(end <= cut for end in ends) - 1
        messages, gaps = salvaged(data[:cut])
        if cut in ends:
            assert (messages, gaps) == (stream[:whole], [])
            continue
        assert messages[:whole] == stream[:whole]
        offset, length, error, nested = lost(gaps[0])
        assert (offset, error) == (ends[whole], TruncatedMessage)
        inner = bytes(eventstream.decode(stream[whole]).payload)
        if stream[whole] in SIGNED and cut >= ends[whole + 1] - 4:
            assert (length, nested, len(gaps)) == (cut - offset, [inner], 1)
        else:
            assert (length, nested, len(gaps), messages) == (cut - offset, [], 1, stream[:whole])


# One byte changed


@pytest.mark.parametrize("change", [0x01, 0x80, 0xFF])
@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_byte_changed_anywhere(stream, change):
    data = bytearray(b"".join(stream))
    position = 0
    for index, frame in enumerate(stream):
        others = stream[:index] + stream[index + 1 :]
        inner = bytes(eventstream.decode(frame).payload) if frame in SIGNED else b""
        start = position + len(frame) - 4 - len(inner)
        for at in range(position, position + len(frame)):
            data[at] ^= change
            messages, (gap,) = salvaged(data)
            data[at] ^= change
            assert messages == others, at
            error = PreludeChecksumMismatch if at < position + 12 else MessageChecksumMismatch
            nested = [inner] if inner and not start <= at < start + len(inner) else []
            assert lost(gap) == (position, len(frame), error, nested), at
        position += len(frame)


def test_neighbours_that_are_damaged_are_two_gaps():
    data = bytearray(b"".join(PLAIN))
    first, second = len(PLAIN[0]), len(PLAIN[0]) + len(PLAIN[1])
    data[first - 1] ^= 1
    data[second - 1] ^= 1
    messages, gaps = salvaged(data)
    assert messages == PLAIN[2:]
    assert [lost(gap)[:3] for gap in gaps] == [
        (0, first, MessageChecksumMismatch),
        (first, second - first, MessageChecksumMismatch),
    ]


def test_damaged_payload_between_two_damaged_preludes():
    data = bytearray(b"".join([*PLAIN, *PLAIN]))
    ends = [len(b"".join(PLAIN[:count])) for count in range(len(PLAIN) + 1)]
    for at in (ends[0], ends[2] - 5, ends[2]):
        data[at] ^= 1
    messages, (gap,) = salvaged(data)
    assert messages == [PLAIN[3], *PLAIN]
    assert lost(gap)[:3] == (0, ends[3], PreludeChecksumMismatch)


# Lies


LIES = [16, 28, 200, 5000, 24 * MIB, 2**31, 2**32 - 1]


@each("promised", LIES)
@each("stream", STREAMS.values(), ids=STREAMS)
def test_false_prelude_hides_nothing(stream, promised):
    for index in range(len(stream) + 1):
        before, behind = stream[:index], stream[index:]
        lie = frames.prelude(promised, 0)
        messages, gaps = salvaged(b"".join([*before, lie, *behind]))
        assert messages == stream
        assert [gap.length for gap in gaps] == [12]


def test_false_prelude_that_leads_to_the_end_of_a_message():
    """It promises exactly what follows, up to any message's end, or to the input's."""
    for count in range(1, len(PLAIN) + 1):
        lie = frames.prelude(12 + len(b"".join(PLAIN[:count])), 0)
        messages, (gap,) = salvaged(lie + b"".join(PLAIN))
        assert messages == PLAIN
        assert lost(gap) == (0, 12, MessageChecksumMismatch, [])


def test_false_prelude_that_leads_into_a_message():
    """To the prelude of the event that is nested in a signed one: that one goes beyond its end."""
    inner = signed(frames.EVENT_FRAME).index(frames.EVENT_FRAME)
    lie = frames.prelude(12 + len(PLAIN[1]) + inner, 0)
    messages, (gap,) = salvaged(lie + PLAIN[1] + SIGNED[0] + PLAIN[3])
    assert messages == [PLAIN[1], SIGNED[0], PLAIN[3]]
    assert lost(gap) == (0, 12, MessageChecksumMismatch, [])


def test_false_lengths_with_a_valid_checksum():
    for total, headers in ((0, 0), (15, 0), (20, 5), (2**32 - 1, 2**32 - 1)):
        messages, (gap,) = salvaged(PLAIN[0] + frames.prelude(total, headers) + PLAIN[1])
        assert messages == PLAIN[:2]
        assert lost(gap) == (len(PLAIN[0]), 12, InvalidLength, [])


def test_whole_message_whose_headers_are_invalid():
    ill = frames.frame(frames.header("name", 10), signed(frames.EVENT_FRAME))
    messages, (gap,) = salvaged(PLAIN[0] + ill + PLAIN[1])
    assert messages == PLAIN[:2]
    assert lost(gap) == (len(PLAIN[0]), len(ill), UnknownHeaderType, [signed(frames.EVENT_FRAME)])
    assert gap.error.offset == len(PLAIN[0]) + 12


def test_ill_headers_behind_junk_and_inside_a_gap():
    ill = frames.frame(frames.header("name", 10), PLAIN[0])
    messages, (gap,) = salvaged(b"junk" + ill + PLAIN[1])
    assert messages == [PLAIN[1]]
    assert lost(gap) == (0, 4 + len(ill), PreludeChecksumMismatch, [PLAIN[0]])
    around = frames.frame(payload=ill + PLAIN[2], message_crc=1)
    messages, (gap,) = salvaged(around + PLAIN[1])
    assert messages == [PLAIN[1]]
    assert lost(gap) == (0, len(around), MessageChecksumMismatch, [PLAIN[2]])


# Junk, lost stretches, joined recordings


@each("stream", STREAMS.values(), ids=STREAMS)
@each("junk", [b"\0", b"junk", b"\0" * 40, bytes(range(256)), frames.EVENT_FRAME[:-1]], ids=len)
def test_junk_between_messages(stream, junk):
    for index in range(len(stream) + 1):
        data = b"".join([*stream[:index], junk, *stream[index:]])
        messages, gaps = salvaged(data)
        assert messages == stream
        assert sum(gap.length for gap in gaps) == len(junk)


@pytest.mark.parametrize("junk", [b"\0", b"junk!", b"\xff" * 40], ids=len)
def test_junk_inside_a_message(junk):
    whole = b"".join(PLAIN)
    position = 0
    for index, frame in enumerate(PLAIN):
        others = PLAIN[:index] + PLAIN[index + 1 :]
        for at in range(position + 1, position + len(frame)):
            messages, gaps = salvaged(whole[:at] + junk + whole[at:])
            assert messages in (others, PLAIN), at  # an end may repeat what the junk begins with
            assert sum(gap.length for gap in gaps) in (len(frame) + len(junk), len(junk))
        position += len(frame)


@pytest.mark.untraced
@pytest.mark.parametrize("stream", [PLAIN, [PLAIN[0]] * 4, SIGNED], ids=["different", "equal", "signed"])
def test_lost_stretch_of_any_length(codec, stream):
    """Whatever is lost, from within one message on: the messages before and behind come out."""
    whole = b"".join(stream)
    ends = [len(b"".join(stream[:count])) for count in range(len(stream) + 1)]
    for start in range(1, ends[2]):
        for stop in range(start + 1, ends[3], 7 if codec.__name__ == "eventstream._native" else 53):
            messages, _ = salvaged(whole[:start] + whole[stop:])
            before = sum(end <= start for end in ends) - 1
            behind = sum(end >= stop for end in ends) - 1
            expected = stream[:before] + stream[len(stream) - behind :]
            assert messages[:before] == stream[:before], (start, stop)
            assert messages[len(messages) - behind :] == stream[len(stream) - behind :], (start, stop)
            assert len(messages) <= len(expected) + 1, (start, stop)


@pytest.mark.untraced
@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_recordings_joined_in_mid_message(stream):
    whole = b"".join(stream)
    for cut in range(len(whole)):
        messages, _ = salvaged(whole[:cut] + whole)
        before, _ = salvaged(whole[:cut])
        assert messages[len(messages) - len(stream) :] == stream, cut
        assert messages[: len(messages) - len(stream)] == before, cut


@given(st.data())
def test_damage_of_any_kind_gives_valid_messages_only(data):
    """Whatever is done to a stream: what comes out are parts of it, and the parts that are whole come out."""
    wires = data.draw(st.lists(testing.wires(), min_size=1, max_size=5))
    whole = bytearray(b"".join(wires))
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(whole)))
        whole[at : at + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=30))
    messages, gaps = salvaged(bytes(whole))
    for wire in messages:
        assert frames.repaired(wire) == wire
    assert bool(gaps) == (b"".join(messages) != whole)


# Limits, kinds of buffers, arguments


def test_limits_make_gaps():
    data = b"".join(PLAIN)
    assert salvaged(data, max_headers_length=len(frames.TEN_BLOCK), max_payload_length=29) == (PLAIN, [])
    messages, (gap,) = salvaged(data, max_payload_length=28)
    assert messages == PLAIN[1:]
    assert lost(gap) == (0, len(PLAIN[0]), DecodeLimitExceeded, [])
    messages, (gap,) = salvaged(data, max_headers_length=len(frames.TEN_BLOCK) - 1, max_payload_length=None)
    assert messages == [PLAIN[0], *PLAIN[2:]]
    assert gap.error.part == "headers"


def test_message_over_the_limit_shows_what_is_nested():
    data = signed(frames.EVENT_FRAME) + PLAIN[1]
    messages, (gap,) = salvaged(data, max_payload_length=len(frames.EVENT_FRAME) - 1)
    assert messages == [PLAIN[1]]
    assert lost(gap) == (0, len(data) - len(PLAIN[1]), DecodeLimitExceeded, [frames.EVENT_FRAME])


@pytest.mark.parametrize("limit", ["max_headers_length", "max_payload_length"])
def test_limits_are_checked_by_the_call(limit):
    with pytest.raises(ValueError, match=f"{limit} is negative"):
        eventstream.salvage(b"", **{limit: -1})
    with pytest.raises(TypeError):
        eventstream.salvage(b"", **{limit: "1"})
    assert salvaged(frames.EVENT_FRAME, **{limit: None}) == ([frames.EVENT_FRAME], [])


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: memoryview(data).cast("c")])
def test_buffers_that_are_contiguous(kind):
    data = PLAIN[0] + b"?" + PLAIN[1]
    parts = list(eventstream.salvage(kind(data)))
    assert [type(part).__name__ for part in parts] == ["Message", "Gap", "Message"]
    assert all(type(part.payload) is bytes for part in parts if not isinstance(part, Gap))


def test_mapped_file(tmp_path):
    path = tmp_path / "recording"
    path.write_bytes(b"".join(PLAIN))
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        assert salvaged(data) == (PLAIN, [])  # and it can be closed


def test_objects_that_are_not_buffers():
    for value in ("recording.bin", Path("recording.bin"), io.StringIO("text"), io.BytesIO(b""), [b"chunk"], None):
        text = f"salvage takes bytes, not {type(value).__name__}; read a file in binary mode: open(path, 'rb').read()"
        with pytest.raises(TypeError) as raised:
            eventstream.salvage(value)
        assert str(raised.value) == text
    with pytest.raises(BufferError, match="not C-contiguous"):
        eventstream.salvage(memoryview(b"1234")[::2])
    view = memoryview(b"1234")
    view.release()
    with pytest.raises(BufferError, match="released"):
        eventstream.salvage(view)


def test_gap_shows_what_it_is():
    (gap,) = eventstream.salvage(b"junk")
    error = repr(gap.error)
    assert repr(gap) == f"Gap(offset=0, length=4, error={error})"
    nested = (eventstream.decode(frames.EMPTY_FRAME),)
    assert repr(Gap(1, 2, gap.error, nested)) == f"Gap(offset=1, length=2, error={error}, nested=(Message({{}}, b''),))"
    match gap:
        case Gap(offset, length, TruncatedMessage(), ()):
            assert (offset, length) == (0, 4)
        case _:
            pytest.fail("it does not match")


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda gap: pickle.loads(pickle.dumps(gap))])
def test_gap_can_be_copied(copied):
    (gap,) = eventstream.salvage(signed(frames.EVENT_FRAME)[:-1])
    twin = copied(gap)
    assert lost(twin) == lost(gap)
    assert frames.fault(twin.error) == frames.fault(gap.error)


# The errors are those of a decoder, wherever they are found


@each(
    "fault",
    [
        frames.frame(payload=b"?" * 5000, message_crc=7),
        frames.frame(frames.header("name", 10), b"?" * 5000),
        frames.frame(frames.header("", 0)),
        frames.prelude(30, 0, crc=1) + b"?" * 70,
        frames.prelude(15, 0) + b"?" * 70,
        frames.prelude(100_000, 0),
        frames.prelude(2**31, 0),
        frames.prelude(2**31, 2**30),
        b"shorter",
    ],
)
def test_error_is_that_of_a_decoder(codec, fault):
    """In the region that was in doubt, where no decoder reads on, too."""
    sound = frames.frame(payload=b"?" * 5000)
    doubt = frames.prelude(12 + len(sound) + len(fault) - 1, 0)
    for before in (sound, doubt + sound):
        decoder = codec.decoder_at(len(before), 131_072, 25_165_824)
        with pytest.raises(eventstream.DecodeError) as raised:
            exhaust(decoder, fault)
        _, gaps = salvaged(before + fault)
        assert frames.fault(gaps[-1].error) == frames.fault(raised.value)


# Time and memory


HOSTILE = {
    "preludes in a row": lambda count: frames.prelude(24 * MIB, 0) * count,
    "preludes before a long tail": lambda count: frames.prelude(12 * count, 0) * count + bytes(24 * count),
    "preludes and messages": lambda count: (frames.prelude(14 * count, 0) + frames.EMPTY_FRAME) * (count // 2),
    "preludes beyond the end and messages": lambda count: (
        (frames.prelude(24 * MIB, 0) + frames.EMPTY_FRAME) * (count // 2)
    ),
    "preludes that lead to each other": lambda count: frames.prelude(24, 0) * count,
    "zeros": lambda count: bytes(12 * count),
    "faulty messages": lambda count: frames.frame(message_crc=1) * count,
    "messages in messages": lambda count: nest(frames.EMPTY_FRAME, count, 0),
    "faulty messages in messages": lambda count: nest(frames.EMPTY_FRAME, count, 1),
}


def nest(inner, count, wrong):
    """Messages in messages, built in linear time: the inner ones' checksums are of no matter where they are wrong."""
    heads = [frames.prelude(len(inner) + 16 * level, 0) for level in range(count, 0, -1)]
    if wrong:
        return b"".join(heads) + inner + bytes(4 * count)
    whole = inner
    for level in range(1, min(count, 400) + 1):
        head = frames.prelude(len(inner) + 16 * level, 0)
        whole = head + whole + struct.pack(">I", zlib.crc32(head + whole))
    return bytes(1) + whole  # a byte before it, so that they are searched


@pytest.mark.untraced
@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_hostile_input_takes_linear_time(codec, make):
    """Eight times the input takes about eight times the time, not sixty-four."""
    few = 1_000 if codec.__name__ == "eventstream._native" else 500

    def seconds(data):
        start = time.thread_time()
        for _ in eventstream.salvage(data):
            pass
        return (time.thread_time() - start) / len(data)

    small, large = make(few), make(8 * few)
    seconds(small)
    assert any(seconds(large) < 3 * seconds(small) + 2e-9 for _ in range(9))


@pytest.mark.untraced
def test_preludes_that_promise_24_mib_each(codec):
    if codec.__name__ != "eventstream._native":
        pytest.skip("linear, but slow")
    data = frames.prelude(24 * MIB, 0) * 50_000 + frames.EVENT_FRAME + bytes(25 * MIB)
    start = time.process_time()
    messages, gaps = salvaged(data)
    assert time.process_time() - start < 30  # each one's checksum by itself would take two minutes and more
    assert messages == [frames.EVENT_FRAME]
    assert [gap.length for gap in gaps] == [600_000, 25 * MIB]


@pytest.mark.untraced
def test_memory_does_not_grow_with_a_sound_input():
    data = memoryview(frames.frame(payload=b"?" * 1000) * 20_000)
    tracemalloc.start()
    try:
        for _ in eventstream.salvage(data):
            pass
        assert tracemalloc.get_traced_memory()[1] < MIB
    finally:
        tracemalloc.stop()


# The primitives


@example(bytes(11), 0, 11, [])
@example(bytes(12), 1, 12, [])
@given(st.binary(max_size=60), st.integers(0, 70), st.integers(0, 70), st.lists(st.integers(0, 60), max_size=3))
def test_find_prelude(codec, data, start, stop, places):
    data = bytearray(data)
    for place in places:
        data[place : place + 12] = frames.prelude(16 + place, place % 3)

    def valid(at):
        if at + 12 > len(data):
            return False
        total, headers, crc = struct.unpack_from(">III", data, at)
        return zlib.crc32(data[at : at + 8]) == crc and total >= 16 and headers <= total - 16

    expected = next((at for at in range(start, stop) if valid(at)), -1)
    assert codec.find_prelude(data, start, stop) == expected


def test_find_prelude_needs_possible_lengths(codec):
    for total, headers in ((15, 0), (16, 1), (0, 0), (2**32 - 1, 2**32 - 16)):
        data = frames.prelude(total, headers) + frames.prelude(2**32 - 1, 2**32 - 17)
        assert codec.find_prelude(data, 0, 100) == 12


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_crc32_combine(codec, first, second):
    combined = codec.crc32_combine(zlib.crc32(first), zlib.crc32(second), len(second))
    assert combined == zlib.crc32(first + second)


@each("length", [1 << bit for bit in range(25)])
def test_crc32_combine_over_zeros(codec, length):
    assert codec.crc32_combine(0x12345678, zlib.crc32(bytes(length)), length) == zlib.crc32(bytes(length), 0x12345678)


def test_decoder_at(codec):
    decoder = codec.decoder_at(5_000_000_000, 10, None)
    list(decoder.feed(frames.EMPTY_FRAME))
    assert decoder.offset == 5_000_000_016
    with pytest.raises(DecodeLimitExceeded, match="limit is 10") as raised:
        next(decoder.feed(frames.TEN_FRAME))
    assert raised.value.offset == 5_000_000_016


@given(st.binary(min_size=1, max_size=30_000), st.data())
def test_checksums_of_ranges(data, draw):
    checksums = _salvage._Checksums(memoryview(data))
    begin = draw.draw(st.integers(0, len(data)))
    checksums.begin(begin)
    for _ in range(5):
        start = draw.draw(st.integers(begin, len(data)))
        end = draw.draw(st.integers(start, len(data)))
        assert checksums.of(start, end) == zlib.crc32(data[start:end])
