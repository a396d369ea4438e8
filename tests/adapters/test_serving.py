"""Any operation of botocore's models is served with a coroutine, and every signature is verified."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec

import pytest

if find_spec("botocore") is None or find_spec("h2") is None:
    pytest.skip("botocore or h2 is not installed", allow_module_level=True)

import botocore.session
from adapters.models import BIDIRECTIONAL, RPC, shipped
from adapters.recordings import stream_of
from botocore import xform_name
from botocore.exceptions import UnknownServiceError
from http2.loopback import server_context

from eventstream import Message, ServiceError
from eventstream.adapters import boto3
from eventstream.adapters._operations import make_operation
from eventstream.adapters.boto3 import operation, serve
from eventstream.operation import EventKind, Events
from eventstream.server import Limits, Server
from eventstream.signing import Credentials
from eventstream.sync import Client, serving

INVOKE = "invoke_model_with_bidirectional_stream"
LIMIT = 20
CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
SONIC = operation("bedrock-runtime", "InvokeModelWithBidirectionalStream")
MODEL = {"modelId": "amazon.nova-sonic-v1:0"}


async def upper(request, events):
    async for event in events:
        yield {"chunk": {"bytes": event["chunk"]["bytes"].upper()}}


def chunk(data):
    return {"chunk": {"bytes": data}}


def served(handler, operation=SONIC, **options):
    return serving(Server({operation: handler}, credentials=[CREDENTIALS], **options))


def opened(server, operation=SONIC, request=MODEL, credentials=CREDENTIALS):
    return Client("us-east-1", endpoint=server.endpoint, credentials=credentials).open(operation, request)


def test_handler_gets_and_yields_what_boto3_has():
    with served(upper) as server, opened(server) as stream:
        stream.send(chunk(b"hello"))
        assert next(stream) == chunk(b"HELLO")
        stream.end()
        assert list(stream) == []
        assert server.statistics.signatures == 3


@pytest.mark.parametrize("service", dict(BIDIRECTIONAL))
def test_serve_every_operation(service):
    """Each of their events, there and back, through the wire."""
    recorded, received = stream_of(service), []
    answers = recorded.answers

    async def handler(request, events):
        assert request == recorded.parameters
        received.extend([event async for event in events])
        for answer in answers:
            yield answer

    served_operation = operation(service, recorded.operation)
    client_operation = make_operation(shipped(service).operation_model(recorded.operation))
    with served(handler, served_operation) as server:
        with opened(server, client_operation, recorded.parameters) as stream:
            for event in recorded.events:
                stream.send(event)
            stream.end()
            assert list(stream) == answers
        assert (server.statistics.failed, server.statistics.signatures) == (0, len(recorded.events) + 2)
    assert received == recorded.events


def test_wrong_key_is_refused():
    wrong = Credentials("AKIDEXAMPLE", "not the key")
    with served(upper) as server, pytest.raises(ServiceError) as raised, opened(server, credentials=wrong):
        pytest.fail("it was let in")
    assert (raised.value.code, raised.value.status_code) == ("InvalidSignatureException", 403)


@pytest.mark.parametrize("name", ["ModelStreamErrorException", "modelStreamErrorException"])
def test_exception_of_the_model_ends_the_stream(name):
    async def failing(request, events):
        yield chunk(b"before")
        raise SONIC.make_error(name, "the model failed")

    with served(failing) as server, opened(server) as stream:
        assert next(stream) == chunk(b"before")
        with pytest.raises(ServiceError, match="the model failed") as raised:
            next(stream)
    assert raised.value.code == "modelStreamErrorException"  # as the member of the stream is called
    assert raised.value.status_code == 424


def test_error_that_the_stream_has_not_is_told_all_the_same():
    async def failing(request, events):
        yield chunk(b"before")
        raise ServiceError("AccessDeniedException", "not you")

    with served(failing) as server, opened(server) as stream:
        assert next(stream) == chunk(b"before")
        with pytest.raises(ServiceError, match=r"^AccessDeniedException: not you$"):
            next(stream)


def test_client_that_says_nothing_gets_the_models_exception():
    limits = Limits(input_timeout=0.1)
    with served(upper, limits=limits) as server, opened(server) as stream, pytest.raises(ServiceError) as raised:
        next(stream)
    assert "no new event was received for 0.1 seconds" in raised.value.message
    assert raised.value.code == "validationException"


LEX = operation("lexv2-runtime", "start_conversation")


@pytest.mark.parametrize(
    ("payload", "text"),
    [(b"{}", "no text"), (b'{"text": 5}', r"not a string.*\.text"), (b"[]", "not an object")],
)
def test_event_of_another_shape_is_refused(payload, text):
    """By whatever client: this one writes what it likes."""

    def serialise(_):
        return Message({":message-type": "event", ":event-type": "TextInputEvent"}, payload)

    inputs = Events(EventKind("TextInputEvent", dict, lambda message: {}, serialise))
    careless = replace(LEX, inputs=inputs)

    async def handler(request, events):
        async for event in events:
            pytest.fail(f"it was let in: {event}")
        yield {}

    request = stream_of("lexv2-runtime").parameters
    with served(handler, LEX) as server, opened(server, careless, request) as stream:
        stream.send({})
        with pytest.raises(ServiceError, match=text) as raised:
            next(stream)
    assert raised.value.code == "ValidationException"


@pytest.mark.parametrize("service", dict(BIDIRECTIONAL))
def test_serve_yields_what_a_client_is_made_with(service):
    recorded = stream_of(service)

    async def handler(request, events):
        assert request == recorded.parameters
        async for _ in events:
            for answer in recorded.answers:
                yield answer

    with boto3.install(), boto3.serve(service, {recorded.operation: handler}) as arguments:
        client = botocore.session.Session().create_client(service, **arguments)
        method = getattr(client, xform_name(recorded.operation))
        with method(**recorded.parameters) as stream:
            stream.send(recorded.events[0])
            stream.end()
            assert list(stream) == recorded.answers


def test_serve_an_rpc_protocol(tmp_path, monkeypatch):
    """Whose response is a message of its own; the model is one that ``AWS_DATA_PATH`` leads to."""
    folder = tmp_path / "every-trait-rpc" / "2026-01-01"
    folder.mkdir(parents=True)
    (folder / "service-2.json").write_text(json.dumps(RPC), "utf-8")
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))

    async def echo(request, events):
        assert request == {"id": "x"}
        async for event in events:
            yield event

    with boto3.install(), boto3.serve("every-trait-rpc", {"converse": echo}) as arguments:
        client = botocore.session.Session().create_client("every-trait-rpc", **arguments)
        with client.converse(id="x") as stream:
            stream.send({"empty": {}})
            assert next(stream) == {"empty": {}}


def test_serve_fails_on_request_and_takes_limits():
    options = {"faults": ["exception:throttlingException@1"], "limits": Limits(input_timeout=LIMIT)}
    with boto3.install(), boto3.serve("bedrock-runtime", {INVOKE: upper}, **options) as arguments:
        client = botocore.session.Session().create_client("bedrock-runtime", **arguments)
        with client.invoke_model_with_bidirectional_stream(**MODEL) as stream:
            stream.send(chunk(b"hello"))
            with pytest.raises(client.exceptions.ThrottlingException):
                next(stream)


def test_serve_signs_where_there_is_a_bearer_token(monkeypatch):
    """Which botocore would rather send, and only over TLS."""
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "token")
    with boto3.install(), boto3.serve("bedrock-runtime", {INVOKE: upper}) as arguments:
        client = botocore.session.Session().create_client("bedrock-runtime", **arguments)
        with client.invoke_model_with_bidirectional_stream(**MODEL) as stream:
            stream.send(chunk(b"hello"))
            assert next(stream) == chunk(b"HELLO")


def test_server_takes_bearer_tokens_unchecked(certificate, monkeypatch):
    """As Bedrock has them, over TLS only; events go unsigned then, and the request's end is theirs."""
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "token")
    server = Server({SONIC: upper}, credentials=None, ssl=server_context(certificate))
    with boto3.install(), serving(server):
        address = server.endpoint.replace("127.0.0.1", "localhost")
        client = botocore.session.Session().create_client(
            "bedrock-runtime", region_name="us-east-1", endpoint_url=address, verify=certificate
        )
        with client.invoke_model_with_bidirectional_stream(**MODEL) as stream:
            stream.send(chunk(b"hello"))
            assert next(stream) == chunk(b"HELLO")
            stream.send(chunk(b"again"))
            stream.end()
            assert list(stream) == [chunk(b"AGAIN")]
        assert (server.statistics.failed, server.statistics.signatures) == (0, 0)


def test_serve_needs_handlers():
    with pytest.raises(ValueError, match="at least one operation"), boto3.serve("polly", {}):
        pytest.fail("there is nothing to serve")


def test_names_are_imported_when_they_are_asked_for():
    assert set(boto3.__all__) <= set(dir(boto3))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        boto3.nothing  # noqa: B018


def test_hooks_of_others_may_answer():
    """As stubs do; what a method returns is then all that they say."""
    answer = {"body": [], "ResponseMetadata": {}}

    class Http:
        status_code = 200

    with boto3.install():
        client = botocore.session.Session().create_client("bedrock-runtime", region_name="us-east-1")
    client.meta.events.register_first("before-call.bedrock-runtime", lambda **_: (Http, answer))
    assert client.invoke_model_with_bidirectional_stream(**MODEL) == answer


def test_operations_are_found_by_both_names():
    for service, name in BIDIRECTIONAL:
        assert operation(service, name).name == name
    assert LEX.name == "StartConversation"
    assert operation("transcribe-streaming", "start_stream_transcription").signing_name == "transcribe"


def test_operations_that_are_not_there():
    with pytest.raises(UnknownServiceError):
        operation("no-such-service", "Talk")
    with pytest.raises(
        ValueError, match=r"^lexv2-runtime has no operation 'Talk'; those that stream both ways: StartConv"
    ):
        operation("lexv2-runtime", "Talk")
    with pytest.raises(ValueError, match=r"^sts has no operation 'Talk'; none that it has streams both ways$"):
        operation("sts", "Talk")
    with pytest.raises(ValueError, match=r"^SynthesizeSpeech does not stream: its input must be an event stream$"):
        operation("polly", "synthesize_speech")
    with pytest.raises(ValueError, match=r"^ConverseStream streams only its response: .*fake_response answers it$"):
        operation("bedrock-runtime", "ConverseStream")


def test_handler_that_does_not_yield_is_refused():
    async def notgen(request, events):
        return 1

    expected = r"^the handler notgen must be an asynchronous generator function of \(request, events\), which yields"
    with pytest.raises(TypeError, match=expected), serve("lexv2-runtime", {"start_conversation": notgen}):
        pass
