"""A client that is only as good as a test wants it to be: fixtures for tests against an emulator."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import pytest

from eventstream import http2
from eventstream.signing import EventSigner, sign_request
from eventstream.transcribe import ClientSession, StartStreamTranscriptionRequest, TranscribeError
from eventstream.transcribe.emulator import DOCUMENTATION_CREDENTIALS
from eventstream.transcribe.session import METHOD, PATH, SERVICE

REGION = "us-east-1"
PCM = {"language_code": "en-US", "media_sample_rate_hertz": 16000, "media_encoding": "pcm"}
CHUNK = bytes(3200)


class Stream:
    """A stream to an emulator: the session's bytes, or any others."""

    def __init__(self, connection, stream, session):
        self.connection = connection
        self.stream = stream
        self.session = session
        self.events = []

    async def audio(self, *chunks):
        for chunk in chunks:
            await self.stream.send(self.session.send_audio(chunk))

    async def end(self):
        await self.stream.send(self.session.end_audio())
        await self.stream.end()

    async def receive(self, count):
        """Events until there are so many; those that came with them too."""
        while len(self.events) < count:
            data = await self.stream.receive()
            assert data, f"the stream ended after {len(self.events)} of {count} events"
            self.events.extend(self.session.receive(data))
        return self.events

    async def receive_all(self):
        """All events up to the end of the stream."""
        async for data in self.stream:
            self.events.extend(self.session.receive(data))
        self.session.receive_eof()
        return self.events

    async def receive_error(self):
        """Return the exception that ends the stream."""
        with pytest.raises(TranscribeError) as raised:
            await self.receive_all()
        assert not await self.stream.receive()
        return raised.value


class Client:
    """Opens streams to an emulator, each on a connection of its own; a context manager."""

    def __init__(self, emulator, ssl=None):
        self.address = urlsplit(emulator.endpoint)
        self.ssl = ssl
        self.stack = AsyncExitStack()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exc_info):
        await self.stack.aclose()

    async def connect(self):
        address = self.address
        return await self.stack.enter_async_context(http2.connect(address.hostname, address.port, ssl=self.ssl))

    def signed(self, headers, path=PATH, method=METHOD, credentials=DOCUMENTATION_CREDENTIALS):
        """Return the request's fields, and the seed of its events' signatures; without credentials it has none."""
        address = self.address
        fields = [(":method", method), (":scheme", address.scheme), (":authority", address.netloc), (":path", path)]
        if credentials is None:
            return [*fields, *headers], None
        return sign_request(credentials, REGION, SERVICE, method, path, [*fields, *headers])

    async def send(self, headers, **options):
        """Send a request with any headers."""
        fields, seed = self.signed(headers, **options)
        connection = await self.connect()
        return connection, await connection.request(fields), seed

    async def open(self, *, credentials=DOCUMENTATION_CREDENTIALS, extra=(), path=PATH, **parameters):
        """Return a stream that was accepted."""
        request = StartStreamTranscriptionRequest(**{**PCM, **parameters})
        connection, stream, seed = await self.send([*request.to_headers(), *extra], credentials=credentials, path=path)
        response = await stream.response()
        assert response.status == 200, response
        signer = None if seed is None else EventSigner(credentials, REGION, SERVICE, seed)
        opened = Stream(connection, stream, ClientSession(request, signer))
        opened.headers = dict(response.headers)
        return opened

    async def refused(self, headers=None, **options):
        """Return the error with which a request is refused."""
        if headers is None:
            headers = StartStreamTranscriptionRequest(**PCM).to_headers()
        _, stream, _ = await self.send(headers, **options)
        response = await stream.response()
        assert response.status != 200
        body = b"".join([data async for data in stream])
        error = TranscribeError.from_response(*response, body)
        assert error.request_id
        return error


@pytest.fixture
def run():
    """Run a coroutine function, at most half a minute."""
    return lambda main: asyncio.run(asyncio.wait_for(main(), 30))


@pytest.fixture
def client():
    """`Client`, of an emulator."""
    return Client
