"""``eventstream emulate``: a local endpoint of Amazon Transcribe.

``python -m eventstream.transcribe.emulator`` is the same.
"""

from __future__ import annotations

import re

import click
from click.shell_completion import CompletionItem

from eventstream.cli._options import needed


class _Emulate(click.Command):
    """Leaves its options to the emulator's own parser."""

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        try:
            from eventstream.transcribe.emulator.options import parser
        except ModuleNotFoundError:  # of the extra, which the command itself names
            return []
        names = dict.fromkeys(re.findall(r"--[a-z0-9-]+", parser("").format_usage()))
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


_HELP = {"-h", "--help"}
_SHORT_HELP = """usage: eventstream emulate [OPTION]...

Serve a local endpoint for Amazon Transcribe's streams, until it is stopped.

It needs the extra [emulator], and lists its options once that is installed:
  pip install 'eventstream-codec[emulator]'"""


def _has_extra() -> bool:
    try:
        import eventstream.transcribe.emulator.options  # noqa: F401 (whether it can be imported is asked)
    except ModuleNotFoundError:
        return False
    return True


@click.command(
    "emulate",
    cls=_Emulate,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
    add_help_option=False,
)
@click.argument("arguments", nargs=-1, type=click.Path())
def command(arguments: tuple[str, ...]) -> int:
    """Serve an emulator of Amazon Transcribe on this machine."""
    if _HELP.intersection(arguments) and not _has_extra():
        click.echo(_SHORT_HELP)
        return 0
    with needed("emulator"):
        from eventstream.transcribe.emulator.__main__ import main
    try:
        return main(list(arguments), program="eventstream emulate")
    except SystemExit as error:  # as argparse ends: with help, or for wrong usage
        return error.code if isinstance(error.code, int) else 0
