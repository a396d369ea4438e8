"""Compressed audio decoded as it arrives: FLAC, Ogg Opus and G.729 to 16-bit PCM.

PyAV decodes and resamples; it is imported when it is needed. Its demuxers pull from files, and a stream is pushed, so
the packets are found here: the pages of Ogg are taken apart (RFC 3533), G.729 has frames of ten bytes, and FLAC is cut
by PyAV's parser, which waits for some ten frames before it is sure of the first.

Compressed silence takes next to no bytes. So that few bytes cannot fill the memory, a chunk may hold at most
`MAX_SECONDS`, and a packet of Ogg `MAX_PACKET_LENGTH` bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

from eventstream.transcribe.exceptions import BadRequestException

if TYPE_CHECKING:
    from eventstream.transcribe.audio import AudioFormat

__all__ = ["CompressedDecoder"]

MAX_SECONDS = 60
"""Seconds of audio that one chunk may decode to."""

MAX_PACKET_LENGTH = 1 << 20
"""Bytes of a packet of Ogg. Packets of audio have at most 64 KiB, but those of comments may hold a picture."""

_G729_FRAME_LENGTH = 10
_G729_RATE = 8_000
_FLAC_HEAD_LENGTH = 42
_OGG_HEAD_LENGTH = 27


class CompressedDecoder:
    """Decodes one stream of FLAC, Ogg Opus or G.729.

    Args:
        format: the encoding, and the rate and number of channels of the PCM that is made.

    Raises:
        ImportError: PyAV is not installed.
    """

    def __init__(self, format: AudioFormat) -> None:
        try:
            self._av: Any = import_module("av")  # typed, but not a dependency of the type check
        except ModuleNotFoundError:
            raise ImportError(
                f"{format.media_encoding} cannot be decoded: PyAV is not installed "
                "(pip install 'eventstream-codec[speech]')"
            ) from None
        self._encoding = format.media_encoding
        self._channels = format.channels
        self._frame_length = 2 * format.channels
        self._max_length = MAX_SECONDS * format.sample_rate_hertz * self._frame_length
        name, self._packets, self._last_packets = {
            "flac": ("flac", self._flac_packets, self._last_flac_packets),
            "ogg-opus": ("opus", self._opus_packets, _no_packets),
            "g729": ("g729", self._g729_packets, _no_packets),
        }[format.media_encoding]
        self._codec = self._av.CodecContext.create(name, "r")
        if name == "g729":
            self._codec.sample_rate, self._codec.layout = _G729_RATE, "mono"
        layout = "mono" if format.channels == 1 else "stereo"
        self._resampler = self._av.AudioResampler(format="s16", layout=layout, rate=format.sample_rate_hertz)
        self._rest = bytearray()
        self._pieces = bytearray()  # of a packet of Ogg that continues on the next page
        self._begun = False
        self._heard = False

    def feed(self, data: bytes) -> bytes:
        """Return the PCM that the next bytes complete, the samples of several channels in turn.

        Raises:
            BadRequestException: the bytes are not of the encoding, or decode to too much.
        """
        self._rest += data
        return self._decode(self._packets())

    def finish(self) -> bytes:
        """Return the PCM that is left at the end of the stream.

        Raises:
            BadRequestException: the bytes are not of the encoding.
        """
        pcm = self._decode(self._last_packets(), last=True)
        if not self._heard and (self._begun or self._rest):
            raise self._invalid("no audio was found in it")
        return pcm

    def _decode(self, packets: Iterator[Any], *, last: bool = False) -> bytes:
        pcm = bytearray()
        try:
            for frame in self._frames(packets, last=last):
                pcm += self._resample(frame)
                if len(pcm) > self._max_length:
                    raise self._invalid(f"a chunk of it holds more than {MAX_SECONDS} seconds")
        except (self._av.error.FFmpegError, ValueError) as error:
            raise self._invalid("it cannot be decoded") from error
        return bytes(pcm)

    def _frames(self, packets: Iterator[Any], *, last: bool) -> Iterator[Any]:
        """Yield the frames of packets. After the last ones come those that the decoder kept, and None."""
        for packet in packets:
            yield from self._codec.decode(packet)
        if last and self._heard:
            yield from self._codec.decode(None)
            yield None

    def _resample(self, frame: Any) -> bytes:
        if frame is not None:
            self._heard = True
            if self._channels > frame.layout.nb_channels:
                raise self._invalid("it has one channel, but two were announced")
        resampled = self._resampler.resample(frame)
        return b"".join(bytes(part.planes[0])[: part.samples * self._frame_length] for part in resampled)

    def _invalid(self, reason: str) -> BadRequestException:
        return BadRequestException(f"The audio could not be decoded as {self._encoding}: {reason}.")

    # Packets

    def _flac_packets(self) -> Iterator[Any]:
        if not self._begun:
            if len(self._rest) < _FLAC_HEAD_LENGTH:
                return
            if self._rest[:4] != b"fLaC":
                raise self._invalid("it does not begin with fLaC")
            self._begun = True
            self._codec.extradata = bytes(self._rest[8:_FLAC_HEAD_LENGTH])  # the block of the stream's parameters
        data, self._rest = bytes(self._rest), bytearray()
        yield from self._codec.parse(data)

    def _last_flac_packets(self) -> Iterator[Any]:
        while packets := self._begun and self._codec.parse(None):
            yield from packets

    def _g729_packets(self) -> Iterator[Any]:
        self._begun = True
        while len(self._rest) >= _G729_FRAME_LENGTH:
            frame = bytes(self._rest[:_G729_FRAME_LENGTH])
            del self._rest[:_G729_FRAME_LENGTH]
            yield self._av.Packet(frame)

    def _opus_packets(self) -> Iterator[Any]:
        for packet in self._ogg_packets():
            if not self._begun:
                if not packet.startswith(b"OpusHead"):
                    raise self._invalid("its first packet is not an OpusHead")
                self._begun = True
                self._codec.extradata = packet
            elif packet and not packet.startswith(b"OpusTags"):
                yield self._av.Packet(packet)

    def _ogg_packets(self) -> Iterator[bytes]:
        """Take the whole packets out of the pages that have arrived."""
        while len(self._rest) >= _OGG_HEAD_LENGTH:
            if self._rest[:4] != b"OggS":
                raise self._invalid("a page of it does not begin with OggS")
            body = _OGG_HEAD_LENGTH + self._rest[_OGG_HEAD_LENGTH - 1]
            lengths = self._rest[_OGG_HEAD_LENGTH:body]
            end = body + sum(lengths)
            if len(self._rest) < end:
                return
            page = bytes(self._rest[:end])
            del self._rest[:end]
            for length in lengths:
                self._pieces += page[body : body + length]
                body += length
                if len(self._pieces) > MAX_PACKET_LENGTH:
                    raise self._invalid(f"a packet of it has more than {MAX_PACKET_LENGTH} bytes")
                if length < 255:  # a packet's last piece is shorter
                    packet, self._pieces = bytes(self._pieces), bytearray()
                    yield packet


def _no_packets() -> Iterator[Any]:
    return iter(())
