"""A stream from its user's side: one request and its response, at either end."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from h2.errors import ErrorCodes

from eventstream._text import quote
from eventstream._waiting import Deadline, deadline_in
from eventstream.exceptions import StateError

if TYPE_CHECKING:
    from typing_extensions import Buffer, Self

    from eventstream.http2.flow import ClientFlow, Flow

STREAM_WINDOW = 65_535
"""Bytes that a peer may send on a stream before somebody takes them: HTTP/2's initial window (RFC 9113, 6.9.2)."""

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[^\0\r\n\ud800-\udfff]*")


class StreamError(ConnectionError):
    """A stream ended early: it was reset, its connection was lost, or the peer does not speak HTTP/2.

    Args:
        reason: what happened.
        code: HTTP/2's error code (RFC 9113, section 7), if there is one.
        remote: whether the peer ended it.

    Attributes:
        code: an ``ErrorCodes`` or an unknown code as int; None if the connection broke without one.
        remote: whether the peer ended it; False if it was this side.
    """

    code: int | None
    remote: bool

    def __init__(self, reason: str, code: int | None = None, *, remote: bool = True) -> None:
        with suppress(ValueError):
            code = code if code is None else ErrorCodes(code)
        name = getattr(code, "name", code)
        super().__init__(reason if name is None else f"{reason} ({name})")
        self.code = code
        self.remote = remote

    @property
    def unprocessed(self) -> bool:
        """Whether the peer promises that it did not process the request, so that it can safely be sent again."""
        return self.remote and self.code == ErrorCodes.REFUSED_STREAM


class NotHTTP2(StreamError):
    """The peer does not speak HTTP/2. Trying again does not help."""


class Response(NamedTuple):
    """The beginning of a response.

    Attributes:
        status: e.g. 200.
        headers: names, in lower case, and values, without the pseudo-header.
    """

    status: int
    headers: list[tuple[str, str]]


class Stream:
    """Either end of a stream. One task may read while another sends.

    Attributes:
        id: its number on the connection.
    """

    def __init__(self, flow: Flow) -> None:
        self.id = flow.id
        self._flow = flow
        self._responded = True  # a server's stream is not, until `respond` is called
        self._sending = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}>"

    @property
    def peer_ended(self) -> bool:
        """Whether the peer has ended its body; some of it may still wait for `receive`."""
        return self._flow.peer_ended

    @property
    def readable(self) -> bool:
        """Whether `receive` would not wait: bytes have arrived, or the end, or the stream was cut short."""
        flow = self._flow
        return bool(flow.received) or flow.peer_ended or flow.error is not None

    # Receiving

    async def receive(self, timeout: float | None = None) -> bytes:
        """Return all bytes of the body that have arrived, once there are any.

        Args:
            timeout: seconds to wait at most; None: as long as it takes.

        Returns:
            At most 65,535 bytes; none at the end of the body, and whenever it is called after that.

        Raises:
            StreamError: the stream was cut short. What had arrived before has been returned.
            TimeoutError: nothing came; the stream remains usable.
        """
        flow = self._flow
        if not flow.received:
            deadline = None if timeout is None else Deadline(timeout)
            while not flow.received:
                if flow.peer_ended:
                    return b""
                if flow.error is not None:
                    flow.check()
                await flow.readable.wait(deadline, f"nothing was received for {timeout} s")
        return flow.take()

    def __aiter__(self) -> Self:
        """Iterate over the body, in the pieces that `receive` returns."""
        return self

    async def __anext__(self) -> bytes:
        data = await self.receive()
        if not data:
            raise StopAsyncIteration
        return data

    # Sending

    async def send(self, data: Buffer, *, timeout: float | None = None) -> None:
        """Send bytes of the body, in DATA frames; it waits while the peer, or the network, takes no more.

        Args:
            data: any C-contiguous buffer; an empty one sends nothing.
            timeout: seconds to wait at most; None: as long as it takes.

        Raises:
            StreamError: the stream was cut short.
            TimeoutError: not all could be sent; as some of it may have been, the stream is only good for `reset`.
            StateError: `end` was called, another task is sending, or the body would be longer than its
                ``content-length``; then nothing of the data is sent.
        """
        flow = self._flow
        if flow.error is not None or flow.ended or self._sending or not self._responded:
            self._check_sending()
        view = memoryview(data).cast("B")
        if flow.unsent is not None:
            if len(view) > flow.unsent:
                raise StateError(f"cannot send {len(view)} bytes: the body's content-length leaves {flow.unsent}")
            flow.unsent -= len(view)
        connection = flow.connection
        deadline = None
        while True:
            size = min(len(view), connection.room(flow.id))
            if size:
                connection.send_data(flow.id, view[:size])
                if flow.error is not None:
                    flow.check()  # the peer may have been dropped, as one that does not read
                view = view[size:]
            if not view:
                return
            if deadline is None:
                deadline = deadline_in(timeout)
            if not size:
                self._sending = True
                try:
                    await flow.writable.wait(deadline, f"the peer took no more data for {timeout} s")
                finally:
                    self._sending = False
                flow.check()

    async def end(self) -> None:
        """End the body. The other direction stays open until the peer ends it.

        Raises:
            StreamError: the stream was cut short.
            StateError: it was called before, another task is sending, or the body is shorter than its
                ``content-length``.
        """
        self._check_sending()
        if self._flow.unsent:
            raise StateError(f"the body ends {self._flow.unsent} bytes before its content-length")
        self._flow.end()

    async def reset(self, code: int = ErrorCodes.CANCEL) -> None:
        """Cut the stream short in both directions; nothing happens if both have ended, or it was cut before.

        Args:
            code: HTTP/2's error code (RFC 9113, section 7): why.
        """
        self._flow.reset(code)

    def _check_sending(self) -> None:
        self._flow.check()
        if self._flow.ended:
            raise StateError("nothing can be sent after the end of the body")
        if self._sending:
            raise StateError("another task is sending on this stream")


class ClientStream(Stream):
    """A request and its response; both bodies flow at once. One task may read while another sends.

    Attributes:
        id: its number on the connection.
    """

    _flow: ClientFlow

    def __init__(self, flow: ClientFlow) -> None:
        super().__init__(flow)

    async def response(self, timeout: float | None = None) -> Response:
        """Return the beginning of the response, once it has come; the body of the request may still be on its way.

        Args:
            timeout: seconds to wait at most; None: as long as it takes.

        Raises:
            StreamError: the stream was cut short before.
            TimeoutError: it did not come; the stream remains usable.
        """
        flow = self._flow
        deadline = deadline_in(timeout)
        while flow.response is None:
            flow.check()
            await flow.readable.wait(deadline, f"the peer has not responded for {timeout} s")
        return flow.response


class ServerStream(Stream):
    """A request that a handler answers; both bodies flow at once. One task may read while another sends.

    Attributes:
        id: its number on the connection.
        method: e.g. ``POST``.
        path: as it was sent, with its query if it has one.
        headers: names, in lower case, and values, the pseudo-headers among them.
    """

    def __init__(self, flow: Flow, fields: list[tuple[str, str]]) -> None:
        super().__init__(flow)
        self.headers = fields
        by_name = dict(fields)
        self.method = by_name[":method"]
        self.path = by_name.get(":path", "")  # CONNECT has none
        self._responded = False

    @property
    def connection(self) -> object:
        """An object that all streams of one connection share, and no other stream has."""
        return self._flow.connection

    async def respond(self, status: int, headers: Iterable[tuple[str, str]] = (), *, end: bool = False) -> None:
        """Send the beginning of the response.

        Args:
            status: 200 to 999.
            headers: names and values, without pseudo-headers.
            end: whether the response has no body, and ends with it.

        Raises:
            ValueError: HTTP does not allow such a status or header, or a ``content-length`` is not that of no body.
            StreamError: the stream was cut short.
            StateError: it was called before.
        """
        if not 200 <= status <= 999:
            raise ValueError(f"status {status} is out of range (200 to 999)")
        # As a number: before Python 3.11 an ``HTTPStatus`` is its name in a string.
        fields = [(":status", f"{status:d}"), *checked(headers)]
        super()._check_sending()
        if self._responded:
            raise StateError("the response has already begun")
        if has_body(self.method, status):
            self._flow.unsent = declared_length(fields)
            if end and self._flow.unsent:
                raise ValueError(f"a response without a body has the content-length {self._flow.unsent}")
        self._flow.send_headers(fields, end=end)
        self._responded = True

    def _check_sending(self) -> None:
        super()._check_sending()
        if not self._responded:
            raise StateError("the response has not begun: call respond")


def has_body(method: str, status: int) -> bool:
    """Whether a response has a body, whose length ``content-length`` gives (RFC 9110, 8.6)."""
    return method != "HEAD" and status not in (204, 304)


def declared_length(fields: Iterable[tuple[str, str]]) -> int | None:
    """Return the ``content-length`` of headers that are to be sent; None if there is none.

    Raises:
        ValueError: it is not a number, or there are several that differ.
    """
    values = {value for name, value in fields if name == "content-length"}
    if not values:
        return None
    if len(values) > 1 or not re.fullmatch("[0-9]{1,18}", value := values.pop()):
        raise ValueError("the content-length is not a single number")
    return int(value)


def checked(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the headers, if they may be sent. h2 checks more, once the response has begun."""
    fields = [(name.lower(), value.strip(" \t")) for name, value in headers]
    for name, value in fields:
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value) or name == "te":
            # Its value may be a secret, such as a session token.
            raise ValueError(f"the header {quote(name)} cannot be sent over HTTP/2, for its name or its value")
    return fields


def text(fields: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """Headers as they were received; bytes that are not UTF-8 become surrogates. Equal ones are one object: a peer can
    repeat one of 4 KiB with a single byte.
    """
    known: dict[tuple[bytes, bytes], tuple[str, str]] = {}
    return [
        known.setdefault(
            (name, value), (name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape"))
        )
        for name, value in fields
    ]
