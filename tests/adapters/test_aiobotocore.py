"""aiobotocore's clients have the operations that stream in both directions, as coroutine functions."""

from __future__ import annotations

import asyncio
import json
import os

import pytest

if not os.environ.get("EVENTSTREAM_ADAPTERS"):
    pytest.skip("the clients of botocore run with EVENTSTREAM_ADAPTERS=1", allow_module_level=True)

import aiobotocore.session
from adapters.models import BIDIRECTIONAL, RPC
from adapters.recordings import stream_of
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import (
    EndpointConnectionError,
    EventStreamError,
    ParamValidationError,
    ResponseStreamingError,
)

from eventstream.adapters import _operations
from eventstream.adapters import boto3 as adapter
from eventstream.exceptions import IncompleteStream, StateError
from eventstream.server import Limits

# What these libraries warn of is theirs to mend.
pytestmark = pytest.mark.filterwarnings("ignore")

LIMIT = 20
BEDROCK = "bedrock-runtime"
INVOKE = "invoke_model_with_bidirectional_stream"
NOVA = {"modelId": "amazon.nova-sonic-v1:0"}


@pytest.fixture(autouse=True)
def installed():
    with adapter.install():
        yield


async def upper(request, events):
    async for event in events:
        yield {"chunk": {"bytes": event["chunk"]["bytes"].upper()}}


def chunk(data):
    return {"chunk": {"bytes": data}}


def run(conversation, handler=upper, *, service=BEDROCK, method=INVOKE, changed=None, **options):
    """Return what a coroutine function of a client returns, which is given a server's address."""

    async def main(address):
        config = Config(retries={"total_max_attempts": 1}, inject_host_prefix=False)
        arguments = {**address, "config": config, **(changed or {})}
        async with aiobotocore.session.get_session().create_client(service, **arguments) as client:
            return await conversation(client)

    with adapter.serve(service, {method: handler}, **options) as address:
        return asyncio.run(asyncio.wait_for(main(address), LIMIT))


def test_stream_there_and_back():
    async def conversation(client):
        opening = getattr(client, INVOKE)(**NOVA)
        assert asyncio.iscoroutine(opening)
        async with await opening as stream:
            assert isinstance(stream, adapter.AsyncStream)
            assert stream["ResponseMetadata"]["HTTPStatusCode"] == 200
            with pytest.raises(TypeError):  # rather than a KeyError for 0, which is not a member
                iter(stream)
            await stream.send(chunk(b"hello"))
            assert await anext(stream) == chunk(b"HELLO")
            await stream.send(chunk(b"again"))
            await stream.end()
            assert [event async for event in stream] == [chunk(b"AGAIN")]
            with pytest.raises(StateError):
                await stream.send(chunk(b"late"))

    run(conversation)


@pytest.mark.parametrize("service", dict(BIDIRECTIONAL))
def test_operations_of_every_service(service):
    recorded, received = stream_of(service), []
    method = xform_name(recorded.operation)

    async def handler(request, events):
        received.append(request)
        received.extend([event async for event in events])
        for answer in recorded.answers:
            yield answer

    async def conversation(client):
        async with await getattr(client, method)(**recorded.parameters) as stream:
            for event in recorded.events:
                await stream.send(event)
            await stream.end()
            return [event async for event in stream]

    assert run(conversation, handler, service=service, method=method) == recorded.answers
    assert received == [recorded.parameters, *recorded.events]


@pytest.fixture
def rpc(tmp_path, monkeypatch):
    """Return the name of a service whose protocol has messages for the request and the response."""
    folder = tmp_path / "every-trait-rpc" / "2026-01-01"
    folder.mkdir(parents=True)
    (folder / "service-2.json").write_text(json.dumps(RPC), "utf-8")
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    return "every-trait-rpc"


async def echo(request, events):
    assert request == {"id": "x"}
    async for event in events:
        yield event


def test_rpc_protocol(rpc):
    async def conversation(client):
        async with await client.converse(id="x") as stream:
            await stream.send({"empty": {}})
            return await anext(stream)

    assert run(conversation, echo, service=rpc, method="converse") == {"empty": {}}


def test_rpc_protocol_without_its_first_message(rpc, monkeypatch):
    """Each try's stream is closed."""
    monkeypatch.setattr(_operations, "_nothing", None)
    tries = []

    async def silent(request, events):
        tries.append(request)
        for event in ():
            yield event

    async def conversation(client):
        with pytest.raises(IncompleteStream):
            await client.converse(id="x")
        end = asyncio.get_running_loop().time() + LIMIT
        while len(asyncio.all_tasks()) > 2:  # this one, and that which waits for it
            assert asyncio.get_running_loop().time() < end
            await asyncio.sleep(0.01)

    run(conversation, silent, service=rpc, method="converse")
    assert len(tries) == 1


def test_services_exception_is_the_clients():
    async def failing(request, events):
        yield chunk(b"before")
        raise adapter.operation(BEDROCK, INVOKE).make_error("ThrottlingException", "slow down")

    async def conversation(client):
        async with await getattr(client, INVOKE)(**NOVA) as stream:
            assert await anext(stream) == chunk(b"before")
            with pytest.raises(client.exceptions.ThrottlingException) as raised:
                await anext(stream)
            assert isinstance(raised.value, EventStreamError)
            assert raised.value.response["Error"] == {"Code": "ThrottlingException", "Message": "slow down"}

    run(conversation, failing)


def test_refusal_is_the_clients():
    async def conversation(client):
        with pytest.raises(client.exceptions.ClientError) as raised:
            await getattr(client, INVOKE)(**NOVA)
        assert raised.value.response["Error"]["Code"] == "InvalidSignatureException"
        assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403

    run(conversation, changed={"aws_secret_access_key": "not the key"})


def test_refusal_that_may_pass_is_repeated():
    asked = []

    async def counting(request, events):
        asked.append(request)
        async for event in events:
            yield event

    async def conversation(client):
        first = await getattr(client, INVOKE)(**NOVA)
        with pytest.raises(client.exceptions.ThrottlingException) as raised:
            await getattr(client, INVOKE)(**NOVA)
        assert raised.value.response["ResponseMetadata"]["RetryAttempts"] == 1
        await first.close()

    config = Config(retries={"total_max_attempts": 2})
    run(conversation, counting, changed={"config": config}, limits=Limits(max_streams=1))
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("parameters", "text"),
    [({}, "modelId"), ({"modelId": 5}, "modelId"), ({**NOVA, "body": []}, "body is the event stream")],
)
def test_parameters_are_checked(parameters, text):
    async def conversation(client):
        with pytest.raises(ParamValidationError, match=text):
            await getattr(client, INVOKE)(**parameters)

    run(conversation)


def test_event_is_checked_and_the_stream_goes_on():
    async def conversation(client):
        async with await getattr(client, INVOKE)(**NOVA) as stream:
            with pytest.raises(ParamValidationError, match=r"chunk\.bytes"):
                await stream.send(chunk(5))
            await stream.send(chunk(b"hello"))
            assert await anext(stream) == chunk(b"HELLO")

    run(conversation)


def test_faults_of_the_stream():
    async def ending(client):
        async with await getattr(client, INVOKE)(**NOVA) as stream:
            await stream.send(chunk(b"hello"))
            with pytest.raises(IncompleteStream):
                await anext(stream)

    async def breaking(client):
        async with await getattr(client, INVOKE)(**NOVA) as stream:
            await stream.send(chunk(b"hello"))
            with pytest.raises(ResponseStreamingError):
                await anext(stream)

    run(ending, faults=["early-end@1"])
    run(breaking, faults=["reset@1"])


def test_connection_refused():
    async def conversation(client):
        with pytest.raises(EndpointConnectionError):
            await getattr(client, INVOKE)(**NOVA)

    with adapter.serve(BEDROCK, {INVOKE: upper}) as address:
        pass
    run(conversation, changed={"endpoint_url": address["endpoint_url"]})


@pytest.mark.parametrize("closing", ["close", "__aexit__"])
def test_closed_client_closes_its_streams(closing):
    async def conversation(client):
        stream = await getattr(client, INVOKE)(**NOVA)
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0.05)
        await getattr(client, closing)(*([None] * 3 if closing == "__aexit__" else []))
        with pytest.raises(ResponseStreamingError):
            await waiting

    run(conversation)


def test_call_that_is_cancelled_leaves_nothing():
    async def conversation(client):
        async with await getattr(client, INVOKE)(**NOVA) as stream:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(anext(stream), 0.05)
            await stream.send(chunk(b"hello"))
            assert await anext(stream) == chunk(b"HELLO")
        return len(asyncio.all_tasks())

    assert run(conversation) <= 2


def test_streams_at_once():
    async def one(client, number):
        async with await getattr(client, INVOKE)(**NOVA) as stream:
            await stream.send(chunk(b"stream %d" % number))
            return await anext(stream)

    async def conversation(client):
        return await asyncio.gather(*(one(client, number) for number in range(20)))

    assert run(conversation) == [chunk(b"STREAM %d" % number) for number in range(20)]


def test_methods_of_the_client_stay_as_they_were():
    async def conversation(client):
        assert {INVOKE, "converse_stream"} <= set(dir(client))
        with pytest.raises(ParamValidationError):
            await client.converse_stream()

    run(conversation)


def test_uninstalled_there_is_nothing():
    adapter.uninstall()

    async def conversation(client):
        assert not hasattr(client, INVOKE)

    run(conversation)


def test_enabled_for_a_session():
    adapter.uninstall()

    async def main(address):
        session = aiobotocore.session.get_session()
        adapter.enable(session)
        async with (
            session.create_client(BEDROCK, **address) as client,
            await getattr(client, INVOKE)(**NOVA) as stream,
        ):
            await stream.send(chunk(b"hello"))
            return await anext(stream)

    with adapter.serve(BEDROCK, {INVOKE: upper}) as address:
        assert asyncio.run(asyncio.wait_for(main(address), LIMIT)) == chunk(b"HELLO")
