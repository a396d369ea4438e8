"""What is changed of h2's habits, and that h2 still has what is changed."""

from __future__ import annotations

import ast
import asyncio
import importlib.metadata
import re
from pathlib import Path

import pytest
from cases import each
from h2.config import H2Configuration
from h2.connection import ConnectionInputs, H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, DataReceived, ResponseReceived, StreamEnded
from h2.exceptions import FlowControlError, ProtocolError
from h2.settings import SettingCodes
from h2.stream import H2Stream, StreamClosedBy, StreamInputs
from h2.utilities import SizeLimitDict
from hpack import Decoder, Encoder
from hpack.hpack import encode_integer
from http2.loopback import (
    FakeTransport,
    connected_to,
    continued,
    echo,
    headers,
    literal,
    lonely,
    processed,
    raw_client,
    request,
    run,
    settled,
    turns,
    written,
)
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    GoAwayFrame,
    HeadersFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from hypothesis import example, given
from hypothesis import strategies as st

from eventstream import http2
from eventstream.http2 import StreamError
from eventstream.http2._h2 import (
    H2,
    HEADER_TABLE_SIZE,
    MAX_DECODED_HEADER_LIST_SIZE,
    MAX_HEADER_LIST_SIZE,
    MAX_HEADERS,
    PREFACE,
)
from eventstream.http2.connection import CONNECTION_WINDOW
from eventstream.http2.server import ServerConnection, Shared

BEGUN = H2Stream(1, H2Configuration(), 65_535, 65_535)

HOOKS = [
    (H2Connection(), "_receive_frame"),
    (H2Connection(), "_receive_headers_frame"),
    (H2Connection(), "_receive_data_frame"),
    (H2Connection(), "_receive_priority_frame"),
    (H2Connection(), "_get_stream_by_id"),
    (H2Connection(), "incoming_buffer"),
    (H2Connection().incoming_buffer, "_headers_buffer"),
    (H2Connection(), "_receive_settings_frame"),
    (H2Connection(), "_receive_goaway_frame"),
    (H2Connection(), "_prepare_for_sending"),
    (H2Connection(), "_terminate_connection"),
    (H2Connection(), "_closed_streams"),
    (H2Connection(), "_stream_closed_by"),
    (H2Connection(), "streams"),
    (H2Connection(), "open_inbound_streams"),
    (H2Connection(), "inbound_flow_control_window"),
    (H2Connection(), "encoder"),
    (H2Connection(), "decoder"),
    (H2Connection(), "highest_inbound_stream_id"),
    (H2Connection(), "max_inbound_frame_size"),
    (H2Connection(), "max_outbound_frame_size"),
    (H2Connection(), "outbound_flow_control_window"),
    (H2Connection(), "state_machine"),
    (H2Connection(), "_data_to_send"),
    (ConnectionInputs, "SEND_DATA"),
    (H2Stream, "receive_data"),
    (BEGUN, "state_machine"),
    (BEGUN, "outbound_flow_control_window"),
    (BEGUN.state_machine, "process_input"),
    (StreamInputs, "SEND_DATA"),
    (Encoder(), "encode"),
    (Decoder(), "decode"),
    (Decoder(), "max_header_list_size"),
    (StreamClosedBy, "SEND_RST_STREAM"),
    (SizeLimitDict(size_limit=1), "_size_limit"),
    (Encoder(), "header_table"),
    (Encoder(), "header_table_size"),
    (Encoder(), "table_size_changes"),
    (Encoder().header_table, "resized"),
]
"""What `eventstream.http2` uses of h2 and hpack beyond what they document."""


def hook_name(value):
    return value if isinstance(value, str) else ""


@each(("owner", "name"), HOOKS, ids=hook_name)
def test_hooks_are_still_in_h2(owner, name):
    module = (owner if isinstance(owner, type) else type(owner)).__module__.partition(".")[0]
    version = importlib.metadata.version(module)
    assert hasattr(owner, name), (
        f"{module} {version} has dropped {type(owner).__name__}.{name}, which eventstream/http2/_h2.py uses: "
        f"find its replacement there, or cap {module} below {version} in pyproject.toml"
    )


def test_bytes_to_send_are_collected_in_a_bytearray():
    """To which those of DATA are added."""
    assert type(H2Connection()._data_to_send) is bytearray


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


@each(
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
def test_header_table_sizes_sent_are_the_smallest_and_the_last(sizes, said):
    """Before the next headers, and once."""

    async def main():
        others = [SettingsFrame(0).serialize(), SettingsFrame(0, flags=["ACK"]).serialize()]
        frames = [*(SettingsFrame(0, settings={1: size}).serialize() for size in sizes), *others]
        connection = settled(*frames, idle_frames=None)
        await processed(connection)
        assert connection._closed is None
        encoder = connection._h2.encoder
        assert encoder.encode([]) == b"".join(size_update(size) for size in said)
        assert encoder.encode([]) == b""

    run(main())


@each("sizes", [[0], [100], [100, 200], [200, 100], [5000, 60], [2**32 - 1, 0]], ids=str)
def test_peer_chooses_a_smaller_headers_table(sizes):
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


def test_peer_cannot_make_the_headers_table_grow():
    """It still understands what it is sent."""

    async def handler(stream):
        await stream.respond(200, [("x-request-id", f"{stream.id:0100}")], end=True)

    async def main():
        async with http2.serve(handler) as server, raw_client(server) as peer:
            peer.h2.update_settings({SettingCodes.HEADER_TABLE_SIZE: 2**31})
            for number in range(1, 201, 2):
                peer.h2.send_headers(number, request(), end_stream=True)
                response = await peer.until(ResponseReceived)
                assert dict(response.headers)[b"x-request-id"] == b"%0100d" % number
            (connection,) = server._shared.connections
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


def test_frames_before_a_broken_one_are_delivered():
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
            with pytest.raises(StreamError, match="the peer violated HTTP/2"):
                await stream.receive()
            with pytest.raises(StreamError, match="the peer violated HTTP/2"):
                await connection.request(request())

    run(main())


def test_client_that_says_goaway_goes_on_with_its_streams():
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
def test_frame_that_is_too_long_is_refused_at_its_header(size):
    wire = PREFACE + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00" + b"\x00\x40\x01\x00\x00\x00\x00\x00\x01"

    async def main():
        connection = ServerConnection(Shared(echo))
        connection.connection_made(FakeTransport())
        for start in range(0, len(wire), size):
            assert connection._closed is None
            connection.data_received(wire[start : start + size])
        assert connection._closed.code == ErrorCodes.FRAME_SIZE_ERROR
        connection.connection_lost(None)

    run(main())


# One stream's fault


SETTINGS = SettingsFrame(0).serialize()

MALFORMED = {
    "upper case": [*request(), ("Name", "value")],
    "no path": request()[:3],
    "path twice": [*request(), (":path", "/")],
    "pseudo-header of a response": [(":status", "200"), *request()],
    "unknown pseudo-header": [(":unknown", "x"), *request()],
    "pseudo-header last": [*request()[1:], ("name", "value"), request()[0]],
    "connection": [*request(), ("connection", "close")],
    "te": [*request(), ("te", "gzip")],
    "space": [*request(), ("name", " value")],
    "hosts that differ": [*request(), ("host", "elsewhere")],
    "content-length": [*request(), ("content-length", "many")],
    "content-lengths": [*request(), ("content-length", "1"), ("content-length", "2")],
}
SHORT = [*request(), ("content-length", "3")]
FAULTS = {
    **{name: (headers(3, fields), ErrorCodes.PROTOCOL_ERROR) for name, fields in MALFORMED.items()},
    "body too long": (headers(3, SHORT) + DataFrame(3, data=b"more").serialize(), ErrorCodes.PROTOCOL_ERROR),
    "body too short": (
        headers(3, SHORT) + DataFrame(3, data=b"no", flags=["END_STREAM"]).serialize(),
        ErrorCodes.PROTOCOL_ERROR,
    ),
    "body too short, trailers": (
        headers(3, SHORT) + DataFrame(3, data=b"no").serialize() + headers(3, [("x-trailer", "")], end=True),
        ErrorCodes.PROTOCOL_ERROR,
    ),
    "no body": (headers(3, SHORT, end=True), ErrorCodes.PROTOCOL_ERROR),
    "trailers that do not end": (headers(3) + headers(3, [("x-trailer", "")]), ErrorCodes.PROTOCOL_ERROR),
    "pseudo-header in trailers": (headers(3) + headers(3, [(":path", "/")], end=True), ErrorCodes.PROTOCOL_ERROR),
    "trailers too large": (
        headers(3) + continued(3, [("x-trailer", "v" * MAX_HEADER_LIST_SIZE)]),
        ErrorCodes.ENHANCE_YOUR_CALM,
    ),
    "too many trailers": (
        headers(3) + headers(3, [("x-t", "")] * (MAX_HEADERS + 1), end=True),
        ErrorCodes.ENHANCE_YOUR_CALM,
    ),
    "data after the end": (
        headers(3, end=True) + DataFrame(3, data=b"more").serialize(),
        ErrorCodes.STREAM_CLOSED,
    ),
    "headers after the end": (headers(3, end=True) + headers(3, end=True), ErrorCodes.STREAM_CLOSED),
    "window": (
        headers(3) + WindowUpdateFrame(3, window_increment=2**31 - 1).serialize(),
        ErrorCodes.FLOW_CONTROL_ERROR,
    ),
    "more than the stream's window": (
        headers(3) + b"".join(DataFrame(3, data=bytes(16_384)).serialize() for _ in range(5)),
        ErrorCodes.FLOW_CONTROL_ERROR,
    ),
    "window update of 0": (
        headers(3) + WindowUpdateFrame(3).serialize(),
        ErrorCodes.PROTOCOL_ERROR,
    ),
    "priority of 4 bytes": (
        headers(3) + b"\0\0\4\2\0\0\0\0\3" + bytes(4),
        ErrorCodes.FRAME_SIZE_ERROR,
    ),
    "priority of 6 bytes": (
        headers(3) + b"\0\0\6\2\0\0\0\0\3" + bytes(6),
        ErrorCodes.FRAME_SIZE_ERROR,
    ),
    "priority over itself": (
        HeadersFrame(
            3, data=headers(3)[9:], flags=["END_HEADERS", "PRIORITY"], depends_on=3, stream_weight=1
        ).serialize(),
        ErrorCodes.PROTOCOL_ERROR,
    ),
}


@each(("wire", "code"), FAULTS.values(), ids=FAULTS)
def test_stream_fault_ends_its_stream_alone(wire, code):
    """The streams beside it, those after it, and the connection's window go on."""

    async def handler(stream):
        if stream.id == 3:
            await asyncio.Event().wait()
        await echo(stream)

    async def main():
        connection = settled(SETTINGS, headers(1), handler=handler)
        connection.data_received(wire)
        await turns()
        frames = written(connection)
        resets = [(frame.stream_id, frame.error_code) for frame in frames if isinstance(frame, RstStreamFrame)]
        assert resets == [(3, code)]
        assert not [frame for frame in frames if isinstance(frame, GoAwayFrame)]
        connection.data_received(RstStreamFrame(3, error_code=8).serialize())  # it may have crossed ours
        for increment in 1, 0:
            connection.data_received(WindowUpdateFrame(3, window_increment=increment).serialize())
        connection.data_received(headers(5) + DataFrame(5, data=b"after", flags=["END_STREAM"]).serialize())
        connection.data_received(DataFrame(1, data=b"beside", flags=["END_STREAM"]).serialize())
        await turns()
        bodies = {frame.stream_id: frame.data for frame in written(connection) if getattr(frame, "data", b"")}
        assert (bodies[1], bodies[5]) == (b"beside", b"after")
        kept = connection._h2._inbound_flow_control_window_manager._bytes_processed  # h2 returns it with more
        window = connection._h2.inbound_flow_control_window
        assert window + connection._unreturned + kept == CONNECTION_WINDOW
        connection.connection_lost(None)
        for task in connection._shared.tasks:
            task.cancel()
        await turns()

    run(main())


def test_stream_fault_of_a_response_ends_its_stream_alone():
    async def main():
        connection = lonely()
        connection.data_received(SettingsFrame(0, settings={3: 100}).serialize())
        first, second, third = [await connection.request(request()) for _ in range(3)]
        connection.data_received(headers(1, [(":status", "200"), ("Name", "value")]))
        connection.data_received(headers(3, [(":status", "200"), ("content-length", "3")]))
        connection.data_received(DataFrame(3, data=b"no", flags=["END_STREAM"]).serialize())
        for stream in (first, second):
            with pytest.raises(StreamError, match="the peer violated HTTP/2") as raised:
                await stream.receive()
            assert raised.value.code == ErrorCodes.PROTOCOL_ERROR
        connection.data_received(headers(5, [(":status", "200")]) + DataFrame(5, data=b"body").serialize())
        assert await third.receive() == b"body"
        connection.connection_lost(None)

    run(main())


@pytest.mark.parametrize("length", ["0", "3"])
@pytest.mark.parametrize("status", ["204", "304"])
def test_content_length_of_a_response_without_a_body(status, length):
    """It may tell how long the body would be (RFC 9110, 8.6)."""

    async def main():
        connection = lonely()
        stream = await connection.request(request())
        connection.data_received(headers(1, [(":status", status), ("content-length", length)], end=True))
        assert await stream.receive() == b""
        connection.connection_lost(None)

    run(main())


@each(
    ("wire", "code"),
    [
        (HeadersFrame(3, data=b"\xff\xff\xff", flags=["END_HEADERS"]).serialize(), ErrorCodes.PROTOCOL_ERROR),
        (
            HeadersFrame(3, data=b"\x20" * 3 + headers(3)[9:], flags=["END_HEADERS"]).serialize(),
            ErrorCodes.PROTOCOL_ERROR,
        ),
        (continued(3, [*request(), ("x-large", "v" * MAX_DECODED_HEADER_LIST_SIZE)]), ErrorCodes.ENHANCE_YOUR_CALM),
        (
            HeadersFrame(
                3,
                data=headers(3)[9:] + literal("a", "b" * 4_000).replace(b"\0", b"\x40", 1) + b"\xbe" * 100,
                flags=["END_HEADERS"],
            ).serialize(),
            ErrorCodes.ENHANCE_YOUR_CALM,
        ),
        (DataFrame(3, data=b"on a stream that was never opened").serialize(), ErrorCodes.PROTOCOL_ERROR),
        (headers(2), ErrorCodes.PROTOCOL_ERROR),
        (WindowUpdateFrame(0).serialize(), ErrorCodes.PROTOCOL_ERROR),
        (WindowUpdateFrame(3).serialize(), ErrorCodes.PROTOCOL_ERROR),
        (b"\0\0\4\2\0\0\0\0\0" + bytes(4), ErrorCodes.PROTOCOL_ERROR),
        (b"\0\0\4\2\0\0\0\0\3" + bytes(4), ErrorCodes.FRAME_SIZE_ERROR),
        (b"\0\0\3\x08\0\0\0\0\1" + bytes(3), ErrorCodes.FRAME_SIZE_ERROR),
        (
            HeadersFrame(3, data=headers(3)[9:12]).serialize() + WindowUpdateFrame(1).serialize(),
            ErrorCodes.PROTOCOL_ERROR,
        ),
    ],
    ids=[
        "not HPACK",
        "table sizes",
        "large",
        "bomb",
        "idle",
        "number",
        "window update of 0",
        "window update of 0, idle",
        "priority without a stream",
        "priority of 4 bytes, idle",
        "window update of 3 bytes",
        "window update of 0 between headers",
    ],
)
def test_connection_fault_ends_the_connection(wire, code):
    async def main():
        connection = settled(SETTINGS, headers(1), wire)
        await processed(connection)
        assert connection._closed.code == code
        (goodbye,) = [frame for frame in written(connection) if isinstance(frame, GoAwayFrame)]
        assert goodbye.error_code == code
        connection.connection_lost(None)
        await turns()

    run(main())


def test_window_update_of_0_on_an_ended_stream_is_ignored():
    """It may have been under way (RFC 9113, 5.1)."""

    async def main():
        connection = settled(SETTINGS, headers(1, end=True))
        await turns()
        assert [frame for frame in written(connection) if "END_STREAM" in frame.flags]
        for late in range(2):  # before h2 forgets the stream, and after
            connection.data_received(WindowUpdateFrame(1).serialize())
            connection.data_received(headers(3 + 2 * late))
        await turns()
        assert not [frame for frame in written(connection) if isinstance(frame, (RstStreamFrame, GoAwayFrame))]
        connection.connection_lost(None)
        await turns()

    run(main())


def test_priority_over_itself_says_nothing():
    """Priorities are obsolete (RFC 9113, 5.3.2)."""

    async def main():
        connection = settled(SETTINGS, headers(1), PriorityFrame(1, depends_on=1).serialize())
        connection.data_received(DataFrame(1, data=b"after", flags=["END_STREAM"]).serialize())
        await turns()
        assert b"after" in [getattr(frame, "data", b"") for frame in written(connection)]
        connection.connection_lost(None)
        await turns()

    run(main())


class Longer(H2):
    """An end that leaves DATA to h2."""

    def _receive_body(self, data, start, end):
        return False

    def send_body(self, stream_id, data):
        self.send_data(stream_id, data)


class End:
    """A server's end, and all that can be seen of it: stream 1 is open, and 3 with a body of 30 bytes."""

    def __init__(self, kind):
        self.events = []
        self.h2 = kind(H2Configuration(client_side=False), self.events.append, max_streams=10, resets=None, idle=None)
        self.h2.initiate_connection()
        length = ("content-length", "30")
        self.h2.receive(PREFACE + SETTINGS + headers(1) + headers(3, [*request(), length]) + headers(7), 10)
        self.h2.send_fields(1, [(":status", "200")], end=False)
        self.h2.send_fields(3, [(":status", "200")], end=False)

    def seen(self):
        said = [
            {name: value for name, value in vars(event).items() if name != "stream_ended"}
            | {"": type(event), "ended": getattr(event, "stream_ended", None) is not None}
            for event in self.events
        ]
        self.events.clear()
        windows = {
            number: (stream.outbound_flow_control_window, stream.inbound_flow_control_window, stream.closed)
            for number, stream in self.h2.streams.items()
        }
        own = self.h2.outbound_flow_control_window, self.h2.inbound_flow_control_window
        return said, self.h2.data_to_send(), windows, own

    def do(self, method, *arguments):
        try:
            return getattr(self.h2, method)(*arguments)
        except ProtocolError as error:
            return type(error), error.error_code


def raw(kind, flags, stream_id, payload):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream_id.to_bytes(4, "big") + payload


STREAMS = st.sampled_from([1, 1, 1, 3, 7, 5, 9, 2, 0, 0x8000_0001])
PAYLOADS = st.one_of(st.lists(st.integers(0, 20), max_size=20).map(bytes), st.just(bytes(16_384)))
FRAMES = st.one_of(
    st.builds(raw, st.just(0), st.sampled_from([0, 0, 0, 1, 8, 9, 0xF6]), STREAMS, PAYLOADS),
    st.builds(raw, st.just(8), st.just(0), STREAMS, st.just(b"\0\0\x10\0")),
    st.builds(raw, st.just(3), st.just(0), STREAMS, st.just(bytes(4))),
    st.sampled_from(
        [HeadersFrame(9, data=b"\x82").serialize(), headers(9), headers(1, [("x-trailer", "last")], end=True)]
    ),
)
SIZES = st.one_of(st.integers(1, 500), st.sampled_from([16_383, 16_384, 16_385]))
STEPS = st.one_of(
    st.tuples(st.just("receive"), st.lists(FRAMES, min_size=1, max_size=6).map(b"".join), st.just(64)),
    st.tuples(st.just("send_body"), STREAMS, SIZES.map(lambda size: memoryview(bytes(size)))),
    st.tuples(st.just("end_stream"), STREAMS),
    st.tuples(st.just("reset_stream"), STREAMS),
    st.tuples(st.just("go_away")),
)


@given(st.lists(STEPS, max_size=8))
@example([("send_body", 1, memoryview(bytes(16_385)))])  # more than a frame
@example([("send_body", 1, memoryview(bytes(16_384)))] * 4)  # more than the window
@example([("receive", raw(0, 0, 1, bytes(16_384)) * 4, 64)])
@example([("receive", raw(0, 8, 1, b"\2ab\0"), 64), ("receive", raw(0, 8, 1, b"\2ab"), 64)])  # padding
@example([("receive", raw(0, 8, 1, b"\2a"), 64)])  # of more than there is
@example([("receive", raw(0, 8, 1, b""), 64)])
@example([("receive", raw(0, 0, 0, b"a"), 64)])  # of no stream
@example([("receive", HeadersFrame(9, data=b"\x82").serialize() + raw(0, 0, 1, b"a"), 64)])  # amid headers
def test_data_frames_differ_in_nothing_from_those_of_h2(steps):
    ours, theirs = End(H2), End(Longer)
    assert ours.seen() == theirs.seen()
    for step in steps:
        outcome = ours.do(*step)
        assert outcome == theirs.do(*step)
        assert ours.seen() == theirs.seen()
        if step[0] == "receive" and isinstance(outcome[0], type):
            break  # the connection is over


def test_data_frames_are_not_written_out_for_a_log(monkeypatch):
    texts = []

    async def main():
        connection = settled(SETTINGS, headers(1))
        padded = DataFrame(1, b" and", pad_length=3, flags=["PADDED"])
        connection.data_received(DataFrame(1, b"audio").serialize() + padded.serialize())
        await turns()
        assert b"".join(frame.data for frame in written(connection) if isinstance(frame, DataFrame)) == b"audio and"
        connection.connection_lost(None)
        await turns()

    monkeypatch.setattr(DataFrame, "__repr__", lambda frame: texts.append(frame) or "")
    run(main())
    assert not texts


def test_closed_streams_are_not_all_remembered():
    async def main():
        connection = settled(SETTINGS, resets=None)
        for stream_id in range(1, 2_001, 2):
            connection.data_received(headers(stream_id) + RstStreamFrame(stream_id, error_code=8).serialize())
            await processed(connection)
        assert connection._closed is None
        assert len(connection._h2._closed_streams) == 200
        connection.data_received(headers(1_999, [("x-trailer", "late")], end=True))
        assert connection._closed is None
        connection.connection_lost(None)
        await turns()

    run(main())


def test_header_block_that_never_ends_ends_the_connection():
    pieces = [ContinuationFrame(3, data=bytes(16_000)).serialize() for _ in range(9)]

    async def main():
        connection = settled(SETTINGS, HeadersFrame(3, data=bytes(16_000)).serialize(), *pieces)
        await processed(connection)
        assert connection._closed.code == ErrorCodes.ENHANCE_YOUR_CALM
        assert "a header block that is too long" in str(connection._closed)
        connection.data_received(headers(5))  # nobody looks at it
        connection.connection_lost(None)
        await turns()

    run(main())


def test_window_of_the_connection_that_is_exceeded_ends_it():
    """The fault concerns all streams; a connection of ours returns its window with what arrives."""
    alone = H2(H2Configuration(client_side=False), lambda event: None, max_streams=10, resets=None, idle=None)
    alone.initiate_connection()
    alone.receive(PREFACE + SETTINGS + headers(1) + headers(3), 10)
    data = b"".join(DataFrame(number, data=bytes(16_000)).serialize() for number in (1, 3, 1, 3, 1))
    with pytest.raises(FlowControlError):
        alone.receive(data, 10)


def test_headers_that_h2_refuses_leave_the_stream_as_it_was():
    alone = H2(H2Configuration(client_side=False), lambda event: None, max_streams=10, resets=None, idle=None)
    alone.initiate_connection()
    alone.receive(PREFACE + SETTINGS + headers(1, end=True), 10)
    alone.send_fields(1, [(":status", "200")], end=False)
    with pytest.raises(ProtocolError):
        alone.send_fields(1, [(":status", "200")], end=False)
    assert not alone.streams[1].closed


@each("fields", [[("x-large", "v" * MAX_HEADER_LIST_SIZE)], [("x-small", "")] * MAX_HEADERS], ids=["large", "many"])
def test_response_headers_that_are_too_large_reset_their_stream(fields):
    async def main():
        connection = lonely()
        stream = await connection.request(request())
        connection.data_received(continued(1, [(":status", "200"), *fields]))
        with pytest.raises(StreamError) as raised:
            await stream.response()
        assert raised.value.code == ErrorCodes.ENHANCE_YOUR_CALM
        connection.connection_lost(None)

    run(main())
