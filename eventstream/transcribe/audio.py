"""Audio on its way into a transcription: chunks of a chosen duration, WAV files, and the pace of real time.

The service takes chunks of at most 32,768 bytes and one second, of whole samples; 50 to 200 ms are recommended.
Whatever pieces the audio comes in, `iter_chunks` and `aiter_chunks` gather them and cut them where the `AudioFormat`
says. `pace` then lets each chunk go when its time has come, counted from the first, so that delays do not add up.

A WAV's header is parsed here, not by the standard library's `wave`: that one knows ``WAVE_FORMAT_EXTENSIBLE``, which
many recorders write for plain 16-bit PCM, from Python 3.12 on only, and calls every other format a number.

Source: the Amazon Transcribe guide ("Media formats and channels", "Streaming and Amazon Transcribe").
"""

from __future__ import annotations

import struct
import sys
import time
from collections.abc import AsyncIterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from eventstream.streams import NO_DATA, aread_chunks, read_chunks
from eventstream.transcribe.exceptions import InvalidAudio

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
    from typing import BinaryIO, Protocol

    from typing_extensions import Buffer, Self

    from eventstream.streams import AsyncReadable, Readable

    class Audio(Protocol):
        """A request that says what its audio is."""

        @property
        def media_sample_rate_hertz(self) -> int: ...
        @property
        def media_encoding(self) -> str: ...
        @property
        def number_of_channels(self) -> int | None: ...

    class BytesReadable(Protocol):
        """A binary file whose `read` gives ``bytes``, or None if it does not block and there are none now."""

        def read(self, size: int, /) -> bytes | None: ...


__all__ = ["AudioFormat", "WavFile", "aiter_chunks", "iter_chunks", "open_wav", "pace"]

MAX_CHUNK_LENGTH = 32_768
"""Bytes of audio in one event."""

DEFAULT_DURATION = 0.1
"""Seconds of audio in one chunk."""

# Bytes of one sample of one channel, where the encoding fixes it; the others are compressed, and their bytes do not
# tell the time.
_SAMPLE_LENGTHS = {"pcm": 2, "g711-alaw": 1, "g711-ulaw": 1}
_UNTIMED_CHUNK_LENGTH = 4_096


@dataclass(frozen=True)
class AudioFormat:
    """What the bytes of audio mean, and how they may be cut.

    Args:
        sample_rate_hertz: 8000 to 48000.
        channels: 1, or 2 with their samples in turn.
        media_encoding: ``pcm`` (16 bits, signed, little-endian), or any other that the request allows.

    Raises:
        InvalidAudio: the service does not take the rate or the number of channels.
    """

    sample_rate_hertz: int
    channels: int = 1
    media_encoding: str = "pcm"

    def __post_init__(self) -> None:
        if not 8_000 <= self.sample_rate_hertz <= 48_000:
            raise InvalidAudio(f"a sample rate of {self.sample_rate_hertz} Hz; 8000 to 48000 Hz are allowed")
        if self.channels not in (1, 2):
            raise InvalidAudio(f"{self.channels} channels; 1 or 2 are allowed")

    @classmethod
    def of(cls, request: Audio) -> Self:
        """The format that a request announces."""
        return cls(request.media_sample_rate_hertz, request.number_of_channels or 1, request.media_encoding)

    @property
    def sample_length(self) -> int:
        """Bytes of one sample of all channels: 2 or 4 in PCM; 1 where the encoding does not tell."""
        return _SAMPLE_LENGTHS[self.media_encoding] * self.channels if self.is_timed else 1

    @property
    def is_timed(self) -> bool:
        """Whether the number of bytes tells the duration: for ``pcm``, ``g711-alaw`` and ``g711-ulaw``."""
        return self.media_encoding in _SAMPLE_LENGTHS

    @property
    def bytes_per_second(self) -> int | None:
        """None where the encoding does not tell."""
        return self.sample_rate_hertz * self.sample_length if self.is_timed else None

    @property
    def max_chunk_length(self) -> int:
        """The most bytes of one chunk: 32,768, or one second if that is less."""
        return min(MAX_CHUNK_LENGTH, self.bytes_per_second or MAX_CHUNK_LENGTH)

    def chunk_length(self, duration: float = DEFAULT_DURATION) -> int:
        """Bytes of a chunk of a duration: whole samples, at least one, and never more than `max_chunk_length`.

        Args:
            duration: seconds, over 0 and at most 1. Where the encoding does not tell, it has no effect: such audio is
                cut into 4,096 bytes.

        Raises:
            ValueError: the duration is out of its bounds.
        """
        if not 0 < duration <= 1:
            raise ValueError(f"a chunk of {duration} s; more than 0 and at most 1 s are allowed")
        if not self.is_timed:
            return _UNTIMED_CHUNK_LENGTH
        samples = max(1, round(self.sample_rate_hertz * duration))
        return min(samples, self.max_chunk_length // self.sample_length) * self.sample_length

    def duration(self, length: int) -> float:
        """Seconds that so many bytes last.

        Raises:
            InvalidAudio: the encoding does not tell.
        """
        if self.bytes_per_second is None:
            raise InvalidAudio(f"bytes of {self.media_encoding} do not tell how long they last")
        return length / self.bytes_per_second

    def check_chunk(self, chunk: bytes | bytearray | memoryview) -> None:
        """Do nothing for a chunk that the service takes.

        Raises:
            InvalidAudio: it is longer than 32,768 bytes or one second, or ends in the middle of a sample.
        """
        length = chunk.nbytes if isinstance(chunk, memoryview) else len(chunk)
        if length > self.max_chunk_length:
            what = "bytes" if self.max_chunk_length == MAX_CHUNK_LENGTH else "bytes, one second,"
            raise InvalidAudio(f"a chunk of {length} bytes; at most {self.max_chunk_length} {what} are allowed")
        self._check_samples(length)

    def _check_samples(self, length: int) -> None:
        odd = length % self.sample_length
        if odd:
            raise InvalidAudio(f"the audio ends in the middle of a sample: {odd} bytes of {self.sample_length}")


# Chunks


def iter_chunks(
    source: Buffer | Iterable[Buffer] | Readable, format: AudioFormat, duration: float = DEFAULT_DURATION
) -> Iterator[bytes]:
    """The chunks of audio; all but the last have the full length.

    Args:
        source: the whole audio as ``bytes``, ``bytearray`` or ``memoryview``; an iterable of pieces of any size; or
            anything with ``read`` (a binary file, a `WavFile`). It is not closed.
        format: what the audio is.
        duration: seconds in a chunk, over 0 and at most 1; less where 32,768 bytes hold less.

    Raises:
        ValueError: the duration is out of its bounds.
        InvalidAudio: the audio ends in the middle of a sample; the whole ones have been yielded.
        BlockingIOError: `read` gave None, as that of a source which does not block: that is not its end.
        Exception: what the source raises, after all whole samples before. The iteration is over then.
        BufferError: a piece is not C-contiguous.
    """
    length = format.chunk_length(duration)
    return _iter_chunks(_pieces(source, length), _Cutter(format, length))


def aiter_chunks(
    source: AsyncIterable[Buffer] | AsyncReadable, format: AudioFormat, duration: float = DEFAULT_DURATION
) -> AsyncGenerator[bytes, None]:
    """The chunks of audio that comes asynchronously; all but the last have the full length.

    Args:
        source: an asynchronous iterable of pieces of any size, or anything with an asynchronous ``read`` (an
            ``asyncio.StreamReader``). It is not closed.
        format: what the audio is.
        duration: seconds in a chunk, over 0 and at most 1; less where 32,768 bytes hold less.

    Raises:
        ValueError: the duration is out of its bounds.
        InvalidAudio: the audio ends in the middle of a sample; the whole ones have been yielded.
        BlockingIOError: `read` gave None, as that of a source which does not block: that is not its end.
        Exception: what the source raises, after all whole samples before. The iteration is over then.
        BufferError: a piece is not C-contiguous.
    """
    length = format.chunk_length(duration)
    return _aiter_chunks(_apieces(source, length), _Cutter(format, length))


class _Cutter:
    """Gathers pieces and cuts chunks of one length."""

    def __init__(self, format: AudioFormat, length: int) -> None:
        self.format = format
        self.length = length
        self.rest = bytearray()

    def cut(self, view: memoryview) -> Iterator[bytes]:
        """The chunks that are whole with this piece, of bytes."""
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
        """What is left, up to its last whole sample."""
        return bytes(self.rest[: len(self.rest) - len(self.rest) % self.format.sample_length])

    def check_end(self) -> None:
        self.format._check_samples(len(self.rest))


def _iter_chunks(pieces: Iterable[Buffer], cutter: _Cutter) -> Iterator[bytes]:
    source = iter(pieces)
    while True:
        try:
            piece = _bytes_of(next(source))
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
            piece = _bytes_of(await anext(source))
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


def _bytes_of(piece: Buffer) -> memoryview:
    view = memoryview(piece)
    if not view.c_contiguous:
        raise BufferError("a piece of audio is not C-contiguous")
    return view.cast("B")


def _pieces(source: Buffer | Iterable[Buffer] | Readable, length: int) -> Iterable[Buffer]:
    if isinstance(source, (bytes, bytearray, memoryview)):
        return (source,)
    if not hasattr(source, "read"):
        return cast("Iterable[Buffer]", source)
    return read_chunks(cast("Readable", source).read, length)


def _apieces(source: AsyncIterable[Buffer] | AsyncReadable, length: int) -> AsyncIterable[Buffer]:
    if not hasattr(source, "read"):
        return source
    return aread_chunks(source.read, length)


# Pace


def pace(
    chunks: Iterable[bytes] | AsyncIterable[bytes],
    format: AudioFormat,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[object]] | None = None,
) -> AsyncGenerator[bytes, None]:
    """The chunks at the pace of real time: the first at once, each other when the audio before it has lasted.

    The time of each is counted from the first, so a delay is made up for by the chunks after it: they go at once, until
    the audio is where it should be.

    Args:
        chunks: of a recording.
        format: what the audio is.
        clock: seconds, from any moment on.
        sleep: waits for so many seconds, as ``asyncio.sleep``, which is the default; it is called for every chunk but
            the first, if only with 0, so that the other tasks get their turn.

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


# WAV

_RIFF = struct.Struct("<4sI4s")
_CHUNK = struct.Struct("<4sI")
_FMT = struct.Struct("<HHIIHH")
_PCM = 1
_EXTENSIBLE = 0xFFFE
_EXTENSIBLE_LENGTH = 40
# The GUID of a format in WAVE_FORMAT_EXTENSIBLE is its number, then this (Microsoft's ksmedia.h).
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
_FORMATS = {
    _PCM: "PCM",
    2: "Microsoft ADPCM",
    3: "floating-point PCM",
    6: "A-law",
    7: "mu-law",
    0x11: "IMA ADPCM",
    0x55: "MP3",
}
# Who writes to a pipe does not know the length: ffmpeg then writes 0xFFFFFFFF, sox and arecord something near 2 GiB.
_UNKNOWN_LENGTHS = range(0x7FFF_F000, 0x8000_0001), range(0xFFFF_F000, 0x1_0000_0000)


class WavFile:
    """The audio of a WAV, as a file to read from; `open_wav` makes it. A context manager.

    Attributes:
        format: the rate and the number of channels; the encoding is ``pcm``.
        duration: seconds, as the header has it; None if whoever wrote it did not know yet, and 0 if its lengths were to
            be written in the end, and never were.
    """

    def __init__(
        self, file: BytesReadable, format: AudioFormat, length: int | None, opened: BinaryIO | None, *, unwritten: bool
    ) -> None:
        self.format = format
        self.duration = None if length is None else format.duration(length)
        self._file = file
        self._length = None if unwritten else length
        self._position = 0
        self._kept = b""  # what a call has read that failed then
        self._opened = opened

    def read(self, size: int, /) -> bytes:
        """At most so many of the next bytes of audio, and at most 32,768; all that are left if `size` is negative; none
        at the end. Fewer also where the file does not block, and has no more now.

        Raises:
            InvalidAudio: the file ends before the audio does; what it has was returned before.
            BlockingIOError: the file does not block, and has no data now.
            OSError: the file cannot be read. What this call has read comes with the next one.
        """
        if self._kept and size >= 0:
            size = min(size, MAX_CHUNK_LENGTH)
            data, self._kept = self._kept[:size], self._kept[size:]
            return data
        left = sys.maxsize if self._length is None else self._length - self._position
        wanted = left if size < 0 else min(size, left)
        # In pieces: a file may reserve all that it is asked for, and a header may declare anything.
        pieces = [self._kept] if self._kept else []
        self._kept = b""
        while wanted:
            try:
                piece = _read(self._file, min(wanted, MAX_CHUNK_LENGTH))
            except BlockingIOError:
                if pieces:
                    break
                raise
            except BaseException:
                self._kept = b"".join(pieces)
                raise
            if not piece and not pieces and self._length is not None:
                raise InvalidAudio(f"the WAV ends after {self._position} of its {self._length} bytes of audio")
            pieces.append(piece)
            self._position += len(piece)
            wanted -= len(piece)
            if not piece or size >= 0:  # the next one might have to be waited for
                break
        return b"".join(pieces)

    def close(self) -> None:
        """Close the file, if it was opened here."""
        if self._opened is not None:
            self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_wav(file: str | os.PathLike[str] | BytesReadable, expected: AudioFormat | None = None) -> WavFile:
    """Read a WAV up to its audio: 16-bit PCM of any rate and number of channels that the service takes.

    Args:
        file: a path, or a binary file at the WAV's beginning, which need not be seekable and is not closed.
        expected: what the audio should be.

    Raises:
        InvalidAudio: it is no WAV, its format is another, or not the expected one.
        OSError: the file cannot be opened or read.
    """
    if hasattr(file, "read"):
        return _read_wav(cast("BytesReadable", file), expected, None)
    opened = open(cast("str", file), "rb")  # noqa: SIM115 (the WavFile closes it)
    try:
        return _read_wav(opened, expected, opened)
    except BaseException:
        opened.close()
        raise


def _read_wav(file: BytesReadable, expected: AudioFormat | None, opened: BinaryIO | None) -> WavFile:
    # A file that is too short to be anything is no WAV either.
    form, form_length, kind = _RIFF.unpack(_read_up_to(file, _RIFF.size).ljust(_RIFF.size))
    if form != b"RIFF" or kind != b"WAVE":
        raise InvalidAudio("no WAV: it does not begin with RIFF and WAVE")
    format = None
    position = _RIFF.size
    while True:
        name, length = _CHUNK.unpack(_read_exactly(file, _CHUNK.size))
        position += _CHUNK.size
        if name == b"data":
            break
        head = _read_exactly(file, min(length, _EXTENSIBLE_LENGTH))
        if name == b"fmt ":
            format = _wav_format(head)
        # Chunks begin at even positions.
        _skip(file, length + length % 2 - len(head))
        position += length + length % 2
    if format is None:
        raise InvalidAudio("a WAV without a format: no fmt chunk comes before its audio")
    if expected is not None and format != expected:
        raise InvalidAudio(f"the WAV has {_described(format)}; expected: {_described(expected)}")
    unknown = any(length in lengths for lengths in _UNKNOWN_LENGTHS)
    # Who was to write the lengths at the end, and never came to it, has said that nothing follows.
    unwritten = length == 0 and form_length + _CHUNK.size <= position
    return WavFile(file, format, None if unknown else length, opened, unwritten=unwritten)


def _wav_format(head: bytes) -> AudioFormat:
    if len(head) < _FMT.size:
        raise InvalidAudio(f"a WAV with a fmt chunk of {len(head)} bytes; it has at least {_FMT.size}")
    tag, channels, rate, _, block, bits = _FMT.unpack_from(head)
    if tag == _EXTENSIBLE and len(head) == _EXTENSIBLE_LENGTH and head[26:] == _GUID_TAIL:
        tag = int.from_bytes(head[24:26], "little")
    if tag != _PCM or bits != 16:
        what = _FORMATS.get(tag, "an unknown format")
        raise InvalidAudio(f"a WAV of {what} ({tag}) with {bits} bits; PCM ({_PCM}) with 16 bits is allowed")
    format = AudioFormat(rate, channels)
    if block != format.sample_length:
        raise InvalidAudio(f"a WAV whose samples take {block} bytes; {format.sample_length} are needed")
    return format


def _described(format: AudioFormat) -> str:
    channels = "1 channel" if format.channels == 1 else f"{format.channels} channels"
    return f"{format.media_encoding}, {format.sample_rate_hertz} Hz, {channels}"


def _read(file: BytesReadable, length: int) -> bytes:
    data = file.read(length)
    if data is None:
        raise BlockingIOError(NO_DATA)
    return data


def _read_up_to(file: BytesReadable, length: int) -> bytes:
    """So many bytes, fewer only at the end of the file."""
    data = b""
    while len(data) < length and (more := _read(file, length - len(data))):
        data += more
    return data


def _read_exactly(file: BytesReadable, length: int) -> bytes:
    data = _read_up_to(file, length)
    if len(data) < length:
        raise InvalidAudio("the WAV ends before its audio begins")
    return data


def _skip(file: BytesReadable, length: int) -> None:
    while length > 0:
        length -= len(_read_exactly(file, min(length, MAX_CHUNK_LENGTH)))
