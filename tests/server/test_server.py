"""A server that listens, from the beginning of its block to the end."""

from __future__ import annotations

import ssl

import pytest
from operations import REQUEST, TALK
from talking import client_of, run, server

from eventstream import ServiceError


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
