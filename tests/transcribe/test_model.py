"""Messages and typed events, in both directions: recorded results, every name of the wire, and JSON that is wrong."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import msgspec
import pytest
from cases import each
from hypothesis import given
from hypothesis import strategies as st

import eventstream
from eventstream import EncodeError, Message, testing
from eventstream.transcribe import (
    Alternative,
    AudioEvent,
    BadRequestException,
    ConfigurationEvent,
    Entity,
    InvalidEvent,
    Item,
    LanguageIdentification,
    LimitExceededException,
    Result,
    TranscribeError,
    Transcript,
    TranscriptEvent,
)
from eventstream.transcribe.model import (
    AUDIO_EVENT_HEADERS,
    CONFIGURATION_EVENT_HEADERS,
    TRANSCRIPT_EVENT_HEADERS,
    ChannelDefinition,
    PostCallAnalyticsSettings,
    event_from_message,
    event_to_message,
)

CAPTURES = Path(__file__).parent.parent / "captures"
SPEECH = (CAPTURES / "amazon-transcribe-0.6.4-speech.response.bin").read_bytes()
WORDS = "he might even have been made a real boy i'm self taught"

# Every member of every object, with its name on the wire.
EVERYTHING = {
    "Transcript": {
        "Results": [
            {
                "ResultId": "r1",
                "StartTime": 0.0,
                "EndTime": 1.056,
                "IsPartial": True,
                "Alternatives": [
                    {
                        "Transcript": "Ann,",
                        "Items": [
                            {
                                "StartTime": 0.25,
                                "EndTime": 0.5,
                                "Type": "pronunciation",
                                "Content": "Ann",
                                "VocabularyFilterMatch": False,
                                "Speaker": "0",
                                "Confidence": 0.98,
                                "Stable": True,
                            },
                            {"Type": "punctuation", "Content": ","},
                        ],
                        "Entities": [
                            {
                                "StartTime": 0.25,
                                "EndTime": 0.5,
                                "Category": "PII",
                                "Type": "NAME",
                                "Content": "Ann",
                                "Confidence": 0.75,
                            }
                        ],
                    }
                ],
                "ChannelId": "ch_0",
                "LanguageCode": "en-US",
                "LanguageIdentification": [{"LanguageCode": "en-US", "Score": 0.9}],
            }
        ]
    }
}
TYPED = TranscriptEvent(
    Transcript(
        results=[
            Result(
                result_id="r1",
                start_time=0.0,
                end_time=1.056,
                is_partial=True,
                alternatives=[
                    Alternative(
                        transcript="Ann,",
                        items=[
                            Item(
                                start_time=0.25,
                                end_time=0.5,
                                type="pronunciation",
                                content="Ann",
                                vocabulary_filter_match=False,
                                speaker="0",
                                confidence=0.98,
                                stable=True,
                            ),
                            Item(type="punctuation", content=","),
                        ],
                        entities=[
                            Entity(
                                start_time=0.25,
                                end_time=0.5,
                                category="PII",
                                type="NAME",
                                content="Ann",
                                confidence=0.75,
                            )
                        ],
                    )
                ],
                channel_id="ch_0",
                language_code="en-US",
                language_identification=[LanguageIdentification(language_code="en-US", score=0.9)],
            )
        ]
    )
)


def transcript_message(content, headers=TRANSCRIPT_EVENT_HEADERS):
    return Message(headers, content if isinstance(content, bytes) else json.dumps(content).encode())


def parsed(content):
    return event_from_message(transcript_message(content))


def within(path, value):
    """Return a TranscriptEvent with nothing but this value at the path: ("Transcript", "Results", 0, "ResultId")."""
    for step in reversed(path):
        value = [value] if step == 0 else {step: value}
    return value


# What is recorded


def test_recorded_results():
    events = [event_from_message(message) for message in eventstream.iter_messages(SPEECH)]
    assert len(events) == 23
    assert all(type(event) is TranscriptEvent for event in events)
    results = [result for event in events for result in event.transcript.results]
    assert len(results) == 23
    assert [result.is_partial for result in results] == [True] * 22 + [False]
    assert {result.result_id for result in results} == {"u1"}
    assert [result.alternatives[0].transcript for result in results][:4] == ["he", "he buy", "he might", "he might he"]
    final = results[-1]
    assert final.alternatives[0].transcript == WORDS
    assert [item.content for item in final.alternatives[0].items] == WORDS.split()
    assert (final.start_time, final.end_time) == (0.2, 3.04)
    first = results[0].alternatives[0].items[0]
    assert first == Item(
        start_time=0.2, end_time=0.38, type="pronunciation", content="he", vocabulary_filter_match=False
    )


@each("path", sorted(CAPTURES.glob("*.response.bin")), ids=lambda path: path.name)
def test_recorded_responses_there_and_back(path):
    for message in eventstream.iter_messages(path.read_bytes()):
        if message.message_type == "exception":
            with pytest.raises(LimitExceededException, match="Too many streams"):
                event_from_message(message)
            continue
        event = event_from_message(message)
        again = event_to_message(event)
        assert again.headers == message.headers
        assert event_from_message(again) == event
        assert json.loads(again.payload) == without_empty_entities(json.loads(message.payload))


def without_empty_entities(event):
    for result in event["Transcript"]["Results"]:
        for alternative in result["Alternatives"]:
            if alternative.get("Entities") == []:
                del alternative["Entities"]
    return event


@each("path", sorted(CAPTURES.glob("*.request.bin")), ids=lambda path: path.name)
def test_recorded_audio(path):
    events = [
        event_from_message(eventstream.decode(message.payload))
        for message in eventstream.iter_messages(path.read_bytes())
        if message.payload
    ]
    assert all(type(event) is AudioEvent for event in events)
    assert {len(event.audio_chunk) for event in events} <= {3200, 2880, 1280}


# Names of the wire


def test_members_from_the_wire():
    assert parsed(EVERYTHING) == TYPED


def test_members_to_the_wire():
    message = event_to_message(TYPED)
    assert json.loads(message.payload) == EVERYTHING
    assert dict(message.headers) == {
        ":message-type": "event",
        ":event-type": "TranscriptEvent",
        ":content-type": "application/json",
    }


def test_fields_that_are_always_written():
    def written(event):
        return json.loads(event_to_message(event).payload)

    assert written(TranscriptEvent()) == {"Transcript": {"Results": []}}
    assert written(TranscriptEvent(Transcript(results=[Result()]))) == {
        "Transcript": {"Results": [{"IsPartial": False, "Alternatives": []}]}
    }
    assert written(TranscriptEvent(Transcript(results=[Result(alternatives=[Alternative(items=[Item()])])])))[
        "Transcript"
    ]["Results"] == [{"IsPartial": False, "Alternatives": [{"Items": [{}]}]}]
    assert written(TranscriptEvent(Transcript(results=[Result(alternatives=[Alternative()])])))["Transcript"][
        "Results"
    ][0]["Alternatives"] == [{"Items": []}]


def test_false_and_zero_are_written():
    item = Item(start_time=0.0, vocabulary_filter_match=False, stable=False, content="")
    event = TranscriptEvent(
        Transcript(results=[Result(start_time=0.0, alternatives=[Alternative(transcript="", items=[item])])])
    )
    assert json.loads(event_to_message(event).payload)["Transcript"]["Results"] == [
        {
            "StartTime": 0.0,
            "IsPartial": False,
            "Alternatives": [
                {
                    "Transcript": "",
                    "Items": [{"StartTime": 0.0, "Content": "", "VocabularyFilterMatch": False, "Stable": False}],
                }
            ],
        }
    ]


def test_lists_are_not_shared_by_two_events():
    one, other = TranscriptEvent(), TranscriptEvent()
    one.transcript.results.append(Result())
    assert other.transcript.results == []


def test_repr_shows_what_is_given():
    assert repr(Item(content="he")) == "Item(content='he')"
    assert repr(TYPED).startswith(
        "TranscriptEvent(transcript=Transcript(results=[Result(result_id='r1', start_time=0.0,"
    )


# What may be absent, null or unknown


@pytest.mark.parametrize(
    "content", [{}, {"Transcript": {}}, {"Transcript": None}, {"Transcript": {"Results": []}}], ids=repr
)
def test_results_that_are_missing(content):
    assert parsed(content) == TranscriptEvent(Transcript(results=[]))


def test_objects_that_are_empty():
    event = parsed(
        {
            "Transcript": {
                "Results": [{"Alternatives": [{"Items": [{}], "Entities": [{}]}], "LanguageIdentification": [{}]}]
            }
        }
    )
    (result,) = event.transcript.results
    assert (result.result_id, result.start_time, result.end_time, result.is_partial) == (None, None, None, False)
    assert (result.channel_id, result.language_code) == (None, None)
    assert result.language_identification == [LanguageIdentification(language_code=None, score=None)]
    (alternative,) = result.alternatives
    assert alternative == Alternative(transcript=None, items=[Item()], entities=[Entity()])
    assert event_from_message(event_to_message(event)) == event


def places(value, path=()):
    """Yield the path of every member and element."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, child in children:
        yield (*path, step)
        yield from places(child, (*path, step))


def changed(value, path, change):
    """Return a copy, in which `change` was applied to the container at the path's last step."""
    copy = json.loads(json.dumps(value))
    target = copy
    for step in path[:-1]:
        target = target[step]
    change(target, path[-1])
    return copy


PLACES = list(places(EVERYTHING))


@each("path", PLACES, ids=lambda path: ".".join(map(str, path)))
def test_null_is_as_good_as_nothing(path):
    def set_null(container, step):
        container[step] = None

    def delete(container, step):
        del container[step]

    assert parsed(changed(EVERYTHING, path, set_null)) == parsed(changed(EVERYTHING, path, delete))


def test_nulls_everywhere_else_change_nothing():
    assert parsed(
        within(("Transcript", "Results", 0, "Alternatives"), [None, {"Items": [None, {"Content": "he"}, None]}])
    ) == (TranscriptEvent(Transcript(results=[Result(alternatives=[Alternative(items=[Item(content="he")])])])))


@each("path", [(), *(path for path in PLACES)], ids=repr)
def test_unknown_fields_are_skipped(path):
    def add(container, step):
        target = container[step] if path else container
        if isinstance(target, dict):
            target["Tomorrow"] = {"Items": [1, None, {"x": [[]]}]}

    content = changed([EVERYTHING], (0, *path), add)[0]
    assert parsed(content) == TYPED
    content["Null"] = None
    assert parsed(content) == TYPED


def beside(alternatives, unknown):
    """Return what is made of a result with these alternatives and something unknown."""
    payload = b'{"Tomorrow": %b, "Transcript": {"Results": [{"Tomorrow": %b, "Alternatives": %b}]}}'
    try:
        return parsed(payload % (unknown, unknown, alternatives))
    except InvalidEvent as error:
        return str(error)


@each("alternatives", [b"[]", b"null"])
@each("unknown", [b"1e400", b'"\xff"', b"[" * 50 + b"]" * 50], ids=repr)
def test_unknown_fields_may_be_beyond_python(alternatives, unknown):
    assert beside(alternatives, unknown) == TranscriptEvent(Transcript(results=[Result()]))


@pytest.mark.parametrize("depth", [900, 1_200, 5_000, 100_000])
def test_unknown_fields_may_be_deep_beside_a_null(depth):
    """How deep, depends on the Python."""
    unknown = b"[" * depth + b"]" * depth
    assert beside(b"null", unknown) == beside(b"[]", unknown)


def test_numbers_may_be_integers():
    event = parsed(within(("Transcript", "Results", 0), {"StartTime": 0, "EndTime": 2}))
    assert (event.transcript.results[0].start_time, event.transcript.results[0].end_time) == (0.0, 2.0)
    event = parsed(within(("Transcript", "Results", 0), {"StartTime": 0, "EndTime": 2, "Alternatives": None}))
    assert type(event.transcript.results[0].end_time) is float


# What is wrong


@each(
    ("path", "wrong"),
    [
        ((), []),
        ((), "text"),
        ((), 5),
        ((), None),
        (("Transcript",), []),
        (("Transcript",), "text"),
        (("Transcript", "Results"), {}),
        (("Transcript", "Results"), "text"),
        (("Transcript", "Results", 0), []),
        (("Transcript", "Results", 0, "ResultId"), 5),
        (("Transcript", "Results", 0, "StartTime"), "0.5"),
        (("Transcript", "Results", 0, "EndTime"), True),
        (("Transcript", "Results", 0, "IsPartial"), "true"),
        (("Transcript", "Results", 0, "Alternatives"), {}),
        (("Transcript", "Results", 0, "LanguageIdentification"), {}),
        (("Transcript", "Results", 0, "LanguageIdentification", 0, "Score"), "1"),
        (("Transcript", "Results", 0, "Alternatives", 0, "Transcript"), ["he"]),
        (("Transcript", "Results", 0, "Alternatives", 0, "Items"), "he"),
        (("Transcript", "Results", 0, "Alternatives", 0, "Items", 0), "he"),
        (("Transcript", "Results", 0, "Alternatives", 0, "Items", 0, "Content"), {}),
        (("Transcript", "Results", 0, "Alternatives", 0, "Items", 0, "Stable"), 1),
        (("Transcript", "Results", 0, "Alternatives", 0, "Entities", 0, "Confidence"), []),
    ],
    ids=repr,
)
@each("nulls", [False, True], ids=["", "and nulls"])
def test_json_of_another_shape(path, wrong, nulls):
    content = within(path, wrong)
    if nulls and isinstance(content, dict):
        content["Null"] = None
    with pytest.raises(InvalidEvent, match="TranscriptEvent") as caught:
        parsed(content)
    assert caught.value.event_type == "TranscriptEvent"
    expected = "".join("[...]" if step == 0 else f".{step}" for step in path)
    assert (caught.value.path or "$").replace("[0]", "[...]") == "$" + expected
    assert caught.value.__suppress_context__
    assert "msgspec" not in str(caught.value)


@each(
    "payload",
    [
        b"",
        b" ",
        b"{",
        b"}",
        b"nul",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b"{'Transcript': {}}",
        b'{"Transcript": {}} x',
        b'{"Transcript": NaN}',
        b'{"Transcript": {"Results": [null]',
        b'{"Transcript": {"Results": [{"ResultId": "\xff"}]}}',
        b'{"Transcript": {"Results": [{"ResultId": "\xff", "StartTime": null}]}}',
        b'{"Transcript": {"Results": [null, {"ResultId": "\xff"}]}}',
        b'{"Transcript": {"Results": [{"ResultId": "\\ud800 and more text"}]}}',
        b'{"Transcript": {"Results": [{"StartTime": 1e400}]}}',
        b'{"Tomorrow": ' + b"[" * 100_000,
        b'{"Null": null, "Transcript": ' + b"[" * 100_000,
        b'{"Transcript": ' * 100_000,
    ],
    ids=lambda payload: repr(payload[:60]),
)
def test_payload_is_not_json_at_all(payload):
    with pytest.raises(InvalidEvent) as caught:
        parsed(payload)
    assert len(str(caught.value)) < 200


def test_text_says_where_and_what():
    with pytest.raises(InvalidEvent) as caught:
        parsed(within(("Transcript", "Results", 0, "StartTime"), "soon"))
    assert str(caught.value) == (
        "event 'TranscriptEvent': expected a number, got a string at $.Transcript.Results[0].StartTime"
    )
    assert (caught.value.event_type, caught.value.path) == ("TranscriptEvent", "$.Transcript.Results[0].StartTime")


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b'{"Transcript": {"Results": [{"ResultId": "\xff"}]}}', "its JSON is not UTF-8"),
        # From Python 3.14 on the stack decides how deep is too deep, and this may be parsed.
        (
            b'{"Transcript": ' * 60_000,
            "its JSON is nested too deeply"
            if sys.version_info < (3, 14)
            else "its JSON does not have the shape of the event",
        ),
    ],
    ids=["not UTF-8", "deep"],
)
def test_text_says_what_no_place_has(payload, reason):
    with pytest.raises(InvalidEvent) as caught:
        parsed(payload)
    assert str(caught.value) == f"event 'TranscriptEvent': {reason}"
    assert (caught.value.event_type, caught.value.path) == ("TranscriptEvent", None)


@each(
    ("headers", "event_type"),
    [
        ({}, None),
        ({":event-type": "TranscriptEvent"}, "TranscriptEvent"),
        ({":message-type": "event"}, None),
        ({":message-type": "events", ":event-type": "TranscriptEvent"}, "TranscriptEvent"),
        ({":message-type": 5, ":event-type": "TranscriptEvent"}, "TranscriptEvent"),
        ({":message-type": "event", ":event-type": b"TranscriptEvent"}, None),
        ({":message-type": "x" * 30_000, ":event-type": "y" * 30_000}, "y" * 30_000),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_message_that_is_no_event(headers, event_type):
    with pytest.raises(InvalidEvent) as caught:
        event_from_message(Message(headers, b"{}"))
    assert (caught.value.event_type, caught.value.path) == (event_type, None)
    assert len(str(caught.value)) < 250
    message_type = headers.get(":message-type")
    if message_type == "event":
        assert str(caught.value).endswith(" it has no :event-type")
    elif isinstance(message_type, str):
        assert " unknown :message-type '" + message_type[:8] in str(caught.value)
    else:
        assert str(caught.value).endswith(" it has no :message-type")


def test_service_s_errors_are_raised():
    with pytest.raises(BadRequestException, match="why"):
        event_from_message(
            Message({":message-type": "exception", ":exception-type": "BadRequestException"}, b'{"Message": "why"}')
        )
    with pytest.raises(TranscribeError, match="Teapot: why"):
        event_from_message(Message({":message-type": "error", ":error-code": "Teapot", ":error-message": "why"}))


def test_unknown_event_is_passed_on():
    message = Message({":message-type": "event", ":event-type": "UtteranceEvent"}, b"anything")
    assert event_from_message(message) is message


@given(st.binary(max_size=64))
def test_payload_is_an_event_or_an_invalid_one(payload):
    outcome(payload)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["Transcript", "Results", "Alternatives", "Items", "Entities", "StartTime", "IsPartial", "Content"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(json_values)
def test_json_is_an_event_or_an_invalid_one(content):
    outcome(json.dumps(content).encode())
    outcome(json.dumps({"Transcript": {"Results": [content]}}).encode())


def outcome(payload):
    try:
        event = parsed(payload)
    except InvalidEvent:
        return
    assert event_from_message(event_to_message(event)) == event


# Payloads as views


def test_payloads_may_be_views():
    audio = event_to_message(AudioEvent(b"..")).encode()
    nulls = transcript_message({"Transcript": None}).encode()
    messages = list(eventstream.Decoder(copy=False).feed(SPEECH + audio + nulls))
    assert all(isinstance(message.payload, memoryview) for message in messages)
    events = [event_from_message(message) for message in messages]
    assert events[:-2] == [event_from_message(message) for message in eventstream.iter_messages(SPEECH)]
    assert events[-2:] == [AudioEvent(b".."), TranscriptEvent()]
    assert type(events[-2].audio_chunk) is bytes


# Audio and configuration


@pytest.mark.parametrize("chunk", [b"", b"\0\1", bytes(32_768)], ids=len)
def test_audio_there_and_back(chunk):
    message = event_to_message(AudioEvent(chunk))
    assert message.headers is AUDIO_EVENT_HEADERS
    assert message.payload == chunk
    assert dict(message.headers) == {
        ":message-type": "event",
        ":event-type": "AudioEvent",
        ":content-type": "application/octet-stream",
    }
    assert event_from_message(eventstream.decode(message.encode())) == AudioEvent(audio_chunk=chunk)


def test_empty_chunk_without_a_content_type():
    message = Message({":message-type": "event", ":event-type": "AudioEvent"})
    assert event_from_message(message) == AudioEvent(b"")


def test_audio_in_other_buffers():
    assert event_to_message(AudioEvent(bytearray(b"ab"))).payload == b"ab"
    with pytest.raises(BufferError):
        event_to_message(AudioEvent(memoryview(b"abcd")[::2]))


def test_configuration_there_and_back():
    event = ConfigurationEvent(
        channel_definitions=[
            ChannelDefinition(channel_id=0, participant_role="AGENT"),
            ChannelDefinition(channel_id=1, participant_role="CUSTOMER"),
        ],
        post_call_analytics_settings=PostCallAnalyticsSettings(
            output_location="s3://b/",
            data_access_role_arn="arn:aws:iam::111122223333:role/Admin",
            content_redaction_output="redacted",
            output_encryption_kms_key_id="alias/a",
        ),
    )
    message = event_to_message(event)
    assert message.headers is CONFIGURATION_EVENT_HEADERS
    assert message.event_type == "ConfigurationEvent"
    assert json.loads(message.payload) == {
        "ChannelDefinitions": [
            {"ChannelId": 0, "ParticipantRole": "AGENT"},
            {"ChannelId": 1, "ParticipantRole": "CUSTOMER"},
        ],
        "PostCallAnalyticsSettings": {
            "OutputLocation": "s3://b/",
            "DataAccessRoleArn": "arn:aws:iam::111122223333:role/Admin",
            "ContentRedactionOutput": "redacted",
            "OutputEncryptionKMSKeyId": "alias/a",
        },
    }
    assert event_from_message(message) == event


def test_configuration_may_be_empty_or_wrong():
    assert event_to_message(ConfigurationEvent()).payload == b"{}"
    for content in (b"{}", b'{"ChannelDefinitions": null, "PostCallAnalyticsSettings": null}'):
        assert parsed_configuration(content) == ConfigurationEvent()
    with pytest.raises(InvalidEvent, match="ConfigurationEvent"):
        parsed_configuration(b'{"ChannelDefinitions": 5}')


def parsed_configuration(payload):
    return event_from_message(Message(CONFIGURATION_EVENT_HEADERS, payload))


# What cannot be written


@pytest.mark.parametrize("value", [None, "event", Transcript(), b"audio", Message()], ids=repr)
def test_event_of_another_class_is_a_type_error(value):
    with pytest.raises(TypeError, match=f"^an event must be one of .*, TranscriptEvent, not {type(value).__name__}$"):
        event_to_message(value)


def test_values_of_other_types_are_a_type_error():
    with pytest.raises(TypeError, match=r"^TranscriptEvent: a value has a type that the event's JSON does not have$"):
        event_to_message(TranscriptEvent(Transcript(results=[Result(result_id=object())])))


def test_text_with_lone_surrogates_is_an_encode_error():
    reason = r"^TranscriptEvent: it cannot be written as JSON \(a text has a lone surrogate\)$"
    with pytest.raises(EncodeError, match=reason) as caught:
        event_to_message(TranscriptEvent(Transcript(results=[Result(result_id="\ud800")])))
    assert caught.value.__context__ is None


# Any event


@given(testing.transcripts())
def test_events_there_and_back(event):
    wire = event_to_message(event).encode()
    assert event_from_message(eventstream.decode(wire)) == event


def test_structs_are_those_of_msgspec():
    """So that `msgspec.structs.replace` and `msgspec.to_builtins` work on them."""
    item = msgspec.structs.replace(Item(content="he"), content="she")
    assert msgspec.to_builtins(item) == {"Content": "she"}


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_json_does_not_have(number):
    for result in (
        Result(start_time=number),
        Result(alternatives=[Alternative(items=[Item(confidence=number)])]),
        Result(language_identification=[LanguageIdentification(score=number)]),
        Result(language_identification=(LanguageIdentification(score=number),)),
    ):
        with pytest.raises(
            EncodeError, match=r"^TranscriptEvent: it cannot be written as JSON \(a number is not finite\)$"
        ):
            event_to_message(TranscriptEvent(Transcript(results=[result])))
    text = Result(result_id="null", start_time=1.0)
    assert b'"null"' in event_to_message(TranscriptEvent(Transcript(results=[text]))).payload
