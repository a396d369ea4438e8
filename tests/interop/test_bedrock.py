"""AWS's own clients of Bedrock against the server of ``examples/bedrock.py``, over TLS, with every signature verified.

They are installed and run only if they are asked for, with ``EVENTSTREAM_INTEROP=1``.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trustme")

from eventstream import sync
from eventstream.server import Server
from eventstream.signing import Credentials
from eventstream.transcribe.emulator.certificate import make_certificate, server_context

if not os.environ.get("EVENTSTREAM_INTEROP"):
    pytest.skip("clients that are not ours run with EVENTSTREAM_INTEROP=1", allow_module_level=True)

KEYS = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
MODEL = "amazon.nova-2-sonic-v1:0"
TEXTS = ("hello", "again", "x" * 20_000)


def example() -> Any:
    path = Path(__file__).parents[2] / "examples/bedrock.py"
    spec = importlib.util.spec_from_file_location("bedrock_example", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def serving(ca_file: Path, handler: Any = None, **options: Any) -> AbstractContextManager[Server]:
    """Return the example's server, in a thread of its own."""
    bedrock = example()
    certificate = make_certificate()
    ca_file.write_bytes(certificate.authority)
    server = Server(
        {bedrock.INVOKE: handler or bedrock.echo},
        credentials=[Credentials(*KEYS)],
        ssl=server_context(certificate),
        **options,
    )
    return sync.serving(server)


def test_texts_are_answered_and_all_signatures_verified(converse: Callable[..., list[str]], tmp_path: Path) -> None:
    with serving(tmp_path / "ca.pem") as server:
        answers = converse(server.endpoint, tmp_path / "ca.pem", *KEYS, MODEL, *TEXTS)
        assert answers == [f"{MODEL}: {text}" for text in TEXTS]
        assert server.statistics.signatures == 1 + len(TEXTS) + 1  # the request, events, the end
        assert (server.statistics.refused, server.statistics.failed) == (0, 0)


def test_wrong_keys_are_refused(converse: Callable[..., list[str]], tmp_path: Path) -> None:
    with serving(tmp_path / "ca.pem") as server:
        answers = converse(server.endpoint, tmp_path / "ca.pem", KEYS[0], "not the key", MODEL, *TEXTS)
        assert re.search("signature does not match|InvalidSignatureException", "".join(answers))
        assert (server.statistics.refused, server.statistics.streams) == (1, 0)


def test_exception_in_the_stream_is_the_clients_own(converse: Callable[..., list[str]], tmp_path: Path) -> None:
    with serving(tmp_path / "ca.pem", faults=["exception:modelStreamErrorException@2"]) as server:
        answers = converse(server.endpoint, tmp_path / "ca.pem", *KEYS, MODEL, *TEXTS)
        assert answers[0] == f"{MODEL}: hello"
        assert "was asked for this exception" in "".join(answers[1:])
