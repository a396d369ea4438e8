"""A bidirectional exchange: both ends talk to each other in memory, and each refuses what must not be."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta, timezone

import pytest
from cases import each, stays

from eventstream import (
    CodecError,
    DateSkew,
    DecodeLimitExceeded,
    Message,
    MessageChecksumMismatch,
    PreludeChecksumMismatch,
    ServiceError,
    SignatureMismatch,
    StateError,
    TruncatedMessage,
    UnexpectedMessage,
    VerificationError,
    decode,
    duplex,
    encode,
)
from eventstream.duplex import ClientExchange, ServerExchange, plain
from eventstream.exceptions import IncompleteStream
from eventstream.signing import Credentials, EventSigner, presign_url, sign_request

CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
REGION, SERVICE = "us-east-1", "lex"
PATH = "/bots/B/botAliases/A/botLocales/en_US/sessions/S/conversation"
NOON = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)


def noon():
    return NOON


def event(number):
    return Message({":message-type": "event", ":event-type": "Ping", "number": number}, b"%d" % number)


EVENTS = [event(number) for number in range(4)]
EXCEPTION = Message({":message-type": "exception", ":exception-type": "Conflict"}, b'{"Message": "two at once"}')


def opened(credentials=CREDENTIALS, accounts=CREDENTIALS, *, region=REGION, service=SERVICE, clock=noon, **server):
    """Return a client and a server between which the request has passed."""
    headers, seed = sign_request(credentials, region, service, "POST", PATH, [(":authority", "localhost")], clock=clock)
    client = ClientExchange(EventSigner(credentials, region, service, seed, clock=clock), plain)
    received = ServerExchange(accounts, plain, clock=noon, **server)
    request = received.receive_request("POST", PATH, headers)
    assert request is None if accounts is None else request.signature == seed
    return client, received


def unsigned():
    """Return a client and a server without signatures."""
    server = ServerExchange(None, plain)
    assert server.receive_request("GET", "/", []) is None
    return ClientExchange(None, plain), server


def server_side():
    """Return a server, and the frames of a client's stream: four events and the end."""
    client, server = opened()
    return server, [client.send(event) for event in EVENTS] + [client.finish()]


def client_side():
    """Return a client, and the frames of a server's stream: four events."""
    client, server = opened()
    return client, [server.send(event) for event in EVENTS]


def feed(end, wire, size, received):
    for start in range(0, len(wire), size):
        received.extend(end.receive(wire[start : start + size]))


def ends_with(exchange, wire, error, before):
    """Check that the events come, then the error, and that it stays."""
    for size in (len(wire), 1, 7):
        end = exchange()
        received = []
        with pytest.raises(error) as raised:
            feed(end, wire, size, received)
        assert received == before
        stays(raised.value, lambda end=end: end.receive(b""), lambda end=end: end.receive_eof())
    return raised.value


def test_exports():
    assert duplex.__all__ == ["ClientExchange", "ServerExchange", "plain"]


# Both ends


@each("open", [opened, unsigned, lambda: opened(accounts=None)], ids=["signed", "unsigned", "unchecked"])
@each("size", [1, 11, 10_000])
def test_ends_talk_to_each_other(open, size):
    client, server = open()

    def carried(wire, end):
        return [got for start in range(0, len(wire), size) for got in end.receive(wire[start : start + size])]

    for sent in EVENTS:
        assert carried(client.send(sent), server) == [sent]
        assert carried(server.send(sent), client) == [sent]
    assert not server.ended
    assert carried(client.finish(), server) == []
    assert server.ended
    server.receive_eof()
    assert carried(server.send(EVENTS[0]), client) == EVENTS[:1]
    client.receive_eof()


def test_events_go_signed_and_wrapped():
    client, _ = opened()
    outer = decode(client.send(EVENTS[0]))
    assert list(outer.headers) == [":date", ":chunk-signature"]
    assert outer.payload == EVENTS[0].encode()


def test_events_go_as_they_are_without_a_signer():
    client, server = unsigned()
    assert client.send(EVENTS[0]) == EVENTS[0].encode()
    assert server.send(EVENTS[0]) == EVENTS[0].encode()
    with pytest.raises(ValueError, match=r"^without signatures an empty payload ends the stream: call finish$"):
        client.send(Message({":event-type": "Ping"}))
    assert client.finish() == encode({})
    end = Message({":event-type": "End"})
    assert unsigned()[0].finish(end) == end.encode()


def test_parse_makes_the_events():
    client = ClientExchange(None, lambda message: message.headers["number"])
    assert list(client.receive(b"".join(sent.encode() for sent in EVENTS))) == [0, 1, 2, 3]


def test_event_of_parse_may_be_false():
    client = ClientExchange(None, lambda message: message.payload)
    assert list(client.receive(Message({"a": 1}).encode() * 2)) == [b"", b""]


def test_client_with_one_of_many_accounts():
    accounts = {"AKIDOTHER": Credentials("AKIDOTHER", "other"), "AKIDEXAMPLE": lambda: CREDENTIALS}
    client, server = opened(accounts=accounts, region=REGION)
    assert list(server.receive(client.send(EVENTS[0]))) == EVENTS[:1]


def test_iterator_yields_what_the_last_one_left():
    server, frames = server_side()
    server.receive(frames[0] + frames[1])
    for got in server.receive(frames[2]):
        assert got == EVENTS[0]
        break
    rest = server.receive(b"")
    assert list(rest) == EVENTS[1:3]
    assert list(rest) == []
    server.receive(frames[3])
    assert list(rest) == EVENTS[3:]


# The end of the input


@pytest.mark.parametrize("cut", [1, 12, 82])
def test_request_body_cut_in_mid_message_is_an_error(cut):
    server, frames = server_side()
    assert server.ended is False
    wire = b"".join(frames[:2])
    assert list(server.receive(wire + frames[2][:cut])) == EVENTS[:2]
    with pytest.raises(TruncatedMessage) as raised:
        server.receive_eof()
    assert raised.value.offset == len(wire)
    stays(raised.value, server.receive_eof, lambda: server.receive(frames[2][cut:]))


@pytest.mark.parametrize("count", range(5))
def test_request_without_its_end_frame_is_an_error(count):
    server, frames = server_side()
    wire = b"".join(frames[:count])
    assert list(server.receive(wire)) == EVENTS[:count]
    with pytest.raises(IncompleteStream, match="ended before the end of its events") as raised:
        server.receive_eof()
    assert raised.value.offset == len(wire)
    stays(raised.value, server.receive_eof, lambda: server.receive(b""))


def test_same_holds_without_signatures():
    client, server = unsigned()
    assert list(server.receive(client.send(EVENTS[0]))) == EVENTS[:1]
    with pytest.raises(IncompleteStream):
        server.receive_eof()
    client, server = opened(accounts=None)
    assert list(server.receive(client.send(EVENTS[0]))) == EVENTS[:1]
    with pytest.raises(IncompleteStream):
        server.receive_eof()


def test_response_cut_in_mid_message_is_an_error():
    client, frames = client_side()
    assert list(client.receive(b"".join(frames)[:-1])) == EVENTS[:3]
    with pytest.raises(TruncatedMessage) as raised:
        client.receive_eof()
    assert raised.value.offset == sum(map(len, frames[:3]))
    stays(raised.value, client.receive_eof, client.finish, lambda: client.receive(b""), lambda: client.send(EVENTS[0]))


@pytest.mark.parametrize("count", range(5))
def test_response_may_end_once_the_client_has_finished(count):
    client, frames = client_side()
    client.finish()
    assert list(client.receive(b"".join(frames[:count]))) == EVENTS[:count]
    assert not client.ended
    client.receive_eof()
    assert client.ended
    client.receive_eof()
    with pytest.raises(StateError):
        client.receive(frames[0])


@pytest.mark.parametrize("count", range(5))
def test_incomplete_stream_if_the_client_has_not_finished(count):
    client, frames = client_side()
    wire = b"".join(frames[:count])
    assert list(client.receive(wire)) == EVENTS[:count]
    with pytest.raises(IncompleteStream, match="ended before everything was sent") as raised:
        client.receive_eof()
    assert (raised.value.offset, raised.value.last) == (len(wire), "Ping" if count else None)
    assert not client.ended
    stays(raised.value, client.receive_eof, client.finish, lambda: client.send(EVENTS[0]), lambda: client.receive(b""))


def test_service_that_may_end_early():
    client = ClientExchange(None, plain, may_end_early=True)
    client.receive_eof()
    assert client.ended


@pytest.mark.parametrize(
    ("types", "complete"), [([], False), (["Text"], False), (["End", "Text"], False), (["Text", "End"], True)]
)
def test_incomplete_stream_without_its_last_event(types, complete):
    client = ClientExchange(None, plain, last={"End", "Stop"})
    client.finish()
    wire = b"".join(encode({":message-type": "event", ":event-type": name}) for name in types)
    assert len(list(client.receive(wire))) == len(types)
    if complete:
        client.receive_eof()
        return
    with pytest.raises(IncompleteStream) as raised:
        client.receive_eof()
    assert raised.value.expected == {"End", "Stop"}
    assert (raised.value.offset, raised.value.last) == (len(wire), types[-1] if types else None)


def test_error_from_elsewhere_ends_the_exchange():
    client, frames = client_side()
    error = OSError("the connection was lost")
    client.fail(error)
    client.fail(OSError("too late"))
    stays(error, client.finish, client.receive_eof, lambda: client.send(EVENTS[0]), lambda: client.receive(frames[0]))
    ended, _ = client_side()
    ended.finish()
    ended.receive_eof()
    ended.fail(error)
    ended.receive_eof()


def test_end_waits_for_the_events_before_it():
    finished = client_side()
    finished[0].finish()
    for end, frames in (server_side(), finished):
        events = end.receive(b"".join(frames))
        assert next(events) == EVENTS[0]
        with pytest.raises(
            StateError, match=r"^received events have not been taken: iterate to the end before receive_eof$"
        ):
            end.receive_eof()
        assert list(events) == EVENTS[1:]
        end.receive_eof()


# What a server refuses


def test_garbage_is_refused():
    _, frames = server_side()
    error = ends_with(
        lambda: server_side()[0], frames[0] + b"GET / HTTP/1.1\r\n\r\n", PreludeChecksumMismatch, EVENTS[:1]
    )
    assert error.offset == len(frames[0])


def test_broken_message_is_refused():
    _, frames = server_side()
    broken = frames[1][:-1] + bytes([frames[1][-1] ^ 1])
    ends_with(lambda: server_side()[0], frames[0] + broken + frames[2], MessageChecksumMismatch, EVENTS[:1])


BAD_ORDERS = {
    "wrong order": ([1, 0], SignatureMismatch, 0),
    "replayed event": ([0, 0], SignatureMismatch, 1),
    "dropped event": ([0, 1, 3], SignatureMismatch, 2),
    "end moved forward": ([0, 1, 4], SignatureMismatch, 2),
    "event after the end": ([0, 1, 2, 3, 4, 3], UnexpectedMessage, 5),
    "two ends": ([0, 1, 2, 3, 4, 4], UnexpectedMessage, 5),
}


@each("fault", BAD_ORDERS)
def test_frames_that_do_not_follow_each_other_are_refused(fault):
    order, error, index = BAD_ORDERS[fault]
    _, frames = server_side()
    wire = b"".join(frames[number] for number in order)
    assert ends_with(lambda: server_side()[0], wire, error, EVENTS[:index]).index == index


def test_message_without_a_signature_is_refused():
    _, frames = server_side()
    for unsigned_message in (EVENTS[1].encode(), encode({}), encode({}, b"payload")):
        error = ends_with(lambda: server_side()[0], frames[0] + unsigned_message, UnexpectedMessage, EVENTS[:1])
        assert error.index == 1


def test_events_signed_with_another_key_or_date_are_refused():
    server, _ = server_side()
    other = ClientExchange(EventSigner(Credentials("AKIDEXAMPLE", "other"), REGION, SERVICE, bytes(32)), plain)
    with pytest.raises(SignatureMismatch):
        list(server.receive(other.send(EVENTS[0])))

    moments = [NOON] * 2 + [NOON - timedelta(minutes=5, seconds=1)]
    client, server = opened(clock=lambda: moments.pop(0))
    events = server.receive(client.send(EVENTS[0]) + client.send(EVENTS[1]))
    assert next(events) == EVENTS[0]
    with pytest.raises(DateSkew) as raised:
        next(events)
    assert raised.value.index == 1


def test_limits_hold_for_what_is_received():
    server = ServerExchange(None, plain, max_payload_length=100)
    server.receive_request("POST", "/", [])
    events = server.receive(EVENTS[0].encode() + encode({}, bytes(101))[:12])
    assert next(events) == EVENTS[0]
    with pytest.raises(DecodeLimitExceeded) as raised:
        next(events)
    stays(raised.value, lambda: next(events), lambda: server.receive(b""), server.receive_eof)

    for limit, part in (("max_headers_length", "headers"), ("max_payload_length", "payload")):
        client = ClientExchange(None, plain, **{limit: 10})
        server = ServerExchange(None, plain, **{limit: 10})
        server.receive_request("POST", "/", [])
        large = Message({"name": "x" * 10}) if part == "headers" else Message({}, bytes(11))
        for end in (client, server):
            with pytest.raises(DecodeLimitExceeded) as raised:
                list(end.receive(large.encode()))
            assert raised.value.part == part


@pytest.mark.parametrize("accounts", [CREDENTIALS, None], ids=["signed", "unchecked"])
def test_limits_hold_inside_a_signed_event_too(accounts):
    for limits, part, event in (
        ({"max_headers_length": 80}, "headers", Message({"name": "x" * 90})),
        ({"max_payload_length": 300}, "payload", Message({"name": "x" * 200}, bytes(90))),
        ({"max_payload_length": 80}, "payload", Message({}, bytes(81))),
    ):
        client, server = opened(accounts=accounts, **limits)
        with pytest.raises(DecodeLimitExceeded) as raised:
            list(server.receive(client.send(event)))
        assert raised.value.part == part
    client, server = opened(accounts=accounts, max_headers_length=None, max_payload_length=None)
    large = Message({str(number): "x" * 30_000 for number in range(5)}, b"beyond the default limit of the headers")
    assert list(server.receive(client.send(large))) == [large]


def test_unchecked_server_still_refuses_what_makes_no_sense():
    for count in range(3):
        client, server = opened(accounts=None)
        list(server.receive(b"".join(map(client.send, EVENTS[:count])) + client.finish()))
        with pytest.raises(UnexpectedMessage, match=r"\bit comes after the end of the stream$") as raised:
            list(server.receive(EVENTS[0].encode()))
        assert raised.value.index == count + 1

    signer = EventSigner(CREDENTIALS, REGION, SERVICE, bytes(32))
    _, server = opened(accounts=None)
    with pytest.raises(PreludeChecksumMismatch):
        list(server.receive(signer.sign(b"no message at all")))


@each("side", ["client", "server"])
@each("failure", [MemoryError("none left"), KeyError("absent"), StateError("of theirs"), ServiceError("Theirs", "why")])
def test_failure_ends_the_direction(side, failure):
    def parse(message):
        if message == EVENTS[1]:
            raise failure
        return message

    client, server = opened()
    reader = ClientExchange(None, parse) if side == "client" else server
    server._parse = parse
    events = reader.receive(b"".join((server if side == "client" else client).send(event) for event in EVENTS))
    assert next(events) == EVENTS[0]
    with pytest.raises(type(failure)) as raised:
        next(events)
    assert raised.value is failure
    stays(failure, lambda: next(events), reader.receive_eof, lambda: reader.receive(b""))


def test_interruption_ends_the_direction():
    def parse(message):
        raise KeyboardInterrupt

    client = ClientExchange(None, parse)
    with pytest.raises(KeyboardInterrupt):
        next(client.receive(EVENTS[0].encode()))
    for call in (client.receive_eof, client.finish):
        with pytest.raises(StateError, match="cut short by KeyboardInterrupt"):
            call()


def test_error_that_cannot_be_copied_is_raised_itself():
    class Odd(Exception):
        def __reduce__(self):
            raise TypeError

    def parse(message):
        raise Odd

    client = ClientExchange(None, parse)
    for _ in range(2):
        with pytest.raises(Odd):
            client.receive(EVENTS[0].encode()) and next(client.receive(b""))


def test_parse_error_ends_the_direction():
    class Unfit(CodecError):
        pass

    def parse(message):
        if message.headers["number"] == 2:
            raise Unfit("two")
        return message

    for make in (lambda: ClientExchange(None, parse), lambda: ServerExchange(None, parse)):
        end = make()
        if isinstance(end, ServerExchange):
            end.receive_request("POST", "/", [])
        events = end.receive(b"".join(sent.encode() for sent in EVENTS))
        assert [next(events), next(events)] == EVENTS[:2]
        with pytest.raises(Unfit) as raised:
            next(events)
        stays(raised.value, lambda events=events: next(events), end.receive_eof, lambda end=end: end.receive(b""))


# The request


@pytest.mark.parametrize(
    "fault",
    [
        {"credentials": Credentials("AKIDEXAMPLE", "other")},
        {"credentials": Credentials("AKIDOTHER", "other")},
        {"region": "eu-west-1"},
        {"service": "transcribe"},
        {"clock": lambda: NOON - timedelta(hours=1)},
    ],
    ids=["wrong key", "unknown key", "wrong region", "wrong service", "expired"],
)
def test_request_that_is_refused_opens_nothing(fault):
    signing = {"credentials": CREDENTIALS, "region": REGION, "service": SERVICE, "clock": noon, **fault}
    headers, _ = sign_request(
        *(signing["credentials"], signing["region"], signing["service"], "POST", PATH, [(":authority", "localhost")]),
        clock=signing["clock"],
    )
    server = ServerExchange(CREDENTIALS, plain, region=REGION, service=SERVICE, clock=noon)
    with pytest.raises(VerificationError) as raised:
        server.receive_request("POST", PATH, headers)
    assert raised.value.index is None
    stays(
        raised.value,
        *(lambda: server.receive_request("POST", PATH, headers), lambda: server.receive(b""), server.receive_eof),
        *(lambda: server.send(EVENTS[0]), lambda: server.send_exception(EXCEPTION)),
    )


@pytest.mark.parametrize("window", [timedelta(minutes=10), None])
def test_window_is_that_of_the_request_and_of_the_events(window):
    client, server = opened(clock=lambda: NOON - timedelta(minutes=10), max_clock_skew=window)
    assert list(server.receive(client.send(EVENTS[0]))) == EVENTS[:1]


@pytest.mark.parametrize("accounts", [CREDENTIALS, None], ids=["signed", "unchecked"])
def test_request_comes_first_and_once(accounts):
    server = ServerExchange(accounts, plain)
    for call in (
        lambda: server.receive(b""),
        server.receive_eof,
        lambda: server.send(EVENTS[0]),
        lambda: server.send_exception(EXCEPTION),
    ):
        with pytest.raises(StateError, match=r"^the request comes first: call receive_request$"):
            call()
    _, server = opened(accounts=accounts)
    with pytest.raises(StateError, match=r"^a request was already received$"):
        server.receive_request("POST", PATH, [])


# Exceptions, and the end of sending


def test_exception_ends_the_exchange_for_the_client():
    client, server = opened()
    wire = server.send(EVENTS[0]) + server.send_exception(EXCEPTION)
    events = client.receive(wire)
    assert next(events) == EVENTS[0]
    with pytest.raises(ServiceError, match="Conflict: two at once") as raised:
        next(events)
    stays(
        raised.value,
        *(lambda: next(events), lambda: client.receive(b""), client.receive_eof),
        *(lambda: client.send(EVENTS[0]), client.finish),
    )


def test_server_reports_a_client_error_and_then_is_silent():
    server, _ = server_side()
    with pytest.raises(PreludeChecksumMismatch):
        list(server.receive(b"garbage, garbage"))
    assert server.send(EVENTS[0]) == EVENTS[0].encode()
    assert server.send_exception(EXCEPTION) == EXCEPTION.encode()
    for call in (lambda: server.send(EVENTS[0]), lambda: server.send_exception(EXCEPTION)):
        with pytest.raises(StateError, match=r"^nothing can be sent after an exception$"):
            call()


@pytest.mark.parametrize("open", [opened, unsigned])
def test_send_after_the_end(open):
    client, _ = open()
    client.finish()
    for call in (lambda: client.send(EVENTS[0]), client.finish):
        with pytest.raises(StateError, match=r"^nothing can be sent after the end of the events$"):
            call()


def test_plain_events_are_their_messages():
    assert plain(EVENTS[0]) is EVENTS[0]
    with pytest.raises(ServiceError) as raised:
        plain(EXCEPTION)
    assert raised.value.code == "Conflict"
    error = Message({":message-type": "error", ":error-code": "Busy", ":error-message": "later"})
    with pytest.raises(ServiceError, match="Busy: later"):
        plain(error)


class Busy:
    """A decoder that another thread is using now."""

    def __next__(self):
        raise StateError("another thread is using this decoder")

    def close(self):
        raise StateError("another thread is using this decoder")


def test_call_while_another_thread_makes_one_has_no_effect():
    client, server = opened()
    received = client.receive(server.send(EVENTS[0]) + server.send(EVENTS[1]))
    assert next(received) == EVENTS[0]
    decoder, client._incoming._decoder = client._incoming._decoder, Busy()
    client.finish()
    for call in (lambda: next(received), client.receive_eof):
        with pytest.raises(StateError):
            call()
        client._incoming._exhausted = True
    client._incoming._decoder = decoder
    assert list(received) == [EVENTS[1]]
    client.receive_eof()


def test_parse_error_of_any_class_is_final():
    def parse(message):
        raise StateError("of the caller's own")

    client = ClientExchange(None, parse)
    received = client.receive(EVENTS[0].encode() + EVENTS[1].encode())
    for _ in range(2):
        with pytest.raises(StateError, match="of the caller's own"):
            next(received)


SOCKET = "wss://localhost/socket"


def presigned(*, accounts=CREDENTIALS, clock=noon, **options):
    """Return a signer of events, and a server that has got a presigned request."""
    url = presign_url(CREDENTIALS, REGION, SERVICE, "GET", SOCKET, clock=noon)
    server = ServerExchange(accounts, plain, clock=clock)
    path = url.removeprefix("wss://localhost")
    request = server.receive_request("GET", path, [("host", "localhost")], presigned=True, **options)
    assert (request is None) == (accounts is None)
    return EventSigner(CREDENTIALS, REGION, SERVICE, bytes.fromhex(url[-64:]), clock=noon), server


@pytest.mark.parametrize("accounts", [CREDENTIALS, None], ids=["checked", "unchecked"])
@pytest.mark.parametrize("is_signed", [True, False], ids=["signed", "unsigned"])
def test_presigned_request_takes_events_signed_or_not(is_signed, accounts):
    signer, server = presigned(accounts=accounts)
    client = ClientExchange(signer if is_signed else None, plain)
    assert not server.unsigned
    assert list(server.receive(b"".join(map(client.send, EVENTS)))) == EVENTS
    assert server.unsigned == (accounts is not None and not is_signed)
    assert not server.ended
    assert list(server.receive(client.finish())) == []
    assert server.ended
    server.receive_eof()


@pytest.mark.parametrize("first", [True, False], ids=["signed first", "unsigned first"])
def test_presigned_stream_is_signed_throughout_or_not_at_all(first):
    signer, server = presigned()
    signed, unsigned = signer.sign(EVENTS[0].encode()), EVENTS[1].encode()
    received = server.receive(signed + unsigned if first else unsigned + signed)
    assert next(received) == EVENTS[0 if first else 1]
    with pytest.raises(UnexpectedMessage) as raised:
        next(received)
    assert raised.value.index == 1


@pytest.mark.parametrize("is_signed", [True, False], ids=["signed", "unsigned"])
def test_presigned_stream_ends_once(is_signed):
    signer, server = presigned()
    end = signer.finish() if is_signed else Message().encode()
    assert list(server.receive(end)) == []
    with pytest.raises(UnexpectedMessage, match="after the end"):
        list(server.receive(EVENTS[0].encode()))


def test_presigned_request_is_refused():
    with pytest.raises(DateSkew):
        presigned(clock=lambda: NOON + timedelta(seconds=301))
    with pytest.raises(VerificationError, match="valid for 300 seconds"):
        presigned(max_expires=299)
    _, server = presigned()
    with pytest.raises(StateError):
        server.receive_request("GET", "/socket", [], presigned=True)
    other = EventSigner(CREDENTIALS, REGION, SERVICE, bytes(32), clock=noon).sign(EVENTS[0].encode())
    with pytest.raises(SignatureMismatch):
        list(server.receive(other))


@each("failing", ["credentials", "clock"])
@each("failure", [OSError("refresh failed"), StateError("of theirs"), ServiceError("Theirs", "")])
def test_local_failure_ends_the_direction(failing, failure):
    begun = False

    def fail(value):
        if begun:
            raise failure
        return value

    headers, seed = sign_request(CREDENTIALS, REGION, SERVICE, "POST", PATH, [(":authority", "localhost")], clock=noon)
    client = ClientExchange(EventSigner(CREDENTIALS, REGION, SERVICE, seed, clock=noon), plain)
    if failing == "credentials":
        server = ServerExchange(lambda: fail(CREDENTIALS), plain, clock=noon)
    else:
        server = ServerExchange(CREDENTIALS, plain, clock=lambda: fail(NOON))
    server.receive_request("POST", PATH, headers)
    begun = True
    received = server.receive(client.send(EVENTS[0]))
    with pytest.raises(type(failure)):
        next(received)
    begun = False
    stays(failure, lambda: next(received), server.receive_eof)
    assert server.send_exception(EXCEPTION)


@pytest.mark.parametrize("name", ["authorization", "Authorization"])
def test_bearer_token_lets_the_body_end_the_events(name):
    server = ServerExchange(None, plain)
    server.receive_request("POST", "/", [(name, "Bearer token")])
    events = [*EVENTS, Message({":event-type": "empty"})]
    assert list(server.receive(b"".join(event.encode() for event in events))) == events
    assert not server.ended
    server.receive_eof()
    assert server.ended


def test_bearer_token_in_a_body_that_is_cut():
    server = ServerExchange(None, plain)
    server.receive_request("POST", "/", [("authorization", "bearer token")])
    assert list(server.receive(EVENTS[0].encode()[:-1])) == []
    with pytest.raises(TruncatedMessage):
        server.receive_eof()
    assert not server.ended


def test_bearer_token_is_no_signature():
    account = Credentials("AKIDEXAMPLE", "secret")
    with pytest.raises(VerificationError):
        ServerExchange(account, plain).receive_request("POST", "/", [("authorization", "Bearer token")])


def test_receive_into_a_queue():
    """What came before a fault is in it; the fault stays."""
    client, frames = client_side()
    received = deque()
    assert not client.finished
    client.receive_into(frames[0] + frames[1][:20], received)
    assert list(received) == EVENTS[:1]
    with pytest.raises(PreludeChecksumMismatch) as raised:
        client.receive_into(frames[1][20:] + b"GET / HTTP/1.1\r\n\r\n", received)
    assert list(received) == EVENTS[:2]
    stays(raised.value, lambda: client.receive_into(b"", received), lambda: client.receive(b""))
    assert list(received) == EVENTS[:2]
