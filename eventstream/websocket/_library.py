"""The names that are used of the libraries websockets, which knows the protocol, and h11, which reads what a server
answers that agrees to no WebSocket.
"""

from __future__ import annotations

import logging

try:
    from h11 import CLIENT
    from h11 import Connection as HTTPConnection
    from h11 import Data as HTTPData
    from h11 import EndOfMessage as HTTPEnd
    from h11 import InformationalResponse as HTTPInterim
    from h11 import RemoteProtocolError as HTTPError
    from h11 import Request as HTTPRequest
    from h11 import Response as HTTPResponse
    from websockets.client import ClientProtocol
    from websockets.datastructures import Headers
    from websockets.frames import CloseCode, Frame, Opcode
    from websockets.http11 import Request
    from websockets.http11 import Response as Handshake
    from websockets.protocol import SEND_EOF, Protocol, State
    from websockets.server import ServerProtocol
    from websockets.uri import parse_uri
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "eventstream.websocket needs websockets and h11: install eventstream-codec with its extra [websocket]",
        name=error.name,
    ) from error

__all__ = [
    "LOG",
    "SEND_EOF",
    "ClientProtocol",
    "CloseCode",
    "Frame",
    "HTTPConnection",
    "HTTPData",
    "HTTPEnd",
    "HTTPError",
    "HTTPInterim",
    "HTTPResponse",
    "Handshake",
    "Headers",
    "Opcode",
    "Protocol",
    "Request",
    "ServerProtocol",
    "State",
    "asked_for_websocket",
    "parse_uri",
    "wire_of",
]

LOG = logging.getLogger("eventstream.websocket.websockets")
LOG.setLevel(logging.WARNING)  # the library logs every connection


def asked_for_websocket(max_head: int) -> HTTPConnection:
    """Return what reads the answer of a server that was asked for a WebSocket.

    Args:
        max_head: bytes of its status line and headers.
    """
    http = HTTPConnection(CLIENT, max_incomplete_event_size=max_head)
    http.send(HTTPRequest(method="GET", target="/", headers=[("host", ""), ("upgrade", "websocket")]))
    http.send(HTTPEnd())
    return http


def wire_of(response: HTTPInterim) -> bytes:
    """Return an interim response as bytes, for the library to read."""
    lines = [b"HTTP/%b %d %b" % (response.http_version, response.status_code, response.reason)]
    lines += [b"%b: %b" % field for field in response.headers.raw_items()]
    return b"".join(line + b"\r\n" for line in [*lines, b""])
