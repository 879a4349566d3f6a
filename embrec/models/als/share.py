"""A worker of ALS: its users and movies, each solved exactly given the other side.

A worker has a memory of its own, and depends on numpy, scipy and the kernels alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embrec import kernels
from embrec.kernels import Groups
from embrec.models.shards.incidence import Incidence, cut, squared_error
from embrec.models.shards.layout import Layout, Rated
from embrec.models.shards.tree import Branch, Terms, total

Floats = NDArray[np.float32]

# Standard deviation of the vectors of movies that the first sweep begins with.
_START = np.float32(0.1)
# The bias is as if it had this feature, and so a quarter of the other coordinates' penalty.
BIAS_FEATURE = 2.0


class Data(NamedTuple):
    """A worker's share of the data.

    Attributes:
        rated: The ratings of its users, standardised.
        reported: Ratings of its users to report the error on, likewise.
        movie_counts: Ratings of each of its movies, int64 of shape (movies,).
        start: The movies to begin with, the bias last, float32 of shape (movies, dimensions + 1); rows of NaN begin at
            random. None for all at random.
    """

    rated: Rated
    reported: list[Rated]
    movie_counts: NDArray[np.int64]
    start: Floats | None


class Penalty(NamedTuple):
    """The regularization of a row."""

    constant: float
    per_rating: float

    def of(self, counts: NDArray[np.int64]) -> Floats:
        """Return the penalties of rows with these numbers of ratings."""
        return (self.constant + self.per_rating * counts).astype(np.float32)


class Worker:
    """One worker. Vectors are padded with zeros to a multiple of 16, and have the bias in the last column.

    Args:
        number: Its number.
        workers: The number of workers.
    """

    def __init__(self, number: int, workers: int) -> None:
        self._number, self._workers = number, workers

    def load(self, layout: Layout, data: Data, dimensions: int, penalty: Penalty, seed: int) -> None:
        """Take the worker's share of the ratings, and begin with its movies.

        Args:
            layout: The cuts of users and movies.
            data: The worker's share.
            dimensions: Length of a vector without the bias.
            penalty: The regularization.
            seed: Seeds the random vectors.
        """
        users, movies = (side.share(self._number, self._workers) for side in (layout.users, layout.movies))
        self._ratings, self._blocks = Incidence(*data.rated, layout.movie_count, users), movies
        self._parts = [layout.movies.share(number, self._workers).rows for number in range(self._workers)]
        self._dimensions, self._reported = dimensions, [Groups(*each) for each in data.reported]
        width = -(-(dimensions + 1) // kernels.LANES) * kernels.LANES
        self._scale = np.ones(width, np.float32)
        self._scale[-1] = BIAS_FEATURE**-2
        self._user_penalties, self._movie_penalties = (
            penalty.of(counts) for counts in (np.diff(data.rated.starts), data.movie_counts)
        )
        self._users = np.zeros((len(self._user_penalties), width), np.float32)
        self._movies = np.zeros((len(data.movie_counts), width), np.float32)
        for leaf, rows in zip(movies.leaves, movies.spans, strict=True):
            drawn = kernels.normals((seed, leaf), (rows.stop - rows.start, dimensions))
            self._movies[rows, :dimensions] = _START * drawn
        if data.start is not None:
            known = ~np.isnan(data.start).any(axis=1)
            self._movies[known, :dimensions] = data.start[known, :-1]
            self._movies[known, -1] = data.start[known, -1]

    def movies(self) -> Floats:
        """Return the movies."""
        return self._movies

    def solve_users(self, *movies: Floats) -> None:
        """Solve the users, given all workers' movies."""
        explained = _explaining(np.concatenate(movies))
        self._users = np.empty_like(self._users)
        for rows in self._ratings.share.spans:
            self._users[rows] = kernels.ridge_rows(
                self._ratings.by_user, *explained, self._user_penalties[rows], self._scale, rows
            )

    def movie_sums(self) -> list[list[Branch]]:
        """Return the sums of the movies' normal equations given the users, for each owner of movies."""
        return cut(self._ratings.movie_sums(*_explaining(self._users)), self._parts)

    def solve_movies(self, *branches: list[Branch]) -> Floats:
        """Solve the movies, and return them, given the sums of their normal equations."""
        sums = kernels.Sums(*total(branches))
        self._movies = np.empty_like(self._movies)
        for rows in self._blocks.spans:
            self._movies[rows] = kernels.ridge(sums.part(rows), self._movie_penalties[rows], self._scale)
        return self._movies

    def errors(self, *movies: Floats) -> list[Branch]:
        """Return the sums of squared errors on the reported ratings, given all workers' movies."""
        every = np.concatenate(movies)

        def error(rated: Groups, rows: slice) -> float:
            return squared_error(kernels.predict(rated, self._users[rows], every, rows), rated, rows)

        def terms(leaf: int, rows: slice) -> Terms:
            return tuple(error(rated, rows) for rated in self._reported)

        return self._ratings.share.sums(terms)

    def user_results(self) -> Floats:
        """Return the users, without padding."""
        return self._unpadded(self._users)

    def movie_results(self) -> Floats:
        """Return the movies, without padding."""
        return self._unpadded(self._movies)

    def _unpadded(self, rows: Floats) -> Floats:
        return rows[:, [*range(self._dimensions), -1]]


def _explaining(rows: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the features, offsets and weights by which rows explain the other side's ratings."""
    features = rows.copy()
    features[:, -1] = 1.0  # the other's own bias
    return features, rows[:, -1].copy(), np.ones(len(rows), np.float32)
