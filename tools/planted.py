"""Whether the checks that SECURITY.md names find a promise that is broken: ``python tools/planted.py [NAME ...]``.

Each fault breaks one promise, in a copy of the sources, with one change. The check must pass before, and fail after it.
``--quick`` leaves out those that take longer than 20 s, most of which build the native core anew; ``--list`` shows all.
Faults of memory, threads and references are planted by `planted_faults.sh`, which builds with sanitizers.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("eventstream", "tests", "tools", "benchmarks", "examples", "docs")

SANITIZED = {"Memory safety": "over-read", "Nothing leaks": "leak"}
"""Promises whose faults are patches in sanitize/faults, and one of those."""


@dataclass(frozen=True)
class Fault:
    """One change that breaks a promise.

    Attributes:
        name: for the command line.
        promise: the title of the row of SECURITY.md.
        path: the file that is changed.
        old, new: the text that is replaced; it must be there once.
        check: the arguments of Python.
        reference: the plain Python twin is checked, which needs no compiler.
    """

    name: str
    promise: str
    path: str
    old: str
    new: str
    check: tuple[str, ...]
    reference: bool = False

    @property
    def is_quick(self) -> bool:
        """Whether it needs neither the compiler nor a benchmark of the whole."""
        return not self.path.endswith(".pyx")


def tests(*arguments: str) -> tuple[str, ...]:
    return ("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *arguments)


FAULTS = [
    Fault(
        *("foreign-error", "Only documented errors", "eventstream/_reference.py"),
        "            raise InvalidHeaderText(self.header, self.name) from None\n",
        "            raise\n",
        tests("tests/test_decode.py", "-k", "reference and not_utf_8"),
        reference=True,
    ),
    Fault(
        *("impossible-frame", "One meaning", "eventstream/_reference.py"),
        "    if total_length < MIN_MESSAGE_LENGTH or headers_length > total_length - MIN_MESSAGE_LENGTH:\n",
        "    if total_length < MIN_MESSAGE_LENGTH or headers_length > total_length - PRELUDE_LENGTH:\n",
        tests("tests/test_decode.py", "-k", "headers_longer or lengths_crossed"),
    ),
    Fault(
        *("quadratic-names", "Linear time", "eventstream/_reference.py"),
        "        if name in headers:\n            raise DuplicateHeader",
        "        if name in list(headers):\n            raise DuplicateHeader",
        ("-m", "benchmarks.hostile", "--length=2048", "smallest headers"),
        reference=True,
    ),
    Fault(
        *("quadratic-names-native", "Linear time", "eventstream/_native.pyx"),
        "            if name in names:\n                raise DuplicateHeader(start",
        "            if name in list(names):\n                raise DuplicateHeader(start",
        ("-m", "benchmarks.hostile", "--length=4096", "smallest headers"),
    ),
    Fault(
        *("exact-buffer", "Linear time", "eventstream/_native.pyx"),
        "        cdef size_t capacity = max(needed + needed // 2, first_capacity)\n",
        "        cdef size_t capacity = max(needed, first_capacity)\n",
        tests("tests/test_decoder.py", "-k", "native and grows"),  # libc may resize in place, which takes no time
    ),
    Fault(
        *("endless-cache", "Bounded memory", "eventstream/_reference.py"),
        "            if len(self.blocks) == CACHED_BLOCKS:\n",
        "            if False:\n",
        tests("tests/test_decoder.py", "-k", "reference and cache"),
        reference=True,
    ),
    Fault(
        *("cut-is-an-end", "Nothing is lost", "eventstream/_reference.py"),
        "                error = self._truncation()\n",
        "                error = None\n",
        tests("tests/test_decoder.py", "-k", "reference and close"),
        reference=True,
    ),
    *(
        Fault(
            *(f"compare-{name}", "Signatures", f"eventstream/signing/{name}s.py"),
            "not hmac.compare_digest(expected, signature)",
            "expected != signature",
            tests(f"tests/signing/test_{name}s.py"),
        )
        for name in ("event", "request")
    ),
    Fault(
        *("compare-token", "Signatures", "eventstream/signing/_keys.py"),
        '        return hmac.compare_digest(encode_text(token or ""), encode_text(self.session_token or ""))\n',
        '        return (token or "") == (self.session_token or "")\n',
        tests("tests/signing/test_requests.py"),
    ),
    Fault(
        *("compare-token-of-refusal", "Signatures", "eventstream/server/refusals.py"),
        'account.has_token(fields.get("x-amz-security-token"))',
        'account.session_token == fields.get("x-amz-security-token")',
        tests("tests/server/test_refusals.py", "-k", "constant_time"),
    ),
    Fault(
        *("expired-url", "Signatures", "eventstream/signing/requests.py"),
        "        if late >= timedelta(0):\n",
        "        if late > max_clock_skew:\n",
        tests("tests/signing/test_requests.py", "-k", "presigned"),
    ),
    Fault(
        *("early-url", "Signatures", "eventstream/signing/requests.py"),
        "        if age < -max_clock_skew:\n",
        "        if False:\n",
        tests("tests/signing/test_requests.py", "-k", "presigned"),
    ),
    Fault(
        *("repeated-parameter", "Signatures", "eventstream/signing/requests.py"),
        "    twice = _repeated(name for name, _, raw in given if raw)\n",
        "    twice = None\n",
        tests("tests/signing/test_requests.py", "-k", "presigned"),
    ),
    Fault(
        *("last-host", "Signatures", "eventstream/signing/requests.py"),
        '    values = {name: ",".join(several) for name, several in lists.items()}\n',
        '    values = {n: several[-1] if n == "host" else ",".join(several) for n, several in lists.items()}\n',
        tests("tests/signing/test_requests.py"),
    ),
    Fault(
        *("first-date", "Signatures", "eventstream/signing/requests.py"),
        '    values = {name: ",".join(several) for name, several in lists.items()}\n',
        '    values = {n: several[0] if n == "x-amz-date" else ",".join(several) for n, several in lists.items()}\n',
        tests("tests/signing/test_requests.py"),
    ),
    Fault(
        *("upper-case-signature", "Signatures", "eventstream/signing/requests.py"),
        "(?P<signature>[0-9a-f]{64})",
        "(?P<signature>[0-9a-fA-F]{64})",
        tests("tests/signing/test_requests.py"),
    ),
    Fault(
        *("unsorted-headers", "Signatures", "eventstream/signing/requests.py"),
        "    if names != sorted(signed) or ",
        "    if ",
        tests("tests/signing/test_requests.py"),
    ),
    Fault(
        *("unicode-spaces", "Signatures", "eventstream/signing/requests.py"),
        '.append(_FOLDED.sub(" ", value).strip(" "))',
        '.append(" ".join(value.split()))',
        tests("tests/signing/test_requests.py"),
    ),
    Fault(
        *("malformed-request", "One stream's fault ends one stream", "eventstream/http2/_h2.py"),
        "            if self._decompressor.list_size is None or frame.stream_id not in self.streams:\n",
        "            if True:\n",
        tests("tests/http2/test_h2.py"),
    ),
    Fault(
        *("too-many-streams", "One stream's fault ends one stream", "eventstream/http2/_h2.py"),
        "        return min(super().open_inbound_streams, self.local_settings.max_concurrent_streams - 1)\n",
        "        return super().open_inbound_streams\n",
        tests("tests/http2/test_server.py"),
    ),
    Fault(
        *("large-headers", "One stream's fault ends one stream", "eventstream/http2/_h2.py"),
        "MAX_DECODED_HEADER_LIST_SIZE = 2 * MAX_HEADER_LIST_SIZE\n",
        "MAX_DECODED_HEADER_LIST_SIZE = MAX_HEADER_LIST_SIZE\n",
        tests("tests/http2/test_server.py"),
    ),
    Fault(
        *("window-of-zero", "One stream's fault ends one stream", "eventstream/http2/_h2.py"),
        "            elif kind in _OF_STREAMS and ",
        "            elif False and ",
        tests("tests/http2/test_h2.py"),
    ),
    Fault(
        *("body-length", "One stream's fault ends one stream", "eventstream/http2/flow.py"),
        "        if self._declared_length not in (None, self._length):\n",
        "        if False:\n",
        tests("tests/http2/test_h2.py"),
    ),
    Fault(
        *("wide-headers", "One stream's fault ends one stream", "eventstream/http2/_h2.py"),
        "MAX_HEADER_LIST_SIZE = 65_536\n",
        "MAX_HEADER_LIST_SIZE = 655_360\n",
        tests("tests/test_security.py"),
    ),
    Fault(
        *("generous-budget", "Fair under attack", "eventstream/http2/budget.py"),
        "RESETS = Budget(1_000, 33)\n",
        "RESETS = Budget(1_000, 330)\n",
        tests("tests/test_security.py"),
    ),
    Fault(
        *("endless-turn", "Fair under attack", "eventstream/http2/connection.py"),
        "FRAMES_PER_TURN = 64\n",
        "FRAMES_PER_TURN = 640\n",
        tests("tests/http2/test_connection.py", "-k", "turn"),
    ),
    Fault(
        *("many-headers", "Fair under attack", "eventstream/http2/_h2.py"),
        "MAX_HEADERS_AT_ONCE = 1_024\n",
        "MAX_HEADERS_AT_ONCE = 10_240\n",
        tests("tests/http2/test_connection.py", "-k", "turn"),
    ),
    Fault(
        *("large-reads", "Fair under attack", "eventstream/http2/connection.py"),
        "        self._buffer = memoryview(bytearray(READ_SIZE))\n",
        "        self._buffer = memoryview(bytearray(1 << 18))\n",
        tests("tests/http2/test_connection.py", "-k", "read_is_bounded"),
    ),
    Fault(
        *("free-resets", "Fair under attack", "eventstream/http2/_h2.py"),
        "        if self._receiving and self._resets is not None:\n",
        "        if False and self._resets is not None:\n",
        tests("tests/http2/test_connection.py", "-k", "budget"),
    ),
    Fault(
        *("free-frames", "Fair under attack", "eventstream/http2/_h2.py"),
        "            self._idle.take()\n",
        "            pass\n",
        tests("tests/http2/test_connection.py", "-k", "budget"),
    ),
    Fault(
        *("free-padding", "Fair under attack", "eventstream/http2/_h2.py"),
        "            if begin == end:  # all of it is padding\n",
        "            if False:\n",
        tests("tests/http2/test_connection.py", "-k", "budget_of_idle"),
    ),
    Fault(
        *("free-late-frames", "Fair under attack", "eventstream/http2/_h2.py"),
        "                if idle is not None:\n                    idle.take()\n                return [], []\n",
        "                return [], []\n",
        tests("tests/http2/test_connection.py", "-k", "stream_that_was_reset"),
    ),
    Fault(
        *("free-late-data", "Fair under attack", "eventstream/http2/_h2.py"),
        "                self._receive_late(frame.flow_controlled_length)\n",
        "                pass\n",
        tests("tests/http2/test_connection.py", "-k", "stream_that_was_reset"),
    ),
    Fault(
        *("free-dropped-data", "Fair under attack", "eventstream/http2/flow.py"),
        "            self.connection.drop(self.id)\n",
        "            pass\n",
        tests("tests/http2/test_connection.py", "-k", "data_that_is_dropped"),
    ),
    Fault(
        *("any-number-of-connections", "Fair under attack", "eventstream/http2/listener.py"),
        "            if bound is not None and (len(self._places) if of is None else self._by_network[of]) >= bound:\n",
        "            if False:\n",
        tests("tests/http2/test_listener.py"),
    ),
    Fault(
        *("places-given-twice", "Fair under attack", "eventstream/http2/listener.py"),
        "        if place in self._places:\n            self.resting[place] = None\n",
        "        self.resting[place] = None\n",
        tests("tests/http2/test_listener.py", "-k", "for_ever"),
    ),
    Fault(
        *("endless-failures-http2", "Fair under attack", "eventstream/http2/server.py"),
        'self._failures(logging.ERROR, "the handler of %s failed", what, exc_info=error)',
        '_log.error("the handler of %s failed", what, exc_info=error)',
        tests("tests/http2/test_server.py", "-k", "failures_of_handlers"),
    ),
    Fault(
        *("endless-failures-server", "Fair under attack", "eventstream/server/conversation.py"),
        'self._service.failures(logging.ERROR, "request %s: %s", self.request_id, what, exc_info=True)',
        'self._service.log.exception("request %s: %s", self.request_id, what)',
        tests("tests/server/test_conversation.py", "-k", "failures_of_handlers"),
    ),
    Fault(
        *("long-targets", "Fair under attack", "eventstream/operation.py"),
        "if len(target) <= MAX_TARGET else None",
        "if target else None",
        tests("tests/server/test_refusals.py", "-k", "too_long"),
    ),
    Fault(
        *("patient-refusals", "Fair under attack", "eventstream/server/conversation.py"),
        "            await self._send(body, _REFUSAL_TIMEOUT)",
        "            await self._send(body)",
        tests("tests/server/test_conversation.py", "-k", "refusal_that_is_not_taken"),
    ),
    Fault(
        *("endless-goodbye", "Fair under attack", "eventstream/http2/connection.py"),
        "        self._close_timer = self._loop.call_later(CLOSE_TIMEOUT, self._transport.abort)\n",
        "        self._close_timer = None\n",
        tests("tests/http2/test_connection.py", "-k", "goodbye"),
    ),
    Fault(
        *("remembered-streams", "Bounded memory of connections", "eventstream/http2/_h2.py"),
        "SizeLimitDict(size_limit=remembered)",
        "SizeLimitDict(size_limit=65_536)",
        tests("tests/http2/test_h2.py", "-k", "remembered"),
    ),
    Fault(
        *("early-tls", "Bounded memory of connections", "eventstream/http2/listener.py"),
        "                await _readable(accepted, self._handshake_timeout)\n",
        "                pass\n",
        tests("tests/http2/test_listener.py"),
    ),
    Fault(
        *("no-pause", "Bounded memory of connections", "eventstream/http2/listener.py"),
        "        if now < self._next:\n",
        "        if False:\n",
        tests("tests/http2/test_listener.py"),
    ),
    *(
        Fault(
            *(name, "WebSockets are bounded, too", f"eventstream/websocket/{module}.py"),
            old,
            new,
            tests(f"tests/websocket/test_{module}.py", "-k", check),
        )
        for name, module, old, new, check in (
            (
                *("free-pings", "connection"),
                "            self._idle.take()\n",
                "            pass\n",
                "carry_nothing and pongs",
            ),
            (
                *("free-dropped-frames", "connection"),
                "and frame.data and self._error is None\n",
                "and frame.data\n",
                "flood_of_text",
            ),
            ("free-frames-at-the-end", "connection", "if carries and not self._dropping:", "if carries:", "dropped"),
            (
                *("unread-pongs", "connection"),
                "            if self._unread > WINDOW:\n",
                "            if False:\n",
                "answers_are_not_read",
            ),
            ("unbounded-window", "connection", "len(self._received) >= WINDOW", "False", "unread_input"),
            ("any-frame", "server", "max_size=MAX_FRAME,", "max_size=None,", "not_take and large"),
            ("large-request", "server", "self._request_length > MAX_REQUEST", "False", "logged and large"),
            ("long-turn", "connection", "TURN_SIZE = 512\n", "TURN_SIZE = 16_384\n", "turn_is_bounded"),
            (
                *("early-frames", "server"),
                'TURN_SIZE if self._has_request else self._arrived.find(b"\\n", 0, TURN_SIZE) + 1 or TURN_SIZE',
                "TURN_SIZE",
                "request_is_answered or leaves_no_trace",
            ),
            (
                *("endless-failures", "server"),
                'self._failures(logging.ERROR, "the handler of %s failed", quote(socket.path), exc_info=True)',
                '_log.exception("the handler of %s failed", quote(socket.path))',
                "failures_of_handlers",
            ),
            (
                *("endless-request", "server"),
                "        self._set_timer(OPEN_TIMEOUT, ",
                "        self._set_timer(600, ",
                "without_a_request or request_that_is_none",
            ),
            (
                *("endless-close", "connection"),
                "        self._set_timer(CLOSE_TIMEOUT, ",
                "        self._set_timer(6, ",
                "never_closes",
            ),
            (
                *("deaf-sender", "connection"),
                "            self._check_sending()  # a connection that is lost stays paused\n",
                "            pass\n",
                "sender_that_waits",
            ),
        )
    ),
    Fault(
        *("any-number-of-values", "No event holds up the others", "eventstream/events.py"),
        "            if limit is not None and has_too_many_values(message.payload, limit):\n",
        "            if False:\n",
        tests("tests/test_structs.py"),
    ),
    Fault(
        *("any-number-in-an-error", "No event holds up the others", "eventstream/service_errors.py"),
        "    if has_too_many_values(body, MAX_JSON_VALUES):\n",
        "    if False:\n",
        tests("tests/test_service_errors.py"),
    ),
    Fault(
        *("long-timestamps", "No event holds up the others", "eventstream/adapters/_shapes.py"),
        "_MAX_TEXT = 64\n",
        "_MAX_TEXT = 64_000\n",
        tests("tests/adapters/test_shapes.py", "-k", "timestamp"),
    ),
    Fault(
        *("codec-with-sockets", "No reach", "eventstream/wire.py"),
        "from __future__ import annotations\n",
        "from __future__ import annotations\n\nimport socket\n",
        tests("tests/test_layers.py"),
    ),
    Fault(
        *("whole-paths", "No reach", "eventstream/events.py"),
        "at {unquoted(path)}",
        "at {path}",
        tests("tests/test_events.py", "-k", "paths_are_shown"),
    ),
    Fault(
        *("long-quotes", "No reach", "eventstream/_text.py"),
        "MAX_SHOWN = 64\n",
        "MAX_SHOWN = 640\n",
        tests("tests/test_text.py"),
    ),
    *(
        Fault(
            *(name, "The page is for one machine", "eventstream/transcribe/emulator/page/server.py"),
            old,
            new,
            tests("tests/transcribe/emulator/page/test_server.py"),
        )
        for name, old, new in (
            ("any-machine", 'if not _is_loopback(peer.partition("%")[0]):', "if False:"),
            ("any-origin", 'or values.get("origin", own) != own\n', "or False\n"),
            ("any-site", 'or values.get("sec-fetch-site", "same-origin") != "same-origin"\n', "or False\n"),
        )
    ),
    *(
        Fault(*(name, "Untrusted files", f"eventstream/cli/{module}.py"), old, new, tests(test, "-k", check))
        for name, module, old, new, test, check in (
            (
                "unpacked",
                "_inputs",
                "if size > _containers.MAX_UNPACKED:",
                "if False:",
                "tests/cli/test_inputs.py",
                "bounded",
            ),
            (
                "any-yaml",
                "_containers",
                '"CBaseLoader"',
                '"CSafeLoader"',
                "tests/cli/test_containers.py",
                "texts_bytes",
            ),
            (
                *("pipes-in-folders", "_inputs"),
                "if os.path.isfile(file) or not os.path.exists(file)",
                "if file",
                *("tests/cli/test_inputs.py", "no_pipes"),
            ),
            (
                "lost-device",
                "_terminal",
                "and not os.path.isfile(path)",
                "and False",
                "tests/cli/test_terminal.py",
                "keeps_it",
            ),
            (
                "lost-input",
                "_terminal",
                "os.path.samestat(source, os.stat(path))",
                "name == path",
                "tests/cli/test_terminal.py",
                "never_an_input",
            ),
            (
                "control",
                "_terminal",
                "    click.echo(visible(text), err=True)\n",
                "    click.echo(text, err=True)\n",
                "tests/cli/test_terminal.py",
                "complaint",
            ),
        )
    ),
    Fault(
        *("rebound-page", "The page is for one machine", "eventstream/transcribe/emulator/page/server.py"),
        "        if len(hosts) != 1 or not _is_loopback_authority(hosts[0]):\n",
        "        if len(hosts) != 1:\n",
        tests("tests/transcribe/emulator/page/test_server.py"),
    ),
]

HARMLESS = Fault(
    *("harmless", "Tests that find", "eventstream/_text.py"),
    '"""Bytes of UTF-8 that are shown at most, quotes and dots not counted."""',
    '"""Another text."""',
    tests("tests/test_text.py"),
)
"""It breaks nothing. If it were found, this program would find anything."""


def promises() -> list[str]:
    """Return the titles of SECURITY.md's rows."""
    return re.findall(r"^\| \*\*(.+?)\.\*\* ", (ROOT / "SECURITY.md").read_text(encoding="utf-8"), re.MULTILINE)


class Tree:
    """A copy of the sources."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in COPIED:
            shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        for path in ROOT.glob("*.*"):
            if path.is_file():
                shutil.copy2(path, folder)

    def write(self, path: str, text: str) -> None:
        (self._folder / path).write_text(text, encoding="utf-8")

    def read(self, path: str) -> str:
        return (self._folder / path).read_text(encoding="utf-8")

    def build(self) -> None:
        command = [sys.executable, "-W", "ignore", "setup.py", "--quiet", "build_ext", "--inplace", "--force"]
        subprocess.run(command, check=True, cwd=self._folder, stdout=subprocess.DEVNULL)

    def check(self, fault: Fault) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "PYTHONPATH": f"{self._folder}:{self._folder / 'tests'}",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        if fault.reference:
            environment["EVENTSTREAM_PURE_PYTHON"] = "1"
        return subprocess.run(
            [sys.executable, *fault.check],
            check=False,
            cwd=self._folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def plant(tree: Tree, fault: Fault, sound: dict[tuple[object, ...], bool]) -> bool:
    """Whether the fault is found, and nothing is where there is none."""
    key = (fault.check, fault.reference)
    if key not in sound:
        done = tree.check(fault)
        sound[key] = done.returncode == 0
        if not sound[key]:
            print(done.stdout, f"{fault.name}: its check FAILS without a fault", sep="\n", flush=True)
    if not sound[key]:
        return False
    text = tree.read(fault.path)
    if text.count(fault.old) != 1:
        print(f"{fault.name}: cannot be planted any more: {fault.path} has its text {text.count(fault.old)} times")
        return False
    began = time.monotonic()
    native = fault.path.endswith(".pyx")
    tree.write(fault.path, text.replace(fault.old, fault.new))
    try:
        if native:
            tree.build()
        found = tree.check(fault).returncode != 0
    finally:
        tree.write(fault.path, text)
        if native:
            tree.build()
    print(f"{fault.name}: {'found' if found else 'NOT FOUND'} in {time.monotonic() - began:.0f} s", flush=True)
    return found


def main() -> int:
    parser = argparse.ArgumentParser("python tools/planted.py", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="faults to plant (all)")
    parser.add_argument("--quick", action="store_true", help="only those that take at most 20 s")
    parser.add_argument("--list", action="store_true", help="show them, and plant none")
    options = parser.parse_args()
    chosen = [fault for fault in FAULTS if not options.names or fault.name in options.names]
    if options.quick:
        chosen = [fault for fault in chosen if fault.is_quick]
    if options.list:
        for fault in chosen:
            print(f"{fault.name}: {fault.promise}")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        tree = Tree(Path(folder))
        sound: dict[tuple[object, ...], bool] = {}
        missed = [fault.name for fault in chosen if not plant(tree, fault, sound)]
        if not options.names and plant(tree, HARMLESS, sound):
            missed.append(HARMLESS.name)
    if missed:
        print("not as it should be:", ", ".join(missed), file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
