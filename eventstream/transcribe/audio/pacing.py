"""When each chunk goes: at the pace of real time, and with silence where a live source pauses."""

from __future__ import annotations

import time
from collections.abc import AsyncIterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

    from eventstream.transcribe.audio.format import AudioFormat


def pace(
    chunks: Iterable[bytes] | AsyncIterable[bytes],
    format: AudioFormat,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[object]] | None = None,
) -> AsyncGenerator[bytes, None]:
    """Yield the chunks at the pace of real time: the first at once, every other when the audio before it is over.

    The time of each is counted from the first, so a delay is made up for by the chunks after it: they go at once, until
    the audio is where it should be.

    Args:
        chunks: of a recording.
        format: what the audio is.
        clock: returns seconds, counted from any moment.
        sleep: waits for a number of seconds; by default ``asyncio.sleep``. It is called for every chunk but the first,
            if only with 0, so that other tasks get their turn.

    Raises:
        InvalidAudio: the encoding does not tell how long a chunk lasts.
    """
    format.duration(0)
    if sleep is None:
        import asyncio  # here: it takes longer to import than all the rest, and nothing but a pace needs it

        sleep = asyncio.sleep
    return _pace(chunks, format, clock, sleep)


async def _pace(
    chunks: Iterable[bytes] | AsyncIterable[bytes],
    format: AudioFormat,
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[object]],
) -> AsyncGenerator[bytes, None]:
    start: float | None = None
    length = 0
    async for chunk in chunks if isinstance(chunks, AsyncIterable) else _each(chunks):
        if start is None:
            start = clock()
        else:
            await sleep(max(0.0, start + format.duration(length) - clock()))
        length += len(chunk)
        yield chunk


async def _each(chunks: Iterable[bytes]) -> AsyncGenerator[bytes, None]:
    for chunk in chunks:
        yield chunk
