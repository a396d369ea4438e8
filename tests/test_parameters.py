"""Parameters in HTTP headers: each kind is written, read and checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, cast

import pytest
from cases import each

from eventstream.operation import InvalidRequest, Parts
from eventstream.parameters import Boolean, Choice, Headers, Integer, Kind, Parameter, Parameters, Text, TextList

WORD = Text(re.compile("[a-z]{1,5}"), "1 to 5 of a-z")
KINDS = {
    "word": WORD,
    "color": Choice(("red", "blue")),
    "count": Integer(1, 9),
    "one": Integer(1, 1),
    "flag": Boolean(),
    "words": TextList(WORD, 8),
}


@dataclass(frozen=True, kw_only=True, repr=False)
class Sample(Parameters):
    """One of each kind."""

    parameters: ClassVar = {name: Parameter(cast(Kind, kind), f"x-{name}") for name, kind in KINDS.items()}

    word: str | None = None
    color: str | None = None
    count: int | None = None
    one: int | None = None
    flag: bool = False
    words: tuple[str, ...] = ()

    @classmethod
    def from_headers(cls, pairs):
        return cls(**cls.read(pairs))


FULL = Sample(word="abc", color="red", count=3, one=1, flag=True, words=["a", "b"])  # type: ignore[arg-type]


def test_parameters_there_and_back():
    headers = FULL.to_headers()
    assert headers == [
        *[("x-word", "abc"), ("x-color", "red"), ("x-count", "3"), ("x-one", "1"), ("x-flag", "true")],
        ("x-words", "a,b"),
    ]
    format = Headers(Sample)
    assert format.write(FULL) == Parts(headers=headers)
    assert format.read(Parts(headers=[("other", "x"), *headers])) == FULL
    FULL.check(["word"])


def test_parameters_of_another_class_are_not_written():
    with pytest.raises(TypeError, match=r"^the request must be a Sample, not dict$"):
        Headers(Sample).write({})


def test_parameters_with_a_header_that_is_not_in_lower_case():
    with pytest.raises(ValueError, match=r"^the header 'X-Word' must be in lower case: 'x-word'$"):
        type("Shouted", (Parameters,), {"parameters": {"word": Parameter(WORD, "X-Word")}})


def test_parameters_that_are_not_given_are_not_written():
    assert Sample().to_headers() == []
    assert repr(Sample(flag=True)) == "Sample(flag=True)"


@pytest.mark.parametrize("words", [["a", "b"], ("a", "b"), "a, b"])
def test_lists_may_be_given_in_several_ways(words):
    assert Sample(words=words).words == ("a", "b")


def test_headers_in_any_case_and_in_pieces():
    pairs = [("X-Words", " a"), ("x-words", "b "), ("X-FLAG", "True")]
    assert Sample.read(pairs) == {"words": ("a", "b"), "flag": True}


@each(
    ("field", "value", "problem"),
    [
        ("word", "ABC", "'ABC' (allowed: 1 to 5 of a-z)"),
        ("word", 5, "5 (allowed: 1 to 5 of a-z)"),
        ("color", "green", "'green' (allowed: red or blue)"),
        ("count", 10, "10 (allowed: 1 to 9)"),
        ("count", True, "True (allowed: an int, 1 to 9)"),
        ("count", "5", "'5' (allowed: an int, 1 to 9)"),
        ("count", 5.0, "5.0 (allowed: an int, 1 to 9)"),
        ("count", "many", "'many' (allowed: 1 to 9)"),
        ("one", 2, "2 (allowed: 1)"),
        ("flag", "yes", "'yes' (allowed: true or false)"),
        ("flag", "true", "'true' (allowed: True or False)"),
        ("flag", 1, "1 (allowed: True or False)"),
        ("words", ("A",), "('A',) (allowed: a list, at most 8 characters with its commas, each 1 to 5 of a-z)"),
        ("words", ("abcde",) * 2, "('abcde', 'abcde') (allowed: a list, at most 8 characters"),
        ("words", b"ab", "b'ab' (allowed: a list"),
    ],
)
def test_check_names_value_and_what_is_allowed(field, value, problem):
    with pytest.raises(InvalidRequest) as raised:
        Sample(**{field: value}).check([])
    assert raised.value.problems.keys() == {field}
    assert raised.value.problems[field].startswith(problem)


def test_check_names_every_problem_in_order():
    with pytest.raises(InvalidRequest) as raised:
        Sample(count=0).check(["word"], ["color", "one"])
    assert list(raised.value.problems) == ["word", "color", "count"]
    assert raised.value.problems["color"] == "missing (allowed: exactly one of color, one)"
    with pytest.raises(InvalidRequest, match="one: given together with color"):
        Sample(color="red", one=1).check([], ["color", "one"])


def test_read_leniently_leaves_out_what_is_no_number():
    pairs = [("x-count", "many"), ("x-flag", "perhaps"), ("x-word", "ABC")]
    assert Sample.read(pairs) == {"count": "many", "flag": "perhaps", "word": "ABC"}
    assert Sample.read_leniently(pairs) == {"word": "ABC"}
