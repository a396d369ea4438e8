"""Byte, Short, Long and Timestamp: integers that remember their wire type."""

from __future__ import annotations

import copy
import datetime
import pickle
from enum import IntEnum

import pytest
from cases import each

from eventstream import Byte, InvalidHeaderValue, Long, Short, Timestamp

UTC = datetime.timezone.utc
BITS = [(Byte, 8), (Short, 16), (Long, 64), (Timestamp, 64)]
CLASSES = [class_ for class_, _ in BITS]


class Answer(IntEnum):
    YES = 1


class Index:
    def __index__(self):
        return 5


# Range


@pytest.mark.parametrize(("class_", "bits"), BITS)
def test_bounds_are_accepted(class_, bits):
    for value in (-1 << bits - 1, -1, 0, 1, (1 << bits - 1) - 1):
        assert class_(value) == value


@each(("class_", "bits"), BITS)
@each("beyond", [0, 1, 1 << 100])
def test_value_out_of_range_is_refused_when_it_is_made(class_, bits, beyond):
    for value in ((1 << bits - 1) + beyond, (-1 << bits - 1) - 1 - beyond):
        with pytest.raises(InvalidHeaderValue) as raised:
            class_(value)
        assert raised.value.name is None
        assert class_.__name__ in str(raised.value)


@each("class_", CLASSES)
@each("value", [1.0, "1", b"1", None, [], 1j], ids=repr)
def test_other_objects_than_integers_are_a_type_error(class_, value):
    with pytest.raises(TypeError):
        class_(value)


@pytest.mark.parametrize("class_", CLASSES)
def test_index_is_an_integer(class_):
    assert class_(Index()) == 5
    assert class_(True) == 1
    assert class_(Answer.YES) == 1
    assert class_() == 0
    assert type(class_(Byte(3))) is class_


# Behaviour of an int


@pytest.mark.parametrize("class_", CLASSES)
def test_value_behaves_as_the_integer_it_is(class_):
    value = class_(-5)
    assert value == -5
    assert hash(value) == hash(-5)
    assert value + 1 == -4
    assert str(value) == f"{value}" == "-5"
    assert f"{value:04d}" == "-005"
    assert repr(value) == f"{class_.__name__}(-5)"
    assert {value: "found"}[-5] == "found"


@pytest.mark.parametrize("class_", CLASSES)
def test_value_is_immutable(class_):
    with pytest.raises(AttributeError):
        class_(1).anything = 1


@pytest.mark.parametrize("class_", CLASSES)
def test_value_pickles_and_copies_with_its_type(class_):
    value = class_(-5)
    copies = [copy.copy(value), copy.deepcopy(value)]
    copies += [pickle.loads(pickle.dumps(value, protocol)) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    for copied in copies:
        assert type(copied) is class_
        assert copied == value


# Timestamp


@each(
    ("milliseconds", "moment"),
    [
        (0, datetime.datetime(1970, 1, 1, tzinfo=UTC)),
        (1, datetime.datetime(1970, 1, 1, 0, 0, 0, 1000, tzinfo=UTC)),
        (-1, datetime.datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)),
        (1_700_000_000_123, datetime.datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=UTC)),
        (-62_135_596_800_000, datetime.datetime(1, 1, 1, tzinfo=UTC)),
        (253_402_300_799_999, datetime.datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)),
    ],
    ids=["epoch", "after", "before", "now", "first", "last"],
)
def test_timestamp_is_an_exact_moment(milliseconds, moment):
    assert Timestamp(milliseconds).datetime == moment
    assert Timestamp(milliseconds).datetime.tzinfo is UTC
    assert Timestamp.from_datetime(moment) == milliseconds
    assert type(Timestamp.from_datetime(moment)) is Timestamp


@pytest.mark.parametrize(
    "milliseconds",
    [-62_135_596_800_001, 253_402_300_800_000, -(2**63), 2**63 - 1],
    ids=["year 0", "10000", "min", "max"],
)
def test_moment_outside_the_years_1_to_9999_overflows(milliseconds):
    timestamp = Timestamp(milliseconds)
    with pytest.raises(OverflowError):
        timestamp.datetime  # noqa: B018


@each(
    ("microseconds", "milliseconds"),
    [(0, 0), (1, 0), (999, 0), (1000, 1), (-1, -1), (-999, -1), (-1000, -1), (-1001, -2)],
)
def test_datetime_is_cut_to_whole_milliseconds_downwards(microseconds, milliseconds):
    moment = datetime.datetime(1970, 1, 1, tzinfo=UTC) + datetime.timedelta(microseconds=microseconds)
    assert Timestamp.from_datetime(moment) == milliseconds


def test_time_zones_are_accepted():
    zone = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
    assert Timestamp.from_datetime(datetime.datetime(1970, 1, 1, 5, 30, tzinfo=zone)) == 0


def test_datetime_in_a_western_zone_beyond_year_9999():
    zone = datetime.timezone(-datetime.timedelta(hours=23, minutes=59))
    timestamp = Timestamp.from_datetime(datetime.datetime.max.replace(tzinfo=zone))
    assert timestamp == 253_402_300_799_999 + (23 * 60 + 59) * 60_000


@pytest.mark.parametrize("zone", [None, UTC])
def test_timestamp_of_a_datetime_names_the_method(zone):
    text = "^a Timestamp must be milliseconds, not a datetime: use Timestamp.from_datetime$"
    with pytest.raises(TypeError, match=text):
        Timestamp(datetime.datetime(2026, 1, 1, tzinfo=zone))
    with pytest.raises(TypeError, match=r"^(?!a Timestamp)"):
        Long(datetime.datetime(2026, 1, 1, tzinfo=zone))


def test_naive_datetime_is_refused():
    with pytest.raises(InvalidHeaderValue, match=r"naive datetime: attach a time zone$") as raised:
        Timestamp.from_datetime(datetime.datetime(2026, 1, 1))
    assert raised.value.name is None


@pytest.mark.parametrize("moment", [0, "2026-01-01", None, datetime.date(2026, 1, 1)], ids=repr)
def test_other_objects_than_datetimes_are_a_type_error(moment):
    with pytest.raises(TypeError, match=f"^a Timestamp must be made from a datetime, not {type(moment).__name__}$"):
        Timestamp.from_datetime(moment)
