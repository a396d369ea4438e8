"""Endurance: gigabytes of good and bad streams through decoders, verifiers and sessions; memory stays as it was.

    PYTHONPATH=tests python tools/soak.py [GIGABYTES]        20 unless given

A round takes the same number of bytes through every kind of work below, which asserts what must come out; one of them
abandons hundreds of decoders and some sessions in the middle of what they do. In the first rounds caches find their
sizes; after each of the others the resident set is within 1 MiB of what it was, and the number of blocks that Python's
allocator has handed out within a thousand, or else the exit status is 1.

The resident set is read when the C library has given back what nobody uses (malloc_trim, of glibc): what it keeps for
later depends on the order in which large blocks were freed, goes up and down by megabytes, and hides what leaks.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import resource
import sys
import time
from collections import deque
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import frames

import eventstream
from eventstream import DecodeError, Decoder, SignatureMismatch, encode, encode_into
from eventstream.signing import Credentials, EventSigner, EventVerifier, sign_request
from eventstream.transcribe import StartStreamTranscriptionRequest, Transcript, TranscriptEvent
from eventstream.transcribe.session import METHOD, PATH, SERVICE, ClientSession, ServerSession

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WARM_UP = 5
"""Rounds."""

SHARE = 20_000_000
"""Bytes that a round takes through each kind of work."""

GROWTH = 1 << 20
"""Bytes by which the resident set may grow."""

BLOCKS = 1_000
"""By which their number may grow. Caches still add some dozens; one leaked by each abandoned decoder would be that many
after three rounds."""

ABANDONED = 400
"""Decoders that are abandoned at a time."""


def event(number: int, size: int) -> bytes:
    """Return a message; each hundredth has headers of its own, so that the header cache keeps changing."""
    block = frames.EVENT_BLOCK + (frames.string("number", str(number)) if number % 100 == 0 else b"")
    return frames.frame(block, number.to_bytes(8, "big") * (size // 8))


SIZES = [300] * 3_000 + [3_000] * 300 + [40_000] * 20 + [1 << 20]
MESSAGES = [event(number, size) for number, size in enumerate(SIZES)]
STREAM = b"".join(MESSAGES)
SMALL = b"".join(MESSAGES[:200])

FAULTS = [
    frames.prelude(100, 10, crc=1),
    frames.prelude(15, 0),
    frames.prelude(2**32 - 1, 0),
    frames.frame(frames.EVENT_BLOCK, bytes(70_000), message_crc=1),
    frames.frame(frames.header("n", 99), bytes(500)),
    frames.frame(frames.string("n", b"\xff")),
    frames.frame(frames.EVENT_BLOCK * 2),
]

CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
REGION = "us-east-1"
CHAIN = CREDENTIALS, REGION, SERVICE, bytes(32)
REQUEST = StartStreamTranscriptionRequest(language_code="en-US", media_sample_rate_hertz=16_000, media_encoding="pcm")
CHUNK = bytes(range(256)) * 25  # 200 ms
RESULTS = TranscriptEvent(Transcript(results=[]))


def now() -> datetime:
    return datetime(2026, 11, 22, 12, tzinfo=timezone.utc)


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


# Work: each returns the bytes that it took through


def good_streams() -> int:
    """In pieces of all sizes, of bytes and of bytearrays, copied and not."""
    for size in (len(STREAM), 65_536, 1_000):
        for kind, copied in ((bytes, True), (bytes, False), (bytearray, True)):
            decoder = Decoder(copy=copied)
            count = 0
            for piece in pieces(STREAM, size):
                for _ in decoder.feed(kind(piece)):
                    count += 1
            decoder.close()
            assert (count, decoder.offset) == (len(MESSAGES), len(STREAM))
    return 9 * len(STREAM)


def bad_streams() -> int:
    """Good messages and then a fault, whole and in pieces; the dead decoder is called once more."""
    length = 0
    for fault in FAULTS:
        data = SMALL + fault
        for size in (len(data), 1_000):
            decoder = Decoder()
            messages: deque[object] = deque(maxlen=1)
            try:
                for piece in pieces(data, size):
                    messages.extend(decoder.feed(piece))
                raise AssertionError("the fault was not seen")
            except DecodeError:
                assert decoder.offset == len(SMALL)
            with contextlib.suppress(DecodeError):
                decoder.feed(SMALL)
                raise AssertionError("the decoder is not dead")
            length += len(data)
    return length


def encoding() -> int:
    """Of what was decoded, into new bytes and into a buffer."""
    buffer = bytearray(len(STREAM))
    start = 0
    for message in Decoder(copy=False).feed(STREAM):
        start += encode_into(buffer, message.headers, message.payload, start)
        encode({":event-type": "AudioEvent"}, message.payload)
    assert buffer == STREAM
    return 2 * len(STREAM)


def signed_streams() -> int:
    """Signed, decoded and verified; in the end a message that was changed."""
    signer, verifier = EventSigner(*CHAIN, clock=now), EventVerifier(*CHAIN, clock=now)
    decoder = Decoder()
    length = 0
    for inner in MESSAGES:
        wire = signer.sign(inner)
        length += len(wire)
        (message,) = decoder.feed(wire)
        verified = verifier.verify(message)
        assert verified is not None
        assert verified.encode() == inner
    changed = eventstream.Message(message.headers, MESSAGES[0])
    for _ in range(2):
        with contextlib.suppress(SignatureMismatch):
            verifier.verify(changed)
            raise AssertionError("it was not seen to be changed")
    return length


def opened() -> tuple[ClientSession, ServerSession]:
    headers, seed = sign_request(
        *(CREDENTIALS, REGION, SERVICE, METHOD, PATH), [("host", "localhost"), *REQUEST.to_headers()], clock=now
    )
    server = ServerSession(CREDENTIALS, clock=now)
    server.receive_request(METHOD, PATH, headers)
    return ClientSession(REQUEST, EventSigner(CREDENTIALS, REGION, SERVICE, seed, clock=now)), server


def sessions() -> int:
    """Run a transcription from its first chunk of audio to its end, and one that is cut."""
    length = 0
    for cut in (False, True):
        client, server = opened()
        for _ in range(200):
            wire = client.send_audio(CHUNK)
            answer = server.send_transcript(RESULTS)
            assert [len(audio.audio_chunk) for audio in server.receive(wire)] == [len(CHUNK)]
            assert list(client.receive(answer)) == [RESULTS]
            length += len(wire) + len(answer)
        wire = client.end_audio()
        assert list(server.receive(wire[:-1] if cut else wire)) == []
        if cut:
            with contextlib.suppress(DecodeError):
                server.receive_eof()
                raise AssertionError("the cut was not seen")
        else:
            server.receive_eof()
            assert server.audio_ended
        client.receive_eof()
    return length


def abandoned() -> int:
    """In mid-message, with messages that nobody took, with views that outlive them, dead, and in mid-iteration."""
    large = MESSAGES[-1]
    length = 0
    for number in range(ABANDONED // 4):
        for data, taken in (
            (SMALL[: number + 1], 0),
            (large[: 20_000 + number], 1),  # its payload is being assembled
            (bytearray(SMALL), 3),
            (SMALL + FAULTS[number % len(FAULTS)], 1000),
        ):
            decoder = Decoder(copy=number % 2 == 0)
            views = []
            with contextlib.suppress(DecodeError):
                decoder.feed(data).feed(data[:number])
                views = [message.payload for message in islice(decoder, taken)]
            iterator = iter(decoder.__next__, None)
            cycle: list[object] = [decoder, views, iterator]
            cycle.append(cycle)
            length += len(data) + number
    for _ in range(ABANDONED // 40):
        client, server = opened()
        wire = client.send_audio(CHUNK)
        server.receive(wire + wire)
        next(iter(server.receive(wire[:100])))
        client.receive(server.send_transcript(RESULTS)[:-1])
        length += 3 * len(wire)
    return length


WORK: tuple[Callable[[], int], ...] = (good_streams, bad_streams, encoding, signed_streams, sessions, abandoned)


# Memory


TRIM = getattr(ctypes.CDLL(None), "malloc_trim", None)


def resident() -> int:
    """Bytes, without those that the C library keeps for later."""
    gc.collect()
    if TRIM is not None:
        TRIM(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def main(gigabytes: float) -> int:
    print(f"{eventstream.implementation}, Python {sys.version.split()[0]}: {gigabytes:g} GB", flush=True)
    total = rounds = peak = most = 0
    first = blocks = 0
    spent = dict.fromkeys(WORK, 0.0)
    took = dict.fromkeys(WORK, 0)
    runs = dict.fromkeys(WORK, 0)
    reported = begun = time.monotonic()
    while total < gigabytes * 1e9 or rounds < 2 * WARM_UP:
        rounds += 1
        for work in WORK:
            start = time.monotonic()
            while took[work] < rounds * SHARE:
                took[work] += work()
                runs[work] += 1
            spent[work] += time.monotonic() - start
        total = sum(took.values())
        size, held = resident(), sys.getallocatedblocks()
        if rounds <= WARM_UP:
            first, blocks = max(first, size), held
            continue
        peak = max(peak, size - first)
        most = max(most, held - blocks)
        if time.monotonic() - reported > 10:
            reported = time.monotonic()
            print(
                f"{total / 1e9:6.1f} GB, {reported - begun:4.0f} s: {peak / 1024:+.0f} KiB, {most:+} blocks", flush=True
            )
    for work in WORK:
        print(f"  {work.__name__:15} {took[work] / 1e9:6.2f} GB, {took[work] / 1e9 / spent[work]:5.2f} GB/s")
    kept = peak <= GROWTH and most <= BLOCKS
    print(
        f"{total / 1e9:.1f} GB in {rounds} rounds, {runs[abandoned] * ABANDONED:,} decoders abandoned: at most "
        f"{peak / 1024:+.0f} KiB of {first / 1024:,.0f} KiB, and {most:+} of {blocks:,} blocks, after the first "
        f"{WARM_UP} rounds: {'as it was' if kept else 'IT GROWS'}"
    )
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 20))
