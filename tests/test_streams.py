"""iter_messages and aiter_messages: from chunks, files, pipes and asynchronous streams to messages."""

from __future__ import annotations

import array
import asyncio
import io
import itertools
import mmap
import os
import threading

import frames
import pytest

from eventstream import (
    DecodeLimitExceeded,
    MessageChecksumMismatch,
    TruncatedMessage,
    aiter_messages,
    implementation,
    iter_messages,
    streams,
)

PARTS = [frames.TEN_FRAME, frames.EMPTY_FRAME, frames.EVENT_FRAME, frames.frame(b"", bytes(100_000)), frames.TAIL_FRAME]
STREAM = b"".join(PARTS)
BAD = frames.frame(b"", b"x", message_crc=1)


def wires(messages):
    return [message.encode() for message in messages]


def chunks(data, size=1000):
    return [data[start : start + size] for start in range(0, len(data), size)]


async def feeding(pieces):
    for piece in pieces:
        await asyncio.sleep(0)
        yield piece


async def stream_reader(data, *, end=True):
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    if end:
        reader.feed_eof()
    return reader


async def collect(messages):
    return [message.encode() async for message in messages]


class Readable:
    """The least that a file is: `read`."""

    def __init__(self, data, size=None):
        self.file = io.BytesIO(data)
        self.size = size
        self.asked = []

    def read(self, size):
        self.asked.append(size)
        return self.file.read(min(size, self.size or size))


class AsyncReadable(Readable):
    async def read(self, size):
        await asyncio.sleep(0)
        return super().read(size)


def test_the_implementation_in_use_is_that_of_the_package(codec):
    module = f"eventstream._{implementation}"
    assert streams.Decoder.__module__ == module
    if codec.__name__ == module:
        assert isinstance(next(iter_messages(frames.EMPTY_FRAME)), codec.Message)


# iter_messages: sources


SOURCES = {
    "bytes": lambda: STREAM,
    "bytearray": lambda: bytearray(STREAM),
    "memoryview": lambda: memoryview(STREAM),
    "list of one": lambda: [STREAM],
    "list of chunks": lambda: chunks(STREAM),
    "tuple of single bytes": lambda: (*tuple(frames.byte_by_byte(STREAM[:2000])), STREAM[2000:]),
    "generator": lambda: (chunk for chunk in chunks(STREAM, 777)),
    "with empty chunks": lambda: itertools.chain.from_iterable((b"", chunk, b"") for chunk in chunks(STREAM)),
    "bytearrays": lambda: map(bytearray, chunks(STREAM)),
    "memoryviews": lambda: (memoryview(STREAM)[start : start + 999] for start in range(0, len(STREAM), 999)),
    "arrays": lambda: [array.array("B", STREAM)],
    "BytesIO": lambda: io.BytesIO(STREAM),
    "BufferedReader": lambda: io.BufferedReader(io.BytesIO(STREAM)),
    "read alone": lambda: Readable(STREAM),
    "short reads": lambda: Readable(STREAM, 100),
}


@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
def test_messages_from_any_source(make):
    assert wires(iter_messages(make())) == PARTS


@pytest.mark.parametrize(
    "empty", [b"", bytearray(), memoryview(b""), [], [b""], iter(()), io.BytesIO()], ids=frames.type_name
)
def test_an_empty_source_has_no_messages(empty):
    assert list(iter_messages(empty)) == []


def test_messages_from_a_file(tmp_path):
    path = tmp_path / "stream.bin"
    path.write_bytes(STREAM)
    with path.open("rb") as file:
        assert wires(iter_messages(file)) == PARTS
        assert not file.closed
    with path.open("rb", buffering=0) as file:
        assert wires(iter_messages(file)) == PARTS
    with path.open("rb") as file:
        file.seek(len(PARTS[0]))
        assert wires(iter_messages(file)) == PARTS[1:]
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert wires(iter_messages(mapped)) == PARTS


def test_a_reader_is_asked_for_a_bounded_size():
    source = Readable(STREAM)
    list(iter_messages(source))
    assert set(source.asked) == {streams.READ_SIZE}
    assert streams.READ_SIZE == 65_536


def test_a_pipe_gives_a_message_as_soon_as_its_last_byte_is_there():
    """`read1` does not wait for more than there is."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "wb", buffering=0) as writer:
        messages = iter_messages(reader)
        for wire in (frames.TEN_FRAME, frames.EVENT_FRAME):
            writer.write(wire[:20])
            timer = threading.Timer(0.02, writer.write, [wire[20:]])
            timer.start()
            assert next(messages).encode() == wire
            timer.join()
        writer.close()
        assert list(messages) == []


def test_a_message_is_yielded_before_the_next_chunk_is_asked_for():
    asked = []

    def source():
        for number, wire in enumerate(PARTS):
            asked.append(number)
            yield wire

    for number, message in enumerate(iter_messages(source())):
        assert message.encode() == PARTS[number]
        assert asked == list(range(number + 1))


def test_nothing_is_read_before_the_first_message_is_asked_for():
    source = Readable(PARTS[0] + PARTS[1])
    messages = iter_messages(source)
    assert source.asked == []
    next(messages)
    assert len(source.asked) == 1


def test_a_generator_that_is_left_early_is_not_exhausted():
    pieces = iter(PARTS)
    messages = iter_messages(pieces)
    assert next(messages).encode() == PARTS[0]
    messages.close()
    assert list(pieces) == PARTS[1:]


def test_leaving_in_mid_message_is_no_error():
    """Only the end of the input says that a message is unfinished."""
    messages = iter_messages([frames.TEN_FRAME + frames.EMPTY_FRAME + frames.TEN_FRAME[:50]])
    assert next(messages).encode() == frames.TEN_FRAME
    messages.close()
    assert list(messages) == []


def test_an_error_thrown_into_it_comes_out_again():
    messages = iter_messages([frames.TEN_FRAME + frames.TEN_FRAME[:50]])
    next(messages)
    with pytest.raises(KeyboardInterrupt):
        messages.throw(KeyboardInterrupt)


@pytest.mark.parametrize("source", [None, 5, 1.5, object()], ids=frames.type_name)
def test_what_is_no_source_is_a_type_error(source):
    with pytest.raises(TypeError):
        list(iter_messages(source))


@pytest.mark.parametrize("source", ["text", ["text"], [5], [None], io.StringIO("text")], ids=frames.type_name)
def test_chunks_that_are_no_bytes_are_a_type_error(source):
    with pytest.raises(TypeError):
        list(iter_messages(source))


def test_an_error_of_the_source_passes_through():
    def source():
        yield frames.TEN_FRAME
        raise ConnectionResetError("gone")

    messages = iter_messages(source())
    assert next(messages).encode() == frames.TEN_FRAME
    with pytest.raises(ConnectionResetError):
        next(messages)


# iter_messages: faults


@pytest.mark.parametrize("length", [1, 11, 12, 100])
@pytest.mark.parametrize("make", [lambda data: [data], frames.byte_by_byte, io.BytesIO], ids=["whole", "bytes", "file"])
def test_the_end_of_input_in_mid_message_raises(make, length):
    messages = iter_messages(make(STREAM + frames.TEN_FRAME[:length]))
    assert wires(itertools.islice(messages, len(PARTS))) == PARTS
    with pytest.raises(TruncatedMessage) as raised:
        next(messages)
    assert raised.value.offset == len(STREAM)


@pytest.mark.parametrize("make", [lambda data: [data], frames.byte_by_byte, io.BytesIO], ids=["whole", "bytes", "file"])
def test_messages_before_a_fault_are_delivered_first(make):
    messages = iter_messages(make(STREAM + BAD + STREAM))
    assert wires(itertools.islice(messages, len(PARTS))) == PARTS
    with pytest.raises(MessageChecksumMismatch) as raised:
        next(messages)
    assert raised.value.offset == len(STREAM)
    assert list(messages) == []


@pytest.mark.parametrize("name", ["max_headers_length", "max_payload_length"])
def test_the_limits(name):
    with pytest.raises(DecodeLimitExceeded) as raised:
        list(iter_messages([frames.TEN_FRAME], **{name: 5}))
    assert f"max_{raised.value.part}_length" == name
    assert wires(iter_messages([STREAM], **{name: None})) == PARTS
    large = frames.frame(b"", bytes(25_165_825))
    with pytest.raises(DecodeLimitExceeded):
        list(iter_messages(large))
    assert wires(iter_messages(large, max_payload_length=None)) == [large]


def test_its_arguments():
    with pytest.raises(TypeError):
        iter_messages([STREAM], 100)
    with pytest.raises(TypeError):
        iter_messages([STREAM], copy=False)
    with pytest.raises(TypeError):
        aiter_messages(feeding([STREAM]), 100)


# aiter_messages


@pytest.mark.parametrize("size", [1, 100, 65_536, len(STREAM)])
def test_messages_from_an_async_generator(size):
    pieces = chunks(STREAM, size) if size > 1 else [*frames.byte_by_byte(STREAM[:3000]), STREAM[3000:]]
    assert asyncio.run(collect(aiter_messages(feeding(pieces)))) == PARTS


def test_messages_from_a_stream_reader():
    async def main():
        return await collect(aiter_messages(await stream_reader(STREAM)))

    assert asyncio.run(main()) == PARTS


@pytest.mark.parametrize("size", [None, 100])
def test_messages_from_an_async_read(size):
    source = AsyncReadable(STREAM, size)
    assert asyncio.run(collect(aiter_messages(source))) == PARTS
    assert set(source.asked) == {streams.READ_SIZE}


def test_empty_chunks_are_not_the_end_of_an_async_iterable():
    pieces = [b"", STREAM[:10], b"", STREAM[10:], b""]
    assert asyncio.run(collect(aiter_messages(feeding(pieces)))) == PARTS


def test_an_empty_async_source_has_no_messages():
    async def main():
        return await collect(aiter_messages(feeding([]))) + await collect(aiter_messages(await stream_reader(b"")))

    assert asyncio.run(main()) == []


def test_a_message_is_given_as_soon_as_its_last_byte_is_there():
    async def main():
        reader = await stream_reader(frames.TEN_FRAME[:20], end=False)
        messages = aiter_messages(reader)
        for wire, following in itertools.pairwise([frames.TEN_FRAME, frames.EVENT_FRAME, frames.TAIL_FRAME]):
            waiting = asyncio.ensure_future(anext(messages))
            await asyncio.sleep(0)
            assert not waiting.done()
            reader.feed_data(wire[20:])
            assert (await waiting).encode() == wire
            reader.feed_data(following[:20])
        reader.feed_eof()
        with pytest.raises(TruncatedMessage) as raised:
            await anext(messages)
        assert raised.value.offset == len(frames.TEN_FRAME + frames.EVENT_FRAME)

    asyncio.run(main())


@pytest.mark.parametrize("reader", [False, True], ids=["generator", "reader"])
@pytest.mark.parametrize(
    ("tail", "class_"), [(BAD + STREAM, MessageChecksumMismatch), (frames.TEN_FRAME[:50], TruncatedMessage)]
)
def test_async_messages_before_a_fault_are_delivered_first(reader, tail, class_):
    async def main():
        data = STREAM + tail
        source = await stream_reader(data) if reader else feeding(chunks(data))
        messages = aiter_messages(source)
        for wire in PARTS:
            assert (await anext(messages)).encode() == wire
        with pytest.raises(class_) as raised:
            await anext(messages)
        assert raised.value.offset == len(STREAM)

    asyncio.run(main())


def test_leaving_async_messages_in_mid_message_is_no_error():
    async def main():
        messages = aiter_messages(feeding([frames.TEN_FRAME + frames.TEN_FRAME[:50]]))
        assert (await anext(messages)).encode() == frames.TEN_FRAME
        await messages.aclose()

    asyncio.run(main())


def test_the_limits_of_async_messages():
    with pytest.raises(DecodeLimitExceeded):
        asyncio.run(collect(aiter_messages(feeding([frames.TEN_FRAME]), max_headers_length=5)))
    with pytest.raises(DecodeLimitExceeded):
        asyncio.run(collect(aiter_messages(feeding([frames.TEN_FRAME]), max_payload_length=5)))


def test_an_error_of_the_async_source_passes_through():
    async def source():
        yield frames.TEN_FRAME
        raise ConnectionResetError("gone")

    async def main():
        messages = aiter_messages(source())
        assert (await anext(messages)).encode() == frames.TEN_FRAME
        with pytest.raises(ConnectionResetError):
            await anext(messages)

    asyncio.run(main())


@pytest.mark.parametrize("source", [None, 5, [STREAM], io.BytesIO(STREAM)], ids=frames.type_name)
def test_what_is_no_async_source_is_a_type_error(source):
    with pytest.raises(TypeError):
        asyncio.run(collect(aiter_messages(source)))


def test_any_empty_buffer_ends_a_file():
    class Reader:
        def __init__(self):
            self.chunks = [frames.EVENT_FRAME, b""]

        def read(self, size):
            return array.array("B", self.chunks.pop(0))

    assert len(list(iter_messages(Reader()))) == 1


def test_a_source_that_does_not_block_is_an_error_and_no_end():
    class Reader:
        def read(self, size):
            return None

    with pytest.raises(BlockingIOError, match="has no data now"):
        list(iter_messages(Reader()))


@pytest.mark.parametrize("buffering", [0, -1], ids=["raw", "buffered"])
@pytest.mark.parametrize("part", [b"", frames.EVENT_FRAME[:5], frames.EVENT_FRAME[:-1]], ids=len)
def test_a_pipe_that_does_not_block_has_not_ended_before_it_is_closed(buffering, part):
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with open(reading, "rb", buffering=buffering) as reader, open(writing, "wb", buffering=0) as writer:
        writer.write(frames.TEN_FRAME + part)
        messages = iter_messages(reader)
        assert next(messages).encode() == frames.TEN_FRAME
        with pytest.raises(BlockingIOError, match="has no data now"):
            next(messages)
        writer.write(frames.EVENT_FRAME)
        writer.close()
        assert wires(iter_messages(reader)) == [frames.EVENT_FRAME]


def test_after_an_empty_read1_one_byte_is_asked_for():
    """What came in between is there at once; for a second byte, or the end, `read` might wait."""

    class Reader:
        file = io.BytesIO(STREAM)
        late = iter([b"", b""])

        def read1(self, size):
            return next(self.late, None) or self.file.read(size)

        def read(self, size):
            assert size == 1
            return self.file.read(size)

    assert wires(iter_messages(Reader())) == PARTS


def test_a_source_may_have_read1_alone():
    class Reader:
        read1 = io.BytesIO(STREAM).read

    assert wires(iter_messages(Reader())) == PARTS


def test_an_asynchronous_source_that_does_not_block_is_an_error_and_no_end():
    class Reader:
        given = iter([frames.TEN_FRAME, None, frames.TEN_FRAME])

        async def read(self, size):
            return next(self.given)

    received = []

    async def read_all():
        async for message in aiter_messages(Reader()):
            received.append(message.encode())  # noqa: PERF401 (those before the error are kept)

    with pytest.raises(BlockingIOError, match="has no data now"):
        asyncio.run(read_all())
    assert received == [frames.TEN_FRAME]
