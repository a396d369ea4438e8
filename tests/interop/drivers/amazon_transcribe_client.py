"""amazon-transcribe, AWS's own first client, on awscrt: see common.py."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from amazon_transcribe.auth import StaticCredentialResolver
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.endpoints import StaticEndpointResolver
from awscrt.io import ClientTlsContext, TlsContextOptions
from common import ACCESS_KEY, CA_FILE, ENDPOINT, REGION, SCENARIO, SECRET_KEY, Stream, drive, install_adapter

RENAMED = {
    "media_sample_rate_hertz": "media_sample_rate_hz",
    "vocabulary_filter_name": "vocab_filter_name",
    "vocabulary_filter_method": "vocab_filter_method",
}
NAMES = {theirs: name for name, theirs in RENAMED.items()}


def new_client() -> TranscribeStreamingClient:
    client = TranscribeStreamingClient(
        region=REGION,
        endpoint_resolver=StaticEndpointResolver(ENDPOINT),
        credential_resolver=StaticCredentialResolver(ACCESS_KEY, SECRET_KEY),
    )
    # It has no option for a CA bundle.
    options = TlsContextOptions()
    options.override_default_trust_store_from_path(None, CA_FILE)
    client._session_manager._tls_ctx = ClientTlsContext(options)
    return client


async def transcribe(stream: Stream) -> AsyncIterator[Any]:
    parameters = {"language_code": None, **stream.parameters}
    exchange = await client.start_stream_transcription(
        **{RENAMED.get(name, name): value for name, value in parameters.items()}
    )
    if "event_keys" in SCENARIO:
        exchange.input_stream._credential_resolver = StaticCredentialResolver(*SCENARIO["event_keys"])
    response = vars(exchange.response)
    yield {NAMES.get(name, name): value for name, value in response.items()}

    async def send() -> None:
        async for chunk in stream.audio():
            await exchange.input_stream.send_audio_event(audio_chunk=chunk)
        await exchange.input_stream.end_stream()

    sending = asyncio.create_task(send())
    try:
        async for event in exchange.output_stream:
            yield event.transcript.results
    finally:
        sending.cancel()
        await asyncio.wait([sending])


install_adapter()
client = new_client()
drive(transcribe)
