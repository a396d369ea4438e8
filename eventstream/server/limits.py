"""Limits of a server, for streams and for connections."""

from __future__ import annotations

from dataclasses import dataclass

from eventstream.http2 import IDLE_FRAMES, RESETS, Budget


def check_count(name: str, count: object) -> None:
    """Check a number of streams or connections.

    Raises:
        ValueError: it is not an int of 0 or more.
    """
    if not isinstance(count, int) or count < 0:
        raise ValueError(f"{name} must be an int of 0 or more, not {count!r}")


def check_seconds(name: str, seconds: object) -> None:
    """Check a time.

    Raises:
        ValueError: it is not a number of 0 or more.
    """
    if not isinstance(seconds, (int, float)) or not seconds >= 0:
        raise ValueError(f"{name} must be a number of seconds, 0 or more, not {seconds!r}")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a client may ask of the server.

    Attributes:
        max_streams: how many at once.
        input_timeout: seconds without an event after which a stream is ended, and seconds that a client may refuse to
            take events.
        as_operations_say: whether a connection can have only as many streams at once as their operation says, its
            `eventstream.operation.Operation.streams_per_connection`.

    Raises:
        ValueError: a limit is negative, or not a number.
    """

    max_streams: int = 100
    input_timeout: float = 60.0
    as_operations_say: bool = False

    def __post_init__(self) -> None:
        check_count("max_streams", self.max_streams)
        check_seconds("input_timeout", self.input_timeout)


@dataclass(frozen=True, kw_only=True)
class ConnectionLimits:
    """What connections may cost the server, whatever is asked on them; see `eventstream.http2.serve`.

    Attributes:
        max_connections: at once; None: no bound.
        max_connections_per_peer: at once from one address, or from one /64 of IPv6; None: no bound.
        backlog: connections that wait to be accepted.
        idle_timeout: seconds after which a connection with no open stream is closed; None: never.
        resets: budget of each connection for reset streams; None: no bound.
        idle_frames: budget of a connection for frames that carry nothing; None: no bound.

    Raises:
        ValueError: a limit is negative, or not a number.
        TypeError: a budget is not a `Budget`.
    """

    max_connections: int | None = 1_000
    max_connections_per_peer: int | None = 250
    backlog: int = 100
    idle_timeout: float | None = 60.0
    resets: Budget | None = RESETS
    idle_frames: Budget | None = IDLE_FRAMES

    def __post_init__(self) -> None:
        check_count("backlog", self.backlog)
        for name in ("max_connections", "max_connections_per_peer"):
            if (count := getattr(self, name)) is not None:
                check_count(name, count)
        if self.idle_timeout is not None:
            check_seconds("idle_timeout", self.idle_timeout)
        for name in ("resets", "idle_frames"):
            if not isinstance(budget := getattr(self, name), (Budget, type(None))):
                raise TypeError(f"{name} must be a Budget or None, not {type(budget).__name__}")
