"""The predictive variance of each user's and each movie's ratings, averaged over posterior draws.

The predictive variance of a rating is the variance of the noise plus the variance of the posterior draws, which is
large if there are few ratings. Each row gets its average predictive variance over the other side, weighted by numbers
of ratings. A user's times a movie's, divided by the overall mean, approximates the variance of the pair.

A mean of squared predictions is a quadratic form of a row's own vector, whose matrix is a moment of the other side.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embrec.models.shards.tree import Branch, Share, Terms

Floats = NDArray[np.float32]
Moment = NDArray[np.float64]
# One of the functions that widen rows. A shard's rows are widened at a time: all users' would need gigabytes.
Widen = Callable[[Floats], Floats]


def wide_users(vectors: Floats) -> Floats:
    """Return users' rows whose products with :func:`wide_movies` are predictions; the bias is the last column."""
    wide = np.ones((len(vectors), vectors.shape[1] + 1), np.float32)
    wide[:, :-1] = vectors
    return wide


def wide_users_without_biases(vectors: Floats) -> Floats:
    """Return the same with biases of zero."""
    wide = wide_users(vectors)
    wide[:, -2] = 0.0
    return wide


def wide_movies(vectors: Floats) -> Floats:
    """Return movies' rows whose products with :func:`wide_users` are predictions; the bias is the last column."""
    wide = np.ones((len(vectors), vectors.shape[1] + 1), np.float32)
    wide[:, :-2], wide[:, -1] = vectors[:, :-1], vectors[:, -1]
    return wide


def moment(share: Share, widen: Widen, vectors: Floats, counts: NDArray[np.int64]) -> list[Branch]:
    """Return the sums of the widened rows' outer products, each times the row's number of ratings."""

    def terms(leaf: int, rows: slice) -> Terms:
        wide = widen(vectors[rows])
        weighted = wide * counts[rows].astype(np.float32)[:, np.newaxis]
        return ((weighted.T @ wide).astype(np.float64),)

    return share.sums(terms)


class Averaging(NamedTuple):
    """The terms that a posterior draw adds to the averages.

    Attributes:
        noise_of_users: Variance of the noise of the users' scales, averaged over ratings, if a movie's scale is 1.
        noise_of_movies: The same of the movies' scales.
        of_users: The users' moment.
        of_movies: The moment of the movies' expectation.
        of_variance: The moment of the movies less their expectation.
    """

    noise_of_users: float
    noise_of_movies: float
    of_users: Moment
    of_movies: Moment
    of_variance: Moment


class Spread:
    """The variances of some rows of one side.

    Args:
        share: The worker's leaves.
        count: Number of rows.
    """

    def __init__(self, share: Share, count: int) -> None:
        self._share = share
        self._noise, self._squares = np.zeros(count), np.zeros(count)

    def add(
        self,
        noise: NDArray[np.float64],
        predicting: tuple[Widen, Floats, Moment],
        varying: tuple[Widen, Floats, Moment],
    ) -> None:
        """Add a posterior draw.

        Args:
            noise: Variance of the noise of each row's ratings, float64 of shape (rows,).
            predicting: What widens the rows, the rows, and the other side's moment, of the draw's predictions.
            varying: The same of the predictions' variance within the draw, which is that of the movies.
        """
        self._noise += noise + self._mean_squares(*varying)
        self._squares += self._mean_squares(*predicting)

    def variances(self, draws: int, predicting: tuple[Widen, Floats, Moment]) -> NDArray[np.float64]:
        """Return each row's variance; ``predicting`` is as in :meth:`add`, of the posterior mean."""
        # Bessel's correction, because few draws vary less around their own mean than around the true one; plus the
        # variance of that mean.
        few = (draws + 1) / max(draws - 1, 1)
        return self._noise / draws + few * np.maximum(self._squares / draws - self._mean_squares(*predicting), 0)

    def _mean_squares(self, widen: Widen, vectors: Floats, moment: Moment) -> NDArray[np.float64]:
        narrow, found = moment.astype(np.float32), np.empty(len(vectors))
        for rows in self._share.spans:
            wide = widen(vectors[rows])
            found[rows] = np.einsum("nd,nd->n", wide @ narrow, wide)
        return found
