"""The names that the package exports, pinned literally; and that importing it costs little."""

from __future__ import annotations

import importlib.metadata
import pydoc
import re
import sys
from pathlib import Path

import pytest
from programs import finished

import eventstream

NAMES = """
Byte CodecError DateSkew DecodeError DecodeLimitExceeded Decoder DuplicateHeader EncodeError EncodeLimitExceeded Gap
Headers IncompleteStream InvalidHeader InvalidHeaderName InvalidHeaderText InvalidHeaderValue InvalidLength Long
Message MessageChecksumMismatch PreludeChecksumMismatch ServiceError Short SignatureMismatch StateError Timestamp
TrailingData TruncatedHeader TruncatedMessage UnexpectedMessage UnknownHeaderType VerificationError aiter_messages
aiter_payload_lines aiter_payload_text decode encode encode_into implementation iter_messages iter_payload_lines
iter_payload_text salvage
""".split()  # noqa: SIM905


def test_exported_names():
    assert eventstream.__all__ == NAMES


def test_exported_names_are_there():
    for name in NAMES:
        assert hasattr(eventstream, name), name


def test_public_names_are_exported_or_modules():
    public = {name for name in vars(eventstream) if not name.startswith("_")}
    modules = {name for name in public if f"eventstream.{name}" in sys.modules}
    assert public - modules == set(NAMES)


def test_version_is_that_of_the_metadata():
    assert eventstream.__version__ == importlib.metadata.version("eventstream-codec")


def test_editable_install_is_seen_by_type_checkers():
    """They read paths, and see no hooks of the import."""
    distributions = importlib.metadata.distributions(name="eventstream-codec")  # also what a build left in this folder
    files = [file for distribution in distributions for file in distribution.files or []]
    editable = [file for file in files if file.name.startswith("__editable__")]
    if not editable:
        pytest.skip("this is not an editable install")
    sources = [file.locate().read_text().strip() for file in editable if file.suffix == ".pth"]
    assert any(Path(folder, "eventstream", "py.typed").is_file() for folder in sources), (
        "the install is older than this project: install it again"
    )


def test_module_has_no_getattr():
    # With one, the interpreter could not specialise the look-up of `eventstream.decode`: half of the call's time more.
    assert "__getattr__" not in vars(eventstream)


def test_examples_of_the_documentation():
    wire = eventstream.encode({":event-type": "AudioEvent"}, b"...")
    message = eventstream.decode(wire)
    assert message.headers[":event-type"] == "AudioEvent"
    assert (message.payload, message.event_type) == (b"...", "AudioEvent")
    assert message.encode() == wire
    decoder = eventstream.Decoder()
    assert list(decoder.feed(wire)) == [message]
    decoder.close()


def test_help_is_not_mostly_methods_of_int():
    """Pydoc lists those for each class of header values, after what the class has itself."""
    lines = pydoc.plain(pydoc.render_doc(eventstream)).splitlines()
    of_int, inside = 0, False
    for line in lines:
        inside = line.endswith(" inherited from builtins.int:") or (
            inside and line.startswith("     |") and "|  ---" not in line
        )
        of_int += inside
    assert 0.1 < of_int / len(lines) < 1 / 3


def test_help_begins_with_what_one_calls():
    overview = pydoc.plain(pydoc.render_doc(eventstream)).partition("PACKAGE CONTENTS")[0]
    errors = {name for name in eventstream.__all__ if name in vars(eventstream.exceptions)}
    for name in {*eventstream.__all__} - errors - {"implementation"}:
        assert re.search(rf"^ {{4,}}.*\b{name}\b", overview, re.MULTILINE), name


def test_import_brings_in_no_costly_module():
    program = "import sys; before = set(sys.modules); import eventstream; "
    program += "print(*{'asyncio', 'ctypes', 'json', 'typing_extensions'} & set(sys.modules) - before)"
    assert run(program) == []


def run(program: str) -> list[str]:
    """Return the words that a fresh interpreter prints."""
    done = finished(program)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()
