"""Signed streams verify."""

from __future__ import annotations

from datetime import timedelta, timezone
from itertools import pairwise

from drawing import least, some
from hypothesis import given, settings
from hypothesis import strategies as st

import eventstream
from eventstream import Decoder, Message, testing
from eventstream.signing import Credentials, EventVerifier
from eventstream.testing import SignedStream


@given(testing.signed_streams(), st.data())
def test_signed_streams_verify(stream, data):
    verifier = EventVerifier(
        stream.credentials, stream.region, stream.service, stream.seed_signature, max_clock_skew=None
    )
    decoder = Decoder()
    found = []
    for chunk in data.draw(testing.chunkings(stream.wire)):
        found += [verifier.verify(message) for message in decoder.feed(chunk)]
    decoder.close()
    assert found == list(stream.expected)
    assert verifier.ended
    dates = [eventstream.decode(chunk).headers[":date"].datetime for chunk in stream.chunks]
    assert dates == list(stream.dates)
    assert all(date.tzinfo is timezone.utc for date in stream.dates)


def test_signed_streams_of_given_parts():
    message = Message({"a": 1}, b"b")
    by = Credentials("AKIDEXAMPLE", "secret")
    streams = testing.signed_streams(
        st.just(message),
        credentials=st.just(by),
        regions=st.just("region"),
        services=st.just("service"),
        min_size=2,
        max_size=2,
    )
    stream = least(streams)
    assert (stream.credentials, stream.region, stream.service) == (by, "region", "service")
    assert stream.expected == (message, message, None)
    assert len(stream.chunks) == 3
    assert stream.seed_signature == bytes(32)


def test_signed_streams_shrink_to_the_end_alone():
    stream = least(testing.signed_streams())
    assert stream.expected == (None,)
    assert stream.credentials == Credentials("AKIA", "0")
    assert stream.dates[0].isoformat() == "2000-01-01T00:00:00+00:00"
    assert len(stream.wire) == 83


def test_signed_streams_are_of_every_kind():
    streams = testing.signed_streams()
    assert some(streams, lambda stream: stream.credentials.session_token is not None)

    def gaps(stream: SignedStream) -> list[timedelta]:
        return [after - at for at, after in pairwise(stream.dates)]

    assert some(streams, lambda stream: timedelta(days=1) in gaps(stream)), "over midnight"
    assert some(streams, lambda stream: min(gaps(stream), default=timedelta()) < timedelta()), "back"


def test_credentials_are_of_aws_s_characters():
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

    @settings(max_examples=200, database=None, derandomize=True)
    @given(testing.credentials())
    def test(key: Credentials) -> None:
        assert set(key.access_key) <= set(letters + "234567")
        assert key.access_key.startswith("AKIA")
        assert len(key.access_key) <= 20
        for secret in (key.secret_key, key.session_token or "x"):
            assert set(secret) <= set(letters + letters.lower() + "0123456789+/")
            assert 1 <= len(secret) <= 40

    test()
    assert some(testing.credentials(), lambda key: len(key.access_key) == 20)
    assert some(testing.credentials(), lambda key: key.session_token is None)
    assert some(testing.credentials(), lambda key: key.session_token)
