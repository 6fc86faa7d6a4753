"""How often and how long to try again."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libstore import InvalidOptionError, RetryPolicy


@given(
    attempts=st.integers(1, 12),
    base=st.floats(0, 10),
    cap=st.floats(0, 60),
    total=st.floats(0, 200),
    seed=st.integers(),
)
def test_waits_stay_within_all_bounds(
    attempts: int, base: float, cap: float, total: float, seed: int
) -> None:
    """No wait is longer than its step and the cap; together they keep count and total."""
    random.seed(seed)
    delays = list(RetryPolicy(attempts, base, cap, total).delays())
    assert len(delays) < attempts
    assert sum(delays) <= total + 1e-6
    for number, delay in enumerate(delays):
        assert 0 <= delay <= min(cap, base * 2**number)


def test_all_tries_are_made_if_time_allows() -> None:
    """Five attempts are one try and four waits."""
    assert 4 == len(list(RetryPolicy(base=0).delays()))
    assert [] == list(RetryPolicy(attempts=1).delays())


def test_waits_are_spread_over_the_whole_range() -> None:
    """The jitter is full: clients that failed together do not come back together."""
    policy = RetryPolicy(attempts=2, base=1.0)
    waits = [next(policy.delays()) for _ in range(400)]
    assert min(waits) < 0.1
    assert max(waits) > 0.9
    assert 0.4 < sum(waits) / len(waits) < 0.6


def test_each_use_begins_anew() -> None:
    """One policy serves any number of operations."""
    policy = RetryPolicy(attempts=3, base=0)
    first = policy.delays()
    assert [0.0, 0.0] == list(first)
    assert [0.0, 0.0] == list(policy.delays())


@pytest.mark.parametrize(
    "settings",
    [{"attempts": 0}, {"attempts": -1}, {"base": -0.1}, {"cap": -1}, {"total": math.nan}],
)
def test_a_policy_that_cannot_work_is_refused(settings: dict[str, float]) -> None:
    """The message names the setting and its value."""
    (label, value) = next(iter(settings.items()))
    with pytest.raises(InvalidOptionError, match=f"{label}.*{value}"):
        RetryPolicy(**settings)
