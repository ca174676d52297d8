"""How fast a client may write, to the message."""

from __future__ import annotations

import pytest

from ws_server.server.rate_limiter import RateLimiter


def test_as_many_as_allowed_a_second_cost_no_wait() -> None:
    allowance = RateLimiter(100)
    assert [allowance.take(10.0) for _ in range(100)] == [0.0] * 100
    assert allowance.take(10.0) == pytest.approx(0.01)  # one past it
    for second in range(1, 60):
        now = 20.0 + second
        assert max(allowance.take(now) for _ in range(100)) == 0.0
        assert allowance.exceeded_for == 0.0


def test_a_steady_writer_at_the_rate_is_not_slowed_and_one_past_it_is() -> None:
    at, past = RateLimiter(100), RateLimiter(100)
    assert all(at.take(number / 100) == 0.0 for number in range(2000))
    waits = [past.take(number / 110) for number in range(2000)]
    assert waits[-1] > 0.5
    assert past.exceeded_for > 5.0


def test_a_large_frame_counts_for_many() -> None:
    allowance = RateLimiter(100)
    assert allowance.take(1.0, 300) == pytest.approx(2.0)
    assert allowance.take(3.0, 1) == pytest.approx(0.01)


def test_who_waits_for_answers_is_no_flood() -> None:
    allowance = RateLimiter(100)
    for number in range(1000):
        allowance.take(number / 1000)
    assert allowance.exceeded_for > 0.5
    allowance.paused()
    assert allowance.exceeded_for == 0.0
