"""aws-c-event-stream, AWS's codec in C, as a process: see `processes.py` for what it reads and prints.

It comes inside awscrt, whose extension gives nothing of it to Python, nor to the dynamic linker. But its functions are
external ones in C, and the symbol table of the wheel for Linux was not stripped: it says where they are. A stream goes
through the streaming decoder, in one piece; a message is made from a list of headers. The layouts are those of
`event_stream.h`, `byte_buf.h` and `array_list.h` in awscrt 0.26.1.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import struct
import sys
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    byref,
    c_char,
    c_char_p,
    c_int,
    c_int8,
    c_int16,
    c_int32,
    c_int64,
    c_size_t,
    c_uint8,
    c_uint16,
    c_uint32,
    c_void_p,
)
from pathlib import Path
from typing import Any

KINDS = ("bool", "bool", "byte", "short", "integer", "long", "bytes", "string", "timestamp", "uuid")
INEXPRESSIBLE = "inexpressible"
SIZES = {"byte": ">b", "short": ">h", "integer": ">i", "long": ">q", "timestamp": ">q"}


class ByteBuf(Structure):
    _fields_ = [("len", c_size_t), ("buffer", c_void_p), ("capacity", c_size_t), ("allocator", c_void_p)]


class ByteCursor(Structure):
    _fields_ = [("len", c_size_t), ("ptr", c_char_p)]


class ArrayList(Structure):
    _fields_ = [
        ("alloc", c_void_p),
        ("current_size", c_size_t),
        ("length", c_size_t),
        ("item_size", c_size_t),
        ("data", c_void_p),
    ]


class Prelude(Structure):
    _fields_ = [("total_len", c_uint32), ("headers_len", c_uint32), ("prelude_crc", c_uint32)]


class Value(ctypes.Union):
    _fields_ = [("variable_len_val", c_void_p), ("static_val", c_uint8 * 16)]


class HeaderValuePair(Structure):
    _fields_ = [
        ("name_len", c_uint8),
        ("name", c_char * 127),
        ("type", c_int),
        ("value", Value),
        ("value_len", c_uint16),
        ("value_owned", c_int8),
    ]


class Message(Structure):
    _fields_ = [("alloc", c_void_p), ("message_buffer", ByteBuf)]


OnPayload = CFUNCTYPE(None, c_void_p, POINTER(ByteBuf), c_int8, c_void_p)
OnPrelude = CFUNCTYPE(None, c_void_p, POINTER(Prelude), c_void_p)
OnHeader = CFUNCTYPE(None, c_void_p, POINTER(Prelude), POINTER(HeaderValuePair), c_void_p)
OnComplete = CFUNCTYPE(None, c_void_p, c_uint32, c_void_p)
OnError = CFUNCTYPE(None, c_void_p, POINTER(Prelude), c_int, c_char_p, c_void_p)


class Options(Structure):
    _fields_ = [
        ("on_payload_segment", OnPayload),
        ("on_prelude", OnPrelude),
        ("on_header", OnHeader),
        ("on_complete", OnComplete),
        ("on_error", OnError),
        ("user_data", c_void_p),
    ]


def symbol_table(path: Path) -> dict[str, int]:
    """Names and addresses from the symbol table of a 64-bit little-endian ELF file; empty if that was stripped."""
    data = path.read_bytes()
    found = {}
    if data[:6] != b"\x7fELF\x02\x01":
        raise SystemExit(f"{path.name} is not a 64-bit little-endian ELF file")
    (sections,) = struct.unpack_from("<Q", data, 0x28)
    size, count = struct.unpack_from("<HH", data, 0x3A)
    headers = [struct.unpack_from("<IIQQQQIIQQ", data, sections + size * index) for index in range(count)]
    for _, type_, _, _, start, length, link, _, _, entry in headers:
        if type_ == 2:  # SHT_SYMTAB
            names = headers[link][4]
            for name, _, _, _, value, _ in struct.iter_unpack("<IBBHQQ", data[start : start + length - length % entry]):
                at = names + name
                found[data[at : data.index(b"\0", at)].decode()] = value
    return found


class Library:
    """Its functions by name."""

    def __init__(self) -> None:
        import awscrt.io  # noqa: F401 - registers the names of the errors

        spec = importlib.util.find_spec("_awscrt")
        assert spec is not None
        assert spec.origin is not None
        self.table = symbol_table(Path(spec.origin))
        exported = ctypes.CDLL(spec.origin).PyInit__awscrt
        self.base = ctypes.cast(exported, c_void_p).value - self.table["PyInit__awscrt"]
        if "aws_event_stream_streaming_decoder_pump" not in self.table:
            raise SystemExit("awscrt's symbol table was stripped")
        self.allocator = c_void_p(self("aws_default_allocator", c_void_p)())

    def __call__(self, name: str, result: Any = c_int) -> Any:
        return CFUNCTYPE(result)(self.base + self.table[name])

    def error(self) -> str:
        name = self("aws_error_name", c_char_p)(self("aws_last_error")()).decode()
        return name.removeprefix("AWS_ERROR_").removeprefix("EVENT_STREAM_")


class Decoder:
    """Of one stream."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.messages: list[Any] = []
        self.headers: list[Any] = []
        self.payload = b""
        self.callbacks = Options(
            OnPayload(self.on_payload),
            OnPrelude(self.on_prelude),
            OnHeader(self.on_header),
            OnComplete(self.on_complete),
            OnError(lambda *_: None),
        )
        self.state = ctypes.create_string_buffer(4096)  # larger than the struct
        self.begun = False
        library("aws_event_stream_streaming_decoder_init_from_options", None)(
            self.state, library.allocator, byref(self.callbacks)
        )

    def on_prelude(self, decoder: Any, prelude: Any, user_data: Any) -> None:
        self.headers, self.payload = [], b""

    def on_header(self, decoder: Any, prelude: Any, header: Any, user_data: Any) -> None:
        pair = header.contents
        name = ctypes.string_at(ctypes.addressof(pair) + HeaderValuePair.name.offset, pair.name_len)
        kind = KINDS[pair.type]
        if kind in ("bytes", "string"):
            raw = ctypes.string_at(pair.value.variable_len_val, pair.value_len)
        else:
            raw = bytes(pair.value.static_val)[: pair.value_len]
        value: Any = raw.hex()
        if kind == "bool":
            value = pair.type == 0
        elif kind == "string":
            value = text(raw)
        elif kind in SIZES:
            value = str(struct.unpack(SIZES[kind], raw)[0])
        self.headers.append([text(name), kind, value])

    def on_payload(self, decoder: Any, segment: Any, final: Any, user_data: Any) -> None:
        self.payload += ctypes.string_at(segment.contents.buffer, segment.contents.len)

    def on_complete(self, decoder: Any, crc: Any, user_data: Any) -> None:
        self.messages.append([self.headers, self.payload.hex()])

    def pump(self, data: bytes) -> dict[str, Any]:
        self.messages = []
        held = ctypes.create_string_buffer(data, len(data))
        buf = ByteBuf(len(data), ctypes.addressof(held), len(data), None)
        failed = self.library("aws_event_stream_streaming_decoder_pump")(self.state, byref(buf))
        # Its position in the message is the second field, after the allocator and 12 bytes.
        position = struct.unpack_from("@Q", self.state, 24)[0]
        end = self.library.error() if failed else "silent" if position else ""
        return {"messages": self.messages, "end": end}


def text(raw: bytes) -> str:
    """Unchecked, as it comes: bytes that are not UTF-8 as lone surrogates."""
    return raw.decode("utf-8", "surrogateescape")


def unchecked(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")


def decode(library: Library, data: bytes, again: bool) -> dict[str, Any]:
    decoder = Decoder(library)
    if not again:
        return decoder.pump(data)
    first, rest = data[: int.from_bytes(data[:4], "big")], data[int.from_bytes(data[:4], "big") :]
    decoder.pump(first)
    return decoder.pump(rest)


def add(library: Library, headers: ArrayList, name: bytes, kind: str, value: Any) -> int:
    key = (byref(headers), c_char_p(name), c_uint8(len(name)))
    if kind == "bool":
        return library("aws_event_stream_add_bool_header")(*key, c_int8(value))
    if kind in ("bytes", "string"):
        raw = unchecked(value) if kind == "string" else bytes.fromhex(value)
        which = "string" if kind == "string" else "bytebuf"
        return library(f"aws_event_stream_add_{which}_header")(*key, raw, c_uint16(len(raw)), c_int8(1))
    if kind == "uuid":
        return library("aws_event_stream_add_uuid_header")(*key, bytes.fromhex(value))
    which, type_ = {
        "byte": ("byte", c_int8),
        "short": ("int16", c_int16),
        "integer": ("int32", c_int32),
        "long": ("int64", c_int64),
        "timestamp": ("timestamp", c_int64),
    }[kind]
    return library(f"aws_event_stream_add_{which}_header")(*key, type_(int(value)))


def encode(library: Library, given: list[Any], payload: bytes) -> dict[str, Any]:
    headers = ArrayList()
    library("aws_event_stream_headers_list_init")(byref(headers), library.allocator)
    for name, kind, value in given:
        raw = unchecked(name)
        if len(raw) > 255 or (kind == "integer" and not -(2**31) <= int(value) < 2**31):
            return {"end": INEXPRESSIBLE}  # the arguments are a uint8_t and an int32_t
        if add(library, headers, raw, kind, value):
            return {"end": library.error()}
    held = ctypes.create_string_buffer(payload, len(payload))
    buf = ByteBuf(len(payload), ctypes.addressof(held), len(payload), None)
    message = Message()
    if library("aws_event_stream_message_init")(byref(message), library.allocator, byref(headers), byref(buf)):
        return {"end": library.error()}
    return {"wire": ctypes.string_at(message.message_buffer.buffer, message.message_buffer.len).hex()}


def main() -> None:
    library = Library()
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        task = json.loads(line)
        if "stream" in task:
            answer = decode(library, bytes.fromhex(task["stream"]), task["again"])
        else:
            answer = encode(library, task["headers"], bytes.fromhex(task["payload"]))
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
