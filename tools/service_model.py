"""Write the service model of Amazon Transcribe streaming: all facts of its four operations, in botocore's format.

    python tools/service_model.py            write it
    python tools/service_model.py --check    fail if it is not what would be written

The shapes come from AWS's own client, aws-sdk-transcribe-streaming, which must be installed (Python 3.12 or later): the
names, types, places in HTTP, values, events and exceptions, but none of its texts. It does not have the bounds and
patterns of strings and numbers; those are added here. GetMedicalScribeStream is left out, as it is not a stream.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parent.parent / "eventstream/transcribe/data/transcribe-streaming/2017-10-26/service-2.json"

NAME = {"max": 200, "min": 1, "pattern": "^[0-9a-zA-Z._-]+"}
NAMES = {"max": 3000, "min": 1, "pattern": "^[a-zA-Z0-9,-._]+"}

# Source: the API reference (https://docs.aws.amazon.com/transcribe/latest/APIReference/).
BOUNDS: dict[str, dict[str, object]] = {
    "VocabularyName": NAME,
    "VocabularyFilterName": NAME,
    "ModelName": NAME,
    "VocabularyNames": NAMES,
    "VocabularyFilterNames": NAMES,
    "LanguageOptions": {"max": 200, "min": 1, "pattern": "^[a-zA-Z-,]+"},
    "PiiEntityTypes": {"max": 300, "min": 1, "pattern": "^[A-Z_, ]+"},
    "MediaSampleRateHertz": {"max": 48000, "min": 8000},
    "MedicalScribeMediaSampleRateHertz": {"max": 48000, "min": 16000},
    "NumberOfChannels": {"min": 2},
    "SessionResumeWindow": {"max": 300, "min": 1},
    "SessionId": {
        "max": 36,
        "min": 36,
        "pattern": "[a-fA-F0-9]{8}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{12}",
    },
    "ChannelId": {"max": 1, "min": 0},
    "ChannelDefinitions": {"max": 2, "min": 2},
    "MedicalScribeChannelId": {"max": 1, "min": 0},
    "MedicalScribeChannelDefinitions": {"max": 2, "min": 2},
}

PREFIX = "com.amazonaws.transcribestreaming#"
LEFT_OUT = {"GetMedicalScribeStream"}
TYPES = {"enum": "string", "union": "structure"}


class Model:
    """Gathers shapes as the operations lead to them."""

    def __init__(self) -> None:
        self.models: Any = importlib.import_module("aws_sdk_transcribe_streaming.models")
        self.traits: Any = importlib.import_module("smithy_core.shapes").ShapeID
        self.shapes: dict[str, dict[str, Any]] = {}

    def trait(self, schema: Any, name: str) -> Any:
        return schema.traits.get(self.traits(f"smithy.api#{name}"))

    def name_of(self, schema: Any) -> str:
        original = schema.traits.get(self.traits("smithy.synthetic#originalShapeId"))
        return str(original.document_value if original is not None else schema.id).removeprefix(PREFIX)

    def add(self, schema: Any, *, event: bool = False) -> str:
        """Add a shape and all that it needs; return its name."""
        name = self.name_of(schema)
        if name in self.shapes:
            self.shapes[name] |= {"event": True} if event else {}
            return name
        kind = schema.shape_type.name.lower()
        shape: dict[str, Any] = {"type": TYPES.get(kind, kind)}
        self.shapes[name] = shape
        if kind == "enum":
            shape["enum"] = [value.value for value in getattr(self.models, name)]
        elif kind == "list":
            shape["member"] = {"shape": self.add(schema.members["member"].member_target)}
        elif kind == "map":
            for part in ("key", "value"):
                shape[part] = {"shape": self.add(schema.members[part].member_target)}
        elif kind in ("structure", "union"):
            self.add_members(shape, schema, kind == "union")
        shape |= BOUNDS.get(name, {})
        if event:
            shape["event"] = True
        if self.trait(schema, "sensitive") is not None:
            shape["sensitive"] = True
        if (error := self.trait(schema, "httpError")) is not None:
            shape |= {"error": {"httpStatusCode": error.document_value}, "exception": True}
        return name

    def add_members(self, shape: dict[str, Any], schema: Any, is_union: bool) -> None:
        streaming = is_union and self.trait(schema, "streaming") is not None
        if required := [name for name, member in schema.members.items() if self.trait(member, "required") is not None]:
            shape["required"] = required
        shape["members"] = {}
        for name, member in schema.members.items():
            target = member.member_target
            is_error = self.trait(target, "error") is not None
            reference: dict[str, Any] = {"shape": self.add(target, event=streaming and not is_error)}
            if (header := self.trait(member, "httpHeader")) is not None:
                reference |= {"location": "header", "locationName": header.document_value}
            if self.trait(member, "eventPayload") is not None:
                reference["eventpayload"] = True
            if self.trait(member, "httpPayload") is not None:
                shape["payload"] = name
            shape["members"][name] = reference
        if streaming:
            shape["eventstream"] = True

    def operations(self) -> dict[str, Any]:
        found = {}
        kind = importlib.import_module("smithy_core.schemas").APIOperation
        for operation in vars(self.models).values():
            if isinstance(operation, kind) and self.name_of(operation.schema) not in LEFT_OUT:
                name = self.name_of(operation.schema)
                http = self.trait(operation.schema, "http").document_value
                found[name] = {
                    "name": name,
                    "http": {"method": http["method"], "requestUri": http["uri"]},
                    "input": {"shape": self.add(operation.input_schema)},
                    "output": {"shape": self.add(operation.output_schema)},
                    "errors": [{"shape": self.add(error)} for error in operation.error_schemas],
                }
        return dict(sorted(found.items()))


def written() -> str:
    model = Model()
    content = {
        "version": "2.0",
        "metadata": {
            "apiVersion": "2017-10-26",
            "endpointPrefix": "transcribestreaming",
            "protocol": "rest-json",
            "protocolSettings": {"h2": "eventstream"},
            "protocols": ["rest-json"],
            "serviceFullName": "Amazon Transcribe Streaming Service",
            "serviceId": "Transcribe Streaming",
            "signatureVersion": "v4",
            "signingName": "transcribe",
            "uid": "transcribe-streaming-2017-10-26",
        },
        "operations": model.operations(),
        "shapes": {},
    }
    content["shapes"] = dict(sorted(model.shapes.items()))
    if unused := BOUNDS.keys() - model.shapes.keys():
        raise SystemExit(f"bounds of no shape: {', '.join(sorted(unused))}")
    return json.dumps(content, indent=1) + "\n"


def main() -> int:
    text = written()
    if sys.argv[1:] == ["--check"]:
        if TARGET.read_text("utf-8") == text:
            return 0
        print("AWS's client does not say what the model says: run tools/service_model.py", file=sys.stderr)
        return 1
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
