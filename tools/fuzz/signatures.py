"""Only what was signed, in its order, verifies; all else is a `VerificationError`, or the `DecodeError` of what was."""

from __future__ import annotations

import functools
import hashlib
import hmac
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import frames

import eventstream
from eventstream import DecodeError, StateError, Timestamp, VerificationError
from eventstream.signing import (
    Credentials,
    EventSigner,
    EventVerifier,
    chunk_signature,
    presign_url,
    request_signature,
    sign_request,
    verify_presigned,
    verify_request,
)
from fuzz.harness import Draw, Fault, attempt, bytes_of, lines, seen

if TYPE_CHECKING:
    from collections.abc import Callable

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
NOW = datetime(2026, 11, 22, 6, 3, 17, tzinfo=timezone.utc)
STAMP = b"20261122T060317Z"
CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
TEMPORARY = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "session token")
SCOPE = "us-east-1", "transcribe"
SEED = bytes(range(32))
WORDS = [
    b"authorization:",
    b"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261122/us-east-1/transcribe/aws4_request, ",
    b"SignedHeaders=host;x-amz-date, ",
    b"Signature=" + b"0" * 64,
    b":authority:localhost\n",
    b"host:",
    b"x-amz-date:" + STAMP,
    b"x-amz-security-token:",
    b"x-amz-content-sha256:",
    b"/../",
    b"%2F",
]


def clock() -> datetime:
    return NOW


def quick(data: bytes) -> None:
    check(data, lambda message: message and bytes_of(message))


def thorough(data: bytes) -> None:
    check(data, lambda message: message and seen(message))


def check(data: bytes, look: Callable[[Any], Any]) -> None:
    """`look` gives what is to be equal in messages; None, which stands for the end, as it is."""
    draw = Draw(data)
    draw.one_of(check_chain, check_foreign, check_request, check_authorization)(draw, look)


@functools.lru_cache(maxsize=64)
def signing_key(day: str) -> bytes:
    key = b"AWS4" + CREDENTIALS.secret_key.encode()
    for part in (day, *SCOPE, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def signature(date: datetime, prior: bytes, headers: bytes, payload: bytes) -> bytes:
    """Return an event's signature, made without the project's code."""
    stamp = date.strftime("%Y%m%dT%H%M%SZ").rjust(16, "0")
    scope = "/".join((stamp[:8], *SCOPE, "aws4_request"))
    hashes = prior.hex(), hashlib.sha256(headers).hexdigest(), hashlib.sha256(payload).hexdigest()
    text = "\n".join(("AWS4-HMAC-SHA256-PAYLOAD", stamp, scope, *hashes))
    return hmac.digest(signing_key(stamp[:8]), text.encode(), "sha256")


def check_chain(draw: Draw, look: Callable[[Any], Any]) -> None:
    """Sign payloads, disturb the chain or not, verify."""
    now = [NOW]
    signer = EventSigner(CREDENTIALS, *SCOPE, SEED, clock=lambda: now[0])
    wires, payloads, prior = [], [], SEED
    for _ in range(draw.byte() % 5):
        now[0] += timedelta(milliseconds=draw.number(2, signed=True))
        payload = frames.frame(draw.sized(), draw.sized()) if draw.byte() % 4 else draw.sized()
        wire = attempt(lambda payload=payload: signer.sign(payload), ValueError)
        if isinstance(wire, Fault):
            assert not payload, "only an empty payload is refused"
            continue
        message = eventstream.decode(wire)
        assert message.payload == payload
        date = message.headers[":date"]
        assert isinstance(date, Timestamp)
        prior = signature(date.datetime, prior, frames.header(":date", 8, int.to_bytes(date, 8, "big")), payload)
        assert message.headers[":chunk-signature"] == prior == signer.signature
        wires.append(wire)
        payloads.append(payload)
    wires.append(signer.finish())
    assert attempt(lambda: signer.sign(b"x"), StateError) == attempt(signer.finish, StateError)
    intact = disturb(draw, wires)
    verifier = EventVerifier(CREDENTIALS, *SCOPE, SEED, clock=clock, max_clock_skew=timedelta(minutes=20))
    dead = None
    for index, wire in enumerate(wires):
        result = attempt(lambda w=wire: look(verifier.verify(eventstream.decode(w))), VerificationError, DecodeError)
        if dead is not None:
            assert isinstance(result, Fault)
            continue
        if index >= intact:
            assert isinstance(result, Fault), "a disturbed event verifies"
        elif index == len(payloads):
            assert result is None
            assert verifier.ended
        else:
            inner = attempt(lambda i=index: look(eventstream.decode(payloads[i])), DecodeError)
            assert result == inner
        dead = result if isinstance(result, Fault) else None
        assert not (isinstance(result, Fault) and issubclass(result.type, VerificationError)) or index >= intact
    assert attempt(lambda: verifier.verify(eventstream.decode(wires[-1])), VerificationError, DecodeError) is not None


def disturb(draw: Draw, wires: list[bytes]) -> int:
    """Change the chain; how many events of it are still as they were signed."""
    choice = draw.byte() % 6
    which = draw.byte() % len(wires)
    if choice == 0:  # a bit, and the CRCs repaired
        original = wires[which]
        damaged = bytearray(original)
        bit = draw.number(2) % (8 * len(damaged))
        damaged[bit // 8] ^= 1 << bit % 8
        wires[which] = frames.repaired(damaged)
        return len(wires) if wires[which] == original else which
    if choice == 1 and which + 1 < len(wires):
        del wires[which]
        return which
    if choice == 2:
        wires.insert(which, wires[which])
        return which + 1
    if choice == 3 and which:
        wires[which - 1], wires[which] = wires[which], wires[which - 1]
        return which - 1
    return len(wires)


def check_foreign(draw: Draw, look: Callable[[Any], Any]) -> None:
    """Messages that nobody signed, with the right signature perhaps."""
    date = draw.number(8, signed=True)
    payload = draw.sized()
    day = min(max(date, -62_135_596_800_000), 253_402_300_799_999)
    moment = EPOCH + timedelta(milliseconds=day)
    encoded = frames.header(":date", 8, int.to_bytes(date, 8, "big", signed=True))
    right = signature(moment, SEED, encoded, payload)
    assert chunk_signature(CREDENTIALS, *SCOPE, moment, SEED, encoded, payload) == right
    sent = draw.one_of(right, right, draw.sized(), right[:-1])
    more = draw.one_of(b"", b"", draw.sized(), frames.string("other", "x"))
    wire = frames.frame(encoded + frames.header(":chunk-signature", 6, frames.sized(sent)) + more, payload)
    message = attempt(lambda: eventstream.decode(wire), DecodeError)
    if isinstance(message, Fault):
        return
    skew = draw.one_of(None, timedelta(minutes=5), timedelta(0))
    verifier = EventVerifier(CREDENTIALS, *SCOPE, SEED, clock=clock, max_clock_skew=skew)
    result = attempt(lambda: look(verifier.verify(message)), VerificationError, DecodeError)
    good = sent == right and not more and day == date and (skew is None or abs(moment - NOW) <= skew)
    assert good == (not isinstance(result, Fault) or issubclass(result.type, DecodeError)), result
    again = attempt(lambda: look(verifier.verify(message)), VerificationError, DecodeError)
    assert isinstance(again, Fault), "no event verifies twice"
    assert again == result or not isinstance(result, Fault)


def check_request(draw: Draw, _: object) -> None:
    """Check that a request that was signed verifies, and with another header value or path does not."""
    credentials = draw.one_of(CREDENTIALS, TEMPORARY)
    payload_hash = draw.one_of("STREAMING-AWS4-HMAC-SHA256-EVENTS", None)
    path = "/" + draw.text()
    pairs = lines(draw.rest())
    arguments = (credentials, *SCOPE, "POST", path)
    signed = attempt(lambda: sign_request(*arguments, pairs, clock=clock, payload_hash=payload_hash), ValueError)
    names = {name.lower() for name, _ in pairs}
    if isinstance(signed, Fault):
        lines_in_one = any(set(value) & set("\0\r\n") for _, value in pairs)
        assert lines_in_one or len(names & {"host", ":authority"}) != 1, "there must be one, or both and the same"
        return
    headers, seed = signed
    result = attempt(lambda: verify_request(*arguments, headers, clock=clock), VerificationError)
    if not isinstance(result, Fault):
        assert result.signature == seed
    elif all(name.isascii() and not set(name) & set(" \t\r\v\f;,\x1c\x1d\x1e\x1f\x85") and name for name in names):
        raise AssertionError(f"what was signed does not verify: {result}")
    moved = (credentials, *SCOPE, "PUT", path)
    assert isinstance(attempt(lambda: verify_request(*moved, headers, clock=clock), VerificationError), Fault)
    more = [*headers, ("x-amzn-transcribe-more", "1")]
    assert isinstance(attempt(lambda: verify_request(*arguments, more, clock=clock), VerificationError), Fault)


def check_authorization(draw: Draw, _: object) -> None:
    """Any headers: refused as documented."""
    path = draw.text()
    pairs = lines(draw.rest())
    result = attempt(
        lambda: verify_request({"AKIDEXAMPLE": CREDENTIALS}, None, None, "POST", path, pairs, clock=clock),
        VerificationError,
    )
    if not isinstance(result, Fault):
        assert request_signature(CREDENTIALS, result.region, result.service, "POST", path, pairs) is not None
    signed = attempt(lambda: request_signature(CREDENTIALS, *SCOPE, "POST", path, pairs), ValueError)
    assert isinstance(signed, Fault) or len(signed) == 32
    presigned = attempt(
        lambda: verify_presigned({"AKIDEXAMPLE": CREDENTIALS}, None, None, "POST", path, pairs, clock=clock),
        VerificationError,
    )
    assert isinstance(presigned, Fault), "nobody guesses a signature"
    check_presigned(path)


def check_presigned(query: str) -> None:
    """Any query: the URL verifies, and says the same; or is refused as documented."""
    made = attempt(
        lambda: presign_url(CREDENTIALS, *SCOPE, "GET", f"wss://localhost/path?{query}", clock=clock), ValueError
    )
    if isinstance(made, Fault):
        return
    assert made.isascii()
    path, headers = made.removeprefix("wss://localhost"), [("host", "localhost")]
    request = verify_presigned(CREDENTIALS, *SCOPE, "GET", path, headers, clock=clock)
    assert request.signature.hex() == made[-64:]
    more = attempt(
        lambda: verify_presigned(CREDENTIALS, *SCOPE, "GET", f"{path}&a=1", headers, clock=clock), VerificationError
    )
    assert isinstance(more, Fault)
