"""What a client may ask of a server at most."""

from __future__ import annotations

import pytest
from operations import REQUEST, TALK, ThrottlingException
from talking import client_of, run, server, talk

from eventstream import ServiceError
from eventstream.server import Limits


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
