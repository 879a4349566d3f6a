"""The measures of lists beyond accuracy, against values by hand and against every pair of movies."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from embrec.evaluation import beyond
from embrec.models.base import Ratings


def rated(pairs: list[tuple[int, int]], users: int, movies: int) -> Ratings:
    who, what = (np.array(each, np.int32) for each in zip(*pairs, strict=True))
    return Ratings(who, what, np.ones(len(pairs), np.float32), users, movies)


# Four users; movie 0 is of all of them, movie 1 of two, movie 2 of one, and movie 3 of none.
TRAINING = rated([(0, 0), (1, 0), (2, 0), (3, 0), (0, 1), (1, 1), (2, 2)], 4, 4)


def test_popularity_lift_and_novelty_by_hand() -> None:
    lists, users = np.array([[1, 2], [3, -1]]), np.array([3, 0], np.int32)
    found = beyond.beyond_accuracy(lists, users, TRAINING)
    assert found["popularity"] == pytest.approx(((0.5 + 0.25) / 2 + 0) / 2)
    # User 3's history has the share 1, user 0's 1 and .5.
    assert found["lift"] == pytest.approx((0.375 + 0) / (1 + 0.75) - 1)
    # A share of a half is one bit, a quarter two; a movie of nobody counts as one of a single user.
    assert found["novelty"] == pytest.approx(((1 + 2) / 2 + 2) / 2)
    assert found["coverage"] == 0.75
    assert found["Gini"] == pytest.approx(0.25), "three of four movies are in one list each"
    assert found["distance"] == pytest.approx(1), "movies 1 and 2 share no user, and one movie has no pair"


def test_a_user_without_a_history_has_no_lift() -> None:
    training = rated([(0, 0), (1, 0), (1, 1)], 3, 2)
    with_newcomer = beyond.beyond_accuracy(np.array([[1], [0]]), np.array([0, 2], np.int32), training)
    alone = beyond.beyond_accuracy(np.array([[1]]), np.array([0], np.int32), training)
    assert with_newcomer["lift"] == alone["lift"] == pytest.approx((1 / 3) / (2 / 3) - 1)
    assert beyond.beyond_accuracy(np.array([[0]]), np.array([2], np.int32), training)["lift"] == 0


def test_distance_is_that_of_all_pairs_of_a_list() -> None:
    random = np.random.default_rng(0)
    known = random.random((50, 30)) < 0.3
    known[:, 7] = False  # nobody rated it: it is at distance 1 from every movie
    training = rated([(int(user), int(movie)) for user, movie in np.argwhere(known)], 50, 30)
    lists = np.array([[7, *random.permutation(7)[:5], -1] for _ in range(25)])
    users = np.arange(25, dtype=np.int32)
    expected = []
    for each in lists[:, :-1]:
        for one, other in combinations(each, 2):
            lengths = np.sqrt(known[:, one].sum() * known[:, other].sum())
            expected.append(1 - (known[:, one] & known[:, other]).sum() / max(lengths, 1))
    assert beyond.beyond_accuracy(lists, users, training)["distance"] == pytest.approx(np.mean(expected))


def test_lists_without_movies_measure_as_nothing() -> None:
    found = beyond.beyond_accuracy(np.array([[-1, -1]]), np.array([0], np.int32), TRAINING)
    assert set(found.values()) == {0.0}


def test_quarters_of_users_have_all_of_equal_activity() -> None:
    quality, lengths = np.array([0.1, 0.3, 0.5, 0.9, 0.7]), np.array([1, 1, 5, 9, 20])
    found = beyond.by_activity(quality, lengths)
    assert found == {"light NDCG@10": pytest.approx(0.2), "heavy NDCG@10": pytest.approx(0.8)}


def test_a_single_measure_stays_in_the_table() -> None:
    assert beyond.apart(["HR@10", "coverage"]) == []
    assert beyond.apart(["NDCG@10", "coverage", "novelty"]) == ["coverage", "novelty"]
