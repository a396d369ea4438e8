"""Hypothesis strategies for those who test code of their own that speaks event streams.

>>> import pytest
>>> from hypothesis import given
>>> from eventstream import iter_messages
>>> from eventstream.testing import chunkings, corruptions
>>> @given(chunkings())
... def test_the_split_makes_no_difference(chunks):
...     assert list(iter_messages(chunks)) == list(iter_messages([b"".join(chunks)]))
>>> @given(corruptions())
... def test_every_fault_is_found(corruption):
...     with pytest.raises(corruption.stream_error):
...         list(iter_messages([corruption.wire]))
>>> test_the_split_makes_no_difference()
>>> test_every_fault_is_found()

Each function returns a strategy. What it draws shrinks to what is short to read: no headers rather than few, ``False``
rather than a UUID, one chunk rather than several. A parameter that is a strategy takes the place of a part, so that
``messages(headers=just({":event-type": "Ping"}))`` varies the payload alone. By default every message is within the
default limits of `decode`.

A corruption begins with a valid message and does one thing to it, from which the error follows: the kinds in
`CORRUPTION_KINDS` together cause every `DecodeError` there is. Checksums are computed here with `zlib`, and header
blocks taken apart by hand, so that these bytes do not depend on the decoder that they are to try.
"""

from __future__ import annotations

import struct
import uuid
import zlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

try:
    from hypothesis import assume
    from hypothesis import strategies as st
    from hypothesis.errors import InvalidArgument
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "eventstream.testing needs hypothesis: install eventstream-codec with its extra [testing]", name=error.name
    ) from error

from eventstream._codec import Headers, Message, decode
from eventstream.exceptions import (
    DecodeError,
    DecodeLimitExceeded,
    DuplicateHeader,
    InvalidHeader,
    InvalidHeaderText,
    InvalidLength,
    MessageChecksumMismatch,
    PreludeChecksumMismatch,
    TrailingData,
    TruncatedHeader,
    TruncatedMessage,
    UnknownHeaderType,
)
from eventstream.signing import Credentials, EventSigner
from eventstream.values import Byte, HeaderInput, HeaderValue, Long, Short, Timestamp
from eventstream.wire import (
    CRC,
    CRC_LENGTH,
    DEFAULT_MAX_HEADERS_LENGTH,
    DEFAULT_MAX_PAYLOAD_LENGTH,
    FIXED_LENGTHS,
    LENGTHS,
    MAX_MESSAGE_LENGTH,
    MAX_NAME_LENGTH,
    MAX_VALUE_LENGTH,
    MIN_MESSAGE_LENGTH,
    PRELUDE_LENGTH,
    HeaderType,
)

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

    from eventstream.transcribe.model import Item, Result, TranscriptEvent

__all__ = [
    "CORRUPTION_KINDS",
    "Corruption",
    "SignedStream",
    "chunkings",
    "corruptions",
    "credentials",
    "header_names",
    "header_values",
    "headers",
    "messages",
    "signed_streams",
    "streams",
    "transcripts",
    "wires",
]


# Headers and messages

_RESERVED_NAMES = (":message-type", ":event-type", ":exception-type", ":content-type", ":error-code", ":error-message")
"""The names to which `Message` gives a meaning."""

_COMMON_VALUES = ("event", "exception", "error", "application/json")


def _integers(bits: int) -> SearchStrategy[int]:
    return st.integers(-1 << bits - 1, (1 << bits - 1) - 1)


def _texts(min_size: int, max_size: int, *common: str) -> SearchStrategy[str]:
    """Text of so many bytes of UTF-8, and those common ones that are not too long."""
    texts = st.text(st.characters(max_codepoint=0x7F), min_size=min_size, max_size=max_size)
    if max_size // 4 >= min_size:  # a character has four bytes at most
        texts |= st.text(min_size=min_size, max_size=max_size // 4)
    fitting = [text for text in common if min_size <= len(text.encode()) <= max_size]
    return texts | st.sampled_from(fitting) if fitting else texts


def header_names(*, max_size: int = MAX_NAME_LENGTH) -> SearchStrategy[str]:
    """Names that a header may have: any text, those that the protocol reserves, and one as long as there may be.

    Args:
        max_size: the length of a name in bytes of UTF-8, 1 to 255.
    """
    if not 1 <= max_size <= MAX_NAME_LENGTH:
        raise InvalidArgument(f"max_size={max_size}: a name has 1 to {MAX_NAME_LENGTH} bytes")
    return _texts(1, max_size, *_RESERVED_NAMES, "n" * max_size)


def header_values(
    *, types: Collection[type[HeaderValue]] | None = None, max_size: int = 100
) -> SearchStrategy[HeaderValue]:
    """Values that a header may have, over the whole range of their types.

    Args:
        types: which there are to be, of ``bool``, `Byte`, `Short`, ``int``, `Long`, ``bytes``, ``str``, `Timestamp`
            and ``uuid.UUID``; None: all of them.
        max_size: the length of ``bytes``, and of ``str`` in UTF-8, in bytes: 0 to 32,767.
    """
    if not 0 <= max_size <= MAX_VALUE_LENGTH:
        raise InvalidArgument(f"max_size={max_size}: a value has at most {MAX_VALUE_LENGTH} bytes")
    every: dict[type[HeaderValue], SearchStrategy[HeaderValue]] = {
        bool: st.booleans(),
        str: _texts(0, max_size, *_COMMON_VALUES),
        int: _integers(32),
        bytes: st.binary(max_size=max_size),
        Byte: _integers(8).map(Byte),
        Short: _integers(16).map(Short),
        Long: _integers(64).map(Long),
        Timestamp: _integers(64).map(Timestamp),
        uuid.UUID: st.uuids(),
    }
    if types is None:
        types = every
    if not types or not set(types) <= set(every):
        raise InvalidArgument(f"types={types!r}: some of {', '.join(type_.__name__ for type_ in every)} are expected")
    return st.one_of([strategy for type_, strategy in every.items() if type_ in types])


_NAMES = header_names()
_VALUES = header_values()


def headers(
    *,
    names: SearchStrategy[str] = _NAMES,
    values: SearchStrategy[HeaderInput] = _VALUES,
    min_size: int = 0,
    max_size: int = 8,
) -> SearchStrategy[dict[str, HeaderInput]]:
    """Headers as a ``dict``, which `encode`, `Headers` and `Message` take: at most 128 KiB, the default limit.

    Args:
        names: by default `header_names`.
        values: by default `header_values`.
        min_size, max_size: how many.
    """
    drawn = st.dictionaries(names, values, min_size=min_size, max_size=max_size)
    return drawn.filter(lambda mapping: len(Headers(mapping).raw) <= DEFAULT_MAX_HEADERS_LENGTH)


_TYPES = _texts(1, 40)
_CONTENT: dict[str, SearchStrategy[HeaderInput]] = {
    ":content-type": st.sampled_from(["application/json", "application/octet-stream", "text/plain"])
}
_HEADERS: SearchStrategy[Mapping[str, HeaderInput]] = st.one_of(
    headers(),
    # As services send them, for each of the three message types.
    st.fixed_dictionaries({":message-type": st.just("event"), ":event-type": _TYPES}, optional=_CONTENT),
    st.fixed_dictionaries({":message-type": st.just("exception"), ":exception-type": _TYPES}, optional=_CONTENT),
    st.fixed_dictionaries({":message-type": st.just("error"), ":error-code": _TYPES, ":error-message": _TYPES}),
)
_PAYLOADS = st.sampled_from([b"", b'{"Message":"text"}']) | st.binary()


def messages(
    *,
    headers: SearchStrategy[Mapping[str, HeaderInput]] = _HEADERS,
    payloads: SearchStrategy[bytes] = _PAYLOADS,
) -> SearchStrategy[Message]:
    """Messages.

    Args:
        headers: by default `headers`, or what an event, an exception or an error of a service has.
        payloads: by default bytes, or the JSON of an exception.
    """
    return st.builds(Message, headers, payloads)


_MESSAGES = messages()


def wires(messages: SearchStrategy[Message] = _MESSAGES) -> SearchStrategy[bytes]:
    """Single messages in wire form.

    Args:
        messages: by default `messages`.
    """
    return messages.map(Message.encode)


def streams(
    messages: SearchStrategy[Message] = _MESSAGES, *, min_size: int = 0, max_size: int = 4
) -> SearchStrategy[bytes]:
    """Messages in wire form, one after the other.

    Args:
        messages: by default `messages`.
        min_size, max_size: how many.
    """
    return st.lists(wires(messages), min_size=min_size, max_size=max_size).map(b"".join)


_WIRES = wires()
_STREAMS = streams()


def _strategy(given: bytes | SearchStrategy[bytes]) -> SearchStrategy[bytes]:
    if not isinstance(given, bytes):
        return given
    return st.none().map(lambda _: given)  # and not `just`: Hypothesis warns of strategies that take long to print


def chunkings(
    stream: bytes | SearchStrategy[bytes] = _STREAMS, *, max_size: int | None = None, allow_empty: bool = True
) -> SearchStrategy[list[bytes]]:
    """A stream in pieces, which joined are the stream again: cut anywhere, or into pieces of one size, 1 included.

    Args:
        stream: what is cut, or a strategy for it; by default `streams`.
        max_size: how many pieces at most, 1 or more; None: any number.
        allow_empty: whether pieces may be empty. If not, an empty stream has none.
    """
    if max_size is not None and max_size < 1:
        raise InvalidArgument(f"max_size={max_size}: a stream is at least one piece")
    return _chunkings(_strategy(stream), max_size, allow_empty)


@st.composite
def _chunkings(draw: DrawFn, streams: SearchStrategy[bytes], max_size: int | None, allow_empty: bool) -> list[bytes]:
    stream = draw(streams)
    length = len(stream)
    most = None if max_size is None else max_size - 1
    anywhere = st.lists(st.integers(0, length), max_size=most).map(sorted)
    least = 1 if max_size is None else max(-(-length // max_size), 1)
    sizes = st.integers(0, max(length - least, 0)).map(lambda less: length - less)  # so that few pieces are simpler
    evenly = sizes.map(lambda size: list(range(size, length, size)) if size else [])
    cuts = draw(anywhere | evenly)
    chunks = [stream[start:stop] for start, stop in zip([0, *cuts], [*cuts, length], strict=True)]
    return chunks if allow_empty else [chunk for chunk in chunks if chunk]


# Corruptions


@dataclass(frozen=True)
class Corruption:
    """A message with one fault, and what a decoder has to say of it.

    Attributes:
        kind: what was done, a key of `CORRUPTION_KINDS`.
        error: the class that `decode` raises, exactly.
        stream_error: the class that a `Decoder` raises, which is fed the bytes and closed, in whatever pieces. It is
            another for trailing data alone, of which a stream is made.
        offset: the error's, the message beginning at 0.
        wire: the bytes.
    """

    kind: str
    error: type[DecodeError]
    offset: int
    wire: bytes

    @property
    def stream_error(self) -> type[DecodeError]:
        return TruncatedMessage if self.error is TrailingData else self.error


class _Parts(NamedTuple):
    """A valid message, taken apart."""

    wire: bytes
    headers: list[bytes]
    payload: bytes

    @property
    def names(self) -> list[str]:
        return [header[1 : 1 + header[0]].decode() for header in self.headers]

    @property
    def headers_length(self) -> int:
        return sum(map(len, self.headers))


def _parts_of(wire: bytes) -> _Parts:
    total_length, headers_length = LENGTHS.unpack_from(wire)
    end = PRELUDE_LENGTH + headers_length
    split = []
    start = PRELUDE_LENGTH
    while start < end:
        value = start + 1 + wire[start] + 1
        type_ = HeaderType(wire[value - 1])
        if type_ in FIXED_LENGTHS:
            stop = value + FIXED_LENGTHS[type_]
        else:
            stop = value + 2 + int.from_bytes(wire[value : value + 2], "big")
        split.append(wire[start:stop])
        start = stop
    return _Parts(wire, split, wire[end : total_length - CRC_LENGTH])


def _frame(total_length: int, headers_length: int, body: bytes) -> bytes:
    """A message with right checksums, whatever its lengths say of what lies between them."""
    lengths = LENGTHS.pack(total_length, headers_length)
    message = lengths + CRC.pack(zlib.crc32(lengths)) + body
    return message + CRC.pack(zlib.crc32(message))


_Faulty: TypeAlias = tuple[bytes, int]
"""The bytes, and where their fault is."""

_CORRUPTIONS: dict[str, tuple[type[DecodeError], Callable[[DrawFn, _Parts], _Faulty]]] = {}


def _causes(error: type[DecodeError]) -> Callable[[Callable[[DrawFn, _Parts], _Faulty]], None]:
    """What is decorated is a kind of corruption, of its name without the underscore."""

    def register(corrupt: Callable[[DrawFn, _Parts], _Faulty]) -> None:
        _CORRUPTIONS[corrupt.__name__[1:]] = error, corrupt

    return register


def _with_one_byte_changed(draw: DrawFn, wire: bytes, start: int, stop: int) -> _Faulty:
    """No CRC misses a change within as many bits as it has itself."""
    changed = bytearray(wire)
    changed[draw(st.integers(start, stop - 1))] ^= draw(st.integers(1, 255))
    return bytes(changed), 0


@_causes(PreludeChecksumMismatch)
def _changed_prelude(draw: DrawFn, parts: _Parts) -> _Faulty:
    return _with_one_byte_changed(draw, parts.wire, 0, PRELUDE_LENGTH)


@_causes(MessageChecksumMismatch)
def _changed_message(draw: DrawFn, parts: _Parts) -> _Faulty:
    return _with_one_byte_changed(draw, parts.wire, PRELUDE_LENGTH, len(parts.wire))


def _with_lengths(parts: _Parts, total_length: int, headers_length: int) -> _Faulty:
    return _frame(total_length, headers_length, parts.wire[PRELUDE_LENGTH:-CRC_LENGTH]), 0


@_causes(InvalidLength)
def _total_length_too_small(draw: DrawFn, parts: _Parts) -> _Faulty:
    return _with_lengths(parts, draw(st.integers(0, MIN_MESSAGE_LENGTH - 1)), parts.headers_length)


@_causes(InvalidLength)
def _headers_length_too_large(draw: DrawFn, parts: _Parts) -> _Faulty:
    room = len(parts.wire) - MIN_MESSAGE_LENGTH
    return _with_lengths(parts, len(parts.wire), draw(st.integers(room + 1, MAX_MESSAGE_LENGTH)))


@_causes(DecodeLimitExceeded)
def _headers_over_limit(draw: DrawFn, parts: _Parts) -> _Faulty:
    headers_length = draw(st.integers(DEFAULT_MAX_HEADERS_LENGTH + 1, MAX_MESSAGE_LENGTH - MIN_MESSAGE_LENGTH))
    total_length = draw(st.integers(MIN_MESSAGE_LENGTH + headers_length, MAX_MESSAGE_LENGTH))
    return _with_lengths(parts, total_length, headers_length)


@_causes(DecodeLimitExceeded)
def _payload_over_limit(draw: DrawFn, parts: _Parts) -> _Faulty:
    least = MIN_MESSAGE_LENGTH + parts.headers_length + DEFAULT_MAX_PAYLOAD_LENGTH + 1
    return _with_lengths(parts, draw(st.integers(least, MAX_MESSAGE_LENGTH)), parts.headers_length)


_SHORT_VALUES = header_values(max_size=20)


def _inserted(draw: DrawFn, parts: _Parts, header: bytes, after: int = 0) -> _Faulty:
    """The message with one header more, somewhere after so many, which is the first at fault."""
    position = draw(st.integers(after, len(parts.headers)))
    before = b"".join(parts.headers[:position])
    block = before + header + b"".join(parts.headers[position:])
    assume(len(block) <= DEFAULT_MAX_HEADERS_LENGTH)
    total_length = MIN_MESSAGE_LENGTH + len(block) + len(parts.payload)
    return _frame(total_length, len(block), block + parts.payload), PRELUDE_LENGTH + len(before)


def _new_header(draw: DrawFn, parts: _Parts) -> tuple[bytes, bytes]:
    """A valid header that the message does not have: its name with the length, its value with the type."""
    name = draw(_NAMES.filter(lambda name: name not in parts.names))
    raw = Headers({name: draw(_SHORT_VALUES)}).raw
    return raw[: 1 + raw[0]], raw[1 + raw[0] :]


@_causes(InvalidHeader)
def _empty_name(draw: DrawFn, parts: _Parts) -> _Faulty:
    _, value = _new_header(draw, parts)
    return _inserted(draw, parts, b"\0" + value)


@_causes(TruncatedHeader)
def _header_cut_short(draw: DrawFn, parts: _Parts) -> _Faulty:
    header = b"".join(_new_header(draw, parts))
    return _inserted(draw, parts, header[: draw(st.integers(1, len(header) - 1))], after=len(parts.headers))


@_causes(UnknownHeaderType)
def _unknown_type(draw: DrawFn, parts: _Parts) -> _Faulty:
    name, value = _new_header(draw, parts)
    return _inserted(draw, parts, name + bytes([draw(st.integers(max(HeaderType) + 1, 255))]) + value[1:])


@_causes(DuplicateHeader)
def _name_given_twice(draw: DrawFn, parts: _Parts) -> _Faulty:
    name, value = _new_header(draw, parts)
    parts = parts._replace(headers=parts.headers or [name + value])
    first = draw(st.integers(0, len(parts.headers) - 1))
    again = parts.headers[first][: 1 + parts.headers[first][0]] + value
    return _inserted(draw, parts, again, after=first + 1)


_NOT_UTF8 = st.sampled_from(
    [
        b"\xff",  # never in UTF-8
        b"\x80",  # goes on with what was not begun
        b"\xc3",  # not gone on with
        b"\xc0\x80",  # longer than need be
        b"\xed\xa0\x80",  # a surrogate
        b"\xf4\x90\x80\x80",  # beyond U+10FFFF
    ]
)


def _no_text(draw: DrawFn) -> bytes:
    around = _texts(0, 20).map(str.encode)
    return draw(around) + draw(_NOT_UTF8) + draw(around)


@_causes(InvalidHeaderText)
def _name_not_utf8(draw: DrawFn, parts: _Parts) -> _Faulty:
    name = _no_text(draw)
    _, value = _new_header(draw, parts)
    return _inserted(draw, parts, bytes([len(name)]) + name + value)


@_causes(InvalidHeaderText)
def _value_not_utf8(draw: DrawFn, parts: _Parts) -> _Faulty:
    name, _ = _new_header(draw, parts)
    text = _no_text(draw)
    return _inserted(draw, parts, name + struct.pack(">BH", HeaderType.STRING, len(text)) + text)


@_causes(TruncatedMessage)
def _message_cut_short(draw: DrawFn, parts: _Parts) -> _Faulty:
    return parts.wire[: draw(st.integers(1, len(parts.wire) - 1))], 0


@_causes(TrailingData)
def _trailing_bytes(draw: DrawFn, parts: _Parts) -> _Faulty:
    # Fewer than a prelude, for whose rest a stream decoder waits in vain, whatever they are.
    return parts.wire + draw(st.binary(min_size=1, max_size=PRELUDE_LENGTH - 1)), len(parts.wire)


CORRUPTION_KINDS: Mapping[str, type[DecodeError]] = MappingProxyType(
    {kind: error for kind, (error, _) in _CORRUPTIONS.items()}
)
"""What can be done to a message, and the error that it has to cause. Every class of `DecodeError` is there."""


def corruptions(
    wire: bytes | SearchStrategy[bytes] = _WIRES, *, kinds: Collection[str] | None = None
) -> SearchStrategy[Corruption]:
    """Messages with one fault each, labelled with the error that it must cause under the default limits.

    Args:
        wire: a valid message in wire form, or a strategy for such; by default `wires`. When one is drawn that is not
            valid, or not under the default limits, that is an ``InvalidArgument``.
        kinds: which kinds of fault, of `CORRUPTION_KINDS`; None: all of them.
    """
    if kinds is None:
        kinds = CORRUPTION_KINDS
    if not kinds or not set(kinds) <= set(CORRUPTION_KINDS):
        raise InvalidArgument(f"kinds={kinds!r}: some of {', '.join(CORRUPTION_KINDS)} are expected")
    return _corruptions(_strategy(wire), [kind for kind in CORRUPTION_KINDS if kind in kinds])


@st.composite
def _corruptions(draw: DrawFn, wires: SearchStrategy[bytes], kinds: list[str]) -> Corruption:
    kind = draw(st.sampled_from(kinds))
    valid = draw(wires)
    try:
        decode(valid)
    except DecodeError as fault:
        raise InvalidArgument(f"a corruption begins with a valid message, not this: {fault}") from fault
    error, corrupt = _CORRUPTIONS[kind]
    wire, offset = corrupt(draw, _parts_of(valid))
    return Corruption(kind, error, offset, wire)


# Signed streams


@dataclass(frozen=True)
class SignedStream:
    """Signed events, what their verifier has to know, and what it has to return.

    An `EventVerifier` of the first four attributes, with ``max_clock_skew=None``, returns what is `expected` of each
    message.

    Attributes:
        credentials, region, service: with and for which the events were signed.
        seed_signature: of the request, 32 bytes.
        dates: of each event, in UTC, to the millisecond; not always in order, as clients shift their clocks.
        chunks: the signed messages in wire form; the last one ends the stream.
        expected: the messages that were signed, and None for the end.
    """

    credentials: Credentials
    region: str
    service: str
    seed_signature: bytes
    dates: tuple[datetime, ...]
    chunks: tuple[bytes, ...]
    expected: tuple[Message | None, ...]

    @property
    def wire(self) -> bytes:
        """The whole stream."""
        return b"".join(self.chunks)


_SECRETS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", min_size=1, max_size=40)


def credentials() -> SearchStrategy[Credentials]:
    """Credentials, without and with a session token, of the characters that AWS uses."""
    keys = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", max_size=16).map("AKIA".__add__)
    return st.builds(Credentials, keys, _SECRETS, st.none() | _SECRETS)


_CREDENTIALS = credentials()
_REGIONS = st.sampled_from(["us-east-1", "eu-central-1", "ap-southeast-2"])
_SERVICES = st.just("transcribe")
_STEPS = st.integers(-1_000, 5_000) | st.just(86_400_000)  # milliseconds, or a day, as other days have other keys


def signed_streams(
    messages: SearchStrategy[Message] = _MESSAGES,
    *,
    credentials: SearchStrategy[Credentials] = _CREDENTIALS,
    regions: SearchStrategy[str] = _REGIONS,
    services: SearchStrategy[str] = _SERVICES,
    min_size: int = 0,
    max_size: int = 4,
) -> SearchStrategy[SignedStream]:
    """Streams of signed events, as clients send them: each wraps a message, and an empty one ends the stream.

    Args:
        messages: those that are wrapped; by default `messages`.
        credentials: by default `credentials`.
        regions: by default some of AWS's.
        services: signing names; by default ``"transcribe"``.
        min_size, max_size: how many events, without the end.
    """
    wrapped = st.lists(messages, min_size=min_size, max_size=max_size)
    return _signed_streams(wrapped, credentials, regions, services)


@st.composite
def _signed_streams(
    draw: DrawFn,
    wrapped: SearchStrategy[list[Message]],
    credentials: SearchStrategy[Credentials],
    regions: SearchStrategy[str],
    services: SearchStrategy[str],
) -> SignedStream:
    key, region, service = draw(credentials), draw(regions), draw(services)
    seed = draw(st.binary(min_size=32, max_size=32))
    date = draw(st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1), timezones=st.just(timezone.utc)))
    date = date.replace(microsecond=0)
    dates: list[datetime] = []
    signer = EventSigner(key, region, service, seed, clock=lambda: dates[-1])
    inner = draw(wrapped)
    chunks = []
    for message in [*inner, None]:
        date += timedelta(milliseconds=draw(_STEPS))
        dates.append(date)
        chunks.append(signer.finish() if message is None else signer.sign(message.encode()))
    return SignedStream(key, region, service, seed, tuple(dates), tuple(chunks), (*inner, None))


# Transcripts

_WORDS = _texts(1, 40, "hello", "world")
_MARKS = st.sampled_from([",", ".", "?"])
_LANGUAGES = st.sampled_from(["en-US", "de-DE", "fr-CA"])
_FRACTIONS = st.none() | st.floats(0, 1)
_FLAGS = st.none() | st.booleans()
_GAPS = st.none() | st.integers(0, 1_000)


def transcripts(
    *, min_size: int = 0, max_size: int = 2, max_items: int = 4, is_partial: bool | None = None
) -> SearchStrategy[TranscriptEvent]:
    """Events of Amazon Transcribe, in which what the service may leave out is sometimes missing.

    Times never go back, and a transcript is the text of its items. Needs the extra ``transcribe``.

    Args:
        min_size, max_size: how many results an event has.
        max_items: how many words and punctuation marks an alternative has at most.
        is_partial: whether the results are; None: some are.
    """
    from eventstream.transcribe import model  # here: who tests the codec alone has no msgspec

    # A time is at first the milliseconds since the one before, and a transcript empty.
    items = st.one_of(
        st.builds(
            model.Item,
            start_time=_GAPS,
            end_time=_GAPS,
            type=st.just("pronunciation"),
            content=_WORDS | st.none(),
            vocabulary_filter_match=_FLAGS,
            speaker=st.sampled_from([None, "0", "1"]),
            confidence=_FRACTIONS,
            stable=_FLAGS,
        ),
        st.builds(model.Item, start_time=_GAPS, type=st.just("punctuation"), content=_MARKS, stable=_FLAGS),
    )
    entities = st.builds(
        model.Entity,
        category=st.just("PII"),
        type=st.sampled_from([None, "NAME", "PHONE"]),
        content=_WORDS,
        confidence=_FRACTIONS,
    )
    alternatives = st.builds(
        model.Alternative,
        transcript=st.sampled_from([None, ""]),
        items=st.lists(items, max_size=max_items),
        entities=st.lists(entities, max_size=1),
    )
    results = st.builds(
        model.Result,
        start_time=st.sampled_from([None, 0]),
        result_id=st.none() | st.uuids().map(str),
        is_partial=st.booleans() if is_partial is None else st.just(is_partial),
        alternatives=st.lists(alternatives, max_size=2),
        channel_id=st.sampled_from([None, "ch_0", "ch_1"]),
        language_code=st.none() | _LANGUAGES,
        language_identification=st.lists(
            st.builds(model.LanguageIdentification, language_code=_LANGUAGES, score=_FRACTIONS), max_size=2
        ),
    )
    lists = st.lists(results, min_size=min_size, max_size=max_size)
    return lists.map(lambda drawn: model.TranscriptEvent(model.Transcript(results=_completed(drawn))))


def _completed(results: list[Result]) -> list[Result]:
    """With true times, in seconds, and the texts of transcripts."""
    begun = 0.0
    for result in results:
        ended = begun
        for alternative in result.alternatives:
            now = begun  # the alternatives are of the same stretch
            for item in alternative.items:
                if item.start_time is not None:
                    item.start_time = now = round(now + item.start_time / 1000, 3)
                if item.end_time is not None:
                    item.end_time = now = round(now + item.end_time / 1000, 3)
            for entity in alternative.entities:
                entity.start_time, entity.end_time = begun, now
            if alternative.transcript is not None:
                alternative.transcript = _text_of(alternative.items)
            ended = max(ended, now)
        if result.start_time is not None:
            result.start_time, result.end_time = begun, ended
        begun = ended
    return results


def _text_of(items: list[Item]) -> str:
    """The words, with spaces between them, and the marks, behind them."""
    text = ""
    for item in items:
        if item.content is not None:
            space = " " if text and item.type == "pronunciation" else ""
            text += space + item.content
    return text
