"""The methods that boto3 lacks: on which clients they are, and whole conversations over HTTP/2 on loopback."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace

import pytest
from programs import AWAY

pytest.importorskip("botocore", reason="botocore is not installed")

import botocore.client
import botocore.loaders
from adapters import models
from adapters.clients import (
    CREDENTIALS,
    LIMIT,
    NOVA,
    chunk,
    client_of,
    operation_of,
    serving,
    session_of,
)
from adapters.test_operations import example
from botocore.exceptions import ParamValidationError, UnknownServiceError

from eventstream import StateError, sync
from eventstream.adapters import _equipment
from eventstream.adapters import boto3 as ours
from eventstream.adapters._operations import make_operation
from eventstream.signing import Credentials
from eventstream.transcribe.emulator import DOCUMENTATION_CREDENTIALS, Emulator, Scripted
from eventstream.transcribe.operations import OPERATIONS

METHODS = {service: botocore.xform_name(name) for service, name in models.BIDIRECTIONAL}
TRANSCRIBE = "transcribe-streaming"


@pytest.fixture(autouse=True)
def _as_it_was():
    before = [vars(botocore.client.BaseClient)["__init__"], vars(botocore.loaders.Loader)["load_service_model"]]
    yield
    ours.uninstall()
    assert [
        vars(botocore.client.BaseClient)["__init__"],
        vars(botocore.loaders.Loader)["load_service_model"],
    ] == before


@pytest.fixture
def installed():
    with ours.install():
        yield


def local(session, service):
    return session.create_client(service, region_name="us-east-1")


# Which clients have them


@pytest.mark.parametrize(("service", "method"), METHODS.items())
def test_methods_that_botocore_removes(service, method):
    session = session_of()
    before = local(session, service)
    with ours.install():
        client = local(session, service)
        assert method in dir(client)
        assert "Open a stream" in getattr(client, method).__doc__
    assert not hasattr(before, method)
    assert not hasattr(local(session, service), method)
    assert hasattr(client, method)


def test_install_and_uninstall_any_number_of_times():
    with ours.install():
        with ours.install():
            ours.install()
        assert hasattr(local(session_of(), "lexv2-runtime"), METHODS["lexv2-runtime"])
    assert not hasattr(local(session_of(), "lexv2-runtime"), METHODS["lexv2-runtime"])
    ours.uninstall()
    ours.install()
    ours.uninstall()
    assert not hasattr(local(session_of(), "lexv2-runtime"), METHODS["lexv2-runtime"])


def test_enable_is_for_one_session():
    session = session_of(data_path=None)
    with pytest.raises(UnknownServiceError):
        local(session, TRANSCRIBE)  # botocore has looked which services there are
    for _ in range(2):
        ours.enable(session)
    for _ in range(2):
        assert hasattr(local(session, "lexv2-runtime"), METHODS["lexv2-runtime"])
        assert local(session, TRANSCRIBE).start_stream_transcription.__module__ == _equipment.__name__
    assert TRANSCRIBE in session.get_available_services()
    assert not hasattr(local(session_of(), "lexv2-runtime"), METHODS["lexv2-runtime"])


def test_enable_takes_a_session():
    with pytest.raises(TypeError, match=r"^enable takes a session of boto3 or botocore, not LexRuntimeV2$"):
        ours.enable(local(session_of(), "lexv2-runtime"))


def test_enable_and_install_at_once(installed):
    session = session_of()
    ours.enable(session)
    with serving() as server:
        client = client_of(server, session=session)
        with client.invoke_model_with_bidirectional_stream(**NOVA) as stream:
            stream.end()
            assert list(stream) == []
        assert server.statistics.streams == 1


def test_enable_a_session_of_boto3():
    boto3 = pytest.importorskip("boto3", reason="boto3 is not installed")
    session = boto3.Session(region_name="us-east-1")
    ours.enable(session)
    assert hasattr(session.client("lexv2-runtime"), METHODS["lexv2-runtime"])
    assert TRANSCRIBE in session.get_available_services()
    assert session.client(TRANSCRIBE).start_stream_transcription.__module__ == _equipment.__name__
    assert not hasattr(boto3.Session(region_name="us-east-1").client("lexv2-runtime"), METHODS["lexv2-runtime"])


# Conversations


@pytest.mark.parametrize(("service", "method"), METHODS.items())
def test_conversations_of_every_operation_that_botocore_knows(installed, service, method):
    name = dict(models.BIDIRECTIONAL)[service]
    model = models.shipped(service).operation_model(name)
    given = model.input_shape.event_stream_name
    request = {key: example(shape) for key, shape in model.input_shape.members.items() if key != given}
    sent = [{key: example(shape)} for key, shape in model.get_event_stream_input().members.items()]
    answers = [
        {key: example(shape)}
        for key, shape in model.get_event_stream_output().members.items()
        if not shape.metadata.get("exception")
    ]
    received = []

    async def handler(request, events):
        received.append(request)
        received.extend([event async for event in events])
        for answer in answers:
            yield answer

    with serving(handler, operation_of(service, name)) as server:
        client = client_of(server, service, config=botocore.client.Config(inject_host_prefix=False))
        with getattr(client, method)(**request) as stream:
            for event in sent:
                stream.send(event)
            stream.end()
            assert list(stream) == answers
    assert received == [request, *sent]


def every_event():
    return [
        {"json": {"text": "x", "data": b"\x00", "either": {"number": 1}}},
        {"headers": {"text": "t", "number": 7, "flag": True, "rest": "r"}},
        {"raw": {"data": b"\x00\xff", "text": "t"}},
        {"text": {"text": "ä"}},
        {"nested": {"node": {"value": b"1"}}},
        {"empty": {}},
    ]


@pytest.mark.parametrize("service", ["every-trait", "every-trait-rpc"])
def test_conversations_with_every_trait(installed, traits, service):
    description = models.REST if service == "every-trait" else models.RPC
    requests = []

    async def handler(request, events):
        requests.append(request)
        async for event in events:
            yield event

    operation = make_operation(models.operation_model(description), strict=True)
    operation = replace(operation, reply=lambda request: {"session": "s"})
    with serving(handler, operation) as server:
        client = client_of(server, service, session=traits, config=botocore.client.Config(inject_host_prefix=False))
        with client.converse(id="a/b c") as stream:
            assert stream["session"] == stream.response["session"] == "s"
            assert stream["ResponseMetadata"]["HTTPStatusCode"] == 200
            for event in every_event():
                stream.send(event)
                assert next(stream) == event
            stream.end()
            assert list(stream) == []
    assert requests == [{"id": "a/b c"}]


def test_transcribe(installed):
    """All four operations, whose model comes with this package."""
    with sync.serving(Emulator(recogniser=Scripted("One two three."))) as server:
        session = session_of()
        session.set_credentials(DOCUMENTATION_CREDENTIALS.access_key, DOCUMENTATION_CREDENTIALS.secret_key)
        client = client_of(server, TRANSCRIBE, session=session)
        pcm = {"LanguageCode": "en-US", "MediaSampleRateHertz": 16000, "MediaEncoding": "pcm"}
        roles = [{"ChannelId": 0, "ParticipantRole": "AGENT"}, {"ChannelId": 1, "ParticipantRole": "CUSTOMER"}]
        notes = {"ClinicalNoteGenerationSettings": {"OutputBucketName": "bucket"}}
        role = "arn:aws:iam::123456789012:role/scribe"
        configuration = {"ResourceAccessRoleArn": role, "PostStreamAnalyticsSettings": notes}
        calls = [
            ("start_stream_transcription", {}, None, "TranscriptEvent"),
            (
                "start_medical_stream_transcription",
                {"Specialty": "PRIMARYCARE", "Type": "DICTATION"},
                None,
                "TranscriptEvent",
            ),
            ("start_call_analytics_stream_transcription", {}, {"ChannelDefinitions": roles}, "UtteranceEvent"),
            ("start_medical_scribe_stream", {}, configuration, "TranscriptEvent"),
        ]
        for method, request, configuration, kind in calls:
            with getattr(client, method)(**pcm, **request) as stream:
                assert (stream["LanguageCode"], stream["MediaSampleRateHertz"]) == ("en-US", 16000)
                if configuration is not None:
                    stream.send({"ConfigurationEvent": configuration})
                for _ in range(9):
                    stream.send({"AudioEvent": {"AudioChunk": bytes(3200)}})
                if method == "start_medical_scribe_stream":
                    stream.send({"SessionControlEvent": {"Type": "END_OF_SESSION"}})
                stream.end()
                assert {name for event in stream for name in event} == {kind}
        assert server.statistics.streams == 4
        assert server.statistics.failed == 0


def test_transcribe_has_its_four_operations(installed):
    client = local(session_of(), TRANSCRIBE)
    methods = {operation: method for method, operation in client.meta.method_to_api_mapping.items()}
    for operation in OPERATIONS:
        assert getattr(client, methods[operation.name]).__module__ == _equipment.__name__
    assert client.meta.endpoint_url == "https://transcribestreaming.us-east-1.amazonaws.com"
    assert TRANSCRIBE in session_of().get_available_services()


def test_services_that_nobody_knows(installed):
    with pytest.raises(UnknownServiceError):
        local(session_of(), "nowhere")
    assert TRANSCRIBE not in botocore.loaders.Loader().list_available_services("paginators-1")


# Threads, and the end


def test_threads_share_a_stream(installed):
    with serving() as server, client_of(server).invoke_model_with_bidirectional_stream(**NOVA) as stream:
        answers = []
        receiving = [threading.Thread(target=lambda: answers.extend(stream)) for _ in range(3)]
        sending = [threading.Thread(target=stream.send, args=[chunk(b"a%d" % number)]) for number in range(20)]
        for thread in receiving + sending:
            thread.start()
        for thread in sending:
            thread.join(LIMIT)
        stream.end()
        for thread in receiving:
            thread.join(LIMIT)
        assert sorted(event["chunk"]["bytes"] for event in answers) == sorted(b"A%d" % number for number in range(20))


def test_client_opens_fifty_streams_at_once(installed):
    results, barrier = [], threading.Barrier(50)

    def converse(number):
        with client.invoke_model_with_bidirectional_stream(**NOVA) as stream:
            barrier.wait(LIMIT)
            stream.send(chunk(b"a%d" % number))
            results.append((number, next(stream)["chunk"]["bytes"]))
            stream.end()
            results.append((number, list(stream)))

    with serving() as server:
        client = client_of(server)
        threads = [threading.Thread(target=converse, args=[number]) for number in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LIMIT)
        assert server.statistics.streams == 50
    assert len(results) == 100
    assert {number: answer for number, answer in results if answer} == {n: b"A%d" % n for n in range(50)}


def test_event_after_the_end(installed):
    with serving() as server, client_of(server).invoke_model_with_bidirectional_stream(**NOVA) as stream:
        stream.end()
        with pytest.raises(StateError):
            stream.send(chunk(b"late"))
        with pytest.raises(StateError):
            stream.end()
        assert list(stream) == []


def test_invalid_event_leaves_the_stream_as_it_was(installed):
    with serving() as server, client_of(server).invoke_model_with_bidirectional_stream(**NOVA) as stream:
        for event, path in (({"chunk": {"bytes": 1}}, "chunk.bytes"), ({"later": {}}, "later"), (b"audio", "bytes")):
            with pytest.raises(ParamValidationError, match=path):
                stream.send(event)
        stream.send(chunk(b"a"))
        assert next(stream) == chunk(b"A")


PROGRAM = """
    import sys, threading
    import botocore.session
    from eventstream.adapters import boto3
    boto3.install()
    session = botocore.session.Session()
    session.set_credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    client = session.create_client("bedrock-runtime", region_name="us-east-1", endpoint_url=sys.argv[1])
    stream = client.invoke_model_with_bidirectional_stream(modelId="m")
    stream.send({"chunk": {"bytes": b"a"}})
    print(next(stream), flush=True)
"""


def test_exit_with_an_open_stream_is_quiet_and_quick():
    program = textwrap.dedent(PROGRAM) + "threading.Thread(target=lambda: list(stream), daemon=True).start()\n"
    with serving() as server:
        arguments = [sys.executable, "-c", program, server.endpoint]
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=True, cwd=AWAY)
    assert (done.stdout, done.stderr) == ("{'chunk': {'bytes': b'A'}}\n", "")


@pytest.mark.skipif(sys.platform == "win32", reason="a process there cannot be sent a Ctrl-C alone")
def test_ctrl_c_ends_a_wait():
    program = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n" + textwrap.dedent(PROGRAM)
    program += textwrap.dedent(
        """
        try:
            print("waiting", flush=True)
            next(stream)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        """
    )
    import signal

    with serving() as server:
        arguments = [sys.executable, "-c", program, server.endpoint]
        with subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=AWAY
        ) as process:
            try:
                assert process.stdout.readline().startswith("{'chunk'")
                assert process.stdout.readline() == "waiting\n"
                time.sleep(0.2)
                process.send_signal(signal.SIGINT)
                output, errors = process.communicate(timeout=60)
            finally:
                process.kill()
    assert (output, errors, process.returncode) == ("interrupted\n", "", 0)


# Imports


def test_install_imports_no_http2_and_no_asyncio():
    """They come with the first call; so installing costs a few milliseconds."""
    program = textwrap.dedent(
        """
        import sys
        import botocore.session
        before = set(sys.modules)
        from eventstream.adapters import boto3
        boto3.install()
        session = botocore.session.Session()
        session.create_client("sqs", region_name="us-east-1")
        print(*sorted(set(sys.modules) - before))
        """
    )
    arguments = [sys.executable, "-c", program]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=True, cwd=AWAY)
    imported = set(done.stdout.split())
    assert "eventstream.adapters.boto3" in imported
    late = {"asyncio", "h2", "hpack", "hyperframe", "h11", "msgspec", "ssl"}
    assert imported & late == set()
    ours_imported = {name for name in imported if name.startswith("eventstream")}
    for name in (
        "http2",
        "client",
        "sync",
        "server",
        "session",
        "signing",
        "operation",
        "transcribe",
        "adapters._calls",
    ):
        assert f"eventstream.{name}" not in ours_imported, name


def test_credentials_are_the_sessions(installed):
    known = Credentials("AKIDSESSION", CREDENTIALS.secret_key, "token")
    with serving(credentials=[known]) as server:
        session = session_of()
        session.set_credentials(known.access_key, known.secret_key, known.session_token)
        with client_of(server, session=session).invoke_model_with_bidirectional_stream(**NOVA) as stream:
            stream.send(chunk(b"a"))
            stream.end()
            assert list(stream) == [chunk(b"A")]
        assert server.statistics.signatures == 3


def test_missing_botocore_is_an_error_that_names_the_extra():
    program = """
        import sys

        sys.modules["botocore"] = None
        try:
            import eventstream.adapters.boto3
        except ModuleNotFoundError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=AWAY,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == (
        "eventstream.adapters.boto3 needs botocore: install eventstream-codec with its extra [client]\n"
    )
