"""Token buckets."""

from __future__ import annotations

import pytest

from eventstream.http2.budget import Bucket, Budget


@pytest.fixture
def clock(monkeypatch):
    """Return a clock that goes on when it is told to."""
    now = [1_000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_bucket_is_spent_beyond_its_burst(clock):
    bucket = Bucket(Budget(3, 0))
    for _ in range(3):
        bucket.take()
        assert not bucket.is_spent
    bucket.take()
    assert bucket.is_spent
    assert not bucket.is_overdrawn


def test_bucket_is_overdrawn_beyond_twice_its_burst(clock):
    bucket = Bucket(Budget(3, 0))
    for _ in range(6):
        bucket.take()
    assert not bucket.is_overdrawn
    bucket.take()
    assert bucket.is_overdrawn


def test_bucket_fills_with_time(clock):
    bucket = Bucket(Budget(10, 2))
    for _ in range(10):
        bucket.take()
    clock[0] += 3
    for _ in range(6):
        bucket.take()
        assert not bucket.is_spent
    bucket.take()
    assert bucket.is_spent


def test_bucket_holds_no_more_than_its_burst(clock):
    bucket = Bucket(Budget(10, 2))
    clock[0] += 1_000
    bucket.give(1_000)
    for _ in range(10):
        bucket.take()
    clock[0] += 1_000
    for _ in range(10):
        bucket.take()
        assert not bucket.is_spent
    bucket.take()
    assert bucket.is_spent


def test_bucket_takes_back_what_is_given(clock):
    bucket = Bucket(Budget(2, 0))
    for _ in range(100):
        bucket.take()
        bucket.take()
        bucket.give(2)
    assert not bucket.is_spent


def test_bucket_counts_time_once(clock):
    """Also where it is asked often."""
    bucket = Bucket(Budget(1, 10))
    taken = 0
    for _ in range(1_000):
        clock[0] += 0.01
        bucket.take()
        taken += 1
        if bucket.is_spent:
            bucket.give(1)
            taken -= 1
    assert 90 <= taken <= 102
