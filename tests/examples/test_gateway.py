"""The gateway of ``examples/`` before a fake Bedrock, which verifies its signatures and sends what Bedrock sends."""

from __future__ import annotations

import asyncio
import base64
import importlib.util
import json
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from eventstream import ServiceError, iter_messages
from eventstream.exceptions import VerificationError
from eventstream.signing import Credentials, verify_request
from eventstream.testing import corrupted, cut, error, event, exception

aiohttp = pytest.importorskip("aiohttp")
web = pytest.importorskip("aiohttp.web")

CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "a session's token")
MODEL = "anthropic.claude-3-haiku-20240307-v1:0"
EVENTS = "application/vnd.amazon.eventstream"
PATH = Path(__file__).parents[2] / "examples/gateway.py"

DELTAS = [{"type": "content_block_delta", "delta": {"text": text}} for text in ("Grüezi", " mitenand")]
LAST = {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"outputTokenCount": 5}}


def chunk(content):
    """As Bedrock sends it: JSON in base64 in JSON, with padding beside it."""
    return event("chunk", {"bytes": json.dumps(content).encode(), "p": "abcdefgh"})


WHOLE = [*map(chunk, DELTAS), chunk(LAST)]


def load():
    spec = importlib.util.spec_from_file_location("gateway_example", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@asynccontextmanager
async def listening(app):
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
    finally:
        await runner.cleanup()


def fake_bedrock(items, status=200):
    async def answer(request):
        body = await request.read()
        try:
            verify_request(CREDENTIALS, "us-east-1", "bedrock", "POST", request.raw_path, request.headers.items())
            assert request.headers["x-amz-content-sha256"] == sha256(body).hexdigest()
        except VerificationError as refused:
            return web.json_response({"message": str(refused)}, status=403)
        assert request.match_info["model"] == MODEL
        if status != 200:
            headers = {"x-amzn-errortype": "ThrottlingException:http://internal.amazon.com/"}
            return web.json_response({"message": "Too many tokens"}, status=status, headers=headers)
        response = web.StreamResponse(headers={"content-type": EVENTS})
        await response.prepare(request)
        for item in items:
            await response.write(item if isinstance(item, bytes) else item.encode())
        await response.write_eof()
        return response

    app = web.Application()
    app.router.add_post("/model/{model}/invoke-with-response-stream", answer)
    return app


def ask(items, status=200, accept="text/event-stream", credentials=CREDENTIALS):
    """Return the status, the content type and the body of what the gateway answers."""
    gateway = load()

    async def main():
        async with listening(fake_bedrock(items, status)) as endpoint:
            made = gateway.Gateway("us-east-1", credentials, endpoint)
            async with (
                listening(gateway.application(made)) as url,
                aiohttp.ClientSession(headers={"accept": accept}) as session,
                session.post(f"{url}/{MODEL}", data=b'{"messages": []}') as response,
            ):
                return response.status, response.content_type, await response.read()

    return asyncio.run(asyncio.wait_for(main(), 20))


@pytest.mark.parametrize("origin", ["own", "http://elsewhere.example", "null"])
def test_web_page_is_refused(origin):
    """A name of another site may resolve to this machine, so that its page has the same origin as the gateway."""

    async def refuse(_):
        pytest.fail("the page uses the gateway's credentials")

    async def main():
        made = load().Gateway("us-east-1", refuse, "http://127.0.0.1:9")
        async with listening(load().application(made)) as url, aiohttp.ClientSession() as session:
            headers = {"origin": url if origin == "own" else origin, "content-type": "text/plain"}
            async with session.post(f"{url}/{MODEL}", data=b"{}", headers=headers) as response:
                return response.status, await response.json()

    refused = {"error": "Forbidden", "message": "Web pages may not use it."}
    assert asyncio.run(asyncio.wait_for(main(), 20)) == (403, refused)


def server_sent(body):
    """Pairs of an event's type, None for the default one, and its data."""
    events = []
    for block in body.decode().split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        events.append((fields.get("event"), json.loads(fields["data"])))
    return events


def reencoded(body):
    return [json.loads(base64.b64decode(json.loads(message.payload)["bytes"])) for message in iter_messages(body)]


def test_chunks_are_server_sent_events():
    status, content_type, body = ask(WHOLE)
    assert (status, content_type) == (200, "text/event-stream")
    assert server_sent(body) == [*((None, delta) for delta in DELTAS), (None, LAST), ("done", {})]


def test_chunks_are_events_for_those_who_ask():
    status, content_type, body = ask(WHOLE, accept=EVENTS)
    assert (status, content_type) == (200, EVENTS)
    assert reencoded(body) == [*DELTAS, LAST]


@pytest.mark.parametrize("accept", ["text/event-stream", EVENTS])
def test_refusal_keeps_its_status_and_words(accept):
    status, _, body = ask([], status=429, accept=accept)
    assert status == 429
    assert json.loads(body) == {"error": "ThrottlingException", "message": "Too many tokens"}


def test_wrong_credentials_are_told():
    status, _, body = ask(WHOLE, credentials=Credentials("AKIDEXAMPLE", "not the key", "a session's token"))
    assert status == 403
    assert "signature does not match" in json.loads(body)["message"]


def test_unreachable_service_is_a_bad_gateway():
    gateway = load()

    async def main():
        async with listening(web.Application()) as endpoint:
            pass
        made = gateway.Gateway("us-east-1", CREDENTIALS, endpoint)
        async with (
            listening(gateway.application(made)) as url,
            aiohttp.ClientSession() as session,
            session.post(f"{url}/{MODEL}", data=b"{}") as response,
        ):
            return response.status, (await response.json())["error"]

    assert asyncio.run(asyncio.wait_for(main(), 20)) == (502, "Unreachable")


@pytest.mark.parametrize(
    ("items", "code", "text"),
    [
        ([WHOLE[0], exception("throttlingException", "slow down")], "throttlingException", "slow down"),
        ([WHOLE[0], error("InternalError", "oh")], "InternalError", "oh"),
        (WHOLE[:1], "modelStreamErrorException", "it ended before its last chunk"),
        ([WHOLE[0], cut(WHOLE[1])], "modelStreamErrorException", "ends in the middle of a message"),
        ([WHOLE[0], corrupted(WHOLE[1])], "modelStreamErrorException", "checksum mismatch"),
        ([WHOLE[0], event("chunk", b"{}")], "modelStreamErrorException", "The answer is not complete"),
    ],
    ids=["exception", "error", "early end", "cut", "corrupted", "another shape"],
)
def test_error_ends_the_answer(items, code, text):
    *before, (kind, told) = server_sent(ask(items)[2])
    assert before == [(None, DELTAS[0])]
    assert (kind, told["error"]) == ("error", code)
    assert text in told["message"]
    *messages, last = iter_messages(ask(items, accept=EVENTS)[2])
    assert len(messages) == 1
    with pytest.raises(ServiceError, match=text) as raised:
        last.raise_for_error()
    assert raised.value.code == code
