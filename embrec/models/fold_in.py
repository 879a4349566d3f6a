"""Fold-in: a rule that solves for a user's rating vector from ratings alone, so that a new user needs no training.

A posterior mean comes with no such rule. Here the factors are whitened: users get mean zero and unit covariance. Then a
user's vector is a ridge regression on the vectors of the movies they rated, the posterior mean under a prior that is
the distribution of users (empirical Bayes). The penalty is the one whose solutions predict most like the model's own
user vectors.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from embrec.models.base import FoldIn, RatingFactors, Ratings
from embrec.models.shards.layout import Rated

# The penalty is chosen on 300 users and their predictions of 1,000 movies: more take longer and change little.
_USERS, _MOVIES = 300, 1_000
# Penalties to try, in units of the ratings' variance.
_PENALTIES = 2.0 ** np.arange(-4, 4.5, 0.5)
# Fraction of the mean variance that is added to the diagonal of the covariance, so that its Cholesky factor exists.
_LEAST_VARIANCE = 1e-3
# Users are solved for in blocks of at most 2 million features.
_NUMBERS = 1 << 21
# Users are changed 16,384 at a time: all at once in double precision, a million would need gigabytes.
_AT_ONCE = 1 << 14

Matrix = NDArray[np.float64]


def with_fold_in(solution: RatingFactors, training: Ratings, replaced: bool = False) -> RatingFactors:
    """Change to coordinates in which a user's vector is a ridge solution; the predictions stay the same.

    Args:
        solution: The factors.
        training: The ratings that they were fitted to.
        replaced: Whether users become the solutions. A mean over few draws is noisy where users have few ratings; the
            solution, given movies that have many, is not. Users without ratings become the average.
    """
    standard = _standard(solution)
    users, biases = np.empty_like(solution.user_vectors), np.empty_like(solution.user_biases)
    for block in _blocks(len(users)):
        found = standard.users(solution, block)
        users[block], biases[block] = found[:, :-1], found[:, -1]
    movies = standard.movies(solution)
    rule = FoldIn(standard.feature, _best_penalty(solution, standard, training), 0.0)
    changed = replace(
        solution,
        user_vectors=users,
        movie_vectors=movies[:, :-1].astype(np.float32),
        user_biases=biases,
        movie_biases=movies[:, -1].astype(np.float32),
        mean=standard.mean(solution),
        fold_in=rule,
    )
    return _solved(changed, rule, training) if replaced else changed


def _solved(solution: RatingFactors, rule: FoldIn, training: Ratings) -> RatingFactors:
    """Replace the users by the rule's solutions, in their place."""
    rated = Rated.of(training)
    ones = np.full((training.movie_count, 1), rule.bias_feature, np.float32)
    features = np.hstack([solution.movie_vectors, ones])
    counts = np.diff(rated.starts)
    solution.user_vectors[counts == 0] = solution.user_biases[counts == 0] = 0
    for number, users in _of_equal(counts, features.shape[1]):
        places = rated.starts[users][:, np.newaxis] + np.arange(number)
        movies = rated.movies[places]
        unexplained = rated.values[places] - solution.mean - solution.movie_biases[movies]
        penalty = rule.constant + rule.per_rating * number
        found = _ridge(features[movies], unexplained.astype(np.float32), np.float32(penalty))
        solution.user_vectors[users] = found[:, :-1]
        solution.user_biases[users] = found[:, -1] * np.float32(rule.bias_feature)
    return solution


def _of_equal(counts: NDArray[np.int64], width: int) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield each number of ratings with users who have so many, of a limited number of features at once."""
    order = np.argsort(counts, kind="stable")
    edges = np.flatnonzero(np.diff(counts[order], prepend=0, append=-1))
    for begin, end in itertools.pairwise(edges):
        number = int(counts[order[begin]])
        step = max(_NUMBERS // (number * width), 1)
        yield from ((number, order[first : min(first + step, end)]) for first in range(begin, end, step))


def _ridge(features: NDArray[np.float32], values: NDArray[np.float32], penalty: np.float32) -> NDArray[np.float32]:
    """Return ridge solutions, by the smaller of the two normal matrices.

    Args:
        features: float32 of shape (n, ratings, width).
        values: float32 of shape (n, ratings).
        penalty: Added to the diagonal.
    """
    turned, right = features.transpose(0, 2, 1), values[:, :, np.newaxis]
    dual = features.shape[1] <= features.shape[2]
    normal = features @ turned if dual else turned @ features
    diagonal = np.arange(normal.shape[1])
    normal[:, diagonal, diagonal] += penalty
    solved = turned @ np.linalg.solve(normal, right) if dual else np.linalg.solve(normal, turned @ right)
    return np.asarray(solved[:, :, 0])


@dataclass(frozen=True)
class _Standard:
    """Coordinates in which users have mean zero, unit covariance, and biases that are uncorrelated with their vectors.

    A row here is a vector with its bias in the last column. Each change of the users is undone by one of the movies.

    Attributes:
        average: The users' average row, float64 of shape (dimensions + 1,).
        lower: Cholesky factor of the covariance of the users' vectors, float64 of shape (dimensions, dimensions).
        shared: The coefficients of the biases' regression on the new vectors, float64 of shape (dimensions,).
        feature: Standard deviation of the new biases; 1 if they are all equal.
    """

    average: Matrix
    lower: Matrix
    shared: Matrix
    feature: float

    def users(self, solution: RatingFactors, chosen: slice | NDArray[np.int64]) -> Matrix:
        """Return the new rows of some users."""
        rows = _rows(solution, chosen) - self.average
        rows[:, :-1] = scipy.linalg.solve_triangular(self.lower, rows[:, :-1].T, lower=True).T
        # The part of the bias that is linear in the vector moves into the movies.
        rows[:, -1] -= rows[:, :-1] @ self.shared
        return rows

    def movies(self, solution: RatingFactors) -> Matrix:
        """Return the movies' new rows; the users' mean moves into their biases."""
        vectors = solution.movie_vectors.astype(np.float64)
        return np.column_stack(
            [vectors @ self.lower + self.shared, solution.movie_biases + vectors @ self.average[:-1]]
        )

    def mean(self, solution: RatingFactors) -> float:
        """Return the new mean."""
        return float(solution.mean + self.average[-1])


def _standard(solution: RatingFactors) -> _Standard:
    """Find the coordinates from the users' first two moments."""
    count, columns = solution.user_vectors.shape
    average, moments = np.zeros(columns + 1), np.zeros((columns + 1, columns + 1))
    for block in _blocks(count):
        average += _rows(solution, block).sum(axis=0) / count
    for block in _blocks(count):
        rows = _rows(solution, block) - average
        moments += rows.T @ rows / count
    covariance = moments[:-1, :-1]
    least = _LEAST_VARIANCE * np.trace(covariance) / columns or 1.0
    lower = np.linalg.cholesky(covariance + least * np.eye(columns))
    white = scipy.linalg.solve_triangular(lower, moments[:-1], lower=True)
    products = scipy.linalg.solve_triangular(lower, white[:, :-1].T, lower=True)
    shared = np.linalg.lstsq(products, white[:, -1], rcond=None)[0]
    variance = moments[-1, -1] - shared @ white[:, -1]
    return _Standard(average, lower, shared, float(np.sqrt(max(variance, 0.0))) or 1.0)


def _rows(solution: RatingFactors, chosen: slice | NDArray[np.int64]) -> Matrix:
    return np.column_stack([solution.user_vectors[chosen], solution.user_biases[chosen]]).astype(np.float64)


def _blocks(count: int) -> Iterator[slice]:
    for begin in range(0, count, _AT_ONCE):
        yield slice(begin, begin + _AT_ONCE)


def _best_penalty(solution: RatingFactors, standard: _Standard, training: Ratings) -> float:
    """Return the penalty whose ridge solutions predict most like the users' vectors, for some users and movies."""
    random = np.random.default_rng(0)
    rated = np.flatnonzero(np.bincount(training.users, minlength=training.user_count))
    users = np.sort(random.permutation(rated)[:_USERS])
    compared = random.permutation(training.movie_count)[:_MOVIES]
    factors = standard.movies(solution)
    features = np.column_stack([factors[:, :-1], np.full(training.movie_count, standard.feature)])
    own = standard.users(solution, users)
    own[:, -1] /= standard.feature
    penalties = _PENALTIES * (float(training.ratings.var(dtype=np.float64)) or 1.0)
    errors = np.zeros(len(penalties))
    for vector, mine in zip(own, _positions(training.users, users), strict=True):
        movies = training.movies[mine]
        unexplained = training.ratings[mine] - standard.mean(solution) - factors[movies, -1]
        values, basis = np.linalg.eigh(features[movies].T @ features[movies])
        moment = basis.T @ (features[movies].T @ unexplained)
        solutions = (moment / (values + penalties[:, np.newaxis])) @ basis.T
        errors += np.sum(((solutions - vector) @ features[compared].T) ** 2, axis=1)
    return float(penalties[errors.argmin()])


def _positions(column: NDArray[np.int32], users: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the positions of each user's ratings; the users ascend, and each has ratings."""
    chosen = np.zeros(column.max() + 1, bool)
    chosen[users] = True
    found = np.flatnonzero(chosen[column])
    found = found[np.argsort(column[found], kind="stable")]
    return np.split(found, np.searchsorted(column[found], users[1:]))
