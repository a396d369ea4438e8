"""The emulator as a whole: its address, TLS, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import re
import ssl
import struct
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
import websockets.asyncio.client as websockets
from sockets import Peer
from websockets.exceptions import ConnectionClosed, InvalidStatus

from eventstream import Headers, decode, encode
from eventstream.http2 import MAX_CONCURRENT_STREAMS, connect
from eventstream.server import ConnectionLimits
from eventstream.signing import MAX_CLOCK_SKEW, Credentials, EventSigner, presign_url, utc_now
from eventstream.transcribe import ServiceUnavailableException
from eventstream.transcribe.emulator import (
    DOCUMENTATION_CREDENTIALS,
    Emulator,
    Fault,
    Limits,
    Scripted,
    Statistics,
    server,
)
from eventstream.transcribe.emulator.page import ASKED_BY_PAGE

CHUNK = bytes(3200)


def test_address(run):
    async def main():
        async with Emulator() as emulator:
            scheme, address, port = emulator.endpoint.split(":")
            assert (scheme, address) == ("http", "//127.0.0.1")
            assert int(port) > 0
            assert emulator.authority is None
            assert emulator.statistics == Statistics()

    run(main)


def test_address_of_ipv6(run, client):
    async def main():
        try:
            async with Emulator(host="::1") as emulator, client(emulator) as peer:
                assert emulator.endpoint.startswith("http://[::1]:")
                await peer.open()
        except OSError:
            pytest.skip("no IPv6 here")

    run(main)


def test_address_that_is_taken(run):
    async def main():
        async with Emulator() as emulator:
            port = int(emulator.endpoint.rpartition(":")[2])
            with pytest.raises(OSError, match="address"):
                async with Emulator(port=port):
                    pass

    run(main)


def test_tls(run, client):
    pytest.importorskip("trustme")

    async def main():
        async with Emulator(tls=True) as emulator:
            assert emulator.endpoint.startswith("https://127.0.0.1:")
            trust = ssl.create_default_context(cadata=emulator.authority)
            async with client(emulator, trust) as peer:
                stream = await peer.open()
                await stream.audio(CHUNK)
                await stream.end()
                assert len(await stream.receive_all()) == 3

    run(main)


def test_client_that_does_not_trust_it(run, client):
    pytest.importorskip("trustme")

    async def main():
        async with Emulator(tls=True) as emulator:
            async with client(emulator, ssl.create_default_context()) as peer:
                with pytest.raises(ssl.SSLCertVerificationError):
                    await peer.connect()
            trust = ssl.create_default_context(cadata=emulator.authority)
            async with client(emulator, trust) as peer:
                await peer.open()

    run(main)


def test_http1_connection_is_closed(run, client):
    async def main():
        async with Emulator() as emulator, client(emulator) as peer:
            address = peer.address
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
            writer.write(b"POST /stream-transcription HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await reader.read()  # up to the end, which the emulator makes
            writer.close()
            await writer.wait_closed()
            await peer.open()

    run(main)


def test_draining_lets_streams_end(run, client):
    async def main():
        async with Emulator() as emulator, client(emulator) as peer:
            stream = await peer.open()
            await stream.audio(CHUNK)
            draining = asyncio.ensure_future(emulator.drain(60))
            await asyncio.sleep(0)
            assert type(await peer.refused()) is ServiceUnavailableException
            await stream.audio(CHUNK)
            await stream.end()
            assert len(await stream.receive_all()) == 4
            await draining

    run(main)


def test_end_of_the_grace(run, client):
    async def main():
        async with Emulator() as emulator, client(emulator) as peer:
            streams = [await peer.open() for _ in range(3)]
            await streams[0].audio(CHUNK)
            await streams[0].receive(2)
            await emulator.drain(0)
            for stream in streams:
                assert type(await stream.receive_error()) is ServiceUnavailableException

    run(main)


def test_stream_is_interrupted_once(run, client):
    async def main():
        async with Emulator() as emulator, client(emulator) as peer:
            stream = await peer.open()
            await asyncio.gather(emulator.drain(0), emulator.drain(0))
            assert type(await stream.receive_error()) is ServiceUnavailableException
            assert emulator.statistics.failed == 1

    run(main)


def test_end_of_the_block(run, client):
    async def main():
        async with Emulator() as emulator:
            peer = client(emulator)
            stream = await peer.open()
        assert type(await stream.receive_error()) is ServiceUnavailableException
        await peer.stack.aclose()
        address = peer.address
        with pytest.raises(ConnectionRefusedError):
            async with connect(address.hostname, address.port):
                pass

    run(main)


def test_exception_in_the_block_ends_it_too(run, client):
    opened = []

    async def fail():
        async with Emulator() as emulator:
            opened.append(client(emulator))
            opened.append(await opened[0].open())
            raise ZeroDivisionError

    async def main():
        with pytest.raises(ZeroDivisionError):
            await fail()
        peer, stream = opened
        assert type(await stream.receive_error()) is ServiceUnavailableException
        await peer.stack.aclose()

    run(main)


def test_end_leaves_no_thread_that_waits(run, monkeypatch):
    async def main():
        async with Emulator() as emulator:

            async def to_thread(*_):
                raise RuntimeError("can't start new thread")

            monkeypatch.setattr(asyncio, "to_thread", to_thread)
        with pytest.raises(RuntimeError, match="shutdown"):
            emulator._executor.submit(int)

    run(main)


@pytest.fixture
def told(monkeypatch, run):
    """Return what an emulator tells its service and its HTTP/2 server, neither of which is made; no WebSockets."""

    async def tell(**options):
        found = SimpleNamespace()

        class Service(SimpleNamespace):
            def __init__(self, *arguments, **options):
                found.service = arguments, options
                self.limits = options["limits"]

            async def drain(self, grace):
                found.grace = grace

        @asynccontextmanager
        async def serve(*arguments, **options):
            found.served = arguments, options
            yield SimpleNamespace(port=49152)

        monkeypatch.setattr(server, "Service", Service)
        monkeypatch.setattr("eventstream.server.server.serve", serve)
        async with Emulator(**{"websocket_port": None, **options}) as emulator:
            found.endpoint = emulator.endpoint
        assert found.grace == 0
        with pytest.raises(RuntimeError, match="shutdown"):
            emulator._executor.submit(int)
        return found

    return lambda **options: run(lambda: tell(**options))


def test_defaults(told):
    found = told()
    (recogniser, executor), options = found.service
    assert type(recogniser) is Scripted
    assert (executor._max_workers, executor._thread_name_prefix) == (32, "recogniser")
    assert options == {
        "accounts": (DOCUMENTATION_CREDENTIALS,),
        "limits": Limits(),
        "faults": (),
        "clock": utc_now,
        "max_clock_skew": MAX_CLOCK_SKEW,
    }
    (_, *address), options = found.served
    assert address == ["127.0.0.1", 0]
    assert dict(options.pop("refusal_headers")()).keys() == {"x-amzn-requestid", "x-amzn-request-id"}
    assert options == {
        "ssl": None,
        "max_concurrent_streams": MAX_CONCURRENT_STREAMS,
        "drain_timeout": 0,
        **vars(ConnectionLimits()),
    }
    assert found.endpoint == "http://127.0.0.1:49152"


def test_options(told):
    def clock():
        return datetime(2030, 1, 1, tzinfo=timezone.utc)

    mine, limits = Credentials("a", "b"), Limits(max_streams=1000)
    found = told(
        host="::1",
        port=8443,
        credentials=[mine],
        recogniser=dict,
        limits=limits,
        connections=ConnectionLimits(max_connections=3, resets=None),
        faults=["bad-crc@2", Fault.parse("reset@3")],
        clock=clock,
        max_clock_skew=timedelta(1),
    )
    (recogniser, _), options = found.service
    assert recogniser is dict
    assert options == {
        "accounts": [mine],
        "limits": limits,
        "faults": ["bad-crc@2", Fault.parse("reset@3")],
        "clock": clock,
        "max_clock_skew": timedelta(1),
    }
    (_, *address), options = found.served
    assert address == ["::1", 8443]
    assert options["max_concurrent_streams"] == 1001, "the one too many is told why"
    assert (options["max_connections"], options["resets"]) == (3, None)
    assert found.endpoint == "http://[::1]:49152"


@pytest.mark.parametrize("fault", ["bad-crc@2", Fault.parse("bad-crc@2")])
def test_fault_alone(told, fault):
    assert told(faults=fault).service[1]["faults"] == fault


def test_certificate_is_for_the_address_too(told, monkeypatch):
    pytest.importorskip("trustme")
    from eventstream.transcribe.emulator import certificate

    made = []

    def make(names):
        made.append((names, certificate_of(names)))
        return made[-1][1]

    certificate_of = certificate.make_certificate
    monkeypatch.setattr(certificate, "make_certificate", make)
    found = told(host="10.1.2.3", tls=True)
    assert found.endpoint == "https://10.1.2.3:49152"
    assert isinstance(found.served[1]["ssl"], ssl.SSLContext)
    authority = Emulator(host="0.0.0.0", tls=True, host_names=["emulator.test", "10.0.0.9"]).authority
    assert [names for names, _ in made] == [["10.1.2.3"], ["0.0.0.0", "emulator.test", "10.0.0.9"]]
    assert authority == made[1][1].authority.decode()


def test_faults_that_are_none():
    with pytest.raises(ValueError, match="nonsense"):
        Emulator(faults="nonsense@1")


# WebSockets


QUERY = "?language-code=en-US&media-encoding=pcm&sample-rate=16000"
AUDIO = Headers({":message-type": "event", ":event-type": "AudioEvent", ":content-type": "application/octet-stream"})


class Socket:
    """A WebSocket to an emulator, opened as clients in the field open it: by the `websockets` library."""

    def __init__(self, url, client):
        self.client = client
        self.signer = EventSigner(DOCUMENTATION_CREDENTIALS, "us-east-1", "transcribe", bytes.fromhex(url[-64:]))

    async def answer(self):
        """All events that still come, the exception that ends them or None, and the code of the end."""
        messages = []
        with contextlib.suppress(ConnectionClosed):
            while True:
                messages.append(decode(await self.client.recv()))
        error = messages.pop() if messages and messages[-1].message_type == "exception" else None
        assert all(message.event_type == "TranscriptEvent" for message in messages)
        return messages, error, self.client.close_code


def presigned(
    emulator, path="/stream-transcription-websocket", query=QUERY, credentials=DOCUMENTATION_CREDENTIALS, **others
):
    url = f"{emulator.websocket_endpoint}{path}{query}"
    return presign_url(credentials, "us-east-1", "transcribe", "GET", url, **others)


@contextlib.asynccontextmanager
async def socket_of(emulator, url=None, **options):
    url = presigned(emulator) if url is None else url
    async with websockets.connect(url, compression=None, **options) as client:
        yield Socket(url, client)


def framed(events, frames):
    """Return the bytes of events, as clients cut them."""
    whole = b"".join(events)
    if frames == "one":
        return [whole]
    if frames == "halves":
        return [piece for event in events for piece in (event[:50], event[50:])]
    return events


@pytest.mark.parametrize("frames", ["each", "one", "halves"])
@pytest.mark.parametrize("signed", [False, True], ids=["plain", "signed"])
def test_websocket_transcribes(run, signed, frames):
    async def main():
        async with Emulator() as emulator, socket_of(emulator) as socket:
            assert re.fullmatch("ws://127[.]0[.]0[.]1:[0-9]+", emulator.websocket_endpoint)
            assert (
                socket.client.response.headers["x-amzn-requestid"]
                == socket.client.response.headers["x-amzn-request-id"]
            )
            events = [encode(AUDIO, bytes(3200)) for _ in range(40)]
            if signed:
                events = [*map(socket.signer.sign, events), socket.signer.finish()]
            else:
                events.append(encode(AUDIO))
            for frame in framed(events, frames):
                await socket.client.send(frame)
            messages, error, code = await socket.answer()
            assert (error, code) == (None, 1000)
            assert len(messages) > 10
            statistics = emulator.statistics
            assert (statistics.streams, statistics.failed, statistics.audio_events) == (1, 0, 40)
            assert statistics.signatures == (42 if signed else 1)

    run(main)


@pytest.mark.parametrize("signed", [False, True], ids=["plain", "signed"])
def test_websocket_events_expire_if_they_are_signed(run, signed):
    """When they run too far ahead."""

    async def main():
        async with Emulator(limits=Limits(max_lead=1.0)) as emulator, socket_of(emulator) as socket:
            events = [encode(AUDIO, bytes(32_000)) for _ in range(4)]
            if signed:
                events = [*map(socket.signer.sign, events), socket.signer.finish()]
            else:
                events.append(encode(AUDIO))
            for event in events:
                await socket.client.send(event)
            _, error, _ = await socket.answer()
            if signed:
                assert error.exception_type == "BadRequestException"
                assert b"Signature expired: " in error.payload
            else:
                assert error is None

    run(main)


def test_websocket_over_tls(run):
    pytest.importorskip("trustme")

    async def main():
        async with Emulator(tls=True) as emulator:
            assert emulator.websocket_endpoint.startswith("wss://")
            context = ssl.create_default_context(cadata=emulator.authority)
            async with socket_of(emulator, ssl=context) as socket:
                await socket.client.send(encode(AUDIO, bytes(3200)))
                await socket.client.send(encode(AUDIO))
                assert (await socket.answer())[1:] == (None, 1000)

    run(main)


PATHS = ("/stream-transcription-websocket", "/medical-stream-transcription-websocket")


@pytest.mark.parametrize("path", PATHS)
def test_websocket_paths(run, path):
    async def main():
        query = QUERY + "&specialty=PRIMARYCARE&type=DICTATION" if "medical" in path else QUERY
        async with Emulator() as emulator, socket_of(emulator, presigned(emulator, path, query)) as socket:
            await socket.client.send(encode(AUDIO, bytes(3200)))
            await socket.client.send(encode(AUDIO))
            messages, error, code = await socket.answer()
            assert messages
            assert (error, code) == (None, 1000)

    run(main)


def test_websocket_of_call_analytics(run):
    async def main():
        channels = [{"ChannelId": 0, "ParticipantRole": "AGENT"}, {"ChannelId": 1, "ParticipantRole": "CUSTOMER"}]
        configuration = {
            ":message-type": "event",
            ":event-type": "ConfigurationEvent",
            ":content-type": "application/json",
        }
        async with Emulator() as emulator:
            url = presigned(emulator, "/call-analytics-stream-transcription-websocket")
            async with socket_of(emulator, url) as socket:
                await socket.client.send(encode(configuration, json.dumps({"ChannelDefinitions": channels}).encode()))
                await socket.client.send(encode(AUDIO, bytes(6400)))
                await socket.client.send(encode(AUDIO))
                messages = [decode(frame) async for frame in socket.client]
                assert "exception" not in {message.message_type for message in messages}
                assert socket.client.close_code == 1000

    run(main)


@pytest.mark.parametrize("path", ["/", "/stream-transcription", "/medical-scribe-stream-websocket", "/x-websocket"])
def test_websocket_paths_that_are_none(run, path):
    async def main():
        async with Emulator() as emulator:
            with pytest.raises(InvalidStatus) as raised:
                async with socket_of(emulator, presigned(emulator, path)):
                    pass
            assert raised.value.response.status_code == 404
            text = raised.value.response.body.decode()
            assert text.startswith(f"No WebSocket is served at '{path}', only at /stream-transcription-websocket, ")
            assert text.endswith("StartMedicalScribeStream: HTTP/2 only.\n")

    run(main)


def exception_of(message):
    return message.exception_type, json.loads(message.payload)["Message"]


def late(**ago):
    return lambda: utc_now() - timedelta(**ago)


@pytest.mark.parametrize(
    ("make", "code", "text"),
    [
        (lambda e: presigned(e, clock=late(minutes=6)), "InvalidSignatureException", "it expired "),
        (lambda e: presigned(e, clock=late(minutes=-6)), "InvalidSignatureException", "ahead of the clock"),
        (lambda e: presigned(e, expires=301), "IncompleteSignatureException", "301 seconds; 300 are allowed"),
        (lambda e: presigned(e).replace("en-US", "en-GB"), "InvalidSignatureException", "does not match"),
        (lambda e: presigned(e) + "&session-id=1", "InvalidSignatureException", "does not match"),
        (lambda e: presigned(e) + "&sample-rate=8000", "IncompleteSignatureException", "occurs twice"),
        (lambda e: presigned(e, credentials=Credentials("AKID", "no")), "UnrecognizedClientException", "is unknown"),
        (lambda e: e.websocket_endpoint + PATHS[0] + QUERY, "MissingAuthenticationTokenException", "is missing"),
        (lambda e: presigned(e, query="?language-code=en-US"), "BadRequestException", "media_encoding: missing"),
        (
            lambda e: presigned(e, credentials=Credentials("AKIDEXAMPLE", DOCUMENTATION_CREDENTIALS.secret_key, "t")),
            *("UnrecognizedClientException", "session token"),
        ),
    ],
    ids=[
        *("expired", "early", "too long", "altered", "more", "twice", "unknown key", "unsigned", "parameters", "token"),
    ],
)
def test_websocket_refuses_a_url(run, make, code, text):
    async def main():
        async with Emulator() as emulator:
            url = make(emulator)
            async with websockets.connect(url, compression=None) as client:
                message = decode(await client.recv())
                assert exception_of(message)[0] == code
                assert text in exception_of(message)[1]
                with pytest.raises(ConnectionClosed):
                    await client.recv()
                assert client.close_code == 1000
            assert emulator.statistics.refused == 1
            assert emulator.statistics.streams == 0

    run(main)


def test_websocket_without_verification(run):
    async def main():
        async with Emulator(credentials=None) as emulator:
            async with websockets.connect(emulator.websocket_endpoint + PATHS[0] + QUERY, compression=None) as client:
                await client.send(encode(AUDIO, bytes(3200)))
                await client.send(encode(AUDIO))
                assert [decode(frame).message_type async for frame in client].count("event") >= 1
            assert emulator.statistics.signatures == 0

    run(main)


async def send_text(socket):
    await socket.client.send(encode(AUDIO, bytes(3200)))
    await socket.client.send("text")


async def send_large_event(socket):
    await socket.client.send(encode(AUDIO, bytes(40_000)))


async def send_large_frame(socket):
    with contextlib.suppress(ConnectionClosed):
        await socket.client.send(encode(AUDIO, bytes(3200)) * 200)


async def send_garbage(socket):
    await socket.client.send(b"no event" * 4)


async def send_signed_late(socket):
    await socket.client.send(encode(AUDIO, bytes(3200)))
    await socket.client.send(socket.signer.sign(encode(AUDIO, bytes(3200))))


async def send_unsigned_late(socket):
    await socket.client.send(socket.signer.sign(encode(AUDIO, bytes(3200))))
    await socket.client.send(encode(AUDIO, bytes(3200)))


async def send_forged(socket):
    signed = socket.signer.sign(encode(AUDIO, bytes(3200)))
    message = decode(signed)
    await socket.client.send(encode(message.headers, encode(AUDIO, bytes([1]) * 3200)))


async def send_after_end(socket):
    await socket.client.send(encode(AUDIO) + encode(AUDIO, bytes(3200)))


@pytest.mark.parametrize(
    ("send", "text"),
    [
        (send_text, "Unexpected WebSocket frame received."),
        (send_large_event, "Your stream is too big. Reduce the frame size and try your request again."),
        (send_large_frame, "Your stream is too big. Reduce the frame size and try your request again."),
        (send_garbage, ""),
        (send_signed_late, "it is signed, but earlier events are not"),
        (send_unsigned_late, "event 1"),
        (send_forged, "event 0"),
    ],
    ids=lambda case: getattr(case, "__name__", "text"),
)
def test_websocket_answers_bad_input(caplog, run, send, text):
    async def main():
        async with Emulator() as emulator, socket_of(emulator) as socket, socket_of(emulator) as honest:
            await send(socket)
            _, error, code = await socket.answer()
            assert exception_of(error)[0] == "BadRequestException"
            assert text in exception_of(error)[1]
            assert code in (1000, 1003, 1009)
            await honest.client.send(encode(AUDIO, bytes(3200)))
            await honest.client.send(encode(AUDIO))
            assert (await honest.answer())[1:] == (None, 1000)

    run(main)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_websocket_closed_without_an_end_frame(run):
    async def main():
        async with Emulator() as emulator:
            url = presigned(emulator)
            path = url.partition(str(emulator.websocket_endpoint))[2]
            address = urlsplit(emulator.websocket_endpoint)
            peer = await Peer.of(address.port, path, host=address.netloc)
            peer.frame(2, encode(AUDIO, bytes(3200)))
            peer.frame(8, struct.pack("!H", 1000))
            *events, (opcode, last), close = await peer.frames()
            assert events
            assert opcode == 2
            text = "A complete signal was sent without the preceding empty frame."
            assert exception_of(decode(last)) == ("BadRequestException", text)
            assert close == (8, struct.pack("!H", 1000))

    run(main)


def test_websocket_without_audio_times_out(run):
    async def main():
        async with Emulator(limits=Limits(audio_timeout=0.2)) as emulator, socket_of(emulator) as socket:
            pings = asyncio.create_task(ping(socket.client))
            _, error, _ = await socket.answer()
            assert "no new audio was received for 0.2 seconds" in exception_of(error)[1]
            pings.cancel()

    async def ping(client):
        while True:
            await client.ping()
            await asyncio.sleep(0.02)

    run(main)


def test_websocket_streams_are_drained(run):
    async def main():
        async with Emulator() as emulator, socket_of(emulator) as socket:
            await socket.client.send(encode(AUDIO, bytes(3200)))
            await socket.client.recv()
            await emulator.drain(0)
            _, error, _ = await socket.answer()
            assert exception_of(error)[0] == "ServiceUnavailableException"

    run(main)


def test_websocket_can_be_left_out(run):
    async def main():
        async with Emulator(websocket_port=None) as emulator:
            assert emulator.websocket_endpoint is None

    run(main)


# The page


def get(address, host=None):
    """Return the status and the body of a GET that a page could send."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    headers = {ASKED_BY_PAGE: "1", **({} if host is None else {"host": host})}
    connection.request("GET", f"{parts.path}?{parts.query}", headers=headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, body


def test_page_presigns_a_stream(run):
    async def main():
        keys = [Credentials("PAGE", "secret", "token"), DOCUMENTATION_CREDENTIALS]
        async with Emulator(page=True, credentials=keys) as emulator:
            assert re.fullmatch("http://127[.]0[.]0[.]1:[0-9]+/", emulator.page_endpoint)
            status, body = await asyncio.to_thread(get, emulator.page_endpoint)
            assert (status, body[:15]) == (200, b"<!doctype html>")
            status, body = await asyncio.to_thread(get, f"{emulator.page_endpoint}presign{QUERY}")
            url = json.loads(body)["url"]
            assert url.startswith(f"{emulator.websocket_endpoint}/stream-transcription-websocket{QUERY}&X-Amz-")
            assert "X-Amz-Credential=PAGE%2F" in url
            assert "X-Amz-Expires=60&" in url
            async with socket_of(emulator, url) as socket:
                await socket.client.send(encode(AUDIO, CHUNK))
                await socket.client.send(encode(AUDIO))
                assert (await socket.answer())[1:] == (None, 1000)
            assert emulator.statistics.signatures == 1
            status, _ = await asyncio.to_thread(get, f"{emulator.page_endpoint}presign{QUERY}", "example.com")
            assert status == 403

    run(main)


def test_page_with_the_credentials_of_one_account(run):
    async def main():
        async with Emulator(page=True, credentials=Credentials("PAGE", "secret")) as emulator:
            _, body = await asyncio.to_thread(get, f"{emulator.page_endpoint}presign{QUERY}")
            async with socket_of(emulator, json.loads(body)["url"]) as socket:
                await socket.client.send(encode(AUDIO))
                assert (await socket.answer())[1:] == (None, 1000)

    run(main)


def test_page_presigns_where_nobody_verifies(run):
    async def main():
        async with Emulator(page=True, credentials=None, host="0.0.0.0") as emulator:
            assert emulator.page_endpoint.startswith("http://localhost:")
            address = emulator.page_endpoint.replace("localhost", "127.0.0.1")
            status, body = await asyncio.to_thread(get, f"{address}presign{QUERY}")
            assert status == 200
            async with socket_of(emulator, json.loads(body)["url"]) as socket:
                await socket.client.send(encode(AUDIO))
                assert (await socket.answer())[1:] == (None, 1000)

    run(main)


def test_page_is_served_with_tls(run):
    pytest.importorskip("trustme")

    async def main():
        async with Emulator(page=True, tls=True) as emulator:
            assert emulator.page_endpoint == f"{emulator.websocket_endpoint.replace('wss', 'https')}/"
            context = ssl.create_default_context(cadata=emulator.authority)
            address = urlsplit(emulator.page_endpoint)
            reader, writer = await asyncio.open_connection(address.hostname, address.port, ssl=context)
            writer.write(f"GET / HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 ")
            assert f"connect-src 'self' wss://{address.netloc};".encode() in head
            writer.close()

    run(main)


def test_page_is_not_served_unasked(run):
    async def main():
        async with Emulator() as emulator:
            assert emulator.page_endpoint is None
            for path in ("/", "/presign"):
                status, _ = await asyncio.to_thread(get, emulator.websocket_endpoint + path)
                assert status == 404

    run(main)


@pytest.mark.parametrize(
    ("options", "text"),
    [({"websocket_port": None}, "port for WebSockets"), ({"credentials": []}, "credentials")],
)
def test_page_needs_a_port_and_credentials(options, text):
    with pytest.raises(ValueError, match=text):
        Emulator(page=True, **options)
