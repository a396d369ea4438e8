"""smithy-aws-event-stream with and without the adapter: the same results and errors, beside what the adapter lists."""

from __future__ import annotations

import asyncio
import datetime
import inspect
import io
import pickle
import sys
import uuid
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from adapters.both import PLAIN_VALUES
from frames import (
    EMPTY_FRAME,
    EVENT_BLOCK,
    EVENT_FRAME,
    TEN_BLOCK,
    TEN_FRAME,
    TEN_TYPES,
    frame,
    header,
    prelude,
    sized,
    string,
)
from hypothesis import given
from hypothesis import strategies as st

if sys.version_info < (3, 12):
    pytest.skip("smithy-aws-event-stream needs Python 3.12", allow_module_level=True)
pytest.importorskip("smithy_aws_event_stream", reason="it is not installed: `make adapters` does it")

from smithy_aws_event_stream import events as library
from smithy_aws_event_stream import exceptions
from smithy_aws_event_stream.aio import AWSEventPublisher, AWSEventReceiver
from smithy_core.aio.eventstream import DuplexEventStream
from smithy_core.aio.types import AsyncBytesReader

from eventstream import EncodeError
from eventstream.adapters import smithy as adapter

CLASSES = (library.Event, library.EventMessage, library.EventHeaderEncoder, library.EventHeaderDecoder)
ORIGINAL = [dict(vars(class_)) for class_ in CLASSES]
ORIGINAL_STREAMS = DuplexEventStream.await_output, AWSEventReceiver.receive
UTC = datetime.timezone.utc


def is_original() -> bool:
    return (
        all(
            vars(class_)[name] is value
            for class_, attributes in zip(CLASSES, ORIGINAL, strict=True)
            for name, value in attributes.items()
        )
        and (DuplexEventStream.await_output, AWSEventReceiver.receive) == ORIGINAL_STREAMS
    )


class Source:
    """An asynchronous source of no kind that the library knows, which counts how it is read."""

    def __init__(self, data: bytes) -> None:
        self._read = io.BytesIO(data).read
        self.sizes: list[int] = []

    async def read(self, size: int = -1) -> bytes:
        self.sizes.append(size)
        return self._read(size)


async def chunks(data: bytes, length: int) -> Any:
    for position in range(0, len(data), length):
        yield data[position : position + length]


class Synchronous:
    """`decode_async` is `decode`, so that one reader serves both."""

    @staticmethod
    async def read(source: io.BytesIO) -> Any:
        return library.Event.decode(source)


# Decoding


async def _read(source: Any, decode: Any) -> tuple[list[Any], Any]:
    events: list[Any] = []
    try:
        while (event := await decode(source)) is not None:
            events.append(plain(event))
    except Exception as error:
        return events, (type(error), error.args)
    return events, None


def plain(event: Any) -> Any:
    assert type(event) is library.Event
    assert type(event.prelude) is library.EventPrelude
    assert type(event.message) is library.EventMessage
    assert type(event.message.payload) is bytes
    headers = event.message.headers
    return event.prelude, list(headers.items()), list(map(type, headers.values())), event.message.payload, event.crc


def read_ways(data: bytes) -> list[Any]:
    """Return what becomes of the data through each kind of source."""
    sources = [
        (io.BytesIO(data), Synchronous.read),
        (AsyncBytesReader(data), library.Event.decode_async),
        (AsyncBytesReader(chunks(data, 7 if len(data) < 1000 else 1 << 20)), library.Event.decode_async),
        (AsyncBytesReader(Source(data)), library.Event.decode_async),
        (Source(data), library.Event.decode_async),
    ]
    return [asyncio.run(_read(source, decode)) for source, decode in sources]


def read_installed(data: bytes) -> Any:
    """Return the same with the adapter: one outcome for all kinds."""
    with adapter.install():
        outcomes = read_ways(data)
    assert is_original()
    assert outcomes == [outcomes[0]] * len(outcomes)
    return outcomes[0]


@pytest.fixture
def asked(monkeypatch):
    """How often a reader was asked by its own `read`, which gives what is in this buffer."""
    found = SimpleNamespace(times=0, data=io.BytesIO(EVENT_FRAME))

    async def read(self: Any, size: int = -1) -> bytes:
        found.times += 1
        return found.data.read(size)

    monkeypatch.setattr(AsyncBytesReader, "read", read)
    return found


@pytest.mark.parametrize("make", [lambda: EVENT_FRAME, lambda: io.BytesIO(EVENT_FRAME), lambda: chunks(EVENT_FRAME, 7)])
def test_reader_of_the_library_is_bypassed(asked, make):
    with adapter.install():
        [event], error = asyncio.run(_read(AsyncBytesReader(make()), library.Event.decode_async))
    assert error is None
    assert event[3] == EVENT_FRAME[-33:-4]
    assert asked.times == 0


@pytest.mark.parametrize("missing", ["_data", "_read_from_iterable"])
def test_reader_of_another_make_is_asked(asked, missing, monkeypatch):
    reader = AsyncBytesReader(chunks(EVENT_FRAME, 7))
    monkeypatch.delattr(reader if missing == "_data" else AsyncBytesReader, missing)
    with adapter.install():
        [event], error = asyncio.run(_read(reader, library.Event.decode_async))
    assert error is None
    assert event[3] == EVENT_FRAME[-33:-4]
    assert asked.times == 3, "for the prelude, the rest, and once more"


LONGEST_BLOCK = b"".join(header(str(number), 6, sized(bytes(32_763))) for number in range(4))
assert len(LONGEST_BLOCK) == 131_072

VALID = {
    "nothing": b"",
    "empty": EMPTY_FRAME,
    "event": EVENT_FRAME,
    "ten types": TEN_FRAME,
    **{name: frame(header(name, type_, value), b"payload") for name, _, type_, value in TEN_TYPES},
    "no headers": frame(b"", b"{'foo':'bar'}"),
    "empty values": frame(string("s", "") + header("b", 6, sized(b""))),
    "values of 32,767 bytes": frame(string("s", b"x" * 32_767) + header("b", 6, sized(bytes(32_767)))),
    "the largest payload": frame(b"", bytes(16 << 20)),
    "the largest payload and headers": frame(LONGEST_BLOCK, bytes(16 << 20)),
    "several": EVENT_FRAME * 3 + TEN_FRAME + EMPTY_FRAME + EVENT_FRAME,
}
DOCUMENTED = {
    "headers too long": prelude(200_000, 131_073),
    "headers too long for the message": prelude(0x3D, 0xFF000102) + bytes(60),
    "payload too long": prelude((16 << 20) + 17, 0),
    "prelude's checksum": prelude(0x3D, 0xFF000102, crc=1) + bytes(60),
    "total 12": prelude(12, 0) + bytes(10),
    "message's checksum": frame(EVENT_BLOCK, b"payload", message_crc=1),
    "duplicate": frame(header("test", 4, b"asdf") * 2),
    "text too long": frame(string("s", b"x" * 32_768)),
    "text too long in bytes": frame(string("s", "ä".encode() * 16_384)),
    "bytes too long": frame(header("s", 6, sized(bytes(32_768)))),
    "text too long, and an unknown type": frame(string("s", b"x" * 40_000) + header("x", 10)),
    "text too long, and a duplicate": frame(string("s", b"x" * 40_000) * 2),
    "one byte": b"\0",
    "prelude cut": EMPTY_FRAME[:4],
    "prelude's checksum cut": EMPTY_FRAME[:10],
    "message's checksum missing": EMPTY_FRAME[:12],
    "message's checksum cut": EVENT_FRAME[:-1],
    "message cut": EVENT_FRAME[:-20],
}
STRICTER = {
    "headers 12, total 24": frame(header("x", 6, sized(b"123", 7)), headers_length=12),
    "name cut": frame(b"\x05abc"),
    "value cut": frame(header("x", 6, sized(b"abc", 100))),
    "integer cut": frame(header("x", 4, b"ab")),
    "uuid cut": frame(header("x", 9, b"ab")),
    "no name": frame(header("", 0)),
    "unknown type": frame(header("x", 10)),
    "no utf-8": frame(string("x", b"\xff")),
    "name no utf-8": frame(string(b"\xff", "x")),
    "year 10,000": frame(header("x", 8, (253_402_300_800_000).to_bytes(8, "big"))),
    "no year": frame(header("x", 8, b"\x7f" + b"\xff" * 7)),
}


@pytest.mark.parametrize("data", VALID.values(), ids=VALID)
def test_events_are_the_library_s(data):
    expected = read_ways(data)[0]
    assert expected[1] is None
    assert read_installed(data) == expected


@pytest.mark.parametrize("data", DOCUMENTED.values(), ids=DOCUMENTED)
def test_faults_are_the_library_s(data):
    expected = read_ways(EVENT_FRAME + data)[0]
    assert len(expected[0]) == 1
    assert issubclass(expected[1][0], exceptions.EventError)
    assert read_installed(EVENT_FRAME + data) == expected


@pytest.mark.parametrize("data", STRICTER.values(), ids=STRICTER)
def test_invalid_event_bytes_for_what_the_library_accepts(data):
    events, theirs = read_ways(EVENT_FRAME + data)[0]
    assert len(events) > 1 or not issubclass(theirs[0], exceptions.InvalidEventBytes)
    events, error = read_installed(EVENT_FRAME + data)
    assert len(events) == 1
    assert error[0] is exceptions.InvalidEventBytes


def test_reader_takes_no_more_than_the_message():
    source = Source(EVENT_FRAME + TEN_FRAME)
    with adapter.install():
        asyncio.run(library.Event.decode_async(source))
    assert source.sizes == [12, len(EVENT_FRAME) - 12]


def test_closed_reader_is_the_library_s_error():
    async def go() -> None:
        reader = AsyncBytesReader(EVENT_FRAME)
        await reader.close()
        with pytest.raises(ValueError, match="closed"):
            await library.Event.decode_async(reader)

    with adapter.install():
        asyncio.run(go())


def test_headers_can_be_changed():
    with adapter.install():
        source = io.BytesIO(EVENT_FRAME * 2)
        library.Event.decode(source).message.headers.clear()
        assert library.Event.decode(source).message.headers[":message-type"] == "event"


def test_decoded_event_is_like_one_that_is_made():
    with adapter.install():
        event = library.Event.decode(io.BytesIO(TEN_FRAME))
        made = library.Event(
            library.EventPrelude(**vars(event.prelude)), library.EventMessage(**vars(event.message)), event.crc
        )
        assert event == made
        assert repr(event) == repr(made)
        assert pickle.loads(pickle.dumps(event)) == made
        assert event.message.encode() == TEN_FRAME


def decoded_one_by_one(class_: Any, block: bytes) -> Any:
    headers = []
    try:
        for name, value in class_(block):
            headers.append((name, value, type(value)))
    except Exception as error:
        return headers, (type(error), error.args)
    return headers, None


def test_headers_one_by_one():
    for block in (TEN_BLOCK, EVENT_BLOCK, b"", memoryview(TEN_BLOCK)):
        assert decoded_one_by_one(adapter.EventHeaderDecoder, block) == (
            decoded_one_by_one(library.EventHeaderDecoder, block)
        )
        assert adapter.EventHeaderDecoder(block).decode_headers() == library.EventHeaderDecoder(block).decode_headers()
    with pytest.raises(exceptions.DuplicateHeader):
        adapter.EventHeaderDecoder(header("test", 0) * 2).decode_headers()
    with pytest.raises(exceptions.InvalidHeadersLength):
        adapter.EventHeaderDecoder(bytes(131_073))


@pytest.mark.parametrize("data", list(STRICTER.values())[1:], ids=list(STRICTER)[1:])
def test_faults_of_single_headers_come_after_those_before_them(data):
    block = data[12:-4]
    headers, theirs = decoded_one_by_one(library.EventHeaderDecoder, TEN_BLOCK + block)
    assert len(headers) > 10 or not issubclass(theirs[0], exceptions.EventError)
    headers, error = decoded_one_by_one(adapter.EventHeaderDecoder, TEN_BLOCK + block)
    assert len(headers) == 10
    assert error[0] is exceptions.InvalidEventBytes


# Encoding

values = st.one_of(
    PLAIN_VALUES,
    st.integers(-(2**31), 2**31 - 1),
    st.builds(library.Byte, st.integers(-128, 127)),
    st.builds(library.Short, st.integers(-(2**15), 2**15 - 1)),
    st.builds(library.Long, st.integers(-(2**63), 2**63 - 1)),
)


@given(st.dictionaries(st.text(min_size=1, max_size=20), values, max_size=8), st.binary(max_size=100))
def test_encoding_is_the_library_s_and_decodes_to_the_same(headers, payload):
    message = library.EventMessage(headers=headers, payload=payload)
    wire = message.encode()
    block = message._get_headers_bytes()
    expected = plain(library.Event.decode(io.BytesIO(wire)))
    with adapter.install():
        assert message.encode() == wire
        assert message._get_headers_bytes() == block
        assert plain(library.Event.decode(io.BytesIO(wire))) == expected


class Text(str):
    __slots__ = ()


class Number(int):
    __slots__ = ()


def test_subclasses():
    message = library.EventMessage(headers={"text": Text("x"), "number": Number(5), "bytes": b"x"}, payload=b"x")
    wire = message.encode()
    with adapter.install():
        assert message.encode() == wire


def error_of(module: Any, headers: Any) -> Exception | None:
    try:
        module.EventMessage(headers=headers).encode()
    except Exception as error:
        return error
    return None


REFUSED = {
    "float": {"x": 2.0},
    "bytearray": {"x": bytearray(b"x")},
    "none": {"x": None},
    "integer": {"x": 2**31},
    "byte": {"y": "", "x": library.Byte(128)},
    "short": {"x": library.Short(-(2**15) - 1)},
    "long": {"x": library.Long(2**63)},
    "text too long": {"a": "", "x": "a" * 32_768},
    "text too long in bytes": {"x": "ä" * 20_000},
    "bytes too long": {"x": bytes(32_768)},
    "headers too long": {str(n): bytes(30_000) for n in range(5)},
    "integer, and none": {"a": 2**40, "b": None},
    "none, and integer": {"a": None, "b": 2**40},
    "text too long, and none": {"a": "x" * 40_000, "b": None},
}


@pytest.mark.parametrize("headers", REFUSED.values(), ids=REFUSED)
def test_refusals_are_those_of_the_library(headers):
    with pytest.raises(exceptions.EventError) as theirs:
        library.EventMessage(headers=headers).encode()
    for encode in (adapter.EventMessage(headers=headers).encode, library.EventMessage(headers=headers).encode):
        with adapter.install(), pytest.raises(exceptions.EventError) as ours:
            encode()
        assert type(ours.value) is type(theirs.value)
        assert ours.value.args == theirs.value.args
        assert getattr(ours.value, "value", None) is getattr(theirs.value, "value", None)


def test_payload_that_has_become_too_long():
    for class_ in (library.EventMessage, adapter.EventMessage):
        message = class_()
        message.payload = bytes((16 << 20) + 1)
        with pytest.raises(exceptions.InvalidPayloadLength, match="16777217"):
            message.encode()


UNDOCUMENTED = [
    {"": "x"},
    {"x" * 256: "x"},
    {"\ud800": "x"},
    {"x": "\ud800"},
    {5: "x"},
    {"x": datetime.datetime(1, 1, 1)},
]


@pytest.mark.parametrize("headers", UNDOCUMENTED, ids=repr)
def test_event_error_for_what_the_library_accepts(headers):
    assert not isinstance(error_of(library, headers), exceptions.EventError)
    error = error_of(adapter, headers)
    assert type(error) is exceptions.EventError
    assert isinstance(error.__cause__, Exception)
    assert str(error) == str(error.__cause__)


@pytest.mark.parametrize("bad", [{"a": "\ud800"}, {"a" * 300: 1}])
def test_value_of_no_type_comes_before_undocumented_errors(bad):
    value = object()
    error = error_of(adapter, {**bad, "b": value})
    assert isinstance(error, exceptions.InvalidHeaderValue)
    assert error.value is value
    assert error.__cause__ is None


def test_documented_errors_have_ours_as_their_cause():
    error = error_of(adapter, {"x": bytes(32_768)})
    assert type(error) is exceptions.InvalidHeaderValueLength
    assert isinstance(error.__cause__, EncodeError)
    error = error_of(adapter, {"x": object()})
    assert type(error) is exceptions.InvalidHeaderValue
    assert error.__cause__ is None


def encoded_one_by_one(encoder: Any) -> bytes:
    encoder.encode_boolean("true", True)
    encoder.encode_byte("byte", 1)
    encoder.encode_short("short", 1)
    encoder.encode_integer("integer", 1)
    encoder.encode_long("long", 1)
    encoder.encode_blob("blob", b"x")
    encoder.encode_string("string", "x")
    encoder.encode_timestamp("timestamp", datetime.datetime(2026, 1, 2, tzinfo=UTC))
    encoder.encode_uuid("uuid", uuid.UUID(int=5))
    encoder.encode_headers({"more": "x", "and more": 5})
    return bytes(encoder.get_result())


def test_headers_encoded_one_by_one():
    encoder = adapter.EventHeaderEncoder()
    assert encoded_one_by_one(encoder) == encoded_one_by_one(library.EventHeaderEncoder())
    before = encoder.get_result()
    with pytest.raises(exceptions.DuplicateHeader, match="uuid"):
        encoder.encode_boolean("uuid", True)
    with pytest.raises(exceptions.DuplicateHeader, match="uuid"):
        encoder.encode_headers({"new": 1, "uuid": True})
    with pytest.raises(exceptions.DuplicateHeader, match="uuid"):
        encoder.encode_headers({"new": 1, "uuid": True, "last": None})
    with pytest.raises(exceptions.InvalidHeaderValueLength):
        encoder.encode_string("new", "x" * 32_768)
    for encode, name, value in (
        (encoder.encode_boolean, "", True),
        (encoder.encode_boolean, "x" * 256, True),
        (encoder.encode_string, "new", "\ud800"),
    ):
        with pytest.raises(exceptions.EventError) as raised:
            encode(name, value)
        assert str(raised.value) == str(raised.value.__cause__)
    assert encoder.get_result() == before
    with pytest.raises(exceptions.EventError) as raised:
        encoder.encode_timestamp("new", datetime.datetime(1, 1, 1))
    assert str(raised.value) == str(raised.value.__cause__)
    encoder.clear()
    assert encoder.get_result() == b""


def test_event_of_a_derived_class_is_made_by_it():
    @dataclass(frozen=True)
    class Counted(adapter.Event):
        seen: list[int] = field(default_factory=list)

    event = Counted.decode(io.BytesIO(EVENT_FRAME))
    assert event.seen == []
    assert event.message.payload == EVENT_FRAME[-33:-4]
    assert event == adapter.Event.decode(io.BytesIO(EVENT_FRAME))


# Installing


class Event:
    """An event that is its message, for the library's publisher."""

    def serialize(self, serializer: Any) -> None:
        serializer._result = library.EventMessage(headers={":event-type": "x", "n": 5}, payload=b"payload")


class Deserialized:
    value = None


class Writer:
    def __init__(self) -> None:
        self.written: list[bytes] = []

    async def write(self, data: bytes) -> None:
        self.written.append(data)


async def exchange() -> Any:
    """Return what a publisher writes, and what a receiver makes of it."""
    writer = Writer()
    publisher: Any = AWSEventPublisher(payload_codec=Codec(), async_writer=writer)
    for _ in range(3):
        await publisher.send(Event())
    await publisher.close()
    events = []
    receiver: Any = AWSEventReceiver(
        payload_codec=Codec(),
        source=AsyncBytesReader(chunks(b"".join(writer.written), 10)),
        deserializer=lambda deserializer: events.append(deserializer._event) or Deserialized(),
    )
    while await receiver.receive() is not None:
        pass
    return writer.written, events


class Codec:
    media_type = "application/json"


def test_publisher_and_receiver_are_the_same_when_installed(monkeypatch):
    used = []
    for name in ("encode", "decode"):
        original = getattr(adapter, name)
        monkeypatch.setattr(
            adapter, name, lambda *a, name=name, original=original, **k: used.append(name) or original(*a, **k)
        )
    expected = asyncio.run(exchange())
    assert not used
    with adapter.install():
        assert asyncio.run(exchange()) == expected
    assert used == ["encode"] * 3 + ["decode"] * 3
    assert len(expected[1]) == 3


def test_receiver_is_closed_by_a_fault():
    async def go() -> None:
        receiver: Any = AWSEventReceiver(
            payload_codec=Codec(),
            source=AsyncBytesReader(frame(header("x", 10))),
            deserializer=lambda deserializer: Deserialized(),
        )
        with pytest.raises(exceptions.InvalidEventBytes):
            await receiver.receive()
        assert receiver.closed
        assert await receiver.receive() is None

    with adapter.install():
        asyncio.run(go())


def test_install_and_uninstall():
    assert is_original()
    adapter.install()
    try:
        for class_, theirs in zip(CLASSES, ORIGINAL, strict=True):
            changed = {name for name, value in theirs.items() if vars(class_)[name] is not value}
            ours = vars(getattr(adapter, class_.__name__))
            assert changed
            assert all(vars(class_)[name] is ours[name] for name in changed)
    finally:
        adapter.uninstall()
    assert is_original()


def test_library_is_restored_after_an_error():
    def fail() -> None:
        with adapter.install():
            library.EventMessage(headers={"": ""}).encode()

    with pytest.raises(exceptions.EventError):
        fail()
    assert is_original()


def test_encoder_and_a_decoder_go_on_when_it_comes_and_goes():
    encoder, decoder = library.EventHeaderEncoder(), library.EventHeaderDecoder(TEN_BLOCK)
    encoder.encode_string("a", "x")
    headers = [next(decoder)]
    with adapter.install():
        encoder.encode_headers({"b": "x"})
        headers.append(next(decoder))
        with pytest.raises(exceptions.DuplicateHeader):
            encoder.encode_headers({"a": "x"})
    encoder.encode_string("c", "x")
    headers.extend(decoder)
    assert encoder.get_result() == b"".join(string(name, "x") for name in "abc")
    assert dict(headers) == library.EventHeaderDecoder(TEN_BLOCK).decode_headers()


def test_classes_of_the_adapter_need_no_installing():
    event = adapter.Event.decode(io.BytesIO(TEN_FRAME))
    theirs = library.Event.decode(io.BytesIO(TEN_FRAME))
    assert type(event) is adapter.Event
    assert event == theirs
    assert theirs == event
    assert event != "event"
    assert asyncio.run(adapter.Event.decode_async(AsyncBytesReader(TEN_FRAME))) == theirs
    assert adapter.EventMessage(**vars(event.message)).encode() == TEN_FRAME
    assert event != adapter.Event(event.prelude, event.message, event.crc + 1)


def test_public_names_are_those_of_the_library():
    public = {
        name
        for module in (library, exceptions)
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", module.__name__) == module.__name__
        if not inspect.ismodule(value)
    }
    assert public - set(adapter.__all__) == set()
    assert all(hasattr(adapter, name) for name in adapter.__all__)


# Complete streams


def duplex(publisher: Any, data: bytes) -> Any:
    """Return a bidirectional operation, as the library's clients make it, whose response has these bytes."""
    output: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    receiver: Any = AWSEventReceiver(
        payload_codec=Codec(), source=AsyncBytesReader(data), deserializer=lambda deserializer: Deserialized()
    )
    output.set_result(("the initial response", receiver))
    stream: Any = DuplexEventStream(input_stream=publisher, output_future=output)
    return stream


async def received(*, ended: bool, data: bytes = EVENT_FRAME * 2) -> tuple[int, Exception | None]:
    """Return the number of events of such an operation, and the error after them."""
    publisher: Any = AWSEventPublisher(payload_codec=Codec(), async_writer=Writer())
    stream = duplex(publisher, data)
    assert (await stream.await_output())[0] == "the initial response"
    if ended:
        await publisher.close()
    count = 0
    try:
        async for _ in stream.output_stream:
            count += 1
    except Exception as error:
        return count, error
    return count, None


def test_incomplete_stream_is_an_error_by_an_option():
    with adapter.install(complete=True):
        count, error = asyncio.run(received(ended=False))
        assert (count, type(error)) == (2, exceptions.EventError)
        assert str(error) == "the response ended before the client had closed its event stream"
        assert asyncio.run(received(ended=True)) == (2, None)
        adapter.install()  # which changes nothing
        assert asyncio.run(received(ended=False, data=b""))[0] == 0
        assert asyncio.run(received(ended=False, data=b""))[1] is not None
        adapter.install(complete=False)
        assert asyncio.run(received(ended=False)) == (2, None)
    assert is_original()
    with adapter.install():
        assert asyncio.run(received(ended=False)) == (2, None)
    assert asyncio.run(received(ended=False)) == (2, None)


def test_incomplete_stream_that_the_caller_closed_is_no_error():
    async def go() -> None:
        publisher: Any = AWSEventPublisher(payload_codec=Codec(), async_writer=Writer())
        stream = duplex(publisher, EVENT_FRAME)
        _, receiver = await stream.await_output()
        await receiver.close()
        assert await receiver.receive() is None

    with adapter.install(complete=True):
        asyncio.run(go())


def test_operation_without_an_output_stream_is_left_as_it_is():
    async def go() -> None:
        output: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        output.set_result(("the initial response", None))
        publisher: Any = AWSEventPublisher(payload_codec=Codec(), async_writer=Writer())
        stream: Any = DuplexEventStream(input_stream=publisher, output_future=output)
        assert await stream.await_output() == ("the initial response", None)

    with adapter.install(complete=True):
        asyncio.run(go())


def test_incomplete_stream_without_input_is_not_known():
    async def go() -> None:
        receiver: Any = AWSEventReceiver(
            payload_codec=Codec(), source=AsyncBytesReader(EVENT_FRAME), deserializer=lambda _: Deserialized()
        )
        assert await receiver.receive() is not None
        assert await receiver.receive() is None

    with adapter.install(complete=True):
        asyncio.run(go())
