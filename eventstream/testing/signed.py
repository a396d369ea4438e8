"""Streams of signed events, and what a verifier must make of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from eventstream._codec import Message
from eventstream.signing import Credentials, EventSigner
from eventstream.testing._hypothesis import st
from eventstream.testing.strategies import messages

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SignedStream", "credentials", "signed_streams"]


@dataclass(frozen=True)
class SignedStream:
    """Signed events, what their verifier has to know, and what it has to return.

    An `EventVerifier` of the first four attributes, with ``max_clock_skew=None``, returns what is `expected` of each
    message.

    Attributes:
        credentials, region, service: with and for which the events were signed.
        seed_signature: of the request, 32 bytes.
        dates: of each event, in UTC, to the millisecond; not always in order, as clients shift their clocks.
        chunks: the signed messages in wire form; the last one ends the stream.
        expected: the messages that were signed, and None for the end.
    """

    credentials: Credentials
    region: str
    service: str
    seed_signature: bytes
    dates: tuple[datetime, ...]
    chunks: tuple[bytes, ...]
    expected: tuple[Message | None, ...]

    @property
    def wire(self) -> bytes:
        """The whole stream."""
        return b"".join(self.chunks)


_SECRETS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", min_size=1, max_size=40)


def credentials() -> SearchStrategy[Credentials]:
    """Credentials, without and with a session token, of the characters that AWS uses."""
    keys = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", max_size=16).map("AKIA".__add__)
    return st.builds(Credentials, keys, _SECRETS, st.none() | _SECRETS)


_MESSAGES = messages()
_CREDENTIALS = credentials()
_REGIONS = st.sampled_from(["us-east-1", "eu-central-1", "ap-southeast-2"])
_SERVICES = st.just("transcribe")
_STEPS = st.integers(-1_000, 5_000) | st.just(86_400_000)  # milliseconds, or a day, as other days have other keys


def signed_streams(
    messages: SearchStrategy[Message] = _MESSAGES,
    *,
    credentials: SearchStrategy[Credentials] = _CREDENTIALS,
    regions: SearchStrategy[str] = _REGIONS,
    services: SearchStrategy[str] = _SERVICES,
    min_size: int = 0,
    max_size: int = 4,
) -> SearchStrategy[SignedStream]:
    """Streams of signed events, as clients send them: each wraps a message, and an empty one ends the stream.

    Args:
        messages: those that are wrapped; by default `messages`.
        credentials: by default `credentials`.
        regions: by default some of AWS's.
        services: signing names; by default ``"transcribe"``.
        min_size, max_size: how many events, without the end.
    """
    wrapped = st.lists(messages, min_size=min_size, max_size=max_size)
    return _signed_streams(wrapped, credentials, regions, services)


@st.composite
def _signed_streams(
    draw: DrawFn,
    wrapped: SearchStrategy[list[Message]],
    credentials: SearchStrategy[Credentials],
    regions: SearchStrategy[str],
    services: SearchStrategy[str],
) -> SignedStream:
    key, region, service = draw(credentials), draw(regions), draw(services)
    seed = draw(st.binary(min_size=32, max_size=32))
    date = draw(st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1), timezones=st.just(timezone.utc)))
    date = date.replace(microsecond=0)
    dates: list[datetime] = []
    signer = EventSigner(key, region, service, seed, clock=lambda: dates[-1])
    inner = draw(wrapped)
    chunks = []
    for message in [*inner, None]:
        date += timedelta(milliseconds=draw(_STEPS))
        dates.append(date)
        chunks.append(signer.finish() if message is None else signer.sign(message.encode()))
    return SignedStream(key, region, service, seed, tuple(dates), tuple(chunks), (*inner, None))
