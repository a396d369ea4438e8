"""What people run on botocore, unchanged, over HTTP on loopback: the same results with our codec in it as without.

The clients are installed and run only if they are asked for, by ``make adapters``, which sets
``EVENTSTREAM_ADAPTERS=1``; then one that is missing is an error.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os

import frames
import pytest

if not os.environ.get("EVENTSTREAM_ADAPTERS"):
    pytest.skip("the clients of botocore run with EVENTSTREAM_ADAPTERS=1", allow_module_level=True)

import aiobotocore.session
import boto3
import botocore.eventstream as theirs
from botocore.config import Config
from botocore.exceptions import EventStreamError

from eventstream.adapters import botocore as ours

# What these libraries warn of is theirs to mend.
pytestmark = pytest.mark.filterwarnings("ignore")

KEYS = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "secret"}
OPTIONS = {
    **KEYS,
    "region_name": "us-east-1",
    "config": Config(inject_host_prefix=False, retries={"max_attempts": 0}, connect_timeout=5, read_timeout=5),
}
MODEL = "anthropic.claude-3-sonnet-20240229-v1:0"
THEIRS = theirs.EventStreamBuffer


# What services send


def event(type_, payload=b"", content_type="application/json"):
    block = frames.string(":message-type", "event") + frames.string(":event-type", type_)
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return frames.frame(block + frames.string(":content-type", content_type), body)


def exception(type_, text):
    block = frames.string(":message-type", "exception") + frames.string(":exception-type", type_)
    return frames.frame(
        block + frames.string(":content-type", "application/json"), json.dumps({"message": text}).encode()
    )


def error(code, text):
    block = frames.string(":message-type", "error") + frames.string(":error-code", code)
    return frames.frame(block + frames.string(":error-message", text))


def chunk(body):
    return event("chunk", {"bytes": base64.b64encode(json.dumps(body).encode()).decode()})


def shard_event(number):
    record = {"Data": base64.b64encode(b"%d" % number).decode(), "SequenceNumber": str(number), "PartitionKey": "key"}
    return event(
        "SubscribeToShardEvent",
        {"Records": [record], "ContinuationSequenceNumber": str(number), "MillisBehindLatest": 0},
    )


WORDS = ["The", " quick", " brown", " fox", ", say Grüße."]
INITIAL = event("initial-response", {})
CONVERSE = (
    event("messageStart", {"role": "assistant"}),
    *[event("contentBlockDelta", {"delta": {"text": word}, "contentBlockIndex": 0}) for word in WORDS],
    event("contentBlockStop", {"contentBlockIndex": 0}),
    event("messageStop", {"stopReason": "end_turn"}),
    event(
        "metadata",
        {"usage": {"inputTokens": 1, "outputTokens": 5, "totalTokens": 6}, "metrics": {"latencyMs": 1}},
    ),
)
CLAUDE = (
    chunk(
        {
            "type": "message_start",
            "message": {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "content": [],
                "model": "claude",
                "stop_reason": None,
                "stop_sequence": None,
                "usage": {"input_tokens": 1, "output_tokens": 1},
            },
        }
    ),
    chunk({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
    *[
        chunk({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}})
        for word in WORDS
    ],
    chunk({"type": "content_block_stop", "index": 0}),
    chunk(
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 5},
        }
    ),
    chunk({"type": "message_stop"}),
)


# Calls of boto3, and where the stream is in their responses

SERVICES = {
    "S3 Select": (
        "s3",
        "select_object_content",
        {
            "Bucket": "bucket",
            "Key": "key",
            "Expression": "SELECT * FROM S3Object",
            "ExpressionType": "SQL",
            "InputSerialization": {"CSV": {}},
            "OutputSerialization": {"CSV": {}},
        },
        "Payload",
        (
            *[event("Records", b"%d,value\n" % number, "application/octet-stream") for number in range(20)],
            event("Cont"),
            event("Progress", b"<Progress><BytesScanned>5</BytesScanned></Progress>", "text/xml"),
            event("Records", bytes(range(256)) * 200, "application/octet-stream"),
            event("Stats", b"<Stats><BytesScanned>9</BytesScanned></Stats>", "text/xml"),
            event("End"),
        ),
    ),
    "Kinesis SubscribeToShard": (
        "kinesis",
        "subscribe_to_shard",
        {
            "ConsumerARN": "arn:aws:kinesis:us-east-1:123456789012:stream/s/consumer/c:1",
            "ShardId": "shardId-000000000000",
            "StartingPosition": {"Type": "LATEST"},
        },
        "EventStream",
        (INITIAL, *map(shard_event, range(20))),
    ),
    "Lambda InvokeWithResponseStream": (
        "lambda",
        "invoke_with_response_stream",
        {"FunctionName": "function"},
        "EventStream",
        (
            *[event("PayloadChunk", word.encode(), "application/octet-stream") for word in WORDS],
            event("InvokeComplete", {"LogResult": "done"}),
        ),
    ),
    "Bedrock InvokeModelWithResponseStream": (
        "bedrock-runtime",
        "invoke_model_with_response_stream",
        {"modelId": MODEL, "body": b"{}"},
        "body",
        CLAUDE,
    ),
    "Bedrock ConverseStream": (
        "bedrock-runtime",
        "converse_stream",
        {"modelId": MODEL, "messages": [{"role": "user", "content": [{"text": "Hello"}]}]},
        "stream",
        CONVERSE,
    ),
    "CloudWatch Logs StartLiveTail": (
        "logs",
        "start_live_tail",
        {"logGroupIdentifiers": ["arn:aws:logs:us-east-1:123456789012:log-group:group"]},
        "responseStream",
        (
            INITIAL,
            event("sessionStart", {"requestId": "request", "sessionId": "session"}),
            *[
                event("sessionUpdate", {"sessionResults": [{"message": word, "timestamp": 1_700_000_000_000}]})
                for word in WORDS
            ],
        ),
    ),
}


def taken(events):
    """Return the events of a stream, and the error after them: its class and text."""
    found = []
    try:
        found.extend(events)
    except (EventStreamError, theirs.ParserError) as raised:
        return found, (type(raised), str(raised))
    return found, None


def call(name, url):
    service, operation, arguments, member, _ = SERVICES[name]
    client = boto3.client(service, endpoint_url=url, **OPTIONS)
    try:
        return taken(getattr(client, operation)(**arguments)[member])
    finally:
        client.close()


async def call_aio(name, url):
    service, operation, arguments, member, _ = SERVICES[name]
    async with aiobotocore.session.get_session().create_client(service, endpoint_url=url, **OPTIONS) as client:
        response = await getattr(client, operation)(**arguments)
        found = []
        try:
            async for each in response[member]:
                found.append(each)  # noqa: PERF401 - to keep those before an error
        except (EventStreamError, theirs.ParserError) as raised:
            return found, (type(raised), str(raised))
        return found, None


CALLS = {"boto3": call, "aiobotocore": lambda name, url: asyncio.run(call_aio(name, url))}


# In and out


@pytest.fixture
def decoded(monkeypatch):
    """How many messages each of the codecs has decoded."""
    counts = {"theirs": 0, "ours": 0}
    our_converter = ours._converter

    def their_next(buffer, next_=THEIRS.next):
        message = next_(buffer)
        counts["theirs"] += 1
        return message

    def converter():
        convert = our_converter()

        def count(message):
            counts["ours"] += 1
            return convert(message)

        return count

    monkeypatch.setattr(THEIRS, "next", their_next)
    monkeypatch.setattr(ours, "_converter", converter)
    return counts


@pytest.fixture
def both(serve, decoded):
    """Call with the URL of a server of these messages, without and with our codec: the result is the same."""

    def run(messages, call, **options):
        body = b"".join(messages)
        results = []
        for seed, codec in enumerate(("theirs", "ours", "theirs")):
            decoded.update(theirs=0, ours=0)
            served = serve(body, seed=seed, **options)
            if codec == "ours":
                with ours.install():
                    results.append(call(served.url))
            else:
                results.append(call(served.url))
            assert len(served.requests) == 1
            expected = {"theirs": 0, "ours": 0, codec: len(messages)}
            assert decoded == expected
        assert results[0] == results[1] == results[2]
        return results[1]

    return run


@pytest.mark.parametrize("library", CALLS)
@pytest.mark.parametrize("name", SERVICES)
def test_events(both, library, name):
    messages = SERVICES[name][-1]
    events, raised = both(messages, lambda url: CALLS[library](name, url))
    assert raised is None
    assert len(events) == len(messages) - (messages[0] == INITIAL)
    assert all(len(each) == 1 for each in events)


def test_values_are_there(both):
    """What two of these streams say, literally."""
    records, _ = both(SERVICES["S3 Select"][-1], lambda url: call("S3 Select", url))
    assert records[0] == {"Records": {"Payload": b"0,value\n"}}
    assert records[-2:] == [{"Stats": {"Details": {"BytesScanned": 9}}}, {"End": {}}]
    shards, _ = both(SERVICES["Kinesis SubscribeToShard"][-1], lambda url: call("Kinesis SubscribeToShard", url))
    assert [each["SubscribeToShardEvent"]["Records"][0]["Data"] for each in shards] == [b"%d" % n for n in range(20)]


@pytest.mark.parametrize("library", CALLS)
@pytest.mark.parametrize(
    ("last", "text"),
    [(exception("throttlingException", "Slow down"), "Slow down"), (error("InternalError", "Broken"), "Broken")],
    ids=["exception", "error"],
)
def test_service_s_word(both, library, last, text):
    events, raised = both([*CONVERSE[:3], last], lambda url: CALLS[library]("Bedrock ConverseStream", url))
    assert len(events) == 3
    assert raised[0] is EventStreamError
    assert text in raised[1]


@pytest.mark.parametrize("library", CALLS)
def test_damaged_stream(serve, library):
    whole = b"".join(CONVERSE)
    position = len(b"".join(CONVERSE[:4])) + 40
    damaged = whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :]
    outcomes = []
    for install in (False, True):
        served = serve(damaged)
        if install:
            with ours.install():
                outcomes.append(CALLS[library]("Bedrock ConverseStream", served.url))
        else:
            outcomes.append(CALLS[library]("Bedrock ConverseStream", served.url))
    assert outcomes[0] == outcomes[1]
    assert len(outcomes[1][0]) == 4
    assert outcomes[1][1][0] is theirs.ChecksumMismatch


@pytest.mark.parametrize("library", CALLS)
def test_stream_that_is_cut(serve, library):
    """As if nothing were missing, botocore ends."""
    served = serve(b"".join(CONVERSE)[:-1])
    events, raised = CALLS[library]("Bedrock ConverseStream", served.url)
    assert (len(events), raised) == (len(CONVERSE) - 1, None)
    with ours.install():
        same, raised = CALLS[library]("Bedrock ConverseStream", served.url)
    assert same == events
    assert raised[0] is theirs.ParserError
    assert "middle of a message" in raised[1]


# Those that decode Bedrock's streams by themselves

QUESTION = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 100}


def anthropic_events(url):
    import anthropic

    keys = {"aws_access_key": "AKIDEXAMPLE", "aws_secret_key": "secret", "aws_region": "us-east-1"}
    with anthropic.AnthropicBedrock(base_url=url, max_retries=0, timeout=5, **keys) as client:
        return [each.to_dict() for each in client.messages.create(stream=True, **QUESTION)]


def anthropic_events_async(url):
    import anthropic

    keys = {"aws_access_key": "AKIDEXAMPLE", "aws_secret_key": "secret", "aws_region": "us-east-1"}

    async def run():
        async with anthropic.AsyncAnthropicBedrock(base_url=url, max_retries=0, timeout=5, **keys) as client:
            return [each.to_dict() async for each in await client.messages.create(stream=True, **QUESTION)]

    return asyncio.run(run())


@pytest.mark.parametrize("call", [anthropic_events, anthropic_events_async], ids=["sync", "async"])
def test_anthropic(both, call):
    events = both(CLAUDE, call)
    assert "".join(each["delta"].get("text", "") for each in events if "delta" in each) == "".join(WORDS)
    assert events[-1]["type"] == "message_stop"


@pytest.fixture(scope="module")
def litellm():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # otherwise it looks for one on the network
        import litellm

        yield litellm


def litellm_options(url, model):
    keys = {**KEYS, "aws_region_name": "us-east-1", "aws_bedrock_runtime_endpoint": url}
    return {**QUESTION, **keys, "model": model, "stream": True, "timeout": 5, "max_retries": 0, "num_retries": 0}


def said(each):
    choice = each.choices[0]
    return choice.delta.content, choice.delta.role, choice.finish_reason


LITELLM = {"converse": (f"bedrock/converse/{MODEL}", CONVERSE), "invoke": (f"bedrock/invoke/{MODEL}", CLAUDE)}


@pytest.mark.parametrize(("model", "messages"), LITELLM.values(), ids=LITELLM)
def test_litellm(both, litellm, model, messages):
    def call(url):
        return [said(each) for each in litellm.completion(**litellm_options(url, model))]

    events = both(messages, call)
    assert "".join(text or "" for text, _, _ in events) == "".join(WORDS)
    assert events[-1][2] == "stop"


@pytest.mark.parametrize(("model", "messages"), LITELLM.values(), ids=LITELLM)
def test_litellm_async(both, litellm, model, messages):
    async def run(url):
        return [said(each) async for each in await litellm.acompletion(**litellm_options(url, model))]

    events = both(messages, lambda url: asyncio.run(run(url)))
    assert "".join(text or "" for text, _, _ in events) == "".join(WORDS)
