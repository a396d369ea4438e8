"""The command ``eventstream``: look into recorded event streams, check them, and save what is left of them.

One module per subcommand, which is imported when it is called, so that the command starts quickly. `_inputs` finds
event streams in files: `_forms` recognises their form, `_containers` takes HTTP bodies out of those that hold several,
and `_recording` is one stream. `_json` turns messages into JSON and back; `_terminal` keeps terminals and files safe.
"""

from __future__ import annotations

import sys

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: those after the command's name; None: the process's own.

    Returns:
        The exit status: 0 sound, 1 faults of the data or a refusal of the service, 2 wrong usage or other trouble.
    """
    try:
        from eventstream.cli._main import run
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        print("eventstream: the command needs the extra [cli]: pip install 'eventstream-codec[cli]'", file=sys.stderr)
        return 2
    return run(arguments)
