"""botocore's clients with the adapter in, against servers on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from functools import cache
from ssl import SSLContext
from typing import Any

import botocore.loaders
import botocore.session
from adapters import models
from botocore.config import Config

from eventstream import http2, sync
from eventstream.adapters._operations import ModelOperation, make_operation
from eventstream.server import Server
from eventstream.signing import Credentials

CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
BEDROCK = "bedrock-runtime"
INVOKE = "InvokeModelWithBidirectionalStream"
NOVA = {"modelId": "amazon.nova-sonic-v1:0"}
LIMIT = 20.0
EVENT_STREAM = ("content-type", "application/vnd.amazon.eventstream")

LOADER = botocore.loaders.Loader()

ONE_TRY = Config(retries={"total_max_attempts": 1})


@cache
def operation_of(service: str, name: str) -> ModelOperation:
    """Return the operation of a model that botocore ships."""
    return make_operation(models.shipped(service).operation_model(name), strict=True)


def session_of(**variables: Any) -> botocore.session.Session:
    """Return a session with the credentials that the servers know; those without variables read each model once."""
    session = botocore.session.Session()
    if not variables:
        session.register_component("data_loader", LOADER)
    session.set_credentials(CREDENTIALS.access_key, CREDENTIALS.secret_key)
    for name, value in variables.items():
        session.set_config_variable(name, value)
    return session


def client_of(server: Any, service: str = BEDROCK, *, session: Any = None, **options: Any) -> Any:
    """Return a client of a server."""
    options.setdefault("endpoint_url", server.endpoint)
    return (session or session_of()).create_client(service, region_name="us-east-1", **options)


async def shout(request: dict[str, Any], events: AsyncIterator[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
    """Answer each chunk with the same in capitals."""
    async for event in events:
        yield {"chunk": {"bytes": event["chunk"]["bytes"].upper()}}


def chunk(data: bytes) -> dict[str, Any]:
    return {"chunk": {"bytes": data}}


@contextmanager
def serving(handler: Any = shout, operation: ModelOperation | None = None, **options: Any) -> Iterator[Server]:
    """Serve an operation, that of Bedrock if no other is given."""
    options.setdefault("credentials", [CREDENTIALS])
    with sync.serving(Server({operation or operation_of(BEDROCK, INVOKE): handler}, **options)) as server:
        yield server


class Plain:
    """A server that does not speak HTTP/2: it answers the first bytes of each connection, and hangs up."""

    endpoint: str

    def __init__(self, answer: bytes, ssl: SSLContext | None = None) -> None:
        self._answer = answer
        self._ssl = ssl

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Plain]:
        """Listen within the block."""
        server = await asyncio.start_server(self._handle, "127.0.0.1", 0, ssl=self._ssl)
        scheme = "http" if self._ssl is None else "https"
        self.endpoint = f"{scheme}://localhost:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(100)
            writer.write(self._answer)
            await writer.drain()
        finally:
            writer.close()


def begin(client: Any, **parameters: Any) -> Any:
    """Open a stream."""
    return client.invoke_model_with_bidirectional_stream(**{**NOVA, **parameters})


def config(**options: Any) -> Config:
    """Return a configuration with one try."""
    return ONE_TRY.merge(Config(**options))


def once(server: Any, **options: Any) -> Any:
    """Return a client that tries once."""
    return client_of(server, config=config(**options))


def assert_conversation(client: Any) -> None:
    with begin(client) as stream:
        stream.send(chunk(b"a"))
        assert next(stream) == chunk(b"A")
        stream.end()
        assert list(stream) == []


class Address:
    """Where a server listens, for `client_of`."""

    def __init__(self, port: int, scheme: str = "http") -> None:
        self.endpoint = f"{scheme}://localhost:{port}"


def answering(handler: Any, **options: Any) -> AbstractContextManager[Address]:
    """Return a block in which a server answers with a handler of `eventstream.http2`."""

    @asynccontextmanager
    async def serve() -> AsyncIterator[Address]:
        async with http2.serve(handler, drain_timeout=0, **options) as server:
            yield Address(server.port, "https" if options.get("ssl") else "http")

    return sync.serving(serve())


def session_with_own_variables() -> botocore.session.Session:
    """Return a session that asks the environment."""
    session = botocore.session.Session()
    session.register_component("data_loader", LOADER)
    session.set_credentials(CREDENTIALS.access_key, CREDENTIALS.secret_key)
    return session


class Body:
    """The body of a response that a hook of botocore gives."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self._data
