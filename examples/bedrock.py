"""Bedrock's InvokeModelWithBidirectionalStream as a table, a client for it, and a fake model to test with.

Against AWS, give the client only a region.
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping

from eventstream.client import Client
from eventstream.exceptions import ServiceError
from eventstream.operation import Events, Operation, Strings, json_event
from eventstream.server import Server
from eventstream.signing import Credentials


class ModelStreamErrorException(ServiceError):
    """The model failed while it was streaming."""


CHUNK = json_event(
    "chunk",
    bytes,
    lambda content: base64.b64decode(content["bytes"]),
    lambda data: {"bytes": base64.b64encode(data).decode()},
)
INVOKE: Operation[dict[str, str], dict[str, str], bytes, bytes] = Operation(
    name="InvokeModelWithBidirectionalStream",
    service="bedrock-runtime",
    signing_name="bedrock",
    endpoint="bedrock-runtime.{region}.{suffix}",
    path="/model/{modelId}/invoke-with-bidirectional-stream",
    request=Strings(["modelId"]),
    response=Strings(),
    inputs=Events(CHUNK),
    outputs=Events(CHUNK),
    errors={"modelStreamErrorException": ModelStreamErrorException},
)


async def echo(request: Mapping[str, str], chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Answer as the fake model."""
    async for chunk in chunks:
        yield b"%s: %s" % (request["modelId"].encode(), chunk)


async def main() -> None:
    credentials = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    async with Server({INVOKE: echo}, credentials=[credentials]) as server:
        client = Client("us-east-1", endpoint=server.endpoint, credentials=credentials)
        async with client.open(INVOKE, {"modelId": "amazon.nova-2-sonic-v1:0"}) as stream:
            for text in (b"hello", b"again"):
                await stream.send(text)
                print((await anext(stream)).decode())
            await stream.end()


if __name__ == "__main__":
    asyncio.run(main())
