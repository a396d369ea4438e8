"""What adapters share: which header blocks stay converted, and which error becomes which."""

from __future__ import annotations

import pytest
from cases import each

from eventstream import exceptions
from eventstream._codec import Headers
from eventstream.adapters._convert import Errors, header_converter
from eventstream.wire import CACHED_BLOCKS, MAX_CACHED_BLOCK_LENGTH


class Counting:
    """A conversion that counts its calls."""

    def __init__(self):
        self.calls = 0

    def __call__(self, value):
        self.calls += 1
        return str(value)


def kept_by(convert):
    [kept] = [cell.cell_contents for cell in convert.__closure__ if isinstance(cell.cell_contents, dict)]
    return kept


def test_header_blocks_that_come_again_are_converted_once():
    value_of = Counting()
    convert = header_converter(value_of)
    for _ in range(3):
        for number in range(CACHED_BLOCKS):
            assert convert(Headers({"name": number, "other": b""})) == {"name": str(number), "other": "b''"}
    assert value_of.calls == 2 * CACHED_BLOCKS


def test_header_dicts_are_the_caller_s_own():
    convert = header_converter(str)
    convert(Headers({"name": 1})).clear()
    assert convert(Headers({"name": 1})) == {"name": "1"}


def test_few_and_short_header_blocks_are_kept():
    """Of whatever a hostile stream sends."""
    convert = header_converter(str)
    kept = kept_by(convert)
    for number in range(2 * CACHED_BLOCKS):
        convert(Headers({"name": str(number)}))
        assert len(kept) == number % CACHED_BLOCKS + 1
    kept.clear()
    longest = "x" * (MAX_CACHED_BLOCK_LENGTH - len(b".long..."))
    convert(Headers({"long": longest}))
    [block] = kept
    assert len(block) == MAX_CACHED_BLOCK_LENGTH
    kept.clear()
    assert convert(Headers({"long": longest + "x"})) == {"long": longest + "x"}
    assert not kept
    kept.update({b"%d" % number: {} for number in range(CACHED_BLOCKS + 3)})  # as two threads may
    convert(Headers({"name": "new"}))
    assert len(kept) == 1


def test_header_blocks_that_cannot_be_converted_are_not_kept():
    def refuse(value):
        raise OverflowError

    convert = header_converter(refuse)
    for _ in range(2):
        with pytest.raises(OverflowError):
            convert(Headers({"name": 1}))
    assert not kept_by(convert)


def named(name):
    return lambda *arguments: RuntimeError(name, *arguments)


@each(
    ("error", "translated"),
    [
        (exceptions.PreludeChecksumMismatch(0, 1, 2), ("checksum", 1, 2)),
        (exceptions.MessageChecksumMismatch(0, 1, 2), ("checksum", 1, 2)),
        (exceptions.DecodeLimitExceeded(0, "headers", 5, 4), ("headers_length", 5)),
        (exceptions.DecodeLimitExceeded(0, "payload", 5, 4), ("payload_length", 5)),
        (exceptions.EncodeLimitExceeded("headers", 5, 4), ("headers_length", 5)),
        (exceptions.EncodeLimitExceeded("payload", 5, 4), ("payload_length", 5)),
        (exceptions.DuplicateHeader(0, "name"), ("duplicate", "name")),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_errors_are_translated(error, translated):
    errors = Errors(*map(named, ("checksum", "headers_length", "payload_length", "duplicate", "other")))
    assert errors.translate(error).args == translated


@pytest.mark.parametrize(
    "error",
    [exceptions.InvalidLength(0, 1, 2), exceptions.TruncatedMessage(0, 1, 2), exceptions.StateError("text")],
    ids=lambda error: type(error).__name__,
)
def test_errors_of_other_kinds_are_handed_on(error):
    errors = Errors(*map(named, ("checksum", "headers_length", "payload_length", "duplicate", "other")))
    assert errors.translate(error).args == ("other", error)
