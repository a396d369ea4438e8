"""``python -m eventstream`` is the command ``eventstream``."""

from __future__ import annotations

import sys

from eventstream.cli import main

if __name__ == "__main__":
    sys.exit(main())
