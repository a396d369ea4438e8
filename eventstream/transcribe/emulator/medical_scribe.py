"""AWS HealthScribe in the emulator: segments of a transcript, made of what a recogniser hears. Nothing is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventstream.transcribe.emulator.transcription import Transcription
from eventstream.transcribe.exceptions import BadRequestException, InvalidRequest
from eventstream.transcribe.medical_scribe import (
    MedicalScribeConfigurationEvent,
    MedicalScribeSessionControlEvent,
    MedicalScribeTranscriptEvent,
    MedicalScribeTranscriptItem,
    MedicalScribeTranscriptSegment,
    StartMedicalScribeStreamRequest,
)
from eventstream.transcribe.request import StartStreamTranscriptionRequest

if TYPE_CHECKING:
    from eventstream.transcribe.model import Result

__all__ = ["MedicalScribe"]

ROLES = {"PATIENT", "CLINICIAN"}


class MedicalScribe(Transcription):
    """Answers one request for a HealthScribe stream.

    The response begins at once; the recognisers are made when the configuration has said how many channels there are.
    """

    _configured = False

    def _plain(self) -> StartStreamTranscriptionRequest:
        request: StartMedicalScribeStreamRequest = self._conversation.request
        if request.language_code != "en-US":
            raise BadRequestException(f"The language code {request.language_code!r} is not supported.")
        return StartStreamTranscriptionRequest.from_headers(request.to_headers())

    async def _begin(self, request: StartStreamTranscriptionRequest) -> None:
        await self._respond()

    async def _take(self, event: object) -> None:
        if isinstance(event, MedicalScribeConfigurationEvent):
            await self._configure(event)
        elif not isinstance(event, MedicalScribeSessionControlEvent):
            await super()._take(event)

    async def _configure(self, event: MedicalScribeConfigurationEvent) -> None:
        settings = event.post_stream_analytics_settings
        notes = None if settings is None else settings.clinical_note_generation_settings
        if not event.resource_access_role_arn or notes is None or not notes.output_bucket_name:
            raise BadRequestException("The configuration needs ResourceAccessRoleArn and OutputBucketName.")
        if self._configured:
            raise BadRequestException("The session was configured before.")
        self._configured = True
        parameters = [*self._plain().to_headers()]
        if event.channel_definitions:
            channels = {definition.channel_id: definition.participant_role for definition in event.channel_definitions}
            if channels.keys() != {0, 1} or set(channels.values()) != ROLES:
                raise BadRequestException(
                    "The channel definitions must say which of the channels 0 and 1 is the patient's."
                )
            parameters += [
                ("x-amzn-transcribe-number-of-channels", "2"),
                ("x-amzn-transcribe-enable-channel-identification", "true"),
            ]
        if event.vocabulary_filter_name:
            parameters.append(("x-amzn-transcribe-vocabulary-filter-name", event.vocabulary_filter_name))
        if event.vocabulary_filter_method:
            parameters.append(("x-amzn-transcribe-vocabulary-filter-method", event.vocabulary_filter_method))
        try:
            request = StartStreamTranscriptionRequest.from_headers(parameters)
        except InvalidRequest as error:
            raise BadRequestException(str(error)) from None
        await self._make_channels(request)

    async def _finish(self) -> None:
        if self._configured:
            await super()._finish()

    async def _send_results(self, results: list[Result]) -> None:
        """Send an event for each result; none, not even an empty one, if there are none."""
        for result in results:
            await self._conversation.send(MedicalScribeTranscriptEvent(_segment(result)))
            self._service.statistics.transcript_events += 1
        self._sent_at = self._now()


def _segment(result: Result) -> MedicalScribeTranscriptSegment:
    [alternative] = result.alternatives
    return MedicalScribeTranscriptSegment(
        segment_id=result.result_id,
        begin_audio_time=result.start_time,
        end_audio_time=result.end_time,
        content=alternative.transcript,
        items=[
            MedicalScribeTranscriptItem(
                begin_audio_time=item.start_time,
                end_audio_time=item.end_time,
                type=item.type,
                confidence=item.confidence,
                content=item.content,
                vocabulary_filter_match=item.vocabulary_filter_match,
            )
            for item in alternative.items
        ],
        is_partial=result.is_partial,
        channel_id=result.channel_id,
    )
