"""A call over HTTP/2 for botocore: its hooks, and everything that can go wrong on the way."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading

import pytest

pytest.importorskip("botocore", reason="botocore is not installed")

import botocore.session
from adapters import models
from adapters.clients import (
    CREDENTIALS,
    EVENT_STREAM,
    INVOKE,
    LIMIT,
    ONE_TRY,
    Address,
    Plain,
    answering,
    assert_conversation,
    begin,
    chunk,
    client_of,
    config,
    once,
    serving,
    session_of,
)
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
    ResponseStreamingError,
    UnsupportedSignatureVersionError,
)
from http2.loopback import server_context

from eventstream import DecodeError, Decoder, IncompleteStream, Message, ServiceError, sync
from eventstream.http2 import NotHTTP2
from eventstream.operation import InvalidEvent

pytestmark = pytest.mark.usefixtures("methods")


# What the service says


def test_refused_with_an_error_of_the_model():
    with serving(faults=["exception:AccessDeniedException@0"]) as server:
        client = once(server)
        with pytest.raises(client.exceptions.AccessDeniedException) as caught:
            begin(client)
    error = caught.value.response["Error"]
    assert (error["Code"], error["Message"]) == ("AccessDeniedException", caught.value.response["message"])
    metadata = caught.value.response["ResponseMetadata"]
    assert metadata["HTTPStatusCode"] == 403
    assert metadata["RequestId"] == metadata["HTTPHeaders"]["x-amzn-requestid"]
    assert caught.value.operation_name == INVOKE


def test_refused_for_a_wrong_signature():
    with serving() as server:
        session = session_of()
        session.set_credentials(CREDENTIALS.access_key, "wrong")
        client = client_of(server, session=session, config=ONE_TRY)
        with pytest.raises(ClientError) as caught:
            begin(client)
    assert caught.value.response["Error"]["Code"] == "InvalidSignatureException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_stream_ends_early():
    with serving(faults=["early-end@2"]) as server, begin(once(server)) as stream:
        stream.send(chunk(b"a"))
        stream.send(chunk(b"b"))
        assert next(stream) == chunk(b"A")
        for _ in range(2):
            with pytest.raises(IncompleteStream):
                next(stream)
        with pytest.raises(IncompleteStream):
            stream.send(chunk(b"c"))


@pytest.mark.parametrize(("fault", "error"), [("reset@1", ResponseStreamingError), ("truncate@1", DecodeError)])
def test_stream_breaks(fault, error):
    with serving(faults=[fault]) as server, begin(once(server)) as stream:
        stream.send(chunk(b"a"))
        for _ in range(2):
            with pytest.raises(error):
                next(stream)


def test_answer_is_no_event_stream():
    async def handler(channel):
        await channel.respond(200, [("content-type", "text/html")])
        await channel.send(b"<html>welcome</html>")
        await channel.end()

    with answering(handler) as server, pytest.raises(ServiceError, match="text/html: '<html>welcome</html>'"):
        begin(client_of(server))


def test_answer_only_says_that_it_is_an_event_stream():
    async def handler(channel):
        await channel.respond(200, [EVENT_STREAM])
        await channel.send(b'{"message": "no"}')
        await channel.end()

    with answering(handler) as server, begin(once(server)) as stream, pytest.raises(DecodeError):
        next(stream)


def test_error_that_is_no_json():
    async def handler(channel):
        await channel.respond(502, [("content-type", "text/html")])
        await channel.send(b"<html>bad gateway</html>")
        await channel.end()

    with answering(handler) as server, pytest.raises(ClientError) as caught:
        begin(once(server))
    assert caught.value.response["Error"]["Code"] == "502"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        *(
            (b"<html>caf\xe9</html>", "Service Unavailable"),
            (b"[" * 10_000 + b"]" * 10_000, ""),
            (b"[]", ""),
            (b"null", ""),
        ),
        *((b'{"__type": 5, "message": "no"}', "no"), (b'{"code": {}, "message": "no"}', "no")),
    ],
    ids=["Latin-1", "deep", "list", "null", "number as a code", "object as a code"],
)
def test_error_that_is_no_json_of_an_error(body, message):
    async def handler(channel):
        requests.append(channel.path)
        await channel.respond(503, [("content-type", "application/json")])
        await channel.send(body)
        await channel.end()

    requests = []
    with answering(handler) as server, pytest.raises(ClientError) as caught:
        begin(client_of(server, config=Config(retries={"total_max_attempts": 2})))
    assert caught.value.response["Error"] == {"Code": "503", "Message": message}
    assert len(requests) == 2


def test_error_of_the_model_in_another_shape():
    async def handler(channel):
        await channel.respond(424, [("x-amzn-errortype", "ModelStreamErrorException")])
        await channel.send(b'{"message": "no", "originalStatusCode": "none"}')
        await channel.end()

    with answering(handler) as server:
        client = once(server)
        with pytest.raises(client.exceptions.ModelStreamErrorException) as caught:
            begin(client)
    assert caught.value.response["Error"] == {"Code": "ModelStreamErrorException", "Message": "no"}


def test_missing_parameter_reaches_nobody():
    with serving() as server, pytest.raises(ParamValidationError, match="modelId"):
        client_of(server).invoke_model_with_bidirectional_stream()
    assert (server.statistics.refused, server.statistics.streams) == (0, 0)


# The way there


def test_connection_refused(closed_port):
    with pytest.raises(EndpointConnectionError, match="localhost"):
        begin(once(Address(closed_port)))


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"220 mail.example\r\n"])
def test_endpoint_without_http2(answer):
    with sync.serving(Plain(answer).listening()) as server, pytest.raises(NotHTTP2):
        begin(client_of(server))


def test_tls_endpoint_without_http2(certificate):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    with sync.serving(Plain(b"", context).listening()) as server, pytest.raises(NotHTTP2):
        begin(client_of(server, verify=certificate))


def test_endpoint_hangs_up():
    with sync.serving(Plain(b"").listening()) as server, pytest.raises(EndpointConnectionError):
        begin(once(server))


def test_request_is_reset():
    async def handler(channel):
        await channel.reset()

    with answering(handler) as server, pytest.raises(ConnectionClosedError):
        begin(once(server))


def test_response_timeout():
    async def handler(channel):
        await asyncio.sleep(LIMIT)

    with answering(handler) as server, pytest.raises(ReadTimeoutError, match="localhost"):
        begin(once(server, read_timeout=0.2))


def test_connect_timeout():
    silent = socket.create_server(("127.0.0.1", 0))
    with silent, pytest.raises(ConnectTimeoutError, match="localhost"):
        begin(once(Address(silent.getsockname()[1]), connect_timeout=0.2))


@pytest.mark.waits
def test_service_falls_silent():
    with serving() as server, begin(once(server, read_timeout=1.5)) as stream, pytest.raises(ReadTimeoutError):
        next(stream)


# Configuration


@pytest.mark.waits
def test_retries_are_those_of_the_config():
    for mode in ("legacy", "standard"):
        with serving(faults=["exception:ThrottlingException@0*1"]) as server:
            client = client_of(server, config=Config(retries={"total_max_attempts": 2, "mode": mode}))
            with begin(client) as stream:
                assert stream["ResponseMetadata"]["RetryAttempts"] == 1
        with serving(faults=["exception:ThrottlingException@0"]) as server:
            client = client_of(server, config=Config(retries={"total_max_attempts": 2, "mode": mode}))
            with pytest.raises(client.exceptions.ThrottlingException) as caught:
                begin(client)
            assert caught.value.response["ResponseMetadata"]["RetryAttempts"] == 1
            assert server.statistics.refused == 2


class Recording:
    """A handler that keeps what it is sent, and answers with an empty event stream."""

    def __init__(self):
        self.headers, self.path, self.body = {}, "", b""
        self.done = threading.Event()

    async def __call__(self, channel):
        self.headers, self.path = dict(channel.headers), channel.path
        await channel.respond(200, [EVENT_STREAM])
        async for data in channel:
            self.body += data
        await channel.end()
        self.done.set()


def test_headers_of_a_request():
    recording = Recording()
    mine = Config(user_agent_extra="mine/1.0")
    with answering(recording) as server, begin(client_of(server, config=mine)) as stream:
        stream.end()
        assert list(stream) == []
    assert recording.path == "/model/amazon.nova-sonic-v1%3A0/invoke-with-bidirectional-stream"
    assert recording.headers["content-type"] == "application/vnd.amazon.eventstream"
    assert recording.headers["x-amz-content-sha256"] == "STREAMING-AWS4-HMAC-SHA256-EVENTS"
    assert recording.headers["user-agent"].endswith("mine/1.0")
    assert "content-length" not in recording.headers
    assert "host" not in recording.headers


def test_bearer_token_leaves_events_unsigned(certificate, monkeypatch):
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "token")
    recording = Recording()
    with answering(recording, ssl=server_context(certificate)) as server:
        session = botocore.session.Session()
        with begin(client_of(server, session=session, verify=certificate)) as stream:
            stream.send(chunk(b"a"))
            stream.end()
            assert list(stream) == []
        assert recording.done.wait(LIMIT)
    assert recording.headers["authorization"] == "Bearer token"
    [message] = Decoder().feed(recording.body)
    assert (message.event_type, bytes(message.payload)) == ("chunk", b'{"bytes":"YQ=="}')


def test_unsigned_requests():
    recording = Recording()
    with answering(recording) as server:
        with begin(once(server, signature_version=UNSIGNED)) as stream:
            stream.send(chunk(b"a"))
            stream.end()
            assert list(stream) == []
        assert recording.done.wait(LIMIT)
    assert "authorization" not in recording.headers
    assert [message.event_type for message in Decoder().feed(recording.body)] == ["chunk"]


def test_credentials_that_are_missing(monkeypatch):
    session = botocore.session.Session()
    session.register_component("credential_provider", type("None_", (), {"load_credentials": lambda self: None})())
    with serving() as server, pytest.raises(NoCredentialsError):
        begin(client_of(server, session=session))


def test_signatures_of_another_kind():
    session = session_of()

    def sign(request, **_):
        request.headers["Authorization"] = "AWS4-ECDSA-P256-SHA256 Credential=x"

    with serving() as server:
        client = client_of(server, session=session, config=config(signature_version=UNSIGNED))
        client.meta.events.register("before-sign", sign)
        with pytest.raises(UnsupportedSignatureVersionError):
            begin(client)


def test_credentials_that_change_while_a_request_is_signed():
    with serving() as server:
        client = client_of(server)
        changed = []

        def change(request, **_):
            if not changed:
                changed.append(True)
                text = request.headers["Authorization"]
                del request.headers["Authorization"]
                request.headers["Authorization"] = text.replace("AKIDEXAMPLE", "AKIDOTHER")

        client.meta.events.register_last("request-created", change)
        with begin(client) as stream:
            assert stream["ResponseMetadata"]["RetryAttempts"] == 1


# Hooks


def test_hooks_are_called_in_their_order():
    called = []
    with serving() as server:
        client = client_of(server)
        for name in (
            "provide-client-params",
            "before-parameter-build",
            "before-call",
            "request-created",
            "choose-signer",
            "before-sign",
            "before-send",
            "response-received",
            "needs-retry",
            "after-call",
        ):
            client.meta.events.register(name, lambda event_name, **_: called.append(event_name.partition(".")[0]))
        assert_conversation(client)
    assert called == [
        "provide-client-params",
        "before-parameter-build",
        "before-call",
        "choose-signer",
        "before-sign",
        "request-created",
        "before-send",
        "response-received",
        "needs-retry",
        "after-call",
    ]


def test_hooks_change_what_is_sent():
    recording = Recording()
    with answering(recording) as server:
        client = client_of(server)

        def rename(params, **_):
            params["modelId"] = "other"

        def add_header(params, **_):
            params["headers"]["X-Mine"] = "1"

        client.meta.events.register("before-parameter-build", rename)
        client.meta.events.register("before-call", add_header)
        with begin(client) as stream:
            stream.end()
            assert list(stream) == []
    assert recording.path.startswith("/model/other/")
    assert recording.headers["x-mine"] == "1"
    assert "x-mine" in recording.headers["authorization"]


@pytest.fixture
def rpc_session(tmp_path):
    folder = tmp_path / "every-trait-rpc" / "2026-01-01"
    folder.mkdir(parents=True)
    (folder / "service-2.json").write_text(json.dumps(models.RPC), "utf-8")
    return session_of(data_path=str(tmp_path))


@pytest.mark.parametrize("first", ["exception", "event", "nothing", "reset"])
def test_rpc_without_an_initial_response(rpc_session, first):
    messages = {
        "exception": Message(
            {":message-type": "exception", ":exception-type": "busy"}, b'{"message": "full"}'
        ).encode(),
        "event": Message({":message-type": "event", ":event-type": "empty"}, b"{}").encode(),
        "nothing": b"",
    }

    async def handler(channel):
        await channel.respond(200, [EVENT_STREAM])
        if first == "reset":
            await channel.reset()
            return
        await channel.send(messages[first])
        await channel.end()

    with answering(handler) as server:
        client = client_of(server, "every-trait-rpc", session=rpc_session, config=ONE_TRY)
        expected = {
            "exception": client.exceptions.BusyException,
            "event": botocore.parsers.ResponseParserError,
            "nothing": IncompleteStream,
            "reset": ResponseStreamingError,
        }[first]
        with pytest.raises(expected):
            client.converse(id="x")


@pytest.mark.parametrize("payload", [b"[]", b"\xe9", b"[" * 10_000, b"{" + b"," * 70_000], ids=lambda each: each[:4])
def test_rpc_with_an_initial_response_that_is_none(rpc_session, payload):
    async def handler(channel):
        await channel.respond(200, [EVENT_STREAM])
        await channel.send(Message({":message-type": "event", ":event-type": "initial-response"}, payload).encode())
        await channel.receive()

    with answering(handler) as server:
        client = client_of(server, "every-trait-rpc", session=rpc_session, config=ONE_TRY)
        with pytest.raises(InvalidEvent, match="event 'initial-response': "):
            client.converse(id="x")
