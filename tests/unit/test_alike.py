"""The vectors that movies are compared by."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse

from embrec import similarity
from embrec.models.ease import alike


def watched(users: int, movies: int, density: float = 0.15, seed: int = 3) -> scipy.sparse.csr_array:
    found = scipy.sparse.random_array((users, movies), density=density, rng=seed, format="csr")
    found.data[:3] = 0.0  # a rating of 0 is a rating
    found.data[3:6] = np.nan  # and so is an event
    return found


def test_what_is_beyond_chance_is_pointwise_mutual_information_shrunk_by_few_users() -> None:
    rows = watched(60, 20)
    both = np.zeros((60, 20))
    both[np.repeat(np.arange(60), np.diff(rows.indptr)), rows.indices] = 1
    present = np.count_nonzero(both.any(axis=1))
    common, counts = both.T @ both, both.sum(axis=0)
    with np.errstate(divide="ignore"):
        information = np.log(present * common / np.outer(counts, counts)) / np.log(present)
    expected = np.maximum(information, 0) * common / (common + 3)
    found = alike.beyond_chance(rows).toarray()
    assert np.allclose(found, expected, atol=1e-6)
    assert (found == found.T).all()
    assert found.max() <= 1


def test_only_the_highest_of_a_movie_are_kept_and_those_that_keep_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = watched(200, 60, 0.2)
    every = alike.beyond_chance(rows).toarray()
    monkeypatch.setattr(alike, "_LISTED", 5)
    some = alike.beyond_chance(rows).toarray()
    assert (some == some.T).all()
    assert (some[some > 0] == every[some > 0]).all()
    assert (np.sort(some, axis=1)[:, -5:] == np.sort(every, axis=1)[:, -5:]).all()
    assert np.count_nonzero(some) <= 2 * 5 * len(some) < np.count_nonzero(every)


def test_of_very_many_pairs_a_share_is_counted_and_always_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = watched(300, 50, 0.4)
    every = alike.beyond_chance(rows)
    monkeypatch.setattr(alike, "_PAIRS", 30_000)
    some, again = alike.beyond_chance(rows), alike.beyond_chance(rows)
    assert (some != every).nnz > 0
    assert some.data.tobytes() == again.data.tobytes()


@pytest.mark.parametrize("users", [0, 1])
def test_a_single_user_is_no_evidence(users: int) -> None:
    assert alike.beyond_chance(scipy.sparse.csr_array(np.ones((users, 4)))).nnz == 0


def test_inner_products_are_the_sum_of_the_kinds_and_a_movie_of_few_users_is_near_nobody() -> None:
    random = np.random.default_rng(0)
    kinds = [random.normal(size=(30, width)) for width in (4, 7)]
    users = np.array([0, 1, 1000] + [20] * 27)
    found = alike.mixed(kinds, users, 11)
    factors = users / (users + 1)
    expected = sum(kind @ kind.T for kind in kinds) * np.outer(factors, factors)
    assert np.allclose(found @ found.T, expected / np.diag(expected).max())
    assert np.linalg.norm(found, axis=1).max() == pytest.approx(1)
    assert not found[0].any(), "nobody knows it"


def test_of_two_movies_with_the_same_vector_the_better_known_one_is_nearer() -> None:
    kind = np.random.default_rng(1).normal(size=(10, 3))
    kind[1] = kind[2]
    likeness = similarity.likenesses(alike.mixed([kind], np.array([9, 1, 3, *[50] * 7]), 3))
    assert likeness[0, 1] / likeness[0, 2] == pytest.approx((1 / 2) / (3 / 4))
