"""The methods that boto3 lacks: operations with events in both directions, which botocore, without HTTP/2, leaves out.

    import threading
    import boto3
    from eventstream.adapters import boto3 as bidirectional

    bidirectional.install()  # for all clients that are made from here on; uninstall() takes it back
    client = boto3.client("bedrock-runtime")
    with client.invoke_model_with_bidirectional_stream(modelId="amazon.nova-sonic-v1:0") as stream:
        threading.Thread(target=talk, args=[stream]).start()  # stream.send({"chunk": {"bytes": b"..."}}), stream.end()
        for event in stream:
            ...

``with bidirectional.install():`` installs for a block, and `enable` for one session only. Both work on botocore without
boto3, too. Methods that a client has keep working when it is uninstalled.

On clients of aiobotocore, with asyncio, the methods are coroutine functions, which return an `AsyncStream`:

    async with await client.invoke_model_with_bidirectional_stream(modelId="amazon.nova-sonic-v1:0") as stream:
        await stream.send({"chunk": {"bytes": b"..."}})
        async for event in stream:
            ...

To test code that calls these methods without AWS, `serve` runs a service that answers with your asynchronous
generator.

The operations come from the models: those that have an event stream in their input and their output, and no method in
botocore. If botocore comes to support an operation itself, it keeps its method. Services that botocore does not ship
get the methods as well, whatever botocore made; one of them, ``transcribe-streaming``, comes with this package.

A call does what every call of botocore does: it validates the parameters, finds the endpoint, signs with the client's
credentials, or sends its bearer token, and is repeated by the rules of ``Config(retries=)`` until the service has
answered. The parameter that is the event stream is not given: events are sent on the `Stream` that the method returns.
All of botocore's hooks are called, from ``provide-client-params`` to ``after-call``. A client's ``Config`` applies as
far as it concerns endpoints, signatures and retries; so do ``connect_timeout``, ``proxies``, ``proxies_config`` (except
the certificates of proxies), ``client_cert``, ``user_agent_extra``, and ``read_timeout``, which also bounds the wait
for an event, and for the service to take one.

Errors of a call are those of botocore:

* ``ParamValidationError``: a parameter, or an event, does not have the type that the model gives. Nothing is sent.
* ``client.exceptions.X``, a ``ClientError``: the service refused, or gave up in mid-stream; then it is also an
  ``EventStreamError``.
* ``EndpointConnectionError``, ``ConnectTimeoutError``, ``ReadTimeoutError``, ``ConnectionClosedError``,
  ``ProxyConnectionError``, ``SSLError``: on the way to the service. ``ResponseStreamingError``: the stream broke, or
  was closed, also by ``client.close()``.

Where botocore has no suitable error, they are those of this package:

* `eventstream.IncompleteStream`: the service ended the stream before the input was ended.
* `eventstream.StateError`: an event was sent after the end of the input.
* `eventstream.DecodeError`, `eventstream.operation.InvalidEvent`: what the service sent is not an event stream, or not
  one of the operation.
* `eventstream.ServiceError`: it did not answer with an event stream.
* `eventstream.http2.NotHTTP2`: it does not speak HTTP/2.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

try:
    import botocore.client
    import botocore.loaders
    from botocore.exceptions import DataNotFoundError, UnknownServiceError
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "eventstream.adapters.boto3 needs botocore: install eventstream-codec with its extra [client]", name=error.name
    ) from error

from eventstream.adapters._equipment import Equipment
from eventstream.adapters._install import Installation, Replacement
from eventstream.exceptions import ServiceError

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from typing_extensions import Self

    from eventstream import sync
    from eventstream.adapters import _calls
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
        response: the service's answer without the events: the members by name, and ``ResponseMetadata``.
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

        Read the events in another thread meanwhile: a service whose events nobody reads stops taking any, and in the
        end gives up.

        Args:
            event: its type and its members, e.g. ``{"chunk": {"bytes": b"..."}}``.

        Raises:
            ParamValidationError: it is not one of the operation's events; the stream remains usable.
            StateError: the input was ended.
            ClientError: the service gave up.
            IncompleteStream: it has ended the stream.
            HTTPClientError: the stream broke, or was closed.
        """
        self._translating(self._events.send, event)

    def end(self) -> None:
        """End the input; the last events are still to come.

        Raises:
            StateError, ClientError, IncompleteStream, HTTPClientError: see `send`.
        """
        self._translating(self._events.end)

    def __iter__(self) -> Self:
        """Return the iterator over the events."""
        return self

    def __next__(self) -> dict[str, Any]:
        """Return the next event, once it has come, e.g. ``{"chunk": {"bytes": b"..."}}``.

        Raises:
            StopIteration: the service has ended the stream, after the input was ended.
            ClientError, IncompleteStream, HTTPClientError: see `send`.
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


def _equip(client: Any) -> None:
    if isinstance(client, _asynchronous()):  # pragma: no cover (`make adapters` tests it, with aiobotocore's botocore)
        from eventstream.adapters._aiobotocore import AsyncEquipment

        AsyncEquipment(client).fit(client)
    else:
        Equipment(client, Stream).fit(client)


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
    """Give the methods to all clients that are created from now on, by any session of this process.

    Returns:
        A context manager that uninstalls at its end, unless it was installed before. Without ``with`` it does nothing.
    """
    return _INSTALLATION.install()


def uninstall() -> None:
    """Let botocore create clients without the methods again. Existing clients keep theirs."""
    _INSTALLATION.uninstall()


def enable(session: Any) -> None:
    """Give the methods to all clients that one session creates from now on.

    Args:
        session: of boto3 or of botocore.

    Raises:
        TypeError: it is something else, such as a client.
    """
    session = getattr(session, "_session", session)  # of boto3's, botocore's
    if not callable(getattr(session, "get_component", None)):
        raise TypeError(f"enable takes a session of boto3 or botocore, not {type(session).__name__}")
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
