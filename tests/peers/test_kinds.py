"""Disagreements with the peers in Python, looked for at random: a deterministic piece of what `fuzz.peers` does."""

from __future__ import annotations

import random

import pytest
from fuzz import peers
from peers.cases import CASES
from peers.kinds import PEERS
from peers.outcomes import Outcome

STREAMS = [case.given for case in CASES if isinstance(case.given, bytes) and len(case.given) < 500]
RARE = {"foreign-surrogate", "foreign-integer", "float-written", "value-first", "foreign-name"}
"""Kinds that a thousand inputs need not meet; the cases do."""


def inputs(count):
    rng = random.Random("peers")
    for number in range(count):
        if number % 2:
            data = bytearray(bytes([number // 2 % 2]) + rng.choice(STREAMS))
            for _ in range(rng.randrange(4)):
                data[rng.randrange(1, len(data))] = rng.choice([0, 1, 7, 12, 16, 255, rng.randrange(256)])
        else:
            small = rng.random() < 0.7
            data = bytearray(rng.randbytes(rng.randrange(1, 80)))
            data[1:] = bytes(byte % 12 if small and rng.random() < 0.5 else byte for byte in data[1:])
        yield bytes(data)


@pytest.mark.skipif(not peers.INSTALLED, reason="no peer is installed in the version of conformance.md")
def test_disagreements_are_of_no_unknown_kind():
    met = set()
    for data in inputs(2000):
        met |= peers.met(data)
    possible = set().union(*(PEERS[peer.name].kinds for peer in peers.INSTALLED))
    assert met | RARE >= possible, "the inputs do not reach what they should"


class Liar(peers.Ours):
    """A peer that has no kinds, and one fault of its own."""

    name = "ours"

    def __init__(self, decoded=None, wire=None):
        super().__init__("ours", peers.eventstream)
        self.decoded, self.wire = decoded, wire

    def decode(self, stream, **options):
        outcome = super().decode(stream, **options)
        return outcome if self.decoded is None else self.decoded(outcome)

    def encode(self, headers, payload=b""):
        outcome = super().encode(headers, payload)
        return outcome if self.wire is None else Outcome(wire=self.wire)


@pytest.mark.parametrize(
    "liar",
    [
        Liar(lambda outcome: Outcome(outcome.messages[:-1])),
        Liar(lambda outcome: Outcome(tuple(message._replace(payload=b"") for message in outcome.messages))),
        Liar(lambda outcome: Outcome(outcome.messages, end="silent")),
        Liar(lambda outcome: Outcome(end="KeyError", own=False)),
        Liar(wire=b""),
    ],
    ids=["a message less", "another payload", "silent", "foreign error", "another wire form"],
)
def test_unknown_disagreement_is_found(monkeypatch, liar):
    """A check that cannot fail is none."""
    stream = b"\0" + peers.frames.TEN_FRAME
    monkeypatch.setattr(peers, "INSTALLED", [Liar()])
    assert peers.met(stream) == frozenset()
    monkeypatch.setattr(peers, "INSTALLED", [liar])
    with pytest.raises(AssertionError, match="disagrees"):
        peers.quick(stream)


def test_we_are_as_documented(codec):
    """The model without any kind is a third codec: both of ours do as it does."""
    ours = peers.Ours("ours", codec)
    for data in inputs(600):
        if data[0] % 6 == 5:
            draw = peers.Draw(data[1:])
            given, payload = peers.mapping(draw), draw.rest()
            assert ours.encode(given, payload) == peers.predict("ours", given, payload)[0]
        else:
            make = (peers.as_it_is, peers.repaired, peers.lying, peers.block, peers.headers)[data[0] % 6]
            stream = make(peers.Draw(data[1:]))
            assert ours.decode(stream) == peers.predict("ours", stream)[0]
