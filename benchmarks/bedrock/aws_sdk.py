"""The same conversation on aws-sdk-bedrock-runtime, AWS's coming client for Python, on awscrt."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from aws_sdk_bedrock_runtime import models
from aws_sdk_bedrock_runtime.client import AsyncBedrockRuntimeClient
from aws_sdk_bedrock_runtime.config import AsyncBedrockRuntimeConfig
from awscrt.io import ClientTlsContext, TlsContextOptions
from smithy_http.aio.crt import AWSCRTHTTPClient

ENDPOINT, CA_FILE, ACCESS_KEY, SECRET_KEY, SENT, ANSWERS = sys.argv[1:]
AUDIO = bytes(range(256)) * 4


class LocalHTTPClient(AWSCRTHTTPClient):
    """Trusts the server. The client has no option for a CA bundle, and copies what it is given."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        trust = TlsContextOptions()
        trust.override_default_trust_store_from_path(None, CA_FILE)
        self._tls_ctx = ClientTlsContext(trust)

    def __deepcopy__(self, memo: object) -> LocalHTTPClient:
        return LocalHTTPClient(eventloop=self._eventloop, client_config=self._config)


async def converse() -> int:
    config = await AsyncBedrockRuntimeConfig.resolve(
        region="us-east-1",
        endpoint_uri=ENDPOINT,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        transport=LocalHTTPClient(),
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
