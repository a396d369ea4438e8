"""From chunks of audio as they are sent to the 16-bit PCM of each channel."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eventstream.transcribe.audio import AudioFormat

__all__ = ["channel_splitter"]


def channel_splitter(format: AudioFormat) -> Callable[[bytes], list[bytes]]:
    """What makes of a chunk, which has whole samples, the PCM of each channel: signed, 16 bits, little-endian.

    G.711 becomes PCM, twice as long. A compressed encoding stays as it is, for the recogniser that can decode it; all
    its channels are one then.
    """
    if not format.is_timed:
        return lambda chunk: [chunk]
    expand = _EXPANDED.get(format.media_encoding)
    decode = _same if expand is None else _G711(expand).decode
    if format.channels == 1:
        return lambda chunk: [decode(chunk)]
    channels = range(format.channels)

    def split(chunk: bytes) -> list[bytes]:
        samples = memoryview(decode(chunk)).cast("H")
        return [samples[channel :: format.channels].tobytes() for channel in channels]

    return split


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
