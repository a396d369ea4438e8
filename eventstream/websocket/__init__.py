"""Event streams over WebSockets with asyncio, for exchanges in which both sides send at the same time: `connect` and
`serve`.

The library ``websockets`` knows the protocol; this module moves its bytes, and gives each end a reader and a writer.
What is sent goes in binary frames, one for each call. What is received is a stream of bytes: a frame may hold one
event, several, or a part of one. A server also answers plain GETs on the same port, from a table of paths.

How it stays out of trouble:

- What is received waits until it is taken, at most 64 KiB and one frame of at most `MAX_FRAME`; then nothing is read.
  Fragments are not collected: a message of many frames is delivered frame by frame. Compression is not offered.
- In one turn of the event loop 512 bytes of a connection are processed, so that others have their turn meanwhile.
- Frames that carry nothing, such as pings and empty ones, have a budget; a connection that is over it is closed. No
  pings are sent, so a peer that answers none costs nothing. An exchange has timeouts of its own.
- A request must have come within `OPEN_TIMEOUT`, and a connection must close within `CLOSE_TIMEOUT`.
- When the client closes before everything was sent, the server sends the rest before it closes.

Sources: RFC 6455 (WebSocket), RFC 9112 (HTTP/1.1).
"""

from __future__ import annotations

from eventstream.websocket.answers import Answer, Route
from eventstream.websocket.client import ClientSocket, connect
from eventstream.websocket.server import MAX_FRAME, Server, ServerSocket, serve

__all__ = ["MAX_FRAME", "Answer", "ClientSocket", "Route", "Server", "ServerSocket", "connect", "serve"]
