"""A conversation with Bedrock on boto3's clients, by our adapter, beside AWS's own Python client: code and time.

Both run the program of their name in ``benchmarks/bedrock`` against our server, over TLS, all signatures verified. The
time is that of the program's process with all its threads: what one more event costs, in each direction. Lines are
those of the function `converse` that have code, which does the same in both.
"""

from __future__ import annotations

import ast
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from eventstream import sync
from eventstream.adapters._serving import operation
from eventstream.server import Server
from eventstream.signing import Credentials
from eventstream.transcribe.emulator.certificate import make_certificate, server_context
from tests.interop.conftest import CLIENTS, DRIVERS

PROGRAMS = Path(__file__).parent / "bedrock"
KEYS = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
AUDIO = bytes(range(256)) * 4


async def answer(request: dict[str, Any], events: AsyncIterator[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
    """Answer the last event, which says how often."""
    last = b"0"
    async for event in events:
        last = event["chunk"]["bytes"]
    for _ in range(int(last)):
        yield {"chunk": {"bytes": AUDIO}}


def lines_of(program: Path) -> int:
    """Return the lines with code of the function `converse`."""
    [function] = [
        node
        for node in ast.walk(ast.parse(program.read_text("utf-8")))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == "converse"
    ]
    assert function.end_lineno is not None
    return function.end_lineno - function.lineno + 1


def seconds_of(command: list[str], endpoint: str, ca_file: Path, sent: int, answers: int) -> float:
    """Return the processor time of a conversation."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [*command, endpoint, str(ca_file), *KEYS, str(sent), str(answers)],
        cwd=ca_file.parent,
        env={
            **environment,
            "HOME": str(ca_file.parent),
            "AWS_EC2_METADATA_DISABLED": "true",
            "PYTHONPATH": str(DRIVERS),  # has what makes AWS's client trust the server
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.stdout.strip() == str(answers * len(AUDIO)), done.stderr
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def compare(events: int, rounds: int) -> None:
    """Print the comparison.

    Args:
        events: of a conversation, one way.
        rounds: of each, of which the median counts.
    """
    [theirs] = [client for client in CLIENTS if str(client) == "aws-sdk-python"]
    commands = {
        "boto3 with our adapter": [sys.executable, str(PROGRAMS / "boto3_methods.py")],
        theirs.name: [*replace(theirs, driver="").command[:-1], str(PROGRAMS / "aws_sdk.py")],
    }
    certificate = make_certificate()
    served = Server(
        {operation("bedrock-runtime", "InvokeModelWithBidirectionalStream"): answer},
        credentials=[Credentials(*KEYS)],
        ssl=server_context(certificate),
    )
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as directory, sync.serving(served) as server:
        ca_file = Path(directory) / "ca.pem"
        ca_file.write_bytes(certificate.authority)
        for _ in range(rounds):
            for name, command in commands.items():
                none, sent, answered = (
                    seconds_of(command, server.endpoint, ca_file, *counts)
                    for counts in ((events // 10, events // 10), (events, events // 10), (events // 10, events))
                )
                more = events - events // 10
                times[name].append((1e6 * (sent - none) / more, 1e6 * (answered - none) / more))
    print("| client | lines of code | an event sent | an event received |\n|---|--:|--:|--:|")
    for name, command in commands.items():
        sent, received = (statistics.median(each) for each in zip(*times[name], strict=True))
        print(f"| {name} | {lines_of(Path(command[-1]))} | {sent:.0f} µs | {received:.0f} µs |")
