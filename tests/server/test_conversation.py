"""One stream of a server: what it answers, what goes wrong in it, and what is logged."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from dataclasses import replace
from email.utils import parsedate_to_datetime
from types import SimpleNamespace

import pytest
from cases import each
from h2.errors import ErrorCodes
from h2.events import StreamEnded, StreamReset
from h2.settings import SettingCodes
from http2.loopback import Peer, request
from operations import REQUEST, TALK, Answer, Text, ThrottlingException
from sockets import Peer as SocketPeer
from talking import client_of, run, server, talk

from eventstream import MessageChecksumMismatch, ServiceError, TruncatedMessage
from eventstream.client import StreamError
from eventstream.exceptions import IncompleteStream
from eventstream.http2 import Budget
from eventstream.operation import Events, Operation, Strings
from eventstream.server import ConnectionLimits, Limits, Server


def port_of(endpoint):
    return int(endpoint.rpartition(":")[2])


def test_generator_answers():
    async def main():
        async with server() as serving:
            assert await talk(client_of(serving)) == ["HELLO (en)", "AGAIN (en)"]
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


def test_iteration_that_has_ended_stays_ended():
    ends = []

    async def handler(conversation):
        await conversation.admit()
        await conversation.respond({})
        ends.append([event async for event in conversation])
        ends.append([event async for event in conversation])

    async def main():
        async with server(handler) as serving, client_of(serving).open(TALK, REQUEST) as stream:
            await stream.send(Text("hello"))
            await stream.end()
            assert [answer async for answer in stream] == []
            assert serving.statistics.signatures == 3  # request, event and end: that one is counted once

    run(main)
    assert ends == [["hello"], []]


def test_response_that_an_operation_gives_by_default():
    operation = replace(TALK, reply=lambda request: {"session": request["bot"]})

    async def main():
        async with server(operation=operation) as serving, client_of(serving).open(operation, REQUEST) as stream:
            assert stream.response == {"session": "b"}
            await stream.end()

    run(main)


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
                await talk(client_of(serving))

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
                await talk(client_of(serving))

    run(main)


def test_handler_that_never_responds_is_told(caplog):
    async def forget(conversation):
        await conversation.admit()

    async def main():
        async with server(forget) as serving:
            with pytest.raises(ServiceError) as raised:
                await talk(client_of(serving))
            assert raised.value.status_code == 500

    run(main)
    assert "the handler returned before calling respond" in caplog.text


# Faults, and the end


@each(
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
                await talk(client_of(serving))

    run(main)


def test_fault_that_strikes_once_is_passed_by_a_retry(monkeypatch):
    async def at_once(attempt, left):
        return True

    monkeypatch.setattr("eventstream.client.retries._pause", at_once)

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


def test_log_has_each_stream(caplog):
    caplog.set_level(logging.INFO, "eventstream.server")

    async def main():
        async with server(faults="early-end@2") as serving:
            with pytest.raises(IncompleteStream):
                await talk(client_of(serving))

    run(main)
    assert "early-end, as requested" in caplog.text


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


def test_failures_of_handlers_are_logged_once_a_second(caplog, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("eventstream.http2.listener.time", SimpleNamespace(monotonic=lambda: now[0]))

    async def fail(request, events):
        raise ZeroDivisionError
        yield

    async def main():
        async with server(fail) as serving:
            for after in (0, 0, 0, 1.5):
                now[0] += after
                with pytest.raises(ServiceError):
                    await talk(client_of(serving))

    run(main)
    first, second = (record for record in caplog.records if record.levelname == "ERROR")
    assert first.getMessage().endswith(": it failed")
    assert first.exc_info[0] is ZeroDivisionError
    assert second.getMessage().endswith(": it failed (and 2 other faults were not logged)")


def test_flood_of_tiny_data_after_a_refusal_is_cut(caplog):
    """Data that nobody will take gives nothing of the budget back."""
    caplog.set_level(logging.INFO, "eventstream.http2")

    async def main():
        async with server(connections=ConnectionLimits(idle_frames=Budget(200, 0))) as serving:
            reader, writer = await asyncio.open_connection("127.0.0.1", port_of(serving.endpoint))
            peer = Peer(reader, writer, client=True)
            peer.h2.send_headers(1, request("/nowhere"))
            await peer.until(StreamEnded)
            with suppress(ConnectionError):
                for _ in range(3_000):
                    peer.h2.send_data(1, b"x")
                await peer.flush()
            await asyncio.wait_for(peer.until_closed(), 5)
            peer.close()
            assert serving.statistics.refused == 1

    run(main)
    assert "faster than the budgets allow" in caplog.text


def test_flood_of_tiny_frames_after_a_refusal_is_cut(caplog):
    caplog.set_level(logging.INFO, "eventstream.websocket")

    async def main():
        limits = ConnectionLimits(idle_frames=Budget(200, 0))
        async with server(websocket_port=0, connections=limits) as serving:
            peer = await SocketPeer.of(port_of(serving.websocket_endpoint), "/talk-websocket")
            assert (await peer.reader.read(65_536))[0] == 0x82  # the refusal, in a binary frame
            with suppress(ConnectionError):
                peer.writer.write(peer.bytes_of(2, b"x") * 3_000)
                await peer.writer.drain()
            await asyncio.wait_for(peer.frames(), 5)
            assert serving.statistics.refused == 1

    run(main)
    assert "faster than the budget allows" in caplog.text


@pytest.mark.waits
def test_refusal_that_is_not_taken_ends_soon():
    """A stranger cannot keep a stream by a window that is closed."""

    async def main():
        async with server(limits=Limits(input_timeout=30)) as serving:
            reader, writer = await asyncio.open_connection("127.0.0.1", port_of(serving.endpoint))
            peer = Peer(reader, writer, client=True)
            peer.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 0})
            peer.h2.send_headers(1, request("/talk"))
            reset = await asyncio.wait_for(peer.until(StreamReset), 5)
            assert reset.error_code == ErrorCodes.CANCEL
            assert serving.statistics.refused == 1
            peer.close()

    run(main)
