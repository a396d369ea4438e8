"""h2's connection, with the habits changed that peers could use against us.

This module holds every use of parts of h2 and hpack that they do not document. `tests/http2/test_h2.py` names each of
them, and fails when a release drops one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

try:
    from h2.config import H2Configuration
    from h2.connection import H2Connection
    from h2.errors import ErrorCodes as ErrorCodes
    from h2.events import ConnectionTerminated, Event
    from h2.exceptions import FrameTooLargeError
    from h2.settings import SettingCodes
    from hyperframe.frame import Frame, GoAwayFrame, SettingsFrame
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "eventstream.http2 needs h2: install eventstream-codec with its extra [http2], [client] or [emulator]",
        name=error.name,
    ) from error

if TYPE_CHECKING:
    from typing_extensions import Buffer

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""The first bytes of a client (RFC 9113, 3.4)."""

FRAME_HEADER_LENGTH = 9
"""Bytes before the payload of a frame; its length is in the first three (RFC 9113, 4.1)."""

HEADER_TABLE_SIZE = 4_096
"""Bytes that the compressor of headers remembers of those that were sent: HTTP/2's initial size (RFC 9113, 6.5.2)."""

_KNOWN_SETTINGS = frozenset(SettingCodes)


class H2(H2Connection):
    """h2's connection, with four of its habits changed.

    Any GOAWAY closes h2's connection, whose frames are errors from then on. But GOAWAY with NO_ERROR only says that no
    more streams will be opened, or taken; those there are go on (RFC 9113, 6.8).

    The events of a piece of data are returned when all of it is processed, and lost if a frame in it is an error. Here
    they are handled frame by frame: so what came before the error counts, and no event speaks of a stream that a later
    frame has closed.

    The length of a frame is compared with its limit when the whole frame is there, up to 16 MiB. Here that is done as
    soon as its header is, so that garbage is recognised, and not kept.

    Whatever settings a peer makes up are kept, and gone through with each frame of them; so is every size that it ever
    gave the table of our compressor of headers, until headers are sent; and that table, which is searched for each
    header, may have 4 GiB. Here settings that nobody knows are ignored (RFC 9113, 6.5.2), the table has HTTP/2's
    initial size or less, and of the sizes the smallest and the last are said, as they must be (RFC 7541, 4.2).
    """

    def __init__(self, config: H2Configuration, handle: Callable[[Event], None]) -> None:
        super().__init__(config)
        self._handle = handle
        self._skip = 0 if config.client_side else len(PREFACE)
        self._header = b""

    def receive_data(self, data: Buffer) -> list[Event]:
        super().receive_data(data)
        # Go from frame header to frame header; one may come in pieces.
        received = self._header + data
        position = self._skip
        while position + FRAME_HEADER_LENGTH <= len(received):
            length = int.from_bytes(received[position : position + 3], "big")
            if length > self.max_inbound_frame_size:
                self._terminate_connection(ErrorCodes.FRAME_SIZE_ERROR)
                raise FrameTooLargeError(f"a frame of {length} bytes")
            position += FRAME_HEADER_LENGTH + length
        self._header = received[position:]
        self._skip = max(0, position - len(received))
        return []

    def go_away(self) -> None:
        """Say that no more streams are opened or taken."""
        self._prepare_for_sending([GoAwayFrame(0, last_stream_id=self.highest_inbound_stream_id)])

    def _receive_frame(self, frame: Frame) -> list[Event]:
        for event in super()._receive_frame(frame):
            self._handle(event)
        return []

    def _receive_settings_frame(self, frame: SettingsFrame) -> tuple[list[Frame], list[Event]]:
        frame.settings = {code: value for code, value in frame.settings.items() if code in _KNOWN_SETTINGS}
        received = super()._receive_settings_frame(frame)
        encoder = self.encoder
        if encoder.header_table_size > HEADER_TABLE_SIZE:
            encoder.header_table_size = HEADER_TABLE_SIZE
        sizes = encoder.table_size_changes
        if sizes:
            sizes[:] = sorted({min(sizes), sizes[-1]})
            encoder.header_table.resized = True  # or hpack, told the same size again, says none of them
        return received

    def _receive_goaway_frame(self, frame: GoAwayFrame) -> tuple[list[Frame], list[Event]]:
        event = ConnectionTerminated()
        event.error_code = frame.error_code
        event.last_stream_id = frame.last_stream_id
        return [], [event]
