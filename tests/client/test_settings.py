"""What a client is told, or finds in its environment."""

from __future__ import annotations

import pytest
from operations import CREDENTIALS

from eventstream.client import Client, ConfigurationError


def test_proxy_argument_is_checked_at_once():
    with pytest.raises(ConfigurationError, match="expected http or https"):
        Client("us-east-1", credentials=CREDENTIALS, proxy="socks5://localhost:1080")


def test_transport_argument_is_checked_at_once():
    with pytest.raises(
        ConfigurationError, match="unknown transport 'pigeons': expected 'http2', 'websocket' or a function"
    ):
        Client("us-east-1", credentials=CREDENTIALS, transport="pigeons")
