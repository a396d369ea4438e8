"""Operations of botocore's models for a server, to test code that calls them without AWS."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore import xform_name
from botocore.config import Config

from eventstream.adapters._endpoints import endpoints_of
from eventstream.adapters._operations import ModelOperation, has_input_stream, make_operation
from eventstream.faults import Fault
from eventstream.server import Handler, Limits, Server
from eventstream.signing import Credentials
from eventstream.sync import serving

if TYPE_CHECKING:
    from botocore.model import OperationModel, ServiceModel

__all__ = ["operation", "serve"]

_LIMITS = Limits()
_REGION = "us-east-1"
_CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")


def operation(service: str, name: str) -> ModelOperation:
    """Return an operation that streams in both directions, of one of botocore's models.

    `eventstream.server.Server` serves it with an asynchronous generator function: ``async def handler(request, events):
    … yield event``. The request and the events are dicts as in boto3, e.g. ``{"chunk": {"bytes": b"…"}}``. What clients
    send is checked for types and required members. An exception of the model ends the stream when the handler raises
    the operation's ``make_error(name, text)``. `eventstream.client.Client` calls it where botocore would, by botocore's
    rules for the endpoints of its service.

    Args:
        service: as for ``boto3.client``, e.g. ``"lexv2-runtime"``; also ``"transcribe-streaming"``, whose model this
            package brings.
        name: the operation's, e.g. ``"StartConversation"``, or its method's, ``"start_conversation"``.

    Raises:
        UnknownServiceError: botocore has no model of the service.
        ValueError: the service has no such operation, or its input is not an event stream.
    """
    session = botocore.session.Session()
    model = _model(service, name, session)
    return make_operation(model, strict=True, endpoints=endpoints_of(session.get_component("data_loader"), model))


def _model(service: str, name: str, session: botocore.session.Session) -> OperationModel:
    if service == "transcribe-streaming":
        from eventstream.transcribe.service_model import DATA_PATH  # here: it needs the extra `transcribe`

        session.get_component("data_loader").search_paths.append(str(DATA_PATH))
    model = session.get_service_model(service)
    found = next((each for each in model.operation_names if name in (each, xform_name(each))), None)
    if found is None:
        raise ValueError(f"{service} has no operation {name!r}; {_streaming(model)}")
    return model.operation_model(found)


def _streaming(model: ServiceModel) -> str:
    """Say which operations of a service can be served."""
    found = [name for name in model.operation_names if has_input_stream(model.operation_model(name))]
    return f"those that stream both ways: {', '.join(found)}" if found else "none that it has streams both ways"


@contextmanager
def serve(
    service: str,
    handlers: Mapping[str, Handler],
    *,
    limits: Limits = _LIMITS,
    faults: Iterable[Fault | str] = (),
) -> Iterator[dict[str, Any]]:
    """Serve operations of a service on this machine, within a ``with`` statement, in a thread of its own.

    Every signature is verified. For TLS, credentials of your own, or a server in your event loop, give an `operation`
    to `eventstream.server.Server`.

    Args:
        service: as for ``boto3.client``.
        handlers: by the names of operations or methods, what answers them; see `operation`.
        limits: what a client may ask for.
        faults: what goes wrong on demand, e.g. ``"reset@2"``; see `eventstream.faults.Fault`.

    Yields:
        The arguments of ``boto3.client`` besides the service: its region, endpoint and credentials. For operations
        whose hosts have a prefix there is also a ``config`` without it; and one that signs requests, where the
        environment has a bearer token for the service.

    Raises:
        UnknownServiceError, ValueError: as for `operation`. ValueError also without handlers.
        TypeError: a handler is not an asynchronous generator function of the request and the events.
    """
    session = botocore.session.Session()
    models = {name: _model(service, name, session) for name in handlers}
    operations = {make_operation(models[name], strict=True): handler for name, handler in handlers.items()}
    with serving(Server(operations, credentials=[_CREDENTIALS], limits=limits, faults=faults)) as server:
        arguments: dict[str, Any] = {
            "region_name": _REGION,
            "endpoint_url": server.endpoint,
            "aws_access_key_id": _CREDENTIALS.access_key,
            "aws_secret_access_key": _CREDENTIALS.secret_key,
        }
        config: dict[str, Any] = {}
        if any((model.endpoint or {}).get("hostPrefix") for model in models.values()):
            config["inject_host_prefix"] = False  # an address has no subdomains
        if any(_bearer_token(model) in os.environ for model in models.values()):
            config["auth_scheme_preference"] = "sigv4"
        if config:
            arguments["config"] = Config(**config)
        yield arguments


def _bearer_token(model: OperationModel) -> str:
    """Return the variable in which botocore looks for a bearer token."""
    name: str = model.service_model.signing_name
    return f"AWS_BEARER_TOKEN_{name.replace('-', '_').upper()}"
