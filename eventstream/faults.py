"""Faults that a server can be asked for, so that clients meet them before production.

A fault strikes at the nth event that a stream is sent, counted from 1. At 0 it strikes before the response, where no
event exists yet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

__all__ = ["Fault", "Faults"]

_SPEC = re.compile(r"(?P<kind>[a-z-]+)(:(?P<argument>[^@*]+))?@(?P<event>[0-9]{1,9})(\*(?P<streams>[1-9][0-9]{0,8}))?")
_AT_EVENTS = ("bad-crc", "truncate")
_ANYWHERE = ("early-end", "exception", "reset", "slow")
_SLOW = 3.0


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong at one event.

    Args:
        kind: ``bad-crc``: the event's checksum is wrong; ``truncate``: the stream ends in the middle of it;
            ``early-end``: it ends in the event's place, cleanly, as if all were said; ``reset``: it is reset there;
            ``exception``: an exception comes there, at 0 as the HTTP response; ``slow``: the event comes late.
        event: which one, from 1; 0 (not for ``bad-crc`` and ``truncate``): the response.
        argument: the exception's name, which may be one that no client knows; seconds of delay (3).
        streams: how many streams it strikes, the first ones that come to that event; None: all of them.

    Raises:
        ValueError: the kind is unknown, its argument is missing or wrong, or it cannot strike at 0.
    """

    kind: str
    event: int
    argument: str = ""
    streams: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in _AT_EVENTS + _ANYWHERE:
            raise ValueError(f"unknown fault {self.kind!r}: expected one of {', '.join(_AT_EVENTS + _ANYWHERE)}")
        if self.event < 0 or (self.event == 0 and self.kind in _AT_EVENTS):
            raise ValueError(f"{self.kind} applies to an event, counted from 1, not to {self.event}")
        if self.kind == "exception" and not self.argument:
            raise ValueError("an exception needs a name, e.g. exception:ConflictException@3")
        if self.kind == "slow" and not 0 <= self.delay <= 3600:
            raise ValueError("slow takes 0 to 3600 seconds")
        if self.argument and self.kind not in ("exception", "slow"):
            raise ValueError(f"{self.kind} takes no argument, but was given {self.argument!r}")

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Return the fault of a text ``KIND@EVENT``: ``reset@5``, ``exception:NAME@EVENT`` or ``slow:SECONDS@EVENT``.

        What follows is ``*STREAMS`` if it should strike the first ones only, as in ``reset@5*1``.

        Raises:
            ValueError: it has another form.
            TypeError: it is not a str.
        """
        if not isinstance(text, str):
            raise TypeError(f"a fault must be a Fault, or a str such as 'reset@5', not {type(text).__name__}")
        match = _SPEC.fullmatch(text)
        if match is None:
            raise ValueError(
                f"invalid fault {text!r}: expected KIND@EVENT or KIND:ARGUMENT@EVENT, optionally with *STREAMS"
            )
        streams = match["streams"]
        return cls(match["kind"], int(match["event"]), match["argument"] or "", int(streams) if streams else None)

    @property
    def delay(self) -> float:
        """Seconds that a ``slow`` event is late.

        Raises:
            ValueError: the argument is not a number.
        """
        return float(self.argument) if self.argument else _SLOW


class Faults:
    """The faults that are still to come.

    Args:
        faults: at most one strikes at an event of a stream: the first of them that has streams left.
    """

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._faults = list(faults)

    def at(self, event: int) -> Fault | None:
        """Return the fault that strikes a stream at this event, if there is one; it counts as having struck."""
        for position, fault in enumerate(self._faults):
            if fault.event == event and fault.streams != 0:
                if fault.streams is not None:
                    self._faults[position] = replace(fault, streams=fault.streams - 1)
                return fault
        return None
