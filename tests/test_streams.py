"""iter_messages and aiter_messages: from chunks, files, pipes and asynchronous streams to messages."""

from __future__ import annotations

import array
import asyncio
import contextlib
import io
import itertools
import json
import mmap
import os
import pathlib
import socket
import threading
import zlib

import frames
import pytest
from cases import each

import eventstream
from eventstream import (
    DecodeError,
    DecodeLimitExceeded,
    IncompleteStream,
    MessageChecksumMismatch,
    ServiceError,
    TruncatedMessage,
    aiter_messages,
    aiter_payload_lines,
    aiter_payload_text,
    implementation,
    iter_messages,
    iter_payload_lines,
    iter_payload_text,
    streams,
)

PARTS = [frames.TEN_FRAME, frames.EMPTY_FRAME, frames.EVENT_FRAME, frames.frame(b"", bytes(100_000)), frames.TAIL_FRAME]
STREAM = b"".join(PARTS)
BAD = frames.frame(b"", b"x", message_crc=1)

BYTE_BY_BYTE = pytest.param(frames.byte_by_byte, marks=pytest.mark.untraced)  # 100,000 chunks


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


def test_implementation_in_use_is_that_of_the_package(codec):
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


@each("make", SOURCES.values(), ids=SOURCES)
def test_messages_from_any_source(make):
    assert wires(iter_messages(make())) == PARTS


@each("empty", [b"", bytearray(), memoryview(b""), [], [b""], iter(()), io.BytesIO()], ids=frames.type_name)
def test_empty_source_has_no_messages(empty):
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


def test_reader_is_asked_for_a_bounded_size():
    source = Readable(STREAM)
    list(iter_messages(source))
    assert set(source.asked) == {streams.READ_SIZE}
    assert streams.READ_SIZE == 65_536


def test_pipe_gives_a_message_with_its_last_byte():
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


def test_message_is_yielded_before_the_next_chunk():
    asked = []

    def source():
        for number, wire in enumerate(PARTS):
            asked.append(number)
            yield wire

    for number, message in enumerate(iter_messages(source())):
        assert message.encode() == PARTS[number]
        assert asked == list(range(number + 1))


def test_source_is_not_read_before_a_message_is_asked_for():
    source = Readable(PARTS[0] + PARTS[1])
    messages = iter_messages(source)
    assert source.asked == []
    next(messages)
    assert len(source.asked) == 1


def test_generator_that_is_left_early_is_not_exhausted():
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


def test_error_thrown_into_it_comes_out_again():
    messages = iter_messages([frames.TEN_FRAME + frames.TEN_FRAME[:50]])
    next(messages)
    with pytest.raises(KeyboardInterrupt):
        messages.throw(KeyboardInterrupt)


@pytest.mark.parametrize("source", [None, 5, 1.5, object()], ids=frames.type_name)
def test_other_objects_than_sources_are_a_type_error(source):
    with pytest.raises(TypeError):
        list(iter_messages(source))


@pytest.mark.parametrize("source", ["text", ["text"], [5], [None], io.StringIO("text")], ids=frames.type_name)
def test_chunks_that_are_no_bytes_are_a_type_error(source):
    with pytest.raises(TypeError):
        list(iter_messages(source))


def test_error_of_the_source_passes_through():
    def source():
        yield frames.TEN_FRAME
        raise ConnectionResetError("gone")

    messages = iter_messages(source())
    assert next(messages).encode() == frames.TEN_FRAME
    with pytest.raises(ConnectionResetError):
        next(messages)


# iter_messages: faults


@each("length", [1, 11, 12, 100])
@pytest.mark.parametrize("make", [lambda data: [data], BYTE_BY_BYTE, io.BytesIO], ids=["whole", "bytes", "file"])
def test_end_of_input_in_mid_message_raises(make, length):
    messages = iter_messages(make(STREAM + frames.TEN_FRAME[:length]))
    assert wires(itertools.islice(messages, len(PARTS))) == PARTS
    with pytest.raises(TruncatedMessage) as raised:
        next(messages)
    assert raised.value.offset == len(STREAM)


@pytest.mark.parametrize("make", [lambda data: [data], BYTE_BY_BYTE, io.BytesIO], ids=["whole", "bytes", "file"])
def test_messages_before_a_fault_are_delivered_first(make):
    messages = iter_messages(make(STREAM + BAD + STREAM))
    assert wires(itertools.islice(messages, len(PARTS))) == PARTS
    with pytest.raises(MessageChecksumMismatch) as raised:
        next(messages)
    assert raised.value.offset == len(STREAM)
    assert list(messages) == []


@pytest.mark.parametrize("name", ["max_headers_length", "max_payload_length"])
def test_limits(name):
    with pytest.raises(DecodeLimitExceeded) as raised:
        list(iter_messages([frames.TEN_FRAME], **{name: 5}))
    assert f"max_{raised.value.part}_length" == name
    assert wires(iter_messages([STREAM], **{name: None})) == PARTS
    large = frames.frame(b"", bytes(25_165_825))
    with pytest.raises(DecodeLimitExceeded):
        list(iter_messages(large))
    assert wires(iter_messages(large, max_payload_length=None)) == [large]


def test_stream_arguments():
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


def test_empty_async_source_has_no_messages():
    async def main():
        return await collect(aiter_messages(feeding([]))) + await collect(aiter_messages(await stream_reader(b"")))

    assert asyncio.run(main()) == []


def test_message_is_given_as_soon_as_its_last_byte_is_there():
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


def test_limits_of_async_messages():
    with pytest.raises(DecodeLimitExceeded):
        asyncio.run(collect(aiter_messages(feeding([frames.TEN_FRAME]), max_headers_length=5)))
    with pytest.raises(DecodeLimitExceeded):
        asyncio.run(collect(aiter_messages(feeding([frames.TEN_FRAME]), max_payload_length=5)))


def test_error_of_the_async_source_passes_through():
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
def test_other_objects_than_async_sources_are_a_type_error(source):
    with pytest.raises(TypeError):
        asyncio.run(collect(aiter_messages(source)))


def test_file_ends_with_any_empty_buffer():
    class Reader:
        def __init__(self):
            self.chunks = [frames.EVENT_FRAME, b""]

        def read(self, size):
            return array.array("B", self.chunks.pop(0))

    assert len(list(iter_messages(Reader()))) == 1


def test_source_that_does_not_block_is_an_error_and_no_end():
    class Reader:
        def read(self, size):
            return None

    with pytest.raises(BlockingIOError, match="has no data yet"):
        list(iter_messages(Reader()))


@each("buffering", [0, -1], ids=["raw", "buffered"])
@each("part", [b"", frames.EVENT_FRAME[:5], frames.EVENT_FRAME[:-1]], ids=len)
def test_nonblocking_pipe_ends_when_it_is_closed(buffering, part):
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with open(reading, "rb", buffering=buffering) as reader, open(writing, "wb", buffering=0) as writer:
        writer.write(frames.TEN_FRAME + part)
        messages = iter_messages(reader)
        assert next(messages).encode() == frames.TEN_FRAME
        with pytest.raises(BlockingIOError, match="has no data yet"):
            next(messages)
        writer.write(frames.EVENT_FRAME)
        writer.close()
        assert wires(iter_messages(reader)) == [frames.EVENT_FRAME]


def test_read1_that_is_empty_is_followed_by_one_byte():
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


def test_source_may_have_read1_alone():
    class Reader:
        read1 = io.BytesIO(STREAM).read

    assert wires(iter_messages(Reader())) == PARTS


def test_nonblocking_asynchronous_source_is_an_error():
    class Reader:
        given = iter([frames.TEN_FRAME, None, frames.TEN_FRAME])

        async def read(self, size):
            return next(self.given)

    received = []

    async def read_all():
        async for message in aiter_messages(Reader()):
            received.append(message.encode())  # noqa: PERF401 (those before the error are kept)

    with pytest.raises(BlockingIOError, match="has no data yet"):
        asyncio.run(read_all())
    assert received == [frames.TEN_FRAME]


# Complete streams


def event(event_type, payload=b""):
    return eventstream.encode({":message-type": "event", ":event-type": event_type}, payload)


def outcome_of(source, last):
    """How many messages came, and the error after them; the same for both functions."""

    async def arun():
        count = 0
        try:
            async for _ in aiter_messages(feeding(source), last=last):
                count += 1
        except Exception as error:
            return count, error
        return count, None

    count = 0
    raised = None
    try:
        for _ in iter_messages(source, last=last):
            count += 1
    except Exception as error:
        raised = error
    acount, araised = asyncio.run(arun())
    assert (count, type(raised), str(raised)) == (acount, type(araised), str(araised))
    return count, raised


RECORDS, END = event("Records", b"1,2\n"), event("End")


@each(
    ("wires", "last"),
    [
        ([RECORDS, END], {"End"}),
        ([RECORDS + END], ["End"]),
        ([END], ("Other", "End")),
        ([RECORDS, END, b""], frozenset({"End"})),
        ([RECORDS], None),
        ([], None),
    ],
)
def test_last_event_of_a_complete_stream(wires, last):
    count, raised = outcome_of(wires, last)
    assert raised is None
    assert count == sum(wire.count(b":message-type") for wire in wires)


@each(
    ("wires", "last_type"),
    [
        ([RECORDS], "Records"),
        ([END, RECORDS], "Records"),
        ([], None),
        ([b""], None),
        ([END, eventstream.encode({})], None),
        ([eventstream.encode({":message-type": "exception", ":exception-type": "End"})], None),
    ],
)
def test_last_event_missing_is_an_incomplete_stream(wires, last_type):
    stream = b"".join(wires)
    count, raised = outcome_of(wires, {"End", "Done"})
    assert type(raised) is IncompleteStream
    assert (raised.offset, raised.last, raised.expected) == (len(stream), last_type, {"End", "Done"})
    assert count == len(list(iter_messages(stream)))


def test_last_event_then_a_cut_message_is_truncated():
    count, raised = outcome_of([RECORDS, END, END[:20]], {"End"})
    assert count == 2
    assert type(raised) is TruncatedMessage


def test_last_event_is_not_looked_for_when_left_early():
    messages = iter_messages([RECORDS, RECORDS], last={"End"})
    next(messages)
    messages.close()
    assert list(messages) == []


@each("read", [iter_messages, aiter_messages])
@each(
    ("last", "class_", "text"),
    [
        ("End", TypeError, "last must be a collection of event types, such as {'End'}, not a str"),
        (set(), ValueError, "last is empty: name an event type"),
        (5, TypeError, "not iterable"),
    ],
)
def test_last_event_arguments(read, last, class_, text):
    with pytest.raises(class_, match=text):
        read([RECORDS] if read is iter_messages else feeding([RECORDS]), last=last)


# Mistakes


PATH_LIKE = pathlib.Path("stream.bin")


class Coroutines:
    """Of which only the result tells that it is asynchronous."""

    def read(self, size):
        return self._read()

    async def _read(self):
        return b""


class Awaitable:
    def __await__(self):
        yield


@each(
    ("source", "text"),
    [
        ([Awaitable()], "asynchronous: use aiter_messages"),
        (PATH_LIKE, r"not PosixPath; open a file in binary mode: open\(path, 'rb'\)|not WindowsPath"),
        ("stream.bin", "not str; open a file in binary mode"),
        (io.StringIO("text"), "a text file; open a file in binary mode"),
        (
            ["text"],
            r"yields text, not bytes; open a file in binary mode.*; pass an HTTP response itself, or its iter_bytes",
        ),
        ([5], "yields int, not bytes"),
        ([None], "yields NoneType, not bytes"),
        (5, "not int"),
        (None, "not None"),
        (feeding([]), "asynchronous: use aiter_messages"),
        (AsyncReadable(b""), "asynchronous: use aiter_messages"),
        (Coroutines(), "asynchronous: use aiter_messages"),
    ],
    ids=lambda value: "" if isinstance(value, str) else type(value).__name__,
)
def test_source_mistakes_are_named(source, text):
    with pytest.raises(TypeError, match=text):
        list(iter_messages(source))


def test_source_text_file_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "stream.bin"
    path.write_bytes(b"\xff" * 20)
    with path.open(encoding="utf-8") as file, pytest.raises(TypeError, match="binary mode"):
        iter_messages(file)


def test_source_stream_reader_is_asynchronous():
    async def main():
        with pytest.raises(TypeError, match="use aiter_messages"):
            iter_messages(await stream_reader(b""))

    asyncio.run(main())


@each(
    ("source", "text"),
    [
        (PATH_LIKE, "open a file in binary mode"),
        ("stream.bin", "not str; open a file in binary mode"),
        (b"", "not asynchronous: use iter_messages"),
        (bytearray(), "not asynchronous: use iter_messages"),
        (memoryview(b""), "not asynchronous: use iter_messages"),
        ([b""], "not asynchronous: use iter_messages"),
        (io.BytesIO(b""), "not asynchronous: use iter_messages"),
        (None, "not an asynchronous source: None"),
        (5, "not an asynchronous source: int"),
    ],
    ids=lambda value: "" if isinstance(value, str) else type(value).__name__,
)
def test_async_source_mistakes_are_named(source, text):
    with pytest.raises(TypeError, match=text):
        asyncio.run(collect(aiter_messages(source)))


@pytest.mark.parametrize("chunk", ["text", 5])
def test_async_source_of_other_chunks_is_named(chunk):
    with pytest.raises(TypeError, match="not bytes"):
        asyncio.run(collect(aiter_messages(feeding([chunk]))))


# Responses of HTTP clients

PIECES = [event("Records", b"x" * 50), event("Records", b"y" * 50), event("End")]
FRAMINGS = ["content-length", "chunked", "close"]


class Server:
    """Answers one request with `PIECES`, each only when the one before has been received."""

    def __init__(self, framing, *, cut=False, encoding=None):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.settimeout(10)
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/"
        self.received = threading.Semaphore(1)
        self.in_time = True
        self.thread = threading.Thread(target=self._serve, args=(framing, cut, encoding))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.received.release(len(PIECES))
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)  # if no client has come, e.g. because its library is not here
        self.thread.join(10)
        self.socket.close()

    def _serve(self, framing, cut, encoding):
        compressor = zlib.compressobj(wbits=31)
        pieces = PIECES
        if encoding:
            pieces = [compressor.compress(piece) + compressor.flush(zlib.Z_SYNC_FLUSH) for piece in PIECES]
            pieces[-1] += compressor.flush()
        try:
            connection, _ = self.socket.accept()
        except OSError:
            return
        with connection, contextlib.suppress(ConnectionError):
            connection.recv(65_536)
            fields = ["Connection: close", f"Content-Encoding: {encoding}" if encoding else "X-Plain: yes"]
            if framing == "content-length":
                fields.append(f"Content-Length: {sum(map(len, pieces))}")
            elif framing == "chunked":
                fields.append("Transfer-Encoding: chunked")
            head = "\r\n".join(["HTTP/1.1 200 OK", *fields, "", ""])
            connection.sendall(head.encode())
            for piece in pieces[:-1] if cut else pieces:
                if not self.received.acquire(timeout=5):
                    self.in_time = False
                    return
                chunk = b"%x\r\n%b\r\n" % (len(piece), piece) if framing == "chunked" else piece
                connection.sendall(chunk)
            if framing == "chunked" and not cut:
                connection.sendall(b"0\r\n\r\n")


def from_http_client(url):
    import http.client

    connection = http.client.HTTPConnection(url.removeprefix("http://").rstrip("/"), timeout=10)
    connection.request("GET", "/")
    return connection.getresponse()


def from_urllib(url):
    import urllib.request

    return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10)


def from_urllib3(url):
    urllib3 = pytest.importorskip("urllib3")
    return urllib3.PoolManager().request("GET", url, preload_content=False, retries=False, timeout=10)


def from_requests(url):
    requests = pytest.importorskip("requests")
    session = requests.Session()
    session.trust_env = False
    return session.get(url, stream=True, timeout=10)


def from_httpx(url):
    httpx = pytest.importorskip("httpx")
    client = httpx.Client(trust_env=False, timeout=10)
    return client.send(client.build_request("GET", url), stream=True)


def from_botocore(url):
    pytest.importorskip("botocore")
    from botocore.awsrequest import AWSRequest
    from botocore.httpsession import URLLib3Session
    from botocore.response import StreamingBody

    answer = URLLib3Session(timeout=10).send(AWSRequest("GET", url, stream_output=True).prepare())
    return StreamingBody(answer.raw, answer.headers.get("content-length"))


LIBRARIES = [from_http_client, from_urllib, from_urllib3, from_requests, from_httpx, from_botocore]
each_library = pytest.mark.parametrize("get", LIBRARIES, ids=lambda get: get.__name__.removeprefix("from_"))
older = pytest.mark.filterwarnings("ignore:The 'strict' parameter:DeprecationWarning")  # of botocore with urllib3 2.0
each_framing = pytest.mark.parametrize("framing", FRAMINGS)


@older
@each_framing
@each_library
def test_response_gives_messages_as_they_arrive(get, framing):
    with Server(framing) as server:
        response = get(server.url)
        got = []
        for message in iter_messages(response, last={"End"}):
            got.append(message.encode())
            server.received.release()
        response.close()
    assert server.in_time, "a message waited for the next one"
    assert got == PIECES


@pytest.mark.parametrize("get", [from_urllib3, from_requests, from_httpx])
def test_response_that_is_compressed_is_decompressed(get):
    with Server("chunked", encoding="gzip") as server:
        response = get(server.url)
        got = []
        for message in iter_messages(response):
            got.append(message.encode())
            server.received.release()
        response.close()
    assert server.in_time
    assert got == PIECES


@older
@each_framing
@each_library
def test_response_that_is_cut_between_two_messages(get, framing):
    """What the how-to about complete streams says. Only a body that ends with its connection needs `last`."""
    for last in (None, {"End"}):
        with Server(framing, cut=True) as server:
            response = get(server.url)
            got = []
            raised = None
            try:
                for message in iter_messages(response, last=last):
                    got.append(message.encode())
                    server.received.release()
            except Exception as error:
                raised = error
            response.close()
        assert got == PIECES[:-1]
        own = framing == "content-length" and get in (from_http_client, from_urllib, from_botocore)
        own = own and not type(raised).__module__.startswith("urllib3")  # as with urllib3 2.0 in botocore
        if framing == "close":
            assert type(raised) is (type(None) if last is None else IncompleteStream)
        elif own:
            assert type(raised) is IncompleteStream
            assert "before its Content-Length" in str(raised)
            assert raised.offset == len(b"".join(got))
        else:
            assert raised is not None
            assert not isinstance(raised, eventstream.CodecError), "the library has noticed it"


@pytest.mark.parametrize("framing", ["content-length", "chunked"])
@pytest.mark.parametrize("get", [from_urllib3, from_requests, from_httpx])
def test_response_that_was_read_before(get, framing):
    with Server(framing) as server:
        server.received.release(len(PIECES))
        response = get(server.url)
        if get is from_httpx:
            response.read()
        else:
            assert response.data if get is from_urllib3 else response.content
        assert wires(iter_messages(response)) == PIECES
        response.close()


class WithoutRead1:
    """A response of urllib3 before 2.2, whose `read` waits until it is full."""

    def __init__(self, data, *, most=None):
        self.file = io.BytesIO(data)
        self.most = most
        self.starved = False
        self.asked = []

    @property
    def closed(self):
        return self.file.tell() == len(self.file.getvalue())

    chunked = False
    decode_content = True
    stream = None

    def read(self, size, *, decode_content):
        assert decode_content
        self.asked.append(size)
        self.starved = not self.starved and self.most is not None
        return b"" if self.starved else self.file.read(min(size, self.most or size))


@pytest.mark.parametrize("most", [None, 1, 7, 13], ids=["full", "1", "7", "13"])
def test_response_without_read1_is_read_message_by_message(most):
    """Nothing is asked for beyond the message that is coming, though some reads give less, or nothing yet."""
    stream = b"".join(PIECES) + frames.frame(b"", bytes(100_000))
    response = WithoutRead1(stream, most=most)
    messages = iter_messages(response)
    end = 0
    for wire in [*PIECES, frames.frame(b"", bytes(100_000))]:
        assert next(messages).encode() == wire
        end += len(wire)
        assert response.file.tell() == end
    assert list(messages) == []
    assert max(response.asked) <= streams.READ_SIZE


@pytest.mark.parametrize("length", [5, 12, 50])
def test_response_without_read1_that_is_cut(length):
    messages = iter_messages(WithoutRead1(PIECES[0] + PIECES[1][:length]))
    assert next(messages).encode() == PIECES[0]
    with pytest.raises(TruncatedMessage) as raised:
        next(messages)
    assert raised.value.available == length


def test_response_without_read1_that_is_chunked_is_streamed():
    class Chunked(WithoutRead1):
        chunked = True

        def stream(self, size, *, decode_content):
            assert (size, decode_content) == (streams.READ_SIZE, True)
            return iter(PIECES)

    assert wires(iter_messages(Chunked(b"x"))) == PIECES


def test_response_without_read1_of_other_bytes():
    with pytest.raises(eventstream.PreludeChecksumMismatch, match="JSON"):
        list(iter_messages(WithoutRead1(b'{"message": "Access denied"}')))


def test_response_of_a_stub_is_read():
    """As tests of boto3's users make them."""
    response = pytest.importorskip("botocore.response")
    data = b"".join(PIECES)
    assert wires(iter_messages(response.StreamingBody(io.BytesIO(data), len(data)))) == PIECES


def test_response_of_an_asynchronous_httpx_client_is_named():
    httpx = pytest.importorskip("httpx")

    async def main(url):
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            response = await client.send(client.build_request("GET", url), stream=True)
            with pytest.raises(TypeError, match="asynchronous: use aiter_messages"):
                iter_messages(response)
            await response.aclose()

    with Server("close") as server:
        asyncio.run(main(server.url))


@pytest.mark.parametrize("get", [from_requests, from_httpx])
def test_response_of_a_synchronous_client_is_named(get):
    with Server("close") as server:
        response = get(server.url)
        with pytest.raises(TypeError, match="not asynchronous: use iter_messages"):
            aiter_messages(response)
        response.close()


@contextlib.asynccontextmanager
async def afrom_aiohttp(url):
    aiohttp = pytest.importorskip("aiohttp")
    connector, timeout = aiohttp.TCPConnector(force_close=True), aiohttp.ClientTimeout(10)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session, session.get(url) as response:
        yield response


@contextlib.asynccontextmanager
async def afrom_httpx(url):
    httpx = pytest.importorskip("httpx")
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client, client.stream("GET", url) as response:
        yield response


each_async_library = pytest.mark.parametrize("get", [afrom_aiohttp, afrom_httpx], ids=["aiohttp", "httpx"])


@each_framing
@each_async_library
def test_async_response_gives_messages_as_they_arrive(get, framing):
    async def main(server):
        got = []
        async with get(server.url) as response:
            async for message in aiter_messages(response, last={"End"}):
                got.append(message.encode())
                server.received.release()
        return got

    with Server(framing) as server:
        assert asyncio.run(main(server)) == PIECES
    assert server.in_time, "a message waited for the next one"


@each_framing
@each_async_library
def test_async_response_that_is_cut_between_two_messages(get, framing):
    async def main(server):
        got = []
        async with get(server.url) as response:
            try:
                async for message in aiter_messages(response, last={"End"}):
                    got.append(message.encode())
                    server.received.release()
            except Exception as error:
                return got, error
        return got, None

    with Server(framing, cut=True) as server:
        got, raised = asyncio.run(main(server))
    assert got == PIECES[:-1]
    assert raised is not None
    assert isinstance(raised, IncompleteStream) == (framing == "close"), "the library notices the others"


def test_async_response_that_was_read_before():
    async def main(server):
        async with afrom_aiohttp(server.url) as response:
            await response.read()
            return await collect(aiter_messages(response))

    with Server("chunked") as server:
        server.received.release(len(PIECES))
        assert asyncio.run(main(server)) == PIECES


# Text


def texts_of(messages, *arguments, lines=False, **options):
    """Return the text or the lines of messages; the same for both functions."""
    function, afunction = (
        (iter_payload_lines, aiter_payload_lines) if lines else (iter_payload_text, aiter_payload_text)
    )

    async def arun():
        got = []
        try:
            async for part in afunction(feeding(messages), *arguments, **options):
                got.append(part)  # noqa: PERF401 (those before the error are kept)
        except (DecodeError, ServiceError) as error:
            return got, error
        return got, None

    got, raised = [], None
    try:
        for part in function(messages, *arguments, **options):
            got.append(part)  # noqa: PERF402 (those before the error are kept)
    except (DecodeError, ServiceError) as error:
        raised = error
    agot, araised = asyncio.run(arun())
    assert (got, type(raised), str(raised)) == (agot, type(araised), str(araised))
    return got, raised


def payloads(*parts, event_type="Records"):
    return list(iter_messages([event(event_type, part) for part in parts]))


TEXT = "größer, 語\r\n😀\u2028x\n\nlast"


@each("encoding", ["utf-8", "utf-16-le", "utf-8-sig"])
@each("size", [1, 2, 3, 7, 1000])
def test_payload_text_is_joined(encoding, size):
    data = TEXT.encode(encoding)
    parts, raised = texts_of(payloads(*chunks(data, size)), encoding)
    assert raised is None
    assert "".join(parts) == TEXT
    assert all(parts), "none is empty"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_payload_lines_are_joined(size):
    lines, raised = texts_of(payloads(*chunks(TEXT.encode(), size)), lines=True)
    assert raised is None
    assert lines == ["größer, 語", "😀\u2028x", "", "last"]


def test_payload_lines_of_json():
    records = [{"text": "größer\u2028\x85"}, {"text": "\n"}]
    data = "\n".join(json.dumps(record, ensure_ascii=False) for record in records).encode() + b"\n"
    lines, _ = texts_of(payloads(*chunks(data, 5)), lines=True)
    assert [json.loads(line) for line in lines] == records


@pytest.mark.parametrize(
    ("text", "lines"), [("", []), ("\n", [""]), ("a", ["a"]), ("a\n", ["a"]), ("\r\n\ra", ["", "\ra"])]
)
def test_payload_lines_at_the_end(text, lines):
    assert texts_of(payloads(text.encode()), lines=True) == (lines, None)


def test_payload_lines_take_linear_time():
    """A line over very many messages is joined once."""
    count = 20_000
    (line,) = iter_payload_lines(payloads(b"x") * count)
    assert len(line) == count


def test_payload_text_of_views():
    data = b"".join(event("Records", part) for part in chunks(TEXT.encode(), 3))
    decoder = eventstream.Decoder(copy=False)
    assert "".join(iter_payload_text(decoder.feed(data))) == TEXT


def test_payload_text_of_some_events():
    messages = [
        *payloads(b"caf\xc3"),
        *payloads(b"<Progress/>", event_type="Progress"),
        *payloads(b"\xa9"),
        *payloads(b"", event_type="End"),
    ]
    assert texts_of(messages, event_types={"Records"}) == (["caf", "é"], None)


@each(
    ("parts", "bad"),
    [
        ([b"good", b"bad \xff", b"more"], 1),
        ([b"good", b"caf\xc3", b"\xc3"], 1),
        ([b"good", b"caf\xc3", b"", b"x"], 1),
        ([b"good", b"\xe2", b"\x82", b"x"], 1),
        ([b"\xe2", b"\x82\xac", b"x\xc3", b"\xff"], 2),
        ([b"\xe2\x82", b"\xac\xff"], 1),
        ([b"good", b"cut \xe2\x82"], 1),
        ([b"good", b"cut \xe2", b"\x82"], 1),
        ([b"cut \xe2", b""], 0),
    ],
)
def test_payload_text_that_is_invalid_names_its_message(parts, bad):
    other = event("Progress", b"\xff")
    messages = list(iter_messages([other, *[event("Records", part) for part in parts], other]))
    offset = len(other) + sum(len(event("Records", part)) for part in parts[:bad])
    got, raised = texts_of(messages, event_types={"Records"})
    assert type(raised) is DecodeError
    assert raised.offset == offset
    assert "the payloads are not utf-8 text" in str(raised)
    assert isinstance(raised.__cause__, UnicodeDecodeError)
    assert "".join(got) == b"".join(parts).decode(errors="ignore")[: len("".join(got))]


@each("encoding", ["utf-16", "utf-32"])
@each(("parts", "bad"), [([b"no byte order mark"], 0), ([b"", b"n", b"o byte order mark"], 1)])
def test_payload_text_without_its_byte_order_mark_is_invalid(encoding, parts, bad):
    """Of which Python's decoders do not say where it is missing."""
    got, raised = texts_of(payloads(*parts), encoding)
    assert got == []
    assert type(raised) is DecodeError
    assert raised.offset == sum(len(event("Records", part)) for part in parts[:bad])
    assert f"the payloads are not {encoding} text" in str(raised)


def test_payload_text_raises_what_the_service_reports():
    failure = eventstream.Message({":message-type": "exception", ":exception-type": "Throttled"}, b"slow down")
    for options in ({}, {"event_types": {"Records"}}):
        got, raised = texts_of([*payloads(b"1,2\n"), failure], **options)
        assert got == ["1,2\n"]
        assert isinstance(raised, ServiceError)
        assert raised.message == "slow down"


@pytest.mark.parametrize("function", [iter_payload_text, iter_payload_lines, aiter_payload_text, aiter_payload_lines])
def test_payload_text_arguments(function):
    for encoding in ("no-such-encoding", "base64", "rot13"):
        with pytest.raises(LookupError):
            function([], encoding)
    text = r"^event_types must be a collection of event types, such as {'Records'}, not a str$"
    with pytest.raises(TypeError, match=text):
        function([], event_types="Records")


@each(("source", "name"), [(b"bytes", "int"), ([b"chunk"], "bytes"), ("text", "str"), ([None], "None")])
@pytest.mark.parametrize("function", [iter_payload_text, iter_payload_lines])
def test_payload_text_of_something_else(function, source, name):
    text = f"^messages must be messages, as from iter_messages, not {name}$"
    with pytest.raises(TypeError, match=text):
        list(function(source))
    twin = aiter_payload_text if function is iter_payload_text else aiter_payload_lines
    with pytest.raises(TypeError, match=text):
        asyncio.run(collect(twin(feeding(source))))
