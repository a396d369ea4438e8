"""The emulator as a whole: its address, TLS, and its end."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest

from eventstream.http2 import MAX_CONCURRENT_STREAMS, connect
from eventstream.server import ConnectionLimits
from eventstream.signing import MAX_CLOCK_SKEW, Credentials, utc_now
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

CHUNK = bytes(3200)


def test_its_address(run):
    async def main():
        async with Emulator() as emulator:
            scheme, address, port = emulator.endpoint.split(":")
            assert (scheme, address) == ("http", "//127.0.0.1")
            assert int(port) > 0
            assert emulator.authority is None
            assert emulator.statistics == Statistics()

    run(main)


def test_an_address_of_ipv6(run, client):
    async def main():
        try:
            async with Emulator(host="::1") as emulator, client(emulator) as peer:
                assert emulator.endpoint.startswith("http://[::1]:")
                await peer.open()
        except OSError:
            pytest.skip("no IPv6 here")

    run(main)


def test_an_address_that_is_taken(run):
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


def test_a_client_that_does_not_trust_it(run, client):
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


def test_no_http2(run, client):
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


def test_the_end_of_the_grace(run, client):
    async def main():
        async with Emulator() as emulator, client(emulator) as peer:
            streams = [await peer.open() for _ in range(3)]
            await streams[0].audio(CHUNK)
            await streams[0].receive(2)
            await emulator.drain(0)
            for stream in streams:
                assert type(await stream.receive_error()) is ServiceUnavailableException

    run(main)


def test_a_stream_is_interrupted_once(run, client):
    async def main():
        async with Emulator() as emulator, client(emulator) as peer:
            stream = await peer.open()
            await asyncio.gather(emulator.drain(0), emulator.drain(0))
            assert type(await stream.receive_error()) is ServiceUnavailableException
            assert emulator.statistics.failed == 1

    run(main)


def test_the_end_of_the_block(run, client):
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


def test_an_exception_in_the_block_ends_it_too(run, client):
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


@pytest.fixture
def told(monkeypatch, run):
    """Return what an emulator tells its service and its HTTP/2 server, neither of which is made."""

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
        monkeypatch.setattr("eventstream.server.serve", serve)
        async with Emulator(**options) as emulator:
            found.endpoint = emulator.endpoint
        assert found.grace == 0
        with pytest.raises(RuntimeError, match="shutdown"):
            emulator._executor.submit(int)
        return found

    return lambda **options: run(lambda: tell(**options))


def test_what_it_is_by_default(told):
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
    assert options == {
        "ssl": None,
        "max_concurrent_streams": MAX_CONCURRENT_STREAMS,
        "drain_timeout": 0,
        **vars(ConnectionLimits()),
    }
    assert found.endpoint == "http://127.0.0.1:49152"


def test_what_it_is_told_to_be(told):
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
def test_a_fault_alone(told, fault):
    assert told(faults=fault).service[1]["faults"] == fault


def test_its_certificate_is_for_its_address_too(told, monkeypatch):
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
