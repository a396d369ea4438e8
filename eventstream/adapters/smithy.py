"""`smithy_aws_event_stream` on this package's codec: for the clients that AWS generates with smithy-python.

    from eventstream.adapters import smithy

    smithy.install()  # from here on; uninstall() takes it back
    with smithy.install():  # or only here
        ...

Or import from here instead of from `smithy_aws_event_stream.events` and its exceptions: all their public names are
here. Written for 0.3.0; like the library, it needs Python 3.12 or newer.

The library decodes to and encodes from plain values, which hold no state of either implementation. So `install` only
changes methods of the library's own classes: all modules that have imported one (the publisher, the receiver, a signer)
get them, results have the library's own types, and it can be installed and uninstalled at any time.

Results are the library's, and so are the errors, the limits and their order. It is stricter where the library accepts
what is not a message, or raises what it does not document:

* Headers longer than the message, or a malformed header (one that is cut, an empty name, an unknown type, text that is
  not UTF-8, a timestamp outside the years 1 to 9999) is an `InvalidEventBytes`; the library returns nonsense, or raises
  KeyError, struct.error, OverflowError or ValueError.
* What cannot be encoded is an `EventError`: a name that is empty, over 255 bytes or no text, lone surrogates, a date
  without a timestamp; the library writes the empty name, and raises struct.error or UnicodeEncodeError.
* `EventHeaderEncoder.encode_headers` encodes all headers or, in the case of an error, none. It does not call the
  methods for single types, which a class that is derived from it may have changed.
* A source is read twice for a message, for its prelude and for the rest; the library reads four times.
* With ``install(complete=True)``, the events of a bidirectional operation raise an `EventError` after the last one if
  they end before the client has closed its own; the library ends silently.
* Errors have ours as their ``__cause__``, which says where in the message it is.
"""

from __future__ import annotations

import datetime
import struct
import uuid
from collections.abc import Awaitable, Callable, Mapping, Set
from functools import partial
from io import BytesIO
from types import AsyncGeneratorType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from zlib import crc32

from smithy_aws_event_stream import events as _library
from smithy_aws_event_stream.aio import AWSEventReceiver
from smithy_aws_event_stream.events import (
    HEADER_VALUE,
    HEADERS_DICT,
    MAX_HEADER_VALUE_BYTE_LENGTH,
    MAX_HEADERS_LENGTH,
    MAX_PAYLOAD_LENGTH,
    Byte,
    BytesLike,
    EventPrelude,
    Long,
    Short,
    SizedInt,
)
from smithy_aws_event_stream.exceptions import (
    ChecksumMismatch,
    DuplicateHeader,
    EventError,
    InvalidEventBytes,
    InvalidHeadersLength,
    InvalidHeaderValue,
    InvalidHeaderValueLength,
    InvalidIntegerValue,
    InvalidPayloadLength,
    MissingInitialResponse,
    UnmodeledEventError,
)
from smithy_core.aio.eventstream import DuplexEventStream
from smithy_core.aio.types import AsyncBytesReader
from smithy_core.types import TimestampFormat

from eventstream import exceptions, values
from eventstream._codec import Headers, decode, encode
from eventstream.adapters._convert import Errors, header_converter
from eventstream.adapters._install import CompletingInstallation, Replacement
from eventstream.wire import MIN_MESSAGE_LENGTH, PRELUDE, PRELUDE_LENGTH

if TYPE_CHECKING:
    from contextlib import ExitStack

    from smithy_core.aio.interfaces import AsyncByteStream
    from smithy_core.interfaces import BytesReader
    from typing_extensions import Self

__all__ = [
    "HEADERS_DICT",
    "HEADER_VALUE",
    "MAX_HEADERS_LENGTH",
    "MAX_HEADER_VALUE_BYTE_LENGTH",
    "MAX_PAYLOAD_LENGTH",
    "Byte",
    "BytesLike",
    "ChecksumMismatch",
    "DuplicateHeader",
    "Event",
    "EventError",
    "EventHeaderDecoder",
    "EventHeaderEncoder",
    "EventMessage",
    "EventPrelude",
    "InvalidEventBytes",
    "InvalidHeaderValue",
    "InvalidHeaderValueLength",
    "InvalidHeadersLength",
    "InvalidIntegerValue",
    "InvalidPayloadLength",
    "Long",
    "MissingInitialResponse",
    "Short",
    "SizedInt",
    "UnmodeledEventError",
    "install",
    "uninstall",
]

_NO_HEADER = (KeyError, ValueError, ArithmeticError, OSError, struct.error)
"""What reading a header raises beside the library's own errors; `ArithmeticError` and `OSError` of a date."""

_NO_VALUE = (TypeError, ValueError, ArithmeticError, OSError)
"""The same of writing one, by ours."""


_E = TypeVar("_E", bound=_library.Event)

_new = object.__new__
_set = object.__setattr__


# Decoding


def _datetime(milliseconds: int) -> Any:
    return TimestampFormat.EPOCH_SECONDS.deserialize(milliseconds / 1000)


_THEIRS: dict[type, Callable[[Any], Any]] = {
    values.Byte: Byte,
    values.Short: Short,
    values.Long: Long,
    values.Timestamp: _datetime,
}
"""What the library has for our types."""


def _their_value(value: Any) -> Any:
    if isinstance(value, (bytes, str)):
        length = len(value.encode()) if isinstance(value, str) else len(value)
        if length > MAX_HEADER_VALUE_BYTE_LENGTH:
            raise InvalidHeaderValueLength(length)
    convert = _THEIRS.get(type(value))
    return value if convert is None else convert(value)


_their_headers = header_converter(_their_value)
"""From our headers to the library's, for all streams of the process, as the library has no state for each."""

_ERRORS = Errors(
    ChecksumMismatch,
    InvalidHeadersLength,
    InvalidPayloadLength,
    DuplicateHeader,
    lambda error: InvalidEventBytes(),
)


def _read_prelude(data: bytes) -> tuple[int, dict[str, Any]]:
    """Return the total length, and the fields of the prelude."""
    if len(data) < PRELUDE_LENGTH:
        raise InvalidEventBytes
    total_length, headers_length, crc = PRELUDE.unpack(data)
    computed = crc32(data[:8])
    if crc != computed:
        raise ChecksumMismatch(crc, computed)
    payload_length = total_length - headers_length - MIN_MESSAGE_LENGTH
    if headers_length > MAX_HEADERS_LENGTH:
        raise InvalidHeadersLength(headers_length)
    if payload_length > MAX_PAYLOAD_LENGTH:
        raise InvalidPayloadLength(payload_length)
    if payload_length < 0:
        raise InvalidEventBytes
    return total_length, {"total_length": total_length, "headers_length": headers_length, "crc": crc}


def _event(cls: type[_E], head: bytes, prelude: dict[str, Any], rest: bytes) -> _E:
    """Return the event of its bytes.

    The library's dataclasses are filled by hand: what their ``__init__`` checks has been checked, and it takes as long
    as all the rest.
    """
    if len(rest) != prelude["total_length"] - PRELUDE_LENGTH:
        raise InvalidEventBytes
    try:
        decoded = decode(head + rest)
        headers = _their_headers(decoded.headers)
    except exceptions.MessageChecksumMismatch as error:
        raise _ERRORS.translate(error) from error
    except _NO_HEADER as error:
        fault: EventError = InvalidEventBytes()
        try:
            EventHeaderDecoder(rest[: prelude["headers_length"]]).decode_headers()
        except EventError as first:  # of several faults
            fault = first
        raise fault from error
    message = _new(_library.EventMessage)
    message.headers = headers
    message.payload = decoded.payload
    event_prelude = _new(EventPrelude)
    _set(event_prelude, "__dict__", prelude)
    crc = int.from_bytes(rest[-4:], "big")
    if cls is not Event and cls is not _library.Event:
        own: _E = cls(event_prelude, message, crc)  # its class may have more to do
        return own
    event = _new(cls)
    _set(event, "__dict__", {"prelude": event_prelude, "message": message, "crc": crc})
    return event


class Event(_library.Event):
    """A message with its prelude and checksum, as the library has it."""

    @classmethod
    def decode(cls, source: BytesReader) -> Self | None:
        """Return the next message of a source.

        Args:
            source: its ``read(n)`` gives n bytes; fewer only at its end.

        Returns:
            None at the end of the source.

        Raises:
            EventError: the bytes are not a message, or end in the middle of one.
        """
        head = source.read(PRELUDE_LENGTH)
        if not head:
            return None
        total_length, prelude = _read_prelude(head)
        return _event(cls, head, prelude, source.read(total_length - PRELUDE_LENGTH))

    @classmethod
    async def decode_async(cls, source: AsyncByteStream) -> Self | None:
        """Return the next message of an asynchronous source."""
        read: Callable[[int], Awaitable[bytes]] = source.read
        if type(source) is AsyncBytesReader:
            # At each call it asks what it reads from, which takes longer than to decode a message. These are private
            # names, of another distribution: where they are others, it is asked as anything else.
            data: Any = getattr(source, "_data", None)
            if type(data) is BytesIO:
                return cls.decode(data)
            if type(data) is AsyncGeneratorType and hasattr(source, "_read_from_iterable"):
                read = partial(source._read_from_iterable, data)
        head = await read(PRELUDE_LENGTH)
        if not head:
            return None
        total_length, prelude = _read_prelude(head)
        return _event(cls, head, prelude, await read(total_length - PRELUDE_LENGTH))

    def __eq__(self, other: object) -> bool:
        """Also equal to an equal event of the library's own class."""
        if not isinstance(other, _library.Event):
            return NotImplemented
        return (self.prelude, self.message, self.crc) == (other.prelude, other.message, other.crc)

    __hash__ = _library.Event.__hash__


_library_decode_header = vars(_library.EventHeaderDecoder)["decode_header"]


class EventHeaderDecoder(_library.EventHeaderDecoder):
    """The headers of a block, one by one."""

    _data: memoryview  # what is left

    def decode_header(self) -> tuple[str, HEADER_VALUE]:
        """Return the next header.

        Raises:
            EventError: it is not a header.
        """
        try:
            name, value = _library_decode_header(self)
        except _NO_HEADER as error:
            raise InvalidEventBytes from error
        if not name:
            raise InvalidEventBytes
        return name, value

    def _advance_data(self, consumed: int) -> None:
        if consumed > len(self._data):
            raise InvalidEventBytes
        self._data = self._data[consumed:]


# Encoding

_AS_IS = frozenset({bool, bytes, int, str, uuid.UUID})
_OURS: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (Byte, values.Byte),
    (Short, values.Short),
    (Long, values.Long),
    (int, int),
    (datetime.datetime, lambda value: int.__new__(values.Timestamp, value.timestamp() * 1000)),  # within 64 bits
    (bytes, bytes),
    (str, str),
    (uuid.UUID, lambda value: value),
)
"""What is encoded for the library's types and their subclasses; the first that fits."""

_library_encode_headers = vars(_library.EventHeaderEncoder)["encode_headers"]
_library_encode_key = vars(_library.EventHeaderEncoder)["_encode_key"]
_library_encode_string = vars(_library.EventHeaderEncoder)["encode_string"]
_library_encode_timestamp = vars(_library.EventHeaderEncoder)["encode_timestamp"]


def _our_value(value: Any) -> Any:
    for theirs, ours in _OURS:
        if isinstance(value, theirs):
            return ours(value)
    raise InvalidHeaderValue(value)


def _block(headers: Mapping[str, Any], before: Set[str] = frozenset()) -> Headers:
    """Return the headers' block; those before have these names."""
    try:
        return Headers({name: value if type(value) in _AS_IS else _our_value(value) for name, value in headers.items()})
    except (*_NO_VALUE, InvalidHeaderValue) as error:
        _refuse(headers, before, error)


def _refuse(headers: Mapping[str, Any], before: Set[str], error: Exception) -> NoReturn:
    """Raise what the library raises of itself for such headers, or else the base of its errors."""
    encoder = _library.EventHeaderEncoder()
    encoder._keys.update(before)
    try:
        _library_encode_headers(encoder, headers)
    except EventError as first:
        raise first from None if isinstance(error, InvalidHeaderValue) else error
    except Exception:
        pass
    if isinstance(error, InvalidHeaderValue):
        raise error
    raise EventError(str(error)) from error


class EventMessage(_library.EventMessage):
    """Headers and payload, as the library has them."""

    def encode(self) -> bytes:
        """Return the message in wire form.

        Raises:
            InvalidHeaderValue: a header's value is of no type that can be encoded.
            InvalidIntegerValue: an integer is out of its type's range.
            InvalidHeaderValueLength: a value is over 32,767 bytes.
            InvalidHeadersLength: the headers are over 128 KiB.
            InvalidPayloadLength: the payload is over 16 MiB.
            EventError: a name or a text cannot be encoded.
        """
        try:
            return encode(
                _block(self.headers),
                self.payload,
                max_headers_length=MAX_HEADERS_LENGTH,
                max_payload_length=MAX_PAYLOAD_LENGTH,
            )
        except exceptions.EncodeLimitExceeded as error:
            raise _ERRORS.translate(error) from error


class EventHeaderEncoder(_library.EventHeaderEncoder):
    """Encodes headers, one by one or a mapping of them. The errors are those of `EventMessage.encode`."""

    def encode_headers(self, headers: HEADERS_DICT) -> None:
        """Encode all of them, or in the case of an error none."""
        encoded = _block(headers, self._keys).raw
        for name in headers:
            if name in self._keys:
                raise DuplicateHeader(name)
        self._keys.update(headers)
        self._buffer.write(encoded)

    def encode_string(self, key: str, value: str) -> None:
        """Encode a text."""
        try:
            _library_encode_string(self, key, value)
        except _NO_VALUE as error:
            raise EventError(str(error)) from error

    def encode_timestamp(self, key: str, value: datetime.datetime) -> None:
        """Encode a date; a naive one is in local time."""
        try:
            _library_encode_timestamp(self, key, value)
        except _NO_VALUE as error:
            raise EventError(str(error)) from error

    def _encode_key(self, key: str) -> None:
        try:
            Headers({key: True})
        except _NO_VALUE as error:
            raise EventError(str(error)) from error
        _library_encode_key(self, key)


# Complete streams

_INPUT = "_eventstream_input"
"""Where the receiver of a bidirectional operation has the publisher."""

_library_await_output = vars(DuplexEventStream)["await_output"]
_library_receive = vars(AWSEventReceiver)["receive"]


async def _await_output(self: Any) -> Any:
    """Return the output of a DuplexEventStream, whose receiver knows the publisher."""
    output, receiver = await _library_await_output(self)
    if receiver is not None:
        setattr(receiver, _INPUT, self.input_stream)
    return output, receiver


async def _receive(self: Any) -> Any:
    """Return the next event of an AWSEventReceiver; None at the end of a complete stream."""
    event = await _library_receive(self)
    if event is None and not self.closed and _installation.complete:
        publisher = getattr(self, _INPUT, None)
        if publisher is not None and not publisher.closed:
            raise EventError("the response ended before the client had closed its event stream")
    return event


# Installing


def _methods(theirs: type, ours: type, *names: str) -> list[Replacement]:
    return [Replacement(name, vars(theirs)[name], vars(ours)[name], (theirs,)) for name in names]


_installation = CompletingInstallation(
    *_methods(_library.Event, Event, "decode", "decode_async"),
    *_methods(_library.EventMessage, EventMessage, "encode"),
    *_methods(
        _library.EventHeaderEncoder,
        EventHeaderEncoder,
        "encode_headers",
        "encode_string",
        "encode_timestamp",
        "_encode_key",
    ),
    *_methods(_library.EventHeaderDecoder, EventHeaderDecoder, "decode_header", "_advance_data"),
)


def install(*, complete: bool | None = None) -> ExitStack:
    """Let smithy's clients encode and decode with this package.

    Args:
        complete: whether the events of a bidirectional operation raise an `EventError`, after the last of them, if the
            service ends them before the client has closed its own. An operation may end so by its own rules, so that
            is not checked by default. It holds for outputs that are awaited from now on. None: as before.

    Returns:
        A context manager that uninstalls at its end, unless it was installed before. Without ``with`` it does nothing.
    """
    if complete is not None:
        _installation.complete = complete
    if complete:  # each event costs a call more
        _installation.add(Replacement("await_output", _library_await_output, _await_output, (DuplexEventStream,)))
        _installation.add(Replacement("receive", _library_receive, _receive, (AWSEventReceiver,)))
    return _installation.install()


def uninstall() -> None:
    """Give smithy's clients their own codec back."""
    _installation.uninstall()
