"""The prior of one side's vectors in Bayesian matrix factorisation: its mean is linear in what is known of each row.

A row's vector is N(mean + features . link, precision^-1). The mean and the precision have a Normal-Wishart prior
(Salakhutdinov, Mnih, Bayesian probabilistic matrix factorization using Markov chain Monte Carlo, ICML 2008), the link a
normal one whose precision is drawn too (Simm et al., Macau: scalable Bayesian factorization with high-dimensional side
information using MCMC, 2015).
"""

from __future__ import annotations

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.stats
from numpy.typing import NDArray

# Up to so many features their Gram matrix is decomposed, once; beyond, conjugate gradients solve for the link.
_DECOMPOSED_FEATURES = 3_000
_GRADIENT_STEPS = 12
# Weight of the prior of the mean, in rows.
_MEAN_ROWS = 2.0


class LinkedPrior:
    """The prior's parameters, drawn anew by :meth:`update`.

    Args:
        features: Sparse, of shape (row_count, feature_count).
        width: Length of a row's vector.
        random: Draws.

    Attributes:
        precision: float64 of shape (width, width).
    """

    def __init__(self, features: scipy.sparse.csr_array, width: int, random: np.random.Generator) -> None:
        self._features, self._random = features, random
        self._transposed = features.T.tocsr()
        self._mean = np.zeros(width)
        self.precision = np.eye(width)
        self._link = np.zeros((features.shape[1], width))
        self._link_precision = 10.0
        self._decomposed: tuple[NDArray[np.float64], NDArray[np.float32]] | None = None
        if features.shape[1] <= _DECOMPOSED_FEATURES:
            values, basis = scipy.linalg.eigh((self._transposed @ features).toarray().astype(np.float64))
            self._decomposed = values, basis.astype(np.float32)  # half the memory to go through at every draw

    def means(self) -> NDArray[np.float64]:
        """Each row's mean, float64 of shape (row_count, width)."""
        return np.asarray(self._mean + self._features @ self._link)

    def update(self, rows: NDArray[np.float32]) -> None:
        """Draw the parameters given the rows, float32 of shape (row_count, width)."""
        vectors = rows.astype(np.float64)
        self._draw_mean_and_precision(vectors - self._features @ self._link)
        self._draw_link(vectors - self._mean)

    def _draw_mean_and_precision(self, residual: NDArray[np.float64]) -> None:
        count, width = residual.shape
        average = residual.mean(axis=0)
        centred = residual - average
        spread = np.eye(width) + centred.T @ centred
        spread += (_MEAN_ROWS * count / (_MEAN_ROWS + count)) * np.outer(average, average)
        spread += self._link_precision * self._link.T @ self._link
        freedom = width + count + len(self._link)
        self.precision = np.asarray(
            scipy.stats.wishart.rvs(freedom, scipy.linalg.inv(spread), random_state=self._random)
        ).reshape(width, width)
        self._mean = count * average / (_MEAN_ROWS + count) + self._noise(1)[0] / np.sqrt(_MEAN_ROWS + count)

    def _draw_link(self, vectors: NDArray[np.float64]) -> None:
        count, width = self._link.shape
        if not count:
            return
        target = self._transposed @ (vectors + self._noise(len(vectors)))
        target += np.sqrt(self._link_precision) * self._noise(count)
        if self._decomposed is not None:
            values, basis = self._decomposed
            rotated = (basis.T @ target.astype(np.float32)) / (values + self._link_precision)[:, np.newaxis]
            self._link = (basis @ rotated.astype(np.float32)).astype(np.float64)
        else:
            self._link = self._conjugate_gradients(target)
        size = np.sum((self._link @ self.precision) * self._link)
        self._link_precision = self._random.gamma((1 + count * width) / 2, 2 / (1 + size))

    def _conjugate_gradients(self, target: NDArray[np.float64]) -> NDArray[np.float64]:
        """Solve (F'F + precision I) link = target for every column at once, from the link as it is."""

        def product(link: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.asarray(self._transposed @ (self._features @ link) + self._link_precision * link)

        link = self._link.copy()
        residual = target - product(link)
        direction = residual.copy()
        square = np.sum(residual**2, axis=0)
        for _ in range(_GRADIENT_STEPS):
            changed = product(direction)
            step = square / np.maximum(np.sum(direction * changed, axis=0), 1e-30)
            link += step * direction
            residual -= step * changed
            before, square = square, np.sum(residual**2, axis=0)
            direction = residual + square / np.maximum(before, 1e-30) * direction
        return link

    def _noise(self, count: int) -> NDArray[np.float64]:
        """Draws from N(0, precision^-1), of shape (count, width)."""
        lower = scipy.linalg.cholesky(self.precision, lower=True)
        normal = self._random.standard_normal((len(self.precision), count))
        return np.asarray(scipy.linalg.solve_triangular(lower.T, normal, lower=False).T)
