"""Posterior draws of one side's vectors given the other side's: a Bayesian linear regression for each row."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embrec.models.bayesian.normal_equations import Sums


class Drawn(NamedTuple):
    """Posterior draws of some rows.

    Attributes:
        vectors: The draws, float32 of shape (rows, width).
        expected: The posterior mean, float32 of shape (rows, width).
        squares: Weighted sum of squared residuals of the draw, float32 of shape (rows,).
    """

    vectors: NDArray[np.float32]
    expected: NDArray[np.float32]
    squares: NDArray[np.float32]


def draw(
    sums: Sums,
    prior_means: NDArray[np.float32],
    prior_precision: NDArray[np.float32],
    noises: NDArray[np.float32],
    normal: NDArray[np.float32],
) -> Drawn:
    """Draw each row from its posterior; a row without ratings is drawn from its prior. Input not finite gives NaN.

    With A a row's precision, b the moments of its ratings and its prior together, and A = L L', the mean is
    L'^-1 (L^-1 b), and a draw L'^-1 (L^-1 b + z), z standard normal.

    Args:
        sums: The sums over the rows' ratings.
        prior_means: float32 of shape (rows, width).
        prior_precision: float32 of shape (width, width).
        noises: Standard deviation of a row's ratings of weight 1, float32 of shape (rows,).
        normal: Standard normal numbers, float32 of shape (rows, width).
    """
    rows, width = normal.shape
    down, across = np.tril_indices(width)
    weights = noises**-2
    # The rows are the last axis: then every step handles all of them, contiguous in memory. b is appended below A, so
    # the Cholesky steps that turn A into L turn b into L^-1 b.
    equations = np.zeros((width + 1, width, rows), np.float32)
    equations[down, across] = sums.products.T * weights + prior_precision[down, across, np.newaxis]
    equations[width] = sums.moments.T * weights + prior_precision @ prior_means.T
    for step in range(width):
        equations[step:, step] /= np.sqrt(equations[step, step])
        below = equations[step + 1 :, step]
        equations[step + 1 :, step + 1 :] -= below[:, np.newaxis] * below[:-1]
    solved = np.stack([equations[width], normal.T])
    for step in reversed(range(width)):
        solved[:, step] /= equations[step, step]
        solved[:, :step] -= equations[step, :step] * solved[:, step, np.newaxis]
    expected = np.ascontiguousarray(solved[0].T)
    drawn = expected + solved[1].T
    return Drawn(drawn, expected, _squares(sums, drawn))


def _squares(sums: Sums, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    down, across = np.tril_indices(vectors.shape[1])
    both = np.where(
        down == across, np.float32(1), np.float32(2)
    )  # a lower triangle holds each entry off the diagonal once instead of twice
    explained = np.einsum("np,np->n", sums.products, vectors[:, down] * vectors[:, across] * both)
    left = sums.squares - 2 * np.einsum("nd,nd->n", vectors, sums.moments) + explained
    return np.asarray(np.maximum(left, np.float32(0)))
