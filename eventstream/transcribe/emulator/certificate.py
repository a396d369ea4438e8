"""A certificate for this machine, made on the spot, and the authority that vouches for it.

The authority's key is forgotten as soon as it has signed, so trusting it means trusting this one certificate.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from typing import NamedTuple

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "to make a certificate takes cryptography: install eventstream-codec with its extra [emulator]", name=error.name
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
    """A certificate for the loopback interface.

    Args:
        names: further host names and IP addresses that it shall be valid for.
    """
    hosts = [_general_name(name) for name in dict.fromkeys([*LOCAL_NAMES, *names])]
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority_name = _name("eventstream emulator: throw-away authority")

    authority = (
        _builder(authority_name, authority_name, authority_key, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(key_cert_sign=True), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    certificate = (
        _builder(_name("localhost"), authority_name, key, authority_key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    return Certificate(
        authority.public_bytes(serialization.Encoding.PEM),
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, issuer_key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    """What both certificates have; strict verifiers insist on the two key identifiers (RFC 5280, 4.2.1)."""
    now = datetime.now(timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _LEEWAY)
        .not_valid_after(now + VALIDITY)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )


def _key_usage(*, digital_signature: bool = False, key_cert_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=key_cert_sign,
        encipher_only=False,
        decipher_only=False,
    )


def server_context(certificate: Certificate) -> ssl.SSLContext:
    """The TLS settings of a server that has the certificate and speaks HTTP/2 (ALPN ``h2``)."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["h2"])
    # ssl reads certificates from files only; a temporary directory is its owner's alone.
    with tempfile.TemporaryDirectory(prefix="eventstream-emulator-") as directory:
        path = os.path.join(directory, "server.pem")
        with open(path, "wb") as file:
            file.write(certificate.certificate + certificate.key)
        context.load_cert_chain(path)
    return context
