"""Values of botocore's shapes as JSON, as headers and as text: there and back, and what is not of the shape."""

from __future__ import annotations

import base64
import datetime
import io
import json
import math
from decimal import Decimal
from uuid import UUID

import pytest
from cases import each

pytest.importorskip("botocore", reason="botocore is not installed")

import botocore.serialize
from adapters import models
from botocore.model import ServiceModel
from botocore.utils import parse_timestamp

from eventstream.adapters import _shapes
from eventstream.adapters._shapes import Mismatch
from eventstream.values import Long, Timestamp

UTC = datetime.timezone.utc
MOMENT = datetime.datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
SERVICE = ServiceModel(models.REST, "every-trait")

JSON_VALUE = {
    "text": "ä",
    "number": 7,
    "flag": True,
    "ratio": 0.5,
    "data": b"\x00\xff",
    "seconds": MOMENT,
    "iso": MOMENT,
    "mail": MOMENT.replace(microsecond=0),
    "names": ["a", "b"],
    "blobs": [b"a", b""],
    "map": {"k": b"v"},
    "anything": {"deep": [1, None, {"x": 1.5}]},
    "either": {"data": b"d"},
    "node": {"value": b"1", "child": {"value": b"2"}, "children": [{"value": b"3"}], "named": {"n": {"child": {}}}},
}
ON_WIRE = {
    "T": "ä",
    "number": 7,
    "flag": True,
    "ratio": 0.5,
    "data": "AP8=",
    "seconds": 1767323045.678,
    "iso": "2026-01-02T03:04:05.678Z",
    "mail": "Fri, 02 Jan 2026 03:04:05 GMT",
    "names": ["a", "b"],
    "blobs": ["YQ==", ""],
    "map": {"k": "dg=="},
    "anything": {"deep": [1, None, {"x": 1.5}]},
    "either": {"data": "ZA=="},
    "node": {"v": "MQ==", "child": {"v": "Mg=="}, "children": [{"v": "Mw=="}], "named": {"n": {"child": {}}}},
}


def shape(name):
    return SERVICE.shape_for(name)


def write(name, value):
    convert = _shapes.writer(shape(name))
    return value if convert is None else convert(value)


def read(name, value, strict=False):
    convert = _shapes.reader(shape(name), strict=strict)
    return value if convert is None else convert(value)


def test_json_of_every_type():
    assert write("Json", JSON_VALUE) == ON_WIRE


def test_json_of_every_type_is_botocores():
    model = ServiceModel(
        {
            **models.RPC,
            "operations": {"Op": {"name": "Op", "http": {"requestUri": "/"}, "input": {"shape": "Json"}}},
        }
    ).operation_model("Op")
    serialised = botocore.serialize.create_serializer("json").serialize_to_request(JSON_VALUE, model)
    ours, theirs = write("Json", JSON_VALUE), json.loads(serialised["body"])
    # Older botocores write whole seconds, and six digits of a second's fraction.
    assert ours.pop("seconds") == pytest.approx(theirs.pop("seconds"), abs=1)
    assert ours.pop("iso")[:-1] == theirs.pop("iso")[:-1].rstrip("0")
    assert ours == theirs


@pytest.mark.parametrize("strict", [False, True])
def test_json_of_every_type_is_read_back(strict):
    assert read("Json", json.loads(json.dumps(ON_WIRE)), strict) == JSON_VALUE


def test_unknown_members_and_nulls_are_left_out():
    assert read("Json", {"T": "x", "new": 1, "number": None}) == {"text": "x"}
    assert read("Json", {"T": "x", "names": ["a", None]}) == {"text": "x", "names": ["a", None]}
    assert read("Blobs", ["YQ==", None]) == [b"a", None]
    assert read("Map", {"a": None}) == {"a": None}


def test_members_of_none_are_not_written():
    assert write("Json", {"text": "x", "number": None}) == {"T": "x"}
    assert write("Blobs", [None, b"a"]) == [None, "YQ=="]
    assert write("Map", {"a": None}) == {"a": None}


def test_union_with_an_unknown_member():
    assert read("Union", {"later": 1}) == {"SDK_UNKNOWN_MEMBER": {"name": "later"}}
    assert read("Union", {"later": 1, "__type": "x"}) == {"SDK_UNKNOWN_MEMBER": {"name": "later"}}
    assert read("Union", {"later": None, "number": 1}) == {"number": 1}
    assert read("Union", {"number": 1, "__type": "x"}) == {"number": 1}
    assert read("Union", {}) == {}


@each(("text", "number"), [("NaN", math.nan), ("Infinity", math.inf), ("-Infinity", -math.inf)])
@each("strict", [False, True])
def test_floats_that_json_has_not(text, number, strict):
    assert write("Double", number) == text
    back = read("Double", text, strict)
    assert back == number or (math.isnan(back) and math.isnan(number))
    assert _shapes.to_text(shape("Double"), number) == text
    assert repr(_shapes.from_text(shape("Double"), text)) == repr(number)


def test_floats_of_other_types():
    assert write("Double", Decimal("1.5")) == 1.5
    assert isinstance(write("Double", 3), int)
    assert read("Float", 2) == 2


@pytest.mark.parametrize("value", [b"ab", bytearray(b"ab"), "ab", io.BytesIO(b"ab"), io.StringIO("ab")])
def test_blobs_of_every_kind_that_botocore_takes(value):
    assert write("Blob", value) == "YWI="


@pytest.mark.parametrize(
    "value", [MOMENT, "2026-01-02T03:04:05.678Z", MOMENT.timestamp(), MOMENT.astimezone(datetime.timezone.max)]
)
def test_timestamps_of_every_kind_that_botocore_takes(value):
    assert write("Timestamp", value) == 1767323045.678


def test_timestamps_of_whole_seconds():
    whole = MOMENT.replace(microsecond=0)
    assert write("Timestamp", whole) == 1767323045
    assert isinstance(write("Timestamp", whole), int)
    member = shape("Json").members["iso"]
    assert _shapes.writer(member)(whole) == "2026-01-02T03:04:05Z"
    assert _shapes.writer(member)(datetime.datetime(2026, 1, 2, 3, 4, 0, tzinfo=UTC)) == "2026-01-02T03:04:00Z"


def test_timestamps_before_1970():
    assert write("Timestamp", datetime.datetime(1969, 12, 31, 23, 59, 58, 500000, UTC)) == -1.5


@each(
    ("name", "value", "path", "reason"),
    [
        ("Json", [], "", "not an object"),
        ("Json", {"names": {}}, ".names", "not a list"),
        ("Json", {"map": []}, ".map", "not an object"),
        ("Json", {"map": {"k": "?"}}, ".map['k']", "not base64"),
        ("Json", {"map": {"\x1b]0;": "?"}}, ".map['\\x1b]0;']", "not base64"),
        ("Json", {"map": {"k" * 500_000: "?"}}, f".map['{'k' * 61}'...]", "not base64"),
        ("Json", {"data": 1}, ".data", "not base64"),
        ("Json", {"node": {"children": [{}, {"v": "?"}]}}, ".node.children[1].v", "not base64"),
        ("Json", {"seconds": "yesterday, or so"}, ".seconds", "not a timestamp"),
        ("Json", {"seconds": 1e300}, ".seconds", "not a timestamp"),
        ("Json", {"either": 1}, ".either", "not an object"),
    ],
)
def test_mismatches(name, value, path, reason):
    with pytest.raises(Mismatch) as caught:
        read(name, value)
    assert (caught.value.path, caught.value.reason) == (path, reason)


@each(
    ("value", "path", "reason"),
    [
        ({}, "", "no text"),
        ({"T": 1}, ".T", "not a string"),
        ({"T": "", "number": 1.5}, ".number", "not an integer"),
        ({"T": "", "number": True}, ".number", "not an integer"),
        ({"T": "", "flag": 1}, ".flag", "not a boolean"),
        ({"T": "", "ratio": "1"}, ".ratio", "not a number"),
        ({"T": "", "data": 1}, ".data", "not base64"),
        ({"T": "", "names": ["a", 1]}, ".names[1]", "not a string"),
        ({"T": "", "names": ["a", None]}, ".names[1]", "not a string"),
        ({"T": "", "map": {"k": None}}, ".map['k']", "not base64"),
        ({"T": "", "either": {}}, ".either", "0 members of a union, not one"),
        ({"T": "", "either": {"number": 1, "data": ""}}, ".either", "2 members of a union, not one"),
    ],
)
def test_mismatches_of_what_is_read_strictly(value, path, reason):
    with pytest.raises(Mismatch) as caught:
        read("Json", value, strict=True)
    assert (caught.value.path, caught.value.reason) == (path, reason)
    read("Json", {"data": "", **{name: each for name, each in value.items() if name != "data"}})


def test_headers_of_every_type():
    members = shape("Headers").members
    values = {"flag": True, "number": 7, "large": 2**40, "data": b"d", "text": "t", "moment": MOMENT}
    written = {name: _shapes.to_header(members[name])(value) for name, value in values.items()}
    assert {name: type(value) for name, value in written.items()} == {
        "flag": bool,
        "number": int,
        "large": Long,
        "data": bytes,
        "text": str,
        "moment": Timestamp,
    }
    back = {name: _shapes.from_header(value) for name, value in written.items()}
    assert back == values
    assert type(back["large"]) is int


def test_headers_that_no_model_has():
    assert _shapes.from_header(UUID(int=1)) == bytes(15) + b"\1"
    with pytest.raises(Mismatch):
        _shapes.from_header(Timestamp(2**62))


TEXTS = [
    ("limit", 3, "3"),
    ("since", MOMENT.replace(microsecond=0), "Fri, 02 Jan 2026 03:04:05 GMT"),
    ("flag", False, "false"),
    ("ratio", 0.25, "0.25"),
    ("names", ["a", "b"], "a,b"),
    ("facts", {"a": [1]}, "eyJhIjogWzFdfQ=="),
    ("id", "x", "x"),
]


@each(("name", "value", "text"), TEXTS)
def test_texts_there_and_back(name, value, text):
    member = shape("Request").members[name]
    assert _shapes.to_text(member, value) == text
    assert _shapes.from_text(member, text) == value


def test_texts_of_shapes_that_seldom_are_in_http():
    assert _shapes.to_text(shape("Timestamp"), MOMENT) == "2026-01-02T03:04:05.678Z"
    assert _shapes.from_text(shape("Blob"), _shapes.to_text(shape("Blob"), b"\xff")) == b"\xff"


@each(
    ("name", "text", "reason"),
    [
        ("limit", "3.5", "'3.5' is not an integer"),
        ("ratio", "x", "'x' is not a number"),
        ("flag", "1", "'1' is not a boolean"),
        ("since", "never, ever", "not a timestamp"),
        ("facts", "eyI=", "'eyI=' is not a string"),
        ("facts", base64.b64encode(b"[" * 30_000).decode(), f"'{'W1tb' * 15}W'... is not a string"),
        ("limit", "0" * 65, f"'{'0' * 61}'... is not an integer"),
        ("ratio", "0" * 65, f"'{'0' * 61}'... is not a number"),
    ],
)
def test_texts_of_another_kind(name, text, reason):
    with pytest.raises(Mismatch) as caught:
        _shapes.from_text(shape("Request").members[name], text)
    assert caught.value.reason == reason


def test_texts_of_numbers_may_have_64_characters():
    assert _shapes.from_text(shape("Request").members["limit"], "7".rjust(64, "0")) == 7
    assert _shapes.from_text(shape("Request").members["ratio"], "7".rjust(64, "0")) == 7


@pytest.fixture
def parsed(monkeypatch):
    """Return the texts of timestamps that are parsed."""
    given = []
    parse = _shapes._moment

    def moment(text):
        given.append(text)
        return parse(text)

    monkeypatch.setattr(_shapes, "_moment", moment)
    return given


LONG_TIMESTAMPS = ["1." * 50_000, " " * 1_000_000 + "x", "2026-01-02".rjust(65)]


@pytest.mark.parametrize("text", LONG_TIMESTAMPS, ids=["points", "spaces", "date"])
@pytest.mark.parametrize("strict", [False, True])
def test_timestamp_that_is_long_is_not_parsed(text, strict, parsed):
    for name in ("seconds", "iso", "mail"):
        with pytest.raises(Mismatch) as caught:
            read("Json", {"T": "", "data": "", name: text}, strict)
        assert (caught.value.path, caught.value.reason) == (f".{name}", "not a timestamp")
    with pytest.raises(Mismatch, match="not a timestamp"):
        _shapes.from_text(shape("Request").members["since"], text)
    assert parsed == []


def test_timestamp_of_64_characters_is_parsed(parsed):
    text = "2026-01-02T03:04:05.678Z".rjust(64)
    assert read("Timestamp", text) == MOMENT
    assert parsed == [text.strip()]


@each(
    "value",
    [
        *(0, -1, 1767323045, 1767323045.678, 1767323045.000001, "1767323045.678", "-1.5", "20260102"),
        *("2026-01-02T03:04:05Z", "2026-01-02t03:04:05.5z", "2026-01-02T03:04:05.123456789Z", "2026-01-02 03:04:05"),
        *("2026-01-02T03:04:05+01:30", "2026-01-02T03:04:05.5-0130", "2026-01-02T03:04:05.25", "2026-01-02"),
        *("Fri, 02 Jan 2026 03:04:05 GMT", "Fri, 02 Jan 2026 03:04:05.25 GMT", "Fri, 02 Jan 2026 03:04:05 +0100"),
        *("02 Jan 2026 03:04:05 -0000", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_timestamp_is_botocores(value):
    moment, theirs = read("Timestamp", value), parse_timestamp(value)
    assert moment == (theirs if theirs.tzinfo is not None else theirs.replace(tzinfo=UTC))
    assert moment.tzinfo is not None


@each(
    "value",
    [
        *(
            "",
            " ",
            "x",
            "nan",
            "inf",
            "1e999",
            math.inf,
            math.nan,
            10**400,
            [],
            {},
            "2026-13-01",
            "2026-01-02T25:00:00Z",
        ),
        *("2026-01-02T03:04:05+25:00", "Fri, 02 Jan 2026 03:04:05 +" + "9" * 30, "Fri, 02 Jan " + "9" * 40),
        *("9" * 30 + "m/+nan20", "2026-01-02T03:04:05ZZ", "1 GMTZ", "10:00 am", "\0", "\u0662026-01-02"),
    ],
)
def test_timestamp_of_no_format(value):
    with pytest.raises(Mismatch, match="not a timestamp"):
        read("Timestamp", value)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("value", [False, True])
def test_timestamp_is_no_boolean(value, strict):
    with pytest.raises(Mismatch, match="not a timestamp"):
        read("Timestamp", value, strict)


def test_path_is_joined_from_the_outside():
    assert Mismatch("wrong").within("[2]").within(".b").within(".a").path == ".a.b[2]"
