"""Rows of signing and verifying, against amazon-transcribe and against the hashing that cannot be saved.

The floor of an event is one ``sha256`` of its payload, one ``sha256`` of its date header and one ``hmac.digest``, as
bare `hashlib` calls.
"""

from __future__ import annotations

import asyncio
import hmac
import itertools
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from hashlib import sha256

from amazon_transcribe.auth import StaticCredentialResolver
from amazon_transcribe.eventstream import EventSigner as PeerSigner
from amazon_transcribe.eventstream import EventStreamMessageSerializer
from amazon_transcribe.model import AudioEvent
from amazon_transcribe.serialize import AudioEventSerializer

import eventstream
from benchmarks.measure import Row, Work
from eventstream.signing import Credentials, EventSigner, EventVerifier
from eventstream.transcribe import ClientSession, StartStreamTranscriptionRequest
from eventstream.transcribe.model import AUDIO_EVENT_HEADERS

CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
SCOPE = (CREDENTIALS, "us-east-1", "transcribe", bytes(32))
AUDIO = bytes(range(256)) * 12 + bytes(128)  # 100 ms at 16 kHz: 3,200 bytes
EVENTS = 100  # a chain, which a verifier must begin at its seed


def floor() -> Work:
    payload = eventstream.encode(AUDIO_EVENT_HEADERS, AUDIO)
    date = eventstream.Headers({":date": datetime.now(timezone.utc)}).raw
    key, text = bytes(32), bytes(300)  # a string to sign has about 300 bytes

    def work() -> None:
        sha256(payload).hexdigest()
        sha256(date).hexdigest()
        hmac.digest(key, text, "sha256")

    return work


def sign() -> Work:
    """As a busy process does it: many events in a millisecond, which share their date."""
    signer = EventSigner(*SCOPE)
    return lambda: signer.sign(eventstream.encode(AUDIO_EVENT_HEADERS, AUDIO))


def sign_apart() -> Work:
    """As for a stream alone, whose events come a tenth of a second apart."""
    signer = EventSigner(*SCOPE)
    signer._now = itertools.count(time.time_ns(), 100_000_000).__next__
    return lambda: signer.sign(eventstream.encode(AUDIO_EVENT_HEADERS, AUDIO))


def send_audio() -> Work:
    request = StartStreamTranscriptionRequest(
        language_code="en-US", media_sample_rate_hertz=16000, media_encoding="pcm"
    )
    session = ClientSession(request, EventSigner(*SCOPE))
    return lambda: session.send_audio(AUDIO)


def verify() -> Work:
    signer = EventSigner(*SCOPE)
    wires = [signer.sign(eventstream.encode(AUDIO_EVENT_HEADERS, AUDIO)) for _ in range(EVENTS)]
    messages = [eventstream.decode(wire) for wire in wires]

    def work() -> None:
        verifier = EventVerifier(*SCOPE, max_clock_skew=None)
        for message in messages:
            verifier.verify(message)

    return work


def decode_and_verify() -> Work:
    signer = EventSigner(*SCOPE)
    wires = [signer.sign(eventstream.encode(AUDIO_EVENT_HEADERS, AUDIO)) for _ in range(EVENTS)]

    def work() -> None:
        verifier = EventVerifier(*SCOPE, max_clock_skew=None)
        decoder = eventstream.Decoder()
        for wire in wires:
            for message in decoder.feed(wire):
                verifier.verify(message)

    return work


def sign_as_amazon_transcribe() -> Work:
    """As its EventStream.send_event does it, without the await."""
    resolver = StaticCredentialResolver(CREDENTIALS.access_key, CREDENTIALS.secret_key)
    credentials = asyncio.run(resolver.get_credentials())
    serializer, message_serializer = AudioEventSerializer(), EventStreamMessageSerializer()
    signer = PeerSigner("transcribe", "us-east-1")
    signature = bytes(32)

    def work() -> None:
        nonlocal signature
        headers, payload = serializer.serialize(AudioEvent(AUDIO))
        inner = message_serializer.serialize(headers, payload)
        signed = signer.sign(inner, signature, credentials)
        signature = signed[":chunk-signature"]
        message_serializer.serialize(signed, inner)

    return work


def rows() -> Iterator[Row]:
    what = "3,200 B of audio, encoded and signed"
    yield Row(what, "amazon-transcribe", sign(), sign_as_amazon_transcribe(), at_least=5.5)
    yield Row(what, "floor: bare hashing", sign(), floor(), at_most=1.2)
    yield Row(f"{what}, each 100 ms later", "floor: bare hashing", sign_apart(), floor(), at_most=1.2)
    yield Row("`ClientSession.send_audio`, 3,200 B", "floor: bare hashing", send_audio(), floor(), at_most=1.35)
    yield Row(
        "a signed message verified and unwrapped", "floor: bare hashing", verify(), floor(), at_most=1.5, per=EVENTS
    )
    yield Row("the same, from the wire", "floor: bare hashing", decode_and_verify(), floor(), at_most=1.5, per=EVENTS)
