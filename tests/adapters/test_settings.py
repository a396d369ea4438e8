"""What a client of botocore is configured to: proxies, trust, its own certificate, and endpoints."""

from __future__ import annotations

import ssl

import pytest

pytest.importorskip("botocore", reason="botocore is not installed")

from adapters import models
from adapters.clients import (
    BEDROCK,
    ONE_TRY,
    assert_conversation,
    begin,
    client_of,
    config,
    once,
    serving,
    session_with_own_variables,
)
from adapters.test_endpoints import url_called
from botocore.exceptions import (
    InvalidProxiesConfigError,
    ProxyConnectionError,
    SSLError,
)
from http2.loopback import server_context
from test_proxy import TunnelProxy, listening

from eventstream import sync

pytestmark = pytest.mark.usefixtures("methods")


@pytest.mark.parametrize("user", ["user:secret", "http:secret", "user:ttp:"])
def test_dead_proxy(closed_port, user):
    proxies = {"http": f"http://{user}@127.0.0.1:{closed_port}"}
    with serving() as server, pytest.raises(ProxyConnectionError) as caught:
        begin(once(server, proxies=proxies))
    text = str(caught.value)
    assert f"@127.0.0.1:{closed_port}" in text
    assert user.partition(":")[2] not in text


def test_proxy_that_refuses():
    proxy = TunnelProxy(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
    with serving() as server, _listening(proxy) as port, pytest.raises(ProxyConnectionError):
        begin(once(server, proxies={"http": f"127.0.0.1:{port}"}))


def _listening(proxy):
    return sync.serving(listening(proxy))


def test_proxy_of_the_config_or_the_environment(monkeypatch):
    proxy = TunnelProxy()
    with serving() as server, _listening(proxy) as port:
        assert_conversation(once(server, proxies={"http": f"http://127.0.0.1:{port}"}))
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
        assert_conversation(once(server))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert_conversation(once(server))
    assert [request.split()[0] for request in proxy.requests] == ["CONNECT", "CONNECT"]


def test_proxy_that_cannot_be_used():
    with serving() as server, pytest.raises(InvalidProxiesConfigError):
        begin(once(server, proxies={"http": "ftp://127.0.0.1:21"}))


def test_trust_in_the_endpoint(certificate, monkeypatch, tmp_path):
    with serving(ssl=server_context(certificate)) as server:
        endpoint = server.endpoint.replace("127.0.0.1", "localhost")

        def client(**options):
            return client_of(
                server, session=session_with_own_variables(), endpoint_url=endpoint, config=ONE_TRY, **options
            )

        with pytest.raises(SSLError):
            begin(client())
        with pytest.raises(SSLError):
            begin(client(verify=str(tmp_path / "missing.pem")))
        assert_conversation(client(verify=certificate))
        assert_conversation(client(verify=False))
        monkeypatch.setenv("AWS_CA_BUNDLE", certificate)
        assert_conversation(client())


@pytest.mark.parametrize("pair", [False, True])
def test_clients_own_certificate(certificate, pair):
    context = server_context(certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(certificate)
    with serving(ssl=context) as server:
        endpoint = server.endpoint.replace("127.0.0.1", "localhost")
        own = config(client_cert=(certificate, certificate) if pair else certificate)
        assert_conversation(client_of(server, endpoint_url=endpoint, verify=certificate, config=own))


# Configuration


def test_endpoints_of_the_environment(monkeypatch):
    with serving() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", server.endpoint)
        assert_conversation(session_with_own_variables().create_client(BEDROCK, region_name="us-east-1"))


@pytest.mark.parametrize(
    ("service", "options", "url"),
    [
        ("bedrock-runtime", {}, "https://bedrock-runtime.us-east-1.amazonaws.com/model/"),
        ("bedrock-runtime", {"use_fips_endpoint": True}, "https://bedrock-runtime-fips.us-east-1.amazonaws.com/model/"),
        ("lexv2-runtime", {"use_dualstack_endpoint": True}, "https://runtime-v2-lex.us-east-1.api.aws/bots/"),
        ("connecthealth", {}, "https://streaming."),
        ("transcribe-streaming", {}, "https://transcribestreaming.us-east-1.amazonaws.com/stream-transcription"),
        (
            "transcribe-streaming",
            {"use_fips_endpoint": True},
            "https://transcribestreaming-fips.us-east-1.amazonaws.com/stream-transcription",
        ),
    ],
)
def test_endpoints_are_those_of_botocores_rules(service, options, url):
    if service in dict(models.UNKNOWN):
        pytest.skip(f"this botocore does not ship {service}")
    assert url_called(service, "us-east-1", **options).startswith(url)
