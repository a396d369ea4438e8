"""The options of the command line: which there are, what they ask for, and what is wrong with others."""

from __future__ import annotations

from datetime import timedelta

import pytest

from eventstream.http2 import Budget
from eventstream.server import ConnectionLimits
from eventstream.signing import utc_now
from eventstream.transcribe.emulator import Limits
from eventstream.transcribe.emulator.options import clock, connections, limits, parse, parser


def parsed(*arguments):
    return parser("emulator").parse_args(arguments)


def of_limits(*arguments):
    return limits(parsed(*arguments))


def of_connections(*arguments):
    return connections(parsed(*arguments))


def test_limits_by_default_and_strict():
    assert of_limits() == Limits()
    assert of_limits("--strict") == Limits.strict()
    assert Limits(one_stream_per_connection=True, max_lead=300) == Limits.strict()


def test_limits_have_their_own_switches():
    assert of_limits("--one-stream-per-connection") == Limits(one_stream_per_connection=True)
    assert of_limits("--max-lead", "1.5") == Limits(max_lead=1.5)
    assert of_limits("--strict", "--no-one-stream-per-connection") == Limits(max_lead=300)
    assert of_limits("--strict", "--max-lead", "none") == Limits(one_stream_per_connection=True)
    assert of_limits("--strict", "--max-lead", "10").max_lead == 10
    allowed = of_limits("--allow", "one-variant", "--allow", "language-options").allowed
    assert allowed == {"one-variant", "language-options"}


def test_clock_is_shifted():
    assert clock(parsed()) is utc_now
    for seconds in (600, -600):
        shift = clock(parsed(f"--clock-offset={seconds}"))() - utc_now()
        assert abs(shift - timedelta(seconds=seconds)) < timedelta(seconds=5)


def test_bounds_of_connections_have_their_switches():
    assert of_connections() == ConnectionLimits()
    assert of_connections("--max-connections", "3", "--max-connections-per-peer", "2", "--backlog", "1") == (
        ConnectionLimits(max_connections=3, max_connections_per_peer=2, backlog=1)
    )
    assert of_connections("--idle-timeout", "2.5").idle_timeout == 2.5
    assert of_connections("--resets", "5/0.5", "--idle-frames", "6/7") == (
        ConnectionLimits(resets=Budget(5, 0.5), idle_frames=Budget(6, 7))
    )
    unbounded = dict.fromkeys(vars(ConnectionLimits()).keys() - {"backlog"})
    switches = [part for name in unbounded for part in (f"--{name.replace('_', '-')}", "none")]
    assert of_connections(*switches) == ConnectionLimits(**unbounded)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fault", "explode@1"], "unknown fault 'explode'"),
        (["--credentials", "alone"], "not ACCESS_KEY:SECRET_KEY\n"),
        (["--credentials", ":alone"], "not ACCESS_KEY:SECRET_KEY\n"),
        (["--max-streams", "0"], "at least 1 is needed\n"),
        (["--max-streams", "many"], "at least 1 is needed\n"),
        (["--allow", "anything"], "unknown rule 'anything': expected one of language-options, one-variant, "),
        (["--max-lead", "soon"], "'soon' is not a number of seconds, 0 or more\n"),
        (["--backlog", "none"], "at least 1 is needed\n"),
        (["--clock-offset", "1e9"], "'1e9' is not a number of seconds between -31536000 and 31536000\n"),
        (["--clock-offset", "nan"], "'nan' is not a number of seconds between "),
        (["--resets", "100"], "'100' is not a budget: BURST/RATE, e.g. 1000/33\n"),
        (["--idle-frames", "0/33"], "'0/33' is not a budget"),
        (["--idle-frames", "10/-1"], "'-1' is not a number of seconds"),
        (["--port", "65536"], "'65536' is not a port (0 to 65535)\n"),
        (["--port", "-1"], "'-1' is not a port (0 to 65535)\n"),
        (["--port", "x"], "'x' is not a port (0 to 65535)\n"),
        (["--grace", "-1"], "'-1' is not a number of seconds, 0 or more\n"),
        (["--max-audio", "nan"], "'nan' is not a number of seconds, 0 or more\n"),
        (["--audio-timeout", "long"], "'long' is not a number of seconds, 0 or more\n"),
        (["--clock-offset", "late"], "'late' is not a number of seconds between "),
        (["--resets", "1/x"], "'x' is not a number of seconds, 0 or more\n"),
        (["--tls", ""], "the name is empty\n"),
        (["--tls", "."], ". is a folder\n"),
        (["--script", ""], "the name is empty\n"),
        (["--script", "."], ". is a folder\n"),
    ],
)
def test_options_that_are_wrong(arguments, said, capsys):
    with pytest.raises(SystemExit) as raised:
        parsed(*arguments)
    assert raised.value.code == 2
    assert f"error: argument {arguments[0]}: " in (error := capsys.readouterr().err)
    assert said in error


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--script", "s", "--recogniser", "moonshine"], "--script: only the recogniser scripted has a script"),
        (["--no-verify", "--credentials", "a:b"], "--no-verify: not allowed with argument --credentials"),
        (["--websocket-port", "1", "--no-websocket"], "--no-websocket: not allowed with argument --websocket-port"),
        (["--websocket-port", "0", "--no-websocket"], "--no-websocket: not allowed with argument --websocket-port"),
    ],
)
def test_options_that_contradict_each_other(arguments, said, capsys):
    for given in (arguments, arguments[2:] + arguments[:2]):
        with pytest.raises(SystemExit) as raised:
            parse("emulator", given)
        assert raised.value.code == 2
    assert parse("emulator", ["--script", "s", "--recogniser", "scripted"]).recogniser == "scripted"
    error = capsys.readouterr().err
    assert f"emulator: error: argument {said}" in error
    assert error.count("\n") == 4


def test_options_help(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")  # no word is broken at its hyphens
    monkeypatch.setenv("NO_COLOR", "1")
    with pytest.raises(SystemExit) as raised:
        parser("python -m eventstream.transcribe.emulator").parse_args(["--help"])
    assert raised.value.code == 0
    usage, _, options = " ".join(capsys.readouterr().out.split()).partition(" A local endpoint for ")
    assert usage.startswith("usage: python -m eventstream.transcribe.emulator [-h] [--host HOST] [--port PORT] ")
    assert options == (
        "Amazon Transcribe's streams. options: -h, --help show this help message and exit "
        "--host HOST address to listen on (127.0.0.1: reachable from this machine only) "
        "--port PORT port to listen on; 0, the default, chooses a free one "
        "--websocket-port PORT port for WebSockets, which presigned URLs open; 0, the default, chooses a free one "
        "--no-websocket accept no WebSockets "
        "--page serve a page on the port for WebSockets, to this machine only: a browser transcribes its microphone "
        "or a file, and shows every frame "
        "--tls CA_FILE serve TLS; the certificate to trust is written to CA_FILE "
        "--credentials ACCESS_KEY:SECRET_KEY[:TOKEN] "
        "credentials whose signatures are accepted; repeatable (default: the keys of AWS's documentation, with "
        "the access key AKIDEXAMPLE; --no-verify accepts any) "
        "--no-verify do not check signatures "
        "--host-name NAME another name of this host, e.g. of its container, for which the certificate is valid too; "
        "repeatable "
        "--recogniser NAME scripted (default) returns the same words for any audio; moonshine recognises English; or "
        "module:factory "
        "--script FILE script in UTF-8 that the scripted recogniser returns "
        "--max-streams N maximum number of concurrent streams (default: 25) "
        "--max-audio SECONDS maximum seconds of audio per stream (default: 14400) "
        "--audio-timeout SECONDS end a stream after this many seconds without audio (default: 15) "
        "--clock-offset SECONDS shift the emulator's clock, to test clients with a wrong clock (default: 0; negative: "
        "backwards) "
        "--strict be as strict as the service; the next two switches still override it "
        "--one-stream-per-connection, --no-one-stream-per-connection "
        "refuse a second stream on a connection (default: only with --strict) "
        "--max-lead SECONDS treat audio that runs further ahead of real time as an expired signature; or none "
        "(default: none, 300 with --strict) "
        "--allow RULE let requests break a rule of the service: language-options, one-variant, identified-language, "
        "speakers-or-channels, number-of-channels, identification-or-redaction, pii-entity-types; repeatable "
        "--fault KIND@N[*STREAMS] "
        "fail at the Nth event of each stream, or of the first STREAMS: bad-crc, truncate, early-end, reset, "
        "exception:NAME, slow[:SECONDS]; event 1 has no results, 0 is the response itself; repeatable "
        "--grace SECONDS let streams finish for this many seconds after SIGTERM (default: 10) "
        "--quiet log only problems "
        "connection limits: none means no limit. A budget is BURST/RATE: BURST at once, and RATE more per second. "
        "--max-connections N maximum number of connections; the one idle for longest gives way (default: 1000) "
        "--max-connections-per-peer N maximum number of connections from one address (default: 250) "
        "--backlog N maximum number of connections that wait to be accepted (default: 100) "
        "--idle-timeout SECONDS close a connection after this many seconds without a stream (default: 60) "
        "--resets BUDGET budget of each connection for reset streams (default: 1000/33) "
        "--idle-frames BUDGET budget of each connection for frames without data (default: 1000/33) "
        "Examples: python -m eventstream.transcribe.emulator --port 8080 "
        "python -m eventstream.transcribe.emulator --tls ca.pem --recogniser moonshine"
    )
