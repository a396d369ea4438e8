"""Values of botocore's shapes as JSON, as headers and as text, in both directions.

A shape is turned into two functions once: one from a Python value to what `json.dumps` takes, one back. None in the
place of a function says that a value stays as it is, so that most of an event costs nothing. Members that are a
structure are resolved at the first use, as shapes may contain themselves.

The values are those of boto3: ``bytes`` for a blob, an aware ``datetime`` for a timestamp, a dict for a structure, a
map and a union, and anything that JSON has for a document. Members that the shape does not know are left out; a union
with an unknown member is ``{"SDK_UNKNOWN_MEMBER": {"name": ...}}``, as in botocore.

The formats are those of Smithy's JSON protocols (https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html).
"""

from __future__ import annotations

import base64
import binascii
import datetime
import json
import math
import re
from collections.abc import Callable, Mapping
from email.utils import formatdate, parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from botocore.utils import parse_to_aware_datetime

from eventstream._text import quote, shown
from eventstream.values import Byte, Long, Short, Timestamp

if TYPE_CHECKING:
    from botocore.model import Shape

    from eventstream.values import HeaderValue

__all__ = ["Mismatch", "blob", "from_header", "from_text", "reader", "to_header", "to_text", "wire_name", "writer"]

Convert: TypeAlias = Callable[[Any], Any]

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_SECOND = datetime.timedelta(seconds=1)

_MAX_TEXT = 64
"""Characters that the text of a number or a timestamp may have."""

_ISO8601 = re.compile(
    "([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2}))?(?:[Zz]|([+-][0-9]{2}):?([0-9]{2}))?"
)
_FRACTION = re.compile("(?<=:[0-9]{2})[.]([0-9]+)")

_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

_SCALARS: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "boolean": (bool, "a boolean"),
    "integer": (int, "an integer"),
    "long": (int, "an integer"),
    "byte": (int, "an integer"),
    "short": (int, "an integer"),
    "float": ((int, float), "a number"),
    "double": ((int, float), "a number"),
    "string": (str, "a string"),
    "blob": (str, "base64"),
}


class Mismatch(ValueError):
    """JSON that does not have the shape.

    Attributes:
        reason: what it should be.
        path: where it is, from the value that was read, e.g. ``.Items[0]``.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self._places: list[str] = []

    @property
    def path(self) -> str:
        return "".join(reversed(self._places))

    def within(self, place: str) -> Mismatch:
        """Return the same, seen from one level up."""
        self._places.append(place)
        return self


def wire_name(shape: Shape, member: str) -> str:
    """Return the name of a structure's member on the wire."""
    name: str = shape.serialization.get("name", member)
    return name


def blob(value: Any) -> bytes:
    """Return the bytes of what botocore takes for a blob: bytes, text, or a file."""
    if hasattr(value, "read"):
        value = value.read()
    return value.encode() if isinstance(value, str) else bytes(value)


# To JSON


def writer(shape: Shape) -> Convert | None:
    """Return the function that turns a validated value into what ``json.dumps`` takes; None: it is that already."""
    return _Writers().of(shape)


class _Writers:
    """The writers of one shape and all that are within it."""

    def __init__(self) -> None:
        self._structures: dict[str, Convert] = {}

    def of(self, shape: Shape) -> Convert | None:
        kind = shape.type_name
        if kind == "structure":
            return None if shape.is_document_type else self._structure(shape)
        if kind == "list":
            return _list_writer(self.of(shape.member))
        if kind == "map":
            return _map_writer(self.of(shape.value))
        if kind == "timestamp":
            return _timestamp_writer(shape.serialization.get("timestampFormat", "unixTimestamp"))
        return {"blob": _to_base64, "float": _to_number, "double": _to_number}.get(kind)

    def _structure(self, shape: Shape) -> Convert:
        if shape.name in self._structures:
            return self._structures[shape.name]
        members: dict[str, tuple[str, Convert | None]] = {}

        def write(value: Mapping[str, Any]) -> dict[str, Any]:
            written = {}
            for name, each in value.items():
                if each is not None:
                    if name not in members:
                        member = shape.members[name]
                        members[name] = wire_name(member, name), self.of(member)
                    on_wire, convert = members[name]
                    written[on_wire] = each if convert is None else convert(each)
            return written

        self._structures[shape.name] = write
        return write


def _list_writer(item: Convert | None) -> Convert | None:
    return None if item is None else lambda value: [None if each is None else item(each) for each in value]


def _map_writer(item: Convert | None) -> Convert | None:
    if item is None:
        return None
    return lambda value: {key: None if each is None else item(each) for key, each in value.items()}


def _to_base64(value: Any) -> str:
    return base64.b64encode(blob(value)).decode()


def _to_number(value: Any) -> float | int | str:
    if isinstance(value, int):
        return value
    number = float(value)
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def _timestamp_writer(format: str) -> Callable[[Any], str | int | float]:
    """Return the function that writes a timestamp in a format of Smithy's; the names of models vary in case."""
    write = {"iso8601": _to_iso8601, "rfc822": _to_rfc822, "unixtimestamp": _to_seconds}[format.lower()]
    return lambda value: write(_aware(value))


def _aware(value: Any) -> datetime.datetime:
    """Return the datetime of what botocore takes for a timestamp, in UTC."""
    moment: datetime.datetime = parse_to_aware_datetime(value)
    return moment.astimezone(datetime.timezone.utc)


def _to_seconds(moment: datetime.datetime) -> int | float:
    seconds, rest = divmod(moment - _EPOCH, _SECOND)
    # Rounded once: the sum of a float and an integer would be rounded twice.
    return (seconds * 10**6 + rest.microseconds) / 10**6 if rest else seconds


def _to_iso8601(moment: datetime.datetime) -> str:
    text = moment.replace(tzinfo=None).isoformat()
    return (text.rstrip("0") if moment.microsecond else text) + "Z"


def _to_rfc822(moment: datetime.datetime) -> str:
    return formatdate((moment - _EPOCH) // _SECOND, usegmt=True)


# From JSON


def reader(shape: Shape, *, strict: bool = False) -> Convert | None:
    """Return the function that turns parsed JSON into a value; None: it is that already. The function raises a
    `Mismatch`.

    Args:
        shape: of the value.
        strict: whether types of scalars, unions and required members are checked. A client takes what a service sends.
    """
    return _Readers(strict).of(shape)


class _Readers:
    """The readers of one shape and all that are within it."""

    def __init__(self, strict: bool) -> None:
        self._strict = strict
        self._structures: dict[str, Convert] = {}

    def of(self, shape: Shape) -> Convert | None:
        kind = shape.type_name
        if kind == "structure":
            return None if shape.is_document_type else self._structure(shape)
        if kind == "list":
            return _list_reader(self.of(shape.member), self._strict)
        if kind == "map":
            return _map_reader(self.of(shape.value), self._strict)
        if kind == "timestamp":
            return _from_timestamp
        convert = {"blob": _from_base64, "float": _from_number, "double": _from_number}.get(kind)
        return _checked(kind, convert) if self._strict else convert

    def _structure(self, shape: Shape) -> Convert:
        if shape.name in self._structures:
            return self._structures[shape.name]
        members: dict[str, tuple[str, Convert | None]] = {}
        # What travels in a header is not in the JSON.
        required = [name for name in shape.required_members if not shape.members[name].serialization.get("eventheader")]

        def read(value: Any) -> dict[str, Any]:
            if not isinstance(value, dict):
                raise Mismatch("not an object")
            if not members:
                members.update(
                    {wire_name(member, name): (name, self.of(member)) for name, member in shape.members.items()}
                )
            if shape.is_tagged_union:
                set_ = [name for name, each in value.items() if each is not None and name != "__type"]
                if set_ and not any(name in members for name in set_):
                    return {"SDK_UNKNOWN_MEMBER": {"name": set_[0]}}
            found = {}
            for on_wire, each in value.items():
                if each is not None and on_wire in members:
                    name, convert = members[on_wire]
                    found[name] = each if convert is None else _read_within(f".{on_wire}", convert, each)
            if self._strict:
                if shape.is_tagged_union and len(found) != 1:
                    raise Mismatch(f"{len(found)} members of a union, not one")
                for name in required:
                    if name not in found:
                        raise Mismatch(f"no {name}")
            return found

        self._structures[shape.name] = read
        return read


def _read_within(place: str, convert: Convert, value: Any) -> Any:
    try:
        return convert(value)
    except Mismatch as error:
        raise error.within(place) from None


def _list_reader(item: Convert | None, strict: bool) -> Convert:
    def read(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise Mismatch("not a list")
        if item is None:
            return value
        return [
            None if each is None and not strict else _read_within(f"[{number}]", item, each)
            for number, each in enumerate(value)
        ]

    return read


def _map_reader(item: Convert | None, strict: bool) -> Convert:
    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Mismatch("not an object")
        if item is None:
            return value
        return {
            key: None if each is None and not strict else _read_within(f"[{quote(key)}]", item, each)
            for key, each in value.items()
        }

    return read


def _checked(kind: str, convert: Convert | None) -> Convert:
    """Return the conversion, preceded by a check of the scalar's type."""
    types, what = _SCALARS[kind]

    def read(value: Any) -> Any:
        special = value in _SPECIAL if isinstance(value, str) and convert is _from_number else False
        if not (special or isinstance(value, types)) or (isinstance(value, bool) and types is not bool):
            raise Mismatch(f"not {what}")
        return value if convert is None else convert(value)

    return read


def _from_base64(value: Any) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise Mismatch("not base64") from None


def _from_number(value: Any) -> Any:
    return _SPECIAL.get(value, value) if isinstance(value, str) else value


def _from_timestamp(value: Any) -> datetime.datetime:
    if isinstance(value, bool) or (isinstance(value, str) and len(value) > _MAX_TEXT):
        raise Mismatch("not a timestamp")
    try:
        return _moment(value.strip()) if isinstance(value, str) else _EPOCH + datetime.timedelta(seconds=value)
    except (TypeError, ValueError, OverflowError):
        raise Mismatch("not a timestamp") from None


def _moment(text: str) -> datetime.datetime:
    """Return the datetime of a text in any of Smithy's formats; where it has no time zone, in UTC.

    botocore's parser takes more formats, but up to 0.5 ms for each text, and an event may have many.
    """
    fraction = _FRACTION.search(text)
    if fraction is not None:
        text = text[: fraction.start()] + text[fraction.end() :]
    iso = _ISO8601.fullmatch(text)
    if iso is not None:
        offset = f"{iso[3]}:{iso[4]}" if iso[3] else "+00:00"
        moment = datetime.datetime.fromisoformat(f"{iso[1]}T{iso[2] or '00:00:00'}{offset}")
    else:
        try:
            return _EPOCH + datetime.timedelta(seconds=float(text))
        except ValueError:
            moment = parsedate_to_datetime(text)
    if fraction is not None:
        moment = moment.replace(microsecond=int(fraction[1][:6].ljust(6, "0")))
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=datetime.timezone.utc)


# Headers of events, which have types of their own

_HEADER_TYPES: Mapping[str, Callable[[Any], HeaderValue]] = {
    "boolean": bool,
    "byte": Byte,
    "short": Short,
    "integer": int,
    "long": Long,
    "blob": blob,
    "string": str,
    "timestamp": lambda value: Timestamp.from_datetime(_aware(value)),
}


def to_header(shape: Shape) -> Callable[[Any], HeaderValue]:
    """Return the function that turns a member's value into an event's header."""
    return _HEADER_TYPES.get(shape.type_name, str)


def from_header(value: HeaderValue) -> Any:
    """Return the value that boto3 has for an event's header: plain integers, datetimes, and UUIDs as their bytes."""
    if isinstance(value, Timestamp):
        try:
            return value.datetime
        except OverflowError:
            raise Mismatch("not a timestamp of the years 1 to 9999") from None
    if isinstance(value, (bool, str, bytes)):
        return value
    return int(value) if isinstance(value, int) else value.bytes


# Texts in the path, the query and the headers of HTTP


def to_text(shape: Shape, value: Any) -> str:
    """Return a value as a header, a query or a label has it."""
    kind = shape.type_name
    if kind == "boolean":
        return "true" if value else "false"
    if kind == "timestamp":
        default = "rfc822" if shape.serialization.get("location") == "header" else "iso8601"
        return str(_timestamp_writer(shape.serialization.get("timestampFormat", default))(value))
    if kind == "list":
        return ",".join(to_text(shape.member, each) for each in value)
    if kind == "blob":
        return _to_base64(value)
    if shape.serialization.get("jsonvalue"):
        return _to_base64(json.dumps(value))
    return str(_to_number(value)) if kind in ("float", "double") else str(value)


def from_text(shape: Shape, text: str) -> Any:
    """Return the value of a text in HTTP.

    Raises:
        Mismatch: it is another kind of value.
    """
    kind = shape.type_name
    try:
        if kind in ("integer", "long", "byte", "short"):
            return int(_short(text))
        if kind in ("float", "double"):
            return _SPECIAL[text] if text in _SPECIAL else float(_short(text))
        if kind == "boolean":
            return {"true": True, "false": False}[text.lower()]
        if kind == "timestamp":
            return _from_timestamp(text)
        if kind == "blob":
            return _from_base64(text)
        if kind == "list":
            return [from_text(shape.member, each.strip()) for each in text.split(",")]
        if shape.serialization.get("jsonvalue"):
            return json.loads(_from_base64(text))
    except (KeyError, ValueError, RecursionError) as error:  # the last for JSON that is nested too deeply
        if isinstance(error, Mismatch):
            raise
        raise Mismatch(f"{shown(text)} is not {_SCALARS.get(kind, (str, 'JSON'))[1]}") from None
    return text


def _short(text: str) -> str:
    if len(text) > _MAX_TEXT:
        raise ValueError("too long for a number")
    return text
