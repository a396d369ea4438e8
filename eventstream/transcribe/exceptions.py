"""What can go wrong in a transcription beside the codec's errors: the service's word, and input that breaks its rules.

`TranscribeError` and its five kinds are what the service says, wherever it says it: in an ``exception`` message, in an
``error`` message, or in an HTTP response before the stream. The kind follows the code; a code that nobody has modelled
becomes a plain `TranscribeError`. The server side makes the same errors and sends them.

`InvalidRequest`, `InvalidEvent` and `InvalidAudio` say that parameters, a message or audio are not what the operation
allows.

Source: the service model "Amazon Transcribe Streaming Service" (2017-10-26).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, ClassVar

from eventstream._codec import Message
from eventstream._text import quote
from eventstream.exceptions import CodecError, ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from typing_extensions import Self

    from eventstream.exceptions import Message as AnyMessage
    from eventstream.values import HeaderValue

__all__ = [
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

# An HTTP response names its error in these headers; the first may go on with ":" and a URI.
_ERROR_TYPE = "x-amzn-errortype"
_REQUEST_ID = "x-amzn-request-id"

# What a field of HTTP cannot hold: the end of a line would begin another one.
_NO_FIELD = re.compile("[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")

# What may succeed when it is tried again, if nothing better than the status or the code is known: the transient and the
# throttling errors of the AWS SDKs' standard retry mode
# (https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html).
_RETRYABLE_STATUSES = frozenset({429, 500, 502, 503, 504})
_RETRYABLE_CODES = frozenset(
    {
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)


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
        request_id: the ``x-amzn-request-id`` of an HTTP response, for the service's support; None if it gave none.
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
        """Whether the same request may succeed later; how long to wait is the caller's decision."""
        if self._retryable is not None:
            return self._retryable
        return self.code in _RETRYABLE_CODES or self.status_code in _RETRYABLE_STATUSES

    @classmethod
    def _make(cls, code: str, message: str, headers: Mapping[str, HeaderValue] | None, payload: bytes) -> Self:
        kind = _KINDS.get(code, cls)
        error = cls.__new__(kind if issubclass(kind, cls) else cls)
        # The kinds' own constructors take no code; here it may be one that only the wire knows.
        ServiceError.__init__(error, code, message, headers, payload)
        return error

    @classmethod
    def from_message(cls, message: AnyMessage) -> Self:
        """The error that an ``exception`` or ``error`` message stands for; its class follows its code.

        The code is the ``:exception-type``, in an ``exception`` message without one the ``:event-type``, or the
        ``:error-code``; the text is the ``:error-message`` or the payload's ``Message`` or ``message``.
        """
        told = ServiceError.from_message(message)
        return cls._make(told.code, told.message, told.headers, told.payload)

    @classmethod
    def from_response(cls, status: int, headers: Iterable[tuple[str, str]], body: bytes = b"") -> Self:
        """The error that an HTTP response stands for; its class follows its code.

        Args:
            status: the HTTP status, as 400.
            headers: names, in any case, and values. ``x-amzn-errortype`` holds the code, up to a colon.
            body: JSON with the text as ``Message`` or ``message``, and with the code as ``__type`` or ``code`` if the
                header does not have it. Anything else, as a proxy's page, is kept as `payload` alone.
        """
        fields = {name.lower(): value for name, value in headers}
        content = _json_object(body)
        code = fields.get(_ERROR_TYPE) or _text(content, "__type", "code")
        message = _text(content, "Message", "message") or f"HTTP status {status}"
        # Smithy's protocols write a code as "namespace#Code:http://...", of which only the middle counts.
        error = cls._make(code.partition(":")[0].rpartition("#")[2].strip(), message, fields, body)
        error.status_code = status
        error.request_id = fields.get(_REQUEST_ID)
        return error

    def to_message(self) -> Message:
        """The ``exception`` message that says this error: the code as ``:exception-type``, the text as ``Message``.

        Raises:
            InvalidHeaderValue: the code is too long for a header, or has lone surrogates.
        """
        headers = {":exception-type": self.code, ":content-type": "application/json", ":message-type": "exception"}
        return Message(headers, _body(self))

    def to_response(self) -> tuple[int, list[tuple[str, str]], bytes]:
        """The HTTP response that says this error before the stream has begun: status, headers, body.

        An error without a status is a 500. What no header can hold, as a line's end in a code that somebody else has
        said, is a question mark there.
        """
        body = _body(self)
        headers = [
            (_ERROR_TYPE, _NO_FIELD.sub("?", self.code)),
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
        ]
        if self.request_id is not None:
            headers.append((_REQUEST_ID, _NO_FIELD.sub("?", self.request_id)))
        return self.status_code or 500, headers, body


class _Kind(TranscribeError):
    """A `TranscribeError` whose class says its code."""

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

    It is worth another try after a pause, except for audio that is too long, which needs another stream for its rest.
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


_KINDS: Mapping[str, type[TranscribeError]] = {
    kind.__name__: kind
    for kind in (
        BadRequestException,
        ConflictException,
        InternalFailureException,
        LimitExceededException,
        ServiceUnavailableException,
    )
}


class InvalidRequest(ValueError):
    """Parameters of a request are missing, out of bounds, or exclude each other.

    Attributes:
        problems: for each invalid parameter, by the name of its field, what is wrong and what is allowed.
    """

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {problem}" for name, problem in problems.items()))
        self.problems = dict(problems)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.problems,)


class InvalidEvent(CodecError, ValueError):
    """A valid message that is no event of the operation: without the headers of one, or with JSON of another shape.

    Attributes:
        event_type: the message's ``:event-type``, None if it has none.
        path: where in the JSON, e.g. ``$.Transcript.Results[0]``; None if the fault has no place there, or the JSON is
            longer than 128 KiB.
    """

    def __init__(self, event_type: str | None, reason: str, path: str | None = None) -> None:
        what = "message" if event_type is None else f"event {quote(event_type)}"
        super().__init__(f"{what}: {reason}" if path is None else f"{what}: {reason} at {path}")
        self.event_type = event_type
        self.path = path


class InvalidAudio(ValueError):
    """Audio that the service does not take: half a sample, a chunk too long, a format or rate that is not the one."""


def _json_object(body: bytes) -> Mapping[str, object]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _text(content: Mapping[str, object], *names: str) -> str:
    """The first of the members that is a string; empty if none is."""
    return next((text for name in names if isinstance(text := content.get(name), str)), "")


def _body(error: TranscribeError) -> bytes:
    return json.dumps({"Message": error.message}).encode()
