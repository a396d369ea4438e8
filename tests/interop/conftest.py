"""Clients that are not ours, each in an environment of its own, and emulators as processes for them.

Their environments are made under ``.cache/interop`` the first time, with locked versions of all packages. One is made
anew when what belongs in it has changed. Some clients are there twice: as they are, and with one of our adapters in
them, for which this package is built and installed beside them.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from environments import ROOT, install, made, make_node_modules

DRIVERS = Path(__file__).parent / "drivers"
REQUIREMENTS = ROOT / "requirements"
ENVIRONMENTS = ROOT / ".cache/interop"

CLIENT_TIMEOUT = 60
EMULATOR_TIMEOUT = 10

KEYS = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")


@dataclass(frozen=True)
class Client:
    """A client, its environment, and the driver that runs it; with an adapter, by the name of its module, in it."""

    name: str
    driver: str
    locked: Path
    tls: bool
    python: tuple[int, int] = (3, 10)
    adapter: str | None = None

    def __str__(self) -> str:
        return f"{self.name}+adapter" if self.adapter else self.name

    @property
    def directory(self) -> Path:
        return ENVIRONMENTS / str(self)

    @cached_property
    def command(self) -> list[str]:
        """How its driver is started, once its environment is made. Skips the test where there is nothing to run it."""
        make = _make_node_modules if self.driver.endswith(".mjs") else _make_venv
        return [*make(self), str(DRIVERS / self.driver)]

    def run(self, emulator: Emulator, *streams: dict[str, Any], **scenario: Any) -> list[Outcome]:
        """Return what became of each stream: see ``drivers/common.py``."""
        scenario = {"keys": KEYS, "streams": streams, "adapter": self.adapter, **scenario}
        # Nothing of this machine's may decide what it does: no credentials, no profile, no path to our package.
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
        process = subprocess.run(
            [*self.command, emulator.host, str(emulator.port), str(emulator.ca_file or ""), json.dumps(scenario)],
            cwd=self.directory,
            env={**environment, "HOME": str(self.directory), "AWS_EC2_METADATA_DISABLED": "true"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=CLIENT_TIMEOUT,
        )
        assert process.returncode == 0, process.stderr
        outcomes = [Outcome() for _ in streams]
        for line in map(json.loads, process.stdout.splitlines()):
            outcomes[line.pop("stream")].add(**line)
        return outcomes


@dataclass
class Outcome:
    """What a client made of a stream."""

    response: dict[str, Any] | None = None
    events: list[Any] = field(default_factory=list)
    error: str | None = None
    code: str | None = None
    message: str | None = None
    status: int | None = None
    ended: bool = False
    calls: dict[str, int] = field(default_factory=dict)
    count: int = 0

    def add(self, results: Any = None, end: bool = False, **line: Any) -> None:
        assert not self.ended
        assert self.error is None
        if results is not None:
            self.events.append(results)
        self.ended = end
        for name, value in line.items():
            setattr(self, name, value)


CLIENTS = [
    Client("amazon-transcribe", "amazon_transcribe_client.py", REQUIREMENTS / "client-amazon-transcribe.txt", tls=True),
    Client("capo", "capo_client.py", REQUIREMENTS / "client-capo.txt", tls=False),
    Client("aws-sdk-python", "aws_sdk_client.py", REQUIREMENTS / "client-aws-sdk.txt", tls=True, python=(3, 12)),
    Client("aws-sdk-js", "aws_sdk_js_client.mjs", DRIVERS / "package-lock.json", tls=False),
]
CLIENTS += [
    replace(client, adapter=adapter)
    for client in CLIENTS
    for name, adapter in (("amazon-transcribe", "amazon_transcribe"), ("aws-sdk-python", "smithy"))
    if client.name == name
]


@pytest.fixture(scope="session", params=CLIENTS, ids=str)
def client(request: pytest.FixtureRequest) -> Client:
    """Each client in turn, its environment made."""
    client: Client = request.param
    assert client.command
    return client


@pytest.fixture(scope="session", params=[client for client in CLIENTS if client.name == "amazon-transcribe"], ids=str)
def amazon_transcribe(request: pytest.FixtureRequest) -> Client:
    """Return the one whose keys can be changed between the request and the events."""
    client: Client = request.param
    return client


@pytest.fixture(scope="session")
def aws_sdk_python() -> Client:
    """AWS's Python client, its environment made."""
    [client] = [client for client in CLIENTS if str(client) == "aws-sdk-python"]
    assert client.command
    return client


@pytest.fixture(
    scope="session", params=[client for client in CLIENTS if client.name in ("aws-sdk-python", "aws-sdk-js")], ids=str
)
def aws_sdk(request: pytest.FixtureRequest) -> Client:
    """Each of AWS's own clients, which know all operations; its environment made."""
    client: Client = request.param
    assert client.command
    return client


BEDROCK = {"aws-sdk-python": "aws_sdk_bedrock.py", "aws-sdk-js": "aws_sdk_js_bedrock.mjs"}
"""The drivers of AWS's clients of Bedrock, which are in the environments of those of Transcribe."""

STREAMS = {"aws-sdk-python": "aws_sdk_streams.py", "aws-sdk-js": "aws_sdk_js_streams.mjs"}
"""The drivers of AWS's clients of all services that stream both ways, in the same environments."""


def _runner(client: Client) -> Callable[..., list[str]]:
    """Return what runs a driver: given an endpoint, a CA file and further arguments, the lines that it printed."""
    command = client.command

    def run(endpoint: str, ca_file: Path, *arguments: str | Path) -> list[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
        environment |= {"HOME": str(client.directory), "AWS_EC2_METADATA_DISABLED": "true"}
        process = subprocess.run(
            [*command, endpoint, str(ca_file), *map(str, arguments)],
            cwd=client.directory,
            env={**environment, "NODE_EXTRA_CA_CERTS": str(ca_file)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=CLIENT_TIMEOUT,
        )
        assert process.returncode == 0, process.stderr
        return process.stdout.splitlines()

    return run


def _with_drivers(drivers: dict[str, str]) -> list[Client]:
    return [
        replace(client, driver=drivers[client.name])
        for client in CLIENTS
        if client.name in drivers and not client.adapter
    ]


@pytest.fixture(scope="session", params=_with_drivers(BEDROCK), ids=str)
def converse(request: pytest.FixtureRequest) -> Callable[..., list[str]]:
    """Run one of AWS's clients of Bedrock: given an endpoint, a CA file, keys, a model and texts, what it printed."""
    return _runner(request.param)


@pytest.fixture(scope="session", params=_with_drivers(STREAMS), ids=str)
def streams(request: pytest.FixtureRequest) -> Callable[..., list[dict[str, Any]]]:
    """Run AWS's clients in one language: given an endpoint, a CA file, keys and a file, what became of its streams."""
    run = _runner(request.param)
    return lambda *arguments: [{"client": request.param.name, **json.loads(line)} for line in run(*arguments)]


@pytest.fixture(scope="session", params=[client for client in CLIENTS if client.adapter], ids=str)
def adapted(request: pytest.FixtureRequest) -> Client:
    """Each client with an adapter in it."""
    client: Client = request.param
    assert client.command
    return client


# Environments


def _make_venv(client: Client) -> list[str]:
    python = _find_python(client.python)
    if python is None:
        pytest.skip(f"{client.name} needs Python {'.'.join(map(str, client.python))} or newer")
    command = [str(client.directory / ("Scripts" if os.name == "nt" else "bin") / "python")]
    ours = [str(ROOT)] if client.adapter else []
    with made(client.directory, client.locked, python, *([_digest()] if ours else [])) as to_be_made:
        if to_be_made:
            install(python, "-m", "venv", str(client.directory), cwd=client.directory)
            pip = (*command, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation")
            for locked in (REQUIREMENTS / "pip.txt", REQUIREMENTS / "build.txt", client.locked):
                install(*pip, "--require-hashes", "--requirement", str(locked), cwd=client.directory)
            if ours:
                install(*pip, *ours, cwd=client.directory)
    return command


def _digest() -> str:
    """Of all that this package is built from."""
    digest = hashlib.sha256()
    suffixes = {".py", ".pyx", ".pxd", ".c", ".h"}
    sources = (path for path in (ROOT / "eventstream").rglob("*") if path.suffix in suffixes)
    for path in (ROOT / "setup.py", ROOT / "pyproject.toml", *sorted(sources)):
        if path.name != "_native.c":  # which is made of the others
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _find_python(minimum: tuple[int, int]) -> str | None:
    """Return this interpreter, or the newest one of PATH or pyenv that is new enough and can make environments."""
    if sys.version_info >= minimum:
        return os.path.realpath(sys.executable)  # not that of a virtual environment: others may make the next one
    pyenv = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    for minor in range(15, minimum[1] - 1, -1):
        for python in (f"python3.{minor}", *sorted(glob.glob(f"{pyenv}/versions/3.{minor}.*/bin/python3"))):
            with contextlib.suppress(OSError):
                check = "import venv, ensurepip"
                if not subprocess.run([python, "-c", check], capture_output=True, check=False, timeout=60).returncode:
                    return python
    return None


def _make_node_modules(client: Client) -> list[str]:
    return [make_node_modules(client.name, client.directory, client.locked)]


# Emulators


@dataclass(frozen=True)
class Emulator:
    """Where one listens."""

    host: str
    port: int
    ca_file: Path | None


@contextlib.contextmanager
def run_emulator(directory: Path, client: Client, *options: str) -> Iterator[Emulator]:
    """Yield an emulator for a client; its files are in the directory. It must end without errors."""
    ca_file = directory / "ca.pem" if client.tls else None
    tls = [] if ca_file is None else ["--tls", str(ca_file)]
    with (directory / "log").open("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "eventstream.transcribe.emulator", "--quiet", "--grace", "1", *tls, *options],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        assert process.stdout is not None
        try:
            address = urlsplit(process.stdout.readline().strip())
            assert address.hostname and address.port, (directory / "log").read_text()  # noqa: PT018
            yield Emulator(address.hostname, address.port, ca_file)
            process.terminate()
            assert process.wait(EMULATOR_TIMEOUT) == 0
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
    assert (directory / "log").read_text() == ""


@pytest.fixture(scope="session")
def emulator_for(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., AbstractContextManager[Emulator]]:
    """Run an emulator for a client, with further options: a context manager."""

    def run(client: Client, *options: str) -> AbstractContextManager[Emulator]:
        return run_emulator(tmp_path_factory.mktemp("emulator"), client, *options)

    return run


@pytest.fixture(scope="session")
def emulator(client: Client, emulator_for: Callable[..., AbstractContextManager[Emulator]]) -> Iterator[Emulator]:
    """Yield an emulator that behaves well."""
    with emulator_for(client) as running:
        yield running
