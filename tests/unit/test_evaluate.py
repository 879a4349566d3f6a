from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embrec import evaluate


@given(count=st.integers(2, 500), held_out=st.floats(0.001, 0.999), seed=st.integers(0, 2**32))
def test_a_split_takes_every_rating_once(count: int, held_out: float, seed: int) -> None:
    kept, held = evaluate.random_split(count, held_out, seed)
    assert len(kept) > 0
    assert len(held) > 0
    assert np.array_equal(np.sort(np.concatenate([kept, held])), np.arange(count))
    assert abs(len(held) - held_out * count) <= 1
    again = evaluate.random_split(count, held_out, seed)
    assert np.array_equal(held, again[1])


def test_splits_of_other_seeds_differ() -> None:
    assert not np.array_equal(evaluate.random_split(1000, 0.1, 1)[1], evaluate.random_split(1000, 0.1, 2)[1])


def test_errors_of_known_predictions() -> None:
    predicted, actual = np.array([1, 2, 5], np.float32), np.array([1, 4, 4], np.float32)
    assert evaluate.rmse(predicted, actual) == pytest.approx((5 / 3) ** 0.5)
    assert evaluate.mae(predicted, actual) == pytest.approx(1.0)
