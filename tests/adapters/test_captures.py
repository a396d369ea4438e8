"""Every event that we send for a botocore model is what AWS's own clients send for the same values, as recorded."""

from __future__ import annotations

import json
from importlib.util import find_spec

import pytest

if find_spec("botocore") is None:
    pytest.skip("botocore is not installed", allow_module_level=True)

from adapters.models import BIDIRECTIONAL, shipped
from adapters.recordings import STREAMS, captures, recorded, stream_of

from eventstream import Message
from eventstream.adapters._operations import make_operation


def sent(service):
    stream = stream_of(service)
    operation = make_operation(shipped(service).operation_model(stream.operation))
    return [operation.inputs.serialise(event) for event in stream.events]


def with_content_type(message):
    """Return the message as the others write it: AWS's client for Python says no content type of an empty blob."""
    if message.payload or ":content-type" in message.headers:
        return message
    return Message({**message.headers, ":content-type": "application/octet-stream"})


def test_captures_hold_every_kind_of_event():
    recordings = {(stream["service"], stream["operation"]) for stream in STREAMS}
    assert recordings >= set(BIDIRECTIONAL)  # older botocores ship fewer
    for service, operation in BIDIRECTIONAL:
        kinds = shipped(service).operation_model(operation).get_event_stream_input().members
        assert {name for event in stream_of(service).events for name in event} == set(kinds)
    services = set(dict(recordings))
    assert {service for client, service in captures() if client == "aws-sdk-python"} == services
    # AWS has no JavaScript client of connecthealth.
    assert {service for client, service in captures() if client == "aws-sdk-js"} == services - {"connecthealth"}


def captured(client):
    return [service for each, service in captures() if each == client and service in dict(BIDIRECTIONAL)]


@pytest.mark.parametrize("service", captured("aws-sdk-python"))
def test_events_are_those_of_the_python_client(service):
    """Byte by byte, with the headers in the same order."""
    theirs = map(with_content_type, recorded("aws-sdk-python", service))
    assert [message.encode() for message in sent(service)] == [message.encode() for message in theirs]


@pytest.mark.parametrize("service", captured("aws-sdk-js"))
def test_events_are_those_of_the_javascript_client(service):
    """Header by header and member by member: it writes them in another order."""
    for ours, theirs in zip(sent(service), recorded("aws-sdk-js", service), strict=True):
        assert ours.headers == theirs.headers
        assert json.loads(ours.payload) == json.loads(theirs.payload)
        assert len(ours.payload) == len(theirs.payload), "neither has spaces, or escapes what it need not"
