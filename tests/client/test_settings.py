"""What a client is told, or finds in its environment."""

from __future__ import annotations

import pytest
from operations import CREDENTIALS, REQUEST, TALK
from talking import run

from eventstream.client import Client, ConfigurationError
from eventstream.client.settings import endpoint_for
from eventstream.transport import over_http2


def test_proxy_argument_is_checked_at_once():
    with pytest.raises(ConfigurationError, match="expected http or https"):
        Client("us-east-1", credentials=CREDENTIALS, proxy="socks5://localhost:1080")


def test_transport_argument_is_checked_at_once():
    with pytest.raises(
        ConfigurationError, match="unknown transport 'pigeons': expected 'http2', 'websocket' or a function"
    ):
        Client("us-east-1", credentials=CREDENTIALS, transport="pigeons")


@pytest.mark.parametrize("name", ["connect_timeout", "response_timeout", "idle_timeout"])
@pytest.mark.parametrize("seconds", [0, -1, 0.0, float("nan"), "1"])
def test_timeout_arguments_are_checked_at_once(name, seconds):
    expected = f"{name} must be more than 0 seconds, or None for no bound, not {seconds!r}"
    with pytest.raises(ConfigurationError, match=f"^{expected}$"):
        Client("us-east-1", credentials=CREDENTIALS, **{name: seconds})
    Client("us-east-1", credentials=CREDENTIALS, **{name: None})
    Client("us-east-1", credentials=CREDENTIALS, **{name: 0.5})


@pytest.mark.parametrize("scheme", ["ws", "WSS"])
@pytest.mark.parametrize("is_argument", [True, False])
def test_endpoint_of_a_websocket_needs_its_transport(monkeypatch, closed_port, scheme, is_argument):
    """Nothing is tried: nobody listens on the port, which would be an `OSError`."""
    url = f"{scheme}://127.0.0.1:{closed_port}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)

    async def main():
        client = Client("us-east-1", credentials=CREDENTIALS, endpoint=url if is_argument else None)
        expected = f"the endpoint '{url}' takes WebSockets: set transport=\"websocket\", or give one with http or https"
        with pytest.raises(ConfigurationError, match=expected):
            async with client.open(TALK, REQUEST, retries=3):
                pass

    run(main)


def test_endpoint_of_a_websocket_is_told_as_it_is_parsed():
    """Parsing leaves tabs and ends of lines out."""
    with pytest.raises(ConfigurationError, match="takes WebSockets"):
        endpoint_for("w\ts://localhost", over_http2)


@pytest.mark.parametrize("region", ["us east 1", "us-east-1\n", "CN-NORTH-1", "x" * 64])
@pytest.mark.parametrize("is_argument", [True, False])
def test_region_is_checked_at_once(monkeypatch, region, is_argument):
    monkeypatch.setenv("AWS_REGION", region)
    with pytest.raises(ConfigurationError, match=r"^the region '.*' cannot be one: expected a name in lower case"):
        Client(region if is_argument else None, credentials=CREDENTIALS)


@pytest.mark.parametrize("region", ["us-gov-west-1", "local", "x", "x1" * 31])
def test_regions_that_are_taken(region):
    assert Client(region, credentials=CREDENTIALS).region == region
