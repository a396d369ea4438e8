"""A local endpoint for Amazon Transcribe's streaming operations, to develop and test clients without an AWS account.

``python -m eventstream.transcribe.emulator`` serves until it is stopped; `Emulator` serves within a test.
"""

from eventstream.faults import Fault
from eventstream.transcribe.emulator.recogniser import (
    Analysis,
    Hypothesis,
    Mention,
    Recogniser,
    RecogniserFactory,
    Word,
    load_recogniser,
)
from eventstream.transcribe.emulator.scripted import Scripted
from eventstream.transcribe.emulator.server import DOCUMENTATION_CREDENTIALS, Emulator
from eventstream.transcribe.emulator.service import Limits, Statistics

__all__ = [
    "DOCUMENTATION_CREDENTIALS",
    "Analysis",
    "Emulator",
    "Fault",
    "Hypothesis",
    "Limits",
    "Mention",
    "Recogniser",
    "RecogniserFactory",
    "Scripted",
    "Statistics",
    "Word",
    "load_recogniser",
]
