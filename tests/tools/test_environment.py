"""What can be wrong with a machine: `make` says it, and what to do, in one sentence."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "tools/environment.sh"
NO_COMPILER = {"CC": "there-is-no-compiler", "EVENTSTREAM_PURE_PYTHON": ""}
NO_INDEX = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "wheels"}

pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or shutil.which("bash") is None, reason="the Makefile needs bash, and not that of Windows"
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project of one group, whose one package is a wheel here, with an environment that runs this Python."""
    (tmp_path / "tools").mkdir()
    shutil.copy(SCRIPT, tmp_path / "tools")
    script(tmp_path / "environment/bin/python", f'exec "{sys.executable}" "$@"')
    (tmp_path / "wheels").mkdir()
    with zipfile.ZipFile(tmp_path / "wheels/tiny-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        wheel.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("tiny-1.0.dist-info/RECORD", "")
    (tmp_path / "requirements").mkdir()
    lock(tmp_path, "tiny", "0" * 64)
    return tmp_path


def script(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return path


def lock(project: Path, name: str, digest: str) -> None:
    (project / "requirements/group.txt").write_text(f"{name}==1.0 \\\n    --hash=sha256:{digest}\n")


def run(project: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    environment |= {"PIP_CONFIG_FILE": os.devnull, "PIP_DRY_RUN": "1", "PIP_RETRIES": "0", "DEPENDENCIES": "locked"}
    return subprocess.run(
        ["bash", str(project / "tools/environment.sh"), *arguments],
        check=False,
        cwd=project,
        env={**environment, **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )


def said(project: Path, *arguments: str, **variables: str) -> str:
    """Return the sentence with which it fails, and nothing else."""
    done = run(project, *arguments, **variables)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("make: ")
    assert line.endswith(".")
    return line.removeprefix("make: ")


def kept(project: Path) -> str:
    """Return what pip said, which the sentence names."""
    return (project / ".cache/pip.log").read_text()


def test_environment_without_a_python(project):
    text = said(project, "create", "made", "there-is-no-python")
    assert text == (
        "there-is-no-python does not run: install Python 3.10 or newer, or name one that is here, "
        "e.g. make PYTHON=/usr/bin/python3."
    )


def test_environment_of_an_unsupported_python(project):
    old = script(project / "old", 'case "$*" in *version_info*) exit 1 ;; --version) echo Python 3.9.18 ;; esac')
    text = said(project, "create", "made", str(old))
    assert text == "Python 3.9.18 is too old: this package needs Python 3.10 or newer, so name one with PYTHON=."


def test_environment_without_ensurepip(project):
    bare = script(project / "bare", 'case "$*" in *ensurepip*) exit 1 ;; esac')
    assert said(project, "create", "made", str(bare)) == (
        f"{bare} cannot make virtual environments, as it lacks ensurepip: install it (Debian: apt-get install "
        "python3-venv), or name another Python with PYTHON=."
    )


def test_environment_without_a_compiler(project):
    assert said(project, "package", "environment", **NO_COMPILER) == (
        "there is no C compiler (there-is-no-compiler): install one (Debian: apt-get install gcc libc6-dev), or use "
        "the slow Python implementation with EVENTSTREAM_PURE_PYTHON=1."
    )


def test_environment_without_headers(project):
    script(project / "environment/bin/python", "echo sh /nowhere/include")
    assert said(project, "package", "environment", EVENTSTREAM_PURE_PYTHON="0") == (
        "the C headers of Python are missing (/nowhere/include/Python.h): install them (Debian: apt-get install "
        "python3-dev), or use the slow Python implementation with EVENTSTREAM_PURE_PYTHON=1."
    )


def test_environment_of_an_index_that_is_not_reached(project, closed_port):
    pytest.importorskip("pip")
    index = f"http://127.0.0.1:{closed_port}"
    text = said(project, "group", "environment", "group", PIP_RETRIES="1", PIP_INDEX_URL=index)
    assert text == (
        "the package index cannot be reached: check the network and pip's settings (pip config list), and try again "
        "(.cache/pip.log has pip's own words)."
    )
    assert "tiny" in kept(project)


def test_environment_of_a_wrong_hash(project):
    pytest.importorskip("pip")
    text = said(project, "group", "environment", "group", **NO_INDEX)
    assert text.startswith("a package is not the one that requirements/ names (wrong hash): empty pip's cache ")
    assert text.endswith("(.cache/pip.log names them).")
    assert "tiny" in kept(project)


def test_environment_of_a_version_that_is_missing(project):
    pytest.importorskip("pip")
    lock(project, "absent", "0" * 64)
    text = said(project, "group", "environment", "group", **NO_INDEX)
    assert text == (
        "the index that pip uses is out of reach, or lacks a version that requirements/ names: check the network and "
        "pip's settings (pip config list), and try again (.cache/pip.log has pip's own words)."
    )
    assert "absent" in kept(project)


def test_environment_of_a_failure_that_is_not_known(project):
    script(project / "environment/bin/python", "echo error: no room is left; exit 1")
    done = run(project, "group", "environment", "group")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "error: no room is left",
        "make: pip failed with the messages above; after mending that, run make again.",
    ]


@pytest.mark.parametrize(
    "words",
    [
        "copying src/websockets/asyncio/connection.py",
        "ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: 'urllib3/connection.py'",
        'File "proxy/setup.py", line 1, in resolve',
        "WARNING: Retrying (Retry(total=0))\nerror: subprocess-exited-with-error",
    ],
)
def test_environment_of_a_failure_that_is_no_network(project, words):
    script(project / "environment/bin/python", f"cat <<'END'\n{words}\nEND", "exit 1")
    done = run(project, "group", "environment", "group")
    assert done.stderr.splitlines() == [
        *words.splitlines(),
        "make: pip failed with the messages above; after mending that, run make again.",
    ]


def test_environment_of_a_group_without_versions(project):
    text = said(project, "group", "environment", "lint", DEPENDENCIES="lowest")
    assert text == (
        "there are no lowest versions of the group lint: requirements/lowest/lint.txt is missing, which make lock "
        "writes."
    )
    assert said(project, "python", DEPENDENCIES="any") == (
        "DEPENDENCIES=any is not known: use locked, lowest or newest."
    )


def test_environment_of_the_right_hash(project):
    pytest.importorskip("pip")
    lock(project, "tiny", hashlib.sha256((project / "wheels/tiny-1.0-py3-none-any.whl").read_bytes()).hexdigest())
    done = run(project, "group", "environment", "group", **NO_INDEX)
    assert (done.returncode, done.stderr) == (0, "")


def test_environment_chooses_a_python(project):
    script(project / "bin/python3.10", "exit 0")
    script(project / "bin/python3.15", "exit 1")
    script(project / "bin/python3.14", "exit 0")
    path = f"{project / 'bin'}{os.pathsep}{os.environ['PATH']}"
    found = {
        mode: run(project, "python", DEPENDENCIES=mode, PATH=path, PYENV_ROOT="/nowhere").stdout.strip()
        for mode in ("locked", "lowest", "newest")
    }
    assert found == {"locked": "python3", "lowest": "python3.10", "newest": "python3.14"}
