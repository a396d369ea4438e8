"""The emulator as a whole: its address, TLS, and its end."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from eventstream.http2 import connect
from eventstream.transcribe import ServiceUnavailableException
from eventstream.transcribe.emulator import Emulator, Fault, Statistics

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
    pytest.importorskip("cryptography")

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
    pytest.importorskip("cryptography")

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
        with pytest.raises(OSError, match=r"refused|Connect"):
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


def test_faults_can_be_given_as_they_are_written_on_the_command_line():
    with pytest.raises(ValueError, match="nonsense"):
        Emulator(faults="nonsense@1")
    Emulator(faults=["bad-crc@2", Fault.parse("reset@3")])
