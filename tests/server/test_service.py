"""What all streams of a server share: its operations, and who is there."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from functools import partial, wraps

import pytest
from operations import CREDENTIALS, REQUEST, TALK, Answer, Text
from talking import LIMIT, client_of, run, server, shout, talk

from eventstream import ServiceError
from eventstream.client import Client
from eventstream.operation import Strings
from eventstream.server import ConnectionLimits, Limits, Server
from eventstream.signing import Credentials


def test_handler_of_each_operation():
    other = replace(TALK, name="Other", path="/other/{bot}")

    async def whisper(request, events):
        async for event in events:
            yield Answer(event.lower())

    async def main():
        async with Server({TALK: shout, other: whisper}, credentials=None) as serving:
            assert await talk(client_of(serving), ["Aa"]) == ["AA (en)"]
            async with client_of(serving).open(other, REQUEST) as stream:
                await stream.send(Text("Aa"))
                await stream.end()
                assert [answer async for answer in stream] == ["aa"]

    run(main)


def test_server_without_an_operation():
    with pytest.raises(ValueError, match="needs at least one operation"):
        Server({}, credentials=None)


def test_server_of_two_operations_with_one_path():
    other = replace(TALK, name="Other", path="/bots/{name}/talk", request=Strings(["name"]))
    expected = r"^Talk and Other cannot be served together: path of both is '/bots/{name}/talk'$"
    with pytest.raises(ValueError, match=expected):
        Server({TALK: shout, other: shout}, credentials=None)


def test_server_of_two_operations_with_one_path_for_websockets():
    other = replace(TALK, name="Other", path="/other/{bot}")
    third = replace(TALK, name="Third", path="/third/{bot}", websocket_path=None)
    handlers = {TALK: shout, third: shout, other: shout}
    Server(handlers, credentials=None)
    expected = r"^Talk and Other cannot be served together: websocket_path of both is '/talk-websocket'$"
    with pytest.raises(ValueError, match=expected):
        Server(handlers, credentials=None, websocket_port=0)


@pytest.mark.parametrize("handlers", [TALK, [(TALK, shout)], None])
def test_server_whose_handlers_are_not_a_mapping(handlers):
    with pytest.raises(TypeError, match=r"^handlers must map operations to their handlers, not be a "):
        Server(handlers, credentials=None)


def test_server_of_what_is_not_an_operation():
    with pytest.raises(TypeError, match=r"^the operation must be an eventstream.operation.Operation, not str; "):
        Server({"Talk": shout}, credentials=None)


def test_server_whose_limits_are_others():
    with pytest.raises(TypeError, match=r"^limits must be eventstream.server.Limits, not .*\.ConnectionLimits$"):
        Server({TALK: shout}, credentials=None, limits=ConnectionLimits())
    with pytest.raises(TypeError, match=r"^connections must be ConnectionLimits, not Limits$"):
        Server({TALK: shout}, credentials=None, connections=Limits())


@pytest.mark.parametrize("credentials", ["AKIDEXAMPLE", ["AKIDEXAMPLE"], [("AKIDEXAMPLE", "secret")], 5])
def test_server_whose_credentials_are_not_any(credentials):
    with pytest.raises(TypeError, match=r"^credentials must be Credentials, or several of them, not (str|tuple|int)$"):
        Server({TALK: shout}, credentials=credentials)


@pytest.mark.parametrize(("faults", "kind"), [(5, "int"), (None, "NoneType"), ([None], "NoneType"), (b"x", "int")])
def test_server_whose_faults_are_not_any(faults, kind):
    with pytest.raises(TypeError, match=rf"^a fault must be a Fault, or a str such as 'reset@5', not {kind}$"):
        Server({TALK: shout}, credentials=None, faults=faults)


def test_server_whose_skew_is_in_seconds():
    """Each request would be answered with a fault of the server."""
    with pytest.raises(TypeError, match=r"^max_clock_skew must be a timedelta, or None, not int$"):
        Server({TALK: shout}, credentials=CREDENTIALS, max_clock_skew=300)


def test_server_with_the_credentials_of_one_account():
    async def main():
        async with server(credentials=CREDENTIALS) as serving:
            assert await talk(client_of(serving), ["Aa"]) == ["AA (en)"]
            other = Client("us-east-1", endpoint=serving.endpoint, credentials=Credentials("AKIDEXAMPLE", "other"))
            with pytest.raises(ServiceError, match="signature"):
                await talk(other)

    run(main)


def test_server_region_is_checked():
    with pytest.raises(ValueError, match=r"^the region 'US-EAST-1' cannot be one"):
        server(region="US-EAST-1")
    server(region="us-east-1")


async def _one(conversation): ...
async def _two(request, events): ...
async def _none(): ...
async def _yielding(request):
    yield request


class _Called:
    async def __call__(self, request, events):
        yield request


@wraps(_two)
async def _adapter(conversation): ...


@wraps(_one)
async def _yielding_adapter(request, events):
    yield request


def _handing_on(handler, *more):
    """Adapt a handler, as a decorator for logging does, or one that also adds arguments."""

    @wraps(handler)
    def adapter(*args, **kwargs):
        return handler(*args, *more, **kwargs)

    return adapter


def _awaiting(handler, *more):
    @wraps(handler)
    async def adapter(*args, **kwargs):
        return await handler(*args, *more, **kwargs)

    return adapter


def _repeating(handler, *more):
    @wraps(handler)
    async def adapter(*args, **kwargs):
        async for event in handler(*args, *more, **kwargs):
            yield event

    return adapter


async def _shout_to(request, events, prefix):
    async for answer in shout(request, events):
        yield Answer(prefix + answer)


async def _hush(conversation, prefix=""):
    await conversation.admit()
    await conversation.respond()
    async for event in conversation:
        await conversation.send(Answer(prefix + event))


class _Methods:
    async def none(self): ...

    async def conversation(self, conversation):
        await _hush(conversation)

    async def generator(self, request, events):
        async for answer in shout(request, events):
            yield answer

    adapted_none = _handing_on(none)
    adapted = _awaiting(conversation)
    adapted_generator = _handing_on(generator)


class _Unknown:
    """A handler whose signature cannot be found out, as where an annotation names what is not imported."""

    def __init__(self, error):
        self._error = error

    @property
    def __signature__(self):
        raise self._error

    async def __call__(self, conversation): ...


@pytest.mark.parametrize(
    "handler",
    [
        *(_one, shout, _Called(), partial(_two, None), lambda conversation: None, max),
        *(_adapter, _yielding_adapter, partial(_adapter)),
        *(_Unknown(NameError("Request")), _Unknown(TypeError("no | of these")), _Unknown(ValueError("none"))),
    ],
)
def test_handlers_that_are_taken(handler):
    Server({TALK: handler}, credentials=None)


@pytest.mark.parametrize(
    "handler",
    [
        _two,
        _none,
        _yielding,
        partial(_one, None),
        wraps(_one)(_none),
        partial(shout, events=None),
        lambda request, events: shout(request, events),
        1,
    ],
)
def test_handlers_that_are_refused(handler):
    with pytest.raises(TypeError, match=r"must be an asynchronous generator function of .* or a coroutine "):
        Server({TALK: handler}, credentials=None)


@pytest.mark.parametrize(
    ("handler", "answer"),
    [
        (_handing_on(shout), "HI (en)"),
        (_repeating(shout), "HI (en)"),
        (_handing_on(_handing_on(shout)), "HI (en)"),
        (_repeating(_handing_on(shout)), "HI (en)"),
        (_handing_on(_repeating(_shout_to, ">")), ">HI (en)"),
        (_handing_on(_shout_to, ">"), ">HI (en)"),
        (_handing_on(_hush), "hi"),
        (_awaiting(_hush), "hi"),
        (_awaiting(_hush, ">"), ">hi"),
        (_handing_on(_awaiting(_hush, ">")), ">hi"),
        (_Methods().adapted, "hi"),
        (_Methods().adapted_generator, "HI (en)"),
    ],
)
def test_handlers_behind_adapters_that_work(handler, answer):
    async def main():
        async with server(handler) as serving:
            assert await talk(client_of(serving), ["hi"]) == [answer]

    run(main)


@pytest.mark.parametrize(
    "handler",
    [
        *(adapt(wrong) for adapt in (_handing_on, _awaiting, _repeating) for wrong in (_none, _handing_on(_none))),
        *(_handing_on(_yielding), _repeating(_yielding), _repeating(_one), _Methods().adapted_none),
    ],
)
def test_handlers_behind_adapters_that_are_refused(handler):
    with pytest.raises(TypeError, match=r"must be an asynchronous generator function of .* or a coroutine "):
        Server({TALK: handler}, credentials=None)


async def _failing(conversation):
    raise TypeError("its own")


@pytest.mark.parametrize(
    ("handler", "named"),
    [(_handing_on(_two), "_two"), (_awaiting(_two), "_two"), (_repeating(_shout_to), "_shout_to"), (_failing, None)],
)
def test_handler_behind_an_adapter_that_gives_it_other_arguments(caplog, handler, named):
    """Before it is called, nothing tells that the adapter does not add one."""

    async def main():
        async with server(handler) as serving:
            with pytest.raises(ServiceError, match="failed to process"):
                await talk(client_of(serving))

    run(main)
    (failed,) = (record for record in caplog.records if record.levelname == "ERROR")
    said = failed.getMessage().partition(": it failed")[2]
    assert failed.exc_info[0] is TypeError
    must_be = "must be an asynchronous generator function of (request, events), which yields the answers, or a "
    assert said == (f": the handler {named} {must_be}coroutine function of a Conversation" if named else "")


def test_handler_behind_an_adapter_that_cannot_be_told():
    """It, or what it wraps, has no signature; or what it has by that name is nothing that can be called."""
    unknown = _Unknown(ValueError("none"))
    unknown.__wrapped__ = _none
    Server({TALK: unknown}, credentials=None)
    adapter = _handing_on(_Unknown(NameError("Request")))
    Server({TALK: adapter}, credentials=None)
    adapter.__wrapped__ = "a name"
    Server({TALK: adapter}, credentials=None)


class _MethodsOfOthers:
    """Methods behind adapters of what has no ``__get__``, or one that differs between versions, as a partial."""

    of_partial = _handing_on(partial(_two))
    of_instance = _handing_on(_Called())
    of_builtin = _handing_on(max)


@pytest.mark.parametrize("name", ["of_partial", "of_instance", "of_builtin"])
def test_method_behind_an_adapter_of_what_cannot_be_bound(name):
    Server({TALK: getattr(_MethodsOfOthers(), name)}, credentials=None)


@pytest.mark.skipif(sys.version_info < (3, 14), reason="annotations are evaluated when the function is made")
def test_handler_whose_annotations_cannot_be_evaluated():
    names = {}
    exec(
        "async def one(conversation: Missing): ...\nasync def two(request: 'Text' | None, events: Missing): ...", names
    )
    Server({TALK: names["one"]}, credentials=None)
    with pytest.raises(TypeError, match="must be an asynchronous generator function"):
        Server({TALK: names["two"]}, credentials=None)


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
