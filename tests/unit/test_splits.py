from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embrec import metrics, splits


@given(count=st.integers(2, 500), held_out=st.floats(0.001, 0.999), seed=st.integers(0, 2**32))
def test_a_split_takes_every_rating_once(count: int, held_out: float, seed: int) -> None:
    kept, held = splits.random_split(count, held_out, seed)
    assert len(kept) > 0
    assert len(held) > 0
    assert np.array_equal(np.sort(np.concatenate([kept, held])), np.arange(count))
    assert abs(len(held) - held_out * count) <= 1
    again = splits.random_split(count, held_out, seed)
    assert np.array_equal(held, again[1])


def test_splits_of_other_seeds_differ() -> None:
    assert not np.array_equal(splits.random_split(1000, 0.1, 1)[1], splits.random_split(1000, 0.1, 2)[1])


def test_errors_of_known_predictions() -> None:
    predicted, actual = np.array([1, 2, 5], np.float32), np.array([1, 4, 4], np.float32)
    assert metrics.rmse(predicted, actual) == pytest.approx((5 / 3) ** 0.5)
    assert metrics.mae(predicted, actual) == pytest.approx(1.0)


def test_blocks_are_held_out_once_each_in_order() -> None:
    held = [test for _, test in splits.blocks(10, 5)]
    assert [each.tolist() for each in held] == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
    for kept, test in splits.random_folds(103, 5, 0):
        assert sorted([*kept, *test]) == list(range(103))


def test_the_newest_are_held_out_by_time() -> None:
    times = np.array([5, 1, 4, 4, 2, 3])
    kept, held = splits.by_time(times, 0.3)
    assert held.tolist() == [0, 2, 3], "one more than two: ratings of one time stay together"
    assert kept.tolist() == [1, 4, 5]


def test_each_user_has_a_share_held_out() -> None:
    users = np.repeat(np.arange(4), [1, 5, 10, 20]).astype(np.int32)
    np.random.default_rng(0).shuffle(users)
    kept, held = splits.per_user(users, 0.2, 0)
    assert np.bincount(users[held], minlength=4).tolist() == [0, 1, 2, 4]
    assert sorted([*kept, *held]) == list(range(36))
    assert not np.array_equal(held, splits.per_user(users, 0.2, 1)[1])


def test_half_of_the_users_with_all_their_ratings() -> None:
    users = np.random.default_rng(0).integers(0, 10, 100).astype(np.int32)
    mine, others = splits.half_of_users(users, 10, 0)
    assert not set(users[mine]) & set(users[others])
    assert len(mine) + len(others) == 100
