"""A worker of the sampler: its users and movies, and what is averaged over their posterior draws.

A worker has a memory of its own, and depends on numpy, scipy and the kernels alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from embrec import kernels
from embrec.kernels import Groups
from embrec.models.bayesian.columns import Columns
from embrec.models.bayesian.keys import Stage
from embrec.models.bayesian.movies import Movies
from embrec.models.bayesian.side import Floats
from embrec.models.bayesian.spreads import (
    Averaging,
    Moment,
    Spread,
    moment,
    wide_movies,
    wide_users,
    wide_users_without_biases,
)
from embrec.models.bayesian.users import Users
from embrec.models.shards.incidence import Incidence, squared_error
from embrec.models.shards.layout import Layout, Rated
from embrec.models.shards.tree import Branch, Terms

# Standard deviation of noise added to the standardised ratings. Without it the noise of ratings that are predicted
# exactly, for example if all are equal, would shrink to zero.
_LEAST_NOISE = np.float32(0.02)


class Data(NamedTuple):
    """A worker's share of the data.

    Attributes:
        rated: The ratings of its users, of mean 0 and standard deviation 1.
        reported: Ratings of its users to report the error on, in the same unit.
        movie_counts: Ratings of each of its movies, int64 of shape (movies,).
        labels: Its users' side information in units of the roots of their features, of shape (users, labels).
        genres: All movies' likewise, of shape (movies, genres); None for all workers but one.
    """

    rated: Rated
    reported: list[Rated]
    movie_counts: NDArray[np.int64]
    labels: scipy.sparse.csr_array
    genres: scipy.sparse.csr_array | None


class Moved(NamedTuple):
    """The movies of all workers after a sweep.

    Attributes:
        vectors: Of each worker, float32 of shape (movies, width).
        scales: Of each worker, float32 of shape (movies,).
    """

    vectors: list[Floats]
    scales: list[Floats]


class Averaged(NamedTuple):
    """A posterior draw that was averaged. The conductor may have references in place of arrays.

    Attributes:
        draw: The terms that it added to the averages.
        draws: Number of draws with it.
        expected: The movies' expectation, of each worker, float32 of shape (movies, width).
        expected_squares: The expected squares of the movies' scales, of each worker, float64 of shape (movies,).
    """

    draw: Averaging
    draws: int
    expected: Sequence[Any]
    expected_squares: Sequence[Any]


class Told(NamedTuple):
    """The instructions of a sweep to all workers. The conductor may have references in place of arrays.

    Attributes:
        prior: The prior of users.
        link: Further coefficients of the users' features, of each worker, float32 of shape (features, width).
        weight: The weight of the prior of the users' scales.
        rights: Matrices that compressed the columns, as in :meth:`Worker.compress`; None if they were not.
        averaged: The draw, if it was averaged.
    """

    prior: Any
    link: Sequence[Any]
    weight: float
    rights: tuple[Floats, Floats] | None
    averaged: Averaged | None


class Worker:
    """One worker.

    Args:
        number: Its number.
        workers: The number of workers.
    """

    def __init__(self, number: int, workers: int) -> None:
        self._number, self._workers = number, workers
        self.users: Users
        self.movies: Movies

    def load(self, layout: Layout, data: Data, width: int, seed: int) -> None:
        """Take the worker's share of the ratings, and begin a chain.

        Args:
            layout: The cuts of users and movies.
            data: The worker's share.
            width: Length of a vector, the bias in the last column.
            seed: Seeds all draws.
        """
        users, movies = (side.share(self._number, self._workers) for side in (layout.users, layout.movies))
        starts, rated, values = data.rated
        values = values.copy()
        for leaf, rows in zip(users.leaves, users.spans, strict=True):
            mine = values[starts[rows.start] : starts[rows.stop]]
            mine += _LEAST_NOISE * kernels.normals((seed, Stage.BLUR, 0, leaf), len(mine))
        ratings = Incidence(starts, rated, values, layout.movie_count, users)
        parts = [layout.movies.share(number, self._workers).rows for number in range(self._workers)]
        self.users = Users(ratings, data.labels, data.genres, parts, width, seed)
        with_labels = layout.movies.longer(data.labels.shape[1]).share(self._number, self._workers)
        self.movies = Movies(data.movie_counts, movies, with_labels, width, seed)
        self._reported = [Groups(*each) for each in data.reported]
        self._predicted = [np.zeros(len(each.values)) for each in data.reported]
        self._columns = Columns(users), Columns(movies)
        self._biases = np.zeros(len(self.users.counts)), np.zeros(len(data.movie_counts))
        self._spreads = Spread(users, len(self.users.counts)), Spread(movies, len(data.movie_counts))

    def again(self, sweep: int, before: Moved, after: Moved, told: Told) -> None:
        """Make a sweep again: draw the users as then, and take the movies as they came out of it.

        Args:
            sweep: The sweep.
            before: The movies before it.
            after: The movies after it.
            told: The instructions.
        """
        number, movies = self._number, self.movies
        self.users.draw(sweep, told.prior, *before.vectors, *before.scales, *told.link)
        if told.rights is not None:
            self.compress(*told.rights)
        self.users.draw_scales(sweep, told.weight)
        movies.restore(after.vectors[number], after.scales[number])
        if told.averaged is not None:
            movies.expected = told.averaged.expected[number]
            movies.scales.expected_squares = told.averaged.expected_squares[number].copy()
            self.average(told.averaged.draw)
            self.errors(told.averaged.draws, *told.averaged.expected)

    def moments(self) -> list[list[Branch]]:
        """Return the moments of the last draw: of users, of movies, and of movies less their expectation."""
        users, movies = self.users, self.movies
        return [
            moment(users.share, wide_users, users.vectors, users.counts),
            moment(movies.share, wide_movies, movies.expected, movies.counts),
            moment(movies.share, wide_movies, movies.vectors - movies.expected, movies.counts),
        ]

    def average(self, draw: Averaging) -> None:
        """Add the last draw to the averages."""
        users, movies = self.users, self.movies
        for columns, biases, vectors in zip(self._columns, self._biases, (users.vectors, movies.expected), strict=True):
            columns.add(vectors[:, :-1])
            biases += vectors[:, -1]
        without = draw.of_users.copy()
        without[-2] = without[:, -2] = 0.0  # the movies' variance concerns no user's bias
        of_users, of_movies = self._spreads
        of_users.add(
            draw.noise_of_movies * users.scales.expected_squares,
            (wide_users, users.vectors, draw.of_movies),
            (wide_users_without_biases, users.vectors, draw.of_variance),
        )
        of_movies.add(
            draw.noise_of_users * movies.scales.expected_squares,
            (wide_movies, movies.expected, draw.of_users),
            (wide_movies, movies.vectors - movies.expected, without),
        )

    def errors(self, draws: int, *expected: Floats) -> list[Branch]:
        """Return the sums of squared errors of the posterior mean, or without draws those of the last draw.

        Args:
            draws: Number of draws in the mean.
            expected: The movies' expected vectors, of each worker.
        """
        movies = np.concatenate(expected)

        def error(rated: Groups, sums: NDArray[np.float64], rows: slice) -> float:
            found: NDArray[Any] = kernels.predict(rated, self.users.vectors[rows], movies, rows)
            if draws:
                mine = rated.ratings_of(rows)
                sums[mine] += found
                found = sums[mine] / draws
            return squared_error(found, rated, rows)

        def terms(leaf: int, rows: slice) -> Terms:
            pairs = zip(self._reported, self._predicted, strict=True)
            return tuple(error(rated, sums, rows) for rated, sums in pairs)

        return self.users.share.sums(terms)

    def grams(self) -> list[list[Branch]]:
        """Return the Gram matrices of the users' and the movies' columns."""
        return [columns.gram() for columns in self._columns]

    def compress(self, users: Floats, movies: Floats) -> None:
        """Multiply the users' and the movies' columns by matrices."""
        for columns, right in zip(self._columns, (users, movies), strict=True):
            columns.turn(right)

    def finish(self, draws: int, rank: int) -> list[list[Branch]]:
        """Make the rows of the mean of the draws, and return their moments, of users and of movies.

        Args:
            draws: Number of draws.
            rank: Length of a row without the bias. Columns that are missing are zero.
        """
        scale = np.float32(draws**-0.5)
        self._means = []
        for columns, biases in zip(self._columns, self._biases, strict=True):
            mean = np.zeros((len(biases), rank + 1), np.float32)
            columns.move(scale, mean)
            mean[:, -1] = biases / draws
            self._means.append(mean)
        users, movies = self._means
        return [
            moment(self.users.share, wide_users, users, self.users.counts),
            moment(self.movies.share, wide_movies, movies, self.movies.counts),
        ]

    def variances(self, draws: int, of_users: Moment, of_movies: Moment) -> list[Branch]:
        """Keep each row's variance, and return the sum of the users', each times its number of ratings."""
        users, movies = self._means
        self._variances = [
            self._spreads[0].variances(draws, (wide_users, users, of_movies)),
            self._spreads[1].variances(draws, (wide_movies, movies, of_users)),
        ]
        return self.users.share.sums(lambda leaf, rows: (self.users.counts[rows] @ self._variances[0][rows],))

    def results(self, overall: float) -> list[Floats]:
        """Hand over the rows of users and of movies, and the roots of their variances over the overall deviation."""
        means, self._means = self._means, []
        return [*means, *(np.sqrt(each / overall) for each in self._variances)]
