"""Call analytics in the emulator: the utterances of an agent and a customer, made of what a recogniser hears.

The emulator matches no categories, and finds neither issues nor sentiments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventstream.transcribe.call_analytics import (
    CallAnalyticsEntity,
    CallAnalyticsItem,
    StartCallAnalyticsStreamTranscriptionRequest,
    StartCallAnalyticsStreamTranscriptionResponse,
    UtteranceEvent,
)
from eventstream.transcribe.emulator.transcription import Transcription
from eventstream.transcribe.exceptions import BadRequestException
from eventstream.transcribe.model import ConfigurationEvent
from eventstream.transcribe.request import StartStreamTranscriptionRequest

if TYPE_CHECKING:
    from eventstream.transcribe.model import Result

__all__ = ["CallAnalytics"]

ROLES = {"AGENT", "CUSTOMER"}


class CallAnalytics(Transcription):
    """Answers one request for call analytics."""

    _roles: dict[str, str]

    def _plain(self) -> StartStreamTranscriptionRequest:
        request: StartCallAnalyticsStreamTranscriptionRequest = self._conversation.request
        return StartStreamTranscriptionRequest.from_headers(
            [
                *request.to_headers(),
                ("x-amzn-transcribe-number-of-channels", "2"),
                ("x-amzn-transcribe-enable-channel-identification", "true"),
            ]
        )

    async def _respond(self) -> None:
        response = StartCallAnalyticsStreamTranscriptionResponse.from_request(
            self._conversation.request, session_id=self._session_id
        )
        await self._conversation.respond(response)

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
            await self._conversation.send(self._utterance(result))
            self._service.statistics.transcript_events += 1
        self._sent_at = self._now()

    def _utterance(self, result: Result) -> UtteranceEvent:
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
            language_code=result.language_code,
            language_identification=result.language_identification,
        )


def _millis(seconds: float | None) -> int:
    return round((seconds or 0.0) * 1000)
