"""Code that the adapters share: converting header blocks once, and turning errors into those of another library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eventstream.exceptions import (
    CodecError,
    DecodeLimitExceeded,
    DuplicateHeader,
    EncodeLimitExceeded,
    MessageChecksumMismatch,
    PreludeChecksumMismatch,
)
from eventstream.wire import CACHED_BLOCKS, MAX_CACHED_BLOCK_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventstream import Headers
    from eventstream.values import HeaderValue


def header_converter(value_of: Callable[[HeaderValue], Any]) -> Callable[[Headers], dict[str, Any]]:
    """Return a function from our headers to a dict of another library's values.

    The last few header blocks stay converted, bounded in number and size so that a hostile stream cannot fill the
    memory with them; each call gets a copy. Threads may share the function.

    Args:
        value_of: from a value of ours to one of the library's, which nobody changes.
    """
    blocks: dict[bytes, dict[str, Any]] = {}

    def convert(headers: Headers) -> dict[str, Any]:
        raw = headers.raw
        converted = blocks.get(raw)
        if converted is None:
            converted = {name: value_of(value) for name, value in headers.items()}
            if len(raw) <= MAX_CACHED_BLOCK_LENGTH:
                if len(blocks) >= CACHED_BLOCKS:  # more, where two threads have met here
                    blocks.clear()
                blocks[raw] = converted
        return converted.copy()

    return convert


@dataclass(frozen=True)
class Errors:
    """A library's errors for ours.

    Args:
        checksum: makes the one for a wrong checksum, from the expected and the computed one.
        headers_length: makes the one for headers over the limit, from their length.
        payload_length: makes the one for a payload over the limit, from its length.
        duplicate: makes the one for a header that occurs twice, from its name.
        other: makes the one for anything else, from our error.
    """

    checksum: Callable[[int, int], Exception]
    headers_length: Callable[[int], Exception]
    payload_length: Callable[[int], Exception]
    duplicate: Callable[[str], Exception]
    other: Callable[[CodecError], Exception]

    def translate(self, error: CodecError) -> Exception:
        """Return the library's error that says what ours says."""
        if isinstance(error, (PreludeChecksumMismatch, MessageChecksumMismatch)):
            return self.checksum(error.expected, error.computed)
        if isinstance(error, (DecodeLimitExceeded, EncodeLimitExceeded)):
            return (self.headers_length if error.part == "headers" else self.payload_length)(error.length)
        if isinstance(error, DuplicateHeader):
            return self.duplicate(str(error.name))
        return self.other(error)
