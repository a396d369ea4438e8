"""Whether a response is an event stream."""

from __future__ import annotations

import pytest
from operations import CREDENTIALS, REQUEST, TALK
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
