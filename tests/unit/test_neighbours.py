"""The nearest neighbours of each movie, against an exhaustive search."""

from __future__ import annotations

import numpy as np
import pytest

from embrec import similarity
from embrec.runs import neighbours


@pytest.mark.parametrize("count", [2, 100, 101, 102, 700])  # 700 is more than a block
def test_they_are_those_of_comparing_all(count: int) -> None:
    vectors = np.random.default_rng(count).normal(size=(count, 7)).astype(np.float32)
    found = neighbours.nearest(vectors)
    expected = similarity.nearest(similarity.likenesses(vectors.astype(np.float64)), 100)
    assert found is not None
    assert found.dtype == np.int32
    assert found.tolist() == expected.tolist()


def test_one_movie_has_none_and_very_many_have_an_index(monkeypatch: pytest.MonkeyPatch) -> None:
    assert neighbours.nearest(np.ones((1, 3), np.float32)) is None
    monkeypatch.setattr(neighbours, "INDEXED_FROM", 5)
    assert neighbours.nearest(np.eye(5, dtype=np.float32)) is None
    assert neighbours.nearest(np.eye(4, dtype=np.float32)) is not None
