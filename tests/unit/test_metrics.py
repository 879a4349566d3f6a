"""The metrics, against plain loops and values computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embrec import metrics, similarity


def plain(scores: np.ndarray, relevant: np.ndarray, n: int) -> dict[str, float]:
    """Compute the metrics of one row by their definitions."""
    ranked = sorted(range(len(scores)), key=lambda movie: (-scores[movie], movie))[:n]
    hits = [bool(relevant[movie]) for movie in ranked]
    ideal = min(int(relevant.sum()), len(ranked))
    gain = sum(1 / np.log2(place + 2) for place, hit in enumerate(hits) if hit)
    precisions = [sum(hits[: place + 1]) / (place + 1) for place, hit in enumerate(hits) if hit]
    return {
        "ndcg": gain / sum(1 / np.log2(place + 2) for place in range(ideal)),
        "recall": sum(hits) / relevant.sum(),
        "average_precision": sum(precisions) / min(n, int(relevant.sum())),
        "hit_rate": float(any(hits)),
    }


@pytest.mark.parametrize(
    ("values", "disliked", "liked"),
    [
        ([1, 2, 3, 4, 5], [1, 2], [4, 5]),
        ([0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5], [0.5, 1, 1.5], [4, 4.5, 5]),
        (list(range(1, 11)), [1, 2, 3], [8, 9, 10]),
        ([0.1, 0.2, 0.3, 0.4, 0.5], [0.1, 0.2], [0.4, 0.5]),
        ([0, 1], [0], [1]),
        ([3], [], [3]),
    ],
)
def test_likes_and_dislikes_are_the_outer_quarters_of_the_scale(
    values: list[float], disliked: list[float], liked: list[float]
) -> None:
    ratings = np.array(values, np.float32)
    low, high = float(ratings.min()), float(ratings.max())
    assert ratings[ratings <= metrics.disliked_to(low, high)].tolist() == np.array(disliked, np.float32).tolist()
    assert ratings[ratings >= metrics.liked_from(low, high)].tolist() == np.array(liked, np.float32).tolist()


@given(st.integers(0, 10_000), st.integers(2, 30), st.integers(1, 12))
def test_lists_are_measured_as_by_a_plain_loop(seed: int, movies: int, n: int) -> None:
    random = np.random.default_rng(seed)
    scores, relevant = random.permutation(movies).astype(float), random.random(movies) < 0.3
    relevant[random.integers(movies)] = True
    for name, expected in plain(scores, relevant, n).items():
        found = getattr(metrics, name)(scores[np.newaxis], relevant[np.newaxis], n)
        assert found[0] == pytest.approx(expected), name


def test_of_equal_scores_the_first_comes_first() -> None:
    assert metrics.top(np.array([[1.0, 2.0, 2.0, 1.0]]), 3).tolist() == [[1, 2, 0]]
    assert metrics.top(np.zeros((2, 1000)), 5).tolist() == [[0, 1, 2, 3, 4]] * 2
    assert metrics.top(np.array([[-np.inf, 3.0, -np.inf]]), 2).tolist() == [[1, 0]]


def test_errors_by_hand() -> None:
    predicted, actual = np.array([1.0, 4.0], np.float32), np.array([2.0, 2.0], np.float32)
    assert metrics.rmse(predicted, actual) == pytest.approx(np.sqrt(2.5))
    assert metrics.mae(predicted, actual) == pytest.approx(1.5)


def test_neighbours_are_by_cosine_and_never_the_row_itself() -> None:
    vectors = np.array([[1.0, 0.0], [10.0, 1.0], [0.0, 1.0], [-1.0, 0.0]])
    assert similarity.nearest(similarity.cosines(vectors), 2).tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]


def test_jaccard_and_overlap_by_hand() -> None:
    near = np.array([[1, 2], [0, 2], [0, 1]])
    labels = np.array([[True, True], [True, False], [False, True]])
    assert metrics.jaccard(near, labels) == pytest.approx((0.5 + 0.5 + 0.5 + 0 + 0.5 + 0) / 6)
    assert metrics.overlap(near, np.array([[2, 1], [0, 1], [2, 2]])) == pytest.approx((1 + 0.5 + 0) / 3)


def test_gini_is_0_where_all_are_alike_and_near_1_where_one_has_all() -> None:
    assert metrics.gini(np.full(100, 7)) == pytest.approx(0)
    assert metrics.gini(np.eye(100, dtype=np.int64)[0] * 50) == pytest.approx(0.99)
    assert metrics.gini(np.zeros(4, np.int64)) == 0
