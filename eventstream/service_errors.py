"""Errors of a service, made from messages and HTTP responses, and turned into them.

`eventstream.operation` exports these functions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

from eventstream._codec import Message
from eventstream._text import MAX_JSON_VALUES, escaped, has_too_many_values, quote
from eventstream.exceptions import MAX_SERVICE_TEXT, ServiceError

if TYPE_CHECKING:
    from eventstream.values import HeaderValue

__all__ = [
    "error_from_response",
    "error_to_message",
    "error_to_response",
    "make_error",
    "may_retry",
    "request_id_of",
]

MAX_TEXT = 200
"""Characters that are shown of the body of an error that is text."""

# An HTTP response names its error in this header, which may continue with ":" and a URI; services spell the id in three
# ways.
_ERROR_TYPE = "x-amzn-errortype"
_REQUEST_IDS = ("x-amzn-requestid", "x-amzn-request-id", "x-amz-request-id")

# Characters that an HTTP field cannot hold: a line end would begin another field.
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

_E = TypeVar("_E", bound=ServiceError)


def make_error(
    kind: type[_E], code: str, message: str, headers: Mapping[str, HeaderValue] | None, payload: bytes
) -> _E:
    """Return an error of a class whose own constructor may not take a code."""
    error = kind.__new__(kind)
    ServiceError.__init__(error, code, message, headers, payload)
    return error


def error_from_response(
    errors: Mapping[str, type[_E]],
    other: type[_E],
    status: int,
    headers: Iterable[tuple[str, str]],
    body: bytes = b"",
) -> _E:
    """Return the error of an HTTP response.

    Args:
        errors: classes by code.
        other: the class of codes that are not among them.
        status: the HTTP status, e.g. 400.
        headers: names, in any case, and values. ``x-amzn-errortype`` holds the code, up to a colon.
        body: JSON with the text as ``Message`` or ``message``, and with the code as ``__type`` or ``code`` if the
            header does not have it. Of anything else, such as a proxy's page, the beginning is shown.
    """
    fields = {name.lower(): value for name, value in headers}
    content = _json_object(body)
    # Smithy's protocols write a code as "namespace#Code:http://..."; only the middle counts.
    code = (fields.get(_ERROR_TYPE) or _text(content, "__type", "code")).partition(":")[0].rpartition("#")[2].strip()
    message = _text(content, "Message", "message") or _described(status, fields, body)
    error = make_error(errors.get(code, other), code, message, fields, body)
    if not code:
        error.args = (f"HTTP {status}: {escaped(message, MAX_SERVICE_TEXT)}",) if message else (f"HTTP {status}",)
    error.status_code = status
    error.request_id = request_id_of(fields.items())
    return error


def _described(status: int, fields: Mapping[str, str], body: bytes) -> str:
    """Describe a response that has no text of the service."""
    if 300 <= status < 400 and "location" in fields:
        return f"it is at {quote(fields['location'])}"
    if "content-encoding" in fields:
        return f"a body in {quote(fields['content-encoding'])}"
    try:
        text = body.decode().strip()
    except UnicodeDecodeError:
        return ""
    is_json = text[:1] in ("{", "[") or text == "null"
    return "" if is_json or not text else escaped(text, MAX_TEXT)


def request_id_of(headers: Iterable[tuple[str, str]]) -> str | None:
    """Return the id that a service gave to a request, for its support; services spell its header in three ways."""
    fields = {name.lower(): value for name, value in headers}
    return next((fields[name].strip() for name in _REQUEST_IDS if name in fields), None)


def may_retry(code: str, status_code: int | None) -> bool:
    """Return whether the same request may succeed later, judged only by the error's code and status."""
    return code in _RETRYABLE_CODES or status_code in _RETRYABLE_STATUSES


def error_to_message(error: ServiceError, member: str = "Message", type: str | None = None) -> Message:
    """Return the ``exception`` message that says an error, with the text in JSON.

    Args:
        error: the error.
        member: the name of the text in the JSON.
        type: the ``:exception-type``; None: the error's code.

    Raises:
        InvalidHeaderValue: the code is too long for a header, or has lone surrogates.
    """
    headers = {":exception-type": type or error.code, ":content-type": "application/json", ":message-type": "exception"}
    return Message(headers, _body(error, member))


def error_to_response(error: ServiceError, member: str = "Message") -> tuple[int, list[tuple[str, str]], bytes]:
    """Return the HTTP response that says an error before the stream has begun: status, headers, body.

    An error without a status is a 500. What no header can hold, such as a line's end in a code that somebody else has
    said, is a question mark there.

    Args:
        error: the error.
        member: the name of its text in the JSON.
    """
    body = _body(error, member)
    headers = [
        (_ERROR_TYPE, _NO_FIELD.sub("?", error.code)),
        ("content-type", "application/json"),
        ("content-length", str(len(body))),
    ]
    if error.request_id is not None:
        headers += ((name, _NO_FIELD.sub("?", error.request_id)) for name in _REQUEST_IDS[:2])
    return error.status_code or 500, headers, body


def _json_object(body: bytes) -> Mapping[str, object]:
    if has_too_many_values(body, MAX_JSON_VALUES):
        return {}
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _text(content: Mapping[str, object], *names: str) -> str:
    """Return the first of the members that is a string; empty if none is."""
    return next((text for name in names if isinstance(text := content.get(name), str)), "")


def _body(error: ServiceError, member: str) -> bytes:
    return json.dumps({member: error.message}).encode()
