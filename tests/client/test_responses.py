"""Whether a response is an event stream."""

from __future__ import annotations

import asyncio

import pytest
from operations import CREDENTIALS, REQUEST, TALK, ThrottlingException
from talking import run

from eventstream import ServiceError, http2
from eventstream.client import Client


@pytest.mark.parametrize(
    ("headers", "body", "text"),
    [
        ([("content-type", "text/html")], b"<!DOCTYPE html>", "the server answered text/html: '<!DOCTYPE html>'"),
        ([("content-encoding", "gzip")], b"\x1f\x8b", "the server answered a body in gzip: "),
        ([("content-type", "application/json")], b'{"message": "x"}', "the server answered application/json: "),
        ([("content-type", "text/\x1b[2J")], b"x", r"the server answered text/\x1b[2J: 'x'"),
        ([("content-type", "text/" + 100 * "x")], b"x", "the server answered text/" + 56 * "x" + "...: 'x'"),
        (
            [("content-type", "text/plain"), ("content-encoding", "\x1b[2J" + 100 * "x")],
            b"x",
            r"the server answered text/plain in \x1b[2J" + 57 * "x" + "...: 'x'",
        ),
    ],
)
def test_response_that_is_no_event_stream(headers, body, text):
    async def page(stream):
        await stream.respond(200, headers)
        await stream.send(body)
        await stream.end()

    async def main():
        async with http2.serve(page) as serving:
            client = Client("us-east-1", endpoint=f"http://127.0.0.1:{serving.port}", credentials=CREDENTIALS)
            with pytest.raises(ServiceError) as raised:
                async with client.open(TALK, REQUEST):
                    pass
            assert str(raised.value).startswith(text)
            assert raised.value.payload == body

    run(main)


@pytest.mark.parametrize("length", [100, 2_000_000])
def test_response_that_refuses_a_websocket_and_is_cut(length):
    """Its headers name the exception, and what has come of its body is kept."""

    async def main():
        async def refuse(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 429 Slow Down\r\nx-amzn-ErrorType: ThrottlingException\r\n")
            writer.write(b"x-amzn-RequestId: 1-2\r\n")
            writer.write(b"content-length: %d\r\n\r\nnot so f" % length)
            writer.close()

        async with await asyncio.start_server(refuse, "127.0.0.1", 0) as serving:
            endpoint = f"ws://127.0.0.1:{serving.sockets[0].getsockname()[1]}"
            client = Client("us-east-1", endpoint=endpoint, credentials=CREDENTIALS, transport="websocket")
            with pytest.raises(ThrottlingException) as raised:
                async with client.open(TALK, REQUEST, retries=0):
                    pass
            error = raised.value
            assert (error.status_code, error.request_id, error.payload) == (429, "1-2", b"not so f")

    run(main)
