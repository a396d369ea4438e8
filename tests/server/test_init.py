"""The names that the package exports."""

from __future__ import annotations

from eventstream import server


def test_names():
    assert server.__all__ == [
        "ConnectionLimits",
        "Conversation",
        "Handler",
        "Limits",
        "Server",
        "Service",
        "Statistics",
    ]
    assert all(hasattr(server, name) for name in server.__all__)
