"""What can go wrong in a transcription, besides the codec's errors: what the service reports, and input that breaks its
rules.

`TranscribeError` and its five subclasses are what the service reports: in an ``exception`` message, in an ``error``
message, or in an HTTP response before the stream. The class follows the code; an unknown code becomes a plain
`TranscribeError`. Servers make the same errors and send them.

`InvalidRequest`, `InvalidEvent` and `InvalidAudio` say that parameters, a message or audio are not what the operation
allows.

Source: the service model "Amazon Transcribe Streaming Service" (2017-10-26).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from eventstream._codec import Message
from eventstream.exceptions import ServiceError
from eventstream.operation import (
    InvalidEvent,
    InvalidRequest,
    error_from_response,
    error_to_message,
    error_to_response,
    make_error,
    may_retry,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from typing_extensions import Self

    from eventstream.exceptions import Message as AnyMessage
    from eventstream.values import HeaderValue

__all__ = [
    "ERRORS",
    "BadRequestException",
    "ConflictException",
    "InternalFailureException",
    "InvalidAudio",
    "InvalidEvent",
    "InvalidRequest",
    "LimitExceededException",
    "ServiceUnavailableException",
    "TranscribeError",
]


class TranscribeError(ServiceError):
    """The service ended the transcription, or refused to begin it.

    Args:
        code: the exception's type or the error's code.
        message: the service's text.
        headers: those of the message that said it, or of the HTTP response, names in lower case.
        payload: the message's payload, or the body of the response.
        status_code: the HTTP status, where there is one.

    Attributes:
        code, message, headers, payload: as given; `headers` is None in an error made here.
        status_code: the HTTP status of the response, or else the one that belongs to the exception; None for an
            unknown code in a message.
        request_id: the ``x-amzn-request-id`` of the HTTP response, for the service's support; None if it gave none.
    """

    status_code: int | None = None
    request_id: str | None = None
    _retryable: ClassVar[bool | None] = None

    def __init__(
        self,
        code: str,
        message: str = "",
        headers: Mapping[str, HeaderValue] | None = None,
        payload: bytes = b"",
        *,
        status_code: int | None = None,
    ) -> None:
        super().__init__(code, message, headers, payload)
        if status_code is not None:
            self.status_code = status_code

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later; the caller decides how long to wait."""
        return may_retry(self.code, self.status_code) if self._retryable is None else self._retryable

    @classmethod
    def named(cls, code: str, message: str = "") -> Self:
        """Return the error with this code, which may be one that no client knows; its class follows it."""
        return make_error(cls._kind(code), code, message, None, b"")

    @classmethod
    def from_message(cls, message: AnyMessage) -> Self:
        """Return the error of an ``exception`` or ``error`` message; its class follows its code.

        The code is the ``:exception-type``, in an ``exception`` message without one the ``:event-type``, or the
        ``:error-code``; the text is the ``:error-message`` or the payload's ``Message`` or ``message``.
        """
        told = ServiceError.from_message(message)
        return make_error(cls._kind(told.code), told.code, told.message, told.headers, told.payload)

    @classmethod
    def from_response(cls, status: int, headers: Iterable[tuple[str, str]], body: bytes = b"") -> Self:
        """Return the error of an HTTP response; its class follows its code.

        Args:
            status: the HTTP status, e.g. 400.
            headers: names, in any case, and values. ``x-amzn-errortype`` holds the code, up to a colon.
            body: JSON with the text as ``Message`` or ``message``, and with the code as ``__type`` or ``code`` if the
                header does not have it. Of anything else, e.g. a proxy's page, the beginning is shown.
        """
        kinds = {code: kind for code, kind in ERRORS.items() if issubclass(kind, cls)}
        return error_from_response(kinds, cls, status, headers, body)

    @classmethod
    def _kind(cls, code: str) -> type[Self]:
        kind = ERRORS.get(code, cls)
        return kind if issubclass(kind, cls) else cls

    def to_message(self) -> Message:
        """Return this error's ``exception`` message: the code as ``:exception-type``, the text as ``Message``.

        Raises:
            InvalidHeaderValue: the code is too long for a header, or has lone surrogates.
        """
        return error_to_message(self)

    def to_response(self) -> tuple[int, list[tuple[str, str]], bytes]:
        """Return this error's HTTP response, before the stream has begun: status, headers, body.

        An error without a status is a 500. A character that no header can hold, such as a line end in a code from
        elsewhere, becomes a question mark.
        """
        return error_to_response(self)


class _Kind(TranscribeError):
    """A `TranscribeError` whose class says its code.

    Args:
        message: the service's text.
        headers: those of the message or of the response.
        payload: the message's payload, or the body of the response.
    """

    def __init__(
        self, message: str = "", headers: Mapping[str, HeaderValue] | None = None, payload: bytes = b""
    ) -> None:
        super().__init__(type(self).__name__, message, headers, payload)


class BadRequestException(_Kind):
    """400: an argument of the request is invalid, or does not fit the others."""

    status_code = 400
    _retryable = False


class ConflictException(_Kind):
    """409: a new stream began with the same session id, and this one was ended."""

    status_code = 409
    _retryable = False


class LimitExceededException(_Kind):
    """429: too many concurrent streams, streams started too quickly, or more than 4 hours of audio.

    Retry after a pause, except for audio that is too long: its rest needs another stream.
    """

    status_code = 429
    _retryable = True


class InternalFailureException(_Kind):
    """500: the service failed while it was processing the audio."""

    status_code = 500
    _retryable = True


class ServiceUnavailableException(_Kind):
    """503: the service is not available now."""

    status_code = 503
    _retryable = True


ERRORS: Mapping[str, type[TranscribeError]] = {
    kind.__name__: kind
    for kind in (
        BadRequestException,
        ConflictException,
        InternalFailureException,
        LimitExceededException,
        ServiceUnavailableException,
    )
}


class InvalidAudio(ValueError):
    """Audio that the service does not accept: half a sample, a chunk that is too long, another format or rate."""
