"""The constants of the format, pinned literally."""

from __future__ import annotations

from cases import each

from eventstream import _text, wire


@each(
    ("name", "value"),
    [
        ("CONTENT_TYPE", "application/vnd.amazon.eventstream"),
        ("PRELUDE_LENGTH", 12),
        ("CRC_LENGTH", 4),
        ("MIN_MESSAGE_LENGTH", 16),
        ("MAX_MESSAGE_LENGTH", 4_294_967_295),
        ("DEFAULT_MAX_HEADERS_LENGTH", 131_072),
        ("DEFAULT_MAX_PAYLOAD_LENGTH", 25_165_824),
        ("MAX_NAME_LENGTH", 255),
        ("MAX_VALUE_LENGTH", 32_767),
        ("MAX_DECODED_VALUE_LENGTH", 65_535),
        ("CACHED_BLOCKS", 8),
        ("MAX_CACHED_BLOCK_LENGTH", 1024),
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


def test_struct_lengths():
    assert (wire.LENGTHS.size, wire.CRC.size, wire.PRELUDE.size) == (8, wire.CRC_LENGTH, wire.PRELUDE_LENGTH)
    assert (
        wire.PRELUDE.pack(1, 2, 3)
        == wire.LENGTHS.pack(1, 2) + wire.CRC.pack(3)
        == bytes([0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3])
    )


def test_fixed_lengths():
    assert wire.FIXED_LENGTHS == {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}


def test_native_constants_are_the_same(native):
    constants = native._constants()
    for name, value in constants.items():
        if name.startswith("FIXED_LENGTHS["):
            continue
        assert value == (getattr(wire, name, None) or getattr(_text, name, None) or wire.HeaderType[name]), name
    assert [constants[f"FIXED_LENGTHS[{type_}]"] for type_ in range(10)] == [
        wire.FIXED_LENGTHS.get(type_, 0) for type_ in wire.HeaderType
    ]
    named = {name for name, value in vars(wire).items() if type(value) is int} | {
        type_.name for type_ in wire.HeaderType
    }
    assert named - set(constants) == {"MAX_DECODED_VALUE_LENGTH"}, "what a u16 can say"
