"""The names that are used of the library websockets, which knows the protocol."""

from __future__ import annotations

import logging

try:
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
        "eventstream.websocket needs websockets: install eventstream-codec with its extra [websocket]", name=error.name
    ) from error

__all__ = [
    "LOG",
    "SEND_EOF",
    "ClientProtocol",
    "CloseCode",
    "Frame",
    "Handshake",
    "Headers",
    "Opcode",
    "Protocol",
    "Request",
    "ServerProtocol",
    "State",
    "parse_uri",
]

LOG = logging.getLogger("eventstream.websocket.websockets")
LOG.setLevel(logging.WARNING)  # the library logs every connection
