"""The constants of the format, pinned literally."""

from __future__ import annotations

import pytest

from eventstream import wire


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PRELUDE_LENGTH", 12),
        ("CRC_LENGTH", 4),
        ("MIN_MESSAGE_LENGTH", 16),
        ("MAX_MESSAGE_LENGTH", 4_294_967_295),
        ("DEFAULT_MAX_HEADERS_LENGTH", 131_072),
        ("DEFAULT_MAX_PAYLOAD_LENGTH", 25_165_824),
        ("MAX_NAME_LENGTH", 255),
        ("MAX_VALUE_LENGTH", 32_767),
        ("MAX_DECODED_VALUE_LENGTH", 65_535),
    ],
)
def test_constant(name, value):
    assert getattr(wire, name) == value


def test_header_types():
    assert {type_.name: type_.value for type_ in wire.HeaderType} == {
        "TRUE": 0,
        "FALSE": 1,
        "BYTE": 2,
        "SHORT": 3,
        "INTEGER": 4,
        "LONG": 5,
        "BYTE_ARRAY": 6,
        "STRING": 7,
        "TIMESTAMP": 8,
        "UUID": 9,
    }
