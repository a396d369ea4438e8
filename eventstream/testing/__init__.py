"""Test your own code that uses event streams: fakes of boto3's streams, and Hypothesis strategies.

`fake_response` makes a client of boto3 or aiobotocore answer with a stream that a test makes from `event`, `exception`
and `error`, with faults on demand (`cut`, `corrupted`, `slow`):

>>> import botocore.session
>>> from eventstream.testing import event, fake_response
>>> client = botocore.session.get_session().create_client("bedrock-runtime", region_name="us-east-1")
>>> events = [
...     event("contentBlockDelta", {"delta": {"text": "Hello"}}),
...     event("messageStop", {"stopReason": "end_turn"}),
... ]
>>> with fake_response(client, "converse_stream", events):
...     for received in client.converse_stream(modelId="any")["stream"]:
...         print(received)
{'contentBlockDelta': {'delta': {'text': 'Hello'}}}
{'messageStop': {'stopReason': 'end_turn'}}

The strategies need the extra ``testing``:

>>> import pytest
>>> from hypothesis import given
>>> from eventstream import iter_messages
>>> from eventstream.testing import chunkings, corruptions
>>> @given(chunkings())
... def test_split_makes_no_difference(chunks):
...     assert list(iter_messages(chunks)) == list(iter_messages([b"".join(chunks)]))
>>> @given(corruptions())
... def test_every_fault_is_found(corruption):
...     with pytest.raises(corruption.stream_error):
...         list(iter_messages([corruption.wire]))
>>> test_split_makes_no_difference()
>>> test_every_fault_is_found()

Each function returns a strategy. A parameter that is a strategy takes the place of a part, so that
``messages(headers=just({":event-type": "Ping"}))`` varies only the payload.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from eventstream.testing.events import corrupted, cut, error, event, exception, slow
from eventstream.testing.responses import fake_response

if TYPE_CHECKING:
    from eventstream.testing.corruption import CORRUPTION_KINDS, Corruption, corruptions
    from eventstream.testing.signed import SignedStream, credentials, signed_streams
    from eventstream.testing.strategies import (
        chunkings,
        header_names,
        header_values,
        headers,
        messages,
        streams,
        wires,
    )
    from eventstream.testing.transcript import transcripts

__all__ = [
    "CORRUPTION_KINDS",
    "Corruption",
    "SignedStream",
    "chunkings",
    "corrupted",
    "corruptions",
    "credentials",
    "cut",
    "error",
    "event",
    "exception",
    "fake_response",
    "header_names",
    "header_values",
    "headers",
    "messages",
    "signed_streams",
    "slow",
    "streams",
    "transcripts",
    "wires",
]

# Imported when they are asked for, as they need Hypothesis.
_STRATEGIES = {
    "corruption": ("CORRUPTION_KINDS", "Corruption", "corruptions"),
    "signed": ("SignedStream", "credentials", "signed_streams"),
    "strategies": ("chunkings", "header_names", "header_values", "headers", "messages", "streams", "wires"),
    "transcript": ("transcripts",),
}
_MODULES = {name: module for module, names in _STRATEGIES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
