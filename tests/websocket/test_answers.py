"""Plain GETs, which a server of WebSockets answers on the same port, and its refusals."""

from __future__ import annotations

import asyncio
import http.client

import pytest
from cases import each
from http2.loopback import run
from sockets import HANDSHAKE, PLAIN, TELLS_METHODS, answer_to, client_of, echo
from websockets.exceptions import InvalidStatus

from eventstream import websocket
from eventstream.websocket import Answer


def get(port, path="/", method="GET", headers=()):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, headers=dict(headers))
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def test_server_answers_plain_gets(caplog):
    caplog.set_level("INFO")
    seen = []

    def page(path, headers, peer):
        seen.append((path, dict(headers)["x-test"], peer))
        return Answer(200, [("content-type", "text/html"), ("cache-control", "no-store")], b"<p>")

    def broken(path, headers, peer):
        raise ZeroDivisionError

    async def main():
        def refuse(path):
            return None if path.startswith("/socket") else f"There is nothing at {path}."

        routes = {"/": page, "/broken": broken}
        async with websocket.serve(echo, refuse=refuse, routes=routes) as server:
            status, headers, body = await asyncio.to_thread(get, server.port, "/?a=1", headers=[("X-Test", "1")])
            assert (status, body) == (200, b"<p>")
            assert headers["content-type"] == "text/html"
            assert headers["content-length"] == "3"
            assert headers["date"].endswith("GMT")
            status, _, body = await asyncio.to_thread(get, server.port, "/broken")
            assert (status, body) == (500, b"The server failed; see its log.\n")
            status, headers, body = await asyncio.to_thread(get, server.port, "/other")
            assert (status, body) == (404, b"There is nothing at /other.\n")
            status, headers, body = await asyncio.to_thread(get, server.port, "/socket?a=1")
            assert (status, headers["upgrade"]) == (426, "websocket")
            assert b"handshake" in body
            with pytest.raises(InvalidStatus):
                async with client_of(server, "/other"):
                    pass
            async with client_of(server, "/socket?a=1") as client:
                await client.send(b"x")
                assert await client.recv() == b"x"

    run(main())
    assert seen == [("/?a=1", "1", "127.0.0.1")]
    assert "GET '/broken' failed" in caplog.text
    assert "a connection from 127.0.0.1 failed: There is nothing at /other." in caplog.messages


@each("method", ["POST", "HEAD", "DELETE", "get"])
@each("path", ["/", "/socket"])
def test_server_answers_gets_only(path, method):
    """Where the library does not tell the method, it refuses all others itself."""
    asked = []

    async def main():
        def page(*request):
            asked.append(request)
            return Answer(200, [], b"page")

        async with websocket.serve(echo, routes={"/": page}) as server:
            line = f"{method} {path} ".encode()
            head, _, body = (await answer_to(server, line + HANDSHAKE.partition(b"/socket ")[2])).partition(b"\r\n\r\n")
            assert body == (b"" if method == "HEAD" or not TELLS_METHODS else b"Only GET is answered here.\n")
            if TELLS_METHODS:
                assert head.startswith(b"HTTP/1.1 405 ")
                assert b"\r\nallow: GET" in head
            else:
                assert b" 101 " not in head

    run(main())
    assert not asked


def test_failures_of_plain_gets_are_logged_once_a_second(caplog, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("eventstream.http2.listener.time.monotonic", lambda: now[0])

    def broken(path, headers, peer):
        raise ZeroDivisionError

    async def main():
        async with websocket.serve(echo, routes={"/": broken}) as server:
            for after in (0, 0, 0, 1.5):
                now[0] += after
                assert (await answer_to(server, PLAIN)).startswith(b"HTTP/1.1 500 ")

    run(main())
    first, second = caplog.records
    assert (first.levelname, first.getMessage()) == ("ERROR", "GET '/' failed")
    assert first.exc_info[0] is ZeroDivisionError
    assert second.getMessage() == "GET '/' failed (and 2 other faults were not logged)"
