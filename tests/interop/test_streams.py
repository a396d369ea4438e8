"""What AWS's own clients of the services that stream both ways send is what was recorded of them.

The recordings, in ``tests/adapters/captures``, are what our methods of boto3 are compared with: of each client and
service the events that it makes of those in ``streams.json``, without their signatures, one after another. They are
written anew with ``EVENTSTREAM_RECORD=1``. The clients are installed and run only if they are asked for, with
``EVENTSTREAM_INTEROP=1``.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from eventstream import Message, sync
from eventstream.operation import Events, Operation, Parts
from eventstream.server import Server
from eventstream.signing import Credentials
from eventstream.transcribe.emulator.certificate import make_certificate, server_context

if not os.environ.get("EVENTSTREAM_INTEROP"):
    pytest.skip("clients that are not ours run with EVENTSTREAM_INTEROP=1", allow_module_level=True)

KEYS = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
CAPTURES = Path(__file__).parents[1] / "adapters/captures"
STREAMS = json.loads((CAPTURES / "streams.json").read_text(encoding="utf-8"))

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
            for message in ():
                yield message

        return record

    handlers = {unmodelled(stream["service"], stream["operation"]): recorder(stream["service"]) for stream in STREAMS}
    with serving(tmp_path / "ca.pem", handlers) as server:
        lines = streams(server.endpoint, tmp_path / "ca.pem", *KEYS, CAPTURES / "streams.json")
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
