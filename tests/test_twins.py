"""The two implementations compared on whatever Hypothesis finds: results, errors, and the decoders' states."""

from __future__ import annotations

import array
import datetime
import inspect
import uuid

import frames
import pytest
from cases import each
from hypothesis import given
from hypothesis import strategies as st

from eventstream import Byte, CodecError, Long, ServiceError, Short, Timestamp, testing

# What is drawn

names = testing.header_names()
values = testing.header_values(max_size=40)
headers = testing.headers(max_size=6)
payloads = st.binary(max_size=200) | st.sampled_from([b'{"Message":"text"}', b"x" * 5000, b"y" * 40_000])
blocks = st.one_of(
    headers.map(lambda mapping: b"".join(header_of(name, value) for name, value in mapping.items())),
    st.lists(st.tuples(st.binary(max_size=6), st.integers(0, 255), st.binary(max_size=20)), max_size=4).map(
        lambda triples: b"".join(frames.header(name, type_, value) for name, type_, value in triples)
    ),
    st.sampled_from([frames.TEN_BLOCK, frames.EVENT_BLOCK]),
    st.binary(max_size=60),
)
"""Header blocks, valid or not."""


def header_of(name, value):
    """One header's bytes, made without the project's code."""
    integers = [(Byte, 2, 1), (Short, 3, 2), (Long, 5, 8), (Timestamp, 8, 8), (int, 4, 4)]
    if isinstance(value, bool):
        return frames.header(name, 0 if value else 1)
    for class_, type_, length in integers:
        if isinstance(value, class_):
            return frames.header(name, type_, value.to_bytes(length, "big", signed=True))
    if isinstance(value, uuid.UUID):
        return frames.header(name, 9, value.bytes)
    return frames.header(name, 6 if isinstance(value, bytes) else 7, frames.sized(as_bytes(value)))


def as_bytes(value):
    return value.encode() if isinstance(value, str) else value


@st.composite
def mutated(draw):
    """Draw a frame with some bytes changed, then its checksums repaired; or with a bit flipped and nothing repaired."""
    data = bytearray(frames.frame(draw(blocks), draw(payloads)))
    for _ in range(draw(st.integers(0, 4))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    wire = frames.repaired(data) if draw(st.integers(0, 9)) else bytes(data)
    if draw(st.integers(0, 9)) == 0:
        wire = bytearray(wire)
        bit = draw(st.integers(0, 8 * len(wire) - 1))
        wire[bit // 8] ^= 1 << bit % 8
    return bytes(wire)


valid = st.builds(frames.frame, st.sampled_from([frames.TEN_BLOCK, frames.EVENT_BLOCK, b""]), payloads)
preludes = st.builds(
    frames.prelude,
    st.one_of(st.integers(0, 60), st.integers(0, 2**32 - 1)),
    st.one_of(st.integers(0, 60), st.integers(0, 2**32 - 1)),
)
corrupted = testing.corruptions().map(lambda corruption: corruption.wire)
streams = st.lists(st.one_of(valid, valid, mutated(), corrupted, preludes), max_size=5).map(b"".join)
limits = st.one_of(st.none(), st.integers(0, 300), st.just(100_000))
options = st.fixed_dictionaries(
    {}, optional={"max_headers_length": limits, "max_payload_length": limits, "copy": st.booleans()}
)


@st.composite
def pieces(draw):
    """Draw a stream, perhaps cut, in pieces of several kinds of buffer."""
    data = draw(streams)
    if data and draw(st.integers(0, 4)) == 0:
        data = data[: draw(st.integers(0, len(data) - 1))]
    parts = draw(testing.chunkings(st.just(data), max_size=9))
    whole = memoryview(data)
    kinds = draw(st.lists(st.integers(0, 4), min_size=len(parts), max_size=len(parts)))
    start = 0
    given_ = []
    for part, kind in zip(parts, kinds, strict=True):
        view = whole[start : start + len(part)]
        start += len(part)
        given_.append([part, part, view, bytearray(part), array.array("B", part)][kind])
    return given_


# What is compared


def attempt(call):
    """Return what the call gives, or what must be equal of its error: of the codec's own all, of others the class."""
    try:
        return call()
    except (CodecError, ServiceError) as error:
        return frames.fault(error)
    except (TypeError, ValueError, BufferError, OverflowError, StopIteration) as error:
        return type(error)


def seen(message):
    """All that a message shows."""
    properties = ("message_type", "event_type", "exception_type", "content_type", "error_code", "error_message")
    return (
        message.encode(),
        message.headers.raw,
        [(name, value, type(value)) for name, value in message.headers.items()],
        hash(message.headers),
        hash(message),
        repr(message),
        bytes(message.payload),
        type(message.payload),
        [getattr(message, name) for name in properties],
        attempt(message.raise_for_error),
    )


def both(native, reference, call):
    """Return the result, which is the same for the two."""
    first, second = attempt(lambda: call(native)), attempt(lambda: call(reference))
    assert first == second
    return first


class Pair:
    """A decoder of each implementation, called together."""

    def __init__(self, native, reference, **options):
        self.decoders = [attempt(lambda codec=codec: codec.Decoder(**options)) for codec in (native, reference)]

    def both(self, call):
        first, second = [attempt(lambda decoder=decoder: call(decoder)) for decoder in self.decoders]
        assert first == second
        states = [(decoder.offset, decoder.buffered) for decoder in self.decoders]
        assert states[0] == states[1]
        return first


# Decoding


@given(data=pieces(), options=options, first_capacity=st.sampled_from([1, 13, 256]))
def test_decoders(native, reference, data, options, first_capacity):
    native._set_first_capacity(first_capacity)
    pair = Pair(native, reference, **options)
    for piece in data:
        pair.both(lambda decoder, piece=piece: decoder.feed(piece) is decoder)
        while isinstance(pair.both(lambda decoder: seen(next(decoder))), tuple):
            if isinstance(pair.both(lambda decoder: decoder.feed(b"") is decoder), tuple):
                break  # dead
    pair.both(lambda decoder: decoder.close())
    pair.both(lambda decoder: [seen(message) for message in decoder])


@given(data=pieces(), options=options, order=st.lists(st.sampled_from(["feed", "next", "close"]), max_size=30))
def test_calls_in_any_order(native, reference, data, options, order):
    pair = Pair(native, reference, **options)
    for call in order:
        if call == "feed":
            piece = data.pop(0) if data else b""
            pair.both(lambda decoder, piece=piece: decoder.feed(piece) is decoder)
        elif call == "next":
            pair.both(lambda decoder: seen(next(decoder)))
        else:
            pair.both(lambda decoder: decoder.close())
    pair.both(lambda decoder: [seen(message) for message in decoder])


@given(data=pieces(), options=options)
def test_split_makes_no_difference(native, reference, data, options):
    whole = b"".join(map(bytes, data))
    options.pop("copy", None)
    for codec in (native, reference):
        outcome = frames.read(codec, [whole], **options)
        assert frames.read(codec, data, **options) == outcome
        assert frames.read(codec, data, at_once=True, **options) == outcome
        assert frames.read(codec, data, copy=False, **options) == outcome


@given(data=st.one_of(valid, mutated(), corrupted, preludes, streams), options=options)
def test_decode(native, reference, data, options):
    options.pop("copy", None)
    both(native, reference, lambda codec: seen(codec.decode(data, **options)))
    both(native, reference, lambda codec: seen(codec.decode(bytearray(data), **options)))


@given(data=st.one_of(valid, mutated()))
def test_decoded_input_encodes_to_the_same_bytes(native, reference, data):
    decoded = both(native, reference, lambda codec: codec.decode(data).encode())
    assert decoded == data or isinstance(decoded, tuple)


@given(block=blocks)
def test_header_blocks(native, reference, block):
    both(native, reference, lambda codec: seen(codec.decode(frames.frame(block))))
    both(native, reference, lambda codec: repr(codec.decode(frames.frame(block)).headers))


# Encoding

moments = st.datetimes(timezones=st.none() | st.timezones() | st.just(datetime.timezone.utc))
inputs = st.one_of(
    values,
    values,
    st.text(max_size=20),  # with lone surrogates
    st.integers(-(2**70), 2**70),
    st.integers(32_760, 32_775).map(lambda length: "v" * length),
    st.integers(32_760, 32_775).map(lambda length: b"v" * length),
    st.binary(max_size=20).map(bytearray),
    st.binary(max_size=20).map(lambda data: memoryview(data)),
    st.binary(max_size=20).map(lambda data: memoryview(data)[::2]),
    moments,
    st.none() | st.floats() | st.just([]) | st.just(()) | st.just(datetime.date(2026, 1, 1)),
)
"""Header values, good and bad."""

mappings = st.dictionaries(
    st.one_of(names, names, st.text(max_size=300), st.text(min_size=250, max_size=260), st.integers()),
    inputs,
    max_size=5,
)


@given(mapping=mappings)
def test_headers(native, reference, mapping):
    both(native, reference, lambda codec: codec.Headers(mapping).raw)
    both(native, reference, lambda codec: [(*pair, type(pair[1])) for pair in codec.Headers(mapping).items()])


@given(mapping=mappings, payload=payloads, limits_=st.tuples(limits, limits))
def test_encode(native, reference, mapping, payload, limits_):
    moved = {"max_headers_length": limits_[0], "max_payload_length": limits_[1]}
    wire = both(native, reference, lambda codec: codec.encode(mapping, payload, **moved))
    both(native, reference, lambda codec: codec.encode(codec.Headers(mapping), bytearray(payload), **moved))
    both(native, reference, lambda codec: seen(codec.Message(mapping, payload)))
    if isinstance(wire, bytes):
        assert both(native, reference, lambda codec: codec.decode(wire, **frames.NO_LIMITS).encode()) == wire


@given(mapping=headers, payload=payloads)
def test_round_trip(native, reference, mapping, payload):
    wire = both(native, reference, lambda codec: codec.encode(mapping, payload))
    expected = frames.frame(b"".join(header_of(name, value) for name, value in mapping.items()), payload)
    assert wire == expected
    for codec in (native, reference):
        message = codec.decode(wire)
        assert frames.same_headers(message.headers, mapping)
        assert message.payload == payload


@given(
    mapping=mappings,
    payload=st.binary(max_size=100),
    room=st.integers(0, 400),
    offset=st.integers(-5, 420) | st.integers(-(2**70), 2**70),
    inside=st.none() | st.tuples(st.integers(0, 400), st.integers(0, 60)),
)
def test_encode_into(native, reference, mapping, payload, room, offset, inside):
    def call(codec):
        buffer = bytearray(range(256)) * 2
        del buffer[room:]
        source = payload if inside is None else memoryview(buffer)[inside[0] : inside[0] + inside[1]]
        before = bytes(buffer)
        result = attempt(lambda: codec.encode_into(buffer, mapping, source, offset))
        if not isinstance(result, int):
            assert buffer == before, "nothing is written on failure"
        return result, bytes(buffer)

    both(native, reference, call)


@given(first=headers, second=headers)
def test_equality(native, reference, first, second):
    for left, right in ((first, second), (first, dict(reversed(first.items())))):
        equal = left == right
        for codec in (native, reference):
            assert (codec.Headers(left) == codec.Headers(right)) == equal
            assert (codec.Headers(left) == right) == equal
            assert (codec.Message(left) == codec.Message(right)) == equal
        assert (native.Headers(left) == reference.Headers(right)) == equal
        if equal:
            assert hash(native.Headers(left)) == hash(reference.Headers(right))


def test_twins_have_the_same_names(native, reference):
    for class_ in ("Headers", "Message", "Decoder", "DecoderMap"):
        public = [
            {name for name in dir(getattr(codec, class_)) if not name.startswith("_")} for codec in (native, reference)
        ]
        assert public[0] == public[1], class_


@pytest.mark.parametrize("name", ["encode", "encode_into", "decode"])
def test_functions_have_the_same_documentation(native, reference, name):
    """Which is where their arguments and errors are described."""
    first, second = (getattr(codec, name).__doc__ for codec in (native, reference))
    assert first.split("\n\n", 1)[-1].split() == second.split("\n\n", 1)[-1].split()


def signature_of(call):
    """Without annotations, which the native code does not have."""
    parameters = inspect.signature(call).parameters.values()
    return [(parameter.name, parameter.kind, parameter.default) for parameter in parameters]


@each("name", ["Headers", "Message", "Decoder", "encode", "encode_into", "decode"])
def test_twins_have_the_same_signatures(native, reference, name):
    first, second = (getattr(codec, name) for codec in (native, reference))
    assert signature_of(first) == signature_of(second)
    methods = [name for name in vars(second) if not name.startswith("_") and callable(getattr(second, name))]
    for method in methods if isinstance(second, type) else []:  # native ones take self by position only
        assert signature_of(getattr(first, method))[1:] == signature_of(getattr(second, method))[1:], method


@pytest.mark.parametrize("name", ["Headers", "Message", "Decoder"])
def test_signature_is_no_part_of_the_documentation(native, name):
    assert not inspect.getdoc(getattr(native, name)).startswith(name)
