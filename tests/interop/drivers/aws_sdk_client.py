"""aws-sdk-transcribe-streaming, AWS's coming client for Python, on awscrt: see common.py."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator
from typing import Any

from aws_sdk_transcribe_streaming.client import AsyncTranscribeStreamingClient
from aws_sdk_transcribe_streaming.config import AsyncTranscribeStreamingConfig
from aws_sdk_transcribe_streaming.models import AudioEvent, AudioStreamAudioEvent, StartStreamTranscriptionInput
from awscrt.io import ClientTlsContext, TlsContextOptions
from common import ACCESS_KEY, CA_FILE, ENDPOINT, REGION, SECRET_KEY, Stream, drive, install_adapter
from smithy_http.aio.crt import AWSCRTHTTPClient


class LocalHTTPClient(AWSCRTHTTPClient):
    """Trusts the emulator. The client has no option for a CA bundle, and copies what it is given."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        trust = TlsContextOptions()
        trust.override_default_trust_store_from_path(None, CA_FILE)
        self._tls_ctx = ClientTlsContext(trust)

    def __deepcopy__(self, memo: object) -> LocalHTTPClient:
        return LocalHTTPClient(eventloop=self._eventloop, client_config=self._config)


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
        transport=LocalHTTPClient(),
        max_attempts=1,
    )
    return AsyncTranscribeStreamingClient(config)


async def transcribe(stream: Stream) -> AsyncIterator[Any]:
    client = await the_client()
    exchange = await client.start_stream_transcription(StartStreamTranscriptionInput(**stream.parameters))
    response, events = await exchange.await_output()
    yield vars(response)

    async def send() -> None:
        async for chunk in stream.audio():
            await exchange.input_stream.send(AudioStreamAudioEvent(AudioEvent(audio_chunk=chunk)))
        await exchange.input_stream.close()

    sending = asyncio.create_task(send())
    try:
        async for event in events:
            if isinstance(event.value, Exception):
                raise event.value
            yield event.value.transcript.results
    finally:
        sending.cancel()
        await asyncio.wait([sending])


install_adapter()
drive(transcribe)
