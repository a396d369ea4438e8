"""``python -m benchmarks.client_calls``: how many Python calls a chunk of audio and its answer cost the client.

A chunk is sent and an event is received over loopback, in plaintext; the emulator answers in another thread. Calls are
what `sys.setprofile` sees of Python code, the resumption of a coroutine among them. Those in this package are ours.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import eventstream
from eventstream.transcribe.client import TranscribeClient
from eventstream.transcribe.emulator import DOCUMENTATION_CREDENTIALS, Emulator

AT_MOST = 40
"""Calls of ours, for one chunk and one event."""

CHUNK = bytes(3_200)
PACKAGE = str(Path(eventstream.__file__).parent)


@contextlib.contextmanager
def emulator() -> Iterator[Emulator]:
    """Run an emulator in a thread of its own."""
    started = threading.Event()
    found: dict[str, Any] = {}

    async def serve() -> None:
        async with Emulator() as running:
            found.update(emulator=running, loop=asyncio.get_running_loop(), stopped=asyncio.Event())
            started.set()
            await found["stopped"].wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    started.wait()
    try:
        yield found["emulator"]
    finally:
        found["loop"].call_soon_threadsafe(found["stopped"].set)
        thread.join()


async def count(endpoint: str, rounds: int) -> tuple[float, Counter[str]]:
    """Return the calls of one round, and those of ours by function."""
    client = TranscribeClient("us-east-1", endpoint=endpoint, credentials=DOCUMENTATION_CREDENTIALS)
    calls = 0
    ours: Counter[str] = Counter()

    def profile(frame: Any, event: str, argument: object) -> None:
        nonlocal calls
        if event == "call":
            calls += 1
            path = frame.f_code.co_filename
            if path.startswith(PACKAGE):
                ours[f"{path.removeprefix(PACKAGE)[1:]}: {frame.f_code.co_name}"] += 1

    parameters = {"language_code": "en-US", "media_sample_rate_hertz": 16_000, "media_encoding": "pcm"}
    async with client.start_stream_transcription(**parameters) as stream:
        await anext(stream)  # the first event answers no chunk
        sys.setprofile(profile)
        for _ in range(rounds):
            await stream.send_audio(CHUNK)
            await anext(stream)
        sys.setprofile(None)
        await stream.end_audio()
        async for _ in stream:
            pass
    return calls / rounds, Counter({name: number / rounds for name, number in ours.items()})


def main() -> int:
    """Print the calls; the exit status says whether ours are too many."""
    parser = argparse.ArgumentParser("python -m benchmarks.client_calls", description=__doc__)
    parser.add_argument("--rounds", type=int, default=50, help="chunks and events (%(default)s)")
    options = parser.parse_args()
    with emulator() as running:
        calls, ours = asyncio.run(count(running.endpoint, options.rounds))
    for name, number in ours.most_common():
        print(f"{number:5.1f}  {name}")
    print(f"{calls:.1f} calls for a chunk and an event, {sum(ours.values()):.1f} of them ours (at most {AT_MOST})")
    return sum(ours.values()) > AT_MOST


if __name__ == "__main__":
    sys.exit(main())
