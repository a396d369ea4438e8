"""One timeline for several streams: times, what is sent again, and what is lost."""

from __future__ import annotations

import pytest

from eventstream.transcribe import Alternative, Entity, Item, Result, Transcript, TranscriptEvent
from eventstream.transcribe.audio import AudioFormat
from eventstream.transcribe.timeline import MAX_REPLAY, Timeline

FORMAT = AudioFormat(8_000)
SECOND = 16_000
ERROR = ConnectionError("lost")


def event(start, end, *, partial=False, channel=None):
    return TranscriptEvent(
        Transcript(
            results=[
                Result(
                    start_time=start,
                    end_time=end,
                    is_partial=partial,
                    channel_id=channel,
                    alternatives=[
                        Alternative(items=[Item(start_time=start, end_time=end)], entities=[Entity(start_time=start)])
                    ],
                )
            ]
        )
    )


def placed(timeline, *times):
    found = event(*times)
    timeline.place(found)
    result = found.transcript.results[0]
    [item], [entity] = result.alternatives[0].items, result.alternatives[0].entities
    assert (item.start_time, item.end_time) == (result.start_time, result.end_time)
    assert (entity.start_time, entity.end_time) == (result.start_time, None)
    return result.start_time, result.end_time


def test_timeline_of_one_stream_changes_nothing():
    timeline = Timeline(FORMAT)
    timeline.sent(bytes(SECOND))
    assert placed(timeline, 0.123, 0.456) == (0.123, 0.456)
    empty = TranscriptEvent()
    timeline.place(empty)
    assert empty == TranscriptEvent()


def test_timeline_continues_over_streams():
    timeline = Timeline(FORMAT)
    for chunk in (b"\x01" * SECOND, b"\x02" * SECOND, b"\x03" * SECOND):
        timeline.sent(chunk)
    assert placed(timeline, 0.0, 1.5) == (0.0, 1.5)
    restart, again = timeline.restart(ERROR)
    assert restart == (ERROR, 1.5, 0.0)
    assert again == [b"\x02" * (SECOND // 2), b"\x03" * SECOND]
    for chunk in again:
        timeline.sent(chunk)
    assert placed(timeline, 0.25, 1.0) == (1.75, 2.5)
    assert timeline.restart(ERROR)[0].position == 2.5


def test_timeline_times_have_no_noise():
    """Floats would give 6.300000000000001."""
    timeline = Timeline(FORMAT)
    timeline.sent(bytes(SECOND * 4))
    timeline.place(event(0.0, 3.2))
    timeline.restart(ERROR)
    timeline.sent(bytes(SECOND * 4))
    assert placed(timeline, 2.2, 3.1) == (5.4, 6.3)


def test_timeline_when_a_replay_breaks():
    timeline = Timeline(FORMAT)
    timeline.sent(b"\x01" * SECOND)
    timeline.sent(b"\x02" * SECOND)
    _, again = timeline.restart(ERROR)
    assert again == [b"\x01" * SECOND, b"\x02" * SECOND]
    timeline.sent(again[0])
    restart, again = timeline.restart(ERROR)  # the second chunk was not sent again: its sender still has it
    assert restart == (ERROR, 0.0, 0.0)
    assert again == [b"\x01" * SECOND]


def test_timeline_partial_results_are_not_final():
    timeline = Timeline(FORMAT)
    timeline.sent(bytes(SECOND))
    timeline.place(event(0.0, 0.9, partial=True))
    assert timeline.restart(ERROR)[0].position == 0.0


def test_timeline_keeps_thirty_seconds():
    timeline = Timeline(FORMAT)
    for second in range(40):
        timeline.sent(bytes([second]) * SECOND)
    restart, again = timeline.restart(ERROR)
    assert restart == (ERROR, 10.0, 10.0)
    assert b"".join(again) == b"".join(bytes([second]) * SECOND for second in range(10, 40))
    assert sum(map(len, again)) == MAX_REPLAY * SECOND


def test_timeline_without_replay():
    timeline = Timeline(FORMAT, replay=False)
    timeline.sent(bytes(2 * SECOND))
    timeline.place(event(0.0, 0.5))
    restart, again = timeline.restart(ERROR)
    assert (restart, again) == ((ERROR, 2.0, 1.5), [])
    assert placed(timeline, 0.0, 1.0) == (2.0, 3.0)


def test_timeline_with_silence():
    timeline = Timeline(FORMAT)
    timeline.sent(bytes(SECOND))
    timeline.sent_silence(SECOND)
    timeline.sent_silence(SECOND)
    timeline.sent(bytes(SECOND))
    assert placed(timeline, 0.5, 0.75) == (0.5, 0.75)
    assert placed(timeline, 0.5, 1.5) == (0.5, 1.0)  # what falls into the silence is where it was put in
    assert placed(timeline, 2.5, 3.5) == (1.0, 1.5)
    restart, again = timeline.restart(ERROR)
    assert restart == (ERROR, 1.5, 0.0)
    assert sum(map(len, again)) == SECOND // 2


def test_timeline_of_channels_waits_for_both():
    timeline = Timeline(AudioFormat(8_000, 2), channels=2)
    timeline.sent(bytes(4 * SECOND))
    timeline.place(event(0.0, 1.5, channel="ch_0"))
    assert timeline.restart(ERROR)[0].position == 0.0
    timeline = Timeline(AudioFormat(8_000, 2), channels=2)
    timeline.sent(bytes(4 * SECOND))
    timeline.place(event(0.0, 1.5, channel="ch_0"))
    timeline.place(event(0.0, 0.5, channel="ch_1"))
    restart, again = timeline.restart(ERROR)
    assert restart.position == 0.5
    assert sum(map(len, again)) == 3 * SECOND


@pytest.mark.parametrize("end", [0.50001, 0.4999999, 7.0])
def test_timeline_replays_whole_samples(end):
    timeline = Timeline(FORMAT)
    timeline.sent(bytes(SECOND))
    timeline.place(event(0.0, end))
    restart, again = timeline.restart(ERROR)
    assert sum(map(len, again)) % 2 == 0
    assert restart.position + sum(map(len, again)) / SECOND == 1.0


def test_timeline_takes_nothing_for_final_that_was_not_sent():
    """What a peer says of the audio may be anything."""
    timeline = Timeline(FORMAT)
    timeline.sent(bytes(SECOND))
    assert timeline.place(event(0, 1e308))
    assert not timeline.place(event(0, 1e308))
    restart, again = timeline.restart(ERROR)
    assert restart == (ERROR, 1.0, 0.0)
    assert again == []


def test_timeline_remembers_no_more_channels_than_there_are():
    timeline = Timeline(AudioFormat(8_000, channels=2), channels=2)
    timeline.sent(bytes(4 * SECOND))
    assert timeline.place(event(0, 1, channel="ch_0"))
    assert timeline.place(event(0, 1, channel="ch_1"))
    for number in range(2, 9):
        assert not timeline.place(event(0, 2, channel=f"ch_{number}"))
    assert timeline.place(event(0, 2, channel="ch_1"))
    assert list(timeline._final) == ["ch_0", "ch_1"]


def test_timeline_of_compressed_audio():
    timeline = Timeline(AudioFormat(16_000, media_encoding="flac"))
    timeline.sent(bytes(1000))
    assert placed(timeline, 1.0, 2.0) == (1.0, 2.0)
    restart, again = timeline.restart(ERROR)
    assert (restart, again) == ((ERROR, 0.0, 0.0), [])
    assert placed(timeline, 1.0, 2.0) == (1.0, 2.0)


def test_timeline_progress_is_a_new_final_result():
    timeline = Timeline(FORMAT)
    timeline.sent(bytes(SECOND))
    assert not timeline.place(TranscriptEvent())
    assert not timeline.place(event(0.0, 0.5, partial=True))
    assert timeline.place(event(0.0, 0.5))
    assert not timeline.place(event(0.0, 0.5))
    _, again = timeline.restart(ERROR)
    for chunk in again:
        timeline.sent(chunk)
    assert not timeline.place(event(0.0, 0.5, partial=True))
    assert timeline.place(event(0.0, 0.25))


def test_timeline_progress_of_channels():
    timeline = Timeline(AudioFormat(8_000, 2), channels=2)
    timeline.sent(bytes(4 * SECOND))
    assert timeline.place(event(0.0, 1.5, channel="ch_0"))
    _, again = timeline.restart(ERROR)  # the other channel has no final results, so both are sent again
    for chunk in again:
        timeline.sent(chunk)
    assert not timeline.place(event(0.0, 1.5, channel="ch_0"))
    assert timeline.place(event(0.0, 0.5, channel="ch_1"))


def test_timeline_progress_is_audio_that_no_stream_had():
    timeline = Timeline(FORMAT)
    timeline.sent(bytes(20 * SECOND))
    for _ in range(2):  # the same audio again is none, even if a replay breaks before its end
        _, again = timeline.restart(ERROR)
        timeline.sent(again[0][: 10 * SECOND])
        assert not timeline.place(TranscriptEvent())
    timeline.sent(bytes(10 * SECOND))
    timeline.sent(bytes(15 * SECOND))
    timeline.sent_silence(15 * SECOND)
    assert not timeline.place(TranscriptEvent())
    timeline.sent_silence(1)
    assert timeline.place(TranscriptEvent())


@pytest.mark.parametrize("format", [FORMAT, AudioFormat(16_000, media_encoding="flac")])
def test_timeline_progress_without_replay(format):
    """Each final result is new, also one without times, since no audio comes twice."""
    timeline = Timeline(format, replay=False)
    for _ in range(2):
        assert not timeline.place(event(0.0, 0.5, partial=True))
        assert timeline.place(event(0.0, 0.5))
        assert timeline.place(event(None, None))
        timeline.restart(ERROR)
