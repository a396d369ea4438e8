"""`botocore.eventstream` on this package's codec: for boto3, aiobotocore, and everything that reads streams through
them.

    from eventstream.adapters import botocore

    botocore.install()  # from here on, every stream of this process; uninstall() takes it back
    with botocore.install():  # or only here
        ...

Or import `EventStreamBuffer` from here instead of from botocore. All other names of `botocore.eventstream` are here
too. `EventStreamBuffer`, which decodes, and the loop around it in `EventStream` are ours; the rest, including the
errors, is botocore's own.

`install` puts `EventStreamBuffer` into the modules `botocore.eventstream` and `aiobotocore.eventstream`, and the loop
into the classes `EventStream` and `AioEventStream`, so that existing imports of these work too. Call `install()` before
any module runs `from botocore.eventstream import EventStreamBuffer`, and call it again if aiobotocore is imported
later.

Where ours differs from botocore's:

* A stream that ends in the middle of a message raises a `ParserError` after its last event; botocore ends silently, or
  where that was the initial response raises a `NoInitialResponseError`. So does one that ends before its
  ``Content-Length``, and one that ends without its last event, if `install` knows that: ``install(last=LAST_EVENTS)``.
  A bare `EventStreamBuffer` does not know where the stream ends: call `close`, which only ours has, to check.
* Impossible lengths, which botocore accepts (a total under 16 bytes, or headers longer than the message has room for),
  raise `InvalidHeadersLength`, as soon as the prelude is there.
* A malformed header (text that is not UTF-8, an unknown type, an empty name, a value past the end of the headers)
  raises a `ParserError`; botocore raises UnicodeDecodeError or KeyError, or returns a shortened value.
* After an error a buffer is dead: it raises the same error again, and `add_data` ignores what it is given. botocore's
  continues with what it has.
* Of two threads that use one buffer at the same time, the second gets a `ParserError`.
* Each error has the `eventstream.DecodeError` that says where in the stream it is as its ``__cause__``.
* A message computes `prelude` and `crc` when they are first looked at. ``iter(buffer)`` is not the buffer itself. A
  buffer can neither be copied nor pickled, and takes no further attributes.
"""

from __future__ import annotations

import functools
import sys
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from botocore import eventstream as theirs
from botocore import xform_name
from botocore.eventstream import (
    ChecksumMismatch,
    DecodeUtils,
    DuplicateHeader,
    EventStreamError,
    EventStreamHeaderParser,
    EventStreamMessage,
    InvalidHeadersLength,
    InvalidPayloadLength,
    MessagePrelude,
    NoInitialResponseError,
    ParserError,
)

from eventstream import exceptions
from eventstream._arguments import check_event_types
from eventstream._codec import Decoder, DecoderMap
from eventstream.adapters._convert import Errors, header_converter
from eventstream.adapters._install import Installation, Replacement
from eventstream.streams import bytes_missing
from eventstream.wire import CRC_LENGTH, PRELUDE

if TYPE_CHECKING:
    import contextlib
    from collections.abc import AsyncIterator, Callable, Collection, Iterator
    from types import ModuleType

    from typing_extensions import Buffer

    from eventstream import Message
    from eventstream.values import HeaderValue

__all__ = [
    "LAST_EVENTS",
    "ChecksumMismatch",
    "DecodeUtils",
    "DuplicateHeader",
    "EventStream",
    "EventStreamBuffer",
    "EventStreamError",
    "EventStreamHeaderParser",
    "EventStreamMessage",
    "InvalidHeadersLength",
    "InvalidPayloadLength",
    "MessagePrelude",
    "NoInitialResponseError",
    "ParserError",
    "install",
    "uninstall",
]

LAST_EVENTS: Mapping[str, Collection[str]] = {
    "ConverseStream": ("messageStop", "metadata"),
    "InvokeWithResponseStream": ("InvokeComplete",),
    "SelectObjectContent": ("End",),
}
"""The operations whose complete streams end with an event of these types, for `install`."""


class _Message(EventStreamMessage):  # type: ignore[misc]
    """A message like botocore's, which `_converter` fills: calling botocore's ``__init__`` would cost as much again.

    What is rarely looked at, the prelude and the CRC, is computed then.
    """

    __slots__ = ("_message", "headers", "payload")
    __init__ = object.__init__

    @functools.cached_property
    def prelude(self) -> MessagePrelude:
        return MessagePrelude(*PRELUDE.unpack_from(self._message.encode()))

    @functools.cached_property
    def crc(self) -> int:
        return int.from_bytes(self._message.encode()[-CRC_LENGTH:], "big")

    def to_response_dict(self, status_code: int = 200) -> dict[str, Any]:
        """Return what botocore's parsers take: the status is 400 for an ``exception`` or an ``error``."""
        headers = self.headers
        message_type = headers.get(":message-type")
        if message_type == "error" or message_type == "exception":
            status_code = 400
        return {"status_code": status_code, "headers": headers, "body": self.payload}


def _value(value: HeaderValue) -> bool | int | bytes | str:
    """Return a header's value as botocore gives it: integers and timestamps plain, UUIDs as bytes."""
    if isinstance(value, uuid.UUID):
        return value.bytes
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _converter() -> Callable[[Message], _Message]:
    """From our messages to botocore's."""
    headers_of = header_converter(_value)

    def convert(message: Message) -> _Message:
        converted: _Message = _Message()
        converted._message = message
        converted.headers = headers_of(message.headers)
        converted.payload = message.payload
        return converted

    return convert


def _other(error: exceptions.CodecError) -> Exception:
    if isinstance(error, exceptions.InvalidLength):
        impossible: Exception = InvalidHeadersLength.__new__(InvalidHeadersLength, str(error))  # its own text would lie
        return impossible
    other: Exception = ParserError(str(error))
    return other


_ERRORS = Errors(ChecksumMismatch, InvalidHeadersLength, InvalidPayloadLength, DuplicateHeader, _other)


class EventStreamBuffer:
    """Messages from the bytes of a stream, in pieces of any size; replaces `botocore.eventstream.EventStreamBuffer`.

    Iterate over it after each `add_data`; it stops when it needs more bytes, and resumes after the next. Its messages
    are `EventStreamMessage` with `headers` (a dict of their own), `payload` (bytes), `prelude` and `crc`. Headers are
    limited to 128 KiB and payloads to 24 MiB, as in botocore.

    Raises:
        ChecksumMismatch: while iterating: the prelude or the message is damaged.
        InvalidHeadersLength, InvalidPayloadLength: while iterating: too long, or impossible.
        DuplicateHeader: while iterating: a header occurs twice.
        ParserError: while iterating: the base of the above, and itself for all other faults.
    """

    __slots__ = ("__weakref__", "_decoder", "_messages")

    def __init__(self) -> None:
        self._decoder = Decoder()
        self._messages = DecoderMap(self._decoder, _converter(), _ERRORS.translate)

    def add_data(self, data: Buffer) -> None:
        """Add the next bytes of the stream, of any length; they are checked when the buffer is iterated over."""
        try:
            self._decoder.feed(data)
        except exceptions.StateError as error:
            raise ParserError(str(error)) from error
        except exceptions.DecodeError:
            pass  # which the iteration raises again

    def __iter__(self) -> Iterator[EventStreamMessage]:
        # A class derived from this one may have another `next`.
        return self._messages if type(self) is EventStreamBuffer else self

    def next(self) -> EventStreamMessage:
        """Return the next message of what was added.

        Raises:
            StopIteration: no whole message is left.
            ParserError: the bytes are not a message; from then on at every call.
        """
        return next(self._messages)

    def __next__(self) -> EventStreamMessage:
        return self.next()

    def __reduce__(self) -> NoReturn:
        raise TypeError("an EventStreamBuffer cannot be copied or pickled")

    @property
    def offset(self) -> int:
        """Bytes of the stream before the next message; only ours has this."""
        return self._decoder.offset

    def close(self) -> None:
        """Check, once all messages are taken, that the stream did not end in the middle of one; only ours has this.

        Raises:
            ParserError: it did.
        """
        try:
            self._decoder.close()
        except exceptions.CodecError as error:
            raise _ERRORS.translate(error) from error


def _check_end(stream: Any, buffer: EventStreamBuffer, message: EventStreamMessage | None) -> None:
    """Raise an error unless the stream may end after this message."""
    buffer.close()
    event_type = None if message is None else message.headers.get(":event-type")
    last = _INSTALLATION.last.get(xform_name(stream._operation_name), ())
    missing = bytes_missing(stream._raw_stream)
    if missing or (last and event_type not in last):
        reason = f"the response ended {missing} bytes before its Content-Length" if missing else None
        error = exceptions.IncompleteStream(buffer.offset, event_type, last, reason)
        raise _ERRORS.translate(error) from error


class EventStream(theirs.EventStream):  # type: ignore[misc]
    """The events of a response; unlike `botocore.eventstream.EventStream`, one that is cut raises after its last event.

    Raises:
        ParserError: while iterating: the stream is damaged, ends in the middle of a message or before its
            ``Content-Length``, or lacks the last event that `install` was told.
        EventStreamError: while iterating: the service reports an ``exception`` or an ``error``.
    """

    def _create_raw_event_generator(self) -> Iterator[EventStreamMessage]:
        buffer = EventStreamBuffer()
        message = None
        for chunk in self._raw_stream.stream():
            buffer.add_data(chunk)
            for message in buffer:
                yield message
        _check_end(self, buffer, message)


async def _create_raw_aio_event_generator(self: Any) -> AsyncIterator[EventStreamMessage]:
    """Yield the messages of aiobotocore's AioEventStream."""
    buffer = EventStreamBuffer()
    message = None
    async for chunk, _ in self._raw_stream.content.iter_chunks():
        buffer.add_data(chunk)
        for message in buffer:
            yield message
    _check_end(self, buffer, message)


_LOOP = "_create_raw_event_generator"


class _BotocoreInstallation(Installation):
    """Remembers what `install` was told about the ends of streams, by the name of the client's method."""

    last: Mapping[str, Collection[str]] = {}

    def uninstall(self) -> None:
        self.last = {}
        super().uninstall()


_INSTALLATION = _BotocoreInstallation(
    Replacement(
        "EventStreamBuffer",
        theirs.EventStreamBuffer,
        EventStreamBuffer,
        ("botocore.eventstream", "aiobotocore.eventstream"),
    ),
    Replacement(_LOOP, vars(theirs.EventStream)[_LOOP], vars(EventStream)[_LOOP], (theirs.EventStream,)),
)


@functools.cache  # asked once, while the loop is still theirs
def _aio_loop(module: ModuleType) -> Replacement:
    stream = module.AioEventStream
    return Replacement(_LOOP, vars(stream)[_LOOP], _create_raw_aio_event_generator, (stream,))


def install(*, last: Mapping[str, Collection[str]] | None = None) -> contextlib.ExitStack:
    """Let botocore, boto3, aiobotocore (if it is imported) and their users decode with this package.

    Args:
        last: the types of event that a complete stream may end with, by the name of the operation or of the client's
            method, e.g. ``ConverseStream`` or ``converse_stream``; `LAST_EVENTS` has those that are known. A
            stream of such an operation that ends otherwise raises a `ParserError` after its last event. botocore leaves
            that to its caller, so none is checked by default. None: as before.

    Returns:
        A context manager that uninstalls at its end, unless it was installed before. Without ``with`` it does nothing.

    Raises:
        TypeError: the types of an operation are a str, or `last` does not say of which operations.
    """
    if not isinstance(last, (Mapping, type(None))):
        raise TypeError(f"last must map operations to their event types, not be a {type(last).__name__}")
    for operation, events in (last or {}).items():
        check_event_types(f"last[{operation!r}]", events)
    aio = sys.modules.get("aiobotocore.eventstream")
    if aio is not None:
        _INSTALLATION.add(_aio_loop(aio))
    if last is not None:
        _INSTALLATION.last = {xform_name(name): events for name, events in last.items()}
    return _INSTALLATION.install()


def uninstall() -> None:
    """Give botocore its own decoder back. Streams that are being read keep ours."""
    _INSTALLATION.uninstall()
