"""What the bytes of audio mean: `AudioFormat`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eventstream.transcribe.exceptions import InvalidAudio

if TYPE_CHECKING:
    from typing import Protocol

    from typing_extensions import Buffer, Self

    class Audio(Protocol):
        """A request that says what its audio is."""

        @property
        def media_sample_rate_hertz(self) -> int: ...
        @property
        def media_encoding(self) -> str: ...
        @property
        def number_of_channels(self) -> int | None: ...


MAX_CHUNK_LENGTH = 32_768
"""Bytes of audio in one event."""

DEFAULT_DURATION = 0.1
"""Seconds of audio in one chunk."""

# Bytes of one sample of one channel, where the encoding fixes it; the others are compressed, and their bytes do not
# tell the time.
_SAMPLE_LENGTHS = {"pcm": 2, "g711-alaw": 1, "g711-ulaw": 1}
_UNTIMED_CHUNK_LENGTH = 4_096

# The octet of silence (ITU-T G.711: the code of the smallest positive value, as it is sent).
_SILENT = {"pcm": b"\x00", "g711-alaw": b"\xd5", "g711-ulaw": b"\xff"}

# The items of a buffer, as `struct` names them, that are bytes of audio as they are.
_OCTETS = ("B", "c", "<B", "@B", "=B")
_PCM = ("<h", "h", "@h", "=h") if sys.byteorder == "little" else ("<h",)
_FLOATS = tuple(order + kind for order in ("", "<", ">") for kind in "efd")


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
            raise InvalidAudio(f"sample rate {self.sample_rate_hertz} Hz is out of range (8000 to 48000 Hz)")
        if self.channels not in (1, 2):
            raise InvalidAudio(f"{self.channels} channels are not supported (1 or 2)")

    @classmethod
    def of(cls, request: Audio) -> Self:
        """Return the format that a request announces."""
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
            TypeError: it is not a number.
        """
        if not isinstance(duration, (int, float)):
            raise TypeError(f"the duration of a chunk must be a number of seconds, not {type(duration).__name__}")
        if not 0 < duration <= 1:
            raise ValueError(f"a chunk of {duration} s is out of range (more than 0, at most 1 s)")
        if not self.is_timed:
            return _UNTIMED_CHUNK_LENGTH
        samples = max(1, round(self.sample_rate_hertz * duration))
        return min(samples, self.max_chunk_length // self.sample_length) * self.sample_length

    def duration(self, length: int) -> float:
        """Return how many seconds this many bytes last.

        Raises:
            InvalidAudio: the encoding does not tell.
        """
        if self.bytes_per_second is None:
            raise InvalidAudio(f"the length of {self.media_encoding} audio does not tell its duration")
        return length / self.bytes_per_second

    def check_chunk(self, chunk: bytes | bytearray | memoryview) -> None:
        """Check that the service takes a chunk.

        Raises:
            InvalidAudio: it is longer than 32,768 bytes or one second, or ends in the middle of a sample.
        """
        length = chunk.nbytes if isinstance(chunk, memoryview) else len(chunk)
        if length > self.max_chunk_length:
            what = "bytes" if self.max_chunk_length == MAX_CHUNK_LENGTH else "bytes, one second,"
            raise InvalidAudio(f"a chunk of {length} bytes; at most {self.max_chunk_length} {what} are allowed")
        self.check_samples(length)

    def check_samples(self, length: int) -> None:
        """Check that audio of this many bytes has only whole samples.

        Raises:
            InvalidAudio: they are not.
        """
        odd = length % self.sample_length
        if odd:
            raise InvalidAudio(f"the audio ends in the middle of a sample: {odd} bytes of {self.sample_length}")

    def bytes_of(self, piece: Buffer) -> memoryview:
        """Return the bytes of a piece of audio.

        Raises:
            InvalidAudio: it is an array of anything but 16-bit little-endian integers (PCM) or bytes (other encodings),
                e.g. an array of floats; or of a shape other than (samples,) or (samples, channels).
            BufferError: it is not C-contiguous.
            TypeError: it is not a buffer.
        """
        try:
            view = memoryview(piece)
        except TypeError:
            raise TypeError(f"a chunk of audio must be bytes or an array, not {type(piece).__name__}") from None
        if not view.c_contiguous:
            raise BufferError("a chunk of audio is not C-contiguous: numpy.ascontiguousarray makes a copy that is")
        if view.format not in _OCTETS and not (self.media_encoding == "pcm" and view.format in _PCM):
            needed = "16-bit little-endian integers" if self.media_encoding == "pcm" else "bytes"
            raise InvalidAudio(
                f"an array whose items are {view.format!r}, as Python's struct names them; {self.media_encoding} needs "
                f"{needed}" + (", e.g. numpy's (samples * 32767).astype('<i2')" if view.format in _FLOATS else "")
            )
        if view.ndim > 1:
            self._check_shape(view.shape or ())
        return view.cast("B") if view.nbytes else memoryview(b"")  # `cast` refuses an array without items

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        """Check the shape of an array of samples: the channels of each come one after the other."""
        if len(shape) == 2 and (shape[1] == self.channels or self.channels == shape[0] == 1):
            return
        hint = ""
        if len(shape) == 2 and self.channels == 1:
            in_rows = 0 < shape[0] < shape[1]  # a row for each channel, as librosa and torchaudio have them
            hint = "; take one channel, e.g. " + ("samples[0]" if in_rows else "numpy.ascontiguousarray(samples[:, 0])")
            if shape[0 if in_rows else 1] == 2:
                hint += ", or request two"
        elif len(shape) == 2 and shape[0] == self.channels:
            hint = "; transpose it, e.g. numpy.ascontiguousarray(samples.T)"
        channels = "1 channel needs" if self.channels == 1 else f"{self.channels} channels need"
        raise InvalidAudio(f"an array of shape {shape}; {channels} (samples, {self.channels}){hint}")

    def silence(self, duration: float = DEFAULT_DURATION) -> bytes:
        """Return silence in this format.

        Args:
            duration: seconds, over 0 and at most 1.

        Raises:
            InvalidAudio: the encoding does not tell how long its bytes last.
        """
        self.duration(0)
        return _SILENT[self.media_encoding] * self.chunk_length(duration)
