"""A client of boto3 or aiobotocore that answers with a stream from a test.

botocore's Stubber refuses event streams. Here the client does all that it does otherwise up to the request, which is
not sent: parameters are checked and serialised, and botocore's own parser makes the response of the bytes of a stream.
So a test meets what botocore, or an installed adapter, does with these bytes, including errors. No credentials are
needed, and nothing of botocore is replaced.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

from eventstream._codec import Message
from eventstream._text import suggestion
from eventstream.testing.events import Pause, event
from eventstream.wire import CONTENT_TYPE

__all__ = ["Item", "fake_response"]

Item: TypeAlias = Message | bytes | Pause
"""What a stream is made of: messages, bytes that are sent as they are, and pauses."""


@contextmanager
def fake_response(
    client: Any,
    operation: str,
    events: Iterable[Item],
    *,
    headers: Mapping[str, str] | None = None,
    chunk_size: int | None = None,
) -> Iterator[list[dict[str, Any]]]:
    """Let a method of a client answer with a stream, within a ``with`` block.

    Every call gets the same events from the first one on. Other methods do what they always do. Of two blocks for one
    method of one client, the one that was entered last answers: a test may replace what a fixture has faked.

    Args:
        client: of boto3, botocore or aiobotocore.
        operation: the method's name, such as ``converse_stream``, or the operation's, ``ConverseStream``.
        events: messages (see `event`, `exception` and `error`), bytes that are sent as they are (`cut`, `corrupted`,
            or a recording), and pauses (`slow`). If they end early, the response does: cleanly, as to HTTP. Of events
            the type and the names in JSON must be those of the operation; send others as bytes, with ``encode()``.
            Where the service has XML or raw bytes, as S3 has, give `event` these.
        headers: of the HTTP response, from which botocore takes the other members of the result.
        chunk_size: the bytes come in pieces of this size; None: each item in one piece.

    Yields:
        The parameters of each call so far, in a list that grows.

    Raises:
        ValueError: the client has no such method, its response is not an event stream, or its request is one, too (see
            `eventstream.adapters.boto3.serve`); the operation has no such event, or no such member of an event; an
            event has JSON where the service has XML or raw bytes; or `chunk_size` is less than 1.
        TypeError: an item, or the client, is of another type.
    """
    meta = getattr(client, "meta", None)
    if not hasattr(meta, "method_to_api_mapping"):
        hint = "; give the resource's meta.client" if hasattr(meta, "client") else ""
        raise TypeError(f"client must be a client of boto3, botocore or aiobotocore, not {type(client).__name__}{hint}")
    if isinstance(events, (Message, bytes)):
        raise TypeError(f"events must be a list or the like, not one {type(events).__name__}")
    items = list(events)
    for item in items:
        if not isinstance(item, (Message, bytes, Pause)):
            raise TypeError(f"events must be messages, bytes or pauses, not {type(item).__name__}")
    if chunk_size is not None and chunk_size < 1:
        raise ValueError(f"chunk_size={chunk_size}: at least 1 is needed")
    name = client.meta.method_to_api_mapping.get(operation, operation)
    service = client.meta.service_model
    if name not in service.operation_names:
        raise ValueError(f"{service.service_name} has no operation {operation!r}")
    model = service.operation_model(name)
    if not model.has_event_stream_output:
        raise ValueError(f"{name} does not answer with an event stream")
    if model.has_event_stream_input:
        raise ValueError(f"{name} streams in both directions: serve it with eventstream.adapters.boto3.serve")
    for item in items:
        if isinstance(item, Message) and item.message_type == "event" and not _is_initial(item):
            _check_event(item, model)
    requests: list[dict[str, Any]] = []
    answer = _Answer(client, model, items, headers or {}, chunk_size)
    answers = _ANSWERS.setdefault(client, {}).setdefault(name, [])
    hooks = {  # botocore asks the handlers in the order of their registration, the outer block's first
        f"provide-client-params.{service.service_id.hyphenize()}.{name}": lambda params, **_: (
            requests.append(params) if answers[-1] is answer else None
        ),
        f"before-call.{service.service_id.hyphenize()}.{name}": lambda **_: answer() if answers[-1] is answer else None,
    }
    answers.append(answer)
    for hook, handler in hooks.items():
        client.meta.events.register_first(hook, handler)
    try:
        yield requests
    finally:
        for hook, handler in hooks.items():
            client.meta.events.unregister(hook, handler)
        answers.remove(answer)


_ANSWERS: WeakKeyDictionary[Any, dict[str, list[_Answer]]] = WeakKeyDictionary()
"""By client and operation: what the blocks that are entered answer, the innermost last."""


def _check_event(message: Message, model: Any) -> None:
    """Check that botocore knows all of an event: it drops the rest, and a test would not meet what it means to.

    Raises:
        ValueError: the operation has no such event, or it has no such member, or not as JSON.
    """
    events = model.get_event_stream_output().members
    kind = str(message.event_type)
    if kind not in events:
        raise ValueError(f"{model.name} has no event {kind!r}{suggestion(kind, events)}; {_UNCHECKED}")
    shape, raw = events[kind], None
    for name, member in shape.members.items():
        if member.serialization.get("eventpayload"):
            shape, raw = member, name if member.type_name in ("blob", "string") else None
    is_json = message.content_type == "application/json"
    if raw is None and is_json and "xml" in _protocol(model):
        raise ValueError(f"{model.name} has XML, not JSON: give it as bytes, event({kind!r}, b'<{kind}>...</{kind}>')")
    try:
        value = json.loads(bytes(message.payload))
    except ValueError:  # it is text, XML, or nothing
        return
    if raw is not None and is_json and isinstance(value, dict) and list(value) == [raw]:
        raise ValueError(f"{model.name}: {kind}.{raw} is raw, not JSON: give only its bytes, event({kind!r}, b'...')")
    if unknown := next(_unknown(value, shape, kind), None):
        path, names = unknown
        name = path.rpartition(".")[2]
        raise ValueError(f"{model.name} has no member {path}{suggestion(name, names)}; {_UNCHECKED}")


_UNCHECKED = "to send it nevertheless, encode() the event"


def _unknown(value: object, shape: Any, path: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the members of JSON that the shape does not have, each with those that it could be."""
    if shape.type_name == "structure" and isinstance(value, dict) and not shape.is_document_type:
        members = {member.serialization.get("name", name): member for name, member in shape.members.items()}
        for name, inner in value.items():
            if name in members:
                yield from _unknown(inner, members[name], f"{path}.{name}")
            else:
                yield f"{path}.{name}", list(members)
    elif shape.type_name == "list" and isinstance(value, list):
        for inner in value:
            yield from _unknown(inner, shape.member, path)
    elif shape.type_name == "map" and isinstance(value, dict):
        for name, inner in value.items():
            yield from _unknown(inner, shape.value, f"{path}.{name}")


def _protocol(model: Any) -> str:
    service = model.service_model
    protocol: str = getattr(service, "resolved_protocol", None) or service.metadata["protocol"]
    return protocol


class _Answer:
    """The response to each call, which a handler of botocore's event ``before-call`` returns in its place."""

    def __init__(
        self, client: Any, model: Any, items: list[Item], headers: Mapping[str, str], chunk_size: int | None
    ) -> None:
        from botocore.awsrequest import HeadersDict  # here: the builders need no botocore

        self._model = model
        self._items = items
        self._headers = HeadersDict(
            {
                "content-type": CONTENT_TYPE,
                "x-amzn-requestid": "00000000-0000-4000-8000-000000000000",
                **headers,
            }
        )
        self._chunk_size = chunk_size
        protocol = _protocol(model)
        if not protocol.startswith("rest-") and not (items and _is_initial(items[0])):
            self._items = [event("initial-response", {}), *items]
        aiobotocore = sys.modules.get("aiobotocore.client")
        self._is_async = aiobotocore is not None and isinstance(client, aiobotocore.AioBaseClient)
        if self._is_async:  # pragma: no cover - only with aiobotocore, in `make adapters`
            from aiobotocore.parsers import create_parser
        else:
            from botocore.parsers import create_parser
        self._parser = create_parser(protocol)

    def __call__(self) -> Any:
        parse = self._parse_async if self._is_async else self._parse
        return parse()

    def _parse(self) -> tuple[_Http, dict[str, Any]]:
        return _Http(self._headers), self._parser.parse(self._response(_Body(self._pieces())), self._model.output_shape)

    async def _parse_async(self) -> tuple[_Http, dict[str, Any]]:  # pragma: no cover - the same
        response = self._response(_AsyncBody(self._pieces()))
        parsed: Awaitable[dict[str, Any]] = self._parser.parse(response, self._model.output_shape)
        return _Http(self._headers), await parsed

    def _response(self, body: object) -> dict[str, Any]:
        context = {"operation_name": self._model.name}
        return {"status_code": _Http.status_code, "headers": self._headers, "body": body, "context": context}

    def _pieces(self) -> Iterator[bytes | Pause]:
        for item in self._items:
            if isinstance(item, Pause):
                yield item
                continue
            wire = item.encode() if isinstance(item, Message) else item
            size = self._chunk_size or max(1, len(wire))
            for start in range(0, len(wire), size):
                yield wire[start : start + size]


def _is_initial(item: Item) -> bool:
    return isinstance(item, Message) and item.event_type == "initial-response"


class _Http:
    """What botocore looks at of an HTTP response, once its body is being parsed."""

    status_code = 200

    def __init__(self, headers: Any) -> None:
        self.headers = headers


class _Body:
    """The body of a response, as urllib3 has it."""

    def __init__(self, pieces: Iterator[bytes | Pause]) -> None:
        self._pieces = pieces
        self.closed = False

    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        for piece in self._pieces:
            if self.closed:
                return
            if isinstance(piece, Pause):
                time.sleep(piece.seconds)
            else:
                yield piece

    def close(self) -> None:
        self.closed = True


class _AsyncBody:  # pragma: no cover - the same
    """The body of a response, as aiohttp has it."""

    def __init__(self, pieces: Iterator[bytes | Pause]) -> None:
        self._pieces = pieces
        self.closed = False

    @property
    def content(self) -> _AsyncBody:
        return self

    async def iter_chunks(self) -> AsyncIterator[tuple[bytes, bool]]:
        for piece in self._pieces:
            if self.closed:
                return
            if isinstance(piece, Pause):
                await asyncio.sleep(piece.seconds)
            else:
                yield piece, True

    def close(self) -> None:
        self.closed = True
