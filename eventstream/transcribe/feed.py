"""Audio for one stream after the other: `Feed`."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
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
    """

    def __init__(
        self, chunks: AsyncIterator[bytes], timeline: Timeline, *, keep_alive: float | None, silence: bytes
    ) -> None:
        self._timeline = timeline
        self._keep_alive = keep_alive
        self._silence = silence
        self._again: deque[bytes] = deque()
        self._next: bytes | None = None  # empty at the end
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(1)
        self._getting: asyncio.Task[bytes] | None = None
        self._reader = asyncio.create_task(self._read(chunks))
        self._reader.add_done_callback(self._ended)

    @property
    def error(self) -> BaseException | None:
        """Why the audio could not be read to its end. The caller's code, from which it comes, may raise anything."""
        if not self._reader.done():
            return None
        if self._reader.cancelled():
            return RuntimeError("the audio was cancelled where it comes from")
        return self._reader.exception()

    async def close(self) -> None:
        """Read no more."""
        tasks = [self._reader] if self._getting is None else [self._reader, self._getting]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    async def _read(self, chunks: AsyncIterator[bytes]) -> None:
        async for chunk in chunks:
            await self._queue.put(chunk)

    def _ended(self, reader: asyncio.Task[None]) -> None:
        """Wake a sender that waits for audio: no more will come, for whatever reason."""
        if not reader.cancelled():
            reader.exception()  # nobody else may ask for it
        with suppress(asyncio.QueueFull):  # then nobody waits
            self._queue.put_nowait(b"")

    def check(self) -> None:
        """Raise the error that kept the audio from being read to its end, if there was one."""
        error = self.error
        if error is not None:
            raise error

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
        if self._getting is None and self._reader.done() and self._queue.empty():
            self._next = b""
            return
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
