"""The measures of a report."""

from __future__ import annotations

import numpy as np
import pytest

from embrec import similarity
from embrec.models.base import Ratings
from embrec.report import measures

RATINGS = np.array([1, 2, 3, 4, 5, 5], np.float32)


def test_a_histogram_counts_a_prediction_for_the_nearest_rating() -> None:
    found = measures.histogram(RATINGS, np.array([0.5, 2.4, 2.6, 3.4, 3.6, 9.0], np.float32))
    assert found.labels == ["1", "2", "3", "4", "5"]
    assert found.ratings == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 6, 2 / 6])
    assert found.predictions == pytest.approx([1 / 6, 1 / 6, 2 / 6, 1 / 6, 1 / 6])


@pytest.mark.parametrize("ratings", [np.linspace(0, 100, 50), np.full(5, 3.0), np.full(5, 0.0)])
def test_a_histogram_of_many_ratings_or_of_one_has_bins(ratings: np.ndarray) -> None:
    found = measures.histogram(ratings.astype(np.float32), ratings.astype(np.float32))
    assert len(found.labels) == len(found.ratings) == 20
    assert found.ratings.sum() == pytest.approx(1)
    assert (found.ratings == found.predictions).all()


def test_calibration_compares_a_bin_with_its_ratings() -> None:
    predicted = np.array([1.1, 1.1, 4.9, 4.9], np.float32)
    found = measures.calibrate(predicted, np.array([1, 2, 5, 5], np.float32), 1, 5)
    assert found.predicted == pytest.approx([1.1, 4.9])
    assert found.actual == pytest.approx([1.5, 5.0])
    assert found.errors == pytest.approx([0.5 / 2**0.5, 0])
    assert found.counts.tolist() == [2, 2]
    assert found.gap == pytest.approx((0.4 + 0.1) / 2)


def test_lists_leave_out_what_is_seen_and_count_what_is_found_again() -> None:
    # Three users, thirty movies; all users have rated movie 29, which has the highest score.
    users = np.arange(3, dtype=np.int32)
    seen = Ratings(users, np.full(3, 29, np.int32), np.array([1, 3, 5], np.float32), 3, 30)
    liked = Ratings(users, np.array([28, 0, 27], np.int32), np.array([5, 5, 2], np.float32), 3, 30)
    scores = np.tile(np.arange(30.0), (3, 1))
    found = measures.measure_lists(lambda asked: scores[asked], seen, liked, users)
    assert found.appearances.tolist() == [0] * 19 + [3] * 10 + [0]
    assert found.beyond["coverage"] == pytest.approx(10 / 30)
    assert found.beyond["popularity"] == 0
    # User 0's held-out movie is first in the list, user 1's is not in it, and user 2 did not like theirs.
    assert (found.ndcg, found.hit_rate) == (pytest.approx(0.5), pytest.approx(0.5))


def test_lists_are_of_no_known_worth_without_held_out_ratings() -> None:
    one = np.zeros(1, np.int32)
    seen = Ratings(one, one, np.ones(1, np.float32), 1, 3)
    found = measures.measure_lists(lambda asked: np.array([[3.0, -np.inf, 1.0]]), seen, None, one)
    assert found.appearances.tolist() == [0, 0, 1]  # neither rated movies nor those without a score
    assert (found.ndcg, found.hit_rate) == (None, None)


def test_nearest_is_what_all_likenesses_say() -> None:
    vectors = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    near, found = similarity.nearest_rows(vectors, np.arange(50), 5)
    every = similarity.likenesses(vectors)
    assert (near == similarity.nearest(every, 5)).all()
    assert found == pytest.approx(np.take_along_axis(every, near, 1), abs=1e-6)


def test_of_few_rows_all_others_are_near() -> None:
    near, _ = similarity.nearest_rows(np.eye(3, dtype=np.float32), np.array([1]), 10)
    assert sorted(near[0]) == [0, 2]
    assert similarity.nearest_rows(np.ones((1, 2), np.float32), np.array([0]), 10)[0].shape == (1, 0)


def test_neighbours_in_common_are_counted_whatever_their_order() -> None:
    ours, theirs = np.array([[1, 2, 3], [4, 5, 6]]), np.array([[3, 2, 1], [7, 8, 4]])
    assert measures.in_common(ours, theirs).tolist() == [3, 1]
    assert measures.jaccard(np.array([10, 5, 0])) == pytest.approx([1, 1 / 3, 0])
