"""Errors of a service: from HTTP responses, to messages and responses, and which of them may pass."""

from __future__ import annotations

import pytest
from cases import each

from eventstream import ServiceError
from eventstream.service_errors import (
    error_from_response,
    error_to_message,
    error_to_response,
    make_error,
    may_retry,
    request_id_of,
)


class ThrottlingException(ServiceError):
    """An error that an operation knows."""

    status_code = 429


@each(
    ("status", "headers", "body", "text"),
    [
        (429, [], b'{"message": "Rate exceeded"}', "HTTP 429: Rate exceeded"),
        (301, [("Location", "https://elsewhere")], b"", "HTTP 301: it is at 'https://elsewhere'"),
        (503, [], b"no healthy upstream\n", "HTTP 503: no healthy upstream"),
        (502, [], b"<html>" * 100, "HTTP 502: " + ("<html>" * 100)[:197] + "..."),
        (502, [("content-encoding", "gzip")], b"\x1f\x8b", "HTTP 502: a body in 'gzip'"),
        (500, [], b"", "HTTP 500"),
        (500, [], b"\xff", "HTTP 500"),
        (403, [("x-amzn-errortype", "a#Forbidden:http://x")], b'{"Message": "no"}', "Forbidden: no"),
        (400, [], b'{"__type": "a.b#Bad", "message": "why"}', "Bad: why"),
    ],
)
def test_errors_of_responses(status, headers, body, text):
    error = error_from_response({}, ServiceError, status, headers, body)
    assert str(error) == text
    assert (error.status_code, error.payload) == (status, body)


def test_json_of_too_many_values_is_not_parsed():
    """However long the body may be that is given."""
    values = b",".join([b"0"] * 65_536)
    body = b'{"message": "no", "values": [%s]}' % values
    assert str(error_from_response({}, ServiceError, 500, [], body)) == "HTTP 500"
    assert str(error_from_response({}, ServiceError, 500, [], body.replace(b"0,0,0,", b""))) == "HTTP 500: no"


@pytest.mark.parametrize("name", ["x-amzn-requestid", "x-amzn-request-id", "X-Amz-Request-Id"])
def test_request_id_in_every_spelling(name):
    assert request_id_of([("date", "today"), (name, " id ")]) == "id"
    assert error_from_response({}, ServiceError, 500, [(name, "id")]).request_id == "id"


def test_request_id_that_is_none():
    assert request_id_of([("date", "today")]) is None


def test_errors_there_and_back():
    error = make_error(ThrottlingException, "ThrottlingException", "later", None, b"")
    message = error_to_message(error)
    assert (message.exception_type, message.payload) == ("ThrottlingException", b'{"Message": "later"}')
    error.request_id = "id\r\nx: y"
    status, headers, body = error_to_response(error)
    assert (status, body) == (429, b'{"Message": "later"}')
    assert dict(headers)["x-amzn-requestid"] == dict(headers)["x-amzn-request-id"] == "id??x: y"
    assert (
        type(error_from_response({error.code: type(error)}, ServiceError, status, headers, body)) is ThrottlingException
    )
    assert error_to_response(ServiceError("Odd", ""))[0] == 500


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [("Throttling", None, True), ("Odd", 503, True), ("Odd", 400, False), ("Odd", None, False)],
)
def test_may_retry(code, status, expected):
    assert may_retry(code, status) == expected
