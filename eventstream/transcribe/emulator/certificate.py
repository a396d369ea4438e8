"""A certificate for this machine, made on the spot, and the authority that vouches for it.

The authority's key is forgotten as soon as it has signed, so trusting it means trusting only this certificate.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

try:
    import trustme
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "making a certificate needs trustme: install eventstream-codec with its extra [emulator]", name=error.name
    ) from error

__all__ = ["Certificate", "make_certificate", "server_context"]

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")

VALIDITY = timedelta(days=30)
"""Longer than an emulator runs."""

_LEEWAY = timedelta(minutes=5)
"""For clocks that are behind, as a container's may be."""


class Certificate(NamedTuple):
    """All PEM.

    Attributes:
        authority: the certificate that a client must trust.
        certificate: the server's.
        key: its private key.
    """

    authority: bytes
    certificate: bytes
    key: bytes


def make_certificate(names: Iterable[str] = ()) -> Certificate:
    """Return a certificate for the loopback interface.

    Args:
        names: further host names and IP addresses for which it is valid.
    """
    now = datetime.now(timezone.utc)
    authority = trustme.CA(organization_name="eventstream emulator", organization_unit_name="throw-away authority")
    issued = authority.issue_cert(
        *dict.fromkeys([*LOCAL_NAMES, *names]),
        common_name="localhost",
        not_before=now - _LEEWAY,
        not_after=now + VALIDITY,
    )
    return Certificate(authority.cert_pem.bytes(), issued.cert_chain_pems[0].bytes(), issued.private_key_pem.bytes())


def server_context(certificate: Certificate, protocol: str = "h2") -> ssl.SSLContext:
    """Return the TLS settings of a server that has the certificate and speaks one protocol (ALPN), e.g. HTTP/2."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols([protocol])
    # ssl reads certificates only from files; a temporary directory belongs to its owner only.
    with tempfile.TemporaryDirectory(prefix="eventstream-emulator-") as directory:
        path = os.path.join(directory, "server.pem")
        with open(path, "wb") as file:
            file.write(certificate.certificate + certificate.key)
        context.load_cert_chain(path)
    return context
