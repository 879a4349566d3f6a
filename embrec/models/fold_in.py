"""Fold-in: a rule that solves for a user's rating vector from ratings alone, so that a new user needs no training.

A posterior mean comes with no such rule. Here the factors are whitened: users get mean zero and unit covariance. Then a
user's vector is a ridge regression on the vectors of the movies they rated, the posterior mean under a prior that is
the distribution of users (empirical Bayes). The penalty is the one whose solutions predict most like the model's own
user vectors.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embrec.models.base import FoldIn, RatingFactors, Ratings

# The penalty is chosen on 300 users and their predictions of 1,000 movies: more take longer and change little.
_USERS, _MOVIES = 300, 1_000
# Penalties to try, in units of the ratings' variance.
_PENALTIES = 2.0 ** np.arange(-4, 4.5, 0.5)
# Fraction of the mean variance that is added to the diagonal of the covariance, so that its Cholesky factor exists.
_LEAST_VARIANCE = 1e-3


class _Factors(NamedTuple):
    """Vectors and biases of users and movies, float64, and the mean that they are relative to."""

    users: NDArray[np.float64]
    movies: NDArray[np.float64]
    user_biases: NDArray[np.float64]
    movie_biases: NDArray[np.float64]
    mean: float


def with_fold_in(solution: RatingFactors, training: Ratings) -> RatingFactors:
    """Change to coordinates in which a user's vector is a ridge solution; the predictions stay the same.

    Args:
        solution: The factors.
        training: The ratings that they were fitted to.
    """
    given = (solution.user_vectors, solution.movie_vectors, solution.user_biases, solution.movie_biases)
    wide = [np.asarray(each, np.float64) for each in given]
    factors = _standard(_Factors(wide[0], wide[1], wide[2], wide[3], solution.mean))
    feature = float(factors.user_biases.std()) or 1.0
    users, movies, user_biases, movie_biases = (each.astype(np.float32) for each in factors[:4])
    return replace(
        solution,
        user_vectors=users,
        movie_vectors=movies,
        user_biases=user_biases,
        movie_biases=movie_biases,
        mean=factors.mean,
        fold_in=FoldIn(feature, _best_penalty(factors, training, feature), 0.0),
    )


def _standard(given: _Factors) -> _Factors:
    """Whiten the users, to mean zero and unit covariance, without a change of the predictions."""
    # Move the users' mean into the movies' biases.
    average = given.users.mean(axis=0)
    users, movie_biases = given.users - average, given.movie_biases + given.movies @ average
    mean, user_biases = given.mean + given.user_biases.mean(), given.user_biases - given.user_biases.mean()
    covariance = users.T @ users / len(users)
    least = _LEAST_VARIANCE * np.trace(covariance) / len(covariance) or 1.0
    lower = np.linalg.cholesky(covariance + least * np.eye(len(covariance)))
    users, movies = np.linalg.solve(lower, users.T).T, given.movies @ lower
    # Move the part of the user bias that is linear in the vector into the movies: then the two are uncorrelated.
    shared = np.linalg.lstsq(users, user_biases, rcond=None)[0]
    return _Factors(users, movies + shared, user_biases - users @ shared, movie_biases, float(mean))


def _best_penalty(factors: _Factors, training: Ratings, feature: float) -> float:
    """Return the penalty whose ridge solutions predict most like the users' vectors, for some users and movies."""
    random = np.random.default_rng(0)
    counts = np.bincount(training.users, minlength=training.user_count)
    users = np.sort(random.permutation(np.flatnonzero(counts))[:_USERS])
    compared = random.permutation(training.movie_count)[:_MOVIES]
    order = np.argsort(training.users, kind="stable")
    starts = np.concatenate([[0], np.cumsum(counts)])
    features = np.column_stack([factors.movies, np.full(training.movie_count, feature)])
    own = np.column_stack([factors.users, factors.user_biases / feature])
    penalties = _PENALTIES * (float(training.ratings.var(dtype=np.float64)) or 1.0)
    errors = np.zeros(len(penalties))
    for user in users:
        mine = order[starts[user] : starts[user + 1]]
        movies = training.movies[mine]
        unexplained = training.ratings[mine] - factors.mean - factors.movie_biases[movies]
        values, basis = np.linalg.eigh(features[movies].T @ features[movies])
        moment = basis.T @ (features[movies].T @ unexplained)
        solutions = (moment / (values + penalties[:, np.newaxis])) @ basis.T
        errors += np.sum(((solutions - own[user]) @ features[compared].T) ** 2, axis=1)
    return float(penalties[errors.argmin()])
