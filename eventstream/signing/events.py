"""The signatures of the events in one stream, each covering the one before it.

A signed event wraps an encoded message: its payload is the inner message in wire form, its headers are ``:date`` and
``:chunk-signature``. Each signature covers the one before it, so that no event can be changed, moved, repeated or left
out; the chain begins with the signature of the HTTP request, the seed. A signed message with an empty payload ends it::

    AWS4-HMAC-SHA256-PAYLOAD
    YYYYMMDDTHHMMSSZ                              the event's :date, cut to seconds
    YYYYMMDD/region/service/aws4_request          the scope, for which the key is derived
    prior signature, in hex
    sha256 of the encoded :date header, in hex
    sha256 of the payload, in hex                 no newline after it

Nearly all the cost is hashing. The first three lines change once a second and the HMAC key once a day, so the partly
fed ``hashlib`` objects are cached and copied for each event. The ``:date`` changes once a millisecond, in which a busy
process signs many events.

Source: the Amazon Transcribe guide, "Event stream encoding"
(https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html), which leaves details open on which six
clients agree.
"""

from __future__ import annotations

import copy
import hmac
import struct
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache, partial
from hashlib import sha256
from typing import TYPE_CHECKING

from eventstream._codec import Decoder, Headers, Message, decode, encode
from eventstream.exceptions import (
    DateSkew,
    DecodeError,
    SignatureMismatch,
    StateError,
    UnexpectedMessage,
    VerificationError,
)
from eventstream.signing._keys import (
    EPOCH,
    MAX_CLOCK_SKEW,
    MILLISECOND,
    NANOSECONDS,
    SIGNATURE_LENGTH,
    Credentials,
    CredentialsSource,
    SigningKey,
    amz_date,
    check_scope,
    describe_skew,
    encode_text,
    nanoseconds_of,
    utc_now,
)
from eventstream.values import Timestamp
from eventstream.wire import DEFAULT_MAX_HEADERS_LENGTH, DEFAULT_MAX_PAYLOAD_LENGTH

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

    from typing_extensions import Buffer

__all__ = ["ChunkSigner", "EventSigner", "EventVerifier", "chunk_signature", "encode_date"]

encode_date: Callable[[int], bytes] = partial(struct.Struct(">7sq").pack, Headers({":date": Timestamp(0)}).raw[:-8])
"""Only the ``:date`` header, in wire form, of milliseconds since the epoch."""

_END = memoryview(b"")
"""The payload of the end. No payload that is given to `EventSigner.sign` is this one, though it may be as empty."""

_END_LENGTH = len(encode({":date": Timestamp(0), ":chunk-signature": bytes(SIGNATURE_LENGTH)}))


class ChunkSigner:
    """Computes signatures of events for one region and service. It remembers no stream; threads may share it.

    Args:
        region: such as ``"us-east-1"``.
        service: the signing name, such as ``"transcribe"``.

    Raises:
        TypeError: the region or the service is not a str.
    """

    __slots__ = ("_keys", "_region", "_second", "_service")

    def __init__(self, region: str, service: str) -> None:
        check_scope(region, service)
        self._region = region
        self._service = service
        self._keys = lru_cache(maxsize=4)(SigningKey)  # around midnight two days alternate, since clocks differ
        # One attribute, since another thread may be between two: whose second it is, and its two hash objects.
        self._second: tuple[str | None, int, Hash, Hash] = (None, 0, sha256(), sha256())

    def sign(self, secret_key: str, date: int, prior_signature: bytes, headers: bytes, payload: Buffer) -> bytes:
        """Return the signature of one event, 32 bytes.

        Args:
            secret_key: of the credentials.
            date: milliseconds since the epoch, as in the event's ``:date``.
            prior_signature: the signature before, or the request's.
            headers: the encoded headers that are signed: of an event only the ``:date`` header.
            payload: any C-contiguous buffer.

        Raises:
            TypeError: the payload is not a buffer.
            BufferError: it is not C-contiguous, or a view that was released.
            OverflowError: the date is outside the years 1 to 9999.
        """
        return self._sign(secret_key, date, prior_signature, sha256(headers).hexdigest(), payload)

    def _sign(self, secret_key: str, date: int, prior_signature: bytes, headers_hash: str, payload: Buffer) -> bytes:
        secret, second, inner, outer = self._second
        if date // 1000 != second or secret_key != secret:
            secret, second, inner, outer = self._second = self._begin_second(secret_key, date // 1000)
        inner, outer = inner.copy(), outer.copy()
        try:
            payload_hash = sha256(payload).hexdigest()
        except ValueError as error:  # raised for a released memoryview
            raise BufferError(str(error)) from None
        except TypeError:
            name = type(payload).__name__
            raise TypeError(f"the payload must be bytes, not {name}: of a Message, what its encode() returns") from None
        inner.update(f"{prior_signature.hex()}\n{headers_hash}\n{payload_hash}".encode())
        outer.update(inner.digest())
        return outer.digest()

    def _begin_second(self, secret_key: str, second: int) -> tuple[str | None, int, Hash, Hash]:
        """Hash what the events of this second have in common."""
        stamp = amz_date(EPOCH + timedelta(seconds=second))
        day = stamp[:8]
        key = self._keys(secret_key, day, self._region, self._service)
        inner = key.inner.copy()
        scope = f"{day}/{self._region}/{self._service}/aws4_request"
        inner.update(encode_text(f"AWS4-HMAC-SHA256-PAYLOAD\n{stamp}\n{scope}\n"))
        return secret_key, second, inner, key.outer


def chunk_signature(
    credentials: Credentials,
    region: str,
    service: str,
    timestamp: datetime,
    prior_signature: bytes,
    headers: bytes,
    payload: Buffer,
) -> bytes:
    """Return the signature of one event, on raw bytes.

    Args:
        credentials: the secret key is used.
        region: such as ``"us-east-1"``.
        service: the signing name, such as ``"transcribe"``.
        timestamp: an aware datetime; fractions of a second are ignored.
        prior_signature: the signature before, or the request's.
        headers: the encoded headers that are signed: of an event only the ``:date`` header.
        payload: any C-contiguous buffer.

    Returns:
        32 bytes.

    Raises:
        TypeError: an argument is of the wrong type, or the timestamp is naive.
        BufferError: the payload is not C-contiguous.
        OverflowError: the timestamp is outside the years 1 to 9999 in UTC.
    """
    date = (timestamp - EPOCH) // MILLISECOND
    prior = bytes(memoryview(prior_signature))
    return ChunkSigner(region, service).sign(credentials.secret_key, date, prior, headers, payload)


_latest = Timestamp(0), sha256(encode_date(Timestamp(0))).hexdigest()
"""The ``:date`` of the last event that was signed, by any signer, and the hash of its header, in hex."""


def _secret(credentials: CredentialsSource) -> str:
    return (credentials if isinstance(credentials, Credentials) else credentials()).secret_key


def _seed(seed_signature: bytes | str) -> bytes:
    try:
        seed = bytes.fromhex(seed_signature) if isinstance(seed_signature, str) else bytes(memoryview(seed_signature))
    except ValueError:  # other text than hex digits
        seed = b""
    if len(seed) != SIGNATURE_LENGTH:
        raise ValueError(f"the seed must be a signature: {SIGNATURE_LENGTH} bytes or {2 * SIGNATURE_LENGTH} hex digits")
    return seed


class EventSigner:
    """Signs the events of one stream, in the order in which they are sent. One thread at a time.

    Args:
        credentials: `Credentials`, or a callable that is asked for them at each event.
        region: such as ``"us-east-1"``.
        service: the signing name, such as ``"transcribe"``.
        seed_signature: the signature of the request: 32 bytes or 64 hex digits.
        clock: gives the events' dates, as aware datetimes.

    Raises:
        ValueError: the seed is not a signature.
        TypeError: the region or the service is not a str.
    """

    __slots__ = ("_chunks", "_credentials", "_finished", "_now", "_secret", "_signature")

    def __init__(
        self,
        credentials: CredentialsSource,
        region: str,
        service: str,
        seed_signature: bytes | str,
        *,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._signature = _seed(seed_signature)
        self._credentials = credentials
        self._secret = credentials.secret_key if isinstance(credentials, Credentials) else None
        self._chunks = ChunkSigner(region, service)
        self._now = nanoseconds_of(clock)
        self._finished = False

    @property
    def signature(self) -> bytes:
        """The last signature, 32 bytes; at first the seed."""
        return self._signature

    def sign(self, payload: Buffer) -> bytes:
        """Return the signed message, in wire form.

        Args:
            payload: the inner message in wire form; any C-contiguous buffer, not empty.

        Raises:
            StateError: `finish` was called.
            ValueError: the payload is empty, which would end the stream.
            EncodeLimitExceeded: the payload is over 24 MiB.
            TypeError: the payload is not a buffer, or the clock gave a naive datetime.
            BufferError: the buffer is not C-contiguous.
            OverflowError: the clock's time is outside the years 1 to 9999 in UTC.
        """
        global _latest
        if self._finished:
            raise StateError("the stream was finished: nothing more can be signed")
        now = self._now() // NANOSECONDS
        date, date_hash = _latest
        if date != now:
            # A clock's time is always within 64 bits, and a check would take a tenth of the whole.
            date = int.__new__(Timestamp, now)
            date_hash = sha256(encode_date(date)).hexdigest()
            _latest = date, date_hash
        secret = self._secret
        if secret is None:
            secret = _secret(self._credentials)
        signature = self._chunks._sign(secret, date, self._signature, date_hash, payload)
        wire = encode({":date": date, ":chunk-signature": signature}, payload)
        if len(wire) == _END_LENGTH and payload is not _END:
            raise ValueError("an empty payload ends the stream: call finish")
        self._signature = signature
        return wire

    def finish(self) -> bytes:
        """Return the signed message that ends the stream, in wire form: 83 bytes. Nothing can be signed after it.

        Raises:
            StateError: it was called before.
            TypeError: the clock gave a naive datetime.
        """
        wire = self.sign(_END)
        self._finished = True
        return wire


class EventVerifier:
    """Verifies the events of one stream, in the order in which they come. One thread at a time.

    A message is verified before anything in it is decoded. After an error the verifier is dead: every later call
    raises an equal one.

    Args:
        credentials: `Credentials`, or a callable that is asked for them at each event.
        region: such as ``"us-east-1"``.
        service: the signing name, such as ``"transcribe"``.
        seed_signature: the signature of the request: 32 bytes or 64 hex digits.
        clock: the time that the events' dates are compared with, as an aware datetime.
        max_clock_skew: how far the date of an event may be from the clock, to either side; None: any date will do.
            Dates need not grow: clients shift their clocks in mid-stream.
        max_headers_length: the limit of the inner message's headers in bytes; None for the format's own bound.
        max_payload_length: the limit of the inner message's payload in bytes; None for the format's own bound.

    Attributes:
        ended: whether the end of the stream was verified.

    Raises:
        ValueError: the seed is not a signature, or a limit is negative.
        TypeError: the region or the service is not a str, or a limit is not an integer.
    """

    __slots__ = ("_chunks", "_credentials", "_error", "_index", "_limits", "_max_skew", "_now", "_signature", "ended")

    def __init__(
        self,
        credentials: CredentialsSource,
        region: str,
        service: str,
        seed_signature: bytes | str,
        *,
        clock: Callable[[], datetime] = utc_now,
        max_clock_skew: timedelta | None = MAX_CLOCK_SKEW,
        max_headers_length: int | None = DEFAULT_MAX_HEADERS_LENGTH,
        max_payload_length: int | None = DEFAULT_MAX_PAYLOAD_LENGTH,
    ) -> None:
        self._signature = _seed(seed_signature)
        self._credentials = credentials
        self._chunks = ChunkSigner(region, service)
        self._now = nanoseconds_of(clock)
        self._max_skew = None if max_clock_skew is None else max_clock_skew // MILLISECOND
        Decoder(max_headers_length=max_headers_length, max_payload_length=max_payload_length)  # knows a limit from none
        self._limits = max_headers_length, max_payload_length
        self._index = 0
        self._error: VerificationError | DecodeError | None = None
        self.ended = False

    @property
    def signature(self) -> bytes:
        """The last signature that was verified, 32 bytes; at first the seed."""
        return self._signature

    def verify(self, message: Message) -> Message | None:
        """Return the message that was signed; None for the end of the stream.

        Args:
            message: the signed message, as it was decoded.

        Raises:
            UnexpectedMessage: it comes after the end, or has other headers than ``:date`` and ``:chunk-signature``.
            SignatureMismatch: it was signed with another key or for another region or service, was changed, or does
                not follow the event before it.
            DateSkew: its date is too far from the clock.
            DecodeError: it was signed, but what it wraps is not a valid message; offsets count from that message's
                start.
            TypeError: it is not a `Message`, or the clock gave a naive datetime.
            BufferError: the payload is a view that was released.
        """
        if self._error is not None:
            raise copy.copy(self._error)
        index = self._index + 1
        try:
            inner = self._verify(message)
        except (VerificationError, DecodeError) as error:
            self._error = copy.copy(error)
            raise
        self._index = index
        return inner

    def _verify(self, message: Message) -> Message | None:
        if not isinstance(message, Message):
            raise TypeError(f"expected a Message, not {type(message).__name__}: decode the bytes first")
        if self.ended:
            raise UnexpectedMessage(self._index, "it comes after the end of the stream")
        headers, payload = message.headers, message.payload
        date, signature = headers.get(":date"), headers.get(":chunk-signature")
        if not (isinstance(date, Timestamp) and isinstance(signature, bytes) and len(signature) == SIGNATURE_LENGTH):
            raise UnexpectedMessage(self._index, "a signed event must have a :date, and a :chunk-signature of 32 bytes")
        if len(headers) != 2:
            raise UnexpectedMessage(self._index, "a signed event must have no headers but :date and :chunk-signature")
        # The clock first, and the signatures in one go: code of the caller's in between could verify the message, too.
        now = 0 if self._max_skew is None else self._now() // NANOSECONDS
        try:
            expected = self._chunks.sign(_secret(self._credentials), date, self._signature, encode_date(date), payload)
        except OverflowError:
            raise DateSkew(self._index, "its date is outside the years 1 to 9999") from None
        if not hmac.compare_digest(expected, signature):
            raise SignatureMismatch(self._index, "its signature does not match")
        if self._max_skew is not None:
            skew = date - now
            if abs(skew) > self._max_skew:
                raise DateSkew(self._index, describe_skew(skew, self._max_skew), skew * MILLISECOND)
        inner = None
        if payload:
            max_headers, max_payload = self._limits
            inner = decode(payload, max_headers_length=max_headers, max_payload_length=max_payload)
        self._signature = signature  # last: if memory runs out before, the message can be verified again
        self.ended = inner is None
        return inner
