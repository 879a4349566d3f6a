"""The conjugate gradients of one worker's rows, for all columns at once (Hestenes, Stiefel, 1952)."""

from __future__ import annotations

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from embrec import kernels
from embrec.models.shards.tree import Branch, Share, Terms

Floats = NDArray[np.float32]


class Gradients:
    """Some rows of the system A x = target. The matrix is known by its products with directions alone.

    Args:
        target: float32 of shape (rows, columns).
        scale: The preconditioner's diagonal, float32 of shape (rows,).
        share: The worker's leaves.
        known: For each leaf its rows of the matrix K by which the conductor improves the preconditioner, sparse,
            float32 of shape (rows, any); None if the diagonal is all.

    Attributes:
        direction: float32 of shape (rows, columns).
        solution: The same.
        residual: The same.
        share: The leaves.
    """

    def __init__(
        self, target: Floats, scale: Floats, share: Share, known: list[scipy.sparse.csr_array] | None = None
    ) -> None:
        self.target, self._scale, self.share, self._known = target, scale, share, known
        self.solution, self.residual = np.zeros_like(target), target.copy()
        self.direction = np.zeros_like(target)
        self._changed = self.direction

    def begin(self) -> list[Branch]:
        """Return the squared size of the target as :meth:`step` does that of the residual."""
        return self.step(np.zeros(self.target.shape[1], np.float32))

    def along(self, changed: Floats) -> list[Branch]:
        """Take the matrix's product with the direction, and return its dot products with the direction."""
        self._changed = changed
        return self.share.sums(lambda leaf, rows: (kernels.dots(self.direction[rows], changed[rows]),))

    def step(self, step: Floats) -> list[Branch]:
        """Go a step in the direction, and return the squared size of the residual by the diagonal, and K' residual."""
        known, first = self._known, self.share.leaves.start

        def leaf_step(leaf: int, rows: slice) -> Terms:
            state = (each[rows] for each in (self._scale, self.solution, self.residual))
            size = kernels.cg_update(step, self.direction[rows], self._changed[rows], *state)
            return (size,) if known is None else (size, known[leaf - first].T @ self.residual[rows])

        return self.share.sums(leaf_step)

    def turn(self, ratio: Floats, correction: Floats | None) -> None:
        """Turn the direction.

        Args:
            ratio: The share of the former direction, float32 of shape (columns,).
            correction: The direction is K times this less, float32 of shape (any, columns); None without K.
        """
        kernels.cg_direction(ratio, self.residual, self._scale, self.direction)
        if self._known is not None:
            for known, rows in zip(self._known, self.share.spans, strict=True):
                self.direction[rows] -= known @ correction
