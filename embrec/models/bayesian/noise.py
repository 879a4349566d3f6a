"""Heteroscedastic noise: every user and every movie has its own scale of the residuals' standard deviation.

Some people rate by mood, and some movies divide people. The standard deviation of a rating's noise is noise * user's
scale * movie's scale. Therefore an erratic user has little influence on movies, and a divisive movie little on users
(Lakshminarayanan, Bouchard, Archambeau, Robust Bayesian matrix factorisation, AISTATS 2011; here the scales are drawn).

The predictive variance of a rating is the variance of the noise plus the variance of the posterior draws, which is
large if there are few ratings. Each row gets its average predictive variance over the rated pairs. A user's times a
movie's, divided by the overall mean, approximates the variance of the pair.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, softmax

# Grid of prior weights of a scale, in ratings, from 4 to 362. With a weight below 4 one row, fitted well by chance,
# could get so small a scale that it dominates all others.
_WEIGHTS = 2.0 ** np.arange(2, 9.5, 0.5)


class Scales:
    """One side's scales of the noise, drawn anew by :meth:`draw`.

    The inverse square of a scale has a gamma prior of mean 1. The prior's weight, in ratings, is drawn too: from a
    grid, by its marginal likelihood, in which the scales are integrated out.

    Args:
        counts: Ratings of each row, int64 of shape (row_count,).
        random: The random generator to draw from.

    Attributes:
        values: float32 of shape (row_count,).
        expected_squares: Mean of each square given everything else, float64 of shape (row_count,).
    """

    def __init__(self, counts: NDArray[np.int64], random: np.random.Generator) -> None:
        self._counts, self._random = counts, random
        self.values = np.ones(len(counts), np.float32)
        self.expected_squares = np.ones(len(counts))
        # The constant term of each weight's log likelihood.
        self._constant = [
            np.sum(gammaln((weight + counts) / 2) - gammaln(weight / 2) + weight / 2 * np.log(weight))
            for weight in _WEIGHTS
        ]

    def draw(self, squares: NDArray[np.float64]) -> None:
        """Draw the scales given each row's sum of squared residuals, in units of the rest of their noise."""
        likelihoods = [
            constant - np.sum((weight + self._counts) / 2 * np.log(weight + squares))
            for weight, constant in zip(_WEIGHTS, self._constant, strict=True)
        ]
        weight = self._random.choice(_WEIGHTS, p=softmax(likelihoods))
        precisions = self._random.gamma((weight + self._counts) / 2, 2 / (weight + squares))
        self.values = (precisions**-0.5).astype(np.float32)
        self.expected_squares = (weight + squares) / (weight + self._counts - 2)


class Spreads:
    """The predictive variance of each user's and each movie's ratings, averaged over posterior draws.

    Args:
        user_counts: Ratings of each user, int64 of shape (user_count,).
        movie_counts: Ratings of each movie, int64 of shape (movie_count,).
    """

    def __init__(self, user_counts: NDArray[np.int64], movie_counts: NDArray[np.int64]) -> None:
        counts = user_counts, movie_counts
        self._shares = [(each / each.sum()).astype(np.float32) for each in counts]
        self._noise, self._squares = ([np.zeros(len(each)) for each in counts] for _ in range(2))
        self._draws = 0

    def add(
        self,
        users: NDArray[np.float32],
        movies: NDArray[np.float32],
        expected_movies: NDArray[np.float32],
        noise: float,
        scales: tuple[Scales, Scales],
    ) -> None:
        """Add a posterior draw.

        Args:
            users: float32 of shape (user_count, width), the biases last in each row.
            movies: float32 of shape (movie_count, width), likewise.
            expected_movies: The conditional mean of the movies given the users, shaped like ``movies``.
            noise: Standard deviation of a rating if both scales are 1.
            scales: The users' scales and the movies' scales.
        """
        self._draws += 1
        squares = [each.expected_squares for each in scales]
        # The movies' variance within a draw is added here; the variance between draws comes from the expected movies.
        without_biases = users.copy()
        without_biases[:, -1] = 0
        added = self._mean_squares(without_biases, movies - expected_movies)
        for own, found in enumerate(self._mean_squares(users, expected_movies)):
            self._noise[own] += noise**2 * squares[own] * (self._shares[1 - own] @ squares[1 - own]) + added[own]
            self._squares[own] += found

    def values(
        self, users: NDArray[np.float32], movies: NDArray[np.float32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the uncertainties, float64 of shapes (user_count,) and (movie_count,), given the posterior mean.

        A user's times a movie's is the standard deviation of the rating around its prediction.
        """
        # Bessel's correction, because few draws vary less around their own mean than around the true one; plus the
        # variance of that mean.
        few = (self._draws + 1) / max(self._draws - 1, 1)
        variances = [
            noise / self._draws + few * np.maximum(squares / self._draws - of_mean, 0)
            for noise, squares, of_mean in zip(
                self._noise, self._squares, self._mean_squares(users, movies), strict=True
            )
        ]
        overall = np.sqrt(self._shares[0] @ variances[0])
        of_users, of_movies = (np.sqrt(each / overall) for each in variances)
        return of_users, of_movies

    def _mean_squares(self, users: NDArray[np.float32], movies: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Return each user's mean squared prediction, over movies weighted by popularity, and each movie's likewise."""
        wide = np.insert(users, users.shape[1], 1.0, axis=1), np.insert(movies, -1, 1.0, axis=1)
        found = []
        for own, other, shares in zip(wide, wide[::-1], self._shares[::-1], strict=True):
            moment = (other * shares[:, np.newaxis]).T @ other
            found.append(np.einsum("nd,nd->n", own @ moment, own))
        return found
