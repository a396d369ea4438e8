"""aws-sdk-transcribe-streaming, AWS's coming client for Python, on awscrt: see common.py."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator
from typing import Any

from aws_sdk_http import trusting
from aws_sdk_transcribe_streaming import models
from aws_sdk_transcribe_streaming.client import AsyncTranscribeStreamingClient
from aws_sdk_transcribe_streaming.config import AsyncTranscribeStreamingConfig
from common import ACCESS_KEY, CA_FILE, ENDPOINT, REGION, SECRET_KEY, Stream, drive, install_adapter


@functools.cache
def the_client() -> asyncio.Task[AsyncTranscribeStreamingClient]:
    """One for all streams; it can only be made in the event loop."""
    return asyncio.create_task(new_client())


async def new_client() -> AsyncTranscribeStreamingClient:
    config = await AsyncTranscribeStreamingConfig.resolve(
        region=REGION,
        endpoint_uri=ENDPOINT,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        transport=trusting(CA_FILE),
        max_attempts=1,
    )
    return AsyncTranscribeStreamingClient(config)


def audio_of(operation: str, chunk: bytes) -> Any:
    if operation == "StartMedicalScribeStream":
        return models.MedicalScribeInputStreamAudioEvent(models.MedicalScribeAudioEvent(audio_chunk=chunk))
    return models.AudioStreamAudioEvent(models.AudioEvent(audio_chunk=chunk))


def before_audio(operation: str) -> list[Any]:
    if operation == "StartCallAnalyticsStreamTranscription":
        channels = [
            models.ChannelDefinition(channel_id=number, participant_role=role)
            for number, role in enumerate(["AGENT", "CUSTOMER"])
        ]
        return [models.AudioStreamConfigurationEvent(models.ConfigurationEvent(channel_definitions=channels))]
    if operation == "StartMedicalScribeStream":
        notes = models.ClinicalNoteGenerationSettings(output_bucket_name="notes")
        settings = models.MedicalScribePostStreamAnalyticsSettings(clinical_note_generation_settings=notes)
        event = models.MedicalScribeConfigurationEvent(
            resource_access_role_arn="arn:aws:iam::123456789012:role/scribe", post_stream_analytics_settings=settings
        )
        return [models.MedicalScribeInputStreamConfigurationEvent(event)]
    return []


def after_audio(operation: str) -> list[Any]:
    if operation == "StartMedicalScribeStream":
        event = models.MedicalScribeSessionControlEvent(type="END_OF_SESSION")
        return [models.MedicalScribeInputStreamSessionControlEvent(event)]
    return []


def start(client: AsyncTranscribeStreamingClient, stream: Stream) -> Any:
    method = {
        "StartStreamTranscription": client.start_stream_transcription,
        "StartMedicalStreamTranscription": client.start_medical_stream_transcription,
        "StartCallAnalyticsStreamTranscription": client.start_call_analytics_stream_transcription,
        "StartMedicalScribeStream": client.start_medical_scribe_stream,
    }[stream.operation]
    return method(getattr(models, f"{stream.operation}Input")(**stream.parameters))


async def transcribe(stream: Stream) -> AsyncIterator[Any]:
    client = await the_client()
    exchange = await start(client, stream)
    response, events = await exchange.await_output()
    yield vars(response)

    async def send() -> None:
        for event in before_audio(stream.operation):
            await exchange.input_stream.send(event)
        async for chunk in stream.audio():
            await exchange.input_stream.send(audio_of(stream.operation, chunk))
        for event in after_audio(stream.operation):
            await exchange.input_stream.send(event)
        await exchange.input_stream.close()

    sending = asyncio.create_task(send())
    try:
        async for event in events:
            if isinstance(event.value, Exception):
                raise event.value
            yield event.value.transcript.results if stream.operation == "StartStreamTranscription" else event.value
    finally:
        sending.cancel()
        await asyncio.wait([sending])


install_adapter()
drive(transcribe)
