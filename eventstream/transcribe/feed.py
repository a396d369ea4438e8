"""Audio for one stream after the other: `Feed`."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from eventstream.transcribe.timeline import Restart, Timeline

__all__ = ["AudioFailed", "Feed"]


class Sink(Protocol):
    """The stream that takes the audio."""

    async def send_audio(self, chunk: bytes, /) -> None: ...
    async def end_audio(self) -> None: ...
    async def abort(self, error: Exception, /) -> None: ...


class AudioFailed(Exception):
    """The audio could not be read to its end; its `Feed` knows why."""


class Feed:
    """Audio for one stream after the other: the next one begins with what the last one did not take.

    A task of its own reads the audio, since to cancel a task that reads a generator ends the generator.

    Args:
        chunks: the audio.
        timeline: takes note of what is sent.
        keep_alive: seconds without audio after which silence is sent; None: it never is.
        silence: what is sent then.

    Attributes:
        error: why the audio could not be read to its end.
    """

    def __init__(
        self, chunks: AsyncIterator[bytes], timeline: Timeline, *, keep_alive: float | None, silence: bytes
    ) -> None:
        self.error: Exception | None = None
        self._timeline = timeline
        self._keep_alive = keep_alive
        self._silence = silence
        self._again: deque[bytes] = deque()
        self._next: bytes | None = None  # empty at the end
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(1)
        self._getting: asyncio.Task[bytes] | None = None
        self._reader = asyncio.create_task(self._read(chunks))

    async def close(self) -> None:
        """Read no more."""
        tasks = [self._reader] if self._getting is None else [self._reader, self._getting]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    async def _read(self, chunks: AsyncIterator[bytes]) -> None:
        try:
            async for chunk in chunks:
                await self._queue.put(chunk)
        except Exception as error:
            self.error = error
        await self._queue.put(b"")

    def check(self) -> None:
        """Raise the error that kept the audio from being read to its end, if there was one."""
        if self.error is not None:
            raise self.error

    def restart(self, error: Exception) -> Restart:
        """Begin a new stream, with the audio that must be sent again, if there is any."""
        restart, again = self._timeline.restart(error)
        self._again.extendleft(reversed(again))
        return restart

    async def send(self, stream: Sink) -> None:
        """Send what is left. If that fails, the iteration over the stream says why."""
        try:
            while self._again:
                await stream.send_audio(self._again[0])
                self._timeline.sent(self._again.popleft())
            while self._next != b"":
                if self._next is None:
                    await self._wait(stream)
                else:
                    await stream.send_audio(self._next)
                    self._timeline.sent(self._next)
                    self._next = None
            if self.error is not None:
                raise AudioFailed
            await stream.end_audio()
        except Exception as error:
            await stream.abort(error)

    async def _wait(self, stream: Sink) -> None:
        """Wait for the next chunk; send silence if it does not come in time."""
        if self._keep_alive is None:
            self._next = await self._queue.get()
            return
        # The task continues when this one is cancelled: it may already have taken a chunk.
        if self._getting is None:
            self._getting = asyncio.create_task(self._queue.get())
        done, _ = await asyncio.wait([self._getting], timeout=self._keep_alive)
        if done:
            self._next, self._getting = self._getting.result(), None
        else:
            await stream.send_audio(self._silence)
            self._timeline.sent_silence(len(self._silence))
