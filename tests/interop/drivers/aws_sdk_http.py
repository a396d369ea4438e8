"""What AWS's clients for Python share: HTTP on awscrt, which trusts the server of a test."""

from __future__ import annotations

from typing import Any

from awscrt.io import ClientTlsContext, TlsContextOptions
from smithy_http.aio.crt import AWSCRTHTTPClient


def trusting(ca_file: str) -> AWSCRTHTTPClient:
    """Return a client that trusts a CA. Theirs has no option for that, and is copied wherever it is given."""

    class LocalHTTPClient(AWSCRTHTTPClient):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            trust = TlsContextOptions()
            trust.override_default_trust_store_from_path(None, ca_file)
            self._tls_ctx = ClientTlsContext(trust)

        def __deepcopy__(self, memo: object) -> LocalHTTPClient:
            return LocalHTTPClient(eventloop=self._eventloop, client_config=self._config)

    return LocalHTTPClient()
