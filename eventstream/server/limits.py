"""Limits of a server, for streams and for connections."""

from __future__ import annotations

from dataclasses import dataclass

from eventstream.http2 import IDLE_FRAMES, RESETS, Budget


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a client may ask of the server.

    Attributes:
        max_streams: how many at once.
        input_timeout: seconds without an event after which a stream is ended, and seconds that a client may refuse to
            take events.
        as_operations_say: whether a connection can have only as many streams at once as their operation says, its
            `eventstream.operation.Operation.streams_per_connection`.
    """

    max_streams: int = 100
    input_timeout: float = 60.0
    as_operations_say: bool = False


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
    """

    max_connections: int | None = 1_000
    max_connections_per_peer: int | None = 250
    backlog: int = 100
    idle_timeout: float | None = 60.0
    resets: Budget | None = RESETS
    idle_frames: Budget | None = IDLE_FRAMES
