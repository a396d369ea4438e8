"""``make conformance``: prints the matrix, and fails if it is not what `conformance.md` says.

With --write it becomes what `conformance.md` says, in whatever versions are installed. All codecs are needed; but on
Python 3.11 and older there is no smithy-aws-event-stream, and its column is left out.
"""

from __future__ import annotations

import argparse
import difflib
import sys

from peers.matrix import FILE, cells_of, codecs, document, pinned
from peers.python import Smithy


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m peers", description="Run every case on every codec.")
    parser.add_argument("--write", action="store_true", help=f"write {FILE.name}")
    options = parser.parse_args()
    with codecs({} if options.write else pinned(), install=True) as (found, missing):
        made = document(found)
    print(made)
    for name, reason in missing.items():
        print(f"{name} is missing: {reason}", file=sys.stderr)
    if options.write:
        if missing:
            return 1
        FILE.write_text(made, encoding="utf-8")
    recorded, now = cells_of(FILE.read_text(encoding="utf-8")), cells_of(made)
    wrong = [key for key, text in now.items() if recorded.get(key) != text]
    for key in wrong:
        print(*difflib.ndiff([str(recorded.get(key))], [now[key]]), sep="\n", file=sys.stderr)
    needed = [name for name in missing if not (name == Smithy.name and Smithy.note)]
    return 1 if wrong or needed else 0


if __name__ == "__main__":
    sys.exit(main())
