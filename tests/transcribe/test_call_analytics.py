"""StartCallAnalyticsStreamTranscription: its parameters and events, and both ends against each other."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from transcribe.emulated import client_of, run

from eventstream import Message
from eventstream.exceptions import StateError
from eventstream.operation import InvalidRequest, Parts
from eventstream.transcribe import BadRequestException, ConfigurationEvent, InvalidAudio
from eventstream.transcribe.call_analytics import (
    CallAnalyticsEntity,
    CategoryEvent,
    CharacterOffsets,
    IssueDetected,
    PointsOfInterest,
    StartCallAnalyticsStreamTranscriptionRequest,
    StartCallAnalyticsStreamTranscriptionResponse,
    TimestampRange,
    UtteranceEvent,
)
from eventstream.transcribe.emulator import Emulator, Scripted
from eventstream.transcribe.model import AudioEvent, ChannelDefinition
from eventstream.transcribe.operations import START_CALL_ANALYTICS_STREAM_TRANSCRIPTION
from eventstream.transcribe.sync import TranscribeClient as SyncClient

OPERATION = START_CALL_ANALYTICS_STREAM_TRANSCRIPTION
SESSION_ID = "5ff0f4a6-2a3e-4a8f-9d4f-000000000001"
REQUIRED = {"language_code": "en-US", "media_sample_rate_hertz": 8000, "media_encoding": "pcm"}
CHUNK = bytes(3_200)  # a tenth of a second of two channels
CONFIGURATION = ConfigurationEvent(
    channel_definitions=[
        ChannelDefinition(channel_id=0, participant_role="CUSTOMER"),
        ChannelDefinition(channel_id=1, participant_role="AGENT"),
    ]
)


def test_parameters_there_and_back():
    request = StartCallAnalyticsStreamTranscriptionRequest(
        **REQUIRED, vocabulary_names=["one", "two"], pii_entity_types="NAME,PHONE", session_id=SESSION_ID
    )
    parts = OPERATION.request.write(request)
    assert dict(parts.headers) == {
        "x-amzn-transcribe-language-code": "en-US",
        "x-amzn-transcribe-sample-rate": "8000",
        "x-amzn-transcribe-media-encoding": "pcm",
        "x-amzn-transcribe-session-id": SESSION_ID,
        "x-amzn-transcribe-vocabulary-names": "one,two",
        "x-amzn-transcribe-pii-entity-types": "NAME,PHONE",
    }
    assert OPERATION.request.read(parts) == request
    target = OPERATION.websocket_target(parts)
    assert target.startswith("/call-analytics-stream-transcription-websocket?language-code=en-US&sample-rate=8000&")
    assert OPERATION.request.read(OPERATION.match_websocket(target)) == request


@pytest.mark.parametrize(
    ("parameters", "problems"),
    [
        ({"media_encoding": "mp3"}, {"media_encoding"}),
        ({"language_code": None}, {"language_code"}),
        ({"identify_language": True}, {"identify_language"}),
        ({"media_sample_rate_hertz": 7999, "session_id": "1"}, {"media_sample_rate_hertz", "session_id"}),
    ],
)
def test_parameters_that_are_invalid(parameters, problems):
    with pytest.raises(InvalidRequest) as raised:
        StartCallAnalyticsStreamTranscriptionRequest(**{**REQUIRED, **parameters})
    assert raised.value.problems.keys() == problems


def test_response_there_and_back():
    request = StartCallAnalyticsStreamTranscriptionRequest(**REQUIRED)
    response = StartCallAnalyticsStreamTranscriptionResponse.from_request(request, session_id=SESSION_ID)
    headers = [("x-amzn-request-id", "id"), *response.to_headers()]
    read = OPERATION.response.read(Parts(headers=headers))
    assert (read.request_id, read.session_id, read.media_sample_rate_hertz) == ("id", SESSION_ID, 8000)


def test_events_there_and_back():
    utterance = UtteranceEvent(
        utterance_id="1",
        participant_role="AGENT",
        transcript="Hi",
        sentiment="POSITIVE",
        issues_detected=[IssueDetected(character_offsets=CharacterOffsets(begin=0, end=2))],
        entities=[CallAnalyticsEntity(begin_offset_millis=3, type="NAME", content="Hi")],
    )
    message = OPERATION.outputs.serialise(utterance)
    assert message.event_type == "UtteranceEvent"
    assert msgspec.json.decode(message.payload) == {
        "UtteranceId": "1",
        "IsPartial": False,
        "ParticipantRole": "AGENT",
        "Transcript": "Hi",
        "Items": [],
        "Entities": [{"BeginOffsetMillis": 3, "Type": "NAME", "Content": "Hi"}],
        "Sentiment": "POSITIVE",
        "IssuesDetected": [{"CharacterOffsets": {"Begin": 0, "End": 2}}],
    }
    assert OPERATION.parse_output(message) == utterance
    ranges = [TimestampRange(begin_offset_millis=1, end_offset_millis=2)]
    category = CategoryEvent(matched_categories=["a"], matched_details={"a": PointsOfInterest(timestamp_ranges=ranges)})
    message = OPERATION.outputs.serialise(category)
    assert OPERATION.parse_output(message) == category
    nulls = b'{"MatchedCategories": null, "MatchedDetails": {"a": {"TimestampRanges": null}, "b": null}}'
    assert OPERATION.parse_output(Message(message.headers, nulls)) == CategoryEvent(
        matched_details={"a": PointsOfInterest()}
    )


def test_ends_talk_to_each_other():
    async def main():
        async with Emulator(recogniser=Scripted("One {NAME two} three.")) as emulator:
            client = client_of(emulator)
            async with client.start_call_analytics_stream_transcription(
                **REQUIRED, content_identification_type="PII", enable_partial_results_stabilization=True
            ) as stream:
                assert stream.response.session_id
                assert stream.response.request_id
                await stream.send(CONFIGURATION)
                with pytest.raises(InvalidAudio):
                    await stream.send_audio(CHUNK[:-2])
                for _ in range(9):
                    await stream.send_audio(CHUNK)
                await stream.end_audio()
                events = [event async for event in stream]
            assert {type(event) for event in events} == {UtteranceEvent}
            partial, *_ = events
            assert partial.is_partial
            customer, agent = [event for event in events if not event.is_partial]
            assert (customer.participant_role, agent.participant_role) == ("CUSTOMER", "AGENT")
            for event in (customer, agent):
                assert event.transcript == "One two three."
                assert (event.begin_offset_millis, event.end_offset_millis) == (0, 900)
                assert [item.content for item in event.items] == ["One", "two", "three", "."]
                assert (event.items[1].begin_offset_millis, event.items[1].end_offset_millis) == (300, 600)
                assert all(item.stable for item in event.items)
                [entity] = event.entities
                assert (entity.type, entity.content, entity.begin_offset_millis) == ("NAME", "two", 300)
            assert emulator.statistics.signatures == 12
            assert emulator.statistics.transcript_events == len(events)

    run(main)


def test_compressed_audio_is_that_of_the_first_channel():
    """The scripted recogniser takes it as it came, and hears no channels in it."""

    async def main():
        async with Emulator(recogniser=Scripted("One two three.")) as emulator:
            parameters = {**REQUIRED, "media_encoding": "flac"}
            async with client_of(emulator).start_call_analytics_stream_transcription(**parameters) as stream:
                await stream.send(CONFIGURATION)
                await stream.send_audio(bytes(800))
                await stream.end_audio()
                found = [(event.participant_role, event.transcript) async for event in stream if not event.is_partial]
            assert found == [("CUSTOMER", "One")]

    run(main)


@pytest.mark.parametrize(
    ("events", "text"),
    [
        ([], "audio before the configuration: a ConfigurationEvent must come first"),
        ([ConfigurationEvent()], "The channel definitions must say which of the channels 0 and 1 is the agent's."),
        (
            [ConfigurationEvent(channel_definitions=[ChannelDefinition(channel_id=0, participant_role="AGENT")] * 2)],
            "The channel definitions must say which of the channels 0 and 1 is the agent's.",
        ),
    ],
)
def test_configuration_that_is_missing_or_wrong(events, text):
    async def main():
        async with Emulator() as emulator:
            async with client_of(emulator).start_call_analytics_stream_transcription(**REQUIRED) as stream:
                # As a client without our checks sends it.
                for event in [*events, AudioEvent(CHUNK)]:
                    await stream.prepare()
                    await stream.transmit(stream._session._exchange.send(OPERATION.inputs.serialise(event)))
                with pytest.raises(BadRequestException) as raised:
                    await anext(stream)
            assert raised.value.message == text

    run(main)


def test_script_tells_sentiments_issues_and_categories():
    script = """
        Hello there.
        @sentiment NEGATIVE
        @category complaint
        Well, {ISSUE my phone is broken}.
    """

    async def main():
        async with Emulator(recogniser=Scripted(script)) as emulator:
            client = client_of(emulator)
            async with client.start_call_analytics_stream_transcription(**REQUIRED) as stream:
                await stream.send(CONFIGURATION)
                for _ in range(21):
                    await stream.send_audio(CHUNK)
                await stream.end_audio()
                events = [event async for event in stream if isinstance(event, CategoryEvent) or not event.is_partial]
            kinds = [type(event) for event in events]
            assert kinds == [UtteranceEvent] * 2 + [UtteranceEvent, CategoryEvent] * 2, "of both channels"
            greeting, _, complaint, category, *_ = events
            assert (greeting.sentiment, greeting.issues_detected) == (None, [])
            assert complaint.sentiment == "NEGATIVE"
            [issue] = complaint.issues_detected
            offsets = issue.character_offsets
            assert complaint.transcript[offsets.begin : offsets.end] == "my phone is broken"
            stretch = TimestampRange(
                begin_offset_millis=complaint.begin_offset_millis, end_offset_millis=complaint.end_offset_millis
            )
            assert category == CategoryEvent(
                matched_categories=["complaint"],
                matched_details={"complaint": PointsOfInterest(timestamp_ranges=[stretch])},
            )

    run(main)


def test_client_sends_no_audio_before_the_configuration():
    async def main():
        async with Emulator(recogniser=Scripted("One two three.")) as emulator:
            client = client_of(emulator)
            async with client.start_call_analytics_stream_transcription(**REQUIRED) as stream:
                for send in (stream.send_audio, lambda chunk: stream.send(AudioEvent(chunk))):
                    with pytest.raises(InvalidAudio, match="a ConfigurationEvent must come first"):
                        await send(CHUNK)
                await stream.send(CONFIGURATION)
                await stream.send_audio(CHUNK)
                await stream.end_audio()
                with pytest.raises(StateError):
                    await stream.send_audio(CHUNK)
                assert [event.transcript async for event in stream if not event.is_partial] == ["One", "One"]

    run(main)


def test_without_asyncio():
    async def main():
        async with Emulator(recogniser=Scripted("One two three.")) as emulator:

            def call():
                request = StartCallAnalyticsStreamTranscriptionRequest(**REQUIRED)
                client = client_of(emulator, SyncClient)
                with client.start_call_analytics_stream_transcription(request, session_id=SESSION_ID) as stream:
                    stream.send(CONFIGURATION)
                    stream.send_audio(CHUNK)
                    stream.end_audio()
                    return [event.participant_role for event in stream if not event.is_partial]

            assert await asyncio.to_thread(call) == ["CUSTOMER", "AGENT"]

    run(main)
