"""Which streams are let in, and which have to leave, without any stream."""

from __future__ import annotations

import asyncio

import pytest

from eventstream import server
from eventstream.signing import Credentials, utc_now
from eventstream.transcribe import ConflictException, LimitExceededException, ServiceUnavailableException
from eventstream.transcribe.emulator import Emulator, Limits, Scripted
from eventstream.transcribe.emulator.service import Service
from eventstream.transcribe.operations import START_STREAM_TRANSCRIPTION


class Guest:
    """Takes the place of a transcription. One that `stays` does not leave when it should."""

    operation = START_STREAM_TRANSCRIPTION

    def __init__(self, service, session_id, *, stays=False):
        self.service = service
        self.stays = stays
        self.session_id = session_id
        self.interruption = None
        service.enter(session_id, self, ConflictException("A new stream was started with the same session ID."))

    def interrupt(self, error):
        self.interruption = error
        if not self.stays:
            asyncio.get_running_loop().call_soon(self.leave)

    def leave(self):
        self.service.leave(self.session_id, self)


def service(max_streams=2, accounts=None):
    return Service(
        Scripted(),
        None,
        accounts=accounts,
        limits=Limits(max_streams=max_streams),
        faults=(),
        clock=utc_now,
        max_clock_skew=None,
    )


def test_accounts_by_access_key():
    one, two = Credentials("a", "b"), Credentials("c", "d")
    assert service(accounts=[one, two]).accounts == {"a": one, "c": two}
    assert service(accounts=()).accounts == {}
    assert service().accounts is None


def test_limit_of_streams():
    house = service(2)
    first, _ = Guest(house, "1"), Guest(house, "2")
    with pytest.raises(LimitExceededException, match="2 concurrent streams"):
        Guest(house, "3")
    first.leave()
    Guest(house, "3")


def test_stream_that_left_is_not_told_to_leave():
    house = service()
    guest = Guest(house, "1")
    guest.leave()
    Guest(house, "1")
    assert guest.interruption is None


def test_newer_of_two_with_one_session_id_stays(run):
    async def main():
        house = service(2)
        first, other = Guest(house, "1"), Guest(house, "2")
        second = Guest(house, "1")  # though there are two
        assert isinstance(first.interruption, ConflictException)
        assert first.interruption.message == "A new stream was started with the same session ID."
        assert second.interruption is other.interruption is None
        await asyncio.sleep(0)  # the first has left
        third = Guest(house, "1")
        assert isinstance(second.interruption, ConflictException)
        assert third.interruption is None

    run(main)


def test_stream_told_to_leave_counts_until_it_has_left(run):
    """As one that its client does not let speak."""

    async def main():
        house = service(2)
        first = Guest(house, "1", stays=True)
        second = Guest(house, "1", stays=True)
        third = Guest(house, "1")  # takes the place of the second, while the first is still there
        for session_id in ("1", "2"):
            with pytest.raises(LimitExceededException, match="2 concurrent streams"):
                Guest(house, session_id)
        assert third.interruption is None, "who is refused takes nobody's place"
        draining = asyncio.ensure_future(house.drain(60))
        third.leave()
        second.leave()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not draining.done()
        first.leave()
        await draining

    run(main)


def test_draining_waits_for_those_who_are_there(run):
    async def main():
        house = service()
        guest = Guest(house, "1")
        draining = asyncio.ensure_future(house.drain(60))
        await asyncio.sleep(0)
        with pytest.raises(ServiceUnavailableException):
            Guest(house, "2")
        guest.leave()
        await draining
        assert guest.interruption is None

    run(main)


def test_draining_ends_those_who_stay(run):
    async def main():
        house = service()
        guests = [Guest(house, "1"), Guest(house, "2")]
        await house.drain(0)
        assert [type(guest.interruption) for guest in guests] == [ServiceUnavailableException] * 2
        assert guests[0].interruption.message == "The emulator is shutting down."

    run(main)


def test_draining_does_not_wait_for_ever(run, monkeypatch):
    monkeypatch.setattr("eventstream.server.service._INTERRUPTED_WITHIN", 0.01)

    async def main():
        house = service()
        Guest(house, "1", stays=True)
        await house.drain(0)

    run(main)


def test_draining_an_empty_house(run):
    run(lambda: service().drain(60))


def test_limits_and_recogniser_of_another_class():
    with pytest.raises(
        TypeError, match=r"^limits must be eventstream.transcribe.emulator.Limits, not eventstream.server."
    ):
        Emulator(limits=server.Limits())
    with pytest.raises(TypeError, match=r"^recogniser must be a factory, such as Scripted\(\) or .*, not str$"):
        Emulator(recogniser="moonshine")
