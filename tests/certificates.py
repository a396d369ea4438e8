"""A certificate for tests of TLS on loopback."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from pathlib import Path


def write_certificate(path: Path) -> None:
    """Write a certificate of localhost, its key, and the authority's certificate, to one file: both sides load it."""
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", common_name="localhost")
    path.write_bytes(issued.private_key_and_cert_chain_pem.bytes() + authority.cert_pem.bytes())
