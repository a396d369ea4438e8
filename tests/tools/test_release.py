"""What a release is checked by: tools/release, on archives, pages and repositories that are made here."""

from __future__ import annotations

import gzip
import io
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from release import contents, sdist, todo

EPOCH = 1_700_000_000


def archive(files: dict[str, bytes], *, mtime: int = 1, mode: int = 0o600, uid: int = 1000) -> bytes:
    """Return a .tar.gz with the marks of the machine that made it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as target:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode, entry.uid, entry.uname = len(data), mtime, mode, uid, f"user{uid}"
            target.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def test_sdist_is_the_same_from_any_machine():
    files = {"p/b": b"two", "p/a": b"one"}
    here = sdist.normalized(archive(files), EPOCH)
    there = sdist.normalized(archive(dict(reversed(files.items())), mtime=5, mode=0o644, uid=0), EPOCH)
    assert here == there
    assert sdist.normalized(here, EPOCH) == here


def test_sdist_keeps_files_and_who_may_run_them():
    packed = sdist.normalized(archive({"p/run": b"#!", "p/z": b""}, mode=0o700), EPOCH)
    with tarfile.open(fileobj=io.BytesIO(packed)) as source:
        members = source.getmembers()
        assert [(m.name, m.mode, m.mtime, m.uid, m.uname) for m in members] == [
            ("p/run", 0o755, EPOCH, 0, ""),
            ("p/z", 0o755, EPOCH, 0, ""),
        ]
        assert source.extractfile("p/run").read() == b"#!"
    assert gzip.decompress(packed)[:5] == b"p/run"


def test_sdist_refuses_links():
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as target:
        entry = tarfile.TarInfo("p/link")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        target.addfile(entry)
    with pytest.raises(ValueError, match="p/link is neither a file nor a folder"):
        sdist.normalized(packed.getvalue(), EPOCH)


WHEEL = {f"eventstream/{name}": b"" for name in contents.NEEDED} | {"eventstream/_native.x.so": b"\x7fELF"}


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({}, None),
        ({"eventstream/py.typed": None}, r"missing: \{'py.typed'\}"),
        ({"eventstream/_native.c": b""}, r"sources: \{'_native.c'\}"),
        ({"eventstream/_native.x.so": None}, r"extensions: \[\]"),
        ({"eventstream/_native.x.so": b"\x7fELF\0.symtab\0"}, "not stripped"),
        ({"eventstream/_native.x.so": b"\x7fELF\0.debug_info\0"}, "not stripped"),
    ],
)
def test_contents_of_a_wheel(tmp_path, changed, fault):
    path = tmp_path / "a.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, data in (WHEEL | changed).items():
            if data is not None:
                wheel.writestr(name, data)
    if fault is None:
        assert contents.contents(path, stripped=True).startswith(f"a.whl: {len(WHEEL)} files, ")
    else:
        with pytest.raises(ValueError, match=fault):
            contents.contents(path, stripped=True)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("# T\n[a](https://example.com/x) [b](#t) <x@example.com>", None),
        ("# T\n[a](docs/index.md)", "'docs/index.md' leads nowhere"),
        ("# T\n![a](pictures/a.svg)", "'pictures/a.svg' leads nowhere"),
        ("# T\n[a](#elsewhere)", "'#elsewhere' leads nowhere"),
        ('# T\n<picture><img src="https://example.com/a.png"></picture>', None),
        ('# T\n<picture><img src="a.png"></picture>', "'a.png' leads nowhere"),
        ("# T\n<iframe></iframe>", "<iframe> is taken out"),
        ("text", "it has no heading"),
    ],
)
def test_readme_without_its_neighbours(text, fault):
    pytest.importorskip("readme_renderer", reason="it is in the group release")
    from release import readme

    if readme.markdown.render("text") is None:
        pytest.skip("its renderer of Markdown is in the group release")

    assert [found for found in readme.faults(text) if fault and fault in found] == readme.faults(text)
    assert bool(readme.faults(text)) is (fault is not None)


@pytest.fixture
def project(tmp_path) -> Path:
    """Return a project that is ready for its first release."""
    if shutil.which("git") is None:
        pytest.skip("git is not here")
    (tmp_path / ".github/workflows").mkdir(parents=True)
    (tmp_path / "eventstream").mkdir()
    (tmp_path / "tools/oss-fuzz").mkdir(parents=True)
    (tmp_path / "docs").mkdir()
    for name in todo.INSTALLING:
        (tmp_path / name).write_text("Install it by its name.\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / "eventstream/__init__.py").write_text('__version__ = "0.3.0"\n')
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## Unreleased\n\n## 0.3.0\n\n- All.\n")
    (tmp_path / ".github/workflows/ci.yml").write_text(f"- uses: a/b@{'0' * 40} # v1\n")
    (tmp_path / "tools/oss-fuzz/project.yaml").write_text("homepage: h\nmain_repo: r\nprimary_contact: p\n")
    (tmp_path / "eventstream/_native.pxd").write_text('"""Words."""\ncdef int f()  # why\n')
    git(tmp_path, "init", "--quiet")
    return tmp_path


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", "-c", "user.name=n", "-c", "user.email=e", *arguments], cwd=root, check=True, timeout=60)


def release(root: Path, version: str) -> None:
    git(root, "add", "-A")
    git(root, "commit", "--quiet", "-m", version)
    git(root, "tag", f"v{version}")
    (root / "eventstream/__init__.py").write_text(f'__version__ = "{version[:-1]}{int(version[-1]) + 1}"\n')


def test_todo_of_a_project_that_is_ready(project):
    assert todo.to_fill_in(project) == []
    assert todo.to_fill_in_later(project) == []
    assert todo.broken(project) == []


@pytest.mark.parametrize(
    ("file", "text", "point"),
    [
        ("pyproject.toml", '[project]\nurl = "https://host/OWNER/x"\n', "pyproject.toml, line 2: replace OWNER"),
        ("CHANGELOG.md", "## Unreleased\n\n- New.\n", "CHANGELOG.md: give the section Unreleased the version 0.3.0"),
        (".github/workflows/ci.yml", "- uses: a/b@v1 # v1\n", "ci.yml: a/b@v1: pin it by the hash"),
        ("README.md", "It is not on a package\nindex yet.\n", "README.md: it says that the package is not on an index"),
        ("docs/installation.md", "It is not on a package index.\n", "docs/installation.md: it says that the package"),
    ],
)
def test_todo_names_each_point(project, file, text, point):
    (project / file).write_text(text)
    (found,) = todo.to_fill_in(project)
    assert point in found
    assert todo.to_fill_in_later(project) == []


def test_todo_of_what_holds_up_no_release(project):
    (project / "tools/oss-fuzz/project.yaml").write_text("homepage: h\nmain_repo: r\n")
    assert todo.to_fill_in(project) == []
    (found,) = todo.to_fill_in_later(project)
    assert "project.yaml: primary_contact" in found


def run(project: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, todo.__file__, *arguments, str(project)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_todo_of_a_tag(project):
    """A tag releases a tree that is ready, and has its version; between releases nothing is an error."""
    later = "tools/oss-fuzz/project.yaml: main_repo, when OSS-Fuzz is asked to take the project\n"
    (project / "tools/oss-fuzz/project.yaml").write_text("homepage: h\nprimary_contact: p\n")
    assert run(project) == run(project, "--tag", "v0.3.0") == (0, later)
    git(project, "add", "-A")
    git(project, "commit", "--quiet", "-m", "it")
    git(project, "tag", "v0.3.0")
    assert run(project, "--tag", "v0.3.0") == (0, later)
    wrong = "the tag is v0.3.1, but eventstream/__init__.py has the version 0.3.0\n"
    assert run(project, "--tag", "v0.3.1") == (1, later + wrong)
    (project / "CHANGELOG.md").write_text("## Unreleased\n\n- New.\n")
    status, printed = run(project, "--tag", "v0.3.0")
    assert (status, printed.count("\n")) == (1, 2)
    assert "give the section Unreleased the version 0.3.0" in printed
    assert run(project) == (0, printed.removeprefix(later) + later)


def test_todo_of_a_version_that_is_tagged(project):
    release(project, "0.3.0")
    assert todo.to_fill_in(project) == []
    (project / "eventstream/__init__.py").write_text('__version__ = "0.3.0"\n')
    assert todo.to_fill_in(project) == []  # this commit has the tag
    git(project, "commit", "--quiet", "--allow-empty", "-m", "more")
    assert todo.to_fill_in(project) == ["eventstream/__init__.py: version 0.3.0 is already tagged; choose the next one"]


def test_todo_of_a_c_interface_that_changed_in_a_series(project):
    release(project, "0.3.0")
    interface = project / "eventstream/_native.pxd"
    interface.write_text('"""Other words."""\n# A comment.\ncdef int f()\n')
    assert todo.broken(project) == []
    release(project, "0.3.1")
    interface.write_text("cdef long f()\n")
    (fault,) = todo.broken(project)
    assert "differs from that of v0.3.0" in fault
    (project / "eventstream/__init__.py").write_text('__version__ = "0.4.0"\n')
    assert todo.broken(project) == []
