"""The methods that boto3 lacks: operations with events in both directions, which botocore, without HTTP/2, leaves out.

    import boto3
    from eventstream.adapters import boto3 as bidirectional

    bidirectional.install()  # for all clients that are made from here on; uninstall() takes it back
    client = boto3.client("bedrock-runtime")
    with client.invoke_model_with_bidirectional_stream(modelId="amazon.nova-sonic-v1:0") as stream:
        stream.send({"chunk": {"bytes": b"..."}})
        for event in stream:
            ...

``with bidirectional.install():`` installs for a block, and `enable` for one session only. Both work on botocore without
boto3, too. Methods that a client has keep working when it is uninstalled.

On clients of aiobotocore, with asyncio, the methods are coroutine functions, which return an `AsyncStream`:

    async with await client.invoke_model_with_bidirectional_stream(modelId="amazon.nova-sonic-v1:0") as stream:
        await stream.send({"chunk": {"bytes": b"..."}})
        async for event in stream:
            ...

Code that calls these methods is tested without AWS: `serve` runs a service that answers with a coroutine of yours.

The operations are found in the models: those with an event stream in their input and their output, which botocore has
no method for. What botocore comes to support itself is left to it. Services that botocore does not ship get theirs,
too, whatever method botocore made; one of them, ``transcribe-streaming``, comes with this package.

A call does what every call of botocore does: it validates the parameters, finds the endpoint, signs with the client's
credentials, or sends its bearer token, and is repeated by the rules of ``Config(retries=)`` until the service has
answered. The parameter that is the event stream is not given: events are sent on the `Stream` that the method returns.
All events of botocore's hooks are emitted, from ``provide-client-params`` to ``after-call``. Of a client's ``Config``
all that concerns endpoints, signatures and retries counts, and ``connect_timeout``, ``proxies``, ``proxies_config``
(but for the certificates of proxies), ``client_cert``, ``user_agent_extra`` and ``read_timeout``: also the longest wait
for an event, and for the service to take one.

Errors of a call are those of botocore:

* ``ParamValidationError``: a parameter, or an event, has another type than the model says. Nothing is sent.
* ``client.exceptions.X``, a ``ClientError``: the service refused, or gave up in mid-stream; then it is also an
  ``EventStreamError``.
* ``EndpointConnectionError``, ``ConnectTimeoutError``, ``ReadTimeoutError``, ``ConnectionClosedError``,
  ``ProxyConnectionError``, ``SSLError``: on the way to the service. ``ResponseStreamingError``: the stream broke, or
  was closed, also by ``client.close()``.

And of this package, as botocore has none for it:

* `eventstream.IncompleteStream`: the service ended the stream before the input was ended.
* `eventstream.StateError`: an event was sent after the end of the input.
* `eventstream.DecodeError`, `eventstream.operation.InvalidEvent`: what the service sent is not an event stream, or not
  one of the operation.
* `eventstream.ServiceError`: it answered with something else.
* `eventstream.http2.NotHTTP2`: it does not speak HTTP/2.
"""

from __future__ import annotations

import os
import weakref
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import botocore.client
import botocore.loaders
from botocore.exceptions import DataNotFoundError, ParamValidationError, UnknownServiceError

from eventstream.adapters._install import Installation, Replacement
from eventstream.exceptions import ServiceError

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from botocore.model import OperationModel
    from typing_extensions import Self

    from eventstream import sync
    from eventstream.adapters import _calls, _settings
    from eventstream.adapters._aiobotocore import AsyncStream
    from eventstream.adapters._serving import operation, serve

__all__ = ["AsyncStream", "Stream", "enable", "install", "operation", "serve", "uninstall"]

_LAZY = {"AsyncStream": "_aiobotocore", "operation": "_serving", "serve": "_serving"}
"""Where names come from that are imported when they are asked for: asyncio and HTTP/2 take longer than all the rest."""

_TRANSCRIBE = "transcribe-streaming"

_MODEL_TYPE = "service-2"


class Stream:
    """A stream of an operation: events in, events out. It is a context manager, which closes it, and an iterator.

    Any threads may call its methods; one waits while another sends, or takes the next event. A stream that nobody
    closes is closed when it is collected, or when the interpreter exits.

    Attributes:
        response: what the service answered, but for the events: the members by name, and ``ResponseMetadata``.
            ``stream[name]`` is a member.
    """

    def __init__(self, call: _calls.Call, events: sync.Stream[Any, Any, Any, Any], response: dict[str, Any]) -> None:
        self._call = call
        self._events = events
        self.response = response

    def __enter__(self) -> Self:
        """Do nothing: the stream is open."""
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the stream."""
        self.close()

    def close(self) -> None:
        """Close the stream. What has not ended is cancelled; threads that wait get a ``ResponseStreamingError``."""
        self._events.close()

    def __getitem__(self, name: str) -> Any:
        """Return a member of the response."""
        return self.response[name]

    def send(self, event: Mapping[str, Any]) -> None:
        """Send an event. It waits while the service, or the network, takes no more.

        Args:
            event: its type and its members, e.g. ``{"chunk": {"bytes": b"..."}}``.

        Raises:
            ParamValidationError: it is not one of the operation's events; the stream goes on.
            StateError: the input was ended.
            ClientError: the service gave up.
            IncompleteStream: it has ended the stream.
            HTTPClientError: the stream broke, or was closed.
        """
        self._translating(self._events.send, event)

    def end(self) -> None:
        """End the input; the last events are still to come.

        Raises:
            StateError, ClientError, IncompleteStream, HTTPClientError: as of `send`.
        """
        self._translating(self._events.end)

    def __iter__(self) -> Self:
        """Return the iterator over the events."""
        return self

    def __next__(self) -> dict[str, Any]:
        """Return the next event, once it has come, e.g. ``{"chunk": {"bytes": b"..."}}``.

        Raises:
            StopIteration: the service has ended the stream, after the input was ended.
            ClientError, IncompleteStream, HTTPClientError: as of `send`.
            DecodeError, InvalidEvent: the service sent something else.
        """
        event: dict[str, Any] = self._translating(next, self._events)
        return event

    def _translating(self, function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except ServiceError as error:
            raise self._client_error(error) from error
        except OSError as error:
            from eventstream.adapters._errors import translated

            raise translated(error, self._call.url) from error

    def _client_error(self, error: ServiceError) -> Exception:
        from eventstream.adapters._errors import client_error

        metadata = self.response.get("ResponseMetadata", {})
        return client_error(error, self._call.model, self._call.exceptions, metadata)


# Clients


class Equipment:
    """What a client gets: the methods that it lacks, and what sends their requests.

    Args:
        client: just made; its class is its own.
    """

    def __init__(self, client: Any) -> None:
        self._client = weakref.proxy(client)
        self._models = {model.name: model for model in lacking(client)}
        self._streams: weakref.WeakSet[Any] = weakref.WeakSet()
        self._settings: _settings.Settings | None = None

    def fit(self, client: Any) -> None:
        """Give the client its methods."""
        if not self._models:
            return
        for name, operation in client.meta.method_to_api_mapping.items():
            if operation in self._models:
                setattr(type(client), name, _method(name, self._models[operation], self._result))
        self._close_with(type(client))
        client.meta.events.register_last("before-call", self._before_call)

    def _close_with(self, client_class: Any) -> None:
        """Let what closes the client close its streams first."""
        theirs = client_class.close

        def close(client: Any) -> None:
            """Close the streams that are open, and underlying endpoint connections."""
            for stream in list(self._streams):
                stream.close()
            theirs(client)

        client_class.close = close

    def _result(self, response: Any, name: str) -> Any:
        """Return what a method returns: the stream, or all that somebody else's hook has answered."""
        stream = response.get(name)
        return stream if stream in self._streams else response

    def _before_call(
        self, model: OperationModel, params: dict[str, Any], request_signer: Any, context: dict[str, Any], **_: Any
    ) -> Any:
        """Send the request over HTTP/2, in the place of the client's endpoint."""
        if model.name not in self._models:
            return None
        from botocore.endpoint import Endpoint

        from eventstream.adapters import _calls

        call = self._call(model, params, request_signer, context)
        meta = self._client.meta
        session = _calls.HTTPSession(call)
        endpoint = Endpoint(meta.endpoint_url, meta.service_model.endpoint_prefix, meta.events, None, session)
        try:
            http, parsed = endpoint.make_request(model, params)
        except BaseException:
            session.close()
            raise
        if isinstance(http.raw, _calls.Opened):
            name = model.output_shape.event_stream_name
            rest = {member: value for member, value in parsed.items() if member != name}
            parsed[name] = Stream(call, http.raw.events, rest)
            self._streams.add(parsed[name])
        return http, parsed

    def _call(
        self, model: OperationModel, params: dict[str, Any], request_signer: Any, context: dict[str, Any]
    ) -> _calls.Call:
        from eventstream.adapters._calls import Call

        settings, exceptions = self._settings_of(), self._client.exceptions
        call = Call(self._models[model.name], settings, exceptions, request_signer, context)
        call.prepare(params)
        return call

    def _settings_of(self) -> _settings.Settings:
        from eventstream.adapters._settings import Settings

        if self._settings is None:
            # Nothing public says what a client was told to trust.
            verify = getattr(getattr(self._client._endpoint, "http_session", None), "_verify", None)
            self._settings = Settings(self._client.meta.config, verify)
        return self._settings


class AsyncEquipment(Equipment):  # pragma: no cover (aiobotocore wants a botocore of its own: `make adapters` tests it)
    """What a client of aiobotocore gets."""

    def _close_with(self, client_class: Any) -> None:
        their_close, their_exit = client_class.close, client_class.__aexit__

        async def close(client: Any) -> None:
            """Close the streams that are open, and underlying endpoint connections."""
            await self._close_streams()
            await their_close(client)

        async def leave(client: Any, *details: Any) -> None:
            await self._close_streams()
            await their_exit(client, *details)

        client_class.close, client_class.__aexit__ = close, leave

    async def _close_streams(self) -> None:
        for stream in list(self._streams):
            await stream.close()

    async def _result(self, response: Any, name: str) -> Any:
        return super()._result(await response, name)

    async def _before_call(
        self, model: OperationModel, params: dict[str, Any], request_signer: Any, context: dict[str, Any], **_: Any
    ) -> Any:
        if model.name not in self._models:
            return None
        from eventstream.adapters import _aiobotocore

        call = self._call(model, params, request_signer, context)
        http, parsed, stream = await _aiobotocore.send(self._client, call, params)
        if stream is not None:
            self._streams.add(stream)
        return http, parsed


def lacking(client: Any) -> list[OperationModel]:
    """Return the operations of a client that it has no method for, or none that works."""
    service = client.meta.service_model
    shipped = os.path.isdir(os.path.join(botocore.loaders.Loader.BUILTIN_DATA_PATH, service.service_name))
    names = [
        operation
        for name, operation in client.meta.method_to_api_mapping.items()
        if not (shipped and name in vars(type(client)))
    ]
    if not names:
        return []
    from eventstream.adapters._operations import has_input_stream

    models = [service.operation_model(name) for name in names]
    return [model for model in models if has_input_stream(model) and model.get_event_stream_output() is not None]


def _method(name: str, model: OperationModel, result: Callable[[Any, str], Any]) -> Callable[..., Any]:
    given, taken = model.input_shape.event_stream_name, model.output_shape.event_stream_name

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if args:
            raise TypeError(f"{name}() takes only keyword arguments")
        if given in kwargs:
            raise ParamValidationError(report=f"{given} is the event stream: send its events on what {name}() returns")
        # Validation asks for a stream that is required; an empty one has no event.
        return result(self._make_api_call(model.name, {**kwargs, given: {}}), taken)

    call.__name__ = call.__qualname__ = name
    members = ", ".join(member for member in model.input_shape.members if member != given)
    call.__doc__ = f"""Open a stream of {model.name}.

        Keyword arguments: {members}; see the documentation of the service.

        Returns:
            An `eventstream.adapters.boto3.Stream`, or ``AsyncStream``: its ``send`` takes the events of ``{given}``,
            iteration yields those of ``{taken}``.
        """
    return call


def _equip(client: Any) -> None:
    equipment = AsyncEquipment if isinstance(client, _asynchronous()) else Equipment
    equipment(client).fit(client)


def _asynchronous() -> tuple[type, ...]:
    """Return the base of aiobotocore's clients, if that is imported."""
    import sys

    module = sys.modules.get("aiobotocore.client")
    return () if module is None else (module.AioBaseClient,)


# Installation

_their_init = vars(botocore.client.BaseClient)["__init__"]
_their_load = vars(botocore.loaders.Loader)["load_service_model"]
_their_list = vars(botocore.loaders.Loader)["list_available_services"]


def _init(self: Any, *args: Any, **kwargs: Any) -> None:
    _their_init(self, *args, **kwargs)
    _equip(self)


def _load_service_model(self: Any, service_name: str, type_name: str, api_version: str | None = None) -> Any:
    """Return a model; that of Transcribe, if botocore has none."""
    try:
        return _their_load(self, service_name, type_name, api_version)
    except DataNotFoundError:
        if service_name != _TRANSCRIBE:
            raise
        if type_name != _MODEL_TYPE:
            raise UnknownServiceError(service_name=service_name, known_service_names=_TRANSCRIBE) from None
        from eventstream.transcribe.service_model import load_service_model

        return load_service_model()


def _list_available_services(self: Any, type_name: str) -> list[str]:
    names: list[str] = _their_list(self, type_name)
    return sorted({*names, _TRANSCRIBE}) if type_name == _MODEL_TYPE else names


_INSTALLATION = Installation(
    Replacement("__init__", _their_init, _init, (botocore.client.BaseClient,)),
    Replacement("load_service_model", _their_load, _load_service_model, (botocore.loaders.Loader,)),
    Replacement("list_available_services", _their_list, _list_available_services, (botocore.loaders.Loader,)),
)


def install() -> contextlib.ExitStack:
    """Give the methods to all clients that are made from here on, by any session of this process.

    Returns:
        A context manager that uninstalls at its end, unless it was installed before. Without ``with`` it does nothing.
    """
    return _INSTALLATION.install()


def uninstall() -> None:
    """Make clients as botocore does. Those that were made keep their methods."""
    _INSTALLATION.uninstall()


def enable(session: Any) -> None:
    """Give the methods to all clients that one session makes from here on.

    Args:
        session: of boto3 or of botocore.
    """
    session = getattr(session, "_session", session)  # of boto3's, botocore's
    loader = session.get_component("data_loader")
    if "load_service_model" not in vars(loader):
        loader.load_service_model = partial(_load_service_model, loader)
        loader.list_available_services = partial(_list_available_services, loader)
    session.get_component("event_emitter").register(
        "creating-client-class", _add_base, unique_id="eventstream.adapters.boto3"
    )


class _Equipped:
    """A base of the clients of an enabled session."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _equip(self)


def _add_base(base_classes: list[type], **_: Any) -> None:
    base_classes.insert(0, _Equipped)


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"eventstream.adapters.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
