"""AWS's own clients of the services that stream both ways send what was recorded of them, and run against our server.

The recordings, in ``tests/adapters/captures``, are what our methods of boto3 are compared with: of each client and
service the events that it makes of those in ``streams.json``, without their signatures, one after another. They are
written anew with ``EVENTSTREAM_RECORD=1``. The clients are installed and run only if they are asked for, with
``EVENTSTREAM_INTEROP=1``.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trustme")

from adapters.recordings import CAPTURES, STREAMS, plain, stream_of

from eventstream import Message, sync
from eventstream.adapters._serving import operation
from eventstream.operation import Events, Operation, Parts
from eventstream.server import Server
from eventstream.signing import Credentials
from eventstream.transcribe.emulator.certificate import make_certificate, server_context

if not os.environ.get("EVENTSTREAM_INTEROP"):
    pytest.skip("clients that are not ours run with EVENTSTREAM_INTEROP=1", allow_module_level=True)

KEYS = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
STREAMS_FILE = CAPTURES / "streams.json"

# Where each service is, and the name in its signatures.
PLACES = {
    "bedrock-runtime": ("/model/{modelId}/invoke-with-bidirectional-stream", "bedrock"),
    "connecthealth": ("/medical-scribe-stream", "health-agent"),
    "lexv2-runtime": (
        "/bots/{botId}/botAliases/{botAliasId}/botLocales/{localeId}/sessions/{sessionId}/conversation",
        "lex",
    ),
    "polly": ("/v1/synthesisStream", "polly"),
    "qbusiness": ("/applications/{applicationId}/conversations", "qbusiness"),
}


class AsItCame:
    """The format of a request of which nothing is asked."""

    def write(self, _: Parts) -> Parts:
        return Parts()

    def read(self, parts: Parts) -> Parts:
        return parts


def unmodelled(service: str, name: str) -> Operation[Parts, Parts, Message, Message]:
    """Return an operation of which only the place is known, so that its events stay messages."""
    path, signing_name = PLACES[service]
    return Operation(
        name=name,
        service=service,
        signing_name=signing_name,
        endpoint="",
        path=path,
        request=AsItCame(),
        response=AsItCame(),
        inputs=Events(),
        outputs=Events(),
    )


def serving(ca_file: Path, handlers: Any, **options: Any) -> AbstractContextManager[Server]:
    """Return a server over TLS, in a thread of its own."""
    certificate = make_certificate()
    ca_file.write_bytes(certificate.authority)
    credentials = [Credentials(*KEYS)]
    return sync.serving(Server(handlers, credentials=credentials, ssl=server_context(certificate), **options))


def test_events_are_those_of_the_captures(streams: Callable[..., list[dict[str, Any]]], tmp_path: Path) -> None:
    recorded: dict[str, list[bytes]] = {}

    def recorder(service: str) -> Any:
        async def record(request: Parts, events: AsyncIterator[Message]) -> AsyncIterator[Message]:
            recorded[service] = [message.encode() async for message in events]
            nothing: tuple[Message, ...] = ()
            for message in nothing:
                yield message

        return record

    handlers = {unmodelled(stream["service"], stream["operation"]): recorder(stream["service"]) for stream in STREAMS}
    with serving(tmp_path / "ca.pem", handlers) as server:
        lines = streams(server.endpoint, tmp_path / "ca.pem", *KEYS, STREAMS_FILE)
        assert [line for line in lines if "end" not in line] == []
        assert server.statistics.signatures == sum(len(events) + 2 for events in recorded.values())
        assert (server.statistics.refused, server.statistics.failed) == (0, 0)
    [name] = {line["client"] for line in lines}
    assert [line["service"] for line in lines] == list(recorded)
    for service, events in recorded.items():
        capture = CAPTURES / f"{name}-{service}.bin"
        if os.environ.get("EVENTSTREAM_RECORD"):
            capture.write_bytes(b"".join(events))
        assert b"".join(events) == capture.read_bytes()


def test_clients_run_against_the_server_of_the_models(
    streams: Callable[..., list[dict[str, Any]]], tmp_path: Path
) -> None:
    """Requests, events and answers arrive at both ends as they were given."""
    received: dict[str, tuple[Any, list[Any]]] = {}

    def handler(service: str) -> Any:
        async def converse(request: Any, events: AsyncIterator[Any]) -> AsyncIterator[Any]:
            received[service] = request, [event async for event in events]
            for answer in stream_of(service).answers:
                yield answer

        return converse

    handlers = {operation(stream["service"], stream["operation"]): handler(stream["service"]) for stream in STREAMS}
    with serving(tmp_path / "ca.pem", handlers) as server:
        lines = streams(server.endpoint, tmp_path / "ca.pem", *KEYS, STREAMS_FILE)
        assert server.statistics.signatures == sum(len(events) + 2 for _, events in received.values())
        assert (server.statistics.refused, server.statistics.failed) == (0, 0)
    assert len(received) >= 4
    for service, (request, events) in received.items():
        stream = stream_of(service)
        assert (request, events) == (stream.parameters, stream.events)
        answered = [line["event"] for line in lines if line["service"] == service and "event" in line]
        assert answered == plain(next(each["answers"] for each in STREAMS if each["service"] == service))
        assert {"client": lines[0]["client"], "service": service, "end": True} in lines


def test_exceptions_are_the_clients_own(streams: Callable[..., list[dict[str, Any]]], tmp_path: Path) -> None:
    """Those that the stream has are of their class; the text of another error arrives."""

    def handler(made: Any) -> Any:
        async def refuse(request: Any, events: AsyncIterator[Any]) -> AsyncIterator[Any]:
            await anext(events)
            nothing: tuple[Any, ...] = ()
            for answer in nothing:
                yield answer
            raise made.make_error("ValidationException", "not like this")

        return refuse

    made = {stream["service"]: operation(stream["service"], stream["operation"]) for stream in STREAMS}
    with serving(tmp_path / "ca.pem", {each: handler(each) for each in made.values()}) as server:
        lines = streams(server.endpoint, tmp_path / "ca.pem", *KEYS, STREAMS_FILE)
        assert server.statistics.refused == 0
    assert len(lines) >= 4
    for line in lines:
        if line["service"] == "qbusiness":  # whose stream has no exceptions
            assert "not like this" in line["message"]
        else:
            assert (line["error"], line["message"]) == ("ValidationException", "not like this")
