"""Every error of the codec and of signatures.

The caller's fault (`EncodeError`), the sender's fault (`DecodeError`, `VerificationError`), an end that came too early
(`IncompleteStream`), a call at the wrong time (`StateError`) and what the service reports (`ServiceError`) are
different errors. Each carries its facts as attributes and builds its text from them, so that both
implementations of the codec say the same. A text quotes at most 64 bytes of input; that of a `ServiceError` has at most
1,024 characters. All of them pickle and copy.
"""

# This module imports nothing but `_text` and `wire`, and they nothing of the package.

from __future__ import annotations

from eventstream._text import (
    MAX_JSON_VALUES,
    MAX_SHOWN,
    describe,
    escaped,
    has_too_many_values,
    header_label,
    quote,
    text_of,
)
from eventstream.wire import MIN_MESSAGE_LENGTH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import timedelta
    from typing import Any, Literal, Protocol, TypeVar

    from typing_extensions import Self

    from eventstream.values import HeaderValue

    Part = Literal["headers", "payload"]
    E = TypeVar("E", bound=Exception)

    class Message(Protocol):
        """What a `ServiceError` is made from: a `Message` of either implementation."""

        @property
        def headers(self) -> Mapping[str, HeaderValue]: ...
        @property
        def payload(self) -> bytes | memoryview: ...
        @property
        def exception_type(self) -> str | None: ...
        @property
        def error_code(self) -> str | None: ...
        @property
        def error_message(self) -> str | None: ...


MAX_SERVICE_TEXT = 1024
"""Characters that the text of a `ServiceError` has at most."""


def _restore(cls: type[Exception], args: tuple[Any, ...], attributes: dict[str, Any]) -> Exception:
    error = cls.__new__(cls, *args)
    error.__dict__.update(attributes)
    return error


class _Restorable(Exception):
    """An exception that pickles with any signature of its ``__init__``."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, dict(self.__dict__))


def copy_of(error: E) -> E:
    """Return a new exception, equal to this one in class and attributes, without its traceback."""
    copied = _restore(type(error), error.args, error.__dict__)
    assert isinstance(copied, type(error))
    return copied


class CodecError(_Restorable):
    """Base of every error that the codec itself raises."""


# The caller's fault


class EncodeError(CodecError, ValueError):
    """The headers or the payload cannot be encoded."""


class InvalidHeaderName(EncodeError):
    """A header's name is not 1 to 255 bytes of UTF-8, or is given twice.

    Attributes:
        name: the name.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"header name {quote(name)}: {reason}")
        self.name = name


class InvalidHeaderValue(EncodeError):
    """A header's value is outside what its type can hold.

    Attributes:
        name: the header's name; None for a value without a header, such as ``Byte(200)``.
    """

    def __init__(self, name: str | None, reason: str) -> None:
        super().__init__(reason if name is None else f"{header_label(name)}: {reason}")
        self.name = name


class EncodeLimitExceeded(EncodeError):
    """The headers or the payload are longer than the limit.

    Attributes:
        part: ``"headers"`` or ``"payload"``.
        length: its length in bytes.
        limit: the limit in bytes.
    """

    def __init__(self, part: Part, length: int, limit: int) -> None:
        super().__init__(f"{part} of {length} bytes: the limit is {limit} (max_{part}_length)")
        self.part = part
        self.length = length
        self.limit = limit


# The sender's fault


class DecodeError(CodecError, ValueError):
    """The bytes are not a valid message.

    Attributes:
        offset: the absolute position in the stream, in bytes. For a fault of the prelude, the lengths or a checksum
            the first byte of the message; for a fault in a header the first byte of that header.
    """

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(f"{reason} (at byte {offset})")
        self.offset = offset


class PreludeChecksumMismatch(DecodeError):
    """The CRC of the prelude does not match its two lengths.

    The usual cause is that the input is not an event stream. The text says so where the bytes are JSON, XML, HTML,
    server-sent events, HTTP/1, other text, gzip or base64, and shows their beginning.

    Attributes:
        expected: the CRC-32 that the message carries.
        computed: the CRC-32 of its bytes.
        received: the first bytes, at most 64, of those that had arrived when the error was found: 12 or more.
    """

    def __init__(self, offset: int, expected: int, computed: int, received: bytes = b"") -> None:
        found = describe(received[:MAX_SHOWN])
        if found is None:
            reason = f"prelude checksum mismatch: expected 0x{expected:08x}, computed 0x{computed:08x}"
        else:
            reason = f"expected a message, found {found}"
        super().__init__(offset, reason)
        self.expected = expected
        self.computed = computed
        self.received = received[:MAX_SHOWN]


class MessageChecksumMismatch(DecodeError):
    """The CRC of the message does not match its bytes.

    Attributes:
        expected: the CRC-32 that the message carries.
        computed: the CRC-32 of its bytes.
    """

    def __init__(self, offset: int, expected: int, computed: int) -> None:
        super().__init__(offset, f"message checksum mismatch: expected 0x{expected:08x}, computed 0x{computed:08x}")
        self.expected = expected
        self.computed = computed


class InvalidLength(DecodeError):
    """A total length under 16, or headers longer than the message has room for.

    Attributes:
        total_length: the declared length of the message in bytes.
        headers_length: the declared length of its headers in bytes.
    """

    def __init__(self, offset: int, total_length: int, headers_length: int) -> None:
        room = total_length - MIN_MESSAGE_LENGTH
        if room < 0:
            reason = f"total length {total_length}: a message has at least {MIN_MESSAGE_LENGTH} bytes"
        else:
            reason = f"headers length {headers_length}: a message of {total_length} bytes has room for {room}"
        super().__init__(offset, reason)
        self.total_length = total_length
        self.headers_length = headers_length


class DecodeLimitExceeded(DecodeError):
    """The message declares headers or a payload longer than the limit.

    Attributes:
        part: ``"headers"`` or ``"payload"``.
        length: the declared length in bytes.
        limit: the limit in bytes.
    """

    def __init__(self, offset: int, part: Part, length: int, limit: int) -> None:
        super().__init__(offset, f"{part} of {length} bytes: the limit is {limit} (max_{part}_length)")
        self.part = part
        self.length = length
        self.limit = limit


class InvalidHeader(DecodeError):
    """A header breaks the format's rules. Raised as this class itself if its name is empty.

    Attributes:
        name: the header's name, None when it is not known.
    """

    def __init__(self, offset: int, name: str | None, reason: str) -> None:
        super().__init__(offset, f"{header_label(name)}: {reason}")
        self.name = name


class TruncatedHeader(InvalidHeader):
    """A header runs past the end of the header block."""

    def __init__(self, offset: int, name: str | None) -> None:
        super().__init__(offset, name, "runs past the end of the header block")


class UnknownHeaderType(InvalidHeader):
    """A header's type is not one of the ten.

    Attributes:
        type: the type byte, 10 to 255.
    """

    def __init__(self, offset: int, name: str | None, type: int) -> None:
        super().__init__(offset, name, f"unknown type {type}")
        self.type = type


class DuplicateHeader(InvalidHeader):
    """A header's name occurs twice in one message."""

    def __init__(self, offset: int, name: str | None) -> None:
        super().__init__(offset, name, "occurs twice")


class InvalidHeaderText(InvalidHeader):
    """A header's name (then `name` is None) or its string value is not UTF-8."""

    def __init__(self, offset: int, name: str | None) -> None:
        super().__init__(offset, name, "its name is not UTF-8" if name is None else "its value is not UTF-8")


class TruncatedMessage(DecodeError):
    """The input ends in the middle of a message, or where one must come; `offset` is that message's first byte.

    Attributes:
        available: how many bytes of the message have arrived.
        needed: how many it has; 12 while its length is not known.
        received: the bytes that have arrived, if they are fewer than 12; empty otherwise. Text such as ``Forbidden`` is
            shown.
    """

    def __init__(self, offset: int, available: int, needed: int, received: bytes = b"") -> None:
        if available:
            reason = f"the input ends in the middle of a message: {available} bytes of {needed}"
        else:
            reason = "the input ends where a message must come"
        found = describe(received[:MAX_SHOWN])
        super().__init__(offset, reason if found is None else f"{reason}; found {found}")
        self.available = available
        self.needed = needed
        self.received = received[:MAX_SHOWN]


class TrailingData(DecodeError):
    """Bytes follow the one message that was expected; `offset` is the first of them.

    Attributes:
        length: how many bytes follow.
    """

    def __init__(self, offset: int, length: int) -> None:
        super().__init__(offset, f"{length} bytes follow the message")
        self.length = length


# An end between two messages


class IncompleteStream(CodecError, EOFError):
    """The stream ended between two messages, before it was complete. The operation may be tried again.

    Attributes:
        offset: where the stream ended: the length in bytes of the messages that came.
        last: the event type of the last message; None if it has none, or no message came.
        expected: the types of event that a complete stream may end with; empty where it ends in another way.
    """

    def __init__(
        self, offset: int, last: str | None = None, expected: Collection[str] = (), reason: str | None = None
    ) -> None:
        """Make the error; `reason` says what is missing where `last` and `expected` do not."""
        if reason is None:
            ended = "a message without an event type" if last is None else quote(last)
            reason = f"the stream is incomplete: it ended with {ended if offset else 'no message'}"
            if expected:
                reason = f"{reason}, not {' or '.join(sorted(map(quote, expected)))}"
        super().__init__(f"{reason} (at byte {offset})")
        self.offset = offset
        self.last = last
        self.expected = frozenset(expected)


# Signatures


class VerificationError(CodecError):
    """A signed event or request is not what its signature says.

    Attributes:
        index: of the event in the stream, from 0; None for the request that opens it.
    """

    def __init__(self, index: int | None, reason: str) -> None:
        super().__init__(f"{'the request' if index is None else f'event {index}'}: {reason}")
        self.index = index


class SignatureMismatch(VerificationError):
    """The signature is not that of this key, date, payload and previous signature."""


class DateSkew(VerificationError):
    """The event's date is too far from the verifier's clock.

    Attributes:
        skew: how far it is from the clock, negative if it is behind; None where it is not a date, or a URL has expired.
    """

    def __init__(self, index: int | None, reason: str, skew: timedelta | None = None) -> None:
        super().__init__(index, reason)
        self.skew = skew


class UnexpectedMessage(VerificationError):
    """A message comes after the end, has no signature, or has other headers than the two of a signed event."""


# The call, and the service


class StateError(CodecError):
    """The call is not allowed now: ``feed`` after ``close``, ``sign`` after ``finish``, concurrent use."""


class ServiceError(_Restorable):
    """An error that the service reports: it answered with an ``exception`` or an ``error`` message.

    The text of this error, its ``str()``, has at most 1,024 characters, and control characters are escaped in it. The
    attributes hold everything.

    Args:
        code: the exception's type or the error's code, empty if the message names none.
        message: the service's text, empty if it gave none.
        headers: the message's headers; None: it has none.
        payload: the message's payload.

    Attributes:
        code, message, headers, payload: as given.
        status_code: the HTTP status that belongs to the error; None where the operation does not say.
        request_id: the id of the request, for the service's support; None where it is not known.
        clock_skew: how far the service's clock is from this machine's, where a client found that this is why a request
            was refused; its next requests are signed with the service's time.
    """

    status_code: int | None = None
    request_id: str | None = None
    clock_skew: timedelta | None = None

    def __init__(
        self, code: str, message: str, headers: Mapping[str, HeaderValue] | None = None, payload: bytes = b""
    ) -> None:
        text = f"{code or 'unnamed error'}: {message}" if message else code or "unnamed error"
        super().__init__(escaped(text, MAX_SERVICE_TEXT))
        self.code = code
        self.message = message
        self.headers = headers
        self.payload = payload

    @property
    def retryable(self) -> bool | None:
        """Whether the same request may succeed later; None where the operation does not say."""
        return None

    @classmethod
    def from_message(cls, message: Message) -> Self:
        """Return the error that an ``exception`` or ``error`` message reports.

        Its text is the ``:error-message`` header, or else the ``Message`` or ``message`` of a JSON payload, or else a
        payload that is plain text.

        Raises:
            BufferError: the payload is a view that was released.
        """
        try:
            payload = bytes(message.payload)
        except ValueError as error:  # as a released memoryview says it
            raise BufferError(str(error)) from None
        code = message.exception_type or message.error_code or ""
        return cls(code, message.error_message or _text_of_payload(payload), message.headers, payload)


def _text_of_payload(payload: bytes) -> str:
    import json  # here: only this rare path needs it, and it would double the import time of the package

    if has_too_many_values(payload, MAX_JSON_VALUES):
        return ""
    try:
        body = json.loads(payload)
    except (ValueError, RecursionError):
        body = (text_of(payload) or "").strip()
        return "" if body.startswith(("{", "[")) else body  # JSON that is broken is not a text
    if isinstance(body, dict):
        for key in ("Message", "message"):
            if isinstance(body.get(key), str):
                return str(body[key])
    return body if isinstance(body, str) else ""
