"""A recogniser that hears the same words in any audio, for tests: which ones, depends on the time alone.

The script's words follow each other without a pause, each as long as the others, sentence after sentence, and from the
beginning again when they are used up. Every piece of audio has a hypothesis: the sentence as far as it was spoken, and
a final one for each sentence that ends in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from typing import TYPE_CHECKING

from eventstream.transcribe.audio import AudioFormat
from eventstream.transcribe.emulator.recogniser import Hypothesis, Word, tokens

if TYPE_CHECKING:
    from eventstream.transcribe.request import StartStreamTranscriptionRequest

__all__ = ["Scripted"]

DEFAULT_SCRIPT = """
The quick brown fox jumps over the lazy dog. Pack my box with five dozen liquor jugs, please.
How vexingly quick daft zebras jump!
"""

WORD_DURATION = 0.3
"""Seconds that a word takes: 200 words a minute, a brisk speaker."""

COMPRESSED_BYTES_PER_SECOND = 4_000
"""What is taken for a second where the encoding does not tell: 32 kbit/s, as speech in Opus often has."""

_Sentence = list[tuple[str, str]]


class Scripted:
    """Makes recognisers that hear a script in any audio, whatever its language.

    Args:
        script: sentences; each ends with ``.``, ``?`` or ``!``, or with the script. Of several marks at a word's end
            the first counts.

    Raises:
        ValueError: there are no words in it.
    """

    instant = True
    compressed = True

    def __init__(self, script: str = DEFAULT_SCRIPT) -> None:
        self._sentences: list[_Sentence] = [[]]
        for word, mark in tokens(script):
            self._sentences[-1].append((word, mark))
            if mark in (".", "?", "!"):
                self._sentences.append([])
        self._sentences = [sentence for sentence in self._sentences if sentence]
        if not self._sentences:
            raise ValueError("a script without words")

    def __call__(self, request: StartStreamTranscriptionRequest) -> _ScriptedRecogniser:
        """A recogniser at the beginning of the script."""
        format = AudioFormat(request.media_sample_rate_hertz)  # what is fed: PCM of one channel
        timed = AudioFormat.of(request).is_timed
        return _ScriptedRecogniser(self._sentences, format.bytes_per_second if timed else None)


class _ScriptedRecogniser:
    def __init__(self, sentences: list[_Sentence], bytes_per_second: int | None) -> None:
        self._sentences = cycle(sentences)
        self._bytes_per_second = bytes_per_second or COMPRESSED_BYTES_PER_SECOND
        self._length = 0
        self._spoken = 0
        self._begin_sentence()

    def _begin_sentence(self) -> None:
        """Take the next sentence, and say when each of its words begins and ends."""
        self._words: list[Word] = []
        for number, (content, mark) in enumerate(next(self._sentences), self._spoken):
            start, end = round(number * WORD_DURATION, 3), round((number + 1) * WORD_DURATION, 3)
            self._words.append(Word(content, start, end, stable=True))
            if mark:
                self._words.append(Word(mark, end, end, "punctuation", stable=True))
        self._spoken = number + 1
        self._end = end

    def feed(self, pcm: bytes) -> Iterator[Hypothesis]:
        self._length += len(pcm)
        now = self._now()
        while now >= self._end:
            yield Hypothesis(self._words, is_final=True)
            self._begin_sentence()
        if begun := self._begun(now):
            yield Hypothesis(begun)

    def _now(self) -> float:
        """Seconds of audio that were heard."""
        return self._length / self._bytes_per_second

    def _begun(self, now: float) -> list[Word]:
        """The words that have begun; the last one ends now, unless it is over."""
        begun = [word for word in self._words if word.start < now or word.end <= now]
        if begun and begun[-1].end > now:
            begun[-1] = begun[-1]._replace(end=now, stable=False)
        return begun

    def finish(self) -> Iterator[Hypothesis]:
        if begun := self._begun(self._now()):
            yield Hypothesis(begun, is_final=True)

    def close(self) -> None:
        pass
