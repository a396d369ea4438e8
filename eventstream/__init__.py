"""The event-stream codec: ``application/vnd.amazon.eventstream``, its messages, headers and checksums.

>>> import eventstream
>>> wire = eventstream.encode({":event-type": "AudioEvent"}, b"...")
>>> message = eventstream.decode(wire)
>>> message.event_type, message.payload
('AudioEvent', b'...')

The API at a glance:

    encode(headers, payload=b"")        one message in wire form
    encode_into(buffer, headers, ...)   the same into a writable buffer
    decode(data)                        exactly one message
    Decoder()                           messages from chunks of any size: feed(data), iterate, close()
    iter_messages(source)               messages from chunks, a file or a response; aiter_messages: asynchronously
    iter_payload_text(messages)         text cut between messages, joined; iter_payload_lines: line by line; both
                                        asynchronously: aiter_payload_text, aiter_payload_lines
    salvage(data)                       what is left of a damaged recording: messages, and a Gap for each stretch
    Message(headers, payload)           a message: headers, payload, encode(), raise_for_error()
    Headers(mapping)                    headers that are checked and encoded once
    Byte, Short, Long, Timestamp        header values: integers that remember their type on the wire

Errors are a CodecError, or the ServiceError of a service. `eventstream.signing`, `eventstream.client`,
`eventstream.server`, `eventstream.transcribe` and `eventstream.adapters` are modules of their own.
"""

from eventstream._codec import Decoder, Headers, Message, decode, encode, encode_into, implementation
from eventstream._salvage import Gap, salvage
from eventstream.exceptions import (
    CodecError,
    DateSkew,
    DecodeError,
    DecodeLimitExceeded,
    DuplicateHeader,
    EncodeError,
    EncodeLimitExceeded,
    IncompleteStream,
    InvalidHeader,
    InvalidHeaderName,
    InvalidHeaderText,
    InvalidHeaderValue,
    InvalidLength,
    MessageChecksumMismatch,
    PreludeChecksumMismatch,
    ServiceError,
    SignatureMismatch,
    StateError,
    TrailingData,
    TruncatedHeader,
    TruncatedMessage,
    UnexpectedMessage,
    UnknownHeaderType,
    VerificationError,
)
from eventstream.streams import (
    aiter_messages,
    aiter_payload_lines,
    aiter_payload_text,
    iter_messages,
    iter_payload_lines,
    iter_payload_text,
)
from eventstream.values import Byte, Long, Short, Timestamp

__version__ = "0.1.0"

__all__ = [
    "Byte",
    "CodecError",
    "DateSkew",
    "DecodeError",
    "DecodeLimitExceeded",
    "Decoder",
    "DuplicateHeader",
    "EncodeError",
    "EncodeLimitExceeded",
    "Gap",
    "Headers",
    "IncompleteStream",
    "InvalidHeader",
    "InvalidHeaderName",
    "InvalidHeaderText",
    "InvalidHeaderValue",
    "InvalidLength",
    "Long",
    "Message",
    "MessageChecksumMismatch",
    "PreludeChecksumMismatch",
    "ServiceError",
    "Short",
    "SignatureMismatch",
    "StateError",
    "Timestamp",
    "TrailingData",
    "TruncatedHeader",
    "TruncatedMessage",
    "UnexpectedMessage",
    "UnknownHeaderType",
    "VerificationError",
    "aiter_messages",
    "aiter_payload_lines",
    "aiter_payload_text",
    "decode",
    "encode",
    "encode_into",
    "implementation",
    "iter_messages",
    "iter_payload_lines",
    "iter_payload_text",
    "salvage",
]
