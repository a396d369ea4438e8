"""Every process collects the tests under the same names."""

from __future__ import annotations

import subprocess
import sys

from programs import AWAY, environment

TESTS = """
import gzip, pytest

@pytest.mark.parametrize("data", [b"plain text", b"\\xff", gzip.compress(b"")])
@pytest.mark.parametrize("end", [b"\\n"])
def test_bytes(data, end):
    pass
"""

ADDRESSES = """
import pytest

@pytest.mark.parametrize("value", [object()], ids=repr)
def test_address(value):
    pass
"""


def collected(path):
    """Return what pytest says when it collects this file under the rules of these tests."""
    options = ["-c", path.with_name("none.ini"), "-p", "conftest", "-p", "no:cacheprovider", "--collect-only", "-q"]
    command = [sys.executable, "-m", "pytest", *options, path]
    done = subprocess.run(
        command, cwd=AWAY, capture_output=True, text=True, check=False, timeout=120, env=environment()
    )
    return done.returncode, done.stdout


def test_names_of_bytes_are_numbers(tmp_path):
    (tmp_path / "none.ini").write_text("[pytest]\n")
    (tmp_path / "test_it.py").write_text(TESTS)
    status, shown = collected(tmp_path / "test_it.py")
    assert status == 0, shown
    names = [line.partition("::")[2] for line in shown.splitlines() if "::" in line]
    assert names == ["test_bytes[end-plain text]", "test_bytes[end-data0]", "test_bytes[end-data1]"]


def test_names_with_an_address_are_refused(tmp_path):
    (tmp_path / "none.ini").write_text("[pytest]\n")
    (tmp_path / "test_it.py").write_text(ADDRESSES)
    status, shown = collected(tmp_path / "test_it.py")
    assert status == 2, shown
    assert "the name holds an address, give the case an id: test_address[<object object at 0x" in shown
