"""A state machine over the server: several connections, frames in any order, and an honest stream beside them."""

from __future__ import annotations

import pytest
from fuzz.harness import Draw
from fuzz.server import World
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from eventstream.http2 import connection as connection_module


class Machine(RuleBasedStateMachine):
    """Each step is an attack, or a chunk of the honest stream, which must come back."""

    def __init__(self):
        super().__init__()
        self.world = World()

    @rule(data=st.binary(min_size=1, max_size=40))
    def attack(self, data):
        self.world.attack(Draw(data))

    @rule(data=st.lists(st.binary(min_size=1, max_size=40), min_size=5, max_size=20))
    def attack_at_length(self, data):
        for step in data:
            self.world.attack(Draw(step))

    @rule(data=st.binary(min_size=1, max_size=200))
    def chunk(self, data):
        self.world.chunk(data)

    def teardown(self):
        self.world.chunk(b"last")
        self.world.close()


TestMachine = Machine.TestCase
TestMachine.settings = settings(stateful_step_count=30, suppress_health_check=list(HealthCheck))


def test_machine_notices_an_honest_stream_that_is_not_answered(monkeypatch):
    """A check that cannot fail is none."""
    world = World()
    world.chunk(b"answered")
    monkeypatch.setattr(connection_module.Connection, "_take_turn", lambda self: None)
    with pytest.raises(AssertionError, match="the honest stream is answered"):
        world.chunk(b"never processed")
    monkeypatch.undo()
    world.honest._take_turn()
    world.close()


def test_machine_notices_what_is_raised(monkeypatch):
    world = World()
    monkeypatch.setattr(world.shared, "_handler", {}.__getitem__)
    world.loop.call_soon([].pop)
    with pytest.raises(AssertionError, match="pop from empty list"):
        world.attack(Draw(b"\0\0\4"))
    world.faults.clear()
    world.close()
