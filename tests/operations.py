"""Operations that are made by hand."""

from __future__ import annotations

from eventstream import ServiceError
from eventstream.operation import Events, Operation, Strings, json_event
from eventstream.signing import Credentials


class ThrottlingException(ServiceError):
    """An error that an operation knows."""

    status_code = 429

    @property
    def retryable(self):
        return True


class Text(str):
    """What a client says."""


class Answer(str):
    """What a server says."""


TALK: Operation[dict[str, str], dict[str, str], Text, Answer] = Operation(
    name="Talk",
    service="talk-runtime",
    signing_name="talk",
    endpoint="talk.{region}.{suffix}",
    path="/bots/{bot}/talk",
    websocket_path="/talk-websocket",
    websocket_prefix="x-talk-",
    request=Strings(["bot"], query={"mode": "m"}, headers={"language": "x-talk-language"}),
    response=Strings(headers={"session": "x-talk-session"}),
    inputs=Events(json_event("Text", Text, lambda body: Text(body["text"]), lambda text: {"text": text})),
    outputs=Events(json_event("Answer", Answer, lambda body: Answer(body["text"]), lambda text: {"text": text})),
    errors={"ThrottlingException": ThrottlingException},
)

CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")

REQUEST = {"bot": "b", "language": "en"}

ECHO: Operation[dict[str, str], dict[str, str], str, str] = Operation(
    name="Echo",
    service="echo",
    signing_name="echo",
    endpoint="echo.{region}.{suffix}",
    path="/echo",
    request=Strings(),
    response=Strings(),
    inputs=Events(json_event("Word", str)),
    outputs=Events(json_event("Word", str)),
)
