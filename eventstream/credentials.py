"""Where a client's credentials come from: given ones, botocore's objects, functions, or botocore's own chain."""

from __future__ import annotations

import importlib
import inspect
import os
import threading
from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from types import NoneType
from typing import TYPE_CHECKING, Any, Protocol

from eventstream._text import escaped, quote
from eventstream._waiting import in_thread, is_coroutine_function
from eventstream.signing import Credentials

if TYPE_CHECKING:
    from typing import TypeAlias

__all__ = ["ConfigurationError", "CredentialChain", "NoCredentials", "NoRegion", "Source", "check_source", "resolve"]


MAX_REASON = 1_000
"""Characters of botocore's reason in an error."""


class ConfigurationError(ValueError):
    """The region, the endpoint, the CA bundle or the credentials are missing, or cannot be used."""


class NoRegion(ConfigurationError):
    """No region was given, and none was found where AWS's tools look for it."""


class NoCredentials(ConfigurationError):
    """No credentials were given, and none were found where AWS's tools look for them."""


class KeyPair(Protocol):
    """Credentials of botocore, boto3 or aiobotocore, frozen or not."""

    access_key: Any
    secret_key: Any
    token: Any


Found: TypeAlias = "Credentials | KeyPair | None"
Source: TypeAlias = "Credentials | KeyPair | Callable[[], Found | Awaitable[Found]]"
"""What `resolve` takes."""


async def resolve(source: Source) -> Credentials:
    """Return the credentials that a source has now.

    Args:
        source: `Credentials`; a credentials object of botocore, boto3 or aiobotocore, which refreshes itself; or a
            function that returns either, which is called in a thread, or a coroutine function.

    Raises:
        NoCredentials: the source has none.
        TypeError: it is another object, or returned something else.
    """
    if isinstance(source, Credentials):
        return source
    found: Any = source
    if callable(freeze := getattr(source, "get_frozen_credentials", None)):
        found = await _call(freeze)
    elif callable(source):
        found = await _call(source)
        if callable(freeze := getattr(found, "get_frozen_credentials", None)):
            found = await _call(freeze)
    if found is None:
        raise NoCredentials("the source of credentials returned none")
    return found if isinstance(found, Credentials) else _converted(found)


async def _call(function: Callable[[], Any]) -> Any:
    """Call it where it may block, or await it."""
    if is_coroutine_function(function):
        return await function()
    result = await in_thread(function)
    return await result if inspect.isawaitable(result) else result


def check_source(source: object) -> None:
    """Check that `resolve` takes this source.

    Raises:
        TypeError: it is something else.
    """
    if not (
        isinstance(source, Credentials)
        or callable(source)
        or callable(getattr(source, "get_frozen_credentials", None))
        or hasattr(source, "access_key")
    ):
        what = type(source).__name__
        raise TypeError(f"credentials must be Credentials, botocore's, or a function that returns them, not {what}")


def _reason(error: Exception) -> str:
    """Return botocore's own words, e.g. what a ``credential_process`` wrote: only they say what the user has to do."""
    return escaped(str(error), MAX_REASON)


def _converted(found: Any) -> Credentials:
    try:
        return Credentials(found.access_key, found.secret_key, found.token)
    except AttributeError:
        raise TypeError(f"a source of credentials returned a {type(found).__name__}") from None


def _configuration_files() -> list[str]:
    """Return where AWS's tools look for profiles."""
    files = {"AWS_CONFIG_FILE": "~/.aws/config", "AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials"}
    return [os.path.expanduser(os.environ.get(name) or default) for name, default in files.items()]


class CredentialChain:
    """botocore's chain: the environment, profiles, SSO, containers, instance roles. It blocks; threads may share it.

    Args:
        profile: the name of a profile; None: that of the environment, or the default one.
    """

    def __init__(self, profile: str | None = None) -> None:
        self._profile = profile
        self._session: Any = None
        self._settings: tuple[Mapping[str, Any], Mapping[str, Any]] | None = None
        # Two locks, as the credentials may take as long as a login: nobody who only reads the files waits for them.
        self._reading = threading.Lock()
        self._fetching = threading.Lock()

    @property
    def _named(self) -> str:
        name = self._profile or os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE")
        return "the default profile" if name is None else f"the profile {quote(name)}"

    def _read(self) -> Any:
        """Return botocore's session, which has read the files."""
        with self._reading:
            if self._session is None:
                # Imported here, as it takes longer than all the rest, and callers that bring credentials need not have
                # it. It would read the files when they are first needed, without a lock.
                session = importlib.import_module("botocore.session").Session(profile=self._profile)
                session.full_config  # noqa: B018
                self._session = session
            return self._session

    @cached_property
    def _error(self) -> type[Exception]:
        error: type[Exception] = importlib.import_module("botocore.exceptions").BotoCoreError
        return error

    def region(self) -> str | None:
        """Return the region of the profile.

        Raises:
            ConfigurationError: the profile cannot be read, or has no name there.
        """
        try:
            region = self._read().get_config_variable("region")
        except ImportError:
            return None
        except self._error as error:
            reason = _reason(error)
            raise ConfigurationError(f"no region was given, and {self._named} cannot be read: {reason}") from error
        if not isinstance(region, (str, NoneType)):  # a section of its own
            raise ConfigurationError(f"the region of {self._named} is {quote(str(region))}, and not a name")
        return region

    @property
    def has_settings(self) -> bool:
        """Whether `settings` returns without reading anything."""
        return self._settings is not None

    def settings(self) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Return the settings of the profile, and by service those of its ``services`` section. They are read once.

        It never waits for credentials. Both are empty if there is no configuration file, so that botocore is not
        imported, or botocore is not installed.

        Raises:
            ConfigurationError: the profile cannot be read, or names a section that does not exist.
        """
        if self._settings is None:
            self._settings = self._read_settings()
        return self._settings

    def _read_settings(self) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        if not any(map(os.path.exists, _configuration_files())):
            return {}, {}
        try:
            session = self._read()
            profile: Mapping[str, Any] = session.get_scoped_config()
            sections: Mapping[str, Any] = session.full_config.get("services", {})
        except ImportError:
            return {}, {}
        except self._error as error:
            raise ConfigurationError(f"{self._named} cannot be read: {_reason(error)}") from error
        name = profile.get("services")
        if name is None:
            return profile, {}
        if not isinstance(name, str) or name not in sections:
            raise ConfigurationError(
                f"{self._named} names the services section {quote(str(name))}, which does not exist"
            )
        return profile, sections[name]

    def __call__(self) -> Credentials:
        """Return the credentials as they are now; botocore keeps them, and refreshes them when they expire.

        Raises:
            NoCredentials: none were found, they could not be refreshed, or botocore is not installed.
        """
        try:
            session = self._read()
            with self._fetching:
                found = session.get_credentials()
                frozen = None if found is None else found.get_frozen_credentials()
            if frozen is not None:
                return Credentials(frozen.access_key, frozen.secret_key, frozen.token)
        except ImportError as error:
            raise NoCredentials(
                "no credentials were given, and finding some needs botocore: install eventstream-codec[client]"
            ) from error
        except Exception as error:  # anything, e.g. of a `credential_process` that is missing, or writes no JSON
            kind = "" if isinstance(error, self._error) else f"{type(error).__name__}: "
            what = f"botocore cannot get any with {self._named}: {kind}{_reason(error)}"
            raise NoCredentials(f"no credentials were given, and {what}") from error
        raise NoCredentials(
            "no credentials were given, and there are none in the environment, a profile or a role: set "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give a profile or credentials"
        )
