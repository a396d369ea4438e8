"""Where credentials come from: ours, botocore's, functions and coroutine functions."""

from __future__ import annotations

import asyncio
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace

import botocore.credentials
import botocore.session
import pytest
from cases import each

from eventstream.credentials import ConfigurationError, CredentialChain, NoCredentials, check_source, resolve
from eventstream.signing import Credentials

EXPECTED = Credentials("AKIDEXAMPLE", "secret", "token")
FROZEN = botocore.credentials.ReadOnlyCredentials("AKIDEXAMPLE", "secret", "token")
BOTOCORE = botocore.credentials.Credentials("AKIDEXAMPLE", "secret", "token")


async def coroutine():
    return EXPECTED


async def coroutine_of_botocore():
    return BOTOCORE


class AioCredentials:
    """As aiobotocore has them."""

    async def get_frozen_credentials(self):
        return FROZEN


class Callable:
    async def __call__(self):
        return EXPECTED


SOURCES = {
    "ours": EXPECTED,
    "botocore": BOTOCORE,
    "frozen": FROZEN,
    "aiobotocore": AioCredentials(),
    "function": lambda: EXPECTED,
    "function of botocore": lambda: BOTOCORE,
    "function of a coroutine": lambda: coroutine(),
    "coroutine function": coroutine,
    "coroutine function of botocore": coroutine_of_botocore,
    "callable": Callable(),
}


@each("source", SOURCES.values(), ids=SOURCES)
def test_resolve(source):
    check_source(source)
    assert asyncio.run(resolve(source)) == EXPECTED


def test_resolve_calls_a_function_in_a_thread():
    threads = []
    asyncio.run(resolve(lambda: threads.append(threading.get_ident()) or EXPECTED))
    assert threads != [threading.get_ident()]


def test_resolve_of_a_function_with_nothing_left():
    with pytest.raises(RuntimeError, match="raised StopIteration"):
        asyncio.run(asyncio.wait_for(resolve(partial(next, iter([]))), 5))


def test_resolve_of_nothing():
    with pytest.raises(NoCredentials, match="the source of credentials returned none"):
        asyncio.run(resolve(lambda: None))


def test_resolve_of_something_else():
    with pytest.raises(TypeError, match="returned a str"):
        asyncio.run(resolve(lambda: "secret"))
    for source in ("secret", 5, ("a", "b")):
        with pytest.raises(TypeError, match="credentials must be Credentials, botocore's, or a function"):
            check_source(source)


def test_credentials_of_a_profile(monkeypatch, tmp_path):
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "config").write_text("[profile speech]\nregion = eu-west-1\n")
    (tmp_path / "credentials").write_text("[speech]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = secret\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    chain = CredentialChain("speech")
    assert chain() == Credentials("AKIDEXAMPLE", "secret")
    assert chain.region() == "eu-west-1"
    with pytest.raises(
        NoCredentials, match=r"^no .*, and botocore cannot get any with the profile 'missing': "
    ) as raised:
        CredentialChain("missing")()
    assert str(raised.value).endswith(f": {raised.value.__cause__}")
    with pytest.raises(
        ConfigurationError, match=r"^no region was given, and the profile 'missing' cannot be read: "
    ) as raised:
        CredentialChain("missing").region()
    assert str(raised.value).endswith(f": {raised.value.__cause__}")


def test_credentials_of_a_process_that_fails(monkeypatch, tmp_path):
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    script = tmp_path / "fail.py"
    script.write_text("import sys\nsys.exit('log in at\\nthe desk')\n")
    (tmp_path / "config").write_text(f"[profile work]\ncredential_process = {sys.executable} {script}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(NoCredentials, match=r"^no .* with the profile 'work': .*log in at\\nthe desk"):
        CredentialChain("work")()


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("hidden", "JSONDecodeError: Expecting value"),
        ("[]", "AttributeError: "),
        ('{"Version": 1, "AccessKeyId": 1, "SecretAccessKey": "hidden"}', "TypeError: access_key must be a str"),
        (
            '{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "hidden", "Expiration": "2001-01-01T00:00:00Z"}',
            "RuntimeError: Credentials were refreshed, but the refreshed credentials are still expired",
        ),
    ],
    ids=["text", "array", "number", "expired"],
)
def test_credentials_of_a_process_that_writes_something_else(monkeypatch, tmp_path, written, reason):
    """All kinds of errors come from botocore then. What was written may be secret."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    script = tmp_path / "write.py"
    script.write_text(f"print({written!r})")
    (tmp_path / "config").write_text(f"[profile work]\ncredential_process = {sys.executable} {script}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(NoCredentials, match=f"^no .* with the profile 'work': {reason}") as raised:
        CredentialChain("work")()
    assert "hidden" not in "".join(traceback.format_exception(raised.value))


def test_secrets_are_not_shown():
    with pytest.raises(TypeError) as raised:
        asyncio.run(resolve(lambda: SimpleNamespace(access_key="AKIDEXAMPLE", secret_key="hidden")))
    assert "hidden" not in str(raised.value)


def test_settings_do_not_wait_for_credentials(monkeypatch, tmp_path):
    """Fetching credentials may take as long as a login; reading the files never waits for it."""
    (tmp_path / "config").write_text("[default]\nendpoint_url = http://profile\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    begun, read = threading.Event(), threading.Event()

    def get_credentials(session):
        begun.set()
        return BOTOCORE if read.wait(10) else None

    monkeypatch.setattr(botocore.session.Session, "get_credentials", get_credentials)
    chain = CredentialChain("default")
    with ThreadPoolExecutor() as pool:
        fetching = pool.submit(chain)
        assert begun.wait(10)
        assert not chain.has_settings
        assert chain.settings()[0]["endpoint_url"] == "http://profile"
        assert chain.has_settings
        chain.region()
        read.set()
        assert fetching.result(10) == EXPECTED


def test_settings_that_are_sections(monkeypatch, tmp_path):
    """They are a dict of botocore."""
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    (tmp_path / "config").write_text("[profile work]\nregion =\n  a = b\nservices =\n  c = d\n[services s]\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    chain = CredentialChain("work")
    with pytest.raises(
        ConfigurationError, match=r"^the region of the profile 'work' is \"{'a': 'b'}\", and not a name$"
    ):
        chain.region()
    with pytest.raises(
        ConfigurationError, match=r"^the profile 'work' names the services section \"{'c': 'd'}\", which"
    ):
        chain.settings()


def test_settings_are_read_once(monkeypatch, tmp_path):
    (tmp_path / "config").write_text("[default]\nendpoint_url = http://profile\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    chain = CredentialChain("default")
    settings = chain.settings()
    (tmp_path / "config").unlink()
    assert chain.settings() is settings
