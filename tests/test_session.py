"""Sessions of any operation: both ends talk in memory, also with parameters in messages."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from operations import CREDENTIALS, REQUEST, TALK, Answer, Text

from eventstream import Message, ServiceError, decode
from eventstream.exceptions import IncompleteStream, StateError
from eventstream.operation import Completion, InvalidEvent, InvalidRequest, Parts
from eventstream.session import ClientSession, ServerSession
from eventstream.signing import EventSigner, presign_url, sign_request


def opened(operation=TALK, request=REQUEST, **options):
    parts = operation.request.write(request)
    target = operation.target(parts)
    scope = CREDENTIALS, "us-east-1", operation.signing_name
    headers, seed = sign_request(*scope, operation.method, target, [("host", "localhost"), *parts.headers])
    client = ClientSession(operation, request, EventSigner(*scope, seed), **options)
    server = ServerSession(operation, CREDENTIALS, max_payload_length=None)
    assert server.receive_request(operation.method, target, headers) == (
        None if operation.initial_messages else request
    )
    return client, server


def test_ends_talk_to_each_other():
    client, server = opened()
    assert list(server.receive(client.send(Text("hello")))) == ["hello"]
    assert list(client.receive(server.send(Answer("HELLO")))) == ["HELLO"]
    assert (client.finished, server.input_ended) == (False, False)
    assert list(server.receive(client.end())) == []
    assert (client.finished, server.input_ended) == (True, True)
    server.receive_eof()
    assert not client.ended
    client.receive_eof()
    assert client.ended


def websocket_opened(method="GET", path=None):
    parts = TALK.request.write(REQUEST)
    url = presign_url(CREDENTIALS, "us-east-1", "talk", "GET", "wss://localhost" + TALK.websocket_target(parts))
    server = ServerSession(TALK, CREDENTIALS, max_payload_length=None, websocket=True)
    request = server.receive_request(method, path or url.removeprefix("wss://localhost"), [("host", "localhost")])
    return ClientSession(TALK, REQUEST), server, request


def test_websocket_has_its_parameters_in_the_query():
    client, server, request = websocket_opened()
    assert request == REQUEST
    assert list(server.receive(client.send(Text("hello")))) == ["hello"]
    assert server.unsigned
    assert list(client.receive(server.send(Answer("HELLO")))) == ["HELLO"]
    assert list(server.receive(client.end())) == []
    assert server.input_ended


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"method": "POST"}, r"method: 'POST' \(allowed: GET\)"),
        ({"path": "/bots/b/talk"}, r"path: '/bots/b/talk' \(allowed: /talk-websocket\)"),
    ],
)
def test_websocket_of_another_path_or_method(options, text):
    with pytest.raises(InvalidRequest, match=text):
        websocket_opened(**options)


def test_events_the_operation_refuses_are_not_sent():
    def check(request):
        def check_text(text):
            if len(text) > 5:
                raise ValueError("it is too long")

        assert request == REQUEST
        return check_text

    strict = replace(TALK, check=check)
    client, server = opened(strict)
    with pytest.raises(ValueError, match="it is too long"):
        client.send(Text("too long"))
    assert list(server.receive(client.send(Text("short")))) == ["short"]
    lenient, server = opened()
    server._check = check(REQUEST)
    with pytest.raises(ServiceError) as raised:
        list(server.receive(lenient.send(Text("too long"))))
    assert (raised.value.code, raised.value.message) == ("ValidationException", "it is too long")
    told = decode(server.send_exception(raised.value))
    assert told.exception_type == "ValidationException"


def test_errors_in_the_stream_are_told_as_the_operation_says():
    _, server = opened(replace(TALK, exception_types={"Known": "known"}))
    told = decode(server.send_exception(ServiceError("Unknown", "why")))
    assert (told.message_type, told.error_code, told.error_message) == ("error", "Unknown", "why")


def test_unknown_events_are_skipped_or_messages():
    unknown = Message({":message-type": "event", ":event-type": "Weather"}, b"sunny")
    client, _ = opened()
    assert list(client.receive(unknown.encode())) == []
    client, _ = opened(unknown_events=True)
    assert list(client.receive(unknown.encode())) == [unknown]


def test_complete_by_the_last_event():
    operation = replace(TALK, complete=Completion(after_input=False, last=frozenset({"Answer"})))
    client, server = opened(operation)
    with pytest.raises(IncompleteStream):
        opened(operation)[0].receive_eof()
    assert list(client.receive(server.send(Answer("so")))) == ["so"]
    client.receive_eof()


def test_request_of_another_operation_is_refused():
    server = ServerSession(TALK, None, max_payload_length=None)
    with pytest.raises(InvalidRequest) as raised:
        server.receive_request("GET", "/other", [])
    assert raised.value.problems == {
        "method": "'GET' (allowed: POST)",
        "path": "'/other' (allowed: /bots/{bot}/talk)",
    }
    with pytest.raises(StateError, match="the request comes first"):
        server.receive(b"")


class InMessages:
    """Parameters that travel in the initial messages."""

    def write(self, value):
        headers = {":message-type": "event", ":event-type": "initial-request"}
        return Parts(initial=Message(headers, json.dumps(value).encode()))

    def read(self, parts):
        return {} if parts.initial is None else json.loads(bytes(parts.initial.payload))


RPC = replace(TALK, path="/", request=InMessages(), response=InMessages(), initial_messages=True)


def test_parameters_in_initial_messages():
    client, server = opened(RPC)
    initial = RPC.request.write(REQUEST).initial
    assert server.request is None
    assert list(server.receive(client._exchange.send(initial) + client.send(Text("hello")))) == ["hello"]
    assert server.request == REQUEST
    response = Message({":message-type": "event", ":event-type": "initial-response"}, b'{"session": "s"}')
    assert client.initial is None
    assert list(client.receive(response.encode())) == []
    assert client.initial == response


def test_event_before_the_initial_request_is_refused():
    client, server = opened(RPC)
    with pytest.raises(InvalidEvent, match="an initial-request must come first"):
        list(server.receive(client.send(Text("hello"))))


def test_error_from_elsewhere_ends_the_session():
    client, _ = opened()
    client.check()
    client.fail(OSError("lost"))
    for call in (client.check, client.end, client.check_sending, lambda: client.send(Text("x"))):
        with pytest.raises(OSError, match="lost"):
            call()
