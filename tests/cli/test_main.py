"""The group: subcommands, exit statuses, help, speed of its start."""

from __future__ import annotations

import errno
import importlib
import io
import os
import subprocess
import sys
import warnings

import click
import frames
import pytest
from programs import AWAY

import eventstream
from eventstream.cli import _main
from eventstream.cli._main import SUBCOMMANDS


def test_subcommands_have_help_with_examples(run):
    for name in SUBCOMMANDS:
        done = run(name, "--help")
        assert done.status == 0
        assert "Examples:\n  eventstream" in done.out.replace("    eventstream", "  eventstream")
        assert importlib.import_module(f"eventstream.cli.{name}").command.name == name


def test_help_lists_the_subcommands(run):
    for option in ("--help", "-h"):
        done = run(option)
        assert done.status == 0
        assert all(line.isprintable() for line in done.out.splitlines())
        assert all(f"  {name} " in done.out for name in SUBCOMMANDS)


def test_standard_input_is_shown_without_arguments(run):
    assert run(stdin=frames.EVENT_FRAME).out == run("show", "-", stdin=frames.EVENT_FRAME).out


def test_version(run):
    assert run("--version").out == f"eventstream {eventstream.__version__} ({eventstream.implementation})\n"


def test_file_alone_is_show(run, tmp_path, monkeypatch):
    (tmp_path / "stream").write_bytes(frames.EVENT_FRAME)
    (tmp_path / "check").write_bytes(frames.EVENT_FRAME)
    monkeypatch.chdir(tmp_path)
    assert run("stream").out == run("show", "stream").out
    assert run("--json", "stream").out == run("show", "--json", "stream").out
    assert run("./check").out.startswith("./check:\n")
    assert run("check", "check").out == "check: sound: 1 message, 130 bytes\n"


@pytest.mark.parametrize(("word", "meant"), [("checq", "check"), ("shwow", "show"), ("salvge", "salvage")])
def test_misspelt_subcommand(run, tmp_path, monkeypatch, word, meant):
    monkeypatch.chdir(tmp_path)
    done = run(word, "x")
    assert done.status == 2
    assert f"{word} is neither a command nor a file (did you mean '{meant}'?)" in done.err
    (tmp_path / word).write_bytes(frames.EVENT_FRAME)
    assert run(word).out.startswith(f"{word}:")


def test_word_that_is_nothing(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run("help")
    assert done.status == 2
    assert "help is neither a command nor a file; --help lists the commands" in done.err


def test_wrong_usage_cannot_control_the_terminal(run):
    """A shell's pattern gives names of files, of which one is too many here."""
    done = run("extract", "one", "two\x1b[31m")
    assert (done.status, "unexpected extra argument (two\\x1b[31m)" in done.err, "\x1b" in done.err) == (2, True, False)


def test_missing_file_is_not_a_misspelt_subcommand(run):
    assert run("missing.bin") == (2, "", "missing.bin: No such file or directory\n")


def test_warning_is_a_line(run, monkeypatch, tmp_path):
    """It has no file and line of ours."""
    before = warnings.showwarning

    def warn(*_):
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("it is odd\x1b", UserWarning, stacklevel=1)
        return iter(())

    monkeypatch.setattr("eventstream.cli._inputs.paths", warn)
    assert run("check", tmp_path).err == "warning: it is odd\\x1b\n"
    assert warnings.showwarning is before


def test_wrong_usage_is_status_2(run):
    for arguments in (["show", "--nothing"], ["salvage"], ["show", "--from", "x"], ["encode", "x"]):
        done = run(*arguments)
        assert (done.status, done.out) == (2, "")
        assert "Usage:" in done.err


READERS = [
    ["show"],
    ["check"],
    ["salvage", "-o", "OUT"],
    ["extract"],
    ["encode", "-o", "OUT"],
    ["replay"],
    ["transcribe"],
]
"""The subcommands that read a file."""


def _skip_without(subcommand):
    if subcommand == "transcribe":
        pytest.importorskip("botocore")
        pytest.importorskip("h2")


@pytest.mark.parametrize("arguments", READERS, ids=lambda arguments: arguments[0])
def test_file_that_cannot_be_read_is_status_2(run, tmp_path, monkeypatch, arguments):
    """As for GNU's tools: status 1 says that something is known of the file, and it is not sound."""
    _skip_without(arguments[0])
    monkeypatch.chdir(tmp_path)
    assert run(*arguments, "missing") == (2, "", "missing: No such file or directory\n")
    (tmp_path / "there").write_bytes(frames.EVENT_FRAME)

    def refused(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", "there")

    with monkeypatch.context() as patched:
        for name in ("os.stat", "builtins.open"):
            patched.setattr(name, refused)
        done = run(*arguments, "there")
    assert done == (2, "", "there: Permission denied\n")
    assert not (tmp_path / "OUT").exists()


@pytest.mark.parametrize("arguments", READERS[2:5], ids=lambda arguments: arguments[0])
def test_file_that_is_a_folder_is_status_2(run, tmp_path, arguments):
    (tmp_path / "folder").mkdir()
    done = run(arguments[0], tmp_path / "folder", "-o", tmp_path / "out")
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"{tmp_path}/folder: ")
    (tmp_path / "lines").write_text('{"text": "x"}')
    (tmp_path / "stream").write_bytes(frames.TAIL_FRAME)
    there = tmp_path / ("lines" if arguments[0] == "encode" else "stream")
    assert run(arguments[0], there, "-o", tmp_path / "folder").status == 2


def test_trouble_outweighs_faults(run, tmp_path):
    (tmp_path / "cut").write_bytes(frames.EVENT_FRAME[:-1])
    (tmp_path / "sound").write_bytes(frames.EVENT_FRAME)
    (tmp_path / "bytes").write_bytes(b"\xff\0" * 20)
    for fault in ("cut", "bytes"):
        for subcommand in ("check", "show"):
            assert run(subcommand, tmp_path / fault, tmp_path / "sound").status == 1
            for names in ((fault, "missing", "sound"), ("missing", fault)):
                assert run(subcommand, *(tmp_path / name for name in names)).status == 2
    assert run("check", tmp_path / "no*such").status == 2


def test_standard_output_that_is_closed(run, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    from eventstream.cli import main

    assert main(["show"]) == 2


def command(*arguments: str, **options):
    return subprocess.Popen([sys.executable, "-m", "eventstream", *arguments], cwd=AWAY, **options)


def test_broken_pipe_ends_quietly(tmp_path):
    path = tmp_path / "long"
    path.write_bytes(frames.EVENT_FRAME * 20_000)
    for subcommand in (["show"], ["show", "--json"], ["extract", "--as", "payloads"]):
        process = command(*subcommand, str(path), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b"", subcommand
        process.stderr.close()
        assert process.wait(60) == 2


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_full_output_is_blamed_itself(tmp_path):
    path = tmp_path / "stream"
    path.write_bytes(frames.EVENT_FRAME)
    with open("/dev/full", "wb") as full:
        process = command("show", str(path), stdout=full, stderr=subprocess.PIPE)
        assert b"No space left on device" in process.stderr.read()
        process.stderr.close()
        assert process.wait(60) == 2


def test_color_needs_a_terminal(run):
    assert "\x1b" not in run("check", stdin=frames.EVENT_FRAME[:-1]).out


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no pseudo-terminals")
@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_color_on_a_terminal(tmp_path, variables):
    path = tmp_path / "stream"
    path.write_bytes(frames.EVENT_FRAME)
    ours, theirs = os.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm"}
    process = command("check", str(path), stdout=theirs, env=environment | variables)
    try:
        assert process.wait(60) == 0
        printed = os.read(ours, 10_000).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert ("\x1b[32msound\x1b[0m" in printed) is not bool(variables)
    assert printed.replace("\x1b[32m", "").replace("\x1b[0m", "").strip().endswith("sound: 1 message, 130 bytes")


def test_shell_completion(run):
    environment = {**os.environ, "_EVENTSTREAM_COMPLETE": "bash_source"}
    program = "import sys; from eventstream.cli import main; sys.exit(main([]))"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, cwd=AWAY
    )
    assert "_eventstream_completion" in done.stdout


def test_show_imports_nothing_costly(tmp_path):
    path = tmp_path / "stream"
    path.write_bytes(frames.EVENT_FRAME)
    costly = {"asyncio", "rich", "yaml", "tempfile", "h2", "msgspec"}
    program = "import sys; there = set(sys.modules); from eventstream.cli import main; "  # a tracer imports some before
    program += f"main(['show', {str(path)!r}]); print('costly:', *{costly} & set(sys.modules) - there)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True, cwd=AWAY
    )
    assert done.stdout.splitlines()[-1] == "costly:"


def completion_of(words, shell="zsh"):
    """Return the environment in which a shell asks what to offer for the last of the words."""
    current = {"bash": str(len(words) - 1), "zsh": str(len(words) - 1), "fish": words[-1]}[shell]
    return {"_EVENTSTREAM_COMPLETE": f"{shell}_complete", "COMP_CWORD": current, "COMP_WORDS": " ".join(words)}


@pytest.fixture
def completed(capsys, monkeypatch):
    """Return what a shell is offered, one line per kind, value or help."""
    from eventstream.cli import main

    def completed(words, shell="zsh"):
        for name, value in completion_of(words, shell).items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main([])
        assert ended.value.code == 0
        out, err = capsys.readouterr()
        assert err == ""
        return out.splitlines()

    return completed


def test_subcommands_are_listed_as_click_asks_for_them():
    assert _main._group.list_commands(click.Context(_main._group)) == sorted(SUBCOMMANDS)


def test_fault_of_an_import_is_no_missing_extra(monkeypatch):
    from eventstream.cli import main

    monkeypatch.setitem(sys.modules, "eventstream.cli._main", None)
    with pytest.raises(ModuleNotFoundError):
        main(["show"])


def test_completion_of_subcommands():
    context = click.Context(_main._group)
    assert [item.value for item in _main._group.shell_complete(context, "sa")][1:] == ["salvage"]
    assert _main._group.get_command(context, "unknown") is None


def test_completion_needs_no_terminal():
    """In zsh the standard input of what completes is empty."""
    environment = {**os.environ, **completion_of(["eventstream", ""])}
    program = "import sys; from eventstream.cli import main; sys.exit(main([]))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=AWAY,
    )
    assert done.stderr == ""
    found = done.stdout.splitlines()
    assert (found[::3], found[1::3]) == (["plain"] * len(SUBCOMMANDS), list(SUBCOMMANDS))
    assert "" not in found  # which zsh would drop


@pytest.mark.parametrize(
    "words", [["a"], ["show", "a"], ["--json", "a"], ["salvage", "x", "-o", "a"], ["transcribe", "a"]]
)
def test_completion_of_files(completed, words):
    assert completed(["eventstream", *words]) == ["file", "a", "_"]


def test_completion_in_bash_prefers_subcommands(completed):
    """What is of no kind takes the place of files."""
    assert completed(["eventstream", "s"], "bash") == ["file,s", "plain,salvage", "plain,show"]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["show", "--fr"], ["--from"]),
        (["check", "--from", "h"], ["hex", "har"]),
        (["--vers"], ["--version"]),
        (["--f"], ["--from", "--full", "--follow"]),
        (["--h"], ["--help"]),
        (["extract", "--as", "v"], ["vtt"]),
    ],
)
def test_completion_of_options(completed, words, offered):
    assert [line.partition(",")[2] for line in completed(["eventstream", *words], "bash") if "plain" in line] == offered


@pytest.mark.parametrize(
    "error", [BrokenPipeError(errno.EPIPE, "Broken pipe"), OSError(errno.EIO, "Input/output error")]
)
def test_output_that_breaks_at_the_end(capsys, monkeypatch, tmp_path, error):
    """What it still holds goes nowhere. The reader of a pipe may have seen enough, which is not said."""
    path = tmp_path / "stream"
    path.write_bytes(b'{"text": ""}')

    class Broken(io.StringIO):
        def flush(self):
            raise error

    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", Broken())
        assert _main.run(["encode", str(path), "-o", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert ("Input/output error" in said) is (error.errno == errno.EIO)


@pytest.mark.parametrize("arguments", [["encode"], ["salvage"]], ids=lambda arguments: arguments[0])
def test_output_that_is_full(arguments, capsys, monkeypatch, tmp_path):
    path = tmp_path / "input"
    path.write_bytes(b'{"text": ""}' if arguments == ["encode"] else frames.EVENT_FRAME)

    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", io.TextIOWrapper(Full()))
        assert _main.run([*arguments, str(path), "-o", "-"]) == 2
    assert capsys.readouterr().err.endswith(": No space left on device\n")
