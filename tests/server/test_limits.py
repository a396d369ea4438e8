"""What a client may ask of a server at most."""

from __future__ import annotations

import re

import pytest
from operations import REQUEST, TALK, ThrottlingException
from talking import client_of, run, server, talk

from eventstream import ServiceError
from eventstream.server import ConnectionLimits, Limits


@pytest.mark.parametrize(
    ("kind", "limits", "said"),
    [
        (Limits, {"max_streams": -1}, "max_streams must be an int of 0 or more, not -1"),
        (Limits, {"max_streams": None}, "max_streams must be an int of 0 or more, not None"),
        (Limits, {"input_timeout": None}, "input_timeout must be a number of seconds, 0 or more, not None"),
        (Limits, {"input_timeout": float("nan")}, "input_timeout must be a number of seconds, 0 or more, not nan"),
        (ConnectionLimits, {"backlog": None}, "backlog must be an int of 0 or more, not None"),
        (ConnectionLimits, {"max_connections": "5"}, "max_connections must be an int of 0 or more, not '5'"),
        (ConnectionLimits, {"idle_timeout": -5}, "idle_timeout must be a number of seconds, 0 or more, not -5"),
    ],
)
def test_limits_that_are_not_numbers(kind, limits, said):
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        kind(**limits)


@pytest.mark.parametrize("name", ["resets", "idle_frames"])
def test_limits_whose_budget_is_not_one(name):
    with pytest.raises(TypeError, match=rf"^{name} must be a Budget or None, not tuple$"):
        ConnectionLimits(**{name: (1, 2)})
    ConnectionLimits(**{name: None})


def test_streams_beyond_the_limit():
    async def main():
        async with server(limits=Limits(max_streams=1)) as serving:
            client = client_of(serving)
            async with client.open(TALK, REQUEST) as stream:
                with pytest.raises(ThrottlingException, match="1 concurrent streams") as raised:
                    async with client.open(TALK, REQUEST):
                        pass
                assert raised.value.status_code == 429
                await stream.end()
            assert await talk(client_of(serving)) == ["HELLO (en)", "AGAIN (en)"]

    run(main)


def test_silent_client_gets_an_exception(caplog):
    async def main():
        limits = Limits(input_timeout=0.1)
        async with server(limits=limits) as serving, client_of(serving).open(TALK, REQUEST) as stream:
            with pytest.raises(ServiceError, match=r"timed out because no new event was received for 0.1 seconds"):
                await anext(stream)
            assert serving.statistics.failed == 1

    run(main)
    assert "Traceback" not in caplog.text
