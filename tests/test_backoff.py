"""Waiting times between attempts."""

import pytest

from recessive.backoff import Backoff, backoff


def test_waiting_times_double_up_to_the_longest():
    assert [backoff(attempt, 0.5, 5) for attempt in range(6)] == [0.5, 1, 2, 4, 5, 5]


@pytest.mark.parametrize("attempt", [61, 1_100, 10**9])
def test_any_number_of_attempts_has_a_finite_waiting_time(attempt):
    assert backoff(attempt, 1, 60) == 60


def test_a_success_starts_again_from_the_first_waiting_time():
    retry = Backoff(first=1, longest=3)
    assert [retry.wait() for _ in range(4)] == [1, 2, 3, 3]
    assert retry.attempts == 4
    retry.reset()
    assert [retry.wait(), retry.wait()] == [1, 2]
