"""The prior of one side's vectors in Bayesian matrix factorisation, with a mean linear in side information.

A row's vector is N(mean + features . link, precision^-1). The mean and the precision have a Normal-Wishart prior
(Salakhutdinov, Mnih, Bayesian probabilistic matrix factorization using Markov chain Monte Carlo, ICML 2008). The
regression coefficients, named ``link`` here, have a normal prior whose precision is drawn too (Simm et al., Macau:
scalable Bayesian factorization with high-dimensional side information using MCMC, 2015).
"""

from __future__ import annotations

import numpy as np
import scipy.linalg
import scipy.sparse
from numpy.typing import NDArray

# With at most 3,000 rows or features the feature matrix is decomposed once. Beyond, the decomposition would be slow,
# and conjugate gradients solve for the regression coefficients.
_DECOMPOSED = 3_000
# Relative tolerance: squared singular values below this fraction of the largest are rounding noise and are dropped.
_LEAST_SHARE = 1e-6
# Conjugate gradients stop at a relative residual of 1 %, which is small beside the noise of a draw, or after 30 steps.
_LEFT_OVER, _MOST_GRADIENT_STEPS = 0.01, 30
_TINY = np.float32(1e-30)
# The prior of the mean weighs as much as 2 rows, which regularizes the mean of few rows.
_MEAN_ROWS = 2.0


class LinkedPrior:
    """The prior's parameters, drawn anew by :meth:`update`.

    Args:
        features: Sparse, of shape (row_count, feature_count).
        width: Length of a row's vector.
        random: The random generator to draw from.

    Attributes:
        precision: float64 of shape (width, width).
    """

    def __init__(self, features: scipy.sparse.csr_array, width: int, random: np.random.Generator) -> None:
        self._random = random
        self._mean = np.zeros(width, np.float32)
        self.precision = np.eye(width)
        kind = _DecomposedLink if min(features.shape) <= _DECOMPOSED else _SolvedLink
        self._link = kind(features.astype(np.float32), width)
        self._link_precision = 10.0

    def means(self) -> NDArray[np.float32]:
        """Return each row's prior mean, float32 of shape (row_count, width)."""
        return self._mean + self._link.of_rows

    def update(self, rows: NDArray[np.float32]) -> None:
        """Draw the parameters given the rows, float32 of shape (row_count, width)."""
        self._draw_mean_and_precision(rows - self._link.of_rows)
        self._draw_link(rows - self._mean)

    def _draw_mean_and_precision(self, residual: NDArray[np.float32]) -> None:
        count, width = residual.shape
        average = residual.mean(axis=0, dtype=np.float64)
        centred = residual - average.astype(np.float32)
        spread = np.eye(width) + (centred.T @ centred).astype(np.float64)
        spread += (_MEAN_ROWS * count / (_MEAN_ROWS + count)) * np.outer(average, average)
        spread += self._link_precision * (self._link.values.T @ self._link.values).astype(np.float64)
        self.precision = self._wishart(width + count + len(self._link.values), scipy.linalg.inv(spread))
        mean = count * average / (_MEAN_ROWS + count) + self._noise(1)[0] / np.sqrt(_MEAN_ROWS + count)
        self._mean = mean.astype(np.float32)

    def _draw_link(self, vectors: NDArray[np.float32]) -> None:
        if not len(self._link.values):
            return
        noises = self._noise(self._link.noises)
        self._link.draw(vectors, self._link_precision, noises)
        size = np.sum((self._link.values @ self.precision) * self._link.values)
        self._link_precision = self._random.gamma((1 + self._link.values.size) / 2, 2 / (1 + size))

    def _wishart(self, freedom: int, scale: NDArray[np.float64]) -> NDArray[np.float64]:
        """Draw from a Wishart distribution by Bartlett's decomposition (1933); importing scipy.stats takes 0.5 s."""
        factor = np.tril(self._random.standard_normal(scale.shape), -1)
        np.fill_diagonal(factor, np.sqrt(self._random.chisquare(freedom - np.arange(len(scale)))))
        factor = np.linalg.cholesky(scale) @ factor
        return factor @ factor.T

    def _noise(self, count: int) -> NDArray[np.float32]:
        """Draw ``count`` rows from N(0, precision^-1)."""
        lower = np.linalg.inv(np.linalg.cholesky(self.precision)).astype(np.float32)
        return self._random.standard_normal((count, len(lower)), np.float32) @ lower


class _DecomposedLink:
    """The regression coefficients in the basis of the features' singular vectors, where they are independent.

    With features = Q S V', a row's mean is its row of Q S times V' link. Singular vectors with a
    singular value of zero are left out, of the prior of the coefficients too, which integrates them out.

    Attributes:
        values: V' link, float32 of shape (singular vectors, width).
        of_rows: features . link, float32 of shape (row_count, width).
        noises: Rows of noise that a draw takes.
    """

    def __init__(self, features: scipy.sparse.csr_array, width: int) -> None:
        # Decompose the smaller of the two Gram matrices. If that is features' . features, Q is features . V / S and is
        # never formed, because the features are sparse and Q is dense.
        self._features = features if features.shape[1] < features.shape[0] else None
        gram = features.T @ features if self._features is not None else features @ features.T
        squares, basis = scipy.linalg.eigh(gram.toarray(), driver="evd")
        # Fix the signs of the singular vectors, or the draws would depend on the CPU: each BLAS chooses its own signs.
        basis *= np.sign(np.random.default_rng(0).standard_normal(len(basis)) @ basis)
        real = squares > _LEAST_SHARE * squares.max(initial=0.0)
        self._sizes = np.sqrt(squares[real], dtype=np.float32)[:, np.newaxis]
        self._basis = np.ascontiguousarray(basis[:, real] / (1 if self._features is None else self._sizes.T))
        self.noises = len(self._sizes)
        self.values = np.zeros((len(self._sizes), width), np.float32)
        self.of_rows = np.zeros((features.shape[0], width), np.float32)

    def draw(self, vectors: NDArray[np.float32], precision: float, noises: NDArray[np.float32]) -> None:
        """Draw the link given the rows' vectors less the mean."""
        projected = self._basis.T @ (vectors if self._features is None else self._features.T @ vectors)
        precisions = self._sizes**2 + np.float32(precision)
        self.values = self._sizes * projected / precisions + noises / np.sqrt(precisions)
        found = self._basis @ (self._sizes * self.values)
        self.of_rows = found if self._features is None else self._features @ found


class _SolvedLink:
    """The regression coefficients, drawn by conjugate gradients, which need only products with the features.

    The attributes are those of :class:`_DecomposedLink`, the values of shape (feature_count, width).
    """

    def __init__(self, features: scipy.sparse.csr_array, width: int) -> None:
        # Store the matrix by its longer side: then products read that side in order, and the shorter side stays cached.
        rows, columns = features.shape
        self._features = features if rows >= columns else features.T.tocsr().T
        self._squares = np.asarray(features.power(2).sum(axis=0), np.float32)[:, np.newaxis]
        self.noises = rows + columns
        self.values = np.zeros((columns, width), np.float32)
        self.of_rows = np.zeros((rows, width), np.float32)

    def draw(self, vectors: NDArray[np.float32], precision: float, noises: NDArray[np.float32]) -> None:
        """Draw the link given the rows' vectors less the mean."""
        of_rows, of_link = np.split(noises, [len(vectors)])
        target = self._features.T @ (vectors + of_rows) + np.float32(np.sqrt(precision)) * of_link
        self.values = self._solution(target, np.float32(precision))
        self.of_rows = self._features @ self.values

    def _solution(self, target: NDArray[np.float32], precision: np.float32) -> NDArray[np.float32]:
        """Solve (F'F + precision I) link = target for every column at once, in units of the matrix's diagonal."""
        scale = 1 / (self._squares + precision)
        link, residual = np.zeros_like(target), target.copy()
        direction = scale * residual
        first = size = np.sum(residual * direction, axis=0)
        for _ in range(_MOST_GRADIENT_STEPS):
            changed = self._features.T @ (self._features @ direction) + precision * direction
            step = size / np.maximum(np.sum(direction * changed, axis=0), _TINY)
            link += step * direction
            residual -= step * changed
            before, size = size, np.sum(residual * scale * residual, axis=0)
            if (size <= _LEFT_OVER**2 * first).all():
                break
            direction = scale * residual + size / np.maximum(before, _TINY) * direction
        return link
