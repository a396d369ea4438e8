"""The parameters as keyword arguments are the fields of the requests."""

from __future__ import annotations

import dataclasses

import pytest

from eventstream.transcribe import keywords
from eventstream.transcribe.call_analytics import StartCallAnalyticsStreamTranscriptionRequest
from eventstream.transcribe.medical import StartMedicalStreamTranscriptionRequest
from eventstream.transcribe.medical_scribe import StartMedicalScribeStreamRequest
from eventstream.transcribe.request import StartStreamTranscriptionRequest

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
