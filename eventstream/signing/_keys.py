"""What signatures of requests and of events have in common: credentials, the clock, and the key of a day."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from time import time_ns
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TypeAlias

MAX_CLOCK_SKEW = timedelta(minutes=5)
"""How long a signature is valid, says the Amazon Transcribe guide; in both directions, as clocks go wrong in both."""

SIGNATURE_LENGTH = 32
"""Bytes of an HMAC-SHA256."""

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MILLISECOND = timedelta(milliseconds=1)
NANOSECONDS = 1_000_000
"""In a millisecond."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key, its secret, and the session token if the two are temporary. Only the access key is ever shown.

    Raises:
        TypeError: a value is not a str, e.g. None, which ``os.environ.get`` returns for a variable that is not set.
    """

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name in ("access_key", "secret_key", "session_token"):
            value = getattr(self, name)
            if not isinstance(value, str) and (value is not None or name != "session_token"):
                raise TypeError(f"{name} must be a str, not {type(value).__name__}")

    def has_token(self, token: str | None) -> bool:
        """Return whether that is the session token, in constant time. None is the same as an empty one."""
        return hmac.compare_digest(encode_text(token or ""), encode_text(self.session_token or ""))


CredentialsSource: TypeAlias = "Credentials | Callable[[], Credentials]"
"""Credentials, or what is asked for them whenever they are needed, because they are refreshed."""


def utc_now() -> datetime:
    """Return the time of the system's clock, in UTC; the default of every ``clock`` here."""
    return datetime.now(timezone.utc)


def nanoseconds_of(clock: Callable[[], datetime]) -> Callable[[], int]:
    """Return the clock as nanoseconds since the epoch; the system's clock directly, as a datetime takes time."""
    return time_ns if clock is utc_now else lambda: (clock() - EPOCH) // MILLISECOND * NANOSECONDS


class SigningKey:
    """HMAC-SHA256 under the key of one secret, day, region and service, with both pads already hashed.

    HMAC is ``sha256(key ^ opad, sha256(key ^ ipad, text))`` (RFC 2104, section 2): a copy of either hash object
    continues after its pad.
    """

    __slots__ = ("inner", "outer")

    _IPAD = bytes(byte ^ 0x36 for byte in range(256))
    _OPAD = bytes(byte ^ 0x5C for byte in range(256))

    def __init__(self, secret_key: str, day: str, region: str, service: str) -> None:
        key = encode_text("AWS4" + secret_key)
        for part in (day, region, service, "aws4_request"):
            key = hmac.digest(key, encode_text(part), "sha256")
        block = key.ljust(64, b"\0")
        self.inner = sha256(block.translate(self._IPAD))
        self.outer = sha256(block.translate(self._OPAD))

    def sign(self, text: str) -> bytes:
        inner, outer = self.inner.copy(), self.outer.copy()
        inner.update(encode_text(text))
        outer.update(inner.digest())
        return outer.digest()


def check_scope(region: object, service: object) -> None:
    """Check the types of what a signature is for.

    Raises:
        TypeError: the region or the service is not a str.
    """
    for name, value in (("region", region), ("service", service)):
        if not isinstance(value, str):
            raise TypeError(f"the {name} must be a str, not {type(value).__name__}")


def encode_text(text: str) -> bytes:
    """Return the text in UTF-8. It is hashed and never sent, so no text of a peer may fail here."""
    return text.encode("utf-8", "surrogatepass")


def amz_date(moment: datetime) -> str:
    """Return the moment as ``YYYYMMDDTHHMMSSZ``."""
    return f"{moment.year:04}{moment:%m%dT%H%M%SZ}"  # %Y does not fill up with zeros everywhere


def describe_skew(skew: int, limit: int) -> str:
    """Say how far a date is from the clock; both are milliseconds."""
    side = "behind" if skew < 0 else "ahead of"
    return f"its date is {abs(skew) / 1000:.3f} s {side} the clock; {limit / 1000:g} s are allowed"
