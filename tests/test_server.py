"""A server of any operation, against the client of any operation: over loopback, in plaintext."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from dataclasses import replace
from email.utils import parsedate_to_datetime

import pytest
from test_operation import TALK, Answer, Text, ThrottlingException

from eventstream import MessageChecksumMismatch, ServiceError, TruncatedMessage
from eventstream.client import Client, StreamError
from eventstream.exceptions import IncompleteStream
from eventstream.operation import Events, InvalidRequest, Operation, Strings
from eventstream.server import Limits, Server
from eventstream.signing import Credentials

CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
REQUEST = {"bot": "b", "language": "en"}
LIMIT = 20


def run(main):
    return asyncio.run(asyncio.wait_for(main(), LIMIT))


async def shout(request, events):
    async for event in events:
        yield Answer(f"{event.upper()} ({request['language']})")


def server(handler=shout, *, operation=TALK, credentials=(CREDENTIALS,), **options):
    return Server({operation: handler}, credentials=credentials, **options)


def client_of(server, **options):
    return Client("us-east-1", endpoint=server.endpoint, credentials=CREDENTIALS, **options)


async def talk(server, texts=("hello", "again"), **options):
    """Return the answers, one after the other."""
    answers = []
    async with client_of(server, **options).open(TALK, REQUEST) as stream:
        for text in texts:
            await stream.send(Text(text))
            answers.append(await anext(stream))
        await stream.end()
        answers += [answer async for answer in stream]
        return answers


def test_generator_answers():
    async def main():
        async with server() as serving:
            assert await talk(serving) == ["HELLO (en)", "AGAIN (en)"]
            assert serving.statistics.streams == 1
            assert (serving.statistics.refused, serving.statistics.failed) == (0, 0)
            assert serving.statistics.signatures == 4  # request, events, end

    run(main)


def test_coroutine_answers_and_says_when_the_response_begins():
    async def handler(conversation):
        await conversation.admit()
        await conversation.respond({"session": "mine"})
        async for event in conversation:
            await conversation.send(Answer(event))
        assert conversation.input_ended

    async def main():
        async with server(handler) as serving, client_of(serving).open(TALK, REQUEST) as stream:
            assert stream.response == {"session": "mine"}
            headers = dict(stream._headers)
            assert headers["x-amzn-requestid"] == headers["x-amzn-request-id"]
            assert parsedate_to_datetime(headers["date"])
            await stream.send(Text("hello"))
            await stream.end()
            assert [answer async for answer in stream] == ["hello"]

    run(main)


def test_response_that_an_operation_gives_by_default():
    operation = replace(TALK, reply=lambda request: {"session": request["bot"]})

    async def main():
        async with server(operation=operation) as serving, client_of(serving).open(operation, REQUEST) as stream:
            assert stream.response == {"session": "b"}
            await stream.end()

    run(main)


def test_each_operation_has_its_handler():
    other = replace(TALK, name="Other", path="/other/{bot}")

    async def whisper(request, events):
        async for event in events:
            yield Answer(event.lower())

    async def main():
        async with Server({TALK: shout, other: whisper}, credentials=None) as serving:
            assert await talk(serving, ["Aa"]) == ["AA (en)"]
            async with client_of(serving).open(other, REQUEST) as stream:
                await stream.send(Text("Aa"))
                await stream.end()
                assert [answer async for answer in stream] == ["aa"]

    run(main)


def test_server_without_an_operation():
    with pytest.raises(ValueError, match="needs at least one operation"):
        Server({}, credentials=None)


# What is refused


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"credentials": Credentials("AKIDEXAMPLE", "other")}, 403, "InvalidSignatureException"),
        ({"credentials": Credentials("AKIDOTHER", "other")}, 403, "UnrecognizedClientException"),
        ({"operation": replace(TALK, path="/nowhere/{bot}")}, 404, "UnknownOperationException"),
        ({"operation": replace(TALK, request=Strings(), path="/bots/{bot}/talk")}, None, None),
    ],
)
def test_requests_that_are_refused(change, status, code):
    operation = change.get("operation", TALK)

    async def main():
        async with server() as serving:
            client = Client("us-east-1", endpoint=serving.endpoint, credentials=change.get("credentials", CREDENTIALS))
            if code is None:
                with pytest.raises(InvalidRequest):
                    client.open(operation, REQUEST)
                return
            with pytest.raises(ServiceError) as raised:
                async with client.open(operation, REQUEST):
                    pass
            assert (raised.value.status_code, raised.value.code) == (status, code)
            assert raised.value.request_id
            assert serving.statistics.refused == 1

    run(main)


def test_more_streams_than_may_be():
    async def main():
        async with server(limits=Limits(max_streams=1)) as serving:
            client = client_of(serving)
            async with client.open(TALK, REQUEST) as stream:
                with pytest.raises(ThrottlingException, match="1 concurrent streams") as raised:
                    async with client.open(TALK, REQUEST):
                        pass
                assert raised.value.status_code == 429
                await stream.end()
            assert await talk(serving) == ["HELLO (en)", "AGAIN (en)"]

    run(main)


def test_silent_client_gets_an_exception(caplog):
    async def main():
        limits = Limits(input_timeout=0.1)
        async with server(limits=limits) as serving, client_of(serving).open(TALK, REQUEST) as stream:
            with pytest.raises(ServiceError, match=r"timed out because no new event was received for 0.1 seconds"):
                await anext(stream)
            assert serving.statistics.failed == 1

    run(main)
    assert "Traceback" not in caplog.text


def test_event_that_is_none_gets_an_exception():
    strange = replace(TALK, inputs=TALK.outputs)

    async def main():
        async with server() as serving, client_of(serving).open(strange, REQUEST) as stream:
            await stream.send(Answer("hello"))
            with pytest.raises(ServiceError, match="only the server sends it"):
                await anext(stream)

    run(main)


# What handlers do wrong


@pytest.mark.parametrize("early", [True, False])
def test_handler_that_fails_is_logged_and_told(early, caplog):
    async def fail(request, events):
        if early:
            raise RuntimeError("of mine")
        async for event in events:
            yield Answer(event)
            raise RuntimeError("of mine")

    async def main():
        async with server(fail) as serving:
            with pytest.raises(ServiceError, match=r"^InternalServerException: The server failed to process"):
                await talk(serving)

    run(main)
    assert "of mine" in caplog.text


@pytest.mark.parametrize("member", ["message", "Message", "text"])
def test_text_of_an_error_has_the_operations_name(member):
    operation = replace(TALK, text_member=member)

    async def main():
        async with server(operation=operation, faults=["exception:Odd@0*1", "exception:Odd@1"]) as serving:
            client = client_of(serving)
            with pytest.raises(ServiceError) as refused:
                async with client.open(operation, REQUEST):
                    pass
            async with client.open(operation, REQUEST) as stream:
                await stream.send(Text("hello"))
                with pytest.raises(ServiceError) as ended:
                    await anext(stream)
            for error in (refused.value, ended.value):
                assert json.loads(error.payload) == {member: "The server was asked for this exception."}

    run(main)


def test_error_of_a_handler_is_the_clients():
    async def refuse(request, events):
        async for event in events:
            raise ThrottlingException("ThrottlingException", f"not {event}")
            yield

    async def main():
        async with server(refuse) as serving:
            with pytest.raises(ThrottlingException, match="not hello"):
                await talk(serving)

    run(main)


def test_handler_that_never_responds_is_told(caplog):
    async def forget(conversation):
        await conversation.admit()

    async def main():
        async with server(forget) as serving:
            with pytest.raises(ServiceError) as raised:
                await talk(serving)
            assert raised.value.status_code == 500

    run(main)
    assert "the handler returned before it called respond" in caplog.text


# Faults, and the end


@pytest.mark.parametrize(
    ("fault", "error", "count"),
    [
        ("early-end@2", IncompleteStream, 1),
        ("early-end@1", IncompleteStream, 0),
        ("truncate@2", TruncatedMessage, 1),
        ("bad-crc@2", MessageChecksumMismatch, 1),
        ("reset@2", StreamError, 1),
        ("exception:ThrottlingException@2", ThrottlingException, 1),
    ],
)
def test_faults_on_request(fault, error, count):
    async def main():
        async with server(faults=[fault]) as serving, client_of(serving).open(TALK, REQUEST) as stream:
            answers = []
            with pytest.raises(error):  # noqa: PT012 (how far it comes is the question)
                for text in ("one", "two", "three"):
                    await stream.send(Text(text))
                    answers.append(await anext(stream))
            assert len(answers) == count

    run(main)


def test_early_end_instead_of_any_event():
    async def main():
        async with server(faults="early-end@0") as serving:
            with pytest.raises(IncompleteStream):
                await talk(serving)

    run(main)


def test_fault_that_strikes_once_is_passed_by_a_retry(monkeypatch):
    async def at_once(attempt, left):
        return True

    monkeypatch.setattr("eventstream.client._pause", at_once)

    async def main():
        async with server(faults="exception:ThrottlingException@0*2") as serving:
            client = client_of(serving)
            with pytest.raises(ThrottlingException):
                async with client.open(TALK, REQUEST, retries=2, retry_on=lambda error: False):
                    pass
            async with client.open(TALK, REQUEST, retries=1) as stream:
                await stream.end()
                assert [answer async for answer in stream] == []

    run(main)


def test_draining_lets_streams_end_and_refuses_new_ones():
    async def main():
        async with server() as serving:
            client = client_of(serving)
            async with client.open(TALK, REQUEST) as stream:
                draining = asyncio.create_task(serving.drain(LIMIT))
                await asyncio.sleep(0)
                with pytest.raises(ServiceError, match="The server is shutting down"):
                    async with client.open(TALK, REQUEST):
                        pass
                await stream.send(Text("last"))
                await stream.end()
                assert [answer async for answer in stream] == ["LAST (en)"]
            await draining

    run(main)


def test_leaving_the_block_ends_streams_with_an_exception():
    async def main():
        async with server() as serving:
            context = client_of(serving).open(TALK, REQUEST)
            stream = await context.__aenter__()
        with pytest.raises(ServiceError, match="The server is shutting down"):
            await anext(stream)
        await context.__aexit__(None, None, None)

    run(main)


def test_each_stream_is_logged(caplog):
    caplog.set_level(logging.INFO, "eventstream.server")

    async def main():
        async with server(faults="early-end@2") as serving:
            with pytest.raises(IncompleteStream):
                await talk(serving)

    run(main)
    assert "early-end, as was asked for" in caplog.text


# What is no event stream


@pytest.mark.parametrize(
    ("headers", "body", "text"),
    [
        ([("content-type", "text/html")], b"<!DOCTYPE html>", "the server answered text/html: '<!DOCTYPE html>'"),
        ([("content-encoding", "gzip")], b"\x1f\x8b", "the server answered a body in gzip: "),
        ([("content-type", "application/json")], b'{"message": "x"}', "the server answered application/json: "),
    ],
)
def test_response_that_is_no_event_stream(headers, body, text):
    from eventstream import http2

    async def page(stream):
        await stream.respond(200, headers)
        await stream.send(body)
        await stream.end()

    async def main():
        async with http2.serve(page) as serving:
            client = Client("us-east-1", endpoint=f"http://127.0.0.1:{serving.port}", credentials=CREDENTIALS)
            with pytest.raises(ServiceError) as raised:
                async with client.open(TALK, REQUEST):
                    pass
            assert str(raised.value).startswith(text)
            assert raised.value.payload == body

    run(main)


def test_operation_may_say_nothing_at_all():
    nothing = Operation(
        name="Nothing",
        service="s",
        signing_name="s",
        endpoint="s",
        path="/nothing",
        request=Strings(),
        response=Strings(),
        inputs=Events(),
        outputs=Events(),
    )

    async def silent(request, events):
        async for _ in events:
            yield

    async def main():
        serving = Server({nothing: silent}, credentials=None)
        async with serving, client_of(serving).open(nothing, {}) as stream:
            await stream.end()
            assert [event async for event in stream] == []

    run(main)


def test_server_with_tls_needs_a_context_for_each_port():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for options in ({"ssl": context}, {"websocket_ssl": context}):
        with pytest.raises(ValueError, match="both ports need a context: ssl and websocket_ssl"):
            server(websocket_port=0, **options)
    assert server(ssl=context).websocket_endpoint is None
    assert server(websocket_port=8443, websocket_ssl=context, ssl=context).websocket_endpoint == "wss://127.0.0.1:8443"
