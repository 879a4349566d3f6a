"""The coordinates in which SQL solves for a user's rating vector."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from embrec.models import fold_in
from embrec.models.base import FoldIn, RatingFactors, Ratings
from embrec.models.fold_in import with_fold_in

USERS, MOVIES, DIMENSIONS = 500, 80, 6


def factors(dimensions: int = DIMENSIONS) -> RatingFactors:
    """Make factors of correlated vectors far from zero, with biases that depend on them."""
    random = np.random.default_rng(0)
    users = random.normal(size=(USERS, DIMENSIONS)) @ np.tri(DIMENSIONS) + 3
    biases = 0.4 * users[:, 0] + 0.2 * random.normal(size=USERS)
    movies = 0.3 * random.normal(size=(MOVIES, DIMENSIONS))
    users[:, dimensions:] = movies[:, dimensions:] = 0
    given = (users, movies, biases, random.normal(size=MOVIES))
    return RatingFactors(*(each.astype(np.float32) for each in given), mean=3.5, history=[], kept_epoch=1)


def predicted(of: RatingFactors) -> NDArray[np.float64]:
    users, movies = (each.astype(np.float64) for each in (of.user_vectors, of.movie_vectors))
    return of.mean + of.user_biases[:, np.newaxis] + of.movie_biases + users @ movies.T


def ratings(of: RatingFactors) -> Ratings:
    """Make ratings of 40 % of the pairs, in no order, with noise."""
    random = np.random.default_rng(1)
    pairs = random.permutation(USERS * MOVIES)[: USERS * MOVIES * 2 // 5]
    users, movies = (each.astype(np.int32) for each in np.divmod(pairs, MOVIES))
    values = predicted(of)[users, movies] + 0.7 * random.normal(size=len(pairs))
    return Ratings(users, movies, values.astype(np.float32), USERS, MOVIES)


def by_hand(
    of: RatingFactors, rule: FoldIn, training: Ratings
) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
    """Return the movies' features, and each user's ridge solution."""
    features = np.column_stack([of.movie_vectors, np.full(MOVIES, rule.bias_feature)]).astype(np.float64)
    solutions = []
    for user in range(USERS):
        mine = training.users == user
        movies = training.movies[mine]
        left = training.ratings[mine] - of.mean - of.movie_biases[movies]
        matrix = features[movies].T @ features[movies] + rule.constant * np.eye(DIMENSIONS + 1)
        solutions.append(np.linalg.solve(matrix, features[movies].T @ left))
    return features, solutions


@pytest.mark.parametrize("dimensions", [DIMENSIONS, 4], ids=["all", "two columns of zeros"])
def test_users_are_standardised_and_predictions_stay(monkeypatch: pytest.MonkeyPatch, dimensions: int) -> None:
    monkeypatch.setattr(fold_in, "_AT_ONCE", 64)  # several blocks, the last of them shorter
    given = factors(dimensions)
    found = with_fold_in(given, ratings(given))
    assert np.allclose(predicted(found), predicted(given), atol=1e-5)
    vectors, biases = found.user_vectors[:, :dimensions].astype(np.float64), found.user_biases.astype(np.float64)
    assert np.allclose([*vectors.mean(axis=0), biases.mean()], 0, atol=1e-6)
    # A thousandth of the mean variance is added before whitening, so directions of little variance fall below 1.
    assert np.linalg.eigvalsh(np.cov(vectors.T)) == pytest.approx(np.ones(dimensions), abs=0.15)
    assert np.allclose(vectors.T @ biases / USERS, 0, atol=1e-6)
    assert not found.user_vectors[:, dimensions:].any()
    assert found.fold_in is not None
    assert found.fold_in.bias_feature == pytest.approx(biases.std(), rel=1e-5)


def test_the_rule_solves_for_nearly_the_users_own_predictions() -> None:
    given = factors()
    training = ratings(given)
    found = with_fold_in(given, training)
    rule = found.fold_in
    assert rule is not None
    features, solutions = by_hand(found, rule, training)
    own, errors = predicted(found), []
    for user, solved in enumerate(solutions):
        errors.append(found.mean + found.movie_biases + features @ solved - own[user])
    assert np.square(errors).mean() ** 0.5 < 0.4 < own.std()


def test_the_order_of_ratings_does_not_matter() -> None:
    given = factors()
    training = ratings(given)
    order = np.argsort(training.users, kind="stable")
    rules = [with_fold_in(given, each).fold_in for each in (training, training.part(order))]
    assert rules[0] is not None
    assert rules[1] is not None
    # The variance of the ratings is summed in their order.
    assert rules[0].constant == pytest.approx(rules[1].constant, rel=1e-12)
    assert rules[0].bias_feature == rules[1].bias_feature


def test_users_are_replaced_by_the_rules_solutions(monkeypatch: pytest.MonkeyPatch) -> None:
    """By either normal matrix, in any number of blocks: users of one rating, of more than a vector has, and of none."""
    monkeypatch.setattr(fold_in, "_NUMBERS", 300)
    given = factors()
    whole = ratings(given)
    kept = (whole.users > 1) | (np.arange(len(whole.users)) == np.flatnonzero(whole.users == 1)[0])
    few = whole.users % 3 == 0
    training = whole.part(np.flatnonzero(kept & (~few | (whole.movies < 12))))
    found, own = with_fold_in(given, training, replaced=True), with_fold_in(given, training)
    rule = found.fold_in
    assert rule == own.fold_in
    assert rule is not None
    np.testing.assert_array_equal(found.movie_vectors, own.movie_vectors)
    counts = np.bincount(training.users, minlength=USERS)
    assert (counts[0], counts[1]) == (0, 1)
    assert (counts > DIMENSIONS + 1).any()
    assert ((counts > 1) & (counts <= DIMENSIONS + 1)).any()
    for user, solved in enumerate(by_hand(found, rule, training)[1]):
        np.testing.assert_allclose(found.user_vectors[user], solved[:-1], atol=2e-4)
        assert found.user_biases[user] == pytest.approx(solved[-1] * rule.bias_feature, abs=2e-4)
