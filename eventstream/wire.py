"""The wire format on one screen: offsets, limits and header types of ``application/vnd.amazon.eventstream``.

All integers are big-endian::

    0   u32  total length: the whole message, this field and the final CRC included (16 ...)
    4   u32  headers length (0 ... total length - 16)
    8   u32  prelude CRC: CRC-32 (gzip's) of bytes 0-7
    12       headers, then payload
    -4  u32  message CRC: of bytes 0 ... total length - 5, the prelude CRC included

    header:  u8 name length (1-255) | name, UTF-8 | u8 type | value

Source, where no other is given: the Smithy specification "Amazon Event Stream"
(https://smithy.io/2.0/aws/amazon-eventstream.html).
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct

CONTENT_TYPE = "application/vnd.amazon.eventstream"

LENGTHS = Struct(">II")
"""Total length and headers length: what the prelude's CRC is of."""

CRC = Struct(">I")

PRELUDE = Struct(">III")
"""Total length, headers length and their CRC."""

PRELUDE_LENGTH = 12
"""Bytes of the prelude."""

CRC_LENGTH = 4

MIN_MESSAGE_LENGTH = PRELUDE_LENGTH + CRC_LENGTH
"""A message without headers and payload; also what every message holds beside the two."""

MAX_MESSAGE_LENGTH = 2**32 - 1
"""What a total length of 32 bits can say: the format's own bound."""

DEFAULT_MAX_HEADERS_LENGTH = 131_072
"""128 KiB, the specification's limit. It is the service's to enforce; here it is a default against hostile input."""

DEFAULT_MAX_PAYLOAD_LENGTH = 25_165_824
"""24 MiB, the specification's limit. Some peers stop at 16 MiB, which real messages have exceeded."""

MAX_NAME_LENGTH = 255
"""Bytes of UTF-8 in a header's name; at least 1."""

MAX_VALUE_LENGTH = 32_767
"""Bytes in a string or byte array value that we encode ("MUST not exceed", says the specification)."""

MAX_DECODED_VALUE_LENGTH = 65_535
"""Bytes in a string or byte array value that we decode: all its u16 length can say, as most peers accept."""


class HeaderType(IntEnum):
    """The type byte of a header; the comment gives the bytes of the value that follows it."""

    TRUE = 0  # none
    FALSE = 1  # none
    BYTE = 2  # 1, signed
    SHORT = 3  # 2, signed
    INTEGER = 4  # 4, signed
    LONG = 5  # 8, signed
    BYTE_ARRAY = 6  # u16 length, then as many
    STRING = 7  # u16 length, then as many of UTF-8
    TIMESTAMP = 8  # 8, signed: milliseconds since 1970-01-01T00:00:00Z
    UUID = 9  # 16


FIXED_LENGTHS = {
    HeaderType.TRUE: 0,
    HeaderType.FALSE: 0,
    HeaderType.BYTE: 1,
    HeaderType.SHORT: 2,
    HeaderType.INTEGER: 4,
    HeaderType.LONG: 8,
    HeaderType.TIMESTAMP: 8,
    HeaderType.UUID: 16,
}
"""Bytes in the values of each type whose values have one length; the other two say theirs in a u16."""


# Streams repeat their header blocks, so what was made of the last few is kept: by decoders, and by adapters.

CACHED_BLOCKS = 8
"""Header blocks that are kept, so that a hostile stream cannot fill the memory."""

MAX_CACHED_BLOCK_LENGTH = 1024
"""Bytes in a header block that is kept; blocks that come again are short."""
