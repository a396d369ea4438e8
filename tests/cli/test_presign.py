"""``eventstream presign``: URLs that open streams, and what cannot be presigned."""

from __future__ import annotations

import asyncio

import pytest

pytest.importorskip("h2")
pytest.importorskip("msgspec")
pytest.importorskip("botocore")

from click.shell_completion import ShellComplete

from eventstream.cli import presign
from eventstream.signing import Credentials, verify_presigned

CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
PCM = ("language-code=en-US", "media-encoding=pcm", "sample-rate=16000")


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", CREDENTIALS.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CREDENTIALS.secret_key)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


def verified(url, region="us-east-1"):
    """Return the host, and the path with the query, of a URL whose signature is right."""
    host, _, target = url.removeprefix("wss://").removeprefix("ws://").partition("/")
    assert verify_presigned(CREDENTIALS, region, "transcribe", "GET", f"/{target}", [("host", host)])
    return host, f"/{target}"


def test_presign_prints_a_url(run):
    done = run("presign", *PCM, "vocabulary-names=a,b")
    assert (done.status, done.err) == (0, "")
    assert done.out.count("\n") == 1
    host, target = verified(done.out.strip())
    assert host == "transcribestreaming.us-east-1.amazonaws.com:8443"
    assert target.startswith(
        "/stream-transcription-websocket?language-code=en-US&sample-rate=16000&media-encoding=pcm&"
    )
    assert "vocabulary-names=a%2Cb&" in target
    assert "X-Amz-Expires=300&" in target


@pytest.mark.parametrize(
    ("operation", "more"),
    [("medical", ("specialty=PRIMARYCARE", "type=DICTATION")), ("call-analytics", ())],
)
def test_presign_of_other_operations(run, operation, more):
    done = run("presign", "--operation", operation, "--expires", "60", "--region", "eu-west-1", *PCM, *more)
    assert done.status == 0, done.err
    host, target = verified(done.out.strip(), "eu-west-1")
    assert host == "transcribestreaming.eu-west-1.amazonaws.com:8443"
    assert target.startswith(f"/{operation}-stream-transcription-websocket?")
    assert "X-Amz-Expires=60&" in target


def test_presign_opens_a_stream_of_the_emulator(run):
    websocket = pytest.importorskip("eventstream.websocket", reason="needs websockets")
    from eventstream.transcribe.emulator import Emulator

    async def main():
        async with Emulator() as emulator:
            endpoint = emulator.websocket_endpoint
            done = await asyncio.to_thread(run, "presign", "--endpoint", endpoint, *PCM)
            assert done.status == 0, done.err
            host, _, port = endpoint.removeprefix("ws://").partition(":")
            async with websocket.connect(done.out.strip(), host, int(port)) as socket:
                assert (await socket.response(10)).status == 200
                assert b"TranscriptEvent" in await socket.receive(10)

    asyncio.run(asyncio.wait_for(main(), 30))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("language-code=en-US",), "media-encoding: missing"),
        ((*PCM[:2], "sample-rate=1"), "sample-rate: 1 (allowed: 8000 to 48000)"),
        (PCM[1:], "exactly one of language-code, identify-language"),
        ((*PCM, "rate=1"), "rate is not a parameter of this operation, which has language-code, "),
        ((*PCM, "sample-rate"), "sample-rate is not NAME=VALUE"),
        ((*PCM, "sample-rate=8000"), "sample-rate is given twice"),
        ((*PCM, "\x1b[31m=1"), "\\x1b[31m is not a parameter"),
        ((*PCM, "--expires", "301"), "301 is not in the range 1<=x<=300"),
        ((*PCM, "--operation", "medical-scribe"), "medical-scribe"),
        ((*PCM, "--endpoint", "http://127.0.0.1:8080"), "a WebSocket's endpoint begins with ws:// or wss://"),
        ((*PCM, "--endpoint", "127.0.0.1:8081"), "a WebSocket's endpoint begins with ws:// or wss://"),
        ((*PCM, "--endpoint", "HTTPS://127.0.0.1:8080"), "a WebSocket's endpoint begins with ws:// or wss://"),
    ],
)
def test_presign_usage(run, arguments, text):
    done = run("presign", *arguments)
    assert (done.status, done.out) == (2, "")
    assert text in " ".join(done.err.split())


def test_presign_without_credentials_or_region(run, monkeypatch):
    monkeypatch.delenv("AWS_REGION")
    done = run("presign", *PCM)
    assert done.status == 2
    assert done.err == "no region: give --region, or set AWS_REGION or AWS_DEFAULT_REGION, or a profile\n"
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    done = run("presign", "--region", "us-east-1", *PCM)
    assert (done.status, done.out) == (2, "")
    assert "credentials" in done.err
    done = run("presign", "--endpoint", "nowhere", *PCM)
    assert done.status == 2
    done = run("presign", "--region", "CN-NORTH-1", *PCM)
    assert (done.status, done.out) == (2, "")
    assert "the region 'CN-NORTH-1' cannot be one" in done.err


def test_presign_at_the_endpoint_of_the_environment(run, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:8080")
    done = run("presign", *PCM)
    assert (done.status, done.out) == (2, "")
    assert "the endpoint in the environment does not take WebSockets: give --endpoint" in " ".join(done.err.split())
    assert run("presign", "--endpoint", "ws://127.0.0.1:8081", *PCM).out.startswith("ws://127.0.0.1:8081/")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "wss://127.0.0.1:8081")
    assert run("presign", *PCM).out.startswith("wss://127.0.0.1:8081/")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://gateway.example.com")
    assert run("presign", *PCM).out.startswith("wss://gateway.example.com/")


def test_presign_completes_parameters():
    complete = ShellComplete(presign.command, {}, "presign", "_PRESIGN_COMPLETE")
    assert [item.value for item in complete.get_completions([], "sample")] == ["sample-rate="]
    assert "specialty=" in [item.value for item in complete.get_completions(["--operation", "medical"], "spec")]
    assert complete.get_completions([], "spec") == []


def test_presign_completes_nothing_without_the_extra(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name="msgspec")

    monkeypatch.setattr(presign, "_operation", missing)
    complete = ShellComplete(presign.command, {}, "presign", "_PRESIGN_COMPLETE")
    assert complete.get_completions([], "sample") == []
