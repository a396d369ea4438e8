"""Chunks of one duration, from audio that comes in pieces of any size: `iter_chunks` and `aiter_chunks`."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, cast

from eventstream.streams import aread_chunks, read_chunks
from eventstream.transcribe.audio.format import DEFAULT_DURATION, AudioFormat

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Iterator

    from typing_extensions import Buffer

    from eventstream.streams import AsyncReadable, Readable


def iter_chunks(
    source: Buffer | Iterable[Buffer] | Readable, format: AudioFormat, duration: float = DEFAULT_DURATION
) -> Iterator[bytes]:
    """Yield the chunks of audio; all but the last have the full length.

    Args:
        source: the whole audio as ``bytes``, ``bytearray`` or ``memoryview``; an iterable of pieces of any size; or
            anything with ``read`` (a binary file, a `WavFile`). It is not closed.
        format: what the audio is.
        duration: seconds in a chunk, over 0 and at most 1; less where 32,768 bytes hold less.

    Raises:
        ValueError: the duration is out of its bounds.
        InvalidAudio: the audio ends in the middle of a sample; the whole ones have been yielded. Or a piece is an
            array of other things than samples, e.g. floats.
        BlockingIOError: `read` returned None: a non-blocking source has no data yet, which is not its end.
        Exception: what the source raises, after all whole samples before. The iteration is over then.
        BufferError: a piece is not C-contiguous.
    """
    length = format.chunk_length(duration)
    return _iter_chunks(pieces_of(source, length), _Cutter(format, length))


def aiter_chunks(
    source: AsyncIterable[Buffer] | AsyncReadable, format: AudioFormat, duration: float = DEFAULT_DURATION
) -> AsyncGenerator[bytes, None]:
    """Yield the chunks of audio that comes asynchronously; all but the last have the full length.

    Args:
        source: an asynchronous iterable of pieces of any size, or anything with an asynchronous ``read`` (an
            ``asyncio.StreamReader``). It is not closed.
        format: what the audio is.
        duration: seconds in a chunk, over 0 and at most 1; less where 32,768 bytes hold less.

    Raises:
        ValueError, InvalidAudio, BlockingIOError, BufferError, Exception: see `iter_chunks`.
    """
    length = format.chunk_length(duration)
    return _aiter_chunks(apieces_of(source, length), _Cutter(format, length))


class _Cutter:
    """Gathers pieces and cuts chunks of one length."""

    def __init__(self, format: AudioFormat, length: int) -> None:
        self.format = format
        self.length = length
        self.rest = bytearray()

    def cut(self, piece: Buffer) -> Iterator[bytes]:
        """Yield the chunks that are whole with this piece."""
        if type(piece) is bytes and len(piece) == self.length and not self.rest:
            yield piece
            return
        view = self.format.bytes_of(piece)
        start = 0
        if self.rest:
            start = self.length - len(self.rest)
            self.rest += view[:start]
            if len(self.rest) < self.length:
                return
            chunk, self.rest = bytes(self.rest), bytearray()
            yield chunk
        end = len(view) - (len(view) - start) % self.length
        for position in range(start, end, self.length):
            yield bytes(view[position : position + self.length])
        self.rest = bytearray(view[end:])

    def last(self) -> bytes:
        """Return what is left, up to its last whole sample."""
        return bytes(self.rest[: len(self.rest) - len(self.rest) % self.format.sample_length])

    def check_end(self) -> None:
        self.format.check_samples(len(self.rest))


def _iter_chunks(pieces: Iterable[Buffer], cutter: _Cutter) -> Iterator[bytes]:
    source = iter(pieces)
    while True:
        try:
            piece = next(source)
        except StopIteration:
            break
        except Exception:  # a WAV that ends too early, or a microphone that is pulled out: what there is comes first
            if last := cutter.last():
                yield last
            raise
        yield from cutter.cut(piece)
    if last := cutter.last():
        yield last
    cutter.check_end()


async def _aiter_chunks(pieces: AsyncIterable[Buffer], cutter: _Cutter) -> AsyncGenerator[bytes, None]:
    source = aiter(pieces)
    while True:
        try:
            piece = await anext(source)
        except StopAsyncIteration:
            break
        except Exception:
            if last := cutter.last():
                yield last
            raise
        for chunk in cutter.cut(piece):
            yield chunk
    if last := cutter.last():
        yield last
    cutter.check_end()


def pieces_of(source: Buffer | Iterable[Buffer] | Readable, length: int) -> Iterable[Buffer]:
    """Return the pieces of audio in a source; a file is read in pieces of this size."""
    if is_buffer(source):
        return (cast("Buffer", source),)
    if not hasattr(source, "read"):
        return cast("Iterable[Buffer]", source)
    return read_chunks(cast("Readable", source).read, length)


def apieces_of(source: AsyncIterable[Buffer] | AsyncReadable, length: int) -> AsyncIterable[Buffer]:
    """Return the pieces of audio in an asynchronous source; a stream is read in pieces of this size."""
    if not hasattr(source, "read"):
        return source
    return aread_chunks(source.read, length)


def is_buffer(source: object) -> bool:
    """Return whether it is one piece: bytes, or an array."""
    try:
        memoryview(source)  # type: ignore[arg-type]
    except TypeError:
        return False
    return True
