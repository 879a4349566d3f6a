"""The prior of one side's vectors in Bayesian matrix factorisation, with a mean linear in features.

A row's vector is N(mean + features . link, precision^-1). The mean and the precision have a Normal-Wishart prior
(Salakhutdinov, Mnih, Bayesian probabilistic matrix factorization using Markov chain Monte Carlo, ICML 2008). The
regression coefficients, named ``link`` here, have a normal prior with that precision times a penalty, which is drawn
too (Simm et al., Macau: scalable Bayesian factorization with high-dimensional side information using MCMC, 2015).

The precision is drawn with the coefficients integrated out. Given coefficients it could hardly move if there are more
features than rows: most coefficients are then drawn from the prior alone, with the last precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from embrec.models.bayesian.features import Basis

# The prior of the mean weighs as much as 2 rows, which regularizes the mean of few rows.
_MEAN_ROWS = 2.0

Matrix = NDArray[np.float64]


class Described(NamedTuple):
    """Sums over the vectors of all rows.

    Attributes:
        sums: Their sum, float64 of shape (width,).
        products: The sum of their outer products, float64 of shape (width, width).
        projected: The transposed basis times the vectors, float32 of shape (columns, width).
    """

    sums: NDArray[np.float64]
    products: Matrix
    projected: NDArray[np.float32]


class Drawn(NamedTuple):
    """A draw of the coefficients.

    Attributes:
        products: The sum of their outer products, float64 of shape (width, width).
        added: The sum of what the features add to all rows, float64 of shape (width,).
    """

    products: Matrix
    added: NDArray[np.float64]


class Link(Protocol):
    """The regression of vectors on features.

    Attributes:
        count: The number of coefficients of each column.
        coefficients: Coefficients of the side's basis, float32 of shape (columns, width); None if there is none.
        slices: References to other coefficients that the users need to be drawn.
    """

    count: int
    coefficients: NDArray[np.float32] | None
    slices: Sequence[Any]

    def unexplained(
        self, sweep: int, described: Described, residual: Matrix, mean: NDArray[np.float32], penalty: float
    ) -> Matrix:
        """Return the outer products of the vectors less their mean that the features leave unexplained.

        Args:
            sweep: The sweep.
            described: The sums over the vectors.
            residual: The outer products of the vectors less their mean.
            mean: The mean.
            penalty: The penalty of the coefficients.
        """

    def draw(self, sweep: int, lower: NDArray[np.float32], penalty: float, random: np.random.Generator) -> Drawn:
        """Draw the coefficients. A row of standard normal numbers times ``lower`` has the vectors' covariance."""


class LinkedPrior:
    """The prior's parameters, drawn anew by :meth:`update`.

    Args:
        width: Length of a vector.
        rows: Number of rows.
        link: The regression on the features.

    Attributes:
        mean: float32 of shape (width,).
        precision: float64 of shape (width, width).
        link: The regression.
    """

    def __init__(self, width: int, rows: int, link: Link) -> None:
        self._rows, self.link = rows, link
        self.mean = np.zeros(width, np.float32)
        self.precision = np.eye(width)
        self._penalty = 10.0

    def update(self, sweep: int, described: Described, random: np.random.Generator) -> None:
        """Draw the parameters given the vectors."""
        width, mean = len(self.mean), self.mean.astype(np.float64)
        crossed = np.outer(described.sums, mean)
        residual = described.products - crossed - crossed.T + self._rows * np.outer(mean, mean)
        left = self.link.unexplained(sweep, described, residual, self.mean, self._penalty)
        spread = np.eye(width) + _MEAN_ROWS * np.outer(mean, mean) + (left + left.T) / 2
        self.precision = wishart(width + self._rows + 1, scipy.linalg.inv(spread), random)
        lower = np.linalg.inv(np.linalg.cholesky(self.precision))
        drawn = self.link.draw(sweep, lower.astype(np.float32), self._penalty, random)
        size = np.sum(drawn.products * self.precision)
        self._penalty = random.gamma((1 + self.link.count * width) / 2, 2 / (1 + size))
        weight = _MEAN_ROWS + self._rows
        noise = random.standard_normal(width) @ lower
        self.mean = ((described.sums - drawn.added) / weight + noise / np.sqrt(weight)).astype(np.float32)


class DecomposedLink:
    """The regression in the basis of the features' singular vectors, where the coefficients are independent.

    Args:
        basis: The basis.
        width: Length of a vector.
    """

    def __init__(self, basis: Basis, width: int) -> None:
        self._squares = basis.squares[:, np.newaxis]
        self._sums = basis.vectors.sum(axis=0, dtype=np.float64)
        self.count = len(basis.squares)
        self.coefficients: NDArray[np.float32] | None = np.zeros((self.count, width), np.float32)
        self._projected: Matrix = np.zeros((self.count, width))
        self.slices: Sequence[Any] = ()

    def unexplained(
        self, sweep: int, described: Described, residual: Matrix, mean: NDArray[np.float32], penalty: float
    ) -> Matrix:
        """Return what the basis leaves."""
        self._projected = described.projected.astype(np.float64) - np.outer(self._sums, mean)
        explained = self._squares / (self._squares + penalty) * self._projected
        return np.asarray(residual - self._projected.T @ explained)

    def draw(self, sweep: int, lower: NDArray[np.float32], penalty: float, random: np.random.Generator) -> Drawn:
        """Draw the coefficients."""
        precisions = self._squares + penalty
        noise = random.standard_normal((self.count, len(lower)), np.float32) @ lower
        values = np.sqrt(self._squares) * self._projected / precisions + noise / np.sqrt(precisions)
        coefficients = np.sqrt(self._squares) * values
        self.coefficients = coefficients.astype(np.float32)
        return Drawn(values.T @ values, self._sums @ coefficients)


def wishart(freedom: int, scale: Matrix, random: np.random.Generator) -> Matrix:
    """Draw from a Wishart distribution by Bartlett's decomposition (1933); importing scipy.stats takes 0.5 s."""
    factor = np.tril(random.standard_normal(scale.shape), -1)
    np.fill_diagonal(factor, np.sqrt(random.chisquare(freedom - np.arange(len(scale)))))
    factor = np.linalg.cholesky(scale) @ factor
    return np.asarray(factor @ factor.T)
