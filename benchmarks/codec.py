"""Rows of the codec: decoding and encoding against the peers, and against the floor of one checksum and one copy."""

from __future__ import annotations

import contextlib
import io
import zlib
from collections.abc import Callable, Iterator
from functools import partial

import crcmod.predefined
from amazon_transcribe.eventstream import EventStreamMessageSerializer
from botocore.eventstream import EventStreamBuffer
from isal import isal_zlib
from zlib_ng import zlib_ng

import eventstream
from benchmarks.calls import HEADERS, KIB, payload_of
from benchmarks.measure import Row, Work
from eventstream import _native

MIB = 1024 * 1024


def wire_of(payload_length: int) -> bytes:
    return eventstream.encode(HEADERS, payload_of(payload_length))


def feed(decoder: eventstream.Decoder, *chunks: bytes) -> Work:
    def work() -> None:
        for chunk in chunks:
            for _ in decoder.feed(chunk):
                pass

    return work


def feed_botocore(*chunks: bytes) -> Work:
    buffer = EventStreamBuffer()

    def work() -> None:
        for chunk in chunks:
            buffer.add_data(chunk)
            for _ in buffer:
                pass

    return work


def decode_smithy(wire: bytes) -> Work | None:
    with contextlib.suppress(ImportError):
        from smithy_aws_event_stream.events import Event

        return lambda: Event.decode(io.BytesIO(wire))
    return None


def floor(payload: bytes) -> Work:
    """One ISA-L checksum and one copy of the payload."""

    def work() -> None:
        isal_zlib.crc32(payload)
        bytes(memoryview(payload))

    return work


def pieces(data: bytes, length: int) -> list[bytes]:
    return [data[i : i + length] for i in range(0, len(data), length)]


def rows() -> Iterator[Row]:
    decoder = eventstream.Decoder

    for length, at_least in ((918, 30), (142, 35)):
        wire = wire_of(length)
        yield Row(
            f"`Decoder`, one message of {length} B a feed",
            "botocore",
            feed(decoder(), wire),
            feed_botocore(wire),
            at_least,
        )

    wire = wire_of(918)
    bulk = wire * 4000
    yield Row(
        "4,000 of 918 B in one feed, per message",
        "botocore, one a feed",
        feed(decoder(), bulk),
        feed_botocore(wire),
        45,
        per=4000,
    )
    yield Row("the same", "botocore, all in one feed", feed(decoder(), bulk), feed_botocore(bulk), 250)

    for length, at_least in ((16 * KIB, 20), (MIB, 8)):  # a bare checksum of 1 MiB is 12 times as fast as botocore
        wire = wire_of(length)
        yield Row(f"decode {length // KIB} KiB", "botocore", feed(decoder(), wire), feed_botocore(wire), at_least)

    payload = payload_of(3200)
    headers = eventstream.Headers(HEADERS)
    serializer = EventStreamMessageSerializer()
    for what, given, at_least in (("a dict", HEADERS, 12), ("`Headers`", headers, 20)):
        yield Row(
            f"`encode` with {what}, 3,200 B",
            "amazon-transcribe",
            lambda given=given: eventstream.encode(given, payload),
            lambda: serializer.serialize(HEADERS, payload),
            at_least,
        )

    data = payload_of(MIB)
    wire = eventstream.encode(headers, data)
    yield Row("`decode`, 1 MiB", "floor", partial(eventstream.decode, wire), floor(data), at_most=0.6)
    yield Row(
        "`encode` with `Headers`, 1 MiB", "floor", partial(eventstream.encode, headers, data), floor(data), at_most=0.6
    )

    message = eventstream.Message(headers, payload)
    yield Row(
        "`Message.encode`, 3,200 B",
        "amazon-transcribe",
        message.encode,
        lambda: serializer.serialize(HEADERS, payload),
        20,
    )

    wire = wire_of(MIB)
    view = payload_of(MIB)
    yield Row(
        "`Decoder(copy=False)`, 1 MiB",
        "ISA-L alone",
        feed(decoder(copy=False), wire),
        lambda: isal_zlib.crc32(view),
        at_most=1.15,
    )

    large, half = wire_of(4 * MIB), wire_of(2 * MIB)
    for size in (1, KIB, 64 * KIB):
        yield Row(
            f"4 MiB message fed {size:,} B at a time",
            "half that message",
            feed(decoder(), *pieces(large, size)),
            feed(decoder(), *pieces(half, size)),
            at_most=2.5,
        )

    chunks = pieces(wire_of(8 * MIB), KIB)
    yield Row("8 MiB message in 1 KiB pieces", "botocore", feed(decoder(), *chunks), feed_botocore(*chunks), 150)

    # A signed stream repeats no header block; the headers are looked at, since the peers have parsed theirs.
    signed = [
        eventstream.encode(
            {":date": eventstream.Timestamp(1_795_327_397_708 + 100 * i), ":chunk-signature": (b"%032d" % i)}, payload
        )
        for i in range(256)
    ]
    everything = b"".join(signed)
    ours = decoder()

    def look() -> None:
        for message in ours.feed(everything):
            message.headers[":chunk-signature"]

    yield Row(
        "headers all different, per message", "botocore", look, feed_botocore(*signed), 14, per=256, against_per=256
    )
    if smithy := decode_smithy(signed[0]):
        yield Row("the same", "smithy-aws-event-stream", look, smithy, 20, per=256)
    wire = wire_of(918)
    if smithy := decode_smithy(wire):
        yield Row("`decode`, 918 B", "smithy-aws-event-stream", lambda: eventstream.decode(wire), smithy)


def checksum_rows() -> Iterator[Row]:
    """Yield the kernel that this CPU chose beside other checksums, each called from Python."""
    kernel = _native._crc32_kernels()[0]
    peers: dict[str, Callable[[bytes], int]] = {
        "isal": isal_zlib.crc32,
        "zlib-ng": zlib_ng.crc32,
        "zlib": zlib.crc32,
        "crcmod": crcmod.predefined.mkCrcFun("crc-32"),
    }
    for length in (3200, MIB):
        data = payload_of(length)
        for name, peer in peers.items():
            yield Row(
                f"CRC-32 of {length:,} B",
                name,
                lambda data=data: _native._crc32(kernel, data),
                lambda data=data, peer=peer: peer(data),
            )
