"""What signatures have in common: the names, credentials, the clock."""

from __future__ import annotations

import copy
import pickle
from datetime import datetime, timedelta, timezone

import pytest
from signatures import (
    CREDENTIALS,
    EVENTS,
    REGION,
    SEED,
    SERVICE,
)

from eventstream import (
    decode,
    exceptions,
    signing,
)
from eventstream.signing import (
    Credentials,
    EventSigner,
    EventVerifier,
    SignatureMismatch,
)

# The names


def test_signing_exports():
    assert set(signing.__all__) == {
        *("EMPTY_PAYLOAD", "EVENTS_PAYLOAD", "MAX_CLOCK_SKEW", "MAX_EXPIRES", "SIGNATURE_LENGTH"),
        *(
            "ChunkSigner",
            "Credentials",
            "CredentialsSource",
            "EventSigner",
            "EventVerifier",
            "VerifiedRequest",
            "utc_now",
        ),
        *("chunk_signature", "presign_url", "request_signature", "sign_request", "verify_presigned", "verify_request"),
        *("DateSkew", "SignatureMismatch", "UnexpectedMessage", "VerificationError"),
    }
    assert SignatureMismatch is exceptions.SignatureMismatch


def test_credentials_are_immutable_and_show_no_secret():
    credentials = Credentials("AKIDEXAMPLE", "hidden-key", "hidden-token")
    assert repr(credentials) == "Credentials(access_key='AKIDEXAMPLE')"
    assert "hidden" not in f"{credentials} {credentials!r}"
    with pytest.raises(AttributeError):
        credentials.secret_key = "other"
    assert credentials == Credentials("AKIDEXAMPLE", "hidden-key", "hidden-token")
    assert pickle.loads(pickle.dumps(credentials)) == copy.copy(credentials) == credentials


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((None, "hidden-key"), "access_key must be a str, not NoneType"),
        (("AKIDEXAMPLE", None), "secret_key must be a str, not NoneType"),
        (("AKIDEXAMPLE", b"hidden-key"), "secret_key must be a str, not bytes"),
        (("AKIDEXAMPLE", "hidden-key", b"hidden-token"), "session_token must be a str, not bytes"),
    ],
)
def test_credentials_of_another_type_are_refused(values, text):
    with pytest.raises(TypeError) as raised:
        Credentials(*values)
    assert str(raised.value) == text


def test_default_clock_is_the_systems():
    before = datetime.now(timezone.utc)
    shown = signing.utc_now()
    message = decode(EventSigner(CREDENTIALS, REGION, SERVICE, SEED).sign(EVENTS[0]))
    after = datetime.now(timezone.utc)
    assert shown.tzinfo is timezone.utc
    assert before <= shown <= after
    assert before - timedelta(milliseconds=1) < message.headers[":date"].datetime <= after
    assert EventVerifier(CREDENTIALS, REGION, SERVICE, SEED).verify(message) == decode(EVENTS[0])
