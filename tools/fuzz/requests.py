"""Request headers make a request that writes equal headers, or `InvalidRequest`; response headers are never refused."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

from eventstream.transcribe import InvalidRequest, StartStreamTranscriptionRequest, StartStreamTranscriptionResponse
from fuzz.harness import Draw, Fault, attempt, lines

if TYPE_CHECKING:
    from collections.abc import Callable

PARAMETERS = StartStreamTranscriptionRequest.parameters
WORDS = [f"{parameter.header}:".encode() for parameter in PARAMETERS.values()] + [
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
FIELDS = tuple(PARAMETERS)


def quick(data: bytes) -> None:
    check(data, quick_request, quick_response)


def thorough(data: bytes) -> None:
    check(data, check_request, check_response)


def check(data: bytes, on_request: Callable[[Any], None], on_response: Callable[[Any], None]) -> None:
    if data[:1] == b"\0":
        request = attempt(lambda: StartStreamTranscriptionRequest(**arguments(Draw(data[1:]))), InvalidRequest)
    else:
        pairs = lines(data)
        request = attempt(lambda: StartStreamTranscriptionRequest.from_headers(pairs), InvalidRequest)
        if not isinstance(request, Fault):
            assert StartStreamTranscriptionRequest.from_headers(request.to_headers()) == request
        on_response(StartStreamTranscriptionResponse.from_headers(pairs))
    if not isinstance(request, Fault):
        on_request(request)


def quick_request(request: StartStreamTranscriptionRequest) -> None:
    headers = request.to_headers()
    # None, False and an empty list are the same, but not equal: it is the headers that are compared.
    assert StartStreamTranscriptionRequest.from_headers(headers).to_headers() == headers


def quick_response(response: StartStreamTranscriptionResponse) -> None:
    assert StartStreamTranscriptionResponse.from_headers(response.to_headers()) == response


def check_request(request: StartStreamTranscriptionRequest) -> None:
    quick_request(request)
    repr(request), hash(request)
    assert pickle.loads(pickle.dumps(request)) == request
    for name, value in request.to_headers():
        assert (name + value).isascii()
        assert (name + value).isprintable()
    response = StartStreamTranscriptionResponse.from_request(request, request_id="id", session_id="session")
    written = response.to_headers()
    assert StartStreamTranscriptionResponse.from_headers(written).to_headers() == written


def check_response(response: StartStreamTranscriptionResponse) -> None:
    quick_response(response)
    repr(response), hash(response)
    assert pickle.loads(pickle.dumps(response)) == response


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


def arguments(draw: Draw) -> dict[str, Any]:
    """Any values, not only text."""
    given: dict[str, Any] = {"language_code": "en-US", "media_sample_rate_hertz": 16_000, "media_encoding": "pcm"}
    for _ in range(draw.byte() % 6):
        given[draw.one_of(*FIELDS)] = argument(draw)
    return given
