"""Which tests run after a change of a file."""

from __future__ import annotations

from pathlib import Path

import check
from cases import each
from mirror import ROOT, mirror, suite_of


@each(
    ("source", "tests"),
    [
        ("eventstream/values.py", ["tests/test_values.py"]),
        ("eventstream/_text.py", ["tests/test_text.py"]),
        ("eventstream/__init__.py", ["tests/test_init.py"]),
        ("eventstream/_native.pyx", ["tests/test_native.py"]),
        ("eventstream/transcribe/model.py", ["tests/transcribe/test_model.py"]),
        ("tools/lock.py", ["tests/tools/test_lock.py"]),
        ("tools/environment.sh", ["tests/tools/test_environment.py"]),
        ("tests/signing/test_keys.py", ["tests/signing/test_keys.py"]),
        ("tests/test_that_is_gone.py", []),
        ("docs/tutorial.md", []),
        ("Makefile", []),
    ],
)
def test_mirror_names_the_suite_of(source, tests):
    assert suite_of(Path(source)) == list(map(Path, tests))


def test_mirror_of_a_helper_is_what_is_beside_it():
    found = suite_of(Path("tests/transcribe/emulator/conftest.py"))
    assert Path("tests/transcribe/emulator/test_server.py") in found
    assert {path.parent for path in found} == {Path("tests/transcribe/emulator")}
    assert all((ROOT / path).is_file() for path in found)


def test_mirror_of_what_has_none():
    assert mirror(Path("eventstream/no_such_module.py")) is None
    assert mirror(Path("benchmarks/report.py")) is None


def test_check_begins_with_the_codec():
    assert all((ROOT / test).is_file() for test in check.CODEC)
    assert check.git("no-such-command") == []
