"""The codecs that run in this process: ours, twice, and the peers in Python, where they are installed.

Each decodes a stream to its end and goes no further after an error, unless it is asked to; each encodes headers and a
payload. An error is a peer's own if its class is derived from the peer's base class.
"""

from __future__ import annotations

import contextlib
import datetime
import importlib
import io
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from eventstream import CodecError, Timestamp
from peers.outcomes import SILENT, Header, Message, Outcome, error_name, header, untyped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import ModuleType


class Codec:
    """One of them. `messages` is how its users read a stream, `write` how they encode."""

    name: str
    distribution: str
    own: type[BaseException] | tuple[type[BaseException], ...]
    note = ""
    encodes = True
    classes: Mapping[str, Callable[[Any], Any]] = {}
    """What takes the place of our classes of header values here."""

    @property
    def version(self) -> str | None:
        """The version that is installed, if any is."""
        with contextlib.suppress(PackageNotFoundError):
            return version(self.distribution)
        return None

    def view(self, header: Header) -> Header:
        """Return a header as this codec can tell it."""
        return header

    def messages(self, stream: bytes) -> Reading:
        raise NotImplementedError

    def write(self, headers: dict[str, Any], payload: bytes) -> bytes:
        raise NotImplementedError

    def decode(self, stream: bytes, *, again: bool = False) -> Outcome:
        """Of the whole stream, or, with `again`, of what comes when it is read on after the first error."""
        reading = self.messages(stream)
        outcome = self._read(reading)
        return self._read(reading) if again else outcome

    def _read(self, reading: Reading) -> Outcome:
        found: list[Message] = []
        try:
            found.extend(reading)
            rest = reading.rest()
        except Exception as error:
            return Outcome(tuple(found), **self._end(error))
        return Outcome(tuple(found), end=SILENT if rest else "")

    def encode(self, headers: dict[str, Any], payload: bytes = b"") -> Outcome:
        """Of headers that are given as our values."""
        converted = {name: self.classes.get(type(value).__name__, _same)(value) for name, value in headers.items()}
        try:
            return Outcome(wire=self.write(converted, payload))
        except Exception as error:
            return Outcome(**self._end(error))

    def _end(self, error: Exception) -> dict[str, Any]:
        own = isinstance(error, self.own)
        return {"end": error_name(error, own), "own": own}


def _same(value: Any) -> Any:
    return value


def _as_datetime(value: Timestamp) -> datetime.datetime:
    return value.datetime


class Reading:
    """A stream being read: an iterator of messages, and what is left over at its end."""

    def __init__(self, take: Callable[[], Message | None], rest: Callable[[], object]) -> None:
        self.take = take
        self.rest = rest

    def __iter__(self) -> Iterator[Message]:
        while (message := self.take()) is not None:
            yield message


class Ours(Codec):
    own = CodecError
    distribution = "eventstream-codec"

    def __init__(self, name: str, codec: ModuleType) -> None:
        self.name = name
        self.codec = codec

    def messages(self, stream: bytes) -> Reading:
        decoder = self.codec.Decoder().feed(stream)

        def take() -> Message | None:
            message = next(decoder, None)
            if message is None:
                return None
            return Message(tuple(header(*pair) for pair in message.headers.items()), bytes(message.payload))

        return Reading(take, decoder.close)

    def write(self, headers: dict[str, Any], payload: bytes) -> bytes:
        return self.codec.encode(headers, payload)


class Botocore(Codec):
    """botocore decodes only."""

    name = distribution = "botocore"
    encodes = False

    def __init__(self) -> None:
        self.module: Any = importlib.import_module("botocore.eventstream")
        self.own = self.module.ParserError

    def view(self, header: Header) -> Header:
        return untyped(header)

    def messages(self, stream: bytes) -> Reading:
        buffer = self.module.EventStreamBuffer()
        buffer.add_data(stream)

        def take() -> Message | None:
            message = next(buffer, None)
            if message is None:
                return None
            return Message(tuple(untyped(header(*pair)) for pair in message.headers.items()), message.payload)

        return Reading(take, lambda: buffer._data)


class AmazonTranscribe(Botocore):
    """amazon-transcribe has a copy of botocore's decoder, and an encoder."""

    name = distribution = "amazon-transcribe"
    encodes = True

    def __init__(self) -> None:
        self.module = importlib.import_module("amazon_transcribe.eventstream")
        self.own = (self.module.ParserError, self.module.SerializationError)
        self.classes = {
            "Byte": self.module.Int8HeaderValue,
            "Short": self.module.Int16HeaderValue,
            "Long": self.module.Int64HeaderValue,
            "Timestamp": _as_datetime,
        }

    def write(self, headers: dict[str, Any], payload: bytes) -> bytes:
        return self.module.EventStreamMessageSerializer().serialize(headers, payload)


class Smithy(Codec):
    name = distribution = "smithy-aws-event-stream"
    note = "" if sys.version_info >= (3, 12) else ": it needs Python 3.12"

    def __init__(self) -> None:
        self.module = importlib.import_module("smithy_aws_event_stream.events")
        self.own = importlib.import_module("smithy_aws_event_stream.exceptions").EventError
        self.classes = {
            "Byte": self.module.Byte,
            "Short": self.module.Short,
            "Long": self.module.Long,
            "Timestamp": _as_datetime,
        }

    def messages(self, stream: bytes) -> Reading:
        source = io.BytesIO(stream)

        def take() -> Message | None:
            event = self.module.Event.decode(source)
            if event is None:
                return None
            return Message(tuple(header(*pair) for pair in event.message.headers.items()), event.message.payload)

        return Reading(take, lambda: source.tell() < len(stream))

    def write(self, headers: dict[str, Any], payload: bytes) -> bytes:
        return self.module.EventMessage(headers=headers, payload=payload).encode()
