"""Every kind of disagreement between us and the peers in Python, and a model that says which of them an input meets.

The model reads a stream, or encodes headers, as the format's documentation says; with a peer's kinds it does as that
peer does, and notes which of them it met with. So it predicts the peer's outcome exactly, down to the error's name:
what it does not predict is a disagreement of no kind that is known. Without any kind it predicts ours.

It shares no code with either implementation of ours, nor with a peer.
"""

from __future__ import annotations

import datetime
import struct
import uuid
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from eventstream import Byte, Long, Short, Timestamp
from peers import cases
from peers.outcomes import EPOCH, MICROSECOND, SILENT, Message, Outcome, untyped


@dataclass(frozen=True)
class Kind:
    """One: which question it answers in another way than we do, and how."""

    question: str
    says: str


KINDS = {
    "limits-first": Kind(cases.ORDER, "lengths are held against the limits before the prelude's CRC is checked"),
    "limits-before-lengths": Kind(
        cases.ORDER, "headers over the limit are refused as such, though the total is less than 16"
    ),
    "duplicate-last": Kind(cases.ORDER, "a name given twice is refused only after its second value was read"),
    "value-first": Kind(cases.ORDER, "a fault of a string or byte array is told before one of its name"),
    "total-unchecked": Kind(cases.LENGTHS, "a total of less than 16 is believed; what follows it is read as headers"),
    "headers-unchecked": Kind(cases.LENGTHS, "headers that are too long go on into the CRC and the next message"),
    "headers-cut": Kind(cases.LENGTHS, "headers that are too long end where the CRC begins"),
    "16-mib": Kind(cases.LIMITS, "a payload may have 16 MiB"),
    "no-name": Kind(cases.EMPTY_NAME, "an empty name is accepted"),
    "no-name-encoded": Kind(cases.EMPTY_NAME, "an empty name is encoded"),
    "long-value": Kind(cases.LONG_VALUE, "a value of more than 32,767 bytes is refused in decoding"),
    "foreign-text": Kind(cases.TEXT, "UnicodeDecodeError"),
    "foreign-surrogate": Kind(cases.TEXT, "UnicodeEncodeError of a lone surrogate"),
    "foreign-type": Kind(cases.TYPE, "KeyError"),
    "cut-name": Kind(cases.CUT, "what there is of a name is taken for it"),
    "cut-value": Kind(cases.CUT, "what there is of a string or byte array is taken for it"),
    "cut-uuid": Kind(cases.CUT, "what there is of a uuid is taken for it"),
    "foreign-uuid": Kind(cases.CUT, "ValueError of a uuid that is cut"),
    "foreign-cut": Kind(cases.CUT, "struct.error of anything else that is cut"),
    "foreign-integer": Kind(cases.INTEGERS, "struct.error"),
    "float-read": Kind(cases.TIMESTAMPS, "decoded through a float, microseconds off"),
    "foreign-year": Kind(cases.TIMESTAMPS, "ValueError or OverflowError outside the years 1 to 9999"),
    "float-written": Kind(cases.TIMESTAMPS, "encoded through a float, a millisecond off"),
    "silent-end": Kind(cases.END, "nothing is said"),
    "foreign-name": Kind(cases.NAMES, "struct.error of a name of more than 255 bytes"),
}

COMMON = {"duplicate-last", "no-name", "foreign-text", "foreign-type", "cut-name", "cut-value", "foreign-cut"}
ENCODERS = {"no-name-encoded", "foreign-surrogate", "float-written", "foreign-name"}
BOTOCORE = COMMON | {"total-unchecked", "headers-unchecked", "cut-uuid", "silent-end"}
SMITHY = COMMON | {"headers-cut", "limits-before-lengths", "long-value", "foreign-uuid"}


FOREIGN = {
    "foreign-text": "UnicodeDecodeError",
    "foreign-surrogate": "UnicodeEncodeError",
    "foreign-type": "KeyError",
    "foreign-uuid": "ValueError",
    "foreign-cut": "struct.error",
    "foreign-integer": "struct.error",
    "foreign-name": "struct.error",
}
"""The errors that these kinds let through."""


@dataclass(frozen=True)
class Peer:
    """Its kinds, and what its own errors are called, by the fault."""

    kinds: frozenset[str]
    errors: Mapping[str, str]
    typed: bool = True
    """Whether it tells integers of different sizes, timestamps and uuids apart when it decodes."""
    encodes: bool = True


OURS = {
    "prelude checksum": "PreludeChecksumMismatch",
    "message checksum": "MessageChecksumMismatch",
    "length": "InvalidLength",
    "headers limit": "DecodeLimitExceeded",
    "payload limit": "DecodeLimitExceeded",
    "end": "TruncatedMessage",
    "no name": "InvalidHeader",
    "cut": "TruncatedHeader",
    "text": "InvalidHeaderText",
    "type": "UnknownHeaderType",
    "duplicate": "DuplicateHeader",
    "name": "InvalidHeaderName",
    "surrogate in a name": "InvalidHeaderName",
    "surrogate": "InvalidHeaderValue",
    "long value": "InvalidHeaderValue",
    "integer": "InvalidHeaderValue",
    "headers encoded": "EncodeLimitExceeded",
}
PARSER = {
    "prelude checksum": "ChecksumMismatch",
    "message checksum": "ChecksumMismatch",
    "headers limit": "InvalidHeadersLength",
    "payload limit": "InvalidPayloadLength",
    "duplicate": "DuplicateHeader",
}
"""What the three call alike."""

PEERS = {
    "ours": Peer(frozenset(), OURS),
    "botocore": Peer(frozenset(BOTOCORE), PARSER, typed=False, encodes=False),
    "amazon-transcribe": Peer(
        frozenset(BOTOCORE | ENCODERS | {"limits-first", "16-mib", "foreign-integer"}),
        {
            **PARSER,
            "long value": "HeaderValueBytesExceedMaxLength",
            "headers encoded": "HeaderBytesExceedMaxLength",
        },
        typed=False,
    ),
    "smithy-aws-event-stream": Peer(
        frozenset(SMITHY | ENCODERS | {"value-first", "16-mib", "float-read", "foreign-year"}),
        {
            **PARSER,
            "length": "InvalidEventBytes",
            "end": "InvalidEventBytes",
            "long value": "InvalidHeaderValueLength",
            "integer": "InvalidIntegerValue",
            "headers encoded": "InvalidHeadersLength",
        },
    ),
}


class Fault(Exception):
    """What is wrong, in the words that `Peer.errors` translates, or the name of a foreign error."""

    def __init__(self, what: str, foreign: bool = False) -> None:
        super().__init__(what)
        self.what = what
        self.foreign = foreign


@dataclass
class Model:
    """What a codec does with one input; `met` are the kinds that it met with on the way."""

    peer: Peer
    met: set[str] = field(default_factory=set)

    def is_(self, kind: str, matters: bool = True) -> bool:
        """Whether the codec is of this kind; that is noted if it matters here."""
        if kind not in self.peer.kinds:
            return False
        if matters:
            self.met.add(kind)
        return True

    def fail(self, fault: str, kind: str | None = None) -> NoReturn:
        """Raise the fault, or the foreign error in its place, if the codec is of that kind."""
        if kind is not None and self.is_(kind):
            raise Fault(FOREIGN[kind], foreign=True)
        raise Fault(fault)

    def end(self, fault: Fault) -> dict[str, Any]:
        return {"end": fault.what if fault.foreign else self.peer.errors[fault.what], "own": not fault.foreign}

    # Decoding

    def decode(self, stream: bytes) -> Outcome:
        messages: list[Message] = []
        try:
            while stream:
                message, length = self.message(stream)
                if message is None:
                    return Outcome(tuple(messages), end=SILENT)
                messages.append(message)
                stream = stream[length:]
        except Fault as fault:
            return Outcome(tuple(messages), **self.end(fault))
        return Outcome(tuple(messages))

    def message(self, stream: bytes) -> tuple[Message | None, int]:
        """Return the first message of the stream and its length; None if it stops before."""
        if len(stream) < 12:
            return self.stopped()
        total, headers_length, crc = struct.unpack(">III", stream[:12])
        wrong = crc != zlib.crc32(stream[:8])
        limit = self.over(total, headers_length)
        if limit and wrong and self.is_("limits-first"):
            self.fail(limit)
        if wrong:
            self.fail("prelude checksum")
        impossible = total < 16 or headers_length > total - 16
        if impossible and limit and self.is_("limits-before-lengths", total < 16):
            self.fail(limit)
        if impossible and not self.believes(total):
            self.fail("length")
        if limit:
            self.fail(limit)
        if len(stream) < total:
            return self.stopped()
        stored = stream[max(total - 4, 0) : total]  # of a total of less than 4: nothing, as the slice is negative
        if len(stored) < 4 or total < 4:
            self.fail("cut", "foreign-cut")
        if struct.unpack(">I", stored)[0] != zlib.crc32(stream[8 : total - 4], crc):
            self.fail("message checksum")
        block = stream[12 : 12 + headers_length]
        if impossible and self.is_("headers-cut"):
            block = stream[12 : total - 4]
        headers = self.headers(block)
        return Message(headers, stream[12 + headers_length : total - 4]), total

    def believes(self, total: int) -> bool:
        """Whether impossible lengths are followed."""
        if total < 16:
            return self.is_("total-unchecked")
        return self.is_("headers-unchecked") or self.is_("headers-cut")

    def stopped(self) -> tuple[None, int]:
        if self.is_("silent-end"):
            return None, 0
        return self.fail("end")

    def over(self, total: int, headers_length: int) -> str | None:
        """Which limit the lengths exceed."""
        if headers_length > 131_072:
            return "headers limit"
        payload = total - headers_length - 16
        if payload > 24 * cases.MIB or (payload > 16 * cases.MIB and self.is_("16-mib")):
            return "payload limit"
        return None

    def headers(self, block: bytes) -> tuple[tuple[str, str, Any], ...]:
        found: dict[str, Any] = {}
        while block:
            length, raw = block[0], block[1 : 1 + block[0]]
            if not length and not self.is_("no-name"):
                self.fail("no name")
            if len(raw) < length and not self.is_("cut-name"):
                self.fail("cut")
            name = self.text(raw)
            block = block[1 + length :]
            if not block:
                self.fail("cut", "foreign-cut")
            type_, block = block[0], block[1:]
            if type_ > 9:
                self.fail("type", "foreign-type")
            twice = name in found
            if twice and not self.is_("duplicate-last", False):
                self.fail("duplicate")
            try:
                kind, value, length = self.value(type_, block)
            except Fault:
                if twice:
                    self.is_("duplicate-last")
                raise
            if twice:
                self.fail("duplicate")
            found[name] = (name, kind, value) if self.peer.typed else untyped((name, kind, value))
            block = block[length:]
        return tuple(found.values())

    def text(self, raw: bytes) -> str:
        try:
            return raw.decode()
        except UnicodeDecodeError:
            return self.fail("text", "foreign-text")

    def value(self, type_: int, block: bytes) -> tuple[str, Any, int]:
        """Return the kind, the value, and how many bytes of the block it takes."""
        if type_ < 2:
            return "bool", type_ == 0, 0
        if type_ in (6, 7):
            if len(block) < 2:
                self.fail("cut", "foreign-cut")
            end = 2 + int.from_bytes(block[:2], "big")
            if end > 2 + 32_767 and self.is_("long-value"):
                self.fail("long value")
            if end > len(block) and not self.is_("cut-value"):
                self.fail("cut")
            raw = block[2:end]
            return ("bytes", raw, end) if type_ == 6 else ("string", self.text(raw), end)
        if type_ == 9:
            if len(block) < 16 and not self.is_("cut-uuid"):
                self.fail("cut", "foreign-uuid")
            return "uuid", block[:16], 16
        kind, size = {2: ("byte", 1), 3: ("short", 2), 4: ("integer", 4)}.get(type_, ("long", 8))
        if len(block) < size:
            self.fail("cut", "foreign-cut")
        number = int.from_bytes(block[:size], "big", signed=True)
        return ("timestamp", self.moment(number), size) if type_ == 8 else (kind, number, size)

    def moment(self, milliseconds: int) -> int:
        """In microseconds."""
        exact = 1000 * milliseconds
        if not self.is_("float-read", False):
            return exact
        try:
            read = (datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.timezone.utc) - EPOCH) // MICROSECOND
        except (ValueError, OverflowError) as error:
            if self.is_("foreign-year"):
                raise Fault(type(error).__name__, foreign=True) from None
            return exact
        self.is_("float-read", read != exact)
        return read

    # Encoding

    def encode(self, headers: Mapping[str, Any], payload: bytes = b"") -> Outcome:
        """Of values that are ours; the payload is taken to be within its limit."""
        block = b""
        try:
            for name, value in headers.items():
                block += self.encoded(name, value)
            if len(block) > 131_072:
                self.fail("headers encoded")
        except Fault as fault:
            return Outcome(**self.end(fault))
        message = struct.pack(">II", 16 + len(block) + len(payload), len(block))
        message += struct.pack(">I", zlib.crc32(message)) + block + payload
        return Outcome(wire=message + struct.pack(">I", zlib.crc32(message)))

    def encoded(self, name: str, value: Any) -> bytes:
        if isinstance(value, (bytes, str)) and self.is_("value-first", False):
            try:
                encoded = self.encoded_value(value)
            except Fault:
                self.is_("value-first", self.is_faulty(name))
                raise
            return self.encoded_name(name) + encoded
        return self.encoded_name(name) + self.encoded_value(value)

    def is_faulty(self, name: str) -> bool:
        try:
            return not Model(self.peer).encoded_name(name)
        except Fault:
            return True

    def encoded_name(self, name: str) -> bytes:
        key = self.utf8(name, "surrogate in a name")
        if len(key) > 255:
            self.fail("name", "foreign-name")
        if not key and not self.is_("no-name-encoded"):
            self.fail("name")
        return bytes([len(key)]) + key

    def utf8(self, text: str, fault: str) -> bytes:
        try:
            return text.encode()
        except UnicodeEncodeError:
            return self.fail(fault, "foreign-surrogate")

    def encoded_value(self, value: Any) -> bytes:
        if isinstance(value, bool):
            return b"\0" if value else b"\1"
        if isinstance(value, (bytes, str)):
            raw = value if isinstance(value, bytes) else self.utf8(value, "surrogate")
            if len(raw) > 32_767:
                self.fail("long value")
            return struct.pack(">BH", 6 if raw is value else 7, len(raw)) + raw
        if isinstance(value, uuid.UUID):
            return b"\x09" + value.bytes
        if isinstance(value, Timestamp):
            return struct.pack(">Bq", 8, self.milliseconds(value))
        type_, format_ = {Byte: (2, ">Bb"), Short: (3, ">Bh"), Long: (5, ">Bq")}.get(type(value), (4, ">Bi"))
        try:
            return struct.pack(format_, type_, value)
        except struct.error:
            return self.fail("integer", "foreign-integer")

    def milliseconds(self, value: Timestamp) -> int:
        if not self.is_("float-written", False):
            return int(value)
        written = int(value.datetime.timestamp() * 1000)
        self.is_("float-written", written != value)
        return written


def asked(peer: str, case: cases.Case) -> bool:
    """Whether the model can tell what the codec does."""
    return not case.again and (isinstance(case.given, bytes) or PEERS[peer].encodes)


def predict(peer: str | Peer, given: bytes | Mapping[str, Any], payload: bytes = b"") -> tuple[Outcome, frozenset[str]]:
    """Return what the codec does with a stream or with headers, and the kinds of disagreement that make it do so."""
    model = Model(PEERS[peer] if isinstance(peer, str) else peer)
    outcome = model.decode(given) if isinstance(given, bytes) else model.encode(given, payload)
    return outcome, frozenset(model.met)
