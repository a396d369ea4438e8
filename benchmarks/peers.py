"""The same jobs for every codec there is to hand: each peer in Python here, AWS's codec in C by a driver in C, the
JavaScript codec in its own process.

Each contestant does a job in the way that its own users do, and looks at what it decoded: a header and the payload. One
that has no such part does not take part in the job. The `floor` of a job is the part of it that cannot be saved.
"""

from __future__ import annotations

import contextlib
import io
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import capo_transcribe_streaming._protocol.eventstream as capo
import msgspec
from amazon_transcribe.eventstream import EventStreamBuffer as AmazonTranscribeBuffer
from amazon_transcribe.eventstream import EventStreamMessageSerializer
from botocore.eventstream import EventStreamBuffer as BotocoreBuffer

import eventstream
from benchmarks import codec, javascript, signing, transcribe
from benchmarks.aws_c import AwsC
from benchmarks.calls import HEADERS, KIB, payload_of
from benchmarks.codec import MIB, pieces, wire_of
from benchmarks.measure import Samples, Timed, Work, apart, at_once, contest, timed
from benchmarks.memory import resident_set
from eventstream import _reference

if sys.version_info >= (3, 12):  # those of AWS's new SDK
    from aws_sdk_signers import AsyncEventSigner, AWSCredentialIdentity
    from aws_sdk_transcribe_streaming.config import _PROTOCOL_SETTINGS
    from aws_sdk_transcribe_streaming.models import _TranscriptResultStreamDeserializer
    from smithy_aws_core.aio.protocols import RestJsonClientProtocol
    from smithy_aws_event_stream.aio import AWSEventReceiver
    from smithy_aws_event_stream.events import Event, EventHeaderEncoder, EventMessage
    from smithy_core.aio.types import AsyncBytesReader
else:
    Event = None

FLOOR = "floor"
OURS = "eventstream"
REFERENCE = "eventstream, plain Python"
BOTOCORE = "botocore"
AMAZON_TRANSCRIBE = "amazon-transcribe"
SMITHY = "smithy-aws-event-stream"
CAPO = "capo-transcribe-streaming"
JAVASCRIPT = "@smithy/core (Node)"
C = "aws-c-event-stream (in C)"

CONTESTANTS = (OURS, REFERENCE, BOTOCORE, AMAZON_TRANSCRIBE, SMITHY, CAPO, JAVASCRIPT, C)

LONG_PAYLOAD = 16_000_000
"""Of the message whose assembly is compared: the most that all peers accept is 16 MiB."""


def versions() -> dict[str, str]:
    """Return what takes part here, in which version."""
    found = {JAVASCRIPT: javascript.VERSION}
    distributions = {OURS: "eventstream-codec", C: "awscrt"}
    for name in CONTESTANTS:
        distribution = distributions.get(name, name)
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(distribution)
    return found


@dataclass(frozen=True)
class Job:
    """One work for all who can do it, and how many messages one call of it handles."""

    name: str
    contestants: dict[str, Timed]
    per: int = 1


@dataclass(frozen=True)
class Standing:
    """Median nanoseconds a message, and the largest part by which the two runs differ in a codec's ratio to ours."""

    job: str
    nanoseconds: dict[str, float]
    apart: float


def measure(job: Job) -> Samples:
    return contest(list(job.contestants.values()))


def standing(job: Job, first: Samples, second: Samples) -> Standing:
    """Join the two runs of a job."""
    names = list(job.contestants)
    ours = names.index(OURS)
    most = max(apart([run.ratio(index, ours) for run in (first, second)]) for index in range(len(names)))
    means = [(a + b) / 2 / job.per for a, b in zip(first.medians(), second.medians(), strict=True)]
    return Standing(job.name, dict(zip(names, means, strict=True)), most)


def jobs(node: javascript.JavaScript | None, in_c: AwsC | None) -> Iterator[Job]:
    """Yield all of them; without Node, or without AWS's codec in C, for the others."""
    for length in (142, 918, 16 * KIB, MIB):
        yield _decode(length, node, in_c)
    for length in (142, 918, 16 * KIB, MIB):
        yield _encode(length, node, in_c)
    yield _sign(node)
    yield _typed()
    yield _stream("4 MB of 918 B messages, fed at once", wire_of(918) * 4000, 5 * MIB, node, in_c, per=4000)
    yield _stream("918 B message, fed byte by byte", wire_of(918), 1, node, in_c)
    yield _stream("16 MB message, fed in 64 KiB pieces", wire_of(LONG_PAYLOAD), 64 * KIB, node, in_c)


# Decoding


def drain(messages: Iterable[Any]) -> None:
    """Look at a header and the payload of each."""
    for message in messages:
        message.headers[":event-type"], message.payload


def _feeding(class_: Any) -> Callable[[Iterable[bytes]], Work]:
    def work_of(chunks: Iterable[bytes]) -> Work:
        decoder = class_()

        def work() -> None:
            for chunk in chunks:
                drain(decoder.feed(chunk))

        return work

    return work_of


def _buffer(class_: Any) -> Callable[[Iterable[bytes]], Work]:
    def work_of(chunks: Iterable[bytes]) -> Work:
        buffer = class_()

        def work() -> None:
            for chunk in chunks:
                buffer.add_data(chunk)
                drain(buffer)

        return work

    return work_of


DECODERS: dict[str, Callable[[Iterable[bytes]], Work]] = {
    OURS: _feeding(eventstream.Decoder),
    REFERENCE: _feeding(_reference.Decoder),
    BOTOCORE: _buffer(BotocoreBuffer),
    AMAZON_TRANSCRIBE: _buffer(AmazonTranscribeBuffer),
    CAPO: _feeding(capo.MessageDecoder),
}
"""Of a stream in pieces. smithy's decoder reads from a file instead."""


def _decode_smithy(wire: bytes) -> Work:
    def work() -> None:
        source = io.BytesIO(wire)
        while (event := Event.decode(source)) is not None:
            event.message.headers[":event-type"], event.message.payload

    return work


def _decode(length: int, node: javascript.JavaScript | None, in_c: AwsC | None) -> Job:
    wire = wire_of(length)
    payload = payload_of(length)
    contestants = {FLOOR: timed(codec.floor(payload))}
    contestants |= {name: timed(work_of([wire])) for name, work_of in DECODERS.items()}
    if Event is not None:
        contestants[SMITHY] = timed(_decode_smithy(wire))
    if node is not None:
        contestants[JAVASCRIPT] = node.timed("decode", wire=wire)
    if in_c is not None:
        contestants[C] = in_c.decode(wire).run
    return Job(f"decode {length:,} B", contestants)


def _stream(
    name: str, wire: bytes, size: int, node: javascript.JavaScript | None, in_c: AwsC | None, per: int = 1
) -> Job:
    chunks = pieces(wire, size)
    contestants = {name: timed(work_of(chunks)) for name, work_of in DECODERS.items()}
    if Event is not None and len(chunks) == 1:
        contestants[SMITHY] = timed(_decode_smithy(wire))
    if node is not None:
        contestants[JAVASCRIPT] = node.timed("stream", wire=wire, size=size)
    if in_c is not None:
        contestants[C] = in_c.stream(wire, size).run
    return Job(name, contestants, per)


# Encoding and signing


def _encode(length: int, node: javascript.JavaScript | None, in_c: AwsC | None) -> Job:
    payload = payload_of(length)
    serializer = EventStreamMessageSerializer()
    contestants = {
        FLOOR: timed(codec.floor(payload)),
        OURS: timed(lambda: eventstream.encode(HEADERS, payload)),
        REFERENCE: timed(lambda: _reference.encode(HEADERS, payload)),
        AMAZON_TRANSCRIBE: timed(lambda: serializer.serialize(HEADERS, payload)),
        CAPO: timed(lambda: capo.Message(HEADERS, payload).encode()),
    }
    if Event is not None:
        contestants[SMITHY] = timed(lambda: EventMessage(headers=HEADERS, payload=payload).encode())
    if node is not None:
        contestants[JAVASCRIPT] = node.timed("encode", headers=HEADERS, payload=payload)
    if in_c is not None:
        contestants[C] = in_c.encode(HEADERS, payload).run
    return Job(f"encode {length:,} B", contestants)


def _sign_smithy() -> Work:
    """As AWSEventPublisher.send does it, without writing."""
    signer = AsyncEventSigner(initial_signature=b"0" * 64, event_encoder_cls=EventHeaderEncoder)
    identity = AWSCredentialIdentity(
        access_key_id=signing.CREDENTIALS.access_key, secret_access_key=signing.CREDENTIALS.secret_key
    )
    properties: Any = {"region": "us-east-1", "service": "transcribe"}

    def work() -> None:
        event = EventMessage(headers=dict(signing.AUDIO_EVENT_HEADERS), payload=signing.AUDIO)
        at_once(signer.sign(event=event, identity=identity, properties=properties)).encode()

    return work


def _sign(node: javascript.JavaScript | None) -> Job:
    contestants = {
        FLOOR: timed(signing.floor()),
        OURS: timed(signing.sign()),
        AMAZON_TRANSCRIBE: timed(signing.sign_as_amazon_transcribe()),
    }
    if Event is not None:
        contestants[SMITHY] = timed(_sign_smithy())
    if node is not None:
        contestants[JAVASCRIPT] = node.timed(
            "sign",
            headers=dict(signing.AUDIO_EVENT_HEADERS),
            payload=signing.AUDIO,
            keys=[signing.CREDENTIALS.access_key, signing.CREDENTIALS.secret_key],
            region="us-east-1",
            service="transcribe",
        )
    return Job("encode and sign 3,200 B of audio", contestants)


# Typed events


def _typed_smithy(wire: bytes) -> Work:
    payload_codec = RestJsonClientProtocol(_PROTOCOL_SETTINGS).payload_codec
    deserialize = _TranscriptResultStreamDeserializer().deserialize

    def work() -> object:
        source = AsyncBytesReader(wire)
        return at_once(AWSEventReceiver(payload_codec, source, deserialize).receive())

    return work


def _typed() -> Job:
    payload = transcribe.payload_of_six_words()
    wire = eventstream.encode(transcribe.TRANSCRIPT_EVENT_HEADERS, payload)
    contestants = {
        FLOOR: timed(lambda: msgspec.json.decode(payload)),
        OURS: timed(transcribe.ours(wire)),
        AMAZON_TRANSCRIBE: timed(transcribe.theirs(wire)),
    }
    if Event is not None:
        contestants[SMITHY] = timed(_typed_smithy(wire))
    return Job("918 B from the wire to a TranscriptEvent", contestants)


# Memory


def peaks(node: javascript.JavaScript | None) -> dict[str, float]:
    """Return what the resident set grows by at most while the long message arrives in 64 KiB pieces, over its length.

    Each contestant has a process of its own, which reads the pieces from a file as it would from a network.
    """
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "wire")
        path.write_bytes(wire_of(LONG_PAYLOAD))
        grown = {}
        for name in DECODERS:
            command = [sys.executable, "-m", "benchmarks.peers", name, str(path)]
            grown[name] = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        if node is not None:
            with javascript.JavaScript() as fresh:
                grown[JAVASCRIPT] = fresh.ask(read=str(path), size=64 * KIB)["grown"]
        return {name: length / path.stat().st_size for name, length in grown.items()}


def _grown(name: str, path: str) -> int:
    with Path(path).open("rb") as file:
        work = DECODERS[name](iter(lambda: file.read(64 * KIB), b""))
        before = resident_set()
        work()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return peak - before


if __name__ == "__main__":
    print(_grown(*sys.argv[1:]))
