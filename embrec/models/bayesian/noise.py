"""How far ratings scatter around what is predicted: every user and every movie has a scale of its own.

Some people rate by mood, and some movies divide people. The noise of a rating is noise * user's scale * movie's scale,
so that an erratic user says little about movies, and a movie that divides people little about users (Lakshminarayanan,
Bouchard, Archambeau, Robust Bayesian matrix factorisation, AISTATS 2011, whose scales these are; here they are drawn).

What comes out for a rating is its standard deviation around the prediction, for which the noise is not all: where
ratings are few, the draws differ. On average over what is rated, both together are a variance for each row, and the
product of a user's and a movie's, over the overall mean, is near that of the pair.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, softmax

# How many ratings the prior of a scale may weigh. Fewer than four would let one row, fitted well by chance, have so
# small a scale that all others must follow it.
_WEIGHTS = 2.0 ** np.arange(2, 9.5, 0.5)


class Scales:
    """One side's scales of the noise, drawn anew by :meth:`draw`.

    The inverse square of a scale has a gamma prior of mean 1. How many ratings the prior weighs is drawn too, from a
    grid, by what the ratings say of it whatever the scales are.

    Args:
        counts: Ratings of each row, int64 of shape (row_count,).
        random: Draws.

    Attributes:
        values: float32 of shape (row_count,).
        expected_squares: Mean of each square given everything else, float64 of shape (row_count,).
    """

    def __init__(self, counts: NDArray[np.int64], random: np.random.Generator) -> None:
        self._counts, self._random = counts, random
        self.values = np.ones(len(counts), np.float32)
        self.expected_squares = np.ones(len(counts))
        # What does not change of the weights' log likelihoods.
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
    """Averages draws: the variance of each user's and each movie's ratings around the mean of the draws.

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
        """Take a draw.

        Args:
            users: float32 of shape (user_count, width), the biases last in each row.
            movies: float32 of shape (movie_count, width), likewise.
            expected_movies: What the movies are drawn around, given the users.
            noise: Deviation of a rating where both scales are 1.
            scales: The users' and the movies'.
        """
        self._draws += 1
        squares = [each.expected_squares for each in scales]
        # What the draw of the movies adds is known draw by draw; only what they are drawn around differs between draws.
        without_biases = users.copy()
        without_biases[:, -1] = 0
        added = self._mean_squares(without_biases, movies - expected_movies)
        for own, found in enumerate(self._mean_squares(users, expected_movies)):
            self._noise[own] += noise**2 * squares[own] * (self._shares[1 - own] @ squares[1 - own]) + added[own]
            self._squares[own] += found

    def values(
        self, users: NDArray[np.float32], movies: NDArray[np.float32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The spreads, float64 of shapes (user_count,) and (movie_count,), given the mean of the draws.

        A user's times a movie's is the standard deviation of the rating around its prediction.
        """
        # Few draws differ less from their own mean than from what they are draws of, and their mean differs too.
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
        """Each user's mean square of predictions, over movies as often as they are rated; each movie's over users."""
        wide = np.insert(users, users.shape[1], 1.0, axis=1), np.insert(movies, -1, 1.0, axis=1)
        found = []
        for own, other, shares in zip(wide, wide[::-1], self._shares[::-1], strict=True):
            moment = (other * shares[:, np.newaxis]).T @ other
            found.append(np.einsum("nd,nd->n", own @ moment, own))
        return found
