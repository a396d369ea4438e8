"""The clock with which a client signs, set right by the service's own."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from operations import CREDENTIALS, ECHO
from talking import echo, run

from eventstream import http2
from eventstream.client import Client
from eventstream.exceptions import ServiceError
from eventstream.server import Server
from eventstream.signing import utc_now


@pytest.mark.parametrize("minutes", [-10, 10])
def test_clock_that_is_wrong_is_corrected(minutes, caplog):
    """By the date of the answer, on the second try; the next stream of the client needs no second one."""

    def clock():
        return utc_now() + timedelta(minutes=minutes)

    async def main():
        async with Server({ECHO: echo}, credentials=[CREDENTIALS], clock=clock) as server:
            client = Client("us-east-1", endpoint=server.endpoint, credentials=CREDENTIALS)
            with pytest.raises(ServiceError) as raised:
                async with client.open(ECHO, {}):
                    pass
            assert raised.value.status_code == 403
            assert abs(raised.value.clock_skew - timedelta(minutes=minutes)) < timedelta(seconds=10)
            for _ in range(2):
                async with client.open(ECHO, {}) as stream:
                    await stream.send("hello")
                    await stream.end()
                    assert [event async for event in stream] == ["hello"]
            assert server.statistics.refused == 1

            client = Client("us-east-1", endpoint=server.endpoint, credentials=CREDENTIALS)
            async with client.open(ECHO, {}, retries=1) as stream:
                await stream.end()
            assert server.statistics.refused == 2

    run(main)
    lines = [record.getMessage() for record in caplog.records if record.name == "eventstream.client"]
    assert len(lines) == 2
    assert lines[0].startswith("the service's clock is ")


@pytest.mark.parametrize(
    "date",
    [
        *(None, "yesterday", "Thu, 01 Jan 2026 00:00:00", "now"),
        *("Thu, 01 Jan 2026 00:00:00 +" + "9" * 40, "Fri, 31 Dec 9999 23:59:59 -2300"),
    ],
)
def test_clock_is_not_blamed_for_other_refusals(date, caplog):
    now = datetime.now(timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT")
    headers = [] if date is None else [("date", now if date == "now" else date)]

    async def main():
        async def refuse(stream):
            await stream.respond(403, [("x-amzn-errortype", "InvalidSignatureException"), *headers], end=True)

        async with http2.serve(refuse) as server:
            client = Client("us-east-1", endpoint=f"http://127.0.0.1:{server.port}", credentials=CREDENTIALS)
            with pytest.raises(ServiceError) as raised:
                async with client.open(ECHO, {}, retries=5):
                    pass
            assert raised.value.code == "InvalidSignatureException"
            assert raised.value.clock_skew is None

    run(main)
    assert not [record for record in caplog.records if record.name == "eventstream.client"]
