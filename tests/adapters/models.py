"""Models of operations for tests: those that botocore ships, and one that has every trait."""

from __future__ import annotations

from functools import cache
from typing import Any

import botocore.exceptions
import botocore.loaders
from botocore.model import OperationModel, ServiceModel

_KNOWN = [
    ("bedrock-runtime", "InvokeModelWithBidirectionalStream"),
    ("connecthealth", "StartMedicalScribeListeningSession"),
    ("lexv2-runtime", "StartConversation"),
    ("polly", "StartSpeechSynthesisStream"),
    ("qbusiness", "Chat"),
]


@cache
def shipped(service: str) -> ServiceModel:
    """Return the model of a service that botocore ships."""
    loader = botocore.loaders.Loader()
    return ServiceModel(loader.load_service_model(service, "service-2"), service)


def _ships(service: str, operation: str) -> bool:
    try:
        return operation in shipped(service).operation_names
    except botocore.exceptions.UnknownServiceError:
        return False


BIDIRECTIONAL = [(service, operation) for service, operation in _KNOWN if _ships(service, operation)]
"""The operations with events in both directions, of which older botocores ship fewer."""

UNKNOWN = [known for known in _KNOWN if known not in BIDIRECTIONAL]
"""Those that this botocore does not ship."""


def member(shape: str, **traits: Any) -> dict[str, Any]:
    return {"shape": shape, **traits}


def structure(members: dict[str, Any], **traits: Any) -> dict[str, Any]:
    return {"type": "structure", "members": members, **traits}


SHAPES: dict[str, Any] = {
    **{name.capitalize(): {"type": name} for name in ("string", "integer", "long", "boolean", "blob", "timestamp")},
    **{name.capitalize(): {"type": name} for name in ("float", "double")},
    "Strings": {"type": "list", "member": member("String")},
    "Blobs": {"type": "list", "member": member("Blob")},
    "Map": {"type": "map", "key": member("String"), "value": member("Blob")},
    "Names": {"type": "map", "key": member("String"), "value": member("String")},
    "Document": structure({}, document=True),
    "Union": structure({"number": member("Integer"), "data": member("Blob")}, union=True),
    "Node": structure(
        {
            "value": member("Blob", locationName="v"),
            "child": member("Node"),
            "children": member("Nodes"),
            "named": member("NodeMap"),
        }
    ),
    "Nodes": {"type": "list", "member": member("Node")},
    "NodeMap": {"type": "map", "key": member("String"), "value": member("Node")},
    "Json": structure(
        {
            "text": member("String", locationName="T"),
            "number": member("Integer"),
            "flag": member("Boolean"),
            "ratio": member("Double"),
            "data": member("Blob"),
            "seconds": member("Timestamp"),
            "iso": member("Timestamp", timestampFormat="iso8601"),
            "mail": member("Timestamp", timestampFormat="rfc822"),
            "names": member("Strings"),
            "blobs": member("Blobs"),
            "map": member("Map"),
            "anything": member("Document"),
            "either": member("Union"),
            "node": member("Node"),
        },
        required=["text"],
        event=True,
    ),
    "Headers": structure(
        {
            "flag": member("Boolean", eventheader=True),
            "number": member("Integer", eventheader=True),
            "large": member("Long", eventheader=True),
            "data": member("Blob", eventheader=True),
            "text": member("String", eventheader=True),
            "moment": member("Timestamp", eventheader=True),
            "rest": member("String"),
        },
        required=["text"],
        event=True,
    ),
    "Raw": structure(
        {"data": member("Blob", eventpayload=True), "text": member("String", eventheader=True)}, event=True
    ),
    "Text": structure({"text": member("String", eventpayload=True)}, event=True),
    "Nested": structure({"node": member("Node", eventpayload=True)}, event=True),
    "Empty": structure({}, event=True),
    "BusyException": structure(
        {"message": member("String"), "reason": member("String")},
        exception=True,
        error={"httpStatusCode": 429},
        retryable={"throttling": True},
    ),
    "DeniedException": structure({"message": member("String")}, exception=True, error={"httpStatusCode": 403}),
    "Stream": structure(
        {
            "json": member("Json"),
            "headers": member("Headers"),
            "raw": member("Raw"),
            "text": member("Text"),
            "nested": member("Nested"),
            "empty": member("Empty"),
            "busy": member("BusyException"),
        },
        eventstream=True,
    ),
    "Request": structure(
        {
            "id": member("String", location="uri", locationName="id"),
            "limit": member("Integer", location="querystring", locationName="max"),
            "tags": member("Strings", location="querystring", locationName="tag"),
            "since": member("Timestamp", location="header", locationName="X-Since"),
            "flag": member("Boolean", location="header", locationName="X-Flag"),
            "ratio": member("Double", location="header", locationName="X-Ratio"),
            "names": member("Strings", location="header", locationName="X-Names"),
            "meta": member("Names", location="headers", locationName="X-Meta-"),
            "facts": member("String", location="header", locationName="X-Facts", jsonvalue=True),
            "stream": member("Stream"),
        },
        required=["id", "stream"],
        payload="stream",
    ),
    "Response": structure(
        {
            "session": member("String", location="header", locationName="X-Session"),
            "rate": member("Integer", location="header", locationName="X-Rate"),
            "stream": member("Stream"),
        },
        required=["stream"],
        payload="stream",
    ),
    "RpcRequest": structure(
        {"id": member("String"), "since": member("Timestamp"), "stream": member("Stream")}, required=["id", "stream"]
    ),
    "RpcResponse": structure({"session": member("String"), "stream": member("Stream")}),
}

METADATA: dict[str, Any] = {
    "apiVersion": "2026-01-01",
    "endpointPrefix": "traits",
    "serviceFullName": "A service with every trait",
    "serviceId": "Every Trait",
    "signatureVersion": "v4",
    "signingName": "traits",
    "uid": "traits-2026-01-01",
}

REST: dict[str, Any] = {
    "version": "2.0",
    "metadata": {**METADATA, "protocol": "rest-json", "protocols": ["rest-json"]},
    "operations": {
        "Converse": {
            "name": "Converse",
            "http": {"method": "POST", "requestUri": "/items/{id}/converse"},
            "input": {"shape": "Request"},
            "output": {"shape": "Response"},
            "errors": [{"shape": "DeniedException"}, {"shape": "BusyException"}],
            "endpoint": {"hostPrefix": "streaming."},
        },
        "Plain": {"name": "Plain", "http": {"method": "GET", "requestUri": "/"}, "output": {"shape": "Response"}},
    },
    "shapes": SHAPES,
}

RPC: dict[str, Any] = {
    "version": "2.0",
    "metadata": {
        **METADATA,
        "protocol": "json",
        "protocols": ["json"],
        "jsonVersion": "1.1",
        "targetPrefix": "Traits_20260101",
    },
    "operations": {
        "Converse": {
            "name": "Converse",
            "http": {"method": "POST", "requestUri": "/"},
            "input": {"shape": "RpcRequest"},
            "output": {"shape": "RpcResponse"},
            "errors": [{"shape": "DeniedException"}],
        }
    },
    "shapes": SHAPES,
}


def operation_model(description: dict[str, Any], name: str = "Converse") -> OperationModel:
    """Return the model of an operation of a description."""
    return ServiceModel(description, "every-trait").operation_model(name)
