"""Headers: an immutable, hashable Mapping that keeps its wire form."""

from __future__ import annotations

import array
import contextlib
import copy
import datetime
import enum
import pickle
import types
import uuid
from collections import OrderedDict, UserDict
from collections.abc import ItemsView, KeysView, Mapping, MutableMapping, ValuesView
from unittest.mock import Mock

import frames
import pytest
from cases import each

from eventstream import Byte, EncodeError, InvalidHeaderName, InvalidHeaderValue, Long, Short, Timestamp

UTC = datetime.timezone.utc


@pytest.fixture(params=["made", "from the wire"])
def ten(request, codec):
    """Return the headers of all ten types, made from a mapping and decoded."""
    return codec.Headers(frames.TEN_HEADERS) if request.param == "made" else codec.decode(frames.TEN_FRAME).headers


def pairs(headers):
    return [(name, value, type(value)) for name, value in headers.items()]


# Encoding: each type


@each(("name", "value", "type_", "wire"), frames.TEN_TYPES, ids=[name for name, _, _, _ in frames.TEN_TYPES])
def test_types_have_their_wire_forms(codec, name, value, type_, wire):
    headers = codec.Headers({name: value})
    assert headers.raw == frames.header(name, type_, wire)
    assert frames.same_value(headers[name], value)


def test_types_are_in_the_order_of_the_mapping(codec):
    assert codec.Headers(frames.TEN_HEADERS).raw == frames.TEN_BLOCK
    backwards = dict(reversed(frames.TEN_HEADERS.items()))
    assert list(codec.Headers(backwards)) == list(backwards)
    assert codec.Headers(backwards).raw != frames.TEN_BLOCK


@each(
    ("value", "wire"),
    [
        (Byte(-128), "0280"),
        (Byte(127), "027f"),
        (Short(-(2**15)), "038000"),
        (Short(2**15 - 1), "037fff"),
        (-(2**31), "0480000000"),
        (2**31 - 1, "047fffffff"),
        (0, "0400000000"),
        (1, "0400000001"),
        (-1, "04ffffffff"),
        (Long(-(2**63)), "058000000000000000"),
        (Long(2**63 - 1), "057fffffffffffffff"),
        (Timestamp(-(2**63)), "088000000000000000"),
        (Timestamp(2**63 - 1), "087fffffffffffffff"),
        (b"", "060000"),
        ("", "070000"),
        ("\0", "07000100"),
        (uuid.UUID(int=0), "09" + "00" * 16),
        (uuid.UUID(int=2**128 - 1), "09" + "ff" * 16),
    ],
    ids=repr,
)
def test_value_at_its_bounds(codec, value, wire):
    headers = codec.Headers({"n": value})
    assert headers.raw.hex() == "016e" + wire
    assert frames.same_value(headers["n"], value)
    decoded = codec.decode(frames.frame(headers.raw)).headers
    assert frames.same_value(decoded["n"], value)
    assert codec.Headers(dict(decoded)).raw == headers.raw


@pytest.mark.parametrize("value", [b"v" * 32_767, "v" * 32_767, "語" * 10_922 + "!"], ids=["bytes", "str", "UTF-8"])
def test_longest_value(codec, value):
    assert frames.same_value(codec.Headers({"n": value})["n"], value)


@pytest.mark.parametrize("value", [b"v" * 32_768, "v" * 32_768, "語" * 10_923, b"v" * 70_000], ids=len)
def test_longer_value_is_refused(codec, value):
    with pytest.raises(InvalidHeaderValue) as raised:
        codec.Headers({"n": value})
    assert raised.value.name == "n"
    assert "32767" in str(raised.value)


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1, 2**63, 2**1000, -(2**1000)])
def test_int_of_more_than_32_bits_names_long(codec, value):
    with pytest.raises(InvalidHeaderValue, match=r"'n': an integer of more than 32 bits: use Long$") as raised:
        codec.Headers({"n": value})
    assert raised.value.name == "n"


@pytest.mark.parametrize(("class_", "bits"), [(Byte, 8), (Short, 16), (Long, 64)])
def test_sized_integer_without_a_check_is_refused(codec, class_, bits):
    for value in (1 << bits - 1, -(1 << bits - 1) - 1):
        with pytest.raises(InvalidHeaderValue, match=f"'n': an integer of more than {bits} bits$"):
            codec.Headers({"n": int.__new__(class_, value)})


# Encoding: names


@each("name", ["n", "n" * 255, "é" * 127, "語" * 85, "\0", ":message-type", " ", "😀"], ids=len)
def test_name_of_1_to_255_bytes(codec, name):
    headers = codec.Headers({name: True})
    assert headers.raw == frames.header(name, 0)
    assert list(headers) == [name]
    assert frames.same_headers(codec.decode(frames.frame(headers.raw)).headers, {name: True})


@each(
    "name", ["", "n" * 256, "é" * 128, "語" * 86, "n" * 100_000, "\ud800", "a\udfff"], ids=lambda name: ascii(name[:6])
)
def test_names_that_are_refused(codec, name):
    with pytest.raises(InvalidHeaderName) as raised:
        codec.Headers({"first": 1, name: True})
    assert raised.value.name == name


@each("name", [b"n", 1, None, ("n",), 1.5, True], ids=repr)
def test_name_that_is_no_str_is_a_type_error(codec, name):
    with pytest.raises(TypeError, match=f"^a header name must be a str, not {type(name).__name__}$"):
        codec.Headers({name: True})


def test_text_with_lone_surrogates_is_refused(codec):
    with pytest.raises(InvalidHeaderName, match=r": lone surrogates cannot be encoded as UTF-8$") as raised:
        codec.Headers({"\ud800": True})
    assert raised.value.name == "\ud800"
    with pytest.raises(InvalidHeaderValue, match=r"'n': lone surrogates cannot be encoded as UTF-8$") as raised:
        codec.Headers({"n": "\ud800"})
    assert raised.value.name == "n"


class Pairs(Mapping):
    """A mapping that says what it likes."""

    def __init__(self, *pairs):
        self.pairs = pairs

    def __iter__(self):
        return (name for name, _ in self.pairs)

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, name):
        return next(value for other, value in self.pairs if other is name)


class Text(str):
    """Two equal ones are two keys of a dict."""

    def __eq__(self, other):
        return self is other

    __hash__ = str.__hash__


@pytest.mark.parametrize(
    "mapping", [Pairs(("n", 1), ("m", 2), ("n", 3)), {Text("n"): 1, Text("n"): 2}], ids=["mapping", "odd keys"]
)
def test_name_given_twice_is_refused(codec, mapping):
    with pytest.raises(InvalidHeaderName, match=r": given twice$") as raised:
        codec.Headers(mapping)
    assert str.__eq__(raised.value.name, "n")


# Encoding: Python's many values


class Color(str, enum.Enum):
    RED = "red"


class Number(enum.IntEnum):
    SEVEN = 7


class MyInt(int):
    pass


class MyLong(Long):
    pass


class MyStr(str):
    pass


class MyBytes(bytes):
    pass


class MyUUID(uuid.UUID):
    pass


class MyDatetime(datetime.datetime):
    pass


SEVEN = uuid.UUID(int=7)
ACCEPTED = {
    "int subclass": (MyInt(7), 7),
    "IntEnum": (Number.SEVEN, 7),
    "bool": (True, True),
    "subclass of Long": (MyLong(7), Long(7)),
    "str subclass": (MyStr("x"), "x"),
    "str enum": (Color.RED, "red"),
    "bytes subclass": (MyBytes(b"x"), b"x"),
    "bytearray": (bytearray(b"x"), b"x"),
    "memoryview": (memoryview(b"xyz")[1:], b"yz"),
    "empty memoryview": (memoryview(b""), b""),
    "array": (array.array("H", [0x4141, 0x4242]), b"AABB"),
    "cast memoryview": (memoryview(b"abcd").cast("B", (2, 2)), b"abcd"),
    "UUID subclass": (MyUUID(int=7), SEVEN),
    "datetime": (datetime.datetime(1970, 1, 1, 0, 0, 1, 999, tzinfo=UTC), Timestamp(1000)),
    "datetime before the epoch": (datetime.datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), Timestamp(-1)),
    "datetime subclass": (MyDatetime(1970, 1, 2, tzinfo=UTC), Timestamp(86_400_000)),
}


@each(("given", "value"), ACCEPTED.values(), ids=ACCEPTED)
def test_value_like_one_of_the_ten_is_encoded_as_that(codec, given, value):
    headers = codec.Headers({"n": given})
    assert frames.same_value(headers["n"], value)
    assert headers.raw == codec.Headers({"n": value}).raw


@pytest.mark.parametrize("order", [(Byte, Timestamp), (Short, Long), (Long, Short)], ids=repr)
def test_subclass_of_two_is_encoded_as_the_wider(codec, order):
    class Both(*order):
        pass

    widest = max(order, key=(Byte, Short, Long, Timestamp).index)
    assert codec.Headers({"n": Both(1)}).raw == codec.Headers({"n": widest(1)}).raw


@pytest.mark.parametrize("change", ["move", "add", "remove", "clear"])
def test_value_that_changes_the_mapping_changes_nothing(codec, change):
    """What is encoded is what was given."""
    changes = {
        "move": lambda: mapping.update(a=mapping.pop("a")),
        "add": lambda: mapping.update(c=1),
        "remove": lambda: mapping.pop("b"),
        "clear": lambda: mapping.clear(),
    }

    class Zone(datetime.tzinfo):
        def utcoffset(self, moment):
            changes.pop(change, lambda: None)()
            return datetime.timedelta(0)

    mapping = {"a": datetime.datetime(1970, 1, 1, tzinfo=Zone()), "b": b"x"}
    headers = codec.Headers(mapping)
    assert change not in changes
    assert headers.raw == frames.header("a", 8, bytes(8)) + frames.header("b", 6, frames.sized(b"x"))
    mapping.clear()  # of a cycle with a datetime, which Python's collector does not know


@pytest.mark.parametrize("name", [MyStr("red"), Color.RED], ids=repr)
def test_str_subclass_is_a_name(codec, name):
    headers = codec.Headers({name: 1})
    assert list(headers) == ["red"]
    assert type(next(iter(headers))) is str


@each("value", [None, 1.5, 1j, [], {}, (), object(), datetime.date(2026, 1, 1), int], ids=frames.type_name)
def test_value_of_another_type_is_a_type_error_with_its_name(codec, value):
    with pytest.raises(TypeError, match=f"'name-of-it': a {type(value).__name__} is not a header value$"):
        codec.Headers({"name-of-it": value})


@each("class_", [str, int, bytes, Timestamp, datetime.datetime, uuid.UUID], ids=lambda class_: class_.__name__)
def test_object_that_only_claims_a_class_is_a_type_error(codec, class_):
    """As mocks do."""

    class Liar:
        __class__ = class_

    with pytest.raises(TypeError, match=r"header 'n': a Liar is not a header value"):
        codec.Headers({"n": Liar()})
    with pytest.raises(TypeError, match=r"a header name must be a str, not Liar"):
        codec.Headers({Liar(): 1})


def test_naive_datetime_is_refused(codec):
    with pytest.raises(InvalidHeaderValue, match="naive") as raised:
        codec.Headers({"n": datetime.datetime(2026, 1, 1)})
    assert raised.value.name == "n"


@pytest.mark.parametrize("value", ["\ud800", "text\udfff"], ids=ascii)
def test_value_with_lone_surrogates_is_refused(codec, value):
    with pytest.raises(InvalidHeaderValue) as raised:
        codec.Headers({"n": value})
    assert raised.value.name == "n"


def test_buffer_that_is_not_contiguous_is_a_buffer_error(codec):
    with pytest.raises(BufferError):
        codec.Headers({"n": memoryview(b"abcd")[::2]})


def test_released_memoryview_is_a_buffer_error(codec):
    view = memoryview(b"abcd")
    view.release()
    with pytest.raises(BufferError):
        codec.Headers({"n": view})


class LyingStr(str):
    def encode(self, *args):
        return b"\xff"

    def __len__(self):
        return 1


class LyingInt(int):
    def bit_length(self):
        return 1

    def __index__(self):
        return 5

    def __int__(self):
        return 5


class LyingUUID(uuid.UUID):
    @property
    def bytes(self):
        return b"short"

    @property  # type: ignore[misc]
    def int(self):
        return LyingInteger(7)


class LyingInteger(int):
    def to_bytes(self, *args, **kwargs):
        return b""


class UUIDOfManyBits(uuid.UUID):
    int = 2**200  # type: ignore[misc]


class SurrogateStr(str):
    def encode(self, *args):
        return b""


LIES = {
    "name": lambda: {LyingStr("n"): 1},
    "str": lambda: {"n": LyingStr("text")},
    "int": lambda: {"n": LyingInt(7)},
    "large int": lambda: {"n": LyingInt(2**40)},
    "UUID": lambda: {"n": LyingUUID.__new__(LyingUUID)},
    "UUID of too many bits": lambda: {"n": UUIDOfManyBits.__new__(UUIDOfManyBits)},
    "UUID without an integer": lambda: {"n": uuid.UUID.__new__(uuid.UUID)},
    "stand-in for a UUID": lambda: {"n": Mock(spec=uuid.UUID)},
    "stand-in for a str": lambda: {"n": Mock(spec=str)},
    "stand-in for an int": lambda: {"n": Mock(spec=int)},
    "stand-in as a name": lambda: {Mock(spec=str): 1},
    "name that has no UTF-8": lambda: {SurrogateStr("\ud800"): 1},
    "str that has no UTF-8": lambda: {"n": SurrogateStr("\ud800")},
    "Byte": lambda: {"n": int.__new__(Byte, 1000)},
    "Timestamp": lambda: {"n": int.__new__(Timestamp, 2**64)},
}


@each("make", LIES.values(), ids=LIES)
def test_subclass_that_lies_gives_headers_or_an_error(codec, make):
    mapping = make()
    try:
        headers = codec.Headers(mapping)
    except (EncodeError, TypeError):
        return
    decoded = codec.decode(frames.frame(headers.raw)).headers
    assert len(decoded) == 1
    assert frames.same_headers(decoded, headers)


def test_class_with_a_hash_of_its_own_runs_no_code(codec):
    class Meta(type):
        def __hash__(cls):
            mapping.clear()
            raise RuntimeError

    class Raw(bytes, metaclass=Meta):
        pass

    mapping = {"a": Raw(b"x"), "b": 1}
    assert codec.Headers(mapping).raw == codec.Headers({"a": b"x", "b": 1}).raw
    assert mapping


@pytest.mark.parametrize("name", ["UUID of too many bits", "UUID without an integer"])
def test_uuid_in_name_alone_is_a_type_error(codec, name):
    mapping = LIES[name]()
    with pytest.raises(TypeError, match=f"^{type(mapping['n']).__name__}: its integer does not fit into 128 bits$"):
        codec.Headers(mapping)


def test_error_of_the_mapping_passes_through(codec):
    class Broken(Pairs):
        def __getitem__(self, name):
            raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        codec.Headers(Broken(("n", 1)))


@pytest.mark.parametrize(
    "mapping",
    [{"n": 1}, OrderedDict(n=1), UserDict({"n": 1}), types.MappingProxyType({"n": 1}), Pairs(("n", 1))],
    ids=frames.type_name,
)
def test_mapping_of_any_class_will_do(codec, mapping):
    assert codec.Headers(mapping).raw == frames.header("n", 4, b"\0\0\0\1")


@each("mapping", [None, [("n", 1)], "n", b"n", 1, [], iter(())], ids=frames.type_name)
def test_other_objects_than_mappings_are_a_type_error(codec, mapping):
    with pytest.raises(TypeError, match=f"^headers must be a mapping, not {type(mapping).__name__}$"):
        codec.Headers(mapping)


def test_headers_of_headers_are_the_same(codec):
    decoded = codec.decode(frames.frame(frames.string("n", "v" * 40_000))).headers
    assert codec.Headers(decoded).raw == decoded.raw, "also with a value that is too long to be encoded anew"


def test_headers_of_nothing(codec):
    for headers in (codec.Headers(), codec.Headers({}), codec.decode(frames.EMPTY_FRAME).headers):
        assert headers.raw == b""
        assert len(headers) == 0
        assert not headers
        assert headers == {}


def test_mapping_is_copied(codec):
    value = bytearray(b"before")
    mapping = {"n": value}
    headers = codec.Headers(mapping)
    value[:] = b"after!"
    mapping["m"] = 1
    assert dict(headers) == {"n": b"before"}


# The wire form


def test_wire_bytes_are_kept_order_included(codec):
    for block in (frames.TEN_BLOCK, frames.string("b", "1") + frames.string("a", "2"), b""):
        raw = codec.decode(frames.frame(block)).headers.raw
        assert raw == block
        assert type(raw) is bytes


def test_raw_is_made_once(codec):
    headers = codec.Headers(frames.TEN_HEADERS)
    assert headers.raw is headers.raw


# A Mapping


def test_headers_are_an_immutable_mapping(ten):
    assert isinstance(ten, Mapping)
    assert not isinstance(ten, (MutableMapping, dict))


def test_methods_of_a_mapping(ten):
    names = list(frames.TEN_HEADERS)
    assert len(ten) == 10
    assert list(ten) == list(ten.keys()) == names
    assert list(reversed(ten)) == names[::-1]
    assert pairs(ten) == pairs(frames.TEN_HEADERS)
    assert list(ten.values()) == list(frames.TEN_HEADERS.values())
    assert "uuid" in ten
    assert "absent" not in ten
    assert 5 not in ten
    assert frames.same_value(ten["byte"], Byte(-2))
    assert ten.get("byte") == -2
    assert ten.get("absent") is None
    assert ten.get("absent", 5) == 5
    assert dict(ten) == dict(**ten) == {**ten} == frames.TEN_HEADERS
    assert ten


def test_absent_name_is_a_key_error(ten):
    with pytest.raises(KeyError, match="absent"):
        ten["absent"]


@pytest.mark.parametrize("name", [None, 5, b"byte", ()], ids=repr)
def test_name_that_is_no_str_is_absent(ten, name):
    assert name not in ten
    assert ten.get(name) is None
    with pytest.raises(KeyError):
        ten[name]


LOOKUPS = [
    lambda headers, name: headers[name],
    lambda headers, name: headers.get(name),
    lambda headers, name: dict(headers)[name],
]


@each("before", range(8))
@each("lookup", LOOKUPS, ids=["[]", "get", "dict"])
def test_value_is_the_same_at_every_lookup(codec, lookup, before):
    """An implementation may look differently at what is asked for often."""
    for name, value in frames.TEN_HEADERS.items():
        headers = codec.Headers(frames.TEN_HEADERS)
        for _ in range(before):
            assert headers.get("absent") is None
        assert frames.same_value(lookup(headers, name), value)


@each("before", range(8))
@each("name", ["", "t", "tru", "true ", "Grüße", "\ud800", "uuid" * 100, "name"], ids=ascii)
def test_name_that_is_not_there_is_absent_at_every_lookup(codec, name, before):
    headers = codec.decode(frames.TEN_FRAME).headers
    headers = codec.Headers(dict(headers)) if before % 2 else headers
    for _ in range(before):
        assert headers["true"] is True
    assert headers.get(name, 5) == 5
    with pytest.raises(KeyError) as raised:
        headers[name]
    assert raised.value.args == (name,)
    assert name not in headers


@pytest.mark.parametrize("name", [MyStr("byte"), Text("byte")], ids=["str subclass", "with an equality of its own"])
def test_lookup_by_a_str_subclass_is_that_of_a_dict(codec, name):
    headers = codec.Headers(frames.TEN_HEADERS)
    for _ in range(8):
        assert headers.get(name) == frames.TEN_HEADERS.get(name)


def test_repeated_texts_are_not_confused(codec):
    texts = [":message-type", ":event-type", ":exception-type", ":content-type", ":error-code", ":error-message"]
    texts += [":date", ":chunk-signature", "event", "exception", "error", "application/json", "AudioEvent"]
    texts += ["application/octet-stream", "TranscriptEvent", "initial-response", "chunk", "BadRequestException"]
    texts += ["LimitExceededException", "InternalFailureException", "ServiceUnavailableException"]
    for text in texts:
        for position in range(len(text)):
            for other in (text, f"{text[:position]}~{text[position + 1 :]}", text[:position], text[position:]):
                if other:
                    (message,) = codec.Decoder().feed(frames.frame(frames.string(other, other)))
                    assert dict(message.headers) == {other: other}


def test_views(ten):
    assert isinstance(ten.keys(), KeysView)
    assert isinstance(ten.items(), ItemsView)
    assert isinstance(ten.values(), ValuesView)
    assert ten.keys() & {"byte", "absent"} == {"byte"}
    assert ("byte", -2) in ten.items()
    assert "Grüße" in ten.values()
    assert len(ten.keys()) == len(ten.values()) == len(ten.items()) == 10
    assert ten.keys() == frames.TEN_HEADERS.keys()
    assert ten.items() == frames.TEN_HEADERS.items()


def test_headers_match_mapping_patterns(ten):
    match ten:
        case {"byte": int(byte), "string": str(string), **rest}:
            assert (byte, string) == (-2, "Grüße")
            assert list(rest) == [name for name in frames.TEN_HEADERS if name not in ("byte", "string")]
        case _:
            pytest.fail("no mapping pattern")
    match ten:
        case {"absent": _}:
            pytest.fail("no such header")
        case {}:
            pass
        case _:
            pytest.fail("no mapping pattern")


# Equality and hash


def test_headers_equal_any_equal_mapping(ten, codec):
    assert ten == frames.TEN_HEADERS
    assert frames.TEN_HEADERS == ten  # noqa: SIM300
    assert ten == OrderedDict(frames.TEN_HEADERS)
    assert ten == UserDict(frames.TEN_HEADERS)
    assert ten == types.MappingProxyType(frames.TEN_HEADERS)
    assert ten == codec.Headers(frames.TEN_HEADERS)
    assert (ten != frames.TEN_HEADERS) is False


def test_order_does_not_count(codec):
    first, second = codec.Headers({"a": 1, "b": 2}), codec.Headers({"b": 2, "a": 1})
    assert first == second
    assert hash(first) == hash(second)
    assert first.raw != second.raw


def test_wire_types_do_not_count_where_the_values_are_equal(codec):
    first, second = codec.Headers({"a": 1}), codec.Headers({"a": Byte(1)})
    assert first == second
    assert hash(first) == hash(second)
    assert first.raw != second.raw


@each("other", [{}, {"a": 2}, {"b": 1}, {"a": 1, "b": 2}, None, 5, "a", [("a", 1)]], ids=repr)
def test_headers_differ_from_other_things(codec, other):
    headers = codec.Headers({"a": 1})
    assert headers != other
    assert (headers == other) is False
    if isinstance(other, dict):
        assert headers != codec.Headers(other)


def test_headers_are_not_ordered(codec):
    with pytest.raises(TypeError):
        codec.Headers({"a": 1}) < codec.Headers({"a": 2})  # noqa: B015


def test_equal_headers_have_equal_hashes(ten, codec):
    assert hash(ten) == hash(codec.Headers(frames.TEN_HEADERS))
    assert hash(ten) == hash(ten)
    assert len({ten, codec.Headers(frames.TEN_HEADERS), codec.Headers({})}) == 2


def test_twins_headers_are_equal(native, reference):
    first, second = native.Headers(frames.TEN_HEADERS), reference.Headers(frames.TEN_HEADERS)
    assert first == second
    assert second == first
    assert native.encode(second) == reference.encode(first) == frames.frame(frames.TEN_BLOCK)


# Immutable, final, copied and pickled


def test_headers_cannot_be_mutated(ten):
    with pytest.raises(TypeError):
        ten["byte"] = 1
    with pytest.raises(TypeError):
        del ten["byte"]
    for name in ("raw", "anything", "keys"):
        with pytest.raises((AttributeError, TypeError)):
            setattr(ten, name, b"")
        with pytest.raises((AttributeError, TypeError)):
            delattr(ten, name)
    for name in ("update", "pop", "popitem", "clear", "setdefault", "__setitem__", "__delitem__"):
        assert not hasattr(ten, name)
    with pytest.raises(TypeError):
        ten.keys().mapping["byte"] = 1
    assert pairs(ten) == pairs(frames.TEN_HEADERS)


def test_init_again_changes_nothing(ten):
    with contextlib.suppress(TypeError):
        ten.__init__({"a": 1})
    assert ten.raw == frames.TEN_BLOCK
    assert pairs(ten) == pairs(frames.TEN_HEADERS)


def test_headers_cannot_be_subclassed(codec):
    with pytest.raises(TypeError):
        type("Mine", (codec.Headers,), {})


def test_headers_argument_is_positional(codec):
    with pytest.raises(TypeError):
        codec.Headers(mapping={})
    with pytest.raises(TypeError):
        codec.Headers({}, {})


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, lambda headers: pickle.loads(pickle.dumps(headers))])
def test_headers_copy_and_pickle_with_their_wire_form(ten, way):
    copied = way(ten)
    assert copied.raw == ten.raw
    assert pairs(copied) == pairs(ten)


def test_value_too_long_to_be_encoded_anew_pickles(codec):
    headers = codec.decode(frames.frame(frames.string("n", "v" * 65_535))).headers
    assert pickle.loads(pickle.dumps(headers)).raw == headers.raw


def test_repr_shows_the_headers(ten):
    shown = repr(ten)
    assert shown.startswith("Headers({'true': True, 'false': False, 'byte': Byte(-2)")
    names = {"Headers": dict, "Byte": Byte, "Short": Short, "Long": Long, "Timestamp": Timestamp, "UUID": uuid.UUID}
    assert pairs(eval(shown, names)) == pairs(ten)


# get_as


@each("class_", [bool, int, Byte, Short, Long, bytes, str, Timestamp, uuid.UUID])
def test_get_as_gives_the_value_only_of_that_type(codec, class_):
    for name, value in frames.TEN_HEADERS.items():
        for headers in (codec.Headers(frames.TEN_HEADERS), next(codec.Decoder().feed(frames.TEN_FRAME)).headers):
            for _ in range(10):  # the first are found in the wire form
                got = headers.get_as(name, class_)
                if isinstance(value, class_) and (class_ is not int or type(value) is not bool):
                    assert frames.same_value(got, value), name
                else:
                    assert got is None, name


def test_get_as_of_no_such_header(codec):
    assert codec.Headers({"a": 1}).get_as("b", int) is None
    assert codec.Headers().get_as("b", str) is None


def test_get_as_arguments(codec):
    headers = codec.Headers({"a": 1})
    with pytest.raises(TypeError):
        headers.get_as("a")
    with pytest.raises(TypeError):
        headers.get_as("a", "int")
    with pytest.raises(TypeError):
        headers.get_as(name="a", class_=int)
