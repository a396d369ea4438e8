"""The settings of a client, from arguments or the environment. Those it cannot use are a `ConfigurationError`."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from eventstream import _partitions
from eventstream._text import quote, visible
from eventstream._waiting import is_coroutine_function
from eventstream.credentials import ConfigurationError
from eventstream.proxy import Proxy, from_environment
from eventstream.transport import Endpoint, Transport, over_http2, over_websocket

if TYPE_CHECKING:
    from eventstream.credentials import CredentialChain
    from eventstream.operation import Operation


def environment(*names: str) -> str | None:
    """Return the first of the variables that is set, and not empty."""
    return next((value for name in names if (value := os.environ.get(name))), None)


def check_region(region: str) -> None:
    """Check the region, also where an endpoint is given and it is only signed.

    Raises:
        ConfigurationError: it cannot be one, e.g. it has upper-case letters.
    """
    try:
        _partitions.check_region(region)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None


def check_seconds(name: str, seconds: object) -> None:
    """Check the seconds of an argument, which are more than 0, or None for no bound.

    Raises:
        ConfigurationError: they are not.
    """
    if seconds is not None and not (isinstance(seconds, (int, float)) and seconds > 0):
        raise ConfigurationError(f"{name} must be more than 0 seconds, or None for no bound, not {seconds!r}")


def check_retries(retries: object) -> None:
    """Check a number of retries.

    Raises:
        ConfigurationError: it is not an int of 0 or more.
    """
    if not isinstance(retries, int) or retries < 0:
        raise ConfigurationError(f"retries must be an int that is not negative, not {retries!r}")


def check_callback(name: str, function: object) -> None:
    """Check that what is called back, and not awaited, is a plain function, or None.

    A coroutine is always true, and does nothing.

    Raises:
        TypeError: it is something else.
    """
    if function is None:
        return
    if not callable(function):
        raise TypeError(f"{name} must be a function, not {type(function).__name__}")
    if is_coroutine_function(function):
        raise TypeError(f"{name} must be a plain function, not a coroutine function: it is not awaited")


def endpoint_of(operation: Operation[Any, Any, Any, Any], region: str, chain: CredentialChain) -> str:
    """Return the URL at which an operation is called in a region, where none is given.

    It is found where botocore finds it: ``AWS_ENDPOINT_URL_`` and the service, ``AWS_ENDPOINT_URL``, the same for the
    service or for all in the profile; otherwise it is the service's own, with FIPS or IPv6 if that is set.

    Raises:
        ConfigurationError: the profile cannot be read, or no endpoint is known, e.g. none with FIPS.
    """
    service = operation.service.replace("-", "_").replace(" ", "_")
    profile, services = chain.settings()
    if not _is_set("ignore_configured_endpoint_urls", profile):
        of_service = services.get(service.lower())
        found = (
            environment(f"AWS_ENDPOINT_URL_{service.upper()}", "AWS_ENDPOINT_URL")
            or (of_service.get("endpoint_url") if isinstance(of_service, Mapping) else None)
            or profile.get("endpoint_url")
        )
        if found:
            return str(found)
    fips = _is_set("use_fips_endpoint", profile)
    dualstack = _is_set("use_dualstack_endpoint", profile)
    try:
        return f"https://{operation.host(region, fips=fips, dualstack=dualstack)}"
    except ValueError as error:
        switches = ["use_fips_endpoint"] * fips + ["use_dualstack_endpoint"] * dualstack
        verb = "is" if len(switches) == 1 else "are"
        reason = f"{' and '.join(switches)} {verb} set, and {error}" if switches else str(error)
        raise ConfigurationError(f"{reason}: give its URL as the endpoint") from None


def _is_set(name: str, profile: Mapping[str, Any]) -> bool:
    """Return whether a switch is on, in the environment or else in the profile; botocore knows only the word true."""
    value = os.environ.get(f"AWS_{name.upper()}", profile.get(name, ""))
    return str(value).lower() == "true"


def parse_endpoint(url: str) -> Endpoint:
    """Return the endpoint of a URL.

    Raises:
        ConfigurationError: it is not the URL of an endpoint.
    """
    if not isinstance(url, str):
        raise ConfigurationError(f"endpoint must be a URL as a str, or None, not {type(url).__name__}")
    try:
        return Endpoint.parse(url)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None


def endpoint_for(url: str, transport: Transport) -> Endpoint:
    """Return the endpoint of a URL, for a transport.

    Raises:
        ConfigurationError: it is not the URL of an endpoint, or begins with ws or wss, and the transport is HTTP/2.
    """
    endpoint = parse_endpoint(url)
    if transport is over_http2 and urlsplit(url).scheme in ("ws", "wss"):
        shown = quote(url)
        raise ConfigurationError(
            f'the endpoint {shown} takes WebSockets: set transport="websocket", or give one with http or https'
        )
    return endpoint


def transport_of(transport: Literal["http2", "websocket"] | Transport) -> Transport:
    """Return the transport that a client is told by name, or given.

    Raises:
        ConfigurationError: it is neither a known name nor a function.
    """
    if transport == "http2":
        return over_http2
    if transport == "websocket":
        return over_websocket
    if callable(transport):
        return transport
    raise ConfigurationError(f"unknown transport {transport!r}: expected 'http2', 'websocket' or a function")


def proxy_of(proxy: str | Literal[False] | None, endpoint: Endpoint | None = None) -> Proxy | None:
    """Return the proxy that a client is told, or finds in its environment for an endpoint; None: there is none.

    Raises:
        ConfigurationError: it is not the URL of a proxy that can be used.
    """
    if proxy and not isinstance(proxy, str):
        what = type(proxy).__name__  # its content may be passwords
        raise ConfigurationError(f"proxy must be the URL of one for all endpoints, None or False, not {what}")
    try:
        if proxy:
            return Proxy.parse(proxy)
        if endpoint is None or proxy is not None:
            return None
        return from_environment(endpoint.scheme, endpoint.host)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None


def ca_bundle_of(given: str | os.PathLike[str] | None) -> str | os.PathLike[str] | None:
    """Return the certificates that a client is told to trust, or finds in its environment; None: those of the system.

    Raises:
        ConfigurationError: it is not a path. boto3 takes False for no verification, of which there is none here.
    """
    if given is not None and not isinstance(given, (str, os.PathLike)):
        what = type(given).__name__
        raise ConfigurationError(f"ca_bundle must be the path of a file or directory, or None, not {what}")
    return given or environment("AWS_CA_BUNDLE")


def trust(ca_bundle: str | os.PathLike[str] | None) -> ssl.SSLContext:
    """Return a context that trusts the certificates of a file or directory; None: those of the system.

    Raises:
        ConfigurationError: the file or directory cannot be read, or holds no certificates.
    """
    if ca_bundle is None:
        return ssl.create_default_context()
    try:
        if os.path.isdir(ca_bundle):
            return ssl.create_default_context(capath=ca_bundle)
        return ssl.create_default_context(cafile=ca_bundle)
    except (OSError, ValueError) as error:  # the last for a name that no file can have
        reason = getattr(error, "strerror", error)
        if isinstance(error, ssl.SSLError):
            reason = "it holds no PEM certificates"
        name = visible(str(os.fspath(ca_bundle)))
        raise ConfigurationError(f"the CA bundle {name} cannot be used: {reason}") from error
