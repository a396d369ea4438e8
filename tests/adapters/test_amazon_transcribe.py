"""amazon-transcribe with and without the adapter: the same results and errors, beside what the adapter lists."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import datetime
import inspect
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import ANY

import pytest
from adapters.both import PLAIN_VALUES
from frames import (
    EMPTY_FRAME,
    EVENT_BLOCK,
    EVENT_FRAME,
    TEN_BLOCK,
    TEN_FRAME,
    TEN_TYPES,
    byte_by_byte,
    frame,
    header,
    prelude,
    sized,
    string,
    two_way_splits,
    type_name,
)
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("amazon_transcribe", reason="amazon-transcribe is not installed: `make adapters` does it")

from amazon_transcribe import client as client_module
from amazon_transcribe import eventstream as library
from amazon_transcribe.auth import StaticCredentialResolver
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.deserialize import TranscribeStreamingEventParser
from amazon_transcribe.model import AudioStream, StartStreamTranscriptionEventStream, TranscriptResultStream
from amazon_transcribe.serialize import AudioEventSerializer
from amazon_transcribe.structures import BufferableByteStream

from eventstream import EncodeError, IncompleteStream
from eventstream.adapters import amazon_transcribe as adapter

ORIGINAL = dict(vars(library))
ORIGINAL_EVENTS = library.EventStream._create_raw_event_generator
ORIGINAL_START = StartStreamTranscriptionEventStream.__init__
CREDENTIALS = StaticCredentialResolver("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
UTC = datetime.timezone.utc


def is_original() -> bool:
    return (
        all(value is ORIGINAL[name] for name, value in vars(library).items())
        and client_module.EventSigner is ORIGINAL["EventSigner"]
        and client_module.EventStreamMessageSerializer is ORIGINAL["EventStreamMessageSerializer"]
        and library.EventStream._create_raw_event_generator is ORIGINAL_EVENTS
        and StartStreamTranscriptionEventStream.__init__ is ORIGINAL_START
    )


# Decoding


def read(module: Any, pieces: list[bytes]) -> tuple[list[Any], Any]:
    """Return what a buffer makes of the pieces: messages as plain values, and the error's class and arguments."""
    buffer = module.EventStreamBuffer()
    messages: list[Any] = []
    try:
        for piece in pieces:
            buffer.add_data(piece)
            messages.extend(map(plain, buffer))
    except Exception as error:
        return messages, (type(error), error.args)
    return messages, None


def plain(message: Any) -> Any:
    assert type(message) is library.EventStreamMessage
    assert type(message.prelude) is library.MessagePrelude
    assert type(message.payload) is bytes
    types = {name: type(value) for name, value in message.headers.items()}
    return vars(message.prelude), list(message.headers.items()), types, message.payload, message.crc


LONGEST_BLOCK = b"".join(header(str(number), 6, sized(bytes(32_763))) for number in range(4))
assert len(LONGEST_BLOCK) == 131_072

VALID = {
    "empty": EMPTY_FRAME,
    "event": EVENT_FRAME,
    "ten types": TEN_FRAME,
    **{name: frame(header(name, type_, value), b"payload") for name, _, type_, value in TEN_TYPES},
    "no headers": frame(b"", b"{'foo':'bar'}"),
    "empty values": frame(string("s", "") + header("b", 6, sized(b""))),
    "value over 32,767 bytes": frame(string("s", b"x" * 65_535)),
    "the largest payload": frame(b"", bytes(16 << 20)),
    "the largest payload and headers": frame(LONGEST_BLOCK, bytes(16 << 20)),
    "several": EVENT_FRAME * 3 + TEN_FRAME + EMPTY_FRAME + EVENT_FRAME,
}
DOCUMENTED = {
    "headers too long": prelude(200_000, 131_073) + bytes(100),
    "headers too long, checksum wrong": prelude(0x3D, 0xFF000102, crc=1) + bytes(60),
    "headers too long for the message": prelude(0x3D, 0xFF000102) + bytes(60),
    "payload too long": prelude((16 << 20) + 17, 0),
    "payload too long, checksum wrong": prelude(0x0100001D, 0, crc=1) + bytes(20),
    "prelude's checksum": prelude(29, 0, crc=1) + bytes(17),
    "message's checksum": frame(EVENT_BLOCK, b"payload", message_crc=1),
    "duplicate": frame(header("test", 4, b"asdf") * 2),
}
STRICTER = {
    "total 12": prelude(12, 0),
    "headers 12, total 24": frame(header("x", 6, sized(b"123", 7)), headers_length=12),
    "name cut": frame(b"\x05abc"),
    "value cut": frame(header("x", 6, sized(b"abc", 100))),
    "integer cut": frame(header("x", 4, b"ab")),
    "uuid cut": frame(header("x", 9, b"ab")),
    "no name": frame(header("", 0)),
    "unknown type": frame(header("x", 10)),
    "no utf-8": frame(string("x", b"\xff")),
    "name no utf-8": frame(string(b"\xff", "x")),
}


@pytest.mark.parametrize("data", VALID.values(), ids=VALID)
def test_messages_are_the_library_s(data):
    expected = read(library, [data])
    assert expected[1] is None
    assert expected[0]
    assert read(adapter, [data]) == expected
    if len(data) < 1000:
        assert read(adapter, byte_by_byte(data)) == expected
        assert all(read(adapter, pieces) == expected for pieces in two_way_splits(data))


@pytest.mark.parametrize("data", DOCUMENTED.values(), ids=DOCUMENTED)
def test_faults_are_the_library_s(data):
    data = EVENT_FRAME + data
    expected = read(library, [data])
    assert len(expected[0]) == 1
    assert issubclass(expected[1][0], library.ParserError)
    assert read(adapter, [data]) == expected
    assert read(adapter, byte_by_byte(data)) == expected
    assert all(read(adapter, pieces) == expected for pieces in two_way_splits(data))


@pytest.mark.parametrize("data", STRICTER.values(), ids=STRICTER)
def test_parser_error_for_what_the_library_accepts(data):
    _, theirs = read(library, [EVENT_FRAME + data, EVENT_FRAME])
    assert theirs is None or not issubclass(theirs[0], library.ParserError)
    for pieces in ([EVENT_FRAME + data], byte_by_byte(EVENT_FRAME + data)):
        messages, error = read(adapter, pieces)
        assert len(messages) == 1
        assert error[0] is library.ParserError


def test_buffer_is_dead_after_a_fault():
    buffer = adapter.EventStreamBuffer()
    buffer.add_data(EVENT_FRAME + prelude(0x3D, 0xFF000102, crc=1))
    assert buffer.next().payload
    errors = []
    for _ in range(3):
        with pytest.raises(library.InvalidHeadersLength) as raised:
            next(buffer)
        errors.append(raised.value.args)
        buffer.add_data(EVENT_FRAME)
    assert errors == [errors[0]] * 3
    with pytest.raises(library.InvalidHeadersLength):
        buffer.close()


def test_buffer_takes_nothing_after_the_end():
    buffer = adapter.EventStreamBuffer()
    buffer.add_data(EVENT_FRAME)
    buffer.close()
    with pytest.raises(library.ParserError, match="after close"):
        buffer.add_data(EVENT_FRAME)
    assert len(list(buffer)) == 1


def test_messages_that_are_not_yet_taken_wait():
    buffer = adapter.EventStreamBuffer()
    for piece in byte_by_byte(EVENT_FRAME * 2 + prelude(29, 0, crc=1)):
        buffer.add_data(piece)
    assert [next(buffer).payload, next(buffer).payload] == [EVENT_FRAME[-33:-4]] * 2
    with pytest.raises(library.ChecksumMismatch):
        next(buffer)


def test_delivered_messages_are_not_kept():
    buffer = adapter.EventStreamBuffer()
    for piece in byte_by_byte(EVENT_FRAME * 5):
        buffer.add_data(piece)
        list(buffer)
    assert len(buffer._added) <= len(EVENT_FRAME)
    for _ in range(5):
        buffer.add_data(EVENT_FRAME)
        next(buffer)
    assert len(buffer._added) <= len(EVENT_FRAME)


@pytest.mark.parametrize("total", [16 << 20, 0xFFFFFFFF], ids=["unfinished", "faulty"])
def test_prelude_of_an_unfinished_or_faulty_message_is_kept(total):
    buffer = adapter.EventStreamBuffer()
    buffer.add_data(EVENT_FRAME + prelude(total, 0))
    for _ in range(500):
        with contextlib.suppress(library.ParserError):
            list(buffer)
        buffer.add_data(bytes(100))
    assert len(buffer._added) <= 12 + 100


@pytest.mark.parametrize("data", DOCUMENTED.values(), ids=DOCUMENTED)
@pytest.mark.parametrize("size", [1, 5, 12, 50, len(EVENT_FRAME), 100])
def test_faults_after_messages_taken_one_by_one(data, size):
    """At most one is taken after each piece, so that pieces wait, and a message begins in any of them."""
    stream = EVENT_FRAME + TEN_FRAME + EVENT_FRAME * 2 + data
    outcomes = []
    for module in (library, adapter):
        buffer = module.EventStreamBuffer()
        taken = []
        for start in range(0, len(stream), size):
            buffer.add_data(stream[start : start + size])
            with contextlib.suppress(StopIteration, library.ParserError):
                taken.append(plain(next(buffer)))
        with pytest.raises(library.ParserError) as raised:
            taken.extend(map(plain, buffer))
        outcomes.append((taken, type(raised.value), raised.value.args))
    assert outcomes[1] == outcomes[0]


def test_buffer_takes_nothing_where_memory_ends():
    class Short:
        offset = buffered = 0

        def feed(self, _):
            raise MemoryError

    buffer = adapter.EventStreamBuffer()
    decoder, buffer._decoder = buffer._decoder, Short()
    with pytest.raises(MemoryError):
        buffer.add_data(EVENT_FRAME)
    assert not buffer._added
    buffer._decoder = decoder
    buffer.add_data(EVENT_FRAME)
    assert len(list(buffer)) == 1


def test_message_comes_again_after_a_memory_error(monkeypatch):
    buffer = adapter.EventStreamBuffer()
    buffer.add_data(EVENT_FRAME + TEN_FRAME + EMPTY_FRAME)
    assert next(buffer).headers[":message-type"] == "event"

    def short(*_):
        raise MemoryError

    monkeypatch.setattr(adapter, "EventStreamMessage", short)
    for _ in range(2):
        with pytest.raises(MemoryError):
            next(buffer)
    monkeypatch.undo()
    buffer.add_data(EMPTY_FRAME)
    assert [len(message.headers) for message in buffer] == [10, 0, 0]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_buffer_is_not_copied(copied):
    with pytest.raises(TypeError, match=r"^an EventStreamBuffer cannot be copied or pickled$"):
        copied(adapter.EventStreamBuffer())


def test_headers_can_be_changed():
    buffer = adapter.EventStreamBuffer()
    buffer.add_data(EVENT_FRAME * 2)
    first = next(buffer)
    first.headers.clear()
    assert next(buffer).headers[":message-type"] == "event"


@pytest.mark.parametrize(
    "data", [bytearray(EVENT_FRAME), memoryview(EVENT_FRAME)], ids=lambda data: type(data).__name__
)
def test_buffers_that_the_library_takes(data):
    assert read(adapter, [data]) == read(library, [data])


@pytest.mark.parametrize("data", ["text", None, 5])
def test_data_that_is_not_bytes_is_refused_at_once(data):
    for module in (library, adapter):
        with pytest.raises(TypeError):
            module.EventStreamBuffer().add_data(data)


def test_header_parser():
    ours, theirs = adapter.EventStreamHeaderParser(), library.EventStreamHeaderParser()
    for block in (TEN_BLOCK, EVENT_BLOCK, b"", string("x", b"y" * 65_535) + string("y", b"x" * 65_535) + TEN_BLOCK):
        headers = ours.parse(block)
        assert list(headers.items()) == list(theirs.parse(block).items())
        assert list(map(type, headers.values())) == list(map(type, theirs.parse(block).values()))
    with pytest.raises(library.DuplicateHeader, match='"test"'):
        ours.parse(header("test", 0) * 2)
    with pytest.raises(library.ParserError):
        ours.parse(b"\x05abc")


class Response:
    """The body of a response."""

    def __init__(self, *chunks: bytes) -> None:
        self._chunks = chunks

    async def chunks(self) -> Any:
        for chunk in self._chunks:
            yield chunk


def collect(stream: Any) -> tuple[list[Any], Any]:
    events = []

    async def go() -> None:
        async for event in stream:
            events.append(event)  # noqa: PERF401

    try:
        asyncio.run(go())
    except Exception as error:
        return events, error
    return events, None


class Messages:
    """A parser that parses nothing."""

    def parse(self, message: Any) -> Any:
        return message


def test_stream_of_events():
    for class_ in (adapter.EventStream, library.EventStream):
        events, error = collect(class_(Response(EVENT_FRAME[:20], EVENT_FRAME[20:] + EVENT_FRAME, b""), Messages()))
        assert error is None
        assert [event.payload for event in events] == [EVENT_FRAME[-33:-4]] * 2


def test_truncation_is_an_error_after_the_last_event():
    events, error = collect(library.EventStream(Response(EVENT_FRAME + EVENT_FRAME[:-1]), Messages()))
    assert (len(events), error) == (1, None)
    events, error = collect(adapter.EventStream(Response(EVENT_FRAME + EVENT_FRAME[:-1]), Messages()))
    assert len(events) == 1
    assert type(error) is library.ParserError


# Complete streams


class Answer:
    """A response, whose body is a stream of results."""

    def __init__(self, *chunks: bytes) -> None:
        self.transcript_result_stream = TranscriptResultStream(Response(*chunks), TranscribeStreamingEventParser())


def exchange_that(audio: str, *, complete: bool) -> tuple[list[Any], Any]:
    """Return the results of a stream whose audio is in this state when the response ends, and its error."""
    body = BufferableByteStream()
    with adapter.install(complete=complete):
        stream = StartStreamTranscriptionEventStream(AudioStream(body), Answer(EVENT_FRAME, EVENT_FRAME))
        if audio != "not begun":
            body.write(b"audio")
            if audio != "not sent":
                body.read()
            if audio != "not ended":
                body.end_stream()
        return collect(stream.output_stream)


@pytest.mark.parametrize("audio", ["not begun", "not sent", "not ended", "sent"])
def test_incomplete_stream_is_an_error_by_an_option(audio):
    received, error = exchange_that(audio, complete=True)
    assert len(received) == 2
    if audio == "sent":
        assert error is None
    else:
        assert type(error) is library.ParserError
        assert str(error) == "the response ended before all audio and its end were sent (at byte 260)"
        assert type(error.__cause__) is IncompleteStream
        assert error.__cause__.offset == 2 * len(EVENT_FRAME)
    assert exchange_that(audio, complete=False) == (ANY, None)


def test_incomplete_stream_option_lasts_until_it_is_changed():
    with adapter.install(complete=True):
        adapter.install()
        received, error = collect(StartStreamTranscriptionEventStream(AudioStream(), Answer(EVENT_FRAME)).output_stream)
        assert (len(received), type(error)) == (1, library.ParserError)
        received, error = collect(Answer(EVENT_FRAME).transcript_result_stream)  # of which no audio is known
        assert (len(received), error) == (1, None)
    with adapter.install():
        _, error = collect(StartStreamTranscriptionEventStream(AudioStream(), Answer(EVENT_FRAME)).output_stream)
        assert error is None
    assert is_original()


# Encoding

values = st.one_of(
    PLAIN_VALUES,
    st.integers(-(2**31), 2**31 - 1),
    st.builds(library.Int8HeaderValue, st.integers(-128, 127)),
    st.builds(library.Int16HeaderValue, st.integers(-(2**15), 2**15 - 1)),
    st.builds(library.Int32HeaderValue, st.integers(-(2**31), 2**31 - 1)),
    st.builds(library.Int64HeaderValue, st.integers(-(2**63), 2**63 - 1)),
)
headers = st.dictionaries(st.text(min_size=1, max_size=20), values, max_size=8)


@given(headers, st.binary(max_size=100))
def test_encoding_is_the_library_s_and_decodes_to_the_same(headers, payload):
    wire = library.EventStreamMessageSerializer().serialize(headers, payload)
    ours = adapter.EventStreamMessageSerializer()
    assert ours.serialize(headers, payload) == wire
    assert ours.encode_headers(headers) == library.EventStreamMessageSerializer().encode_headers(headers)
    assert read(adapter, [wire]) == read(library, [wire])


class Text(str):
    __slots__ = ()


class Number(int):
    __slots__ = ()


def test_subclasses_and_the_default_type_of_integers():
    class Theirs(library.EventStreamMessageSerializer):
        DEFAULT_INT_TYPE = library.Int64HeaderValue

    class Ours(adapter.EventStreamMessageSerializer):
        DEFAULT_INT_TYPE = library.Int64HeaderValue

    values = {"text": Text("x"), "number": Number(5), "byte": adapter.Byte(3), "bool": library.Int32HeaderValue(True)}
    assert Ours().serialize(values, bytearray(b"x")) == Theirs().serialize(values, bytearray(b"x"))


def error_of(module: Any, headers: Any) -> Exception | None:
    try:
        module.EventStreamMessageSerializer().serialize(headers, b"")
    except Exception as error:
        return error
    return None


REFUSED = {
    "float": ({"x": 2.0}, b""),
    "bytearray": ({"x": bytearray(b"x")}, b""),
    "none": ({"x": None}, b""),
    "text too long": ({"a": "", "x": "a" * 32_768}, b""),
    "text too long in bytes": ({"x": "ä" * 20_000}, b""),
    "bytes too long": ({"x": bytes(32_768)}, b""),
    "headers too long": ({str(n): bytes(30_000) for n in range(5)}, b""),
    "payload too long": ({}, bytes((16 << 20) + 1)),
    "headers one byte too long": ({**{str(n): bytes(32_767) for n in range(3)}, "x": bytes(32_752)}, b""),
    "payload too long, and a float": ({"x": 2.0}, bytes((16 << 20) + 1)),
    "text too long, and none": ({"a": "x" * 40_000, "b": None}, b""),
    "none, and text too long": ({"b": None, "a": "x" * 40_000}, b""),
    "text too long, and a name that is none": ({"a": "x" * 40_000, "": "x"}, b""),
}


@pytest.mark.parametrize(("headers", "payload"), REFUSED.values(), ids=REFUSED)
def test_refusals_are_those_of_the_library(headers, payload):
    with pytest.raises(library.SerializationError) as theirs:
        library.EventStreamMessageSerializer().serialize(headers, payload)
    with pytest.raises(library.SerializationError) as ours:
        adapter.EventStreamMessageSerializer().serialize(headers, payload)
    assert type(ours.value) is type(theirs.value)
    assert ours.value.args == theirs.value.args
    assert getattr(ours.value, "value", None) is getattr(theirs.value, "value", None)


def test_payload_that_is_longer_than_its_len():
    with pytest.raises(library.PayloadBytesExceedMaxLength, match=str(26 << 20)):
        adapter.EventStreamMessageSerializer().serialize({}, memoryview(bytes(26 << 20)).cast("I"))


def test_headers_as_long_as_they_may_be():
    headers = {**{str(n): bytes(32_767) for n in range(3)}, "x": bytes(32_751)}
    wire = adapter.EventStreamMessageSerializer().serialize(headers, b"x")
    assert wire == library.EventStreamMessageSerializer().serialize(headers, b"x")


def test_payload_as_long_as_it_may_be():
    payload = bytes(16 << 20)
    wire = adapter.EventStreamMessageSerializer().serialize({"x": 1}, payload)
    assert wire == library.EventStreamMessageSerializer().serialize({"x": 1}, payload)


def test_value_as_long_as_it_may_be_is_not_what_is_wrong():
    for value in (bytes(32_767), "x" * 32_767):
        assert type(error_of(adapter, {"value": value, "": "x"})) is library.SerializationError


def test_headers_alone_have_no_limit():
    block = {str(n): bytes(30_000) for n in range(5)}
    assert adapter.EventStreamMessageSerializer().encode_headers(block) == (
        library.EventStreamMessageSerializer().encode_headers(block)
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"": "x"},
        {"x" * 256: "x"},
        {"\ud800": "x"},
        {"x": "\ud800"},
        {5: "x"},
        {"x": 2**31},
        {"x": library.Int8HeaderValue(128)},
        {"x": library.Int64HeaderValue(2**63)},
        {"x": library.Int32HeaderValue("5")},
        {"x": datetime.datetime(1, 1, 1)},
    ],
    ids=type_name,
)
def test_serialization_error_for_what_the_library_accepts(headers):
    error = error_of(adapter, headers)
    assert type(error) is library.SerializationError
    assert isinstance(error.__cause__, Exception)
    assert str(error) == str(error.__cause__)
    assert not isinstance(error_of(library, headers), library.SerializationError)


@pytest.mark.parametrize("bad", [{"a": "\ud800"}, {"a" * 300: 1}])
def test_value_of_no_type_comes_before_undocumented_errors(bad):
    value = object()
    error = error_of(adapter, {**bad, "b": value})
    assert isinstance(error, library.InvalidHeaderValue)
    assert error.value is value
    assert error.__cause__ is None


def test_documented_errors_have_ours_as_their_cause():
    error = error_of(adapter, {"x": bytes(32_768)})
    assert type(error) is library.HeaderValueBytesExceedMaxLength
    assert isinstance(error.__cause__, EncodeError)
    error = error_of(adapter, {"x": object()})
    assert type(error) is library.InvalidHeaderValue
    assert error.__cause__ is None


# Signing


@given(
    # A float of seconds, of which the library takes milliseconds, is exact enough until 2242.
    st.datetimes(datetime.datetime(1970, 1, 2), datetime.datetime(2242, 1, 1), timezones=st.just(UTC)),
    st.binary(max_size=100),
    st.binary(max_size=40),
    st.text(st.characters(codec="utf-8"), max_size=20),
)
def test_signatures_are_the_library_s(now, payload, prior, secret):
    credentials = StaticCredentialResolver("AKIDEXAMPLE", secret)
    expected = library.EventSigner("transcribe", "us-east-1", lambda: now).sign(payload, prior, credentials)
    assert adapter.EventSigner("transcribe", "us-east-1", lambda: now).sign(payload, prior, credentials) == expected


def test_published_signature():
    signer = adapter.EventSigner(
        "signing-name", "region-name", utc_now=lambda: datetime.datetime(2020, 7, 23, 22, 39, 55, 29_943, UTC)
    )
    signed = signer.sign(b"message", b"prior", StaticCredentialResolver("foo", "bar"))
    assert signed[":chunk-signature"].hex() == "0ef56ebf8c570b3ef3dc9f41995ed137cd869cdba05918882b9b10707b6e2465"
    assert signed[":date"] == datetime.datetime(2020, 7, 23, 22, 39, 55, 29_943, UTC)


def test_clock_of_another_zone_signs_the_same_moment():
    now = datetime.datetime(2020, 7, 23, 22, 39, 55, 29_943, UTC)
    there = now.astimezone(datetime.timezone(datetime.timedelta(hours=5)))
    expected = library.EventSigner("s", "r", lambda: now).sign(b"x", b"prior", CREDENTIALS)
    assert adapter.EventSigner("s", "r", lambda: there).sign(b"x", b"prior", CREDENTIALS) == expected


def test_signer_serves_several_threads():
    moments = [datetime.datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC) for second in range(20)]
    payloads = [bytes([number]) * 5000 for number in range(200)]

    def sign(class_: Any) -> Any:
        def one(number: int) -> Any:
            return signers[number % 20].sign(payloads[number], bytes([number % 7]), CREDENTIALS)

        signers = [class_("transcribe", "us-east-1", lambda moment=moment: moment) for moment in moments]
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(one, range(200)))

    assert sign(adapter.EventSigner) == sign(library.EventSigner)


def test_default_clock_is_now():
    before = datetime.datetime.now(UTC)
    signed = adapter.EventSigner("transcribe", "us-east-1").sign(b"", b"prior", CREDENTIALS)
    assert before <= signed[":date"] <= datetime.datetime.now(UTC)


# Installing


def send(chunks: list[bytes]) -> list[bytes]:
    """Return what a stream of audio writes, with a clock that goes on by a tenth of a second each time."""
    now = datetime.datetime(2026, 2, 3, 23, 59, 58, 123_456, UTC)

    def clock() -> datetime.datetime:
        nonlocal now
        now += datetime.timedelta(seconds=0.1)
        return now

    written: list[bytes] = []

    class Body(BufferableByteStream):
        def write(self, b: bytes) -> int:
            written.append(b)
            return len(b)

    async def go() -> None:
        stream = AudioStream(
            Body(),
            AudioEventSerializer(),
            client_module.EventStreamMessageSerializer(),
            client_module.EventSigner("transcribe", "us-east-1", clock),
            bytes(32),
            CREDENTIALS,
        )
        for chunk in chunks:
            await stream.send_audio_event(chunk)
        await stream.end_stream()

    asyncio.run(go())
    return written


def test_whole_exchange_is_the_same_when_installed(monkeypatch):
    used = []
    monkeypatch.setattr(
        adapter, "encode", lambda *a, encode=adapter.encode, **k: used.append("encode") or encode(*a, **k)
    )
    monkeypatch.setattr(adapter, "Decoder", lambda *a, new=adapter.Decoder, **k: used.append("Decoder") or new(*a, **k))
    chunks = [bytes(3200), b"", *[bytes([n]) * 100 for n in range(30)]]
    sent = send(chunks)
    response = Response(EVENT_FRAME[:20], EVENT_FRAME[20:], EVENT_FRAME)
    received, _ = collect(TranscriptResultStream(response, TranscribeStreamingEventParser()))
    assert not used
    with adapter.install():
        assert send(chunks) == sent
        assert used == ["encode"] * (2 * len(chunks) + 1)
        again, error = collect(TranscriptResultStream(response, TranscribeStreamingEventParser()))
        assert used[-1] == "Decoder"
    assert error is None
    assert [vars(event.transcript) for event in again] == [vars(event.transcript) for event in received]
    assert len(received) == 2


def test_install_replaces_names_and_uninstall_restores_them():
    assert is_original()
    adapter.install()
    try:
        for name in ("EventStreamBuffer", "EventStreamHeaderParser", "EventStreamMessageSerializer", "EventSigner"):
            assert getattr(library, name) is getattr(adapter, name)
        assert client_module.EventSigner is adapter.EventSigner
        assert client_module.EventStreamMessageSerializer is adapter.EventStreamMessageSerializer
        client = TranscribeStreamingClient(region="us-east-1", credential_resolver=CREDENTIALS)
        assert type(client._event_signer) is adapter.EventSigner
    finally:
        adapter.uninstall()
    assert is_original()


def test_library_is_restored_after_an_error():
    def fail() -> None:
        with adapter.install():
            library.EventStreamMessageSerializer().serialize({"": ""}, b"")

    with pytest.raises(library.SerializationError):
        fail()
    assert is_original()


def test_objects_made_while_installed_keep_working():
    with adapter.install():
        buffer = library.EventStreamBuffer()
        buffer.add_data(EVENT_FRAME[:30])
        assert list(buffer) == []
    buffer.add_data(EVENT_FRAME[30:])
    assert len(list(buffer)) == 1


def test_public_names_are_those_of_the_library():
    public = {
        name
        for name, value in vars(library).items()
        if not name.startswith("_") and getattr(value, "__module__", library.__name__) == library.__name__
        if not inspect.ismodule(value)
    }
    assert public - set(adapter.__all__) == set()
    assert all(hasattr(adapter, name) for name in adapter.__all__)
    assert {"HEADER_VALUE", "HEADER_SERIALIZATION_VALUE", "HEADERS_SERIALIZATION_DICT"} < set(adapter.__all__)
