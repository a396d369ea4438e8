"""``eventstream emulate``: a local endpoint of Amazon Transcribe.

``python -m eventstream.transcribe.emulator`` is the same.
"""

from __future__ import annotations

import click

from eventstream.cli._options import needed


@click.command(
    "emulate",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
    add_help_option=False,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> int:
    """Serve an emulator of Amazon Transcribe on this machine."""
    with needed("emulator"):
        from eventstream.transcribe.emulator.__main__ import main
    try:
        return main(list(arguments), program="eventstream emulate")
    except SystemExit as error:  # as argparse ends: with help, or for wrong usage
        return error.code if isinstance(error.code, int) else 0
