"""Signature Version 4 of the request that opens an event stream and of every event in it: signing and verifying.

Sources: the Amazon Transcribe guide, "Event stream encoding"
(https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html); for requests "Signature Version 4 for API
requests" (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
"""

from eventstream.exceptions import DateSkew, SignatureMismatch, UnexpectedMessage, VerificationError
from eventstream.signing._keys import MAX_CLOCK_SKEW, SIGNATURE_LENGTH, Credentials, CredentialsSource, utc_now
from eventstream.signing.events import ChunkSigner, EventSigner, EventVerifier, chunk_signature
from eventstream.signing.requests import (
    EMPTY_PAYLOAD,
    EVENTS_PAYLOAD,
    MAX_EXPIRES,
    VerifiedRequest,
    presign_url,
    request_signature,
    sign_request,
    verify_presigned,
    verify_request,
)

__all__ = [
    "EMPTY_PAYLOAD",
    "EVENTS_PAYLOAD",
    "MAX_CLOCK_SKEW",
    "MAX_EXPIRES",
    "SIGNATURE_LENGTH",
    "ChunkSigner",
    "Credentials",
    "CredentialsSource",
    "DateSkew",
    "EventSigner",
    "EventVerifier",
    "SignatureMismatch",
    "UnexpectedMessage",
    "VerificationError",
    "VerifiedRequest",
    "chunk_signature",
    "presign_url",
    "request_signature",
    "sign_request",
    "utc_now",
    "verify_presigned",
    "verify_request",
]
