"""Rows of the adapters: what a library does itself, against the same with our codec in it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from io import BytesIO
from types import ModuleType
from typing import Any

from amazon_transcribe import eventstream as amazon_transcribe
from amazon_transcribe.auth import StaticCredentialResolver
from amazon_transcribe.model import AudioStream
from amazon_transcribe.serialize import AudioEventSerializer
from botocore import eventstream as botocore

import eventstream
from benchmarks.codec import wire_of
from benchmarks.measure import Row, Work, at_once
from benchmarks.signing import AUDIO
from benchmarks.transcribe import payload_of_six_words
from eventstream.adapters import amazon_transcribe as amazon_transcribe_adapter
from eventstream.adapters import botocore as botocore_adapter
from eventstream.transcribe.model import TRANSCRIPT_EVENT_HEADERS

EVENTS = 100
CHUNK = 16_384  # what HTTP/2 clients get at once


def rows() -> Iterator[Row]:
    yield from botocore_rows()
    yield from amazon_transcribe_rows()
    if sys.version_info >= (3, 12):  # as smithy-aws-event-stream asks for
        yield from smithy_rows()


def transcript_events() -> bytes:
    return eventstream.encode(TRANSCRIPT_EVENT_HEADERS, payload_of_six_words()) * EVENTS


# botocore


def response(module: ModuleType, *chunks: bytes) -> Work:
    """Return what boto3's `EventStream` makes of the chunks of a response, up to its parser."""
    buffer = module.EventStreamBuffer()

    def work() -> None:
        for chunk in chunks:
            buffer.add_data(chunk)
            for event in buffer:
                event.headers, event.payload, event.to_response_dict()

    return work


def botocore_rows() -> Iterator[Row]:
    ours, theirs = botocore_adapter, botocore
    wire = wire_of(918)
    what = "boto3's loop over `EventStreamBuffer`, 918 B"
    yield Row(f"{what}, a message a chunk", "botocore", response(ours, wire), response(theirs, wire), at_least=8)
    count = 4_000_000 // len(wire)
    bulk = wire * count
    yield Row(
        f"{what}, 4 MB in one chunk, per message",
        "botocore",
        response(ours, bulk),
        response(theirs, bulk),
        at_least=60,
        per=count,
        against_per=count,
    )


# amazon-transcribe


class Nowhere:
    """In the place of a request's body."""

    def write(self, data: bytes) -> int:
        return len(data)


def send_event(module: ModuleType) -> Work:
    """Send an event of audio through the client's stream, with the serializer and the signer of the module."""
    resolver = StaticCredentialResolver("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    signer = module.EventSigner("transcribe", "us-east-1")
    serializer = module.EventStreamMessageSerializer()
    stream = AudioStream(Nowhere(), AudioEventSerializer(), serializer, signer, bytes(32), resolver)
    return lambda: at_once(stream.send_audio_event(AUDIO))


def buffer(module: ModuleType) -> Work:
    wire = transcript_events()
    chunks = [wire[position : position + CHUNK] for position in range(0, len(wire), CHUNK)]

    def work() -> None:
        stream = module.EventStreamBuffer()
        for chunk in chunks:
            stream.add_data(chunk)
            for message in stream:
                assert message.headers

    return work


def amazon_transcribe_rows() -> Iterator[Row]:
    ours, theirs = amazon_transcribe_adapter, amazon_transcribe
    what = "`send_audio_event`, 3,200 B, with our serializer and signer"
    yield Row(what, "amazon-transcribe", send_event(ours), send_event(theirs), at_least=3)
    what = f"`EventStreamBuffer`, {len(payload_of_six_words())} B, a stream in chunks of 16 KiB"
    yield Row(what, "amazon-transcribe", buffer(ours), buffer(theirs), per=EVENTS, against_per=EVENTS)


# smithy-aws-event-stream


class Bare:
    """An asynchronous source that does nothing but read."""

    def __init__(self, data: bytes) -> None:
        self._read = BytesIO(data).read

    async def read(self, size: int = -1) -> bytes:
        return self._read(size)


async def chunked(data: bytes) -> AsyncIterator[bytes]:
    for position in range(0, len(data), CHUNK):
        yield data[position : position + CHUNK]


def smithy_rows() -> Iterator[Row]:
    from smithy_aws_event_stream import events as theirs
    from smithy_core.aio.types import AsyncBytesReader

    from eventstream.adapters import smithy as ours

    wire = transcript_events()

    def decode_async(module: Any, source: Any) -> Work:
        decode = module.Event.decode_async

        def work() -> None:
            data = source()
            while at_once(decode(data)) is not None:
                pass

        return work

    def encode(module: Any) -> Work:
        message = module.EventMessage(headers=dict(TRANSCRIPT_EVENT_HEADERS), payload=payload_of_six_words())
        encode: Work = message.encode
        return encode

    for what, source, at_least in (
        ("bytes in the library's reader", lambda: AsyncBytesReader(wire), 4),
        (
            "chunks of 16 KiB in the library's reader, as its clients have it",
            lambda: AsyncBytesReader(chunked(wire)),
            4,
        ),
        ("a bare source", lambda: Bare(wire), None),
    ):
        yield Row(
            f"`Event.decode_async`, {len(payload_of_six_words())} B, from {what}",
            "smithy-aws-event-stream",
            decode_async(ours, source),
            decode_async(theirs, source),
            at_least=at_least,
            per=EVENTS,
            against_per=EVENTS,
        )
    yield Row("`EventMessage.encode`, the same", "smithy-aws-event-stream", encode(ours), encode(theirs))
