"""What is changed of h2's habits, and that h2 still has what is changed."""

from __future__ import annotations

import ast
import importlib.metadata
import re
from pathlib import Path

import pytest
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, DataReceived, ResponseReceived, StreamEnded
from h2.settings import SettingCodes
from hpack import Encoder
from hpack.hpack import encode_integer
from http2.loopback import (
    FakeTransport,
    connected_to,
    echo,
    raw_client,
    request,
    run,
    settled,
)
from hyperframe.frame import (
    GoAwayFrame,
    SettingsFrame,
)

from eventstream import http2
from eventstream.http2 import Server, StreamError
from eventstream.http2._h2 import HEADER_TABLE_SIZE, PREFACE
from eventstream.http2.server import ServerConnection

HOOKS = [
    (H2Connection(), "_receive_frame"),
    (H2Connection(), "_receive_settings_frame"),
    (H2Connection(), "_receive_goaway_frame"),
    (H2Connection(), "_prepare_for_sending"),
    (H2Connection(), "_terminate_connection"),
    (H2Connection(), "encoder"),
    (H2Connection(), "highest_inbound_stream_id"),
    (H2Connection(), "max_inbound_frame_size"),
    (Encoder(), "header_table"),
    (Encoder(), "header_table_size"),
    (Encoder(), "table_size_changes"),
    (Encoder().header_table, "resized"),
]
"""What `eventstream.http2` uses of h2 and hpack beyond what they document."""


def hook_name(value):
    return value if isinstance(value, str) else type(value).__qualname__


@pytest.mark.parametrize(("owner", "name"), HOOKS, ids=hook_name)
def test_hooks_are_still_in_h2(owner, name):
    module = type(owner).__module__.partition(".")[0]
    version = importlib.metadata.version(module)
    assert hasattr(owner, name), (
        f"{module} {version} has dropped {type(owner).__name__}.{name}, which eventstream/http2/_h2.py uses: "
        f"find its replacement there, or cap {module} below {version} in pyproject.toml"
    )


def test_hooks_list_is_complete():
    """No other private part of h2's connection is used, and none in another module."""
    h2s = {name for name in dir(H2Connection()) if name.startswith("_") and not name.endswith("__")}
    for path in Path(http2.__file__).parent.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        used |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        allowed = {name for _, name in HOOKS} if path.name == "_h2.py" else set()
        assert used & h2s <= allowed, f"{path.name} uses private parts of h2 that no test watches"


@pytest.mark.parametrize("library", ["h2", "hpack", "hyperframe"])
def test_hooks_are_capped_below_the_next_major_version(library):
    """Such a version may drop anything."""
    requirements = importlib.metadata.requires("eventstream-codec")
    major = int(importlib.metadata.version(library).partition(".")[0])
    (capped,) = (line for line in requirements if re.match(rf"{library}[<>=!~]", line) and "http2" in line)
    assert re.search(rf"<{major + 1}(?![.\d])", capped)


def size_update(size):
    """As headers begin with it (RFC 7541, 6.3)."""
    first, *rest = encode_integer(size, 5)
    return bytes([0x20 | first, *rest])


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ([], []),
        ([4096], []),
        ([5000], [4096]),
        ([100], [100]),
        ([100, 100], [100]),
        ([100, 200], [100, 200]),
        ([200, 100], [100]),
        ([100, 2**32 - 1], [100, 4096]),
        ([2**31, 300, 50, 200], [50, 200]),
        ([5000, 6000] * 1000, [4096]),
    ],
    ids=lambda sizes: f"{len(sizes)} up to {max(sizes, default=0)}",
)
def test_of_the_sizes_of_the_headers_table_the_smallest_and_the_last_are_said(sizes, said):
    """Before the next headers, and once."""

    async def main():
        others = [SettingsFrame(0).serialize(), SettingsFrame(0, flags=["ACK"]).serialize()]
        connection = settled(*(SettingsFrame(0, settings={1: size}).serialize() for size in sizes), *others)
        assert connection._closed is None
        encoder = connection._h2.encoder
        assert encoder.encode([]) == b"".join(size_update(size) for size in said)
        assert encoder.encode([]) == b""

    run(main())


@pytest.mark.parametrize("sizes", [[0], [100], [100, 200], [200, 100], [5000, 60], [2**32 - 1, 0]], ids=str)
def test_a_peer_chooses_a_smaller_headers_table(sizes):
    async def handler(stream):
        await stream.respond(200, [("x-name", "value")], end=True)

    async def main():
        async with http2.serve(handler) as server, raw_client(server) as peer:
            for number, size in enumerate([*sizes, *sizes]):
                peer.h2.update_settings({SettingCodes.HEADER_TABLE_SIZE: size})
                if number >= len(sizes) - 1:
                    peer.h2.send_headers(2 * number + 1, request(), end_stream=True)
                    assert (b"x-name", b"value") in (await peer.until(ResponseReceived)).headers

    run(main())


def test_a_peer_cannot_make_the_headers_table_grow():
    """It understands all the same what it is sent."""

    async def handler(stream):
        await stream.respond(200, [("x-request-id", f"{stream.id:0100}")], end=True)

    async def main():
        async with http2.serve(handler) as server, raw_client(server) as peer:
            peer.h2.update_settings({SettingCodes.HEADER_TABLE_SIZE: 2**31})
            for number in range(1, 201, 2):
                peer.h2.send_headers(number, request(), end_stream=True)
                response = await peer.until(ResponseReceived)
                assert dict(response.headers)[b"x-request-id"] == b"%0100d" % number
            (connection,) = server._connections
            assert connection._h2.encoder.header_table._current_size <= HEADER_TABLE_SIZE

    run(main())


def test_settings_that_nobody_knows_are_not_kept():
    unknown = b"".join(code.to_bytes(2, "big") + bytes(4) for code in range(0x100, 0xA00))
    frame = len(unknown).to_bytes(3, "big") + b"\4\0" + bytes(4) + unknown

    async def main():
        connection = settled(SettingsFrame(0).serialize(), frame)
        assert connection._closed is None
        assert set(connection._h2.remote_settings) <= set(SettingCodes)

    run(main())


def test_what_came_before_a_broken_frame_is_delivered():
    async def behave(peer):
        await peer.until(StreamEnded)
        peer.h2.send_headers(1, [(":status", "200")])
        peer.h2.send_data(1, b"half")
        peer.writer.write(peer.h2.data_to_send() + b"\x00\x00\x01\x06\x00\x00\x00\x00\x00.")  # a PING of one byte
        await peer.until_closed()

    async def main():
        async with connected_to(behave) as connection:
            stream = await connection.request(request())
            await stream.end()
            assert await stream.receive() == b"half"
            with pytest.raises(StreamError, match="broke the rules"):
                await stream.receive()
            with pytest.raises(StreamError, match="broke the rules"):
                await connection.request(request())

    run(main())


def test_a_client_that_says_goaway_goes_on_with_its_streams():
    """As the AWS SDK for JavaScript does; h2 alone would break them."""

    async def main():
        async with http2.serve(echo) as server, raw_client(server) as peer:
            peer.h2.send_headers(1, request())
            await peer.until(ResponseReceived)
            peer.writer.write(GoAwayFrame(0, last_stream_id=0).serialize())
            peer.h2.send_data(1, b"hello")
            assert (await peer.until(DataReceived)).data == b"hello"
            peer.h2.send_data(1, b"bye", end_stream=True)
            assert (await peer.until(DataReceived)).data == b"bye"
            await peer.until(StreamEnded)
            await peer.until(ConnectionTerminated)
            await peer.until_closed()

    run(main())


@pytest.mark.parametrize("size", [1, 8, 9, 10, 1_000])
def test_a_frame_that_is_too_long_is_refused_at_its_header(size):
    wire = PREFACE + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00" + b"\x00\x40\x01\x00\x00\x00\x00\x00\x01"

    async def main():
        connection = ServerConnection(Server(echo, 100, None))
        connection.connection_made(FakeTransport())
        for start in range(0, len(wire), size):
            assert connection._closed is None
            connection.data_received(wire[start : start + size])
        assert connection._closed.code == ErrorCodes.FRAME_SIZE_ERROR
        connection.connection_lost(None)

    run(main())
