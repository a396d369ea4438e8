"""What the emulator exports."""

from eventstream.transcribe import emulator


def test_exports():
    assert all(hasattr(emulator, name) for name in emulator.__all__)
    assert emulator.__all__ == [
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
