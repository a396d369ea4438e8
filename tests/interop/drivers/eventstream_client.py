"""Our own client, to be measured beside the others: see common.py."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from common import ACCESS_KEY, CA_FILE, ENDPOINT, REGION, SECRET_KEY, Stream, drive

from eventstream.signing import Credentials
from eventstream.transcribe.client import TranscribeClient

client = TranscribeClient(
    REGION, endpoint=ENDPOINT, ca_bundle=CA_FILE or None, credentials=Credentials(ACCESS_KEY, SECRET_KEY)
)


async def transcribe(stream: Stream) -> AsyncIterator[Any]:
    async with client.start_stream_transcription(**stream.parameters) as transcription:
        yield transcription.response.given()
        sending = asyncio.create_task(send(stream, transcription))
        async for event in transcription:
            yield event.transcript.results
        await sending


async def send(stream: Stream, transcription: Any) -> None:
    async for chunk in stream.audio():
        await transcription.send_audio(chunk)
    await transcription.end_audio()


drive(transcribe)
