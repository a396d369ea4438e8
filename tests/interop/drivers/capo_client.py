"""capo-transcribe-streaming, in plain Python over h2: see common.py."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from capo_transcribe_streaming import AsyncTranscribeStreamingClient
from common import ACCESS_KEY, ENDPOINT, REGION, SECRET_KEY, Stream, drive

client = AsyncTranscribeStreamingClient(
    region=REGION,
    endpoint=ENDPOINT,
    credentials={"access_key": ACCESS_KEY, "secret_key": SECRET_KEY},
    retry_max_attempts=1,
)


async def transcribe(stream: Stream) -> AsyncIterator[Any]:
    async def audio() -> AsyncIterator[Any]:
        async for chunk in stream.audio():
            yield {"AudioEvent": {"audio_chunk": chunk}}

    async with client.start_stream_transcription(audio_stream=audio(), **stream.parameters) as response:
        yield response
        async for event in response["transcript_result_stream"]:
            yield event["TranscriptEvent"]["transcript"]["results"]


drive(transcribe)
