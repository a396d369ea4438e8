"""StartMedicalScribeStream: its parameters and events, and both ends against each other."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from cases import each
from transcribe.emulated import client_of, run

from eventstream import Message
from eventstream.operation import InvalidRequest, Parts
from eventstream.transcribe import AudioEvent, BadRequestException, InvalidAudio
from eventstream.transcribe.emulator import Emulator, Scripted
from eventstream.transcribe.medical_scribe import (
    ClinicalNoteGenerationSettings,
    MedicalScribeChannelDefinition,
    MedicalScribeConfigurationEvent,
    MedicalScribeEncryptionSettings,
    MedicalScribePostStreamAnalyticsSettings,
    MedicalScribeSessionControlEvent,
    MedicalScribeTranscriptEvent,
    MedicalScribeTranscriptSegment,
    StartMedicalScribeStreamRequest,
    StartMedicalScribeStreamResponse,
)
from eventstream.transcribe.operations import START_MEDICAL_SCRIBE_STREAM
from eventstream.transcribe.sync import TranscribeClient as SyncClient

OPERATION = START_MEDICAL_SCRIBE_STREAM
SESSION_ID = "5ff0f4a6-2a3e-4a8f-9d4f-000000000001"
REQUIRED = {"language_code": "en-US", "media_sample_rate_hertz": 16000, "media_encoding": "pcm"}
CHUNK = bytes(3_200)
END = MedicalScribeSessionControlEvent(type="END_OF_SESSION")


def configuration(*roles, **fields):
    notes = ClinicalNoteGenerationSettings(output_bucket_name="notes")
    return MedicalScribeConfigurationEvent(
        **{
            "resource_access_role_arn": "arn:aws:iam::123456789012:role/scribe",
            "post_stream_analytics_settings": MedicalScribePostStreamAnalyticsSettings(
                clinical_note_generation_settings=notes
            ),
            "channel_definitions": [
                MedicalScribeChannelDefinition(channel_id=number, participant_role=role)
                for number, role in enumerate(roles)
            ],
            **fields,
        }
    )


def test_parameters_there_and_back():
    request = StartMedicalScribeStreamRequest(**REQUIRED, session_id=SESSION_ID)
    parts = OPERATION.request.write(request)
    assert list(parts.headers) == [
        ("x-amzn-transcribe-session-id", SESSION_ID),
        ("x-amzn-transcribe-language-code", "en-US"),
        ("x-amzn-transcribe-sample-rate", "16000"),
        ("x-amzn-transcribe-media-encoding", "pcm"),
    ]
    assert OPERATION.request.read(parts) == request
    assert OPERATION.websocket_path is None, "the service has none for it"


@pytest.mark.parametrize("field", REQUIRED)
def test_parameters_that_are_missing(field):
    header = StartMedicalScribeStreamRequest.parameters[field].header
    headers = [pair for pair in StartMedicalScribeStreamRequest(**REQUIRED).to_headers() if pair[0] != header]
    with pytest.raises(InvalidRequest) as raised:
        StartMedicalScribeStreamRequest.from_headers(headers)
    assert raised.value.problems.keys() == {field}


@pytest.mark.parametrize(("field", "value"), [("media_sample_rate_hertz", 8000), ("media_encoding", "g729")])
def test_parameters_that_are_invalid(field, value):
    with pytest.raises(InvalidRequest) as raised:
        StartMedicalScribeStreamRequest(**{**REQUIRED, field: value})
    assert raised.value.problems.keys() == {field}


def test_response_there_and_back():
    request = StartMedicalScribeStreamRequest(**REQUIRED)
    response = StartMedicalScribeStreamResponse.from_request(request, session_id=SESSION_ID)
    read = OPERATION.response.read(Parts(headers=[("x-amzn-request-id", "id"), *response.to_headers()]))
    assert (read.request_id, read.session_id, read.language_code) == ("id", SESSION_ID, "en-US")


def test_events_there_and_back():
    sent = configuration(
        "PATIENT",
        "CLINICIAN",
        encryption_settings=MedicalScribeEncryptionSettings(kms_encryption_context={"a": "b"}, kms_key_id="key"),
    )
    message = OPERATION.inputs.serialise(sent)
    assert message.event_type == "ConfigurationEvent"
    assert msgspec.json.decode(message.payload) == {
        "ResourceAccessRoleArn": "arn:aws:iam::123456789012:role/scribe",
        "ChannelDefinitions": [
            {"ChannelId": 0, "ParticipantRole": "PATIENT"},
            {"ChannelId": 1, "ParticipantRole": "CLINICIAN"},
        ],
        "EncryptionSettings": {"KmsEncryptionContext": {"a": "b"}, "KmsKeyId": "key"},
        "PostStreamAnalyticsSettings": {"ClinicalNoteGenerationSettings": {"OutputBucketName": "notes"}},
    }
    assert OPERATION.inputs.parse(message) == sent
    payload = b'{"EncryptionSettings": {"KmsEncryptionContext": null}, "ChannelDefinitions": null}'
    nulls = Message(message.headers, payload)
    assert OPERATION.inputs.parse(nulls) == MedicalScribeConfigurationEvent(
        encryption_settings=MedicalScribeEncryptionSettings()
    )
    assert OPERATION.inputs.parse(OPERATION.inputs.serialise(END)) == END
    assert OPERATION.inputs.serialise(AudioEvent(b"ab")).payload == b"ab"
    event = MedicalScribeTranscriptEvent(MedicalScribeTranscriptSegment(segment_id="1", content="heart"))
    assert OPERATION.parse_output(OPERATION.outputs.serialise(event)) == event


async def segments(emulator, sent, *chunks):
    async with client_of(emulator).start_medical_scribe_stream(**REQUIRED) as stream:
        assert stream.response.session_id
        await stream.send(sent)
        for chunk in chunks:
            await stream.send_audio(chunk)
        await stream.send(END)
        await stream.end_audio()
        return [event.transcript_segment async for event in stream]


def test_ends_talk_to_each_other():
    async def main():
        async with Emulator(recogniser=Scripted("One two three.\n@filter rude two")) as emulator:
            sent = configuration(vocabulary_filter_name="rude", vocabulary_filter_method="mask")
            *partial, last = await segments(emulator, sent, *[CHUNK] * 9)
            assert all(segment.is_partial and segment.segment_id == last.segment_id for segment in partial)
            assert not last.is_partial
            assert last.content == "One *** three."
            assert (last.begin_audio_time, last.end_audio_time, last.channel_id) == (0.0, 0.9, None)
            assert [(item.content, item.begin_audio_time) for item in last.items] == [
                ("One", 0.0),
                ("***", 0.3),
                ("three", 0.6),
                (".", 0.9),
            ]
            assert [item.vocabulary_filter_match for item in last.items] == [False, True, False, False]
            assert emulator.statistics.signatures == 13

    run(main)


def test_two_channels():
    async def main():
        async with Emulator(recogniser=Scripted("One two three.")) as emulator:
            found = await segments(emulator, configuration("CLINICIAN", "PATIENT"), *[CHUNK] * 4)
            final = [(segment.channel_id, segment.content) for segment in found if not segment.is_partial]
            assert final == [("ch_0", "One"), ("ch_1", "One")]

    run(main)


def test_session_without_audio():
    async def main():
        async with Emulator() as emulator:
            assert await segments(emulator, configuration()) == []
            async with client_of(emulator).start_medical_scribe_stream(**REQUIRED) as stream:
                await stream.end_audio()
                assert [event async for event in stream] == []

    run(main)


ROLES = "The channel definitions must say which of the channels 0 and 1 is the patient's."
NEEDED = "The configuration needs ResourceAccessRoleArn and OutputBucketName."


@each(
    ("events", "text"),
    [
        ([], "audio before the configuration: a MedicalScribeConfigurationEvent must come first"),
        ([configuration(), END], "audio after the end of the session"),
        ([MedicalScribeSessionControlEvent(type="PAUSE")], "a session control event must have the type END_OF_SESSION"),
        ([configuration("PATIENT")], ROLES),
        ([configuration("PATIENT", "PATIENT")], ROLES),
        ([configuration(resource_access_role_arn=None)], NEEDED),
        ([configuration(post_stream_analytics_settings=None)], NEEDED),
        ([configuration(), configuration()], "The session was configured before."),
        ([configuration(vocabulary_filter_name="a b")], "vocabulary_filter_name: 'a b' (allowed: 1 to 200"),
    ],
)
def test_refused_events(events, text):
    async def main():
        async with Emulator() as emulator:
            async with client_of(emulator).start_medical_scribe_stream(**REQUIRED) as stream:
                # As a client without our checks sends it.
                for event in [*events, AudioEvent(CHUNK)]:
                    await stream.prepare()
                    await stream.transmit(stream._session._exchange.send(OPERATION.inputs.serialise(event)))
                with pytest.raises(BadRequestException) as raised:
                    await anext(stream)
            assert raised.value.message.startswith(text)

    run(main)


def test_client_checks_what_it_sends():
    async def main():
        async with Emulator() as emulator, client_of(emulator).start_medical_scribe_stream(**REQUIRED) as stream:
            with pytest.raises(ValueError, match="END_OF_SESSION"):
                await stream.send(MedicalScribeSessionControlEvent(type="PAUSE"))
            with pytest.raises(InvalidAudio, match="a MedicalScribeConfigurationEvent must come first"):
                await stream.send_audio(CHUNK)
            await stream.send(configuration())
            with pytest.raises(InvalidAudio, match="sample"):
                await stream.send_audio(b"a")
            await stream.send_audio(CHUNK)
            await stream.send(END)
            with pytest.raises(InvalidAudio, match="audio after the end of the session"):
                await stream.send_audio(CHUNK)
            await stream.send(AudioEvent(b""))  # no audio
            await stream.end_audio()

    run(main)


def test_language_but_english_is_refused():
    async def main():
        async with Emulator() as emulator:
            with pytest.raises(BadRequestException, match="'fr-FR' is not supported"):
                async with client_of(emulator).start_medical_scribe_stream(**{**REQUIRED, "language_code": "fr-FR"}):
                    pass

    run(main)


def test_without_asyncio():
    async def main():
        async with Emulator(recogniser=Scripted("One two three.")) as emulator:

            def call():
                request = StartMedicalScribeStreamRequest(**REQUIRED)
                client = client_of(emulator, SyncClient)
                with client.start_medical_scribe_stream(request, session_id=SESSION_ID) as stream:
                    stream.send(configuration())
                    stream.send_audio(CHUNK)
                    stream.send(END)
                    stream.end_audio()
                    return [event.transcript_segment.content for event in stream]

            assert await asyncio.to_thread(call) == ["One", "One"]

    run(main)
