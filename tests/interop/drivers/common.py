"""What the drivers in Python share. Their environments hold a client each, and of this project nothing but adapters.

A driver is called with HOST, PORT, CA_FILE (empty: plaintext) and SCENARIO, which is JSON:

    {"keys": [ACCESS_KEY, SECRET_KEY], "streams": [STREAM, …], "adapter": NAME or null}
    STREAM: {"parameters": {…}, "chunks": [LENGTH, …], "hold": false, "operation": NAME}

All streams are one client's, with the adapter in it if one is named. amazon-transcribe's driver also takes
"event_keys", with which the events are signed. If "quiet" is true, events are only counted.

Without an operation it is StartStreamTranscription. Of the others, which AWS's own clients know, an event is printed
whole, and what they want before and after the audio is sent: who is on which channel, or a session's settings and end.

It runs one stream after the other: parameters are the service's in snake case, the audio is chunks of silence. A
stream that is held is left open once its first event is there, until all the others are over. It prints JSON lines:

    {"stream": N, "response": {…}}     what the response's headers say
    {"stream": N, "results": [{…}]}    an event, under the service's names, without what is absent
    {"stream": N, "error": TYPE, "code": NAME, "message": TEXT, "status": NUMBER}    the client's own exception
    {"stream": N, "end": true, "calls": {NAME: COUNT}, "count": COUNT}    how often the adapter has called ours, until
                                       then, and how many events have come
"""

from __future__ import annotations

import asyncio
import collections
import functools
import importlib
import json
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

HOST, PORT, CA_FILE, SCENARIO = sys.argv[1], int(sys.argv[2]), sys.argv[3], json.loads(sys.argv[4])
ENDPOINT = f"{'https' if CA_FILE else 'http'}://{HOST}:{PORT}"
ACCESS_KEY, SECRET_KEY = SCENARIO["keys"]
REGION = "us-east-1"


class Stream:
    """A stream of the scenario."""

    def __init__(
        self,
        number: int,
        parameters: dict[str, Any],
        chunks: list[int],
        hold: bool = False,
        operation: str = "StartStreamTranscription",
    ) -> None:
        self.number = number
        self.operation = operation
        self.parameters = parameters
        self.chunks = chunks
        self.hold = hold
        self.begun = asyncio.Event()
        self.released = asyncio.Event()

    async def audio(self) -> AsyncIterator[bytes]:
        """Yield the chunks; a held stream's end comes when it is released."""
        for length in self.chunks:
            yield bytes(length)
        if self.hold:
            await self.released.wait()

    def say(self, **line: Any) -> None:
        print(json.dumps({"stream": self.number, **line}), flush=True)


CALLED = {
    "amazon_transcribe": ("encode", "EventStreamMessage", "encode_date"),  # the last: once for a signature
    "smithy": ("encode", "decode"),
}
"""What is counted of each adapter, by the names in its module."""

calls: collections.Counter[str] = collections.Counter()


def install_adapter() -> None:
    """Put the adapter into the client, which has been imported before, and count what it calls."""
    if SCENARIO["adapter"] is None:
        return
    import eventstream

    assert eventstream.implementation == "native"
    adapter = importlib.import_module(f"eventstream.adapters.{SCENARIO['adapter']}")
    for name in CALLED[SCENARIO["adapter"]]:
        setattr(adapter, name, _counted(name, getattr(adapter, name)))
    adapter.install()


def _counted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function, updated=())
    def counted(*args: Any, **options: Any) -> Any:
        calls[name] += 1
        return function(*args, **options)

    return counted


def drive(transcribe: Callable[[Stream], AsyncIterator[Any]]) -> None:
    """Run the scenario.

    Args:
        transcribe: runs a stream, yields the response (a mapping of what its headers say) and then each event's
            results.
    """
    asyncio.run(_drive(transcribe))


async def _drive(transcribe: Callable[[Stream], AsyncIterator[Any]]) -> None:
    held = []
    for number, description in enumerate(SCENARIO["streams"]):
        stream = Stream(number, **description)
        task = asyncio.create_task(_run(stream, transcribe))
        if stream.hold:
            await stream.begun.wait()
            held.append((stream, task))
        else:
            await task
    for stream, task in held:
        stream.released.set()
        await task


async def _run(stream: Stream, transcribe: Callable[[Stream], AsyncIterator[Any]]) -> None:
    try:
        events = transcribe(stream)
        stream.say(response=present(await anext(events)))
        count = 0
        async for results in events:
            count += 1
            if not SCENARIO.get("quiet"):
                stream.say(results=wire(results))
            stream.begun.set()
        stream.say(end=True, calls=calls, count=count)
    except Exception as error:
        code = getattr(error, "error_code", None) or getattr(error, "code", None)
        message = getattr(error, "message", None) or str(error)
        stream.say(error=type(error).__name__, code=code, message=message, status=status(error))
    finally:
        stream.begun.set()


def status(error: Any) -> int | None:
    """Return the HTTP status, where the client tells."""
    if hasattr(error, "response"):
        return error.response.status
    if hasattr(error, "response_metadata"):
        return error.response_metadata.http_status_code
    return getattr(error, "status_code", None)


def present(value: dict[str, Any]) -> dict[str, Any]:
    """Without what is absent, and what is not a header."""
    return {name: item for name, item in value.items() if isinstance(item, (str, int))}


def wire(value: Any) -> Any:
    """Return a client's objects as JSON under the service's names, without what is absent."""
    if isinstance(value, (list, tuple)):
        return [wire(item) for item in value]
    if hasattr(value, "__dict__") and not isinstance(value, str):
        value = vars(value)
    if not isinstance(value, dict):
        return value
    return {_NAMES.get(name) or _pascal(name): wire(item) for name, item in value.items() if item is not None}


_NAMES = {"item_type": "Type", "entity_type": "Type"}  # amazon-transcribe's


def _pascal(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))
