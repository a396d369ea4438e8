"""WebSockets on loopback: a server and a client, and a client that does what no client should."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import struct

from websockets.asyncio.client import connect as library_client
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request

from eventstream.operation import InvalidFrame

TELLS_METHODS = "method" in {field.name for field in dataclasses.fields(Request)}
"""Whether the library tells the method of a request: otherwise it refuses all but GET itself."""


class Peer:
    """A WebSocket's client, frame by frame."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def of(cls, port, path="/", host="localhost"):
        """Open a WebSocket."""
        self = cls(*await asyncio.open_connection("127.0.0.1", port))
        self.writer.write(
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        assert (await self.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        return self

    @staticmethod
    def bytes_of(opcode, data=b"", *, fin=True, rsv=0):
        """Return a frame, as a client sends it: masked."""
        mask = os.urandom(4)
        length = len(data)
        if length < 126:
            size = bytes([0x80 | length])
        elif length < 65_536:
            size = bytes([0x80 | 126]) + struct.pack("!H", length)
        else:
            size = bytes([0x80 | 127]) + struct.pack("!Q", length)
        masked = bytes(byte ^ mask[number % 4] for number, byte in enumerate(data))
        return bytes([(0x80 if fin else 0) | rsv | opcode]) + size + mask + masked

    def frame(self, opcode, data=b"", **flags):
        self.writer.write(self.bytes_of(opcode, data, **flags))

    async def frames(self):
        """All that the server still sends."""
        received = b""
        with contextlib.suppress(ConnectionError):
            while data := await self.reader.read(65_536):
                received += data
        found = []
        while received:
            length, start = received[1] & 0x7F, 2
            if length == 126:
                length, start = int.from_bytes(received[2:4], "big"), 4
            found.append((received[0] & 0x0F, received[start : start + length]))
            received = received[start + length :]
        self.writer.close()
        return found


async def echo(channel):
    """Send back what comes, in the same pieces; what is refused is said, too."""
    try:
        while data := await channel.receive():
            await channel.send(data)
    except InvalidFrame as error:
        await channel.send(str(error).encode())
    await channel.end()


@contextlib.asynccontextmanager
async def client_of(server, path="/", **options):
    async with library_client(f"ws://127.0.0.1:{server.port}{path}", compression=None, **options) as client:
        yield client


async def rest(client):
    """All that still comes, and the code with which the server closes."""
    received = b""
    with contextlib.suppress(ConnectionClosed):
        while True:
            received += await client.recv()
    return received, client.close_code


HANDSHAKE = (
    b"GET /socket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
PLAIN = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def answer_to(server, data):
    """All that the server sends for these bytes, and that it then forgets the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(data)
    received = b""
    with contextlib.suppress(ConnectionError):
        while piece := await asyncio.wait_for(reader.read(65_536), 5):
            received += piece
    writer.close()
    while server.connections:
        await asyncio.sleep(0.01)
    return received
