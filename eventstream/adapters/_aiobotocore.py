"""The asynchronous half of `eventstream.adapters.boto3`, for aiobotocore's clients with asyncio.

It is imported when the first such client is equipped, as aiobotocore has been imported by then.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, ClassVar

from aiobotocore.awsrequest import AioAWSResponse
from aiobotocore.endpoint import AioEndpoint

from eventstream.adapters._calls import Call, Stream
from eventstream.adapters._equipment import Equipment
from eventstream.adapters._errors import client_error, translated
from eventstream.exceptions import ServiceError

if TYPE_CHECKING:
    from types import TracebackType

    from botocore.model import OperationModel
    from typing_extensions import Self

__all__ = ["AsyncEquipment", "AsyncStream"]


class AsyncStream:
    """A stream of an operation on a client of aiobotocore: events in, events out.

    It is an asynchronous context manager, which closes it, and an asynchronous iterator. One task may send while
    another iterates. Closing the client closes it, too. Its methods raise what those of `Stream` raise.

    Attributes:
        response: the service's answer without the events: the members by name, and ``ResponseMetadata``.
            ``stream[name]`` is a member.
    """

    def __init__(self, call: Call, opened: _Opened, response: dict[str, Any]) -> None:
        self._call = call
        self._opened = opened
        self.response = response

    async def __aenter__(self) -> Self:
        """Do nothing: the stream is open."""
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the stream."""
        await self.close()

    async def close(self) -> None:
        """Close the stream. What has not ended is cancelled; tasks that wait get a ``ResponseStreamingError``."""
        await self._opened.leave()

    __iter__: ClassVar[None] = None  # Python would iterate with `__getitem__` in an ordinary loop

    def __getitem__(self, name: str) -> Any:
        """Return a member of the response."""
        return self.response[name]

    async def send(self, event: Mapping[str, Any]) -> None:
        """Send an event. It waits while the service, or the network, takes no more.

        Read the events in another task meanwhile: a service whose events nobody reads stops taking any, and in the end
        gives up.

        Args:
            event: its type and its members, e.g. ``{"chunk": {"bytes": b"..."}}``.
        """
        with self._translating():
            await self._opened.events.send(dict(event))

    async def end(self) -> None:
        """End the input; the last events are still to come."""
        with self._translating():
            await self._opened.events.end()

    def __aiter__(self) -> Self:
        """Return the iterator over the events."""
        return self

    async def __anext__(self) -> dict[str, Any]:
        """Return the next event, once it has come, e.g. ``{"chunk": {"bytes": b"..."}}``."""
        with self._translating():
            return await anext(self._opened.events)

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except ServiceError as error:
            metadata = self.response.get("ResponseMetadata", {})
            raise client_error(error, self._call.model, self._call.exceptions, metadata) from error
        except OSError as error:
            raise translated(error, self._call.url) from error


async def send(client: Any, call: Call, params: dict[str, Any]) -> tuple[Any, dict[str, Any], AsyncStream | None]:
    """Send a request over HTTP/2, in the place of the client's endpoint.

    Args:
        client: of aiobotocore.
        call: the request's.
        params: the request as botocore's serialiser made it.

    Returns:
        The response, what it says with a stream in it, and the stream; None if the service refused.
    """
    meta, model = client.meta, call.model
    session = _HTTPSession(call)
    endpoint = AioEndpoint(meta.endpoint_url, meta.service_model.endpoint_prefix, meta.events, None, session)
    stream = None
    try:
        http, parsed = await endpoint.make_request(model, params)
        if isinstance(http.raw, _Opened):
            name = model.output_shape.event_stream_name
            rest = {member: value for member, value in parsed.items() if member != name}
            stream = parsed[name] = AsyncStream(call, http.raw, rest)
    except BaseException:
        await session.close()
        raise
    return http, parsed, stream


class AsyncEquipment(Equipment):
    """What a client of aiobotocore gets.

    Args:
        client: just made; its class is its own.
    """

    def __init__(self, client: Any) -> None:
        super().__init__(client, AsyncStream)

    def _close_with(self, client_class: Any) -> None:
        their_close, their_exit = client_class.close, client_class.__aexit__

        async def close(client: Any) -> None:
            """Close the streams that are open, and underlying endpoint connections."""
            await self._close_streams()
            await their_close(client)

        async def leave(client: Any, *details: Any) -> None:
            await self._close_streams()
            await their_exit(client, *details)

        client_class.close, client_class.__aexit__ = close, leave

    async def _close_streams(self) -> None:
        for stream in list(self._streams):
            await stream.close()

    async def _result(self, response: Any, name: str) -> Any:
        return super()._result(await response, name)

    async def _before_call(
        self, model: OperationModel, params: dict[str, Any], request_signer: Any, context: dict[str, Any], **_: Any
    ) -> Any:
        if model.name not in self._models:
            return None
        call = self._call(model, params, request_signer, context)
        http, parsed, stream = await send(self._client, call, params)
        if stream is not None:
            self._streams.add(stream)
        return http, parsed


class _Body:
    """The body of a response as aiobotocore reads it."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces

    @property
    def content(self) -> _Body:
        """The body: aiohttp has it here."""
        return self

    async def iter_chunks(self) -> AsyncIterator[tuple[bytes, bool]]:
        """Yield what there is of it."""
        for piece in self._pieces:
            yield piece, True

    async def read(self, *_: Any) -> bytes:
        """Return what there is of it."""
        return b"".join(self._pieces)

    def close(self) -> None:
        """Do nothing."""


class _Opened(_Body):
    """The body of a response that is an event stream.

    aiobotocore's parsers read the first message of it for RPC protocols, and nothing for the others.

    Attributes:
        events: the stream.
    """

    def __init__(self, opening: AbstractAsyncContextManager[Stream], events: Stream, *pieces: bytes) -> None:
        super().__init__(*pieces)
        self._opening: AbstractAsyncContextManager[Stream] | None = opening
        self.events = events

    async def leave(self) -> None:
        """Close the stream, once."""
        opening, self._opening = self._opening, None
        if opening is not None:
            await opening.__aexit__(None, None, None)


class _HTTPSession:
    """Sends one request, as aiobotocore's endpoint wants it."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._opened: _Opened | None = None

    async def send(self, request: Any) -> Any:
        """Return the response to a prepared request, once it has begun."""
        await self.close()  # what an earlier try has opened
        call, signer = self._call, None
        claim = call.claim_of(request)
        if claim is not None:
            auth = call.auth_of(claim)
            signer = call.event_signer(request, claim, await auth if isawaitable(auth) else auth)
        opening = call.open(request, signer)
        try:
            stream = await opening.__aenter__()
        except ServiceError as error:
            if error.status_code is None or error.status_code < 300:
                raise
            body = _Body(call.error_body(error))
            return AioAWSResponse(request.url, error.status_code, dict(error.headers or {}), body)
        self._opened = _Opened(opening, stream)
        if call.operation.initial_messages:
            initial = await call.initial_of(stream)
            if initial is not None:
                self._opened = _Opened(opening, stream, initial.encode())
        return AioAWSResponse(request.url, 200, dict(call.headers), self._opened)

    async def close(self) -> None:
        """Close the stream that was opened."""
        if self._opened is not None:
            await self._opened.leave()
