"""The error tree, the errors' attributes and texts, and that all of them pickle and copy."""

from __future__ import annotations

import copy
import itertools
import pickle
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import frames
import pytest
from cases import case, each
from timing import takes_at_most

import eventstream
from eventstream import exceptions

TREE = {
    "CodecError": "Exception",
    "EncodeError": "CodecError",
    "InvalidHeaderName": "EncodeError",
    "InvalidHeaderValue": "EncodeError",
    "EncodeLimitExceeded": "EncodeError",
    "DecodeError": "CodecError",
    "PreludeChecksumMismatch": "DecodeError",
    "MessageChecksumMismatch": "DecodeError",
    "InvalidLength": "DecodeError",
    "DecodeLimitExceeded": "DecodeError",
    "InvalidHeader": "DecodeError",
    "TruncatedHeader": "InvalidHeader",
    "UnknownHeaderType": "InvalidHeader",
    "DuplicateHeader": "InvalidHeader",
    "InvalidHeaderText": "InvalidHeader",
    "TruncatedMessage": "DecodeError",
    "TrailingData": "DecodeError",
    "IncompleteStream": "CodecError",
    "VerificationError": "CodecError",
    "SignatureMismatch": "VerificationError",
    "DateSkew": "VerificationError",
    "UnexpectedMessage": "VerificationError",
    "StateError": "CodecError",
    "ServiceError": "Exception",
}
"""Each error and its nearest public base."""

LONG_NAME = "n" * 255

SAMPLES = [
    (exceptions.CodecError, ("text",), {}),
    (exceptions.EncodeError, ("text",), {}),
    (exceptions.InvalidHeaderName, ("name", "reason"), {"name": "name"}),
    (exceptions.InvalidHeaderValue, ("name", "reason"), {"name": "name"}),
    (exceptions.InvalidHeaderValue, (None, "reason"), {"name": None}),
    (exceptions.EncodeLimitExceeded, ("payload", 5, 4), {"part": "payload", "length": 5, "limit": 4}),
    (exceptions.DecodeError, (7, "reason"), {"offset": 7}),
    (
        exceptions.PreludeChecksumMismatch,
        (7, 1, 2, b"{" * 70),
        {"offset": 7, "expected": 1, "computed": 2, "received": b"{" * 64},
    ),
    (exceptions.MessageChecksumMismatch, (7, 1, 2), {"offset": 7, "expected": 1, "computed": 2}),
    (exceptions.InvalidLength, (7, 15, 0), {"offset": 7, "total_length": 15, "headers_length": 0}),
    (exceptions.DecodeLimitExceeded, (7, "headers", 5, 4), {"offset": 7, "part": "headers", "length": 5, "limit": 4}),
    (exceptions.InvalidHeader, (7, None, "reason"), {"offset": 7, "name": None}),
    (exceptions.TruncatedHeader, (7, "name"), {"offset": 7, "name": "name"}),
    (exceptions.UnknownHeaderType, (7, "name", 10), {"offset": 7, "name": "name", "type": 10}),
    (exceptions.DuplicateHeader, (7, "name"), {"offset": 7, "name": "name"}),
    (exceptions.InvalidHeaderText, (7, "name"), {"offset": 7, "name": "name"}),
    (exceptions.TruncatedMessage, (7, 20, 30), {"offset": 7, "available": 20, "needed": 30, "received": b""}),
    (exceptions.TruncatedMessage, (7, 3, 12, b"\0ab"), {"available": 3, "needed": 12, "received": b"\0ab"}),
    (exceptions.TrailingData, (7, 3), {"offset": 7, "length": 3}),
    (
        exceptions.IncompleteStream,
        (7, "Records", ["End", "End"]),
        {"offset": 7, "last": "Records", "expected": frozenset({"End"})},
    ),
    (exceptions.IncompleteStream, (0,), {"offset": 0, "last": None, "expected": frozenset()}),
    (exceptions.VerificationError, (2, "reason"), {"index": 2}),
    (exceptions.SignatureMismatch, (2, "reason"), {"index": 2}),
    (exceptions.DateSkew, (2, "reason"), {"index": 2, "skew": None}),
    (exceptions.DateSkew, (2, "reason", timedelta(seconds=-301)), {"index": 2, "skew": timedelta(seconds=-301)}),
    (exceptions.UnexpectedMessage, (2, "reason"), {"index": 2}),
    (exceptions.StateError, ("text",), {}),
    (
        exceptions.ServiceError,
        ("Code", "text", eventstream.Headers({"a": 1}), b"payload"),
        {
            "code": "Code",
            "message": "text",
            "headers": eventstream.Headers({"a": 1}),
            "payload": b"payload",
            "status_code": None,
            "request_id": None,
            "retryable": None,
        },
    ),
]
"""Classes, arguments, and attributes. The errors are made in the tests, so that a fault in making one fails there."""


def id_of(value):
    return value.__name__ if isinstance(value, type) else ""


each_error = each(("class_", "arguments"), [sample[:2] for sample in SAMPLES], ids=id_of)


def test_module_holds_these_errors_and_no_others():
    classes = {name for name, value in vars(exceptions).items() if isinstance(value, type) and name[0] != "_"}
    assert classes == set(TREE)


@each(("name", "base"), TREE.items(), ids=TREE)
def test_tree(name, base):
    class_ = getattr(exceptions, name)
    public = [base.__name__ for base in class_.__mro__[1:] if base.__name__[0] != "_"]
    assert public[0] == base


@each("name", TREE)
def test_fault_of_the_caller_or_the_sender_is_a_value_error(name):
    class_ = getattr(exceptions, name)
    assert issubclass(class_, ValueError) == issubclass(class_, (exceptions.EncodeError, exceptions.DecodeError))


@each("name", TREE)
def test_top_level_exports_it(name):
    assert getattr(eventstream, name) is getattr(exceptions, name)


def test_samples_cover_every_error():
    assert {class_.__name__ for class_, _, _ in SAMPLES} == set(TREE)


@each(("class_", "arguments", "attributes"), SAMPLES, ids=id_of)
def test_attributes(class_, arguments, attributes):
    error = class_(*arguments)
    for name, value in attributes.items():
        assert getattr(error, name) == value
    assert str(error)


@each_error
def test_errors_pickle(class_, arguments):
    error = class_(*arguments)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert frames.fault(pickle.loads(pickle.dumps(error, protocol))) == frames.fault(error), protocol


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy])
@each_error
def test_errors_copy(class_, arguments, way):
    error = class_(*arguments)
    copied = way(error)
    assert copied is not error
    assert frames.fault(copied) == frames.fault(error)


@each_error
def test_copy_of_an_error_has_no_traceback(class_, arguments):
    error = class_(*arguments)
    with pytest.raises(class_) as raised:
        raise error
    again = exceptions.copy_of(raised.value)
    assert again is not error
    assert again.__traceback__ is None
    assert again.__context__ is None
    assert frames.fault(again) == frames.fault(error)
    vars(again)["added"] = True
    assert not hasattr(error, "added"), "they share no state"


def test_subclass_pickles_too():
    error = ThrottledError("Throttled", "slow down")
    restored = pickle.loads(pickle.dumps(error))
    assert frames.fault(restored) == frames.fault(error)
    assert restored.retry_after == 5


class ThrottledError(exceptions.ServiceError):
    def __init__(self, code, message):
        super().__init__(code, message)
        self.retry_after = 5


def test_notes_survive_pickling():
    error = exceptions.DecodeError(7, "reason")
    if sys.version_info >= (3, 11):
        error.add_note("while reading capture.bin")
        assert pickle.loads(pickle.dumps(error)).__notes__ == ["while reading capture.bin"]


# The texts


@each(
    ("class_", "arguments", "text"),
    [
        (exceptions.InvalidHeaderName, ("", "0 bytes"), "header name '': 0 bytes"),
        (exceptions.InvalidHeaderName, ("~" * 65, "long"), f"header name '{'~' * 61}'...: long"),
        (exceptions.InvalidHeaderValue, (None, "too long"), "too long"),
        (exceptions.InvalidHeaderValue, ("a", "too long"), "header 'a': too long"),
        (
            exceptions.EncodeLimitExceeded,
            ("payload", 5, 4),
            "payload of 5 bytes: the limit is 4 (max_payload_length)",
        ),
        (exceptions.DecodeError, (7, "reason"), "reason (at byte 7)"),
        (
            exceptions.PreludeChecksumMismatch,
            (7, 1, 2),
            "prelude checksum mismatch: expected 0x00000001, computed 0x00000002 (at byte 7)",
        ),
        (
            exceptions.PreludeChecksumMismatch,
            (7, 1, 2, b"\0\0\0\x10\0\0\0\0\0\0\0\0"),
            "prelude checksum mismatch: expected 0x00000001, computed 0x00000002 (at byte 7)",
        ),
        (
            exceptions.PreludeChecksumMismatch,
            (0, 1, 2, b'{"message":"Access denied"}'),
            """expected a message, found JSON: '{"message":"Access denied"}' (at byte 0)""",
        ),
        (
            exceptions.MessageChecksumMismatch,
            (7, 1, 2),
            "message checksum mismatch: expected 0x00000001, computed 0x00000002 (at byte 7)",
        ),
        (exceptions.InvalidLength, (7, 15, 0), "total length 15: a message has at least 16 bytes (at byte 7)"),
        (
            exceptions.InvalidLength,
            (7, 16, 1),
            "headers length 1: a message of 16 bytes has room for 0 (at byte 7)",
        ),
        (
            exceptions.DecodeLimitExceeded,
            (7, "headers", 5, 4),
            "headers of 5 bytes: the limit is 4 (max_headers_length) (at byte 7)",
        ),
        (exceptions.InvalidHeader, (7, None, "its name is empty"), "header: its name is empty (at byte 7)"),
        (
            exceptions.TruncatedHeader,
            (7, "a"),
            "header 'a': runs past the end of the header block (at byte 7)",
        ),
        (exceptions.UnknownHeaderType, (7, "a", 10), "header 'a': unknown type 10 (at byte 7)"),
        (exceptions.DuplicateHeader, (7, "a"), "header 'a': occurs twice (at byte 7)"),
        (exceptions.InvalidHeaderText, (7, None), "header: its name is not UTF-8 (at byte 7)"),
        (exceptions.InvalidHeaderText, (7, "a"), "header 'a': its value is not UTF-8 (at byte 7)"),
        (
            exceptions.TruncatedMessage,
            (7, 3, 12),
            "the input ends in the middle of a message: 3 bytes of 12 (at byte 7)",
        ),
        (exceptions.TruncatedMessage, (7, 0, 12), "the input ends where a message must come (at byte 7)"),
        (
            exceptions.TruncatedMessage,
            (0, 9, 12, b"Forbidden"),
            "the input ends in the middle of a message: 9 bytes of 12; found text: 'Forbidden' (at byte 0)",
        ),
        (
            exceptions.TruncatedMessage,
            (0, 3, 12, b"\0\0\0"),
            "the input ends in the middle of a message: 3 bytes of 12 (at byte 0)",
        ),
        (exceptions.TrailingData, (7, 3), "3 bytes follow the message (at byte 7)"),
        (
            exceptions.IncompleteStream,
            (7, "Records", {"End"}),
            "the stream is incomplete: it ended with 'Records', not 'End' (at byte 7)",
        ),
        (
            exceptions.IncompleteStream,
            (7, None, ["metadata", "messageStop"]),
            "the stream is incomplete: it ended with a message without an event type, not 'messageStop' or 'metadata' "
            "(at byte 7)",
        ),
        (exceptions.IncompleteStream, (0,), "the stream is incomplete: it ended with no message (at byte 0)"),
        (exceptions.IncompleteStream, (7, "A"), "the stream is incomplete: it ended with 'A' (at byte 7)"),
        (exceptions.IncompleteStream, (7, "A", (), "audio is left"), "audio is left (at byte 7)"),
        (exceptions.DateSkew, (2, "too old"), "event 2: too old"),
        (exceptions.VerificationError, (None, "unsigned"), "the request: unsigned"),
    ],
    ids=id_of,
)
def test_text_carries_the_values(class_, arguments, text):
    assert str(class_(*arguments)) == text


def test_service_error_of_a_code_alone():
    error = exceptions.ServiceError("Code", "text")
    assert (error.headers, error.payload) == (None, b"")


def test_error_of_a_message_whose_view_was_released(codec):
    message = next(codec.Decoder(copy=False).feed(codec.Message({":message-type": "error"}, b"payload").encode()))
    message.payload.release()
    with pytest.raises(BufferError, match="released memoryview"):
        message.raise_for_error()


@pytest.mark.parametrize(
    ("code", "message", "text"),
    [
        ("Code", "text", "Code: text"),
        ("Code", "", "Code"),
        ("", "text", "unnamed error: text"),
        ("", "", "unnamed error"),
    ],
)
def test_text_of_a_service_error(code, message, text):
    assert str(exceptions.ServiceError(code, message)) == text


@each(
    ("code", "message", "text"),
    [
        ("Code", "two\nlines", "Code: two\\nlines"),
        ("Co\x00de", "\x1b[31mred\x7f\u202e\ud800", "Co\\x00de: \\x1b[31mred\\x7f\\u202e\\ud800"),
        ("Code", "ü" * 1018, "Code: " + "ü" * 1018),
        ("Code", "ü" * 1019, "Code: " + "ü" * 1015 + "..."),
        ("Code", "\x1b" * 1000, "Code: " + "\\x1b" * 253 + "\\x1b"[:3] + "..."),
        ("c" * 2000, "text", "c" * 1021 + "..."),
    ],
    ids=["lines", "controls", "longest", "too long", "escaped", "long code"],
)
def test_service_error_text_is_escaped_and_bounded(code, message, text):
    error = exceptions.ServiceError(code, message)
    assert str(error) == text
    assert len(text) <= 1024
    assert (error.code, error.message) == (code, message), "the attributes are whole"


def test_service_error_text_of_16_million_characters_is_short():
    error = exceptions.ServiceError("c" * 2**24, "\x1b" * 2**24)
    assert len(str(error)) == len(repr(error)) - len("ServiceError('')") == 1024


FOUND = {
    b'{"message":"Access denied"}': "JSON",
    b'[{"message":"Access denied"}]': "JSON",
    b'<?xml version="1.0"?>\n<Error>': "XML",
    b"<!DOCTYPE html>\n<html>": "HTML",
    b"data: {}\n\ndata: {}\n": "server-sent events",
    b"HTTP/1.1 403 Forbidden\r\n": "HTTP/1",
    b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\x4c": "gzip",
    b"AAAAVgAAAEUpgbD5C2V2": "base64",
    b"Internal Server Error": "text",
}
"""What is not an event stream, and what the error calls it."""


@each("before", [b"", frames.EVENT_FRAME], ids=["at the start", "after a message"])
@each(("data", "name"), FOUND.items(), ids=FOUND.values())
def test_input_of_another_kind_is_named_and_shown(codec, data, name, before):
    decoder = codec.Decoder()
    with pytest.raises(exceptions.PreludeChecksumMismatch, match=name) as raised:
        list(decoder.feed(before + data))
    assert raised.value.received == data[:64]
    assert raised.value.offset == len(before)
    if name != "gzip":
        assert repr(data.decode()) in str(raised.value)
    with pytest.raises(exceptions.PreludeChecksumMismatch) as again:
        next(decoder)
    assert frames.fault(again.value) == frames.fault(raised.value)


def test_input_with_the_head_of_a_response_is_named(codec):
    """Although what follows the head is binary."""
    found = "an HTTP/1 response; only its body can be an event stream: 'HTTP/1.1 200 OK'"
    expected = f"expected a message, found {found} (at byte 0)"
    for read in (codec.decode, lambda data: list(codec.Decoder().feed(data))):
        with pytest.raises(exceptions.PreludeChecksumMismatch) as raised:
            read(b"HTTP/1.1 200 OK\r\n\r\n" + frames.EVENT_FRAME)
        assert str(raised.value) == expected


@each("data", FOUND, ids=FOUND.values())
def test_input_of_another_kind_is_named_by_decode(codec, data):
    with pytest.raises(exceptions.PreludeChecksumMismatch, match=FOUND[data]) as raised:
        codec.decode(data)
    assert raised.value.received == data[:64]


@pytest.mark.parametrize("step", [1, 5, 11, 12, 13, 30, 63, 64, 65])
def test_received_is_what_has_arrived_up_to_64_bytes(codec, first_capacities, step):
    """Also where it lies in the decoder's buffer and in the chunk that was fed last."""
    data = b"x" * 100
    for _ in first_capacities:
        for before in (b"", frames.EMPTY_FRAME, frames.EVENT_FRAME):
            decoder = codec.Decoder()
            fed = bytearray()
            stream = before + data

            def feed(decoder=decoder, stream=stream, fed=fed):
                for start in range(0, len(stream), step):
                    fed += stream[start : start + step]
                    list(decoder.feed(stream[start : start + step]))

            with pytest.raises(exceptions.PreludeChecksumMismatch) as raised:
                feed()
            assert raised.value.received == fed[len(before) :][:64]
            assert len(raised.value.received) >= 12


@each("step", [1, 5, 11])
@each("before", [b"", frames.EMPTY_FRAME], ids=["alone", "after a message"])
def test_text_shorter_than_a_prelude_is_shown(codec, before, step):
    data = before + b"Forbidden"
    for taken in (True, False):
        decoder = codec.Decoder()
        for start in range(0, len(data), step):
            decoder.feed(data[start : start + step])
            messages = list(decoder) if taken else []
        with pytest.raises(exceptions.TruncatedMessage, match="found text: 'Forbidden'") as raised:
            decoder.close()
        assert raised.value.received == b"Forbidden"
        assert (raised.value.offset, raised.value.available, raised.value.needed) == (len(before), 9, 12)
        assert len(messages) <= 1


def quoted(error: Exception, letter: str) -> int:
    """How many bytes of input the text quotes, the input being of that letter alone."""
    return str(error).count(letter) * len(letter.encode("utf-8", "surrogatepass"))


@each(
    "make",
    [
        lambda name: exceptions.InvalidHeaderName(name, "reason"),
        lambda name: exceptions.InvalidHeaderValue(name, "reason"),
        lambda name: exceptions.InvalidHeader(7, name, "reason"),
        lambda name: exceptions.TruncatedHeader(7, name),
        lambda name: exceptions.UnknownHeaderType(7, name, 10),
        lambda name: exceptions.DuplicateHeader(7, name),
        lambda name: exceptions.InvalidHeaderText(7, name),
    ],
    ids=["InvalidHeaderName", "InvalidHeaderValue", "InvalidHeader", "Truncated", "UnknownType", "Duplicate", "Text"],
)
def test_text_quotes_at_most_64_bytes(make):
    for letter, length in itertools.product("~é語😀", (1, 16, 63, 64, 65, 255, 70_000)):
        name = letter * length
        error = make(name)
        with case(letter, length):
            assert error.name == name, "the attribute is whole"
            assert quoted(error, letter) <= 64
            if len(name.encode()) <= 64 and not isinstance(error, exceptions.InvalidHeaderText):
                assert repr(name) in str(error)


def test_text_quotes_a_name_as_a_str_shows_it():
    class Name(str):
        __slots__ = ()

        def __repr__(self):
            return "x" * 1000

        def encode(self, *_):
            raise NotImplementedError

    assert str(exceptions.InvalidHeaderName(Name("n"), "reason")) == "header name 'n': reason"


def test_lone_surrogates_can_be_quoted():
    error = exceptions.InvalidHeaderName("\ud800" * 100, "reason")
    assert str(error).encode().decode() == str(error)
    assert frames.fault(pickle.loads(pickle.dumps(error))) == frames.fault(error)


BLOCKS = {
    "duplicate": frames.header(LONG_NAME, 0) * 2,
    "unknown type": frames.header(LONG_NAME, 200),
    "truncated": frames.header(LONG_NAME, 7, b"\xff\xff" + b"n" * 1000),
    "value not UTF-8": frames.string(LONG_NAME, b"n" * 1000 + b"\xff"),
    "name not UTF-8": frames.header(LONG_NAME.encode()[:-1] + b"\xff", 0),
}


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
def test_decode_errors_quote_at_most_64_bytes(codec, block):
    with pytest.raises(exceptions.InvalidHeader) as raised:
        codec.decode(frames.frame(block))
    assert str(raised.value).count("nn") * 2 <= 64


@pytest.mark.parametrize(
    "headers",
    [
        {"n" * 300: 1},
        {"n" * 300 + "\ud800": 1},
        {LONG_NAME: 1 << 40},
        {LONG_NAME: "n" * 40_000},
        {LONG_NAME: [b"n" * 99]},
    ],
    ids=["long name", "surrogate", "out of range", "long value", "wrong type"],
)
def test_encode_errors_quote_at_most_64_bytes(codec, headers):
    with pytest.raises((exceptions.EncodeError, TypeError)) as raised:
        codec.encode(headers)
    assert str(raised.value).count("nn") * 2 <= 64


def test_incomplete_stream_is_an_end_of_file():
    assert issubclass(exceptions.IncompleteStream, EOFError)


def test_module_imports_nothing_but_texts_and_numbers():
    program = (
        "import sys; package = type(sys)('eventstream'); package.__path__ = [sys.argv[1]]\n"
        "sys.modules['eventstream'] = package\n"
        "before = set(sys.modules)\n"
        "import eventstream.exceptions\n"
        "print(*sorted(name for name in set(sys.modules) - before if name.startswith('eventstream')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(Path(exceptions.__file__).parent)],
        check=True,
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["eventstream._text", "eventstream.exceptions", "eventstream.wire"]


def test_service_error_of_a_huge_json_is_not_parsed():
    """Parsed, it would take a hundred times its bytes."""
    payload = b'{"Message":"text","more":[%s]}' % b",".join([b"{}"] * 1_000_000)
    message = eventstream.Message({":message-type": "exception", ":exception-type": "x"}, payload)
    error = exceptions.ServiceError.from_message(message)
    assert takes_at_most(0.25, lambda: exceptions.ServiceError.from_message(message))
    assert (error.message, error.payload) == ("", payload)
