"""Requests that are refused before their operation sees them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from operations import CREDENTIALS, REQUEST, TALK
from talking import run, server
from timing import takes_at_most

from eventstream import ServiceError
from eventstream.client import Client
from eventstream.exceptions import VerificationError
from eventstream.operation import InvalidRequest, Strings
from eventstream.server.refusals import signature_error
from eventstream.session import ServerSession
from eventstream.signing import Credentials


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"credentials": Credentials("AKIDEXAMPLE", "other")}, 403, "InvalidSignatureException"),
        ({"credentials": Credentials("AKIDOTHER", "other")}, 403, "UnrecognizedClientException"),
        ({"operation": replace(TALK, path="/nowhere/{bot}")}, 404, "UnknownOperationException"),
        ({"operation": replace(TALK, request=Strings(["bot"]))}, None, None),
    ],
)
def test_requests_that_are_refused(change, status, code):
    operation = change.get("operation", TALK)

    async def main():
        async with server() as serving:
            client = Client("us-east-1", endpoint=serving.endpoint, credentials=change.get("credentials", CREDENTIALS))
            if code is None:
                with pytest.raises(InvalidRequest):
                    client.open(operation, REQUEST)
                return
            with pytest.raises(ServiceError) as raised:
                async with client.open(operation, REQUEST):
                    pass
            assert (raised.value.status_code, raised.value.code) == (status, code)
            assert raised.value.request_id
            assert serving.statistics.refused == 1

    run(main)


def test_longest_authorization_is_searched_at_once():
    """A millisecond; seconds if every beginning of a credential was followed to the end."""

    class Request:
        headers = (("authorization", "Credential=" * 5_800),)

    def answer():
        return signature_error(TALK, VerificationError(None, "no"), "no", Request(), {}, websocket=False)

    error = answer()
    assert takes_at_most(0.5, answer)
    assert (error.status_code, error.code) == (403, "IncompleteSignatureException")


@pytest.mark.parametrize(
    ("token", "code"), [("token", "IncompleteSignatureException"), ("taken", "UnrecognizedClientException")]
)
def test_session_token_is_compared_in_constant_time(token, code, monkeypatch):
    """The code tells whether it is known."""
    compared = []

    def compare(one, other):
        compared.append((one, other))
        return one == other

    class Request:
        headers = (("authorization", "Credential=AKID/"), ("x-amz-security-token", token))

    monkeypatch.setattr("hmac.compare_digest", compare)
    accounts = {"AKID": Credentials("AKID", "secret", "token")}
    error = signature_error(TALK, VerificationError(None, "no"), "no", Request(), accounts, websocket=False)
    assert error.code == code
    assert compared == [(token.encode(), b"token")]


@pytest.mark.parametrize("length", [8_192, 8_193])
def test_target_that_is_too_long_is_not_verified(length, monkeypatch):
    """Each parameter costs time."""
    verified = []
    monkeypatch.setattr("eventstream.duplex.verify_request", lambda *_, **__: verified.append(1) or 1 / 0)
    session = ServerSession(TALK, CREDENTIALS, max_payload_length=None)
    path = "/bots/b/talk?".ljust(length, "&")
    with pytest.raises(InvalidRequest if length > 8_192 else ZeroDivisionError):
        session.receive_request("POST", path, [])
    assert len(verified) == (length == 8_192)
    websocket = "/talk-websocket?".ljust(length, "&")
    assert (TALK.match_websocket(websocket) is None) == (length > 8_192)
