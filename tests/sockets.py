"""A WebSocket's client that does what no client should."""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct


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
