"""Operations of botocore's models: the bidirectional ones that it ships, and one with every place and trait."""

from __future__ import annotations

import datetime
import os

import pytest

pytest.importorskip("botocore", reason="botocore is not installed")

import botocore.loaders
from adapters import models
from botocore.exceptions import ParamValidationError
from botocore.model import ServiceModel

from eventstream import Message, ServiceError
from eventstream.adapters._operations import has_input_stream, initial_request, make_operation
from eventstream.operation import InvalidRequest, Parts
from eventstream.session import ClientSession, ServerSession
from eventstream.signing import Credentials, EventSigner, sign_request
from eventstream.transcribe.operations import OPERATIONS
from eventstream.transcribe.service_model import load_service_model

CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
MOMENT = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)


def example(shape, depth=0):
    """Return a valid value of a shape, with all its members down to some depth."""
    kind = shape.type_name
    if kind == "structure":
        if shape.is_document_type:
            return {"any": [1, "x"]}
        members = list(shape.members.items())
        if shape.is_tagged_union:
            members = members[:1]
        return {
            name: example(member, depth + 1)
            for name, member in members
            if depth < 6 or name in shape.required_members or shape.is_tagged_union
        }
    if kind == "list":
        return [example(shape.member, depth + 1)] * shape.metadata.get("min", 1)
    if kind == "map":
        return {"key": example(shape.value, depth + 1)}
    if kind == "string":
        return (shape.enum or ["x" * max(1, shape.metadata.get("min", 1))])[0]
    least = max(1, shape.metadata.get("min", 1))
    return {"blob": b"\x00\xff", "boolean": True, "timestamp": MOMENT, "float": 0.5, "double": 0.5}.get(kind, least)


def inputs_and_outputs():
    for service, name in models.BIDIRECTIONAL:
        model = models.shipped(service).operation_model(name)
        for stream in (model.get_event_stream_input(), model.get_event_stream_output()):
            for event, shape in stream.members.items():
                if not shape.metadata.get("exception"):
                    yield pytest.param(service, name, event, shape, id=f"{name}-{event}")


@pytest.mark.skipif("EVENTSTREAM_ADAPTERS" not in os.environ, reason="it reads all models, which takes long")
def test_operations_of_all_models_are_in_known_protocols():
    loader = botocore.loaders.Loader()
    found = []
    for service in loader.list_available_services("service-2"):
        text = loader.load_service_model(service, "service-2")
        if any(shape.get("eventstream") for shape in text["shapes"].values()):
            model = ServiceModel(text, service)
            found += [(service, name) for name in model.operation_names if _bidirectional(model.operation_model(name))]
    assert set(found) >= {("bedrock-runtime", "InvokeModelWithBidirectionalStream"), ("qbusiness", "Chat")}
    for service, name in found:
        assert has_input_stream(models.shipped(service).operation_model(name)), (service, name)


def _bidirectional(model):
    return model.get_event_stream_input() is not None


@pytest.mark.parametrize(("service", "name", "event", "shape"), list(inputs_and_outputs()))
def test_events_that_botocore_knows_there_and_back(service, name, event, shape):
    operation = make_operation(models.shipped(service).operation_model(name), strict=True)
    value = {event: example(shape)}
    for events, parse in ((operation.inputs, operation.parse_input), (operation.outputs, operation.parse_output)):
        if event in events.kinds and shape.name == _shape_of(service, name, events is operation.inputs, event):
            assert parse(Message(*_split(events.serialise(value)))) == value
            return
    pytest.fail("neither direction has it")


def _shape_of(service, name, is_input, event):
    model = models.shipped(service).operation_model(name)
    stream = model.get_event_stream_input() if is_input else model.get_event_stream_output()
    return stream.members[event].name


def _split(message):
    return message.headers, bytes(message.payload)


@pytest.mark.parametrize(("service", "name"), models.BIDIRECTIONAL)
def test_exceptions_that_botocore_knows(service, name):
    model = models.shipped(service).operation_model(name)
    operation = make_operation(model)
    for member, shape in model.get_event_stream_output().members.items():
        if shape.metadata.get("exception"):
            headers = {":message-type": "exception", ":exception-type": member, ":content-type": "application/json"}
            with pytest.raises(ServiceError) as caught:
                operation.parse_output(Message(headers, b'{"message": "why"}'))
            assert type(caught.value).__name__ == shape.name
            assert (caught.value.code, caught.value.message) == (member, "why")
            assert caught.value.status_code == shape.metadata["error"]["httpStatusCode"]
    for shape in model.error_shapes:
        assert operation.errors[shape.error_code].__name__ == shape.name


@pytest.mark.parametrize(("service", "name"), models.BIDIRECTIONAL)
def test_requests_that_botocore_knows_there_and_back(service, name):
    model = models.shipped(service).operation_model(name)
    operation = make_operation(model)
    stream = model.input_shape.event_stream_name
    request = {name: example(shape) for name, shape in model.input_shape.members.items() if name != stream}
    parts = operation.request.write(request)
    received = operation.match(operation.target(parts))
    assert operation.request.read(received._replace(headers=parts.headers)) == request


# The one with every place

REST = make_operation(models.operation_model(models.REST))
RPC = make_operation(models.operation_model(models.RPC))

REQUEST = {
    "id": "a/b c",
    "limit": 3,
    "tags": ["x", "y&z"],
    "since": MOMENT,
    "flag": True,
    "ratio": 0.5,
    "names": ["n", "m"],
    "meta": {"one": "1"},
    "facts": {"a": 1},
}


def test_operation_facts():
    assert (REST.name, REST.service, REST.signing_name) == ("Converse", "Every Trait", "traits")
    assert REST.host("us-east-1") == "streaming.traits.us-east-1.amazonaws.com"
    assert (REST.method, REST.path) == ("POST", "/items/{id}/converse")
    assert (REST.initial_messages, RPC.initial_messages) == (False, True)
    assert set(REST.inputs.kinds) == {"json", "headers", "raw", "text", "nested", "empty"}
    assert (REST.codes.throttled, REST.codes.internal) == ("BusyException", "InternalServerException")
    assert (REST.errors["busy"].retryable, REST.errors["DeniedException"].retryable) == (True, False)
    assert REST.errors["busy"] is REST.errors["BusyException"]


def test_request_in_its_places():
    parts = REST.request.write(REQUEST)
    assert REST.target(parts) == "/items/a%2Fb%20c/converse?max=3&tag=x&tag=y%26z"
    assert dict(parts.headers) == {
        "x-since": "Fri, 02 Jan 2026 03:04:05 GMT",
        "x-flag": "true",
        "x-ratio": "0.5",
        "x-names": "n,m",
        "x-meta-one": "1",
        "x-facts": "eyJhIjogMX0=",
    }
    received = REST.match(REST.target(parts))
    assert REST.request.read(received._replace(headers=[("X-Other", ""), *parts.headers])) == REQUEST


def test_request_without_what_is_optional():
    parts = REST.request.write({"id": "x"})
    assert REST.target(parts) == "/items/x/converse"
    assert REST.request.read(REST.match(REST.target(parts))) == {"id": "x"}


@pytest.mark.parametrize(
    "request_", [{}, {"id": 1}, {"id": "x", "limit": None}, {"id": "x", "limit": "3"}, {"id": "x", "new": 1}]
)
def test_invalid_requests_are_botocores_errors(request_):
    with pytest.raises(ParamValidationError):
        REST.request.write(request_)


def test_requests_that_cannot_be_read():
    parts = Parts(query=[("max", "three")], headers=[("x-flag", "perhaps")])
    with pytest.raises(InvalidRequest) as caught:
        REST.request.read(parts)
    assert caught.value.problems == {
        "id": "missing",
        "limit": "'three' is not an integer",
        "flag": "'perhaps' is not a boolean",
    }


def test_response_in_its_places():
    parts = REST.response.write({"session": "s", "rate": 16000})
    assert parts.headers == [("x-session", "s"), ("x-rate", "16000")]
    assert REST.response.read(parts) == {"session": "s", "rate": 16000}
    assert REST.response.read(Parts(headers=[("X-Session", "s"), ("x-rate", "fast")])) == {"session": "s"}
    with pytest.raises(ParamValidationError):
        REST.response.write({"rate": "fast"})


def test_rpc_request_is_the_first_message():
    parts = RPC.request.write({"id": "x", "since": MOMENT})
    assert parts.headers == [("x-amz-target", "Traits_20260101.Converse")]
    assert dict(parts.initial.headers) == {
        ":message-type": "event",
        ":event-type": "initial-request",
        ":content-type": "application/x-amz-json-1.1",
    }
    assert parts.initial.payload == b'{"id":"x","since":1767323045}'
    assert RPC.request.read(parts) == {"id": "x", "since": MOMENT}
    with pytest.raises(InvalidRequest) as caught:
        RPC.request.read(Parts(initial=Message({}, b"{}")))
    assert caught.value.problems == {"id": "missing"}
    with pytest.raises(InvalidRequest):
        RPC.request.read(Parts(initial=Message({}, b"[")))


def test_values_of_rpc_messages_are_counted():
    """Parsed, they would take a hundred times their bytes."""
    for count, problem in ((32_700, None), (32_800, "its JSON has more than the 65536 values that are allowed")):
        message = Message({}, b'{"id":"x","session":"s","unknown":[%b]}' % b",".join([b"[]"] * count))
        if problem is None:
            assert RPC.request.read(Parts(initial=message)) == {"id": "x"}
            assert RPC.response.read(Parts(initial=message)) == {"session": "s"}
        else:
            with pytest.raises(InvalidRequest) as caught:
                RPC.request.read(Parts(initial=message))
            assert caught.value.problems["initial-request"] == problem
            assert RPC.response.read(Parts(initial=message)) == {}


def test_lone_surrogates_in_an_rpc_request():
    message = initial_request(models.operation_model(models.RPC), b'{"id":"\\ud800"}')
    assert RPC.request.read(Parts(initial=message)) == {"id": "\ud800"}


def test_rpc_response_is_the_first_message():
    parts = RPC.response.write({"session": "s"})
    assert parts.initial.event_type == "initial-response"
    assert RPC.response.read(parts) == {"session": "s"}
    assert RPC.response.read(Parts()) == {}
    assert RPC.response.read(Parts(initial=Message({}, b"["))) == {}


@pytest.mark.parametrize("operation", [REST, RPC], ids=["rest", "rpc"])
def test_sessions_of_both_ends(operation):
    request = {"id": "x"}
    parts = operation.request.write(request)
    sent_headers = [(":authority", "localhost"), *parts.headers]
    headers, seed = sign_request(CREDENTIALS, "us-east-1", "traits", "POST", operation.target(parts), sent_headers)
    signer = EventSigner(CREDENTIALS, "us-east-1", "traits", seed)
    client = ClientSession(operation, request, signer)
    server = ServerSession(operation, CREDENTIALS, max_payload_length=None)
    server.receive_request("POST", operation.target(parts), headers)
    if parts.initial is not None:
        assert list(server.receive(signer.sign(parts.initial.encode()))) == []
        assert list(client.receive(operation.response.write({"session": "s"}).initial.encode())) == []
        assert operation.response.read(Parts(initial=client.initial)) == {"session": "s"}
    assert server.request == request
    sent = [{"raw": {"data": b"\x00"}}, {"json": {"text": "x"}}, {"empty": {}}]
    assert [event for each in sent for event in server.receive(client.send(each))] == sent
    assert list(server.receive(client.end())) == []
    assert server.input_ended
    assert list(client.receive(server.send(sent[0]))) == [sent[0]]
    unknown = Message({":message-type": "event", ":event-type": "later"}, b"")
    assert list(client.receive(unknown.encode())) == []
    with pytest.raises(operation.errors["busy"], match="full"):
        list(client.receive(server.send_exception(operation.make_error("busy", "full"))))


def test_operations_without_an_event_stream_in_the_input():
    assert not has_input_stream(models.operation_model(models.REST, "Plain"))
    with pytest.raises(ValueError, match=r"^Plain streams only its response: eventstream[.]testing"):
        make_operation(models.operation_model(models.REST, "Plain"))


def test_operations_of_another_protocol():
    xml = {**models.REST, "metadata": {**models.METADATA, "protocol": "rest-xml", "protocols": ["rest-xml"]}}
    assert not has_input_stream(models.operation_model(xml))
    with pytest.raises(ValueError, match=r"^\w+ streams both ways, but in rest-xml, not JSON$"):
        make_operation(models.operation_model(xml))


@pytest.mark.parametrize("ours", OPERATIONS, ids=lambda operation: operation.name)
def test_transcribes_operations_are_those_of_the_tables(ours):
    model = ServiceModel(load_service_model(), "transcribe-streaming").operation_model(ours.name)
    made = make_operation(model)
    assert (made.path, made.method, made.signing_name) == (ours.path, ours.method, ours.signing_name)
    assert made.host("eu-west-1") == ours.host("eu-west-1")
    assert set(made.inputs.kinds) == set(ours.inputs.kinds)
    assert set(made.outputs.kinds) == set(ours.outputs.kinds)
    assert {code: kind.status_code for code, kind in made.errors.items()} == {
        code: kind.status_code for code, kind in ours.errors.items()
    }
    assert made.codes == ours.codes


def described(members, protocol=models.REST, **operation):
    """Return the operation of a model whose request has other members."""
    shapes = {**models.SHAPES, "Lists": {"type": "map", "key": {"shape": "String"}, "value": {"shape": "Strings"}}}
    shapes["Other"] = models.structure({**members, "stream": models.member("Stream")}, payload="stream")
    one = {"name": "Converse", "http": {"method": "POST", "requestUri": "/"}, "input": {"shape": "Other"}, **operation}
    return make_operation(models.operation_model({**protocol, "operations": {"Converse": one}, "shapes": shapes}))


@pytest.mark.parametrize(
    ("shape", "value"), [("Names", {"a": "1", "b": "2"}), ("Lists", {"a": ["1", "2"], "b": ["3"]})]
)
def test_request_with_a_map_in_its_query(shape, value):
    members = {
        "limit": models.member("Integer", location="querystring", locationName="max"),
        "others": models.member(shape, location="querystring"),
    }
    operation = described(members)
    for request in ({"limit": 3, "others": value}, {"others": value}, {"limit": 3}, {}):
        parts = operation.request.write(request)
        assert operation.request.read(operation.match(operation.target(parts))) == request


def test_request_member_without_a_place_is_not_sent():
    operation = described({"body": models.member("String")})
    parts = operation.request.write({"body": "x"})
    assert (parts.headers, parts.query, parts.labels) == ([], [], {})


@pytest.mark.parametrize("protocol", [models.REST, models.RPC], ids=["rest", "rpc"])
def test_operation_without_an_output(protocol):
    operation = described({}, protocol)
    assert not operation.outputs.kinds
    assert not operation.exception_types
    parts = operation.response.write({})
    assert (parts.initial.payload if protocol is models.RPC else parts.headers) in (b"{}", [])
    assert operation.response.read(parts) == {}
    assert operation.request.read(operation.request.write({})) == {}
