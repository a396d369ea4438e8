"""HTTP/2 with asyncio, for exchanges in which both sides send at the same time: `connect` and `serve`.

h2 knows the protocol; this module moves its bytes, and gives each stream a reader and a writer. Over TLS (ALPN ``h2``),
or in plaintext with prior knowledge (``h2c``).

How it stays out of trouble:

- Flow control is by stream. What a stream receives is kept until it is read, at most 65,535 bytes, and only then its
  window opens again; the connection's own window opens at once. A slow reader therefore stalls only its own stream,
  and memory per peer is bounded by its number of streams.
- `send` waits while the stream window, the connection window or the socket buffer is full. Everything that the tasks
  send in one turn of the event loop is written in one piece.
- No task is created per chunk: a waiting stream costs one future, and a timer if there is a timeout.
- The end of a stream is what the peer said was its end. Resets, GOAWAY, lost connections and bytes that are not HTTP/2
  raise a `StreamError` instead, after what was received before them.

How it stays fair, when others on the same connection or the same server are not:

- A malformed message, too many or too large headers, and a stream beyond the limit end only their own stream.
- In one turn of the event loop a connection is read for at most 16 KiB, and 64 of its frames are processed.
- What costs a peer nothing has a budget: resets, and frames that carry nothing. A connection that is over it takes no
  more streams; if it continues, it is closed. The number of connections is bounded, for each peer and in total.

Sources: RFC 9113 (HTTP/2), RFC 7541 (HPACK).
"""

from __future__ import annotations

from eventstream.http2._h2 import ErrorCodes
from eventstream.http2.budget import IDLE_FRAMES, RESETS, Budget
from eventstream.http2.client import ClientConnection, connect
from eventstream.http2.server import MAX_CONCURRENT_STREAMS, Server, serve
from eventstream.http2.stream import ClientStream, NotHTTP2, Response, ServerStream, StreamError

__all__ = [
    "IDLE_FRAMES",
    "MAX_CONCURRENT_STREAMS",
    "RESETS",
    "Budget",
    "ClientConnection",
    "ClientStream",
    "ErrorCodes",
    "NotHTTP2",
    "Response",
    "Server",
    "ServerStream",
    "StreamError",
    "connect",
    "serve",
]
