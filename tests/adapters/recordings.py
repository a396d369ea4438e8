"""Streams whose events were recorded as AWS's own clients send them; see ``tests/interop/test_streams.py``."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

from eventstream import Message, iter_messages

CAPTURES = Path(__file__).parent / "captures"
STREAMS = json.loads((CAPTURES / "streams.json").read_text(encoding="utf-8"))
CLIENTS = ("aws-sdk-python", "aws-sdk-js")


class Stream(NamedTuple):
    """One stream, with values as boto3 has them."""

    operation: str
    parameters: dict[str, Any]
    events: list[dict[str, Any]]
    answers: list[dict[str, Any]]


def stream_of(service: str) -> Stream:
    [stream] = [stream for stream in STREAMS if stream["service"] == service]
    return Stream(*(untagged(stream[name]) for name in Stream._fields))


def untagged(value: Any) -> Any:
    """Return it with bytes and timestamps in the places of ``{"$bytes": BASE64}`` and ``{"$timestamp": SECONDS}``."""
    if isinstance(value, dict):
        if "$bytes" in value:
            return base64.b64decode(value["$bytes"])
        if "$timestamp" in value:
            return datetime.fromtimestamp(value["$timestamp"], timezone.utc)
        return {name: untagged(member) for name, member in value.items()}
    return [untagged(item) for item in value] if isinstance(value, list) else value


def plain(value: Any) -> Any:
    """Return it with bytes and timestamps as AWS's JSON has them: as base64 and as seconds."""
    if isinstance(value, dict):
        if value.keys() & {"$bytes", "$timestamp"}:
            [content] = value.values()
            return content
        return {name: plain(member) for name, member in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def captures() -> Iterator[tuple[str, str]]:
    """Yield each client and service of which there is a recording."""
    for path in sorted(CAPTURES.glob("*.bin")):
        client = next(client for client in CLIENTS if path.stem.startswith(client))
        yield client, path.stem.removeprefix(f"{client}-")


def recorded(client: str, service: str) -> list[Message]:
    """Return the events that a client sent."""
    with open(CAPTURES / f"{client}-{service}.bin", "rb") as file:
        return list(iter_messages(file))
