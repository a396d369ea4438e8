"""The adapter for botocore against botocore: the same messages and the same errors, except where the adapter says."""

from __future__ import annotations

import asyncio
import copy
import pickle
import struct
import sys
import types

import frames
import pytest
from cases import each

pytest.importorskip("botocore", reason="botocore is not installed")

import botocore.eventstream as theirs
import botocore.loaders
import botocore.parsers
from botocore.exceptions import EventStreamError
from botocore.model import ServiceModel

import eventstream
from eventstream import wire as format_
from eventstream.adapters import botocore as ours

MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def _as_it_was():
    before = theirs.EventStreamBuffer, vars(theirs.EventStream)["_create_raw_event_generator"]
    yield
    ours.uninstall()
    assert (theirs.EventStreamBuffer, vars(theirs.EventStream)["_create_raw_event_generator"]) == before


def seen(message):
    """All that a message shows, and the types of its header values."""
    prelude = message.prelude
    return {
        "prelude": (prelude.total_length, prelude.headers_length, prelude.crc, prelude.payload_length),
        "headers": message.headers,
        "types": [type(value) for value in message.headers.values()],
        "payload": (type(message.payload), message.payload),
        "crc": message.crc,
        "response": message.to_response_dict(),
        "status": message.to_response_dict(206)["status_code"],
    }


def read(module, pieces):
    """Return what a buffer gives for the pieces: messages, then the error if there is one."""
    buffer = module.EventStreamBuffer()
    messages = []
    try:
        for piece in pieces:
            buffer.add_data(piece)
            messages.extend(seen(message) for message in buffer)
    except theirs.ParserError as error:
        return messages, error
    return messages, None


def messages_of(pieces):
    """Return the messages, which are the same as botocore's."""
    messages, error = read(ours, pieces)
    assert error is None
    assert (messages, None) == read(theirs, pieces)
    return messages


def typed(message_type, **headers):
    return b"".join(
        frames.string(":" + name.replace("_", "-"), value)
        for name, value in {"message-type": message_type, **headers}.items()
    )


VALID = {
    "empty": frames.EMPTY_FRAME,
    "ten types": frames.TEN_FRAME,
    "event": frames.EVENT_FRAME,
    "error": frames.frame(typed("error", error_code="Broken", error_message="It is")),
    "exception": frames.frame(typed("exception", exception_type="Broken"), b'{"Message":"It is"}'),
    "no message type": frames.TAIL_FRAME,
}


def test_names_are_botocore_s():
    imported = {"crc32", "unpack"}
    own = {"LAST_EVENTS", "install", "uninstall"}
    assert {name for name in vars(theirs) if not name.startswith("_")} - imported == set(ours.__all__) - own
    for name in ours.__all__:
        if name not in own | {"EventStream", "EventStreamBuffer"}:
            assert getattr(ours, name) is getattr(theirs, name)


@each("wire", VALID.values(), ids=VALID)
def test_messages_are_botocore_s_at_every_split(wire):
    for pieces in frames.two_way_splits(wire):
        assert len(messages_of(pieces)) == 1
    assert len(messages_of(frames.byte_by_byte(wire))) == 1
    assert len(messages_of([wire * 3])) == 3


def test_header_values_are_plain():
    [message] = messages_of([frames.TEN_FRAME])
    assert message["types"] == [bool, bool, int, int, int, int, bytes, str, int, bytes]
    assert message["headers"]["timestamp"] == 1_700_000_000_123
    assert message["headers"]["uuid"] == bytes.fromhex("00112233445566778899aabbccddeeff")


def test_message_is_botocore_s_own_kind():
    buffer = ours.EventStreamBuffer()
    buffer.add_data(frames.EVENT_FRAME)
    message = next(buffer)
    assert isinstance(message, theirs.EventStreamMessage)
    assert message.crc == struct.unpack(">I", frames.EVENT_FRAME[-4:])[0]
    assert message.prelude is message.prelude
    assert isinstance(message.prelude, theirs.MessagePrelude)
    message.headers = {"other": 1}
    message.payload = b"other"
    assert message.to_response_dict() == {"status_code": 200, "headers": {"other": 1}, "body": b"other"}
    with pytest.raises(AttributeError, match="nothing"):
        message.nothing  # noqa: B018


def test_headers_of_each_message_are_its_own():
    buffer = ours.EventStreamBuffer()
    buffer.add_data(frames.EVENT_FRAME * 2)
    first, second = buffer
    first.headers.clear()
    buffer.add_data(frames.EVENT_FRAME)
    assert second.headers == next(buffer).headers != {}


def test_header_blocks_that_come_again_and_those_that_do_not():
    """More of them than are kept, and one too long to be kept."""
    blocks = [frames.string("name", str(number)) for number in range(3 * format_.CACHED_BLOCKS)]
    blocks.append(frames.string("long", "x" * format_.MAX_CACHED_BLOCK_LENGTH))
    stream = [frames.frame(block) for block in blocks + blocks[::-1] + blocks[-1:] * 2]
    assert [message["headers"] for message in messages_of([b"".join(stream)])][:2] == [{"name": "0"}, {"name": "1"}]


@pytest.mark.parametrize("name", ["next", "__next__"])
def test_derived_class_has_its_own_next(name):
    def own(self):
        taken = getattr(super(Derived, self), name)()
        taken.seen = True
        return taken

    Derived = type("Derived", (ours.EventStreamBuffer,), {name: own})  # noqa: N806
    buffer = Derived()
    buffer.add_data(frames.EVENT_FRAME * 2)
    assert [message.seen for message in buffer] == [True] * 2
    buffer.add_data(frames.EVENT_FRAME)
    assert next(buffer).seen


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_buffer_is_not_copied(copied):
    with pytest.raises(TypeError, match=r"^an EventStreamBuffer cannot be copied or pickled$"):
        copied(ours.EventStreamBuffer())


def test_starved_buffer_goes_on():
    """Through each way of iterating, and an iterator that was kept."""
    buffer = ours.EventStreamBuffer()
    kept = iter(buffer)
    for take in (lambda: next(kept), lambda: next(buffer), buffer.next, lambda: next(iter(buffer))):
        with pytest.raises(StopIteration):
            take()
        buffer.add_data(frames.EVENT_FRAME[:20])
        with pytest.raises(StopIteration):
            take()
        buffer.add_data(frames.EVENT_FRAME[20:])
        assert take().payload == b'{"Transcript":{"Results":[]}}'


def test_checks_wait_until_a_message_is_asked_for():
    buffer = ours.EventStreamBuffer()
    assert buffer.add_data(frames.EVENT_FRAME + frames.frame(message_crc=0)) is None
    next(buffer)
    with pytest.raises(theirs.ChecksumMismatch):
        next(buffer)


@pytest.mark.parametrize("kind", [bytearray, memoryview], ids=lambda kind: kind.__name__)
def test_buffers_of_other_types(kind):
    assert len(messages_of([kind(frames.EVENT_FRAME[:50]), kind(frames.EVENT_FRAME[50:])])) == 1
    with pytest.raises(TypeError):
        ours.EventStreamBuffer().add_data("text")


# Errors

SAME_ERRORS = {
    "prelude checksum": (frames.prelude(16, 0, crc=1) + bytes(4), theirs.ChecksumMismatch),
    "message checksum": (frames.frame(b"", b"payload", message_crc=0), theirs.ChecksumMismatch),
    "headers over the limit": (frames.prelude(200_000, 131_073), theirs.InvalidHeadersLength),
    "payload over the limit": (frames.prelude(24 * MIB + 17, 0), theirs.InvalidPayloadLength),
    "a header twice": (frames.frame(frames.string("name", "1") + frames.string("name", "2")), theirs.DuplicateHeader),
}
STRICTER = {
    "total length under 16": (frames.prelude(15, 0), theirs.InvalidHeadersLength),
    "headers longer than the message": (
        frames.frame(b"", b"", total_length=24, headers_length=12) + bytes(8),
        theirs.InvalidHeadersLength,
    ),
    "name not UTF-8": (frames.frame(frames.string(b"\xff", "value")), theirs.ParserError),
    "value not UTF-8": (frames.frame(frames.string("name", b"\xff")), theirs.ParserError),
    "unknown type": (frames.frame(frames.header("name", 10)), theirs.ParserError),
    "empty name": (frames.frame(frames.string("", "value")), theirs.ParserError),
    "value cut": (frames.frame(frames.header("name", 5, b"1234")), theirs.ParserError),
}


@pytest.mark.parametrize(("wire", "class_"), SAME_ERRORS.values(), ids=SAME_ERRORS)
def test_errors_are_botocore_s(wire, class_):
    for pieces in ([wire], [frames.EVENT_FRAME, wire], frames.byte_by_byte(frames.EVENT_FRAME + wire)):
        messages, error = read(ours, pieces)
        expected_messages, expected = read(theirs, pieces)
        assert messages == expected_messages
        assert (type(error), error.args) == (type(expected), expected.args)
        assert type(error) is class_
        assert error.__cause__.offset == (len(frames.EVENT_FRAME) if messages else 0) + (
            12 + len(frames.string("name", "1")) if class_ is theirs.DuplicateHeader else 0
        )


@each(("wire", "class_"), STRICTER.values(), ids=STRICTER)
def test_refusals_that_differ_from_botocore(wire, class_):
    messages, error = read(ours, [frames.EVENT_FRAME + wire])
    assert len(messages) == 1
    assert type(error) is class_
    assert isinstance(error.__cause__, eventstream.DecodeError)
    assert str(error) == str(error.__cause__), "it says what is wrong, and where"


def test_impossible_length_over_the_limit_is_refused_alike():
    wire = frames.prelude(61, 0xFF000102)
    assert type(read(ours, [wire])[1]) is type(read(theirs, [wire])[1]) is theirs.InvalidHeadersLength


def test_longest_that_is_allowed():
    block = b"".join(frames.header(f"{number:02}", 6, frames.sized(bytes(65_530))) for number in range(2))
    assert len(block) == 131_072
    assert len(messages_of([frames.frame(block)])) == 1
    assert len(messages_of([frames.frame(b"", bytes(24 * MIB))])) == 1


def test_error_comes_again():
    buffer = ours.EventStreamBuffer()
    buffer.add_data(frames.frame(message_crc=7))
    errors = []
    for use in (buffer.__next__, buffer.next, lambda: list(buffer), buffer.close):
        with pytest.raises(theirs.ChecksumMismatch) as caught:
            use()
        errors.append(caught.value)
        buffer.add_data(frames.EVENT_FRAME)
    assert len({id(error) for error in errors}) == 4
    assert len({error.args for error in errors}) == 1


def test_end_in_mid_message():
    buffer = ours.EventStreamBuffer()
    buffer.close()
    buffer = ours.EventStreamBuffer()
    buffer.add_data(frames.EVENT_FRAME + frames.EVENT_FRAME[:-1])
    assert len(list(buffer)) == 1
    with pytest.raises(theirs.ParserError, match="middle of a message") as caught:
        buffer.close()
    assert isinstance(caught.value.__cause__, eventstream.TruncatedMessage)
    with pytest.raises(theirs.ParserError, match="after close"):
        buffer.add_data(b"more")


# EventStream


def model(shape):
    return ServiceModel(
        {
            "metadata": {"protocol": "rest-json", "apiVersion": "1", "endpointPrefix": "x", "serviceId": "x"},
            "operations": {},
            "shapes": {
                "Events": {
                    "type": "structure",
                    "eventstream": True,
                    "members": {"Chunk": {"shape": "Chunk"}, "Broken": {"shape": "Broken"}},
                },
                "Chunk": {
                    "type": "structure",
                    "event": True,
                    "members": {"Bytes": {"shape": "Bytes", "eventpayload": True}},
                },
                "Broken": {"type": "structure", "exception": True, "members": {"Message": {"shape": "Text"}}},
                "Bytes": {"type": "blob"},
                "Text": {"type": "string"},
            },
        }
    ).shape_for(shape)


class Body:
    """A response's body, as botocore and aiobotocore read it."""

    def __init__(self, *chunks):
        self.chunks = chunks
        self.closed = False
        self.content = self

    def stream(self):
        yield from self.chunks

    async def iter_chunks(self):
        for chunk in self.chunks:
            yield chunk, True

    def close(self):
        self.closed = True


def stream_of(class_, *chunks):
    parser = botocore.parsers.EventStreamJSONParser()
    return class_(Body(*chunks), model("Events"), parser, "Operation")


def chunk(payload):
    return frames.frame(typed("event", event_type="Chunk", content_type="application/octet-stream"), payload)


def event(payload):
    return {"Chunk": {"Bytes": payload}}


INITIAL = frames.frame(typed("event", event_type="initial-response", content_type="application/json"), b"{}")


def taken(stream):
    """Return the events of a stream, and the error after them."""
    events = []
    try:
        events.extend(stream)
    except (theirs.ParserError, EventStreamError) as error:
        return events, error
    return events, None


@pytest.fixture(params=["imported", "installed"])
def event_stream(request):
    """Ours, imported from the adapter, or botocore's with the adapter in it."""
    if request.param == "installed":
        with ours.install():
            yield theirs.EventStream
    else:
        yield ours.EventStream


def test_events(event_stream):
    whole = chunk(b"one") + chunk(b"two")
    for pieces in frames.two_way_splits(whole):
        assert taken(stream_of(event_stream, *pieces)) == ([event(b"one"), event(b"two")], None)


def test_initial_response(event_stream):
    stream = stream_of(event_stream, INITIAL, chunk(b"one"))
    assert stream.get_initial_response().payload == b"{}"
    assert taken(stream) == ([event(b"one")], None)
    stream.close()
    assert stream._raw_stream.closed
    for chunks in ((), (chunk(b"one"),)):
        with pytest.raises(theirs.NoInitialResponseError):
            stream_of(event_stream, *chunks).get_initial_response()


def test_service_s_exception(event_stream):
    exception = frames.frame(typed("exception", exception_type="Broken"), b'{"Message":"It is"}')
    events, error = taken(stream_of(event_stream, chunk(b"one") + exception))
    assert events == [event(b"one")]
    assert type(error) is EventStreamError
    assert error.response["Error"] == {"Code": "Broken", "Message": "It is"}


def test_stream_that_is_cut(event_stream):
    """Ours says so, after the last event; botocore's own ends as if nothing were missing."""
    for cut in range(1, len(chunk(b"two"))):
        events, error = taken(stream_of(event_stream, chunk(b"one"), chunk(b"two")[:cut]))
        assert events == [event(b"one")]
        assert type(error) is theirs.ParserError
        assert error.__cause__.offset == len(chunk(b"one"))


def test_stream_that_is_left(event_stream):
    stream = stream_of(event_stream, chunk(b"one") + chunk(b"two"), chunk(b"two")[:-1])
    for first in stream:
        assert first == event(b"one")
        break
    assert next(iter(stream)) == event(b"two"), "the rest is still there"


@pytest.fixture(params=["imported", "installed", "aiobotocore"])
def events_of(request, aio):
    """Return what a stream of an operation gives, whose last events are known, or not."""

    def take(operation, *chunks, **options):
        class_ = ours.EventStream
        if request.param != "imported":
            class_ = theirs.EventStream if request.param == "installed" else aio().AioEventStream
        with ours.install(**options):
            parser = botocore.parsers.EventStreamJSONParser()
            stream = class_(Body(*chunks), model("Events"), parser, operation)
            return (taken_aio if request.param == "aiobotocore" else taken)(stream)

    return take


def test_last_event_is_checked_if_asked_for(events_of):
    last = {"Select": {"Chunk", "End"}, "Other": {"End"}}
    for operation, complete in (("Select", True), ("Other", False), ("Unknown", True)):
        for chunks in ([chunk(b"one")], [chunk(b"one"), chunk(b"two")]):
            events, error = events_of(operation, *chunks, last=last)
            assert len(events) == len(chunks)
            if complete:
                assert error is None
                continue
            assert type(error) is theirs.ParserError
            assert "it ended with 'Chunk', not 'End'" in str(error)
            cause = error.__cause__
            assert type(cause) is eventstream.IncompleteStream
            assert (cause.offset, cause.last, cause.expected) == (len(b"".join(chunks)), "Chunk", {"End"})
        assert events_of(operation, chunk(b"one")) == ([event(b"one")], None), "not asked for"
    events, error = events_of("Other", last=last)
    assert events == []
    assert error.__cause__.last is None


@pytest.mark.parametrize("name", ["ConverseStream", "converse_stream"])
def test_last_event_by_the_name_of_either(events_of, name):
    for end, complete in (("Chunk", True), ("End", False)):
        _, error = events_of("ConverseStream", chunk(b"one"), last={name: [end]})
        assert (error is None) is complete


def test_last_event_that_is_a_str_is_refused():
    text = r"^last\['Operation'\] must be a collection of event types, such as {'End'}, not a str$"
    with pytest.raises(TypeError, match=text):
        ours.install(last={"Operation": "End"})
    assert botocore.eventstream.EventStreamBuffer is not ours.EventStreamBuffer


def test_last_events_without_their_operations_are_refused():
    with pytest.raises(TypeError, match=r"^last must map operations to their event types, not be a set$"):
        ours.install(last={"End"})
    assert botocore.eventstream.EventStreamBuffer is not ours.EventStreamBuffer


def test_last_event_stays_asked_for_until_uninstalled(aio):
    for _ in range(2):
        ours.install(last={"Operation": {"End"}})
        ours.install()
        assert taken(stream_of(theirs.EventStream, chunk(b"one")))[1] is not None
        ours.uninstall()
        assert taken(stream_of(ours.EventStream, chunk(b"one")))[1] is None


def test_last_events_are_those_of_botocore_s_models():
    """Each is an event of its operation's output."""
    loader = botocore.loaders.Loader()
    services = {"ConverseStream": "bedrock-runtime", "InvokeWithResponseStream": "lambda", "SelectObjectContent": "s3"}
    assert set(services) == set(ours.LAST_EVENTS)
    for operation, service in services.items():
        shape = ServiceModel(loader.load_service_model(service, "service-2")).operation_model(operation)
        members = shape.get_event_stream_output().members
        assert set(ours.LAST_EVENTS[operation]) <= set(members)


def test_stream_shorter_than_its_content_length(event_stream):
    class Raw(Body):
        chunk_left = None
        length_remaining = 5

    parser = botocore.parsers.EventStreamJSONParser()
    stream = event_stream(Raw(chunk(b"one")), model("Events"), parser, "Operation")
    events, error = taken(stream)
    assert events == [event(b"one")]
    assert type(error) is theirs.ParserError
    assert "the response ended 5 bytes before its Content-Length" in str(error)


# In and out


def test_message_pickles():
    buffer = ours.EventStreamBuffer()
    buffer.add_data(frames.TEN_FRAME)
    message = next(buffer)
    assert seen(pickle.loads(pickle.dumps(message))) == seen(copy.copy(message)) == seen(message)


def test_installed_names():
    buffer, loop = theirs.EventStreamBuffer, theirs.EventStream._create_raw_event_generator
    with ours.install():
        assert theirs.EventStreamBuffer is ours.EventStreamBuffer
        assert theirs.EventStream._create_raw_event_generator is ours.EventStream._create_raw_event_generator
        assert botocore.parsers.EventStream is theirs.EventStream
    assert (theirs.EventStreamBuffer, theirs.EventStream._create_raw_event_generator) == (buffer, loop)
    ours.install()
    ours.install()
    assert theirs.EventStreamBuffer is ours.EventStreamBuffer
    ours.uninstall()
    ours.uninstall()
    assert theirs.EventStreamBuffer is buffer
    assert taken(stream_of(theirs.EventStream, chunk(b"one")[:-1])) == ([], None), "botocore's own, silent"


@pytest.fixture
def aio(monkeypatch):
    """Import a module that takes aiobotocore's place, with what it takes from botocore."""

    def imported():
        module = types.ModuleType("aiobotocore.eventstream")
        module.EventStreamBuffer = theirs.EventStreamBuffer

        class AioEventStream(theirs.EventStream):
            def __aiter__(self):
                return self._events()

            async def _events(self):
                async for event in self._event_generator:
                    yield self._parse_event(event)

            async def _create_raw_event_generator(self):
                buffer = module.EventStreamBuffer()
                async for piece, _ in self._raw_stream.content.iter_chunks():
                    buffer.add_data(piece)
                    for event in buffer:
                        yield event

        module.AioEventStream = AioEventStream
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return module

    return imported


def taken_aio(stream):
    async def take():
        events = []
        try:
            async for each in stream:
                events.append(each)  # noqa: PERF401 - to keep those before an error
        except theirs.ParserError as error:
            return events, error
        return events, None

    return asyncio.run(take())


def test_aiobotocore(aio):
    module = aio()
    loop = module.AioEventStream._create_raw_event_generator
    pieces = chunk(b"one") + chunk(b"two")[:9], chunk(b"two")[9:], chunk(b"three")[:-1]
    with ours.install():
        assert module.EventStreamBuffer is ours.EventStreamBuffer
        assert taken_aio(stream_of(module.AioEventStream, *pieces[:2])) == ([event(b"one"), event(b"two")], None)
        events, error = taken_aio(stream_of(module.AioEventStream, *pieces))
        assert events == [event(b"one"), event(b"two")]
        assert type(error) is theirs.ParserError
    assert module.AioEventStream._create_raw_event_generator is loop
    assert module.EventStreamBuffer is theirs.EventStreamBuffer is not ours.EventStreamBuffer
    assert taken_aio(stream_of(module.AioEventStream, *pieces)) == ([event(b"one"), event(b"two")], None)


def test_aiobotocore_imported_later(aio):
    with ours.install():
        module = aio()
        loop = module.AioEventStream._create_raw_event_generator
        assert module.EventStreamBuffer is ours.EventStreamBuffer
        assert module.AioEventStream._create_raw_event_generator is loop
        ours.install()
        assert module.AioEventStream._create_raw_event_generator is not loop
    assert module.AioEventStream._create_raw_event_generator is loop
    assert module.EventStreamBuffer is theirs.EventStreamBuffer is not ours.EventStreamBuffer
