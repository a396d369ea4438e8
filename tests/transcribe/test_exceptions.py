"""The service's word: the five exceptions and the unknown ones, from messages and from HTTP responses, and back."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import pytest
from cases import each

import eventstream
from eventstream import CodecError, InvalidHeaderValue, Message, ServiceError
from eventstream.transcribe import (
    BadRequestException,
    ConflictException,
    InternalFailureException,
    InvalidAudio,
    InvalidEvent,
    InvalidRequest,
    LimitExceededException,
    ServiceUnavailableException,
    TranscribeError,
)

CAPTURES = Path(__file__).parent.parent / "captures"

KINDS = [
    (BadRequestException, 400, False),
    (ConflictException, 409, False),
    (LimitExceededException, 429, True),
    (InternalFailureException, 500, True),
    (ServiceUnavailableException, 503, True),
]
IDS = [kind.__name__ for kind, _, _ in KINDS]


def exception(code, payload=b'{"Message": "why"}', header=":exception-type"):
    return Message({":message-type": "exception", header: code, ":content-type": "application/json"}, payload)


# The five


@pytest.mark.parametrize(("kind", "status", "retryable"), KINDS, ids=IDS)
def test_errors_know_code_status_and_retryable(kind, status, retryable):
    error = kind("why")
    assert isinstance(error, TranscribeError)
    assert isinstance(error, ServiceError)
    assert (error.code, error.message) == (kind.__name__, "why")
    assert (error.status_code, error.retryable) == (status, retryable)
    assert (error.headers, error.payload, error.request_id) == (None, b"", None)
    assert str(error) == f"{kind.__name__}: why"


@each(("kind", "status", "retryable"), KINDS, ids=IDS)
@each("header", [":exception-type", ":event-type"])
def test_exception_message(kind, status, retryable, header):
    message = exception(kind.__name__, header=header)
    error = TranscribeError.from_message(message)
    assert type(error) is kind
    assert (error.code, error.message) == (kind.__name__, "why")
    assert (error.status_code, error.retryable) == (status, retryable)
    assert (error.headers, error.payload) == (message.headers, message.payload)


@pytest.mark.parametrize(("kind", "status", "retryable"), KINDS, ids=IDS)
def test_error_message(kind, status, retryable):
    error = TranscribeError.from_message(
        Message({":message-type": "error", ":error-code": kind.__name__, ":error-message": "why"})
    )
    assert type(error) is kind
    assert (error.message, error.status_code, error.retryable) == ("why", status, retryable)


@pytest.mark.parametrize(("kind", "status", "retryable"), KINDS, ids=IDS)
def test_errors_round_trip_as_messages(kind, status, retryable):
    message = kind("wh\u00fd").to_message()
    assert dict(message.headers) == {
        ":message-type": "exception",
        ":exception-type": kind.__name__,
        ":content-type": "application/json",
    }
    assert json.loads(message.payload) == {"Message": "wh\u00fd"}
    error = TranscribeError.from_message(eventstream.decode(message.encode()))
    assert (type(error), error.message, error.status_code, error.retryable) == (kind, "wh\u00fd", status, retryable)


@pytest.mark.parametrize(("kind", "status", "retryable"), KINDS, ids=IDS)
def test_errors_round_trip_over_http(kind, status, retryable):
    error = TranscribeError.from_response(*kind("why").to_response())
    assert (type(error), error.message, error.status_code, error.retryable) == (kind, "why", status, retryable)


def test_recorded_one():
    (message,) = eventstream.iter_messages(
        (CAPTURES / "amazon-transcribe-0.6.4-limit-exceeded.response.bin").read_bytes()
    )
    error = TranscribeError.from_message(message)
    assert type(error) is LimitExceededException
    assert error.message == "Too many streams (fake)."
    assert dict(error.to_message().headers) == dict(message.headers)


@pytest.mark.parametrize(("kind", "status", "retryable"), KINDS, ids=IDS)
def test_exception_made_here_keeps_what_it_is_given(kind, status, retryable):
    headers = {":content-type": "text/plain"}
    error = kind("why", headers, b"body")
    assert (error.message, error.headers, error.payload, error.status_code) == ("why", headers, b"body", status)
    error = TranscribeError(kind.__name__, "why", headers, b"body", status_code=418)
    assert (error.message, error.headers, error.payload, error.status_code) == ("why", headers, b"body", 418)


def test_exception_made_here_of_nothing_more():
    for error in (BadRequestException(), TranscribeError("BadRequestException")):
        assert (error.code, error.message, error.headers, error.payload) == ("BadRequestException", "", None, b"")


# Messages


@each(
    ("payload", "text"),
    [
        (b'{"Message": "a"}', "a"),
        (b'{"message": "a"}', "a"),
        (b'{"message": "b", "Message": "a"}', "a"),
        (b"{}", ""),
        (b'{"Message": 5}', ""),
        (b'{"Message": null}', ""),
        (b"[]", ""),
        (b"", ""),
        (b"not JSON", "not JSON"),
        (b"\xff", ""),
        (b"[" * 100_000, ""),
    ],
)
def test_text_of_an_exception(payload, text):
    error = TranscribeError.from_message(exception("BadRequestException", payload))
    assert (type(error), error.message, error.payload) == (BadRequestException, text, payload)


def test_code_that_nobody_has_modelled():
    error = TranscribeError.from_message(exception("TeapotException"))
    assert type(error) is TranscribeError
    assert (error.code, error.message, error.status_code, error.retryable) == ("TeapotException", "why", None, False)
    again = TranscribeError.from_message(error.to_message())
    assert (again.code, again.message) == ("TeapotException", "why")


def test_unknown_code_that_says_to_try_again():
    assert TranscribeError.from_message(exception("ThrottlingException")).retryable


@pytest.mark.parametrize("message_type", ["exception", "error"])
def test_code_that_is_missing(message_type):
    error = TranscribeError.from_message(Message({":message-type": message_type}))
    assert type(error) is TranscribeError
    assert (error.code, error.message, str(error)) == ("", "", "unnamed error")


def test_message_that_is_a_view():
    wire = exception("BadRequestException").encode()
    (message,) = eventstream.Decoder(copy=False).feed(wire)
    assert TranscribeError.from_message(message).payload == b'{"Message": "why"}'


def test_asked_of_one_kind_it_is_that_kind():
    assert type(BadRequestException.from_message(exception("BadRequestException"))) is BadRequestException
    error = BadRequestException.from_message(exception("ConflictException"))
    assert (type(error), error.code) == (BadRequestException, "ConflictException")


def test_code_that_is_no_header():
    with pytest.raises(InvalidHeaderValue):
        TranscribeError("x" * 40_000).to_message()


def test_text_with_lone_surrogates_is_sent():
    assert TranscribeError.from_message(BadRequestException("\ud800").to_message()).message == "\ud800"


# HTTP responses


@each(
    "code",
    [
        "BadRequestException",
        "BadRequestException:",
        "BadRequestException:http://internal.amazon.com/coral/com.amazonaws.transcribe/",
        "com.amazonaws.transcribestreaming#BadRequestException",
        " BadRequestException ",
    ],
)
@each("name", ["x-amzn-errortype", "X-Amzn-ErrorType"])
def test_code_in_a_header(code, name):
    error = TranscribeError.from_response(400, [("content-type", "x"), (name, code)], b'{"Message":"why"}')
    assert type(error) is BadRequestException
    assert (error.code, error.message, error.status_code) == ("BadRequestException", "why", 400)


@pytest.mark.parametrize("name", ["__type", "code"])
def test_code_in_the_body(name):
    body = json.dumps({name: "com.amazonaws.transcribestreaming#ConflictException", "message": "why"}).encode()
    error = TranscribeError.from_response(409, [], body)
    assert (type(error), error.code, error.message) == (ConflictException, "ConflictException", "why")


def test_status_is_that_of_the_response():
    error = TranscribeError.from_response(400, [("x-amzn-errortype", "LimitExceededException")])
    assert (type(error), error.status_code, error.retryable) == (LimitExceededException, 400, True)
    assert error.payload == b""


def test_request_id():
    error = TranscribeError.from_response(403, [("x-amzn-errortype", "X"), ("X-Amzn-Request-Id", "1-2")])
    assert error.request_id == "1-2"
    assert error.headers == {"x-amzn-errortype": "X", "x-amzn-request-id": "1-2"}
    assert ("x-amzn-request-id", "1-2") in error.to_response()[1]


@each("body", [b"", b"<html>", b"[]", b"\xff\xfe", b"null", b'{"Message": {}}', b"[" * 100_000])
@each(
    ("status", "retryable"),
    [(400, False), (403, False), (404, False), (429, True), (500, True), (502, True), (503, True), (504, True)],
)
def test_response_that_names_no_error(status, retryable, body):
    error = TranscribeError.from_response(status, [], body)
    assert type(error) is TranscribeError
    shown = "<html>" if body == b"<html>" else ""
    assert (error.code, error.message, error.payload) == ("", shown, body)
    assert str(error) == (f"HTTP {status}: {shown}" if shown else f"HTTP {status}")
    assert (error.status_code, error.retryable) == (status, retryable)


def test_unknown_code_over_http():
    headers = [("x-amzn-errortype", "UnrecognizedClientException")]
    error = TranscribeError.from_response(403, headers, b'{"message":"no such key"}')
    assert type(error) is TranscribeError
    assert str(error) == "UnrecognizedClientException: no such key"
    assert (error.status_code, error.retryable) == (403, False)
    status, sent, body = error.to_response()
    assert (status, body) == (403, b'{"Message": "no such key"}')
    assert sent == [
        ("x-amzn-errortype", "UnrecognizedClientException"),
        ("content-type", "application/json"),
        ("content-length", str(len(body))),
    ]


def test_error_without_a_status_is_sent_as_500():
    assert TranscribeError("TeapotException").to_response()[0] == 500
    assert TranscribeError("TeapotException", status_code=418).to_response()[0] == 418


# Copies, and the errors of our own


@each(
    "error",
    [
        BadRequestException("why"),
        TranscribeError("Teapot", "why", None, b"x", status_code=418),
        TranscribeError.from_message(exception("ConflictException")),
        TranscribeError.from_response(403, [("x-amzn-request-id", "1-2")]),
        InvalidRequest({"session_id": "missing", "media_encoding": "missing"}),
        InvalidEvent("TranscriptEvent", "wrong", "$.Transcript"),
        InvalidEvent(None, "wrong"),
        InvalidAudio("wrong"),
    ],
    ids=repr,
)
def test_errors_pickle_and_copy(error):
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert vars(again) == vars(error)


def test_invalid_event_is_an_error_of_the_codec():
    assert issubclass(InvalidEvent, CodecError)
    assert issubclass(InvalidEvent, ValueError)


@pytest.mark.parametrize(
    ("event_type", "path", "text"),
    [
        ("AudioEvent", None, "event 'AudioEvent': wrong"),
        (None, None, "message: wrong"),
        ("E", "$.A", "event 'E': wrong at $.A"),
    ],
)
def test_invalid_event_text(event_type, path, text):
    error = InvalidEvent(event_type, "wrong", path)
    assert (str(error), error.event_type, error.path) == (text, event_type, path)


def test_texts_quote_at_most_64_bytes():
    assert len(str(InvalidEvent("x" * 30_000, "wrong"))) < 100


def test_invalid_requests_and_audio_are_value_errors():
    assert issubclass(InvalidRequest, ValueError)
    assert issubclass(InvalidAudio, ValueError)


def test_error_text_begins_no_other_field():
    """Passing an error on writes no line of the peer's into the response."""
    message = Message({":message-type": "exception", ":exception-type": "X\r\nSet-Cookie: a=1\x00\x7f"}, b"{}")
    error = TranscribeError.from_message(message)
    error.request_id = "1\n2\ud800"
    _, headers, _ = error.to_response()
    assert ("x-amzn-errortype", "X??Set-Cookie: a=1??") in headers
    assert ("x-amzn-request-id", "1?2?") in headers
    error.code, error.request_id = "Grüße\t!", "~ 1"
    _, headers, _ = error.to_response()
    assert ("x-amzn-errortype", "Grüße\t!") in headers
    assert ("x-amzn-request-id", "~ 1") in headers
