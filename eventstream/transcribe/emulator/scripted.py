"""A recogniser that hears the same words in any audio, for tests: which ones, depends on the time only.

It follows a script (see `eventstream.transcribe.emulator.script`), and begins again when the script is used up. Every
piece of audio has a hypothesis while a sentence is being spoken: the sentence as far as it was spoken, and a final one
for each sentence that ends in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from eventstream.transcribe.audio import AudioFormat
from eventstream.transcribe.emulator.recogniser import Hypothesis, Word
from eventstream.transcribe.emulator.script import Failure, Script, Utterance, parse

if TYPE_CHECKING:
    from eventstream.transcribe.request import StartStreamTranscriptionRequest

__all__ = ["Scripted"]

DEFAULT_SCRIPT = """
The quick brown fox jumps over the lazy dog. Pack my box with five dozen liquor jugs, please.
How vexingly quick daft zebras jump!
"""

COMPRESSED_BYTES_PER_SECOND = 4_000
"""What is taken for a second where the encoding does not tell: 32 kbit/s, as speech in Opus often has."""


class Scripted:
    """Makes recognisers that hear a script in any audio, whatever its language.

    Args:
        script: a text, which may say who speaks, how sure a word is, what it was taken for at first, and more; the
            how-to "Testing a client of Amazon Transcribe" has an example.

    Raises:
        ValueError: a line of it is wrong, whose number the text tells; or there are neither words nor errors in it.
        TypeError: it is not a str.
    """

    instant = True
    compressed = True

    def __init__(self, script: str = DEFAULT_SCRIPT) -> None:
        if not isinstance(script, str):
            raise TypeError(f"a script must be a str, not {type(script).__name__}; Scripted() is the default one")
        self._script = parse(script)

    def __call__(self, request: StartStreamTranscriptionRequest) -> _ScriptedRecogniser:
        """Make a recogniser at the beginning of the script."""
        format = AudioFormat(request.media_sample_rate_hertz)  # what is fed: PCM of one channel
        timed = AudioFormat.of(request).is_timed
        return _ScriptedRecogniser(self._script, format.bytes_per_second if timed else None)


class _ScriptedRecogniser:
    def __init__(self, script: Script, bytes_per_second: int | None) -> None:
        self._script = script
        self._bytes_per_second = bytes_per_second or COMPRESSED_BYTES_PER_SECOND
        self._length = 0
        self._offset = 0.0  # when the script began the last time
        self._steps = iter(script.steps)
        self._step = next(self._steps)

    def _go_on(self) -> None:
        step = next(self._steps, None)
        if step is None:
            self._offset = round(self._offset + self._script.duration, 3)
            self._steps = iter(self._script.steps)
            step = next(self._steps)
        # A script that begins again has no failure.
        self._step = step.later(self._offset) if self._offset and isinstance(step, Utterance) else step

    def feed(self, pcm: bytes) -> Iterator[Hypothesis]:
        self._length += len(pcm)
        now = self._now()
        while now >= self._step.end:
            if isinstance(self._step, Failure):
                raise self._step.error
            yield self._hypothesis(self._step, now, is_final=True)
            self._go_on()
        if isinstance(self._step, Utterance) and (hypothesis := self._hypothesis(self._step, now)).words:
            yield hypothesis

    def finish(self) -> Iterator[Hypothesis]:
        if isinstance(self._step, Utterance):
            hypothesis = self._hypothesis(self._step, self._now(), is_final=True)
            if hypothesis.words:
                yield hypothesis

    def close(self) -> None:
        pass

    def _now(self) -> float:
        """Return the seconds of audio that were heard."""
        return self._length / self._bytes_per_second

    def _hypothesis(self, utterance: Utterance, now: float, *, is_final: bool = False) -> Hypothesis:
        """Tell how the words that have begun are understood now; the last one ends now, unless it is over."""
        words: list[Word] = []
        for piece in utterance.pieces:
            over = is_final or now >= piece.end
            revised = piece.first is not piece.last
            words += (
                word._replace(
                    end=min(word.end, now),
                    stable=word.end <= now and (over or not revised),
                    confidence=word.confidence if is_final else None,
                )
                for word in (piece.last if over else piece.first)
                if word.start < now or word.end <= now
            )
        mentions = tuple(mention for mention in utterance.mentions if mention.stop <= len(words)) if is_final else ()
        analysis = utterance.analysis if is_final else None
        if analysis is not None:  # a sentence can be cut by the end of the audio
            issues = [(start, stop) for start, stop in analysis.issues if stop <= len(words)]
            analysis = analysis._replace(issues=issues)
        return Hypothesis(words, is_final, mentions, utterance.language, utterance.score, analysis)
