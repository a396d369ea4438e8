"""A voice agent's ear: it takes frames of 20 ms, and calls back with interim and final words, across breaks and
restarts.

    python examples/voice_agent.py

A caller speaks into the emulator, in this process. The service's limits are reduced, so that what takes hours happens
in seconds: the agent hears no audio while it speaks itself, the connection breaks, and a stream reaches its longest
duration. The conversation continues on one timeline. A real agent needs only `listen`.

The emulator's script restarts with each stream, so its first words come again; a real service hears what is said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from eventstream.transcribe.client import Restart, TranscribeClient
from eventstream.transcribe.emulator import DOCUMENTATION_CREDENTIALS, Emulator, Limits, Scripted

RATE = 8_000  # telephony; 16,000 for microphones
FRAME = bytes(RATE // 50 * 2)  # 20 ms of 16-bit samples


@dataclass(frozen=True)
class Callbacks:
    """What the agent wants to be told: words that may still change, whole utterances, and new streams."""

    interim: Callable[[str], object]
    final: Callable[[str, str, float, float], object]
    restart: Callable[[Restart], object]


async def listen(client: TranscribeClient, frames: asyncio.Queue[bytes | None], tell: Callbacks) -> None:
    """Transcribe frames until there is a None among them; minutes or days."""
    shown = ""
    async for event in client.transcribe(
        frames,
        language_code="en-US",
        media_sample_rate_hertz=RATE,
        media_encoding="pcm",
        show_speaker_label=True,
        enable_partial_results_stabilization=True,
        chunk_duration=0.1,  # five frames an event; 0.05 to 0.2 s are recommended
        keep_alive=0.25,  # 5.0 at the service, which waits for 15 s
        retries=10,  # in a row, without an event in between
        on_restart=tell.restart,
    ):
        for result in event.transcript.results:
            [alternative] = result.alternatives
            text = alternative.transcript or ""
            if not result.is_partial:
                speakers = {item.speaker for item in alternative.items if item.speaker is not None}
                tell.final(text, "/".join(sorted(speakers)), result.start_time or 0.0, result.end_time or 0.0)
                shown = ""
            elif text != shown:
                tell.interim(text)
                shown = text


# What follows plays the other side: a caller, an agent that interrupts, and a service with small limits.

CALL = """
@speaker 0
How can I help you?
@speaker 1
I would like a table for two.
"""
LIMITS = Limits(max_audio=3.0, audio_timeout=1.2)  # the service: 4 hours, and 15 s
FAULTS = ["reset@20*1"]  # the connection breaks once, at the 20th event


async def call(frames: asyncio.Queue[bytes | None]) -> None:
    """Speak for 5.2 s in real time; after 1 s the agent itself speaks, and no frames come for 1.5 s."""
    for number in range(260):
        frames.put_nowait(FRAME)
        await asyncio.sleep(1.5 if number == 50 else 0.02)
    frames.put_nowait(None)


async def main() -> None:
    tell = Callbacks(
        interim=lambda text: print(f"          {text}"),
        final=lambda text, speaker, start, end: print(f"{start:5.2f}-{end:.2f} speaker {speaker}: {text}"),
        restart=lambda restart: print(f"(a new stream from {restart.position:.2f} s: {type(restart.error).__name__})"),
    )
    frames: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=1_000)
    async with Emulator(recogniser=Scripted(CALL), limits=LIMITS, faults=FAULTS) as emulator:
        client = TranscribeClient("us-east-1", endpoint=emulator.endpoint, credentials=DOCUMENTATION_CREDENTIALS)
        await asyncio.gather(call(frames), listen(client, frames, tell))


if __name__ == "__main__":
    asyncio.run(main())
