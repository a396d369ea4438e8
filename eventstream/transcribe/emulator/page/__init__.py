"""The emulator's page, in which a browser transcribes a microphone or a file and shows every frame."""

from eventstream.transcribe.emulator.page.server import ASKED_BY_PAGE, Page

__all__ = ["ASKED_BY_PAGE", "Page"]
