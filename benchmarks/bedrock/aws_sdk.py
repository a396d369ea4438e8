"""The same conversation on aws-sdk-bedrock-runtime, AWS's coming client for Python, on awscrt."""

from __future__ import annotations

import asyncio
import sys

from aws_sdk_bedrock_runtime import models
from aws_sdk_bedrock_runtime.client import AsyncBedrockRuntimeClient
from aws_sdk_bedrock_runtime.config import AsyncBedrockRuntimeConfig
from aws_sdk_http import trusting

ENDPOINT, CA_FILE, ACCESS_KEY, SECRET_KEY, SENT, ANSWERS = sys.argv[1:]
AUDIO = bytes(range(256)) * 4


async def converse() -> int:
    config = await AsyncBedrockRuntimeConfig.resolve(
        region="us-east-1",
        endpoint_uri=ENDPOINT,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        transport=trusting(CA_FILE),
    )
    client = AsyncBedrockRuntimeClient(config)
    request = models.InvokeModelWithBidirectionalStreamOperationInput(model_id="model")
    stream = await client.invoke_model_with_bidirectional_stream(request)
    for data in [AUDIO] * int(SENT) + [ANSWERS.encode()]:
        part = models.BidirectionalInputPayloadPart(bytes_=data)
        await stream.input_stream.send(models.InvokeModelWithBidirectionalStreamInputChunk(part))
    await stream.input_stream.close()
    _, events = await stream.await_output()
    received = 0
    while (event := await events.receive()) is not None:
        received += len(event.value.bytes_)
    return received


print(asyncio.run(converse()))
