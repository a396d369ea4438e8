"""Every error of the codec and of signatures.

The caller's fault (`EncodeError`), the sender's fault (`DecodeError`, `VerificationError`), a call at the wrong time
(`StateError`) and the service's own word (`ServiceError`) are different errors. Each carries what it is about as
attributes, and builds its text from them, so that both implementations of the codec say the same. A text quotes at most
64 bytes of input; a `ServiceError`'s is the service's own, whole. All of them pickle and copy.

This module imports nothing but `_text`, which imports nothing.
"""

from __future__ import annotations

from eventstream._text import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Literal, Protocol

    from typing_extensions import Self

    from eventstream.values import HeaderValue

    Part = Literal["headers", "payload"]

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


_quote = quote  # its old name, until nobody uses it


def _header(name: str | None) -> str:
    return "header" if name is None else f"header {quote(name)}"


def _restore(cls: type[Exception], args: tuple[Any, ...], attributes: dict[str, Any]) -> Exception:
    error = cls.__new__(cls, *args)
    error.__dict__.update(attributes)
    return error


class _Restorable(Exception):
    """An exception that pickles whatever the signature of its ``__init__``."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, dict(self.__dict__))

    def _again(self) -> Self:
        """A new exception, equal to this one in class and attributes, without its traceback."""
        error = _restore(type(self), self.args, self.__dict__)
        assert isinstance(error, type(self))
        return error


class CodecError(_Restorable):
    """Base of every error that the codec itself raises."""


# The caller's fault


class EncodeError(CodecError, ValueError):
    """What was to be encoded cannot be."""


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
        name: the header's name; None where the value stands alone, as in ``Byte(200)``.
    """

    def __init__(self, name: str | None, reason: str) -> None:
        super().__init__(reason if name is None else f"{_header(name)}: {reason}")
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
    """The bytes are no valid message.

    Attributes:
        offset: the absolute position in the stream, in bytes. For a fault of the prelude, the lengths or a checksum
            the first byte of the message; for a fault in a header the first byte of that header.
    """

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(f"{reason} (at byte {offset})")
        self.offset = offset


class _ChecksumMismatch(DecodeError):
    _what = ""

    def __init__(self, offset: int, expected: int, computed: int) -> None:
        super().__init__(
            offset, f"{self._what} checksum mismatch: it says 0x{expected:08x}, the bytes give 0x{computed:08x}"
        )
        self.expected = expected
        self.computed = computed


class PreludeChecksumMismatch(_ChecksumMismatch):
    """The CRC of the prelude does not match its two lengths.

    Attributes:
        expected: the CRC-32 that the message carries.
        computed: the CRC-32 of its bytes.
    """

    _what = "prelude"


class MessageChecksumMismatch(_ChecksumMismatch):
    """The CRC of the message does not match its bytes.

    Attributes:
        expected: the CRC-32 that the message carries.
        computed: the CRC-32 of its bytes.
    """

    _what = "message"


class InvalidLength(DecodeError):
    """A total length under 16, or headers longer than the message has room for."""

    def __init__(self, offset: int, total_length: int, headers_length: int) -> None:
        if total_length < 16:
            reason = f"total length {total_length}: a message has at least 16 bytes"
        else:
            reason = (
                f"headers length {headers_length}: a message of {total_length} bytes has room for {total_length - 16}"
            )
        super().__init__(offset, reason)


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
    """A header breaks the format's rules; as itself: its name is empty.

    Attributes:
        name: the header's name, None when it is not known.
    """

    def __init__(self, offset: int, name: str | None, reason: str) -> None:
        super().__init__(offset, f"{_header(name)}: {reason}")
        self.name = name


class TruncatedHeader(InvalidHeader):
    """A header runs past the end of the header block."""

    def __init__(self, offset: int, name: str | None) -> None:
        super().__init__(offset, name, "runs past the end of the header block")


class UnknownHeaderType(InvalidHeader):
    """A header's type is none of the ten.

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
    """The input ends in the middle of a message, or where one must come; `offset` is that message's first byte."""

    def __init__(self, offset: int, available: int, needed: int) -> None:
        if available:
            reason = f"the input ends in the middle of a message: {available} bytes of {needed}"
        else:
            reason = "the input ends where a message must come"
        super().__init__(offset, reason)


class TrailingData(DecodeError):
    """Bytes follow the one message that was expected; `offset` is the first of them."""

    def __init__(self, offset: int, length: int) -> None:
        super().__init__(offset, f"{length} bytes follow the message")


# Signatures


class VerificationError(CodecError):
    """A signed event does not hold what its signature promises.

    Attributes:
        index: which event of the stream, from 0; None: the request that opens it.
    """

    def __init__(self, index: int | None, reason: str) -> None:
        super().__init__(f"{'the request' if index is None else f'event {index}'}: {reason}")
        self.index = index


class SignatureMismatch(VerificationError):
    """The signature is not the one that the key, the date, the bytes and the signature before give."""


class DateSkew(VerificationError):
    """The event's date is too far from the verifier's clock."""


class UnexpectedMessage(VerificationError):
    """A message after the end, without a signature, or with other headers than the two of a signed event."""


# The call, and the service


class StateError(CodecError):
    """A call that may not be made now: ``feed`` after ``close``, ``sign`` after ``finish``, concurrent use."""


class ServiceError(_Restorable):
    """The service's word: it answered with an ``exception`` or an ``error`` message.

    Attributes:
        code: the exception's type or the error's code, empty if the message names none.
        message: the service's text, empty if it gave none.
        headers: the message's headers.
        payload: the message's payload, as bytes.
    """

    def __init__(
        self, code: str, message: str, headers: Mapping[str, HeaderValue] | None = None, payload: bytes = b""
    ) -> None:
        text = f"{code or 'unnamed error'}: {message}" if message else code or "unnamed error"
        super().__init__(text.encode("utf-8", "replace").decode())  # JSON may hold what cannot be printed
        self.code = code
        self.message = message
        self.headers = headers
        self.payload = payload

    @classmethod
    def from_message(cls, message: Message) -> Self:
        """The error that an ``exception`` or ``error`` message stands for.

        Its text is the ``:error-message`` header or else the ``Message`` or ``message`` of a JSON payload.
        """
        try:
            payload = bytes(message.payload)
        except ValueError as error:  # as a released memoryview says it
            raise BufferError(str(error)) from None
        code = message.exception_type or message.error_code or ""
        return cls(code, message.error_message or _text_of_json(payload), message.headers, payload)


def _text_of_json(payload: bytes) -> str:
    import json  # here: only this rare path needs it, and it would double the import time of the package

    try:
        body = json.loads(payload)
    except (ValueError, RecursionError):
        return ""
    if isinstance(body, dict):
        for key in ("Message", "message"):
            if isinstance(body.get(key), str):
                return str(body[key])
    return ""
