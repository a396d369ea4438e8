"""The event-stream codec: ``application/vnd.amazon.eventstream``, its messages, headers and checksums.

>>> import eventstream
>>> wire = eventstream.encode({":event-type": "AudioEvent"}, b"...")
>>> message = eventstream.decode(wire)
>>> message.event_type, message.payload
('AudioEvent', b'...')
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
