"""Either end of a connection: bounds, turns and budgets, against a peer without manners."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import struct

import pytest
from http2.loopback import run, server_context
from sockets import HANDSHAKE, Peer, answer_to, client_of, echo, rest
from websockets.server import ServerProtocol
from websockets.utils import accept_key

from eventstream import websocket
from eventstream.http2 import Budget, StreamError
from eventstream.operation import InvalidFrame
from eventstream.websocket import Answer, connection


@pytest.mark.parametrize(
    ("opcode", "data", "fin"),
    [(9, b"", True), (9, b"x" * 125, True), (10, b"", True), (0, b"", False)],
    ids=["pings", "long pings", "pongs", "empty fragments"],
)
def test_flood_of_frames_that_carry_nothing_is_cut(opcode, data, fin):
    ended = []

    async def main():
        async def handler(channel):
            try:
                await echo(channel)
            except StreamError as error:
                ended.append(str(error))
                raise

        async with websocket.serve(handler, idle_frames=Budget(200, 1)) as server:
            peer = await Peer.of(server.port)
            if not fin:
                peer.frame(2, b"", fin=False)
            flood = peer.bytes_of(opcode, data, fin=fin) * 1000
            with contextlib.suppress(ConnectionError):
                for _ in range(50):
                    peer.writer.write(flood)
                    await peer.writer.drain()
                peer.frame(8, struct.pack("!H", 1000))
            assert len(await peer.frames()) <= 2_000
            async with client_of(server) as honest:
                for _ in range(500):  # what an honest client does, has no bound
                    await honest.send(b"data")
                    await honest.recv()
                    await honest.ping()
                    await honest.pong()

    run(main())
    assert ended == ["it sends frames that carry nothing, faster than the budget allows"]


TEXT_FLOODS = {
    "text": (b"", Peer.bytes_of(1, b"text")),
    "text, then binary": (Peer.bytes_of(1, b"text"), Peer.bytes_of(2, b"x")),
    "text, then continuations": (Peer.bytes_of(1, b"text", fin=False), Peer.bytes_of(0, b"x", fin=False)),
}


@pytest.mark.parametrize(("first", "frame"), TEXT_FLOODS.values(), ids=TEXT_FLOODS)
def test_flood_of_text_that_nobody_has_refused_yet_is_cut(first, frame):
    ended = []

    async def main():
        async def busy(channel):
            await channel.wait_closed()
            with pytest.raises(StreamError) as raised:
                await channel.receive()
            ended.append(str(raised.value))

        async with websocket.serve(busy, idle_frames=Budget(200, 1)) as server:
            peer = await Peer.of(server.port)
            with contextlib.suppress(ConnectionError):
                peer.writer.write(first)
                for _ in range(200):
                    peer.writer.write(frame * 100)
                    await peer.writer.drain()
            await peer.frames()

    run(main())
    assert ended == ["it sends frames that carry nothing, faster than the budget allows"]


@pytest.mark.parametrize(("size", "cut"), [(1, True), (1_023, True), (1_024, False), (20_000, False)])
def test_flood_of_frames_that_are_dropped(caplog, size, cut):
    """Those that come after the handler has returned: an honest peer may still have large ones under way."""
    caplog.set_level(logging.INFO, "eventstream.websocket")

    async def main():
        async with websocket.serve(websocket.ServerSocket.end, idle_frames=Budget(200, 0)) as server:
            peer = await Peer.of(server.port)
            assert await peer.reader.read(65_536) == b"\x88\x02\x03\xe8"
            with contextlib.suppress(ConnectionError):
                peer.writer.write(peer.bytes_of(2, bytes(size)) * 300 + peer.bytes_of(8, struct.pack("!H", 1000)))
                await peer.writer.drain()
            assert await peer.frames() == []

    run(main())
    assert ("faster than the budget allows" in caplog.text) == cut


def test_close_drops_what_nobody_has_taken(monkeypatch):
    """A full window does not keep an end from the other's close frame."""
    monkeypatch.setattr("eventstream.websocket.connection.CLOSE_TIMEOUT", 60.0)

    async def main():
        async def talk(channel):
            await channel.send(bytes(65_536))
            while channel._arrived or not channel._is_full:
                await asyncio.sleep(0.01)
            await channel.end()

        async with websocket.serve(talk) as server:
            url = f"ws://127.0.0.1:{server.port}/"
            async with websocket.connect(url, "127.0.0.1", server.port) as channel:
                await channel.send(bytes(65_536))
                while channel._arrived or not channel._is_full:
                    await asyncio.sleep(0.01)

    run(main())


def test_pings_whose_answers_are_not_read_are_cut():
    """Even if data beside them gives the budget back."""
    ended = []

    async def main():
        async def deaf(channel):
            try:
                while True:
                    await channel.receive()
            except StreamError as error:
                ended.append(str(error))
                raise

        async with websocket.serve(deaf) as server:
            peer = await Peer.of(server.port)
            peer.reader._transport.pause_reading()
            piece = peer.bytes_of(2, b"x") + peer.bytes_of(9, bytes(125)) * 3
            with contextlib.suppress(ConnectionError):
                for _ in range(1_000):
                    peer.writer.write(piece * 100)
                    await peer.writer.drain()
            while not ended:
                await asyncio.sleep(0.01)
            peer.writer.close()

    run(main())
    assert ended == ["it does not read the answers to its pings"]


def test_turn_is_bounded():
    """An honest stream goes on beside one that sends as much as it can, in frames as small as can be."""

    async def main():
        async def swallow(channel):
            while await channel.receive():
                pass
            await channel.end()

        async with websocket.serve(swallow) as server, websocket.serve(echo) as other:
            peer = await Peer.of(server.port)
            flood = peer.bytes_of(2, b"x") * 10_000
            sizes = []
            receive = ServerProtocol.receive_data

            def counted(protocol, data):
                sizes.append(len(data))
                receive(protocol, data)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(ServerProtocol, "receive_data", counted)
                peer.writer.write(flood)
                peer.frame(8, struct.pack("!H", 1000))
                async with client_of(other) as honest:
                    await honest.send(b"1")
                    assert await honest.recv() == b"1"
                assert await peer.frames() == [(8, struct.pack("!H", 1000))]
            assert max(sizes) <= connection.TURN_SIZE
            assert len(sizes) > 60

    run(main())


@pytest.mark.waits
def test_receive_plans_one_turn_at_most():
    async def main():
        turns = []

        class Counted(websocket.ServerSocket):
            def _take_turn(self):
                turns.append(self)
                super()._take_turn()

        async def handler(channel):
            channel._arrived += Peer.bytes_of(2, bytes(100)) * 100
            channel._plan_turn()
            for _ in range(10):
                channel._received += b"x"
                await channel.receive()
            turns.clear()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            seen.append(len(turns))
            await channel.end()

        seen = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("eventstream.websocket.server.ServerSocket", Counted)
            async with websocket.serve(handler) as server:
                await answer_to(server, HANDSHAKE)
        assert seen[0] <= 2

    run(main())


def test_slow_reader_makes_the_sender_wait():
    waits = asyncio.Event()

    async def main():
        async def talk(channel):
            async def send():
                while True:
                    await channel.send(bytes(65_536), timeout=0.2)

            with pytest.raises(TimeoutError, match=r"nothing could be sent for 0.2 s"):
                await send()
            assert channel._transport.get_write_buffer_size() <= 4 * connection.WINDOW
            waits.set()
            await channel.reset()

        async with websocket.serve(talk) as server:
            peer = await Peer.of(server.port)
            await asyncio.wait_for(waits.wait(), 10)
            peer.writer.close()

    run(main())


def test_slow_reader_gets_all_in_the_end():
    async def main():
        async def talk(channel):
            for _ in range(100):
                await channel.send(bytes(65_536), timeout=10)
            await channel.end()

        async with websocket.serve(talk, idle_frames=None) as server, client_of(server) as client:
            await client.send(b"nobody counts this, or pings")
            await client.ping()
            await asyncio.sleep(0.1)
            received, code = await rest(client)
            assert (received.count(0), code) == (100 * 65_536, 1000)

    run(main())


@pytest.mark.parametrize("fails", [False, True], ids=["", "TLS of Python 3.10"])
def test_lost_connection_keeps_what_came_before(fails):
    class Transport(asyncio.Transport):
        def set_write_buffer_limits(self, high=None, low=None): ...

        def pause_reading(self):
            if fails:
                raise AttributeError("'NoneType' object has no attribute")

        resume_reading = pause_reading

        def is_closing(self):
            return False

        def write(self, data): ...

        def close(self): ...

    async def main():
        channel = websocket.ClientSocket("ws://localhost/", max_frame=None, idle_frames=Budget(10, 1))
        channel.connection_made(Transport())
        accept = accept_key(channel._client_protocol.key)
        answer = (
            f"HTTP/1.1 101 .\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        )
        channel.data_received(answer.encode() + b"\x82\x7e" + struct.pack("!H", 5_000))
        channel.data_received(bytes(2_500))
        channel.data_received(bytes(2_500))
        assert not channel.readable
        channel.connection_lost(ConnectionResetError())
        assert await channel.receive() == bytes(5_000)
        with pytest.raises(StreamError, match="the connection was lost"):
            await channel.receive()

    run(main())


def test_receive_over_tls_after_the_server_has_closed(certificate):
    """Asyncio's transport can only be closed once more then."""

    async def main():
        async def talk(channel):
            assert await channel.receive() == b"talk"
            await channel.send(bytes(1_000))
            await channel.end()

        trusting = ssl.create_default_context(cafile=certificate)
        async with websocket.serve(talk, ssl=server_context(certificate)) as server:
            url = f"wss://localhost:{server.port}/"
            async with websocket.connect(url, "localhost", server.port, ssl=trusting) as channel:
                await channel.send(b"talk")
                await asyncio.wait([channel._lost])
                assert await channel.receive() == bytes(1_000)
                assert await channel.receive() == b""

    run(main())


def test_nothing_is_taken_after_a_frame_of_text():
    async def handler(channel):
        while not channel.peer_ended:
            await asyncio.sleep(0)
        assert await channel.receive() == b"one"
        for _ in range(2):
            with pytest.raises(InvalidFrame, match="a text frame"):
                await channel.receive()
        ended.append(True)

    ended = []

    async def main():
        async with websocket.serve(handler) as server:
            peer = await Peer.of(server.port)
            for opcode, data in ((2, b"one"), (1, b"text"), (2, b"two"), (8, struct.pack("!H", 1000))):
                peer.frame(opcode, data)
            await peer.frames()

    run(main())
    assert ended


def test_sending_fails_after_a_frame_of_text_and_one_that_breaks_the_protocol(caplog):
    """The first can still be answered, the second cannot."""
    caplog.set_level(logging.INFO, "eventstream.websocket")
    ended = []

    async def main():
        async def handler(channel):
            with pytest.raises(InvalidFrame, match="a text frame"):
                await channel.receive()
            await channel.send(b"answer")
            broken.set()
            await asyncio.wait([channel._lost])
            for call in (channel.receive(), channel.send(b"more")):
                with pytest.raises(StreamError, match=r"^the peer violated the WebSocket protocol$"):
                    await call
            ended.append(True)

        broken = asyncio.Event()
        async with websocket.serve(handler) as server:
            peer = await Peer.of(server.port)
            peer.frame(1, b"text")
            await broken.wait()
            peer.frame(3, b"reserved")
            assert [opcode for opcode, _ in await peer.frames()] == [2, 8]

    run(main())
    assert ended
    assert [record.getMessage() for record in caplog.records] == [
        "a connection from 127.0.0.1 failed: it violated the WebSocket protocol"
    ]


def test_unread_input_is_bounded():
    async def main():
        sockets = []
        over = asyncio.Event()

        async def deaf(channel):
            sockets.append(channel)
            await over.wait()
            taken = 0
            while data := await channel.receive():
                taken += len(data)
            assert taken == 65_536 * 200
            await channel.end()

        async with websocket.serve(deaf) as server:
            peer = await Peer.of(server.port)
            piece = peer.bytes_of(2, bytes(65_536))

            async def send():
                for _ in range(200):
                    peer.writer.write(piece)
                    await peer.writer.drain()
                peer.frame(8, struct.pack("!H", 1000))

            sending = asyncio.create_task(send())
            await asyncio.sleep(0.3)
            (channel,) = sockets
            assert not sending.done()
            held = len(channel._received) + len(channel._arrived)
            assert connection.WINDOW <= held <= connection.WINDOW + websocket.MAX_FRAME
            over.set()
            await sending
            assert await peer.frames() == [(8, struct.pack("!H", 1000))]

    run(main())


@pytest.mark.waits
def test_declared_length_reserves_nothing():
    async def main():
        async with websocket.serve(echo) as server:
            peer = await Peer.of(server.port)
            peer.writer.write(b"\x82\xff" + struct.pack("!Q", 1 << 62))
            frames = await peer.frames()
            assert [opcode for opcode, _ in frames] == [2, 8]
            assert b"more than 262144" in frames[0][1]
            assert frames[1][1][:2] == struct.pack("!H", 1009)

    run(main())


def test_peer_that_never_closes_is_dropped(monkeypatch):
    monkeypatch.setattr("eventstream.websocket.connection.CLOSE_TIMEOUT", 0.1)

    async def main():
        async def end(channel):
            await channel.end()

        asked = []

        def page(path, headers, peer):
            asked.append(path)
            return Answer(200, [], bytes(1 << 24))

        async with websocket.serve(end, routes={"/page": page}) as server:
            peer = await Peer.of(server.port)
            other = socket.create_connection(("127.0.0.1", server.port))
            other.sendall(b"GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n")  # and reads nothing
            began = asyncio.get_running_loop().time()
            while not asked:
                await asyncio.sleep(0.01)
            while server.connections:
                await asyncio.sleep(0.01)
            assert asyncio.get_running_loop().time() - began < 4
            assert [opcode for opcode, _ in await peer.frames()] == [8]
            other.close()

    run(main())


@pytest.mark.parametrize("timeout", [None, 5.0])
def test_sender_that_waits_learns_that_its_peer_is_lost(timeout):
    ended = asyncio.Event()

    async def main():
        async def talk(channel):
            async def send():
                while True:
                    await channel.send(bytes(65_536), timeout=timeout)

            with pytest.raises(StreamError, match="the connection was lost"):
                await send()
            ended.set()

        async with websocket.serve(talk) as server:
            peer = await Peer.of(server.port)
            (channel,) = server.connections
            while not channel._write_paused:
                await asyncio.sleep(0.01)
            peer.writer.transport.abort()
            await asyncio.wait_for(ended.wait(), 2)

    run(main())
