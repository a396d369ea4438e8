"""The names that the package exports."""

from __future__ import annotations

from eventstream import http2
from eventstream.http2 import ClientStream


def test_names():
    assert http2.__all__ == [
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
    assert all(hasattr(http2, name) for name in http2.__all__)
    assert repr(ClientStream(None, 3, "POST")) == "<ClientStream 3>"
