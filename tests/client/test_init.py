"""The names that the package exports."""

from __future__ import annotations

from eventstream import client


def test_names():
    assert client.__all__ == [
        "Client",
        "ClientOptions",
        "ConfigurationError",
        "NoCredentials",
        "Retries",
        "RetryOn",
        "StartOptions",
        "Stream",
        "StreamError",
        "check_response",
        "retryable",
    ]
    assert all(hasattr(client, name) for name in client.__all__)
