"""From what a recogniser heard to the service's results: partial ones that grow, and a final one for each utterance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from eventstream.transcribe.emulator.recogniser import Hypothesis, Word
from eventstream.transcribe.model import Alternative, Item, LanguageIdentification, Result

if TYPE_CHECKING:
    from eventstream.transcribe.request import StartStreamTranscriptionRequest

__all__ = ["ChannelResults"]


class ChannelResults:
    """The results of one channel.

    What the request asks for is told as far as it is known: all speech is one speaker's (``0``), and the language is
    the preferred one, else the first of the options, else en-US. Vocabularies, filters and redaction have no effect.

    Args:
        request: says which members results have.
        session_id: a UUID; the results of equal audio in sessions of one id have equal ids.
        channel: 0 or 1; None: the audio has one channel.
    """

    def __init__(self, request: StartStreamTranscriptionRequest, session_id: str, channel: int | None = None) -> None:
        self._namespace = UUID(session_id)
        self._channel_id = None if channel is None else f"ch_{channel}"
        self._speaker = "0" if request.show_speaker_label else None
        self._stabilized = request.enable_partial_results_stabilization
        self._language: str | None = None
        if request.identify_language or request.identify_multiple_languages:
            self._language = request.preferred_language or next(iter(request.language_options), "en-US")
        self._utterance = 0
        self._begin_utterance()

    def _begin_utterance(self) -> None:
        self._result_id = str(uuid5(self._namespace, f"{self._channel_id} {self._utterance}"))
        self._utterance += 1
        self._told = False

    def of(self, hypotheses: Iterable[Hypothesis]) -> list[Result]:
        """One result for each hypothesis; none for an utterance in which nothing was ever heard.

        Times are rounded to milliseconds, confidences to four digits.
        """
        results = []
        for words, is_final in hypotheses:
            if words or self._told:
                results.append(self._result(words, is_final))
                self._told = True
            if is_final:
                self._begin_utterance()
        return results

    def _result(self, words: Sequence[Word], is_final: bool) -> Result:
        return Result(
            result_id=self._result_id,
            start_time=round(words[0].start, 3) if words else 0.0,
            end_time=round(words[-1].end, 3) if words else 0.0,
            is_partial=not is_final,
            alternatives=[
                Alternative(transcript=_transcript(words), items=[self._item(word, is_final) for word in words])
            ],
            channel_id=self._channel_id,
            language_code=self._language,
            language_identification=[LanguageIdentification(language_code=self._language, score=1.0)]
            if self._language
            else [],
        )

    def _item(self, word: Word, is_final: bool) -> Item:
        content, start, end, type, confidence, stable = word
        return Item(
            start_time=round(start, 3),
            end_time=round(end, 3),
            type=type,
            content=content,
            vocabulary_filter_match=False,
            speaker=self._speaker if type == "pronunciation" else None,
            confidence=None if confidence is None else round(confidence, 4),
            stable=(stable or is_final) if self._stabilized else None,
        )


def _transcript(words: Iterable[Word]) -> str:
    return "".join(word.content if word.type == "punctuation" else f" {word.content}" for word in words).lstrip()
