"""What a client of botocore gets: which methods, in the place of what, and what ends with it."""

from __future__ import annotations

import gc
import threading
import time

import pytest

pytest.importorskip("botocore", reason="botocore is not installed")

from adapters.clients import (
    BEDROCK,
    LIMIT,
    NOVA,
    Body,
    assert_conversation,
    begin,
    chunk,
    client_of,
    serving,
    session_of,
)
from botocore.awsrequest import AWSResponse
from botocore.exceptions import (
    ParamValidationError,
    ResponseStreamingError,
)

from eventstream.adapters import _equipment
from eventstream.adapters import boto3 as ours

pytestmark = pytest.mark.usefixtures("methods")


def local(session, service):
    return session.create_client(service, region_name="us-east-1")


def test_clients_of_other_services_are_left_alone():
    with_us = local(session_of(), "sqs")
    ours.uninstall()
    without = local(session_of(), "sqs")
    assert dir(with_us) == dir(without)
    assert type(with_us).close is type(without).close


def test_operations_that_botocore_supports_are_left_to_it():
    session = session_of()

    def keep(class_attributes, **_):
        class_attributes["invoke_model_with_bidirectional_stream"] = lambda self: "botocore's"

    session.register("creating-client-class", keep)
    client = local(session, BEDROCK)
    assert client.invoke_model_with_bidirectional_stream() == "botocore's"


def test_operations_of_models_that_botocore_does_not_ship(traits):
    client = local(traits, "every-trait")
    assert client.converse.__module__ == _equipment.__name__
    assert client.plain.__module__ != _equipment.__name__


def test_private_parts_of_botocore_are_where_they_were():
    client = session_of().create_client(BEDROCK, region_name="us-east-1", verify="/nowhere.pem")
    assert client._endpoint.http_session._verify == "/nowhere.pem"
    assert callable(client._make_api_call)


def test_parameter_of_the_stream_is_not_given():
    client = local(session_of(), BEDROCK)
    with pytest.raises(ParamValidationError, match="body is the event stream"):
        client.invoke_model_with_bidirectional_stream(**NOVA, body={})
    with pytest.raises(TypeError, match="only keyword arguments"):
        client.invoke_model_with_bidirectional_stream("amazon.nova-sonic-v1:0")


def test_streams_that_nobody_closes_are_closed():
    with serving() as server:
        stream = client_of(server).invoke_model_with_bidirectional_stream(**NOVA)
        stream.send(chunk(b"a"))
        assert next(stream) == chunk(b"A")
        del stream
        gc.collect()
        until = time.monotonic() + LIMIT
        while server.statistics.failed != 1 and time.monotonic() < until:
            time.sleep(0.01)
        assert server.statistics.failed == 1


@pytest.mark.parametrize("closed", ["client", "stream"])
def test_closed_in_mid_stream_from_another_thread(closed):
    with serving() as server:
        client = client_of(server)
        stream = begin(client)
        stream.send(chunk(b"a"))
        assert next(stream) == chunk(b"A")
        threading.Timer(0.2, {"client": client, "stream": stream}[closed].close).start()
        with pytest.raises(ResponseStreamingError):
            next(stream)
        with pytest.raises(ResponseStreamingError):
            stream.send(chunk(b"b"))
        stream.close()
        client.close()


def test_client_can_be_closed_without_streams():
    with serving() as server:
        client = client_of(server)
        client.close()
        assert_conversation(client)


def test_hooks_answer_in_the_place_of_the_service():
    client = session_of().create_client(BEDROCK, region_name="us-east-1")
    response = AWSResponse("https://localhost", 200, {}, None)
    client.meta.events.register("before-call", lambda **_: (response, {"body": "faked"}))
    assert begin(client) == {"body": "faked"}


def test_calls_without_streams_stay_botocores(certificate, closed_port):
    endpoint = f"http://127.0.0.1:{closed_port}"
    client = session_of().create_client(BEDROCK, region_name="us-east-1", endpoint_url=endpoint)
    seen = []

    def answer(request, **_):
        seen.append(request.url)
        return AWSResponse(request.url, 200, {}, Body(b"{}"))

    client.meta.events.register("before-send", answer)
    assert (
        client.apply_guardrail(guardrailIdentifier="a", guardrailVersion="1", source="INPUT", content=[])[
            "ResponseMetadata"
        ]["HTTPStatusCode"]
        == 200
    )
    assert len(seen) == 1
