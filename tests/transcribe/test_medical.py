"""StartMedicalStreamTranscription: its parameters and events, and both ends against each other."""

from __future__ import annotations

import msgspec
import pytest
from transcribe.emulated import client_of, run

from eventstream import Message
from eventstream.operation import InvalidRequest, Parts
from eventstream.transcribe import BadRequestException, InvalidAudio
from eventstream.transcribe.emulator import Emulator, Scripted
from eventstream.transcribe.medical import (
    MedicalAlternative,
    MedicalEntity,
    MedicalItem,
    MedicalResult,
    MedicalTranscript,
    MedicalTranscriptEvent,
    StartMedicalStreamTranscriptionRequest,
    StartMedicalStreamTranscriptionResponse,
)
from eventstream.transcribe.operations import START_MEDICAL_STREAM_TRANSCRIPTION

OPERATION = START_MEDICAL_STREAM_TRANSCRIPTION
SESSION_ID = "5ff0f4a6-2a3e-4a8f-9d4f-000000000001"
REQUIRED = {
    "language_code": "en-US",
    "media_sample_rate_hertz": 16000,
    "media_encoding": "pcm",
    "specialty": "CARDIOLOGY",
    "type": "DICTATION",
}
FULL = {
    **REQUIRED,
    "vocabulary_name": "drugs",
    "show_speaker_label": True,
    "session_id": SESSION_ID,
    "enable_channel_identification": True,
    "number_of_channels": 2,
    "content_identification_type": "PHI",
}
CHUNK = bytes(3_200)


def test_parameters_there_and_back():
    request = StartMedicalStreamTranscriptionRequest(**FULL)
    parts = OPERATION.request.write(request)
    assert dict(parts.headers) == {
        "x-amzn-transcribe-language-code": "en-US",
        "x-amzn-transcribe-sample-rate": "16000",
        "x-amzn-transcribe-media-encoding": "pcm",
        "x-amzn-transcribe-vocabulary-name": "drugs",
        "x-amzn-transcribe-specialty": "CARDIOLOGY",
        "x-amzn-transcribe-type": "DICTATION",
        "x-amzn-transcribe-show-speaker-label": "true",
        "x-amzn-transcribe-session-id": SESSION_ID,
        "x-amzn-transcribe-enable-channel-identification": "true",
        "x-amzn-transcribe-number-of-channels": "2",
        "x-amzn-transcribe-content-identification-type": "PHI",
    }
    assert OPERATION.request.read(parts) == request
    assert OPERATION.target(parts) == "/medical-stream-transcription"
    target = OPERATION.websocket_target(parts)
    assert target.startswith("/medical-stream-transcription-websocket?language-code=en-US&sample-rate=16000&")
    assert OPERATION.request.read(OPERATION.match_websocket(target)) == request


@pytest.mark.parametrize("field", REQUIRED)
def test_parameters_that_are_missing(field):
    headers = [
        pair
        for pair in StartMedicalStreamTranscriptionRequest(**REQUIRED).to_headers()
        if pair[0] != StartMedicalStreamTranscriptionRequest.parameters[field].header
    ]
    with pytest.raises(InvalidRequest) as raised:
        StartMedicalStreamTranscriptionRequest.from_headers(headers)
    assert raised.value.problems.keys() == {field}
    assert raised.value.problems[field].startswith("missing (allowed: ")


@pytest.mark.parametrize(
    ("field", "value"),
    [("specialty", "DENTISTRY"), ("type", "SONG"), ("number_of_channels", 3), ("content_identification_type", "PII")],
)
def test_parameters_that_are_invalid(field, value):
    with pytest.raises(InvalidRequest) as raised:
        StartMedicalStreamTranscriptionRequest(**{**REQUIRED, field: value})
    assert raised.value.problems.keys() == {field}


def test_response_there_and_back():
    request = StartMedicalStreamTranscriptionRequest(**REQUIRED)
    response = StartMedicalStreamTranscriptionResponse.from_request(request, session_id=SESSION_ID)
    assert response.given() == {**REQUIRED, "session_id": SESSION_ID}
    headers = [("x-amzn-requestid", "id"), *response.to_headers(), ("x-amzn-transcribe-number-of-channels", "two")]
    read = OPERATION.response.read(Parts(headers=headers))
    assert (read.request_id, read.number_of_channels) == ("id", None)
    assert (read.specialty, read.session_id) == ("CARDIOLOGY", SESSION_ID)


def test_events_there_and_back():
    item = MedicalItem(start_time=0.0, end_time=0.5, type="pronunciation", content="heart", confidence=1.0, speaker="0")
    entity = MedicalEntity(start_time=0.0, end_time=0.5, category="PHI", content="heart", confidence=0.9)
    alternative = MedicalAlternative(transcript="heart", items=[item], entities=[entity])
    result = MedicalResult(result_id="1", start_time=0.0, end_time=0.5, alternatives=[alternative], channel_id="ch_0")
    event = MedicalTranscriptEvent(MedicalTranscript(results=[result]))
    message = OPERATION.outputs.serialise(event)
    assert message.event_type == "TranscriptEvent"
    assert msgspec.json.decode(message.payload)["Transcript"]["Results"][0]["Alternatives"][0]["Items"] == [
        {
            "StartTime": 0.0,
            "EndTime": 0.5,
            "Type": "pronunciation",
            "Content": "heart",
            "Confidence": 1.0,
            "Speaker": "0",
        }
    ]
    assert OPERATION.parse_output(message) == event
    nulls = Message(message.headers, b'{"Transcript": {"Results": [{"Alternatives": null, "ResultId": null}]}}')
    assert OPERATION.parse_output(nulls) == MedicalTranscriptEvent(MedicalTranscript(results=[MedicalResult()]))


def test_ends_talk_to_each_other():
    async def main():
        async with Emulator(recogniser=Scripted("One two three.")) as emulator:
            client = client_of(emulator)
            async with client.start_medical_stream_transcription(**REQUIRED, show_speaker_label=True) as stream:
                assert stream.request.specialty == stream.response.specialty == "CARDIOLOGY"
                assert stream.response.session_id
                assert stream.response.request_id
                with pytest.raises(InvalidAudio):
                    await stream.send_audio(CHUNK[:-1])
                for _ in range(9):
                    await stream.send_audio(CHUNK)
                await stream.end_audio()
                events = [event async for event in stream]
            assert {type(event) for event in events} == {MedicalTranscriptEvent}
            last = [result for event in events for result in event.transcript.results if not result.is_partial]
            assert [result.alternatives[0].transcript for result in last] == ["One two three."]
            assert {item.speaker for item in last[0].alternatives[0].items if item.type == "pronunciation"} == {"0"}
            assert emulator.statistics.signatures == 11

    run(main)


def test_language_but_english_is_refused():
    async def main():
        async with Emulator() as emulator:
            with pytest.raises(BadRequestException, match="'fr-FR' is not supported"):
                async with client_of(emulator).start_medical_stream_transcription(
                    **{**REQUIRED, "language_code": "fr-FR"}
                ):
                    pass

    run(main)


def test_beginning_is_tried_again_with_the_same_session(monkeypatch):
    async def at_once(*_):
        return True

    monkeypatch.setattr("eventstream.client.retries._pause", at_once)

    async def main():
        async with Emulator(faults=["exception:ServiceUnavailableException@0*1"]) as emulator:
            request = StartMedicalStreamTranscriptionRequest(**REQUIRED)
            client = client_of(emulator)
            async with client.start_medical_stream_transcription(request, retries=1, type="CONVERSATION") as stream:
                assert stream.request.session_id == stream.response.session_id
                assert stream.request.type == "CONVERSATION"

    run(main)
