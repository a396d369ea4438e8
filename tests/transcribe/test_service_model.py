"""The service model is complete, works in botocore, and says the same as our tables and types."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import NoneType
from typing import get_args, get_origin

import msgspec
import pytest
from cases import each

from eventstream.parameters import Boolean, Choice, Integer, Text, TextList
from eventstream.transcribe.exceptions import ERRORS
from eventstream.transcribe.operations import OPERATIONS
from eventstream.transcribe.request import LANGUAGE_CODES
from eventstream.transcribe.service_model import DATA_PATH, SERVICE, load_service_model

ROOT = Path(__file__).parents[2]
MODEL = load_service_model()
SHAPES = MODEL["shapes"]
OURS = {operation.name: operation for operation in OPERATIONS}
SCALARS = {"string": str, "double": float, "boolean": bool, "integer": int, "long": int}

SESSION = "5ff0f4a6-2a3e-4a8f-9d4f-000000000001"

UNBOUNDED = {"language_code", "preferred_language", "language_options"}
"""Services gain languages faster than clients are released, so any language code passes."""


def members(shape):
    return SHAPES[shape].get("members", {})


def stream_of(shape):
    """Return the event stream among the members of an operation's input or output."""
    [name] = [member["shape"] for member in members(shape).values() if SHAPES[member["shape"]].get("eventstream")]
    return name


def test_operations():
    assert set(MODEL["operations"]) == {
        "StartCallAnalyticsStreamTranscription",
        "StartMedicalScribeStream",
        "StartMedicalStreamTranscription",
        "StartStreamTranscription",
    }
    assert OURS.keys() <= MODEL["operations"].keys()
    for name, operation in OURS.items():
        assert MODEL["operations"][name]["http"] == {"method": operation.method, "requestUri": operation.path}
    metadata = MODEL["metadata"]
    for operation in OURS.values():
        assert metadata["signingName"] == operation.signing_name
        assert operation.endpoint.startswith(metadata["endpointPrefix"] + ".")
        assert operation.service == SERVICE


def test_shapes_are_there():
    def used(value):
        if isinstance(value, dict):
            if isinstance(value.get("shape"), str):
                yield value["shape"]
            for part in value.values():
                yield from used(part)
        elif isinstance(value, list):
            for part in value:
                yield from used(part)

    assert set(used(MODEL)) == SHAPES.keys()


def parameters_of(shape):
    return {member["locationName"]: name for name, member in members(shape).items() if "locationName" in member}


@pytest.mark.parametrize("name", OURS)
def test_parameters(name):
    shape = MODEL["operations"][name]["input"]["shape"]
    request = OURS[name].request.type
    ours = {parameter.header: (field, parameter.kind) for field, parameter in request.parameters.items()}
    theirs = parameters_of(shape)
    assert ours.keys() == theirs.keys()
    for header, member in theirs.items():
        field, kind = ours[header]
        allowed = SHAPES[members(shape)[member]["shape"]]
        if isinstance(kind, Choice):
            assert set(kind.choices) == set(allowed["enum"]), field
        elif isinstance(kind, Integer):
            assert kind.minimum == allowed["min"], field
            assert kind.maximum == allowed.get("max", 2), field
        elif isinstance(kind, Boolean):
            assert allowed["type"] == "boolean", field
        elif isinstance(kind, TextList):
            assert kind.maximum == allowed["max"], field
        else:
            assert isinstance(kind, Text), field
            assert allowed["type"] == "string", field
            assert "enum" not in allowed or field in UNBOUNDED, field
            if "max" in allowed:
                longest = SESSION if field == "session_id" else "a" * allowed["max"]
                assert len(longest) == allowed["max"]
                assert kind.check(longest) is None
                assert kind.check(longest + "a") is not None


@pytest.mark.parametrize("name", OURS)
def test_required_parameters(name):
    shape = MODEL["operations"][name]["input"]["shape"]
    headers = {member: header for header, member in parameters_of(shape).items()}
    required = {headers[member] for member in SHAPES[shape]["required"] if member in headers}
    request = OURS[name].request.type
    fields = {parameter.header: field for field, parameter in request.parameters.items()}
    with pytest.raises(ValueError, match="missing") as raised:
        request.from_headers([])
    problems = raised.value.problems
    assert {fields[header] for header in required} <= problems.keys()


@pytest.mark.parametrize("name", OURS)
def test_response_parameters(name):
    shape = MODEL["operations"][name]["output"]["shape"]
    ours = {parameter.header for parameter in OURS[name].response.type.parameters.values()}
    assert ours | {"x-amzn-request-id"} == parameters_of(shape).keys()


def agrees(annotation, shape, path):
    """Check that a type says the same as a shape; None is allowed everywhere."""
    types = [part for part in get_args(annotation) if part is not NoneType] if get_origin(annotation) else [annotation]
    if get_origin(annotation) in (list, dict):
        types = [annotation]
    [type_] = types
    what = SHAPES[shape]
    if what["type"] == "structure":
        fields = {field.encode_name: field.type for field in msgspec.structs.fields(type_)}
        assert fields.keys() == what["members"].keys(), path
        for member, reference in what["members"].items():
            agrees(fields[member], reference["shape"], f"{path}.{member}")
    elif what["type"] == "list":
        assert get_origin(type_) is list, path
        agrees(get_args(type_)[0], what["member"]["shape"], f"{path}[]")
    elif what["type"] == "map":
        assert get_origin(type_) is dict, path
        agrees(get_args(type_)[1], what["value"]["shape"], f"{path}{{}}")
    else:
        assert type_ is SCALARS[what["type"]], path


@each("name", OURS)
@each("side", ["input", "output"])
def test_events(name, side):
    events = members(stream_of(MODEL["operations"][name][side]["shape"]))
    shapes = {event: member["shape"] for event, member in events.items()}
    theirs = {event: shape for event, shape in shapes.items() if not SHAPES[shape].get("exception")}
    kinds = (OURS[name].inputs if side == "input" else OURS[name].outputs).kinds
    assert kinds.keys() == theirs.keys()
    for event, shape in theirs.items():
        if any(member.get("eventpayload") for member in members(shape).values()):
            assert list(members(shape)) == ["AudioChunk"]
            assert kinds[event].type(b"abc").audio_chunk == b"abc"
        else:
            agrees(kinds[event].type, shape, event)


@pytest.mark.parametrize("name", MODEL["operations"])
def test_exceptions(name):
    events = members(stream_of(MODEL["operations"][name]["output"]["shape"]))
    in_stream = {member["shape"] for member in events.values() if SHAPES[member["shape"]].get("exception")}
    declared = {error["shape"] for error in MODEL["operations"][name]["errors"]}
    assert in_stream == declared == ERRORS.keys()
    for code, kind in ERRORS.items():
        assert kind.status_code == SHAPES[code]["error"]["httpStatusCode"]


def test_languages():
    assert set(SHAPES["LanguageCode"]["enum"]) == LANGUAGE_CODES


@pytest.mark.skipif(find_spec("aws_sdk_transcribe_streaming") is None, reason="AWS's client is not installed")
def test_aws_client_knows_nothing_that_we_do_not():
    command = [sys.executable, str(ROOT / "tools/service_model.py"), "--check"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(find_spec("botocore") is None, reason="botocore is not installed")
def test_botocore_makes_a_client_of_it():
    from botocore.session import Session

    session = Session()
    loader = session.get_component("data_loader")
    loader.search_paths.append(str(DATA_PATH))
    client = session.create_client(
        SERVICE, region_name="eu-central-1", aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="secret"
    )
    assert client.meta.endpoint_url == "https://transcribestreaming.eu-central-1.amazonaws.com"
    model = client.meta.service_model
    assert set(model.operation_names) == set(MODEL["operations"])
    for name in model.operation_names:
        operation = model.operation_model(name)
        assert operation.has_event_stream_input
        assert operation.has_event_stream_output
    audio = model.operation_model("StartStreamTranscription").get_event_stream_input().members["AudioEvent"]
    assert audio.members["AudioChunk"].serialization == {"eventpayload": True}
