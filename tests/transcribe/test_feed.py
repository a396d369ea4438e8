"""Audio for one stream after the other."""

from __future__ import annotations

import asyncio

import pytest

from eventstream.transcribe.audio import AudioFormat
from eventstream.transcribe.feed import AudioFailed, Feed
from eventstream.transcribe.timeline import Timeline

FORMAT = AudioFormat(8_000)
ERROR = ConnectionError("lost")


class Sink:
    """A stream that takes this many chunks, and then breaks."""

    def __init__(self, room=1_000):
        self.room = room
        self.sent = []
        self.ended = False
        self.error = None

    async def send_audio(self, chunk):
        if len(self.sent) == self.room:
            raise ERROR
        self.sent.append(chunk)

    async def end_audio(self):
        self.ended = True

    async def abort(self, error):
        self.error = error


async def source(*chunks, error=None):
    for chunk in chunks:
        await asyncio.sleep(0)
        yield chunk
    if error is not None:
        raise error


def feeding(chunks, *, keep_alive=None, replay=True):
    return Feed(chunks, Timeline(FORMAT, replay=replay), keep_alive=keep_alive, silence=b"\0\0")


def run(main):
    return asyncio.run(asyncio.wait_for(main, 20))


def test_feed_of_one_stream():
    async def main():
        feed, sink = feeding(source(b"aa", b"bb")), Sink()
        await feed.send(sink)
        assert (sink.sent, sink.ended, sink.error) == ([b"aa", b"bb"], True, None)
        feed.check()
        await feed.close()

    run(main())


@pytest.mark.parametrize("replay", [False, True])
def test_feed_continues_in_the_next_stream(replay):
    async def main():
        feed, first, second = feeding(source(b"aa", b"bb", b"cc"), replay=replay), Sink(2), Sink()
        await feed.send(first)
        assert (first.error, first.ended) == (ERROR, False)
        feed.restart(ERROR)
        await feed.send(second)
        assert second.sent == ([b"aa", b"bb", b"cc"] if replay else [b"cc"])
        assert second.ended
        await feed.close()

    run(main())


def test_feed_when_a_replay_breaks():
    async def main():
        feed, sinks = feeding(source(b"aa", b"bb", b"cc")), [Sink(2), Sink(1), Sink(0), Sink()]
        for sink in sinks:
            await feed.send(sink)
            feed.restart(ERROR)
        assert [sink.sent for sink in sinks] == [[b"aa", b"bb"], [b"aa"], [], [b"aa", b"bb", b"cc"]]
        await feed.close()

    run(main())


def test_feed_of_audio_that_fails():
    async def main():
        error = OSError("unplugged")
        feed, sink = feeding(source(b"aa", error=error)), Sink()
        await feed.send(sink)
        assert sink.sent == [b"aa"]
        assert isinstance(sink.error, AudioFailed)
        with pytest.raises(OSError, match="unplugged"):
            feed.check()
        await feed.close()

    run(main())


@pytest.mark.parametrize("keep_alive", [None, 10])
@pytest.mark.parametrize("error", [asyncio.CancelledError, GeneratorExit, BaseException])
def test_feed_of_audio_that_raises_anything(error, keep_alive):
    """A microphone's task that was cancelled, for example: nobody would ever end the stream, and silence would flow."""

    async def main():
        for chunks in ([], [b"aa"], [b"aa", b"bb", b"cc"]):
            feed, sink = feeding(source(*chunks, error=error()), keep_alive=keep_alive), Sink()
            await feed.send(sink)
            assert sink.sent == chunks
            assert not sink.ended
            assert isinstance(sink.error, AudioFailed)
            expected = RuntimeError if error is asyncio.CancelledError else error
            with pytest.raises(expected):
                feed.check()
            again = Sink()
            await feed.send(again)
            assert isinstance(again.error, AudioFailed)
            await feed.close()

    run(main())


def test_feed_sends_silence():
    async def slow():
        yield b"aa"
        while b"\0\0" not in sink.sent:
            await asyncio.sleep(0)
        yield b"bb"

    sink = Sink()

    async def main():
        feed = feeding(slow(), keep_alive=0.001)
        await feed.send(sink)
        assert [chunk for chunk in sink.sent if chunk != b"\0\0"] == [b"aa", b"bb"]
        assert sink.sent.count(b"\0\0") >= 1
        await feed.close()

    run(main())


def test_feed_loses_nothing_when_it_is_cancelled():
    async def main():
        gate = asyncio.Event()

        async def gated():
            await gate.wait()
            yield b"aa"

        feed, sink = feeding(gated(), keep_alive=60), Sink()
        sending = asyncio.create_task(feed.send(Sink()))
        await asyncio.sleep(0)
        sending.cancel()
        await asyncio.wait([sending])
        gate.set()
        await feed.send(sink)
        assert sink.sent == [b"aa"]
        await feed.close()

    run(main())


def test_audio_that_still_comes_is_no_error():
    async def main():
        feed = feeding(source(b"aa"))
        feed.check()
        await feed.close()

    run(main())


def test_feed_closes_while_it_waits():
    async def main():
        before = asyncio.all_tasks()
        feed = feeding(source_that_hangs(), keep_alive=60)
        sending = asyncio.create_task(feed.send(Sink()))
        await asyncio.sleep(0)
        sending.cancel()
        await asyncio.wait([sending])
        await feed.close()
        assert asyncio.all_tasks() == before

    async def source_that_hangs():
        await asyncio.Event().wait()
        yield b""

    run(main())
