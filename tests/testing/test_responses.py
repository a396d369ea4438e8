"""Clients of botocore and aiobotocore answer with streams that a test makes up."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import nullcontext
from importlib.util import find_spec
from types import SimpleNamespace

import pytest

from eventstream.testing import corrupted, cut, error, event, exception, fake_response, responses, slow

if find_spec("botocore") is None:
    pytest.skip("botocore is not installed", allow_module_level=True)

import botocore.session
from botocore.config import Config
from botocore.eventstream import ChecksumMismatch, ParserError
from botocore.exceptions import EventStreamError, ParamValidationError

from eventstream.adapters import botocore as adapter

SESSION = botocore.session.Session()
"""Of all clients, so that each model is read once. No credentials: botocore would look for them only when it signs."""

MODEL = "anthropic.claude-3-sonnet-20240229-v1:0"
HELLO = event("contentBlockDelta", {"delta": {"text": "Hello"}, "contentBlockIndex": 0})
STOP = event("messageStop", {"stopReason": "end_turn"})
ASSESSED = {"trace": {"guardrail": {"inputAssessment": {"a": {}}, "outputAssessments": {"a": [{"TopicPolicy": {}}]}}}}
HEARD = [
    {"contentBlockDelta": {"delta": {"text": "Hello"}, "contentBlockIndex": 0}},
    {"messageStop": {"stopReason": "end_turn"}},
]

pytestmark = pytest.mark.filterwarnings("ignore")  # what these libraries warn of is theirs to mend


class Sync:
    """Calls a client of botocore, and collects what its stream yields."""

    def __init__(self, service):
        self.client = SESSION.create_client(
            service, region_name="us-east-1", config=Config(connect_timeout=1, retries={"max_attempts": 0})
        )

    def call(self, method, stream, **parameters):
        response = getattr(self.client, method)(**parameters)
        self.metadata = response["ResponseMetadata"]
        self.response = response
        self.heard = []
        for received in response[stream]:
            self.heard.append(received)
        return self.heard


class Async(Sync):
    """Does so with one of aiobotocore."""

    def __init__(self, service):
        session = pytest.importorskip("aiobotocore.session").get_session()

        async def create():
            context = session.create_client(service, region_name="us-east-1")
            return await context.__aenter__()

        self.client = asyncio.run(create())

    def call(self, method, stream, **parameters):
        async def main():
            response = await getattr(self.client, method)(**parameters)
            self.metadata = response["ResponseMetadata"]
            self.response = response
            self.heard = []
            async for received in response[stream]:
                self.heard.append(received)
            return self.heard

        return asyncio.run(main())


@pytest.fixture(params=[Sync, Async])
def caller(request):
    return request.param


@pytest.fixture(scope="module")
def bedrock():
    return Sync("bedrock-runtime").client


@pytest.fixture(params=[False, True], ids=["theirs", "ours"])
def installed(request):
    """Without our codec in botocore, and with it."""
    with adapter.install() if request.param else nullcontext():
        yield request.param


def converse(caller, events, **options):
    made = caller("bedrock-runtime")
    with fake_response(made.client, "converse_stream", events, **options):
        made.call("converse_stream", "stream", modelId=MODEL)
    return made


@pytest.mark.parametrize("chunk_size", [None, 1, 7, 10_000])
def test_events_are_parsed(caller, installed, chunk_size):
    made = converse(caller, [HELLO, STOP], chunk_size=chunk_size)
    assert made.heard == HEARD
    assert made.metadata["HTTPStatusCode"] == 200
    assert made.metadata["RequestId"] == "00000000-0000-4000-8000-000000000000"


def test_blobs_are_bytes(caller, installed):
    made = caller("bedrock-runtime")
    with fake_response(made.client, "invoke_model_with_response_stream", [event("chunk", {"bytes": b"\0\1"})]):
        heard = made.call("invoke_model_with_response_stream", "body", modelId=MODEL, body=b"{}")
    assert heard == [{"chunk": {"bytes": b"\0\1"}}]


def test_initial_response_is_added(caller, installed):
    made = caller("kinesis")
    shard = event("SubscribeToShardEvent", {"Records": [], "ContinuationSequenceNumber": "1", "MillisBehindLatest": 0})
    parameters = {"ConsumerARN": "arn:aws:kinesis:us-east-1:123456789012:stream/s/consumer/c:1", "ShardId": "s"}
    parameters["StartingPosition"] = {"Type": "LATEST"}
    for events in ([shard], [event("initial-response", {}), shard]):
        with fake_response(made.client, "SubscribeToShard", events):
            heard = made.call("subscribe_to_shard", "EventStream", **parameters)
        assert [list(received) for received in heard] == [["SubscribeToShardEvent"]]


def test_xml_and_raw_payloads(caller, installed):
    made = caller("s3")
    stats = b"<Stats><BytesScanned>4</BytesScanned></Stats>"
    events = [event("Records", b"a,b\n"), event("Stats", stats), event("End")]
    parameters = {
        "Bucket": "bucket",
        "Key": "key",
        "Expression": "SELECT",
        "ExpressionType": "SQL",
        "InputSerialization": {"CSV": {}},
        "OutputSerialization": {"CSV": {}},
    }
    with fake_response(made.client, "select_object_content", events):
        heard = made.call("select_object_content", "Payload", **parameters)
    assert heard == [{"Records": {"Payload": b"a,b\n"}}, {"Stats": {"Details": {"BytesScanned": 4}}}, {"End": {}}]


@pytest.mark.parametrize(
    ("service", "operation", "sent", "text"),
    [
        (
            *("s3", "select_object_content", event("Stats", {"BytesScanned": 4})),
            "SelectObjectContent has XML, not JSON: give it as bytes, event('Stats', b'<Stats>...</Stats>')",
        ),
        (
            *("s3", "select_object_content", event("Records", {"Payload": b"a,b"})),
            "SelectObjectContent: Records.Payload is raw, not JSON: give only its bytes, event('Records', b'...')",
        ),
        (
            *("lambda", "invoke_with_response_stream", event("PayloadChunk", {"Payload": b"a,b"})),
            "InvokeWithResponseStream: PayloadChunk.Payload is raw, not JSON: "
            "give only its bytes, event('PayloadChunk', b'...')",
        ),
    ],
)
def test_json_where_the_service_has_none(service, operation, sent, text):
    client = Sync(service).client
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"), fake_response(client, operation, [sent]):
        pass
    unchecked = [sent.encode(), event(sent.event_type, sent.payload)]
    with fake_response(client, operation, unchecked):
        pass


def test_headers_become_members(caller):
    made = caller("bedrock-runtime")
    headers = {"x-amzn-bedrock-content-type": "application/json", "x-amzn-requestid": "mine"}
    with fake_response(made.client, "invoke_model_with_response_stream", [], headers=headers):
        made.call("invoke_model_with_response_stream", "body", modelId=MODEL, body=b"{}")
    assert made.response["contentType"] == "application/json"
    assert made.metadata["RequestId"] == "mine"


@pytest.mark.parametrize(
    ("last", "code", "text"),
    [
        (exception("throttlingException", "slow down"), "throttlingException", "slow down"),
        (error("InternalError", "oh"), "InternalError", "oh"),
    ],
)
def test_exception_in_mid_stream(caller, installed, last, code, text):
    made = caller("bedrock-runtime")
    with fake_response(made.client, "converse_stream", [HELLO, last, STOP]), pytest.raises(EventStreamError) as raised:
        made.call("converse_stream", "stream", modelId=MODEL)
    assert made.heard == HEARD[:1]
    assert raised.value.response["Error"] == {"Code": code, "Message": text}
    assert raised.value.operation_name == "ConverseStream"


def test_bad_checksum(caller, installed):
    made = caller("bedrock-runtime")
    events = [HELLO, corrupted(STOP)]
    with fake_response(made.client, "converse_stream", events), pytest.raises(ChecksumMismatch):
        made.call("converse_stream", "stream", modelId=MODEL)
    assert made.heard == HEARD[:1]


def test_stream_that_is_cut(caller, installed):
    made = caller("bedrock-runtime")
    expected = pytest.raises(ParserError) if installed else nullcontext()  # botocore itself does not notice
    with fake_response(made.client, "converse_stream", [HELLO, cut(STOP)]), expected:
        made.call("converse_stream", "stream", modelId=MODEL)
    assert made.heard == HEARD[:1]


def test_early_clean_end(caller, installed):
    assert converse(caller, [HELLO]).heard == HEARD[:1]


def test_pause(caller):
    begun = time.monotonic()
    assert converse(caller, [HELLO, slow(0.2), STOP]).heard == HEARD
    assert time.monotonic() - begun >= 0.2


def test_recording(caller):
    assert converse(caller, [HELLO.encode() + STOP.encode(), b""]).heard == HEARD


def test_unknown_event_is_sent_as_bytes(caller):
    """As a service does that is newer than its model in botocore, which drops it."""
    events = [event("foo", {}).encode(), HELLO, event("messageStart", {"rol": "user"}).encode(), STOP]
    assert converse(caller, events).heard == [HEARD[0], {"messageStart": {}}, HEARD[1]]


def test_document_may_have_any_members():
    shape = SimpleNamespace(type_name="structure", is_document_type=True)
    assert not list(responses._unknown({"any": 1}, shape, "path"))


def test_calls_are_answered_and_kept(bedrock):
    with fake_response(bedrock, "converse_stream", iter([HELLO])) as requests:
        for model in ("first", "second"):
            assert list(bedrock.converse_stream(modelId=model)["stream"]) == HEARD[:1]
        assert requests == [{"modelId": "first"}, {"modelId": "second"}]


def test_inner_block_answers_in_place_of_the_outer_one(caller):
    """A test replaces what a fixture has faked. Blocks may end in another order."""
    made = caller("bedrock-runtime")

    def called():
        return made.call("converse_stream", "stream", modelId=MODEL)

    outer = fake_response(made.client, "converse_stream", [HELLO])
    inner = fake_response(made.client, "converse_stream", [STOP])
    first = outer.__enter__()
    with inner as second:
        assert called() == HEARD[1:]
        assert (len(first), len(second)) == (0, 1)
    assert called() == HEARD[:1]
    last = fake_response(made.client, "converse_stream", [HELLO, STOP])
    last.__enter__()
    outer.__exit__(None, None, None)
    assert called() == HEARD
    assert (len(first), len(second)) == (1, 1)
    last.__exit__(None, None, None)


def test_client_is_as_before_after_the_block(bedrock):
    with fake_response(bedrock, "converse_stream", [HELLO]):
        pass
    with fake_response(bedrock, "converse_stream", [STOP]):
        assert list(bedrock.converse_stream(modelId="any")["stream"]) == HEARD[1:]

    class Sent(Exception):
        pass

    def refuse(**_):
        raise Sent

    bedrock.meta.events.register("before-call.bedrock-runtime.ConverseStream", refuse)
    with pytest.raises(Sent):
        bedrock.converse_stream(modelId="any")
    bedrock.meta.events.unregister("before-call.bedrock-runtime.ConverseStream", refuse)


def test_parameters_are_checked(bedrock):
    with fake_response(bedrock, "converse_stream", [HELLO]), pytest.raises(ParamValidationError, match="modelId"):
        bedrock.converse_stream()


def test_stream_that_is_closed_ends(caller):
    made = caller("bedrock-runtime")
    with fake_response(made.client, "converse_stream", [HELLO, STOP, STOP]):
        if caller is Sync:
            stream = made.client.converse_stream(modelId=MODEL)["stream"]
            received = iter(stream)
            assert next(received) == HEARD[0]
            stream.close()
            assert list(received) == []
        else:

            async def main():
                stream = (await made.client.converse_stream(modelId=MODEL))["stream"]
                heard = []
                async for received in stream:
                    heard.append(received)
                    stream.close()
                assert heard == HEARD[:1]

            asyncio.run(main())


def test_client_that_is_none(bedrock):
    """A resource of boto3 has a client in its `meta`."""
    resource = SimpleNamespace(meta=SimpleNamespace(client=bedrock))
    text = "client must be a client of boto3, botocore or aiobotocore, not"
    with pytest.raises(TypeError, match=f"^{text} NoneType$"), fake_response(None, "converse_stream", []):
        pass
    with (
        pytest.raises(TypeError, match=f"^{text} SimpleNamespace; give the resource's meta.client$"),
        fake_response(resource, "converse_stream", []),
    ):
        pass


@pytest.mark.parametrize(
    ("operation", "events", "options", "kind", "text"),
    [
        ("transcribe", [], {}, ValueError, "bedrock-runtime has no operation 'transcribe'"),
        ("converse", [], {}, ValueError, "Converse does not answer with an event stream"),
        (
            "InvokeModelWithBidirectionalStream",
            [],
            {},
            ValueError,
            "InvokeModelWithBidirectionalStream streams in both directions: serve it with .*boto3.serve",
        ),
        ("converse_stream", HELLO, {}, TypeError, "events must be a list or the like, not one Message"),
        ("converse_stream", HELLO.encode(), {}, TypeError, "events must be a list or the like, not one bytes"),
        ("converse_stream", [{}], {}, TypeError, "events must be messages, bytes or pauses, not dict"),
        ("converse_stream", [], {"chunk_size": 0}, ValueError, "chunk_size=0: at least 1 is needed"),
        (
            *("converse_stream", [HELLO, event("messageStopp", {})], {}, ValueError),
            r"ConverseStream has no event 'messageStopp' \(did you mean 'messageStop'\?\); to send it .*",
        ),
        (
            *("converse_stream", [event("messageStart", {"rol": "user"})], {}, ValueError),
            r"ConverseStream has no member messageStart\.rol \(did you mean 'role'\?\); to send it nevertheless, .*",
        ),
        (
            *("converse_stream", [event("contentBlockDelta", {"delta": {"Text": "a"}})], {}, ValueError),
            r"ConverseStream has no member contentBlockDelta\.delta\.Text \(did you mean 'text'\?\); .*",
        ),
        (
            *("converse_stream", [event("metadata", ASSESSED)], {}, ValueError),
            r"ConverseStream has no member metadata\.trace\.guardrail\.outputAssessments\.a\.TopicPolicy \(did .*",
        ),
    ],
)
def test_arguments_that_cannot_be(bedrock, operation, events, options, kind, text):
    with pytest.raises(kind, match=f"^{text}$"), fake_response(bedrock, operation, events, **options):
        pass
