"""What a client is told, or finds in its environment."""

from __future__ import annotations

import asyncio
import re
import sys
import threading

import botocore.credentials
import botocore.session
import pytest
from operations import CREDENTIALS, REQUEST, TALK
from talking import run

from eventstream.adapters.boto3 import enable
from eventstream.client import Client, ConfigurationError
from eventstream.client.settings import endpoint_for
from eventstream.credentials import CredentialChain, NoRegion
from eventstream.transcribe.client import TranscribeClient
from eventstream.transcribe.operations import OPERATIONS
from eventstream.transcribe.request import StartStreamTranscriptionRequest
from eventstream.transport import over_http2


def test_proxy_argument_is_checked_at_once():
    with pytest.raises(ConfigurationError, match="expected http or https"):
        Client("us-east-1", credentials=CREDENTIALS, proxy="socks5://localhost:1080")


@pytest.mark.parametrize("proxy", [{"https": "http://user:secret@localhost:3128"}, True, b"http://localhost:3128"])
def test_proxy_argument_is_one_url(proxy):
    """What is given may hold passwords, which the error does not show."""
    kind = type(proxy).__name__
    with pytest.raises(
        ConfigurationError, match=f"^proxy must be the URL of one for all endpoints, None or False, not {kind}$"
    ):
        Client("us-east-1", credentials=CREDENTIALS, proxy=proxy)


@pytest.mark.parametrize("endpoint", [5, b"http://localhost", ["http://localhost"]])
def test_endpoint_argument_is_a_url(endpoint):
    with pytest.raises(ConfigurationError) as raised:
        Client("us-east-1", credentials=CREDENTIALS, endpoint=endpoint)
    assert str(raised.value) == f"endpoint must be a URL as a str, or None, not {type(endpoint).__name__}"


@pytest.mark.parametrize("ca_bundle", [5, False, b"ca.pem", ["ca.pem"]])
def test_ca_bundle_argument_is_a_path(ca_bundle):
    """An int would be the number of an open file, and False what switches verification off in boto3."""
    with pytest.raises(ConfigurationError) as raised:
        Client("us-east-1", credentials=CREDENTIALS, ca_bundle=ca_bundle)
    expected = f"ca_bundle must be the path of a file or directory, or None, not {type(ca_bundle).__name__}"
    assert str(raised.value) == expected


def test_region_argument_is_a_name():
    with pytest.raises(TypeError, match=r"^the region must be a str, such as 'us-east-1', not bytes$"):
        Client(b"us-east-1", credentials=CREDENTIALS)


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


@pytest.mark.parametrize(
    ("ca_bundle", "shown"), [("no\x1b[2J.pem", r"no\x1b[2J.pem"), ("a\0b", r"a\x00b"), ("\ud800", r"\ud800")]
)
def test_ca_bundle_with_a_name_that_cannot_be_shown(ca_bundle, shown):
    with pytest.raises(ConfigurationError, match=f"^the CA bundle {re.escape(shown)} cannot be used: .") as raised:
        Client("us-east-1", credentials=CREDENTIALS, ca_bundle=ca_bundle)
    assert str(raised.value).isprintable()


# The endpoint


@pytest.fixture
def profile(monkeypatch, tmp_path):
    """Write the configuration file of AWS's tools."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))

    def write(text):
        (tmp_path / "config").write_text(f"[default]\n{text}\n")

    return write


def client(**options):
    return Client("us-east-1", credentials=CREDENTIALS, **options)


OWN = "https://transcribestreaming.us-east-1.amazonaws.com"
DUALSTACK = "https://transcribestreaming.us-east-1.api.aws"
FIPS = "https://transcribestreaming-fips.us-east-1.amazonaws.com"
URL = "endpoint_url = http://profile"
SECTION = "services = s\n[services s]\ntranscribe_streaming =\n  endpoint_url = http://section\n"
OF_ALL, OF_SERVICE = "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_TRANSCRIBE_STREAMING"
IGNORE, USE_FIPS = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_USE_FIPS_ENDPOINT"
USE_DUALSTACK = "AWS_USE_DUALSTACK_ENDPOINT"
IN_PROFILE = "ignore_configured_endpoint_urls", "use_fips_endpoint", "use_dualstack_endpoint"


@pytest.mark.parametrize(
    ("variables", "text", "expected"),
    [
        ({}, "", OWN),
        ({}, URL, "http://profile"),
        ({}, f"{URL}\n{SECTION}", "http://section"),
        ({}, f"{URL}\nservices = s\n[services s]\npolly =\n  endpoint_url = http://other", "http://profile"),
        ({OF_ALL: "http://all"}, f"{URL}\n{SECTION}", "http://all"),
        ({OF_ALL: "http://all", OF_SERVICE: "http://service"}, f"{URL}\n{SECTION}", "http://service"),
        ({OF_ALL: ""}, URL, "http://profile"),
        ({OF_ALL: "http://all", IGNORE: "true"}, f"{URL}\n{SECTION}", OWN),
        ({OF_ALL: "http://all"}, f"{IN_PROFILE[0]} = True\n{URL}", OWN),
        ({IGNORE: "false"}, f"{IN_PROFILE[0]} = true\n{URL}", "http://profile"),
        ({IGNORE: "1"}, URL, "http://profile"),
        ({USE_FIPS: "true"}, "", FIPS),
        ({USE_FIPS: "TRUE", IGNORE: "true"}, URL, FIPS),
        ({}, f"{IN_PROFILE[1]} = true", FIPS),
        ({USE_FIPS: "false"}, f"{IN_PROFILE[1]} = true", OWN),
        ({USE_FIPS: ""}, f"{IN_PROFILE[1]} = true", OWN),
        ({USE_FIPS: "true"}, URL, "http://profile"),
        ({USE_DUALSTACK: "true"}, "", DUALSTACK),
        ({}, f"{IN_PROFILE[2]} = true", DUALSTACK),
        ({USE_DUALSTACK: "false"}, f"{IN_PROFILE[2]} = true", OWN),
        ({USE_DUALSTACK: "true"}, URL, "http://profile"),
    ],
)
def test_endpoint_is_the_one_that_botocore_finds(monkeypatch, profile, variables, text, expected):
    profile(text)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = {client().endpoint_of(operation) for operation in OPERATIONS}
    assert found == {expected}
    session = botocore.session.Session()
    enable(session)
    assert session.create_client("transcribe-streaming", "us-east-1").meta.endpoint_url == expected
    assert client(endpoint="http://given").endpoint_of(OPERATIONS[0]) == "http://given"


@pytest.mark.parametrize(
    "region", ["us-east-1", "eu-west-1", "us-gov-west-1", "us-gov-east-1", "cn-north-1", "mars-1-x"]
)
@pytest.mark.parametrize("fips", ["true", "false"])
@pytest.mark.parametrize("dualstack", ["true", "false"])
def test_endpoint_of_every_region_is_botocores(monkeypatch, profile, region, fips, dualstack):
    profile("")
    monkeypatch.setenv(USE_FIPS, fips)
    monkeypatch.setenv(USE_DUALSTACK, dualstack)
    session = botocore.session.Session()
    enable(session)
    expected = session.create_client("transcribe-streaming", region).meta.endpoint_url
    assert ("-fips" in expected) is (fips == "true")
    assert (".api." in expected) is (dualstack == "true")
    for operation in OPERATIONS:
        assert Client(region, credentials=CREDENTIALS).endpoint_of(operation) == expected


@pytest.mark.parametrize("switches", [["use_fips_endpoint"], ["use_fips_endpoint", "use_dualstack_endpoint"]])
def test_endpoint_that_is_unknown_is_refused(monkeypatch, switches):
    for switch in switches:
        monkeypatch.setenv(f"AWS_{switch.upper()}", "true")
    what = " and ".join(switches) + (" are" if switches[1:] else " is")
    expected = f"^{what} set, and Talk has no known FIPS endpoint: give its URL as the endpoint$"

    async def main():
        with pytest.raises(ConfigurationError, match=expected):
            async with client().open(TALK, REQUEST, retries=3):
                pass

    run(main)


def test_endpoint_of_a_profile_that_cannot_be_read(monkeypatch, profile):
    profile("services = missing")
    expected = "^the default profile names the services section 'missing', which does not exist$"
    with pytest.raises(ConfigurationError, match=expected):
        client().endpoint_of(TALK)
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(ConfigurationError, match=r"^the profile 'nobody' cannot be read: "):
        client().endpoint_of(TALK)
    assert client(endpoint="http://given").endpoint_of(TALK) == "http://given"


def test_endpoint_without_botocore_is_that_of_the_environment(monkeypatch, profile):
    profile(URL)
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    assert client().endpoint_of(OPERATIONS[0]) == OWN
    monkeypatch.setenv(OF_ALL, "http://all")
    assert client().endpoint_of(OPERATIONS[0]) == "http://all"


def test_endpoint_with_fips_has_the_port_of_websockets(monkeypatch):
    monkeypatch.setenv(USE_FIPS, "true")
    request = StartStreamTranscriptionRequest(
        language_code="en-US", media_sample_rate_hertz=16000, media_encoding="pcm"
    )
    url = asyncio.run(client().presign_url(OPERATIONS[0], request))
    assert url.startswith("wss://transcribestreaming-fips.us-east-1.amazonaws.com:8443/")


BOTOCORE_CREDENTIALS = botocore.credentials.Credentials("AKIDEXAMPLE", "secret")


async def presigned(client):
    await client.presign_url(TALK, REQUEST)


async def opened(client):
    with pytest.raises(ConnectionRefusedError):
        await client.open(TALK, REQUEST).__aenter__()


@pytest.mark.parametrize("kind", [Client, TranscribeClient])
@pytest.mark.parametrize("call", [presigned, opened])
def test_settings_are_read_beside_the_event_loop(monkeypatch, profile, closed_port, call, kind):
    profile(f"endpoint_url = http://127.0.0.1:{closed_port}")
    threads = []
    settings = CredentialChain._read_settings

    def read(chain):
        threads.append(threading.current_thread())
        return settings(chain)

    monkeypatch.setattr(CredentialChain, "_read_settings", read)

    async def main():
        calling = kind("us-east-1", credentials=CREDENTIALS)
        for _ in range(2):
            await call(calling)
        assert len(threads) == 1
        assert threads != [threading.current_thread()]

    run(main)


@pytest.mark.parametrize("kind", [Client, TranscribeClient])
@pytest.mark.parametrize("call", [presigned, opened])
def test_region_of_a_profile_is_read_beside_the_event_loop(monkeypatch, profile, closed_port, call, kind):
    profile("region = eu-west-1")
    threads = []
    read_region = CredentialChain.region

    def region(chain):
        threads.append(threading.current_thread())
        return read_region(chain)

    monkeypatch.setattr(CredentialChain, "region", region)
    monkeypatch.setattr("botocore.session.Session.get_credentials", lambda _: BOTOCORE_CREDENTIALS)

    async def main():
        calling = kind(endpoint=f"http://127.0.0.1:{closed_port}")
        assert threads == []
        for _ in range(2):
            await call(calling)
        assert calling.region == "eu-west-1"
        assert len(threads) == 1
        assert threads != [threading.current_thread()]

    run(main)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", NoRegion, "^no region was given, or found in AWS_REGION, "),
        ("region = EU", ConfigurationError, "^the region 'EU' cannot be one: "),
        ("region", ConfigurationError, "^no region was given, and the default profile cannot be read: "),
    ],
)
def test_region_of_a_profile_is_missed_when_a_stream_begins(profile, text, error, message):
    profile(text)

    async def main():
        with pytest.raises(error, match=message):
            await Client().open(TALK, REQUEST).__aenter__()

    run(main)


def test_region_is_missed_at_once_if_no_profile_can_name_it():
    with pytest.raises(NoRegion, match=r"^no region was given, or found in AWS_REGION, "):
        Client(credentials=CREDENTIALS)


@pytest.mark.parametrize("call", [presigned, opened])
def test_settings_leave_the_event_loop_free(monkeypatch, profile, closed_port, call):
    """Another call fetches credentials meanwhile, which only the event loop lets it finish."""
    profile(f"endpoint_url = http://127.0.0.1:{closed_port}")
    begun, free = threading.Event(), threading.Event()
    waits = []

    def get_credentials(session):
        begun.set()
        waits.append(free.wait(5))
        return BOTOCORE_CREDENTIALS

    monkeypatch.setattr(botocore.session.Session, "get_credentials", get_credentials)

    async def main():
        calling = Client("us-east-1", profile="default")
        first = asyncio.create_task(call(calling))
        assert await asyncio.to_thread(begun.wait, 10)
        calling._chain._settings = None  # as if the second call were the first to need them
        second = asyncio.create_task(call(calling))
        for _ in range(3):
            await asyncio.sleep(0)
        free.set()
        await asyncio.gather(first, second)
        assert waits == [True, True]

    run(main)
