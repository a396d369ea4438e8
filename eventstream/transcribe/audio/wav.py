"""WAV files: `open_wav` reads one up to its audio.

The header is parsed here, not by the standard library's `wave`: that one knows ``WAVE_FORMAT_EXTENSIBLE``, which many
recorders write for plain 16-bit PCM, from Python 3.12 on only, and calls every other format a number.
"""

from __future__ import annotations

import struct
import sys
from typing import TYPE_CHECKING, cast

from eventstream.streams import NO_DATA
from eventstream.transcribe.audio.format import MAX_CHUNK_LENGTH, AudioFormat
from eventstream.transcribe.exceptions import InvalidAudio

if TYPE_CHECKING:
    import os
    from typing import BinaryIO, Protocol

    from typing_extensions import Self

    class BytesReadable(Protocol):
        """A binary file whose `read` gives ``bytes``, or None if it does not block and there are none now."""

        def read(self, size: int, /) -> bytes | None: ...


_RIFF = struct.Struct("<4sI4s")
_CHUNK = struct.Struct("<4sI")
_FMT = struct.Struct("<HHIIHH")
_PCM = 1
_G711 = {6: "g711-alaw", 7: "g711-ulaw"}
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
# A program that writes to a pipe cannot know the length: ffmpeg writes 0xFFFFFFFF, sox and arecord a value near 2 GiB.
_UNKNOWN_LENGTHS = range(0x7FFF_F000, 0x8000_0001), range(0xFFFF_F000, 0x1_0000_0000)


class CutHeader(InvalidAudio):
    """The WAV ends before its audio begins."""


class WavFile:
    """The audio of a WAV, as a file to read from; `open_wav` makes it. A context manager.

    Attributes:
        format: the rate, the number of channels, and the encoding: ``pcm``, ``g711-alaw`` or ``g711-ulaw``.
        length: bytes of audio; None if only the end of the file tells.
        duration: seconds, according to the header. None if the header says the length is unknown; 0 if the writer never
            filled it in.
    """

    def __init__(
        self, file: BytesReadable, format: AudioFormat, length: int | None, opened: BinaryIO | None, *, unwritten: bool
    ) -> None:
        self.format = format
        self.duration = None if length is None else format.duration(length)
        self._file = file
        self.length = None if unwritten else length
        self._position = 0
        self._kept = b""  # what a call has read that failed then
        self._opened = opened

    def read(self, size: int, /) -> bytes:
        """Return the next bytes of audio, at most this many and at most 32,768; all that are left if `size` is
        negative; none at the end. A non-blocking file may give fewer.

        Raises:
            InvalidAudio: the file ends before the audio does; what it has was returned before.
            BlockingIOError: the file is non-blocking and has no data yet.
            OSError: the file cannot be read. What this call has read comes with the next one.
        """
        if self._kept and size >= 0:
            size = min(size, MAX_CHUNK_LENGTH)
            data, self._kept = self._kept[:size], self._kept[size:]
            return data
        left = sys.maxsize if self.length is None else self.length - self._position
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
            if not piece and not pieces and self.length is not None:
                raise InvalidAudio(f"the WAV ends after {self._position} of its {self.length} bytes of audio")
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
    """Read a WAV up to its audio: 16-bit PCM, A-law or mu-law, in a rate and with channels that the service takes.

    Args:
        file: a path, or a binary file at the WAV's beginning, which need not be seekable and is not closed.
        expected: what the audio should be.

    Raises:
        InvalidAudio: it is not a WAV, or its format is unsupported or not the expected one.
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
    # A file that is too short to be anything is not a WAV either.
    form, form_length, kind = _RIFF.unpack(_read_up_to(file, _RIFF.size).ljust(_RIFF.size))
    if form != b"RIFF" or kind != b"WAVE":
        raise InvalidAudio("not a WAV: it does not begin with RIFF and WAVE")
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
        raise InvalidAudio(f"the WAV has {described(format)}; expected: {described(expected)}")
    unknown = any(length in lengths for lengths in _UNKNOWN_LENGTHS)
    # A writer that was interrupted before filling in the lengths leaves them as if nothing followed.
    unwritten = length == 0 and form_length + _CHUNK.size <= position
    return WavFile(file, format, None if unknown else length, opened, unwritten=unwritten)


def _wav_format(head: bytes) -> AudioFormat:
    if len(head) < _FMT.size:
        raise InvalidAudio(f"a WAV with a fmt chunk of {len(head)} bytes; at least {_FMT.size} are needed")
    tag, channels, rate, _, block, bits = _FMT.unpack_from(head)
    if tag == _EXTENSIBLE and len(head) == _EXTENSIBLE_LENGTH and head[26:] == _GUID_TAIL:
        tag = int.from_bytes(head[24:26], "little")
    encoding = "pcm" if tag == _PCM else _G711.get(tag)
    if encoding is None or bits != (16 if tag == _PCM else 8):
        what = _FORMATS.get(tag, "an unknown format")
        raise InvalidAudio(
            f"a WAV of {what} ({tag}) with {bits} bits; PCM ({_PCM}) with 16 bits, or A-law and mu-law, are allowed"
        )
    format = AudioFormat(rate, channels, encoding)
    if block != format.sample_length:
        raise InvalidAudio(f"a WAV whose samples take {block} bytes; {format.sample_length} are needed")
    return format


def described(format: AudioFormat) -> str:
    """Return the format in words."""
    channels = "1 channel" if format.channels == 1 else f"{format.channels} channels"
    return f"{format.media_encoding}, {format.sample_rate_hertz} Hz, {channels}"


def _read(file: BytesReadable, length: int) -> bytes:
    data = file.read(length)
    if data is None:
        raise BlockingIOError(NO_DATA)
    return data


def _read_up_to(file: BytesReadable, length: int) -> bytes:
    """Return this many bytes, fewer only at the end of the file."""
    data = b""
    while len(data) < length and (more := _read(file, length - len(data))):
        data += more
    return data


def _read_exactly(file: BytesReadable, length: int) -> bytes:
    data = _read_up_to(file, length)
    if len(data) < length:
        raise CutHeader("the WAV ends before its audio begins")
    return data


def _skip(file: BytesReadable, length: int) -> None:
    while length > 0:
        length -= len(_read_exactly(file, min(length, MAX_CHUNK_LENGTH)))
