"""What a client of botocore gets: the methods that it lacks, and the code that sends their requests over HTTP/2.

Nothing that takes long to import is imported before a client is made that lacks a method.
"""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING, Any

import botocore.loaders
from botocore.exceptions import ParamValidationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.model import OperationModel

    from eventstream.adapters import _calls, _settings

__all__ = ["Equipment"]


class Equipment:
    """What a client gets: the methods that it lacks, and what sends their requests.

    Args:
        client: just made; its class is its own.
        stream: makes a stream of the call, the stream of events, and the rest of the response.
    """

    def __init__(self, client: Any, stream: Callable[[_calls.Call, Any, dict[str, Any]], Any]) -> None:
        self._stream = stream
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
            parsed[name] = self._stream(call, http.raw.events, rest)
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
