"""Make a source distribution the same bytes whoever builds it, wherever and whenever: sdist.py ARCHIVE.tar.gz ...

setuptools writes times, owners and modes of the files as they are on the machine that builds. Here each member gets the
time of SOURCE_DATE_EPOCH, no owner and one of two modes, and the members are sorted. The archive is replaced.
"""

from __future__ import annotations

import gzip
import io
import os
import sys
import tarfile
from pathlib import Path


def normalized(archive: bytes, epoch: int) -> bytes:
    """Return the same files as a .tar.gz, with what depends on the machine set; `epoch` is in seconds since 1970."""
    inside = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as source,
        tarfile.open(fileobj=inside, mode="w", format=tarfile.PAX_FORMAT) as target,
    ):
        for member in sorted(source, key=lambda member: member.name):
            if not (member.isfile() or member.isdir()):
                raise ValueError(f"{member.name} is neither a file nor a folder")
            entry = tarfile.TarInfo(member.name)
            entry.type, entry.size, entry.mtime = member.type, member.size, epoch
            entry.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            target.addfile(entry, source.extractfile(member) if member.isfile() else None)
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", filename="", mtime=epoch) as file:
        file.write(inside.getvalue())
    return packed.getvalue()


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_bytes(normalized(path.read_bytes(), int(os.environ["SOURCE_DATE_EPOCH"])))
