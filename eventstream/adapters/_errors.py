"""botocore's errors for ours, in a stream that is open."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, EventStreamError, ReadTimeoutError, ResponseStreamingError

from eventstream.adapters._events import is_exception, parse_json
from eventstream.adapters._shapes import reader
from eventstream.exceptions import CodecError, ServiceError

if TYPE_CHECKING:
    from botocore.model import OperationModel, StructureShape

__all__ = ["client_error", "made", "translated"]


def made(kind: Any, **details: Any) -> Exception:
    """Return an error of one of botocore's classes, which have no types."""
    error: Exception = kind(**details)
    return error


def translated(error: OSError, url: str) -> Exception:
    """Return botocore's error for one of the network."""
    if isinstance(error, TimeoutError):
        return made(ReadTimeoutError, endpoint_url=url, error=error)
    return made(ResponseStreamingError, error=error)


def client_error(error: ServiceError, model: OperationModel, exceptions: Any, metadata: Mapping[str, Any]) -> Exception:
    """Return botocore's error for an exception of the service.

    It is an ``EventStreamError``, as of the streams that botocore reads itself, and also the client's class for the
    exception, if the model has one.

    Args:
        error: what the service said.
        model: of the operation.
        exceptions: the client's.
        metadata: of the response.
    """
    shape = _shape_of(error.code, model)
    code: str = error.code if shape is None else shape.error_code
    members = {}
    if shape is not None:
        with suppress(CodecError):
            members = parse_json(code, error.payload, reader(shape))
    parsed = {"Error": {"Code": code, "Message": error.message}, "ResponseMetadata": dict(metadata), **members}
    made: Exception = _error_class(exceptions.from_code(code))(parsed, model.name)
    return made


def _shape_of(code: str, model: OperationModel) -> StructureShape | None:
    """Return the shape of an exception; in the stream it has the name of a member."""
    output = model.get_event_stream_output()
    found: StructureShape | None = output.members.get(code) if output is not None else None
    if found is not None and is_exception(found):
        return found
    return model.service_model.shape_for_error_code(code)


@cache
def _error_class(modelled: type) -> type:
    if modelled is ClientError:
        return EventStreamError  # type: ignore[no-any-return]
    return type(modelled.__name__, (modelled, EventStreamError), {"__module__": modelled.__module__})
