"""The Decoder: order of calls, its state after errors and at the end, buffers, memory, re-entrancy and threads."""

from __future__ import annotations

import array
import collections
import contextlib
import copy
import ctypes
import gc
import inspect
import itertools
import mmap
import pickle
import queue
import random
import subprocess
import sys
import threading
import time
import tracemalloc
import uuid
import weakref

import frames
import pytest
from cases import each
from programs import FREE_THREADED

from eventstream import (
    DecodeError,
    DecodeLimitExceeded,
    InvalidHeader,
    InvalidLength,
    MessageChecksumMismatch,
    PreludeChecksumMismatch,
    StateError,
    TruncatedMessage,
    UnknownHeaderType,
)
from eventstream.wire import DEFAULT_MAX_HEADERS_LENGTH, DEFAULT_MAX_PAYLOAD_LENGTH

BAD_PRELUDE = frames.prelude(100, 10, crc=1)
BAD_CRC = frames.frame(b"", b"x", message_crc=1)
FAULTS = {
    "prelude": (BAD_PRELUDE, PreludeChecksumMismatch),
    "length": (frames.prelude(15, 0), InvalidLength),
    "limit": (frames.prelude(2**32 - 1, 0), DecodeLimitExceeded),
    "checksum": (BAD_CRC, MessageChecksumMismatch),
    "header": (frames.frame(b"\0"), InvalidHeader),
    "type": (frames.frame(frames.header("n", 99)), UnknownHeaderType),
}
STREAM = frames.TEN_FRAME + frames.EMPTY_FRAME + frames.EVENT_FRAME


def wires(messages):
    return [message.encode() for message in messages]


def numbered(number, size=20):
    """Return a message whose payload tells its number, and is of that size or a little more."""
    return frames.frame(frames.EVENT_BLOCK, b"%d:" % number + bytes(size))


# The order of calls


def test_decoder_arguments(codec):
    decoder = codec.Decoder()
    assert (decoder.offset, decoder.buffered) == (0, 0)
    codec.Decoder(max_headers_length=None, max_payload_length=1, copy=False)
    for arguments, options in [((100,), {}), ((), {"max_length": 1}), ((b"",), {})]:
        with pytest.raises(TypeError):
            codec.Decoder(*arguments, **options)
    for wrong in (1000, frames.EMPTY_FRAME):
        with pytest.raises(TypeError, match=r"only keyword arguments: .*; pass bytes to feed\(\)$"):
            codec.Decoder(wrong)
    with pytest.raises(TypeError):
        decoder.feed()
    with pytest.raises(TypeError):
        decoder.feed(data=b"")
    with pytest.raises(TypeError):
        decoder.feed(b"", b"")


def test_feed_returns_the_decoder_which_is_its_own_iterator(codec):
    decoder = codec.Decoder()
    assert decoder.feed(b"") is decoder
    assert iter(decoder) is decoder


def test_iteration_resumes_after_the_next_feed(codec):
    decoder = codec.Decoder()
    assert next(decoder, None) is None
    decoder.feed(frames.TEN_FRAME[:50])
    assert next(decoder, None) is None
    assert next(decoder, None) is None
    decoder.feed(frames.TEN_FRAME[50:] + frames.EMPTY_FRAME[:3])
    assert next(decoder).encode() == frames.TEN_FRAME
    assert next(decoder, None) is None
    decoder.feed(b"")
    assert next(decoder, None) is None
    decoder.feed(frames.EMPTY_FRAME[3:])
    assert wires(decoder) == [frames.EMPTY_FRAME]
    assert list(decoder) == []


def test_feeding_again_before_the_messages_are_taken_loses_none(codec):
    decoder = codec.Decoder()
    decoder.feed(STREAM).feed(STREAM[:100])
    assert next(decoder).encode() == frames.TEN_FRAME
    decoder.feed(STREAM[100:]).feed(b"").feed(STREAM)
    expected = [frames.TEN_FRAME, frames.EMPTY_FRAME, frames.EVENT_FRAME] * 3
    assert wires(decoder) == expected[1:]


def test_feed_checks_nothing(codec):
    """An error belongs to the message that `next` would have given."""
    for data, class_ in FAULTS.values():
        decoder = codec.Decoder()
        assert decoder.feed(data) is decoder
        assert decoder.feed(b"more") is decoder
        with pytest.raises(class_):
            next(decoder)


def test_offset_and_buffered(codec):
    decoder = codec.Decoder()
    decoder.feed(STREAM + STREAM[:100])
    assert (decoder.offset, decoder.buffered) == (0, len(STREAM) + 100)
    delivered = 0
    for wire in (frames.TEN_FRAME, frames.EMPTY_FRAME, frames.EVENT_FRAME):
        assert next(decoder).encode() == wire
        delivered += len(wire)
        assert (decoder.offset, decoder.buffered) == (delivered, len(STREAM) + 100 - delivered)
    assert next(decoder, None) is None
    assert (decoder.offset, decoder.buffered) == (len(STREAM), 100)
    decoder.feed(memoryview(STREAM)[100:])
    assert (decoder.offset, decoder.buffered) == (len(STREAM), len(STREAM))
    assert len(list(decoder)) == 3
    assert (decoder.offset, decoder.buffered) == (2 * len(STREAM), 0)


def test_offset_and_buffered_count_bytes_not_items(codec):
    decoder = codec.Decoder()
    data = frames.frame(b"", b"1234")
    decoder.feed(memoryview(data).cast("I"))
    assert decoder.buffered == len(data)
    assert len(list(decoder)) == 1
    assert decoder.offset == len(data)


def test_offset_and_buffered_after_an_error(codec):
    decoder = codec.Decoder()
    decoder.feed(frames.TEN_FRAME + BAD_CRC + b"tail")
    next(decoder)
    with pytest.raises(MessageChecksumMismatch) as raised:
        next(decoder)
    assert decoder.offset == raised.value.offset == len(frames.TEN_FRAME)
    assert decoder.buffered == len(BAD_CRC) + 4


def test_attributes_are_read_only(codec):
    decoder = codec.Decoder()
    for name in ("offset", "buffered", "anything"):
        with pytest.raises(AttributeError):
            setattr(decoder, name, 1)


# After an error: dead


@each(("data", "class_"), FAULTS.values(), ids=FAULTS)
@each("pieces", ["whole", "bytes"])
def test_fault_comes_after_the_messages_and_kills_the_decoder(codec, data, class_, pieces):
    stream = STREAM + data + frames.TEN_FRAME
    decoder = codec.Decoder()
    for piece in [stream] if pieces == "whole" else frames.byte_by_byte(stream):
        decoder.feed(piece)
    assert wires(itertools.islice(decoder, 3)) == [frames.TEN_FRAME, frames.EMPTY_FRAME, frames.EVENT_FRAME]
    errors = []
    calls = [
        lambda: next(decoder),
        lambda: decoder.feed(frames.TEN_FRAME),
        lambda: decoder.feed(b""),
        lambda: list(decoder),
        decoder.close,
        decoder.close,
        lambda: next(decoder),
        lambda: decoder.feed(b""),
    ]
    for call in calls:
        with pytest.raises(class_) as raised:
            call()
        errors.append(raised.value)
    assert all(frames.fault(error) == frames.fault(errors[0]) for error in errors)
    assert len({id(error) for error in errors}) == len(errors), "a new error each time"
    assert type(errors[0]) is class_


def test_stored_error_cannot_be_changed_from_outside(codec):
    decoder = codec.Decoder().feed(BAD_CRC)
    with pytest.raises(MessageChecksumMismatch) as raised:
        next(decoder)
    raised.value.offset = 99
    with pytest.raises(MessageChecksumMismatch) as raised:
        next(decoder)
    assert raised.value.offset == 0


def test_errors_do_not_hold_on_to_each_other(codec):
    decoder = codec.Decoder().feed(BAD_CRC)
    for _ in range(3):
        with pytest.raises(MessageChecksumMismatch) as raised:
            next(decoder)
        assert raised.value.__cause__ is None
        assert raised.value.__context__ is None


def test_invalid_utf_8_leaves_no_unicode_error_behind(codec):
    with pytest.raises(DecodeError) as raised:
        codec.decode(frames.frame(frames.string("n", b"\xff")))
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


@pytest.mark.untraced
@pytest.mark.parametrize("piece", [frames.EMPTY_FRAME, b"\0"], ids=["unread messages", "one message"])
def test_buffer_grows_by_leaps(codec, piece):
    """Each resize may copy all that is buffered: one for each feed would take quadratic time."""
    count = 4_096
    held = array.array("q", bytes(8 * count))
    decoder = codec.Decoder()
    if len(piece) == 1:
        decoder.feed(frames.prelude(2 * count, 2 * count - 16))
    tracemalloc.start()
    for number in range(count):
        decoder.feed(piece)
        held[number] = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(set(held)) < 200


@pytest.mark.untraced
def test_dead_decoder_lets_its_memory_go(codec):
    decoder = codec.Decoder()
    tracemalloc.start()
    try:
        decoder.feed(frames.EMPTY_FRAME + BAD_PRELUDE + bytes(1 << 20))
        with pytest.raises(PreludeChecksumMismatch):
            list(decoder)
        assert tracemalloc.get_traced_memory()[0] < 100_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("data", [None, "text", 5, [1]], ids=repr)
def test_wrong_argument_does_not_kill_it(codec, data):
    decoder = codec.Decoder().feed(frames.TEN_FRAME[:50])
    with pytest.raises(TypeError):
        decoder.feed(data)
    with pytest.raises(BufferError):
        decoder.feed(memoryview(frames.TEN_FRAME)[::2])
    assert decoder.buffered == 50
    assert wires(decoder.feed(frames.TEN_FRAME[50:])) == [frames.TEN_FRAME]


# The end


def test_close_after_the_last_message(codec):
    decoder = codec.Decoder()
    assert len(list(decoder.feed(STREAM))) == 3
    assert decoder.close() is None
    assert decoder.close() is None
    assert list(decoder) == []


def test_close_of_a_decoder_that_was_never_fed(codec):
    decoder = codec.Decoder()
    decoder.close()
    assert list(decoder) == []


def test_complete_messages_stay_iterable_after_close(codec):
    decoder = codec.Decoder().feed(STREAM)
    decoder.close()
    assert wires(decoder) == [frames.TEN_FRAME, frames.EMPTY_FRAME, frames.EVENT_FRAME]


@each("pieces", ["whole", "bytes"])
@each("taken", [0, 1, 3])
@each("length", [1, 11, 12, 13, 100])
def test_close_in_mid_message(codec, pieces, taken, length):
    """`TruncatedMessage` once, with the unfinished message's offset; the complete ones stay iterable."""
    stream = STREAM + frames.TEN_FRAME[:length]
    decoder = codec.Decoder()
    for piece in [stream] if pieces == "whole" else frames.byte_by_byte(stream):
        decoder.feed(piece)
    expected = [frames.TEN_FRAME, frames.EMPTY_FRAME, frames.EVENT_FRAME]
    assert wires(itertools.islice(decoder, taken)) == expected[:taken]
    with pytest.raises(TruncatedMessage) as raised:
        decoder.close()
    assert raised.value.offset == len(STREAM)
    assert decoder.close() is None, "a second close does nothing"
    with pytest.raises(StateError):
        decoder.feed(b"x")
    assert wires(decoder) == expected[taken:]
    assert decoder.buffered == length


def test_feed_after_close_is_a_state_error(codec):
    for data in (b"", b"x", frames.TEN_FRAME):
        decoder = codec.Decoder()
        decoder.close()
        with pytest.raises(StateError, match=r"^feed after close$"):
            decoder.feed(data)
        assert decoder.buffered == 0


@each(("data", "class_"), FAULTS.values(), ids=FAULTS)
def test_fault_after_close_is_raised_by_next(codec, data, class_):
    decoder = codec.Decoder().feed(frames.EVENT_FRAME + data)
    decoder.close()
    assert next(decoder).encode() == frames.EVENT_FRAME
    for call in (lambda: next(decoder), decoder.close, lambda: decoder.feed(b"")):
        with pytest.raises(class_) as raised:
            call()
        assert raised.value.offset >= len(frames.EVENT_FRAME)


@each("taken", [0, 1])
@each("cut", [1, 5, 12, 30])
@each("size", [100, 40_000])
def test_close_in_the_message_after_one_that_came_in_pieces(codec, size, cut, taken):
    """That one is whole, and nobody has taken it; what follows lies partly behind it, and partly in the last chunk."""
    first, second = numbered(1, size), numbered(2)
    for pieces in (
        [first[size // 2 :], second[:cut]],
        [first[size // 2 :] + second[: cut // 2], second[cut // 2 : cut]],
        [first[size // 2 :] + second, second[:cut]],
        [first[size // 2 :] + second + second[: cut // 2], second[cut // 2 : cut]],
    ):
        decoder = codec.Decoder()
        assert list(decoder.feed(first[: size // 2])) == []
        for piece in pieces:
            decoder.feed(piece)
        whole = first + second * (len(b"".join(pieces)) > len(first) - size // 2 + cut)
        received = wires(itertools.islice(decoder, taken))
        with pytest.raises(TruncatedMessage) as raised:
            decoder.close()
        assert raised.value.offset == len(whole)
        assert b"".join([*received, *wires(decoder)]) == whole


def test_close_does_not_hold_the_caller_s_buffer(codec):
    data = bytearray(frames.TEN_FRAME)
    decoder = codec.Decoder().feed(data)
    data.extend(b"x")
    decoder.close()
    assert wires(decoder) == [frames.TEN_FRAME]


# Not to be copied, subclassed or set up twice


def test_decoder_cannot_be_subclassed(codec):
    with pytest.raises(TypeError):
        type("Mine", (codec.Decoder,), {})


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, pickle.dumps])
def test_decoder_can_be_neither_copied_nor_pickled(codec, way):
    """A copy would share what it has buffered."""
    for decoder in (codec.Decoder(), codec.Decoder().feed(STREAM)):
        with pytest.raises(TypeError, match=r"^a Decoder cannot be pickled or copied$"):
            way(decoder)


def test_init_again_changes_nothing(codec):
    decoder = codec.Decoder().feed(frames.TEN_FRAME[:50])
    with contextlib.suppress(TypeError):
        decoder.__init__(max_payload_length=1)
    assert wires(decoder.feed(frames.TEN_FRAME[50:])) == [frames.TEN_FRAME]


def test_decoder_made_without_init_is_no_crash(codec):
    try:
        decoder = codec.Decoder.__new__(codec.Decoder)
    except TypeError:
        return
    assert wires(decoder.feed(STREAM)) == [frames.TEN_FRAME, frames.EMPTY_FRAME, frames.EVENT_FRAME]


# Buffers of all kinds

ALIGNED = frames.frame(frames.header("n", 0) + frames.header("m", 0), b"01")


def mapped(data):
    area = mmap.mmap(-1, len(data))
    area[:] = data
    return area


BUFFERS = {
    "bytes": lambda data: data,
    "bytes subclass": lambda data: type("Mine", (bytes,), {})(data),
    "bytearray": bytearray,
    "view of bytes": memoryview,
    "slice of a view": lambda data: memoryview(b"<<" + data + b">>")[2:-2],
    "small slice of a view": lambda data: memoryview(bytes(1000) + data + bytes(1000))[1000:-1000],
    "slice of a slice": lambda data: memoryview(b"<<" + data + b">>")[1:-1][1:-1],
    "cast": lambda data: memoryview(data).cast("I"),
    "cast and back": lambda data: memoryview(data).cast("Q").cast("B"),
    "2-D": lambda data: memoryview(data).cast("B", (2, len(data) // 2)),
    "view of bytearray": lambda data: memoryview(bytearray(data)),
    "read-only view of bytearray": lambda data: memoryview(bytearray(data)).toreadonly(),
    "array": lambda data: array.array("I", data),
    "ctypes": lambda data: (ctypes.c_char * len(data)).from_buffer_copy(data),
    "mmap": mapped,
}


@each("copied", [True, False], ids=["copy=True", "copy=False"])
@each("make", BUFFERS.values(), ids=BUFFERS)
def test_buffers_of_any_type(codec, make, copied):
    assert len(ALIGNED) % 8 == 0
    decoder = codec.Decoder(copy=copied)
    for _ in range(2):
        assert wires(decoder.feed(make(ALIGNED))) == [ALIGNED]
    decoder.feed(make(ALIGNED + ALIGNED[:8])).feed(make(ALIGNED[8:]))
    assert wires(decoder) == [ALIGNED] * 2
    decoder.close()


@each("make", [make for name, make in BUFFERS.items() if "bytes" not in name.split()])
def test_mutable_input_is_copied_before_it_is_checked(codec, make):
    for message in (ALIGNED, frames.frame(b"", b"x" * 10_000)):
        buffer = make(message)
        decoder = codec.Decoder(copy=False).feed(buffer)
        view = memoryview(buffer)
        if not view.readonly:
            view = view.cast("B") if view.format != "B" or view.ndim > 1 else view
            view[:] = bytes(view.nbytes)
        assert wires(decoder) == [message]


def test_bytearray_changed_and_resized_after_feed(codec):
    for copied in (True, False):
        buffer = bytearray()
        decoder = codec.Decoder(copy=copied)
        messages = []
        for number in range(50):
            buffer[:] = numbered(number, number * 7)
            decoder.feed(buffer)
            buffer.clear()
            messages += decoder
            buffer.extend(b"\xff" * 100)
        assert wires(messages) == [numbered(number, number * 7) for number in range(50)]


@pytest.mark.parametrize("step", [2, -1], ids=["every second", "backwards"])
def test_buffer_that_is_not_contiguous_is_a_buffer_error(codec, step):
    decoder = codec.Decoder()
    with pytest.raises(BufferError):
        decoder.feed(memoryview(frames.TEN_FRAME)[::step])
    assert decoder.buffered == 0


def test_released_memoryview_is_a_buffer_error(codec):
    view = memoryview(frames.TEN_FRAME)
    view.release()
    decoder = codec.Decoder()
    with pytest.raises(BufferError):
        decoder.feed(view)
    assert wires(decoder.feed(frames.TEN_FRAME)) == [frames.TEN_FRAME]


def test_view_released_after_feed_is_no_matter(codec):
    for copied in (True, False):
        view = memoryview(STREAM)
        decoder = codec.Decoder(copy=copied).feed(view)
        first = next(decoder)
        view.release()
        assert wires([first, *decoder]) == [frames.TEN_FRAME, frames.EMPTY_FRAME, frames.EVENT_FRAME]


def test_caller_s_buffer_is_free_again_after_feed(codec):
    buffer = bytearray(STREAM)
    codec.Decoder(copy=False).feed(buffer)
    buffer.extend(b"x")  # a BufferError while any view of it is held


# copy=False


def test_message_that_lies_whole_in_fed_bytes_is_viewed(codec):
    data = frames.TEN_FRAME + frames.EVENT_FRAME
    for fed in (data, memoryview(data), memoryview(b"<" + data + b">")[1:-1]):
        for message in codec.Decoder(copy=False).feed(fed):
            assert type(message.payload) is memoryview
            assert message.payload.readonly
            assert message.payload.obj is (fed if type(fed) is bytes else fed.obj)


def test_view_outlives_the_decoder_and_the_bytes_it_was_fed(codec):
    messages = []
    for number in range(100):
        messages += codec.Decoder(copy=False).feed(bytes(bytearray(numbered(number))))
    gc.collect()
    assert wires(messages) == [numbered(number) for number in range(100)]


def test_view_is_not_given_of_pieces_or_mutable_input(codec):
    data = frames.EVENT_FRAME
    whole = memoryview(data)
    for pieces in ([data[:40], data[40:]], [whole[:40], whole[40:]], frames.byte_by_byte(data), [bytearray(data)]):
        decoder = codec.Decoder(copy=False)
        messages = [message for piece in pieces for message in decoder.feed(piece)]
        assert wires(messages) == [data]
        payload = messages[0].payload
        assert type(payload) is bytes or payload.readonly
        for piece in pieces:
            if isinstance(piece, bytearray):
                piece[:] = bytes(len(piece))
        assert bytes(payload) == data[-4 - len(payload) : -4]


HOLDERS = {
    "nothing": lambda message: None,
    "the message": lambda message: (message, message.payload),
    "its payload": lambda message: (message.payload,) * 2,
    "a part of it": lambda message: (message.payload[:], message.payload),
    "what only another view shows": lambda message: (message.payload.cast("c").cast("B"),) * 2,
    "what shares its buffer": lambda message: (memoryview(pickle.PickleBuffer(message.payload)),) * 2,
}


@pytest.mark.parametrize("hold", HOLDERS.values(), ids=HOLDERS)
@pytest.mark.parametrize("every", [1, 2, 3, 10])
def test_views_stay_as_they_were(codec, hold, every):
    """A view that nobody has any more may be made into the next one; nobody else's changes."""
    decoder = codec.Decoder(copy=False)
    kept = []
    for number in range(300):
        payload = bytes([33 + number % 89]) * REUSED_LENGTHS[number * 7 // 5 % len(REUSED_LENGTHS)]
        wire = frames.frame(frames.EVENT_BLOCK, payload)
        for message in decoder.feed(b"".join([wire] * (1 + number % 3))):
            view = message.payload
            assert view == payload
            assert hash(view) == hash(payload)
            assert view.obj.startswith(wire)
            assert (view.nbytes, view.shape, view.strides, view.format) == (len(payload), (len(payload),), (1,), "B")
            assert view.readonly
            assert view.c_contiguous
            if number % every == 0:
                kept.append((hold(message), payload))
            del view
    for held, payload in kept:
        assert held is None or all(getattr(one, "payload", one) == payload for one in held)


def test_released_view_stays_released(codec):
    decoder = codec.Decoder(copy=False)
    released = []
    for number in range(100):
        (message,) = decoder.feed(numbered(number))
        with message.payload as view:
            assert bytes(view) == codec.decode(numbered(number)).payload
        if number % 2:
            released.append(view)
        del message
    for view in released:
        with pytest.raises(ValueError, match="released"):
            view.tobytes()


def test_weak_reference_to_a_view_is_to_no_other(codec):
    decoder = codec.Decoder(copy=False)
    references = []
    for number in range(100):
        (message,) = decoder.feed(numbered(number))
        references.append(weakref.ref(message.payload))
        assert references[-1]() is message.payload
        del message
        gc.collect()
    decoder.feed(numbered(0) * 3)
    views = [message.payload for message in decoder]
    assert not {id(reference()) for reference in references} & set(map(id, views))


def test_weakref_to_a_view_decodes(codec):
    """The view is freed when another one is made, or at once."""
    outer, other = codec.Decoder(copy=False), codec.Decoder(copy=False)
    references, inner = [], []
    for number in range(100):
        (message,) = outer.feed(numbered(number))
        (view,) = [one.payload for one in outer.feed(numbered(100 + number))]
        wire = numbered(1000 + number)
        references.append(weakref.ref(view, lambda _, wire=wire: inner.append((wire, [*other.feed(wire)]))))
        assert message.encode() == numbered(number)
        assert view == codec.decode(numbered(100 + number)).payload
        del message, view
    assert len(inner) >= 98  # two may still be kept
    assert all(wires(messages) == [wire] for wire, messages in inner)


def test_view_is_whole_before_a_weakref_sees_it(codec):
    decoder, views, references, seen = codec.Decoder(copy=False), [], [], []

    def look(_):
        seen.extend((view, bytes(view)) for view in gc.get_objects(generation=0) if type(view) is memoryview)

    gc.collect()  # views of other tests are in an older generation then
    for number in range(100):
        views += [message.payload for message in decoder.feed(numbered(number))]
        if number % 3 == 0:
            references.append(weakref.ref(views.pop(), look))  # it is freed when others have taken its place
    assert seen
    assert [content for view, content in seen if view != content] == []


@pytest.mark.untraced
def test_bytes_that_are_kept_for_views_are_bounded(codec):
    decoder = codec.Decoder(copy=False)
    for length in (100, 4000, 20_464, 20_465, 100_000):
        chunks = [frames.frame(b"", bytes(length)) for _ in range(200)]
        before = [sys.getrefcount(chunk) for chunk in chunks]
        for i in range(len(chunks)):
            collections.deque(decoder.feed(chunks[i]), maxlen=0)
        after = [sys.getrefcount(chunk) for chunk in chunks]
        kept = [len(chunk) for i, chunk in enumerate(chunks) if after[i] > before[i]]
        assert len(kept) <= 2
        assert sum(kept) <= 2 * 20_480


def test_copy_makes_payloads_bytes(codec):
    for options in ({}, {"copy": True}, {"copy": 1}):
        for message in codec.Decoder(**options).feed(STREAM):
            assert type(message.payload) is bytes


def test_empty_payload(codec):
    (message,) = codec.Decoder(copy=False).feed(frames.EMPTY_FRAME)
    assert message.payload == b""
    assert len(message.payload) == 0


# Header blocks are shared


def test_equal_header_blocks_share_one_headers_object(codec):
    decoder = codec.Decoder()
    first = list(decoder.feed(b"".join(numbered(number) for number in range(5))))
    for piece in frames.byte_by_byte(numbered(5)):
        first += decoder.feed(piece)
    assert len(first) == 6
    assert len({id(message.headers) for message in first}) == 1


def test_few_alternating_blocks_are_shared_too(codec):
    decoder = codec.Decoder()
    stream = [frames.EVENT_FRAME, frames.TEN_FRAME, frames.TAIL_FRAME] * 5
    messages = list(decoder.feed(b"".join(stream)))
    assert len({id(message.headers) for message in messages}) == 3
    assert wires(messages) == stream


def test_cache_shares_eight_blocks_and_drops_the_oldest(codec):
    eight = [frames.frame(frames.header(f"name {number}", 0)) for number in range(8)]
    ninth = frames.EVENT_FRAME
    decoder = codec.Decoder()
    first, second = [[message.headers for message in decoder.feed(b"".join(eight))] for _ in range(2)]
    assert all(one is other for one, other in zip(first, second, strict=True))
    (new,) = decoder.feed(ninth)
    third = [message.headers for message in decoder.feed(b"".join(eight[1:]))]
    assert all(one is other for one, other in zip(first[1:], third, strict=True))
    again = [message.headers for message in decoder.feed(ninth + eight[0])]
    assert again[0] is new.headers
    assert again[1] is not first[0]


@pytest.mark.parametrize("keep", ["nothing", "headers", "raw", "some"])
def test_headers_of_blocks_that_all_differ_stay_as_they_were(codec, keep):
    """Those that nobody has any more may lend their memory to the next; nobody else's changes."""
    decoder = codec.Decoder()
    kept = []
    for number in range(100):
        block = frames.string("number", f"{number:03}")
        (message,) = decoder.feed(frames.frame(block))
        headers = message.headers
        assert headers.raw == block
        assert hash(headers.raw) == hash(block)
        assert hash(headers) == hash(codec.Headers({"number": f"{number:03}"}))
        assert [headers["number"] for _ in range(7)] == [f"{number:03}"] * 7
        assert dict(headers) == {"number": f"{number:03}"}
        assert codec.encode(headers) == codec.encode(headers) == frames.frame(block)
        if keep != "nothing" and (keep != "some" or number % 3):
            kept.append((number, headers.raw if keep == "raw" else headers))
        del message, headers
    for number, one in kept:
        assert (one if keep == "raw" else one.raw) == frames.string("number", f"{number:03}")
        assert keep == "raw" or one["number"] == f"{number:03}"


MAX_REUSED = 1_052_672 if FREE_THREADED else 20_480
REUSED_LENGTHS = (
    (131_071, 131_072, 65_600, 131_072, 150_000, 299_999, 300_000, 262_144, MAX_REUSED, MAX_REUSED + 1, MAX_REUSED // 2)
    if FREE_THREADED
    else (0, 1, 2, 3, 142, 70, 142, 142, 71, 500, 600, 3200, 3200, 1599, 20_479, 20_480, 20_481, 10_240, 10_239)
)


@pytest.mark.parametrize("kept_of_ten", [0, 1, 5, 9, 10])
def test_payloads_stay_as_they_were(codec, kept_of_ten):
    """The bytes of one that nobody has any more may be those of the next; nobody else's change."""
    decoder = codec.Decoder()
    kept = []
    for number in range(200 if FREE_THREADED else 1000):
        payload = bytes([33 + number % 89]) * REUSED_LENGTHS[number * 7 // 5 % len(REUSED_LENGTHS)]
        wire = frames.frame(b"", payload)
        given = codec.decode(wire) if number % 3 == 0 else next(decoder.feed(wire))
        if number % 4 == 0:
            given = codec.decode(bytearray(wire))
        assert given.payload == payload
        assert hash(given.payload) == hash(bytes(bytearray(payload)))
        if number * 3 // 7 % 10 < kept_of_ten:
            kept.append((given.payload, payload))
        if number % 11 == 0:
            with pytest.raises(DecodeError):
                codec.decode(wire[:-1] + bytes([wire[-1] ^ 1]))
    for found, payload in kept:
        assert found == payload


def test_payload_of_any_length_ends_with_a_zero(codec):
    """As all ``bytes`` do for functions in C, here ``float``, which must not find the rest of what was there before."""
    for digits in (900, 600, 450, 900):
        number = b"0" * (digits - 1) + b"1"
        for _ in range(100):
            assert float(codec.decode(frames.frame(b"", number)).payload) == 1


@pytest.mark.untraced
def test_memory_that_is_kept_for_reuse_is_bounded(codec):
    def use(length):
        for _ in range(200):
            codec.decode(codec.encode({}, bytes(length)))

    use(100)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for length in (4000, MAX_REUSED - 16, MAX_REUSED, MAX_REUSED + 1, 2 * MAX_REUSED, MAX_REUSED // 2, 20_000, 300):
            use(length)
            gc.collect()
            assert tracemalloc.get_traced_memory()[0] - before <= 4 * (MAX_REUSED + 64) + 1024
    finally:
        tracemalloc.stop()


@pytest.mark.untraced
@pytest.mark.skipif(not FREE_THREADED, reason="with the GIL, threads share what is kept for reuse")
def test_memory_that_a_thread_keeps_for_reuse_ends_with_it(codec):
    def use():
        for length in (131_072, MAX_REUSED):
            codec.decode(codec.encode({}, bytes(length)))

    tracemalloc.start()
    try:
        for measured in (False, True):
            before = tracemalloc.get_traced_memory()[0]
            in_threads(use, use)
            gc.collect()
            if measured:
                assert tracemalloc.get_traced_memory()[0] - before < 131_072
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("length", "shared"), [(1024, True), (1025, False)])
def test_blocks_of_up_to_1_kib_are_shared(codec, length, shared):
    decoder = codec.Decoder()
    frame = frames.frame(frames.string("n", "v" * (length - len(frames.string("n", "")))))
    first, second = decoder.feed(frame * 2)
    assert (first.headers is second.headers) is shared
    assert first == second


def test_blocks_that_differ_in_one_byte_are_not_mixed_up(codec):
    decoder = codec.Decoder()
    for position, value in itertools.product(range(30), b"ab"):
        text = bytearray(b"." * 30)
        text[position] = value
        (message,) = decoder.feed(frames.frame(frames.string("n", bytes(text))))
        assert message.headers["n"] == text.decode()


def test_fault_is_found_again_beside_a_valid_equal_block(codec):
    """The cache holds valid blocks alone, and the block's length is part of it."""
    decoder = codec.Decoder()
    block = frames.EVENT_BLOCK
    assert len(list(decoder.feed(frames.frame(block, b"payload")))) == 1
    assert len(list(decoder.feed(frames.frame(block[: len(frames.string(":message-type", "event"))], block)))) == 1
    with pytest.raises(InvalidHeader):
        list(decoder.feed(frames.frame(block + b"\0", b"payload")))


@pytest.mark.untraced
def test_cache_is_not_filled_by_hostile_blocks(codec):
    decoder = codec.Decoder()

    def feed(start, size):
        for number in range(start, start + 100):
            (message,) = decoder.feed(frames.frame(frames.string("n", b"%d" % number + bytes(size))))
            assert message.headers["n"].startswith(str(number))

    feed(0, 800)
    feed(100, 30_000)
    gc.collect()
    tracemalloc.start()
    try:
        for round_ in range(2, 12):
            feed(round_ * 100, 800)
        feed(1200, 30_000)
        feed(1300, 60_000)
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 200_000
    finally:
        tracemalloc.stop()


# Memory


@pytest.mark.untraced
@pytest.mark.parametrize("length", [16 << 20, 24 << 20])
def test_prelude_of_megabytes_allocates_less_than_4_kib(codec, length):
    decoder = codec.Decoder(max_payload_length=None)
    data = frames.prelude(length, 0)
    decoder.feed(b"")
    tracemalloc.start()
    try:
        decoder.feed(data)
        assert next(decoder, None) is None
        assert tracemalloc.get_traced_memory()[1] < 4096
    finally:
        tracemalloc.stop()


@pytest.mark.untraced
def test_prelude_that_declares_4_gib_without_limits(codec):
    decoder = codec.Decoder(**frames.NO_LIMITS)
    tracemalloc.start()
    try:
        assert list(decoder.feed(frames.prelude(2**32 - 1, 2**31))) == []
        assert list(decoder.feed(bytes(1000))) == []
        assert tracemalloc.get_traced_memory()[1] < 4096 + 2 * 1012
    finally:
        tracemalloc.stop()
    with pytest.raises(TruncatedMessage):
        decoder.close()


@pytest.mark.untraced
@pytest.mark.parametrize("piece", [1000, 65_536, 1_000_000])
def test_memory_is_at_most_twice_the_undelivered_and_4_kib(codec, piece):
    data = frames.frame(frames.EVENT_BLOCK, bytes(3_000_000))
    *pieces, last = [data[start : start + piece] for start in range(0, len(data), piece)]
    decoder = codec.Decoder()
    tracemalloc.start()
    try:
        for measured in (False, True):  # at first Python, and the cache of headers, take what they keep
            gc.collect()
            before = tracemalloc.get_traced_memory()[0]
            for part in pieces:
                assert next(decoder.feed(part), None) is None
                held = tracemalloc.get_traced_memory()[0] - before
                if measured:
                    assert held <= 2 * decoder.buffered + 4096
            (message,) = decoder.feed(last)
            assert len(message.payload) == 3_000_000
            del message
            if measured:
                assert tracemalloc.get_traced_memory()[0] - before <= 4096
    finally:
        tracemalloc.stop()


@pytest.mark.untraced
def test_chunk_is_let_go_when_only_its_tail_is_left(codec):
    decoder = codec.Decoder()
    list(decoder.feed(frames.EVENT_FRAME))
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in decoder.feed(frames.frame(frames.EVENT_BLOCK, bytes(1000)) * 1000 + frames.EVENT_FRAME[:50]):
            pass
        del _
        assert decoder.buffered == 50
        assert tracemalloc.get_traced_memory()[0] - before <= 2 * 50 + 4096
    finally:
        tracemalloc.stop()


@pytest.mark.untraced
@pytest.mark.parametrize("nothing", [b"", bytearray()])
def test_feed_of_nothing_lets_go_of_what_is_no_longer_needed(codec, nothing):
    message = frames.frame(b"", bytes(30_000))  # too large to be kept for reuse
    tracemalloc.start()
    try:
        decoder = codec.Decoder()
        next(decoder.feed(message + message[:99]).feed(message[99:100]))
        decoder.feed(nothing)
        assert decoder.buffered == 100
        assert tracemalloc.get_traced_memory()[0] <= 2 * 100 + 4096
    finally:
        tracemalloc.stop()


@pytest.mark.untraced
def test_small_view_of_large_bytes_does_not_keep_them(codec):
    decoder = codec.Decoder()
    tracemalloc.start()
    try:
        data = bytes(1 << 20) + frames.EVENT_FRAME[:50]
        decoder.feed(memoryview(data)[1 << 20 :])
        del data
        assert tracemalloc.get_traced_memory()[0] <= 2 * 50 + 4096
    finally:
        tracemalloc.stop()


def test_view_is_used_in_place_if_it_shows_at_least_half(codec):
    data = frames.EVENT_FRAME[:100]
    for copied, length, kept in ((True, 100, 1), (True, 50, 1), (True, 49, 0), (False, 1, 1)):
        held = sys.getrefcount(data)
        decoder = codec.Decoder(copy=copied).feed(memoryview(data)[:length])
        assert sys.getrefcount(data) == held + kept
        (message,) = decoder.feed(frames.EVENT_FRAME[length:])
        assert message.encode() == frames.EVENT_FRAME


@pytest.mark.untraced
def test_memory_is_as_it_was_after_many_messages(codec):
    decoder = codec.Decoder()
    chunk = b"".join(numbered(number, 100) for number in range(100)) + numbered(0)[:30]
    rest = numbered(0)[30:]

    def run(times):
        for _ in range(times):
            assert sum(1 for _ in decoder.feed(chunk)) == 100
            assert sum(1 for _ in decoder.feed(rest)) == 1

    run(5)
    gc.collect()
    tracemalloc.start()
    try:
        run(20)
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 4096 + 4 * len(chunk)
    finally:
        tracemalloc.stop()


def test_names_from_the_wire_are_not_interned_for_ever(codec):
    name = "never-interned-" + "x" * 20 + str(id(object()))
    message = codec.decode(frames.frame(frames.header(name, 0)))
    (found,) = message.headers
    fresh = "".join(["never-interned-", "x" * 20, name[35:]])
    assert sys.intern(fresh) is fresh, "the name was interned before"
    assert found == fresh


# Large messages, small pieces


@pytest.mark.untraced
@pytest.mark.parametrize("size", [1, 1024, 65_536])
def test_large_message_in_small_pieces(codec, size):
    length = {1: 200_000, 1024: 8 << 20, 65_536: 20 << 20}[size]
    payload = bytes(itertools.islice(itertools.cycle(range(251)), length))
    data = frames.EVENT_FRAME + frames.frame(frames.TEN_BLOCK, payload) + frames.TAIL_FRAME
    view = memoryview(data)
    decoder = codec.Decoder()
    messages = []
    for start in range(0, len(data), size):
        messages += decoder.feed(view[start : start + size])
    decoder.close()
    assert len(messages) == 3
    assert messages[1].payload == payload
    assert b"".join(wires(messages)) == data


@each("first", [1, 11, 12, 13, 100, 4095, 4096, 4097, 65_536, 99_999])
@each("copied", [True, False], ids=["copy=True", "copy=False"])
def test_buffers_that_grow_and_shrink(codec, first, copied):
    """Messages of many sizes in pieces of many sizes: the buffer is compacted at every stage."""
    stream = b"".join(numbered(number, number * number % 9973) for number in range(120))
    decoder = codec.Decoder(copy=copied)
    messages = []
    start = 0
    for number in itertools.count():
        if start >= len(stream):
            break
        size = first if number == 0 else 1 + (number * 7919) % 5000
        decoder.feed(stream[start : start + size])
        messages += itertools.islice(decoder, number % 4)
        start += size
    messages += decoder
    decoder.close()
    assert b"".join(wires(messages)) == stream


def test_bytes_one_by_one_after_a_large_buffered_message(codec, first_capacities):
    large, small = numbered(1, 10_000), numbered(2)
    for _ in first_capacities:
        decoder = codec.Decoder()
        assert wires(decoder.feed(large[:5_000])) == []
        assert wires(decoder.feed(large[5_000:])) == [large]
        assert wires(message for piece in frames.byte_by_byte(small) for message in decoder.feed(piece)) == [small]


@pytest.mark.untraced
def test_splits_in_three(codec, first_capacities):
    data = frames.EMPTY_FRAME + frames.frame(frames.header("n", 0), b"12345") + frames.EMPTY_FRAME + numbered(1)[:40]
    whole = frames.read(codec, [data])
    assert len(whole.messages) == 3
    for _ in first_capacities:
        for first, second in itertools.combinations(range(len(data)), 2):
            pieces = [data[:first], bytearray(data[first:second]), data[second:]]
            assert frames.read(codec, pieces) == whole
            assert frames.read(codec, pieces, at_once=True) == whole


def test_random_pieces(codec, first_capacities):
    numbers = random.Random(1)
    sizes = [0, 1, 50, 300, 3000, 16_384, 20_000]
    stream = b"".join(numbered(number, numbers.choice(sizes)) for number in range(60))
    for _ in first_capacities:
        for _ in range(20):
            decoder = codec.Decoder(copy=numbers.random() < 0.5)
            messages, start = [], 0
            while start < len(stream):
                size = numbers.choice([1, 11, 12, 13, 100, 4096, 50_000])
                decoder.feed(numbers.choice([bytes, bytearray, memoryview])(stream[start : start + size]))
                start += size
                messages += itertools.islice(decoder, numbers.choice([0, 1, 1000]))
            messages += decoder
            decoder.close()
            assert b"".join(wires(messages)) == stream


LARGE_BLOCKS = {
    "valid": (frames.TEN_BLOCK, None),
    "no headers": (b"", None),
    "faulty header": (frames.TEN_BLOCK + b"\0", None),
    "wrong checksum": (frames.TEN_BLOCK, 0),
}


@each(("block", "crc"), LARGE_BLOCKS.values(), ids=LARGE_BLOCKS)
@each("length", [16_383, 16_384, 16_385, 40_000])
def test_large_message_split_at_its_edges(codec, length, block, crc):
    """A decoder may treat it in another way as soon as half of it is there."""
    payload = random.Random(length).randbytes(length)
    message = frames.frame(block, payload, message_crc=crc)
    data = message + frames.EVENT_FRAME + frames.TEN_FRAME[:50]
    whole = frames.read(codec, [data])
    half, end = len(message) // 2, len(message)
    head = 12 + len(block)
    edges = {1, 11, 12, 13, 100, *range(head - 1, head + 2), *range(half - 1, half + 2), *range(end - 5, end + 3)}
    edges |= {end - 100, end + 12, len(data) - 50, len(data) - 1}
    for first, second in itertools.combinations(sorted(edges), 2):
        pieces = [data[:first], bytearray(data[first:second]), data[second:]]
        assert frames.read(codec, pieces) == whole, (first, second)
        assert frames.read(codec, pieces, at_once=True) == whole, (first, second)
    for cut in sorted(edges):
        if cut < end:
            pieces = [data[: cut // 2], data[cut // 2 : cut]]
            error = frames.read(codec, pieces).raised
            assert isinstance(error, TruncatedMessage)
            assert f"{cut} bytes" in str(error)


# Re-entrancy


class Prober:
    """Calls the decoder at a time when it may not be called, and keeps what came of it."""

    def __init__(self, decoder):
        self.decoder = decoder
        self.messages = []

    def probe(self):
        with contextlib.suppress(StateError, StopIteration):
            self.messages.append(next(self.decoder))
        with contextlib.suppress(StateError):
            self.decoder.feed(b"")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="no __buffer__ in Python before 3.12")
@pytest.mark.parametrize("what", ["feed", "next", "close"])
def test_buffer_that_calls_the_decoder(codec, what):
    """The inner call is refused, or done before the outer one; the stream is never mixed up."""
    decoder = codec.Decoder().feed(frames.EVENT_FRAME)
    seen = []

    class Buffer:
        def __buffer__(self, flags):
            try:
                if what == "feed":
                    decoder.feed(frames.TAIL_FRAME)
                    seen.append("fed")
                elif what == "next":
                    seen.append(next(decoder).encode())
                else:
                    decoder.close()
                    seen.append("closed")
            except StateError:
                seen.append("refused")
            return memoryview(frames.TEN_FRAME)

    try:
        decoder.feed(Buffer())
    except StateError:
        assert seen == ["closed"]
        assert wires(decoder) == [frames.EVENT_FRAME]
        return
    expected = {
        "feed": [frames.EVENT_FRAME, *[frames.TAIL_FRAME] * seen.count("fed"), frames.TEN_FRAME],
        "next": [frames.EVENT_FRAME, frames.TEN_FRAME][seen.count(frames.EVENT_FRAME) :],
        "close": [frames.EVENT_FRAME, frames.TEN_FRAME],
    }
    assert len(seen) == 1
    assert seen != ["closed"], "nothing may be fed after close"
    assert wires(decoder) == expected[what]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="no __buffer__ in Python before 3.12")
def test_buffer_that_calls_the_decoder_when_it_is_released(codec):
    decoder = codec.Decoder()
    prober = Prober(decoder)

    class Buffer:
        def __buffer__(self, flags):
            return memoryview(bytearray(frames.TEN_FRAME))

        def __release_buffer__(self, view):
            prober.probe()

    decoder.feed(Buffer())
    assert wires([*prober.messages, *decoder]) == [frames.TEN_FRAME]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="no __buffer__ in Python before 3.12")
def test_buffer_that_fails(codec):
    class Buffer:
        def __init__(self, error):
            self.error = error

        def __buffer__(self, flags):
            raise self.error

    decoder = codec.Decoder().feed(frames.EVENT_FRAME)
    for error in (OSError("gone"), BufferError("no")):
        with pytest.raises(type(error)):
            decoder.feed(Buffer(error))
        with pytest.raises(type(error)):
            codec.decode(Buffer(error))
        with pytest.raises(type(error)):
            codec.encode({}, Buffer(error))
    assert wires(decoder) == [frames.EVENT_FRAME]


def test_garbage_collector_calls_the_decoder(codec):
    """A finaliser may run wherever an object is made."""
    decoder = codec.Decoder()
    prober = Prober(decoder)

    class Trap:
        def __init__(self):
            self.cycle = self

        def __del__(self):
            prober.probe()

    stream = [frames.frame(frames.string("n", f"{number}") + frames.TEN_BLOCK, b"x") for number in range(300)]
    delivered = []
    threshold = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for wire in stream:
            Trap()
            decoder.feed(wire)
            Trap()
            delivered += [number_of(message) for message in decoder]
    finally:
        gc.set_threshold(*threshold)
    gc.collect()
    delivered += [number_of(message) for message in decoder]
    delivered += [number_of(message) for message in prober.messages]
    assert sorted(delivered) == list(range(300))


def number_of(message):
    return int(message.headers["n"])


def test_collector_decodes_while_a_message_is_decoded(codec):
    blocks = [b"".join(frames.string(f"{number}-{i}", "v") for i in range(20)) for number in range(50)]
    inner = []

    class Trap:
        def __init__(self):
            self.cycle = self

        def __del__(self):
            inner.append(codec.decode(frames.frame(blocks[len(inner) % 50], b"inner")))

    threshold = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for number in range(300):
            Trap()
            block = blocks[number * 7 % 50]
            message = codec.decode(frames.frame(block, b"outer"))
            assert message.headers.raw == block
            assert message.headers[f"{number * 7 % 50}-19"] == "v"
    finally:
        gc.set_threshold(*threshold)
    assert all(message.headers.raw == blocks[number % 50] for number, message in enumerate(inner))


def test_weakref_to_a_header_value_decodes(codec):
    """The value is freed with the headers that the next message replaces, of the same length or another."""
    inner = []
    references = []  # or they are not called
    for number in range(100):
        wire = codec.encode({"id": uuid.UUID(int=number), "n": "x" * (number // 50 * number)}, b"outer")
        other = codec.encode({"id": uuid.UUID(int=1000 + number), "n": "x" * (number // 50 * number)}, b"inner")
        message = codec.decode(wire)
        assert message.encode() == wire
        assert dict(message.headers)["id"] == uuid.UUID(int=number)
        references.append(
            weakref.ref(message.headers["id"], lambda _, wire=other: inner.append((wire, codec.decode(wire))))
        )
        del message
    assert len(inner) >= 90  # the last blocks are still kept
    assert all(message.encode() == wire for wire, message in inner)


def test_limit_whose_index_calls_back(codec):
    class Limit:
        def __index__(self):
            codec.decode(frames.TEN_FRAME)
            return 100_000

    decoder = codec.Decoder(max_headers_length=Limit(), max_payload_length=Limit())
    assert wires(decoder.feed(frames.TEN_FRAME)) == [frames.TEN_FRAME]


# Threads


def in_threads(*targets):
    """Run them at once, switching often; the first error of any is raised here."""
    errors = []
    barrier = threading.Barrier(len(targets))

    def guarded(target):
        try:
            barrier.wait()
            target()
        except BaseException as error:
            errors.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=guarded, args=(target,)) for target in targets]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive(), "it hangs"
    finally:
        sys.setswitchinterval(interval)
    if errors:
        raise errors[0]


@pytest.mark.parametrize("size", [20, 300_000], ids=["small", "large"])
def test_threads_sharing_a_decoder_get_state_errors_or_results(codec, size):
    decoder = codec.Decoder()
    rounds = 200 if size < 1000 else 10
    fed, delivered = [], []

    def work(thread):
        for number in range(rounds):
            wire = numbered(thread * rounds + number, size)
            try:
                decoder.feed(wire)
                fed.append(wire)
            except StateError:
                pass
            with contextlib.suppress(StateError, StopIteration):
                delivered.append(next(decoder).encode())

    in_threads(*[lambda thread=thread: work(thread) for thread in range(4)])
    delivered += wires(decoder)
    assert sorted(delivered) == sorted(fed)
    decoder.close()


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview], ids=lambda kind: kind.__name__)
def test_threads_sharing_a_decoder_lose_no_message(codec, kind):
    """One feeds pieces, again until each is taken; others take the messages; one looks at the counts all the while."""
    sent = [numbered(number, number * 37 % 900) for number in range(300)] + [numbered(300, 100_000)]
    stream = b"".join(sent)
    decoder = codec.Decoder()
    fed = threading.Event()
    delivered = []

    def feed():
        try:
            for start in range(0, len(stream), 1009):
                piece = kind(stream[start : start + 1009])
                while True:
                    with contextlib.suppress(StateError):
                        decoder.feed(piece)
                        break
        finally:
            fed.set()

    def take():
        while not fed.is_set():
            with contextlib.suppress(StateError, StopIteration):
                delivered.append(next(decoder).encode())

    def look():
        last = 0
        while not fed.is_set():
            offset, buffered = decoder.offset, decoder.buffered
            assert last <= offset <= len(stream)
            assert buffered <= len(stream)
            last = offset

    in_threads(feed, take, take, look)
    delivered += wires(decoder)
    assert sorted(delivered) == sorted(sent)
    assert (decoder.offset, decoder.buffered) == (len(stream), 0)


def test_decoder_in_use_says_so(reference):
    decoder = reference.Decoder().feed(frames.EVENT_FRAME)
    calls = (lambda: decoder.feed(b""), lambda: next(decoder), decoder.close)
    with decoder._busy:
        for call in calls:
            with pytest.raises(
                StateError, match=r"^the decoder is in use: it serves one thread, and one call, at a time$"
            ):
                call()
    assert wires(decoder) == [frames.EVENT_FRAME]


def test_fault_kills_a_decoder_for_all_threads_alike(codec):
    decoder = codec.Decoder().feed(STREAM + BAD_CRC + STREAM)
    delivered, faults = [], []

    def take():
        while len(faults) < 100:
            try:
                delivered.append(next(decoder).encode())
            except MessageChecksumMismatch as error:
                faults.append(frames.fault(error))
            except StateError:
                pass

    in_threads(*[take] * 4)
    assert sorted(delivered) == sorted([frames.TEN_FRAME, frames.EMPTY_FRAME, frames.EVENT_FRAME])
    assert all(fault == faults[0] for fault in faults)
    assert (decoder.offset, decoder.buffered) == (len(STREAM), len(BAD_CRC + STREAM))


def test_threads_with_decoders_of_their_own(codec):
    stream = b"".join(numbered(number, number * 13 % 700) for number in range(150)) + numbered(150, 400_000)
    headers = codec.Headers(frames.TEN_HEADERS)

    def work(size):
        decoder = codec.Decoder()
        messages = []
        for start in range(0, len(stream), size):
            messages += decoder.feed(stream[start : start + size])
        decoder.close()
        assert b"".join(wires(messages)) == stream
        assert hash(headers) == hash(codec.Headers(frames.TEN_HEADERS))

    in_threads(*[lambda size=size: work(size) for size in (97, 1000, 4096, 70_000)])


def test_threads_that_decode_the_same_and_other_headers(codec):
    """What `decode` remembers of headers, for each thread where there is no GIL, holds only a few of these."""
    sent = [frames.frame(frames.string("n", f"{number}"), b"%d" % number) for number in range(12)]

    def work(step):
        order = [sent[number * step % 12] for number in range(1000)]
        messages = [codec.decode(wire) for wire in order]
        assert wires(messages) == order

    in_threads(*[lambda step=step: work(step) for step in (1, 5, 7, 11)])


def test_threads_that_share_messages_and_headers(codec):
    message = codec.decode(frames.TEN_FRAME)
    made = codec.Headers(frames.TEN_HEADERS)

    def work():
        for _ in range(100):
            assert message.encode() == frames.TEN_FRAME
            assert message.headers == made
            assert dict(made) == frames.TEN_HEADERS
            assert codec.encode(made, b"payload") == frames.TEN_FRAME

    in_threads(*[work] * 4)


def test_bytearray_that_another_thread_changes(codec):
    """What was checked is what is delivered, whatever the other thread does meanwhile."""
    good = frames.frame(frames.EVENT_BLOCK, bytes(100_000))
    buffer = bytearray(good)
    stop = threading.Event()

    def change():
        while not stop.is_set():
            buffer[50_000] ^= 1

    def decode():
        try:
            for _ in range(50):
                for read in (codec.decode, lambda data: next(codec.Decoder(copy=False).feed(data))):
                    with contextlib.suppress(MessageChecksumMismatch):
                        assert read(buffer).encode() == good
        finally:
            stop.set()

    in_threads(change, decode)


def test_encoded_payload_that_another_thread_changes(codec):
    """The checksum is that of the bytes written."""
    payload = bytearray(400_000)
    stop = threading.Event()

    def change():
        while not stop.is_set():
            payload[200_000] ^= 1

    def encode():
        target = bytearray(500_000)
        try:
            for _ in range(50):
                codec.decode(codec.encode(frames.TEN_HEADERS, payload))
                length = codec.encode_into(target, frames.TEN_HEADERS, payload)
                codec.decode(memoryview(target)[:length])
        finally:
            stop.set()

    in_threads(change, encode)


def test_payloads_that_other_threads_drop_stay_as_they_were(codec):
    """A thread may reuse the bytes of one that it made, though others had it, once no thread has it."""
    given = queue.SimpleQueue()
    count = 500

    def make():
        for number in range(count):
            payload = bytes([number % 251]) * REUSED_LENGTHS[number % len(REUSED_LENGTHS)]
            given.put((number % 251, codec.decode(codec.encode({}, payload))))

    def take():
        for _ in range(count):
            byte, message = given.get(timeout=60)
            assert message.payload.count(byte) == len(message.payload)

    in_threads(make, take, make, take)


LARGE = 1 << 20
LARGE_PAYLOADS = {
    "decode": lambda codec, wire: codec.decode(wire),
    "Decoder": lambda codec, wire: next(codec.Decoder().feed(wire)),
    "Decoder, in pieces": lambda codec, wire: next(codec.Decoder().feed(wire[:1000]).feed(wire[1000:])),
    "encode": lambda codec, wire: codec.encode({}, wire),
    "encode_into": lambda codec, wire: codec.encode_into(bytearray(len(wire) + 16), {}, wire),
}


@pytest.mark.skipif(not getattr(sys, "_is_gil_enabled", lambda: True)(), reason="there is no GIL")
@pytest.mark.parametrize("work", LARGE_PAYLOADS.values(), ids=LARGE_PAYLOADS)
def test_gil_is_released_for_large_payloads(native, work):
    """Nobody is asked for the GIL here, so that another thread comes on only when it is given away freely."""
    large, small = frames.frame(b"", bytes(LARGE)), frames.frame(b"", bytes(65_000))
    ticks = 0
    stop = threading.Event()
    deadline = time.monotonic() + 60

    def tick():
        nonlocal ticks
        while not stop.is_set():
            ticks += 1
            time.sleep(0)  # gives it away in its turn

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    thread = threading.Thread(target=tick)
    try:
        thread.start()
        before = ticks
        for _ in range(1000):
            work(native, small)
        assert ticks == before, "it is given away for a small payload, or this test proves nothing"
        while ticks == before and time.monotonic() < deadline:
            work(native, large)
        assert ticks > before
    finally:
        stop.set()
        sys.setswitchinterval(interval)
        thread.join()


@pytest.mark.skipif(not FREE_THREADED, reason="a Python with the GIL")
def test_import_leaves_the_gil_disabled(native):
    code = "import eventstream._native, sys; assert not sys._is_gil_enabled()"
    subprocess.run([sys.executable, "-P", "-W", "error", "-c", code], check=True, timeout=60)


@pytest.mark.skipif(
    not hasattr(sys, "_is_immortal") or not FREE_THREADED, reason="a Python with the GIL, or before 3.14"
)
@each("call", ["decode", "encode", "encode_into", "Decoder"])
def test_threads_count_nothing_that_all_calls_need(native, call):
    """The cache line of such a count would pass from thread to thread with each call."""
    called = getattr(native, call)
    assert sys.getrefcount(called) > 1 << 31, "it is counted"
    defaults = [parameter.default for parameter in inspect.signature(called).parameters.values()]
    limits = [DEFAULT_MAX_HEADERS_LENGTH, DEFAULT_MAX_PAYLOAD_LENGTH]
    assert [default for default in defaults if type(default) is int and default] == limits
    assert all(map(sys._is_immortal, limits))


@pytest.mark.parametrize("empty", [b"", bytearray()], ids=frames.type_name)
@pytest.mark.parametrize("count", [2, 1000])
def test_empty_feed_releases_a_mostly_read_chunk(codec, count, empty):
    decoder = codec.Decoder()
    message = frames.frame(frames.EVENT_BLOCK, bytes(1000))
    chunk = (message * count)[:-1]
    held = sys.getrefcount(chunk)
    decoder.feed(chunk)
    for _ in range(count - 1):
        next(decoder)
    decoder.feed(empty)
    assert sys.getrefcount(chunk) == held
    assert len(next(decoder.feed(message[-1:])).payload) == 1000


@pytest.mark.parametrize("empty", [b"", bytearray()], ids=frames.type_name)
def test_empty_feed_leaves_uncopied_payloads_in_place(codec, empty):
    decoder = codec.Decoder(copy=False).feed(frames.EVENT_FRAME * 3)
    for _ in range(3):
        decoder.feed(empty)
        assert type(next(decoder).payload) is memoryview


def test_feed_copies_what_is_not_yet_taken(codec):
    decoder = codec.Decoder(copy=False)
    decoder.feed(frames.EVENT_FRAME).feed(frames.EVENT_FRAME)
    assert [type(message.payload) for message in decoder] == [bytes, memoryview]


def test_callers_buffer_is_released_by_a_feed_that_fails(codec):
    decoder = codec.Decoder()
    decoder.close()
    data = bytearray(b"abc")
    with pytest.raises(StateError) as raised:
        decoder.feed(data)
    data.append(1)
    assert "close" in str(raised.value)


# What adapters are made of


def test_messages_and_errors_are_mapped(codec):
    decoder = codec.Decoder()
    mapped = codec.DecoderMap(decoder, lambda message: message.payload, lambda error: KeyError(error.offset))
    assert iter(mapped) is mapped
    payloads = []
    for piece in frames.byte_by_byte(frames.EVENT_FRAME * 2):
        decoder.feed(piece)
        payloads += mapped
    assert payloads == [b'{"Transcript":{"Results":[]}}'] * 2
    decoder.feed(frames.EMPTY_FRAME + BAD_CRC)
    assert next(mapped) == b""
    for _ in range(2):
        with pytest.raises(KeyError) as raised:
            next(mapped)
        assert raised.value.args == (2 * len(frames.EVENT_FRAME) + len(frames.EMPTY_FRAME),)
        assert isinstance(raised.value.__cause__, MessageChecksumMismatch)


def test_mapping_errors_are_passed_on(codec):
    mapped = codec.DecoderMap(codec.Decoder().feed(frames.EMPTY_FRAME + BAD_CRC), lambda _: 1 // 0, lambda _: 1 // 0)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            next(mapped)


@pytest.mark.parametrize("failure", [MemoryError, KeyboardInterrupt])
def test_mapping_of_a_message_is_tried_again(codec, failure):
    failing = iter([False, True, True, False])

    def convert(message):
        if next(failing, False):
            raise failure
        return message.payload

    mapped = codec.DecoderMap(
        codec.Decoder().feed(frames.EMPTY_FRAME + frames.EVENT_FRAME + BAD_CRC), convert, KeyError
    )
    assert next(mapped) == b""
    for _ in range(2):
        with pytest.raises(failure):
            next(mapped)
    assert next(mapped) == b'{"Transcript":{"Results":[]}}'
    with pytest.raises(KeyError):
        next(mapped)


@pytest.mark.parametrize("decoder", [None, b"", iter(())], ids=frames.type_name)
def test_mapping_takes_only_a_decoder(codec, decoder):
    with pytest.raises(TypeError, match=f"^expected a Decoder, not {type(decoder).__name__}$"):
        codec.DecoderMap(decoder, list, KeyError)


# A large first piece that may change


def test_large_piece_whose_message_is_not_valid(codec):
    """It is buffered as it is, and refused when the decoder is iterated over."""
    payload = bytes(20_000)
    for wire, class_ in [
        (b"\xff" + frames.frame(b"", payload)[1:], PreludeChecksumMismatch),
        (frames.prelude(15, 0) + payload, InvalidLength),
        (frames.frame(frames.string("n", "x" * 50), payload), DecodeLimitExceeded),
    ]:
        decoder = codec.Decoder(max_headers_length=40).feed(bytearray(wire))
        assert decoder.buffered == len(wire)
        with pytest.raises(class_):
            next(decoder)


# The garbage collector


def test_collector_shows_nobody_a_decoder_that_is_half_made(codec):
    class Flag:
        def __bool__(self):
            counts.append(sum(type(object) is codec.Decoder for object in gc.get_objects()))
            return True

    counts = []
    gc.collect()
    bool(Flag())
    codec.Decoder(copy=Flag())
    assert counts[0] == counts[1]


def test_collector_does_not_empty_a_decoder(native):
    assert not gc.is_tracked(native.Decoder())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="a class in Python is not a buffer")
@pytest.mark.skipif(FREE_THREADED, reason="the exporter is emptied first, and then knows no decoder")
@pytest.mark.parametrize("mapped", [False, True])
def test_buffer_released_by_the_collector_may_use_a_decoder(native, mapped):
    """It is released while the collector empties the objects of the cycle one by one."""
    received = []

    class Exporter:
        def __buffer__(self, flags):
            return memoryview(b"abc")

        def __release_buffer__(self, view):
            self.decoder.feed(frames.EVENT_FRAME)
            received.extend(self.messages)

    def make():
        decoder = messages = native.Decoder()
        if mapped:
            messages = native.DecoderMap(decoder, lambda message: message, KeyError)
        box = []  # is older than the exporter, and so emptied before it
        exporter = Exporter()
        exporter.decoder, exporter.messages, exporter.box = decoder, messages, box
        box.append(memoryview(exporter))

    make()
    gc.collect()
    assert [message.encode() for message in received] == [frames.EVENT_FRAME]
