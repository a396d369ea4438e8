"""The certificate: who trusts its authority trusts the server, as the names it has, and nobody else does."""

from __future__ import annotations

import os
import ssl
import sys
import tempfile
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

pytest.importorskip("trustme")

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID
from programs import finished

from eventstream.transcribe.emulator.certificate import VALIDITY, make_certificate, server_context


@pytest.fixture
def certificate():
    return make_certificate(["emulator.test", "10.1.2.3", "localhost"])


def handshake(client_context, name, certificate):
    """Both sides in memory, until they agree or the client refuses."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client_context.wrap_bio(to_client, to_server, server_hostname=name),
        server_context(certificate).wrap_bio(to_server, to_client, server_side=True),
    ]
    while sides:
        for side in list(sides):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            sides.remove(side)
            if side.server_side is False:
                client = side
    return client


def trusting(authority):
    context = ssl.create_default_context(cadata=authority.decode())
    context.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from Python 3.13 on
    context.set_alpn_protocols(["http/1.1", "h2"])
    return context


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1", "emulator.test", "10.1.2.3"])
def test_certificate_is_valid_for_its_names(certificate, name):
    assert handshake(trusting(certificate.authority), name, certificate).selected_alpn_protocol() == "h2"


@pytest.mark.parametrize("name", ["example.com", "127.0.0.2"])
def test_certificate_is_not_valid_for_others(certificate, name):
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        handshake(trusting(certificate.authority), name, certificate)
    # OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH
    assert caught.value.verify_code in (62, 64)


def test_certificate_is_trusted_only_with_its_authority(certificate):
    for context in (ssl.create_default_context(), trusting(make_certificate().authority)):
        with pytest.raises(ssl.SSLCertVerificationError):
            handshake(context, "localhost", certificate)


def test_authority_trusts_nobody_else(certificate):
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(trusting(certificate.authority), "localhost", make_certificate())


def test_certificate_of_the_server(certificate):
    authority = x509.load_pem_x509_certificate(certificate.authority)
    server = x509.load_pem_x509_certificate(certificate.certificate)
    assert [name.value for name in server.subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["localhost"]
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "emulator.test"]
    assert [str(name) for name in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1", "10.1.2.3"]
    server.verify_directly_issued_by(authority)
    key = serialization.load_pem_private_key(certificate.key, None)
    assert key.public_key() == server.public_key() != authority.public_key()


@pytest.fixture
def far_from_greenwich(monkeypatch):
    monkeypatch.setenv("TZ", "XXX-12")
    if hasattr(time, "tzset"):
        time.tzset()
        yield
        monkeypatch.undo()
        time.tzset()
    else:
        yield


def test_certificate_is_valid_now(far_from_greenwich):
    certificate = make_certificate()
    now = datetime.now(timezone.utc)
    server = x509.load_pem_x509_certificate(certificate.certificate)
    assert timedelta(minutes=5) <= now - server.not_valid_before_utc < timedelta(minutes=6)
    assert VALIDITY - timedelta(minutes=1) < server.not_valid_after_utc - now <= VALIDITY
    authority = x509.load_pem_x509_certificate(certificate.authority)
    assert authority.not_valid_before_utc < now < authority.not_valid_after_utc


def test_key_file_is_private_and_short_lived(certificate, monkeypatch, tmp_path):
    """To a directory of its own among the temporary ones, as its name says."""
    here, temporary = tmp_path / "here", tmp_path / "temporary"
    here.mkdir()
    temporary.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    found = []

    class Context(ssl.SSLContext):
        def load_cert_chain(self, path):
            found.append((Path(path), os.stat(os.path.dirname(path)).st_mode & 0o777))
            super().load_cert_chain(path)

    monkeypatch.setattr(ssl, "create_default_context", lambda _: Context(ssl.PROTOCOL_TLS_SERVER))
    server_context(certificate)
    [(path, mode)] = found
    assert path.parent.parent == temporary
    assert path.parent.name.startswith("eventstream-emulator-")
    assert sys.platform == "win32" or mode == 0o700
    assert not [*here.iterdir(), *temporary.iterdir()]


def test_certificate_without_trustme_names_the_extra():
    program = "import sys; sys.modules['trustme'] = None; import eventstream.transcribe.emulator.certificate"
    done = finished(program)
    assert done.returncode == 1
    assert "eventstream-codec with its extra [emulator]" in done.stderr
