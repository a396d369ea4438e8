"""Every promise of SECURITY.md has a planted fault, which its check must find (`make planted`)."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cases import each

ROOT = Path(__file__).parent.parent
spec = importlib.util.spec_from_file_location("planted", ROOT / "tools" / "planted.py")
assert spec is not None
assert spec.loader is not None
planted = sys.modules["planted"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(planted)


def test_promises_have_planted_faults():
    covered = {fault.promise for fault in (*planted.FAULTS, planted.HARMLESS)} | set(planted.SANITIZED)
    assert set(planted.promises()) == covered
    for patch in planted.SANITIZED.values():
        assert (ROOT / "tools" / "sanitize" / "faults" / f"{patch}.patch").is_file()


@each("fault", [*planted.FAULTS, planted.HARMLESS], ids=lambda fault: fault.name)
def test_planted_fault_can_be_planted(fault):
    """Its text is there once."""
    assert (ROOT / fault.path).read_text(encoding="utf-8").count(fault.old) == 1
    assert fault.new not in (fault.old, "")
    files = [argument for argument in fault.check if argument.startswith("tests/")]
    assert all((ROOT / name).is_file() for name in files)


PATCHES = sorted((ROOT / "tools" / "sanitize" / "faults").glob("*.patch"))


@pytest.mark.skipif(shutil.which("patch") is None, reason="patch is not here")
@each("path", PATCHES, ids=lambda path: path.stem)
def test_planted_patch_can_be_planted(path):
    """It fits the sources, and names a check that exists."""
    command = ["patch", "--dry-run", "--strip=1", "--quiet", "--input", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")
    fields = dict(re.findall(r"^(check|tests|report): (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE))
    assert set(fields) == {"check", "tests", "report"}
    assert (ROOT / "tools" / "sanitize" / f"{fields['check']}.sh").is_file()


def test_planted_faults_have_names_of_their_own():
    names = [fault.name for fault in planted.FAULTS]
    assert len(set(names)) == len(names)
