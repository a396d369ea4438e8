"""amazon-transcribe, AWS's own client for Python, transcribes at the emulator.

    pip install amazon-transcribe
    eventstream emulate --port 8443 --tls ca.pem
    SSL_CERT_FILE=ca.pem python examples/aws_client.py https://localhost:8443

This client speaks HTTP/2 only over TLS. On Linux it trusts the certificate that SSL_CERT_FILE names. The endpoint must
be given as an object; keys may also come from the environment.
"""

from __future__ import annotations

import asyncio
import sys

from amazon_transcribe.auth import StaticCredentialResolver
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.endpoints import StaticEndpointResolver


async def transcribe(endpoint: str) -> None:
    """Print the words that the emulator hears in three seconds of silence."""
    client = TranscribeStreamingClient(
        region="us-east-1",
        endpoint_resolver=StaticEndpointResolver(endpoint),
        credential_resolver=StaticCredentialResolver("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
    )
    stream = await client.start_stream_transcription(
        language_code="en-US", media_sample_rate_hz=16_000, media_encoding="pcm"
    )

    async def send() -> None:
        for _ in range(30):
            await stream.input_stream.send_audio_event(audio_chunk=bytes(3200))  # 100 ms
        await stream.input_stream.end_stream()

    async def receive() -> None:
        async for event in stream.output_stream:
            for result in event.transcript.results:
                if not result.is_partial:
                    print(result.alternatives[0].transcript)

    await asyncio.gather(send(), receive())


if __name__ == "__main__":
    asyncio.run(transcribe(sys.argv[1]))
