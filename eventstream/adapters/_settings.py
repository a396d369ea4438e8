"""The configuration of a botocore client, for connections that are not botocore's."""

from __future__ import annotations

import ssl
from functools import cached_property
from os.path import isdir
from typing import Any

from botocore.exceptions import InvalidProxiesConfigError
from botocore.httpsession import ProxyConfiguration, get_cert_path
from botocore.utils import get_environ_proxies

from eventstream.proxy import Proxy

__all__ = ["Settings"]


class Settings:
    """The configuration of a client: how it reaches and trusts its endpoint.

    Args:
        config: the client's ``Config``.
        verify: whether and with which certificates the endpoint is trusted, as in boto3's ``client(verify=)``.
    """

    def __init__(self, config: Any, verify: bool | str | None) -> None:
        self._config = config
        self._verify = True if verify is None else verify
        self.connect_timeout: float | None = config.connect_timeout
        self.read_timeout: float | None = config.read_timeout

    def proxy_url(self, url: str) -> str | None:
        """Return the proxy through which a URL is reached: that of the ``Config``, or else of the environment."""
        proxies = self._config.proxies
        if proxies is None:
            proxies = get_environ_proxies(url)
        found: str | None = ProxyConfiguration(proxies, self._config.proxies_config).proxy_url_for(url)
        return found

    def proxy(self, url: str) -> Proxy | None:
        """Return the same, parsed.

        Raises:
            InvalidProxiesConfigError: it cannot be used.
        """
        proxy_url = self.proxy_url(url)
        try:
            return None if proxy_url is None else Proxy.parse(proxy_url)
        except ValueError as error:
            raise InvalidProxiesConfigError(error=error) from error

    @cached_property
    def ssl(self) -> ssl.SSLContext:
        """The certificates that are trusted, and the client's own.

        Raises:
            OSError: one of them cannot be read.
        """
        if not self._verify:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        else:
            path = get_cert_path(self._verify)
            context = ssl.create_default_context(**{"capath" if isdir(path) else "cafile": path})
        certificate = self._config.client_cert
        if certificate is not None:
            context.load_cert_chain(*((certificate,) if isinstance(certificate, str) else certificate))
        return context
