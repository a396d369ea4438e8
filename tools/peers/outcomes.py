"""What a codec makes of an input, in words that all of them share.

Each codec has types, errors and silences of its own. Here a header is a name, the name of its wire type and a plain
value: bool, int, bytes or str; of a uuid its 16 bytes, of a timestamp the microseconds since 1970, because there is a
codec that goes through a float and loses some.
"""

from __future__ import annotations

import datetime
import re
import uuid
from dataclasses import dataclass
from typing import Any, NamedTuple

from eventstream import Timestamp

Header = tuple[str, str, Any]
"""Name, wire type, value."""

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
MICROSECOND = datetime.timedelta(microseconds=1)

MIB = 2**20

SILENT = "silent"
"""The end of an input that stops in mid-message, where nothing is said about that."""

HANGS = "hangs"
CRASHES = "crashes, "
INEXPRESSIBLE = "inexpressible"
"""The input has no place in the types of the codec's interface."""


class Message(NamedTuple):
    """One that was delivered."""

    headers: tuple[Header, ...]
    payload: bytes


@dataclass(frozen=True)
class Outcome:
    """Of decoding: the messages delivered, and how it ended. Of encoding: the wire form, or how it ended.

    `end` is empty after the last message, `SILENT`, or the name of an error; `own` says whether that is one of the
    codec's own errors, and not one that leaked out of what it is made of.
    """

    messages: tuple[Message, ...] = ()
    wire: bytes | None = None
    end: str = ""
    own: bool = True
    allocated: int = 0
    """Bytes set aside for a message that has not come, where the codec's process tells (JavaScript's does)."""

    @property
    def fault(self) -> str:
        """The end without the error's name: whether it rejects, or lets a foreign error through."""
        if self.end in ("", SILENT, HANGS, INEXPRESSIBLE) or self.end.startswith(CRASHES):
            return self.end
        return "rejects" if self.own else "foreign error"


def error_name(error: BaseException, own: bool) -> str:
    """With the module of one that is not the codec's own, unless it is built in."""
    class_ = type(error)
    return class_.__name__ if own or class_.__module__ == "builtins" else f"{class_.__module__}.{class_.__name__}"


def header(name: str, value: Any) -> Header:
    """Return a header of our values or of smithy-aws-event-stream's, which has the same types under other names."""
    kind = type(value).__name__
    if isinstance(value, Timestamp):
        return name, "timestamp", 1000 * int(value)
    if isinstance(value, datetime.datetime):
        return name, "timestamp", (value - EPOCH) // MICROSECOND
    if isinstance(value, uuid.UUID):
        return name, "uuid", value.bytes
    if kind in ("Byte", "Short", "Long"):
        return name, kind.lower(), int(value)
    return name, {"bool": "bool", "int": "integer", "bytes": "bytes", "str": "string"}[kind], value


def untyped(header: Header) -> Header:
    """Return a header as botocore and amazon-transcribe deliver it: integers lose their type, a uuid becomes bytes."""
    name, kind, value = header
    if kind == "timestamp":
        return name, "int", value // 1000
    if kind in ("byte", "short", "integer", "long"):
        return name, "int", value
    return name, "bytes" if kind == "uuid" else kind, value


# In words


def word(outcome: Outcome, expected: Outcome) -> str:
    """Return the outcome in a few words; messages and bytes are told only where they are not the ones expected."""
    words = []
    if outcome.messages:
        same = outcome.messages == expected.messages
        words.append("accepts" if same else "accepts " + " and ".join(map(_message, outcome.messages)))
    if outcome.wire is not None:
        words.append("encodes" if outcome.wire == expected.wire else f"encodes {shown(outcome.wire)}")
    if outcome.fault:
        words.append(outcome.end if outcome.fault == outcome.end else f"{outcome.fault}: {outcome.end}")
    if outcome.allocated >= MIB:
        words[-1] += f" ({outcome.allocated // MIB:,} MiB allocated)"
    return ", then ".join(words) or "nothing"


def _message(message: Message) -> str:
    headers = ", ".join(f"{_short(name)}: {kind} {_value(kind, value)}" for name, kind, value in message.headers)
    return f"{{{headers}}} {_short(message.payload)}"


def _value(kind: str, value: Any) -> str:
    if kind == "timestamp":
        if value is None:
            return "invalid"
        return f"{value // 1000}" + (f".{value % 1000:03d}" if value % 1000 else "")
    return _short(value)


def _short(value: Any) -> str:
    """Of a text or of bytes that are long, the first of them and how many they are."""
    if isinstance(value, (bytes, str)) and len(value) > 32:
        return f"{value[:4]!r}… ({len(value):,})"
    return repr(value)


RUN = re.compile(rb"\0{9,}|v{9,}|x{9,}")
"""Of the bytes that cases repeat; any byte (``(.)\\1{8,}``) takes seconds in 24 MiB."""


def shown(data: bytes) -> str:
    """Bytes in hexadecimal digits; of a run of equal ones the first, and how many: ``76{32768}``."""
    parts, end = [], 0
    for run in RUN.finditer(data):
        parts += [data[end : run.start()].hex(), f"{run[0][0]:02x}{{{len(run[0])}}}"]
        end = run.end()
    return "".join([*parts, data[end:].hex()])
