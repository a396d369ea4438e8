"""The parameters as keyword arguments are the fields of the requests."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest
from transcribe.emulated import client_of, run

from eventstream.transcribe import keywords
from eventstream.transcribe.call_analytics import StartCallAnalyticsStreamTranscriptionRequest
from eventstream.transcribe.emulator import Emulator
from eventstream.transcribe.medical import StartMedicalStreamTranscriptionRequest
from eventstream.transcribe.medical_scribe import StartMedicalScribeStreamRequest
from eventstream.transcribe.request import StartStreamTranscriptionRequest
from eventstream.transcribe.sync import TranscribeClient as SyncClient

REQUESTS = [
    StartStreamTranscriptionRequest,
    StartMedicalStreamTranscriptionRequest,
    StartCallAnalyticsStreamTranscriptionRequest,
    StartMedicalScribeStreamRequest,
]


@pytest.mark.parametrize("request_class", REQUESTS)
def test_keywords_are_the_fields(request_class):
    keyword_class = getattr(keywords, request_class.__name__.replace("Request", "Parameters"))
    # As they are written, since some names are there only for type checkers.
    written = {name: hint.__forward_arg__ for name, hint in keyword_class.__annotations__.items()}
    assert written == {field.name: field.type for field in dataclasses.fields(request_class)}
    assert not keyword_class.__required_keys__


def test_keywords_of_every_operation():
    found = {name for name in vars(keywords) if name.endswith("Parameters")}
    assert found == {request.__name__.replace("Request", "Parameters") for request in REQUESTS}


# How a stream is started

REQUIRED = {"language_code": "en-US", "media_sample_rate_hertz": 16000, "media_encoding": "pcm"}
STARTED = {
    "start_stream_transcription": REQUIRED,
    "start_medical_stream_transcription": {**REQUIRED, "specialty": "NEUROLOGY", "type": "DICTATION"},
    "start_call_analytics_stream_transcription": REQUIRED,
    "start_medical_scribe_stream": REQUIRED,
}


@pytest.mark.parametrize("method", STARTED)
@pytest.mark.waits
def test_deadline_of_every_operation(method):
    async def main():
        async with Emulator(faults=["slow:5@0"]) as emulator:

            def call():
                client = client_of(emulator, SyncClient)
                with getattr(client, method)(deadline=0.05, **STARTED[method]):
                    pass

            with pytest.raises(TimeoutError, match=r"did not begin in 0\.05 s"):
                async with getattr(client_of(emulator), method)(deadline=0.05, **STARTED[method]):
                    pass
            with pytest.raises(TimeoutError, match=r"did not begin in 0\.05 s"):
                await asyncio.to_thread(call)

    run(main)


@pytest.mark.parametrize("method", STARTED)
def test_retries_of_every_operation(method, monkeypatch):
    async def at_once(*_):
        return True

    monkeypatch.setattr("eventstream.client.retries._pause", at_once)
    asked = []

    def retry_on(error):
        asked.append(error.code)
        return True

    async def main():
        async with Emulator(faults=["exception:BadRequestException@0*2"]) as emulator:
            start = getattr(client_of(emulator), method)
            async with start(retries=2, retry_on=retry_on, **STARTED[method]) as stream:
                assert stream.request.session_id == stream.response.session_id
                assert asked == ["BadRequestException"] * 2
                await stream.end_audio()
                async for _ in stream:
                    pass

    run(main)
