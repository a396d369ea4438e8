"""aws-sdk-bedrock-runtime, AWS's coming client for Python, on awscrt; called with an endpoint, a CA file and keys.

It converses with a model, text after text, and prints each answer, and its error if there is one.
"""

from __future__ import annotations

import asyncio
import sys

from aws_sdk_bedrock_runtime import models
from aws_sdk_bedrock_runtime.client import AsyncBedrockRuntimeClient
from aws_sdk_bedrock_runtime.config import AsyncBedrockRuntimeConfig
from aws_sdk_http import trusting

ENDPOINT, CA_FILE, ACCESS_KEY, SECRET_KEY, MODEL, *TEXTS = sys.argv[1:]


async def main() -> None:
    config = await AsyncBedrockRuntimeConfig.resolve(
        region="us-east-1",
        endpoint_uri=ENDPOINT,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        transport=trusting(CA_FILE),
        max_attempts=1,
    )
    client = AsyncBedrockRuntimeClient(config)
    request = models.InvokeModelWithBidirectionalStreamOperationInput(model_id=MODEL)
    stream = await client.invoke_model_with_bidirectional_stream(request)
    events = None
    for text in TEXTS:
        part = models.BidirectionalInputPayloadPart(bytes_=text.encode())
        await stream.input_stream.send(models.InvokeModelWithBidirectionalStreamInputChunk(part))
        if events is None:
            _, events = await stream.await_output()
        event = await events.receive()
        print(event.value.bytes_.decode(), flush=True)
    await stream.input_stream.close()
    assert await events.receive() is None


try:
    asyncio.run(main())
except Exception as error:
    print(f"{type(error).__name__}: {error}")
