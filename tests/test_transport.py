"""The seam between a client and what carries its bytes: endpoints, and the transport for HTTP/2."""

from __future__ import annotations

import ssl
from dataclasses import replace

import pytest
from cases import each
from operations import CREDENTIALS, REQUEST, TALK, Answer, Text
from talking import run, shout, talk
from test_proxy import TunnelProxy, listening

from eventstream.client import Client, ConfigurationError
from eventstream.exceptions import IncompleteStream, ServiceError
from eventstream.operation import Parts
from eventstream.server import Server
from eventstream.transport import Endpoint, Opened, over_http2, websocket_url


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("https://example.com", ("https", "example.com", "example.com", 443)),
        ("http://example.com:80/", ("http", "example.com", "example.com", 80)),
        ("https://[::1]:8443", ("https", "[::1]:8443", "::1", 8443)),
        ("wss://example.com:8443", ("https", "example.com:8443", "example.com", 8443)),
        ("ws://example.com", ("http", "example.com", "example.com", 80)),
        ("http://m\xfcnchen:1", ("http", "xn--mnchen-3ya:1", "xn--mnchen-3ya", 1)),
    ],
)
def test_endpoint_of_a_url(url, parts):
    assert Endpoint.parse(url) == parts


@each(
    "url",
    [
        "localhost",
        "ftp://x",
        "http://",
        "http://x:y",
        "http://x/path",
        "http://a@b",
        "http://x?a",
        "http://x/#a",
        "http://x:0",
        "http://x..y",
        "http://a b",
        "http://a\x1b[2Jb",
        "http://a\0b",
        f"http://{'x' * 64}.example",
    ],
)
def test_endpoint_that_is_none(url):
    with pytest.raises(ValueError, match="the endpoint"):
        Endpoint.parse(url)


@each("url", ["https://user:secret@host", "https://user:secret@host:port", "user:secret@host"])
def test_endpoint_with_a_password_is_refused_without_showing_it(url):
    with pytest.raises(ValueError, match=r"the endpoint '\.\.\.@host") as raised:
        Endpoint.parse(url)
    assert "secret" not in str(raised.value)


def test_tls_with_a_server_that_speaks_plaintext_says_so():
    async def main():
        async with Server({TALK: shout}, credentials=[CREDENTIALS]) as server:
            endpoint = server.endpoint.replace("http:", "https:")
            client = Client("us-east-1", endpoint=endpoint, credentials=CREDENTIALS)
            with pytest.raises(ssl.SSLError, match="; it speaks plaintext: give an endpoint with http or ws"):
                async with client.open(TALK, REQUEST):
                    pytest.fail("the stream was opened")

    run(main)


def test_transport_of_ones_own():
    """It gets all that it needs to open the exchange, and says how events are signed."""
    calls = []

    def counted(call):
        calls.append(call)
        return over_http2(call)

    async def main():
        async with Server({TALK: shout}, credentials=[CREDENTIALS]) as server:
            client = Client("us-east-1", endpoint=server.endpoint, credentials=CREDENTIALS, transport=counted)
            async with client.open(TALK, REQUEST) as stream:
                await stream.end()
                assert [event async for event in stream] == []

    run(main)
    [call] = calls
    assert (call.operation, call.region, call.credentials) == (TALK, "us-east-1", CREDENTIALS)
    assert call.parts.labels == {"bot": "b"}
    assert call.endpoint.scheme == "http"


def test_transport_in_memory_without_signatures():
    """A channel needs no network: the client asks it for bytes, and gives it bytes."""
    answer = TALK.outputs.serialise(Answer("hello")).encode()

    class Channel:
        peer_ended = readable = False

        def __init__(self):
            self.sent = []
            self.left = [answer]

        async def response(self, timeout=None):
            return type("Response", (), {"status": 200, "headers": [("x-talk-session", "s")]})

        async def send(self, data, *, timeout=None):
            self.sent.append(data)

        async def end(self):
            pass

        async def receive(self, timeout=None):
            return self.left.pop() if self.left else b""

        async def reset(self):
            pass

    class Opening:
        async def __aenter__(self):
            return Opened(channel, None)

        async def __aexit__(self, *_):
            pass

    async def main():
        client = Client("us-east-1", credentials=CREDENTIALS, transport=lambda call: Opening())
        async with client.open(TALK, REQUEST) as stream:
            assert stream.response == {"session": "s"}
            await stream.end()
            assert [event async for event in stream] == ["hello"]

    channel = Channel()
    run(main)
    assert len(channel.sent) == 1


def test_transport_that_is_none():
    with pytest.raises(ConfigurationError, match="unknown transport 'carrier pigeon'"):
        Client("us-east-1", credentials=CREDENTIALS, transport="carrier pigeon")


# Over a WebSocket


def socket_client(server, **options):
    options = {"endpoint": server.websocket_endpoint, "credentials": CREDENTIALS, **options}
    return Client("us-east-1", transport="websocket", **options)


def served(handler=shout, **options):
    return Server({TALK: handler}, credentials=[CREDENTIALS], websocket_port=0, **options)


def test_websocket_exchanges_events():
    async def main():
        async with served() as server:
            assert await talk(socket_client(server)) == ["HELLO (en)", "AGAIN (en)"]
            assert (server.statistics.streams, server.statistics.failed, server.statistics.signatures) == (1, 0, 1)

    run(main)


def test_websocket_ends_early_or_with_an_error():
    """A stream that was cut never looks like one that ended."""

    async def fail(request, events):
        yield Answer("one")
        raise ServiceError("ThrottlingException", "not now")

    async def leave(request, events):
        yield Answer("one")

    async def main():
        for handler, error in ((fail, ServiceError), (leave, IncompleteStream)):
            async with served(handler) as server, socket_client(server).open(TALK, REQUEST) as stream:
                assert await anext(stream) == "one"
                with pytest.raises(error):
                    await anext(stream)
                with pytest.raises(error):
                    await stream.send(Text("more"))
        async with served(faults=["truncate@1"]) as server, socket_client(server).open(TALK, REQUEST) as stream:
            await stream.send(Text("hello"))
            with pytest.raises((IncompleteStream, EOFError, ValueError)):
                await anext(stream)
        async with served(faults=["reset@1"]) as server, socket_client(server).open(TALK, REQUEST) as stream:
            await stream.send(Text("hello"))
            with pytest.raises(OSError, match="the connection was lost"):
                await anext(stream)

    run(main)


def test_websocket_that_is_refused():
    async def main():
        async with served() as server:
            wrong = replace(CREDENTIALS, secret_key="another")
            async with socket_client(server, credentials=wrong).open(TALK, REQUEST) as stream:
                with pytest.raises(ServiceError, match="its signature does not match") as raised:
                    await anext(stream)
                assert raised.value.code == "InvalidSignatureException"
            other = replace(TALK, websocket_path="/other")
            with pytest.raises(ServiceError, match="No WebSocket is served at '/other'") as raised:
                async with socket_client(server).open(other, REQUEST):
                    pytest.fail("it was opened")
            assert raised.value.status_code == 404
            with pytest.raises(ValueError, match="Talk has no WebSocket"):
                async with socket_client(server).open(replace(TALK, websocket_path=None), REQUEST):
                    pytest.fail("it was opened")

    run(main)


def test_websocket_over_what_is_not_one():
    async def main():
        async with served() as server:
            with pytest.raises(OSError, match=r"the server does not speak HTTP/1[.]1"):
                async with socket_client(server, endpoint=server.endpoint).open(TALK, REQUEST):
                    pytest.fail("it was opened")
        with pytest.raises(OSError, match=r"127.0.0.1:\d+"):
            async with socket_client(server).open(TALK, REQUEST, retries=1):
                pytest.fail("it was opened")

    run(main)


def test_websocket_through_a_proxy():
    async def main():
        proxy = TunnelProxy()
        async with served() as server, listening(proxy) as port:
            client = socket_client(server, proxy=f"http://user:pass@127.0.0.1:{port}")
            assert await talk(client) == ["HELLO (en)", "AGAIN (en)"]
            assert proxy.requests[0].startswith(f"CONNECT {server.websocket_endpoint[5:]} ")

    run(main)


def test_websocket_url_at_the_service():
    parts = Parts(headers=[("x-talk-language", "en US")])
    talk = replace(TALK, websocket_port=8443, max_expires=300)
    for url, begin, port in (
        (
            "https://talk.us-east-1.amazonaws.com",
            "wss://talk.us-east-1.amazonaws.com:8443/talk-websocket?language=en%20",
            8443,
        ),
        ("https://talk.us-east-1.amazonaws.com:444", "wss://talk.us-east-1.amazonaws.com:444/talk", 444),
        ("https://example.com", "wss://example.com/talk", 443),
        ("http://[::1]:8000", "ws://[::1]:8000/talk", 8000),
    ):
        made, found = websocket_url(talk, parts, Endpoint.parse(url), "us-east-1", CREDENTIALS, 300)
        assert made.startswith(begin)
        assert found == port
    for expires in (0, 301):
        with pytest.raises(ValueError, match=f"1 to 300 seconds, not {expires}"):
            websocket_url(talk, parts, Endpoint.parse("https://example.com"), "us-east-1", CREDENTIALS, expires)
    for expires in (60.0, "60", None):
        text = f"^expires must be whole seconds, an int, not {type(expires).__name__}$"
        with pytest.raises(TypeError, match=text):
            websocket_url(talk, parts, Endpoint.parse("https://example.com"), "us-east-1", CREDENTIALS, expires)
