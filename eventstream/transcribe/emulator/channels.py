"""From chunks of audio as they are sent to the 16-bit PCM of each channel."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from eventstream.transcribe.emulator.compressed import CompressedDecoder

if TYPE_CHECKING:
    from eventstream.transcribe.audio import AudioFormat

__all__ = ["Channels"]


class Channels:
    """Turns the chunks of one stream into the PCM of each channel: signed, 16 bits, little-endian.

    G.711 becomes PCM, twice as long. FLAC, Ogg Opus and G.729 are decoded as they arrive, unless the recogniser takes
    them as they are; all their channels are one then.

    Args:
        format: what the chunks are.
        compressed: whether the recogniser takes compressed audio as it came.

    Attributes:
        count: the number of channels.
        is_quick: whether `feed` takes next to no time, so that an event loop may call it.

    Raises:
        ImportError: the audio is compressed, and PyAV, which decodes it, is not installed.
    """

    def __init__(self, format: AudioFormat, *, compressed: bool = False) -> None:
        self.count = format.channels
        self.is_quick = True
        self._finish: Callable[[], bytes] = bytes
        self._decode: Callable[[bytes], bytes] = _same
        if format.media_encoding in _EXPANDED:
            self._decode = _G711(_EXPANDED[format.media_encoding]).decode
        elif not format.is_timed and compressed:
            self.count = 1
        elif not format.is_timed:
            decoder = CompressedDecoder(format)
            self.is_quick = False
            self._decode, self._finish = decoder.feed, decoder.finish

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return what a chunk, which has whole samples, brings for each channel; of compressed audio that may be none.

        Raises:
            BadRequestException: the chunk cannot be decoded.
        """
        return self._split(self._decode(chunk))

    def finish(self) -> list[bytes]:
        """Return what the end of the audio brings for each channel.

        Raises:
            BadRequestException: what there is cannot be decoded.
        """
        return self._split(self._finish())

    def _split(self, pcm: bytes) -> list[bytes]:
        if self.count == 1:
            return [pcm]
        samples = memoryview(pcm).cast("H")
        return [samples[channel :: self.count].tobytes() for channel in range(self.count)]


def _same(chunk: bytes) -> bytes:
    return chunk


class _G711:
    """Looks up each byte's sample: once for its low byte, once for its high byte."""

    def __init__(self, expand: Callable[[int], int]) -> None:
        samples = [expand(code) & 0xFFFF for code in range(256)]
        self._low = bytes(sample & 0xFF for sample in samples)
        self._high = bytes(sample >> 8 for sample in samples)

    def decode(self, chunk: bytes) -> bytes:
        pcm = bytearray(2 * len(chunk))
        pcm[0::2] = chunk.translate(self._low)
        pcm[1::2] = chunk.translate(self._high)
        return bytes(pcm)


# ITU-T G.711: a sign, three bits of exponent and four of mantissa; every second bit (A-law), or all of them (mu-law),
# are sent inverted. Here with the 13 and 14 bits of the standard shifted up to 16.


def _expand_a_law(code: int) -> int:
    code ^= 0x55
    exponent, mantissa = code >> 4 & 7, code & 15
    magnitude = mantissa << 4 | 8
    if exponent:
        magnitude = (magnitude | 0x100) << exponent - 1
    return magnitude if code & 0x80 else -magnitude


def _expand_mu_law(code: int) -> int:
    code ^= 0xFF
    exponent, mantissa = code >> 4 & 7, code & 15
    magnitude = ((mantissa << 3 | 0x84) << exponent) - 0x84
    return -magnitude if code & 0x80 else magnitude


_EXPANDED = {"g711-alaw": _expand_a_law, "g711-ulaw": _expand_mu_law}
