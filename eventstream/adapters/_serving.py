"""Operations of botocore's models for a server, so that what calls them is tested without AWS."""

from __future__ import annotations

import botocore.session
from botocore import xform_name

from eventstream.adapters._operations import ModelOperation, make_operation
from eventstream.transcribe.service_model import DATA_PATH

__all__ = ["operation"]


def operation(service: str, name: str) -> ModelOperation:
    """Return an operation that streams in both directions, of one of botocore's models.

    `eventstream.server.Server` serves it with a coroutine: ``async def handler(request, events): … yield event``. The
    request and the events are dicts as in boto3, e.g. ``{"chunk": {"bytes": b"…"}}``. What clients send is checked for
    types and required members. An exception of the model ends the stream when the handler raises the operation's
    ``make_error(name, text)``.

    Args:
        service: as for ``boto3.client``, e.g. ``"lexv2-runtime"``; also ``"transcribe-streaming"``, whose model this
            package brings.
        name: the operation's, e.g. ``"StartConversation"``, or its method's, ``"start_conversation"``.

    Raises:
        UnknownServiceError: botocore has no model of the service.
        ValueError: the service has no such operation, or its input is not an event stream.
    """
    session = botocore.session.Session()
    session.get_component("data_loader").search_paths.append(str(DATA_PATH))
    model = session.get_service_model(service)
    found = next((each for each in model.operation_names if name in (each, xform_name(each))), None)
    if found is None:
        raise ValueError(f"{service} has no operation {name!r}")
    return make_operation(model.operation_model(found), strict=True)
