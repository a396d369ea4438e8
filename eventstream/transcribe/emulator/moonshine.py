"""Real recognition on this machine: Moonshine, with the small English model that its wheel carries.

It follows read and spoken English well, writes it with capitals and punctuation marks, and resamples by itself from any
rate that the service takes. Its library finds the utterances, looks at an open one about twice a second, and releases
the interpreter's lock while it works. It takes 0.3 to 0.5 core-seconds per second of audio.

The model says when an utterance began and how long it lasted, but not when each word was spoken: the times of the words
are estimates, which spread them over the utterance by their lengths. It gives no confidence. Its last punctuation mark
may vary with the size of the chunks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from struct import unpack
from typing import TYPE_CHECKING, Any

from eventstream.transcribe.emulator.recogniser import Hypothesis, Word, tokens
from eventstream.transcribe.exceptions import BadRequestException

if TYPE_CHECKING:
    from eventstream.transcribe.request import StartStreamTranscriptionRequest

__all__ = ["Moonshine"]

_MODEL = "tiny-en"

_MAX_LINES = 50
"""Utterances that one stream of the library holds. It returns all of them with every update, so a long transcription
uses several, one after the other."""

_KEPT = 1.0
"""Seconds since the last utterance that the next stream of the library hears, too: the next one may have begun."""


class Moonshine:
    """Makes recognisers for English. They share one model, which is loaded here; that takes a second.

    Raises:
        ImportError: moonshine-voice is not installed, or its library does not run on this machine.
    """

    def __init__(self) -> None:
        if find_spec("moonshine_voice") is None:
            raise ImportError(
                "moonshine-voice is not installed: pip install 'eventstream-codec[speech]' "
                "(it has wheels for Linux with glibc 2.34, x86-64 and arm64, and for Windows, x86-64)"
            )
        # They have no types that a strict check takes.
        transcriber: Any = import_module("moonshine_voice.transcriber")
        api: Any = import_module("moonshine_voice.moonshine_api")
        utilities: Any = import_module("moonshine_voice.utils")
        try:
            self._transcriber = transcriber.Transcriber(
                utilities.get_model_path(_MODEL), api.ModelArch.TINY, options={"return_audio_data": "false"}
            )
        except transcriber.MoonshineError as error:
            raise ImportError("moonshine-voice does not work on this machine") from error

    def __call__(self, request: StartStreamTranscriptionRequest) -> _MoonshineRecogniser:
        """Make a recogniser for one channel.

        Raises:
            BadRequestException: the language is not English.
        """
        languages = [request.language_code] if request.language_code else list(request.language_options)
        if languages and not any(language.startswith("en-") for language in languages):
            raise BadRequestException(f"The recogniser of this emulator knows English, not {', '.join(languages)}.")
        return _MoonshineRecogniser(self._transcriber, request.media_sample_rate_hertz)

    def close(self) -> None:
        """Release the model. Its recognisers must have been closed before."""
        self._transcriber.close()


class _MoonshineRecogniser:
    def __init__(self, transcriber: Any, sample_rate: int) -> None:
        self._transcriber = transcriber
        self._sample_rate = sample_rate
        self._samples = 0
        self._kept: list[float] = []
        self._begin()

    def _begin(self) -> None:
        """Begin a stream of the library, with what was kept of the audio."""
        # Updates are asked for below, so its own, whose results would be lost, never come.
        self._stream = self._transcriber.create_stream(update_interval=float("inf"))
        self._stream.start()
        self._offset = (self._samples - len(self._kept)) / self._sample_rate
        self._done = 0
        self._told = ""
        if self._kept:
            self._stream.add_audio(self._kept, self._sample_rate)

    def feed(self, pcm: bytes) -> Iterator[Hypothesis]:
        audio = [sample / 32768 for sample in unpack(f"<{len(pcm) // 2}h", pcm)]
        self._samples += len(audio)
        self._stream.add_audio(audio, self._sample_rate)
        lines = self._stream.update_transcription().lines
        self._keep(audio, lines)
        yield from self._changed(lines)
        if self._done == len(lines) >= _MAX_LINES:
            self._stream.close()
            self._begin()

    def _keep(self, audio: list[float], lines: Sequence[Any]) -> None:
        """Keep what was heard since the last utterance, so that the next stream of the library can begin with it."""
        end = self._offset + (lines[-1].start_time + lines[-1].duration if lines else 0.0)
        wanted = min(_KEPT, max(0.0, self._samples / self._sample_rate - end))
        count = round(wanted * self._sample_rate)
        self._kept = (self._kept + audio)[-count:] if count else []

    def finish(self) -> Iterator[Hypothesis]:
        yield from self._changed(self._stream.stop().lines)

    def close(self) -> None:
        self._stream.close()

    def _changed(self, lines: Sequence[Any]) -> Iterator[Hypothesis]:
        """Tell what is new: a final hypothesis of each utterance that is over, the open one's if its text changed."""
        for line in lines[self._done :]:
            text = line.text.strip()
            if line.is_complete:
                self._done += 1
                if text or self._told:
                    yield Hypothesis(self._words(text, line), is_final=True)
                self._told = ""
            elif text != self._told:
                self._told = text
                yield Hypothesis(self._words(text, line))

    def _words(self, text: str, line: Any) -> list[Word]:
        """Spread the words over the utterance, each as long as its share of the text."""
        split = list(tokens(text))
        start = time = self._offset + line.start_time
        per_letter = line.duration / max(1, sum(len(word) for word, _ in split))
        words = []
        letters = 0
        for word, mark in split:
            letters += len(word)
            begun, time = time, start + letters * per_letter
            words.append(Word(word, begun, time))
            if mark:
                words.append(Word(mark, time, time, "punctuation"))
        return words
