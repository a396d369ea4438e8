"""The signature of an HTTP request that opens an event stream; it is the seed of the events' signatures.

It travels in headers, or in the query of a presigned URL, which any holder may open until it expires.

Source: "Signature Version 4 for API requests"
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import parse_qsl, quote, unquote, unquote_to_bytes, urlsplit, urlunsplit

from eventstream._text import class_of
from eventstream._text import quote as in_quotes
from eventstream.exceptions import DateSkew, SignatureMismatch, VerificationError
from eventstream.signing._keys import (
    EPOCH,
    MAX_CLOCK_SKEW,
    MILLISECOND,
    Credentials,
    CredentialsSource,
    SigningKey,
    amz_date,
    check_scope,
    describe_skew,
    encode_text,
    utc_now,
)

if TYPE_CHECKING:
    from typing import TypeAlias

__all__ = [
    "EMPTY_PAYLOAD",
    "EVENTS_PAYLOAD",
    "MAX_EXPIRES",
    "VerifiedRequest",
    "presign_url",
    "request_signature",
    "sign_request",
    "verify_presigned",
    "verify_request",
]

EMPTY_PAYLOAD = sha256().hexdigest()
"""The payload hash of a request without a body, which some clients also sign for a body of events."""

EVENTS_PAYLOAD = "STREAMING-AWS4-HMAC-SHA256-EVENTS"
"""The payload hash of a request whose body is signed event by event, as the AWS SDKs send it."""

MAX_EXPIRES = 604_800
"""Seconds that a presigned URL may be valid at most: 7 days. Services may allow less; Amazon Transcribe allows 300."""

_T = TypeVar("_T", bound=VerificationError)

_Pairs: TypeAlias = "Iterable[tuple[str, str]]"

_ALGORITHM = re.compile(r"AWS4-HMAC-SHA256[ \t](.*)")
_PARTS = {
    "Credential": re.compile(
        r"(?P<access_key>[^/,\s]+)/(?P<day>[0-9]{8})/(?P<region>[^/,\s]+)/(?P<service>[^/,\s]+)/aws4_request"
    ),
    "SignedHeaders": re.compile(r"(?P<signed_headers>[^,\s]+)"),
    "Signature": re.compile(r"(?P<signature>[0-9a-f]{64})"),
}
"""The parts of an ``authorization`` header: each once, in any order. One client writes no space behind their commas."""
_IN_QUERY = {
    "X-Amz-Algorithm": re.compile("AWS4-HMAC-SHA256"),
    "X-Amz-Credential": _PARTS["Credential"],
    "X-Amz-Date": re.compile("(?P<date>.*)", re.DOTALL),
    "X-Amz-Expires": re.compile("(?P<expires>[1-9][0-9]{0,5})"),
    "X-Amz-SignedHeaders": re.compile("(?P<signed_headers>[^,\\s]+)"),
    "X-Amz-Signature": _PARTS["Signature"],
}
"""The parameters of a presigned URL, which are all required."""
_TOKEN_IN_QUERY = "X-Amz-Security-Token"
_SIGNATURE_IN_QUERY = "X-Amz-Signature"
_DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_NO_URL = re.compile("[^!-~]")

_FOLDED = re.compile("[ \\t]+")
_LINE = re.compile("[\0\r\n]")
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
    """Return the signature of an HTTP request. The one that opens an event stream is the stream's seed.

    Args:
        credentials: the secret key is used; a session token is signed like the header that it is sent in.
        region: such as ``"us-east-1"``.
        service: the signing name, such as ``"transcribe"``.
        method: such as ``"POST"``.
        path: as it is sent, with its query if it has one. As for every service but S3, it is normalised and encoded
            once more. In the query ``+`` is the same as ``%2B``, and not a space.
        headers: names (of any case) and values; ``x-amz-date`` must be there. Where ``host`` is missing, ``:authority``
            takes its place, and the other way round: over HTTP/2 clients sign either, and send the latter.
        signed_headers: the names of those that are signed; None: all but pseudo-headers and what proxies change.
        payload_hash: the hash that represents the body: the SHA-256 in hex, or a word such as `EVENTS_PAYLOAD`; None:
            the ``x-amz-content-sha256`` header, or else the hash of an empty body.

    Returns:
        32 bytes.

    Raises:
        ValueError: a header that is to be signed, or the date, is missing, or has several lines.
        TypeError: the headers are a mapping, or hold bytes.
    """
    pairs = _listed(headers)
    values = _by_name(pairs)
    names = sorted(_signable(pairs) if signed_headers is None else {name.lower() for name in signed_headers})
    for name in ("x-amz-date", *names):
        if name not in values:
            raise ValueError(f"the header {in_quotes(name)} is missing")
        if _LINE.search(values[name]):
            raise ValueError(f"the header {in_quotes(name)} has a value of more than one line")
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
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{sha256(encode_text(canonical_request)).hexdigest()}"
    return SigningKey(credentials.secret_key, stamp[:8], region, service).sign(text)


def check_expires(url: str, expires: int, most: int) -> None:
    """Check for how many seconds a presigned URL, which is called so in the text of an error, is valid.

    Raises:
        TypeError: it is not an int.
        ValueError: it is not 1 to `most`.
    """
    if not isinstance(expires, int):
        raise TypeError(f"expires must be whole seconds, an int, not {type(expires).__name__}")
    if not 1 <= expires <= most:
        raise ValueError(f"{url} must expire after 1 to {most} seconds, not {expires}")


def _check_signer(credentials: object, region: object, service: object) -> None:
    """Check that a request can be signed with these. To verify one, no more than the secret key is needed."""
    check_scope(region, service)
    if not isinstance(credentials, Credentials):
        raise TypeError(
            f"credentials must be eventstream.signing.Credentials, not {class_of(credentials)}; "
            "eventstream.credentials.resolve makes them of botocore's"
        )
    if not (credentials.access_key and credentials.secret_key):
        raise ValueError("the credentials are empty: they need an access key and a secret key")


def _listed(headers: _Pairs) -> list[tuple[str, str]]:
    """Return the pairs, once it is sure that they are some: clients have mappings, h11 and h2 have bytes."""
    if isinstance(headers, Mapping):
        raise TypeError("headers must be pairs of a name and a value: pass the items() of a mapping")
    pairs = list(headers)
    for pair in pairs:
        for text in pair:
            if not isinstance(text, str):
                raise TypeError(f"the names and values of headers must be str, not {type(text).__name__}")
    return pairs


def _by_name(headers: _Pairs) -> dict[str, str]:
    """Return the headers' canonical values by lower-case name; of repeated ones the values are joined.

    Only spaces and tabs are folded, not what else Unicode calls white space: to a service that is other bytes.
    """
    lists: dict[str, list[str]] = {}
    for name, value in headers:
        lists.setdefault(name.lower(), []).append(_FOLDED.sub(" ", value).strip(" "))
    values = {name: ",".join(several) for name, several in lists.items()}
    for name, other in (("host", ":authority"), (":authority", "host")):
        if name not in values and other in values:
            values[name] = values[other]
    return values


def _is_one_host(values: Mapping[str, str]) -> bool:
    """Whether the request can only go where its signature says."""
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
    return quote(encode_text(normalised)), "&".join(f"{name}={value}" for name, value in pairs)


def _requote(text: str) -> str:
    return quote(unquote_to_bytes(encode_text(text)), safe="")


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
        payload_hash: the hash that represents the body: the SHA-256 in hex, or the word for a body of signed events;
            None: the hash of an empty body, which is not sent.

    Returns:
        The headers to send, and the signature, 32 bytes: the seed of an `EventSigner`.

    Raises:
        ValueError: there is neither ``host`` nor ``:authority``, or they differ; or a value has several lines; the
            path does not begin with a slash; or a key is empty.
        TypeError: the credentials are not `Credentials`; the region or the service is not a str; the headers are a
            mapping, or hold bytes; or the clock gave a naive datetime.
    """
    _check_signer(credentials, region, service)
    if path and path[0] not in "/?":
        raise ValueError(f"the path {in_quotes(path)} must be as it is sent: without scheme and host, from the slash")
    stamp = amz_date(EPOCH + (clock() - EPOCH))  # in UTC; astimezone would take a naive one for local time
    sent = [(name, value) for name, value in _listed(headers) if name.lower() not in _ADDED]
    sent.append(("x-amz-date", stamp))
    if payload_hash is not None:
        sent.append(("x-amz-content-sha256", payload_hash))
    if credentials.session_token is not None:
        sent.append(("x-amz-security-token", credentials.session_token))
    if not _is_one_host(_by_name(sent)):
        raise ValueError("host and :authority differ: pass only one of them")
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
        credentials: of the only account, or of all accounts by access key; callables are called for them.
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
    pairs = _listed(headers)
    values = _by_name(pairs)
    claim = parse_authorization(values.get("authorization", ""))
    date, request = _verify_claim(
        *(claim, credentials, region, service, method, path, pairs),
        token=values.get("x-amz-security-token", ""),
    )
    skew = date - clock()
    if max_clock_skew is not None and abs(skew) > max_clock_skew:
        raise DateSkew(None, describe_skew(skew // MILLISECOND, max_clock_skew // MILLISECOND), skew)
    return request


def presign_url(
    credentials: Credentials,
    region: str,
    service: str,
    method: str,
    url: str,
    *,
    headers: _Pairs = (),
    expires: int = 300,
    clock: Callable[[], datetime] = utc_now,
) -> str:
    """Return the URL with a signature in its query: any holder may send that request until it expires.

    It equals what botocore's ``SigV4QueryAuth`` makes, wherever that makes a usable URL.

    Args:
        credentials: the session token becomes a parameter of the query.
        region, service, method: as for `request_signature`; a WebSocket is opened with ``"GET"``.
        url: with ``https``, ``wss``, ``http`` or ``ws``; the path as it is sent, encoded. The parameters of its query
            may be encoded or not, where ``+`` is a space; those without a value have an empty one.
        headers: that must be sent with it as they are, beside ``host``; a WebSocket in a browser cannot send any.
        expires: seconds that it is valid, 1 to `MAX_EXPIRES`. Amazon Transcribe allows at most 300.
        clock: gives the date from which it is valid, as an aware datetime.

    Raises:
        ValueError: it is not such a URL, or has a user, a fragment, a signature, or a parameter twice; `expires` is out
            of bounds; ``host`` is among the headers, or a value of several lines; or a key is empty.
        TypeError: as for `sign_request`, or `expires` is not an int.
    """
    _check_signer(credentials, region, service)
    check_expires("it", expires, MAX_EXPIRES)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(f"{in_quotes(url)} is not a URL") from None
    host = parts.hostname
    if parts.scheme not in _DEFAULT_PORTS or not host or "@" in parts.netloc or "#" in url:
        raise ValueError(f"the URL {in_quotes(url)}: expected https, wss, http or ws, a host, and no user or fragment")
    if _NO_URL.search(parts.netloc + parts.path):
        raise ValueError(f"the host and path of {in_quotes(url)} must be encoded: they hold spaces, or are not ASCII")
    authority = f"[{host}]" if ":" in host else host
    if port not in (None, _DEFAULT_PORTS[parts.scheme]):
        authority = f"{authority}:{port}"
    sent = _listed(headers)
    if {"host", ":authority"} & {name.lower() for name, _ in sent}:
        raise ValueError("the host is taken from the URL: do not pass it as a header")
    sent.append(("host", authority))
    parameters = parse_qsl(parts.query, keep_blank_values=True)
    twice = _repeated(name for name, _ in parameters)
    if twice is not None:
        raise ValueError(f"the parameter {in_quotes(twice)} occurs twice")
    if any(name.lower().startswith("x-amz-") for name, _ in parameters):
        raise ValueError("the URL is already signed, or has parameters with names that only a signature may add")

    stamp = amz_date(EPOCH + (clock() - EPOCH))
    names = sorted(_signable(sent))
    parameters += [
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", f"{credentials.access_key}/{stamp[:8]}/{region}/{service}/aws4_request"),
        ("X-Amz-Date", stamp),
        ("X-Amz-Expires", str(expires)),
        ("X-Amz-SignedHeaders", ";".join(names)),
    ]
    if credentials.session_token is not None:
        parameters.append((_TOKEN_IN_QUERY, credentials.session_token))
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in parameters)
    signature = request_signature(
        *(credentials, region, service, method, f"{parts.path}?{query}"),
        [*sent, ("x-amz-date", stamp)],
        signed_headers=names,
    )
    return urlunsplit((*parts[:3], f"{query}&{_SIGNATURE_IN_QUERY}={signature.hex()}", ""))


def verify_presigned(
    credentials: CredentialsSource | Mapping[str, CredentialsSource],
    region: str | None,
    service: str | None,
    method: str,
    path: str,
    headers: _Pairs,
    *,
    clock: Callable[[], datetime] = utc_now,
    max_clock_skew: timedelta | None = MAX_CLOCK_SKEW,
    max_expires: int = MAX_EXPIRES,
) -> VerifiedRequest:
    """Verify a request whose signature is in its query, as `presign_url` puts it there.

    Args:
        credentials, region, service, method, headers, clock: as for `verify_request`.
        path: as it was received, with its query.
        max_clock_skew: how far the URL's date may be ahead of the clock; None: neither its date nor its expiry counts.
        max_expires: seconds that a URL may be valid at most, as it says itself.

    Returns:
        Who signed it, and for what. The signature is the seed of events that are signed.

    Raises:
        SignatureMismatch: the signature is not that of this request and key.
        DateSkew: it has expired, or is not valid yet.
        VerificationError: a parameter of the signature is missing or malformed, any parameter occurs twice, what must
            be signed is not, it is valid for longer than it may be, or the access key, session token, region or service
            is another. All have the `index` None.
        TypeError: the clock gave a naive datetime.
    """
    target, _, query = path.partition("?")
    given = [
        (unquote(name), unquote(value), raw) for raw in query.split("&") for name, _, value in [raw.partition("=")]
    ]
    twice = _repeated(name for name, _, raw in given if raw)
    if twice is not None:
        raise _refusal(VerificationError, f"the parameter {in_quotes(twice)} occurs twice")
    parameters = {name: value for name, value, _ in given}
    claim: dict[str, str] = {}
    for name, pattern in _IN_QUERY.items():
        found = pattern.fullmatch(parameters.get(name, ""))
        if found is None or name not in parameters:
            raise _refusal(
                VerificationError, f"the parameter {name} is {'invalid' if name in parameters else 'missing'}"
            )
        claim |= found.groupdict()
    expires = int(claim["expires"])
    if expires > max_expires:
        raise _refusal(VerificationError, f"it is valid for {expires} seconds; {max_expires} are allowed")

    unsigned = "&".join(raw for name, _, raw in given if name != _SIGNATURE_IN_QUERY)
    date, request = _verify_claim(
        *(claim, credentials, region, service, method, f"{target}?{unsigned}", _listed(headers)),
        token=parameters.get(_TOKEN_IN_QUERY, ""),
    )
    if max_clock_skew is not None:
        age = clock() - date
        if age < -max_clock_skew:
            raise DateSkew(None, describe_skew(-age // MILLISECOND, max_clock_skew // MILLISECOND), -age)
        late = age - timedelta(seconds=expires)
        if late >= timedelta(0):
            raise _refusal(DateSkew, f"it expired {late / timedelta(seconds=1):.3f} s ago")
    return request


def _repeated(names: Iterable[str]) -> str | None:
    """Return the first name that occurs twice, in whichever case; None if there is none."""
    seen: set[str] = set()
    for name in names:
        if name.lower() in seen:
            return name
        seen.add(name.lower())
    return None


def _verify_claim(
    claim: Mapping[str, str],
    credentials: CredentialsSource | Mapping[str, CredentialsSource],
    region: str | None,
    service: str | None,
    method: str,
    path: str,
    pairs: list[tuple[str, str]],
    *,
    token: str,
) -> tuple[datetime, VerifiedRequest]:
    """Return the date of a request, and who signed it.

    Args:
        claim: what it says of its signature, by the names of the groups in `_PARTS`; with its date, if that is in no
            header.
        credentials, region, service, method, path: as for `verify_request`; without what was added once it was signed.
        pairs: its headers.
        token: its session token.
    """
    for what, claimed, wanted in (("region", claim["region"], region), ("service", claim["service"], service)):
        if wanted is not None and claimed != wanted:
            raise _refusal(
                VerificationError, f"it is signed for the {what} {in_quotes(claimed)}, not {in_quotes(wanted)}"
            )
    source = credentials.get(claim["access_key"]) if isinstance(credentials, Mapping) else credentials
    account = source() if callable(source) else source
    if source is None or account is None or account.access_key != claim["access_key"]:
        raise _refusal(VerificationError, f"the access key {in_quotes(claim['access_key'])} is unknown")

    names = claim["signed_headers"].split(";")
    signed = set(names)
    if names != sorted(signed) or claim["signed_headers"] != claim["signed_headers"].lower():
        raise _refusal(VerificationError, "its SignedHeaders are not in lower case, sorted and without duplicates")
    values = _by_name(pairs)
    _check_signed(signed if "date" in claim else {"x-amz-date", *signed}, signed, values)
    if "date" in claim:
        pairs = [*pairs, ("x-amz-date", claim["date"])]
    stamp = claim["date"] if "date" in claim else values["x-amz-date"]
    date = _parse_date(stamp, claim["day"])
    expected = request_signature(account, claim["region"], claim["service"], method, path, pairs, signed_headers=signed)
    signature = bytes.fromhex(claim["signature"])
    if not hmac.compare_digest(expected, signature):
        raise _refusal(SignatureMismatch, "its signature does not match")
    if not account.has_token(token):
        raise _refusal(VerificationError, "its session token is not that of the access key")
    return date, VerifiedRequest(source, claim["region"], claim["service"], signature)


def parse_authorization(text: str) -> dict[str, str]:
    """Return what an ``authorization`` header claims, unverified.

    Returns:
        The ``access_key``, ``day``, ``region``, ``service``, ``signed_headers`` and ``signature``.

    Raises:
        VerificationError: it is not one of Signature Version 4, with a symmetric key.
    """
    found: dict[str, str] = {}
    seen = []
    algorithm = _ALGORITHM.fullmatch(text)
    for part in algorithm[1].split(",") if algorithm else ():
        name, _, value = part.strip(" \t").partition("=")
        claim = _PARTS[name].fullmatch(value) if name in _PARTS else None
        if claim is None:
            break
        seen.append(name)
        found |= claim.groupdict()
    else:
        if sorted(seen) == sorted(_PARTS):
            return found
    raise _refusal(VerificationError, "it has no valid authorization header (AWS4-HMAC-SHA256)")


def _check_signed(needed: set[str], signed: set[str], values: Mapping[str, str]) -> None:
    """Check that all needed headers are there, and that all headers that could be added on the way are signed."""
    for name in sorted(needed):
        if name not in values:
            raise _refusal(VerificationError, f"the header {in_quotes(name)} is missing")
        if _LINE.search(values[name]):
            raise _refusal(VerificationError, f"the header {in_quotes(name)} has a value of more than one line")
    if "host" not in signed and ":authority" not in signed:
        raise _refusal(VerificationError, "its host is not signed")
    if not _is_one_host(values):
        raise _refusal(VerificationError, "its host differs from its :authority")
    for name in values:
        if name.strip().startswith(("x-amz-", "x-amzn-")) and name not in signed and name not in _NOT_SIGNED:
            raise _refusal(VerificationError, f"the header {in_quotes(name)} is not signed")


def _parse_date(stamp: str, day: str) -> datetime:
    try:
        if not _AMZ_DATE.fullmatch(stamp):
            raise ValueError
        date = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        raise _refusal(VerificationError, f"x-amz-date: {in_quotes(stamp)} is not a date YYYYMMDDTHHMMSSZ") from None
    if not stamp.startswith(day):
        raise _refusal(VerificationError, "the day of its credential differs from that of its date")
    return date


def _refusal(error: type[_T], reason: str) -> _T:
    """Return an error of the request, which is not an event of the stream and has no index."""
    return error(None, reason)
