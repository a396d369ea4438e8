"""Signature Version 4 of the request that opens an event stream and of every event in it: to sign, and to verify.

A signed event wraps an encoded message: its payload is the inner message in wire form, its headers are ``:date`` and
``:chunk-signature``. Each signature covers the one before it, so that no event can be changed, moved, repeated or left
out; the chain begins with the signature of the HTTP request, the seed. A signed message with an empty payload ends it::

    AWS4-HMAC-SHA256-PAYLOAD
    YYYYMMDDTHHMMSSZ                              the event's :date, cut to seconds
    YYYYMMDD/region/service/aws4_request          the scope, for which the key is derived
    prior signature, in hex
    sha256 of the encoded :date header, in hex
    sha256 of the payload, in hex                 no newline after it

What this costs is hashing, so the first three lines are hashed once a second and the two pads of HMAC once a day: where
they are hashed a ``hashlib`` object waits, of which each event uses a copy.

Sources: the Amazon Transcribe guide, "Event stream encoding"
(https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html), whose text leaves open what six clients
agree on; for requests "Signature Version 4 for API requests"
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
"""

from __future__ import annotations

import hmac
import re
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import lru_cache, partial
from hashlib import sha256
from time import time_ns
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import quote, unquote_to_bytes

from eventstream._codec import Decoder, Headers, Message, decode, encode
from eventstream.exceptions import (
    DateSkew,
    DecodeError,
    SignatureMismatch,
    StateError,
    UnexpectedMessage,
    VerificationError,
    _quote,
)
from eventstream.values import Timestamp
from eventstream.wire import DEFAULT_MAX_HEADERS_LENGTH, DEFAULT_MAX_PAYLOAD_LENGTH

if TYPE_CHECKING:
    from typing import TypeAlias

    from typing_extensions import Buffer

__all__ = [
    "Credentials",
    "DateSkew",
    "EventSigner",
    "EventVerifier",
    "SignatureMismatch",
    "UnexpectedMessage",
    "VerificationError",
    "VerifiedRequest",
    "chunk_signature",
    "request_signature",
    "sign_request",
    "utc_now",
    "verify_request",
]

EMPTY_PAYLOAD = sha256().hexdigest()
"""The payload hash of a request without a body, which some clients also sign for a body of events."""

EVENTS_PAYLOAD = "STREAMING-AWS4-HMAC-SHA256-EVENTS"
"""The payload hash of a request whose body is signed event by event, as the AWS SDKs send it."""

MAX_CLOCK_SKEW = timedelta(minutes=5)
"""How long a signature is valid, says the Amazon Transcribe guide; in both directions, as clocks go wrong in both."""

SIGNATURE_LENGTH = 32
"""Bytes of an HMAC-SHA256."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)
_NANOSECONDS = 1_000_000  # in a millisecond

_encode_date: Callable[[int], bytes] = partial(struct.Struct(">7sq").pack, Headers({":date": Timestamp(0)}).raw[:-8])
"""The ``:date`` header alone, in wire form, of milliseconds since the epoch."""

_END = memoryview(b"")
"""The payload of the end. No payload that is given to `EventSigner.sign` is this one, though it may be as empty."""

_END_LENGTH = len(encode({":date": Timestamp(0), ":chunk-signature": bytes(SIGNATURE_LENGTH)}))

_T = TypeVar("_T", bound=VerificationError)


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key, its secret, and the session token if the two are temporary. Only the access key is ever shown."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


CredentialsSource: TypeAlias = "Credentials | Callable[[], Credentials]"
"""Credentials, or what is asked for them whenever they are needed, because they are refreshed."""


def utc_now() -> datetime:
    """The system's clock, and the default of every ``clock`` here: now, in UTC."""
    return datetime.now(timezone.utc)


def _nanoseconds_of(clock: Callable[[], datetime]) -> Callable[[], int]:
    """The clock as nanoseconds since the epoch; the system's without the detour by a datetime, which takes time."""
    return time_ns if clock is utc_now else lambda: (clock() - _EPOCH) // _MILLISECOND * _NANOSECONDS


# Keys


class _SigningKey:
    """HMAC-SHA256 under the key of one secret, day, region and service, its pads already hashed.

    HMAC is ``sha256(key ^ opad, sha256(key ^ ipad, text))`` (RFC 2104, section 2): a copy of either hash object goes on
    behind its pad.
    """

    __slots__ = ("inner", "outer")

    _IPAD = bytes(byte ^ 0x36 for byte in range(256))
    _OPAD = bytes(byte ^ 0x5C for byte in range(256))

    def __init__(self, secret_key: str, day: str, region: str, service: str) -> None:
        key = _encode("AWS4" + secret_key)
        for part in (day, region, service, "aws4_request"):
            key = hmac.digest(key, _encode(part), "sha256")
        block = key.ljust(64, b"\0")
        self.inner = sha256(block.translate(self._IPAD))
        self.outer = sha256(block.translate(self._OPAD))

    def sign(self, text: str) -> bytes:
        inner, outer = self.inner.copy(), self.outer.copy()
        inner.update(_encode(text))
        outer.update(inner.digest())
        return outer.digest()


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # hashed, never sent: no text of a peer may fail here


def _amz_date(moment: datetime) -> str:
    return f"{moment.year:04}{moment:%m%dT%H%M%SZ}"  # %Y does not fill up with zeros everywhere


# Events


class _Chain:
    """The signatures of one stream, each computed from the one before it.

    Attributes:
        signature: the last one; who uses the chain sets it, when the event of that signature counts.
    """

    __slots__ = ("_credentials", "_inner", "_keys", "_outer", "_region", "_second", "_secret", "_service", "signature")

    def __init__(self, credentials: CredentialsSource, region: str, service: str, seed: bytes) -> None:
        for name, value in (("region", region), ("service", service)):
            if not isinstance(value, str):
                raise TypeError(f"the {name} is a str, not {type(value).__name__}")
        self._credentials = credentials
        self._region = region
        self._service = service
        self._keys = lru_cache(maxsize=4)(_SigningKey)  # around midnight two days alternate, as clocks differ
        self._secret: str | None = None
        self._second = 0
        self.signature = seed

    def next(self, date: int, headers: bytes, payload: Buffer) -> bytes:
        """The signature after the last one, of an event with this date (ms), these headers (encoded) and payload."""
        credentials = self._credentials
        if not isinstance(credentials, Credentials):
            credentials = credentials()
        secret = credentials.secret_key
        if date // 1000 != self._second or secret != self._secret:
            self._begin_second(secret, date)
        inner, outer = self._inner.copy(), self._outer.copy()
        try:
            payload_hash = sha256(payload).hexdigest()
        except ValueError as error:  # as a released memoryview says it
            raise BufferError(str(error)) from None
        text = f"{self.signature.hex()}\n{sha256(headers).hexdigest()}\n{payload_hash}"
        inner.update(text.encode())
        outer.update(inner.digest())
        return outer.digest()

    def _begin_second(self, secret: str, date: int) -> None:
        """Hash what the events of this second have in common."""
        stamp = _amz_date(_EPOCH + date * _MILLISECOND)
        day = stamp[:8]
        key = self._keys(secret, day, self._region, self._service)
        inner = key.inner.copy()
        scope = f"{day}/{self._region}/{self._service}/aws4_request"
        inner.update(_encode(f"AWS4-HMAC-SHA256-PAYLOAD\n{stamp}\n{scope}\n"))
        # All at once: where memory ends in between, no part of a second may be left behind.
        self._inner, self._outer, self._secret, self._second = inner, key.outer, secret, date // 1000


def chunk_signature(
    credentials: Credentials,
    region: str,
    service: str,
    timestamp: datetime,
    prior_signature: bytes,
    headers: bytes,
    payload: Buffer,
) -> bytes:
    """The signature of one event, on raw bytes.

    Args:
        credentials: of them the secret key is used.
        region: such as ``"us-east-1"``.
        service: the signing name, such as ``"transcribe"``.
        timestamp: an aware datetime; what is less than a second does not count.
        prior_signature: the signature before, or the request's.
        headers: the encoded headers that are signed: of an event the ``:date`` header alone.
        payload: any C-contiguous buffer.

    Returns:
        32 bytes.

    Raises:
        TypeError: an argument is of the wrong type, or the timestamp is naive.
        BufferError: the payload is not C-contiguous.
        OverflowError: the timestamp is outside the years 1 to 9999 in UTC.
    """
    chain = _Chain(credentials, region, service, bytes(memoryview(prior_signature)))
    return chain.next((timestamp - _EPOCH) // _MILLISECOND, headers, payload)


def _seed(seed_signature: bytes | str) -> bytes:
    seed = bytes.fromhex(seed_signature) if isinstance(seed_signature, str) else bytes(memoryview(seed_signature))
    if len(seed) != SIGNATURE_LENGTH:
        raise ValueError(f"the seed is a signature: {SIGNATURE_LENGTH} bytes or {2 * SIGNATURE_LENGTH} hex digits")
    return seed


class EventSigner:
    """Signs the events of one stream, in the order in which they are sent. One thread at a time.

    Args:
        credentials: `Credentials`, or a callable that is asked for them at each event.
        region: such as ``"us-east-1"``.
        service: the signing name, such as ``"transcribe"``.
        seed_signature: the signature of the request: 32 bytes or 64 hex digits.
        clock: gives the events' dates, as aware datetimes.

    Attributes:
        signature: the last signature; at first the seed.

    Raises:
        ValueError: the seed is no signature.
        TypeError: the region or the service is no str.
    """

    __slots__ = ("_chain", "_finished", "_now")

    def __init__(
        self,
        credentials: CredentialsSource,
        region: str,
        service: str,
        seed_signature: bytes | str,
        *,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._chain = _Chain(credentials, region, service, _seed(seed_signature))
        self._now = _nanoseconds_of(clock)
        self._finished = False

    @property
    def signature(self) -> bytes:
        """The last signature, 32 bytes; at first the seed."""
        return self._chain.signature

    def sign(self, payload: Buffer) -> bytes:
        """The signed message, in wire form.

        Args:
            payload: the inner message in wire form; any C-contiguous buffer, not empty.

        Raises:
            StateError: `finish` was called.
            ValueError: the payload is empty, which would end the stream.
            EncodeLimitExceeded: the payload is over 24 MiB.
            TypeError: the payload is no buffer, or the clock gave a naive datetime.
            BufferError: the buffer is not C-contiguous.
            OverflowError: the clock's time is outside the years 1 to 9999 in UTC.
        """
        if self._finished:
            raise StateError("the stream was finished: nothing can be signed after its end")
        # A clock's time is always within 64 bits, and a check would take a tenth of the whole.
        date = int.__new__(Timestamp, self._now() // _NANOSECONDS)
        signature = self._chain.next(date, _encode_date(date), payload)
        wire = encode({":date": date, ":chunk-signature": signature}, payload)
        if len(wire) == _END_LENGTH and payload is not _END:
            raise ValueError("an empty payload ends the stream: call finish")
        self._chain.signature = signature
        return wire

    def finish(self) -> bytes:
        """The signed message that ends the stream, in wire form: 83 bytes. Nothing can be signed after it.

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
        signature: the last signature that was verified; at first the seed.
        ended: whether the end of the stream was verified.

    Raises:
        ValueError: the seed is no signature, or a limit is negative.
        TypeError: the region or the service is no str, or a limit is no integer.
    """

    __slots__ = ("_chain", "_error", "_index", "_limits", "_max_skew", "_now", "ended")

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
        self._chain = _Chain(credentials, region, service, _seed(seed_signature))
        self._now = _nanoseconds_of(clock)
        self._max_skew = None if max_clock_skew is None else max_clock_skew // _MILLISECOND
        Decoder(max_headers_length=max_headers_length, max_payload_length=max_payload_length)  # knows a limit from none
        self._limits = max_headers_length, max_payload_length
        self._index = 0
        self._error: VerificationError | DecodeError | None = None
        self.ended = False

    @property
    def signature(self) -> bytes:
        """The last signature that was verified, 32 bytes; at first the seed."""
        return self._chain.signature

    def verify(self, message: Message) -> Message | None:
        """The message that was signed; None for the end of the stream.

        Args:
            message: the signed message, as it was decoded.

        Raises:
            UnexpectedMessage: it comes after the end, or has other headers than ``:date`` and ``:chunk-signature``.
            SignatureMismatch: it was signed with another key or for another region or service, was changed, or does
                not follow the event before it.
            DateSkew: its date is too far from the clock.
            DecodeError: it was signed, but what it wraps is no valid message; offsets count from that message's start.
            TypeError: the clock gave a naive datetime.
            BufferError: the payload is a view that was released.
        """
        if self._error is not None:
            raise self._error._again()
        index = self._index + 1
        try:
            inner = self._verify(message)
        except (VerificationError, DecodeError) as error:
            self._error = error._again()
            raise
        self._index = index
        return inner

    def _verify(self, message: Message) -> Message | None:
        if not isinstance(message, Message):
            raise TypeError(f"a Message is verified, not {type(message).__name__}: decode the bytes first")
        if self.ended:
            raise UnexpectedMessage(self._index, "it comes after the end of the stream")
        headers, payload = message.headers, message.payload
        date, signature = headers.get(":date"), headers.get(":chunk-signature")
        if not (isinstance(date, Timestamp) and isinstance(signature, bytes) and len(signature) == SIGNATURE_LENGTH):
            raise UnexpectedMessage(self._index, "a signed event has a :date and a :chunk-signature of 32 bytes")
        if len(headers) != 2:
            raise UnexpectedMessage(self._index, "a signed event has no other headers than :date and :chunk-signature")
        # The clock first, and the signatures in one go: code of the caller's in between could verify the message, too.
        now = 0 if self._max_skew is None else self._now() // _NANOSECONDS
        try:
            expected = self._chain.next(date, _encode_date(date), payload)
        except OverflowError:
            raise DateSkew(self._index, "its date is outside the years 1 to 9999") from None
        if not hmac.compare_digest(expected, signature):
            raise SignatureMismatch(self._index, "its signature does not match")
        if self._max_skew is not None:
            skew = date - now
            if abs(skew) > self._max_skew:
                raise DateSkew(self._index, _describe_skew(skew, self._max_skew))
        inner = None
        if payload:
            max_headers, max_payload = self._limits
            inner = decode(payload, max_headers_length=max_headers, max_payload_length=max_payload)
        self._chain.signature = signature  # in the end: where memory was short, the message can be verified again
        self.ended = inner is None
        return inner


def _describe_skew(skew: int, limit: int) -> str:
    """Both are milliseconds."""
    side = "behind" if skew < 0 else "ahead of"
    return f"its date is {abs(skew) / 1000:.3f} s {side} the clock; {limit / 1000:g} s are allowed"


# Requests

_Pairs: TypeAlias = "Iterable[tuple[str, str]]"

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256\s+"
    r"Credential=(?P<access_key>[^/,\s]+)/(?P<day>[0-9]{8})/(?P<region>[^/,\s]+)/(?P<service>[^/,\s]+)/aws4_request\s*,\s*"
    r"SignedHeaders=(?P<signed_headers>[^,\s]+)\s*,\s*"  # one client writes no spaces
    r"Signature=(?P<signature>[0-9a-f]{64})"
)
_AMZ_DATE = re.compile(r"[0-9]{8}T[0-9]{6}Z")

_ADDED = frozenset({"authorization", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"})
"""The headers that `sign_request` writes."""

_NOT_SIGNED = frozenset(
    {"authorization", "connection", "expect", "te", "transfer-encoding", "upgrade", "user-agent", "x-amzn-trace-id"}
)
"""What carries the signature, and what a proxy may change on the way (the AWS SDKs leave them out too)."""


def request_signature(
    credentials: Credentials,
    region: str,
    service: str,
    method: str,
    path: str,
    headers: _Pairs,
    *,
    signed_headers: Iterable[str] | None = None,
    payload_hash: str | None = None,
) -> bytes:
    """The signature of an HTTP request; that of the request which opens an event stream is the stream's seed.

    Args:
        credentials: of them the secret key is used; a session token counts as the header that it is.
        region: such as ``"us-east-1"``.
        service: the signing name, such as ``"transcribe"``.
        method: such as ``"POST"``.
        path: as it is sent, with its query if it has one. As for every service but S3, it is normalised and encoded
            once more. In the query ``+`` is the same as ``%2B``, and not a space.
        headers: names (of any case) and values; ``x-amz-date`` must be there. Where ``host`` is missing ``:authority``
            stands for it, and the other way round: over HTTP/2 clients sign either, and send the latter.
        signed_headers: the names of those that are signed; None: all but pseudo-headers and what proxies change.
        payload_hash: what stands for the body: the SHA-256 in hex, or a word such as `EVENTS_PAYLOAD`; None: the
            ``x-amz-content-sha256`` header, or else the hash of an empty body.

    Returns:
        32 bytes.

    Raises:
        ValueError: a header that is to be signed, or the date, is missing.
    """
    pairs = list(headers)
    values = _by_name(pairs)
    names = sorted(_signable(pairs) if signed_headers is None else {name.lower() for name in signed_headers})
    for name in ("x-amz-date", *names):
        if name not in values:
            raise ValueError(f"the header {_quote(name)} is missing")
    stamp = values["x-amz-date"]
    canonical_path, canonical_query = _canonical_target(path)
    canonical_request = "\n".join(
        (
            method,
            canonical_path,
            canonical_query,
            *(f"{name}:{values[name]}" for name in names),
            "",
            ";".join(names),
            payload_hash or values.get("x-amz-content-sha256", EMPTY_PAYLOAD),
        )
    )
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{sha256(_encode(canonical_request)).hexdigest()}"
    return _SigningKey(credentials.secret_key, stamp[:8], region, service).sign(text)


def _by_name(headers: _Pairs) -> dict[str, str]:
    """The headers' canonical values by lower-case name; of repeated ones the values are joined."""
    lists: dict[str, list[str]] = {}
    for name, value in headers:
        lists.setdefault(name.lower(), []).append(" ".join(value.split()))
    values = {name: ",".join(several) for name, several in lists.items()}
    for name, other in (("host", ":authority"), (":authority", "host")):
        if name not in values and other in values:
            values[name] = values[other]
    return values


def _is_one_host(values: Mapping[str, str]) -> bool:
    """Whether nobody can be sent elsewhere than the signature says."""
    return "host" not in values or values["host"].lower() == values[":authority"].lower()


def _signable(headers: _Pairs) -> set[str]:
    return {name.lower() for name, _ in headers if not name.startswith(":")} - _NOT_SIGNED | {"host"}


def _canonical_target(path: str) -> tuple[str, str]:
    path, _, query = path.partition("?")
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment not in ("", "."):
            segments.append(segment)
    tail = "/" if segments and path.endswith(("/", "/.", "/..")) else ""
    normalised = "/" + "/".join(segments) + tail
    parameters = (parameter.partition("=") for parameter in query.split("&") if parameter)
    pairs = sorted((_requote(name), _requote(value)) for name, _, value in parameters)
    return quote(_encode(normalised)), "&".join(f"{name}={value}" for name, value in pairs)


def _requote(text: str) -> str:
    return quote(unquote_to_bytes(_encode(text)), safe="")


def sign_request(
    credentials: Credentials,
    region: str,
    service: str,
    method: str,
    path: str,
    headers: _Pairs,
    *,
    clock: Callable[[], datetime] = utc_now,
    payload_hash: str | None = EVENTS_PAYLOAD,
) -> tuple[list[tuple[str, str]], bytes]:
    """Sign an HTTP request.

    Args:
        credentials, region, service, method, path: as for `request_signature`.
        headers: those that the request has, ``host`` or ``:authority`` among them. What an earlier signature brought
            with it is replaced.
        clock: gives the request's date, as an aware datetime.
        payload_hash: what stands for the body: the SHA-256 in hex, or the word for a body of signed events; None: the
            hash of an empty body, which is not sent.

    Returns:
        The headers to send, and the signature, 32 bytes: the seed of an `EventSigner`.

    Raises:
        ValueError: there is neither ``host`` nor ``:authority``, or they differ.
        TypeError: the clock gave a naive datetime.
    """
    stamp = _amz_date(_EPOCH + (clock() - _EPOCH))  # in UTC; astimezone would take a naive one for local time
    sent = [(name, value) for name, value in headers if name.lower() not in _ADDED]
    sent.append(("x-amz-date", stamp))
    if payload_hash is not None:
        sent.append(("x-amz-content-sha256", payload_hash))
    if credentials.session_token is not None:
        sent.append(("x-amz-security-token", credentials.session_token))
    if not _is_one_host(_by_name(sent)):
        raise ValueError("host and :authority differ: nobody could tell which of them is meant")
    names = sorted(_signable(sent))
    signature = request_signature(credentials, region, service, method, path, sent, signed_headers=names)
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{stamp[:8]}/{region}/{service}/aws4_request, "
        f"SignedHeaders={';'.join(names)}, Signature={signature.hex()}"
    )
    sent.append(("authorization", authorization))
    return sent, signature


class VerifiedRequest(NamedTuple):
    """Who signed a request, and for what: the first arguments of an `EventVerifier`."""

    credentials: CredentialsSource
    region: str
    service: str
    signature: bytes
    """The seed of the events' signatures, 32 bytes."""


def verify_request(
    credentials: CredentialsSource | Mapping[str, CredentialsSource],
    region: str | None,
    service: str | None,
    method: str,
    path: str,
    headers: _Pairs,
    *,
    clock: Callable[[], datetime] = utc_now,
    max_clock_skew: timedelta | None = MAX_CLOCK_SKEW,
) -> VerifiedRequest:
    """Verify an HTTP request by its ``authorization`` header. Its body is left to the signatures of the events.

    Args:
        credentials: of the one account that is known, or of all by their access keys; callables are asked for them.
        region: the one that the request must be signed for; None: any.
        service: the signing name that the request must be signed for; None: any.
        method, path, headers: as for `request_signature`. ``host`` or ``:authority``, which must be the same where both
            are there, and every header ``x-amz-…`` and ``x-amzn-…`` but ``x-amzn-trace-id`` must be among the signed
            ones, since others could be added on the way.
        clock: the time that the request's date is compared with, as an aware datetime.
        max_clock_skew: how far that date may be from the clock, to either side; None: any date will do.

    Raises:
        SignatureMismatch: the signature is not that of this request and key.
        DateSkew: the date is too far from the clock.
        VerificationError: the header is missing or malformed, what must be signed is not, or the access key, session
            token, region or service is another. All have the `index` None: they are of no event.
        TypeError: the clock gave a naive datetime.
    """
    pairs = list(headers)
    values = _by_name(pairs)
    claim = _AUTHORIZATION.fullmatch(values.get("authorization", ""))
    if claim is None:
        raise _refusal(VerificationError, "it has no valid authorization header (AWS4-HMAC-SHA256)")
    for what, claimed, wanted in (("region", claim["region"], region), ("service", claim["service"], service)):
        if wanted is not None and claimed != wanted:
            raise _refusal(VerificationError, f"it is signed for the {what} {_quote(claimed)}, not {_quote(wanted)}")
    source = credentials.get(claim["access_key"]) if isinstance(credentials, Mapping) else credentials
    account = source() if callable(source) else source
    if source is None or account is None or account.access_key != claim["access_key"]:
        raise _refusal(VerificationError, f"the access key {_quote(claim['access_key'])} is unknown")

    signed = set(claim["signed_headers"].lower().split(";"))
    _check_signed(signed, values)
    date = _parse_date(values["x-amz-date"], claim["day"])
    expected = request_signature(account, claim["region"], claim["service"], method, path, pairs, signed_headers=signed)
    signature = bytes.fromhex(claim["signature"])
    if not hmac.compare_digest(expected, signature):
        raise _refusal(SignatureMismatch, "its signature does not match")
    token = values.get("x-amz-security-token", "")
    if not hmac.compare_digest(_encode(token), _encode(account.session_token or "")):
        raise _refusal(VerificationError, "its session token is not that of the access key")
    skew = date - clock()
    if max_clock_skew is not None and abs(skew) > max_clock_skew:
        raise _refusal(DateSkew, _describe_skew(skew // _MILLISECOND, max_clock_skew // _MILLISECOND))
    return VerifiedRequest(source, claim["region"], claim["service"], signature)


def _check_signed(signed: set[str], values: Mapping[str, str]) -> None:
    for name in ("x-amz-date", *sorted(signed)):
        if name not in values:
            raise _refusal(VerificationError, f"the header {_quote(name)} is missing")
    if "host" not in signed and ":authority" not in signed:
        raise _refusal(VerificationError, "its host is not signed")
    if not _is_one_host(values):
        raise _refusal(VerificationError, "its host is not its :authority")
    for name in values:
        if name.strip().startswith(("x-amz-", "x-amzn-")) and name not in signed and name not in _NOT_SIGNED:
            raise _refusal(VerificationError, f"the header {_quote(name)} is not signed")


def _parse_date(stamp: str, day: str) -> datetime:
    try:
        if not _AMZ_DATE.fullmatch(stamp):
            raise ValueError
        date = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        raise _refusal(VerificationError, f"x-amz-date: {_quote(stamp)} is no date YYYYMMDDTHHMMSSZ") from None
    if not stamp.startswith(day):
        raise _refusal(VerificationError, "the day of its credential is not that of its date")
    return date


def _refusal(error: type[_T], reason: str) -> _T:
    """An error of the request, which is no event of the stream and has no index."""
    return error(None, reason)
