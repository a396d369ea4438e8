"""Audio from anywhere: `Source` reads it, recognises a WAV, and refuses what is not the audio that was announced.

The first bytes of any source tell what it is. A WAV's header gives the format, and only its samples are passed on.
Another container, such as WebM, is refused where PCM or G.711 was announced: the service would take it for noise.
"""

from __future__ import annotations

import asyncio
import inspect
import io
import os
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any

from eventstream._text import class_of
from eventstream.transcribe.audio.chunks import aiter_chunks, apieces_of, is_buffer, pieces_of
from eventstream.transcribe.audio.format import AudioFormat
from eventstream.transcribe.audio.wav import CutHeader, WavFile, described, open_wav
from eventstream.transcribe.exceptions import InvalidAudio

if TYPE_CHECKING:
    from typing import BinaryIO, TypeAlias

    from typing_extensions import Buffer

    Samples: TypeAlias = bytes | memoryview

MAX_HEADER_LENGTH = 1 << 20
"""Bytes of a WAV before its audio, at most: pictures and texts may come first."""

READ_SIZE = 4_096
"""Bytes to read at a time while the format is not known."""

# The first bytes of containers and compressed formats, which no recording of samples begins with.
_MAGIC = {
    b"\x1aE\xdf\xa3": "WebM or Matroska",
    b"OggS": "Ogg",
    b"fLaC": "FLAC",
    b"ID3": "MP3",
    b"FORM": "AIFF",
    b"#!AMR": "AMR",
    b"RF64": "a WAV of more than 4 GiB (RF64)",
    b"RIFX": "a big-endian WAV (RIFX)",
}
_WAV_START = 12  # RIFF, a length, WAVE
_LONGEST_MP3_FRAME = 1_441
_MP3_KBITS = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MP3_RATES = (44_100, 48_000, 32_000)


class Source:
    """Audio of any kind, read once.

    Args:
        audio: a path; the bytes or an array of 16-bit integers; a `WavFile`; an iterable or asynchronous iterable of
            pieces of any size; anything with a `read`, asynchronous or not; or an ``asyncio.Queue`` of pieces, which
            None or its shutdown ends.
        expected: what it should be; None: it must be a WAV, which says it.

    Attributes:
        is_at_hand: whether its first bytes are there without waiting.

    Raises:
        OSError: the file cannot be opened.
        TypeError: it is of another type.
    """

    def __init__(self, audio: Any, expected: AudioFormat | None) -> None:
        self._opened: BinaryIO | None = None
        self._head = _Head(expected)
        if isinstance(audio, (str, os.PathLike)):
            self._opened = open(audio, "rb")  # noqa: SIM115 (`close` closes it)
            self.is_at_hand = os.path.isfile(audio)
            audio = self._opened
        else:
            self.is_at_hand = isinstance(audio, WavFile) or is_buffer(audio)
        if isinstance(audio, WavFile):
            self._head.accept(audio)
        self._pieces = _pieces(audio, expected)
        self._audio: AsyncIterator[Samples] | None = None

    def close(self) -> None:
        """Close the file, if it was opened here."""
        if self._opened is not None:
            self._opened.close()

    def check(self, format: AudioFormat) -> None:
        """Do nothing if the audio is in this format, or it is not known yet.

        Raises:
            InvalidAudio: it is in another.
        """
        self._head.check(format)

    async def format(self) -> AudioFormat:
        """Return the format, once the first bytes have told it.

        Raises:
            InvalidAudio: it is not a WAV, and nothing else was announced; or another than was announced.
        """
        if self._audio is None:
            self._audio = await _begun(self._samples())
        assert self._head.format is not None
        return self._head.format

    async def chunks(self, duration: float) -> AsyncIterator[bytes]:
        """Yield the audio in chunks; see `aiter_chunks`.

        Raises:
            InvalidAudio: it is not what was announced.
        """
        format = self._head.format or await self.format()
        async for chunk in aiter_chunks(self._audio or self._samples(), format, duration):
            yield chunk

    async def _samples(self) -> AsyncIterator[Samples]:
        head = self._head
        async for piece in self._pieces:
            if samples := head.feed(piece):
                yield samples
            if head.is_complete:
                return
        if samples := head.end():
            yield samples


async def _begun(samples: AsyncIterator[Samples]) -> AsyncIterator[Samples]:
    """Return the same samples, after waiting for the first."""
    first = await anext(samples, b"")

    async def again() -> AsyncIterator[Samples]:
        if first:
            yield first
        async for piece in samples:
            yield piece

    return again()


_NOT_SAID = "media_encoding and media_sample_rate_hertz are required unless the audio is a WAV"


class _Head:
    """The beginning of the audio: it is kept until it tells what the audio is.

    Attributes:
        expected: what the audio should be; None: what the WAV is.
        format: what it is; None while that is not known.
        is_complete: whether all audio of a WAV has come.
    """

    def __init__(self, expected: AudioFormat | None) -> None:
        self.expected = expected
        self.format = expected
        self.is_complete = False
        self._kept: bytearray | None = bytearray()
        self._tried = 0
        self._length: int | None = None  # of a WAV's audio
        self._position = 0

    def accept(self, wav: WavFile) -> None:
        """Take the format of a WAV whose header has been read."""
        self.format = wav.format
        if self.expected is not None:
            self.check(self.expected)
        self._kept = None

    def check(self, format: AudioFormat) -> None:
        """Do nothing if the audio is in this format, or it is not known yet."""
        if self.format is not None and format != self.format:
            raise InvalidAudio(f"the WAV is {described(self.format)}; the request says {described(format)}")

    def feed(self, piece: Buffer) -> Samples:
        """Return the samples that are known to be some with this piece."""
        if type(piece) is bytes and self._kept is None and self._length is None:
            return piece
        view = (self.format or _BYTES).bytes_of(piece)
        if self._kept is None:
            return self._cut(view)
        self._kept += view
        # Each try costs the length of the header; so the next one comes when there is twice as much.
        if len(self._kept) < _WAV_START or len(self._kept) < 2 * self._tried:
            return b""
        self._tried = len(self._kept)
        return self._judge(at_end=False)

    def end(self) -> Samples:
        """Return the samples that were still kept, as no more come.

        Raises:
            InvalidAudio: the WAV ends before its audio does.
        """
        if self._kept is not None:
            samples = self._judge(at_end=True)
            if samples or self._length is None:
                return samples
        if self._length is not None and self._position < self._length:
            raise InvalidAudio(f"the WAV ends after {self._position} of its {self._length} bytes of audio")
        return b""

    def _judge(self, *, at_end: bool) -> Samples:
        kept = bytes(self._kept or b"")
        if kept[:4] == b"RIFF" and kept[8:_WAV_START] == b"WAVE":
            file = io.BytesIO(kept)
            try:
                wav = open_wav(file)
            except CutHeader:
                if at_end or len(kept) > MAX_HEADER_LENGTH:
                    raise
                return b""
            self.accept(wav)
            self._length = wav.length
            return self._cut(memoryview(kept)[file.tell() :])
        if self.expected is None:
            what = _container(kept) if kept else "empty"
            raise InvalidAudio(_NOT_SAID if what is None else f"{_NOT_SAID}; it is {what}")
        if self.expected.is_timed:
            if not at_end and _may_be_mp3(kept) and len(kept) < _LONGEST_MP3_FRAME + 4:
                return b""
            name = _container(kept)
            if name is not None:
                raise InvalidAudio(f"the audio is {name}; the request says {described(self.expected)}")
        self._kept = None
        return kept

    def _cut(self, view: memoryview) -> memoryview:
        """Return what of this belongs to the audio of the WAV."""
        if self._length is not None:
            view = view[: self._length - self._position]
            self._position += len(view)
            self.is_complete = self._position == self._length
        return view


_BYTES = AudioFormat(8_000)


def _container(head: bytes) -> str | None:
    if head[4:8] == b"ftyp":
        return "MP4"
    if _may_be_mp3(head) and head[_mp3_frame_length(head) :][:2] == head[:2]:
        return "MP3"
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)


def _may_be_mp3(head: bytes) -> bool:
    """Whether it begins like a frame of MP3 (ISO 11172-3, layer III), which samples can by chance."""
    return len(head) >= 4 and head[0] == 0xFF and head[1] & 0xFE == 0xFA and _mp3_frame_length(head) > 0


def _mp3_frame_length(head: bytes) -> int:
    kbits, rate = head[2] >> 4, head[2] >> 2 & 3
    if kbits in (0, 15) or rate == 3:
        return 0
    return 144_000 * _MP3_KBITS[kbits] // _MP3_RATES[rate] + (head[2] >> 1 & 1)


# Pieces


def _pieces(audio: Any, expected: AudioFormat | None) -> AsyncIterator[Buffer]:
    size = READ_SIZE if expected is None else expected.chunk_length()
    if isinstance(audio, asyncio.Queue):
        return _queued(audio)
    if isinstance(audio, AsyncIterable) or inspect.iscoroutinefunction(getattr(audio, "read", None)):
        return aiter(apieces_of(audio, size))
    if not (is_buffer(audio) or hasattr(audio, "read") or isinstance(audio, Iterable)):
        raise not_audio(audio, "an asyncio.Queue is allowed, too")
    return _each(pieces_of(audio, size))


def not_audio(audio: object, hint: str) -> TypeError:
    """Return the error for an object of a type that does not hold audio, with a hint for the caller."""
    if inspect.isroutine(audio):
        hint = "call the function: audio is what it returns"
    return TypeError(
        f"audio must be a path, bytes, an iterable of them or something with read, not {class_of(audio)}; {hint}"
    )


async def _each(pieces: Iterable[Buffer]) -> AsyncIterator[Buffer]:
    for piece in pieces:
        yield piece


async def _queued(queue: asyncio.Queue[Buffer | None]) -> AsyncIterator[Buffer]:
    while True:
        try:
            piece = await queue.get()
        except _SHUT_DOWN:  # pragma: no cover (since Python 3.13)
            return
        if piece is None:
            return
        yield piece


# Since Python 3.13 a queue can be shut down.
_SHUT_DOWN: Any = getattr(asyncio, "QueueShutDown", ())
