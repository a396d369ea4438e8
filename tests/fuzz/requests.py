"""Request headers make a request that writes equal headers, or `InvalidRequest`; response headers are never refused."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

from eventstream.transcribe import InvalidRequest, StartStreamTranscriptionRequest, StartStreamTranscriptionResponse
from eventstream.transcribe.request import _HEADERS
from fuzz.harness import Draw, Fault, attempt, lines

WORDS = [f"{header}:".encode() for header in _HEADERS.values()] + [
    b"x-amzn-request-id:",
    b"en-US",
    b"pcm",
    b"16000",
    b"true",
    b"PII",
    b"NAME,SSN",
    b"tag",
    b"high",
    b"spoken",
]
FIELDS = tuple(_HEADERS)


def check(data: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a language code that is not known is passed on, with a warning
        if data[:1] == b"\0":
            check_arguments(Draw(data[1:]))
        else:
            check_headers(lines(data))


def check_headers(pairs: list[tuple[str, str]]) -> None:
    request = attempt(lambda: StartStreamTranscriptionRequest.from_headers(pairs), InvalidRequest)
    if not isinstance(request, Fault):
        check_request(request)
        assert StartStreamTranscriptionRequest.from_headers(request.to_headers()) == request
    response = StartStreamTranscriptionResponse.from_headers(pairs)
    repr(response), hash(response)
    assert pickle.loads(pickle.dumps(response)) == response
    written = response.to_headers()
    again = StartStreamTranscriptionResponse.from_headers(written)
    assert again == response, (response, written, again)


def check_request(request: StartStreamTranscriptionRequest) -> None:
    repr(request), hash(request)
    assert pickle.loads(pickle.dumps(request)) == request
    headers = request.to_headers()
    for name, value in headers:
        assert (name + value).isascii()
        assert (name + value).isprintable()
    # None, False and an empty list are the same, but not equal: it is the headers that are compared.
    assert StartStreamTranscriptionRequest.from_headers(headers).to_headers() == headers
    response = StartStreamTranscriptionResponse.from_request(request, request_id="id", session_id="session")
    written = response.to_headers()
    assert StartStreamTranscriptionResponse.from_headers(written).to_headers() == written


def argument(draw: Draw) -> Any:
    kind = draw.byte() % 12
    if kind < 4:
        return draw.text()
    if kind == 4:
        return draw.number(3, signed=True)
    if kind < 7:
        return kind == 5
    if kind == 7:
        return [argument(draw) for _ in range(draw.byte() % 4)]
    if kind == 8:
        return tuple(draw.one_of("en-US", "NAME", "x", "") for _ in range(draw.byte() % 80))
    return draw.one_of(None, "en-US", "pcm", 16_000, 8000, 2, "PII", "high", "mask", 1.5, b"", 10**30, {}, float("nan"))


def check_arguments(draw: Draw) -> None:
    """Any values, not only text."""
    arguments: dict[str, Any] = {"language_code": "en-US", "media_sample_rate_hertz": 16_000, "media_encoding": "pcm"}
    for _ in range(draw.byte() % 6):
        arguments[draw.one_of(*FIELDS)] = argument(draw)
    request = attempt(lambda: StartStreamTranscriptionRequest(**arguments), InvalidRequest)
    if not isinstance(request, Fault):
        check_request(request)
