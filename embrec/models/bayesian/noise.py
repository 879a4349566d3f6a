"""Heteroscedastic noise: every user and every movie has its own scale of the residuals' standard deviation.

Some people rate by mood, and some movies divide people. The standard deviation of a rating's noise is noise * user's
scale * movie's scale. Therefore an erratic user has little influence on movies, and a divisive movie little on users
(Lakshminarayanan, Bouchard, Archambeau, Robust Bayesian matrix factorisation, AISTATS 2011; here the scales are drawn).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from embrec import kernels

# Grid of prior weights of a scale, in ratings, from 4 to 362. With a weight below 4 one row, fitted well by chance,
# could get so small a scale that it dominates all others.
_WEIGHTS = 2.0 ** np.arange(2, 9.5, 0.5)


class Scales:
    """The scales of some rows' noise.

    The inverse square of a scale has a gamma prior of mean 1. The prior's weight, in ratings, is drawn too: from a
    grid, by its marginal likelihood, in which the scales are integrated out (:func:`draw_weight`).

    Args:
        counts: Ratings of each row, int64 of shape (rows,).

    Attributes:
        values: float32 of shape (rows,).
        expected_squares: Mean of each square given everything else, float64 of shape (rows,).
    """

    def __init__(self, counts: NDArray[np.int64]) -> None:
        self._counts = counts
        self.values = np.ones(len(counts), np.float32)
        self.expected_squares = np.ones(len(counts))
        self._squares = np.zeros(len(counts))
        # The constant term of each weight's log likelihood depends on the row's number of ratings alone.
        different, self._number = np.unique(counts, return_inverse=True)
        half = (_WEIGHTS[:, np.newaxis] + different) / 2
        prior = _WEIGHTS[:, np.newaxis] / 2
        self._constants = gammaln(half) - gammaln(prior) + prior * np.log(2 * prior)

    def log_likelihoods(self, rows: slice, squares: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the log likelihood of each weight in the grid, and keep the squares for :meth:`draw`.

        Args:
            rows: The rows.
            squares: Each row's sum of squared residuals, in units of the rest of their noise, float64 of shape (rows,).

        Returns:
            float64, one for each weight.
        """
        self._squares[rows] = squares
        constants = self._constants @ np.bincount(self._number[rows], minlength=self._constants.shape[1])
        narrow = (each.astype(np.float32) for each in (_WEIGHTS, self._counts[rows], squares))
        return np.asarray(constants - kernels.logarithms(*narrow))

    def draw(self, rows: slice, weight: float, random: np.random.Generator) -> None:
        """Draw the scales of some rows given the weight of their prior."""
        counts, squares = self._counts[rows], self._squares[rows]
        precisions = random.gamma((weight + counts) / 2, 2 / (weight + squares))
        self.values[rows] = precisions**-0.5
        self.expected_squares[rows] = (weight + squares) / (weight + counts - 2)


def draw_weight(log_likelihoods: NDArray[np.float64], random: np.random.Generator) -> float:
    """Draw the weight of the scales' prior, given the log likelihoods of the grid, summed over all rows."""
    likelihoods = np.cumsum(np.exp(log_likelihoods - log_likelihoods.max()))
    return float(_WEIGHTS[np.searchsorted(likelihoods, random.random() * likelihoods[-1], side="right")])
