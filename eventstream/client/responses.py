"""Check that a response is an event stream; otherwise raise the error that it is."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from eventstream._text import quote_bytes, unquoted
from eventstream._waiting import timeout_after
from eventstream.http2 import StreamError

if TYPE_CHECKING:
    from eventstream.http2 import Response
    from eventstream.operation import Operation
    from eventstream.transport import Channel

MAX_ERROR_LENGTH = 65_536
"""Bytes of an HTTP error's body that are read."""

_NOT_EVENTS = ("text/", "application/json", "application/xml", "application/xhtml", "application/x-amz-json")


async def check_response(
    operation: Operation[Any, Any, Any, Any], response: Response, channel: Channel, timeout: float | None
) -> None:
    """Check that a response begins an event stream.

    Raises:
        ServiceError: it is an error of the service, or not an event stream.
    """
    fields = {name.lower(): value for name, value in response.headers}
    if response.status != 200:
        body = await _error_body(channel, timeout)
        raise operation.error_from_response(response.status, response.headers, body)
    kind = fields.get("content-type", "")
    encoding = fields.get("content-encoding", "identity")
    if kind.lower().startswith(_NOT_EVENTS) or encoding.lower() != "identity":
        body = await _error_body(channel, timeout)
        what = unquoted(kind) or "a body"
        if encoding.lower() != "identity":
            what += f" in {unquoted(encoding)}"
        shown = f"the server answered {what}: {quote_bytes(body)}"
        error = operation.error_from_response(response.status, response.headers, body)
        error.message = shown
        error.args = (shown,)
        raise error


async def _error_body(channel: Channel, timeout: float | None) -> bytes:
    """Return what has come of an error's body in time: the status says enough without it."""
    body = bytearray()

    with contextlib.suppress(StreamError, asyncio.TimeoutError):
        async with timeout_after(timeout):
            while len(body) < MAX_ERROR_LENGTH and (data := await channel.receive()):
                body.extend(data)
    return bytes(body[:MAX_ERROR_LENGTH])
