"""One timeline for a transcription that takes several streams: `Timeline`.

The service counts times from the beginning of each stream. A timeline knows where that is in the audio, so that the
times of all results count from the beginning of the audio; inserted silence does not count. It also keeps the audio
that was sent and has no final result yet, so that the next stream can begin with it. And it knows which events bring
something new, so that a transcription does not repeat the same audio for ever.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eventstream.transcribe.audio import AudioFormat
    from eventstream.transcribe.model import Entity, Item, Result, TranscriptEvent

__all__ = ["Restart", "Timeline"]

MAX_REPLAY = 30.0
"""Seconds of audio that are kept to be sent again, at most."""


_DIGITS = 6
"""Decimals of a time that was moved: the service gives at most 3, and a sample lasts more than 20 microseconds."""


class Restart(NamedTuple):
    """A new stream continues a transcription.

    Attributes:
        error: what ended the stream before.
        position: seconds of audio, counted from its beginning, where the new stream begins.
        lost: seconds of audio before that position that were sent, but will get no final results.
    """

    error: Exception
    position: float
    lost: float


class Timeline:
    """Maps the times of each stream to the audio, and keeps what the next stream must be sent again.

    Where the encoding does not tell how long its bytes last, times are left as they are, and nothing is sent again.

    Args:
        format: what the audio is.
        channels: how many are transcribed separately; each has final results.
        replay: whether audio without a final result is sent again.
    """

    def __init__(self, format: AudioFormat, *, channels: int = 1, replay: bool = True) -> None:
        self._rate = format.bytes_per_second
        self._sample_length = format.sample_length
        self._channels = channels
        self._max_kept = int(MAX_REPLAY * self._rate) if replay and self._rate else 0
        self._position = 0  # bytes of audio that were sent, each counted once
        self._furthest = 0  # the position up to which an earlier stream was sent audio
        self._new = 0  # bytes that this stream was sent, and no earlier one
        self._stream_position = 0  # bytes that this stream was sent, silence and audio
        self._kept: deque[bytes] = deque()
        self._kept_length = 0
        self._final: dict[str | None, float] = {}  # by channel: the end of its last final result
        # Where audio or silence begins: the stream's time and the audio's, in seconds, and whether it is audio.
        self._turns: list[tuple[float, float, bool]] = [(0.0, 0.0, True)]

    def sent(self, chunk: bytes) -> None:
        """Note that the stream has taken this audio."""
        length = len(chunk)
        self._turn(True)
        self._position += length
        self._stream_position += length
        self._new += max(0, min(length, self._position - self._furthest))
        if not self._max_kept:
            return
        self._kept.append(chunk)
        self._kept_length += length
        while self._kept_length > self._max_kept:
            self._kept_length -= len(self._kept.popleft())

    def sent_silence(self, length: int) -> None:
        """Note that this many bytes of silence were sent that the source did not have."""
        self._turn(False)
        self._stream_position += length
        self._new += length

    def _turn(self, is_audio: bool) -> None:
        if self._rate and self._turns[-1][2] is not is_audio:
            self._turns.append((self._stream_position / self._rate, self._position / self._rate, is_audio))

    def restart(self, error: Exception) -> tuple[Restart, list[bytes]]:
        """Begin a new stream.

        Returns:
            The `Restart`, and the audio with which the new stream begins; `sent` is called for it again.
        """
        again = list(self._audio_after_final())
        start = self._position - sum(map(len, again))
        final = self._final_position()
        restart = Restart(error, self._seconds(start), self._seconds(max(0, start - final)))
        self._kept.clear()
        self._kept_length = 0
        self._furthest = max(self._furthest, self._position)
        self._new = 0
        self._position = start
        self._stream_position = 0
        self._turns = [(0.0, self._seconds(start), True)]
        return restart, again

    def _seconds(self, length: int) -> float:
        return length / self._rate if self._rate else 0.0

    def _final_position(self) -> int:
        """Return up to which byte of the audio all channels have final results, in whole samples."""
        if not self._rate or len(self._final) < self._channels:
            return 0
        position = int(min(self._final.values()) * self._rate)
        return min(position - position % self._sample_length, self._position)

    def _audio_after_final(self) -> Iterator[bytes]:
        start = self._position - self._kept_length
        final = self._final_position()
        for chunk in self._kept:
            if start + len(chunk) > final:
                yield chunk[max(0, final - start) :]
            start += len(chunk)

    def place(self, event: TranscriptEvent) -> bool:
        """Change the times of an event from the stream's to the audio's, and note what is final.

        Returns:
            Whether it shows progress: it has a final result that had not come before, or the stream has taken more than
            `MAX_REPLAY` of audio or silence that no stream had before. Other events may only repeat what earlier
            streams have said of the same audio.
        """
        progress = self._rate is not None and self._new > MAX_REPLAY * self._rate
        moved = self._rate is not None and (len(self._turns) > 1 or self._turns[0][1] > 0)
        for result in event.transcript.results:
            if moved:
                self._move(result)
                for alternative in result.alternatives:
                    for item in alternative.items:
                        self._move(item)
                    for entity in alternative.entities:
                        self._move(entity)
            progress = self._note_final(result) or progress
        return progress

    def _note_final(self, result: Result) -> bool:
        """Note what a result makes final; return whether it is a final result that had not come before."""
        if result.is_partial:
            return False
        channel = result.channel_id if self._channels > 1 else None
        if channel not in self._final and len(self._final) == self._channels:
            return False  # the audio has no such channel: a peer could name more and more
        # Nor can it say more than the audio that it was sent.
        before, end = self._final.get(channel, 0.0), min(result.end_time or 0.0, self._seconds(self._position))
        self._final[channel] = max(before, end)
        return end > before or not self._max_kept  # where nothing is sent again, nothing comes again

    def _move(self, part: Result | Item | Entity) -> None:
        if part.start_time is not None:
            part.start_time = self._time(part.start_time)
        if part.end_time is not None:
            part.end_time = self._time(part.end_time)

    def _time(self, time: float) -> float:
        """Return the audio's time for a time of the stream; a time in inserted silence becomes the place of the
        silence.
        """
        at, audio, is_audio = self._turns[bisect_right(self._turns, (time, float("inf"), True)) - 1]
        return round(audio + time - at, _DIGITS) if is_audio else audio
