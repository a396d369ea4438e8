"""AWS's coming clients for Python of the services that stream both ways; called with an endpoint, a CA file, keys and
STREAMS.

This is a file: a list of streams with "service", "operation", "parameters" and "events", under the service's names, in
JSON; ``{"$bytes": BASE64}`` and ``{"$timestamp": SECONDS}`` are such values. The driver sends the events of each, and
prints JSON lines: ``{"service": NAME, "event": {…}}`` with bytes and timestamps as AWS's JSON has them, then ``"end":
true`` or ``"error"``.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import re
import sys
from io import BytesIO
from typing import Any

from aws_sdk_http import trusting
from smithy_core.types import TimestampFormat
from smithy_json import JSONCodec

ENDPOINT, CA_FILE, ACCESS_KEY, SECRET_KEY, STREAMS = sys.argv[1:]
PACKAGES = {
    "bedrock-runtime": ("aws_sdk_bedrock_runtime", "BedrockRuntime"),
    "connecthealth": ("aws_sdk_connecthealth", "ConnectHealth"),
    "lexv2-runtime": ("aws_sdk_lex_runtime_v2", "LexRuntimeV2"),
    "polly": ("aws_sdk_polly", "Polly"),
    "qbusiness": ("aws_sdk_qbusiness", "QBusiness"),
}
CODEC = JSONCodec(default_timestamp_format=TimestampFormat.EPOCH_SECONDS)


def untagged(value: Any) -> Any:
    """Bytes and timestamps as they are in the services' JSON."""
    if isinstance(value, dict):
        if value.keys() & {"$bytes", "$timestamp"}:
            return next(iter(value.values()))
        return {name: untagged(member) for name, member in value.items()}
    return [untagged(item) for item in value] if isinstance(value, list) else value


def snake(name: str) -> str:
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def reader(models: Any, operation: Any) -> Any:
    """Return the private class that makes the operation's events of JSON."""
    [union] = [
        member.member_target.id.name
        for member in operation.input_schema.members.values()
        if member.member_target.shape_type.name == "UNION"
    ]
    return getattr(models, f"_{union}Deserializer")()


def written(event: Any) -> Any:
    sink = BytesIO()
    serializer = CODEC.create_serializer(sink)
    event.serialize(serializer)
    serializer.flush()
    return json.loads(sink.getvalue())


async def run(service: str, operation: str, parameters: Any, events: list[Any], **_: Any) -> None:
    def say(**line: Any) -> None:
        print(json.dumps({"service": service, **line}), flush=True)

    package, name = PACKAGES[service]
    models = importlib.import_module(f"{package}.models")
    config = await getattr(importlib.import_module(f"{package}.config"), f"Async{name}Config").resolve(
        region="us-east-1",
        endpoint_uri=ENDPOINT,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        transport=trusting(CA_FILE),
        max_attempts=1,
    )
    client = getattr(importlib.import_module(f"{package}.client"), f"Async{name}Client")(config)
    model = getattr(models, snake(operation).upper())
    request = model.input(**{snake(key): value for key, value in parameters.items()})
    try:
        exchange = await getattr(client, snake(operation))(request)
        make = reader(models, model)
        for event in events:
            wire = json.dumps(untagged(event)).encode()
            await exchange.input_stream.send(make.deserialize(CODEC.create_deserializer(wire)))
        _, answers = await exchange.await_output()
        await exchange.input_stream.close()
        async for answer in answers:
            if isinstance(answer.value, Exception):
                raise answer.value
            say(event=written(answer))
        say(end=True)
    except Exception as error:
        say(error=type(error).__name__, message=str(error))


async def main() -> None:
    with open(STREAMS, encoding="utf-8") as file:
        for stream in json.load(file):
            await run(**stream)


asyncio.run(main())
