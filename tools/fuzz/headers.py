"""A header block in a frame with right CRCs is accepted and encodes to the same bytes, or its fault is named, alike."""

from __future__ import annotations

import frames

from eventstream import DecodeError, InvalidHeader
from fuzz.harness import CODEC, Fault, agree, delivered, read, seen, split_of, wire_of

WORDS = [
    *(frames.header("n", type_, value) for _, _, type_, value in frames.TEN_TYPES),
    *(frames.header("n", type_) for type_ in (10, 255)),
    *(frames.header(name, 0) for name in ("", "ü", b"\xff", "x" * 61, ":date", ":chunk-signature")),
    frames.header("x" * 50, 0, name_length=127),
    frames.header("x" * 50, 0, name_length=255),
    *(frames.header("n", type_, frames.sized(b"long", length)) for type_ in (6, 7) for length in (32_768, 65_535)),
    frames.string("s", "é" * 20),
    frames.string("s", b"\xed\xa0\x80"),
    *(b"\x0d:message-type", b"\x0b:event-type", b"\x0f:exception-type", b"\x0d:content-type", b"\x0b:error-code"),
]


def frame_of(data: bytes) -> bytes:
    """Make a frame: the first byte says how many bytes at the end are payload, all others are headers."""
    end = max(len(data) - data[0], 1) if data else 0
    return frames.frame(data[1:end], data[end:])


def quick(data: bytes) -> None:
    frame = frame_of(data)
    cut = split_of(frame)
    wires, fault = delivered(CODEC.Decoder(copy=False), (frame[:cut], frame[cut:] + frame))  # again: from the cache
    try:
        message = CODEC.decode(frame)
    except InvalidHeader as error:
        refused = type(error), error.__dict__
    else:
        assert fault is None
        assert wires == [frame, frame], "what was delivered encodes to the same bytes"
        assert CODEC.encode(dict(message.headers), message.payload) == frame, "so do the headers, taken out"
        return
    assert not wires
    assert fault == refused, "the split makes a difference"
    assert_in_block(refused[1]["offset"], frame)


def assert_in_block(offset: int, frame: bytes) -> None:
    assert 12 <= offset < 12 + int.from_bytes(frame[4:8], "big"), "the fault lies in the header block"


def thorough(data: bytes) -> None:
    frame = frame_of(data)
    one = agree("decode", lambda codec: seen(codec.decode(frame)), DecodeError)
    cut = split_of(frame)
    for copy in (True, False):
        pieces = [frame, frame] if copy else [frame[:cut], frame[cut:] + frame]
        stream = agree("a decoder", lambda codec, c=copy, p=pieces: read(codec, p, DecodeError, copy=c))
        if not isinstance(one, Fault):
            assert [message[0] for message in stream[0]] == [frame, frame]
    if isinstance(one, Fault):
        assert issubclass(one.type, InvalidHeader)
        assert_in_block(dict(one.attributes)["offset"], frame)
        return
    assert wire_of(one) == frame
    headers = agree("headers", lambda codec: dict(codec.decode(frame).headers))
    again = agree("encode", lambda codec: codec.encode(headers, codec.decode(frame).payload))
    assert again == frame, "the headers encode to the bytes that they came in"
