"""``eventstream check``: a line per stream: sound, cut, damaged, incomplete or with wrong signatures."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from eventstream import DecodeLimitExceeded, Gap, Message, TruncatedMessage, VerificationError
from eventstream._text import visible
from eventstream.cli import _options
from eventstream.cli._terminal import counted, line, print_json
from eventstream.wire import PRELUDE_LENGTH

if TYPE_CHECKING:
    from eventstream.cli._recording import Recording
    from eventstream.signing import EventVerifier

_CONVERSE = {"messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"}
_LAST_BY_EVENT = {
    **dict.fromkeys(_CONVERSE, frozenset({"messageStop", "metadata"})),
    **dict.fromkeys(("Records", "Stats", "Progress", "Cont", "End"), frozenset({"End"})),
    **dict.fromkeys(("PayloadChunk", "InvokeComplete"), frozenset({"InvokeComplete"})),
}
"""By an event's type, with which types a complete stream ends: ConverseStream, S3 Select and Lambda."""


@click.command(
    "check",
    epilog="""\b
Examples:
  eventstream check recordings/
  eventstream check --last End select.bin
  AWS_SECRET_ACCESS_KEY=... eventstream check --verify session.flow
  AWS_SECRET_ACCESS_KEY=... eventstream check --verify --region us-east-1 \\
      --service transcribe --seed 5c0606c0... request.bin""",
)
@_options.files
@_options.inputs
@click.option("--json", "as_json", is_flag=True, help="One JSON object per stream.")
@click.option("--last", multiple=True, metavar="TYPE", help="A type of event with which a complete stream ends.")
@click.option("--verify", is_flag=True, help="Verify signed events, with the key in AWS_SECRET_ACCESS_KEY.")
@click.option("--region", help="The region of the signatures; needed if no Authorization header was recorded.")
@click.option("--service", help="The signing name of the service; needed in the same case.")
@click.option("--seed", help="The signature of the request, 64 hex digits; needed in the same case.")
def command(
    files: tuple[str, ...],
    form: str | None,
    no_limits: bool,
    as_json: bool,
    last: tuple[str, ...],
    verify: bool,
    region: str | None,
    service: str | None,
    seed: str | None,
) -> int:
    """Report for each event stream whether it is sound, cut, damaged or incomplete."""
    if verify and not os.environ.get("AWS_SECRET_ACCESS_KEY"):
        raise click.UsageError("--verify needs the secret key in the environment: AWS_SECRET_ACCESS_KEY")
    if seed is not None and not re.fullmatch("[0-9a-fA-F]{64}", seed):
        raise click.UsageError("--seed must be 64 hex digits")
    limits = _options.limits(no_limits)

    def work(recording: Recording) -> bool:
        verifier = _verifier(recording, region, service, seed) if verify else None
        report = _check(recording, limits, frozenset(last), verifier)
        print_json({"file": recording.name, **report.as_json()}) if as_json else line(
            f"{visible(recording.name)}: {report.text()}"
        )
        return report.is_sound

    return _options.each(files, form, work)


@dataclass
class _Report:
    messages: int = 0
    length: int = 0
    gap: Gap | None = None
    gaps: int = 0
    lost: int = 0
    last: Message | None = None
    expected: frozenset[str] = frozenset()
    signature: str | None = None  # what is wrong with it
    verified: int = 0  # how many signatures

    @property
    def is_cut(self) -> bool:
        return (
            self.gaps == 1
            and self.gap is not None
            and isinstance(self.gap.error, TruncatedMessage)
            and (self.gap.offset + self.gap.length == self.length)
        )

    @property
    def is_incomplete(self) -> bool:
        if not self.expected or (self.last is not None and self.last.message_type in ("exception", "error")):
            return False
        return self.last is None or self.last.event_type not in self.expected

    @property
    def status(self) -> str:
        if self.gap is not None:
            return "cut" if self.is_cut else "damaged"
        if self.is_incomplete:
            return "incomplete"
        return "sound" if self.signature is None else "unverified"

    @property
    def is_sound(self) -> bool:
        return self.status == "sound"

    def text(self) -> str:
        status = click.style(self.status, fg="green" if self.is_sound else "red")
        size = "empty" if self.length == 0 else f"{counted(self.messages, 'message')}, {counted(self.length, 'byte')}"
        return f"{status}: {'; '.join(filter(None, (self.reason(), size)))}"

    def reason(self) -> str:
        """Why it is not sound; or how it ended, and how much was verified."""
        if self.gap is not None:
            error = self.gap.error
            if self.is_cut and isinstance(error, TruncatedMessage):
                missing = counted(error.needed - error.available, "byte")
                least = "" if error.available >= PRELUDE_LENGTH else "at least "
                return f"the message at byte {error.offset} lacks {least}{missing}"
            where = f" in {self.gaps} gaps" if self.gaps > 1 else ""
            if isinstance(error, DecodeLimitExceeded):
                remedy = " (`--no-limits` accepts it)"
            else:
                remedy = " (`salvage` saves the rest)" if self.messages else ""
            lost = f"{counted(self.lost, 'byte')} lost{where}{remedy}"
            return f"{type(error).__name__}: {visible(str(error))}; {lost}"
        if self.is_incomplete:
            found = "nothing came" if self.last is None else f"the last event is {visible(str(self.last.event_type))}"
            return f"{found}, not {' or '.join(map(visible, sorted(self.expected)))}"
        if self.signature is not None:
            return visible(self.signature)
        if self.last is not None and self.last.message_type in ("exception", "error"):
            return f"it ends with {visible(str(self.last.exception_type or self.last.error_code))}"
        return f"{counted(self.verified, 'signature')} verified" if self.verified else ""

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"status": self.status, "messages": self.messages, "bytes": self.length}
        if self.reason():
            found["reason"] = self.reason()
        if self.gap is not None:
            found |= {"offset": self.gap.offset, "error": type(self.gap.error).__name__}
            found |= {"gaps": self.gaps, "lost": self.lost}
        if self.is_cut and self.gap is not None and isinstance(self.gap.error, TruncatedMessage):
            found["missing"] = self.gap.error.needed - self.gap.error.available
        return found


def _check(
    recording: Recording,
    limits: dict[str, int | None],
    last: frozenset[str],
    verifier: EventVerifier | None,
) -> _Report:
    report = _Report()
    message: Message | None = None
    count = 0
    for part in recording.parts(limits):
        if isinstance(part, Gap):
            report.gap = report.gap or part
            report.gaps += 1
            report.lost += part.length
            verifier = None  # the chain of signatures is broken
            continue
        message = part
        count += 1
        if verifier is not None:
            try:
                verifier.verify(part)
                report.verified += 1
            except VerificationError as error:
                report.signature, verifier = str(error), None
    report.messages, report.length, report.last = count, recording.done, message
    if verifier is not None and not verifier.ended and report.signature is None:
        report.signature = "the signed end of the stream is missing"
    known = None if message is None else _LAST_BY_EVENT.get(message.event_type or "")
    report.expected = last or known or frozenset()
    return report


def _verifier(recording: Recording, region: str | None, service: str | None, seed: str | None) -> EventVerifier | None:
    """Return a verifier of the recording's events; None if it is known to be a response, which is not signed."""
    from eventstream.signing import Credentials, EventVerifier
    from eventstream.signing.requests import parse_authorization

    try:
        claim = parse_authorization(recording.headers.get("authorization", ""))
    except VerificationError:
        if recording.name.endswith(" response"):
            return None
    else:
        region, service, seed = region or claim["region"], service or claim["service"], seed or claim["signature"]
    if region is None or service is None or seed is None:
        raise click.UsageError(
            f"{visible(recording.name)}: no Authorization header: give --region, --service and --seed"
        )
    credentials = Credentials("", os.environ["AWS_SECRET_ACCESS_KEY"])
    return EventVerifier(credentials, region, service, seed, max_clock_skew=None)
