"""Signatures of events: published vectors, recorded clients, and everything that must be refused."""

from __future__ import annotations

import copy
import hashlib
import hmac
import pickle
from datetime import datetime, timedelta, timezone

import pytest
from cases import each
from signatures import (
    CAPTURES,
    CREDENTIALS,
    EVENTS,
    INDEX,
    NOON,
    REGION,
    SECOND,
    SECRET,
    SEED,
    SERVICE,
    at,
    body,
    captured,
    signed,
    signer,
    verifier,
)

from eventstream import (
    Decoder,
    EncodeLimitExceeded,
    Message,
    MessageChecksumMismatch,
    Short,
    StateError,
    Timestamp,
    TrailingData,
    decode,
    encode,
    exceptions,
    signing,
)
from eventstream.signing import (
    Credentials,
    DateSkew,
    SignatureMismatch,
    UnexpectedMessage,
    _keys,
    chunk_signature,
    events,
    sign_request,
    verify_request,
)


def literal_signature(secret, region, service, prior, message):
    """Return the signature of an event, written as the specification says it."""
    date = message.headers[":date"].datetime
    key = ("AWS4" + secret).encode()
    for part in (f"{date:%Y%m%d}", region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    text = "\n".join(
        (
            "AWS4-HMAC-SHA256-PAYLOAD",
            f"{date:%Y%m%dT%H%M%SZ}",
            f"{date:%Y%m%d}/{region}/{service}/aws4_request",
            prior.hex(),
            hashlib.sha256(
                b"\x05:date\x08" + int(message.headers[":date"]).to_bytes(8, "big", signed=True)
            ).hexdigest(),
            hashlib.sha256(message.payload).hexdigest(),
        )
    )
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def assert_dead(by, message, error):
    """Every later call raises an equal new error."""
    for _ in range(2):
        with pytest.raises(type(error)) as again:
            by.verify(message)
        assert again.value is not error
        assert again.value.__dict__ == error.__dict__
        assert again.value.args == error.args


# Published vectors


def test_published_chain_of_two_events():
    when = datetime(2019, 1, 27, 22, 37, 54, tzinfo=timezone.utc)
    prior = bytes.fromhex("9d9ab996c81f32c9d4e6fc166c92584f3741d1cb5ce325cd11a77d1f962c8de2")
    first = chunk_signature(CREDENTIALS, REGION, SERVICE, when, prior, b"headers", b"payload")
    assert first.hex() == "681a7eaa82891536f24af7ec7e9219ee251ccd9bac2f1b981eab7c5ec8579115"
    second = chunk_signature(CREDENTIALS, REGION, SERVICE, when, first, b"more headers", b"more payload")
    assert second.hex() == "07633d9d4ab4d81634a2164934d1f648c7cbc6839a8cf0773d818127a267e4d6"


def test_published_event_with_a_date():
    when = datetime(2020, 7, 23, 22, 39, 55, 29_000, tzinfo=timezone.utc)
    headers = b"\x05:date\x08" + int(Timestamp.from_datetime(when)).to_bytes(8, "big")
    signature = chunk_signature(
        Credentials("foo", "bar"), "region-name", "signing-name", when, b"prior", headers, b"message"
    )
    assert signature.hex() == "0ef56ebf8c570b3ef3dc9f41995ed137cd869cdba05918882b9b10707b6e2465"


def test_timestamp_in_another_time_zone_is_the_same_moment():
    there = NOON.astimezone(timezone(timedelta(hours=-9, minutes=-30)))
    of = [chunk_signature(CREDENTIALS, REGION, SERVICE, when, SEED, b"", b"") for when in (NOON, there)]
    assert of[0] == of[1]
    with pytest.raises(TypeError):
        chunk_signature(CREDENTIALS, REGION, SERVICE, NOON.replace(tzinfo=None), SEED, b"", b"")


# Recorded clients


@each("name", INDEX)
def test_request_of_a_recorded_client_verifies(name):
    method, path, headers, when = captured(name)
    request = verify_request({"AKIDEXAMPLE": CREDENTIALS}, REGION, SERVICE, method, path, headers, clock=at(when))
    assert request == (CREDENTIALS, REGION, SERVICE, bytes.fromhex(INDEX[name]["seed_signature"]))


@each("name", INDEX)
@each("copied", [True, False], ids=["bytes", "memoryview"])
def test_events_of_a_recorded_client_verify(name, copied):
    *_, when = captured(name)
    by = verifier(at(when), seed=INDEX[name]["seed_signature"])
    messages = list(Decoder(copy=copied).feed((CAPTURES / f"{name}.request.bin").read_bytes()))
    *inner, end = [(by.verify(message), by.signature.hex()) for message in messages]
    assert [signature for _, signature in [*inner, end]] == INDEX[name]["chunk_signatures"]
    assert {message.event_type for message, _ in inner} == {"AudioEvent"}
    assert end[0] is None
    assert by.ended


@each("name", INDEX)
def test_signer_writes_the_bytes_of_a_recorded_client(name):
    messages = body(name)
    by = signer(at(*(message.headers[":date"].datetime for message in messages)), seed=INDEX[name]["seed_signature"])
    wire = b"".join(by.sign(message.payload) for message in messages[:-1]) + by.finish()
    assert wire == (CAPTURES / f"{name}.request.bin").read_bytes()


# The signer


def test_signed_event_wraps_the_inner_message():
    by = signer()
    assert by.signature == SEED
    message = decode(by.sign(EVENTS[0]))
    assert list(message.headers) == [":date", ":chunk-signature"]
    assert message.headers[":date"] == Timestamp.from_datetime(NOON)
    assert type(message.headers[":date"]) is Timestamp
    assert message.headers[":chunk-signature"] == by.signature
    assert message.payload == EVENTS[0]
    assert by.signature == literal_signature(SECRET, REGION, SERVICE, SEED, message)


def test_end_is_a_signed_message_of_83_bytes():
    by = signer()
    wire = by.finish()
    assert len(wire) == 83
    assert decode(wire).payload == b""
    assert decode(wire).headers[":chunk-signature"] == by.signature


def test_signer_signs_nothing_after_the_end():
    by = signer()
    by.finish()
    signature = by.signature
    for call in (by.finish, lambda: by.sign(EVENTS[0])):
        with pytest.raises(StateError, match=r"^the stream was finished: nothing more can be signed$"):
            call()
    assert by.signature == signature


@pytest.mark.parametrize("payload", [b"", bytearray(), memoryview(b"")], ids=lambda payload: type(payload).__name__)
def test_empty_payload_would_end_the_stream_and_is_refused(payload):
    by = signer()
    with pytest.raises(ValueError, match=r"^an empty payload ends the stream: call finish$"):
        by.sign(payload)
    assert by.signature == SEED


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        ("text", TypeError),
        (None, TypeError),
        (memoryview(b"abcdef")[::2], BufferError),
        (bytes((24 << 20) + 1), EncodeLimitExceeded),
    ],
    ids=["str", "None", "strided", "too long"],
)
def test_signer_is_unchanged_by_an_unsendable_payload(payload, error):
    by = signer()
    with pytest.raises(error):
        by.sign(payload)
    assert by.signature == SEED
    assert verifier().verify(decode(by.sign(EVENTS[0]))) == decode(EVENTS[0])


@pytest.mark.parametrize(
    "seed", [SEED, bytearray(SEED), SEED.hex(), SEED.hex().upper()], ids=["bytes", "buffer", "hex", "HEX"]
)
def test_seed_is_bytes_or_hex_digits(seed):
    assert signer(seed=seed).signature == verifier(seed=seed).signature == SEED


@pytest.mark.parametrize("seed", [b"", SEED[:31], SEED.hex()[:62], SEED.hex().encode(), "no hex digits"])
def test_seed_that_is_not_a_signature_is_refused(seed):
    for make in (signer, verifier):
        with pytest.raises(ValueError, match="hex"):
            make(seed=seed)


def test_message_that_is_not_encoded_is_told_to_be():
    text = r"^the payload must be bytes, not Message: of a Message, what its encode\(\) returns$"
    with pytest.raises(TypeError, match=text):
        signer().sign(Message({}, b"hello"))


def test_seed_of_another_length_or_other_text_is_told_what_it_should_be():
    for seed in (SEED[:31], "x" * 64):
        with pytest.raises(ValueError, match=r"^the seed must be a signature: 32 bytes or 64 hex digits$"):
            signer(seed=seed)


def test_seed_of_another_type_is_refused():
    for make in (signer, verifier):
        with pytest.raises(TypeError):
            make(seed=32)


def released():
    view = memoryview(EVENTS[0])
    view.release()
    return view


def test_view_that_was_released_is_a_buffer_error():
    by = signer()
    message = next(Decoder(copy=False).feed(signed()[0].encode()))
    message.payload.release()
    for call in (
        lambda: by.sign(released()),
        lambda: chunk_signature(CREDENTIALS, REGION, SERVICE, NOON, SEED, b"headers", released()),
        lambda: verifier().verify(message),
    ):
        with pytest.raises(BufferError, match="released"):
            call()
    assert by.signature == SEED


def test_region_or_service_that_is_no_text_is_a_type_error():
    for make in (signer, verifier):
        with pytest.raises(TypeError, match=r"^the region must be a str, not NoneType$"):
            make(region=None)
        with pytest.raises(TypeError, match=r"^the service must be a str, not bytes$"):
            make(service=b"transcribe")
    for region, service, prior in ((None, SERVICE, SEED), (REGION, None, SEED), (REGION, SERVICE, SEED.hex())):
        with pytest.raises(TypeError):
            chunk_signature(CREDENTIALS, region, service, NOON, prior, b"headers", b"payload")


@pytest.mark.parametrize(
    "moment",
    [
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
        datetime(9999, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-1))),
    ],
    ids=["before year 1", "after year 9999"],
)
def test_moment_that_is_none_in_utc_is_an_overflow_error(moment):
    by = signer(at(moment))
    for call in (
        lambda: by.sign(EVENTS[0]),
        lambda: chunk_signature(CREDENTIALS, REGION, SERVICE, moment, SEED, b"headers", b"payload"),
    ):
        with pytest.raises(OverflowError):
            call()
    assert by.signature == SEED


def test_clock_without_a_time_zone_is_refused():
    naive = at(NOON.replace(tzinfo=None))
    message = signed()[0]
    for call in (
        lambda: signer(naive).sign(EVENTS[0]),
        lambda: verifier(naive).verify(message),
        lambda: sign_request(CREDENTIALS, REGION, SERVICE, "POST", "/", [("host", "here")], clock=naive),
    ):
        with pytest.raises(TypeError):
            call()


def test_dates_need_not_grow_and_may_cross_midnight():
    midnight = datetime(2026, 11, 23, tzinfo=timezone.utc)
    moments = [midnight + delta * SECOND for delta in (-0.001, 0, 0.001, 1.5, -1.5, 100, -100, 0, -0.001)]
    messages = signed(EVENTS * 2, clock=at(*moments))
    assert {message.headers[":date"].datetime.day for message in messages} == {22, 23}
    prior = SEED
    for message in messages:
        expected = literal_signature(SECRET, REGION, SERVICE, prior, message)
        prior = message.headers[":chunk-signature"]
        assert prior == expected
    by = verifier(at(midnight))
    assert [by.verify(message) for message in messages] == [*map(decode, EVENTS * 2), None]


@each("secret", [SECRET, ""])
@each("milliseconds", [[0, 1000], [1000, 999], [1000, 0], [1001, 2002], [-1, 0], [0, -1], [1001, 999]])
def test_date_of_each_second_from_the_epoch_on(milliseconds, secret):
    credentials = Credentials("AKIDEXAMPLE", secret)
    moments = [Timestamp(number).datetime for number in milliseconds]
    prior = SEED
    for message in signed(EVENTS[:1], credentials=credentials, clock=at(*moments)):
        expected = literal_signature(secret, REGION, SERVICE, prior, message)
        prior = message.headers[":chunk-signature"]
        assert prior == expected


def test_hash_is_shared_by_the_events_of_a_second(monkeypatch):
    hashed = []
    monkeypatch.setattr(
        events, "amz_date", lambda moment, original=events.amz_date: hashed.append(moment) or original(moment)
    )
    signed(clock=at(*(NOON + number * SECOND / 4 for number in (0, 1, 2, 2.5, 7))))
    assert len(hashed) == 2


def test_hash_of_the_date_is_shared_by_the_events_of_a_millisecond(monkeypatch):
    """Of all signers, as a busy process signs the events of many streams in a millisecond."""
    dated = []
    monkeypatch.setattr(
        events, "encode_date", lambda date, original=events.encode_date: dated.append(date) or original(date)
    )
    moments = [NOON + number * SECOND / 1000 for number in (0, 1, 1, 1, 2)]
    signers = [signer(clock=at(*moments)) for _ in range(2)]
    for _ in moments:
        for by in signers:
            by.sign(EVENTS[0])
    noon = Timestamp.from_datetime(NOON)
    assert dated[-2:] == [noon + 1, noon + 2]
    assert len(dated) <= 3  # noon itself may have been the date in the test before


def test_signers_whose_clocks_differ_take_turns():
    moments = [NOON, NOON + SECOND / 1000, NOON - timedelta(days=400)]
    signers = [signer(clock=at(moment)) for moment in moments]
    verifiers = [verifier(clock=at(moment), max_clock_skew=timedelta(0)) for moment in moments]
    for event in EVENTS:
        for by, against in zip(signers, verifiers, strict=True):
            assert against.verify(decode(by.sign(event))) == decode(event)


def test_keys_of_other_days_and_secrets_do_not_pile_up():
    secrets = iter(range(100))
    by = signer(credentials=lambda: Credentials("AKIDEXAMPLE", f"secret {next(secrets)}"))
    for _ in secrets:
        by.sign(EVENTS[0])
    assert by._chunks._keys.cache_info().currsize < 10


def test_credentials_that_are_refreshed_in_mid_stream():
    secrets = [Credentials("AKIDEXAMPLE", SECRET, "one"), Credentials("AKIDOTHER", "other", "two")]
    current = []
    by, check = signer(credentials=lambda: current[-1]), verifier(credentials=lambda: current[-1])
    prior = SEED
    for credentials, event in zip([secrets[0], secrets[1], secrets[1], secrets[0]], EVENTS, strict=True):
        current.append(credentials)
        message = decode(by.sign(event))
        assert by.signature == literal_signature(credentials.secret_key, REGION, SERVICE, prior, message)
        assert check.verify(message) == decode(event)
        prior = by.signature
    current.append(secrets[1])
    stale = signer(credentials=secrets[0], seed=prior)
    with pytest.raises(SignatureMismatch):
        check.verify(decode(stale.finish()))


# The verifier: what it accepts


def test_stream_verifies_and_is_unwrapped():
    by = verifier()
    messages = signed()
    for message, event in zip(messages, EVENTS, strict=False):
        assert by.verify(message) == decode(event)
        assert by.signature == message.headers[":chunk-signature"]
        assert not by.ended
    assert by.verify(messages[-1]) is None
    assert by.ended


def test_stream_may_end_before_anything_was_sent():
    assert verifier().ended is False
    assert verifier().verify(decode(signer().finish())) is None


def test_order_of_the_two_headers_does_not_count():
    (message, _) = signed(EVENTS[:1])
    swapped = dict(reversed(message.headers.items()))
    assert verifier().verify(decode(encode(swapped, message.payload))) == decode(EVENTS[0])


@pytest.mark.parametrize("skew", [-300, -299, 0, 300])
def test_date_within_the_window_is_accepted(skew):
    message = signed(clock=at(NOON + skew * SECOND))[0]
    assert verifier(at(NOON)).verify(message) == decode(EVENTS[0])


@pytest.mark.parametrize("skew", [-300.001, 300.001, 86_400])
def test_date_outside_the_window_is_refused(skew):
    message = signed(clock=at(NOON + skew * SECOND))[0]
    by = verifier(at(NOON))
    side = "ahead of" if skew > 0 else "behind"
    with pytest.raises(DateSkew) as raised:
        by.verify(message)
    assert str(raised.value) == f"event 0: its date is {abs(skew):.3f} s {side} the clock; 300 s are allowed"
    assert raised.value.index == 0
    assert raised.value.skew == skew * SECOND
    assert_dead(by, message, raised.value)


def test_window_is_configurable():
    messages = signed(clock=at(NOON - timedelta(days=4000)))
    assert verifier(at(NOON), max_clock_skew=None).verify(messages[0]) == decode(EVENTS[0])
    assert verifier(at(NOON), max_clock_skew=timedelta(days=4000)).verify(messages[0]) == decode(EVENTS[0])
    with pytest.raises(DateSkew):
        verifier(at(NOON), max_clock_skew=timedelta(days=3999)).verify(messages[0])


@each("date", [(1 << 63) - 1, -1 << 63, 253_402_300_800_000])
@each("window", [timedelta(minutes=5), None])
def test_date_that_no_calendar_has_is_refused(date, window):
    message = decode(encode({":date": Timestamp(date), ":chunk-signature": bytes(32)}, EVENTS[0]))
    with pytest.raises(DateSkew, match="event 0: its date is outside the years 1 to 9999") as raised:
        verifier(max_clock_skew=window).verify(message)
    assert raised.value.skew is None


@pytest.mark.parametrize("name", ["max_headers_length", "max_payload_length"])
@pytest.mark.parametrize(("limit", "error"), [(-1, ValueError), ("1", TypeError)], ids=repr)
def test_limit_that_is_none_is_refused(name, limit, error):
    with pytest.raises(error):
        verifier(**{name: limit})


@pytest.mark.parametrize(("milliseconds", "accepted"), [(300_000.4, True), (300_000.999, True), (300_001, False)])
def test_skew_is_told_in_whole_milliseconds(monkeypatch, milliseconds, accepted):
    """Of the system's clock, which has nanoseconds."""
    message = signed()[0]
    moment = message.headers[":date"] * 10**6 + round(milliseconds * 10**6)
    monkeypatch.setattr(_keys, "time_ns", lambda: moment)
    by = verifier(signing.utc_now)
    if accepted:
        assert by.verify(message) == decode(EVENTS[0])
    else:
        with pytest.raises(DateSkew):
            by.verify(message)


def test_clock_is_not_asked_without_a_window():
    def clock():
        raise AssertionError

    assert verifier(clock, max_clock_skew=None).verify(signed()[0]) == decode(EVENTS[0])


def test_clock_that_verifies_the_message_too():
    """It is accepted once."""
    message = signed()[0]
    seen = []

    def clock():
        if not seen:
            seen.append(None)
            seen.append(by.verify(message))
        return NOON

    by = verifier(clock)
    with pytest.raises(SignatureMismatch):
        by.verify(message)
    assert seen[1] == decode(EVENTS[0])


def test_limits_hold_for_the_inner_message():
    large = encode({"name": "x" * 200}, bytes(300))
    message = signed([large])[0]
    for limits in ({"max_headers_length": 100}, {"max_payload_length": 299}):
        with pytest.raises(exceptions.DecodeLimitExceeded):
            verifier(**limits).verify(message)
    assert verifier(max_headers_length=None, max_payload_length=None).verify(message) == decode(large)


# The verifier: what it refuses


def changed(message, headers=(), payload=None):
    return decode(encode({**message.headers, **dict(headers)}, message.payload if payload is None else payload))


# Each: which message is at fault, and the messages as they come, made of the right ones.
BAD_STREAMS = {
    "wrong signature": (0, lambda events: [changed(events[0], {":chunk-signature": bytes(32)})]),
    "changed date": (0, lambda events: [changed(events[0], {":date": Timestamp(events[0].headers[":date"] + 1)})]),
    "changed payload": (0, lambda events: [changed(events[0], payload=events[0].payload[:-1] + b"!")]),
    "emptied payload": (0, lambda events: [changed(events[0], payload=b"")]),
    "wrong order": (0, lambda events: [events[1], events[0]]),
    "replayed event": (1, lambda events: [events[0], events[0]]),
    "dropped event": (1, lambda events: [events[0], events[2]]),
    "end moved forward": (2, lambda events: [events[0], events[1], events[-1]]),
    "wrong key": (0, lambda events: signed(credentials=Credentials("AKIDEXAMPLE", "other"))),
    "wrong region": (0, lambda events: signed(region="eu-west-1")),
    "wrong service": (0, lambda events: signed(service="lex")),
    "wrong seed": (0, lambda events: signed(seed=bytes(32))),
}


@each("fault", BAD_STREAMS)
def test_stream_that_is_not_what_was_signed_is_refused(fault):
    index, of = BAD_STREAMS[fault]
    messages = of(signed())
    by = verifier()
    assert [by.verify(message) for message in messages[:index]] == [decode(event) for event in EVENTS[:index]]
    with pytest.raises(SignatureMismatch) as raised:
        by.verify(messages[index])
    assert raised.value.index == index
    assert str(raised.value) == f"event {index}: its signature does not match"
    assert_dead(by, signed()[index], raised.value)


@each("position", range(0, 3200, 321))
def test_signature_covers_every_bit_of_the_payload(position):
    message = signed()[0]
    payload = bytearray(message.payload)
    payload[position] ^= 1 << position % 8
    with pytest.raises(SignatureMismatch):
        verifier().verify(changed(message, payload=payload))


UNSIGNED = {
    "header-less": {},
    "unsigned event": {":event-type": "AudioEvent", ":message-type": "event"},
    "no date": {":chunk-signature": bytes(32)},
    "no signature": {":date": Timestamp(0)},
    "another header": {":date": Timestamp(0), ":chunk-signature": bytes(32), "more": True},
    "date of another type": {":date": 0, ":chunk-signature": bytes(32)},
    "signature of another type": {":date": Timestamp(0), ":chunk-signature": "0" * 32},
    "short signature": {":date": Timestamp(0), ":chunk-signature": bytes(31)},
    "small date": {":date": Short(0), ":chunk-signature": bytes(32)},
}


@each("fault", UNSIGNED)
@each("payload", [EVENTS[1], b""], ids=["event", "end"])
def test_message_without_exactly_the_two_headers_is_refused(fault, payload):
    by, messages = verifier(), signed()
    by.verify(messages[0])
    with pytest.raises(UnexpectedMessage, match=r"event 1: a signed event must have") as raised:
        by.verify(decode(encode(UNSIGNED[fault], payload)))
    assert raised.value.index == 1
    assert_dead(by, messages[1], raised.value)


def test_message_after_the_end_is_refused():
    by, messages = verifier(), signed()
    for message in messages:
        by.verify(message)
    with pytest.raises(UnexpectedMessage, match="event 5: it comes after the end") as raised:
        by.verify(messages[-1])
    assert by.ended
    assert_dead(by, messages[-1], raised.value)


def test_signed_payload_may_not_be_a_message():
    broken = EVENTS[0][:-1] + bytes([EVENTS[0][-1] ^ 1])
    for payload, error in ((broken, MessageChecksumMismatch), (EVENTS[0] + b"!", TrailingData)):
        message = decode(signer().sign(payload))
        by = verifier()
        with pytest.raises(error) as raised:
            by.verify(message)
        assert_dead(by, message, raised.value)


def test_signature_is_verified_before_decoding():
    message = changed(decode(signer().sign(EVENTS[0])), payload=b"garbage")
    with pytest.raises(SignatureMismatch):
        verifier().verify(message)


def test_comparison_of_signatures_takes_constant_time(monkeypatch):
    compared = []

    def compare(one, other):
        compared.append((bytes(one), bytes(other)))
        return one == other

    monkeypatch.setattr("hmac.compare_digest", compare)
    messages = signed()
    by = verifier()
    for message in messages:
        by.verify(message)
    assert compared == [(message.headers[":chunk-signature"],) * 2 for message in messages]


def test_errors_hide_the_expected_signature():
    message = signed()[0]
    expected = message.headers[":chunk-signature"]
    with pytest.raises(SignatureMismatch) as raised:
        verifier().verify(changed(message, {":chunk-signature": bytes(32)}))
    shown = f"{raised.value} {raised.value!r} {raised.value.args} {raised.value.__dict__}"
    assert expected.hex() not in shown
    assert repr(expected) not in shown
    assert raised.value.__context__ is None


def test_errors_pickle_and_copy():
    with pytest.raises(SignatureMismatch) as raised:
        verifier(seed=bytes(32)).verify(signed()[0])
    for again in (pickle.loads(pickle.dumps(raised.value)), copy.copy(raised.value)):
        assert (type(again), again.args, again.__dict__) == (SignatureMismatch, raised.value.args, {"index": 0})
