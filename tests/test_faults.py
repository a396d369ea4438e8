"""Faults: how they are written, and whom they strike."""

from __future__ import annotations

import re

import pytest
from cases import each

from eventstream.faults import Faults
from eventstream.transcribe.emulator import Fault


@each(
    ("text", "fault"),
    [
        ("bad-crc@1", Fault("bad-crc", 1)),
        ("truncate@20", Fault("truncate", 20)),
        ("reset@0", Fault("reset", 0)),
        ("reset@5*1", Fault("reset", 5, streams=1)),
        ("slow@2", Fault("slow", 2)),
        ("slow:0.5@2*3", Fault("slow", 2, "0.5", 3)),
        ("slow:0@1", Fault("slow", 1, "0")),
        ("slow:3600@1", Fault("slow", 1, "3600")),
        ("exception:ConflictException@3", Fault("exception", 3, "ConflictException")),
        ("exception:com.example#Odd@0", Fault("exception", 0, "com.example#Odd")),
    ],
)
def test_faults_as_they_are_written(text, fault):
    assert Fault.parse(text) == fault


@each(
    "text",
    [
        "",
        "reset",
        "reset@",
        "reset@x",
        "reset@-1",
        "reset@1*0",
        "reset@1*",
    ],
)
def test_texts_that_are_not_faults(text):
    with pytest.raises(ValueError, match="KIND@EVENT") as raised:
        Fault.parse(text)
    assert (
        str(raised.value)
        == f"invalid fault {text!r}: expected KIND@EVENT or KIND:ARGUMENT@EVENT, optionally with *STREAMS"
    )


@each(
    ("text", "problem"),
    [
        ("reset:1@1", "reset takes no argument, but was given '1'"),
        ("bad-crc:x@1", "bad-crc takes no argument, but was given 'x'"),
        ("bad-crc@0", "bad-crc applies to an event, counted from 1, not to 0"),
        ("truncate@0", "truncate applies to an event, counted from 1, not to 0"),
        ("explode@1", "unknown fault 'explode': expected one of bad-crc, truncate, early-end, exception, reset, slow"),
        ("exception@1", "an exception needs a name, e.g. exception:ConflictException@3"),
        ("slow:soon@1", "could not convert string to float: 'soon'"),
        ("slow:nan@1", "slow takes 0 to 3600 seconds"),
        ("slow:-1@1", "slow takes 0 to 3600 seconds"),
        ("slow:3601@1", "slow takes 0 to 3600 seconds"),
    ],
)
def test_arguments_that_are_not_faults(text, problem):
    with pytest.raises(ValueError, match=f"^{re.escape(problem)}$"):
        Fault.parse(text)


def test_slow_fault_has_its_pause():
    assert Fault("slow", 1).delay == 3.0
    assert Fault("slow", 1, "0.25").delay == 0.25


def test_fault_strikes_at_its_event():
    faults = Faults([Fault("reset", 2), Fault("bad-crc", 3)])
    for _ in range(3):
        assert [faults.at(event) for event in range(5)] == [None, None, Fault("reset", 2), Fault("bad-crc", 3), None]


def test_fault_strikes_so_many_streams():
    faults = Faults([Fault("reset", 2, streams=2), Fault("slow", 2)])
    assert [faults.at(2).kind for _ in range(4)] == ["reset", "reset", "slow", "slow"]
    assert faults.at(1) is None
