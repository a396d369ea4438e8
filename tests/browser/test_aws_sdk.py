"""AWS's JavaScript client in a real browser, bundled as its users do it, against the emulator's WebSocket port.

It always speaks TLS to port 8443, whatever it is told. So the browser resolves that port to the emulator's, and trusts
the hash of its key.
"""

from __future__ import annotations

import base64
import hashlib
import os
import ssl
from urllib.parse import urlsplit

import pytest

if not os.environ.get("EVENTSTREAM_BROWSER"):
    pytest.skip("a browser is started with EVENTSTREAM_BROWSER=1 only: make browser", allow_module_level=True)

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

KEYS = ["AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"]
PAGE = "https://client.test/"


def key_hash(host, port):
    """Return the hash by which Chromium trusts a server's key."""
    certificate = x509.load_pem_x509_certificate(ssl.get_server_certificate((host, port)).encode())
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(key).digest()).decode()


@pytest.fixture(scope="module")
def transcribe(chromium, bundle, emulator_for, tmp_path_factory):
    """Run a stream in the browser: its results, and how it ended."""
    with emulator_for("--tls", str(tmp_path_factory.mktemp("tls") / "ca.pem")) as emulator:
        address = urlsplit(emulator.websocket)
        assert address.scheme == "wss"
        browser = chromium(
            "--disable-features=LocalNetworkAccessChecks",  # which ask the user before a page reaches this machine
            f"--host-resolver-rules=MAP localhost:8443 {address.hostname}:{address.port}",
            f"--ignore-certificate-errors-spki-list={key_hash(address.hostname, address.port)}",
        )
        page = browser.new_page()
        page.route(PAGE, lambda route: route.fulfill(body="<title>client</title>", content_type="text/html"))
        page.goto(PAGE)
        page.add_script_tag(content=bundle)

        def run(*chunks, keys=KEYS, **parameters):
            parameters = {
                "LanguageCode": "en-US",
                "MediaEncoding": "pcm",
                "MediaSampleRateHertz": 16_000,
                **parameters,
            }
            scenario = {"endpoint": "https://localhost", "keys": keys, "chunks": chunks, "parameters": parameters}
            return page.evaluate("scenario => transcribe(scenario)", scenario)

        yield run
        browser.close()


def test_client_in_a_browser_transcribes(transcribe):
    outcome = transcribe(*[3200] * 30, ShowSpeakerLabel=True)
    assert outcome.get("ended"), outcome
    partial = [result for result in outcome["results"] if result["IsPartial"]]
    final = [result["Alternatives"][0] for result in outcome["results"] if not result["IsPartial"]]
    assert [alternative["Transcript"] for alternative in final] == [
        "The quick brown fox jumps over the lazy dog.",
        "Pack",
    ]
    assert {item["Speaker"] for item in final[0]["Items"] if item["Type"] == "pronunciation"} == {"0"}
    assert len(partial) > 10


@pytest.mark.parametrize(
    ("parameters", "said"),
    [({"MediaEncoding": "mp3"}, "media_encoding"), ({"keys": [KEYS[0], "not the secret"]}, "signature")],
    ids=["parameter", "secret"],
)
def test_client_in_a_browser_is_told_what_is_wrong(transcribe, parameters, said):
    outcome = transcribe(3200, **parameters)
    assert outcome["error"], outcome
    assert said in outcome["message"]
    assert outcome["results"] == []
