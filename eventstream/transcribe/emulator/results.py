"""From what a recogniser heard to the service's results: partial ones that grow, and a final one for each utterance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from eventstream.transcribe.emulator.recogniser import Analysis, Hypothesis, Mention, Word
from eventstream.transcribe.model import Alternative, Entity, Item, LanguageIdentification, Result

if TYPE_CHECKING:
    from eventstream.transcribe.request import StartStreamTranscriptionRequest

__all__ = ["ChannelResults"]


class ChannelResults:
    """The results of one channel: what a recogniser says, as far as the request asks for it.

    A recogniser that does not tell speakers apart has one, ``0``; if it does not say the language, it is the preferred
    one, else the first of the options, else en-US. Words of a vocabulary filter are masked unless the request names
    another method. PII is told, or replaced by its type as in ``[NAME]``, in final results only, as at the service.

    Source of the redacted text: the guide's "Example redacted streaming output", where the transcript, the item and the
    entity all have ``[NAME]`` (https://docs.aws.amazon.com/transcribe/latest/dg/pii-redaction-output.html). Its page
    on redaction says ``[PII]`` in a sentence, which is what transcription jobs of files have; the example decides.

    Args:
        request: says which members results have.
        session_id: a UUID; the results of equal audio in sessions of one id have equal ids.
        channel: 0 or 1; None: the audio has one channel.
        analysed: where to put what call analytics tells of final results, by their ids; None: nowhere.
    """

    def __init__(
        self,
        request: StartStreamTranscriptionRequest,
        session_id: str,
        channel: int | None = None,
        analysed: dict[str, Analysis] | None = None,
    ) -> None:
        self._analysed = analysed
        self._namespace = UUID(session_id)
        self._channel_id = None if channel is None else f"ch_{channel}"
        self._speakers = request.show_speaker_label
        self._stabilized = request.enable_partial_results_stabilization
        self._language: str | None = None
        if request.identify_language or request.identify_multiple_languages:
            self._language = request.preferred_language or next(iter(request.language_options), "en-US")
        self._filters = {request.vocabulary_filter_name, *request.vocabulary_filter_names} - {None}
        self._filter_method = request.vocabulary_filter_method or "mask"
        self._identifies = bool(request.content_identification_type or request.content_redaction_type)
        self._redacts = bool(request.content_redaction_type)
        types = frozenset(request.pii_entity_types)
        self._types = None if not types or "ALL" in types else types
        self._utterance = 0
        self._begin_utterance()

    def _begin_utterance(self) -> None:
        self._result_id = str(uuid5(self._namespace, f"{self._channel_id} {self._utterance}"))
        self._utterance += 1
        self._told = False

    def of(self, hypotheses: Iterable[Hypothesis]) -> list[Result]:
        """Return one result for each hypothesis; none for an utterance in which nothing was ever heard.

        Times are rounded to milliseconds, confidences to four digits.
        """
        results = []
        for hypothesis in hypotheses:
            if hypothesis.words or self._told:
                results.append(self._result(hypothesis))
                self._told = True
            if hypothesis.is_final:
                self._begin_utterance()
        return results

    def _result(self, hypothesis: Hypothesis) -> Result:
        words, is_final = hypothesis.words, hypothesis.is_final
        mentions = [mention for mention in hypothesis.mentions if self._tells(mention)] if is_final else []
        if self._redacts:
            words, mentions = _redacted(words, mentions)
        items = [self._item(word, is_final) for word in words if not self._removes(word)]
        analysis = hypothesis.analysis
        if self._analysed is not None and analysis is not None and is_final:
            spans = [_characters(items, hypothesis.words[start:stop]) for start, stop in analysis.issues]
            issues = [span for span in spans if span is not None]
            self._analysed[self._result_id] = analysis._replace(issues=issues)
        identified = []
        if self._language is not None:
            code, score = hypothesis.language or self._language, hypothesis.language_score
            identified = [LanguageIdentification(language_code=code, score=1.0 if score is None else score)]
        return Result(
            result_id=self._result_id,
            start_time=round(words[0].start, 3) if words else 0.0,
            end_time=round(words[-1].end, 3) if words else 0.0,
            is_partial=not is_final,
            alternatives=[
                Alternative(
                    transcript=_text(items),
                    items=items,
                    entities=[_entity(mention, words[mention.start : mention.stop]) for mention in mentions],
                )
            ],
            channel_id=self._channel_id,
            language_code=identified[0].language_code if identified else None,
            language_identification=identified,
        )

    def _tells(self, mention: Mention) -> bool:
        return self._identifies and (self._types is None or mention.type in self._types)

    def _is_filtered(self, word: Word) -> bool:
        return not self._filters.isdisjoint(word.filters)

    def _removes(self, word: Word) -> bool:
        return self._filter_method == "remove" and self._is_filtered(word)

    def _item(self, word: Word, is_final: bool) -> Item:
        is_filtered = self._is_filtered(word)
        speaker = word.speaker or "0"
        return Item(
            start_time=round(word.start, 3),
            end_time=round(word.end, 3),
            type=word.type,
            content="***" if is_filtered and self._filter_method == "mask" else word.content,
            vocabulary_filter_match=is_filtered,
            speaker=speaker if self._speakers and word.type == "pronunciation" else None,
            confidence=_rounded(word.confidence),
            stable=(word.stable or is_final) if self._stabilized else None,
        )


def _characters(items: Iterable[Item], words: Sequence[Word]) -> tuple[int, int] | None:
    """Return where in the text of the items the words are, in characters; None if none of them is left.

    They are found by their times, since words are removed, and others put in the place of several.
    """
    start, end = round(words[0].start, 3), round(words[-1].end, 3)
    begin, stop, length = None, 0, 0
    for item in items:
        content = item.content or ""
        if item.type == "punctuation":
            length += len(content)
            continue
        at = length + 1 if length else 0
        length = at + len(content)
        if (item.start_time or 0.0) >= start and (item.end_time or 0.0) <= end:
            begin, stop = at if begin is None else begin, length
    return None if begin is None else (begin, stop)


def _redacted(words: Sequence[Word], mentions: Iterable[Mention]) -> tuple[list[Word], list[Mention]]:
    """Put one word, the type in brackets, in the place of those that identify a person."""
    redacted: list[Word] = []
    moved = []
    position = 0
    for mention in mentions:
        redacted += words[position : mention.start]
        first, last = words[mention.start], words[mention.stop - 1]
        moved.append(mention._replace(start=len(redacted), stop=len(redacted) + 1))
        redacted.append(first._replace(content=f"[{mention.type}]", end=last.end, filters=()))
        position = mention.stop
    return [*redacted, *words[position:]], moved


def _entity(mention: Mention, words: Sequence[Word]) -> Entity:
    return Entity(
        start_time=round(words[0].start, 3),
        end_time=round(words[-1].end, 3),
        category="PII",
        type=mention.type,
        content=_text(words),
        confidence=_rounded(mention.confidence),
    )


def _rounded(confidence: float | None) -> float | None:
    return None if confidence is None else round(confidence, 4)


def _text(words: Iterable[Word | Item]) -> str:
    return "".join(f"{'' if word.type == 'punctuation' else ' '}{word.content}" for word in words).lstrip()
