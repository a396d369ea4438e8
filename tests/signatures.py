"""What the tests of signatures have in common: keys, a clock, recorded requests, signed events."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

from eventstream import decode, encode, iter_messages
from eventstream.signing import Credentials, EventSigner, EventVerifier

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
CREDENTIALS = Credentials("AKIDEXAMPLE", SECRET)
REGION, SERVICE = "us-east-1", "transcribe"
SEED = bytes(range(32))
NOON = datetime(2026, 11, 22, 12, 0, 0, 250_000, tzinfo=timezone.utc)
SECOND = timedelta(seconds=1)

CAPTURES = Path(__file__).parent / "captures"
INDEX = {capture["name"]: capture for capture in json.loads((CAPTURES / "index.json").read_text())}

EVENTS = [encode({":event-type": "AudioEvent"}, bytes([number]) * 3200) for number in range(4)]


def captured(name):
    """Return a recorded request: its method, path, headers and time."""
    headers = [tuple(pair) for pair in INDEX[name]["request_headers"]]
    at = datetime.strptime(INDEX[name]["captured"], "%Y-%m-%dT%H:%M:%S%z")
    return dict(headers)[":method"], dict(headers)[":path"], headers, at


def body(name):
    return list(iter_messages((CAPTURES / f"{name}.request.bin").read_bytes()))


def at(*moments):
    """Return a clock that shows one moment after the other, the last one for ever."""
    remaining = list(moments)
    return lambda: remaining.pop(0) if len(remaining) > 1 else remaining[0]


SHOWS_NOON = at(NOON)


def signer(clock=SHOWS_NOON, credentials=CREDENTIALS, region=REGION, service=SERVICE, seed=SEED):
    return EventSigner(credentials, region, service, seed, clock=clock)


def verifier(clock=SHOWS_NOON, credentials=CREDENTIALS, region=REGION, service=SERVICE, seed=SEED, **others):
    return EventVerifier(credentials, region, service, seed, clock=clock, **others)


def signed(events=EVENTS, **others):
    """Return the events as messages of one stream, and its end."""
    by = signer(**others)
    return [decode(by.sign(event)) for event in events] + [decode(by.finish())]
