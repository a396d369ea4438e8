"""Why JSON is not an event: the text and the path are the package's own, whatever msgspec says."""

from __future__ import annotations

import json

import pytest
from cases import each

from eventstream._json import MAX_EXPLAINED, reason_not_decoded, reason_not_encoded
from eventstream.transcribe import Item, Result, Transcript, TranscriptEvent
from eventstream.transcribe.call_analytics import CategoryEvent
from eventstream.transcribe.medical_scribe import MedicalScribeEncryptionSettings
from eventstream.transcribe.model import ConfigurationEvent

RESULT = "$.Transcript.Results[0]"


def reason(payload: bytes, type: type = TranscriptEvent, fault: Exception | None = None) -> tuple[str, str | None]:
    return reason_not_decoded(payload, type, fault or ValueError("the wording of a dependency"))


def in_result(member: str) -> bytes:
    return b'{"Transcript": {"Results": [{%b}]}}' % member.encode("utf-8", "surrogatepass")


@each(
    ("payload", "expected"),
    [
        (b"", "its JSON is malformed at byte 0"),
        (b'{"\xc3\xa4": 1} x', "its JSON is malformed at byte 10"),
        (b"\xef\xbb\xbf{}", "its JSON is malformed at byte 0"),
        (b'{"a": "\x01"}', "its JSON is malformed at byte 7"),
        (b'{"a": "\xff"}', "its JSON is not UTF-8"),
        (b'{"a": "\xed\xa0\x80"}', "its JSON is not UTF-8"),
        (b'{"a": NaN}', "its JSON has a number that is not finite"),
        (b'{"a": -Infinity}', "its JSON has a number that is not finite"),
        (b"[" * MAX_EXPLAINED, "its JSON is nested too deeply"),
        (b"null", "expected an object, got null"),
        (b"[]", "expected an object, got an array"),
        (b"5", "expected an object, got an integer"),
        (b'{"Tomorrow": [5, null, "\\ud800"]}', "its JSON does not have the shape of the event"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_reason_without_a_place(payload, expected):
    assert reason(payload) == (expected, None)


@each(
    ("payload", "expected"),
    [
        (in_result('"StartTime": "soon"'), (f"expected a number, got a string at {RESULT}.StartTime")),
        (in_result('"StartTime": true'), (f"expected a number, got true at {RESULT}.StartTime")),
        (in_result('"StartTime": 1e400'), (f"a number is not finite at {RESULT}.StartTime")),
        (in_result('"StartTime": ' + "9" * 5_000), (f"a number is not finite at {RESULT}.StartTime")),
        (in_result('"IsPartial": 1'), (f"expected true or false, got an integer at {RESULT}.IsPartial")),
        (in_result('"ResultId": 1.5'), (f"expected a string, got a number at {RESULT}.ResultId")),
        (in_result('"ResultId": false'), (f"expected a string, got false at {RESULT}.ResultId")),
        (in_result('"ResultId": "\\ud800"'), (f"a text has a lone surrogate at {RESULT}.ResultId")),
        (in_result('"ResultId": {}'), (f"expected a string, got an object at {RESULT}.ResultId")),
        (in_result('"Alternatives": {}'), (f"expected an array, got an object at {RESULT}.Alternatives")),
        (in_result('"Alternatives": [null, []]'), f"expected an object, got an array at {RESULT}.Alternatives[1]"),
        (b'{"Transcript": 5, "Transcript": {}}', "expected an object, got an integer at $.Transcript"),
    ],
    ids=lambda value: repr(value)[-40:],
)
def test_reason_with_a_place(payload, expected):
    assert " at ".join(map(str, reason(payload))) == expected


@pytest.mark.parametrize("number", ["1.0", "1e2", '"1"', "true"])
def test_reason_for_an_integer(number):
    payload = b'{"ChannelDefinitions": [{"ChannelId": %b}]}' % number.encode()
    text, path = reason(payload, ConfigurationEvent)
    assert text.startswith("expected an integer, got ")
    assert path == "$.ChannelDefinitions[0].ChannelId"


@each(
    ("payload", "expected"),
    [
        (b'{"MatchedDetails": 5}', "expected an object, got an integer at $.MatchedDetails"),
        (b'{"MatchedDetails": []}', "expected an object, got an array at $.MatchedDetails"),
        (b'{"MatchedDetails": {"a": null, "b": 5}}', "expected an object, got an integer at $.MatchedDetails['b']"),
        (
            b'{"MatchedDetails": {"": {"TimestampRanges": [{"BeginOffsetMillis": 1.5}]}}}',
            "expected an integer, got a number at $.MatchedDetails[''].TimestampRanges[0].BeginOffsetMillis",
        ),
        (
            b'{"MatchedDetails": {"a": {}}, "MatchedCategories": 5}',
            "expected an array, got an integer at $.MatchedCategories",
        ),
    ],
)
def test_reason_within_a_map(payload, expected):
    assert " at ".join(map(str, reason(payload, CategoryEvent))) == expected


def test_path_within_a_map_is_short():
    _, path = reason(b'{"MatchedDetails": {"%b\\n": 5}}' % (b"x" * 10_000), CategoryEvent)
    assert path.startswith("$.MatchedDetails['xxx")
    assert path.isprintable()
    assert len(path) < 100


def test_reason_does_not_name_what_fits():
    payload = (
        b'{"ChannelDefinitions": [{"ChannelId": 7, "ParticipantRole": null}, null], "PostCallAnalyticsSettings": {}}'
    )
    assert reason(payload, ConfigurationEvent) == ("its JSON does not have the shape of the event", None)
    fitting = {
        "Transcript": {"Results": [{"StartTime": 1, "EndTime": 1.5, "IsPartial": True, "ResultId": "\U0001f600"}]}
    }
    assert reason(json.dumps(fitting).encode()) == ("its JSON does not have the shape of the event", None)


def test_reason_depends_only_on_the_class_of_the_fault():
    assert reason(b"[]", fault=RecursionError()) == ("its JSON is nested too deeply", None)
    for fault in (ValueError(""), UnicodeDecodeError("utf-8", b"", 0, 1, ""), TypeError("deep")):
        assert reason(b"[]", fault=fault) == ("expected an object, got an array", None)


def test_reason_for_long_json_is_short():
    """Parsing it again could take gigabytes."""
    payload = b'{"Transcript": 5}'.ljust(MAX_EXPLAINED)
    assert reason(payload) == ("expected an object, got an integer", "$.Transcript")
    assert reason(payload + b" ") == ("its JSON does not have the shape of the event", None)
    assert reason(payload + b"\xff") == ("its JSON is not UTF-8", None)


def test_reason_why_an_event_is_not_json():
    def event(**members):
        return TranscriptEvent(Transcript(results=[Result(**members)]))

    assert reason_not_encoded(event(result_id="\U0001f600", start_time=1.5, is_partial=True)) is None
    assert reason_not_encoded(event(result_id="a\udfff")) == "a text has a lone surrogate"
    assert reason_not_encoded(event(start_time=float("nan"))) == "a number is not finite"
    for context in ({"\ud800": "b"}, {"a": "\ud800"}):
        settings = MedicalScribeEncryptionSettings(kms_encryption_context=context)
        assert reason_not_encoded(settings) == "a text has a lone surrogate"
    assert reason_not_encoded(event(alternatives=([Item(confidence=float("inf"))],))) == "a number is not finite"
