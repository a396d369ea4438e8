"""The certificate: who trusts its authority trusts the server, as the names it has, and nobody else does."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys

import pytest

pytest.importorskip("cryptography")

from eventstream.transcribe.emulator.certificate import make_certificate, server_context

CERTIFICATE = make_certificate(["emulator.test", "10.1.2.3", "localhost"])


def handshake(client_context, name, server=None):
    """Both sides in memory, until they agree or the client refuses."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = server_context(CERTIFICATE) if server is None else server
    sides = [
        client_context.wrap_bio(to_client, to_server, server_hostname=name),
        context.wrap_bio(to_server, to_client, server_side=True),
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
def test_it_is_valid_for_its_names(name):
    assert handshake(trusting(CERTIFICATE.authority), name).selected_alpn_protocol() == "h2"


@pytest.mark.parametrize("name", ["example.com", "127.0.0.2"])
def test_it_is_not_valid_for_others(name):
    with pytest.raises(ssl.SSLCertVerificationError, match=r"mismatch|not valid"):
        handshake(trusting(CERTIFICATE.authority), name)


@pytest.mark.parametrize("authority", [None, make_certificate().authority])
def test_nobody_else_trusts_it(authority):
    context = ssl.create_default_context() if authority is None else trusting(authority)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(context, "localhost")


def test_the_authority_trusts_nobody_else():
    other = make_certificate()
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(trusting(CERTIFICATE.authority), "localhost", server_context(other))


def test_without_cryptography_the_error_names_the_extra():
    program = "import sys; sys.modules['cryptography'] = None; import eventstream.transcribe.emulator.certificate"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        cwd=os.path.dirname(__file__),  # not where the sources are
    )
    assert done.returncode == 1
    assert "eventstream-codec with its extra [emulator]" in done.stderr
