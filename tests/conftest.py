"""One suite for both implementations: a test that takes the fixture `codec` runs over each of them."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import re
import signal
import socket
from typing import TYPE_CHECKING

import hypothesis
import pytest

import eventstream

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path
    from types import ModuleType

# A shell's background job ignores SIGINT, and so would every program that a test starts and then interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What AWS's tools are told on this machine is not for the tests; a CA bundle costs each client of theirs 50 ms, too.
for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
    os.environ[name] = os.path.join(os.devnull, "none")

hypothesis.settings.register_profile("default", max_examples=50, deadline=None)
hypothesis.settings.register_profile("brisk", max_examples=25, deadline=None)  # for `make test`
hypothesis.settings.register_profile("quick", max_examples=5, deadline=None)  # for emulated CPUs
hypothesis.settings.register_profile("thorough", max_examples=2_000, deadline=None)
hypothesis.settings.register_profile("traced", max_examples=10, deadline=None, derandomize=True)
hypothesis.settings.load_profile(os.environ.get("EVENTSTREAM_HYPOTHESIS", "default"))


def implementations() -> dict[str, ModuleType]:
    """Return those to be tested, by name. The native one is left out if it was not built, or is not to be used.

    With EVENTSTREAM_TESTED=native the reference is left out, which then has a run of its own. Tests that compare both
    have it in any case.
    """
    found = {}
    if os.environ.get("EVENTSTREAM_PURE_PYTHON", "0") in ("", "0"):
        with contextlib.suppress(ImportError):
            found["native"] = importlib.import_module("eventstream._native")
    if not found or os.environ.get("EVENTSTREAM_TESTED") != "native":
        found["reference"] = importlib.import_module("eventstream._reference")
    return found


IMPLEMENTATIONS = implementations()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that wait: one process waits while the others compute, and none waits alone at the end."""
    items.sort(key=lambda item: item.get_closest_marker("waits") is None)


def leave_out() -> None:
    """Leave all that there is out of the garbage collector, which would go through it again and again."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Leave out the tests themselves, which are 200,000 objects."""
    gc.disable()
    try:
        return (yield)
    finally:
        leave_out()
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Leave out what a module of tests has imported and cached."""
    if nextitem is not None and nextitem.path != item.path:
        leave_out()


def pytest_report_header() -> str:
    return f"eventstream: {eventstream.implementation} in use; tested: {', '.join(IMPLEMENTATIONS)}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes `kernel` over every CRC kernel that this CPU can run."""
    if "kernel" in metafunc.fixturenames:
        native = IMPLEMENTATIONS.get("native")
        nothing = pytest.param("", marks=pytest.mark.skip("the native implementation is not tested here"), id="none")
        metafunc.parametrize("kernel", native._crc32_kernels() if native else [nothing])


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Call a case by its argument, which pytest numbers, where it is bytes that are not plain text.

    Such bytes are often made when the tests are collected. gzip puts the time into them, and then two processes of
    pytest-xdist collect different names.
    """
    is_binary = isinstance(val, bytes) and not (val.isascii() and val.decode().isprintable())
    return argname if is_binary else None


@pytest.hookimpl(wrapper=True)
def pytest_pycollect_makeitem(collector: pytest.Collector) -> Generator[None, object, object]:
    """Refuse a name with an address, which is another one in each process."""
    found = yield
    for item in found if isinstance(found, list) else []:
        if re.search("0x[0-9a-f]{6,}", item.name):
            raise collector.CollectError(f"the name holds an address, give the case an id: {item.name}")
    return found


@pytest.fixture(scope="session", params=IMPLEMENTATIONS)
def codec(request: pytest.FixtureRequest) -> ModuleType:
    """One implementation: encode, encode_into, decode, Decoder, Headers, Message."""
    return IMPLEMENTATIONS[request.param]


@pytest.fixture(scope="session")
def native() -> ModuleType:
    """Return the native implementation; the test is skipped where there is none."""
    if "native" not in IMPLEMENTATIONS:
        pytest.skip("the native implementation is not tested here")
    return IMPLEMENTATIONS["native"]


@pytest.fixture(scope="session")
def reference() -> ModuleType:
    return importlib.import_module("eventstream._reference")


@pytest.fixture
def first_capacities(codec: ModuleType) -> Iterator[Iterator[int]]:
    """Over these, a decoder's buffer is that large at first. The reference leaves that to its `bytearray`."""
    set_first_capacity = getattr(codec, "_set_first_capacity", None)

    def each() -> Iterator[int]:
        for capacity in (1, 13, 256) if set_first_capacity else (0,):
            if set_first_capacity:
                set_first_capacity(capacity)
            yield capacity

    yield each()
    if set_first_capacity:
        set_first_capacity(256)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a certificate of localhost that signs itself, and its key, in one file."""
    pytest.importorskip("trustme")
    from certificates import write_certificate  # here: the tests of the codec do without trustme

    path: Path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    write_certificate(path)
    return path


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Yield a port of 127.0.0.1 on which nobody listens. It is taken, so that nobody else begins to."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]
