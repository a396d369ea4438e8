"""Operations as tables: paths, queries, labels, inputs and errors, for one made by hand and for Transcribe's."""

from __future__ import annotations

import pickle
import re
from dataclasses import replace

import pytest
from cases import each
from operations import TALK, ThrottlingException

from eventstream import Headers, Message, ServiceError
from eventstream.operation import (
    Completion,
    Events,
    InvalidEvent,
    InvalidRequest,
    Operation,
    Parts,
    Strings,
    json_event,
)


def event(name, payload=b'{"text": "hello"}', **headers):
    return Message({":message-type": "event", ":event-type": name, **headers}, payload)


# What is checked when a table is made


@each("endpoint", ["talk.{zone}.{suffix}", "talk.{}.{suffix}", "talk.{region", "talk.{region.x}", "talk.{region[a]}"])
def test_operation_with_a_wrong_place_in_its_endpoint(endpoint):
    with pytest.raises(
        ValueError, match=r"^Talk: the endpoint is 'talk\..* \(allowed: the places {region} and {suffix}\)$"
    ):
        replace(TALK, endpoint=endpoint)


@each("options", [{"endpoint": "https://talk.{region}.{suffix}"}, {"fips_endpoint": "talk-fips.{region}.{suffix}/v1"}])
def test_operation_with_more_than_a_host_as_endpoint(options):
    (endpoint,) = options.values()
    with pytest.raises(
        ValueError, match=rf"^Talk: the endpoint is '{re.escape(endpoint)}' \(allowed: a host, without "
    ):
        replace(TALK, **options)


def test_operation_with_a_method_in_small_letters():
    with pytest.raises(ValueError, match=r"^Talk: the method is 'post' \(allowed: capitals, which are signed\)$"):
        replace(TALK, method="post")


@each("options", [{"path": "bots/{bot}/talk"}, {"path": "https://host/bots/{bot}"}, {"websocket_path": "talk"}])
def test_operation_with_a_path_without_a_slash(options):
    (path,) = options.values()
    with pytest.raises(ValueError, match=rf"^Talk: the path is '{re.escape(path)}' \(allowed: one that begins with a "):
        replace(TALK, **options)


def test_operation_with_a_label_in_the_path_of_its_websocket():
    with pytest.raises(
        ValueError, match=r"^Talk: the path of the WebSocket is '/talk/{bot}' \(allowed: no labels, as "
    ):
        replace(TALK, websocket_path="/talk/{bot}")


@each("options", [{"query": {"x": "bot"}}, {"headers": {"x": "x-talk-bot"}}])
def test_operation_with_two_parameters_of_one_name_in_its_websocket(options):
    with pytest.raises(ValueError, match=r"^Talk: two parameters have the name 'bot' in the WebSocket's query$"):
        replace(TALK, request=Strings(["bot"], **options))
    replace(TALK, request=Strings(["bot"], **options), websocket_path=None)


def test_operation_with_a_label_that_its_request_lacks():
    with pytest.raises(ValueError, match=r"^Talk: the path has the label 'bto', but the request does not$"):
        replace(TALK, path="/bots/{bto}/talk")


def test_operation_with_a_label_that_its_path_lacks():
    with pytest.raises(ValueError, match=r"^Talk: the request has the label 'bot', but the path does not$"):
        replace(TALK, path="/talk")


@each("errors", [{"errors": {"X": ValueError}}, {"errors": {"X": "Y"}}, {"error": ValueError}])
def test_operation_with_an_error_of_another_class(errors):
    with pytest.raises(TypeError, match=r"^Talk: the class of the error '(X|others)' must be a ServiceError, not "):
        replace(TALK, **errors)


@each(
    ("parts", "text"),
    [
        ({"inputs": json_event("A", str, str, str)}, "inputs must be Events, not EventKind"),
        ({"outputs": None}, "outputs must be Events, not NoneType"),
        ({"complete": "Bye"}, "complete must be Completion, not str"),
        ({"codes": {"invalid": "X"}}, "codes must be Codes, not dict"),
        ({"request": ["bot"]}, "the request must be a Format, e.g. Strings(), not list"),
        ({"response": None}, "the response must be a Format, e.g. Strings(), not NoneType"),
        ({"response": Strings}, "the response must be a Format, e.g. Strings(), not the class Strings"),
    ],
)
def test_operation_with_parts_of_another_class(parts, text):
    with pytest.raises(TypeError, match=f"^Talk: {re.escape(text)}$"):
        replace(TALK, **parts)


@each("name", ["query", "headers"])
def test_strings_whose_names_are_not_a_mapping(name):
    with pytest.raises(TypeError, match=f"^{name} must map each name to that in HTTP, not be a list$"):
        Strings(["bot"], **{name: ["language"]})


def test_strings_with_a_header_that_is_not_in_lower_case():
    with pytest.raises(ValueError, match=r"^the header 'X-Talk' must be in lower case: 'x-talk'$"):
        Strings(headers={"language": "X-Talk"})


@each("value", [None, ["bot"], "bot"])
def test_parameters_that_are_not_a_mapping(value):
    with pytest.raises(TypeError, match=f"^the parameters must be a mapping, not {type(value).__name__}$"):
        TALK.request.write(value)


def test_completion_with_a_str_is_a_type_error():
    with pytest.raises(TypeError, match=r"^last must be a collection of event types, such as {'Bye'}, not a str$"):
        Completion(last="Bye")


def test_target_without_a_label_of_the_path():
    with pytest.raises(InvalidRequest, match=r"^bot: missing$"):
        TALK.target(Parts())


@each("text", [".", ".."])
def test_target_with_a_label_of_dots(text):
    """It would lead to another path: ``/bots/../talk`` is ``/talk``."""
    with pytest.raises(InvalidRequest, match=rf"^bot: '{re.escape(text)}' \(not allowed\)$"):
        TALK.target(TALK.request.write({"bot": text}))


# Requests


def test_host():
    assert TALK.host("us-east-1") == "talk.us-east-1.amazonaws.com"
    assert TALK.host("cn-north-1") == "talk.cn-north-1.amazonaws.com.cn"
    with pytest.raises(ValueError, match=r"^the region 'CN-NORTH-1' cannot be one"):
        TALK.host("CN-NORTH-1")
    assert TALK.host("us-east-1", dualstack=True) == "talk.us-east-1.api.aws"
    assert TALK.hosts("us-east-1") == ["talk.us-east-1.amazonaws.com", "talk.us-east-1.api.aws"]
    with pytest.raises(ValueError, match=r"^Talk has no known FIPS endpoint$"):
        TALK.host("us-east-1", fips=True)
    elsewhere = replace(TALK, endpoint="talk.{region}.example")
    assert elsewhere.hosts("us-east-1") == ["talk.us-east-1.example"]
    with pytest.raises(ValueError, match=r"^Talk has no known dual-stack endpoint$"):
        elsewhere.host("us-east-1", dualstack=True)


@pytest.mark.parametrize(
    ("request_", "target"),
    [
        ({"bot": "b"}, "/bots/b/talk"),
        ({"bot": "amazon.nova:0/x y"}, "/bots/amazon.nova%3A0%2Fx%20y/talk"),
        ({"bot": "ä", "mode": "a&b=c"}, "/bots/%C3%A4/talk?m=a%26b%3Dc"),
    ],
)
def test_target_there_and_back(request_, target):
    parts = TALK.request.write(request_)
    assert TALK.target(parts) == target
    assert TALK.request.read(TALK.match(target)) == request_


def test_target_of_a_path_that_is_given():
    assert TALK.target(Parts(path="/as/it/is%20", query=[("a", "b")])) == "/as/it/is%20?a=b"


@pytest.mark.parametrize("target", ["/bots/b/talk", "/bots/b/talk/", "/bots/b/talk?", "/bots/b/talk?x"])
def test_match_is_lenient_at_the_end(target):
    assert TALK.match(target).labels == {"bot": "b"}


@each("target", ["/", "", "/bots/talk", "/bots//talk", "/bots/a/b/talk", "/bots/b/talk/x", "x/bots"])
def test_match_of_another_path(target):
    assert TALK.match(target) is None


def test_websocket_target_there_and_back():
    parts = TALK.request.write({"bot": "b", "language": "en US"})
    target = TALK.websocket_target(parts)
    assert target == "/talk-websocket?bot=b&language=en%20US"
    found = TALK.match_websocket(target + "&X-Amz-Signature=00")
    assert ("x-talk-language", "en US") in found.headers
    assert TALK.request.read(found) == {"bot": "b", "language": "en US"}
    with pytest.raises(InvalidRequest, match=r"^bot: missing$"):
        TALK.request.read(TALK.match_websocket("/talk-websocket?language=en"))
    assert TALK.match_websocket("/bots/b/talk") is None


def test_websocket_target_of_an_operation_without_one():
    other = Operation(
        name="Other",
        service="o",
        signing_name="o",
        endpoint="o",
        path="/o",
        request=Strings(),
        response=Strings(),
        inputs=Events(),
        outputs=Events(),
    )
    with pytest.raises(ValueError, match="Other has no WebSocket"):
        other.websocket_target(Parts())
    assert other.match_websocket("/o") is None


def test_strings_name_every_problem():
    with pytest.raises(InvalidRequest) as raised:
        TALK.request.write({"mode": 5, "color": "red"})
    assert raised.value.problems == {"bot": "missing", "mode": "int (allowed: str)", "color": "unknown"}
    assert pickle.loads(pickle.dumps(raised.value)).problems == raised.value.problems


@each("text", ["a\nb", "a\r\nx-other: b", "\0", "\x7f"])
def test_strings_that_no_header_can_have(text):
    with pytest.raises(InvalidRequest) as raised:
        TALK.response.write({"session": text})
    assert list(raised.value.problems) == ["session"]
    assert raised.value.problems["session"].endswith(" (allowed in a header: text without control characters)")


def test_strings_in_headers():
    assert TALK.response.write({"session": "s"}).headers == [("x-talk-session", "s")]
    assert TALK.response.read(Parts(headers=[("X-Talk-Session", "s"), ("other", "x")])) == {"session": "s"}


# Inputs


@each(
    ("message", "reason"),
    [
        (event("Text", b"{}"), "event 'Text': its JSON has no 'text'"),
        (event("Text", b"no JSON"), "event 'Text': its JSON has another shape: 'no JSON'"),
        (event("Text", b'["text"]'), "event 'Text': its JSON has another shape: '[\"text\"]'"),
        (event("Answer"), "event 'Answer': only the server sends it"),
        (Message({":message-type": "event"}), "message: it has no :event-type"),
        (Message({":event-type": "Text"}), "event 'Text': it has no :message-type"),
        (Message({":message-type": "odd"}), "message: unknown :message-type 'odd'"),
        (Message({":message-type": "exception", ":exception-type": "X"}), "message: a client sends only events"),
    ],
)
def test_inputs_that_are_none(message, reason):
    with pytest.raises(InvalidEvent) as raised:
        TALK.parse_input(message)
    assert str(raised.value) == reason


@pytest.mark.parametrize(
    ("complete", "input_ended", "last", "missing"),
    [
        (Completion(), True, None, False),
        (Completion(), False, "Answer", True),
        (Completion(after_input=False), False, None, False),
        (Completion(last=frozenset({"End"})), True, "Answer", True),
        (Completion(last=frozenset({"End"})), True, "End", False),
    ],
)
def test_completion(complete, input_ended, last, missing):
    assert complete.missing(input_ended, last) == missing


# Errors


def test_errors_of_messages():
    message = Message({":message-type": "exception", ":exception-type": "ThrottlingException"}, b'{"message": "later"}')
    with pytest.raises(ThrottlingException, match=r"^ThrottlingException: later$") as raised:
        TALK.parse_output(message)
    assert (raised.value.status_code, raised.value.retryable) == (429, True)
    other = Message({":message-type": "error", ":error-code": "Odd", ":error-message": "why"})
    with pytest.raises(ServiceError, match=r"^Odd: why$") as raised:
        TALK.parse_output(other)
    assert type(raised.value) is ServiceError


def test_errors_follow_their_code():
    error = TALK.make_error("ThrottlingException", "later")
    assert type(error) is ThrottlingException
    assert TALK.error_from_message(TALK.message_of_error(error)).args == error.args
    response = TALK.error_from_response(429, [("x-amzn-errortype", "ThrottlingException")], b'{"message": "later"}')
    assert (type(response), response.args) == (ThrottlingException, error.args)
    assert type(TALK.error_from_response(400, [("x-amzn-errortype", "Odd")])) is ServiceError


def test_errors_that_the_stream_has_not():
    operation = replace(TALK, exception_types={"ThrottlingException": "throttlingException"})
    known = operation.message_of_error(operation.make_error("ThrottlingException", "later"))
    assert (known.message_type, known.exception_type) == ("exception", "throttlingException")
    assert known.payload == TALK.message_of_error(ServiceError("ThrottlingException", "later")).payload
    other = operation.message_of_error(ServiceError("Odd", "why " * 1000))
    assert other.headers == {":message-type": "error", ":error-code": "Odd", ":error-message": ("why " * 1000)[:1024]}
    assert TALK.message_of_error(ServiceError("Odd", "why")).exception_type == "Odd"


def test_end_has_no_headers_by_default():
    assert TALK.end == Headers({})
