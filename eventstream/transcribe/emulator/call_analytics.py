"""Call analytics in the emulator: the utterances of an agent and a customer, made of what a recogniser hears.

Sentiments, issues and categories are what the recogniser says, as a script can do. A category is told right after the
utterance that matches it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventstream.transcribe.call_analytics import (
    CallAnalyticsEntity,
    CallAnalyticsEvent,
    CallAnalyticsItem,
    CategoryEvent,
    CharacterOffsets,
    IssueDetected,
    PointsOfInterest,
    StartCallAnalyticsStreamTranscriptionRequest,
    TimestampRange,
    UtteranceEvent,
)
from eventstream.transcribe.emulator.recogniser import Analysis
from eventstream.transcribe.emulator.transcription import Transcription
from eventstream.transcribe.exceptions import BadRequestException
from eventstream.transcribe.model import ConfigurationEvent
from eventstream.transcribe.request import StartStreamTranscriptionRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstream.transcribe.emulator.service import Service
    from eventstream.transcribe.emulator.transcription import TranscriptionOf
    from eventstream.transcribe.model import Result

__all__ = ["CallAnalytics"]

ROLES = {"AGENT", "CUSTOMER"}

_NOTHING = Analysis()


class CallAnalytics(Transcription):
    """Answers one request for call analytics."""

    _roles: dict[str, str]

    def __init__(self, service: Service, conversation: TranscriptionOf) -> None:
        super().__init__(service, conversation)
        self._analysed: dict[str, Analysis] = {}

    def _plain(self) -> StartStreamTranscriptionRequest:
        request: StartCallAnalyticsStreamTranscriptionRequest = self._conversation.request
        return StartStreamTranscriptionRequest.from_headers(
            [
                *request.to_headers(),
                ("x-amzn-transcribe-number-of-channels", "2"),
                ("x-amzn-transcribe-enable-channel-identification", "true"),
            ]
        )

    async def _take(self, event: object) -> None:
        if isinstance(event, ConfigurationEvent):
            self._roles = {
                f"ch_{definition.channel_id}": definition.participant_role or ""
                for definition in event.channel_definitions
            }
            if self._roles.keys() != {"ch_0", "ch_1"} or set(self._roles.values()) != ROLES:
                raise BadRequestException(
                    "The channel definitions must say which of the channels 0 and 1 is the agent's."
                )
        await super()._take(event)

    async def _send_results(self, results: list[Result]) -> None:
        """Send an event for each result; none, not even an empty one, if there are none."""
        for result in results:
            analysis = self._analysed.pop(result.result_id or "", _NOTHING)
            utterance = self._utterance(result, analysis)
            await self._send(utterance)
            if analysis.categories:
                await self._send(_category(utterance, analysis.categories))
        self._sent_at = self._now()

    async def _send(self, event: CallAnalyticsEvent) -> None:
        await self._conversation.send(event)
        self._service.statistics.transcript_events += 1

    def _utterance(self, result: Result, analysis: Analysis) -> UtteranceEvent:
        [alternative] = result.alternatives
        return UtteranceEvent(
            utterance_id=result.result_id,
            is_partial=result.is_partial,
            participant_role=self._roles[result.channel_id or ""],
            begin_offset_millis=_millis(result.start_time),
            end_offset_millis=_millis(result.end_time),
            transcript=alternative.transcript,
            items=[
                CallAnalyticsItem(
                    begin_offset_millis=_millis(item.start_time),
                    end_offset_millis=_millis(item.end_time),
                    type=item.type,
                    content=item.content,
                    confidence=item.confidence,
                    vocabulary_filter_match=item.vocabulary_filter_match,
                    stable=item.stable,
                )
                for item in alternative.items
            ],
            entities=[
                CallAnalyticsEntity(
                    begin_offset_millis=_millis(entity.start_time),
                    end_offset_millis=_millis(entity.end_time),
                    category=entity.category,
                    type=entity.type,
                    content=entity.content,
                    confidence=entity.confidence,
                )
                for entity in alternative.entities
            ],
            sentiment=analysis.sentiment,
            issues_detected=[
                IssueDetected(character_offsets=CharacterOffsets(begin=begin, end=end))
                for begin, end in analysis.issues
            ],
            language_code=result.language_code,
            language_identification=result.language_identification,
        )


def _category(utterance: UtteranceEvent, names: Sequence[str]) -> CategoryEvent:
    """Return the event for the rules that an utterance matches."""
    stretch = TimestampRange(
        begin_offset_millis=utterance.begin_offset_millis, end_offset_millis=utterance.end_offset_millis
    )
    return CategoryEvent(
        matched_categories=list(names),
        matched_details={name: PointsOfInterest(timestamp_ranges=[stretch]) for name in names},
    )


def _millis(seconds: float | None) -> int:
    return round((seconds or 0.0) * 1000)
