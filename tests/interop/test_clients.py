"""Clients that are not ours run whole streams against the emulator, and get what it says.

The emulator verifies every signature: of the request, of each event and of the end of the audio. So a stream that comes
to its end was signed as AWS signs, and one whose keys are wrong shows that this is checked.

They are installed and run only if they are asked for, with ``EVENTSTREAM_INTEROP=1``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from eventstream.transcribe import StartStreamTranscriptionRequest
from eventstream.transcribe.emulator import Scripted
from eventstream.transcribe.emulator.results import ChannelResults

if not os.environ.get("EVENTSTREAM_INTEROP"):
    pytest.skip("clients that are not ours run with EVENTSTREAM_INTEROP=1", allow_module_level=True)

ROOT = Path(__file__).parents[2]
CLIENT_TIMEOUT = 60

SESSION_ID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
PCM = {"language_code": "en-US", "media_sample_rate_hertz": 16000, "media_encoding": "pcm"}
EXCEPTIONS = {
    "BadRequestException": 400,
    "LimitExceededException": 429,
    "InternalFailureException": 500,
    "ConflictException": 409,
    "ServiceUnavailableException": 503,
}
STATUS_NOT_TOLD = {("amazon-transcribe", "LimitExceededException")}
UNKNOWN_ERRORS = {
    "amazon-transcribe": "UnknownServiceException",
    "capo": "UnknownServiceError",
    "aws-sdk-python": "CallError",
}
"""What these make of an error that is not in the model of the service."""

CORRECT_THEIR_CLOCKS = {"aws-sdk-js"}


def stream(*chunks: int, hold: bool = False, **parameters: Any) -> dict[str, Any]:
    """Return a stream for a driver: lengths of chunks, and what is other than usual in the request."""
    return {"parameters": {**PCM, **parameters}, "chunks": chunks, "hold": hold}


def expected_events(stream: dict[str, Any], session_id: str) -> list[Any]:
    """Each event's results as JSON: an event without any, one for each chunk, and one for the end of the audio."""
    request = StartStreamTranscriptionRequest(**stream["parameters"])
    count = request.number_of_channels or 1
    channels = [
        (Scripted()(request), ChannelResults(request, session_id, number if count > 1 else None))
        for number in range(count)
    ]
    events: list[Any] = [[]]
    for length in filter(None, stream["chunks"]):
        pcm = bytes(length // count)
        events.append([result for heard, results in channels for result in results.of(heard.feed(pcm))])
    events.append([result for heard, results in channels for result in results.of(heard.finish())])
    return [msgspec.to_builtins(results) for results in events if results or results is events[0]]


def check_whole(stream, outcome):
    """Check that the stream came to its end: the results are the recogniser's, and the response repeats the request."""
    assert outcome.ended, (outcome.error, outcome.message)
    assert outcome.response["request_id"]
    for name, value in stream["parameters"].items():
        assert outcome.response.get(name) == value, name
    assert outcome.events == expected_events(stream, outcome.response["session_id"])


def check_error(outcome, error):
    assert (outcome.error, outcome.ended) == (error, False)
    assert outcome.message


CHUNKS = {
    "100 ms": stream(*[3200] * 50, session_id=SESSION_ID),
    "no audio": stream(),
    "one sample": stream(*[2] * 20),
    "empty": stream(0, 3200, 0, 3200, 0),
    "the longest": stream(*[32_768] * 16, media_sample_rate_hertz=48_000),
    "of all sizes": stream(2, 3200, 4, 16_000, 6, 2, 12_800, 0, 800, media_sample_rate_hertz=8000),
}


def test_results_are_what_the_recogniser_says(client, emulator):
    outcomes = client.run(emulator, *CHUNKS.values())
    for described, outcome in zip(CHUNKS.values(), outcomes, strict=True):
        check_whole(described, outcome)
    finals = [result for results in outcomes[0].events for result in results if not result["IsPartial"]]
    assert [(result["Alternatives"][0]["Transcript"], result["EndTime"]) for result in finals] == [
        ("The quick brown fox jumps over the lazy dog.", 2.7),
        ("Pack my box with five dozen liquor jugs", 5.0),
    ]
    assert outcomes[0].response["session_id"] == SESSION_ID
    assert len({outcome.response["session_id"] for outcome in outcomes}) == len(outcomes)


def test_adapter_is_in_use(adapted, emulator_for):
    """All that is encoded, signed and decoded goes through it; that the results are the same, the other tests say."""
    described = stream(*[3200] * 7)
    with emulator_for(adapted) as emulator:
        [outcome] = adapted.run(emulator, described)
    check_whole(described, outcome)
    sent = 7 + 1  # the end is signed, but wraps nothing
    assert (
        outcome.calls
        == {
            "amazon_transcribe": {
                "encode": 2 * sent - 1,
                "EventStreamMessage": len(outcome.events),
                "encode_date": sent,
            },
            "smithy": {"encode": 2 * sent - 1, "decode": len(outcome.events)},
        }[adapted.adapter]
    )


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="the system's certificates are used, not SSL_CERT_FILE")
def test_example_of_the_documentation(amazon_transcribe, emulator_for):
    with emulator_for(amazon_transcribe) as emulator:
        done = subprocess.run(
            [amazon_transcribe.command[0], ROOT / "examples" / "aws_client.py", f"https://localhost:{emulator.port}"],
            env={**os.environ, "SSL_CERT_FILE": str(emulator.ca_file)},
            capture_output=True,
            text=True,
            check=False,
            timeout=CLIENT_TIMEOUT,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "The quick brown fox jumps over the lazy dog.\nPack\n"


PARAMETERS = {
    "two channels": stream(3200, 6400, enable_channel_identification=True, number_of_channels=2),
    "speakers": stream(3200, 6400, show_speaker_label=True),
    "stabilization": stream(*[6400] * 4, enable_partial_results_stabilization=True, partial_results_stability="medium"),
    "vocabulary": stream(
        3200, vocabulary_name="names", vocabulary_filter_name="words", vocabulary_filter_method="mask"
    ),
}


def test_parameters_arrive_and_are_repeated(client, emulator):
    outcomes = client.run(emulator, *PARAMETERS.values())
    for described, outcome in zip(PARAMETERS.values(), outcomes, strict=True):
        check_whole(described, outcome)
    two, speakers = outcomes[:2]
    assert {result["ChannelId"] for result in two.events[-1]} == {"ch_0", "ch_1"}
    assert speakers.events[-1][0]["Alternatives"][0]["Items"][0]["Speaker"] == "0"


def described(operation: str, *chunks: int, **parameters: Any) -> dict[str, Any]:
    """Return a stream of another operation for a driver."""
    return {**stream(*chunks, **parameters), "operation": operation}


def test_medical_transcription(aws_sdk, emulator_for):
    with emulator_for(aws_sdk) as emulator:
        parameters = {"specialty": "CARDIOLOGY", "type": "DICTATION", "show_speaker_label": True}
        [outcome] = aws_sdk.run(emulator, described("StartMedicalStreamTranscription", *[3200] * 9, **parameters))
    assert outcome.ended, (outcome.error, outcome.message)
    assert outcome.response["specialty"] == "CARDIOLOGY"
    [final] = [
        result for event in outcome.events for result in event["Transcript"]["Results"] if not result["IsPartial"]
    ]
    [alternative] = final["Alternatives"]
    assert alternative["Transcript"] == "The quick brown"
    assert [item["Speaker"] for item in alternative["Items"]] == ["0", "0", "0"]


def test_call_analytics(aws_sdk, emulator_for):
    with emulator_for(aws_sdk) as emulator:
        [outcome] = aws_sdk.run(emulator, described("StartCallAnalyticsStreamTranscription", *[6400] * 9))
    assert outcome.ended, (outcome.error, outcome.message)
    assert outcome.response["session_id"]
    finals = [
        (event["ParticipantRole"], event["Transcript"], event["EndOffsetMillis"])
        for event in outcome.events
        if not event["IsPartial"]
    ]
    assert finals == [("AGENT", "The quick brown", 900), ("CUSTOMER", "The quick brown", 900)]


def test_medical_scribe(aws_sdk, emulator_for):
    with emulator_for(aws_sdk) as emulator:
        [outcome] = aws_sdk.run(emulator, described("StartMedicalScribeStream", *[3200] * 9))
    assert outcome.ended, (outcome.error, outcome.message)
    assert outcome.response["session_id"]
    segments = [event["TranscriptSegment"] for event in outcome.events]
    assert [segment["Content"] for segment in segments if not segment["IsPartial"]] == ["The quick brown"]
    assert segments[-1]["EndAudioTime"] == 0.9


def test_channels_are_counted_without_being_identified(emulator, client):
    """amazon-transcribe's users give the number alone, which the service refuses or ignores; here it counts."""
    described = stream(6400, number_of_channels=2)
    [outcome] = client.run(emulator, described)
    check_whole(described, outcome)


def test_exceptions_are_of_the_client_s_own_types(client, emulator_for):
    """As an HTTP error, and in the stream, after an event; then all is well again."""
    faults = [f"--fault=exception:{name}@{event}*1" for event in (0, 2) for name in EXCEPTIONS]
    with emulator_for(client, *faults) as emulator:
        *outcomes, last = client.run(emulator, *[stream(3200, 3200)] * (2 * len(EXCEPTIONS) + 1))
    refused, broken = outcomes[: len(EXCEPTIONS)], outcomes[len(EXCEPTIONS) :]
    for (name, status), outcome in zip(EXCEPTIONS.items(), refused, strict=True):
        check_error(outcome, name)
        assert outcome.response is None
        if (client.name, name) not in STATUS_NOT_TOLD:
            assert outcome.status == status
    for name, outcome in zip(EXCEPTIONS, broken, strict=True):
        check_error(outcome, name)
        assert outcome.events == [[]], "the event before it is delivered"
    check_whole(stream(3200, 3200), last)


INVALID = {
    "sample rate": stream(3200, media_sample_rate_hertz=96_000),
    "encoding": stream(3200, media_encoding="mp3"),
    "session id": stream(3200, session_id="mine"),
    "channels": stream(3200, number_of_channels=3),
    "language": stream(3200, language_code="tlh-XX"),
}


def test_invalid_parameter_is_a_bad_request(client, emulator):
    for outcome in client.run(emulator, *INVALID.values()):
        check_error(outcome, "BadRequestException")
        assert (outcome.status, outcome.response) == (400, None)


def test_audio_that_is_no_audio_is_a_bad_request(client, emulator):
    half_a_sample, whole = client.run(emulator, stream(3200, 1), stream(3200))
    check_error(half_a_sample, "BadRequestException")
    assert half_a_sample.events == expected_events(stream(3200), half_a_sample.response["session_id"])[:2]
    check_whole(stream(3200), whole)


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        (["AKIDEXAMPLE", "not the secret"], "InvalidSignatureException"),
        (["AKIDNOBODY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"], "UnrecognizedClientException"),
    ],
    ids=["wrong secret", "unknown key"],
)
def test_request_that_is_signed_wrongly_is_refused(client, emulator, keys, code):
    [outcome] = client.run(emulator, stream(3200), keys=keys)
    assert outcome.status == 403
    assert (outcome.response, outcome.events, outcome.ended) == (None, [], False)
    assert outcome.error == UNKNOWN_ERRORS.get(client.name, code)
    assert outcome.code == code or code in outcome.message


def test_clock_that_is_wrong(client, emulator_for):
    """The date of the response tells; some clients sign with it from then on."""
    with emulator_for(client, "--clock-offset=600") as emulator:
        first, second = client.run(emulator, stream(3200), stream(3200, 3200))
    assert first.status == 403
    assert first.code == "InvalidSignatureException" or "InvalidSignatureException" in first.message
    if client.name in CORRECT_THEIR_CLOCKS:
        check_whole(stream(3200, 3200), second)
    else:
        assert second.status == 403


def test_session_is_taken_over_and_one_stream_is_too_many(client, emulator_for):
    with emulator_for(client, "--max-streams=1") as emulator:
        first, second, third = client.run(
            emulator,
            stream(3200, session_id=SESSION_ID, hold=True),
            stream(3200),
            stream(3200, 3200, session_id=SESSION_ID),
        )
    check_error(second, "LimitExceededException")
    assert second.response is None
    if (client.name, second.error) not in STATUS_NOT_TOLD:
        assert second.status == 429
    check_whole(stream(3200, 3200, session_id=SESSION_ID), third)
    check_error(first, "ConflictException")
    assert first.events == expected_events(stream(3200), SESSION_ID)[:2]


def test_event_that_is_signed_wrongly_ends_the_stream(amazon_transcribe, emulator_for):
    """Only this client's keys can be changed between the request and the events."""
    with emulator_for(amazon_transcribe) as emulator:
        [outcome] = amazon_transcribe.run(emulator, stream(3200, 3200), event_keys=["AKIDEXAMPLE", "not the secret"])
    check_error(outcome, "BadRequestException")
    assert "signature does not match" in outcome.message
    assert outcome.events == [[]]


def test_silence_is_a_bad_request_after_some_time(client, emulator_for):
    """The second stream's first result is late, so that the first one is silent for long enough."""
    with emulator_for(client, "--audio-timeout=0.5", "--fault=slow:1@2") as emulator:
        silent, whole = client.run(emulator, stream(hold=True), stream(3200))
    check_error(silent, "BadRequestException")
    assert "no new audio" in silent.message
    assert silent.events == [[]]
    check_whole(stream(3200), whole)
