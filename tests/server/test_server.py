"""A server that listens, from the beginning of its block to the end."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from uuid import UUID

import pytest
from operations import REQUEST, TALK
from talking import client_of, run, server, shout

from eventstream import ServiceError, http2
from eventstream.exceptions import StateError
from eventstream.server import Server


def test_leaving_the_block_ends_streams_with_an_exception():
    async def main():
        async with server() as serving:
            context = client_of(serving).open(TALK, REQUEST)
            stream = await context.__aenter__()
        with pytest.raises(ServiceError, match="The server is shutting down"):
            await anext(stream)
        await context.__aexit__(None, None, None)

    run(main)


def test_server_with_tls_needs_a_context_for_each_port():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for options in ({"ssl": context}, {"websocket_ssl": context}):
        with pytest.raises(ValueError, match="both ports need a context: ssl and websocket_ssl"):
            server(websocket_port=0, **options)
    assert server(ssl=context).websocket_endpoint is None
    assert server(websocket_port=8443, websocket_ssl=context, ssl=context).websocket_endpoint == "wss://127.0.0.1:8443"


def test_port_for_websockets_without_an_operation_for_them():
    talk = replace(TALK, path="/other/{bot}", websocket_path=None)
    with pytest.raises(ValueError, match=r"^the port for WebSockets needs an operation with a websocket_path$"):
        Server({talk: shout}, credentials=None, websocket_port=0)
    Server({talk: shout, TALK: shout}, credentials=None, websocket_port=0)


def test_server_serves_once():
    async def main():
        serving = server()
        async with serving:
            with pytest.raises(StateError, match="has been entered before, and it serves once: make another one"):
                await serving.__aenter__()
            async with client_of(serving).open(TALK, REQUEST):
                pass
        with pytest.raises(StateError, match="it serves once"):
            await serving.__aenter__()

    run(main)


def test_responses_without_a_handler_have_the_request_id():
    """Too many headers, and a path without a WebSocket."""

    async def main():
        async with server(websocket_port=0) as serving:
            port = int(serving.endpoint.rpartition(":")[2])
            async with http2.connect("127.0.0.1", port) as connection:
                fields = {":method": "POST", ":scheme": "http", ":authority": "localhost", ":path": "/"}
                stream = await connection.request([*fields.items(), *[("x-large", "v" * 14_000)] * 5])
                refused = await stream.response()
            assert refused.status == 431
            port = int(serving.websocket_endpoint.rpartition(":")[2])
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n")
            head = (await reader.read()).partition(b"\r\n\r\n")[0].decode()
            writer.close()
            status, *lines = head.split("\r\n")
            assert status.startswith("HTTP/1.1 404 ")
            for fields in (dict(refused.headers), dict(line.split(": ", 1) for line in lines)):
                assert UUID(fields["x-amzn-requestid"]).version == 4
                assert fields["x-amzn-request-id"] == fields["x-amzn-requestid"]
                assert "date" in fields

    run(main)


def test_server_that_could_not_listen_may_try_again(monkeypatch):
    def taken(*_, **__):
        raise OSError("the port is taken")

    async def main():
        serving = server()
        with monkeypatch.context() as patched:
            patched.setattr("eventstream.server.server.serve", taken)
            with pytest.raises(OSError, match="the port is taken"):
                await serving.__aenter__()
        async with serving, client_of(serving).open(TALK, REQUEST):
            pass

    run(main)


@pytest.mark.parametrize("name", ["endpoint", "websocket_endpoint"])
def test_address_is_not_known_before_the_block(name):
    with pytest.raises(StateError, match=r"^the block of the server \(`async with`\) has not been entered"):
        getattr(server(websocket_port=0), name)
    assert server(port=8443).endpoint == "http://127.0.0.1:8443"
