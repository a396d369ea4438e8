"""The errors that AWS's services have in common, with which a request is refused before its operation sees it.

Source: https://docs.aws.amazon.com/transcribe/latest/APIReference/CommonErrors.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from eventstream.exceptions import DateSkew, ServiceError, SignatureMismatch, VerificationError
from eventstream.operation import Operation, make_error

if TYPE_CHECKING:
    from eventstream.signing import Credentials
    from eventstream.transport import ServerChannel

# No "=" in the key: else each "Credential=" of many would be followed to the end of them all.
_ACCESS_KEY = re.compile(r"Credential=([^/,\s=]+)/")

_TOKEN = "X-Amz-Security-Token"


def unknown_operation(operation: Operation[Any, Any, Any, Any], text: str) -> ServiceError:
    """Return the error for a path or a method that no operation has."""
    return _error(operation, 404, "UnknownOperationException", text)


def signature_error(
    operation: Operation[Any, Any, Any, Any],
    error: VerificationError,
    text: str,
    channel: ServerChannel,
    accounts: Mapping[str, Credentials] | None,
    *,
    websocket: bool,
) -> ServiceError:
    """Return the error that a request's bad signature gets.

    Args:
        operation: what the request asks for.
        error: what is wrong with the signature.
        text: what the client is told.
        channel: the request.
        accounts: whose signatures are accepted, by their access keys.
        websocket: whether the signature is in the query.
    """
    fields = _from_query(channel.path) if websocket else dict(channel.headers)
    authorization = fields.get("authorization", "")
    access_key = _ACCESS_KEY.search(authorization)
    if not authorization:
        code = "MissingAuthenticationTokenException"
    elif access_key is None:
        code = "IncompleteSignatureException"
    elif isinstance(error, (SignatureMismatch, DateSkew)):
        code = "InvalidSignatureException"
    else:
        account = (accounts or {}).get(access_key[1])
        known = account is not None and account.has_token(fields.get("x-amz-security-token"))
        code = "IncompleteSignatureException" if known else "UnrecognizedClientException"
    return _error(operation, 403, code, text)


def _from_query(path: str) -> dict[str, str]:
    """Return what a presigned path says, as headers would say it."""
    query = dict(parse_qsl(path.partition("?")[2]))
    fields = {"x-amz-security-token": query[_TOKEN]} if _TOKEN in query else {}
    if "X-Amz-Signature" in query:
        fields["authorization"] = f"Credential={query.get('X-Amz-Credential')}"
    return fields


def _error(operation: Operation[Any, Any, Any, Any], status: int, code: str, text: str) -> ServiceError:
    error = make_error(operation.error, code, text, None, b"")
    error.status_code = status
    return error
