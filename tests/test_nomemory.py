"""Allocations that fail: a call ends in a MemoryError, after which it can be repeated as if it had not been made.

CPython can let the nth allocation from now on fail (`_testcapi.set_nomemory`), alone or with all after it. Each call
here is repeated, for n = 0, 1, …, on the same objects until it succeeds. So a decoder that loses or doubles anything on
the way shows in the messages that it delivers in the end, and a block that is freed twice or used too long crashes. The
calls are made without a Python function in between, which would have failures of its own.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import re
import signal
import sys
import time
import traceback
import warnings
from datetime import datetime, timedelta, timezone
from functools import partial, wraps

import frames
import pytest
from programs import FREE_THREADED

from eventstream import DecodeError, ServiceError, StateError, TruncatedMessage, decode
from eventstream.duplex import ClientExchange, plain
from eventstream.signing import Credentials, EventSigner, EventVerifier

# A tracer wants memory, too. Without the GIL, Python 3.13 and 3.14 free a list whose items were never set.
pytestmark = [
    pytest.mark.untraced,
    pytest.mark.skipif(FREE_THREADED, reason="PyList_New, without memory for the items, crashes without the GIL"),
]

_testcapi = pytest.importorskip("_testcapi", reason="this Python comes without CPython's test module")

LOST = re.compile(r"error return without exception set|<function .* returned NULL without setting an exception")
"""CPython drops what a Python function raised where it has no memory for the frame object of its caller
(`take_ownership`, seen in 3.11 and 3.13). It names the function, as it would name another callable that failed so."""


PATIENCE = 120
"""Seconds after which the process of a test is taken to hang."""


def short_of_memory(call, start, alone):
    """Return the call's result; of its allocations that number `start` fails, alone or with all after it."""
    try:
        _testcapi.set_nomemory(start, start + 1 if alone else 0)
        try:
            return call()
        finally:
            _testcapi.remove_mem_hooks()
    except SystemError as error:
        if LOST.match(str(error)):
            raise MemoryError from error
        raise


def repeated(call, alone, unchanged=lambda: None):
    """Return the call's result in the end, or the package's error that it raises; and how often memory was short.

    What `unchanged` gives is the same after each MemoryError.
    """
    before = unchanged()
    for start in range(10_000):
        try:
            return short_of_memory(call, start, alone), start
        except MemoryError:
            assert unchanged() == before, f"after allocation {start} failed"
        except (DecodeError, ServiceError) as error:
            return error, start
    raise AssertionError("it never succeeds")


def undisturbed(test):
    """Let nothing else run short of memory: nothing that the collector calls, and no other thread.

    A worker of xdist has one, which receives. There the test runs in a forked process, which has not.
    """

    @wraps(test)
    def run(**arguments):
        gc.disable()
        try:
            test(**arguments)
        finally:
            gc.enable()

    @wraps(test)
    def fork(**arguments):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads, since Python 3.12
            child = os.fork()
        if child == 0:
            try:
                run(**arguments)
            except BaseException:
                traceback.print_exc()
                sys.stderr.flush()
                os._exit(1)
            os._exit(0)
        until = time.monotonic() + PATIENCE
        while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
            if time.monotonic() > until:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                pytest.fail(f"its process still ran after {PATIENCE} s")
            time.sleep(0.002)
        assert ended[1] == 0, "what its process wrote is shown below"

    return fork if "PYTEST_XDIST_WORKER" in os.environ and hasattr(os, "fork") else run


@pytest.fixture(params=[True, False], ids=["one fails", "all fail from there on"])
def alone(codec, request):
    if codec.__name__ == "eventstream._reference" and not request.param:
        pytest.skip("where Python code handles an exception, the interpreter tries to allocate for ever")
    return request.param


@pytest.fixture
def kept_bytearrays(codec):
    """Skip the reference on a Python (seen: 3.15.0rc2) where a bytearray that cannot grow loses its content."""
    buffer = bytearray(100_000)
    with contextlib.suppress(MemoryError):
        short_of_memory(partial(buffer.extend, bytes(200_000)), 0, alone=True)
    if codec.__name__ == "eventstream._reference" and not buffer:
        pytest.skip("a bytearray that cannot grow loses its content")


# One call

SIZES = {
    "small": 100,
    "64 KiB": 64 << 10,
    "1 MiB": 1 << 20,
}  # the largest is copied and checksummed without the GIL
MANY_HEADERS = {f"name-{i}": "x" * i for i in range(60)}  # more than a writer's own room
LATE_DUPLICATE = frames.frame(b"".join(frames.string(f"name-{i % 20}", "x") for i in range(21)))
EXCEPTION_FRAME = frames.frame(
    frames.string(":message-type", "exception") + frames.string(":exception-type", "Gone"), b'{"Message": "gone"}'
)

WITH_A_PAYLOAD = {
    "encode": lambda codec, payload: partial(codec.encode, frames.TEN_HEADERS, payload),
    "encode a bytearray": lambda codec, payload: partial(codec.encode, MANY_HEADERS, bytearray(payload)),
    "encode_into": lambda codec, payload: partial(codec.encode_into, bytearray(len(payload) + 500), frames.TEN_HEADERS),
    "Message": lambda codec, payload: partial(codec.Message, frames.TEN_HEADERS, bytearray(payload)),
    "Message.encode": lambda codec, payload: codec.Message(frames.TEN_HEADERS, payload).encode,
    "decode": lambda codec, payload: partial(codec.decode, frames.frame(frames.TEN_BLOCK, payload)),
    "decode a bytearray": lambda codec, payload: partial(codec.decode, bytearray(frames.frame(b"", payload))),
    "a wrong checksum": lambda codec, payload: partial(codec.decode, frames.frame(b"", payload, message_crc=1)),
    "a name that is not UTF-8": lambda codec, payload: partial(
        codec.decode, frames.frame(frames.header(b"\xff", 0), payload)
    ),
    "a value that is not UTF-8": lambda codec, payload: partial(
        codec.decode, frames.frame(frames.string("n", b"\xff"), payload)
    ),
    "trailing data": lambda codec, payload: partial(codec.decode, frames.TEN_FRAME + payload),
}
WITHOUT = {
    "Headers": lambda codec: partial(codec.Headers, frames.TEN_HEADERS),
    "Headers, many": lambda codec: partial(codec.Headers, MANY_HEADERS),
    "Headers of a view": lambda codec: partial(codec.Headers, {"n": memoryview(bytearray(b"value"))}),
    "all headers": lambda codec: partial(dict, codec.Headers(frames.TEN_HEADERS)),
    "a header": lambda codec: partial(codec.Headers(frames.TEN_HEADERS).get, "uuid"),
    "compare": lambda codec: partial(codec.decode(frames.TEN_FRAME).headers.__eq__, frames.TEN_HEADERS),
    "hash": lambda codec: codec.decode(frames.TEN_FRAME).__hash__,
    "repr": lambda codec: codec.decode(frames.TEN_FRAME).__repr__,
    "raise_for_error": lambda codec: codec.decode(EXCEPTION_FRAME).raise_for_error,
    "an impossible length": lambda codec: partial(codec.decode, frames.prelude(15, 0)),
    "a late duplicate": lambda codec: partial(codec.decode, LATE_DUPLICATE),
}


def comparable(result):
    return frames.fault(result) if isinstance(result, Exception) else result


HELD = 70
"""Results that are held meanwhile: so many that the codec has no small bytes for reuse, and needs memory."""


def assert_repeatable(call, alone, hold=1):
    """On new objects too: what is parsed once is kept. So many results are held meanwhile."""
    held = []
    for _ in range(hold):
        try:
            held.append(call()())
        except (DecodeError, ServiceError) as error:
            held.append(error)
    result, failures = repeated(call(), alone)
    assert [comparable(expected) for expected in held] == [comparable(result)] * hold
    assert failures > 0


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("call", WITH_A_PAYLOAD.values(), ids=WITH_A_PAYLOAD)
@undisturbed
def test_call_with_a_payload_can_be_repeated(codec, call, size, alone):
    payload = bytes(range(256)) * (size // 256 + 1)
    assert_repeatable(partial(call, codec, payload), alone, HELD if size == SIZES["small"] else 1)


@pytest.mark.parametrize("call", WITHOUT.values(), ids=WITHOUT)
@undisturbed
def test_call_can_be_repeated(codec, call, alone):
    assert_repeatable(partial(call, codec), alone)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@undisturbed
def test_encode_into_writes_nothing_beside_its_message(codec, size, alone):
    expected = frames.frame(frames.TEN_BLOCK, bytes(size))
    buffer = bytearray(b"\xaa" * (len(expected) + 10))
    length, _ = repeated(partial(codec.encode_into, buffer, frames.TEN_HEADERS, bytes(size), 5), alone)
    assert length == len(expected)
    assert buffer == b"\xaa" * 5 + expected + b"\xaa" * 5


# A stream


def numbered(number, size):
    """Return a message of this number, whose headers no other message has."""
    return frames.frame(frames.EVENT_BLOCK + frames.string("number", str(number)), b"%d:" % number + bytes(size))


MESSAGES = [
    numbered(number, size)
    for number, size in enumerate([0, 30, 3000, 17_000, 40_000, 100, 70_000, 1 << 20, 0, 5, 300_000, 300, 40])
]
STREAM = b"".join(MESSAGES)
WAYS = {
    "whole": [STREAM],
    "in pieces of 100 KB": [STREAM[i : i + 100_000] for i in range(0, len(STREAM), 100_000)],
    "in pieces that grow": [
        STREAM[i**3 : (i + 1) ** 3] for i in itertools.takewhile(lambda i: i**3 < len(STREAM), range(999))
    ],
    "messages but for their last bytes": [
        piece for i, m in enumerate(MESSAGES) for piece in (m[: -i % 7 - 10], m[-i % 7 - 10 :])
    ],
}
KINDS = {"bytes": (bytes, True), "bytes, not copied": (bytes, False), "bytearray": (bytearray, True)}


def state(decoder):
    return decoder.offset, decoder.buffered


@pytest.mark.parametrize("every", [1, 3], ids=["taken at once", "taken after three feeds"])
@pytest.mark.parametrize(("kind", "copied"), KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("pieces", WAYS.values(), ids=WAYS)
@pytest.mark.usefixtures("kept_bytearrays")
@undisturbed
def test_decoder_loses_and_doubles_nothing(codec, first_capacities, pieces, kind, copied, every, alone):
    for _ in first_capacities:
        decoder = codec.Decoder(copy=copied)
        wires = []
        failures = 0
        for i, piece in enumerate(pieces):
            failures += repeated(partial(decoder.feed, kind(piece)), alone, partial(state, decoder))[1]
            while i % every == every - 1 or i == len(pieces) - 1:
                message, short = repeated(partial(next, decoder, None), alone, partial(state, decoder))
                failures += short
                if message is None:
                    break
                wires.append(message.encode())
        assert wires == MESSAGES
        assert repeated(decoder.close, alone)[0] is None
        assert failures > len(MESSAGES)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 403 Forbidden",
        frames.prelude(15, 0),
        frames.frame(b"\0"),
        frames.frame(b"", bytes(70_000), message_crc=1),
    ],
    ids=["text", "length", "header", "checksum"],
)
@undisturbed
def test_fault_is_raised_in_the_end(codec, data, alone):
    """After the messages before it; and the decoder is dead, though memory was short all the time."""
    decoder = codec.Decoder().feed(frames.TEN_FRAME + data)
    assert repeated(decoder.__next__, alone)[0].encode() == frames.TEN_FRAME
    calls = (decoder.__next__, partial(decoder.feed, b""), decoder.close)
    errors = [repeated(call, alone)[0] for call in calls]
    assert isinstance(errors[0], DecodeError)
    assert [frames.fault(error) for error in errors] == [frames.fault(errors[0])] * 3


@undisturbed
def test_close(codec, alone):
    """It can be repeated.

    Only where the error was there, and got lost as its traceback found no memory, does a second call nothing, as always
    after an error of the first; `buffered` tells then.
    """
    truncated = TruncatedMessage(len(frames.TEN_FRAME), 50, len(frames.TEN_FRAME))
    again = []
    for start in range(10_000):
        decoder = codec.Decoder().feed(frames.TEN_FRAME + frames.TEN_FRAME[:50])
        try:
            short_of_memory(decoder.close, start, alone)
        except TruncatedMessage:
            break
        except MemoryError:
            try:
                again.append(decoder.close())
            except TruncatedMessage as error:
                again.append(
                    frames.fault(error)
                )  # not the error: with it a MemoryError is kept, and CPython has but 16
        assert [message.encode() for message in decoder] == [frames.TEN_FRAME]
        assert decoder.buffered == 50
    raised = [error for error in again if error is not None]
    assert raised == [frames.fault(truncated)] * len(raised)
    assert raised
    assert again[len(raised) :] == [None] * (len(again) - len(raised)), "what was made once is not made again"


# Signatures

CHAIN = Credentials("AKIDEXAMPLE", "secret"), "us-east-1", "transcribe", bytes(32)


@pytest.mark.parametrize("seconds", [1, 2], ids=["in one second", "in two seconds by turns"])
@undisturbed
def test_chain_of_signatures_goes_on_where_it_was(seconds):
    """What the events of a second have in common is hashed when the second changes: at the first call, or at each."""
    calls = itertools.count()

    def clock():
        return datetime(2024, 2, 29, 23, 59, 59, tzinfo=timezone.utc) + timedelta(seconds=next(calls) % seconds)

    signer, verifier = EventSigner(*CHAIN, clock=clock), EventVerifier(*CHAIN, clock=clock)
    for inner in (frames.EVENT_FRAME, MESSAGES[6], frames.EMPTY_FRAME, frames.TEN_FRAME):
        wire, failures = repeated(partial(signer.sign, inner), True)
        message, more = repeated(partial(verifier.verify, decode(wire)), True, lambda: verifier.signature)
        assert message.encode() == inner
        assert failures > 0
        assert more > 0
    wire, _ = repeated(signer.finish, True)
    assert repeated(partial(verifier.verify, decode(wire)), True, lambda: verifier.ended)[0] is None
    assert verifier.ended
    assert signer.signature == verifier.signature


@pytest.mark.parametrize("signed", [True, False], ids=["signed", "unsigned"])
@undisturbed
def test_exchange_ends_once(signed):
    exchange, *others = [ClientExchange(EventSigner(*CHAIN) if signed else None, plain) for _ in range(1 + HELD)]
    held = [other.finish() for other in others]
    wire, failures = repeated(exchange.finish, True)
    assert failures > 0
    assert {decode(one).payload for one in (wire, *held)} == {b""}
    with pytest.raises(StateError):
        exchange.finish()
