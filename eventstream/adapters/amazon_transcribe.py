"""`amazon_transcribe.eventstream` on this package's codec and signer: for amazon-transcribe, AWS's first client.

    from eventstream.adapters import amazon_transcribe

    amazon_transcribe.install()  # from here on; uninstall() takes it back
    with amazon_transcribe.install():  # or only here
        ...

Or import from here instead of from `amazon_transcribe.eventstream`: all its public names are here. The buffer, the
header parser, the serializer, the signer and the stream of events are ours; the rest, including messages and errors, is
the library's own. Written for 0.6.4.

`install` puts ours into `amazon_transcribe.eventstream` and `amazon_transcribe.client`, and the loop of a stream of
events into its class. Objects created before `install()`, including a client's signer, keep the library's
implementation; objects created while it is installed keep ours after `uninstall()`.

Results are the library's, and so are the errors, the limits and their order (the limits come before the prelude's
checksum). It is stricter where the library accepts what is not a message, or raises what it does not document:

* A total length under 16, headers longer than the message, or a malformed header (one that is cut, an empty name, an
  unknown type, text that is not UTF-8) is a `ParserError`; the library returns nonsense, or raises KeyError,
  struct.error or UnicodeDecodeError.
* A stream of events that ends in mid-message raises a `ParserError` after its last event; the library ends silently. A
  bare buffer does not know where the stream ends: call `EventStreamBuffer.close`, which only ours has, to check. With
  ``install(complete=True)`` this also goes for one that ends before the client has sent all its audio and the end of
  it.
* What cannot be encoded is a `SerializationError`: a name that is empty, over 255 bytes or no text, an integer out of
  its range, lone surrogates; the library writes the empty name, and raises struct.error or UnicodeEncodeError.
* After an error a buffer drops what it is given; the library's keeps it, and raises the same error again as well.
* A buffer can neither be copied nor pickled, and a signer not be pickled.
* Errors have ours as their ``__cause__``, which says where in the stream it is.
* The second that is signed is that of the ``:date`` header, in UTC; the library writes the digits of its clock, so that
  a clock of another zone gives a signature that no service accepts. The library's own clock is in UTC.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from functools import partial
from operator import attrgetter, index
from typing import TYPE_CHECKING, Any, NoReturn
from zlib import crc32

from amazon_transcribe import eventstream as _library
from amazon_transcribe import model as _model
from amazon_transcribe.eventstream import (
    HEADER_SERIALIZATION_VALUE,
    HEADER_VALUE,
    HEADERS_SERIALIZATION_DICT,
    BaseEvent,
    BaseStream,
    ChecksumMismatch,
    DecodeUtils,
    DuplicateHeader,
    EventStreamMessage,
    HeaderBytesExceedMaxLength,
    HeaderValue,
    HeaderValueBytesExceedMaxLength,
    Int8HeaderValue,
    Int16HeaderValue,
    Int32HeaderValue,
    Int64HeaderValue,
    InvalidHeadersLength,
    InvalidHeaderValue,
    InvalidPayloadLength,
    MessagePrelude,
    ParserError,
    PayloadBytesExceedMaxLength,
    SerializationError,
)

from eventstream import exceptions
from eventstream._codec import Decoder, Headers, decode, encode
from eventstream.adapters._convert import Errors, header_converter
from eventstream.adapters._install import CompletingInstallation, Replacement
from eventstream.signing import ChunkSigner
from eventstream.signing.events import encode_date
from eventstream.values import Byte, Long, Short, Timestamp
from eventstream.wire import CRC, CRC_LENGTH, LENGTHS, MIN_MESSAGE_LENGTH, PRELUDE, PRELUDE_LENGTH

if TYPE_CHECKING:
    from contextlib import ExitStack

    from amazon_transcribe.auth import Credentials

    from eventstream import Message
    from eventstream.values import HeaderValue as HeaderValueHere

__all__ = [
    "HEADERS_SERIALIZATION_DICT",
    "HEADER_SERIALIZATION_VALUE",
    "HEADER_VALUE",
    "BaseEvent",
    "BaseStream",
    "ChecksumMismatch",
    "DecodeUtils",
    "DuplicateHeader",
    "EventSigner",
    "EventStream",
    "EventStreamBuffer",
    "EventStreamHeaderParser",
    "EventStreamMessage",
    "EventStreamMessageSerializer",
    "HeaderBytesExceedMaxLength",
    "HeaderValue",
    "HeaderValueBytesExceedMaxLength",
    "Int8HeaderValue",
    "Int16HeaderValue",
    "Int32HeaderValue",
    "Int64HeaderValue",
    "InvalidHeaderValue",
    "InvalidHeadersLength",
    "InvalidPayloadLength",
    "MessagePrelude",
    "ParserError",
    "PayloadBytesExceedMaxLength",
    "SerializationError",
    "install",
    "uninstall",
]

MAX_HEADERS_LENGTH: int = _library._MAX_HEADERS_LENGTH
MAX_PAYLOAD_LENGTH: int = _library._MAX_PAYLOAD_LENGTH


# Decoding

_PLAIN: dict[type, Callable[[Any], Any]] = {
    Byte: int,
    Short: int,
    Long: int,
    Timestamp: int,
    uuid.UUID: attrgetter("bytes"),
}
"""What the library has for values that are of a type of their own here."""


def _plain(value: HeaderValueHere) -> Any:
    convert = _PLAIN.get(type(value))
    return value if convert is None else convert(value)


_ERRORS = Errors(
    ChecksumMismatch,
    InvalidHeadersLength,
    InvalidPayloadLength,
    DuplicateHeader,
    lambda error: ParserError(str(error)),
)


class EventStreamBuffer(_library.EventStreamBuffer):
    """Messages from a stream that comes in pieces: an iterator that stops when it needs more bytes."""

    def __init__(self) -> None:
        self._decoder = Decoder(max_headers_length=MAX_HEADERS_LENGTH, max_payload_length=MAX_PAYLOAD_LENGTH)
        # What has been added since the message began that starts there, or of an unfinished one the prelude and what
        # came since: the decoder looks at the prelude's checksum first, the library at its lengths. So the lengths must
        # still be there when the checksum is wrong.
        self._added = bytearray()
        self._added_from = 0
        self._headers_of = header_converter(_plain)
        self._unconverted: Message | None = None  # as that failed

    def __reduce__(self) -> NoReturn:
        raise TypeError("an EventStreamBuffer cannot be copied or pickled")

    def add_data(self, data: bytes) -> None:
        """Add the next bytes of the stream. After a fault they are dropped: it is `next` that raises.

        Raises:
            ParserError: `close` was called, or another thread is using the buffer.
        """
        data = b"" + data  # whatever bytes can be added to, as the library does
        self._forget_before(self._decoder.offset)
        length = len(self._added)
        self._added += data  # first: where memory ends, the decoder has not got it either
        try:
            self._decoder.feed(data)
        except BaseException as error:
            del self._added[length:]
            if isinstance(error, exceptions.StateError):
                raise _ERRORS.translate(error) from error
            if not isinstance(error, exceptions.DecodeError):
                raise

    def _forget_before(self, offset: int) -> None:
        """Keep what was added from there on, where a message begins."""
        if offset != self._added_from:
            kept = self._decoder.offset + self._decoder.buffered - offset
            del self._added[: len(self._added) - kept]
            self._added_from = offset

    def next(self) -> EventStreamMessage:
        """Return the next message of what was added.

        Raises:
            StopIteration: no whole message is left.
            ParserError: the bytes are not a message; from then on at every call.
        """
        message, self._unconverted = self._unconverted, None
        if message is None:
            try:
                message = next(self._decoder)
            except StopIteration:
                self._forget_before(self._decoder.offset)
                del self._added[PRELUDE_LENGTH:]
                raise
            except exceptions.CodecError as error:
                raise self._fault(error) from error
        try:
            return self._converted(message)
        except BaseException:
            self._unconverted = message
            raise

    def _converted(self, message: Message) -> EventStreamMessage:
        wire = message.encode()
        prelude = MessagePrelude(*PRELUDE.unpack_from(wire))
        (crc,) = CRC.unpack_from(wire, len(wire) - CRC_LENGTH)
        return EventStreamMessage(prelude, self._headers_of(message.headers), message.payload, crc)

    @property
    def offset(self) -> int:
        """Bytes of the stream before the next message; only ours has this."""
        return self._decoder.offset

    def close(self) -> None:
        """Say that the stream has ended; only ours has this.

        Raises:
            ParserError: in mid-message, or a fault was found before.
        """
        try:
            self._decoder.close()
        except exceptions.CodecError as error:
            raise self._fault(error) from error

    def _fault(self, error: exceptions.CodecError) -> ParserError:
        if isinstance(error, (exceptions.PreludeChecksumMismatch, exceptions.InvalidLength)):
            self._forget_before(error.offset)
            del self._added[PRELUDE_LENGTH:]
            try:
                self._validate_prelude(MessagePrelude(*PRELUDE.unpack(self._added)))
            except ParserError as limit:
                return limit
        return _ERRORS.translate(error)


class EventStreamHeaderParser(_library.EventStreamHeaderParser):
    """Parses the headers of a message, given as their bytes."""

    def parse(self, data: bytes) -> dict[str, HEADER_VALUE]:
        """Return the headers of a block.

        Raises:
            ParserError: it is not a block of headers.
        """
        lengths = LENGTHS.pack(len(data) + MIN_MESSAGE_LENGTH, len(data))
        message = lengths + CRC.pack(crc32(lengths)) + data
        try:
            headers = decode(message + CRC.pack(crc32(message)), max_headers_length=None).headers
            return {name: _plain(value) for name, value in headers.items()}
        except exceptions.DecodeError as error:
            raise _ERRORS.translate(error) from error


class EventStream(_library.EventStream):
    """The events of a response."""

    async def _create_raw_event_generator(self) -> AsyncGenerator[EventStreamMessage, None]:
        buffer = EventStreamBuffer()
        async for chunk in self._raw_stream.chunks():
            buffer.add_data(chunk)
            for message in buffer:
                yield message
        buffer.close()
        if _installation.complete and not _is_sent(getattr(self, _AUDIO, None)):
            error = exceptions.IncompleteStream(
                buffer.offset, reason="the response ended before all audio and its end were sent"
            )
            raise _ERRORS.translate(error) from error


_AUDIO = "_eventstream_audio"
"""Where a stream of results has the stream of its audio."""

_library_start = vars(_model.StartStreamTranscriptionEventStream)["__init__"]


def _start(self: Any, audio_stream: BaseStream, response: Any) -> None:
    """Begin a StartStreamTranscriptionEventStream whose results know their audio."""
    _library_start(self, audio_stream, response)
    setattr(self.output_stream, _AUDIO, audio_stream)


def _is_sent(audio: BaseStream | None) -> bool:
    """Return whether the client has ended its audio, and all of it was sent; True if that is not known."""
    if audio is None:
        return True
    try:
        return not audio._input_stream.read(1)
    except BlockingIOError:  # it has not ended
        return False


# Encoding

_AS_IS = frozenset({bool, bytes, str, uuid.UUID})

_INTEGERS: tuple[tuple[type[HeaderValue], Callable[[Any], int]], ...] = (
    (Int8HeaderValue, Byte),
    (Int16HeaderValue, Short),
    (Int32HeaderValue, lambda value: int(index(value))),
    (Int64HeaderValue, Long),
)


_latest: tuple[datetime.datetime | None, Timestamp] = None, Timestamp(0)


def _timestamp(moment: datetime.datetime) -> Timestamp:
    """Through a float and towards zero, as the library counts milliseconds.

    The serializer asks for that of the moment for which the signer has just asked.
    """
    global _latest
    known, timestamp = _latest
    if moment is not known:
        timestamp = int.__new__(Timestamp, moment.timestamp() * 1000)  # any datetime is within 64 bits
        _latest = moment, timestamp  # in one step, as threads share it
    return timestamp


_ENCODE_ERRORS = replace(_ERRORS, headers_length=HeaderBytesExceedMaxLength, payload_length=PayloadBytesExceedMaxLength)


class EventStreamMessageSerializer(_library.EventStreamMessageSerializer):
    """Encodes messages."""

    def serialize(self, headers: HEADERS_SERIALIZATION_DICT, payload: bytes) -> bytes:
        """Return a message in wire form.

        Raises:
            PayloadBytesExceedMaxLength: the payload is over 16 MiB.
            HeaderBytesExceedMaxLength: the headers are over 128 KiB.
            HeaderValueBytesExceedMaxLength: a value is over 32,767 bytes.
            InvalidHeaderValue: a value is of no type that can be encoded.
            SerializationError: a name or a value is out of bounds otherwise.
        """
        if len(payload) > MAX_PAYLOAD_LENGTH:
            raise PayloadBytesExceedMaxLength(len(payload))
        block = self._block(headers)
        try:
            return encode(block, payload)  # its limit of the headers is the library's
        except exceptions.EncodeLimitExceeded as error:
            raise _ENCODE_ERRORS.translate(error) from error

    def encode_headers(self, headers: HEADERS_SERIALIZATION_DICT) -> bytes:
        """Return a block of headers in wire form, of any length; the errors are those of `serialize`."""
        return self._block(headers).raw

    def _block(self, headers: HEADERS_SERIALIZATION_DICT) -> Headers:
        try:
            return Headers(
                {name: value if type(value) in _AS_IS else self._wire_value(value) for name, value in headers.items()}
            )
        except (TypeError, ValueError, ArithmeticError, OSError, InvalidHeaderValue) as error:
            # What the library says of such headers, if it documents it: of several faults it has its own first one.
            try:
                super().encode_headers(headers)
            except SerializationError as theirs:
                raise theirs from None if isinstance(error, InvalidHeaderValue) else error
            except Exception:
                pass
            if isinstance(error, InvalidHeaderValue):
                raise
            raise SerializationError(str(error)) from error

    def _wire_value(self, value: HEADER_SERIALIZATION_VALUE) -> Any:
        if isinstance(value, datetime.datetime):
            return _timestamp(value)
        if isinstance(value, (bytes, str, uuid.UUID)):
            return value
        if isinstance(value, int):
            value = self.DEFAULT_INT_TYPE(value)
        for theirs, ours in _INTEGERS:
            if isinstance(value, theirs):
                return ours(value.value)
        raise InvalidHeaderValue(value)


# Signing


_now = partial(datetime.datetime.now, datetime.timezone.utc)


class EventSigner(_library.EventSigner):
    """Signs events. One signer serves all streams of a client, also at once: it does not remember their signatures."""

    def __init__(self, signing_name: str, region: str, utc_now: Callable[[], datetime.datetime] | None = None) -> None:
        super().__init__(signing_name, region, utc_now or _now)
        self._chunks = ChunkSigner(region, signing_name)

    def sign(self, payload: bytes, prior_signature: bytes, credentials: Credentials) -> HEADERS_SERIALIZATION_DICT:
        """Return the headers of the event that carries the payload: ``:date`` and ``:chunk-signature``."""
        now = self._utc_now()
        date = _timestamp(now)
        signature = self._chunks.sign(credentials.secret_access_key, date, prior_signature, encode_date(date), payload)
        return {":date": now, ":chunk-signature": signature}


# Installing

_EVENTS = "_create_raw_event_generator"


_installation = CompletingInstallation(
    Replacement("EventStreamBuffer", _library.EventStreamBuffer, EventStreamBuffer, (_library.__name__,)),
    Replacement(
        "EventStreamHeaderParser", _library.EventStreamHeaderParser, EventStreamHeaderParser, (_library.__name__,)
    ),
    Replacement(
        "EventStreamMessageSerializer",
        _library.EventStreamMessageSerializer,
        EventStreamMessageSerializer,
        (_library.__name__, "amazon_transcribe.client"),
    ),
    Replacement("EventSigner", _library.EventSigner, EventSigner, (_library.__name__, "amazon_transcribe.client")),
    # By its method, as the stream of results is a class that was derived from it.
    Replacement(_EVENTS, vars(_library.EventStream)[_EVENTS], vars(EventStream)[_EVENTS], (_library.EventStream,)),
    Replacement("__init__", _library_start, _start, (_model.StartStreamTranscriptionEventStream,)),
)


def install(*, complete: bool | None = None) -> ExitStack:
    """Let amazon-transcribe encode, decode and sign with this package.

    Args:
        complete: whether the results of a stream that begins from now on raise a `ParserError`, after the last of
            them, if the service ends them before it was sent all audio and the end of it. amazon-transcribe ends
            silently then, so that is not checked by default. None: as before.

    Returns:
        A context manager that uninstalls at its end, unless it was installed before. Without ``with`` it does nothing.
    """
    if complete is not None:
        _installation.complete = complete
    return _installation.install()


def uninstall() -> None:
    """Give amazon-transcribe its own codec and signer back. Objects that were created in between keep ours."""
    _installation.uninstall()
