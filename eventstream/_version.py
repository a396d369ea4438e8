"""The version of the package, read from the metadata of its installation when it is first asked for.

Reading it takes longer than importing the whole codec, so the import does not.
"""

from __future__ import annotations

import sys


def __getattr__(name: str) -> str:
    """Return what `eventstream` is asked for and does not have: a module may define this (PEP 562)."""
    if name != "__version__":
        raise AttributeError(f"module 'eventstream' has no attribute {name!r}", name=name)
    import importlib.metadata

    try:
        version = importlib.metadata.version("eventstream-codec")
    except importlib.metadata.PackageNotFoundError as error:
        raise AttributeError(
            "eventstream.__version__ is read from the metadata of an installation, and there is none here: "
            "install the package (eventstream-codec) instead of only having its files on the path",
            name=name,
        ) from error
    vars(sys.modules["eventstream"])["__version__"] = version
    return version
