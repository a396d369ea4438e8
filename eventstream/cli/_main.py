"""The group of subcommands, and what is the same for all of them: names, exit statuses, interrupts."""

from __future__ import annotations

import errno
import importlib
import os
import sys
import warnings
from typing import TYPE_CHECKING, Any

import click

from eventstream._text import suggestion, visible
from eventstream.cli._terminal import TROUBLE, complaint

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

SUBCOMMANDS = {
    "check": "Tell whether recordings are sound.",
    "emulate": "Serve an emulator of Amazon Transcribe on this machine.",
    "encode": "Turn the JSON of `show --json` back into an event stream.",
    "extract": "Extract payloads, text, transcripts or audio.",
    "presign": "Print the URL that opens a WebSocket of Amazon Transcribe.",
    "replay": "Serve a recorded response to a client.",
    "salvage": "Write what is left of a damaged recording.",
    "show": "Print a line per message.",
    "transcribe": "Turn speech into text, with Amazon Transcribe.",
}


class _Group(click.Group):
    """Imports a subcommand when it is called. Arguments that name none are those of `show`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in SUBCOMMANDS:
            return None
        command: click.Command = importlib.import_module(f"eventstream.cli.{cmd_name}").command
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in {*SUBCOMMANDS, "-h", "--help", "--version"}:
            if not ctx.resilient_parsing and not os.path.lexists(args[0]):
                _refuse_misspelt(args[0])
            args = ["show", *args]
        elif not args and not ctx.resilient_parsing and sys.stdin is not None and not sys.stdin.isatty():
            args = ["show"]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # of standard output, whose reader has seen enough; click would exit with 1
            _drop_output()
            return TROUBLE

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete subcommands, and what `show` takes, which need not be named.

        Files come first: otherwise bash would offer nothing else. They are left out where nothing has been typed: the
        function for zsh would drop the empty word, and misread what follows.
        """
        from click.shell_completion import CompletionItem  # here: it is needed for nothing else

        show: click.Command = importlib.import_module("eventstream.cli.show").command
        files = [CompletionItem(incomplete, type="file")] if incomplete else []
        commands = [CompletionItem(name, help=what) for name, what in SUBCOMMANDS.items()]
        options = click.Command.shell_complete(self, ctx, incomplete)
        options += show.shell_complete(click.Context(show, parent=ctx), incomplete)
        named = {item.value: item for item in (*commands, *options) if item.value.startswith(incomplete)}
        return [*files, *named.values()]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(SUBCOMMANDS.items()))


def _refuse_misspelt(name: str) -> None:
    """Refuse what is not a file, but is called nearly like a subcommand, or is a mere word."""
    meant = suggestion(name, SUBCOMMANDS)
    if not meant and name.isalpha():
        meant = "; --help lists the commands"
    if meant:
        raise click.UsageError(f"{visible(name)} is neither a command nor a file{meant}")


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        import eventstream

        click.echo(f"eventstream {eventstream.__version__} ({eventstream.implementation})")
        ctx.exit()


@click.group(
    cls=_Group,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="""\b
Examples:
  eventstream answer.bin
  eventstream check recordings/ 'captures/*.har'
  curl -i https://... | eventstream show --json - | jq .payload

\b
`eventstream FILE` is `eventstream show FILE`; a file that is called like a command is `./check`.
Exit status: 0 sound; 1 damaged, incomplete, refused, or nothing found;
2 wrong usage, or something cannot be read, written or reached.
Completion: eval "$(_EVENTSTREAM_COMPLETE=bash_source eventstream)", or zsh_source, or fish_source.""",
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
def _group() -> None:
    """Look into event streams (application/vnd.amazon.eventstream), check them, save what is left of them.

    Files may be raw streams, gzip, base64, hex, dumps of `curl -i`, HAR, VCR cassettes or mitmproxy flows.
    """


def run(arguments: list[str] | None) -> int:
    if sys.stdout is None:
        print("standard output is closed", file=sys.stderr)
        return TROUBLE
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        return _run(arguments)


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Say a warning as the command says anything; Python adds a line of our code."""
    complaint(f"warning: {message}")


def _run(arguments: list[str] | None) -> int:
    try:
        is_plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        color = False if is_plain else None  # None: where there is a terminal
        status: Any = _group.main(arguments, prog_name="eventstream", standalone_mode=False, color=color)
        sys.stdout.flush()
    except click.ClickException as error:
        vars(error)["message"] = visible(error.message)  # which may be about names of files; to types it is final
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    except OSError as error:
        _drop_output()
        if error.errno != errno.EPIPE:  # whose reader has seen enough
            print(f"eventstream: {visible(error.strerror or str(error))}", file=sys.stderr)
        return TROUBLE
    return status if isinstance(status, int) else 0


def _drop_output() -> None:
    """Send what is left in the buffer of standard output nowhere, so that the interpreter's end does not fail on it."""
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
    except (OSError, ValueError):  # the system does not know it
        pass
