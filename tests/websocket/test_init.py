"""The names that the package exports."""

from __future__ import annotations

from eventstream import websocket


def test_names():
    assert websocket.__all__ == [
        "MAX_FRAME",
        "Answer",
        "ClientSocket",
        "Route",
        "Server",
        "ServerSocket",
        "connect",
        "serve",
    ]
    assert all(hasattr(websocket, name) for name in websocket.__all__)
